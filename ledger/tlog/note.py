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
_PRIVATE = "PRIVATE+KEY+"
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


def check_name(name: str) -> str:
    """A key's name: not empty, no space of Unicode, no plus sign, no control character. Raises CodecError."""
    if not name or "+" in name or any(each.isspace() for each in name) or _CONTROL.search(name):
        raise CodecError(f"key name: expected text without spaces and plus signs, got {name!r}")
    return name


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
        """The key of ``name+8 hex digits+base64``. Raises CodecError."""
        name, kind, public = _parse_key(text.strip(), "verifier key")
        key = cls(name, kind, public)
        try:
            _ = key._key
        except ValueError as error:
            raise CodecError(f"verifier key {name}: expected a point of Ed25519, got another") from error
        return key

    def verify(self, text: str, signature: bytes) -> int | None:
        """Checks a signature of ``text``; gives the time that a cosignature states (seconds since 1970).

        Raises Untrusted where it is not this key's.
        """
        time: int | None = None
        signed = text.encode()
        if self.kind == COSIGNATURE:
            time = int.from_bytes(signature[:_TIME_BYTES], "big")
            if len(signature) != _TIME_BYTES + _SIGNATURE_BYTES or time > LAST_TIME:
                raise Untrusted(f"{self.name}: expected a cosignature of 72 bytes, got {len(signature)}")
            signature, signed = signature[_TIME_BYTES:], cosigned(text, time)
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
        name, kind, secret = _parse_key(text.removeprefix(_PRIVATE), "signing key", secret=True)
        key = cls(name, kind, secret)
        if bytes.fromhex(text.split("+")[3]) != key.verifier.id:
            raise CodecError(f"signing key {name}: its id is not that of its bytes")
        return key

    @property
    def secret_text(self) -> str:
        """``PRIVATE+KEY+name+id+base64``, as Go's sumdb/note writes it."""
        key = base64.b64encode(bytes([self.verifier.kind]) + self._secret).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.id.hex()}+{key}"

    def sign(self, text: str, time: int | None = None) -> str:
        """The signature line of ``text``; a cosignature states ``time`` (seconds since 1970)."""
        if (time is None) == (self.verifier.kind == COSIGNATURE):
            raise ValueError("a cosignature states a time, and nothing else does")
        if time is None:
            signature = self._key.sign(text.encode())
        else:
            signature = time.to_bytes(_TIME_BYTES, "big") + self._key.sign(cosigned(text, time))
        return str(SignatureLine(self.verifier.name, self.verifier.id, signature))


def _parse_key(text: str, what: str, *, secret: bool = False) -> tuple[str, int, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise CodecError(f"{what}: expected name+id+key, got {len(parts)} parts")
    name, identity, encoded = parts
    check_name(name)
    raw = decode_base64(encoded, f"{what} {name}")
    if len(raw) != 1 + _KEY_BYTES or raw[0] not in (ED25519, COSIGNATURE):
        raise CodecError(f"{what} {name}: expected type 01 or 04 and {_KEY_BYTES} bytes, got {len(raw)} bytes")
    kind, key = raw[0], raw[1:]
    if re.fullmatch("[0-9a-f]{8}", identity) is None:
        raise CodecError(f"{what} {name}: expected an id of 8 hexadecimal digits, got {identity!r}")
    if not secret and bytes.fromhex(identity) != key_id(name, kind, key):
        raise CodecError(f"{what} {name}: its id is not that of its bytes")
    return name, kind, key


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
            raise CodecError("note: expected a signature line '— name base64', got another line")
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
            raise CodecError("note: expected UTF-8") from error
        if _CONTROL.search(whole):
            raise CodecError("note: expected no control character but newlines")
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise CodecError("note: expected text, an empty line and signature lines")
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
            names = ", ".join(sorted({line.name for line in self.signatures}))
            raise Untrusted(f"note: no trusted key signed it; keys named {names} did")
        return [*found.values()]

    def also(self, lines: Sequence[SignatureLine]) -> Note:
        """The same note with more signatures, each key's once."""
        known = {(line.name, line.id) for line in self.signatures}
        return self._replace(
            signatures=(*self.signatures, *(line for line in lines if (line.name, line.id) not in known))
        )


def decode_base64(text: str, what: str) -> bytes:
    """The bytes of standard base64 in its one encoding. Raises CodecError naming ``what``."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError(f"{what}: expected base64") from error
    if base64.b64encode(raw).decode() != text:
        raise CodecError(f"{what}: expected base64 in its one encoding")
    return raw
