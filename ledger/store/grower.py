"""A process beside the service that hashes what is to be sealed (decision 21).

Hashing holds the interpreter's lock, and so every write that is under way in the same process. This one is
asked for steps (4) and (5) of large batches alone. Leases, comparing, keys and signing stay with who seals.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import closing
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from threading import Event
from time import monotonic
from traceback import format_exception
from typing import Any

import psycopg
from psycopg import Connection

from ledger import children
from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.database import Database, Role, connect
from ledger.store.growing import Batch, Edge, Step, grow
from ledger.store.tiles import Tiles

FEW = 1024
"""Entries at most that are hashed where they are sealed. Of some hundred bytes each, as most are, that takes no
longer than the interpreter's switch interval (5 ms)."""
PATIENCE = 120.0
"""Seconds that it has for a batch: some hundred files in a folder, or as many requests to an object store."""
LAST_WORDS = 15.0
"""Seconds that it has once the service stops."""
STUCK = 15.0
"""Seconds that a message may take on its way: a batch carries a bundle, and may be more than a socket holds."""
LOOK = 0.25
"""Seconds between two looks whether the service stops."""


class Grower:
    """Grows trees in a process of its own, which the first large batch starts. Not for several threads at once.

    It ends with the channel, which this process holds: however this one ends, none is left. What died, or did
    not answer in time, is started again by the next large batch.
    """

    def __init__(self, database: Database) -> None:
        self._conninfo = database.conninfo(Role.SEALER)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self.stop = Event()
        """Whether the service stops: then nobody waits longer than need be."""

    def __call__(self, connection: Connection[Any], batch: Batch, step: Step) -> Edge:
        """What ``grow`` does, few entries here and more there, where of the steps ``tiles`` alone is told.

        Raises as ``grow`` does, Unavailable where the process dies or does not answer, RuntimeError with what
        it says of a fault of ours.
        """
        if batch.until - batch.before.size <= FEW:
            return grow(connection, batch, step)
        try:
            found = self._asked(batch)
        except BaseException:
            # What it answers later is no answer to the next question.
            self.close()
            raise
        if isinstance(found, Exception):
            raise found
        step("tiles")
        return found

    @property
    def pid(self) -> int | None:
        """The number of its process; None where there is none now."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends it, and waits until it has ended. May be called twice."""
        self._end(LAST_WORDS)

    def _asked(self, batch: Batch) -> Edge | Exception:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        try:
            channel = self._channel or self._start()
            channel.send(batch)
            until = monotonic() + PATIENCE
            while not channel.poll(LOOK):
                if self.stop.is_set():
                    until = min(until, monotonic() + LAST_WORDS)
                if monotonic() > until:
                    raise BlockingIOError
            answer: Edge | Exception = channel.recv()
        except BlockingIOError as error:
            self._end(0.0)
            raise Unavailable(
                "the process that hashes what is sealed did not answer in time; it was ended"
            ) from error
        except (EOFError, OSError) as error:
            code = self._end(LAST_WORDS)
            raise Unavailable(f"the process that hashes what is sealed has ended with {code}") from error
        return answer

    def _start(self) -> Channel:
        try:
            ours, theirs = Pipe()
            self._channel = ours
            with theirs, socket.socket(fileno=os.dup(ours.fileno())) as end:
                for way in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                    end.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", int(STUCK), 0))
                command = children.command("ledger.store.grower", str(theirs.fileno()))
                # In a session of its own: Ctrl-C is for the service, which then ends it in its turn.
                self._process = subprocess.Popen(  # noqa: S603
                    command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
                )
        except OSError as error:
            raise Unavailable(f"the process that hashes what is sealed cannot start: {error}") from error
        ours.send(self._conninfo)
        return ours

    def _end(self, patience: float) -> int | None:
        """Ends it, by force where it takes longer than ``patience`` (seconds); gives its exit status."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def main(descriptor: int) -> None:
    """Answers batches until the channel is closed. Whose service is told to stop finishes its batch."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Channel(descriptor) as channel:
        conninfo: str = channel.recv()
        places: dict[str, Tiles] = {}
        while True:
            try:
                batch: Batch = channel.recv()
            except EOFError:
                return
            # Kept: what it knows to be durable it need not make durable again.
            tiles = places.setdefault(str(batch.tiles), batch.tiles)
            answer = _answered(conninfo, batch._replace(tiles=tiles))
            try:
                channel.send(answer)
            except OSError:
                # Who asked is gone: what was added is what the next seal makes.
                return


def _answered(conninfo: str, batch: Batch) -> Edge | Exception:
    try:
        # One for each batch: between two of them days may lie, in which a network forgets a connection.
        with closing(connect(conninfo, application_name=str(Role.SEALER))) as connection:
            return grow(connection, batch, lambda _: None)
    except AuditLedgerError as error:
        return error
    except psycopg.Error as error:
        return Unavailable(f"database: {' '.join(str(error).split())}")
    except Exception as error:  # noqa: BLE001  (raised where it was asked)
        # A fault of ours: who asked fails of it as if it had happened there.
        return RuntimeError("".join(format_exception(error)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
