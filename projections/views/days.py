"""Days of facts, as clocks need them: exactly known or not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from ledger.clock import melbourne_date
from ledger.codec.entry import Precision
from ledger.domain.event import CaseEvent
from ledger.domain.timeline import earliest, in_order, latest

_EXACT = frozenset({Precision.DAY, Precision.INSTANT})


def exact_day(fact: CaseEvent | None) -> date | None:
    """The Melbourne date on which it happened, where it is known to the day.

    4-wire 'Entry': a trigger that is not known to the day starts no clock (a gap).
    """
    if fact is None or fact.header.precision not in _EXACT:
        return None
    return fact.happened_date


_DATES: dict[int, date] = {}
"""Hour (UTC) → Melbourne date: clocks there change on the hour."""


def ended_between(fact: CaseEvent) -> tuple[date | None, date | None]:
    """The first and the last day on which this fact can have ended a clock; None where that is unknown.

    An answer ends it when the requester is told, where that day is stated: a refusal that was decided in time
    and sent late is late (VPS 'responsibility to share'; Data.NSW guide §2).
    """
    sent_on: date | None = getattr(fact, "sent_on", None)
    return (sent_on, sent_on) if sent_on is not None else (earliest(fact), latest(fact))


def ended_on(fact: CaseEvent | None) -> date | None:
    """The day on which this fact ended a clock, where it is known to the day."""
    first, last = (None, None) if fact is None else ended_between(fact)
    return last if first == last else None


def recorded_on(fact: CaseEvent) -> date:
    """The Melbourne date on which the ledger learned of it: holidays changed later restate its clock."""
    recorded = fact.timestamp
    hour = recorded.toordinal() * 24 + recorded.hour
    found = _DATES.get(hour)
    if found is None:
        found = melbourne_date(recorded)
        if recorded.utcoffset() == timedelta(0):
            _DATES[hour] = found
    return found


def in_course(facts: Sequence[CaseEvent], _about: object = None) -> Sequence[CaseEvent]:
    """The facts of a case in the order in which they happened, the one that opened it first.

    As law judges them: what was recorded late stands in its place (1-law, head).
    """
    return [*facts[:1], *in_order(facts[1:])] if len(facts) > 2 else facts


def days_from(start: date | None, end: date | None) -> int | None:
    """Calendar days from one date to another; None where one is unknown."""
    return None if start is None or end is None else (end - start).days
