"""The answer to a command on the command line: receipts, signed where asked, once it is as sure as asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger import durable
from ledger.cli.ledgers import outcome_text, shown_outcome
from ledger.cli.proofs import LOOK, sealed
from ledger.cli.session import Session
from ledger.errors import AuditLedgerError, InvalidInput, Unavailable
from ledger.store.submission import Level
from ledger.store.witnessed import policy_of

if TYPE_CHECKING:
    from ledger.application import Installation, Outcome
    from ledger.store.acknowledging import Acknowledging
    from ledger.store.ledgers import Ledger

Acknowledge = Annotated[
    Level, typer.Option(help="Wait until it is sealed under a checkpoint, or witnesses have seen that.")
]
Receipts = Annotated[
    Path | None, typer.Option("--receipts", help="Folder in which its signed receipts are written.")
]


def acknowledging(
    session: Session, installation: Installation, ledger: Ledger, level: Level, receipts: Path | None
) -> Acknowledging:
    """What waits for a level; ``receipts`` is made where it is not there.

    Raises InvalidInput where nothing here gets that level, or the folder cannot be had: before anything is
    recorded.
    """
    # Its log is not needed before something is recorded.
    from ledger.store.acknowledging import Acknowledging

    policy = None if level is not Level.WITNESSED else policy_of(session.settings())
    found = Acknowledging(installation.feed, installation.published, lambda: policy)
    found.require(level, ledger)
    if receipts is not None:
        try:
            receipts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _no_folder(receipts, error) from error
    return found


def answer(
    session: Session,
    installation: Installation,
    ledger: Ledger,
    outcome: Outcome,
    waiting: Acknowledging,
    level: Level,
    receipts: Path | None,
    as_json: bool,
) -> None:
    """Prints the outcome once it has the level; what failed is raised behind it: what is recorded stays so."""
    failure: AuditLedgerError | None = None
    reached = Level.DURABLE
    files: list[Path] = []
    try:
        for step in _UP_TO[level]:
            _wait(session, installation, ledger, outcome, waiting, step)
            reached = step
        if receipts is not None:
            files = _sign(session, installation, ledger, outcome, receipts)
    except AuditLedgerError as error:
        failure = error
    content: dict[str, Any] = shown_outcome(outcome)
    if level is not Level.DURABLE:
        content["acknowledged"] = reached.value
    if receipts is not None:
        content["signed_receipts"] = [str(path) for path in files]
    session.show(as_json, content, lambda: "\n".join([outcome_text(outcome), *map(str, files)]))
    if failure is not None:
        raise failure


_UP_TO = {
    Level.DURABLE: (),
    Level.SEALED: (Level.SEALED,),
    Level.WITNESSED: (Level.SEALED, Level.WITNESSED),
}
"""What is waited for, one after the other."""


def _wait(
    session: Session,
    installation: Installation,
    ledger: Ledger,
    outcome: Outcome,
    waiting: Acknowledging,
    level: Level,
) -> None:
    """Raises Unavailable where it takes longer than ``acknowledge_timeout``; what sealing raises."""
    patience = session.settings().acknowledge_timeout
    if level is Level.SEALED:
        sealed(session, installation.database, ledger, patience)
    size = max(receipt.index for receipt in outcome.receipts) + 1
    deadline = monotonic() + patience
    while not waiting.has(ledger, size, level):
        if monotonic() > deadline:
            raise Unavailable(
                f"recorded, and not {level.value} within {patience:g} seconds; whether a service runs that "
                "seals and asks the witnesses 'auditledger doctor' says, and the same command id waits again"
            )
        sleep(LOOK)


def _sign(
    session: Session, installation: Installation, ledger: Ledger, outcome: Outcome, folder: Path
) -> list[Path]:
    # It loads structlog, which a command that signs nothing does without.
    from ledger.store.receipts import signed_receipts

    notes = signed_receipts(
        installation.feed, installation.published, ledger, outcome.receipts, session.settings().receipt_promise
    )
    files = []
    try:
        for receipt, note in zip(outcome.receipts, notes, strict=True):
            # Never over an earlier one: what it promises, by an earlier time, may be what proves the breach.
            taken = {path.name for path in folder.iterdir()}
            names = (f"{ledger.slug}-{receipt.index}{more}.receipt" for more in _more())
            path = folder / next(name for name in names if name not in taken)
            durable.put_new(path, str(note).encode(), mode=0o644)
            files.append(path)
    except OSError as error:
        raise _no_folder(folder, error) from error
    return files


def _more() -> Iterator[str]:
    yield ""
    yield from (f".{number}" for number in count(2))


def _no_folder(folder: Path, error: OSError) -> InvalidInput:
    return InvalidInput("--receipts", "a folder that can be written to", f"{folder}: {error.strerror}")
