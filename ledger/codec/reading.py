"""Reading a body, strictly: one value has one encoding, anything else is an error (4-wire 'Entry').

A reader is made of its schema as the text of one Python function, and compiled: what is read of a hundred
thousand entries is read field by field without a call between. fastavro reads over-long varints, split blocks
and the like, and to find them by encoding again cost five times as much. Tests hold the readers against it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, get_args

from ledger.codec.avro import FRAME, decode_bytes, decode_long, decode_string
from ledger.codec.declare import Field, day, fields_of, moment
from ledger.errors import CodecError

Read = Callable[[bytes], dict[str, Any]]
"""Single-object bytes → the values of their fields. Raises CodecError."""

_ONE_BYTE = 64
"""Symbols of an enum whose numbers are varints of one byte."""
_DAY_BYTES = 3
"""Length of the varint of every day from 1992 to 4840."""
_DAYS_KEPT = 100_000
_days: dict[bytes, date] = {}


def decode_day(data: bytes, at: int) -> tuple[date, int]:
    """(date, position after it) of the Avro ``date`` at ``at``. Raises CodecError."""
    found = _days.get(data[at : at + _DAY_BYTES])
    if found is not None:
        return found, at + _DAY_BYTES
    value, end = decode_long(data, at)
    found = day(value)
    if end - at == _DAY_BYTES:
        # The same days come again and again.
        if len(_days) >= _DAYS_KEPT:
            _days.clear()
        _days[data[at:end]] = found
    return found, end


def reader_of(schema: Mapping[str, Any], cls: type | None = None) -> Read:
    """The function that reads single-object bytes written with this schema of a record.

    It gives the bare Avro values, by field; with ``cls``, the values of that declaration's fields, where what
    the schema did not have yet takes its default. That the fingerprint is this schema's, the caller has seen.
    """
    text = _Text()
    name = schema["name"]
    text.add(1, f"a = {FRAME}")
    text.add(1, "try:")
    fields = text.fields(schema, cls, 2)
    text.add(2, "if a != len(d):")
    text.add(3, "raise CodecError(f'expected {a} bytes, got {len(d)}')")
    text.add(2, "return {" + ", ".join(f"{field!r}: {value}" for field, value in fields.items()) + "}")
    for error, what in _MALFORMED.items():
        text.add(1, f"except {error} as error:")
        text.add(2, f"raise CodecError({text.constant(f'{name}: malformed body: {what}')} + str(a)) from error")
    text.add(1, "except CodecError as error:")
    text.add(2, f"raise CodecError({text.constant(f'{name}: malformed body: ')} + str(error)) from error")
    return text.compiled(f"<reader of {name}>")


_MALFORMED = {
    "IndexError": "cut short at byte ",
    "KeyError": "no such boolean or symbol at byte ",
    "UnicodeDecodeError": "text is not UTF-8 before byte ",
}


class _Text:
    """The text of one reader. ``d`` are the bytes, ``a`` is where the next value begins.

    Only numbers, positions and names that are made here stand in it as code: a schema cannot say any.
    """

    def __init__(self) -> None:
        self._lines = ["def read(d):"]
        self._names = 0
        self._named: dict[str, Any] = {}
        self._namespace: dict[str, Any] = {
            "CodecError": CodecError,
            "decode_bytes": decode_bytes,
            "decode_long": decode_long,
            "decode_string": decode_string,
            "decode_day": decode_day,
            "moment": moment,
            "booleans": {0: False, 1: True},
        }

    def add(self, depth: int, line: str) -> None:
        """Adds a line."""
        self._lines.append("    " * depth + line)

    def compiled(self, where: str) -> Read:
        """The function."""
        exec(builtins.compile("\n".join(self._lines), where, "exec"), self._namespace)  # noqa: S102
        read: Read = self._namespace["read"]
        return read

    def constant(self, value: object) -> str:
        """A name for a value that the text works with."""
        name = self._new("c")
        self._namespace[name] = value
        return name

    def _new(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    # --- one kind of value after the other: each adds what reads it, and returns the name it then has -------

    def fields(self, schema: Mapping[str, Any], cls: type | None, depth: int) -> dict[str, str]:
        """Reads the fields of a record; gives the name of each field's value."""
        declared: dict[str, Field] = {} if cls is None else {f.name: f for f in fields_of(cls)}
        found: dict[str, str] = {}
        for field in schema["fields"]:
            kind = declared[field["name"]].python if cls is not None else None
            found[field["name"]] = self._value(field["type"], kind, depth)
        for name, missing in declared.items():
            if name not in found:
                found[name] = self.constant(missing.default)
        return found

    def _value(self, schema: Any, kind: Any, depth: int) -> str:
        if isinstance(schema, list):
            return self._union(schema, kind, depth)
        if isinstance(schema, str):
            if schema in self._named:
                return self._value(self._named[schema], kind, depth)
            return self._primitive(schema, kind, depth)
        if "name" in schema:
            self._named[schema["name"]] = schema
        match schema["type"]:
            case "array":
                return self._array(schema, kind, depth)
            case "enum":
                return self._enum(schema, kind, depth)
            case "fixed":
                value = self._new("v")
                self.add(depth, f"{value} = d[a:a + {int(schema['size'])}]")
                self.add(depth, f"a += {int(schema['size'])}")
                return value
            case "record":
                return self._record(schema, kind, depth)
            case bare:
                return self._value(bare, kind, depth)

    def _primitive(self, schema: str, kind: Any, depth: int) -> str:
        value = self._new("v")
        match schema:
            case "null":
                return "None"
            case "boolean":
                self.add(depth, f"{value} = booleans[d[a]]")
                self.add(depth, "a += 1")
            case "int" if kind is date:
                self.add(depth, f"{value}, a = decode_day(d, a)")
            case "int":
                self.add(depth, f"{value}, a = decode_long(d, a)")
                self.add(depth, f"if not -2147483648 <= {value} <= 2147483647:")
                self.add(depth + 1, f"raise CodecError(f'int out of range: {{{value}}}')")
            case "long":
                self.add(depth, f"{value}, a = decode_long(d, a)")
                if kind is datetime:
                    self.add(depth, f"{value} = moment({value})")
            case "bytes":
                self.add(depth, f"{value}, a = decode_bytes(d, a)")
            case "string":
                # One byte of length, not negative: nearly every text in an entry. One that runs past the end
                # is cut short here, and found at the end.
                self.add(depth, "n = d[a]")
                self.add(depth, "if n & 0x81:")
                self.add(depth + 1, f"{value}, a = decode_string(d, a)")
                self.add(depth, "else:")
                self.add(depth + 1, "b = a + 1")
                self.add(depth + 1, "a = b + (n >> 1)")
                self.add(depth + 1, f"{value} = d[b:a].decode()")
            case _:
                raise CodecError(f"no reader for type {schema!r}")
        return value

    def _union(self, branches: list[Any], kind: Any, depth: int) -> str:
        value = self._new("v")
        self.add(depth, "n = d[a]")
        self.add(depth, "a += 1")
        for number, branch in enumerate(branches):
            self.add(depth, f"{'elif' if number else 'if'} n == {2 * number}:")
            self.add(depth + 1, f"{value} = {self._value(branch, kind, depth + 1)}")
        self.add(depth, "else:")
        self.add(depth + 1, "raise CodecError(f'no such branch of a union before byte {a}')")
        return value

    def _array(self, schema: Any, kind: Any, depth: int) -> str:
        value, count = self._new("v"), self._new("n")
        self.add(depth, f"{value} = []")
        self.add(depth, f"{count}, a = decode_long(d, a)")
        self.add(depth, f"if {count}:")
        self.add(depth + 1, f"if not 0 < {count} <= len(d):")
        self.add(depth + 2, f"raise CodecError(f'array block of {{{count}}} items before byte {{a}}')")
        self.add(depth + 1, f"for _ in range({count}):")
        item = self._value(schema["items"], None if kind is None else get_args(kind)[0], depth + 2)
        self.add(depth + 2, f"{value}.append({item})")
        self.add(depth + 1, "if d[a]:")
        self.add(
            depth + 2, "raise CodecError(f'array before byte {a}: not the canonical encoding: two blocks')"
        )
        self.add(depth + 1, "a += 1")
        if kind is not None:
            self.add(depth, f"{value} = tuple({value})")
        return value

    def _enum(self, schema: Any, kind: Any, depth: int) -> str:
        value = self._new("v")
        symbols: list[str] = schema["symbols"]
        known: dict[int, Any] = dict(enumerate(symbols))
        if kind is not None:
            known = {number: member for number, s in known.items() if (member := _member(kind, s)) is not None}
        if len(symbols) <= _ONE_BYTE:
            self.add(depth, f"{value} = {self.constant({2 * n: symbol for n, symbol in known.items()})}[d[a]]")
            self.add(depth, "a += 1")
        else:
            self.add(depth, f"{value}, a = decode_long(d, a)")
            self.add(depth, f"{value} = {self.constant(known)}[{value}]")
        return value

    def _record(self, schema: Any, kind: Any, depth: int) -> str:
        fields = self.fields(schema, kind, depth)
        value = self._new("v")
        if kind is None:
            made = "{" + ", ".join(f"{name!r}: {field}" for name, field in fields.items()) + "}"
        else:
            made = f"{self.constant(kind)}({', '.join(fields[f.name] for f in fields_of(kind))})"
        self.add(depth, f"{value} = {made}")
        return value


def _member(kind: type[StrEnum], symbol: str) -> StrEnum | None:
    """A symbol that this version does not know is shown as the vocabulary's default (open vocabularies)."""
    members = {member.value: member for member in kind}
    return members.get(symbol) or members.get(getattr(kind, "__avro_default__", None) or "")
