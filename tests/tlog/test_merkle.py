"""Merkle tree (RFC 6962 section 2.1, RFC 9162 section 2.1.3.2, 2.1.4.2): known answers, then naive.py."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ProofFailed
from ledger.tlog import merkle
from ledger.tlog.chain import leaf_hash
from tests.tlog import naive
from tests.tlog.naive import TREE
from tests.tlog.vectors import CT_CONSISTENCY, CT_INCLUSION, CT_LEAVES, CT_ROOTS, LEAF_0

MOST = (1 << 63) - 1


def unhex(hashes: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in hashes]


def prove(tree: naive.Tree, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """The fast code's proof, over the hashes of complete subtrees."""
    return merkle.prove(ranges, lambda wanted: [tree.mth(n << level, (n + 1) << level) for level, n in wanted])


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    try:
        merkle.verify_inclusion(leaf, index, size, proof, root)
    except ProofFailed:
        return False
    return True


def proves_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    try:
        merkle.verify_consistency(old, new, proof, old_root, new_root)
    except ProofFailed:
        return False
    return True


# --- known answers ------------------------------------------------------------------------------------


def test_the_empty_root_is_that_of_rfc_6962() -> None:
    assert merkle.EMPTY_ROOT == merkle.Frontier().root() == sha256(b"").digest()
    assert merkle.EMPTY_ROOT.hex() == CT_ROOTS[0]


def test_leaves_and_nodes_have_their_prefixes() -> None:
    assert leaf_hash(b"L123456") == sha256(b"\x00L123456").digest()
    left, right = bytes(range(32)), bytes(range(32, 64))
    assert merkle.node_hash(left, right) == sha256(b"\x01" + left + right).digest()
    # Of certificate-transparency's merkletree tests.
    assert leaf_hash(b"").hex() == LEAF_0
    assert (
        merkle.node_hash(left, right).hex()
        == "1a378704c17da31e2d05b6d121c2bb2c7d76f6ee6fa8f983e596c2d034963c57"
    )


@pytest.mark.parametrize("size", range(9))
def test_roots_of_certificate_transparency(size: int) -> None:
    tree = merkle.Frontier()
    for entry in CT_LEAVES[:size]:
        tree.append(leaf_hash(entry))
    assert tree.root().hex() == CT_ROOTS[size]
    assert naive.Tree(CT_LEAVES).root(size).hex() == CT_ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), CT_INCLUSION)
def test_inclusion_proofs_of_certificate_transparency(index: int, size: int, path: list[str]) -> None:
    assert prove(naive.Tree(CT_LEAVES), merkle.inclusion_ranges(index, size)) == unhex(path)
    root = bytes.fromhex(CT_ROOTS[size])
    merkle.verify_inclusion(leaf_hash(CT_LEAVES[index]), index, size, unhex(path), root)


@pytest.mark.parametrize(("old", "new", "proof"), CT_CONSISTENCY)
def test_consistency_proofs_of_certificate_transparency(old: int, new: int, proof: list[str]) -> None:
    assert prove(naive.Tree(CT_LEAVES), merkle.consistency_ranges(old, new)) == unhex(proof)
    roots = unhex([CT_ROOTS[old], CT_ROOTS[new]])
    merkle.verify_consistency(old, new, unhex(proof), *roots)


# --- against the definitions --------------------------------------------------------------------------


def test_the_frontier_has_the_root_of_every_size() -> None:
    tree = merkle.Frontier()
    for size in range(701):
        assert (tree.size, tree.root()) == (size, TREE.root(size))
        assert tree.hashes == tuple(
            TREE.mth(n << level, (n + 1) << level) for level, n in merkle.subtrees(0, size)
        )
        tree.append(naive.leaf(TREE.entries[size]))


@given(st.lists(st.integers(0, 9), max_size=12))
def test_the_frontier_takes_complete_subtrees_where_one_begins(levels: list[int]) -> None:
    tree = merkle.Frontier()
    for level in levels:
        hashed = TREE.mth(tree.size, tree.size + (1 << level))
        if tree.size % (1 << level):
            with pytest.raises(ValueError, match=f"no subtree of level {level} begins at {tree.size}"):
                tree.add(level, hashed)
        else:
            tree.add(level, hashed)
        assert tree.root() == TREE.root(tree.size)


