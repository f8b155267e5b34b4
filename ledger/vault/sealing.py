"""Sealed fields: commitments that stand in entries, and the packed vault rows that open them."""

from __future__ import annotations

import hmac
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.codec.avro import encode_primitive
from ledger.codec.commitment import SALT_BYTES, commitment, commitment_prefix, hmac_sha256
from ledger.codec.declare import Seal, Sealed
from ledger.errors import VaultError
from ledger.vault.kek import KEY_BYTES, NONCE_BYTES, KeyEncryptionKey
from ledger.vault.randomness import random_bytes

KEY_ID_BYTES = 16
KEY_NAME = 8
"""Bytes of a key's id that stand before the HMAC in a ``content_mac``, and say which key made it."""
CASE = "case"
CONTENT = "content"
LEDGER_STREAM = "ledger"
_LENGTH = struct.Struct(">I")


class WrappedKey(NamedTuple):
    """A vault key as it is stored: useless without the key-encryption key ``kek_id``."""

    id: str
    stream: str
    subject: str
    wrapped: bytes
    kek_id: str


class VaultRow(NamedTuple):
    """The sealed values of one entry under one key; ``ordinal`` is the entry's place in its command.

    ``mark`` is where it stands in a vault that is written before the entry has its index (``mark_of``).
    """

    ordinal: int
    key: str
    ciphertext: bytes
    mark: int = 0


def mark_of(first: bytes) -> int:
    """The place of a row in a vault of its own database, from the first commitment that is under its key.

    A number below 0, so that it is never an index; 63 bits of an HMAC with a random key, so that it is no
    other's under the same key, and says nothing.
    """
    return -1 - (int.from_bytes(first[:8], "big") >> 1)


