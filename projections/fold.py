"""Folding one stream into the rows of the registers, as lines of COPY; and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeGuard

from ledger.domain.common.events import EnteredInError, MergedInto
from ledger.domain.event import CaseEvent, effective
from projections.base import Register, Status, StreamInfo
from projections.facts import Fact, Poison
from projections.lines import Lines


@dataclass(slots=True)
class Folded:
    """What a stream amounts to: COPY lines by register; why it is parked; facts of unknown date left out."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    parked: Poison | None = None
    left_out: int = 0


def fold(
    facts: Sequence[Fact],
    about: StreamInfo,
    registers: Sequence[Register],
    happened_by: date | None = None,
) -> Folded:
    """Folds a stream, from its first fact on, into the rows of these registers.

    ``happened_by``: only facts dated up to then, as they stand corrected now; those of unknown date are left
    out and counted. A stream that cannot be folded gives the rows of before the first entry that it fails
    at, and says so: which entry that is depends on the facts alone, never on how they came in batches.
    """
    good, poison = _readable(facts)
    try:
        folded = _fold(good, about, registers, happened_by)
    except Exception as error:  # noqa: BLE001 - a fault of one register or case must not stop the others
        folded, poison = _longest(good, about, registers, happened_by, error)
    folded.parked = poison
    return folded


def _readable(facts: Sequence[Fact]) -> tuple[Sequence[CaseEvent], Poison | None]:
    if _all_events(facts):
        return facts, None
    for place, fact in enumerate(facts):
        if isinstance(fact, Poison):
            head = facts[:place]
            assert _all_events(head)
            return head, fact
    raise AssertionError("unreachable: some fact is no event")


def _all_events(facts: Sequence[Fact]) -> TypeGuard[Sequence[CaseEvent]]:
    return Poison not in set(map(type, facts))


def _longest(
    facts: Sequence[CaseEvent],
    about: StreamInfo,
    registers: Sequence[Register],
    happened_by: date | None,
    error: Exception,
) -> tuple[Folded, Poison]:
    folded, failing = Folded(), facts[0]
    for size, fact in enumerate(facts, start=1):
        failing = fact
        try:
            folded = _fold(facts[:size], about, registers, happened_by)
        except Exception as found:  # noqa: BLE001 - as above
            error = found
            break
    return folded, Poison(failing.index, f"{type(error).__name__}: {error}")


def _fold(
    facts: Sequence[CaseEvent],
    about: StreamInfo,
    registers: Sequence[Register],
    happened_by: date | None,
) -> Folded:
    folded = Folded()
    # Most streams have no correction: their history is their facts.
    history = facts
    for fact in facts:
        if fact.header.corrects is not None:
            history = effective(facts)
            break
    # A case that was ended stands as that by every date: what it held by then was as wrong, or as double.
    status = status_of(history)
    if happened_by is not None:
        dated = [(fact, fact.happened_date) for fact in history]
        folded.left_out = sum(day is None for _, day in dated)
        history = [fact for fact, day in dated if day is not None and day <= happened_by]
    if not history:
        return folded
    lines = Lines(about, status, history)
    for register in registers:
        if not register.looks_at(about.opened_by):
            continue
        rows = [*register.rows(history, about)]
        if len(rows) > 1 and len({row.key for row in rows}) < len(rows):
            raise ValueError(f"register {register.name}: two rows of one case have the same key")
        if rows:
            folded.lines[register.name] = [lines.line(register, row) for row in rows]
    return folded


def status_of(history: Sequence[CaseEvent]) -> Status:
    """Whether the case counts, by its facts as corrected."""
    if _ENDS.isdisjoint(map(type, history)):
        return Status.CURRENT
    last = [fact for fact in history if type(fact) in _ENDS][-1]
    return Status.ENTERED_IN_ERROR if isinstance(last, EnteredInError) else Status.MERGED


_ENDS: frozenset[type[CaseEvent]] = frozenset({EnteredInError, MergedInto})
