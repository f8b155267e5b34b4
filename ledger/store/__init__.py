"""The ledgers in PostgreSQL: the commit procedure, reading, verification, and the embedded server."""
