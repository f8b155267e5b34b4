"""Why a clock stands where it stands, in words: its case folded again, and law asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection

from ledger.domain.event import CaseEvent, class_of, effective
from ledger.errors import NotFound
from projections import sql
from projections.base import StreamInfo
from projections.calendar import CALENDAR_STREAM, calendar_of
from projections.clocks import Clock, clocks_of
from projections.facts import LedgerHead, facts_of


@dataclass(frozen=True, slots=True)
class Explained:
    """One clock of a case: its key in the register, its state on the day, and the words."""

    key: str
    clock: str
    state: str | None
    words: str


def explain(
    connection: Connection[Any], head: LedgerHead, stream: str, on: date, key: str | None = None
) -> list[Explained]:
    """The clocks of a case in plain words, as at ``head.size`` entries, judged on ``on``.

    ``key`` chooses one of them. Raises NotFound where the case, or that clock of it, is not there.
    """
    found = [
        Explained(clock.row_key, clock.id, clock.state_on(on), clock.explain(on, head.slug))
        for clock in case_clocks(connection, head, stream)
        if key in (None, clock.row_key, clock.id)
    ]
    if not found:
        raise NotFound(
            f"case {stream} of ledger {head.slug} has no {'clock' if key is None else f'clock {key}'}"
        )
    return found


def case_clocks(connection: Connection[Any], head: LedgerHead, stream: str) -> Sequence[Clock]:
    """The clocks of one case as at ``head.size`` entries. Raises UnknownSchema."""
    row = connection.execute(sql.get("stream_openings"), (head.id, [stream])).fetchone()
    if row is None:
        raise NotFound(f"ledger {head.slug}: nothing is recorded in case {stream}")
    facts = facts_of(connection, head.id, [stream, CALENDAR_STREAM], head.size)
    history = effective(fact for fact in facts[stream] if isinstance(fact, CaseEvent))
    if not history:
        return []
    calendar = calendar_of(facts[CALENDAR_STREAM])
    about = StreamInfo(head.id, head.origin, head.organisation, stream, class_of(row[1]), calendar)
    return clocks_of(history, about)