def test_a_copy_of_a_frontier_grows_by_itself() -> None:
    tree = merkle.Frontier(3, [TREE.mth(0, 2), TREE.mth(2, 3)])
    copy = tree.copy()
    copy.append(naive.leaf(TREE.entries[3]))
    assert (tree.size, tree.root()) == (3, TREE.root(3))
    assert (copy.size, copy.root()) == (4, TREE.root(4))


def test_a_frontier_of_other_than_its_hashes_is_refused() -> None:
    with pytest.raises(ValueError, match="a frontier of 3 leaves has 2 hashes, not 1"):
        merkle.Frontier(3, [bytes(32)])


def test_every_proof_of_small_trees() -> None:
    for new in range(34):
        for index in range(new):
            proof = prove(TREE, merkle.inclusion_ranges(index, new))
            assert proof == TREE.path(index, 0, new)
            merkle.verify_inclusion(naive.leaf(TREE.entries[index]), index, new, proof, TREE.root(new))
        for old in range(new + 1):
            proof = prove(TREE, merkle.consistency_ranges(old, new))
            assert proof == TREE.proof(old, new)
            merkle.verify_consistency(old, new, proof, TREE.root(old), TREE.root(new))


@given(st.data(), st.integers(1, 700) | st.integers(1, 70_000))
@settings(deadline=None)
def test_inclusion_proofs_are_those_of_the_definition(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = prove(TREE, merkle.inclusion_ranges(index, size))
    assert proof == TREE.path(index, 0, size)
    merkle.verify_inclusion(naive.leaf(TREE.entries[index]), index, size, proof, TREE.root(size))


@given(st.data(), st.integers(0, 700) | st.integers(0, 70_000))
@settings(deadline=None)
def test_consistency_proofs_are_those_of_the_definition(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(0, new))
    proof = prove(TREE, merkle.consistency_ranges(old, new))
    assert proof == TREE.proof(old, new)
    merkle.verify_consistency(old, new, proof, TREE.root(old), TREE.root(new))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3), (4, 3)])
def test_what_a_tree_has_not_cannot_be_proved(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {size} leaves has no leaf {index}"):
        merkle.inclusion_ranges(index, size)


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3), (1, 0)])
def test_no_tree_continues_a_larger_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {new} leaves is no continuation of one of {old}"):
        merkle.consistency_ranges(old, new)


# --- what was altered ---------------------------------------------------------------------------------


def altered(draw: st.DrawFn, proof: Sequence[bytes]) -> list[bytes]:
    """The proof with a bit flipped, a hash dropped, added or swapped with another, cut, or all of it gone."""
    ways = ["added", "cut", "empty"] if proof else ["added"]
    way = draw(st.sampled_from([*ways, "flipped", "dropped", "swapped"] if proof else ways))
    hashes = [*proof]
    at = draw(st.integers(0, len(proof) - 1)) if proof else 0
    if way == "flipped":
        bit = draw(st.integers(0, 255))
        hashes[at] = (int.from_bytes(hashes[at], "big") ^ 1 << bit).to_bytes(32, "big")
    elif way == "dropped":
        del hashes[at]
    elif way == "swapped":
        other = draw(st.integers(0, len(proof) - 1))
        hashes[at], hashes[other] = hashes[other], hashes[at]
    elif way == "added":
        hashes.insert(at, draw(st.sampled_from([bytes(32), hashes[at] if hashes else merkle.EMPTY_ROOT])))
    elif way == "cut":
        hashes[at] = hashes[at][:-1]
    else:
        hashes = []
    return hashes


@st.composite
def altered_inclusions(draw: st.DrawFn) -> tuple[bytes, int, int, list[bytes], bytes]:
    """What proves an inclusion, with one part of it not as it was."""
    size = draw(st.integers(1, 300))
    index = draw(st.integers(0, size - 1))
    leaf, root, proof = naive.leaf(TREE.entries[index]), TREE.root(size), TREE.path(index, 0, size)
    part = draw(st.sampled_from(["leaf", "root", "index", "proof"]))
    if part == "leaf":
        leaf = draw(st.sampled_from([naive.leaf(b"another"), TREE.entries[index], root, b"", leaf + b"\x00"]))
    elif part == "root":
        root = draw(st.sampled_from([TREE.root(size + 1), TREE.root(0), b"", root[:31]]))
    elif part == "index":
        index = draw(st.integers(-1, 301) | st.sampled_from([MOST, -MOST]))
    else:
        proof = altered(draw, proof)
    return leaf, index, size, proof, root


