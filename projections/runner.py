"""Keeps the live registers up to date: one runner a database, batches, rows and positions together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from types import TracebackType
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from ledger.errors import Unavailable, UnknownSchema
from projections import sql, tables
from projections.base import Register, registers
from projections.connection import connect
from projections.facts import heads
from projections.projector import Batch, Projector

LEASE = 7_402_114
"""The advisory lock that the runner's session holds: it ends with the session, however that ends."""
BATCH = 5_000
"""Entries a transaction, of all ledgers together."""
POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


def _no_step(_: str) -> None:
    """Nothing: only tests of crashes look at the steps."""


class Leased(Unavailable):
    """Another runner projects these registers: what is to be read is brought up by that one."""


class Runner:
    """Projects new entries into the live registers, as the only one that does.

    ``conninfo`` is the projector's. A crash at any point leaves the positions where the rows are: the next
    runner goes on from there. ``step`` is called with the name of each step (tests kill the process there).
    """

    def __init__(
        self,
        conninfo: str,
        *,
        batch: int = BATCH,
        cache_facts: int = 50_000,
        step: Callable[[str], None] = _no_step,
        wanted: Sequence[Register] | None = None,
    ) -> None:
        self._conninfo = conninfo
        self._batch = batch
        self._step = step
        self._registers = list(registers().values()) if wanted is None else list(wanted)
        self._cache_facts = cache_facts
        self._connection: Connection[Any] | None = None
        self._projector: Projector | None = None
        self._positions: dict[int, int] = {}
        self._paused: dict[int, str | None] = {}
        self._unsure = True

    def __enter__(self) -> Runner:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- beginning and end --------------------------------------------------------------------------

    def open(self) -> None:
        """Takes the lease, makes the tables that are not there, and reads where it stood.

        Raises Leased where another runner has the lease, Unavailable where a table was made by another
        definition (then ``rebuild`` it).
        """
        self.close()
        connection = connect(self._conninfo, "auditledger projector")
        try:
            leased = connection.execute(sql.get("lease"), (LEASE,)).fetchone()
            if leased is None or not leased[0]:
                raise Leased("projections: another runner has the lease")
            with connection.transaction():
                connection.execute(sql.get("lock_positions"))
                self._begin(connection)
        except psycopg.OperationalError as error:
            connection.close()
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._projector = Projector(connection, self._registers, cache_facts=self._cache_facts)

    def close(self) -> None:
        """Lets go of the lease."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._projector = None

    def _begin(self, connection: Connection[Any]) -> None:
        self._read_positions(connection)
        made = self._definitions(connection)
        wrong = [r.name for r in self._registers if made.get(r.name, r.definition) != r.definition]
        missing = [r for r in self._registers if r.name not in made]
        if wrong or (missing and any(self._positions.values())):
            names = ", ".join(sorted(wrong + [r.name for r in missing]))
            raise Unavailable(f"registers {names} were not made by this version: run `auditledger rebuild`")
        for register in missing:
            tables.create(connection, register, tables.table(register))
            tables.index(connection, tables.table(register))
            connection.execute(sql.get("define"), (register.name, register.definition))

    def _read_positions(self, connection: Connection[Any]) -> None:
        rows = connection.execute(sql.get("positions")).fetchall()
        self._positions = {ledger: position for ledger, position, _ in rows}
        self._paused = {ledger: paused for ledger, _, paused in rows}
        self._unsure = False

    def _definitions(self, connection: Connection[Any]) -> dict[str, str]:
        return dict(connection.execute(sql.get("definitions")).fetchall())

    # --- work ---------------------------------------------------------------------------------------

    def step(self) -> int:
        """Projects one batch; returns how many entries it had. Raises Unavailable where the lease is lost."""
        connection, projector = self._opened()
        try:
            if self._unsure:
                self._read_positions(connection)
            batches = self._collect(connection, projector)
            return self._write(connection, projector, batches) if batches else 0
        except psycopg.OperationalError as error:
            self.close()
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error
        except BaseException:
            # Whether the transaction committed is not known here: the next step looks where it stands.
            projector.forget()
            self._unsure = True
            raise

    def run(self, stop: Event, poll: float = POLL_SECONDS) -> None:
        """Projects until ``stop`` is set; goes on by itself after the database was away."""
        while not stop.is_set():
            try:
                if self._connection is None:
                    self.open()
                # Less than a batch was all there was: some patience makes the next one worth its transaction.
                if self.step() < self._batch:
                    stop.wait(poll)
            except Unavailable as error:
                log.error("projections: standing still", reason=str(error))
                stop.wait(RETRY_SECONDS)
            except Exception:
                # One bad batch must not end the projections of a whole service.
                log.exception("projections: a batch failed; it is tried again")
                stop.wait(RETRY_SECONDS)

    def catch_up(self) -> int:
        """Projects all there is now; returns how many entries that were."""
        total = 0
        while moved := self.step():
            total += moved
        return total

    def _opened(self) -> tuple[Connection[Any], Projector]:
        if self._connection is None or self._projector is None:
            raise Unavailable("projections: the runner is not open")
        return self._connection, self._projector

    def _collect(self, connection: Connection[Any], projector: Projector) -> list[Batch]:
        """What is new in the ledgers, each given its share of the batch; reads nothing where nothing is."""
        waiting = [
            (head, start)
            for head in heads(connection)
            if (start := self._positions.get(head.id, 0)) < head.size
        ]
        batches: list[Batch] = []
        left = self._batch
        for place, (head, start) in enumerate(waiting):
            share = max(1, left // (len(waiting) - place))
            batch = projector.collect(head, start, min(head.size, start + share))
            left -= batch.stop - start
            if batch.stop > start or batch.paused != self._paused.get(head.id):
                batches.append(batch)
        return batches

    def _write(self, connection: Connection[Any], projector: Projector, batches: list[Batch]) -> int:
        self._step("collected")
        with connection.transaction():
            self._move(connection, batches)
            self._step("moved")
            written = [self._try(connection, projector, batch) for batch in batches]
            self._step("written")
        self._step("committed")
        for batch, stop, paused in written:
            self._positions[batch.head.id] = stop
            self._paused[batch.head.id] = paused
        return sum(stop - batch.start for batch, stop, _ in written)

    def _move(self, connection: Connection[Any], batches: list[Batch]) -> None:
        """Moves the positions first: their lock keeps a rebuild from swapping tables under this transaction."""
        for batch in batches:
            connection.execute(sql.get("begin_position"), (batch.head.id, 0))
            moved = connection.execute(
                sql.get("move_position"), (batch.stop, batch.paused, batch.head.id, batch.start)
            )
            if moved.rowcount != 1:
                raise Unavailable(f"projections: ledger {batch.head.slug} was moved by someone else")
            if batch.paused is not None and batch.paused != self._paused.get(batch.head.id):
                log.error("projection paused", ledger=batch.head.slug, position=batch.stop, reason=batch.paused)
        made = self._definitions(connection)
        if any(made.get(r.name) != r.definition for r in self._registers):
            raise Unavailable("the registers were swapped for another version's: upgrade and restart this one")

    def _try(
        self, connection: Connection[Any], projector: Projector, batch: Batch
    ) -> tuple[Batch, int, str | None]:
        """Writes a batch, or pauses its ledger before it where an earlier entry is newer than this version."""
        try:
            projector.write([batch])
        except UnknownSchema as error:
            connection.execute(sql.get("move_position"), (batch.start, str(error), batch.head.id, batch.stop))
            if self._paused.get(batch.head.id) != str(error):
                log.error("projection paused", ledger=batch.head.slug, position=batch.start, reason=str(error))
            return batch, batch.start, str(error)
        return batch, batch.stop, batch.paused


def lag(conninfo: str) -> dict[str, Any]:
    """How far the registers are behind each ledger (by slug), which stand still and why, and what is parked."""
    with connect(conninfo, "auditledger lag") as connection:
        rows = connection.execute(sql.get("lag")).fetchall()
        parked = connection.execute(sql.get("parked")).fetchall()
    return {
        "behind": {slug: size - position for slug, size, position, _ in rows},
        "paused": {slug: paused for slug, _, _, paused in rows if paused is not None},
        "parked": [
            {"ledger": slug, "case": stream, "index": index, "joined": joined, "reason": reason}
            for _, slug, stream, index, joined, reason, _ in parked
        ],
    }
