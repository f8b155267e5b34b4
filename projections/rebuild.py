"""Makes the registers anew beside the live ones, compares, and swaps them in one transaction.

(1) New tables are made beside the old. (2) Every stream is folded once, whole, in shares by several processes,
from the entries below the heads of now. (3) What came meanwhile is projected into the new tables, until little
is left. (4) With the live positions locked, the rest is projected, the tables are compared with the live ones
and swapped by rename. A crash before (4) commits leaves the live tables as they were; the next rebuild drops
what it left. The tables swapped out stay, with where they stand, for ``way_back``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from ledger.errors import InvalidInput, Unavailable
from projections import sql, tables
from projections.base import Register, register, registers
from projections.connection import connect
from projections.facts import LedgerHead, heads
from projections.projector import Projector
from projections.shares import Progress, fold_shares, shares_of
from projections.tables import NEW, OLD, Digest

PROCESSES = 2
CLOSE_ENOUGH = 2_000
"""Entries that are left to project under the lock."""


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
        with connection.transaction():
            for one in wanted:
                tables.drop(connection, tables.table(one, NEW))
                tables.create(connection, one, tables.table(one, NEW))
        found = heads(connection)
        shares = [share for head in found for share in shares_of(head)]
        names = [one.name for one in wanted]
        fold_shares(conninfo, names, shares, min(processes, len(shares)), progress or (lambda *_: None))
        _index(conninfo, wanted, processes)
        projector = Projector(connection, wanted, NEW)
        positions = {head.id: head.size for head in found}
        while True:
            now = heads(connection)
            behind = sum(head.size - positions.get(head.id, 0) for head in now)
            if behind <= CLOSE_ENOUGH:
                break
            _catch_up(connection, projector, now, positions, {head.id: head.size for head in now})
        return _swap(conninfo, connection, projector, wanted, positions)


def _index(conninfo: str, wanted: Sequence[Register], processes: int) -> None:
    """Makes the indexes of several tables at a time."""
    left = iter(wanted)

    def work() -> None:
        with connect(conninfo, "auditledger rebuild") as connection, connection.transaction():
            for one in left:
                tables.index(connection, tables.table(one, NEW))

    with ThreadPoolExecutor(processes) as threads:
        for each in [threads.submit(work) for _ in range(processes)]:
            each.result()


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
            compared += _swap(conninfo, connection, Projector(connection, [one], NEW), [one], positions)
        return compared


def _only_one(connection: Connection[Any]) -> None:
    row = connection.execute(sql.get("lease"), (7_402_115,)).fetchone()
    if row is None or not row[0]:
        raise Unavailable("rebuild: another one is running")


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
    conninfo: str,
    connection: Connection[Any],
    projector: Projector,
    wanted: Sequence[Register],
    positions: dict[int, int],
) -> list[Compared]:
    """(4): nothing can move while the lock is held; all of it commits, or none."""
    with ThreadPoolExecutor(1) as beside, connection.transaction():
        connection.execute(sql.get("lock_positions"))
        live = dict(connection.execute(sql.get("positions_locked")).fetchall())
        made = dict(connection.execute(sql.get("definitions")).fetchall())
        found = heads(connection)
        # The live tables stand still, so that another connection sees what this one would.
        before = beside.submit(_digests, conninfo, [one for one in wanted if one.name in made])
        _level(connection, projector, found, positions, live)
        rebuilt = {one.name: tables.digest(connection, tables.table(one, NEW)) for one in wanted}
        compared = [
            Compared(
                one.name, rebuilt[one.name], before.result().get(one.name), made.get(one.name) == one.definition
            )
            for one in wanted
        ]
        for one in wanted:
            where, new = tables.table(one), tables.table(one, NEW)
            tables.drop(connection, tables.table(one, OLD))
            if one.name in made:
                tables.rename(connection, where, one.name + OLD)
                connection.execute(sql.get("remember_former"), (Jsonb(live), one.name))
            tables.rename(connection, new, one.name)
            connection.execute(sql.get("define"), (one.name, one.definition))
        for ledger, position in positions.items():
            connection.execute(sql.get("begin_position"), (ledger, position))
    return compared


def _digests(conninfo: str, wanted: Sequence[Register]) -> dict[str, Digest]:
    with connect(conninfo, "auditledger rebuild") as connection:
        return {one.name: tables.digest(connection, tables.table(one)) for one in wanted}


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
