"""How tables are counted from rows: into categories, by agency, with the sums that must tie declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from projections.reports.figures import (
    Bar,
    Chart,
    Definition,
    Figure,
    Line,
    Section,
    Table,
    Tie,
    count,
    percent,
)
from projections.reports.snapshot import RegisterRow

Rows = Sequence[RegisterRow]
Sort = Callable[[RegisterRow], str]

SHARE = Definition("share", "The part as a percentage of the table's total.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A category: its key in figure ids, and its words."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class Of:
    """Whom a line is of; ``record`` says what its record is, ``counts`` whether it has numbers at all."""

    key: str
    words: str
    record: str = ""
    counts: bool = True


@dataclass
class Builder:
    """Collects the tables and ties of one section."""

    id: str
    title: str
    words: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)

    def section(self) -> Section:
        """The section as it stands."""
        return Section(self.id, self.title, tuple(self.tables), tuple(self.ties), tuple(self.words))

    def tie(self, whole: Figure, *parts: Figure, minus: Iterable[Figure] = (), rows: bool = False) -> None:
        """Declares that the parts, less ``minus``, come to the whole."""
        self.ties.append(Tie(whole, parts, tuple(minus), rows))

    def kinds(
        self,
        table: str,
        title: str,
        head: str,
        rows: Rows,
        sort: Sort,
        kinds: Sequence[Kind],
        definition: Definition,
        *,
        chart: str = "",
        notes: Sequence[str] = (),
        unit: str = "Number",
    ) -> dict[str, Figure]:
        """A table of one line a category, with shares; every row falls in exactly one. Figures by key.

        A row that falls in none makes the total not tie. ``chart``: the description of a chart of it.
        """
        name = f"{self.id}.{table}"
        total = count(f"{name}.total", definition, (row.id for row in rows))
        sorts = _sorted(rows, sort)
        found = {
            kind.key: count(f"{name}.{kind.key}", definition, (row.id for row in sorts.get(kind.key, ())))
            for kind in kinds
        }
        self.tie(total, *found.values(), rows=True)
        lines = [
            Line(
                k.words, (found[k.key], percent(f"{name}.{k.key}.share", SHARE, found[k.key], total)), id=k.key
            )
            for k in kinds
        ]
        lines.append(Line("Total", (total, ""), total=True, id="total"))
        bars = tuple(Bar(kind.words, found[kind.key]) for kind in kinds)
        drawn = Chart(title, chart, bars, unit) if chart else None
        self.tables.append(
            Table(name, title, (head, unit, "Share"), tuple(lines), tuple(notes), drawn)
        )  # fmt: skip
        return found | {"total": total}

    def by(
        self,
        table: str,
        title: str,
        lines: Sequence[Of],
        of: Sort,
        rows: Rows,
        sort: Sort,
        kinds: Sequence[Kind],
        definition: Definition,
        *,
        head: str = "Agency",
        notes: Sequence[str] = (),
    ) -> Figure:
        """A table of one line an agency and one column a category; both ways the parts come to the total.

        Every row must fall in one line and one column. The grand total is returned.
        """
        name = f"{self.id}.{table}"
        recorded = any(line.record for line in lines)
        cells: list[Line] = []
        sums: dict[str, list[Figure]] = {kind.key: [] for kind in kinds}
        totals: list[Figure] = []
        by_line, by_kind = _sorted(rows, of), _sorted(rows, sort)
        for line in lines:
            own = by_line.get(line.key, [])
            sorts = _sorted(own, sort)
            said: tuple[Figure | str, ...] = (line.record,) if recorded else ()
            if not line.counts and not own:
                cells.append(Line(line.words, (*said, *("–" for _ in kinds), "–"), id=line.key))
                continue
            parts = [
                count(f"{name}.{line.key}.{k.key}", definition, (r.id for r in sorts.get(k.key, ())))
                for k in kinds
            ]
            total = count(f"{name}.{line.key}.total", definition, (row.id for row in own))
            self.tie(total, *parts, rows=True)
            for kind, part in zip(kinds, parts, strict=True):
                sums[kind.key].append(part)
            totals.append(total)
            cells.append(Line(line.words, (*said, *parts, total), id=line.key))
        whole = [
            count(f"{name}.total.{k.key}", definition, (row.id for row in by_kind.get(k.key, ())))
            for k in kinds
        ]
        for kind, figure in zip(kinds, whole, strict=True):
            self.tie(figure, *sums[kind.key], rows=True)
        grand = count(f"{name}.total.total", definition, (row.id for row in rows))
        self.tie(grand, *totals, rows=True)
        blank: tuple[Figure | str, ...] = ("",) if recorded else ()
        cells.append(Line("Total", (*blank, *whole, grand), total=True, id="total"))
        columns = (head, *(("Record",) if recorded else ()), *(k.words for k in kinds), "Total")
        self.tables.append(Table(name, title, columns, tuple(cells), tuple(notes), by_body=True))
        return grand

    def list(
        self,
        table: str,
        title: str,
        columns: tuple[str, ...],
        lines: Sequence[tuple[str, Figure]],
        *,
        notes: Sequence[str] = (),
        chart: str = "",
    ) -> None:
        """A table of one figure a line."""
        made = tuple(Line(words, (figure,), id=figure.id.rsplit(".", 1)[1]) for words, figure in lines)
        bars = tuple(Bar(words, figure) for words, figure in lines)
        drawn = Chart(title, chart, bars, columns[1]) if chart else None
        self.tables.append(Table(f"{self.id}.{table}", title, columns, made, tuple(notes), drawn))

    def flow(
        self, table: str, title: str, lines: Sequence[tuple[str, str, Rows]], definition: Definition
    ) -> dict[str, Figure]:
        """Opening + new − ended = closing, with the rows: what ended and what is left is what was there.

        ``lines``: key, words and rows of these four, in this order. Figures by key.
        """
        name = f"{self.id}.{table}"
        found = {key: count(f"{name}.{key}", definition, (row.id for row in rows)) for key, _, rows in lines}
        opening, new, ended, closing = found.values()
        self.tie(closing, opening, new, minus=(ended,))
        there = count(f"{name}.there", definition, (*opening.rows, *new.rows))
        self.tie(there, ended, closing, rows=True)
        self.list(table, title, ("", "Number"), [(words, found[key]) for key, words, _ in lines])
        return found


def _sorted(rows: Rows, sort: Sort) -> dict[str, Rows]:
    found: dict[str, list[RegisterRow]] = {}
    for row in rows:
        found.setdefault(sort(row), []).append(row)
    return dict(found)
