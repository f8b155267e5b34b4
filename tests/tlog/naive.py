"""The Merkle tree as RFC 6962 section 2.1 defines it, word for word and slowly: what the fast code is held to.

Nothing here comes from ``ledger``: hashing, proving and verifying are written out of the definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf(entry: bytes) -> bytes:
    """MTH({d(0)}) = SHA-256(0x00 || d(0))."""
    return sha256(b"\x00" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def k_of(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Tree:
    """The trees over the first n of these entries; hashes are kept, as otherwise 70,000 leaves take minutes."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = entries
        self._kept: dict[tuple[int, int], bytes] = {}

    def mth(self, start: int, end: int) -> bytes:
        """MTH(D[start:end])."""
        n = end - start
        if n == 0:
            return sha256(b"").digest()
        if n == 1:
            return leaf(self.entries[start])
        if (start, end) not in self._kept:
            k = k_of(n)
            self._kept[start, end] = node(self.mth(start, start + k), self.mth(start + k, end))
        return self._kept[start, end]

    def root(self, n: int) -> bytes:
        """MTH(D[n])."""
        return self.mth(0, n)

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        """PATH(m, D[start:end]), section 2.1.1."""
        n = end - start
        if n == 1:
            return []
        k = k_of(n)
        if m < k:
            return [*self.path(m, start, start + k), self.mth(start + k, end)]
        return [*self.path(m - k, start + k, end), self.mth(start, start + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """PROOF(m, D[n]), section 2.1.2; of m = 0, which it leaves open, nothing."""
        return self.subproof(m, 0, n, True) if m else []

    def subproof(self, m: int, start: int, end: int, whole: bool) -> list[bytes]:
        """SUBPROOF(m, D[start:end], b), section 2.1.2."""
        n = end - start
        if m == n:
            return [] if whole else [self.mth(start, end)]
        k = k_of(n)
        if m <= k:
            return [*self.subproof(m, start, start + k, whole), self.mth(start + k, end)]
        return [*self.subproof(m - k, start + k, end, False), self.mth(start, start + k)]


def root_of_path(hashed: bytes, m: int, n: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path of PATH(m, D[n]) leads to; None where it has other than as many hashes as that."""
    if n == 1:
        return None if path else hashed
    if not path:
        return None
    k, last = k_of(n), path[-1]
    if m < k:
        below = root_of_path(hashed, m, k, path[:-1])
        return None if below is None else node(below, last)
    below = root_of_path(hashed, m - k, n - k, path[:-1])
    return None if below is None else node(last, below)


def roots_of_proof(
    m: int, n: int, proof: Sequence[bytes], old_root: bytes, whole: bool = True
) -> tuple[bytes, bytes] | None:
    """Both roots that SUBPROOF(m, D[n], b) leads to, old and new; None as above."""
    if m == n:
        if whole:
            return None if proof else (old_root, old_root)
        return (proof[0], proof[0]) if len(proof) == 1 else None
    if not proof:
        return None
    k, last = k_of(n), proof[-1]
    if m <= k:
        below = roots_of_proof(m, k, proof[:-1], old_root, whole)
        return below and (below[0], node(below[1], last))
    below = roots_of_proof(m - k, n - k, proof[:-1], old_root, False)
    return below and (node(last, below[0]), node(last, below[1]))


def entries(count: int) -> list[bytes]:
    """Entries of some bytes each, all different."""
    return [b"entry %d" % index for index in range(count)]


TREE = Tree(entries(70_000))
"""The tree that the tests share: what one of them had hashed, the next has."""
