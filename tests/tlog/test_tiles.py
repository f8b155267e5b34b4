"""Tiles and bundles (C2SP tlog-tiles): paths, what a growing tree writes, what is read from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import CodecError
from ledger.tlog import merkle
from ledger.tlog.tiles import (
    WIDTH,
    Tile,
    bundle,
    bundle_at,
    edge,
    edge_root,
    grown,
    hashes_of,
    split,
    tile_at,
    unbundle,
)
from tests.tlog import naive
from tests.tlog.naive import TREE

HASHES = [naive.leaf(entry) for entry in TREE.entries]


def by_definition(tile: Tile) -> bytes:
    """The i-th hash of tile n of level l: MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])."""
    step = 256 ** (tile.level or 0)
    first = tile.number * 256
    return b"".join(TREE.mth((first + i) * step, (first + i + 1) * step) for i in range(tile.width))


def of_tree(size: int) -> set[Tile]:
    """Every tile of a tree of that size: full ones, and the partial one of floor(s / 256**l) mod 256 hashes."""
    found = set()
    for level in range(3):
        full, partial = divmod(size // 256**level, 256)
        found |= {Tile(level, number) for number in range(full)}
        found |= {Tile(level, full, partial)} if partial else set()
    return found


class Log:
    """The tiles of a tree, as they were written; each may be written once."""

    def __init__(self) -> None:
        self.size = 0
        self.written: dict[Tile, bytes] = {}
        self.reads: Counter[Tile] = Counter()

    def grow(self, leaves: Sequence[bytes]) -> None:
        edges = {tile.level or 0: split(tile, self.written[tile]) for tile in edge(self.size)}
        for tile, data in grown(self.size, leaves, edges):
            assert tile not in self.written, f"{tile.path} is written twice"
            self.written[tile] = data
        self.size += len(leaves)

    def read(self, tile: Tile) -> bytes:
        self.reads[tile] += 1
        return self.written[tile]

    def prove(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return merkle.prove(ranges, lambda wanted: hashes_of(wanted, self.size, self.read))

    def root(self) -> bytes:
        return self.prove([(0, self.size)])[0] if self.size else merkle.EMPTY_ROOT


# --- known answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(0, 1000), "tile/0/x001/000"),
        (Tile(1, 273, 112), "tile/1/273.p/112"),
        (Tile(63, 5, 1), "tile/63/005.p/1"),
        (Tile(None, 273, 112), "tile/entries/273.p/112"),
        (Tile(None, 1234067, 255), "tile/entries/x001/x234/067.p/255"),
        (Tile(0, (1 << 63) // 256), "tile/0/x036/x028/x797/x018/x963/968"),
    ],
)
def test_paths_of_c2sp(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


def test_the_tree_of_70_000_leaves_that_c2sp_describes() -> None:
    found = of_tree(70_000)
    assert {
        tile_at(level, n, 70_000) for level, count in ((0, 274), (1, 2), (2, 1)) for n in range(count)
    } == found
    assert Counter((tile.level, tile.width) for tile in found) == {
        (0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1,
    }  # fmt: skip
    assert edge(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert bundle_at(273, 70_000) == Tile(None, 273, 112)


def test_a_tree_of_256_leaves_has_a_full_tile_and_one_hash_above() -> None:
    assert of_tree(256) == {Tile(0, 0), Tile(1, 0, 1)}
    assert edge(256) == [Tile(1, 0, 1)]
    assert edge(0) == []


# --- paths --------------------------------------------------------------------------------------------


@given(st.none() | st.integers(0, 63), st.integers(0, (1 << 63) // 256), st.integers(1, WIDTH))
def test_every_path_is_read_back(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert Tile.parse(tile.path) == tile


SPELT = "expected tile/<L>/<N>"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", SPELT),
        ("tile/0/", SPELT),
        ("/tile/0/000", SPELT),
        ("tile/0/000/", SPELT),
        ("tile/0/000\n", SPELT),
        ("Tile/0/000", SPELT),
        ("tile/Entries/000", SPELT),
        ("tile/data/000", SPELT),
        ("tile/00/000", SPELT),
        ("tile/-1/000", SPELT),
        ("tile/64/000", "expected a level up to 63"),
        ("tile/100/000", SPELT),
        ("tile/٣/000", SPELT),
        ("tile/0/0", SPELT),
        ("tile/0/0000", SPELT),
        ("tile/0/٣٣٣", SPELT),
        ("tile/0/001/000", SPELT),
        ("tile/0/x001", SPELT),
        ("tile/0/X001/000", SPELT),
        ("tile/0/x1/000", SPELT),
        ("tile/0/x000/000", "expected tile/0/000, got"),
        ("tile/0/x000/x001/000", "expected tile/0/x001/000, got"),
        ("tile/0/../000", SPELT),
        ("tile/0/x001/../000", SPELT),
        ("tile/0/./000", SPELT),
        ("tile//000", SPELT),
        ("tile/0/000.p/0", SPELT),
        ("tile/0/000.p/01", SPELT),
        ("tile/0/000.p/", SPELT),
        ("tile/0/000.p", SPELT),
        ("tile/0/000.P/1", SPELT),
        ("tile/0/000/1", SPELT),
        ("tile/0/000.p/256", "expected a width below 256"),
        ("tile/0/000.p/257", "expected a width below 256"),
        ("tile/0/000.p/1000", SPELT),
        ("tile/0/000.p/-1", SPELT),
        ("tile/0/000.p/1.p/1", SPELT),
        ("tile/0/" + "x001/" * 6 + "000", SPELT),
        ("tile/0/" + "x001/" * 5000 + "000", SPELT),
    ],
)
def test_a_path_has_one_spelling(path: str, message: str) -> None:
    with pytest.raises(CodecError, match=f"^tile: {message}") as error:
        Tile.parse(path)
    assert len(str(error.value)) < 200


@given(st.text(st.characters()) | st.text(st.sampled_from("tile/entris0123456789xp.\n٣\ud800"), max_size=30))
@settings(max_examples=300)
def test_any_text_is_a_path_or_refused(text: str) -> None:
    for path in (text, f"tile/0/{text}", f"tile/{text}/000", f"tile/0/000.p/{text}"):
        try:
            tile = Tile.parse(path)
        except CodecError:
            continue
        assert tile.path == path


# --- growing ------------------------------------------------------------------------------------------


def check(log: Log, sizes: Sequence[int]) -> None:
    """What was written is what every tree along the way has, and nothing else; and it is by definition."""
    assert set(log.written) == set().union(*map(of_tree, sizes))
    for tile, data in log.written.items():
        assert data == by_definition(tile), tile.path
    frontier = merkle.Frontier(log.size, hashes_of(merkle.subtrees(0, log.size), log.size, log.read))
    assert log.root() == frontier.root() == TREE.root(log.size)


@given(st.lists(st.integers(0, 700) | st.sampled_from([0, 1, 255, 256, 257, 512]), max_size=8))
@settings(deadline=None, max_examples=60)
def test_growing_in_any_batches_writes_the_tiles_of_every_size_once(batches: list[int]) -> None:
    log = Log()
    sizes = [0]
    for count in batches:
        log.grow(HASHES[log.size : log.size + count])
        sizes.append(log.size)
    check(log, sizes)


def test_growing_one_by_one_writes_every_partial_tile() -> None:
    log = Log()
    for leaf in HASHES[:600]:
        log.grow([leaf])
    check(log, range(601))


@pytest.mark.parametrize("seed", range(2))
def test_growing_past_65_536_leaves_in_random_batches(seed: int) -> None:
    random, log, sizes = Random(seed), Log(), [0]
    while log.size < 70_000:
        count = random.choice([1, 256, 3_000, random.randrange(20_000), 65_536 - log.size])
        log.grow(HASHES[log.size : log.size + max(count, 1)])
        sizes.append(log.size)
    check(log, sizes)
    for _ in range(50):
        size = log.size
        index, old = random.randrange(size), random.randrange(size + 1)
        assert log.prove(merkle.inclusion_ranges(index, size)) == TREE.path(index, 0, size)
        assert log.prove(merkle.consistency_ranges(old, size)) == TREE.proof(old, size)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ({}, "level 0 of 300 leaves has an edge of 44 hashes, not 0"),
        ({0: HASHES[256:299], 1: [TREE.mth(0, 256)]}, "level 0 of 300 leaves has an edge of 44 hashes, not 43"),
        ({0: HASHES[256:300]}, "level 1 of 300 leaves has an edge of 1 hashes, not 0"),
    ],
)
def test_tiles_are_not_made_from_another_edge(edges: dict[int, list[bytes]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(grown(300, HASHES[300:301], edges))


@given(st.integers(0, len(HASHES)))
@settings(deadline=None)
def test_the_root_is_that_of_the_edge(size: int) -> None:
    log = Log()
    log.grow(HASHES[:size])
    edges = {tile.level or 0: split(tile, log.written[tile]) for tile in edge(size)}
    assert edge_root(edges) == TREE.root(size)


# --- reading ------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 700))
@settings(deadline=None)
def test_proofs_come_from_tiles_each_read_once(data: st.DataObject, size: int) -> None:
    log = Log()
    log.grow(HASHES[:size])
    index = data.draw(st.integers(0, size - 1))
    assert log.prove(merkle.inclusion_ranges(index, size)) == TREE.path(index, 0, size)
    assert max(log.reads.values(), default=1) == 1
    assert log.prove(merkle.consistency_ranges(index, size)) == TREE.proof(index, size)


@pytest.mark.parametrize("length", [0, 1, 44 * 32 - 1, 44 * 32 + 1, 43 * 32, 45 * 32, 256 * 32])
def test_a_tile_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(CodecError, match=rf"tile/0/001\.p/44: expected {44 * 32} bytes, got {length}"):
        hashes_of([(0, 299)], 300, lambda _tile: bytes(length))


# --- bundles ------------------------------------------------------------------------------------------


def test_a_bundle_has_each_entry_behind_its_length() -> None:
    assert bundle([]) == b""
    assert bundle([b"ab", b"", b"c" * 258]) == b"\x00\x02ab\x00\x00\x01\x02" + b"c" * 258


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=WIDTH))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    assert unbundle(Tile(None, 0, len(entries)), bundle(entries)) == entries


def test_the_longest_entries_are_read_back() -> None:
    entries = [b"x" * 65_535, b"", b"y" * 65_535]
    assert unbundle(Tile(None, 0, 3), bundle(entries)) == entries


BUNDLE = bundle([b"one", b"", b"three", b"\x00\x00"])


@pytest.mark.parametrize("end", range(len(BUNDLE)))
def test_a_bundle_cut_anywhere_is_refused(end: int) -> None:
    with pytest.raises(
        CodecError, match=rf"tile/entries/000\.p/4: expected 4 whole entries, got other {end} bytes"
    ):
        unbundle(Tile(None, 0, 4), BUNDLE[:end])


@pytest.mark.parametrize("more", [b"\x00", b"\x00\x00", b"\x00\x01x", bytes(1000), BUNDLE])
def test_a_bundle_with_more_bytes_is_refused(more: bytes) -> None:
    with pytest.raises(CodecError, match="expected 4 whole entries"):
        unbundle(Tile(None, 0, 4), BUNDLE + more)


@pytest.mark.parametrize("width", [1, 3, 5, WIDTH])
def test_a_bundle_of_more_or_fewer_entries_is_refused(width: int) -> None:
    with pytest.raises(CodecError, match=f"expected {width} whole entries, got other {len(BUNDLE)} bytes"):
        unbundle(Tile(None, 0, width), BUNDLE)


@given(st.binary(max_size=2000) | st.lists(st.integers(0, 3)).map(bytes), st.integers(1, WIDTH))
def test_any_bytes_are_a_bundle_or_refused(data: bytes, width: int) -> None:
    try:
        entries = unbundle(Tile(None, 0, width), data)
    except CodecError:
        return
    assert len(entries) == width
    assert bundle(entries) == data
