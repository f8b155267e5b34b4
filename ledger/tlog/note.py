"""Signed notes (C2SP signed-note) by Ed25519 keys, and witnesses' cosignatures (C2SP tlog-cosignature, v1).

A note is text and lines of signatures. Whoever opens one gives the keys that they trust; what other keys signed
says nothing and is passed over.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import CodecError, Untrusted

ED25519 = 0x01
"""Signature type of a log's key: Ed25519 over the text."""
COSIGNATURE = 0x04
"""Signature type of a witness's key: Ed25519 over a line of time and the text."""
MOST_BYTES = 1 << 20
MOST_SIGNATURES = 100
"""Signature lines that a note may have; C2SP asks that 16 be taken."""
LAST_TIME = (1 << 63) - 1
_KEY_BYTES = 32
_ID_BYTES = 4
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
_NAME = "text without spaces, plus signs and control characters"
_PRIVATE = "PRIVATE+KEY+"
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
# Half of a surrogate pair stands where a file's or a shell's bytes were no UTF-8, and has no UTF-8 itself.
_NO_NAME = re.compile("[\x00-\x20\\s+\ud800-\udfff]")


def check_name(name: str) -> str:
    """A key's name: not empty, no space of Unicode, no plus sign, no control character. Raises CodecError."""
    if not _is_name(name):
        raise CodecError(f"key name: expected {_NAME}, got {name[:80]!r}")
    return name


def _is_name(name: str) -> bool:
    return bool(name) and _NO_NAME.search(name) is None


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """First 4 bytes of SHA-256(name ‖ 0A ‖ signature type ‖ public key)."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:_ID_BYTES]


@dataclass(frozen=True)
class VerifierKey:
    """A key that signatures are verified with: its name, signature type, and 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @cached_property
    def id(self) -> bytes:
        """The 4 bytes that a signature names it by."""
        return key_id(self.name, self.kind, self.public)

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.public)

    def __str__(self) -> str:
        key = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key of ``name+8 hex digits+base64``, in a file perhaps with a newline. Raises CodecError.

        That the 32 bytes are a point of the curve is not looked at: no signature holds by others.
        """
        text = text.strip()
        name, identity, kind, public = _parse_key(text, f"verifier key {text[:80]!r}")
        key = cls(name, kind, public)
        if identity != key.id:
            raise CodecError(f"verifier key {name}: expected the id {key.id.hex()}, got {identity.hex()}")
        return key

    def verify(self, text: str, signature: bytes) -> int | None:
        """Checks a signature of ``text``; gives the time that a cosignature states (seconds since 1970).

        Raises Untrusted where it is not this key's.
        """
        time: int | None = None
        signed = text.encode()
        if self.kind == COSIGNATURE:
            time = int.from_bytes(signature[:_TIME_BYTES], "big")
            if time > LAST_TIME:
                raise Untrusted(f"the signature of {self.name}: expected a time below 2^63, got {time}")
            signature, signed = signature[_TIME_BYTES:], cosigned(text, time)
        if len(signature) != _SIGNATURE_BYTES:
            before = "" if time is None else f" behind {_TIME_BYTES} of time"
            got = f"expected {_SIGNATURE_BYTES} bytes{before}, got {len(signature)}"
            raise Untrusted(f"the signature of {self.name}: {got}")
        try:
            self._key.verify(signature, signed)
        except InvalidSignature as error:
            raise Untrusted(f"the signature of {self.name} ({self.id.hex()}) is not of this text") from error
        return time


def cosigned(text: str, time: int) -> bytes:
    """What a witness signs of a checkpoint's text at a time (C2SP tlog-cosignature)."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


class SigningKey:
    """A key that signs notes; its text is kept secret, in a file that no one else reads."""

    def __init__(self, name: str, kind: int, secret: bytes) -> None:
        self._secret = secret
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.verifier = VerifierKey(check_name(name), kind, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier})"

    @classmethod
    def generate(cls, name: str, kind: int = ED25519) -> SigningKey:
        """A new key."""
        return cls(name, kind, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """The key of ``secret_text``. Raises CodecError, which never repeats what it was given."""
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise CodecError(f"signing key: expected text that begins with {_PRIVATE}, got other text")
        name, identity, kind, secret = _parse_key(text.removeprefix(_PRIVATE), "signing key")
        key = cls(name, kind, secret)
        if identity != key.verifier.id:
            raise CodecError("signing key: expected the id of its bytes, got another")
        return key

    @property
    def secret(self) -> bytes:
        """Its 32 bytes, for who splits it into recovery shares."""
        return self._secret

    @property
    def secret_text(self) -> str:
        """``PRIVATE+KEY+name+id+base64``, as Go's sumdb/note writes it."""
        key = base64.b64encode(bytes([self.verifier.kind]) + self._secret).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.id.hex()}+{key}"

    def sign(self, text: str, time: int | None = None) -> str:
        """The signature line of ``text``; a cosignature states ``time`` (seconds since 1970, below 2^63)."""
        if (time is None) == (self.verifier.kind == COSIGNATURE):
            raise ValueError("a cosignature states a time, and nothing else does")
        # C2SP tlog-witness: none states the time 0; tlog-cosignature: nor one of 2^63 and later.
        if time is not None and not 0 < time <= LAST_TIME:
            raise ValueError(f"a cosignature states a time from 1 to {LAST_TIME}, not {time}")
        if time is None:
            signature = self._key.sign(text.encode())
        else:
            signature = time.to_bytes(_TIME_BYTES, "big") + self._key.sign(cosigned(text, time))
        return str(SignatureLine(self.verifier.name, self.verifier.id, signature))


