"""Destruction of sealed values inside the ledger: holds, proposals, second persons, what was destroyed."""
