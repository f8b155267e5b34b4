"""Makes the registers anew beside the live ones, compares, and swaps them in one transaction.

(1) New tables are made beside the old. (2) Every stream is folded once, whole, in shares by several processes,
from the entries below the heads of now. (3) What came meanwhile is projected into the new tables, until little
is left. (4) With the live positions locked, the rest is projected, the tables are compared with the live ones
and swapped by rename. A crash before (4) commits leaves the live tables as they were; the next rebuild drops
what it left. The tables swapped out stay, with where they stand, for ``way_back``.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from ledger.domain.event import CaseEvent, class_of, load_events
from ledger.errors import InvalidInput, Unavailable
from projections import sql, tables
from projections.base import Register, StreamInfo, register, registers
from projections.calendar import CALENDAR_STREAM, calendar_of
from projections.facts import Fact, LedgerHead, facts_of, heads, read_fact
from projections.fold import Folded, fold
from projections.projector import Projector
from projections.runner import connect
from projections.tables import NEW, OLD, Digest

PROCESSES = 2
SHARES = 8
"""Shares of a ledger's streams for each process: a long one at the end keeps no process waiting."""
CLOSE_ENOUGH = 2_000
"""Entries that are left to project under the lock."""
_FLUSH_LINES = 5_000
_READ_ROWS = 1_000
_SHARE_ENTRIES = 20_000
"""Entries that a share has at least: a small ledger is not cut up."""
_LAST = "\U0010ffff"
"""Sorts after every stream id."""

Progress = Callable[[int, int], None]
"""(entries read, entries in all)."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A rebuilt register beside the live one. ``live`` is None where there was no live table."""

    register: str
    rebuilt: Digest
    live: Digest | None
    same_definition: bool

    @property
    def equal(self) -> bool:
        """Whether both hold the same rows."""
        return self.live == self.rebuilt

    def __str__(self) -> str:
        if self.live is None:
            return f"{self.register}: {self.rebuilt.rows} rows, new"
        if not self.same_definition:
            return f"{self.register}: {self.rebuilt.rows} rows by a new definition, {self.live.rows} before"
        if self.equal:
            return f"{self.register}: {self.rebuilt.rows} rows, the same"
        return f"{self.register}: {self.rebuilt.rows} rows, DIFFERS from the {self.live.rows} live ones"


def rebuild(
    conninfo: str,
    names: Sequence[str] = (),
    *,
    processes: int = PROCESSES,
    progress: Progress | None = None,
) -> list[Compared]:
    """Rebuilds the named registers (all, without a name) and swaps them in; returns the comparison.

    Runs beside a live runner. ``conninfo`` is the projector's. Raises NotFound for an unknown register,
    UnknownSchema where a ledger holds an event newer than this version.
    """
    wanted = [register(name) for name in names] or list(registers().values())
    with connect(conninfo, "auditledger rebuild") as connection:
        _only_one(connection)
        for one in wanted:
            tables.drop(connection, tables.table(one, NEW))
            tables.create(connection, one, tables.table(one, NEW))
        found = heads(connection)
        _bulk(conninfo, [one.name for one in wanted], found, processes, progress)
        for one in wanted:
            tables.index(connection, tables.table(one, NEW))
        projector = Projector(connection, wanted, NEW)
        positions = {head.id: head.size for head in found}
        while True:
            now = heads(connection)
            behind = sum(head.size - positions.get(head.id, 0) for head in now)
            if behind <= CLOSE_ENOUGH:
                break
            _catch_up(connection, projector, now, positions, {head.id: head.size for head in now})
        return _swap(connection, projector, wanted, positions)


