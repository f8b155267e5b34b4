"""Verification from the published files alone: no database, no key of the operator's but the public one.

Steps: (1) the checkpoint is signed by a trusted key of its log, or by one that such a key leads to; (2) every
bundle's entries hash to the tile of level 0; (3) each entry says the log's origin and its index, and names the
leaf hash before it; (4) every tile above holds the hashes of the full tiles below; (5) the whole folds to the
signed root; (6) the tree has the root of each checkpoint that was seen before; (7) by the history of keys in
these entries the key signs that size, and so has each that was added and does. With ``deep``: (8) every entry
and its payload is the one encoding of a known schema. Left to the caller: whether enough witnesses signed; that
sealed values are what their commitments stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ledger.codec.avro import encode_long
from ledger.codec.entry import decode_entry, prefix
from ledger.domain.event import decode_event
from ledger.domain.keys.standing import changes_in
from ledger.errors import CodecError, NotFound, ProofFailed, Tampered, UnknownSchema
from ledger.ranges import in_order
from ledger.store.followed import followed, of_keys
from ledger.store.tiles import Tiles
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.keyhistory import Change, Keys, merged
from ledger.tlog.merkle import EMPTY_ROOT, complete
from ledger.tlog.note import VerifierKey
from ledger.tlog.prover import Prover
from ledger.tlog.tiles import HEIGHT, WIDTH, Tile, bundle_at, levels, split, tile_at, unbundle

RANGE = 64 * WIDTH
"""Entries that one process checks at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one range says: the hashes of its full tiles, its first ``previous``, its last leaf; a fault.

    ``unknown``: the first entry that only a newer version can read, which is no fault of it.
    """

    tiles: Sequence[bytes]
    previous: bytes
    last: bytes
    fault: tuple[int, str] | None = None
    unknown: tuple[int, str] | None = None
    keys: Sequence[bytes] = ()
    """Its entries of the stream of keys."""


def verify_tiles(
    tiles: Tiles,
    keys: Iterable[VerifierKey],
    *,
    seen: Sequence[Checkpoint] = (),
    held: Sequence[Change] = (),
    deep: bool = False,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> SignedCheckpoint:
    """Checks the published files of a log; gives its checkpoint.

    ``progress(done, all)`` is called as ranges are finished. ``seen``: checkpoints of this log that were
    believed before. ``held``: changes of its keys that the verifier holds, all up to the last: what is
    published tells of keys only after it. Raises Tampered with the first bad index, ProofFailed where the tree
    is not the signed one or no continuation of what was seen, Untrusted, CodecError, NotFound (no checkpoint),
    Unavailable; and where all else is well, UnknownSchema for the first entry that only a newer version can
    read.
    """
    given = [*keys]
    known = followed(tiles, given, held=held)
    # It was there a moment ago; what is published may grow, and never goes.
    note = tiles.checkpoint() or b""
    said = known.open(note).checkpoint
    for each in seen:
        if each.origin == said.origin and each.size > said.size:
            raise ProofFailed(
                f"{said.origin}: {each.size} entries were seen before, {said.size} are published now"
            )
    above: list[bytes] = []
    last, done = GENESIS, 0
    unknown: tuple[int, str] | None = None
    entries: list[bytes] = []
    work = partial(check_bundles, tiles, said.origin, said.size, deep)
    for part in in_order(work, range(0, said.size, RANGE), said.size, processes):
        if part.previous != last and (part.fault is None or part.fault[0] > done):
            raise Tampered(said.origin, done, "its previous is not the leaf hash of the entry before")
        if part.fault is not None:
            raise Tampered(said.origin, *part.fault)
        unknown = unknown or part.unknown
        entries += part.keys
        above += part.tiles
        last, done = part.last, min(done + RANGE, said.size)
        progress(done, said.size)
    _check_above(tiles, said.size, above)
    prover = Prover(tiles.read, note)
    for each in (said, *(each for each in seen if each.origin == said.origin)):
        if (root := prover.root(each.size) if each.size else EMPTY_ROOT) != each.root:
            raise ProofFailed(
                f"{said.origin}: the tree of {each.size} entries has the root {root.hex()}, and "
                f"{each.root.hex()} was signed"
            )
    told = Keys(given, said.origin, merged(held, changes_in(entries)))
    told.require_between(held)
    signed = told.open(note)
    told.require_added(signed)
    if unknown is not None:
        raise UnknownSchema(f"{said.origin}: entry {unknown[0]}: {unknown[1]}")
    return signed


def check_bundles(tiles: Tiles, origin: str, size: int, deep: bool, start: int, end: int) -> Part:
    """Steps (2), (3) and (8) of, and the keys told by, the entries [start, end), in whichever process."""
    begin = prefix(origin)
    first = previous = b""
    full: list[bytes] = []
    unknown: tuple[int, str] | None = None
    told: list[bytes] = []
    index = start
    for number in range(start // WIDTH, -(-end // WIDTH)):
        tile = tile_at(0, number, size)
        try:
            hashes = split(tile, tiles.read(tile))
            entries = unbundle(bundle_at(number, size), tiles.read(bundle_at(number, size)))
        except (CodecError, NotFound) as error:
            return Part(full, first, previous, (index, str(error)))
        for entry, kept in zip(entries, hashes, strict=True):
            leaf = leaf_hash(entry)
            if leaf != kept:
                what = f"expected leaf hash {kept.hex()}, got {leaf.hex()} from its bytes"
                return Part(full, first, previous, (index, what))
            said = begin + encode_long(index)
            linked = entry[len(said) : len(said) + len(leaf)]
            if not entry.startswith(said):
                what = f"its bytes do not say {origin} and {index}"
                return Part(full, first, previous, (index, what))
            if index == start:
                first = linked
            elif linked != previous:
                what = "its previous is not the leaf hash of the entry before"
                return Part(full, first, previous, (index, what))
            if of_keys(entry, len(said)):
                told.append(entry)
            if deep:
                try:
                    decode_event(decode_entry(entry))
                except UnknownSchema as error:
                    unknown = unknown or (index, str(error))
                except CodecError as error:
                    return Part(full, first, previous, (index, f"it cannot be read: {error}"))
            previous = leaf
            index += 1
        if tile.width == WIDTH:
            full.append(complete(hashes))
    return Part(full, first, previous, None, unknown, told)


def _check_above(tiles: Tiles, size: int, hashes: list[bytes]) -> None:
    """(4). ``hashes``: of the full tiles of level 0, which those of level 1 must hold, and so on up."""
    for level in levels(size):
        if level == 0:
            continue
        above: list[bytes] = []
        for number in range(-(-(size >> (HEIGHT * level)) // WIDTH)):
            tile = tile_at(level, number, size)
            expected = hashes[number * WIDTH : number * WIDTH + tile.width]
            _check_tile(tiles, tile, expected)
            if tile.width == WIDTH:
                above.append(complete(expected))
        hashes = above


def _check_tile(tiles: Tiles, tile: Tile, expected: Sequence[bytes]) -> None:
    try:
        found = split(tile, tiles.read(tile))
    except (CodecError, NotFound) as error:
        raise ProofFailed(f"{tile.path}: {error}") from error
    if found != expected:
        raise ProofFailed(f"{tile.path}: it does not hold the hashes of the tiles below it")
