"""Closing ledgers: nothing writes, signs or publishes under their origins any more (4-wire 'Restore')."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from ledger.codec.entry import decode_entry
from ledger.domain.event import decode_event
from ledger.domain.installation.events import LedgerCreated
from ledger.errors import AuditLedgerError, Conflict, NotFound, Unavailable
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from ledger.store.published import Published
from ledger.store.refill import refillable
from ledger.store.sealing import ENDED, LEFT, Link, standing_of
from ledger.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tlog.note import VerifierKey


def closed(database: Database, ledger: Ledger) -> str | None:
    """Why a ledger is closed: ``ended``, ``left``; None while it is open. Raises Unavailable."""
    try:
        with database.connect(Role.READER) as connection:
            row = connection.execute(queries.get("closed_ledger"), {"ledger": ledger.id}).fetchone()
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    return None if row is None else row[0]


def end(database: Database, ledger: Ledger, size: int) -> bool:
    """Closes a ledger whose ``size`` entries are all signed for; False where it has grown meanwhile."""
    return _close(database, ledger, size, ENDED) or closed(database, ledger) == ENDED


def leave(database: Database, published: Published, ledger: Ledger, keys: Sequence[VerifierKey]) -> None:
    """Closes a ledger that cannot be signed any more, so that another goes on under a new origin.

    ``keys``: those that sign it. Raises Conflict where nothing keeps it from being signed, since two ledgers
    would tell one history, and where a refill would mend it.
    """
    why = closed(database, ledger)
    if why is not None:
        return
    link = Link(database)
    try:
        with published.sealer(link, ledger) as sealer:
            sealer.check()
    except Unavailable:
        raise
    except AuditLedgerError:
        # That it cannot be signed is what it is left for.
        pass
    else:
        raise Conflict(
            f"{ledger.origin}: nothing keeps it from going on; where its organisation has ended, close it: see "
            "'auditledger ledger close'"
        )
    if refillable(database, ledger, published.of(ledger), keys):
        raise Conflict(
            f"{ledger.origin}: what the database lacks is published: 'auditledger refill' puts it back, and "
            "nothing has to be left"
        )
    with database.connect(Role.SEALER) as connection:
        size = standing_of(connection, ledger).size
    if not _close(database, ledger, size, LEFT) and closed(database, ledger) is None:
        raise Conflict(f"{ledger.origin}: somebody wrote to it meanwhile: stop the service first")


def _close(database: Database, ledger: Ledger, size: int, how: str) -> bool:
    try:
        with database.connect(Role.WRITER) as connection:
            row = connection.execute(
                queries.get("close_ledger"), {"ledger": ledger.id, "size": size, "how": how}
            ).fetchone()
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    return row is not None


@dataclass(frozen=True, slots=True)
class Continued:
    """Where a ledger goes on: the origin that names it as its predecessor, and its last checkpoint (signed).

    ``held``: how many of its ``size`` entries the database held when it was left; None: it does not say.
    """

    origin: str
    size: int
    held: int | None
    note: bytes


def continued(connection: Connection[Any], ledger: Ledger, others: Iterable[Ledger]) -> Continued | None:
    """Which of the others went on from a ledger, by its own first entry; None where none has.

    Raises CodecError. Left to the caller: that the note is signed by a key of the ledger.
    """
    for other in others:
        parameters = {"ledger": other.id, "stream": "ledger", "after": 0}
        row = connection.execute(queries.get("stream_entries"), parameters).fetchone()
        first = None if row is None else decode_event(decode_entry(bytes(row[3])))
        if not isinstance(first, LedgerCreated) or first.predecessor != ledger.origin:
            continue
        if first.predecessor_size is not None and first.predecessor_checkpoint is not None:
            note = first.predecessor_checkpoint.encode()
            return Continued(other.origin, first.predecessor_size, first.predecessor_held, note)
    return None


def last_checkpoint(
    published: Published, ledger: Ledger, kept: Sequence[Path], keys: Sequence[VerifierKey]
) -> SignedCheckpoint:
    """The largest checkpoint that is known of a ledger: what is published, and those that were kept.

    Raises NotFound where none is, Untrusted, CodecError.
    """
    trusted = [*keys, *(key.verifier for key in published.keys.of(ledger.slug, ledger.origin))]
    notes = []
    for path in kept:
        try:
            notes.append(path.read_bytes())
        except OSError as error:
            raise NotFound(f"{path}: {error.strerror}") from error
    told = published.of(ledger).checkpoint()
    if told is not None:
        notes.append(told)
    found = [open_checkpoint(note, trusted) for note in notes]
    of_it = [each for each in found if each.checkpoint.origin == ledger.origin]
    if not of_it:
        raise NotFound(
            f"{ledger.origin}: no checkpoint of it is known; name the last that anybody kept by --checkpoint"
        )
    return max(of_it, key=lambda each: each.checkpoint.size)
