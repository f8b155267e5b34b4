"""Facts in the order in which they happened: law judges by happened, never by recorded (1-law, head)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date

from ledger.codec.entry import Precision
from ledger.domain.event import CaseEvent
from ledger.law.general import not_before


def earliest(fact: CaseEvent) -> date | None:
    """The first day on which it can have happened (Melbourne); None where that is unknown."""
    return fact.happened_date


def latest(fact: CaseEvent) -> date | None:
    """The last day on which it can have happened: of a month or a year its last day; None: unknown."""
    day = fact.happened_date
    if day is None or fact.header.precision not in _SPANS:
        return day
    month = day.month if fact.header.precision is Precision.MONTH else 12
    return date(day.year, month, monthrange(day.year, month)[1])


def known_day(fact: CaseEvent) -> date | None:
    """The day on which it happened; None where it is not known to the day: no clock starts (4-wire 'Entry')."""
    return earliest(fact) if earliest(fact) == latest(fact) else None


def presupposes(fact: CaseEvent, earlier: CaseEvent | None, what: str) -> None:
    """Raises LawRefused where ``fact`` certainly happened before ``earlier``; ``what`` names that act."""
    if earlier is not None:
        not_before(latest(fact), earliest(earlier), what)


def in_order(facts: Iterable[CaseEvent]) -> list[CaseEvent]:
    """The facts by happened date, the recorded order kept wherever the dates do not settle it.

    A fact recorded late goes before the first that certainly happened after it, and so before what had been
    recorded after that one; a fact of unknown date stays behind what it was recorded after.
    """
    ordered: list[CaseEvent] = []
    newest = date.min
    for fact in facts:
        first = last = fact.happened_date
        if first is None:
            ordered.append(fact)
            continue
        if fact.header.precision in _SPANS:
            last = latest(fact)
        if last is None or last >= newest:
            # Nearly all: nothing before it certainly happened after it.
            ordered.append(fact)
        else:
            after = (at for at, other in enumerate(ordered) if (day := earliest(other)) and day > last)
            ordered.insert(next(after), fact)
        if first > newest:
            newest = first
    return ordered


_SPANS = frozenset({Precision.MONTH, Precision.YEAR})
