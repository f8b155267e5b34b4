"""Zero, nil return, silent and not bound told apart; series by predecessor and successor."""

from __future__ import annotations

from datetime import date

from ledger.domain.request.events import RequestForm
from projections.reports.agencies import WENT_ON
from projections.reports.catalogue import make
from projections.reports.figures import Figure, Line, Report
from projections.reports.period import financial_year
from tests.reports.state import State

YEAR = financial_year(2024)
FIRST, LAST = date(2024, 7, 1), date(2025, 6, 30)
SIGNED = date(2021, 5, 1)


def lines(report: Report, table: str) -> dict[str, Line]:
    """The lines of a table by id."""
    (found,) = [each for each in report.tables if each.id == table]
    return {line.id: line for line in found.lines}


def numbers(line: Line) -> list[object]:
    """The cells of a line after its record."""
    return [cell.value if isinstance(cell, Figure) else cell for cell in line.cells]


def test_zero_nil_silent_and_not_bound_are_told_apart(state: State, reader: str) -> None:
    state.organisation("dpc", "A: recorded", signed=SIGNED)
    state.formal("dpc", date(2025, 2, 3), requester="dffh")
    state.organisation("dffh", "B: keeps the register, no formal request", signed=SIGNED)
    state.formal("dffh", date(2025, 2, 3), form=RequestForm.INFORMAL)
    for identity, name in (("nil", "C: nil return"), ("halves", "D: nil return in two halves")):
        state.organisation(identity, name, signed=SIGNED)
    state.organisation("half", "E: nil return for half the year", signed=SIGNED)
    state.organisation("whole", "F: attested complete, nothing in it", signed=SIGNED)
    state.organisation("silent", "G: silent", signed=SIGNED)
    state.organisation("unbound", "H: not bound")
    state.organisation("later", "I: bound after the year", signed=date(2025, 7, 1))
    state.attest("common", "nil", FIRST, LAST, nil=True)
    state.attest("common", "halves", FIRST, date(2024, 12, 31), nil=True)
    state.attest("common", "halves", date(2025, 1, 1), LAST, nil=True)
    state.attest("common", "half", FIRST, date(2024, 12, 31), nil=True)
    state.attest("common", "whole", FIRST, LAST, nil=False)
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    found = lines(report, "sharing.by_provider")
    said = {identity: line.cells[0] for identity, line in found.items()}
    assert said == {
        "dpc": "recorded", "dffh": "zero", "nil": "nil return", "halves": "nil return", "half": "silent",
        "whole": "zero, attested complete", "silent": "silent", "unbound": "not bound", "later": "not bound",
        "total": "",
    }  # fmt: skip
    for identity in ("dffh", "nil", "halves", "whole"):
        assert numbers(found[identity])[1:] == [0] * 9
    for identity in ("half", "silent", "unbound", "later"):
        assert numbers(found[identity])[1:] == ["–"] * 9
    assert found["total"].cells[-1].value == 1


def test_nobody_is_called_silent_whose_ledger_is_not_read(state: State, reader: str) -> None:
    """A report of one agency's ledger says nothing of another's record; a nil return in ``common`` it does."""
    for identity in ("dpc", "dffh", "nowhere"):
        state.organisation(identity, identity, signed=SIGNED)
        state.attest("common", identity, FIRST, LAST, nil=identity == "dpc")
    state.organisation("silent", "silent", signed=SIGNED)
    state.formal("dffh", date(2025, 2, 3))
    state.project()
    for read, dffh, dpc in (
        (None, "recorded, attested complete", "nil return"), (["common"], "not read", "nil return"),
        (["dpc"], "not read", "nil return"), (["dffh"], "recorded, attested complete", "nil return"),
    ):  # fmt: skip
        found = lines(make(reader, "data-sharing-annual", YEAR, ledgers=read), "sharing.by_provider")
        assert {identity: line.cells[0] for identity, line in found.items()} == {
            "dffh": dffh, "dpc": dpc, "nowhere": "zero, attested complete", "silent": "silent", "total": "",
        }  # fmt: skip
        if dffh == "not read":
            assert set(numbers(found["dffh"])[1:]) == {"–"}


def test_a_nil_return_that_the_register_contradicts_says_so(state: State, reader: str) -> None:
    state.organisation("dpc", "Premier", signed=SIGNED)
    state.formal("dpc", date(2025, 2, 3), requester="dffh")
    state.attest("dpc", "dpc", FIRST, LAST, nil=True)
    state.organisation("dffh", "Families")
    state.formal("dffh", date(2025, 2, 3))
    state.project()
    found = lines(make(reader, "data-sharing-annual", YEAR), "sharing.by_provider")
    assert found["dpc"].cells[0] == "recorded, although a nil return was attested"
    assert found["dffh"].cells[0] == "recorded, not bound"


def test_an_attestation_taken_back_no_longer_counts(state: State, reader: str) -> None:
    state.organisation("dpc", "Premier", signed=SIGNED)
    index = state.attest("dpc", "dpc", FIRST, LAST, nil=True)
    before = state.sizes()
    state.attest("dpc", "dpc", FIRST, LAST, nil=True, corrects=(index, "entered_in_error"))
    state.project()
    after = lines(make(reader, "data-sharing-annual", YEAR), "sharing.by_provider")
    assert after["dpc"].cells[0] == "silent"
    then = lines(make(reader, "data-sharing-annual", YEAR, positions=before), "sharing.by_provider")
    assert then["dpc"].cells[0] == "nil return"


def test_a_series_shows_predecessor_and_successor_apart_and_together(state: State, reader: str) -> None:
    state.organisation("dffh", "Old department", signed=SIGNED)
    state.organisation("dpc", "New department")
    state.formal("dffh", date(2024, 8, 1))
    state.formal("dffh", date(2024, 9, 1))
    state.succeeded("dffh", "dpc", date(2025, 1, 1))
    state.formal("dpc", date(2025, 2, 1), requester="other")
    state.project()
    report = make(reader, "data-sharing-annual", YEAR)
    found = lines(report, "sharing.by_provider")
    assert {i: (line.cells[0], line.cells[-1].value) for i, line in found.items()} == {
        "dffh": ("recorded", 2), "dpc": ("recorded", 1), "total": ("", 3),
    }  # fmt: skip
    series = lines(report, "sharing.series_1")
    assert {identity: line.cells[-1].value for identity, line in series.items()} == {
        "dffh": 2, "dpc": 1, "total": 3,
    }  # fmt: skip
    (table,) = [each for each in report.tables if each.id == "sharing.series_1"]
    assert table.title == "Series: Old department, then New department"
    said = "Old department was succeeded by New department, and no longer exists from 1 January 2025."
    assert table.notes == (f"{said} {WENT_ON}",)
    last_year = make(reader, "data-sharing-annual", financial_year(2025))
    assert "dffh" not in lines(last_year, "sharing.by_provider")


def test_a_nil_return_covers_the_days_on_which_it_was_bound(state: State, reader: str) -> None:
    state.organisation("new", "Bound from the new year", signed=date(2025, 1, 1))
    state.attest("common", "new", date(2025, 1, 1), LAST, nil=True)
    state.project()
    found = lines(make(reader, "data-sharing-annual", YEAR), "sharing.by_provider")
    assert found["new"].cells[0] == "nil return"
