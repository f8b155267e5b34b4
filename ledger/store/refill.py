"""Refilling: entries that an older database lacks are put back from the published files (4-wire 'Restore').

Steps: (1) the published files verify by the ledger's own key, whole; (2) the database verifies, and its tree
is the beginning of theirs; (3) the refill is noted, with the command under which LedgerRestored will be
recorded; (4) batch by batch the entries enter as they are, columns by what the bytes say, each batch with the
head in one transaction; (5) the published checkpoint becomes the last signed one. Nothing is inserted before
(1) and (2) are done. Left to the caller: recording LedgerRestored under that command.

A crash after (3) leaves a note and so many whole batches, and still a database that is older than what is
published, which nobody seals; after (5) a ledger without its LedgerRestored. Another refill goes on from each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import Connection

from ledger.codec.declare import micros, moment
from ledger.codec.entry import decode_entry
from ledger.errors import (
    AuditLedgerError,
    Diverged,
    InvalidInput,
    NotFound,
    Tampered,
    Unavailable,
    Untrusted,
)
from ledger.law.installation import ledger_is_open
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from ledger.store.manifest import Progress, silent
from ledger.store.placing import Head, Placed
from ledger.store.sealing import Link, Standing, standing_of
from ledger.store.submission import Draft, columns_of
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import Tiles
from ledger.store.verify import verify
from ledger.tlog.chain import leaf_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import VerifierKey
from ledger.tlog.prover import Prover
from ledger.tlog.tiles import WIDTH, bundle_at, unbundle

BATCH = 64 * WIDTH
"""Entries that enter in one transaction."""

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Refilled:
    """A refill that is done but for its entry: the database had ``size`` entries, and has ``until`` of them.

    ``command``: the id under which LedgerRestored is recorded; None where only the checkpoint was behind.
    """

    size: int
    until: int
    command: str | None


def refill(
    database: Database,
    ledger: Ledger,
    tiles: Tiles,
    keys: Sequence[VerifierKey],
    *,
    progress: Progress = silent,
    step: Step = lambda _: None,
) -> Refilled:
    """Puts back what the database lacks of a ledger's published entries. Nobody may write to it meanwhile.

    ``keys``: those that sign the ledger. Raises InvalidInput where the database is not behind (nothing was
    done), Diverged where it is no prefix of what is published (nothing was done: the two are a fork) or
    somebody wrote to it meanwhile, LawRefused (it is closed), and what ``verify_tiles`` and ``verify`` raise.
    """
    link = Link(database)
    try:
        connection = link.open()
        row = connection.execute(queries.get("lease_sealing"), {"ledger": ledger.id}).fetchone()
        if row is None or not row[0]:
            raise Unavailable(f"{ledger.origin}: a service seals it; stop that first")
        return _refill(database, connection, ledger, tiles, keys, progress, step)
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}; refill again") from error
    finally:
        link.close()


def refillable(database: Database, ledger: Ledger, tiles: Tiles, keys: Sequence[VerifierKey]) -> bool:
    """Whether what is published would refill the database: steps (1) and (2) alone. Raises Unavailable."""
    link = Link(database)
    try:
        standing = standing_of(link.open(), ledger)
        told = _published(ledger, tiles, keys, silent)
        _check_prefix(database, ledger, standing, tiles, told, silent)
    except Unavailable:
        raise
    except AuditLedgerError:
        return False
    finally:
        link.close()
    return standing.signed is None or told.checkpoint.size > standing.signed.size


def _refill(
    database: Database,
    sealing: Connection[Any],
    ledger: Ledger,
    tiles: Tiles,
    keys: Sequence[VerifierKey],
    progress: Progress,
    step: Step,
) -> Refilled:
    standing = standing_of(sealing, ledger)
    ledger_is_open(ledger.origin, standing.closed is not None)
    pending = sealing.execute(queries.get("pending_refill"), {"ledger": ledger.id}).fetchone()
    told = _published(ledger, tiles, keys, progress)
    until, signed = told.checkpoint.size, standing.signed
    if signed is not None and until <= signed.size:
        if pending is not None and standing.size >= pending[1]:
            return Refilled(*pending)
        raise InvalidInput(
            f"refill of {ledger.origin}", "a database that is behind what is published",
            f"{signed.size} signed here, {until} published",
        )  # fmt: skip
    _check_prefix(database, ledger, standing, tiles, told, progress)
    step("checked")
    with closing(database.connect(Role.WRITER)) as connection:
        if standing.size < until and (pending is None or pending[1] != until):
            pending = (standing.size, until, str(uuid4()))
            connection.execute(
                queries.get("begin_refill"),
                {"ledger": ledger.id, "size": pending[0], "until": until, "command": pending[2]},
            )
        step("begun")
        head = Head(standing.size, standing.head, 0)
        while head.size < until:
            head = _put(connection, ledger, head, _entries(tiles, head.size, until))
            progress(f"refilling {ledger.slug}", head.size, until)
            step("batch")
    sealing.execute(
        queries.get("sign_first" if signed is None else "sign_next"),
        {
            "ledger": ledger.id, "size": until, "root": told.checkpoint.root, "note": str(told.note),
            "after": None if signed is None else signed.size,
        },
    )  # fmt: skip
    step("signed")
    verify(database, ledger, checkpoints=[told.checkpoint])
    return Refilled(*pending) if pending is not None else Refilled(standing.size, until, None)


def _published(
    ledger: Ledger, tiles: Tiles, keys: Sequence[VerifierKey], progress: Progress
) -> SignedCheckpoint:
    """(1)."""
    if tiles.checkpoint() is None:
        raise NotFound(f"{tiles}: nothing is published of {ledger.origin} to refill it from")
    if not keys:
        raise Untrusted(
            f"{ledger.origin}: expected a key of it, got none: put its signing key back in the data directory"
        )
    what = f"verifying what is published of {ledger.slug}"
    told = verify_tiles(tiles, keys, progress=partial(progress, what))
    if told.checkpoint.origin != ledger.origin:
        raise Diverged(f"{ledger.origin}: the published files are those of {told.checkpoint.origin}")
    return told


def _check_prefix(
    database: Database,
    ledger: Ledger,
    standing: Standing,
    tiles: Tiles,
    told: SignedCheckpoint,
    progress: Progress,
) -> None:
    """(2). The root of as many entries as the database has, by the tiles, must be that of the database's."""
    common = min(standing.size, told.checkpoint.size)
    root = Prover(tiles.read, str(told.note).encode()).root(common) if common else EMPTY_ROOT
    held = [Checkpoint(ledger.origin, common, root)]
    if standing.signed is not None:
        held.append(standing.signed)
    what = f"verifying {ledger.slug}"
    try:
        verify(database, ledger, checkpoints=held, progress=partial(progress, what))
    except Tampered as error:
        raise Diverged(
            f"{ledger.origin}: the database is not the beginning of what is published ({error}): a fork, which "
            "no refill mends; see 'auditledger ledger continue'"
        ) from error


