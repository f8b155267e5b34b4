"""A report as one page of HTML: whole in itself, nothing in it runs, every figure opens the rows behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from projections.reports.chart import svg
from projections.reports.figures import ROUNDING, Behind, Chart, Figure, Report, RowId, Table
from projections.reports.period import day_words

DEMONSTRATION = "Demonstration, invented events"
Link = Callable[[RowId, Behind], str]
"""Where a row can be read in its register, as at the report's position."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The rows behind figures that count the same ones, and what each of these figures is."""

    id: str
    of: tuple[tuple[Figure, str], ...]
    table: str
    """The table that the first of them stands in."""
    rows: tuple[RowId, ...]


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("projections.reports"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["day"] = day_words
    return found


def html(report: Report, link: Link | None = None) -> bytes:
    """The page. Figures that count the same rows open one list of them; each row stands once, with its columns.

    ``link``: where a row can be read on, for a page that is served; a file has no such place.
    """

    def drawn(table: Table) -> Markup:
        assert isinstance(table.chart, Chart)
        return Markup(svg(table.chart, f"chart-{table.id}"))  # noqa: S704 - svg() escapes what it is given

    lists = _opened(report)
    page = _environment().get_template("report.html.j2")
    return page.render(
        report=report, rounding=ROUNDING, drawn=drawn, demonstration=DEMONSTRATION, link=link,
        lists=lists, opens={figure.id: each.id for each in lists for figure, _ in each.of},
        numbers={row: number for number, row in enumerate(report.rows, start=1)},
        is_figure=lambda cell: isinstance(cell, Figure),
    ).encode()  # fmt: skip


def _opened(report: Report) -> Sequence[Opened]:
    """The lists of rows in the order of the first figure of each. A figure of no rows opens none."""
    found: dict[tuple[RowId, ...], list[tuple[Figure, str]]] = {}
    tables: dict[tuple[RowId, ...], str] = {}
    for table in report.tables:
        for line in table.lines:
            for column, cell in zip(table.columns[1:], line.cells, strict=True):
                if isinstance(cell, Figure) and cell.rows:
                    rows = tuple(sorted(set(cell.rows)))
                    tables.setdefault(rows, table.id)
                    found.setdefault(rows, []).append((cell, f"{table.title}: {line.head}, {column}"))
    return [
        Opened(f"f{number}", tuple(of), tables[rows], rows)
        for number, (rows, of) in enumerate(found.items(), start=1)
    ]
