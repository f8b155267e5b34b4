"""The last checkpoint that was seen of each log, kept by who checks: a log that shows another history is found.

One file an origin, named by its SHA-256 in hex as witnesses name it, holding the signed note as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from ledger import durable
from ledger.errors import CodecError, SettingsError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.proof import compared

FOLDER = "seen"


class Seen:
    """Checkpoints by origin, in a folder of the one who checks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, origin: str) -> Checkpoint | None:
        """The last one believed of a log; None before the first. Raises SettingsError for a spoilt file."""
        path = self._path(origin)
        try:
            found = Checkpoint.parse(Note.parse(path.read_bytes()).text)
        except FileNotFoundError:
            return None
        except (OSError, CodecError) as error:
            raise SettingsError(f"{path}: expected the checkpoint seen last, got {error}") from error
        if found.origin != origin:
            raise SettingsError(f"{path}: expected a checkpoint of {origin}, got one of {found.origin}")
        return found

    def remember(self, note: bytes) -> None:
        """Keeps a checkpoint that was checked against the last one; a smaller one is passed over.

        Durable on return; a crash in here leaves the one before, or this one. Raises SettingsError where it
        cannot be kept.
        """
        self._keep(note, lambda before, now: before.size <= now.size)

    def take(self, note: bytes, shown: Iterable[Checkpoint]) -> Checkpoint | None:
        """Holds a checkpoint against the last one, and keeps it where that allows it.

        It is kept where nothing was seen before, or where ``shown``, earlier checkpoints that it goes on from,
        or itself is the last one. Gives the last one where nothing shows whether the two are of one history: it
        stays then. Raises ProofFailed where they are two, else as ``remember``.
        """
        return self._keep(note, lambda before, now: compared(before, [now, *shown]))

    def _keep(self, note: bytes, goes_on: Callable[[Checkpoint, Checkpoint], bool]) -> Checkpoint | None:
        """Keeps a checkpoint, unless there is one before it that it does not go on from, which it gives."""
        checkpoint = Checkpoint.parse(Note.parse(note).text)
        path = self._path(checkpoint.origin)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with durable.alone(self._folder):
                before = self.last(checkpoint.origin)
                if before is not None and not goes_on(before, checkpoint):
                    return before
                durable.put(path, note)
            durable.sync_directory(self._folder.parent)
        except OSError as error:
            raise SettingsError(f"{path}: the checkpoint cannot be remembered: {error.strerror}") from error
        return None

    def _path(self, origin: str) -> Path:
        return self._folder / sha256(origin.encode()).hexdigest()
