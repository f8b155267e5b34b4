"""Dates in every form in which registers write them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidInput
from ledger.imports.cells import EXCEL_1900, EXCEL_1904
from ledger.imports.dates import form, read_date, read_happened

MELBOURNE = ZoneInfo("Australia/Melbourne")


def read(value: Any, *forms: str, epoch: date = EXCEL_1900) -> str:
    return read_happened(value, [form(text) for text in forms], epoch, MELBOURNE)


@pytest.mark.parametrize(
    ("value", "written", "expected"),
    [
        ("03/07/2017", "DD/MM/YYYY", "2017-07-03"),
        ("03/07/2017", "MM/DD/YYYY", "2017-03-07"),
        ("3/7/2017", "D/M/YYYY", "2017-07-03"),
        ("3 Jul 2017", "D MMM YYYY", "2017-07-03"),
        ("3 July 2017", "D MMMM YYYY", "2017-07-03"),
        ("Sept. 9, 2017", "MMM D, YYYY", "2017-09-09"),
        ("Monday 3 July 2017", "dddd D MMMM YYYY", "2017-07-03"),
        ("3-Jul-17", "D-MMM-YY", "2017-07-03"),
        ("07/2017", "MM/YYYY", "2017-07"),
        ("July 2017", "MMMM YYYY", "2017-07"),
        (2017, "YYYY", "2017"),
        ("FY 2017", "'FY 'YYYY", "2017"),
        ("3/7/2017 14:30", "D/M/YYYY HH:mm", "2017-07-03T04:30:00Z"),
        ("3/1/2017 2:30 pm", "D/M/YYYY H:mm AM", "2017-01-03T03:30:00Z"),
        (42919, "serial", "2017-07-03"),
        ("42919", "serial", "2017-07-03"),
        (42919.5, "serial", "2017-07-03T02:00:00Z"),
        (date(2017, 7, 3), "serial", "2017-07-03"),
        (datetime(2017, 7, 3, 12), "serial", "2017-07-03T02:00:00Z"),
    ],
)
def test_a_form_reads_its_dates(value: Any, written: str, expected: str) -> None:
    assert read(value, written) == expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("31/02/2017", "DD/MM/YYYY"),
        ("13/13/2017", "DD/MM/YYYY"),
        ("3/7/17", "D/M/YYYY"),
        ("2017-07-03", "DD/MM/YYYY"),
        ("3 Juli 2017", "D MMM YYYY"),
        ("3/7/2017 25:00", "D/M/YYYY HH:mm"),
        ("13:00 pm", "YYYY"),
        (True, "serial"),
        (60, "serial"),
        (2_958_466, "serial"),
        ("forty", "serial"),
    ],
)
def test_what_the_form_does_not_fit_is_refused_and_shown(value: Any, written: str) -> None:
    with pytest.raises(InvalidInput, match="date"):
        read(value, written)


def test_a_date_that_two_forms_read_differently_is_refused() -> None:
    assert read("25/07/2017", "DD/MM/YYYY", "MM/DD/YYYY") == "2017-07-25"
    with pytest.raises(InvalidInput, match="2017-03-07 or 2017-07-03"):
        read("03/07/2017", "DD/MM/YYYY", "MM/DD/YYYY")


@pytest.mark.parametrize("text", ["", "DD/MM", "YYYY YYYY", "DD YYYY", "HH:mm YYYY", "YYYY-MM-DD x", "YY YYYY"])
def test_a_form_that_gives_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="dates"):
        form(text)


def test_a_field_that_takes_a_day_takes_no_month() -> None:
    with pytest.raises(InvalidInput, match="a day"):
        read_date("07/2017", [form("MM/YYYY")], EXCEL_1900, MELBOURNE)
    assert read_date(datetime(2017, 7, 3, 23), [], EXCEL_1900, MELBOURNE) == "2017-07-03"
    assert read_date("3/7/2017 23:59", [form("D/M/YYYY HH:mm")], EXCEL_1900, MELBOURNE) == "2017-07-03"


def test_an_apple_workbook_counts_from_1904() -> None:
    assert read(1000, "serial", epoch=EXCEL_1904) == read(1000, "serial1904") == "1906-09-27"


@given(
    st.dates(date(1900, 3, 1), date(9999, 12, 30)), st.sampled_from(["DD/MM/YYYY", "YYYY-MM-DD", "D MMM YYYY"])
)
def test_every_day_is_read_as_it_was_written(day: date, text: str) -> None:
    written = {
        "DD/MM/YYYY": f"{day.day:02}/{day.month:02}/{day.year:04}",
        "YYYY-MM-DD": day.isoformat(),
        "D MMM YYYY": f"{day.day} {day:%b} {day.year:04}",
    }[text]
    assert read(written, text) == day.isoformat()
    assert read((day - EXCEL_1900) // timedelta(days=1), "serial") == day.isoformat()
