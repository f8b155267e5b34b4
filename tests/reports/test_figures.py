"""Sums that must tie, rounding, order statistics, periods; and that a report that does not tie is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidInput
from projections.reports.build import Builder, Kind, Of
from projections.reports.figures import (
    Definition,
    Figure,
    Report,
    ReportRefused,
    RowId,
    Section,
    Tie,
    Versions,
    count,
    median,
    percent,
    percentile_90,
    rounded,
)
from projections.reports.period import Period, financial_year, last_financial_year, parse_period
from projections.reports.snapshot import RegisterRow

WORDS = Definition("d", "words")


def row(number: int, **values: object) -> RegisterRow:
    """A row of no register."""
    return RegisterRow(RowId("requests", "ledger", f"case-{number}", ""), "slug", "body", values)


def report(*sections: Section) -> Report:
    """A report of these sections and nothing else."""
    versions = Versions("1", "r", "d", "c")
    return Report("r", "R", financial_year(2024), date(2025, 6, 30), (), versions, sections)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(1, 20), "0.1"), (Fraction(49, 1000), "0.0"), (Fraction(33 * 100, 81), "40.7"),
        (Fraction(25 * 100, 81), "30.9"), (Fraction(22 * 100, 81), "27.2"), (Fraction(21, 2), "10.5"),
        (Fraction(-1, 20), "-0.1"), (Fraction(41 * 100, 116), "35.3"), (Fraction(3), "3.0"),
    ],
)  # fmt: skip
def test_rounding_is_half_up_to_one_decimal(value: Fraction, shown: str) -> None:
    assert str(rounded(value)) == shown


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_median_and_90th_percentile_by_their_definitions(days: list[int]) -> None:
    found = [(value, row(place).id) for place, value in enumerate(days)]
    middle = median("m", WORDS, found).value
    assert sum(value <= middle for value in days) * 2 >= len(days) <= 2 * sum(v >= middle for v in days)
    high = percentile_90("p", WORDS, found).value
    assert high in days
    assert sum(value <= high for value in days) * 10 >= 9 * len(days)
    assert sum(value < high for value in days) * 10 < 9 * len(days)


def test_of_nothing_there_is_no_median_and_no_share() -> None:
    assert median("m", WORDS, []).value is None
    assert percentile_90("p", WORDS, []).value is None
    nothing = count("n", WORDS, [])
    assert percent("s", WORDS, nothing, nothing).shown == "–"


def test_a_sum_that_does_not_tie_is_refused_naming_the_figure() -> None:
    whole, part = Figure("flow.closing", 3, WORDS), Figure("flow.opening", 5, WORDS)
    gone = Figure("flow.closed", 1, WORDS)
    Tie(whole, (part,), (replace(gone, value=2),)).check()
    with pytest.raises(ReportRefused, match=r"figure flow\.closing does not tie: it is 3, its parts come to 4"):
        Tie(whole, (part,), (gone,)).check()


def test_equal_sums_of_other_rows_do_not_tie() -> None:
    one, two, three = (row(number).id for number in range(3))
    whole = count("whole", WORDS, (one, two))
    Tie(whole, (count("a", WORDS, (one,)), count("b", WORDS, (two,))), rows=True).check()
    with pytest.raises(ReportRefused, match="counted in another part too"):
        Tie(whole, (count("a", WORDS, (one,)), count("b", WORDS, (one,))), rows=True).check()
    with pytest.raises(ReportRefused, match="behind the whole or its parts only"):
        Tie(whole, (count("a", WORDS, (one,)), count("b", WORDS, (three,))), rows=True).check()


def test_a_row_in_no_category_or_of_no_line_is_refused() -> None:
    rows = [row(1, outcome="provided", by="a"), row(2, outcome="burnt", by="a")]
    kinds = (Kind("provided", "Provided"),)
    build = Builder("s", "S")
    build.kinds("t", "T", "Outcome", rows, lambda r: str(r["outcome"]), kinds, WORDS)
    with pytest.raises(ReportRefused, match=r"figure s\.t\.total does not tie"):
        report(build.section()).check()
    build = Builder("s", "S")
    lines = [Of("a", "A")]
    rows = [row(1, outcome="provided", by="a"), row(2, outcome="provided", by="b")]
    build.by("t", "T", lines, lambda r: str(r["by"]), rows, lambda r: str(r["outcome"]), kinds, WORDS)
    with pytest.raises(ReportRefused, match=r"figure s\.t\.total\.provided does not tie"):
        report(build.section()).check()


def test_a_figure_that_stands_twice_is_refused() -> None:
    build = Builder("s", "S")
    build.list("t", "T", ("", "Number"), [("A", count("s.t.a", WORDS, [])), ("B", count("s.t.a", WORDS, []))])
    with pytest.raises(ReportRefused, match="stands twice"):
        report(build.section()).check()


def test_periods_as_people_write_them() -> None:
    assert parse_period("2024-25") == Period(date(2024, 7, 1), date(2025, 6, 30))
    assert parse_period("2025") == Period(date(2025, 1, 1), date(2025, 12, 31))
    assert parse_period("2025-01-01..2025-03-31") == Period(date(2025, 1, 1), date(2025, 3, 31))
    assert parse_period("1999-00") == financial_year(1999)
    for wrong in (
        "2024-26",
        "2024-2025",
        "24-25",
        "",
        "2025-06-31..2025-07-01",
        "2025-02-01..2025-01-01",
        "a..b",
    ):
        with pytest.raises(InvalidInput, match="period"):
            parse_period(wrong)


def test_the_period_before_and_the_last_year_over() -> None:
    assert financial_year(2024).before == financial_year(2023)
    assert parse_period("2025").before == parse_period("2024")
    assert parse_period("2025-04-01..2025-06-30").before == parse_period("2024-12-31..2025-03-31")
    assert last_financial_year(date(2025, 6, 30)) == financial_year(2023)
    assert last_financial_year(date(2025, 7, 1)) == financial_year(2024)
    assert Period(date(2024, 2, 29), date(2025, 2, 27)).before.last == date(2024, 2, 28)


def test_a_share_is_of_its_whole() -> None:
    third = percent("s", WORDS, Figure("a", 33, WORDS), Figure("b", 81, WORDS))
    assert third.value == Decimal("40.7")
    assert third.shown == "40.7%"