def seal_bytes(cipher: AESGCM, plain: bytes, bound_to: bytes, nonce: bytes | None = None) -> bytes:
    """12-byte nonce (random but in golden tests) ‖ AES-256-GCM of ``plain``; associated data ``bound_to``."""
    if nonce is None:
        nonce = random_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def open_bytes(key: bytes, row: bytes, bound_to: bytes) -> bytes:
    """The inverse of ``seal_bytes``. Raises ``VaultError`` for any other key, row or ``bound_to``."""
    try:
        return AESGCM(key).decrypt(row[:NONCE_BYTES], row[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise VaultError("vault row: expected what was sealed for this place, got altered bytes") from error


def pack(cipher: AESGCM, fields: Sequence[tuple[bytes, bytes, bytes]], nonce: bytes | None = None) -> bytes:
    """One vault row of ``(commitment, salt, value)`` in the order of the entry.

    Nonce ‖ AES-256-GCM of (salt ‖ u32be length ‖ value)…; associated data: the commitments in order.
    ``nonce`` is given only to reproduce golden bytes; otherwise it is 12 random bytes.
    """
    marks: list[bytes] = []
    plain: list[bytes] = []
    for mark, salt, value in fields:
        marks.append(mark)
        plain += (salt, _LENGTH.pack(len(value)), value)
    return seal_bytes(cipher, b"".join(plain), b"".join(marks), nonce)


def unpack(key: bytes, fields: Sequence[tuple[str, bytes]], row: bytes) -> list[tuple[bytes, bytes]]:
    """The ``(salt, value)`` pairs of a row, given ``(path, commitment)`` of each field in order.

    Checks every commitment again. Raises ``VaultError`` when anything was altered, left out or reordered.
    """
    plain = open_bytes(key, row, b"".join([mark for _, mark in fields]))
    pairs: list[tuple[bytes, bytes]] = []
    at = 0
    for path, mark in fields:
        end = at + SALT_BYTES + _LENGTH.size
        if end > len(plain):
            raise VaultError(f"{path}: expected a salt and a value in the vault row, got its end")
        salt = plain[at : at + SALT_BYTES]
        (length,) = _LENGTH.unpack_from(plain, at + SALT_BYTES)
        value = plain[end : end + length]
        if len(value) != length or not hmac.compare_digest(commitment(salt, path, value), mark):
            raise VaultError(f"{path}: expected the value its commitment stands for, got another")
        pairs.append((salt, value))
        at = end + length
    if at != len(plain):
        raise VaultError(f"vault row: expected {at} bytes, got {len(plain)}")
    return pairs


def make_key(kek: KeyEncryptionKey, stream: str, subject: str) -> tuple[WrappedKey, bytes]:
    """A fresh random key for one subject in one case: as it is stored, and in clear for this command."""
    key_id, key = random_bytes(KEY_ID_BYTES).hex(), random_bytes(KEY_BYTES)
    wrapped = kek.wrap(key_id, key)
    return WrappedKey(key_id, stream, subject, wrapped.key, wrapped.kek_id), key


class _Key:
    """A key that a command uses, and what was sealed under it since the last row."""

    def __init__(self, key_id: str, clear: bytes) -> None:
        self.id = key_id
        self.clear = clear
        self.fields: list[tuple[bytes, bytes, bytes]] = []

    @cached_property
    def cipher(self) -> AESGCM:
        """Of its rows; a key of contents has none."""
        return AESGCM(self.clear)


class SealingSession:
    """Seals the personal fields of ONE command, and forgets its unwrapped keys with it.

    ``lookup(stream)`` gives the wrapped keys that the stream already has, oldest first (nothing for a new
    case); it is asked at most once a stream. For each entry call ``seal`` for every field in the order in
    which it stands in the entry (``entry.corrects.reason`` before the payload's), then ``rows``.
    """

    def __init__(self, kek: KeyEncryptionKey, lookup: Callable[[str], Iterable[WrappedKey]]) -> None:
        self._kek = kek
        self._lookup = lookup
        self._wrapped: dict[str, dict[str, WrappedKey]] = {}
        self._keys: dict[tuple[str, str], _Key] = {}
        self._used: list[_Key] = []
        """The keys of the entry that is being sealed, in the order of their first fields."""
        self.new_keys: list[WrappedKey] = []

    def _key(self, stream: str, subject: str) -> _Key:
        """The oldest key of a subject in a case; made (and wrapped) if there is none."""
        known = self._wrapped.get(stream)
        if known is None:
            known = self._wrapped[stream] = {}
            for each in self._lookup(stream):
                known.setdefault(each.subject, each)
        wrapped = known.get(subject)
        if wrapped is None:
            wrapped, clear = make_key(self._kek, stream, subject)
            self.new_keys.append(wrapped)
        else:
            clear = self._kek.unwrap(wrapped.id, wrapped.wrapped, wrapped.kek_id)
        key = self._keys[stream, subject] = _Key(wrapped.id, clear)
        return key

    def seal(self, stream: str, path: str, avro_bytes: bytes, subject: str = CASE) -> tuple[bytes, str]:
        """Commitment and key id of a field's value: what stands in the entry as ``ledger.v1.Sealed``."""
        key = self._keys.get((stream, subject)) or self._key(stream, subject)
        salt = random_bytes(SALT_BYTES)
        mark = hmac_sha256(salt, commitment_prefix(path) + avro_bytes)
        if not key.fields:
            self._used.append(key)
        key.fields.append((mark, salt, avro_bytes))
        return mark, key.id

    def sealer(self, stream: str) -> Seal:
        """``seal`` in the form in which events ask for it (``ledger.codec.declare.Seal``)."""

        def seal(path: str, kind: str, subject: str, value: str | bytes | int) -> Sealed:
            return Sealed(*self.seal(stream, path, encode_primitive(kind, value), subject))

        return seal

    def rows(self, ordinal: int) -> list[VaultRow]:
        """The vault rows of what was sealed since the last call: one a key, for the entry ``ordinal``."""
        rows = [
            VaultRow(ordinal, key.id, pack(key.cipher, key.fields), mark_of(key.fields[0][0]))
            for key in self._used
        ]
        for key in self._used:
            key.fields = []
        self._used = []
        return rows

    def content_mac(self, stream: str, canonical_json: bytes) -> bytes:
        """MAC of what was submitted (4-wire, 'command, part'), under the content key of the case.

        ``stream`` is ``LEDGER_STREAM`` for an entry about no case.
        """
        key = self._keys.get((stream, CONTENT)) or self._key(stream, CONTENT)
        return content_mac(key.id, key.clear, canonical_json)


def content_mac(key_id: str, key: bytes, canonical_json: bytes) -> bytes:
    """What tells a repeat from other content: 8 bytes of the key's id ‖ HMAC-SHA256 of the canonical JSON.

    The id's bytes say which key it was: once that one is destroyed, the case may have another, under which
    every repeat would look like other content.
    """
    return _named(key_id) + hmac_sha256(key, canonical_json)


def _named(key_id: str) -> bytes:
    return bytes.fromhex(key_id)[:KEY_NAME]


class ContentKeys:
    """The content keys that a case has now; forgotten with the command that asked for them."""

    def __init__(self, keys: Iterable[tuple[str, bytes]]) -> None:
        """``keys``: id and clear bytes of each."""
        self._keys = {_named(key_id): (key_id, key) for key_id, key in keys}

    def same(self, mac: bytes | None, canonical_json: bytes) -> bool | None:
        """Whether ``mac`` was made of this content.

        None where nobody can tell any more: its key was destroyed, or it was lost in a refill (4-wire).
        """
        found = None if mac is None else self._keys.get(mac[:KEY_NAME])
        if found is None or mac is None:
            return None
        return hmac.compare_digest(content_mac(*found, canonical_json), mac)


def derived_id(key: bytes, *parts: str | int) -> str:
    """The id of an imported row: a UUID (version 8, RFC 9562) from an HMAC, the same for the same parts.

    Parts are told apart by their lengths; who lacks the key cannot guess a row from its id.
    """
    names = [str(part).encode() for part in parts]
    digest = hmac_sha256(key, b"".join([_LENGTH.pack(len(name)) + name for name in names]))
    number = int.from_bytes(digest[:16], "big") & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (2 << 62)
    return str(uuid.UUID(int=number))