@given(altered_inclusions())
@settings(max_examples=1000, deadline=None)
def test_an_altered_inclusion_proof_is_refused(case: tuple[bytes, int, int, list[bytes], bytes]) -> None:
    leaf, index, size, proof, root = case
    entry_there = 0 <= index < size and leaf == naive.leaf(TREE.entries[index])
    same = entry_there and root == TREE.root(size) and proof == TREE.path(index, 0, size)
    assert proves_inclusion(leaf, index, size, proof, root) == same


@st.composite
def altered_consistencies(draw: st.DrawFn) -> tuple[int, int, list[bytes], bytes, bytes]:
    """What proves a consistency, with one part of it not as it was."""
    new = draw(st.integers(0, 300))
    old = draw(st.integers(0, new))
    proof, roots = TREE.proof(old, new), [TREE.root(old), TREE.root(new)]
    part = draw(st.sampled_from(["old root", "new root", "roots", "proof"]))
    if part == "proof":
        proof = altered(draw, proof)
    elif part == "roots":
        roots.reverse()
    else:
        roots[part == "new root"] = draw(
            st.sampled_from([TREE.root(old + 1), TREE.root(new + 1), bytes(32), b""])
        )
    return old, new, proof, *roots


@given(altered_consistencies())
@settings(max_examples=1000, deadline=None)
def test_an_altered_consistency_proof_is_refused(case: tuple[int, int, list[bytes], bytes, bytes]) -> None:
    old, new, proof, old_root, new_root = case
    same = (proof, old_root, new_root) == (TREE.proof(old, new), TREE.root(old), TREE.root(new))
    # Of the empty tree any root goes on: there is no hash that would bind the new one.
    free = old == 0 != new and not proof and old_root == TREE.root(0)
    assert proves_consistency(*case) == (same or free)


@given(st.integers(1, 64), st.integers(-1, 66), st.integers(-1, 66), st.integers(0, 63))
@settings(max_examples=1000, deadline=None)
def test_inclusion_holds_for_other_places_only_where_the_definition_has_the_same_path(
    size: int, other_index: int, other_size: int, index: int
) -> None:
    """A path alone does not tell every size (leaf 0 of 7 and of 8): the signed checkpoint does."""
    index %= size
    leaf, proof, root = naive.leaf(TREE.entries[index]), TREE.path(index, 0, size), TREE.root(size)
    said = 0 <= other_index < other_size and naive.root_of_path(leaf, other_index, other_size, proof) == root
    assert proves_inclusion(leaf, other_index, other_size, proof, root) == said
    if other_size == size and other_index != index:
        assert not said


@given(st.integers(1, 64), st.integers(0, 64), st.integers(-1, 66), st.integers(-1, 66))
@settings(max_examples=1000, deadline=None)
def test_consistency_holds_for_other_sizes_only_where_the_definition_has_the_same_proof(
    new: int, old: int, other_old: int, other_new: int
) -> None:
    old %= new + 1
    proof, old_root, new_root = TREE.proof(old, new), TREE.root(old), TREE.root(new)
    if other_old == 0 <= other_new:
        said = not proof and old_root == TREE.root(0) and (other_new > 0 or new_root == TREE.root(0))
    else:
        found = 0 < other_old <= other_new and naive.roots_of_proof(other_old, other_new, proof, old_root)
        said = found == (old_root, new_root)
    assert proves_consistency(other_old, other_new, proof, old_root, new_root) == said


@given(st.integers(2, 300), st.integers(1, 299), st.integers(0, 8))
def test_a_proof_spliced_from_two_trees_is_refused(size: int, old: int, cut: int) -> None:
    other = naive.Tree([b"other", *TREE.entries[1:size]])
    index, old = size - 1, old % (size - 1) + 1
    path, another = TREE.path(index, 0, size), other.path(index, 0, size)
    spliced = [*path[:cut], *another[cut:]]
    leaf = naive.leaf(TREE.entries[index])
    assert proves_inclusion(leaf, index, size, spliced, TREE.root(size)) == (spliced == path)
    assert proves_inclusion(leaf, index, size, spliced, other.root(size)) == (spliced == another)
    proof, another = TREE.proof(old, size), other.proof(old, size)
    assert not proves_consistency(old, size, proof, TREE.root(old), other.root(size))
    assert not proves_consistency(old, size, proof, other.root(old), other.root(size)) or proof == another
    assert not proves_consistency(old, size, proof, other.root(old), TREE.root(size))


