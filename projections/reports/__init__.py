"""Reports: tables of figures counted from register rows as at given positions, for a period."""
