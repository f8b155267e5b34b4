"""Whose act a row is about, where its register leaves it to the ledger that it stands in."""

from __future__ import annotations

from projections.reports.agencies import UNKNOWN
from projections.reports.snapshot import RegisterRow


def provider(row: RegisterRow) -> str:
    """Of a request: the organisation asked, else the one whose ledger it stands in."""
    return str(row["provider"] or row.organisation)


def requester(row: RegisterRow) -> str:
    """Of a request: the registered organisation that asked, or 'unregistered'."""
    return str(row["requester"] or UNKNOWN)


def holder(row: RegisterRow) -> str:
    """Of a retention item: who holds the records, else the organisation whose ledger it stands in."""
    if row["holder"] is None and row["holder_name"] is not None:
        return UNKNOWN
    return str(row["holder"] or row.organisation)
