"""Retention and destruction of things outside the ledger (IPP 4.2; Data.NSW guide §3)."""