def way_back(conninfo: str, names: Sequence[str]) -> list[Compared]:
    """Puts the tables that the last rebuild swapped out back in place, brought up to date first.

    Raises InvalidInput where there is none, or it was made by another definition than this version's.
    """
    wanted = [register(name) for name in names]
    with connect(conninfo, "auditledger rebuild") as connection:
        _only_one(connection)
        for one in wanted:
            row = connection.execute(sql.get("former"), (one.name,)).fetchone()
            if row is None or row[1] is None or not tables.exists(connection, tables.table(one, OLD)):
                raise InvalidInput("register", "one with a former table", one.name)
            if row[0] != one.definition:
                raise InvalidInput(
                    "register", f"one whose former table is by definition {one.definition}", row[0]
                )
            tables.drop(connection, tables.table(one, NEW))
            tables.rename(connection, tables.table(one, OLD), one.name + NEW)
        compared: list[Compared] = []
        for one in wanted:
            row = connection.execute(sql.get("former"), (one.name,)).fetchone()
            assert row is not None
            positions = {int(ledger): int(at) for ledger, at in row[1].items()}
            compared += _swap(connection, Projector(connection, [one], NEW), [one], positions)
        return compared


def _only_one(connection: Connection[Any]) -> None:
    row = connection.execute(sql.get("lease"), (7_402_115,)).fetchone()
    if row is None or not row[0]:
        raise Unavailable("rebuild: another one is running")


# --- (2) every stream once ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Share:
    """The streams of a ledger from one id to before another."""

    head: LedgerHead
    low: str
    high: str


def _bulk(
    conninfo: str,
    names: Sequence[str],
    found: Sequence[LedgerHead],
    processes: int,
    progress: Progress | None,
) -> None:
    shares = [share for head in found for share in _shares(head, processes * SHARES)]
    total, done = sum(head.size for head in found), 0
    if sum(head.size for head in found) <= _SHARE_ENTRIES:
        processes = 1
    if processes == 1:
        for share in shares:
            done += project_share(conninfo, names, share)
            if progress:
                progress(done, total)
        return
    # A fresh interpreter each: no connection, lock or thread of this process goes along.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        running = [pool.submit(_in_own_process, conninfo, names, share) for share in shares]
        for future in as_completed(running):
            done += future.result()
            if progress:
                progress(done, total)


def _in_own_process(conninfo: str, names: Sequence[str], share: _Share) -> int:
    # Facts and rows make no cycles: the collector would only look through them again and again.
    gc.set_threshold(200_000, 50, 50)
    return project_share(conninfo, names, share)


