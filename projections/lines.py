"""Rows as lines of PostgreSQL's COPY text format: the one way in which rows reach a register table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from ledger.domain.event import CaseEvent
from projections.base import Kind, Register, Row, Status, StreamInfo
from projections.views.days import recorded_on

NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# Within an array the element is quoted first, then the whole is escaped as any other text.
_QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def line(register: Register, about: StreamInfo, status: Status, row: Row, history: Sequence[CaseEvent]) -> str:
    """One COPY line, with its newline. Raises TypeError for a value that its column does not take."""
    values = row.values
    if not values.keys() <= register.own_names:
        raise TypeError(f"{register.name} has no column {', '.join(values.keys() - register.own_names)}")
    facts = row.facts
    entries = about.view(_entries, history) if facts is None else _entries(facts, about)
    cells = [
        f"{about.ledger}\t{_text(about.stream)}\t{_text(row.key)}\t{status}\t{_dated(row.fact)}\t{entries}"
    ]
    names, shapes = _shapes(register)
    cells += [NULL if v is None else shown(v) for v, shown in zip(map(values.get, names), shapes, strict=True)]
    return "\t".join(cells) + "\n"


def _entries(facts: Sequence[CaseEvent], _about: StreamInfo) -> str:
    if len(facts) == 1:
        return f"{{{facts[0].index}}}"
    return "{" + ",".join(map(str, sorted([fact.index for fact in facts]))) + "}"


def _dated(fact: CaseEvent) -> str:
    """index, happened_on, happened_precision, recorded_at, days_between"""
    happened, recorded = fact.happened_date, fact.timestamp
    if happened is None:
        return f"{fact.index}\t{NULL}\t{fact.header.precision}\t{recorded.isoformat()}\t{NULL}"
    days = (recorded_on(fact) - happened).days
    return f"{fact.index}\t{happened.isoformat()}\t{fact.header.precision}\t{recorded.isoformat()}\t{days}"


@cache
def _shapes(register: Register) -> tuple[tuple[str, ...], tuple[Callable[[Any], str], ...]]:
    columns = register.columns
    return tuple(column.name for column in columns), tuple(_SHAPES[column.kind] for column in columns)


def _text(value: object) -> str:
    try:
        if value.isprintable() and "\\" not in value:  # type: ignore[attr-defined, operator]
            return value  # type: ignore[return-value]
    except AttributeError:
        raise TypeError(f"expected text, got {type(value).__name__}") from None
    # A null character has no place in PostgreSQL's text, and none in an identifier or code.
    return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}").translate(_ESCAPES)


def _moment(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"expected a moment, got {type(value).__name__}")
    return value.isoformat()


def _bool(value: object) -> str:
    if not isinstance(value, bool):
        raise TypeError(f"expected yes or no, got {type(value).__name__}")
    return "t" if value else "f"


def _quoted(value: object) -> str:
    text = _text(value)
    if text is value and '"' not in text:
        return f'"{text}"'
    raw = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return '"' + raw.translate(_QUOTES).translate(_ESCAPES) + '"'


def _array(shown: Callable[[Any], str]) -> Callable[[Any], str]:
    def array(value: object) -> str:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, got {type(value).__name__}")
        return "{" + ",".join(map(shown, value)) + "}"

    return array


# Methods of the types themselves: at no cost they refuse a value of another type.
_date: Callable[[Any], str] = date.isoformat
_int: Callable[[Any], str] = int.__repr__

_SHAPES: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _text,
    Kind.SEALED: _text,
    Kind.DATE: _date,
    Kind.MOMENT: _moment,
    Kind.INT: _int,
    Kind.BOOL: _bool,
    Kind.TEXTS: _array(_quoted),
    Kind.DATES: _array(_date),
    Kind.INTS: _array(_int),
}
