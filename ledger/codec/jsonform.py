"""JSON at the edges: a command's input read into event fields, event fields shown, and their JSON Schema.

One reading for every door (HTTP, CLI, import): what is missing, unknown or of the wrong kind is named with
its dotted path, what was expected and what came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, cast, get_args, get_origin

from ledger.codec.declare import Field, Sealed, doc_of, fields_of
from ledger.codec.entry import HappenedOn, Precision
from ledger.errors import InvalidInput
from ledger.law.general import EARLIEST, not_before_all_records, says_something

_HEX = re.compile(r"(?:[0-9a-f]{2})*")


def parse_fields(cls: type, data: object, path: str = "fields") -> dict[str, Any]:
    """The Python values of ``cls``'s declared fields from a JSON object.

    Personal fields come in clear. Raises InvalidInput naming the field by its dotted path.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput(path, "an object", unsaid(data))
    fields = {f.name: f for f in fields_of(cls)}
    for name in data:
        if name not in fields:
            raise InvalidInput(f"{path}.{name}", "one of " + ", ".join(fields), "an unknown field")
    out: dict[str, Any] = {}
    for name, field in fields.items():
        value = data.get(name)
        if value is None:
            if field.optional:
                out[name] = None
            elif name not in data and field.has_default:
                out[name] = field.default
            else:
                raise InvalidInput(f"{path}.{name}", expected(field), None)
        else:
            out[name] = _parse(field, value, f"{path}.{name}")
    return out


def expected(field: Field) -> str:
    """In words, what a field takes."""
    return "text" if field.personal else _expected(field.python)


