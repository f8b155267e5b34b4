"""The answer to a command on the command line: receipts, signed where asked, once it is as sure as asked."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.ledgers import outcome_text, shown_outcome
from ledger.cli.proofs import LOOK, sealed
from ledger.cli.session import Session
from ledger.errors import AuditLedgerError, InvalidInput, Unavailable
from ledger.store.receipts import signed_receipts
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


def acknowledging(session: Session, installation: Installation, level: Level) -> Acknowledging:
    """What waits for a level. Raises InvalidInput where no witness is asked, before anything is recorded."""
    # Its log is not needed before something is recorded.
    from ledger.store.acknowledging import Acknowledging

    policy = None if level is not Level.WITNESSED else policy_of(session.settings())
    found = Acknowledging(installation.feed, installation.published, lambda: policy)
    found.require(level)
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
    files: list[Path] = []
    try:
        _wait(session, installation, ledger, outcome, waiting, level)
        if receipts is not None:
            files = _sign(session, installation, ledger, outcome, receipts)
    except AuditLedgerError as error:
        failure = error
    content: dict[str, Any] = shown_outcome(outcome)
    if level is not Level.DURABLE:
        content["acknowledged"] = (level if failure is None else Level.DURABLE).value
    if receipts is not None:
        content["signed_receipts"] = [str(path) for path in files]
    session.show(as_json, content, lambda: "\n".join([outcome_text(outcome), *map(str, files)]))
    if failure is not None:
        raise failure


def _wait(
    session: Session,
    installation: Installation,
    ledger: Ledger,
    outcome: Outcome,
    waiting: Acknowledging,
    level: Level,
) -> None:
    """Raises Unavailable where it takes longer than ``acknowledge_timeout``; what sealing raises."""
    if level is Level.DURABLE:
        return
    patience = session.settings().acknowledge_timeout
    sealed(session, installation.database, ledger, patience)
    size = max(receipt.index for receipt in outcome.receipts) + 1
    told = waiting.ask(ledger, size, level)
    deadline = monotonic() + patience
    waiting.answer()
    while not told.done():
        if monotonic() > deadline:
            raise Unavailable(
                f"recorded, and not {level.value} within {patience:g} seconds; whether a service runs that "
                "asks the witnesses 'auditledger doctor' says, and the same command id waits again"
            )
        sleep(LOOK)
        waiting.answer()


def _sign(
    session: Session, installation: Installation, ledger: Ledger, outcome: Outcome, folder: Path
) -> list[Path]:
    notes = signed_receipts(
        installation.published, ledger, outcome.receipts, session.settings().receipt_promise
    )
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for receipt, note in zip(outcome.receipts, notes, strict=True):
            path = folder / f"{ledger.slug}-{receipt.index}.receipt"
            path.write_text(str(note), "utf-8")
            files.append(path)
    except OSError as error:
        raise InvalidInput(
            "--receipts", "a folder that can be written to", f"{folder}: {error.strerror}"
        ) from error
    return files
