"""Where a retention item stands: triggered, held, needed, done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from ledger.clock import melbourne_date
from ledger.domain.event import CaseEvent
from ledger.domain.retention.events import (
    HoldPlaced,
    HoldReleased,
    NoLongerNeeded,
    RecordsDeIdentified,
    RecordsDestroyed,
    RecordsRemoved,
    RecordsReturned,
    RecordsTransferred,
    RetentionAction,
    RetentionScheduled,
    RetentionTriggered,
)
from ledger.domain.timeline import in_order, known_day
from ledger.law import clocks
from ledger.law.calendar import Calendar
from ledger.law.time import Due, Period

DONE: dict[type[CaseEvent], RetentionAction] = {
    RecordsDestroyed: RetentionAction.DESTROY,
    RecordsDeIdentified: RetentionAction.DE_IDENTIFY,
    RecordsReturned: RetentionAction.RETURN,
    RecordsTransferred: RetentionAction.TRANSFER,
    RecordsRemoved: RetentionAction.REMOVE,
}
"""The fact that ends an item → the action that it is."""


@dataclass(slots=True)
class RetentionStanding:
    """An item as its facts leave it. Days are None where they are not known or did not come.

    ``runs_from``: the trigger's day where it is known to the day, else no clock starts.
    ``open_holds``: hold id → the day it was placed. ``holds``: every hold, (placed, released)."""

    scheduled: RetentionScheduled
    triggered: bool = False
    triggered_on: date | None = None
    runs_from: date | None = None
    no_longer_needed: bool = False
    no_longer_needed_on: date | None = None
    open_holds: dict[str, date | None] = field(default_factory=dict)
    holds: list[tuple[date | None, date | None]] = field(default_factory=list)
    done: RetentionAction | None = None
    done_on: date | None = None

    @property
    def period(self) -> Period | None:
        """The period stated; None: none, so that it is due on the trigger."""
        return Period.from_iso(self.scheduled.period) if self.scheduled.period is not None else None

    def due(self, calendar: Calendar, known_on: date | None = None) -> Due | None:
        """When the action is due (clock retention.action); None before the trigger, or its day unknown."""
        if self.runs_from is None:
            return None
        return clocks.due("retention.action", self.runs_from, calendar, period=self.period, known_on=known_on)


def standing_of(history: Iterable[CaseEvent]) -> RetentionStanding:
    """The standing after these facts, as corrected, in the order they happened; the first is the schedule."""
    scheduled, *rest = history
    assert isinstance(scheduled, RetentionScheduled)
    now = RetentionStanding(scheduled)
    for fact in in_order(rest):
        if isinstance(fact, RetentionTriggered):
            now.triggered, now.triggered_on, now.runs_from = True, fact.happened_date, known_day(fact)
        elif isinstance(fact, NoLongerNeeded):
            # Said again it is no later: the first day counts.
            if not now.no_longer_needed:
                now.no_longer_needed, now.no_longer_needed_on = True, fact.happened_date
        elif isinstance(fact, HoldPlaced):
            now.open_holds[fact.hold] = fact.happened_date
        elif isinstance(fact, HoldReleased):
            # Released on a day that no one knows: at the latest when the ledger learned of it.
            released = fact.happened_date or melbourne_date(fact.timestamp)
            now.holds.append((now.open_holds.pop(fact.hold, None), released))
        elif type(fact) in DONE:
            now.done, now.done_on = DONE[type(fact)], fact.happened_date
    now.holds += [(placed, None) for placed in now.open_holds.values()]
    return now
