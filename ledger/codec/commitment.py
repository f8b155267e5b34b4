"""What stands in an entry for a sealed value: an HMAC of its path and its bytes (4-wire 'Sealed fields')."""

from __future__ import annotations

import hmac
import struct
from functools import lru_cache
from hashlib import sha256

from ledger.codec.avro import encode_long
from ledger.errors import InvalidInput

SALT_BYTES = 32
_DOMAIN = b"ledger.v1.Sealed\x00"
_PATH_LENGTH = struct.Struct(">H")
_BLOCK = 64
"""Bytes of a block of SHA-256."""
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


REASON_PATH = "entry.corrects.reason"
"""The path of a sealed field of the entry itself (4-wire 'Sealed fields'); all others are of the payload."""


@lru_cache(4096)
def commitment_prefix(path: str) -> bytes:
    """What is hashed before the value: domain, length of the path, dotted path (4-wire, 'Sealed fields')."""
    name = path.encode()
    if not 0 < len(name) <= 0xFFFF:
        raise InvalidInput("path", "1 to 65535 bytes of UTF-8", len(name))
    return _DOMAIN + _PATH_LENGTH.pack(len(name)) + name


def commitment(salt: bytes, path: str, avro_bytes: bytes) -> bytes:
    """HMAC-SHA256 under 32 bytes of salt of the field's path and its value in Avro binary (4-wire)."""
    if len(salt) != SALT_BYTES:
        raise InvalidInput("salt", f"{SALT_BYTES} bytes", len(salt))
    return hmac_sha256(salt, commitment_prefix(path) + avro_bytes)


def committing(salt: bytes, path: str, length: int) -> hmac.HMAC:
    """The commitment of so many bytes, as Avro ``bytes``, to be updated with them: none is held in memory."""
    return hmac.new(salt, commitment_prefix(path) + encode_long(length), "sha256")


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of short messages.

    ``hmac.digest`` lets go of the interpreter's lock at every call: of 32 clients that seal five fields each,
    every call then wakes another thread. ``hmac.new`` does not, but takes half as long again as this.
    """
    key = (key if len(key) <= _BLOCK else sha256(key).digest()).ljust(_BLOCK, b"\0")
    return sha256(key.translate(_OUTER) + sha256(key.translate(_INNER) + message).digest()).digest()
