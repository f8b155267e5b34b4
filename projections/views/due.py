"""Due dates as law counts them, each counted once: many cases start and are recorded on the same days."""

from __future__ import annotations

from datetime import date

from ledger.law import clocks
from ledger.law.calendar import Calendar
from ledger.law.clocks import Due

_MOST = 50_000
_counted: dict[tuple[str, date, date, int], tuple[Calendar, Due | None]] = {}


def due_of(clock: str, day: date, calendar: Calendar, known_on: date) -> Due | None:
    """``ledger.law.clocks.due`` of a clock whose period no instrument states."""
    key = (clock, day, known_on, id(calendar))
    found = _counted.get(key)
    # The calendar is kept with what was counted by it, so that its id is no other's.
    if found is None or found[0] is not calendar:
        if len(_counted) >= _MOST:
            _counted.clear()
        found = _counted[key] = (calendar, clocks.due(clock, day, calendar, known_on=known_on))
    return found[1]
