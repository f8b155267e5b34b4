"""Where the history of a ledger's signing keys is read: in the database, or in what is published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.codec.avro import encode_long
from ledger.codec.entry import decode_entry, prefix
from ledger.domain.event import decode_event
from ledger.domain.keys.standing import MARK, STREAM, changes_in, keks_before
from ledger.errors import CodecError, NotFound, Tampered, Untrusted
from ledger.store import queries
from ledger.store.ledgers import Ledger
from ledger.store.tiles import Tiles
from ledger.tlog.chain import HASH_LENGTH, leaf_hash
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.keyhistory import Change, Keys, merged, open_statement
from ledger.tlog.note import Note, VerifierKey
from ledger.tlog.tiles import WIDTH, bundle_at, unbundle


def recorded(connection: Connection[Any], ledger: Ledger, after: int = 0) -> tuple[list[Change], int]:
    """The changes of keys that the database holds behind a version of their stream, and its last version.

    Raises Tampered for an entry that is not what was recorded, CodecError for one that cannot be read.
    """
    rows = _recorded_entries(connection, ledger, after)
    return changes_in(bytes(row[3]) for row in rows), max((row[0] for row in rows), default=after)


def rotated(connection: Connection[Any], ledger: Ledger) -> frozenset[str]:
    """The names of the key-encryption keys whose rotation has ended. Raises as ``recorded``."""
    rows = _recorded_entries(connection, ledger, 0)
    return keks_before(decode_event(decode_entry(bytes(row[3]))) for row in rows)


def _recorded_entries(connection: Connection[Any], ledger: Ledger, after: int) -> list[TupleRow]:
    parameters = {"ledger": ledger.id, "stream": STREAM, "after": after}
    rows = connection.execute(queries.get("stream_entries"), parameters).fetchall()
    for _, index, leaf, entry in rows:
        if leaf_hash(bytes(entry)) != bytes(leaf):
            raise Tampered(ledger.origin, index, f"expected leaf hash {bytes(leaf).hex()} of its bytes")
    return rows


def signed_last(held: Iterable[VerifierKey], note: bytes | None) -> list[VerifierKey]:
    """Where trust in a ledger's own keys begins: those of the held ones that signed the last note.

    A key that only lies in the folder leads nowhere. ``note``: None before the first, when all count. Raises
    Untrusted where none of them signed it, CodecError.
    """
    return [*held] if note is None else [each.key for each in Note.parse(note).verify(held)]


def known_here(
    connection: Connection[Any], ledger: Ledger, held: Iterable[VerifierKey], note: bytes | None
) -> Keys:
    """The keys of a ledger as this installation has recorded them, also the first, whose files may be gone.

    ``held``: those that are here as files, of which ``signed_last`` says which count. Raises Tampered,
    CodecError.
    """
    changes, _ = recorded(connection, ledger)
    first = open_statement(changes[0].statement)[0].by if changes else ()
    last: list[VerifierKey] = []
    # Where the one that signed last is held elsewhere, the first keys may lead to it all the same.
    with suppress(Untrusted):
        last = signed_last(held, note)
    return Keys([*first, *last], ledger.origin, changes)


def of_keys(entry: bytes, at: int) -> bool:
    """Whether an entry is of the stream of keys, where its ``previous`` begins at a place of its bytes."""
    return entry.startswith(MARK, at + HASH_LENGTH)


def followed(
    tiles: Tiles, given: Sequence[VerifierKey], notes: Iterable[bytes] = (), held: Sequence[Change] = ()
) -> Keys:
    """The keys that the given ones lead to, as far as these notes and the published checkpoint need them.

    Where a given key signed them all, no entry is read. What is published is not verified here: a statement
    counts by its signature, and ``verify_tiles`` comes after. ``held``: changes from elsewhere. Raises
    NotFound, CodecError, Untrusted.
    """
    note = tiles.published()
    said = Checkpoint.parse(Note.parse(note).text)
    known = Keys(given, said.origin, held)
    try:
        for each in (note, *notes):
            known.open(each)
    except Untrusted:
        if not known.ranges:
            raise
        entries: list[bytes] = []
        # What is missing or malformed is for who verifies it all to name; what it would have said is not known.
        with suppress(CodecError, NotFound):
            entries.extend(_key_entries(tiles, said))
        known = Keys(given, said.origin, merged(held, changes_in(entries)))
        known.require_between(held)
        known.require_added(known.open(note))
    return known


def _key_entries(tiles: Tiles, said: Checkpoint) -> Iterator[bytes]:
    begin = len(prefix(said.origin))
    for number in range(-(-said.size // WIDTH)):
        bundle = bundle_at(number, said.size)
        for index, entry in enumerate(unbundle(bundle, tiles.read(bundle)), number * WIDTH):
            if of_keys(entry, begin + len(encode_long(index))):
                yield entry
