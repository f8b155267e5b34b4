"""The rules of time. Each is one function from a trigger to a ``Due`` that can explain itself.

R1 ``statutory`` · R2 ``clear_days_before`` · R3 ``policy`` · R4 ``fixed`` · R5 ``anniversary`` · ``elapsed``.
Where the sources leave a choice open, the choice is a named value here: counsel changes it in one place,
and every due date says which one it used.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from ledger.errors import InvalidInput
from ledger.law.calendar import Calendar


class Rule(StrEnum):
    """The rules of time by name; ``NONE``: the source gives no number, so there is never a due date."""

    STATUTORY = "statutory"
    CLEAR_DAYS_BEFORE = "clear_days_before"
    POLICY = "policy"
    FIXED = "fixed"
    ANNIVERSARY = "anniversary"
    ELAPSED = "elapsed"
    NONE = "none"


class Roll(StrEnum):
    """Where a last day that is not ordinary moves to."""

    FORWARD = "forward"
    BACKWARD = "backward"
    NO_ROLL = "no roll"


STATUTORY_ROLL = Roll.FORWARD
"""R1. Law, not choice: the act may be done on the next day that is none (ILA 1984 s 44)."""

CLEAR_DAYS_ROLL = Roll.FORWARD
"""R2 (choice). The latest day moves forward as in R1; ``Due.safe_day`` is the cautious one."""

POLICY_ROLL = Roll.NO_ROLL
"""R3 (choice). A policy is no Act: its last day stays, the next working day is information."""

FIXED_ROLL = Roll.NO_ROLL
"""R4 (choice). A day or period fixed by an instrument ends when the instrument says."""

ANNIVERSARY_ROLL = Roll.NO_ROLL
"""R5 (choice). Anniversaries, 36(1), 54(1) and 89 among them, do not roll as R1 does."""

ELAPSED_ROLL = Roll.NO_ROLL
"""A power arises once the days have run: nothing is to be done on the last of them."""

ELAPSED_ARISES_AFTER = 1
"""Days after the last day that has to run on which the power can first be used (choice)."""


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time: whole years, months, weeks and days, none negative."""

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0

    def __post_init__(self) -> None:
        for field in ("years", "months", "weeks", "days"):
            if getattr(self, field) < 0:
                raise InvalidInput(field, "0 or more", getattr(self, field))

    def __str__(self) -> str:
        units = (("year", self.years), ("month", self.months), ("week", self.weeks), ("day", self.days))
        words = [f"{number} {unit}{'' if number == 1 else 's'}" for unit, number in units if number]
        return " and ".join(words) or "at once"

    @classmethod
    def from_iso(cls, text: str) -> Period:
        """Reads an ISO 8601 duration of whole days or longer, ``P5Y`` or ``P4W``. Raises InvalidInput."""
        match = re.fullmatch(r"P(?=\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", text, re.ASCII)
        if match is None:
            raise InvalidInput("period", "an ISO 8601 duration like P5Y, P6M, P4W or P28D", text)
        return cls(*(int(number or 0) for number in match.groups()))

    def iso(self) -> str:
        """The same as ISO 8601; ``P0D`` for no time at all."""
        units = ((self.years, "Y"), (self.months, "M"), (self.weeks, "W"), (self.days, "D"))
        return "P" + ("".join(f"{number}{unit}" for number, unit in units if number) or "0D")


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A day that could not be the last one, and why: the holiday's name, 'Saturday' or 'Sunday'."""

    day: date
    why: str


@dataclass(frozen=True, slots=True)
class Due:
    """A due date and how it was reached.

    ``counted_from`` is the trigger (R2: the day counted back from); ``nominal`` the last day before any
    roll, ``due`` after it; ``days`` the calendar days counted; ``rolled_over`` the days that moved it.
    ``next_working_day`` is the first ordinary day from ``nominal`` on, ``safe_day`` the last one up to it:
    information, never the due date. ``arises_on`` is set by ``elapsed`` only: the first day of the power.
    ``restated_from`` is what it was before ``restated_because`` was known.
    """

    rule: Rule
    counted_from: date
    nominal: date
    due: date
    days: int
    rolled_over: tuple[PassedOver, ...]
    next_working_day: date
    safe_day: date
    provisional: bool
    choices: tuple[str, ...]
    arises_on: date | None = None
    restated_from: date | None = None
    restated_because: tuple[str, ...] = ()


