"""Steps (4) and (5) of a seal: new entries are hashed again and held to each other, their tiles added."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from psycopg import Connection

from ledger.codec.avro import encode_long
from ledger.codec.entry import MAX_ENTRY, prefix
from ledger.errors import Tampered
from ledger.store import queries
from ledger.store.copying import copied
from ledger.store.ledgers import Ledger
from ledger.store.tiles import Tiles
from ledger.tlog.chain import HASH_LENGTH, leaf_hash
from ledger.tlog.tiles import WIDTH, Tile, bundle, edge, edge_root, grown, split

_ROW = struct.Struct(">hiqi32si")
_LENGTHS = (3, 8, HASH_LENGTH)

ROOM = 64 * 2**20
"""Bytes of entries that a batch has room for: it ends with the one that reaches them, and a seal needs no more
memory however large its entries are."""

Step = Callable[[str], None]


class Edge(NamedTuple):
    """Where a tree goes on from: its size, the hashes of its partial tiles by level, its last leaf."""

    size: int
    tiles: dict[int, list[bytes]]
    entries: list[bytes]
    """Of the partial bundle."""
    last: bytes

    @property
    def root(self) -> bytes:
        """Of the tree of that size."""
        return edge_root(self.tiles)


class Batch(NamedTuple):
    """Entries that a ledger's tree is to grow by, with all that whichever process does it has to know."""

    ledger: Ledger
    tiles: Tiles
    before: Edge
    until: int
    """The size of the tree with them, or less where they do not find room."""
    size: int
    """Entries of the ledger, by its head row."""
    head: bytes
    """Leaf hash of the last of them, by that row."""


Grow = Callable[[Connection[Any], Batch, Step], Edge]
"""What ``grow`` does, there or elsewhere."""


def grow(connection: Connection[Any], batch: Batch, step: Step) -> Edge:
    """Adds the tiles of a batch, durable on return; gives the new edge, which nobody has signed yet.

    Raises Tampered before anything is added, and what ``Tiles.add`` and ``copied`` raise. A crash leaves tiles
    beyond the checkpoint, the same that the next attempt makes.
    """
    reached, files = _hashed(connection, batch.ledger, batch.before, batch.until)
    check_end(batch.ledger, reached, batch.size, batch.head)
    step("hashed")
    batch.tiles.add(files)
    step("tiles")
    return reached


def check_end(ledger: Ledger, reached: Edge, size: int, head: bytes) -> None:
    """Step (4) of the last entry, which none behind it vouches for yet: the head row does. Raises Tampered."""
    if reached.size == size and reached.last != head:
        what = f"expected the head row's hash {head.hex()}, got the leaf hash {reached.last.hex()}"
        raise Tampered(ledger.origin, max(size - 1, 0), what)


def _hashed(
    connection: Connection[Any], ledger: Ledger, before: Edge, until: int
) -> tuple[Edge, list[tuple[Tile, bytes]]]:
    """The entries up to ``until``, or as many as find room, hashed anew: new edge and files."""
    entries = [*before.entries]
    held = 0
    leaves: list[bytes] = []
    previous, index = before.last, before.size
    begin = prefix(ledger.origin)
    for kept, entry in _entries(connection, ledger, before.size, until):
        leaf = leaf_hash(entry)
        if leaf != kept:
            what = f"expected leaf hash {kept.hex()}, got {leaf.hex()} from its bytes"
            raise Tampered(ledger.origin, index, what)
        if not entry.startswith(begin + encode_long(index) + previous):
            raise Tampered(ledger.origin, index, "its previous is not the leaf hash of the entry before")
        if len(entry) > MAX_ENTRY:
            raise Tampered(ledger.origin, index, f"expected at most {MAX_ENTRY} bytes, got {len(entry)}")
        leaves.append(leaf)
        entries.append(entry)
        held += len(entry)
        previous = leaf
        index += 1
    if index != until and held < ROOM:
        raise Tampered(ledger.origin, index, "it is missing")
    files = [*grown(before.size, leaves, before.tiles)]
    first = before.size // WIDTH
    for at in range(0, len(entries), WIDTH):
        part = entries[at : at + WIDTH]
        files.append((Tile(None, first + at // WIDTH, len(part)), bundle(part)))
    made = dict(files)
    # A partial tile of a level that got no new hash is as it was.
    tiles = {
        tile.level or 0: split(tile, made[tile]) if tile in made else before.tiles[tile.level or 0]
        for tile in edge(index)
    }
    return Edge(index, tiles, entries[len(entries) - index % WIDTH :], previous), files


def _entries(
    connection: Connection[Any], ledger: Ledger, start: int, until: int
) -> Iterator[tuple[bytes, bytes]]:
    """Leaf hash as kept, and bytes, of the entries of a range in order."""
    statement = queries.text("scan_sealing").format(ledger=ledger.id, start=start, until=until, room=ROOM)
    expected = start
    for row, at in copied(connection.pgconn, statement.encode()):
        # A row of another shape may be too short to be read; what is read of it then says so.
        columns, eight, index, thirty_two, kept, size = _ROW.unpack_from(row.ljust(at + _ROW.size), at)
        if (columns, eight, thirty_two) != _LENGTHS:
            raise Tampered(ledger.origin, expected, "its leaf hash is not of 32 bytes")
        if index != expected:
            raise Tampered(ledger.origin, expected, "it is missing")
        at += _ROW.size
        yield kept, row[at : at + size]
        expected += 1
