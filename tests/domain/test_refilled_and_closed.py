"""What a ledger records of a refill and of its own end."""

from __future__ import annotations

import pytest

from ledger.codec.entry import CorrectionKind
from ledger.domain.case import Role, command_table
from ledger.domain.installation.events import LedgerClosed, LedgerCreated, LedgerRestored
from ledger.errors import InvalidInput, LawRefused
from tests.domain.test_installation import CREATED, Streams


def test_a_refill_is_the_programs_to_record_and_stays_and_a_closing_names_another() -> None:
    book = Streams()
    book.act(LedgerCreated, "ledger", role="system", **CREATED)
    refill = {"backup_size": 3, "refilled_to": 9, "refilled_from": "tiles"}
    restored = book.act(LedgerRestored, "ledger", role="system", **refill)
    for wrong in ({"refilled_to": 3}, {"refilled_from": "from the tiles"}):
        with pytest.raises((LawRefused, InvalidInput)):
            book.act(LedgerRestored, "ledger", role="system", **{**refill, **wrong})
    with pytest.raises(LawRefused, match="the entry of a refill stays"):
        book.act(
            LedgerRestored, "ledger", role="system", **refill,
            corrects=restored.index, why=CorrectionKind.ENTERED_IN_ERROR,
        )  # fmt: skip
    assert command_table()["ledger.LedgerRestored"][0].roles == {Role.SYSTEM}
    with pytest.raises(LawRefused, match="its own successor"):
        book.act(LedgerClosed, "ledger", successor=CREATED["origin"])
    book.unreviewed = [9, 4]
    with pytest.raises(LawRefused, match="of entry 4, 9 is not reviewed"):
        book.act(LedgerClosed, "ledger", reason="abolished")
    book.unreviewed = []
    closed = book.act(LedgerClosed, "ledger", successor="example.vic.gov.au/next", reason="abolished")
    assert closed.successor == "example.vic.gov.au/next"
