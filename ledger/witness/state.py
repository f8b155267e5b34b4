"""What a witness keeps: of each log the last checkpoint that it cosigned, a file each."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import IO

from ledger import durable
from ledger.errors import CodecError, SettingsError, Unavailable
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note


def name_of(origin: str) -> str:
    """The lower-case hex SHA-256 of an origin, by which a witness names its log."""
    return sha256(origin.encode()).hexdigest()


class State:
    """The last cosigned note of each log, in a folder that one process works with.

    ``step`` is called with the name of each step of keeping one that a crash could follow.
    """

    def __init__(self, folder: Path, step: Callable[[str], None] = lambda _: None) -> None:
        """Opens the folder, made where it is not there. Raises SettingsError."""
        self._folder = folder
        self._step = step
        self._locks: dict[str, Lock] = {}
        self._lock: IO[bytes]
        self._guard = Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Held until closed, or the process ends: two witnesses of one state would not see each other's.
            self._lock = (folder / ".lock").open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(".*.new"):
                left.unlink(missing_ok=True)
        except BlockingIOError:
            self._lock.close()
            raise SettingsError(f"{folder}: another witness is at work with it") from None
        except OSError as error:
            raise SettingsError(
                f"{folder}: expected a folder that can be written, got {error.strerror}"
            ) from error

    def close(self) -> None:
        """Lets another process work with the folder."""
        self._lock.close()

    @contextmanager
    def holding(self, origin: str) -> Iterator[None]:
        """Nobody else looks at or keeps the checkpoint of this log meanwhile: check and keep are one act."""
        with self._guard:
            lock = self._locks.setdefault(origin, Lock())
        with lock:
            yield

    def last(self, name: str) -> bytes | None:
        """The last cosigned note of the log of that name; None before the first. Raises Unavailable."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"{self._folder / name}: cannot be read: {error.strerror}") from error

    def checkpoint(self, origin: str) -> Checkpoint | None:
        """The last checkpoint that was cosigned of a log. Raises Unavailable for a spoilt file."""
        note = self.last(name_of(origin))
        if note is None:
            return None
        try:
            return Checkpoint.parse(Note.parse(note).text)
        except CodecError as error:
            raise Unavailable(f"{self._folder / name_of(origin)}: is spoilt: {error}") from error

    def keep(self, origin: str, note: Note) -> None:
        """Keeps a cosigned note, durable on return; to be called holding the log.

        A crash in here leaves the one before, or this one, of which nobody was told: the log asks again.
        Raises Unavailable.
        """
        place = self._folder / name_of(origin)
        try:
            durable.put(place, str(note).encode(), step=self._step)
        except OSError as error:
            raise Unavailable(f"{place}: cannot be kept: {error.strerror}") from error
