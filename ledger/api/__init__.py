"""HTTP: commands, timelines, entries, receipts, health. The only door of fastapi in ledger."""
