"""The schemas that a bundle brings along, and what its entries' payloads say by them.

A schema of a stranger is text that somebody chose: its shape is checked before anything is made of it, and
where this program knows the fingerprint, the text must be the one that it knows. (The fingerprint alone is 64
bits of CRC: it finds an accident, not somebody who looks for another text with the same one.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.codec.avro import FRAME, Writer, fingerprint_of
from ledger.codec.reading import Read, reader_of
from ledger.codec.registry import registry, render
from ledger.errors import Altered, CodecError

MOST_BYTES = 1 << 18
"""Bytes of a schema's text."""
MOST_PARTS = 4096
"""Types and fields of a schema, those of a named type counted at each use."""
MOST_NESTED = 16
"""Types in each other: a reader is made of a schema, and a compiler takes no more than some twenty."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "bytes", "string"})
_MOST_BRANCHES = 16
SEALED = "ledger.v1.Sealed"
ATTACHMENT = "ledger.v1.Attachment"
CONTENT = "content"


class Schema(NamedTuple):
    """A schema that was checked: full name, fingerprint as it stands in bytes, and if it is known here.

    ``text`` is what of it says how bytes are read, and which fields are sealed; nothing else of a stranger's
    text comes any further.
    """

    name: str
    fingerprint: bytes
    text: str
    known: bool


def check_schema(name: str, fingerprint: bytes, data: bytes, where: str) -> Schema:
    """The schema of a file, which says that it is of this name and fingerprint.

    Raises CodecError for what is no schema of ours in shape, Altered where it is another than it says.
    """
    try:
        text = data.decode()
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{where}: expected JSON in UTF-8") from error
    bare = _Shape(where).check(parsed)
    found = Writer(bare)
    if (found.name, found.fingerprint) != (name, fingerprint):
        raise Altered(f"{where}: the schema in it is {found.name}, fingerprint {found.fingerprint.hex()}")
    own = registry().by_fingerprint.get(fingerprint)
    if own is not None and text != render(own.schema):
        raise Altered(
            f"{where}: fingerprint {fingerprint.hex()} is that of another text: what differs misleads"
        )
    return Schema(name, fingerprint, json.dumps(bare), own is not None)


class _Shape:
    """Checks that a schema is made of what ours are made of, and of no more parts than a person writes.

    Gives it without all that says nothing of the bytes. Readers take some of that for their own: a hint that
    the schema was parsed before, a name on a type that has none, a default.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._named: dict[str, Any] = {}
        self._left = MOST_PARTS

    def check(self, schema: Any) -> Any:
        """Raises CodecError."""
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise self._wrong("one record")
        return self._type(schema, (), 0)

    def _type(self, schema: Any, within: tuple[str, ...], nested: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._wrong(f"at most {MOST_PARTS} parts")
        if nested > MOST_NESTED:
            raise self._wrong(f"types at most {MOST_NESTED} deep in each other")
        if isinstance(schema, list):
            if not 0 < len(schema) <= _MOST_BRANCHES or any(isinstance(each, list) for each in schema):
                raise self._wrong(f"a union of 1 to {_MOST_BRANCHES} types")
            # Elsewhere a null takes no byte: so few bytes would be any number of values.
            self._left -= len(schema)
            return [each if each == "null" else self._type(each, within, nested + 1) for each in schema]
        if isinstance(schema, str):
            if schema == "null":
                raise self._wrong("null in a union alone")
            if schema not in _PRIMITIVES:
                if schema not in self._named or schema in within:
                    raise self._wrong("a type defined before it is used, and not inside itself")
                self._parts(self._named[schema], (*within, schema), nested)
            return schema
        if isinstance(schema, dict) and "namespace" not in schema and "aliases" not in schema:
            return self._complex(schema, within, nested)
        raise self._wrong("a type without namespace and aliases")

    def _complex(self, schema: dict[str, Any], within: tuple[str, ...], nested: int) -> Any:
        kind = schema.get("type")
        if kind in ("record", "enum", "fixed"):
            name = schema.get("name")
            # A type that is used again is walked again, with what is defined in it.
            if not isinstance(name, str) or _NAME.fullmatch(name) is None:
                raise self._wrong("named types by their full names")
            if self._named.setdefault(name, schema) is not schema:
                raise self._wrong("each named type once")
            return self._parts(schema, (*within, name), nested)
        if kind == "array":
            return {"type": "array", "items": self._type(schema.get("items"), within, nested + 1)}
        if isinstance(kind, str) and kind in _PRIMITIVES - {"null"}:
            return kind
        raise self._wrong("record, enum, fixed, array or a primitive type")

    def _parts(self, schema: dict[str, Any], within: tuple[str, ...], nested: int) -> Any:
        """What a named type consists of."""
        bare = {"type": schema["type"], "name": schema["name"]}
        match schema["type"]:
            case "record":
                fields = schema.get("fields")
                if not isinstance(fields, list) or not all(isinstance(each, dict) for each in fields):
                    raise self._wrong("a list of fields")
                if nested and not fields:
                    raise self._wrong("a field in each record")
                self._words([each.get("name") for each in fields], "fields with names")
                return {**bare, "fields": [self._field(each, within, nested) for each in fields]}
            case "enum":
                symbols = schema.get("symbols")
                if not isinstance(symbols, list) or not symbols:
                    raise self._wrong("a list of symbols")
                self._words(symbols, "symbols that are names")
                return {**bare, "symbols": symbols}
            case _:
                size = schema.get("size")
                if type(size) is not int or not 0 < size <= MOST_BYTES:
                    raise self._wrong("a fixed type with its size")
                return {**bare, "size": size}

    def _field(self, field: dict[str, Any], within: tuple[str, ...], nested: int) -> Any:
        bare = {"name": field["name"], "type": self._type(field.get("type"), within, nested + 1)}
        mark = field.get("personal")
        if isinstance(mark, dict) and isinstance(mark.get("type"), str):
            bare["personal"] = {"type": mark["type"]}
        return bare

    def _words(self, names: list[Any], what: str) -> None:
        self._left -= len(names)
        if not all(isinstance(each, str) and _FIELD.fullmatch(each) for each in names):
            raise self._wrong(what)
        if len(set(names)) != len(names):
            raise self._wrong(f"{what}, each once")

    def _wrong(self, expected: str) -> CodecError:
        return CodecError(f"{self._where}: not a schema of a ledger: expected {expected}")


# --- reading by them -----------------------------------------------------------------------------------


@lru_cache(256)
def _read(text: str) -> tuple[dict[str, Any], Read]:
    schema = json.loads(text)
    return schema, reader_of(schema)


Texts = Mapping[bytes, tuple[str, str]]
"""Fingerprint → (full name, text) of the schemas that were checked."""


def read_payload(texts: Texts, event: str, payload: bytes) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """(fingerprint, schema, bare values) of an entry's payload, read to its last byte.

    Raises KeyError where its schema is not there, CodecError where it is none of that schema.
    """
    fingerprint = payload[2:FRAME]
    found = texts.get(fingerprint)
    if found is None:
        raise KeyError(fingerprint_of(payload))
    name, text = found
    if name != event:
        raise CodecError(f"event says {event[:80]!r}, the payload is {name}")
    if payload[:2] != b"\xc3\x01":
        fingerprint_of(payload)
    schema, read = _read(text)
    return fingerprint, schema, read(payload)


class Sealing(NamedTuple):
    """What stands in an entry for a sealed value: the value's Avro type, and its commitment.

    Of the content of a file (``length`` in bytes) that is ``bytes``, and not in ``disclosures.json``.
    """

    kind: str
    commitment: bytes
    length: int | None = None


def sealed_at(schema: Any, value: Any, path: str) -> Sealing:
    """What is sealed at a dotted path of a payload: a field, or the content of an attachment.

    Raises CodecError where nothing is.
    """
    named: dict[str, Any] = {}
    _name_all(schema, named)
    *parents, last = path.split(".")
    for part in parents:
        schema, value = _step(named, schema, value, part, path)
    record = _record(named, schema, value, path)
    if record["name"] == ATTACHMENT and last == CONTENT:
        said, length = value.get("commitment"), value.get("length")
        if not isinstance(said, bytes) or type(length) is not int or length < 0:
            raise _not_sealed(path)
        return Sealing("bytes", said, length)
    mark = _field(record, last, path).get("personal")
    sealed = value[last]
    commitment = sealed.get("commitment") if isinstance(sealed, dict) else None
    if mark is None or not isinstance(commitment, bytes):
        raise _not_sealed(path)
    return Sealing(mark["type"], commitment)


def _step(named: Mapping[str, Any], schema: Any, value: Any, part: str, path: str) -> tuple[Any, Any]:
    if isinstance(value, list):
        kind = _resolved(named, schema)
        if not (part.isascii() and part.isdecimal()) or str(int(part[:9])) != part or int(part) >= len(value):
            raise CodecError(f"{path[:80]!r}: no element {part[:20]!r} in the list")
        if not isinstance(kind, dict) or kind["type"] != "array":
            raise _not_sealed(path)
        return kind["items"], value[int(part)]
    field = _field(_record(named, schema, value, path), part, path)
    return field["type"], value[part]


def _record(named: Mapping[str, Any], schema: Any, value: Any, path: str) -> Any:
    """The record of a value. Where a union has several, it may be another than the value is of."""
    found = _resolved(named, schema)
    if not isinstance(value, dict) or not isinstance(found, dict) or found["type"] != "record":
        raise _not_sealed(path)
    if value.keys() != {each["name"] for each in found["fields"]}:
        raise _not_sealed(path)
    return found


def _not_sealed(path: str) -> CodecError:
    return CodecError(f"{path[:80]!r}: expected the path of a sealed field, got another")


def _field(record: Any, name: str, path: str) -> Any:
    for each in record["fields"]:
        if each["name"] == name:
            return each
    raise CodecError(f"{path[:80]!r}: {record['name']} has no field {name[:80]!r}")


def _resolved(named: Mapping[str, Any], schema: Any) -> Any:
    if isinstance(schema, list):
        schema = next((each for each in schema if each != "null"), None)
    return named.get(schema, schema) if isinstance(schema, str) else schema


def _name_all(schema: Any, named: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for each in schema:
            _name_all(each, named)
    elif isinstance(schema, dict):
        if "name" in schema:
            named.setdefault(schema["name"], schema)
        for each in schema.get("fields", ()):
            _name_all(each["type"], named)
        _name_all(schema.get("items"), named)
