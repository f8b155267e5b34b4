"""Cases of a function that moved go on in the successor's ledger, linked both ways (1-law, head)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.codec.declare import CaseRef
from ledger.domain.common.events import EnteredInError, MergedInto
from ledger.domain.complaint.events import Complainant, ComplaintReceived
from ledger.domain.event import CaseEvent
from ledger.domain.organisation.events import (
    FunctionsTakenOver,
    HeadsOfAgreementSigned,
    InheritedBinding,
    OrganisationAbolished,
    OrganisationKind,
    OrganisationRegistered,
    OrganisationSucceeded,
    Scheme,
)
from ledger.domain.request import events as ev
from ledger.domain.retention.events import RetentionAction, RetentionScheduled
from ledger.errors import LawRefused, NotFound
from tests.domain.build import LEDGER, OWN, Book
from tests.domain.request_lives import FORMAL, INFORMAL, REQUESTER, organisation, received

SUCCESSOR = "5a6f4f1e-0000-4000-8000-000000000009"
LAST = "5a6f4f1e-0000-4000-8000-000000000010"
NEXT = "example.vic.gov.au/next"
MOVED, AGAIN = "2025-06-16", "2025-06-23"
SIGNED = date(2021, 7, 1)


def bodies(*, moved: bool = True, twice: bool = False) -> dict[str, Any]:
    """A department that signed, and was abolished and succeeded on the 16th; a requester that is bound.

    ``twice``: its successor was succeeded in turn on the 23rd.
    """
    common = Book(ledger="example.vic.gov.au/common")
    common.organisations = common.cases
    for body, on, signed in ((OWN, None, SIGNED.isoformat()), (SUCCESSOR, MOVED, None), (LAST, AGAIN, None)):
        keeper: dict[str, Any] = {"stream": body, "role": "administrator"}
        department = OrganisationKind.DEPARTMENT
        common.record(OrganisationRegistered, on=on, legal_name=body[-2:], kind=department, **keeper)
        if signed is not None:
            common.record(HeadsOfAgreementSigned, on=signed, **keeper)
    how: dict[str, Any] = {"role": "administrator", "all_functions": True, "instrument": "Order"}
    moves = ((OWN, SUCCESSOR, MOVED, SIGNED), (SUCCESSOR, LAST, AGAIN, date.fromisoformat(MOVED)))
    for before, after, on, since in moves[: moved + twice]:
        common.record(OrganisationSucceeded, before, on, successor=after, **how)
        inherited = (InheritedBinding(Scheme.VPS, since),)
        common.record(FunctionsTakenOver, after, on, predecessor=before, inherited=inherited, **how)
        common.record(OrganisationAbolished, before, on, role="administrator")
    return {**common.cases, REQUESTER: organisation(REQUESTER, "2021-07-01")}


def ledgers(**given: bool) -> tuple[Book, Book]:
    """The predecessor's ledger and the successor's."""
    old, new = Book(), Book(ledger=NEXT, organisation_id=SUCCESSOR)
    old.organisations = new.organisations = bodies(**given)
    return old, new


def linked(old: Book, new: Book) -> CaseRef:
    """The predecessor's case, as the successor's ledger sees it."""
    new.elsewhere = {(LEDGER, "case-1"): old.cases["case-1"]}
    return CaseRef(LEDGER, "case-1", old.next_index)


def test_a_formal_request_goes_on_with_its_day_of_receipt_and_the_predecessors_signature() -> None:
    old, new = ledgers()
    received(old, FORMAL, on="2025-06-11")
    ref = linked(old, new)
    mine = FORMAL | {"provider": SUCCESSOR}
    with pytest.raises(LawRefused, match="the provider was not bound"):
        received(new, mine, on="2025-06-11")
    received(new, mine, on="2025-06-11", taken_over=ref)
    old.elsewhere = {(NEXT, "case-1"): new.cases["case-1"]}
    into = CaseRef(NEXT, "case-1", 1)
    old.record(MergedInto, on="2025-06-16", into=into, reason="goes on with the successor")
    assert old.cases["case-1"].history[-1].into == into


@pytest.mark.parametrize("on", ["2025-06-13", "2025-06-20"])
def test_an_informal_request_taken_over_is_escalated_before_and_after_the_move(on: str) -> None:
    """On the first day the predecessor was bound, on the second the successor is."""
    old, new = ledgers()
    received(old, INFORMAL, on="2025-06-11")
    received(new, INFORMAL | {"provider": SUCCESSOR}, on="2025-06-11", taken_over=linked(old, new))
    new.record(ev.RequestEscalated, on=on, made_on=date.fromisoformat(on))


def test_a_formal_request_moves_twice_and_the_body_that_it_was_made_to_was_bound() -> None:
    """The one in between did not exist on that day, and the last one neither."""
    old, new = ledgers()
    received(old, FORMAL, on="2025-06-11")
    received(new, FORMAL | {"provider": SUCCESSOR}, on="2025-06-11", taken_over=linked(old, new))
    last = Book(ledger="example.vic.gov.au/last", organisation_id=LAST)
    last.organisations = bodies(twice=True)
    last.elsewhere = {(LEDGER, "case-1"): old.cases["case-1"], (NEXT, "case-1"): new.cases["case-1"]}
    again = CaseRef(NEXT, "case-1", new.next_index)
    received(last, FORMAL | {"provider": LAST}, on="2025-06-11", taken_over=again)


@pytest.mark.parametrize("provider", [OWN, None])
def test_only_a_successor_takes_a_case_over(provider: str | None) -> None:
    """Of the body in whose ledger the case is, whether or not the case names it."""
    old, new = ledgers(moved=False)
    received(old, INFORMAL | {"provider": provider}, on="2025-06-11")
    with pytest.raises(LawRefused, match=r"no functions of .* are recorded as taken over"):
        received(new, INFORMAL | {"provider": SUCCESSOR}, on="2025-06-16", taken_over=linked(old, new))


def test_a_case_goes_on_in_one_other_and_may_be_corrected_there() -> None:
    """Merged into the case that took it over, or entered in error, it is taken over no more."""
    old, new = ledgers()
    received(old, INFORMAL, on="2025-06-11")
    taken = INFORMAL | {"provider": SUCCESSOR, "taken_over": linked(old, new)}
    first = received(new, taken, on="2025-06-11")
    old.elsewhere = {(NEXT, "case-1"): new.cases["case-1"]}
    old.record(MergedInto, on="2025-06-16", into=CaseRef(NEXT, "case-1", 1), reason="goes on there")
    new.record(ev.RequestReceived, on="2025-06-12", corrects=first.index, **taken)
    with pytest.raises(LawRefused, match="go on from no longer stands: merged into"):
        new.record(ev.RequestReceived, "case-2", on="2025-06-11", **taken)
    old, new = ledgers()
    received(old, INFORMAL, on="2025-06-11")
    old.record(EnteredInError, on="2025-06-12", reason="a test")
    with pytest.raises(LawRefused, match="go on from no longer stands: entered in error"):
        received(new, taken | {"taken_over": linked(old, new)}, on="2025-06-11")


def test_a_case_taken_over_is_another_ledgers_of_the_same_kind() -> None:
    old, new = ledgers()
    old.record(ComplaintReceived, on="2025-03-04", imported=True, entity=OWN)
    with pytest.raises(LawRefused, match="of the same kind, of another ledger"):
        received(new, INFORMAL | {"provider": SUCCESSOR}, on="2025-06-16", taken_over=linked(old, new))
    received(new, INFORMAL | {"provider": SUCCESSOR}, on="2025-06-16")
    own = CaseRef(NEXT, "case-1", 1)
    with pytest.raises(LawRefused, match="of the same kind, of another ledger"):
        new.record(
            ev.RequestReceived, "case-2", "2025-06-16", **(INFORMAL | {"provider": SUCCESSOR}), taken_over=own
        )
    nowhere = CaseRef("example.vic.gov.au/none", "x", 1)
    with pytest.raises(NotFound):
        new.record(
            ev.RequestReceived, "case-3", "2025-06-16", **(INFORMAL | {"provider": SUCCESSOR}),
            taken_over=nowhere,
        )  # fmt: skip


def test_a_case_goes_on_in_another_ledger_only_as_one_taken_over_there() -> None:
    old, new = ledgers()
    received(old, INFORMAL, on="2025-06-11")
    received(new, INFORMAL | {"provider": SUCCESSOR}, on="2025-06-16")
    received(old, INFORMAL, on="2025-06-12", stream="case-2")
    another = INFORMAL | {"provider": SUCCESSOR, "taken_over": linked(old, new)}
    received(new, another, on="2025-06-11", stream="case-2")
    old.elsewhere = {(NEXT, stream): case for stream, case in new.cases.items()}
    for ours, theirs in (("case-1", "case-1"), ("case-2", "case-2")):
        into = CaseRef(NEXT, theirs, 1)
        with pytest.raises(LawRefused, match="does not say that it takes this one over"):
            old.record(MergedInto, ours, on="2025-06-17", into=into, reason="moved")


@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize(
    ("event", "party", "fields"),
    [
        (
            ComplaintReceived,
            "entity",
            {"complainant": Complainant.INDIVIDUAL, "nature": "n", "made_on": date(2025, 3, 1)},
        ),
        (
            RetentionScheduled,
            "holder",
            {"dataset": "d-1", "trigger": "t", "action": RetentionAction.DESTROY},
        ),
    ],
)
def test_complaints_and_retention_items_go_on_too_and_with_a_successor_alone(
    event: type[CaseEvent], party: str, fields: dict[str, Any], moved: bool
) -> None:
    old, new = ledgers(moved=moved)
    stated: dict[str, Any] = {"on": "2025-03-04", "role": "privacy_officer", **fields}
    old.record(event, **stated, **{party: OWN})
    stated |= {party: SUCCESSOR, "taken_over": linked(old, new)}
    if moved:
        new.record(event, **stated)
    else:
        with pytest.raises(LawRefused, match="taken over by this organisation"):
            new.record(event, **stated)
