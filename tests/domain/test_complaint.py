"""Complaints to an information sharing entity, CISS Guidelines ch. 5 and 6, through the case."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.codec.declare import CaseRef
from ledger.codec.entry import CorrectionKind
from ledger.domain.complaint.events import (
    ActionStated,
    Complainant,
    ComplaintAbout,
    ComplaintReceived,
    ComplaintResolved,
    ComplaintTaken,
    ComplaintTakenResult,
    ComplaintUnresolved,
    OversightBody,
    OversightResult,
)
from ledger.domain.event import CaseEvent
from ledger.domain.organisation.events import OrganisationKind, OrganisationRegistered
from ledger.errors import InvalidInput, LawRefused, NotFound
from tests.domain.build import LEDGER, OWN, Book

RECEIVED: dict[str, Any] = {
    "complainant": Complainant.INDIVIDUAL,
    "made_on": date(2025, 3, 1),
    "nature": "told the school without need",
    "about": ComplaintAbout.DISCLOSURE,
}
OTHER = "5a6f4f1e-0000-4000-8000-000000000002"
CLOSING: dict[str, Any] = {
    "to_resolve": ActionStated.TAKEN,
    "to_resolve_what": "apologised",
    "to_prevent": ActionStated.NONE_NECESSARY,
}


def receive(book: Book, on: str | None = "2025-03-04", *, imported: bool = False, **fields: Any) -> CaseEvent:
    return book.record(ComplaintReceived, on=on, imported=imported, **{**RECEIVED, **fields})


@pytest.fixture
def book() -> Book:
    return Book()


def test_1_law_a_complaint_is_recorded_by_the_entity_that_received_it(book: Book) -> None:
    """Where a case lives; ch. 5: the entity keeps the record of complaints that it received."""
    book.organisations = {OWN: object(), OTHER: object()}
    with pytest.raises(LawRefused, match="record it there"):
        receive(book, entity=OTHER)
    receive(book, entity=OWN)


def test_whole_life_resolved(book: Book) -> None:
    """Received, resolved, taken on to OVIC all the same, with its result."""
    receive(book)
    book.record(ComplaintResolved, on="2025-04-01", **CLOSING)
    book.record(ComplaintTaken, on="2025-05-01", to=OversightBody.OVIC)
    book.record(ComplaintTakenResult, on="2025-09-01", of=OversightBody.OVIC, result=OversightResult.DISMISSED)
    assert len(book.cases["case-1"].history) == 4


@pytest.mark.parametrize("missing", ["made_on", "nature", "complainant"])
def test_ch_5_record_of_a_complaint(book: Book, missing: str) -> None:
    """Dates made and received, nature, and who complains (ch. 6) are stated; an import leaves a gap."""
    with pytest.raises(LawRefused, match="CISS Guidelines, ch"):
        receive(book, **{missing: None})
    receive(book, imported=True, **{missing: None})


def test_ch_5_date_received(book: Book) -> None:
    """The date received is asked for, and is not before the date made."""
    with pytest.raises(LawRefused, match=r"ch\. 5"):
        receive(book, on=None)
    with pytest.raises(LawRefused, match="before it was made"):
        receive(book, made_on=date(2025, 3, 5), imported=True)


def test_ch_5_footnote_1_courts_are_exempt(book: Book) -> None:
    """A court or tribunal need not keep the record; one that is registered as such says so in the fact."""
    receive(book, court_or_tribunal=True, nature=None, complainant=None, made_on=None)
    own = Book()
    own.record(
        OrganisationRegistered, OWN, None, role="administrator",
        legal_name="Invented Tribunal", kind=OrganisationKind.COURT_OR_TRIBUNAL,
    )  # fmt: skip
    own.organisations[OWN] = own.cases[OWN]
    with pytest.raises(LawRefused, match=r"court_or_tribunal.*ch\. 5"):
        receive(own, nature=None)
    receive(own, nature=None, court_or_tribunal=True)
    own.record(ComplaintResolved, on="2025-04-01")
    with pytest.raises(LawRefused, match=r"ch\. 5"):
        receive(Book(), nature=None, court_or_tribunal=False)


def test_ch_5_not_judged_before_the_scheme(book: Book) -> None:
    """A complaint from before the scheme is recorded and not judged by it."""
    receive(book, on="2018-09-26", made_on=None, nature=None)


def test_ch_6_request_not_met_is_linked(book: Book) -> None:
    """A complaint about a request that was not met links it, and the link leads somewhere."""
    with pytest.raises(LawRefused, match=r"ch\. 6"):
        receive(book, about=ComplaintAbout.REQUEST_NOT_MET, complainant=Complainant.ENTITY)
    with pytest.raises(NotFound):
        receive(book, about=ComplaintAbout.REQUEST_NOT_MET, request=CaseRef(LEDGER, "none", 1))
    receive(book)
    refused = CaseRef(LEDGER, "case-1", 1)
    book.record(
        ComplaintReceived, "case-2", "2025-03-04",
        **{**RECEIVED, "about": ComplaintAbout.REQUEST_NOT_MET, "request": refused},
    )  # fmt: skip


def test_words_of_other_and_registered_entity(book: Book) -> None:
    """'Other' comes with its words; an entity is named by its registered id."""
    with pytest.raises(LawRefused, match="other"):
        receive(book, about=ComplaintAbout.OTHER)
    with pytest.raises(InvalidInput, match="entity"):
        receive(book, complainant=Complainant.ENTITY, entity="A School")


@pytest.mark.parametrize(
    "wrong",
    [
        {"to_resolve": None},
        {"to_prevent": None},
        {"to_resolve_what": None},
        {"to_resolve_what": " "},
        {"to_prevent": ActionStated.TAKEN, "to_prevent_what": None},
    ],
)
def test_ch_5_closing_states_both_actions(book: Book, wrong: dict[str, Any]) -> None:
    """Both actions are stated, 'none' and 'none necessary' included; action taken is described."""
    receive(book)
    with pytest.raises(LawRefused, match=r"ch\. 5"):
        book.record(ComplaintResolved, on="2025-04-01", **{**CLOSING, **wrong})
    book.record(
        ComplaintResolved, on="2025-04-01", to_resolve=ActionStated.NONE, to_prevent=ActionStated.NONE_NECESSARY
    )


def test_ch_5_unresolved_states_further_action(book: Book) -> None:
    """Unresolved: further action, or none."""
    receive(book)
    with pytest.raises(LawRefused, match=r"ch\. 5"):
        book.record(ComplaintUnresolved, on="2025-04-01", **CLOSING)
    with pytest.raises(LawRefused, match="which action"):
        book.record(ComplaintUnresolved, on="2025-04-01", **CLOSING, further=ActionStated.TAKEN)
    book.record(ComplaintUnresolved, on="2025-04-01", **CLOSING, further=ActionStated.NONE)


def test_ch_5_closed_once(book: Book) -> None:
    """A complaint is closed once, and never before it was received."""
    receive(book)
    with pytest.raises(LawRefused, match="two dates"):
        book.record(ComplaintResolved, on="2025-03-03", **CLOSING)
    closed = book.record(ComplaintResolved, on="2025-04-01", **CLOSING)
    with pytest.raises(LawRefused, match="closed already"):
        book.record(ComplaintUnresolved, on="2025-04-02", **CLOSING, further=ActionStated.NONE)
    book.record(
        ComplaintResolved,
        on="2025-04-01",
        corrects=closed.index,
        why=CorrectionKind.ENTERED_IN_ERROR,
        **CLOSING,
    )
    book.record(ComplaintUnresolved, on="2025-04-02", **CLOSING, further=ActionStated.NONE)


def test_ch_6_result_follows_taking_on(book: Book) -> None:
    """Only a body that the complaint was taken on to gives a result."""
    receive(book)
    with pytest.raises(LawRefused, match=r"ch\. 6"):
        book.record(ComplaintTaken, on="2025-04-01")
    book.record(ComplaintTaken, on="2025-04-01", to=OversightBody.HCC)
    with pytest.raises(LawRefused, match="not taken on to ovic"):
        book.record(ComplaintTakenResult, on="2025-05-01", of=OversightBody.OVIC)
    with pytest.raises(LawRefused, match="other"):
        book.record(ComplaintTakenResult, on="2025-05-01", of=OversightBody.HCC, result=OversightResult.OTHER)
    with pytest.raises(LawRefused, match="not taken on to hcc"):
        book.record(ComplaintTakenResult, on="2025-03-31", of=OversightBody.HCC)
    book.record(ComplaintTakenResult, on="2025-05-01", of=OversightBody.HCC, result=OversightResult.UPHELD)


def test_correction_is_judged_in_its_place(book: Book) -> None:
    """A receipt corrected to after the closing is refused, naming the closing."""
    first = receive(book)
    closed = book.record(ComplaintResolved, on="2025-04-01", **CLOSING)
    with pytest.raises(LawRefused, match=f"entry {closed.index}"):
        book.record(ComplaintReceived, on="2025-04-02", corrects=first.index, **RECEIVED)
    book.record(ComplaintReceived, on="2025-03-05", corrects=first.index, **RECEIVED)
