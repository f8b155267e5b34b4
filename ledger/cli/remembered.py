"""What whoever checks remembers of each log: a proof and a bundle are held to the checkpoint seen last."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ledger.cli.session import Session
from ledger.cli.trusted import read_file
from ledger.errors import SettingsError
from ledger.store.seen import FOLDER, Seen
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.note import Note
from ledger.tlog.proof import compared

NOT_COMPARED = "not_compared"
"""In what is said as JSON: the size seen last, where nothing shows whether the two are of one history."""


def seen(session: Session) -> Seen:
    """The memory of this machine, under the data directory."""
    return Seen(session.settings().data_dir / FOLDER)


def remember(
    session: Session, signed: SignedCheckpoint, shown: Iterable[Checkpoint], beside: Iterable[Path] = ()
) -> dict[str, Any]:
    """Holds a checkpoint that was found good against the one seen last, and keeps it; what is to be said of it.

    ``shown``: earlier checkpoints that it was shown to go on from. ``beside``: others that were believed with
    it, and prove nothing of it: of the size seen last each must be that one. Raises ProofFailed, SettingsError.
    """
    folder = session.settings().data_dir
    try:
        # Whoever checks first on this machine makes it: as private as the service would.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"{folder}: the checkpoint cannot be remembered: {error.strerror}") from error
    before = seen(session).last(signed.checkpoint.origin)
    if before is not None:
        compared(before, [Checkpoint.parse(Note.parse(read_file(each)).text) for each in beside])
    apart = seen(session).take(str(signed.note).encode(), shown)
    return {} if apart is None else {NOT_COMPARED: apart.size}


def words(found: dict[str, Any]) -> list[str]:
    """The line on a checkpoint that could not be compared; none else."""
    if NOT_COMPARED not in found:
        return []
    size = found[NOT_COMPARED]
    return [f"not compared with the checkpoint of {size} entries seen before: nothing here shows one history"]
