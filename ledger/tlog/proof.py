"""Proofs as files: inclusion (C2SP tlog-proof), consistency (the body of C2SP tlog-witness add-checkpoint)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import CodecError, ProofFailed
from ledger.tlog import merkle
from ledger.tlog.chain import HASH_LENGTH, leaf_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, parse_size
from ledger.tlog.note import Note, VerifierKey, decode_base64

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an entry stands at an index of a log: the hashes from its sibling up, and the log's checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note, as it is."""

    def __bytes__(self) -> bytes:
        head = f"{_FIRST_LINE}\nindex {self.index}\n" + _lines(self.hashes)
        return head.encode() + b"\n" + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> InclusionProof:
        """The proof of a ``.tlog-proof`` file without a line ``extra``: we write none. Raises CodecError."""
        lines, checkpoint = _head(data, "proof")
        if lines[0] != _FIRST_LINE:
            raise CodecError(f"proof: expected the first line {_FIRST_LINE}, got {lines[0][:40]!r}")
        if len(lines) < 2 or not lines[1].startswith("index "):
            raise CodecError("proof: expected a second line 'index N'")
        index = parse_size(lines[1].removeprefix("index "), "proof: index")
        return cls(index, _hashes(lines[2:], "proof"), checkpoint)

    def verify(self, entry: bytes, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
        """Checks that the log signed a tree in which ``entry`` (its bytes) stands at ``index``.

        Steps: (1) the checkpoint is signed by a trusted key of its log; (2) the entry's leaf hash, folded with
        the proof's hashes, is its root. Raises CodecError, Untrusted, ProofFailed. Left to the caller: whether
        enough witnesses signed (``SignedCheckpoint.signed``), and that the entry says that index.
        """
        signed = open_checkpoint(self.checkpoint, keys)
        said = signed.checkpoint
        merkle.verify_inclusion(leaf_hash(entry), self.index, said.size, self.hashes, said.root)
        return signed


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That a log's checkpoint goes on from the tree of an earlier size."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note of the later tree, as it is."""

    def __bytes__(self) -> bytes:
        return f"old {self.old}\n{_lines(self.hashes)}\n".encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> ConsistencyProof:
        """The proof of such a body. Raises CodecError."""
        lines, checkpoint = _head(data, "consistency proof")
        if not lines[0].startswith("old "):
            raise CodecError(f"consistency proof: expected a first line 'old N', got {lines[0][:40]!r}")
        old = parse_size(lines[0].removeprefix("old "), "consistency proof: old size")
        return cls(old, _hashes(lines[1:], "consistency proof"), checkpoint)

    def verify(self, before: Checkpoint, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
        """Checks that the log signed a tree that begins with the one of ``before``, seen earlier.

        Steps: (1) the checkpoint is signed by a trusted key of its log; (2) it is the log of ``before``;
        (3) the hashes lead from the one root to the other. Raises CodecError, Untrusted, ProofFailed.
        """
        signed = open_checkpoint(self.checkpoint, keys)
        said = signed.checkpoint
        if said.origin != before.origin:
            raise ProofFailed(f"consistency: expected the log {before.origin!r}, got {said.origin!r}")
        if self.old != before.size:
            raise ProofFailed(f"consistency: expected a proof from size {before.size}, got one from {self.old}")
        merkle.verify_consistency(before.size, said.size, self.hashes, before.root, said.root)
        return signed


def compared(before: Checkpoint, shown: Iterable[Checkpoint]) -> bool:
    """Whether a checkpoint that was believed before is among those that are shown to be of one history.

    Of another log, or where none is of its size, nothing is known: False. Raises ProofFailed where one of its
    size has another root.
    """
    found = False
    for each in shown:
        if (each.origin, each.size) != (before.origin, before.size):
            continue
        if each.root != before.root:
            raise ProofFailed(
                f"{before.origin}: another tree of {before.size} entries was seen before, with the root "
                f"{before.root.hex()}: two histories are shown"
            )
        found = True
    return found


def _head(data: bytes, what: str) -> tuple[list[str], bytes]:
    """The lines before the first empty one, and the note behind it."""
    head, blank, note = data.partition(b"\n\n")
    if not blank:
        raise CodecError(f"{what}: expected lines, an empty line and a checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise CodecError(f"{what}: expected lines of ASCII before the checkpoint") from error
    Checkpoint.parse(Note.parse(note).text)
    return lines, note


def _hashes(lines: Sequence[str], what: str) -> tuple[bytes, ...]:
    if len(lines) > merkle.MOST_HASHES:
        raise CodecError(f"{what}: expected at most {merkle.MOST_HASHES} hashes, got {len(lines)}")
    hashes = tuple(decode_base64(line, f"{what}: hash") for line in lines)
    for each in hashes:
        if len(each) != HASH_LENGTH:
            raise CodecError(f"{what}: expected hashes of {HASH_LENGTH} bytes, got one of {len(each)}")
    return hashes


def _lines(hashes: Iterable[bytes]) -> str:
    return "".join(base64.b64encode(each).decode() + "\n" for each in hashes)
