"""A report as files: HTML for people, CSV (one file a table), JSON; the same figures in each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ledger.errors import InvalidInput
from projections.reports.chart import svg
from projections.reports.figures import ROUNDING, Chart, Figure, Report, RowId, Table
from projections.reports.period import day_words

FORMATS: Mapping[str, str] = {"html": "text/html", "csv": "text/csv", "json": "application/json"}
DEMONSTRATION = "Demonstration, invented events"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def render(report: Report, form: str) -> dict[str, bytes]:
    """The files of a report in one format, by name; always the same bytes. Raises InvalidInput."""
    name = f"{report.name}-{report.period.first}-{report.period.last}"
    if form == "html":
        return {f"{name}.html": html(report)}
    if form == "json":
        return {f"{name}.json": as_json(report)}
    if form == "csv":
        return {f"{name}-{part}.csv": content for part, content in as_csv(report).items()}
    raise InvalidInput("format", "one of " + ", ".join(FORMATS), form)


# --- HTML ---------------------------------------------------------------------------------------------------


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


def html(report: Report) -> bytes:
    """One page that needs nothing beside itself; every figure opens the rows behind it."""
    numbers = {row: number for number, row in enumerate(_rows(report), start=1)}

    def drawn(table: Table) -> Markup:
        assert isinstance(table.chart, Chart)
        return Markup(svg(table.chart, f"chart-{table.id}"))  # noqa: S704 - svg() escapes what it is given

    page = _environment().get_template("report.html.j2")
    return page.render(
        report=report, numbers=numbers, rounding=ROUNDING, drawn=drawn, demonstration=DEMONSTRATION,
        is_figure=lambda cell: isinstance(cell, Figure),
    ).encode()  # fmt: skip


def _rows(report: Report) -> list[RowId]:
    """Every row behind any figure, once, in order."""
    return sorted({row for figure in report.figures.values() for row in figure.rows})


# --- CSV ----------------------------------------------------------------------------------------------------


def as_csv(report: Report) -> dict[str, bytes]:
    """One file a table, and beside them: what the report is, its definitions, its figures, the rows behind."""
    found = {table.id.replace(".", "-"): _table(table) for table in report.tables}
    found["about"] = _written([("item", "value"), *about(report)])
    found["definitions"] = _written(
        [("definition", "version", "words"), *((d.id, d.version, d.words) for d in report.definitions)]
    )
    figures = report.figures.values()
    found["figures"] = _written(
        [
            ("figure", "value", "unit", "definition"),
            *((f.id, f.stated, f.unit, f.definition.reference) for f in figures),
        ],
        numbers=(1,),
    )
    found["rows"] = _written(
        [("figure", "register", "ledger", "case", "row"), *((f.id, *row) for f in figures for row in f.rows)]
    )
    return found


def _table(table: Table) -> bytes:
    lines: list[Sequence[object]] = [("line", *table.columns)]
    for line in table.lines:
        lines.append((line.id, line.head, *line.cells))
    return _written(lines)


def about(report: Report) -> list[tuple[str, str]]:
    """What a report is, in pairs: positions, the date that clocks were judged on, versions."""
    pairs = [
        ("report", report.title),
        ("period", f"{report.period.first} to {report.period.last}"),
        ("clocks judged on", str(report.judged_on)),
        *((f"position of {at.slug}", f"{at.origin}={at.size}") for at in report.positions),
        *((f"last entry of {at.slug}", at.head.hex()) for at in report.positions if at.head is not None),
        ("version of the code", report.versions.code),
        ("version of the rules", report.versions.rules),
        ("version of the definitions", report.versions.definitions),
        ("version of the calendar", report.versions.calendar),
        ("rounding", ROUNDING),
        *(("note", note) for note in report.notes),
        *(("left out: a parked case", case) for case in report.parked),
    ]
    return [("events", DEMONSTRATION), *pairs] if report.demonstration else pairs


def _written(lines: Iterable[Sequence[object]], numbers: Sequence[int] = ()) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for line in lines:
        writer.writerow([cell if place in numbers else _safe(cell) for place, cell in enumerate(line)])
    # Excel reads UTF-8 as such only behind a byte order mark.
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _safe(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula: text that begins like one stands behind an apostrophe."""
    if isinstance(cell, Figure):
        return cell.stated
    text = str(cell)
    return f"'{text}" if text.startswith(_DANGEROUS) and not isinstance(cell, int) else text


# --- JSON ---------------------------------------------------------------------------------------------------


def as_json(report: Report) -> bytes:
    """The report for machines: every figure with its definition and the ids of the rows behind it."""
    return (json.dumps(content(report), ensure_ascii=False, indent=1) + "\n").encode()


def content(report: Report) -> dict[str, Any]:
    """What the JSON says. Numbers that are not whole are strings, so that no reader rounds them."""
    return {
        "report": report.name,
        "title": report.title,
        "demonstration": report.demonstration,
        "period": {"from": str(report.period.first), "to": str(report.period.last)},
        "judged_on": str(report.judged_on),
        "positions": [
            {
                "slug": at.slug, "ledger": at.origin, "size": at.size,
                "head": None if at.head is None else at.head.hex(), "demonstration": at.demonstration,
            }
            for at in report.positions
        ],
        "versions": {
            "code": report.versions.code, "rules": report.versions.rules,
            "definitions": report.versions.definitions, "calendar": report.versions.calendar,
        },
        "rounding": ROUNDING,
        "incomplete": bool(report.parked),
        "parked": list(report.parked),
        "notes": list(report.notes),
        "definitions": {d.id: {"version": d.version, "words": d.words} for d in report.definitions},
        "sections": [
            {
                "id": section.id,
                "title": section.title,
                "words": list(section.words),
                "tables": [_shown(table) for table in section.tables],
            }
            for section in report.sections
        ],
        "figures": {figure.id: _figure(figure) for figure in report.figures.values()},
    }  # fmt: skip


def _shown(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "title": table.title,
        "columns": list(table.columns),
        "lines": [
            {
                "id": line.id, "head": line.head, "total": line.total,
                "cells": [{"figure": c.id} if isinstance(c, Figure) else {"words": c} for c in line.cells],
            }
            for line in table.lines
        ],
        "notes": list(table.notes),
    }  # fmt: skip


def _figure(figure: Figure) -> dict[str, Any]:
    value = figure.value
    return {
        "value": value if value is None or isinstance(value, int) else str(value),
        "unit": figure.unit,
        "definition": figure.definition.reference,
        "rows": [row._asdict() for row in figure.rows],
    }
