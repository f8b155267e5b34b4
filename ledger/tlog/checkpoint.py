"""Checkpoints (C2SP tlog-checkpoint): a log's origin, size and root, signed; here exactly these three lines."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.errors import CodecError, Untrusted
from ledger.tlog.chain import HASH_LENGTH
from ledger.tlog.note import ED25519, Note, Signed, SigningKey, VerifierKey, decode_base64

MOST_SIZE = (1 << 63) - 1
_TEXT_LINES = 3
_MOST_DIGITS = len(str(MOST_SIZE))


class Checkpoint(NamedTuple):
    """What a log says of itself: its origin, how many entries it has, the root of their tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint of a note's text. Raises CodecError."""
        lines = text.split("\n")
        if len(lines) != _TEXT_LINES + 1 or not all(lines[:-1]) or lines[-1]:
            got = f"{len(lines) - 1}, {lines[:-1].count('')} of them empty"
            raise CodecError(f"checkpoint: expected three lines that are not empty, got {got}")
        origin, size, root = lines[:-1]
        found = cls(origin, parse_size(size, "checkpoint: size"), decode_base64(root, "checkpoint: root"))
        if len(found.root) != HASH_LENGTH:
            raise CodecError(f"checkpoint: expected a root of {HASH_LENGTH} bytes, got {len(found.root)}")
        return found


class SignedCheckpoint(NamedTuple):
    """A checkpoint whose log's signature was verified, its note, and which trusted keys signed it."""

    checkpoint: Checkpoint
    note: Note
    signed: Sequence[Signed]


def sign(checkpoint: Checkpoint, keys: Iterable[SigningKey]) -> Note:
    """The note of a checkpoint, signed by the log's keys, each of which carries the origin as its name.

    Raises CodecError for what no one could open: what is signed is parsed first.
    """
    Checkpoint.parse(checkpoint.text)
    return sign_as(checkpoint.origin, checkpoint.text, keys)


def sign_as(origin: str, text: str, keys: Iterable[SigningKey]) -> Note:
    """The note of what a log says, by its keys. Raises ValueError for a key that is not of this origin."""
    lines: list[str] = []
    for key in keys:
        if key.verifier.kind != ED25519 or key.verifier.name != origin:
            raise ValueError(f"a checkpoint or receipt of {origin} is signed by its log, not by {key}")
        lines.append(key.sign(text))
    return Note.parse(f"{text}\n{''.join(lines)}".encode())


def require_log(what: str, origin: str, signed: Iterable[Signed]) -> None:
    """Raises Untrusted where none of the keys that signed is of the log: a witness alone says nothing."""
    if not any(each.key.kind == ED25519 and each.key.name == origin for each in signed):
        names = ", ".join(sorted({each.key.name for each in signed}))
        raise Untrusted(f"{what}: expected a trusted key of {origin!r} to sign it, got {names}")


def open_checkpoint(data: bytes, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
    """The checkpoint of a note that a trusted key of its log signed.

    ``keys``: of logs (named as their origin) and witnesses. Steps: (1) the note parses; (2) the signatures of
    trusted keys hold; (3) one is of the log that it names; (4) the text is a checkpoint. Raises CodecError,
    Untrusted. Left to the caller: that it goes on from what was seen before, and whether enough witnesses
    signed.
    """
    note = Note.parse(data)
    signed = note.verify(keys)
    found = Checkpoint.parse(note.text)
    require_log("checkpoint", found.origin, signed)
    return SignedCheckpoint(found, note, signed)


def parse_size(text: str, what: str) -> int:
    """A size or index in decimal, without leading zeros. Raises CodecError naming ``what``."""
    if not (text.isascii() and text.isdecimal()) or (text[0] == "0" and text != "0"):
        raise CodecError(f"{what}: expected a decimal number without leading zeros, got {text[:40]!r}")
    # The length first: Python refuses to read thousands of digits, and takes its time for fewer.
    if len(text) > _MOST_DIGITS or int(text) > MOST_SIZE:
        raise CodecError(f"{what}: expected at most {MOST_SIZE}, got {text[:40]}")
    return int(text)
