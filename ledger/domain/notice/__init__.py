"""Compliance notices (PDPA Part 3 Division 9), in the regulator's ledger."""
