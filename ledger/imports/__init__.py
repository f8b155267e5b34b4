"""Import of an agency's own spreadsheet of a past register, by a mapping file (docs/import.md)."""