def _parse_key(text: str, what: str) -> tuple[str, bytes, int, bytes]:
    """Name, id, signature type and bytes of a key's text; that they belong together is the caller's to check.

    Raises CodecError naming ``what`` and nothing of the text: where it is a secret in disorder, any part of it
    may be what is secret.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise CodecError(f"{what}: expected name+id+key, got {len(parts)} parts")
    name, identity, encoded = parts
    if not _is_name(name):
        raise CodecError(f"{what}: expected as its name {_NAME}")
    if re.fullmatch("[0-9a-f]{8}", identity) is None:
        raise CodecError(f"{what}: expected an id of 8 hexadecimal digits, got {len(identity)} characters")
    raw = decode_base64(encoded, what)
    if len(raw) != 1 + _KEY_BYTES:
        raise CodecError(f"{what}: expected a type and {_KEY_BYTES} bytes, got {len(raw)} bytes")
    if raw[0] not in (ED25519, COSIGNATURE):
        raise CodecError(f"{what}: expected type 01 or 04, got {raw[0]:02x}")
    return name, bytes.fromhex(identity), raw[0], raw[1:]


class SignatureLine(NamedTuple):
    """One signature of a note: name and id of the key, and what the key made."""

    name: str
    id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.id + self.signature).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> SignatureLine:
        """The signature of a line without its newline. Raises CodecError."""
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—":
            raise CodecError(f"note: expected a signature line '— name base64', got {line[:80]!r}")
        raw = decode_base64(parts[2], "note: signature")
        if len(raw) <= _ID_BYTES:
            raise CodecError(f"note: expected a signature of more than {_ID_BYTES} bytes, got {len(raw)}")
        return cls(check_name(parts[1]), raw[:_ID_BYTES], raw[_ID_BYTES:])


class Signed(NamedTuple):
    """A key whose signature of a note was verified, and the time that it states if it is a witness's."""

    key: VerifierKey
    time: int | None


class Note(NamedTuple):
    """A note as it came: nothing in it is to be believed before ``verify``."""

    text: str
    """With its last newline."""
    signatures: tuple[SignatureLine, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note of these bytes, strictly. Raises CodecError."""
        if len(data) > MOST_BYTES:
            raise CodecError(f"note: expected at most {MOST_BYTES} bytes, got {len(data)}")
        try:
            whole = data.decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"note: expected UTF-8, got other bytes at {error.start}") from error
        if control := _CONTROL.search(whole):
            raise CodecError(f"note: expected no control character but newlines, got {control[0]!r}")
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise CodecError("note: expected text, an empty line and signature lines, each with its newline")
        signatures = lines[:-1].split("\n")
        if len(signatures) > MOST_SIGNATURES:
            raise CodecError(f"note: expected at most {MOST_SIGNATURES} signatures, got {len(signatures)}")
        return cls(text + "\n", tuple(map(SignatureLine.parse, signatures)))

    def verify(self, keys: Iterable[VerifierKey]) -> list[Signed]:
        """The trusted keys that signed it, in the order of their lines, each once.

        Raises Untrusted where none did, or where the line of a trusted key does not hold: then the whole note
        is refused.
        """
        trusted = {(key.name, key.id): key for key in keys}
        found: dict[tuple[str, bytes], Signed] = {}
        for name, identity, signature in self.signatures:
            key = trusted.get((name, identity))
            if key is not None and (name, identity) not in found:
                found[name, identity] = Signed(key, key.verify(self.text, signature))
        if not found:
            # Whoever made the note chose the names: only what can be shown of a few.
            names = ", ".join(repr(name[:80]) for name in sorted({line.name for line in self.signatures})[:8])
            raise Untrusted(f"note: expected the signature of a trusted key, got lines of keys named {names}")
        return [*found.values()]

    def also(self, lines: Sequence[SignatureLine]) -> Note:
        """The same note with more signatures, each key's once: the first of it stays."""
        merged = {(line.name, line.id): line for line in reversed(lines)}
        known = {(line.name, line.id) for line in self.signatures}
        more = [line for key, line in reversed(merged.items()) if key not in known]
        return self._replace(signatures=(*self.signatures, *more))


def decode_base64(text: str, what: str) -> bytes:
    """The bytes of standard base64 in its one encoding. Raises CodecError naming ``what``."""
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise CodecError(f"{what}: expected base64") from error
    if binascii.b2a_base64(raw, newline=False).decode() != text:
        raise CodecError(f"{what}: expected base64 in its one encoding")
    return raw
