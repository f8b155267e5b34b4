"""The stream ``openings``: which sealed fields were opened or searched, and why."""

from __future__ import annotations

import pytest

from ledger.domain.case import CASE_WRITERS, Role, command_table
from ledger.domain.openings.events import (
    FoundEntry,
    OpenedEntry,
    SealedFieldsOpened,
    SealedFieldsSearched,
)
from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.law.emergency import TAKERS
from tests.domain.test_installation import Streams, book

__all__ = ["book"]


def test_4_wire_opening_states_what_and_why(book: Streams) -> None:
    """Each opening names entries, fields and a reason; the roles are those that may open."""
    opened = (OpenedEntry(3, ("reasons", "parties.0.name")),)
    for wrong in ({"opened": ()}, {"opened": (OpenedEntry(3, ()),)}, {"reason": " "}):
        with pytest.raises(LawRefused, match="openings"):
            book.act(
                SealedFieldsOpened, "openings", role="auditor", **{"opened": opened, "reason": "a", **wrong}
            )
    named = (OpenedEntry(3, ("of Jo Bloggs",)),)
    with pytest.raises(InvalidInput, match=r"^opened\.paths: expected a code"):
        book.act(SealedFieldsOpened, "openings", role="auditor", opened=named, reason="audit")
    with pytest.raises(Forbidden, match=r"administrator may not do vault\.SealedFieldsOpened"):
        book.act(SealedFieldsOpened, "openings", opened=opened, reason="to look")
    book.act(SealedFieldsOpened, "openings", role="auditor", opened=opened, reason="audit of March")
    (spec,) = command_table()["vault.SealedFieldsOpened"]
    assert spec.roles == CASE_WRITERS | {Role.AUDITOR} | TAKERS


def test_sealed_fields_searched(book: Streams) -> None:
    """4-wire 'Sealed fields': what was covered and found, and why, by those who may open."""
    found = (FoundEntry(0, ("requester_name",)),)
    said = {"found": found, "searched_from": 0, "searched_to": 1, "reason": "an inquiry"}
    for wrong in ({"searched_to": 0}, {"found": (FoundEntry(0, ()),)}, {"reason": " "}):
        with pytest.raises(LawRefused, match="ledger rule: searches"):
            book.act(SealedFieldsSearched, "openings", role="auditor", **{**said, **wrong})
    named = (FoundEntry(0, ("of Jo Bloggs",)),)
    with pytest.raises(InvalidInput, match=r"^found\.paths: expected a code"):
        book.act(SealedFieldsSearched, "openings", role="auditor", **{**said, "found": named})
    with pytest.raises(InvalidInput, match=r"^searched_to: expected at most "):
        book.act(SealedFieldsSearched, "openings", role="auditor", **{**said, "searched_to": 1 << 40})
    with pytest.raises(Forbidden, match=r"administrator may not do vault\.SealedFieldsSearched"):
        book.act(SealedFieldsSearched, "openings", **said)
    book.act(SealedFieldsSearched, "openings", role="auditor", **said)
    (spec,) = command_table()["vault.SealedFieldsSearched"]
    assert spec.roles == CASE_WRITERS | {Role.AUDITOR}
