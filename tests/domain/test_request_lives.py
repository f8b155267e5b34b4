"""Whole lives of requests: by part, escalated, withdrawn, referred, recorded late, corrected, in error."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ledger.codec.declare import CaseRef, Sealed
from ledger.codec.entry import CorrectionKind
from ledger.domain.common.events import EnteredInError, MergedInto
from ledger.domain.request import events as ev
from ledger.domain.request.vocabulary import ClosingGround
from ledger.errors import InvalidInput, LawRefused, NotFound
from tests.domain.build import LEDGER, OWN, Book
from tests.domain.request_lives import (
    FORMAL,
    INFORMAL,
    NSW,
    REQUESTER,
    UNBOUND,
    book,
    close,
    disclose,
    divide,
    received,
    refuse,
    states,
)


def refused(words: str) -> Any:
    return pytest.raises(LawRefused, match=re.escape(words))


def standing(made: Book) -> Any:
    case: Any = made.cases["case-1"]
    return case.standing


# --- lives --------------------------------------------------------------------------------------------


def test_a_formal_request_answered_by_part() -> None:
    made = book()
    received(made, FORMAL)
    made.record(ev.RequestAcknowledged, on="2025-06-12")
    made.record(ev.FurtherInformationSought, on="2025-06-12", question="Which years?")
    made.record(ev.FurtherInformationProvided, on="2025-06-13", answer="2020 to 2024")
    divide(made, "2025-06-13", "a", "b", "c")
    made.record(ev.ResourcingAgreed, on="2025-06-13", borne_by=ev.CostBearer.REQUESTER)
    made.record(ev.RequestApproved, on="2025-06-16", parts=("a",), kind=ev.ApprovalKind.SUBJECT_TO_AGREEMENT)
    refuse(made, "2025-06-18", parts=("b",))
    close(made, "2025-06-18", parts=("c",))
    assert states(made) == {"a": "approved", "b": "refused", "c": "closed"}
    disclose(made, "2025-06-24", parts=("a",))
    made.record(ev.RefusalCopySent, on="2025-06-25", parts=("b",))
    made.record(ev.OutcomeDisputed, on="2025-06-30", parts=("b",), words="no secrecy provision")
    assert states(made) == {"a": "disclosed", "b": "refused", "c": "closed"}
    assert standing(made).refused_formally == {"b"}


def test_an_informal_request_escalated_and_refused() -> None:
    made = book()
    received(made, INFORMAL)
    made.record(ev.RequestAcknowledged, on="2025-06-12")
    made.record(ev.RequestEscalated, on="2025-07-01", made_under_policy=True, purpose="Planning")
    assert standing(made).form == "formal"
    with refused("only an informal VPS request is escalated"):
        made.record(ev.RequestEscalated, on="2025-07-02")
    with refused("in writing"):
        refuse(made, "2025-07-14", in_writing=False)
    refuse(made, "2025-07-14")
    made.record(ev.RefusalCopySent, on="2025-07-15", parts=("whole",))


def test_a_part_refused_before_the_escalation_was_refused_informally() -> None:
    made = book()
    received(made, INFORMAL)
    divide(made)
    refuse(made, "2025-06-20", parts=("a",), in_writing=False)
    made.record(ev.RequestEscalated, on="2025-07-01")
    refuse(made, "2025-07-14", parts=("b",))
    with refused("nothing was refused"):
        made.record(ev.RefusalCopySent, on="2025-07-15", parts=("a",))
    assert made.record(ev.RefusalCopySent, on="2025-07-15", parts=("b",))


@pytest.mark.parametrize("end", [ev.RequestWithdrawn, ev.RequestReferred])
def test_a_request_withdrawn_or_referred_after_one_part_was_refused(end: Any) -> None:
    made = book()
    received(made, FORMAL)
    divide(made)
    refuse(made, "2025-06-16", parts=("a",))
    word = "withdrawn" if end is ev.RequestWithdrawn else "referred"
    made.record(end, on="2025-06-18", **({} if word == "withdrawn" else {"to_organisation": REQUESTER}))
    assert standing(made).ended_by == word
    for again in (disclose, refuse, close):
        with refused(f"the request was {word}: nothing more can be done in it"):
            again(made, "2025-06-20", parts=("b",))
    with refused(f"the request was {word}"):
        made.record(ev.RequestWithdrawn, on="2025-06-20")
    assert made.record(ev.RefusalCopySent, on="2025-06-20", parts=("a",))
    assert made.record(ev.OutcomeDisputed, on="2025-06-20", parts=("a",))


def test_an_nsw_request_approved_and_another_refused_then_gipa() -> None:
    made = book()
    received(made, NSW)
    divide(made, "2025-06-13", "1", "2")
    made.record(ev.RequestApproved, on="2025-06-20", parts=("1",), kind=ev.ApprovalKind.IN_PRINCIPLE)
    refuse(made, "2025-06-20", parts=("2",))
    made.record(ev.GipaApplicationMade, on="2025-06-27")
    assert states(made) == {"1": "approved", "2": "refused"}


def test_a_recurring_supply_is_withdrawn_after_it_was_disclosed() -> None:
    made = book()
    received(made, INFORMAL, recurring=True)
    disclose(made, "2025-06-20")
    assert made.record(ev.RequestWithdrawn, on="2025-09-01")


def test_what_is_sealed_is_sealed_in_the_history() -> None:
    made = book()
    fact: Any = received(made, FORMAL, own_reference="A. Citizen 12/25")
    assert isinstance(fact.purpose, Sealed)
    assert isinstance(fact.own_reference, Sealed)
    assert fact.requester == REQUESTER


# --- recorded late --------------------------------------------------------------------------------------


def test_recorded_late_a_fact_is_judged_by_what_was_true_on_its_day() -> None:
    made = book()
    received(made, INFORMAL)
    divide(made)
    made.record(ev.RequestWithdrawn, on="2025-06-25")
    disclose(made, "2025-06-20", parts=("a",))
    assert states(made) == {"a": "disclosed", "b": "open"}
    with refused("the request was withdrawn"):
        disclose(made, "2025-06-26", parts=("b",))


def test_recorded_late_an_end_is_refused_where_something_was_done_after_it() -> None:
    made = book()
    received(made, INFORMAL)
    late = disclose(made, "2025-06-20")
    with refused(f"with it, entry {late.index} (disclosure.DisclosureMade) of 2025-06-20 would not be lawful"):
        made.record(ev.RequestWithdrawn, on="2025-06-18")


def test_recorded_late_an_approval_stands_before_its_disclosure() -> None:
    made = book()
    received(made, INFORMAL)
    disclose(made, "2025-06-20")
    made.record(ev.RequestApproved, on="2025-06-16", parts=("whole",))
    assert states(made) == {"whole": "disclosed"}
    with refused("with it, entry 1 (disclosure.DisclosureMade)"):
        refuse(made, "2025-06-18")


def test_recorded_late_an_escalation_makes_a_later_refusal_formal() -> None:
    made = book()
    received(made, INFORMAL)
    refuse(made, "2025-06-20", in_writing=False)
    with refused("with it, entry 1 (request.RequestRefused) of 2025-06-20 would not be lawful"):
        made.record(ev.RequestEscalated, on="2025-06-16")
    written = book()
    received(written, INFORMAL)
    refuse(written, "2025-06-20")
    written.record(ev.RequestEscalated, on="2025-06-16")
    assert written.record(ev.RefusalCopySent, on="2025-06-21", parts=("whole",))


def test_recorded_late_a_division_does_not_undo_an_outcome_of_the_whole() -> None:
    made = book()
    received(made, INFORMAL)
    refuse(made, "2025-06-20")
    with refused("with it, entry 1 (request.RequestRefused)"):
        divide(made, "2025-06-16")


def test_a_month_is_not_held_to_come_before_a_day_in_it() -> None:
    made = book()
    received(made, INFORMAL)
    refuse(made, "2025-06", sent_on=None)
    assert states(made) == {"whole": "refused"}
    early = book()
    received(early, INFORMAL)
    with refused("2025-05-31 lies before the receipt of the request"):
        refuse(early, "2025-05", sent_on=None)


def test_a_fact_of_unknown_date_stays_where_it_was_recorded() -> None:
    made = book()
    received(made, INFORMAL)
    refuse(made, None)
    with refused("is refused and cannot become disclosed"):
        disclose(made, "2025-06-12")


def test_a_vague_date_between_does_not_hide_that_one_fact_came_before_another() -> None:
    made = book()
    received(made, INFORMAL)
    divide(made, "2025-06-12", "a", "b")
    refuse(made, "2025-06-14", parts=("a",))
    made.record(ev.RequestApproved, on="2025-06", parts=("b",))
    with refused("with it, entry 2 (request.RequestRefused) of 2025-06-14 would not be lawful"):
        made.record(ev.RequestWithdrawn, on="2025-06-13")
    assert made.record(ev.RequestAcknowledged, on="2025-06-11")
    assert states(made) == {"a": "refused", "b": "approved"}


# --- corrected ------------------------------------------------------------------------------------------


def test_a_correction_stands_in_the_place_of_what_it_corrects() -> None:
    made = book()
    received(made, FORMAL)
    wrong = refuse(made, "2025-06-20")
    disclose_fields = {"parts": ("whole",), "grounds": (ev.RefusalGround.OTHER_RIGHTS,), "reasons": "IP"}
    made.record(ev.RequestRefused, on="2025-06-21", corrects=wrong.index, in_writing=True, **disclose_fields)
    assert states(made) == {"whole": "refused"}
    case = made.cases["case-1"]
    assert [f.index for f in case.history] == [0, 2]
    with pytest.raises(InvalidInput, match=r"^corrects\.index"):
        made.record(ev.RequestRefused, on="2025-06-21", corrects=wrong.index, **disclose_fields)


def test_a_correction_is_judged_in_its_place() -> None:
    made = book()
    received(made, FORMAL)
    wrong = refuse(made)
    with refused("in writing"):
        refuse(made, corrects=wrong.index, in_writing=False)
    with refused("the requester was not bound"):
        received(made, FORMAL, corrects=0, requester=UNBOUND)


def test_a_correction_that_makes_a_later_fact_unlawful_is_refused_naming_that_entry() -> None:
    made = book()
    received(made, INFORMAL)
    later = refuse(made, "2025-06-20", in_writing=False)
    with refused(f"as corrected, entry {later.index} (request.RequestRefused) would not be lawful"):
        received(made, FORMAL, corrects=0)
    with refused(f"as corrected, entry {later.index} (request.RequestRefused) would not be lawful"):
        received(made, INFORMAL, "2025-06-21", corrects=0)
    assert received(made, INFORMAL, "2025-06-12", corrects=0)


def test_a_division_corrected_away_from_an_answered_part_is_refused() -> None:
    made = book()
    received(made, FORMAL)
    divided = divide(made, "2025-06-13", "a", "b")
    refuse(made, "2025-06-20", parts=("b",))
    parts = (ev.RequestPart("a", "first"), ev.RequestPart("c", "third"))
    with refused("the request has no part 'b'"):
        made.record(ev.RequestDivided, on="2025-06-13", corrects=divided.index, parts=parts)
    with refused("the request has no part 'b'"):
        made.record(
            ev.RequestDivided,
            on="2025-06-13",
            corrects=divided.index,
            why=CorrectionKind.ENTERED_IN_ERROR,
            parts=parts,
        )


def test_an_outcome_entered_in_error_frees_its_part() -> None:
    made = book()
    received(made, INFORMAL)
    wrong = refuse(made)
    refuse(made, corrects=wrong.index, why=CorrectionKind.ENTERED_IN_ERROR)
    assert states(made) == {"whole": "open"}
    disclose(made)
    assert states(made) == {"whole": "disclosed"}


def test_a_typed_correction_of_an_imported_fact_may_leave_its_gaps() -> None:
    made = book()
    received(made, NSW, imported=True)
    gap: dict[str, Any] = {"reasons": None, "in_writing": None, "sent_on": None}
    row = refuse(made, "2025-06-20", imported=True, grounds=(), **gap)
    received(made, NSW, "2025-06-12", corrects=0)
    typed = refuse(made, "2025-06-21", corrects=row.index, **gap)
    assert refuse(made, "2025-06-22", corrects=typed.index, **gap)
    other = book()
    received(other, NSW)
    with refused("reasons for the refusal"):
        refuse(other, **gap)


def test_the_receipt_itself_cannot_be_left_out_of_a_case_that_goes_on() -> None:
    made = book()
    received(made, INFORMAL)
    refuse(made)
    with pytest.raises(InvalidInput, match=r"^corrects\.kind: expected another kind"):
        received(made, INFORMAL, corrects=0, why=CorrectionKind.DUPLICATE)


OWN_ASKS = {"requester": OWN, "provider": REQUESTER}


# --- in error, merged -----------------------------------------------------------------------------------


def test_a_case_entered_in_error_takes_nothing_more_but_corrections() -> None:
    made = book()
    received(made, INFORMAL)
    made.record(EnteredInError, on="2025-06-12", reason="of another agency")
    with refused("no longer stands"):
        refuse(made)
    assert received(made, INFORMAL, "2025-06-10", corrects=0)


def test_a_case_is_merged_into_another_that_exists() -> None:
    made = book()
    received(made, INFORMAL)
    with refused("cannot be merged into itself"):
        made.record(MergedInto, on="2025-06-12", into=CaseRef(LEDGER, "case-1", 1), reason="same")
    with pytest.raises(NotFound):
        made.record(MergedInto, on="2025-06-12", into=CaseRef(LEDGER, "case-2", 1), reason="same")
    made.record(ev.RequestReceived, "case-2", **INFORMAL)
    made.record(ev.RequestMade, "ours", **{k: v for k, v in INFORMAL.items() if k != "made_on"} | OWN_ASKS)
    with refused("of its own kind"):
        made.record(MergedInto, on="2025-06-12", into=CaseRef(LEDGER, "ours", 3), reason="same")
    made.record(MergedInto, on="2025-06-12", into=CaseRef(LEDGER, "case-2", 2), reason="same")
    with refused("no longer stands: merged into"):
        made.record(MergedInto, "case-2", on="2025-06-12", into=CaseRef(LEDGER, "case-1", 4), reason="same")
    with refused("no longer stands"):
        close(made, ground=ClosingGround.DUPLICATE)


def test_the_requesters_own_record_takes_no_answer() -> None:
    made = book()
    fields = {k: v for k, v in INFORMAL.items() if k != "made_on"} | {"requester": OWN, "provider": REQUESTER}
    made.record(ev.RequestMade, **fields)
    with pytest.raises(InvalidInput, match=r"^command: expected one of"):
        disclose(made)


def test_a_division_after_an_approval_leaves_every_part_approved() -> None:
    """1-law A: an approval of the whole is one of the parts that it is then divided into."""
    made = book()
    received(made, NSW)
    made.record(ev.RequestApproved, on="2025-06-12", parts=("whole",), reasons="In the public interest")
    divide(made, "2025-06-13")
    assert states(made) == {"a": "approved", "b": "approved"}
    refuse(made, "2025-06-16", ("b",))
    assert states(made) == {"a": "approved", "b": "refused"}


def test_a_division_recorded_late_before_an_approval_refuses_that_approval_of_the_whole() -> None:
    """The whole was no part any more on the day of the approval."""
    made = book()
    received(made, NSW)
    made.record(ev.RequestApproved, on="2025-06-16", parts=("whole",), reasons="In the public interest")
    with pytest.raises(LawRefused, match="the request has no part 'whole'"):
        divide(made, "2025-06-13")