def statutory(trigger: date, days: int, calendar: Calendar) -> Due:
    """R1: leave out the trigger, count ``days`` calendar days, include the last; roll forward.

    Interpretation of Legislation Act 1984 (Vic) s 44. Raises InvalidInput beyond the calendar."""
    note = f"the last day rolls {STATUTORY_ROLL} (ILA 1984 s 44)"
    return _due(Rule.STATUTORY, trigger, _plus(trigger, days), STATUTORY_ROLL, calendar, (note,))


def clear_days_before(event: date, days: int, calendar: Calendar) -> Due:
    """R2: the latest day with ``days`` clear days between it and ``event``, then rolled.

    'Not less than N days before': neither end is counted (PDPA 83C(1), 57(2)(c))."""
    notes = (f"{days} clear days between", f"the latest day rolls {CLEAR_DAYS_ROLL} (choice)")
    nominal = _plus(event, -(days + 1))
    return _due(Rule.CLEAR_DAYS_BEFORE, event, nominal, CLEAR_DAYS_ROLL, calendar, notes)


def policy(trigger: date, period: Period, calendar: Calendar) -> Due:
    """R3: calendar days of a policy, no roll (VPS Data Sharing Policy; DataVic 3.2.2, 10.4)."""
    note = f"policy clock: {POLICY_ROLL} (choice)"
    return _due(Rule.POLICY, trigger, add(trigger, period), POLICY_ROLL, calendar, (note,))


def fixed(trigger: date, until: Period | date, calendar: Calendar) -> Due:
    """R4: a period or last day that an instrument fixes, no roll (PDPA 78(2), 72(4), 37).

    Raises InvalidInput where the last day stated lies before the trigger."""
    nominal = until if isinstance(until, date) else add(trigger, until)
    if nominal < trigger:
        raise InvalidInput("until", f"{trigger} or later", nominal.isoformat())
    note = f"fixed by the instrument: {FIXED_ROLL} (choice)"
    return _due(Rule.FIXED, trigger, nominal, FIXED_ROLL, calendar, (note,))


def anniversary(trigger: date, period: Period, calendar: Calendar) -> Due:
    """R5: the corresponding date of a later year, month, week or day; 29 February → 28 February."""
    notes = (
        "corresponding date; a day that its month lacks becomes the month's last (choice)",
        f"anniversary: {ANNIVERSARY_ROLL} (choice)",
    )
    return _due(Rule.ANNIVERSARY, trigger, add(trigger, period), ANNIVERSARY_ROLL, calendar, notes)


def elapsed(trigger: date, days: int, calendar: Calendar) -> Due:
    """A power that arises once ``days`` have run: ``due`` is the last of them (PDPA 64(1)). No roll."""
    nominal = _plus(trigger, days)
    arises = _plus(nominal, ELAPSED_ARISES_AFTER)
    notes = (f"the power arises on {arises}, when all days have run (choice)",)
    return _due(Rule.ELAPSED, trigger, nominal, ELAPSED_ROLL, calendar, notes, arises)


def add(day: date, period: Period) -> date:
    """The corresponding date after ``period``: years and months first, then weeks and days.

    Where the month has no such day, its last one. Raises InvalidInput beyond the year 9999."""
    return _plus(_by_months(day, 12 * period.years + period.months), 7 * period.weeks + period.days)


def years_before(day: date, years: int) -> date:
    """The corresponding date that many years earlier (29 February → 28 February)."""
    return _by_months(day, -12 * years)


def _by_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not date.min.year <= year <= date.max.year:
        raise InvalidInput("period", "an end within the years 1 to 9999", f"{day} and {months} months")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _plus(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        raise InvalidInput("days", "an end within the years 1 to 9999", f"{day} and {days} days") from None


def _due(
    rule: Rule,
    trigger: date,
    nominal: date,
    roll: Roll,
    calendar: Calendar,
    choices: tuple[str, ...],
    arises_on: date | None = None,
) -> Due:
    following, preceding = calendar.next_ordinary_day(nominal), calendar.previous_ordinary_day(nominal)
    due = {Roll.FORWARD: following, Roll.BACKWARD: preceding, Roll.NO_ROLL: nominal}[roll]
    step = 1 if due >= nominal else -1
    passed = [nominal + timedelta(days=n) for n in range(0, (due - nominal).days, step)]
    return Due(
        rule=rule,
        counted_from=trigger,
        nominal=nominal,
        due=due,
        days=abs((nominal - trigger).days),
        rolled_over=tuple(PassedOver(day, calendar.why_not_ordinary(day) or "ordinary") for day in passed),
        next_working_day=following,
        safe_day=preceding,
        provisional=calendar.is_provisional(max(nominal, due)),
        choices=choices,
        arises_on=arises_on,
    )
