"""The period that a report is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from ledger.errors import InvalidInput

_FINANCIAL = re.compile(r"(\d{4})-(\d{2})")
_CALENDAR = re.compile(r"\d{4}")
_EXPECTED = "a financial year (2024-25), a calendar year (2025), or FROM..TO (2025-01-01..2025-03-31)"
_DAY = timedelta(days=1)
_EARLIEST, _LATEST = date(1900, 1, 1), date(2199, 12, 31)
"""Beyond them a period is a slip of the pen; and the one before it has to be a period too."""


@dataclass(frozen=True, slots=True)
class Period:
    """From its first day to its last, both included; Melbourne dates."""

    first: date
    last: date

    def __post_init__(self) -> None:
        """Raises InvalidInput for a period that ends before it begins."""
        if self.last < self.first:
            raise InvalidInput("period", "a last day that is not before the first", str(self))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    @property
    def words(self) -> str:
        """As people write it."""
        return f"{day_words(self.first)} to {day_words(self.last)}"

    @property
    def before(self) -> Period:
        """The period before it: the year before for years, else as many days before."""
        eve = self.first - _DAY
        if self.last + _DAY == _in_year(self.first, self.first.year + 1):
            return Period(_in_year(self.first, self.first.year - 1), eve)
        return Period(eve - (self.last - self.first), eve)


def day_words(day: date) -> str:
    """A day as people write it: 1 July 2024."""
    return f"{day.day} {day:%B %Y}"


def financial_year(starting: int) -> Period:
    """The Australian financial year that starts on 1 July of that year."""
    return Period(date(starting, 7, 1), date(starting + 1, 6, 30))


def last_financial_year(today: date) -> Period:
    """The financial year that was over last before ``today``."""
    return financial_year(today.year - 1 if today >= date(today.year, 7, 1) else today.year - 2)


def parse_period(text: str) -> Period:
    """'2024-25' (1 July to 30 June), '2025' (calendar year) or 'FROM..TO'. Raises InvalidInput."""
    try:
        period = _parsed(text)
    except ValueError:
        period = None
    if period is None:
        raise InvalidInput("period", _EXPECTED, text)
    if not _EARLIEST <= period.first <= period.last <= _LATEST:
        raise InvalidInput("period", f"days from {_EARLIEST} to {_LATEST}", text)
    return period


def _parsed(text: str) -> Period | None:
    if ".." in text:
        first, last = text.split("..")
        return Period(date.fromisoformat(first), date.fromisoformat(last))
    if found := _FINANCIAL.fullmatch(text):
        year = int(found[1])
        return financial_year(year) if (year + 1) % 100 == int(found[2]) else None
    return Period(date(int(text), 1, 1), date(int(text), 12, 31)) if _CALENDAR.fullmatch(text) else None


def _in_year(day: date, year: int) -> date:
    """The corresponding date; 29 February becomes 28 February."""
    return day.replace(year=year, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=year)
