"""Rows as lines of PostgreSQL's COPY text format: the one way in which rows reach a register table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from ledger.domain.event import CaseEvent
from projections.base import Kind, Register, Row, Status, StreamInfo
from projections.views.days import recorded_on

NULL = "\\N"
_Null = type(None)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# Within an array the element is quoted first, then the whole is escaped as any other text.
_QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"'})
_MOST = 20_000
"""Values of a kind that are kept as text: the same few days, parts and states come again and again."""


class Lines:
    """The lines of one stream, whose history as corrected is ``history``."""

    __slots__ = ("_case", "_dated", "_entries", "_status")

    def __init__(self, about: StreamInfo, status: Status, history: Sequence[CaseEvent]) -> None:
        self._case = f"{about.ledger}\t{_text(about.stream)}"
        self._status = status.value
        self._entries = _indexes(history)
        self._dated: dict[int, str] = {}

    def line(self, register: Register, row: Row) -> str:
        """One COPY line, with its newline. Raises TypeError for a value that its column does not take."""
        layouts, values = _layouts(register), row.values
        found: list[Any] = [*values.values()]
        kinds = tuple(values), tuple(map(type, found))
        layout = layouts.get(kinds)
        if layout is None:
            layout = layouts[kinds] = _layout(register, *kinds)
        for at, shown in layout.shown:
            found[at] = shown(found[at])
        cells = layout.cells(found)
        if not _plain("".join(cells)):
            for at in layout.texts:
                found[at] = _text(found[at])
            cells = layout.cells(found)
        fact = row.fact
        dated = self._dated.get(fact.index)
        if dated is None:
            dated = self._dated[fact.index] = _dated(fact)
        entries = self._entries if row.facts is None else _indexes(row.facts)
        return layout.text % (self._case, _text(row.key), self._status, dated, entries, *cells)


class _Layout(NamedTuple):
    """How rows are shown that name certain columns, with values of certain types."""

    text: str
    """The line, with a place for each part and value that there is."""
    shown: tuple[tuple[int, Callable[[Any], str]], ...]
    """The values that are no text as they are, by place, and how they are shown."""
    cells: Callable[[list[Any]], Sequence[str]]
    """Picks the values that there are, in the order of the columns."""
    texts: tuple[int, ...]
    """The values that are text."""


_Kinds = tuple[tuple[str, ...], tuple[type, ...]]
"""The columns that a row names, and the types of its values."""


@cache
def _layouts(_register: Register) -> dict[_Kinds, _Layout]:
    """The layouts of the rows that a register gave so far."""
    return {}


def _layout(register: Register, names: Sequence[str], kinds: Sequence[type]) -> _Layout:
    if not register.own_names.issuperset(names):
        raise TypeError(f"{register.name} has no column {', '.join(set(names) - register.own_names)}")
    text = "\t".join(["%s"] * 5)
    shown: list[tuple[int, Callable[[Any], str]]] = []
    stated: list[int] = []
    texts: list[int] = []
    places = {name: at for at, (name, kind) in enumerate(zip(names, kinds, strict=True)) if kind is not _Null}
    for column in register.columns:
        at = places.get(column.name)
        if at is None:
            text += f"\t{NULL}"
            continue
        kind = kinds[at]
        text += "\t%s"
        stated.append(at)
        if column.kind in (Kind.TEXT, Kind.SEALED) and issubclass(kind, str):
            texts.append(at)
            continue
        taken, how = _SHAPES.get(column.kind, ((str,), str))
        if kind not in taken:
            names = " or ".join(each.__name__ for each in taken)
            raise TypeError(f"{register.name}.{column.name}: expected {names}, got {kind.__name__}")
        shown.append((at, how))
    return _Layout(text + "\n", tuple(shown), _picking(stated), tuple(texts))


def _picking(places: Sequence[int]) -> Callable[[list[Any]], Sequence[str]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda found: [found[at] for at in places]


def _indexes(facts: Sequence[CaseEvent]) -> str:
    return _array_of(len(facts)) % tuple(sorted([fact.index for fact in facts]))


# Most cases are short; those that grow and grow would leave a text of every size that they had.
@lru_cache(64)
def _array_of(size: int) -> str:
    return "{" + ",".join(["%d"] * size) + "}"


def _dated(fact: CaseEvent) -> str:
    """index, happened_on, happened_precision, recorded_at, days_between"""
    happened, recorded, precision = fact.happened_date, fact.timestamp, fact.header.precision
    if happened is None:
        return f"{fact.index}\t{NULL}\t{precision}\t{recorded.isoformat()}\t{NULL}"
    days = recorded_on(fact).toordinal() - happened.toordinal()
    return f"{fact.index}\t{_DAYS[happened]}\t{precision}\t{recorded.isoformat()}\t{days}"


def _text(text: str) -> str:
    if _plain(text):
        return text
    # A null character has no place in PostgreSQL's text, and none in an identifier or code.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").translate(_ESCAPES)


def _plain(text: str) -> bool:
    return text.isprintable() and "\\" not in text


def _quoted(text: str) -> str:
    if _plain(text) and '"' not in text:
        return f'"{text}"'
    return '"' + _text(text.translate(_QUOTES)) + '"'


class _Days(dict[date, str]):
    """Days as text."""

    def __missing__(self, day: date) -> str:
        if len(self) >= _MOST:
            self.clear()
        text = self[day] = day.isoformat()
        return text


_DAYS = _Days()


def _array(kind: type, shown: Callable[[Any], str]) -> Callable[[Sequence[Any]], str]:
    kept: dict[tuple[Any, ...], str] = {}

    def array(values: Sequence[Any]) -> str:
        key = tuple(values)
        text = kept.get(key)
        if text is None:
            wrong = next((value for value in key if not isinstance(value, kind)), None)
            if wrong is not None:
                raise TypeError(f"expected a list of {kind.__name__}, got {type(wrong).__name__} in it")
            if len(kept) >= _MOST:
                kept.clear()
            text = kept[key] = "{" + ",".join(map(shown, key)) + "}"
        return text

    return array


_SHAPES: dict[Kind, tuple[tuple[type, ...], Callable[[Any], str]]] = {
    Kind.DATE: ((date,), _DAYS.__getitem__),
    Kind.MOMENT: ((datetime,), datetime.isoformat),
    Kind.INT: ((int,), str),
    Kind.BOOL: ((bool,), {True: "t", False: "f"}.__getitem__),
    Kind.TEXTS: ((list, tuple), _array(str, _quoted)),
    Kind.DATES: ((list, tuple), _array(date, _DAYS.__getitem__)),
    Kind.INTS: ((list, tuple), _array(int, str)),
}
"""Which types a column takes, beside text as text, and how their values are shown."""
