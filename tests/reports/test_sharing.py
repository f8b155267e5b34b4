"""The report on data sharing, against figures worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest

from projections.reports.catalogue import make
from projections.reports.figures import Report
from projections.reports.period import financial_year
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
