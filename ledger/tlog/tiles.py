"""Tiles (C2SP tlog-tiles): the tree's hashes, and the entries, as files of 256 that never change.

A tile at level L holds hashes of the tree's level 8·L: 256 of them, or fewer at the right edge (a partial tile,
kept under its width). A bundle holds the entries whose leaf hashes the tile of level 0 holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ledger.errors import CodecError
from ledger.tlog.chain import HASH_LENGTH
from ledger.tlog.merkle import EMPTY_ROOT, Subtree, complete, fold, subtrees

WIDTH = 256
HEIGHT = 8
"""Levels of the tree in a tile: 2^8 = 256."""
MOST_LEVEL = 63
ENTRIES = "entries"
_PATH = re.compile(
    # Six groups of digits hold the number of every tile of fewer than 2^63 leaves.
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class Tile(NamedTuple):
    """A file of the log: level (None: a bundle of entries), number in that level, how many it holds."""

    level: int | None
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies: ``tile/<L>/<N>[.p/<W>]``."""
        digits = f"{self.number % 1000:03d}"
        rest = self.number // 1000
        while rest:
            digits = f"x{rest % 1000:03d}/{digits}"
            rest //= 1000
        level = ENTRIES if self.level is None else self.level
        return f"tile/{level}/{digits}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile of a path. Raises CodecError for what is no path of a tile, or not its one spelling."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise CodecError(f"tile: expected tile/<L>/<N>[.p/<W>], got {path[:80]!r}")
        level = None if found["level"] == ENTRIES else int(found["level"])
        number = int(re.sub("[x/]", "", found["number"]))
        width = int(found["width"] or WIDTH)
        if (level or 0) > MOST_LEVEL:
            raise CodecError(f"tile: expected a level up to {MOST_LEVEL}, got {path!r}")
        if found["width"] and width >= WIDTH:
            raise CodecError(f"tile: expected a width below {WIDTH} of a partial tile, got {path!r}")
        tile = cls(level, number, width)
        if tile.path != path:
            raise CodecError(f"tile: expected {tile.path}, got {path!r}")
        return tile


def tile_at(level: int, number: int, size: int) -> Tile:
    """The tile of that level and number in a tree of ``size`` leaves, as wide as it is there."""
    return Tile(level, number, min(WIDTH, (size >> (HEIGHT * level)) - number * WIDTH))


def bundle_at(number: int, size: int) -> Tile:
    """The bundle of that number of a log of ``size`` entries."""
    return tile_at(0, number, size)._replace(level=None)


def levels(size: int) -> Iterator[int]:
    """The levels at which a tree of that size has tiles."""
    level = 0
    while size >> (HEIGHT * level):
        yield level
        level += 1


def edge(size: int) -> list[Tile]:
    """The partial tiles of a tree of that size, by level: what more leaves go on from."""
    tiles = (tile_at(level, (size >> (HEIGHT * level)) // WIDTH, size) for level in levels(size))
    return [tile for tile in tiles if tile.width]


def tile_of(subtree: Subtree, size: int) -> tuple[Tile, int, int]:
    """Where a complete subtree's hash is found: the tile, and from which to before which of its hashes."""
    level, index = subtree
    within = level % HEIGHT
    number, first = divmod(index << within, WIDTH)
    return tile_at(level // HEIGHT, number, size), first, first + (1 << within)


ReadTile = Callable[[Tile], bytes]
"""The bytes of a tile. Raises what its store says where it is not there."""


def hashes_of(subtrees: Sequence[Subtree], size: int, read: ReadTile) -> list[bytes]:
    """The hashes of complete subtrees of a tree of ``size`` leaves, from its tiles, each read once.

    Raises CodecError for a tile of another length. Left to the caller: that they fold to a signed root.
    """
    tiles: dict[Tile, list[bytes]] = {}
    found: list[bytes] = []
    for subtree in subtrees:
        tile, first, end = tile_of(subtree, size)
        hashes = tiles.get(tile)
        if hashes is None:
            hashes = tiles[tile] = split(tile, read(tile))
        found.append(complete(hashes[first:end]))
    return found


def split(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes of a tile. Raises CodecError where it is not as long as its width says."""
    if len(data) != tile.width * HASH_LENGTH:
        raise CodecError(f"{tile.path}: expected {tile.width * HASH_LENGTH} bytes, got {len(data)}")
    return [data[at : at + HASH_LENGTH] for at in range(0, len(data), HASH_LENGTH)]


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle holds them: each behind its length in two bytes, big-endian."""
    parts: list[bytes] = []
    for entry in entries:
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def unbundle(tile: Tile, data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises CodecError where it holds other than as many as its width says."""
    entries: list[bytes] = []
    at = 0
    for _ in range(tile.width):
        start = at + 2
        # Once past the end it stays past it: what was cut never comes out at the length.
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data):
        raise CodecError(f"{tile.path}: expected {tile.width} whole entries, got other {len(data)} bytes")
    return entries


def edge_root(edges: Mapping[int, Sequence[bytes]]) -> bytes:
    """The root of a tree, by the hashes of the partial tile of each level: all that is at its right edge."""
    hashes = [
        complete(row[number << level : (number + 1) << level])
        for row in (edges[each] for each in sorted(edges, reverse=True))
        for level, number in subtrees(0, len(row))
    ]
    return fold(hashes) if hashes else EMPTY_ROOT


def grown(
    old: int, leaves: Sequence[bytes], edges: Mapping[int, Sequence[bytes]]
) -> Iterator[tuple[Tile, bytes]]:
    """The tiles that ``leaves`` (leaf hashes) add to a tree of ``old`` leaves, lowest level first.

    ``edges``: the hashes of the partial tile of each level of the old tree. Every full tile that comes about,
    and at each level the partial one at the new edge. Raises ValueError for edges of another size: tiles made
    from them would be written for good.
    """
    new = old + len(leaves)
    hashes: Sequence[bytes] = leaves
    for level in levels(new):
        number, width = divmod(old >> (HEIGHT * level), WIDTH)
        before = edges.get(level, ())
        if len(before) != width:
            raise ValueError(f"level {level} of {old} leaves has an edge of {width} hashes, not {len(before)}")
        begin = number * WIDTH
        row = [*before, *hashes]
        above: list[bytes] = []
        for at in range(0, len(row), WIDTH):
            part = row[at : at + WIDTH]
            # A partial tile that did not grow is there already.
            if len(part) == WIDTH or begin + at + len(part) > old >> (HEIGHT * level):
                yield Tile(level, (begin + at) // WIDTH, len(part)), b"".join(part)
            if len(part) == WIDTH:
                above.append(complete(part))
        hashes = above