def _entries(tiles: Tiles, start: int, until: int) -> Iterator[bytes]:
    """The published entries of a batch that begins at ``start``."""
    end = min(until, (start // BATCH + 1) * BATCH)
    for number in range(start // WIDTH, -(-end // WIDTH)):
        part = bundle_at(number, until)
        first = number * WIDTH
        yield from unbundle(part, tiles.read(part))[max(start - first, 0) : end - first]


def _put(connection: Connection[Any], ledger: Ledger, head: Head, entries: Iterator[bytes]) -> Head:
    """(4), one batch. A crash in here leaves nothing of it. Gives the head behind it."""
    placed = _placed(head, list(entries))
    with connection.transaction():
        row = connection.execute(queries.get("lock_head"), (ledger.id,)).fetchone()
        if row is None or (row[0], bytes(row[1])) != head[:2]:
            raise Diverged(f"{ledger.origin}: somebody wrote to it while it was refilled: stop all, and look")
        with connection.cursor().copy(queries.get("copy_entries")) as copy:
            for block in placed.copy_blocks(ledger):
                copy.write(block)
        after = placed.after
        connection.execute(
            queries.get("move_head"), (after.size, after.hash, moment(after.recorded_at), ledger.id)
        )
    return placed.after


def _placed(head: Head, entries: list[bytes]) -> Placed:
    """Entries as their rows: every column by what the bytes say; ``content_mac`` is not in them, and empty."""
    drafts, moments, hashes = [], [], []
    for data in entries:
        entry = decode_entry(data)
        columns = columns_of(
            entry.version, entry.part, entry.happened_date, entry.command, entry.stream, entry.event,
            entry.actor.organisation, None,
        )  # fmt: skip
        drafts.append(Draft(entry.stream, entry.version, entry.command, entry.part, None, (b"", b""), columns))
        moments.append(micros(entry.recorded_at))
        hashes.append(leaf_hash(data))
    after = Head(head.size + len(entries), hashes[-1], moments[-1])
    return Placed(head, after, drafts, moments, hashes, entries)
