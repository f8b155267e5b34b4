"""Complaints to an information sharing entity (CISS Guidelines ch. 5 and 6)."""
