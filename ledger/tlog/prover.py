"""Proofs from a log's tiles, at the checkpoint that it published: nothing else is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ledger.errors import CodecError, Incomplete, InvalidInput, NotFound, ProofFailed
from ledger.tlog.chain import leaf_hash
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import (
    EMPTY_ROOT,
    Subtree,
    consistency_ranges,
    fold,
    inclusion_ranges,
    prove,
    subtrees,
    verify_consistency,
    verify_inclusion,
)
from ledger.tlog.note import Note
from ledger.tlog.proof import ConsistencyProof, InclusionProof
from ledger.tlog.tiles import HEIGHT, WIDTH, ReadTile, bundle_at, hashes_of, unbundle

_MOST = 10_000
"""Hashes of subtrees that are kept from one proof to the next."""


class Prover:
    """What can be proven of a log at one checkpoint.

    ``read`` gives tiles, ``note`` is the checkpoint as published. Neither is believed or checked here: a proof
    made of altered tiles fails where it is verified; who hands proofs out takes them from ``included`` and
    ``continued``. Raises CodecError for a note that is none.
    """

    def __init__(self, read: ReadTile, note: bytes) -> None:
        self._read = read
        self._note = note
        self._kept: dict[Subtree, bytes] = {}
        self.checkpoint = Checkpoint.parse(Note.parse(note).text)

    def entry(self, index: int) -> bytes:
        """The bytes of an entry. Raises NotFound behind the checkpoint, CodecError."""
        self.reached(index)
        tile = bundle_at(index // WIDTH, self.checkpoint.size)
        return unbundle(tile, self._read(tile))[index % WIDTH]

    def inclusion(self, index: int) -> InclusionProof:
        """That the entry of this index is in the tree. Raises NotFound behind the checkpoint, CodecError."""
        self.reached(index)
        hashes = prove(inclusion_ranges(index, self.checkpoint.size), self._hashes_of)
        return InclusionProof(index, tuple(hashes), self._note)

    def consistency(self, old: int) -> ConsistencyProof:
        """That the tree goes on from the one of ``old`` leaves. Raises InvalidInput, CodecError."""
        size = self.checkpoint.size
        if not 0 <= old <= size:
            raise InvalidInput("old", f"a size from 0 to {size}, which is the last checkpoint's", old)
        return ConsistencyProof(old, tuple(prove(consistency_ranges(old, size), self._hashes_of)), self._note)

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves, not 0, by the tiles. Raises InvalidInput, CodecError."""
        if not 0 < size <= self.checkpoint.size:
            raise InvalidInput("size", f"from 1 to {self.checkpoint.size}", size)
        return fold(self._hashes_of(subtrees(0, size)))

    def _hashes_of(self, wanted: Sequence[Subtree]) -> list[bytes]:
        kept = self._kept
        missing = [each for each in wanted if each not in kept]
        found = dict(zip(missing, hashes_of(missing, self.checkpoint.size, self._read), strict=True))
        hashes = [found[each] if each in found else kept[each] for each in wanted]
        if len(kept) > _MOST:
            kept.clear()
        # Those above the lowest tiles are in the proofs of 256 entries and more.
        kept.update((each, hashed) for each, hashed in found.items() if each[0] >= HEIGHT)
        return hashes

    def reached(self, index: int) -> None:
        """Checks that the checkpoint covers an entry. Raises NotFound."""
        size = self.checkpoint.size
        if not 0 <= index < size:
            raise NotFound(f"{self.checkpoint.origin}: entry {index} is not in the last checkpoint, of {size}")


def included(prover: Prover, index: int) -> tuple[InclusionProof, bytes]:
    """A proof that an entry is in the tree, and the entry's bytes, fit to be handed out: the one leads from the
    other to the checkpoint's root.

    Raises NotFound behind the checkpoint; ProofFailed where the files are altered or gone, unless ``read`` says
    Incomplete of the latter. Left to the caller: that the checkpoint is signed.
    """
    prover.reached(index)
    said = prover.checkpoint
    with _leading(said):
        proof, entry = prover.inclusion(index), prover.entry(index)
        verify_inclusion(leaf_hash(entry), index, said.size, proof.hashes, said.root)
    return proof, entry


def continued(prover: Prover, old: int) -> ConsistencyProof:
    """A proof that the tree goes on from the one of ``old`` leaves, fit to be handed out: it leads to the root
    of the checkpoint. Raises InvalidInput, ProofFailed; left to the caller as of ``included``."""
    said = prover.checkpoint
    with _leading(said):
        proof = prover.consistency(old)
        before = prover.root(old) if old else EMPTY_ROOT
        verify_consistency(old, said.size, proof.hashes, before, said.root)
    return proof


@contextmanager
def _leading(said: Checkpoint) -> Iterator[None]:
    """What is altered, cut or gone in here is a fault of what is published; whose reader says which files are
    gone, and of which entries, has said more."""
    try:
        yield
    except Incomplete:
        raise
    except (CodecError, NotFound, ProofFailed) as error:
        raise ProofFailed(
            f"{said.origin}: the published files do not lead to the checkpoint of {said.size} entries: {error}"
        ) from error