def _shares(head: LedgerHead, most: int) -> Iterator[_Share]:
    number = max(1, min(most, head.size // _SHARE_ENTRIES))
    # Ids of cases are random UUIDs: their first two digits cut them into even parts.
    bounds = ["", *(f"{256 * n // number:02x}" for n in range(1, number)), _LAST]
    for low, high in pairwise(bounds):
        yield _Share(head, low, high)


def project_share(conninfo: str, names: Sequence[str], share: _Share) -> int:
    """Folds the streams of a share into the new tables, by one transaction; returns the entries read."""
    wanted = [register(name) for name in names]
    with (
        connect(conninfo, "auditledger rebuild") as reading,
        connect(conninfo, "auditledger rebuild") as writing,
    ):
        lines: dict[str, list[str]] = {one.name: [] for one in wanted}
        read = waiting = 0
        with writing.transaction():
            for size, folded in fold_streams(reading, share.head, wanted, share.low, share.high):
                read += size
                for name, added in folded.lines.items():
                    lines[name] += added
                    waiting += len(added)
                if waiting > _FLUSH_LINES:
                    _flush(writing, wanted, lines)
                    waiting = 0
            _flush(writing, wanted, lines)
    return read


def _flush(connection: Connection[Any], wanted: Sequence[Register], lines: dict[str, list[str]]) -> None:
    for one in wanted:
        if lines[one.name]:
            tables.fill(connection, tables.table(one, NEW), lines[one.name])
            lines[one.name] = []


def fold_streams(
    connection: Connection[Any],
    head: LedgerHead,
    wanted: Sequence[Register],
    low: str = "",
    high: str = _LAST,
    happened_by: date | None = None,
) -> Iterator[tuple[int, Folded]]:
    """Folds every stream of a ledger (of a range of them) below ``head.size``: entries read, what they give.

    Memory holds one stream at a time. Raises UnknownSchema.
    """
    calendar = calendar_of(facts_of(connection, head.id, [CALENDAR_STREAM], head.size)[CALENDAR_STREAM])
    load_events()
    concerned: dict[type[CaseEvent], list[Register]] = {}
    for stream, opening, size, facts in _streams(connection, head, wanted, low, high):
        if not facts:
            yield size, Folded()
            continue
        about = StreamInfo(head.id, head.origin, head.organisation, stream, opening, calendar)
        if opening not in concerned:
            concerned[opening] = [one for one in wanted if one.looks_at(opening)]
        yield size, fold(facts, about, concerned[opening], happened_by)


def _streams(
    connection: Connection[Any], head: LedgerHead, wanted: Sequence[Register], low: str, high: str
) -> Iterator[tuple[str, type[CaseEvent], int, list[Fact]]]:
    """Stream, opening event, number of entries, facts (none where no register looks at such streams)."""
    looked: dict[str, bool] = {}
    now, opening, size = "", "", 0
    facts: list[Fact] = []
    # A cursor of the server's: read in blocks, three times as fast as COPY, which is read row by row.
    with connection.transaction(), connection.cursor("streams") as cursor:
        cursor.itersize = _READ_ROWS
        cursor.execute(sql.get("scan_streams"), (head.id, head.size, low, high), binary=True)
        for index, stream, event, entry in cursor:
            if stream != now:
                if size:
                    yield now, class_of(opening), size, facts
                now, opening, size, facts = stream, event, 0, []
                if opening not in looked:
                    looked[opening] = any(one.looks_at(class_of(opening)) for one in wanted)
            size += 1
            if looked[opening]:
                facts.append(read_fact(index, entry))
    if size:
        yield now, class_of(opening), size, facts


# --- (3), (4) catching up, comparing, swapping --------------------------------------------------------


def _catch_up(
    connection: Connection[Any],
    projector: Projector,
    found: Sequence[LedgerHead],
    positions: dict[int, int],
    upto: Mapping[int, int],
) -> None:
    """Projects what lies between; ``positions`` move along. Raises UnknownSchema."""
    for head in found:
        while (at := positions.get(head.id, 0)) < upto.get(head.id, 0):
            batch = projector.collect(head, at, min(upto[head.id], at + 5_000))
            if batch.paused is not None:
                raise Unavailable(f"ledger {head.slug}: {batch.paused}")
            with connection.transaction():
                projector.write([batch])
            positions[head.id] = batch.stop


def _swap(
    connection: Connection[Any], projector: Projector, wanted: Sequence[Register], positions: dict[int, int]
) -> list[Compared]:
    """(4): nothing can move while the lock is held; all of it commits, or none."""
    with connection.transaction():
        connection.execute(sql.get("lock_positions"))
        live = dict(connection.execute(sql.get("positions_locked")).fetchall())
        made = dict(connection.execute(sql.get("definitions")).fetchall())
        found = heads(connection)
        _level(connection, projector, found, positions, live)
        compared = []
        for one in wanted:
            where, new = tables.table(one), tables.table(one, NEW)
            before = tables.digest(connection, where) if one.name in made else None
            same = made.get(one.name) == one.definition
            compared.append(Compared(one.name, tables.digest(connection, new), before, same))
            tables.drop(connection, tables.table(one, OLD))
            if one.name in made:
                tables.rename(connection, where, one.name + OLD)
                connection.execute(sql.get("remember_former"), (Jsonb(live), one.name))
            tables.rename(connection, new, one.name)
            connection.execute(sql.get("define"), (one.name, one.definition))
        for ledger, position in positions.items():
            connection.execute(sql.get("begin_position"), (ledger, position))
    return compared


def _level(
    connection: Connection[Any],
    projector: Projector,
    found: Sequence[LedgerHead],
    positions: dict[int, int],
    live: Mapping[int, int],
) -> None:
    """Brings the new tables to exactly the live positions, forward or back."""
    upto = {head.id: live.get(head.id, positions.get(head.id, 0)) for head in found}
    _catch_up(connection, projector, found, positions, upto)
    for head in found:
        at, wanted = positions.get(head.id, 0), upto[head.id]
        if at > wanted:
            # Ahead of the live ones: what was touched since is folded to where they are, or taken out.
            rows = connection.execute(sql.get("streams_between"), (head.id, wanted, at)).fetchall()
            projector.rewrite(head, [row[0] for row in rows], at, wanted)
            positions[head.id] = wanted
