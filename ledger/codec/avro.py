"""Avro single-object encoding, strictly: one value has one encoding, anything else is an error.

4-wire 'Entry': ``C3 01``, the CRC-64-AVRO fingerprint (little-endian) of the parsing canonical form, the
body. Written by fastavro; read by ``reading``, and the primitives here, which take no other encoding than the
one that is written.
"""

from __future__ import annotations

import io
from typing import Any

import fastavro
from fastavro.schema import (
    SchemaParseException,
    UnknownType,
    fingerprint,
    parse_schema,
    to_parsing_canonical_form,
)

from ledger.errors import CodecError

MARKER = b"\xc3\x01"
FRAME = len(MARKER) + 8
"""Bytes before the body: marker and fingerprint."""

Schema = dict[str, Any]


class Writer:
    """One schema text made ready: its name, canonical fingerprint, and strict encode."""

    def __init__(self, schema: Schema) -> None:
        """Raises CodecError for what is no schema of Avro."""
        self.schema = schema
        self.name: str = schema["name"]
        try:
            canonical = to_parsing_canonical_form(schema)
            # Logical types are converted by declare.py: fastavro gets the bare types.
            # Their hint keeps fastavro from parsing the schema again at every call.
            self._parsed = parse_schema(_without_logical_types(schema))
        except (SchemaParseException, UnknownType) as error:
            raise CodecError(f"{self.name}: not a schema of Avro: {error}") from error
        self.fingerprint = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
        self.frame = MARKER + self.fingerprint

    def encode(self, value: dict[str, Any]) -> bytes:
        """The single-object encoding of ``value``. Raises CodecError where it does not fit the schema."""
        out = io.BytesIO()
        out.write(self.frame)
        try:
            fastavro.schemaless_writer(out, self._parsed, value, strict=True)
        except (ValueError, TypeError, OverflowError, KeyError, AttributeError) as error:
            raise CodecError(f"{self.name}: value does not fit its schema: {error}") from error
        return out.getvalue()


def fingerprint_of(data: bytes) -> bytes:
    """The 8 fingerprint bytes of single-object bytes. Raises CodecError where the frame is none."""
    if len(data) < FRAME or data[:2] != MARKER:
        raise CodecError(
            f"expected single-object bytes beginning C3 01, got {data[:2].hex()} ({len(data)} bytes)"
        )
    return data[2:FRAME]


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k not in ("logicalType", "default")}
    if isinstance(schema, list):
        return [_without_logical_types(v) for v in schema]
    return schema


# --- the primitives by hand: the entry's fixed header, and values under a commitment ------------------


_ONE_BYTE = tuple(bytes((n << 1,)) for n in range(64))


def encode_long(value: int) -> bytes:
    """Avro ``int``/``long``: zigzag varint, shortest form. Raises CodecError beyond 64 bits."""
    if 0 <= value < 64:
        return _ONE_BYTE[value]
    if not -(1 << 63) <= value < 1 << 63:
        raise CodecError(f"long out of range: {value}")
    n = (value << 1) ^ (value >> 63)
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def decode_long(data: bytes, at: int) -> tuple[int, int]:
    """(value, position after it) of the varint at ``at``. Raises CodecError: cut short, over-long."""
    try:
        n = data[at]
        if n < 0x80:
            return (n >> 1) ^ -(n & 1), at + 1
        end = at + 1
        n &= 0x7F
        shift = 7
        while (byte := data[end]) > 0x7F:
            n |= (byte & 0x7F) << shift
            shift += 7
            end += 1
    except IndexError:
        raise CodecError(f"varint at byte {at} is cut short") from None
    n |= byte << shift
    if byte == 0 or shift > 63 or n >> 64:
        raise CodecError(f"varint at byte {at} is over-long")
    return (n >> 1) ^ -(n & 1), end + 1


def encode_string(value: str) -> bytes:
    """Avro ``string``: length and UTF-8. Raises CodecError for text that has no UTF-8 (lone surrogates)."""
    try:
        raw = value.encode()
    except UnicodeEncodeError as error:
        raise CodecError(f"text has no UTF-8 form: {error}") from error
    return encode_long(len(raw)) + raw


def encode_bytes(value: bytes) -> bytes:
    """Avro ``bytes``: length and content."""
    return encode_long(len(value)) + value


def decode_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """(content, position after it) of the ``bytes`` at ``at``. Raises CodecError."""
    size, at = decode_long(data, at)
    end = at + size
    if size < 0 or end > len(data):
        raise CodecError(f"length {size} at byte {at} runs past the end ({len(data)} bytes)")
    return data[at:end], end


def decode_string(data: bytes, at: int) -> tuple[str, int]:
    """(text, position after it) of the ``string`` at ``at``. Raises CodecError."""
    size = data[at] if at < len(data) else 0x81
    if size & 0x81:
        raw, end = decode_bytes(data, at)
    else:
        # One byte of length, not negative: nearly every string in an entry.
        end = at + 1 + (size >> 1)
        if end > len(data):
            raise CodecError(f"length {size >> 1} at byte {at + 1} runs past the end ({len(data)} bytes)")
        raw = data[at + 1 : end]
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise CodecError(f"string at byte {at} is not UTF-8: {error}") from error


def encode_primitive(kind: str, value: Any) -> bytes:
    """Avro binary of a sealed value in its declared type (4-wire 'Sealed fields': the committed bytes)."""
    if kind == "string" and isinstance(value, str):
        return encode_string(value)
    if kind == "bytes" and isinstance(value, bytes):
        return encode_bytes(value)
    if kind == "long" and type(value) is int:
        return encode_long(value)
    raise CodecError(f"sealed value: expected {kind}, got {type(value).__name__}")


def decode_primitive(kind: str, data: bytes) -> Any:
    """The value of committed bytes; every byte must be read. Raises CodecError."""
    readers: dict[str, Any] = {"string": decode_string, "bytes": decode_bytes, "long": decode_long}
    if kind not in readers:
        raise CodecError(f"sealed value: no reader for type {kind!r}")
    value, end = readers[kind](data, 0)
    if end != len(data):
        raise CodecError(f"sealed value: expected {end} bytes, got {len(data)}")
    return value
