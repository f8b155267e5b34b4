"""How events and records are declared once, in Python, and what Avro schema follows from it.

A declaration is a dataclass whose annotations are the Avro types (4-wire 'Entry', 'Sealed fields').
From it this module derives the schema text under ``schemas/`` and the conversion of a Python value to what
fastavro writes; ``reading`` makes the way back. Logical types are converted here and never by fastavro, which
in a union writes a ``datetime`` as a date and loses the time.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from ledger.errors import CodecError, InvalidInput

EPOCH_DAY = date(1970, 1, 1).toordinal()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEAR = 1_000_000 << 32
"""Microseconds of which a float of seconds is exact to less than a quarter of one: up to the year 2106."""

C = TypeVar("C", bound=type)
Seal = Callable[[str, str, str, Any], "Sealed"]
"""Seals one value: (dotted field path, Avro type, subject, value in clear) → Sealed."""


@dataclass(frozen=True, slots=True)
class Personal:
    """The mark of a field that is never in an entry in clear (4-wire 'Sealed fields').

    ``type`` is the Avro type of the value; ``subject`` is ``case`` or the name of the field of the same
    record that holds the subject's id. ``identifier``: the value names a person, a place or a file, whole and
    alone, and is found by exact search; never so of free text.
    """

    type: str = "string"
    subject: str = "case"
    identifier: bool = False


def avro_record(full_name: str) -> Callable[[C], C]:
    """Declares a frozen dataclass as the named Avro record ``full_name``."""

    def mark(cls: C) -> C:
        cls.__avro_name__ = full_name  # type: ignore[attr-defined]
        return cls

    return mark


def avro_enum(full_name: str, *, default: str | None = None) -> Callable[[C], C]:
    """Declares a StrEnum as the named Avro enum ``full_name``.

    ``default`` is the symbol that readers of an older text show for a symbol they do not know: give it to
    vocabularies that the law leaves open, so that a symbol can be added compatibly.
    """

    def mark(cls: C) -> C:
        cls.__avro_name__ = full_name  # type: ignore[attr-defined]
        cls.__avro_default__ = default  # type: ignore[attr-defined]
        return cls

    return mark


@avro_record("ledger.v1.Sealed")
@dataclass(frozen=True, slots=True)
class Sealed:
    """Stands in an entry for a value that only the vault holds: its commitment (32 bytes) and key id."""

    commitment: Annotated[bytes, "fixed:ledger.v1.Hash:32"]
    key: str


Text = Annotated[str | Sealed, Personal("string", "case")]
"""Free text: in clear until it is recorded, ``Sealed`` ever after."""
OptionalText = Annotated[str | Sealed | None, Personal("string", "case")]
Identifier = Annotated[str | Sealed, Personal("string", "case", identifier=True)]
"""A name, address, number or file reference, sealed as ``Text`` is, and found by exact search."""
OptionalIdentifier = Annotated[str | Sealed | None, Personal("string", "case", identifier=True)]


@avro_record("ledger.v1.CaseRef")
@dataclass(frozen=True, slots=True)
class CaseRef:
    """A case in another ledger: its origin, its stream, and how much of that ledger had been seen."""

    ledger: str
    stream: str
    size: int


@avro_record("ledger.v1.Attachment")
@dataclass(frozen=True, slots=True)
class Attachment:
    """A file kept outside the entry: commitment over its content, its key, media type, length in bytes."""

    commitment: Annotated[bytes, "fixed:ledger.v1.Hash:32"]
    key: str
    media_type: str
    length: int
    title: Text


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field: its Avro type, default, mark, and the conversions to and from Avro values."""

    name: str
    schema: Any
    has_default: bool
    default: Any
    personal: Personal | None
    optional: bool
    python: Any
    """The Python type without ``None`` and marks."""
    doc: str | None


@cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """The declared payload fields of a record or event class, in order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    skip: frozenset[str] = getattr(cls, "__avro_skip__", frozenset())
    return tuple(_field(f.name, hints[f.name], f) for f in dataclasses.fields(cls) if f.name not in skip)


def _field(name: str, hint: Any, declared: Any) -> Field:
    marks: list[Any] = []
    optional = False
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            marks += more
        elif get_origin(hint) in (Union, types.UnionType):
            branches = [b for b in get_args(hint) if b is not type(None)]
            optional = optional or len(branches) < len(get_args(hint))
            if any(isinstance(mark, Personal) for mark in marks):
                branches = [Sealed]
            if len(branches) != 1:
                raise TypeError(f"{name}: a union of {branches} is not an event field")
            hint = branches[0]
        else:
            break
    personal = next((mark for mark in marks if isinstance(mark, Personal)), None)
    words = [mark for mark in marks if isinstance(mark, str)]
    fixed = next((word for word in words if word.startswith("fixed:")), None)
    has_default = declared.default is not dataclasses.MISSING
    return Field(
        name=name,
        schema=fixed or hint,
        has_default=has_default,
        default=declared.default if has_default else None,
        personal=personal,
        optional=optional,
        python=hint,
        doc=next((word for word in words if word is not fixed), None),
    )


# --- schema text -------------------------------------------------------------------------------------


def schema_of(cls: type) -> dict[str, Any]:
    """The Avro schema that the declaration amounts to; each named type is defined at its first use."""
    return typing.cast(dict[str, Any], _record_schema(cls, set()))


def doc_of(cls: type) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def _record_schema(cls: type, seen: set[str]) -> Any:
    name: str = cls.__avro_name__  # type: ignore[attr-defined]
    if name in seen:
        return name
    seen.add(name)
    return {
        "type": "record",
        "name": name,
        "doc": doc_of(cls),
        "fields": [_field_schema(field, seen) for field in fields_of(cls)],
    }


def _field_schema(field: Field, seen: set[str]) -> dict[str, Any]:
    avro = type_schema(field.schema, seen)
    out: dict[str, Any] = {"name": field.name}
    if field.doc:
        out["doc"] = field.doc
    if field.optional:
        out["type"] = ["null", avro]
        out["default"] = None
    else:
        out["type"] = avro
        if field.has_default:
            out["default"] = _plain(field.default)
    if field.personal:
        out["personal"] = {"type": field.personal.type, "subject": field.personal.subject}
        if field.personal.identifier:
            out["personal"]["identifier"] = True
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if value == () or isinstance(value, bool | str | int):
        return [] if value == () else value
    raise TypeError(f"default {value!r} has no Avro form here")


def type_schema(kind: Any, seen: set[str]) -> Any:
    """The Avro schema of one field type; ``seen`` names what the file has defined already."""
    if isinstance(kind, str):
        _, name, size = kind.split(":")
        if name in seen:
            return name
        seen.add(name)
        return {"type": "fixed", "name": name, "size": int(size)}
    simple: dict[Any, Any] = {
        str: "string",
        int: "long",
        bool: "boolean",
        bytes: "bytes",
        date: {"type": "int", "logicalType": "date"},
        datetime: {"type": "long", "logicalType": "timestamp-micros"},
    }
    if kind in simple:
        return simple[kind]
    if get_origin(kind) is tuple:
        return {"type": "array", "items": type_schema(get_args(kind)[0], seen)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_schema(kind, seen)
    if isinstance(kind, type) and hasattr(kind, "__avro_name__"):
        return _record_schema(kind, seen)
    raise TypeError(f"{kind!r} cannot stand in an event")


def _enum_schema(kind: type[StrEnum], seen: set[str]) -> Any:
    name: str = kind.__avro_name__  # type: ignore[attr-defined]
    if name in seen:
        return name
    seen.add(name)
    out: dict[str, Any] = {"type": "enum", "name": name, "symbols": [m.value for m in kind]}
    default: str | None = getattr(kind, "__avro_default__", None)
    if default is not None:
        out["default"] = default
    return out


# --- conversions --------------------------------------------------------------------------------------

ToAvro = Callable[[Any, str, Seal | None], Any]


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC (Avro ``timestamp-micros``), exact."""
    if moment.tzinfo is None:
        raise CodecError(f"a moment needs its time zone, got {moment!r}")
    return (moment - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The UTC moment of ``timestamp-micros``. Raises CodecError where no such moment exists."""
    if 0 <= value < _NEAR:
        return datetime.fromtimestamp(value / 1_000_000, UTC)
    try:
        return EPOCH + timedelta(microseconds=value)
    except OverflowError as error:
        raise CodecError(f"timestamp-micros out of range: {value}") from error


def days(day: date) -> int:
    """Days since 1970-01-01 (Avro ``date``)."""
    return day.toordinal() - EPOCH_DAY


def day(value: int) -> date:
    """The date of an Avro ``date``. Raises CodecError where no such date exists."""
    try:
        return date.fromordinal(value + EPOCH_DAY)
    except (OverflowError, ValueError) as error:
        raise CodecError(f"date out of range: {value}") from error


@cache
def to_avro(cls: type) -> ToAvro:
    """The function that turns a declared object into what fastavro writes, sealing personal fields."""
    parts = [
        (f, None if f.personal else _value_to_avro(f.python), _branch(f) if f.optional else None)
        for f in fields_of(cls)
    ]

    def convert(obj: Any, path: str, seal: Seal | None) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for f, conv, branch in parts:
            value = getattr(obj, f.name)
            if value is None:
                if not f.optional:
                    raise InvalidInput(path + f.name, _expected(f), None)
                out[f.name] = None
                continue
            if conv is None:
                avro: Any = _sealed(f, value, obj, path, seal)
            else:
                avro = conv(value, f"{path}{f.name}", seal)
            # Named, a branch is written at once; else fastavro tries the value against every branch.
            out[f.name] = avro if branch is None else (branch, avro)
        return out

    return convert


_BRANCHES = {str: "string", int: "long", bool: "boolean", bytes: "bytes", date: "int", datetime: "long"}


def _branch(f: Field) -> str | None:
    """How fastavro names the branch of an optional field; None for those that it knows by their value alone."""
    if f.schema != f.python:
        return None
    if isinstance(f.python, type) and issubclass(f.python, StrEnum):
        return None
    return _BRANCHES.get(f.python) or getattr(f.python, "__avro_name__", None)


def _sealed(f: Field, value: Any, obj: Any, path: str, seal: Seal | None) -> dict[str, Any]:
    if not isinstance(value, Sealed):
        if seal is None:
            raise CodecError(f"{path}{f.name}: a personal field must be sealed before it is encoded")
        assert f.personal is not None
        if not isinstance(value, str):
            raise InvalidInput(path + f.name, "text", type(value).__name__)
        subject = f.personal.subject
        value = seal(
            f"{path}{f.name}", f.personal.type, subject if subject == "case" else getattr(obj, subject), value
        )
    return {"commitment": value.commitment, "key": value.key}


def _expected(f: Field) -> str:
    kind = f.python
    if f.personal:
        return "text"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "one of " + ", ".join(m.value for m in kind)
    return getattr(kind, "__name__", str(kind))


def _check(kind: type, path: str, value: Any) -> Any:
    if type(value) is not kind:
        raise InvalidInput(path, kind.__name__, value)
    return value


def _value_to_avro(kind: Any) -> ToAvro:
    if kind in (str, int, bool, bytes):
        return lambda value, path, _seal: _check(kind, path, value)
    if kind is date:
        return lambda value, path, _seal: days(_check(date, path, value))
    if kind is datetime:
        return lambda value, path, _seal: micros(_check(datetime, path, value))
    if get_origin(kind) is tuple:
        inner = _value_to_avro(get_args(kind)[0])
        return lambda value, path, seal: [inner(v, f"{path}.{i}", seal) for i, v in enumerate(value)]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        symbols = {m.value for m in kind}

        def enum(value: Any, path: str, _seal: Seal | None) -> str:
            if value not in symbols:
                raise InvalidInput(path, "one of " + ", ".join(sorted(symbols)), value)
            return str(value)

        return enum
    record = to_avro(kind)
    return lambda value, path, seal: record(value, path + ".", seal)


def sealed_fields(obj: Any, path: str = "", *, identifiers: bool = False) -> list[tuple[str, str, Sealed]]:
    """(dotted path, Avro type, Sealed) of every sealed field of a recorded event, in the order of the entry.

    ``identifiers``: of those only that are marked as identifiers.
    """
    return [
        (where, personal.type, sealed)
        for where, personal, _, sealed in _sealed_in(obj, path)
        if personal.identifier or not identifiers
    ]


def sealed_subjects(obj: Any) -> list[tuple[str, Sealed]]:
    """(subject, Sealed) of every sealed field of a recorded event: whose key it is under, in its case."""
    return [
        (personal.subject if personal.subject == "case" else getattr(record, personal.subject), sealed)
        for _, personal, record, sealed in _sealed_in(obj, "")
    ]


def _sealed_in(obj: Any, path: str) -> list[tuple[str, Personal, Any, Sealed]]:
    """Dotted path, mark, the record that it stands in and what stands there, of every sealed field."""
    out: list[tuple[str, Personal, Any, Sealed]] = []
    for f in fields_of(obj.__class__):
        value = getattr(obj, f.name)
        if f.personal is not None:
            if isinstance(value, Sealed):
                out.append((path + f.name, f.personal, obj, value))
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                if hasattr(type(item), "__avro_name__") and dataclasses.is_dataclass(item):
                    out.extend(_sealed_in(item, f"{path}{f.name}.{i}."))
        elif hasattr(type(value), "__avro_name__") and dataclasses.is_dataclass(value):
            out.extend(_sealed_in(value, f"{path}{f.name}."))
    return out


def identifier_names(cls: type, path: str = "") -> list[str]:
    """The dotted names of the fields of a declaration that are marked as identifiers, in order."""
    out: list[str] = []
    for f in fields_of(cls):
        kind = get_args(f.python)[0] if get_origin(f.python) is tuple else f.python
        if f.personal is not None:
            out += [path + f.name] * f.personal.identifier
        elif isinstance(kind, type) and hasattr(kind, "__avro_name__") and dataclasses.is_dataclass(kind):
            out += identifier_names(kind, f"{path}{f.name}.")
    return out