def _expected(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"a list of {_expected(get_args(kind)[0])}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "one of " + ", ".join(m.value for m in kind)
    words = {
        str: "text",
        int: "a whole number",
        bool: "true or false",
        date: "a date YYYY-MM-DD",
        datetime: "a moment with its time zone (ISO 8601)",
        bytes: "bytes in hexadecimal",
    }
    return words.get(kind, "an object")


def _parse(field: Field, value: object, path: str) -> Any:
    if field.personal:
        # Never in sealed form: a commitment that was not made here is one that nobody can ever open.
        if not isinstance(value, str):
            raise InvalidInput(
                path, "text", value if isinstance(value, Mapping | list) else type(value).__name__
            )
        says_something(path, value)
        return value
    return _parse_kind(field.python, value, path)


def _parse_kind(kind: Any, value: object, path: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise InvalidInput(path, "a list", unsaid(value))
        inner = get_args(kind)[0]
        return tuple(_parse_kind(inner, v, f"{path}.{i}") for i, v in enumerate(value))
    if kind in (str, int, bool):
        if type(value) is not kind:
            raise InvalidInput(path, _expected(kind), value)
        # Empty, it is not stated: law says where that may be, and an attachment under its case's key has none.
        if isinstance(value, str) and value:
            says_something(path, value)
        return value
    if kind in (date, datetime):
        stated = parse_date(value, path) if kind is date else parse_moment(value, path)
        not_before_all_records(path, stated)
        return stated
    if kind is bytes:
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise InvalidInput(path, _expected(kind), value)
        return bytes.fromhex(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        for member in kind:
            if member.value == value:
                return member
        raise InvalidInput(path, _expected(kind), value)
    return kind(**parse_fields(kind, value, path))


def unsaid(value: object) -> object:
    """A wrong value as an error may name it: text may be what a sealed field was to hold.

    Objects and lists are never shown by an error (``ledger.errors``).
    """
    return "text" if isinstance(value, str) else value


def parse_date(value: object, path: str) -> date:
    """A date written YYYY-MM-DD. Raises InvalidInput."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise InvalidInput(path, _expected(date), value)


def parse_moment(value: object, path: str) -> datetime:
    """An ISO 8601 moment with its time zone, as UTC. Raises InvalidInput."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            try:
                return moment.astimezone(UTC)
            except OverflowError:
                pass
    raise InvalidInput(path, _expected(datetime), value)


def parse_happened(value: object, path: str = "happened") -> tuple[HappenedOn, Precision]:
    """When it happened, and how exactly that is known, from the form in which it is written.

    ``2025-06-11`` a day, ``2025-06`` a month, ``2025`` a year, an ISO moment with its zone an instant, null
    unknown. Raises InvalidInput.
    """
    if value is None:
        return None, Precision.UNKNOWN
    happened, precision = _parse_happened(value, path)
    not_before_all_records(path, happened)
    return happened, precision


def _parse_happened(value: object, path: str) -> tuple[date | datetime, Precision]:
    if isinstance(value, str):
        if re.fullmatch(r"\d{4}", value):
            return parse_date(f"{value}-01-01", path), Precision.YEAR
        if re.fullmatch(r"\d{4}-\d{2}", value):
            return parse_date(f"{value}-01", path), Precision.MONTH
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            return parse_date(value, path), Precision.DAY
        if "T" in value:
            return parse_moment(value, path), Precision.INSTANT
    raise InvalidInput(path, "YYYY-MM-DD, YYYY-MM, YYYY, an ISO moment with its time zone, or null", value)


def show_happened(happened_on: HappenedOn, precision: Precision) -> str | None:
    """The form that ``parse_happened`` reads."""
    if happened_on is None:
        return None
    text = show(happened_on)
    assert isinstance(text, str)
    return {Precision.YEAR: text[:4], Precision.MONTH: text[:7]}.get(precision, text)


def show(value: Any) -> Any:
    """A declared value as JSON: dates and moments in ISO 8601, bytes in hexadecimal, records as objects.

    A sealed value shows as its commitment and key.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [show(v) for v in value]
    return {f.name: show(getattr(value, f.name)) for f in fields_of(value.__class__)}


def show_seconds(seconds: int | None) -> str | None:
    """A witness's time (seconds since 1970) in ISO 8601; of one that no calendar has, the number itself."""
    if seconds is None:
        return None
    try:
        return str(show(datetime.fromtimestamp(seconds, UTC)))
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"


def json_schema(cls: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of the fields of ``cls`` as a command's input takes them."""
    properties = {f.name: _field_schema(f) for f in fields_of(cls)}
    out: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    required = [f.name for f in fields_of(cls) if not f.optional and not f.has_default]
    if required:
        out["required"] = required
    if doc := doc_of(cls):
        out["description"] = doc
    return out


def _field_schema(field: Field) -> dict[str, Any]:
    sealed = {"type": "string", "pattern": r"\S", "x-sealed": True}
    schema = sealed if field.personal else _kind_schema(field.python)
    if field.optional:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if field.doc:
        schema["description"] = field.doc
    return schema


def _kind_schema(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _kind_schema(get_args(kind)[0])}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [m.value for m in kind]}
    simple: dict[Any, dict[str, Any]] = {
        str: {"type": "string", "pattern": r"^$|\S"},
        int: {"type": "integer"},
        bool: {"type": "boolean"},
        date: {"type": "string", "format": "date", "x-earliest": EARLIEST.isoformat()},
        datetime: {"type": "string", "format": "date-time", "x-earliest": EARLIEST.isoformat()},
        bytes: {"type": "string", "pattern": "^([0-9a-f]{2})*$"},
        Sealed: {"type": "string"},
    }
    return simple[kind] if kind in simple else json_schema(cast(type, kind))


def template(cls: type, within: str = "") -> dict[str, Any]:
    """An example object with every field named, saying in each place what belongs there.

    What may be left out says so; of an object or a list that may, every place in it does (``within``).
    """
    out: dict[str, Any] = {}
    for f in fields_of(cls):
        optional = f.optional or f.has_default
        inner = within or (f"; optional with the whole of {f.name}" if optional else "")
        if not f.personal and _is_record(f.python):
            out[f.name] = template(f.python, inner)
        elif get_origin(f.python) is tuple:
            each = get_args(f.python)[0]
            out[f.name] = [template(each, inner) if _is_record(each) else f"<{_expected(each)}{inner}>"]
        else:
            out[f.name] = f"<{expected(f)}{'; optional' if optional else within}>"
    return out


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "__avro_name__") and not issubclass(kind, StrEnum)
