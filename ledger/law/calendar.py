"""Which days are ordinary: no Saturday, no Sunday, no public holiday. Every rule of time asks here.

The seeded days and the changes to them are kept apart, so that a due date can say what it was before a
change was known (``Calendar.known_on``) and why it moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property

from ledger.errors import InvalidInput, LawRefused

FIRST_SEEDED_YEAR = 2014
"""The Act commenced in 2014; nothing earlier is judged."""

YEARS_SEEDED_AHEAD = 5
"""A ledger's calendar is seeded to this many years after the year of its creation."""

CUP_DAY = "Melbourne Cup Day"
"""The holiday that a council may replace by another day for its municipality."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Holiday:
    """A public holiday: the Melbourne date and its name."""

    day: date
    name: str


class ChangeKind(StrEnum):
    """What a calendar entry does to the seeded days."""

    ADDED = "added"
    SUBSTITUTED = "substituted"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class CalendarChange:
    """A change to the seeded days.

    ``day`` is added or removed; for a substitution it is the substitute and ``instead_of`` the day that is
    no holiday in ``municipality``. ``known_on`` is the Melbourne date on which the ledger learned of it.
    """

    kind: ChangeKind
    day: date
    name: str
    known_on: date
    municipality: str | None = None
    instead_of: date | None = None

    def __str__(self) -> str:
        if self.kind is ChangeKind.SUBSTITUTED:
            what = f"{self.day} ({self.name}) instead of {self.instead_of} in {self.municipality}"
        else:
            what = f"{self.day} ({self.name}) {self.kind}"
        return f"{what}, known on {self.known_on}"


@dataclass(frozen=True)
class Calendar:
    """The public holidays of a ledger, and which days are ordinary by them.

    ``days`` are the seeded holidays, ``changes`` what the calendar stream has recorded since, in order.
    A due date on or after ``provisional_from`` is provisional: holidays are not known so far ahead.
    ``municipality`` chooses whose council substitutes apply; without one, Cup Day stands.
    """

    days: tuple[Holiday, ...]
    provisional_from: date
    changes: tuple[CalendarChange, ...] = ()
    municipality: str | None = None

    @cached_property
    def holidays(self) -> Mapping[date, str]:
        """The holidays as changed, for this municipality: date → name."""
        found = {holiday.day: holiday.name for holiday in self.days}
        for change in self.changes:
            if change.municipality not in (None, self.municipality):
                continue
            if change.kind is ChangeKind.REMOVED:
                found.pop(change.day, None)
                continue
            if change.instead_of is not None:
                found.pop(change.instead_of, None)
            found[change.day] = change.name
        return found

    def is_ordinary(self, day: date) -> bool:
        """Whether ``day`` is neither Saturday, Sunday nor public holiday (ILA 1984 s 44)."""
        return day.weekday() < 5 and day not in self.holidays

    def why_not_ordinary(self, day: date) -> str | None:
        """The holiday's name, else 'Saturday' or 'Sunday'; None for an ordinary day."""
        name = self.holidays.get(day)
        if name is None and day.weekday() >= 5:
            name = _WEEKDAYS[day.weekday()]
        return name

    def next_ordinary_day(self, day: date) -> date:
        """``day`` itself if ordinary, else the first ordinary day after it.

        Raises InvalidInput at the end of the calendar that dates can express."""
        return self._step(day, 1)

    def previous_ordinary_day(self, day: date) -> date:
        """``day`` itself if ordinary, else the last ordinary day before it. Raises as above."""
        return self._step(day, -1)

    def is_provisional(self, day: date) -> bool:
        """Whether holidays are not yet known so far ahead."""
        return day >= self.provisional_from

    def known_on(self, day: date) -> Calendar:
        """The calendar as the ledger knew it at the end of ``day``: later changes left out."""
        known = tuple(c for c in self.changes if c.known_on <= day)
        # The same object where nothing is left out: its holidays are worked out once.
        return self if len(known) == len(self.changes) else replace(self, changes=known)

    def of_municipality(self, municipality: str | None) -> Calendar:
        """The same calendar with the substitutes of one municipality's council."""
        return self if municipality == self.municipality else replace(self, municipality=municipality)

    def _step(self, day: date, by: int) -> date:
        try:
            while not self.is_ordinary(day):
                day += timedelta(days=by)
        except OverflowError:
            raise InvalidInput("day", "a date with an ordinary day beside it", day) from None
        return day


def seed_days(first_year: int, last_year: int) -> tuple[Holiday, ...]:
    """The public holidays of Victoria from 1 January ``first_year`` to 31 December ``last_year``, in order.

    Raises InvalidInput when the years are not in order."""
    if last_year < first_year:
        raise InvalidInput("last_year", f"{first_year} or later", last_year)
    years = range(first_year, last_year + 1)
    # Loaded where a calendar is seeded, which is once a ledger: it takes a quarter of a second.
    from holidays import country_holidays

    found = country_holidays("AU", subdiv="VIC", years=years, language="en_AU", expand=False)
    return tuple(Holiday(day, name) for day, name in sorted(found.items()))


def seeded_calendar(created_on: date) -> Calendar:
    """The calendar of a ledger created on that day: 2014 to five years ahead, provisional beyond."""
    last = created_on.year + YEARS_SEEDED_AHEAD
    return Calendar(seed_days(FIRST_SEEDED_YEAR, last), date(last + 1, 1, 1))


def with_added(calendar: Calendar, day: date, name: str, known_on: date) -> Calendar:
    """The calendar with a gazetted day added. Raises InvalidInput where that day is a holiday already."""
    if day in calendar.holidays:
        raise InvalidInput("day", "a day that is no public holiday yet", day.isoformat())
    return _changed(calendar, CalendarChange(ChangeKind.ADDED, day, name, known_on))


def with_removed(calendar: Calendar, day: date, known_on: date) -> Calendar:
    """The calendar without that holiday. Raises InvalidInput where it is none."""
    name = calendar.holidays.get(day)
    if name is None:
        raise InvalidInput("day", "a public holiday of this calendar", day.isoformat())
    return _changed(calendar, CalendarChange(ChangeKind.REMOVED, day, name, known_on))


def with_substituted(
    calendar: Calendar, municipality: str, instead_of: date, day: date, name: str, known_on: date
) -> Calendar:
    """The calendar with a council's substitute for Cup Day, in its municipality only.

    A ledger's calendar says which days are holidays under ILA 1984 s 44 in one municipality (our choice:
    2-clocks). Raises LawRefused for another's. Raises InvalidInput where ``instead_of`` is no holiday there, is
    not Cup Day, or ``day`` is one."""
    if calendar.municipality not in (None, municipality):
        reason = f"this ledger's days are those of {calendar.municipality}, not of {municipality}"
        raise LawRefused("ILA 1984 s 44", reason)
    local = calendar.of_municipality(municipality).holidays
    if local.get(instead_of) != CUP_DAY:
        raise InvalidInput("instead_of", f"{CUP_DAY} of that year in {municipality}", instead_of.isoformat())
    if day in local:
        raise InvalidInput("day", "a day that is no public holiday yet", day.isoformat())
    change = CalendarChange(ChangeKind.SUBSTITUTED, day, name, known_on, municipality, instead_of)
    return _changed(calendar, change)


def _changed(calendar: Calendar, change: CalendarChange) -> Calendar:
    return replace(calendar, changes=(*calendar.changes, change))