@given(st.integers(1, MOST), st.integers(0, MOST), st.integers(0, 300), st.integers(0, 255))
def test_paths_of_sizes_that_no_test_builds(size: int, index: int, seed: int, bit: int) -> None:
    """Up to 2^63 - 1 leaves: the siblings are made up, and the root is what the definition makes of them."""
    index %= size
    leaf = naive.leaf(b"%d" % seed)
    proof = [naive.leaf(b"%d %d" % (seed, n)) for n in range(len(merkle.inclusion_ranges(index, size)))]
    assert len(proof) <= merkle.MOST_HASHES
    root = naive.root_of_path(leaf, index, size, proof)
    assert root is not None
    merkle.verify_inclusion(leaf, index, size, proof, root)
    assert not proves_inclusion(leaf, index ^ 1, size, proof, root)
    assert not proves_inclusion(leaf, index, size, proof[:-1], root) or size == 1
    wrong = (int.from_bytes(root, "big") ^ 1 << bit).to_bytes(32, "big")
    assert not proves_inclusion(leaf, index, size, proof, wrong)


MESSAGES = {
    "index": (
        lambda p, r: merkle.verify_inclusion(p[0], 5, 5, p, r),
        "expected an index below the size 5, got 5",
    ),
    "many": (
        lambda p, r: merkle.verify_inclusion(p[0], 0, 5, p * 3, r),
        "9 hashes are more than leaf 0 of 5 has",
    ),
    "few": (
        lambda p, r: merkle.verify_inclusion(p[0], 0, 5, p[1:], r),
        "2 hashes are fewer than leaf 0 of 5 has",
    ),
    "root": (
        lambda p, r: merkle.verify_inclusion(p[0], 1, 5, p, r),
        f"expected the root {TREE.root(5).hex()}, got",
    ),
    "too many": (
        lambda p, r: merkle.verify_inclusion(p[0], 0, 5, p * 22, r),
        "expected at most 63 hashes, got 66",
    ),
    "length": (lambda p, r: merkle.verify_inclusion(p[0], 0, 5, [b"x"], r), "of 32 bytes, got one of 1"),
    "old size": (lambda p, r: merkle.verify_consistency(6, 5, p, r, r), "expected an old size up to 5, got 6"),
    "no old size": (
        lambda p, r: merkle.verify_consistency(-1, 5, p, r, r),
        "expected an old size up to 5, got -1",
    ),
    "too many old": (lambda p, r: merkle.verify_consistency(3, 5, p * 22, r, r), "at most 63 hashes, got 66"),
    "old length": (lambda p, r: merkle.verify_consistency(3, 5, [b"x"], r, r), "of 32 bytes, got one of 1"),
    "none asked": (
        lambda p, r: merkle.verify_consistency(5, 5, p, r, r),
        "expected no hash from size 5 to 5, got 3",
    ),
    "same size": (
        lambda p, r: merkle.verify_consistency(5, 5, [], p[0], r),
        f"expected the root {TREE.root(5).hex()}",
    ),
    "empty": (
        lambda p, r: merkle.verify_consistency(0, 0, [], merkle.EMPTY_ROOT, r),
        "expected the root e3b0c442",
    ),
    "nothing": (
        lambda p, r: merkle.verify_consistency(3, 5, [], r, r),
        "no hash is fewer than from size 3 to 5",
    ),
    "fewer": (lambda p, r: merkle.verify_consistency(2, 5, p[:1], r, r), "1 hashes are fewer than from 2 to 5"),
    "more": (lambda p, r: merkle.verify_consistency(2, 5, p, r, r), "3 hashes are more than from 2 to 5"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_failures_say_what_was_expected(name: str) -> None:
    run, message = MESSAGES[name]
    with pytest.raises(ProofFailed, match=message):
        run(TREE.path(0, 0, 5), TREE.root(5))
