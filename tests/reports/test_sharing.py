"""The report on data sharing, against figures worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.codec.entry import Precision
from ledger.domain.common.events import EnteredInError
from ledger.domain.contravention.events import ContravenedRule, ContraventionFound
from ledger.domain.request.events import (
    RequestDivided,
    RequestEscalated,
    RequestForm,
    RequestMade,
    RequestPart,
    RequestScheme,
)
from projections.reports.catalogue import make
from projections.reports.figures import Report
from projections.reports.period import financial_year
from tests.projections.book import make as made
from tests.reports.state import State

YEAR = financial_year(2024)
FIRST, LAST = date(2024, 7, 1), date(2025, 6, 30)
SIGNED = date(2021, 5, 1)


def values(report: Report, prefix: str) -> dict[str, object]:
    """The figures under an id, by what follows it."""
    return {
        key.removeprefix(prefix + "."): figure.value
        for key, figure in report.figures.items()
        if key.startswith(prefix + ".") and not key.endswith(".share")
    }


def test_a_year_of_one_department(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.organisation("dpc", "Premier", signed=SIGNED)
    before = state.formal("dffh", date(2024, 6, 28))  # open when the year begins, answered in it
    state.disclosed("dffh", before, date(2024, 7, 3))
    state.formal("dffh", date(2024, 6, 1))  # open at both ends
    in_time = state.formal("dffh", date(2025, 6, 11))  # due 2025-06-25
    state.disclosed("dffh", in_time, date(2025, 6, 25))
    late = state.formal("dffh", date(2025, 4, 11))  # due 2025-04-25, ANZAC Day: no roll
    state.disclosed("dffh", late, date(2025, 4, 26))
    no = state.formal("dffh", date(2025, 3, 3))
    state.refused("dffh", no, date(2025, 3, 10))
    state.copied("dffh", no, date(2025, 7, 1))  # after the year
    gone = state.formal("dffh", date(2025, 5, 1))
    state.withdrawn("dffh", gone, date(2025, 5, 2))
    after = state.formal("dffh", date(2025, 6, 28))  # answered after the year: open, not yet due
    state.disclosed("dffh", after, date(2025, 7, 2))
    state.formal("dffh", date(2025, 7, 1))  # of the next year
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    assert values(report, "sharing.flow") == {"opening": 2, "received": 5, "answered": 5, "closing": 2}
    assert values(report, "sharing.outcome") == {
        "provided": 2, "provided_in_part": 0, "refused": 1, "out_of_scope": 0, "closed": 0, "referred": 0,
        "withdrawn": 1, "open": 1, "total": 5,
    }  # fmt: skip
    assert values(report, "sharing.timeliness") == {
        "within": 3, "late": 1, "open": 1, "overdue": 0, "unknown": 0, "total": 5,
    }  # fmt: skip
    # 14, 15, 7 and 1 days: the middle two are 7 and 14; nine tenths of four is the fourth.
    assert values(report, "sharing.days") == pytest.approx({"answered": 4, "median": 10.5, "percentile_90": 15})
    assert values(report, "sharing.copies") == {"sent": 0, "not_sent": 1, "total": 1}
    assert values(report, "sharing.grounds")["contravenes_law"] == 1
    assert str(report.figures["sharing.outcome.provided.share"].value) == "40.0"


def test_as_at_positions_the_figures_are_those_of_then(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    case = state.formal("dffh", date(2025, 6, 11))
    then = state.sizes()
    state.disclosed("dffh", case, date(2025, 6, 20))
    state.formal("dffh", date(2025, 6, 12))
    state.project()
    folded = make(reader, "data-sharing-annual", YEAR, positions=then)
    assert values(folded, "sharing.flow") == {"opening": 0, "received": 1, "answered": 0, "closing": 1}
    assert {at.slug: at.size for at in folded.positions} == then
    live = make(reader, "data-sharing-annual", YEAR)
    again = make(reader, "data-sharing-annual", YEAR, positions=state.sizes())
    assert live == again
    assert values(live, "sharing.flow") == {"opening": 0, "received": 2, "answered": 1, "closing": 1}


def test_registers_that_lag_are_folded_from_the_entries(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.formal("dffh", date(2025, 6, 11))
    behind = make(reader, "annual-compliance", YEAR)
    state.project()
    assert behind == make(reader, "annual-compliance", YEAR)
    assert behind.figures["sharing.flow.received"].value == 1


def test_a_correction_moves_a_late_answer_within_the_14_days(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    case = state.formal("dffh", date(2025, 6, 2))  # due 2025-06-16
    index = state.disclosed("dffh", case, date(2025, 6, 17))
    before = state.sizes()
    state.disclosed("dffh", case, date(2025, 6, 16), corrects=(index, "typing"))
    state.project()
    assert (
        values(make(reader, "data-sharing-annual", YEAR, positions=before), "sharing.timeliness")["late"] == 1
    )
    after = values(make(reader, "data-sharing-annual", YEAR), "sharing.timeliness")
    assert (after["within"], after["late"], after["total"]) == (1, 0, 1)


def test_what_was_entered_in_error_is_not_counted(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.formal("dffh", date(2025, 6, 2))
    twice = state.formal("dffh", date(2025, 6, 2))
    state.books["dffh"].put(twice, made(EnteredInError, date(2025, 6, 3), reason="entered twice"))
    answered = state.formal("dffh", date(2025, 6, 4))
    index = state.disclosed("dffh", answered, date(2025, 6, 5))
    state.disclosed("dffh", answered, date(2025, 6, 5), corrects=(index, "entered_in_error"))
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    assert values(report, "sharing.flow") == {"opening": 0, "received": 2, "answered": 0, "closing": 2}


def test_parts_give_one_outcome_and_only_a_written_refusal_answers(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    divided = state.formal("dffh", date(2025, 6, 2))
    parts = tuple(RequestPart(name, f"part {name}") for name in ("a", "b"))
    state.books["dffh"].put(divided, made(RequestDivided, date(2025, 6, 3), parts=parts))
    state.disclosed("dffh", divided, date(2025, 6, 5), parts=("a",))
    state.refused("dffh", divided, date(2025, 6, 9), parts=("b",))
    oral = state.formal("dffh", date(2025, 5, 1))  # due 2025-05-15
    state.refused("dffh", oral, date(2025, 5, 2), in_writing=False)
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    outcome = values(report, "sharing.outcome")
    assert (outcome["provided_in_part"], outcome["refused"], outcome["total"]) == (1, 1, 2)
    times = values(report, "sharing.timeliness")
    assert (times["within"], times["overdue"], times["total"]) == (1, 1, 2)
    assert values(report, "sharing.copies")["not_sent"] == 2
    assert values(report, "sharing.days") == pytest.approx({"answered": 1, "median": 7, "percentile_90": 7})


def test_due_on_the_last_day_of_the_period_is_not_overdue_yet(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.formal("dffh", date(2025, 6, 16))  # due 2025-06-30
    state.formal("dffh", date(2025, 6, 15))  # due 2025-06-29
    state.project()
    times = values(make(reader, "data-sharing-annual", YEAR), "sharing.timeliness")
    assert (times["open"], times["overdue"]) == (1, 1)


def test_an_escalated_request_is_formal_from_its_escalation(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    case = state.formal("dffh", date(2024, 5, 1), form=RequestForm.INFORMAL)
    state.books["dffh"].put(case, made(RequestEscalated, date(2024, 7, 1)))
    state.disclosed("dffh", case, date(2024, 7, 15))
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    assert values(report, "sharing.flow")["received"] == 1
    assert values(report, "sharing.timeliness")["within"] == 1


def test_requests_without_a_day_are_said_and_counted_nowhere(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.formal("dffh", None)
    month = state.formal("dffh", date(2025, 3, 1), precision=Precision.MONTH)
    state.disclosed("dffh", month, date(2025, 5, 20))
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    assert report.sections[0].words[0] == "Formal requests without a day of receipt, counted in no period: 1."
    times = values(report, "sharing.timeliness")
    assert (times["unknown"], times["total"]) == (1, 1)
    assert report.figures["sharing.days.median"].value is None


def test_gaps_of_the_requests_of_the_period(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.formal("dffh", date(2025, 6, 2), public_benefit=None, secure_use=None)
    state.formal("dffh", date(2024, 6, 2), public_benefit=None)
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    gaps = values(report, "sharing.gaps")
    assert gaps.pop("total") == 2
    assert sorted(gaps) == ["requestreceived_public_benefit", "requestreceived_safe_holding_and_use"]


def test_the_requesters_own_record_is_not_counted_and_an_outsider_has_a_line(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    state.organisation("dpc", "Premier", signed=SIGNED)
    state.formal("dffh", date(2025, 6, 2))
    state.formal("dffh", date(2025, 6, 2), requester=None, requester_name="Another State")
    state.books["dpc"].case(
        made(RequestMade, date(2025, 6, 1), scheme=RequestScheme.VPS, form=RequestForm.FORMAL, provider="dffh")
    )
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    assert report.figures["sharing.by_provider.total.total"].value == 2
    assert report.figures["sharing.by_requester.dpc.total"].value == 1
    assert report.figures["sharing.by_requester.unregistered.total"].value == 1


def test_contraventions_of_the_policy_are_counted_apart(state: State, reader: str) -> None:
    state.organisation("dffh", "Families", signed=SIGNED)
    for rule in (ContravenedRule.VPS_POLICY, ContravenedRule.CISS):
        state.books["dffh"].case(made(ContraventionFound, date(2025, 6, 2), rule=rule, what="x", found_on=LAST))
    state.books["dffh"].case(
        made(ContraventionFound, None, rule=ContravenedRule.VPS_POLICY, what="x", found_on=date(2025, 7, 1))
    )
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    assert report.figures["sharing.contraventions.dffh.total"].value == 1
    assert report.figures["sharing.flow.received"].value == 0
