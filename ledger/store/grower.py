"""A process beside the service that hashes what is to be sealed: ``python -m ledger.store.grower DESCRIPTOR``.

Hashing holds the interpreter's lock, and so every write that is under way in the same process. What is here is
asked for steps (4) and (5) of large batches alone. Leases, comparing, keys and signing stay with who seals.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from typing import Any

import psycopg
from psycopg import Connection

from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.database import Database, Role
from ledger.store.growing import Batch, Edge, Step, grow
from ledger.store.tiles import Tiles

FEW = 1024
"""Entries at most that are hashed where they are sealed: within the interpreter's switch interval (5 ms)."""
LAST_WORDS = 15.0
"""Seconds that it has to finish what it was asked, at the end."""


class Grower:
    """Grows trees in a process of its own, which the first large batch starts. Not for several threads at once.

    It ends with the channel, which this process holds: however this one ends, none is left. What died is
    started again by the next batch.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None

    def __call__(self, connection: Connection[Any], batch: Batch, step: Step) -> Edge:
        """What ``grow`` does, few entries here and more there. Raises as it does, Unavailable where it died."""
        if batch.until - batch.before.size <= FEW:
            return grow(connection, batch, step)
        try:
            channel = self._channel or self._start()
            channel.send(batch)
            found: Edge | AuditLedgerError = channel.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise Unavailable(
                f"the process that hashes what is sealed has ended: {error or 'no answer'}"
            ) from error
        except BaseException:
            # What it answers later is no answer to the next question.
            self.close()
            raise
        if isinstance(found, AuditLedgerError):
            raise found
        step("tiles")
        return found

    @property
    def pid(self) -> int | None:
        """The number of its process; None where there is none now."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends it, and waits until it has ended. May be called twice."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        process, self._process = self._process, None
        if process is not None:
            try:
                process.wait(LAST_WORDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self) -> Channel:
        ours, theirs = Pipe()
        with theirs:
            # In a session of its own: Ctrl-C is for the service, which then ends it in its turn.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        self._channel = ours
        ours.send(self._database)
        return ours


def main(descriptor: int) -> None:
    """Answers batches until the channel is closed. Whose service is told to stop finishes its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Channel(descriptor) as channel:
        database: Database = channel.recv()
        connection: Connection[Any] | None = None
        places: dict[str, Tiles] = {}
        while True:
            try:
                batch: Batch = channel.recv()
            except EOFError:
                return
            # Kept: what it knows to be durable it need not make durable again.
            tiles = places.setdefault(str(batch.tiles), batch.tiles)
            answer: Edge | AuditLedgerError
            try:
                if connection is None:
                    connection = database.connect(Role.SEALER)
                answer = grow(connection, batch._replace(tiles=tiles), lambda _: None)
            except AuditLedgerError as error:
                answer = error
            except psycopg.Error as error:
                answer = Unavailable(f"database: {' '.join(str(error).split())}")
            if isinstance(answer, AuditLedgerError) and connection is not None:
                # It may be in the middle of a COPY.
                connection.close()
                connection = None
            try:
                channel.send(answer)
            except OSError:
                # Who asked is gone: what was added is what the next seal makes.
                return


if __name__ == "__main__":
    main(int(sys.argv[1]))
