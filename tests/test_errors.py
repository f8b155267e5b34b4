"""Errors go whole from one process to another: what is checked there is told here."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from ledger import errors
from ledger.errors import AuditLedgerError, InvalidInput, LawRefused, Tampered

GIVEN: dict[type[AuditLedgerError], tuple[object, ...]] = {
    InvalidInput: ("fields.days", "a number", "many"),
    LawRefused: ("PDPA s 78", "no ground was given"),
    Tampered: ("example.org/one", 7, "it is missing"),
}


def every(of: type[AuditLedgerError] = AuditLedgerError) -> Iterator[type[AuditLedgerError]]:
    """All errors of ours, the root first."""
    yield of
    for each in of.__subclasses__():
        yield from every(each)


@pytest.mark.parametrize("kind", [each for each in every() if each.__module__ == errors.__name__])
def test_an_error_comes_through_whole(kind: type[AuditLedgerError]) -> None:
    told = kind(*GIVEN.get(kind, ("what happened",)))
    found = pickle.loads(pickle.dumps(told))
    assert type(found) is kind
    assert (str(found), vars(found)) == (str(told), vars(told))
