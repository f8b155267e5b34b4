"""Avro single-object encoding, strictly: one value has one encoding, anything else is an error.

4-wire 'Entry': ``C3 01``, the CRC-64-AVRO fingerprint (little-endian) of the parsing canonical form, the
body. Written by fastavro; read by the functions that ``reader_of`` puts together, which take no other
encoding than the one that is written (fastavro reads over-long varints, split blocks and the like, and to find
them by encoding again cost five times as much). Tests hold them against fastavro, byte by byte.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, cast

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
        plain = _without_logical_types(schema)
        self._read = reader_of(plain, {})
        # Its hint keeps fastavro from parsing the schema again at every call.
        self._parsed = parse_schema(plain)

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
        try:
            value, end = self._read(data, FRAME)
        except (CodecError, IndexError) as error:
            what = str(error) if isinstance(error, CodecError) else "cut short"
            raise CodecError(f"{self.name}: malformed body: {what}") from error
        if end != len(data):
            raise CodecError(f"{self.name}: expected {end} bytes, got {len(data)}")
        return cast(dict[str, Any], value)


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
    try:
        n = data[at]
        if n < 0x80:
            return (n >> 1) ^ -(n & 1), at + 1
        n = shift = 0
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


# --- reading a body, strictly -------------------------------------------------------------------------

Read = Callable[[bytes, int], tuple[Any, int]]
"""(data, position) → (value, position after it). Raises CodecError, or IndexError where data is cut short."""


def reader_of(schema: Any, named: dict[str, Read]) -> Read:
    """The function that reads one value of this schema (without logical types), in its one encoding.

    ``named``: the named types that the schema has defined so far.
    """
    if isinstance(schema, str):
        return _PRIMITIVES.get(schema) or named[schema]
    if isinstance(schema, list):
        return _union([reader_of(branch, named) for branch in schema])
    kind = schema["type"]
    if kind == "array":
        return _array(reader_of(schema["items"], named))
    if kind == "enum":
        named[schema["name"]] = read = _enum(schema["name"], tuple(schema["symbols"]))
    elif kind == "fixed":
        named[schema["name"]] = read = _fixed(schema["size"])
    elif kind == "record":
        read = _record([(f["name"], reader_of(f["type"], named)) for f in schema["fields"]])
        named[schema["name"]] = read
    else:
        read = reader_of(kind, named)
    return read


def _null(_: bytes, at: int) -> tuple[None, int]:
    return None, at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    value = data[at]
    if value > 1:
        raise CodecError(f"boolean {value:#04x} at byte {at}")
    return value == 1, at + 1


def _int(data: bytes, at: int) -> tuple[int, int]:
    value, end = decode_long(data, at)
    if not -(1 << 31) <= value < 1 << 31:
        raise CodecError(f"int out of range: {value} at byte {at}")
    return value, end


def _union(branches: list[Read]) -> Read:
    if len(branches) == 2 and branches[0] is _null:
        # By far the most common union, and most of its values are null.
        read = branches[1]

        def optional(data: bytes, at: int) -> tuple[Any, int]:
            branch = data[at]
            if branch == 0:
                return None, at + 1
            if branch == 2:
                return read(data, at + 1)
            raise CodecError(f"union branch at byte {at}: expected 0 or 1")

        return optional

    def union(data: bytes, at: int) -> tuple[Any, int]:
        branch, end = decode_long(data, at)
        if not 0 <= branch < len(branches):
            raise CodecError(f"union branch {branch} at byte {at}")
        return branches[branch](data, end)

    return union


def _array(item: Read) -> Read:
    def array(data: bytes, at: int) -> tuple[list[Any], int]:
        count, end = decode_long(data, at)
        if count < 0 or count > len(data):
            raise CodecError(f"array block of {count} items at byte {at}")
        found: list[Any] = []
        if count == 0:
            return found, end
        for _ in range(count):
            value, end = item(data, end)
            found.append(value)
        if data[end] != 0:
            raise CodecError(f"array at byte {at}: not the canonical encoding: more than one block")
        return found, end + 1

    return array


def _enum(name: str, symbols: tuple[str, ...]) -> Read:
    def enum(data: bytes, at: int) -> tuple[str, int]:
        value, end = decode_long(data, at)
        if not 0 <= value < len(symbols):
            raise CodecError(f"{name}: symbol {value} at byte {at}")
        return symbols[value], end

    return enum


def _fixed(size: int) -> Read:
    def fixed(data: bytes, at: int) -> tuple[bytes, int]:
        end = at + size
        if end > len(data):
            raise CodecError(f"{size} bytes at byte {at} run past the end ({len(data)} bytes)")
        return data[at:end], end

    return fixed


def _record(fields: list[tuple[str, Read]]) -> Read:
    def record(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        value: dict[str, Any] = {}
        for name, read in fields:
            value[name], at = read(data, at)
        return value, at

    return record


_PRIMITIVES: dict[str, Read] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": decode_long,
    "bytes": decode_bytes,
    "string": decode_string,
}
