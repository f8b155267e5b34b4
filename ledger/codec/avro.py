"""Avro single-object encoding, strictly: one value has one encoding, anything else is an error.

4-wire 'Entry': ``C3 01``, the CRC-64-AVRO fingerprint (little-endian) of the parsing canonical form, the
body. On reading, trailing bytes, over-long varints, split array blocks and the like are found by encoding
the decoded value again and comparing: cheaper than a parser of our own, and it misses nothing.
"""

from __future__ import annotations

import io
from typing import Any

import fastavro
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from ledger.errors import CodecError

MARKER = b"\xc3\x01"
FRAME = len(MARKER) + 8
"""Bytes before the body: marker and fingerprint."""

Schema = dict[str, Any]


class Writer:
    """One schema text made ready: its name, canonical fingerprint, and strict encode and decode."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.name: str = schema["name"]
        canonical = to_parsing_canonical_form(schema)
        self.fingerprint = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
        self.frame = MARKER + self.fingerprint
        # Logical types are converted by declare.py: fastavro gets the bare types.
        self._parsed = parse_schema(_without_logical_types(schema), _write_hint=False)

    def encode(self, value: dict[str, Any]) -> bytes:
        """The single-object encoding of ``value``. Raises CodecError where it does not fit the schema."""
        out = io.BytesIO()
        out.write(self.frame)
        try:
            fastavro.schemaless_writer(out, self._parsed, value, strict=True)
        except (ValueError, TypeError, OverflowError, KeyError, AttributeError) as error:
            raise CodecError(f"{self.name}: value does not fit its schema: {error}") from error
        return out.getvalue()

    def decode(self, data: bytes) -> dict[str, Any]:
        """The value of single-object bytes written with exactly this schema. Raises CodecError."""
        body = io.BytesIO(data)
        body.seek(FRAME)
        try:
            value = fastavro.schemaless_reader(body, self._parsed)
        except (ValueError, TypeError, OverflowError, EOFError, IndexError, MemoryError, KeyError) as error:
            raise CodecError(f"{self.name}: malformed body: {type(error).__name__}: {error}") from error
        if not isinstance(value, dict):
            raise CodecError(f"{self.name}: expected a record, got {type(value).__name__}")
        if body.tell() != len(data):
            raise CodecError(f"{self.name}: expected {body.tell()} bytes, got {len(data)}")
        if self.encode(value) != data:
            raise CodecError(f"{self.name}: not the canonical encoding of its value")
        return value


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


def encode_long(value: int) -> bytes:
    """Avro ``int``/``long``: zigzag varint, shortest form. Raises CodecError beyond 64 bits."""
    if not -(1 << 63) <= value < 1 << 63:
        raise CodecError(f"long out of range: {value}")
    n = (value << 1) ^ (value >> 63)
    if n < 0x80:
        return bytes((n,))
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def decode_long(data: bytes, at: int) -> tuple[int, int]:
    """(value, position after it) of the varint at ``at``. Raises CodecError: cut short, over-long."""
    start = at
    n = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
    except IndexError:
        raise CodecError(f"varint at byte {start} is cut short") from None
    if (byte == 0 and shift) or shift > 63 or n >> 64:
        raise CodecError(f"varint at byte {start} is over-long")
    return (n >> 1) ^ -(n & 1), at


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
    raw, end = decode_bytes(data, at)
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
