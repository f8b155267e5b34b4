"""A report as files: CSV (one file a table) and JSON; with the HTML of ``page``, the same figures in each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ledger.errors import InvalidInput
from projections.reports.figures import ROUNDING, Figure, Report, Table
from projections.reports.page import DEMONSTRATION, Link, html

FORMATS: Mapping[str, str] = {"html": "text/html", "csv": "text/csv", "json": "application/json"}
Lines = Sequence[Sequence[object]]
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def render(report: Report, form: str, link: Link | None = None) -> dict[str, bytes]:
    """The files of a report in one format, by name; always the same bytes. Raises InvalidInput.

    ``link``: where a row can be read on, for a page that is served.
    """
    name = f"{report.name}-{report.period.first}-{report.period.last}"
    if form == "html":
        return {f"{name}.html": html(report, link)}
    if form == "json":
        return {f"{name}.json": as_json(report)}
    if form == "csv":
        return {f"{name}-{part}.csv": content for part, content in as_csv(report).items()}
    raise InvalidInput("format", "one of " + ", ".join(FORMATS), form)


# --- CSV ----------------------------------------------------------------------------------------------------


def as_csv(report: Report) -> dict[str, bytes]:
    """One file a table, and beside them: what the report is, its definitions, its figures, the rows behind.

    Every line of every file of a demonstration says that it is one, in a last column.
    """
    figures = report.figures.values()
    found = {table.id.replace(".", "-"): _lines(table) for table in report.tables}
    found["about"] = [("item", "value"), *about(report)]
    found["definitions"] = [
        ("definition", "version", "words"),
        *((d.id, d.version, d.words) for d in report.definitions),
    ]
    found["figures"] = [
        ("figure", "value", "unit", "definition"),
        *((f.id, f, f.unit, f.definition.reference) for f in figures),
    ]
    found["rows"] = [
        ("figure", "register", "ledger", "case", "row"),
        *((f.id, *row) for f in figures for row in f.rows),
    ]
    return {name: _written(lines, report.demonstration) for name, lines in found.items()}


def _lines(table: Table) -> Lines:
    return [("line", *table.columns), *((line.id, line.head, *line.cells) for line in table.lines)]


def about(report: Report) -> list[tuple[str, str]]:
    """What a report is, in pairs: positions, the date that clocks were judged on, versions."""
    return [
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


def _written(lines: Lines, demonstration: bool) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for place, line in enumerate(lines):
        said = ("events" if place == 0 else DEMONSTRATION,) if demonstration else ()
        writer.writerow([_safe(cell) for cell in (*line, *said)])
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
        **({"notice": DEMONSTRATION} if report.demonstration else {}),
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
