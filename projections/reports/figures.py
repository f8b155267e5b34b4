"""What a report is made of: figures with the rows behind them, tables, the sums that must tie, the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.errors import AuditLedgerError
from projections.reports.period import Period

ROUNDING = "Figures that are not whole numbers are rounded half up to one decimal."
"""The one rounding rule, stated in every report (3-registers 'Reports')."""

Value = int | Decimal | None


class ReportRefused(AuditLedgerError):
    """A report is not handed out: a sum does not tie, or cases are parked. Names the figure or the cases."""

    title = "Report refused"
    status = 409
    exit_code = 10


class RowId(NamedTuple):
    """A row of a register, as a figure names it."""

    register: str
    ledger: str
    """Origin of the ledger."""
    stream: str
    key: str

    def __str__(self) -> str:
        where = f"{self.register} {self.ledger}/{self.stream}"
        return f"{where}#{self.key}" if self.key else where


@dataclass(frozen=True, slots=True)
class Behind:
    """A row behind figures, as its register has it at the report's positions; sealed columns are left out."""

    slug: str
    """Of the ledger that it stands in."""
    entries: tuple[int, ...]
    """The entries that it was built from."""
    values: Mapping[str, str]
    """Column → what stands there, in words; without those that are empty."""


@dataclass(frozen=True, slots=True)
class Definition:
    """How figures are counted, in words; ``version`` is raised whenever the counting changes."""

    id: str
    words: str
    version: int = 1

    @property
    def reference(self) -> str:
        """Id and version as a figure states them."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its definition, and every row behind it. ``value`` None: there is nothing to tell it of."""

    id: str
    value: Value
    definition: Definition
    rows: tuple[RowId, ...] = ()
    unit: str = ""
    """'%', 'days', or empty for a count."""

    @property
    def shown(self) -> str:
        """As printed: '–' where there is nothing to tell it of."""
        return "–" if self.value is None else f"{self.value}{'%' if self.unit == '%' else ''}"

    @property
    def stated(self) -> str:
        """As recorded with a hand-over: the number alone, empty where there is none."""
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: what it is of, and its cells: figures, or words in a figure's place."""

    head: str
    cells: tuple[Figure | str, ...]
    total: bool = False
    id: str = ""
    """Tells the line from the table's others in machine-readable forms."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: its label and the figure that it draws."""

    label: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart of one table; the table stands beside it."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    unit: str
    """What the bars count."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: a caption, the heads of its columns (the first is of the lines), lines, notes, a chart."""

    id: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    chart: Chart | None = None
    by_body: bool = False
    """Whether each line but the total is of one body: there are as many as there are bodies."""

    def figures(self) -> Iterator[Figure]:
        """Its figures, line by line."""
        for line in self.lines:
            for cell in line.cells:
                if isinstance(cell, Figure):
                    yield cell


