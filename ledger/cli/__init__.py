"""The command line: thin fronts of the application, joined by ``ledger.main``."""
