"""Due dates as law counts them, each counted once: many cases start and are recorded on the same days."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import date

from ledger.law import clocks
from ledger.law.calendar import Calendar
from ledger.law.clocks import Due

_MOST = 50_000
_counted: dict[tuple[Hashable, int], tuple[Calendar, Due | None]] = {}


def due_of(clock: str, day: date, calendar: Calendar, known_on: date) -> Due | None:
    """``ledger.law.clocks.due`` of a clock whose period no instrument states."""
    key = (clock, day, known_on)
    return counted_once(key, calendar, lambda: clocks.due(clock, day, calendar, known_on=known_on))


def counted_once(key: Hashable, calendar: Calendar, count: Callable[[], Due | None]) -> Due | None:
    """What ``count`` gives; ``key`` says all that it turns on beside the calendar."""
    found = _counted.get((key, id(calendar)))
    # The calendar is kept with what was counted by it, so that its id is no other's.
    if found is None or found[0] is not calendar:
        if len(_counted) >= _MOST:
            _counted.clear()
        found = _counted[key, id(calendar)] = (calendar, count())
    return found[1]
