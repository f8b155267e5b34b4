"""Moves a set of register tables on: what the entries of a batch touch is folded anew and written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from psycopg import Connection

from ledger.domain.event import class_of
from ledger.errors import UnknownSchema
from ledger.law.calendar import Calendar
from projections import sql, tables
from projections.base import Register, StreamInfo
from projections.calendar import (
    CALENDAR_STREAM,
    CLOCKS,
    NO_CALENDAR,
    calendar_of,
    touched_clocks,
    with_clocks,
)
from projections.facts import Fact, LedgerHead, facts_of, read_fact
from projections.fold import Folded, fold_all

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Batch:
    """A run of entries of one ledger, decoded, ready to be written.

    ``stop`` is the index after the last entry in it; ``paused`` says why it ends before the one asked for.
    """

    head: LedgerHead
    start: int
    stop: int
    streams: dict[str, list[Fact]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    """Streams whose first entry is in the batch: nothing of them is in the tables."""
    opened_by: dict[str, str] = field(default_factory=dict)
    paused: str | None = None


class StreamCache:
    """The facts of the streams last touched, as many as ``limit`` facts together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._streams: OrderedDict[tuple[int, str], list[Fact]] = OrderedDict()

    def get(self, ledger: int, stream: str) -> list[Fact] | None:
        """The facts that are kept of a stream."""
        facts = self._streams.get((ledger, stream))
        if facts is not None:
            self._streams.move_to_end((ledger, stream))
        return facts

    def put(self, ledger: int, stream: str, facts: list[Fact]) -> None:
        """Keeps the facts of a stream; the ones touched longest ago make room."""
        self._size += len(facts) - len(self._streams.pop((ledger, stream), ()))
        self._streams[ledger, stream] = facts
        while self._size > self._limit and self._streams:
            _, dropped = self._streams.popitem(last=False)
            self._size -= len(dropped)

    def clear(self) -> None:
        """Forgets all: after a transaction that failed, what is kept may be ahead of the tables."""
        self._streams.clear()
        self._size = 0


