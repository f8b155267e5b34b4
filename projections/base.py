"""What a register is: a pure function from one stream's effective facts to rows.

One definition serves the live tables, a rebuild, a register as at a position, as happened by a date, and
corrections: whatever changed, the stream is folded anew. Registers stand in ``projections/registers`` and
in ``projections/clocks.py`` and are found there; nothing lists them.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, ClassVar, NamedTuple, TypeVar

from ledger.codec.declare import CaseRef
from ledger.domain.event import CaseEvent, load_events
from ledger.errors import InvalidInput, NotFound
from ledger.law.calendar import Calendar

View = TypeVar("View")


class Kind(StrEnum):
    """The types a column may have; the value is PostgreSQL's."""

    TEXT = "text"
    TEXTS = "text[]"
    DATE = "date"
    DATES = "date[]"
    MOMENT = "timestamptz"
    INT = "bigint"
    INTS = "bigint[]"
    BOOL = "boolean"
    SEALED = 'text COLLATE pg_catalog."C"'
    """A pointer ``index:path`` to a sealed value, which no register opens: withheld, destroyed or lost."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a register: its name, type, and what it says (shown to people)."""

    name: str
    kind: Kind
    doc: str


class Status(StrEnum):
    """Whether a row counts. Rows of a case that was entered in error or merged stay, marked, uncounted."""

    CURRENT = "current"
    ENTERED_IN_ERROR = "entered in error"
    MERGED = "merged"


COMMON: tuple[Column, ...] = (
    Column("ledger", Kind.INT, "the ledger's number in this database"),
    Column("stream", Kind.TEXT, "the case"),
    Column("key", Kind.TEXT, "which row of the case's; empty where a case has one"),
    Column("status", Kind.TEXT, "current; entered in error or merged rows stay and are not counted"),
    Column("index", Kind.INT, "the entry that the row is about"),
    Column("happened_on", Kind.DATE, "the Melbourne date on which it happened, as stated; empty: unknown"),
    Column("happened_precision", Kind.TEXT, "how exactly that date is known"),
    Column("recorded_at", Kind.MOMENT, "when the ledger recorded it"),
    Column("days_between", Kind.INT, "days from happening to recording, Melbourne dates"),
    Column("entries", Kind.INTS, "the entries that the row was built from"),
)
"""The columns that every register begins with."""


@dataclass(slots=True)
class StreamInfo:
    """What a register knows of a stream beside its facts."""

    ledger: int
    origin: str
    organisation: str
    """The organisation that the ledger belongs to."""
    stream: str
    opened_by: type[CaseEvent]
    """The event that opened the stream, whether or not it still stands as corrected."""
    calendar: Calendar
    views: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)
    """What was made of its facts so far, by what makes it."""

    def view(self, make: Callable[[Sequence[CaseEvent], StreamInfo], View], facts: Sequence[CaseEvent]) -> View:
        """What ``make`` gives for these facts; made once for all the registers of a stream."""
        try:
            view: View = self.views[make]
        except KeyError:
            view = self.views[make] = make(facts, self)
        return view


class Row(NamedTuple):
    """One row of a register. A column that ``values`` does not name is empty."""

    fact: CaseEvent
    """What the row is about: gives index, happened, recorded and the days between."""
    values: Mapping[str, object]
    key: str = ""
    facts: Sequence[CaseEvent] | None = None
    """The facts that the row was built from; None: all of the stream."""


class Register:
    """The base of all registers. A subclass states its name, columns, streams and version, and ``rows``."""

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when ``rows`` gives other rows for the same facts: the live table is then rebuilt."""
    columns: ClassVar[tuple[Column, ...]]
    opened_by: ClassVar[tuple[type[CaseEvent], ...] | None]
    """The events that open the streams it looks at; None: every one. Of a named stream all of its events."""
    public: ClassVar[bool] = False
    """Whether 3-registers opens it to anyone."""

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """The rows of one stream from its effective facts, in the order recorded. Pure."""
        raise NotImplementedError

    @cached_property
    def all_columns(self) -> tuple[Column, ...]:
        """The common columns and its own."""
        return COMMON + self.columns

    @cached_property
    def own_names(self) -> frozenset[str]:
        """The names of its own columns."""
        return frozenset(column.name for column in self.columns)

    @cached_property
    def definition(self) -> str:
        """Tells one definition from another: version and digest of the columns."""
        text = "\n".join(f"{c.name} {c.kind}" for c in self.all_columns)
        return f"{self.version}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def column(self, name: str) -> Column:
        """The column of that name. Raises InvalidInput naming those there are."""
        for column in self.all_columns:
            if column.name == name:
                return column
        raise InvalidInput("column", "one of " + ", ".join(c.name for c in self.all_columns), name)

    def looks_at(self, opened_by: type[CaseEvent]) -> bool:
        """Whether it has rows of streams that this event opens."""
        looked = self._looked.get(opened_by)
        if looked is None:
            looked = self._looked[opened_by] = self.opened_by is None or issubclass(opened_by, self.opened_by)
        return looked

    @cached_property
    def _looked(self) -> dict[type[CaseEvent], bool]:
        return {}


def pointer(fact: CaseEvent, path: str) -> str | None:
    """What a sealed column holds: where the value stands, never the value. None where it is not stated."""
    value: object = fact
    for step in path.split(".") if "." in path else (path,):
        value = value[int(step)] if isinstance(value, tuple) else getattr(value, step)
        if value is None:
            return None
    return f"{fact.index}:{path}"


def events_of(area: str) -> tuple[type[CaseEvent], ...]:
    """Every event of an area (``openings``, ``destruction``) that has a named stream to itself.

    What such a stream begins with is chance: whichever of them is recorded first.
    """
    module = f"ledger.domain.{area}.events"
    return tuple(event for event in load_events().values() if event.__module__ == module)


def case_of(ref: CaseRef | None) -> str | None:
    """What a column holds that names a case: its ledger and stream."""
    return None if ref is None else f"{ref.ledger}/{ref.stream}"


def indexes(facts: Iterable[CaseEvent]) -> list[int]:
    """The places of facts in their ledger, in order."""
    return sorted(fact.index for fact in facts)


@cache
def registers() -> Mapping[str, Register]:
    """Every register that this version has, by name: an instance of each subclass found in the package."""
    import projections.registers

    modules = ["projections.clocks"]
    modules += [m.name for m in pkgutil.iter_modules(projections.registers.__path__, "projections.registers.")]
    found: dict[str, Register] = {}
    for module in map(importlib.import_module, modules):
        for cls in _declared(module.__name__, vars(module).values()):
            if cls.name in found:
                raise TypeError(f"two registers are named {cls.name}")
            found[cls.name] = cls()
    return dict(sorted(found.items()))


def _declared(module: str, values: Iterable[object]) -> Iterator[type[Register]]:
    for value in values:
        if inspect.isclass(value) and issubclass(value, Register) and value.__module__ == module:
            yield value


def register(name: str) -> Register:
    """The register of that name. Raises NotFound naming those there are."""
    try:
        return registers()[name]
    except KeyError:
        raise NotFound(f"no register is named {name!r}; there are {', '.join(registers())}") from None
