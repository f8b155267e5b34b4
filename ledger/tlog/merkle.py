"""The Merkle tree of RFC 6962 section 2.1: node hashes, roots, inclusion and consistency proofs.

No store: whoever proves passes what looks a hash up. A subtree is named by its level and its index in that
level: subtree (level, n) has the leaves [n · 2^level, (n + 1) · 2^level), all of them there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from ledger.errors import ProofFailed
from ledger.tlog.chain import HASH_LENGTH

EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves (RFC 6962 section 2.1)."""
MOST_HASHES = 63
"""Most hashes of a proof: no leaf below size 2^63 has more, and C2SP tlog-witness lets none send more."""

Subtree = tuple[int, int]
"""(level, index) of a complete subtree."""
HashesOf = Callable[[Sequence[Subtree]], Sequence[bytes]]
"""The hashes of subtrees, in the order asked."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 ‖ left ‖ right): the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the hashes of the complete subtrees that its leaves fall into.

    One hash for each bit of the size that is set, largest subtree first; all that is needed to add leaves and
    to tell the root (a compact range that begins at 0).
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._hashes = [*hashes]
        if len(self._hashes) != size.bit_count():
            raise ValueError(
                f"a frontier of {size} leaves has {size.bit_count()} hashes, not {len(self._hashes)}"
            )

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes, largest subtree first."""
        return tuple(self._hashes)

    def copy(self) -> Frontier:
        """One that grows by itself."""
        return Frontier(self.size, self._hashes)

    def append(self, leaf: bytes) -> None:
        """Adds a leaf, by its leaf hash."""
        self.add(0, leaf)

    def add(self, level: int, subtree: bytes) -> None:
        """Adds a complete subtree of 2^level leaves; the size must be a multiple of that."""
        hashes, size = self._hashes, self.size >> level
        if size << level != self.size:
            raise ValueError(f"no subtree of level {level} begins at {self.size}")
        while size & 1:
            subtree = sha256(b"\x01" + hashes.pop() + subtree).digest()
            size >>= 1
        hashes.append(subtree)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return fold(self._hashes) if self._hashes else EMPTY_ROOT


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over neighbouring subtrees, largest first: the rightmost two join first (RFC 6962 2.1)."""
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = sha256(b"\x01" + left + found).digest()
    return found


def complete(hashes: Sequence[bytes]) -> bytes:
    """The hash of a complete subtree from the hashes of as many equal parts: 1, 2, 4, …"""
    while len(hashes) > 1:
        hashes = [sha256(b"\x01" + hashes[at] + hashes[at + 1]).digest() for at in range(0, len(hashes), 2)]
    return hashes[0]


def subtrees(start: int, end: int) -> list[Subtree]:
    """The complete subtrees that the leaves [start, end) fall into, from left to right.

    ``start`` must be where a subtree of so many leaves can begin, as it is in every proof.
    """
    found: list[Subtree] = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


# --- proving ------------------------------------------------------------------------------------------


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose hashes prove that leaf ``index`` is in a tree of ``size`` leaves.

    PATH(m, D[n]) of RFC 6962 section 2.1.1, from the leaf's sibling to the root's child.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    ranges: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose hashes prove that the first ``old`` of ``new`` leaves are as they were.

    PROOF(m, D[n]) of RFC 6962 section 2.1.2; none for ``old`` 0 or ``new``.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves is no continuation of one of {old}")
    if old in (0, new):
        return []
    ranges: list[tuple[int, int]] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def prove(ranges: Sequence[tuple[int, int]], hashes_of: HashesOf) -> list[bytes]:
    """The hashes of ranges of leaves, from those of the complete subtrees that they fall into."""
    parts = [subtrees(start, end) for start, end in ranges]
    found = iter(hashes_of([part for each in parts for part in each]))
    return [fold([next(found) for _ in each]) for each in parts]


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


# --- verifying ----------------------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Checks that ``leaf`` (a leaf hash) stands at ``index`` in the tree of that size and root.

    RFC 9162 section 2.1.3.2. Raises ProofFailed. Left to the caller: that root and size are signed.
    """
    if not 0 <= index < size:
        raise ProofFailed(f"inclusion: expected an index below the size {size}, got {index}")
    _check_hashes("inclusion", proof)
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofFailed(f"inclusion: {len(proof)} hashes are more than leaf {index} of {size} has")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofFailed(f"inclusion: {len(proof)} hashes are fewer than leaf {index} of {size} has")
    if found != root:
        raise ProofFailed(f"inclusion: expected the root {root.hex()}, got {found.hex()}")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Checks that the tree of size ``new`` begins with the one of size ``old``.

    RFC 9162 section 2.1.4.2, and of an empty old tree: its root is SHA-256(""), and anything goes on from it
    without a hash. Raises ProofFailed. Left to the caller: that both roots and sizes are signed.
    """
    if not 0 <= old <= new:
        raise ProofFailed(f"consistency: expected an old size up to {new}, got {old}")
    _check_hashes("consistency", proof)
    if old in (0, new):
        if proof:
            raise ProofFailed(f"consistency: expected no hash from size {old} to {new}, got {len(proof)}")
        expected = EMPTY_ROOT if old == 0 else new_root
        if old_root != expected:
            raise ProofFailed(f"consistency: expected the root {expected.hex()} of {old}, got {old_root.hex()}")
        if new == 0 and new_root != EMPTY_ROOT:
            raise ProofFailed(f"consistency: expected the root {EMPTY_ROOT.hex()} of 0, got {new_root.hex()}")
        return
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path:
        raise ProofFailed(f"consistency: no hash is fewer than from size {old} to {new} are needed")
    was = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofFailed(f"consistency: {len(proof)} hashes are more than from {old} to {new} are needed")
        if at & 1 or at == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofFailed(f"consistency: {len(proof)} hashes are fewer than from {old} to {new} are needed")
    if was != old_root:
        raise ProofFailed(f"consistency: expected the root {old_root.hex()} of {old}, got {was.hex()}")
    if now != new_root:
        raise ProofFailed(f"consistency: expected the root {new_root.hex()} of {new}, got {now.hex()}")


def _check_hashes(what: str, proof: Sequence[bytes]) -> None:
    if len(proof) > MOST_HASHES:
        raise ProofFailed(f"{what}: expected at most {MOST_HASHES} hashes, got {len(proof)}")
    for each in proof:
        if len(each) != HASH_LENGTH:
            raise ProofFailed(f"{what}: expected hashes of {HASH_LENGTH} bytes, got one of {len(each)}")