class Projector:
    """Writes what entries amount to into the tables of some registers, within its caller's transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        registers: Sequence[Register],
        suffix: str = "",
        *,
        cache_facts: int = 50_000,
    ) -> None:
        self._connection = connection
        self._registers = registers
        self._suffix = suffix
        self._cache = StreamCache(cache_facts)
        self._calendars: dict[int, Calendar] = {}
        self._concerned: dict[str, list[Register]] = {}

    def collect(self, head: LedgerHead, start: int, stop: int) -> Batch:
        """Reads and decodes entries ``start`` to ``stop``; ends before one that this version does not know."""
        batch = Batch(head, start, start)
        with self._connection.cursor(binary=True) as cursor:
            cursor.execute(sql.get("entries_between"), (head.id, start, stop))
            for index, stream, version, event, entry in cursor:
                try:
                    fact = read_fact(index, entry)
                except UnknownSchema as error:
                    batch.paused = f"entry {index}: {error}"
                    break
                batch.streams.setdefault(stream, []).append(fact)
                if version == 1:
                    batch.begun.add(stream)
                    batch.opened_by[stream] = event
                batch.stop = index + 1
        return batch

    def write(self, batches: Iterable[Batch]) -> None:
        """Writes what the batches touch. The caller's transaction moves the positions with it.

        Raises UnknownSchema where an earlier entry of a touched stream is newer than this version.
        """
        for batch in batches:
            changed = self._calendar_changes(batch)
            streams = dict(batch.streams)
            for stream in changed:
                streams.setdefault(stream, [])
            self._write_streams(batch, streams)

    def forget(self) -> None:
        """Drops what is kept between batches: after a transaction that failed."""
        self._cache.clear()
        self._calendars.clear()

    def rewrite(self, head: LedgerHead, streams: Sequence[str], at: int, below: int) -> None:
        """Folds streams anew as of ``below``, where the tables are ahead, ``at``: all that lie between."""
        self.forget()
        wanted = set(streams)
        if CALENDAR_STREAM in wanted:
            before = self._calendar(head, at)
            self.forget()
            wanted.update(self._touched(head, before, self._calendar(head, below)))
        self._write_streams(Batch(head, below, below), {stream: [] for stream in sorted(wanted)})

    # --- one batch ----------------------------------------------------------------------------------

    def _calendar(self, head: LedgerHead, below: int) -> Calendar:
        calendar = self._calendars.get(head.id)
        if calendar is None:
            facts = facts_of(self._connection, head.id, [CALENDAR_STREAM], below)[CALENDAR_STREAM]
            calendar = self._calendars[head.id] = calendar_of(facts)
        return calendar

    def _calendar_changes(self, batch: Batch) -> Sequence[str]:
        """The streams whose clocks a change of the calendar touches."""
        if CALENDAR_STREAM not in batch.streams:
            return ()
        before = self._calendar(batch.head, batch.start)
        facts = facts_of(self._connection, batch.head.id, [CALENDAR_STREAM], batch.stop)[CALENDAR_STREAM]
        after = self._calendars[batch.head.id] = calendar_of(facts)
        if before is NO_CALENDAR and batch.start == 0:
            return ()
        return self._touched(batch.head, before, after)

    def _touched(self, head: LedgerHead, before: Calendar, after: Calendar) -> Sequence[str]:
        """By these tables' own clocks; where clocks are not among them, every case that has one."""
        if any(register.name == CLOCKS for register in self._registers):
            return touched_clocks(self._connection, head.id, before, after, self._suffix)
        return with_clocks(self._connection, head.id)

    def _write_streams(self, batch: Batch, streams: dict[str, list[Fact]]) -> None:
        head = batch.head
        openings = self._openings(batch, streams)
        loaded = self._load(batch, {s: added for s, added in streams.items() if self._of(openings[s])})
        calendar = self._calendar(head, batch.stop)
        lines: dict[str, list[str]] = {}
        stale: dict[str, list[str]] = {}
        parked: dict[str, tuple[Folded, int]] = {}
        streams_of = [
            StreamInfo(head.id, head.origin, head.organisation, stream, class_of(openings[stream]), calendar)
            for stream in loaded
        ]
        made = fold_all(list(zip(streams_of, loaded.values(), strict=True)), self._registers)
        for (stream, facts), folded in zip(loaded.items(), made, strict=True):
            concerned = self._of(openings[stream])
            for name, added in folded.lines.items():
                lines.setdefault(name, []).extend(added)
            if folded.parked is not None:
                index = folded.parked.index
                parked[stream] = folded, sum(f.index > index for f in facts)
            if stream not in batch.begun:
                for register in concerned:
                    stale.setdefault(register.name, []).append(stream)
        self._write_rows(head.id, stale, lines)
        if not self._suffix:
            self._write_parked(head.id, [s for s in loaded if s not in batch.begun], parked)

    def _openings(self, batch: Batch, streams: Iterable[str]) -> dict[str, str]:
        missing = [stream for stream in streams if stream not in batch.opened_by]
        found = dict(batch.opened_by)
        if missing:
            found.update(
                self._connection.execute(sql.get("stream_openings"), (batch.head.id, missing)).fetchall()
            )
        return found

    def _of(self, opening: str) -> list[Register]:
        """The registers that look at streams opened by that event."""
        concerned = self._concerned.get(opening)
        if concerned is None:
            cls = class_of(opening)
            concerned = self._concerned[opening] = [r for r in self._registers if r.looks_at(cls)]
        return concerned

    def _load(self, batch: Batch, streams: dict[str, list[Fact]]) -> dict[str, list[Fact]]:
        """All facts of these streams, those of the batch at their end."""
        loaded: dict[str, list[Fact]] = {}
        missing: list[str] = []
        for stream, added in streams.items():
            kept = [] if stream in batch.begun else self._cache.get(batch.head.id, stream)
            if kept is None:
                missing.append(stream)
            else:
                loaded[stream] = kept + added
        if missing:
            found = facts_of(self._connection, batch.head.id, missing, batch.start)
            for stream in missing:
                loaded[stream] = found[stream] + streams[stream]
        for stream, facts in loaded.items():
            self._cache.put(batch.head.id, stream, facts)
        return loaded

    def _write_rows(self, ledger: int, stale: dict[str, list[str]], lines: dict[str, list[str]]) -> None:
        for register in self._registers:
            where = tables.table(register, self._suffix)
            if register.name in stale:
                tables.delete(self._connection, where, ledger, stale[register.name])
            if register.name in lines:
                tables.fill(self._connection, where, lines[register.name])

    def _write_parked(self, ledger: int, known: list[str], parked: dict[str, tuple[Folded, int]]) -> None:
        whole = [stream for stream in known if stream not in parked]
        if whole:
            self._connection.execute(sql.get("unpark"), (ledger, whole))
        for stream, (folded, joined) in parked.items():
            assert folded.parked is not None
            log.error(
                "case parked",
                ledger=ledger,
                case=stream,
                index=folded.parked.index,
                reason=folded.parked.reason,
            )
            self._connection.execute(
                sql.get("park"), (ledger, stream, folded.parked.index, joined, folded.parked.reason)
            )
