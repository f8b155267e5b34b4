"""Signed receipts: what a ledger promises of an entry before it is sealed (4-wire 'Receipts').

A signed note (C2SP signed-note) of six lines: ``ledger.v1.Receipt``, origin, index, leaf hash in base64, when
the entry got its place, by when a proof of it can be had. The ledger's key signs it as it signs checkpoints;
nothing that reads checkpoints takes one for the other: their first line is an origin, their second a number.

Whoever holds one and gets no proof by then, or a proof of other bytes at that index, holds evidence.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger.errors import CodecError, ProofFailed
from ledger.tlog.chain import HASH_LENGTH
from ledger.tlog.checkpoint import parse_size, require_log, sign_as
from ledger.tlog.note import Note, SigningKey, VerifierKey, check_name, decode_base64

KIND = "ledger.v1.Receipt"
_TEXT_LINES = 6


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """What is promised: the entry of this leaf hash stands at this index, and a proof can be had in time."""

    origin: str
    index: int
    leaf: bytes
    recorded_at: datetime
    """When it got its place, by the writer's clock (UTC)."""
    proof_by: datetime
    """From then on a proof can be had (UTC)."""

    @property
    def text(self) -> str:
        """The six lines that are signed."""
        leaf = base64.b64encode(self.leaf).decode()
        times = f"{_moment(self.recorded_at)}\n{_moment(self.proof_by)}\n"
        return f"{KIND}\n{self.origin}\n{self.index}\n{leaf}\n{times}"

    @classmethod
    def parse(cls, text: str) -> SignedReceipt:
        """The receipt of a note's text. Raises CodecError."""
        lines = text.split("\n")
        if len(lines) != _TEXT_LINES + 1 or lines[0] != KIND or lines[-1]:
            raise CodecError(f"receipt: expected {_TEXT_LINES} lines, the first {KIND}, got {lines[0][:40]!r}")
        leaf = decode_base64(lines[3], "receipt: leaf hash")
        if len(leaf) != HASH_LENGTH:
            raise CodecError(f"receipt: expected a leaf hash of {HASH_LENGTH} bytes, got {len(leaf)}")
        return cls(
            check_name(lines[1]),
            parse_size(lines[2], "receipt: index"),
            leaf,
            _parse_moment(lines[4], "receipt: recorded at"),
            _parse_moment(lines[5], "receipt: proof by"),
        )

    def sign(self, keys: Iterable[SigningKey]) -> Note:
        """The note of it, by the ledger's keys."""
        return sign_as(self.origin, self.text, keys)

    def kept(self, origin: str, index: int, leaf: bytes) -> None:
        """Checks that what a proof has shown of a ledger is what was promised of it.

        Steps: (1) it is of the ledger that signed the receipt; (2) index and leaf hash are those of the
        receipt. Raises ProofFailed where the promise is broken. Left to the caller: that the proof holds.
        """
        if origin != self.origin:
            raise ProofFailed(f"receipt: it is of {self.origin!r}, the proof of {origin!r}")
        self.stands(index, leaf)

    def stands(self, index: int, leaf: bytes) -> None:
        """(2). Raises ProofFailed."""
        if index != self.index:
            raise ProofFailed(f"receipt: it is of entry {self.index}, the proof of entry {index}")
        if leaf != self.leaf:
            raise ProofFailed(
                f"receipt: BROKEN: {self.origin} promised entry {self.index} with the leaf hash "
                f"{self.leaf.hex()}, and shows one with {leaf.hex()}; the receipt is evidence of it"
            )

    def due(self, size: int, now: datetime) -> None:
        """Checks that a promise whose time has come was kept by a ledger that has sealed ``size`` entries.

        Raises ProofFailed.
        """
        if size <= self.index and now >= self.proof_by:
            raise ProofFailed(
                f"receipt: BROKEN: {self.origin} promised a proof of entry {self.index} by "
                f"{_moment(self.proof_by)}, and has sealed {size} entries; the receipt is evidence of it"
            )


def open_receipt(data: bytes, keys: Iterable[VerifierKey]) -> SignedReceipt:
    """The receipt of a note that a trusted key of its ledger signed.

    Steps: (1) the note parses; (2) the signatures of trusted keys hold; (3) the text is a receipt; (4) one of
    the keys is of the ledger that it names. Raises CodecError, Untrusted. Left to the caller: whether what it
    promises is kept.
    """
    note = Note.parse(data)
    signed = note.verify(keys)
    found = SignedReceipt.parse(note.text)
    require_log("receipt", found.origin, signed)
    return found


def _moment(moment: datetime) -> str:
    """RFC 3339, in UTC, with microseconds: the one form that is read again."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _parse_moment(text: str, what: str) -> datetime:
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise CodecError(
            f"{what}: expected a moment as 2026-03-02T23:15:09.871244Z, got {text[:40]!r}"
        ) from error
    if _moment(found) != text:
        raise CodecError(f"{what}: expected a moment as 2026-03-02T23:15:09.871244Z, got {text[:40]!r}")
    return found