@dataclass(frozen=True, slots=True)
class Tie:
    """A sum that must hold: ``whole`` = the parts together, less ``minus``.

    ``rows``: the rows behind the parts are those behind the whole too, each once: a partition.
    """

    whole: Figure
    parts: tuple[Figure, ...]
    minus: tuple[Figure, ...] = ()
    rows: bool = False

    def check(self) -> None:
        """Raises ReportRefused naming the figure that does not tie."""
        total = sum((p.value or 0 for p in self.parts), Decimal()) - sum(
            (m.value or 0 for m in self.minus), Decimal()
        )
        if self.whole.value is None or total != self.whole.value:
            raise ReportRefused(
                f"figure {self.whole.id} does not tie: it is {self.whole.shown}, its parts come to {total}"
                f" ({self._sum()})"
            )
        if self.rows:
            self._check_rows()

    def _sum(self) -> str:
        said = " + ".join(f"{p.id} {p.shown}" for p in self.parts)
        return said + "".join(f" − {m.id} {m.shown}" for m in self.minus)

    def _check_rows(self) -> None:
        seen: set[RowId] = set()
        for part in self.parts:
            twice = seen.intersection(part.rows)
            if twice:
                raise ReportRefused(
                    f"figure {part.id} does not tie: {min(twice)} is counted in another part too"
                )
            seen.update(part.rows)
        apart = seen.symmetric_difference(self.whole.rows)
        if apart:
            raise ReportRefused(
                f"figure {self.whole.id} does not tie: {min(apart)} is behind the whole or its parts only"
            )


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: its tables and what must hold between their figures."""

    id: str
    title: str
    tables: tuple[Table, ...]
    ties: tuple[Tie, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class At:
    """A position that a report was made from: the first ``size`` entries of a ledger."""

    slug: str
    origin: str
    size: int
    head: bytes | None
    """Leaf hash of the last of them."""
    demonstration: bool


@dataclass(frozen=True, slots=True)
class Versions:
    """By what the figures were made."""

    code: str
    rules: str
    definitions: str
    calendar: str


@dataclass(frozen=True)
class Report:
    """A report as computed. ``parked``: cases that its figures leave out or show as of before they failed."""

    name: str
    title: str
    period: Period
    judged_on: date
    positions: tuple[At, ...]
    versions: Versions
    sections: tuple[Section, ...]
    parked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: Mapping[RowId, Behind] = field(default_factory=dict, repr=False, compare=False)
    """Every row behind any of its figures."""
    _figures: dict[str, Figure] = field(default_factory=dict, repr=False, compare=False)

    @property
    def demonstration(self) -> bool:
        """Whether any ledger behind it holds invented events."""
        return any(at.demonstration for at in self.positions)

    @property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [table for section in self.sections for table in section.tables]

    @property
    def figures(self) -> dict[str, Figure]:
        """All figures by id. Raises ReportRefused where two have one id."""
        if not self._figures:
            for table in self.tables:
                for figure in table.figures():
                    if self._figures.setdefault(figure.id, figure) is not figure:
                        raise ReportRefused(f"figure {figure.id} stands twice in the report")
        return self._figures

    @property
    def headline(self) -> list[Figure]:
        """The figures of the whole: those of one body each are left out."""
        of_bodies = {
            cell.id
            for table in self.tables
            if table.by_body
            for line in table.lines
            if not line.total
            for cell in line.cells
            if isinstance(cell, Figure)
        }
        return [figure for key, figure in self.figures.items() if key not in of_bodies]

    @property
    def definitions(self) -> list[Definition]:
        """The definitions of its figures, each once, by id."""
        found = {figure.definition.id: figure.definition for figure in self.figures.values()}
        return [found[key] for key in sorted(found)]

    def check(self) -> None:
        """Raises ReportRefused naming the first figure that does not tie, or stands twice."""
        assert self.figures is not None
        for section in self.sections:
            for tie in section.ties:
                tie.check()


def count(identity: str, definition: Definition, rows: Iterable[RowId]) -> Figure:
    """The number of these rows."""
    behind = tuple(rows)
    return Figure(identity, len(behind), definition, behind)


def percent(identity: str, definition: Definition, part: Figure, whole: Figure) -> Figure:
    """The part as a percentage of the whole; of nothing there is none."""
    if not whole.value or part.value is None:
        return Figure(identity, None, definition, (), "%")
    return Figure(
        identity, rounded(Fraction(part.value) * 100 / Fraction(whole.value)), definition, part.rows, "%"
    )


def median(identity: str, definition: Definition, days: Sequence[tuple[int, RowId]]) -> Figure:
    """The middle value; of an even number the mean of the middle two."""
    values = sorted(value for value, _ in days)
    middle = len(values) // 2
    found: Value = None
    if values:
        two = values[middle] + (values[middle] if len(values) % 2 else values[middle - 1])
        found = rounded(Fraction(two, 2))
    return Figure(identity, found, definition, tuple(row for _, row in days), "days")


def percentile_90(identity: str, definition: Definition, days: Sequence[tuple[int, RowId]]) -> Figure:
    """The 90th percentile by nearest rank: the smallest value that nine tenths do not exceed."""
    values = sorted(value for value, _ in days)
    found = None if not values else rounded(Fraction(values[-(-9 * len(values) // 10) - 1]))
    return Figure(identity, found, definition, tuple(row for _, row in days), "days")


def rounded(value: Fraction) -> Decimal:
    """Half up, one decimal; of a number below nothing as of its opposite."""
    tenths = (abs(value) * 20 + 1) // 2
    return Decimal(-tenths if value < 0 else tenths).scaleb(-1)


def digest(*parts: Any) -> str:
    """The first 16 hex digits of the SHA-256 of the parts as JSON: tells one version from another."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
