"""Bad rows written back as a sheet: each as it came, with its place and the reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from ledger.errors import InvalidInput, Unavailable
from ledger.imports.cells import Broken, Document, Value, text_of
from ledger.imports.interpret import Fault

PLACE = ("sheet", "row", "line", "column", "reason")
SUFFIXES = (".xlsx", ".csv")

Line = list[Value]


def lines_of(document: Document, faults: Sequence[Fault]) -> list[Line]:
    """Headings, then a line for each fault: place and reason first, then the row's own cells."""
    headings = list(dict.fromkeys(heading for sheet in document.sheets for heading in sheet.letters))
    rows = {(row.sheet, row.number): row for sheet in document.sheets for row in sheet.rows}
    lines: list[Line] = [[*PLACE, *headings]]
    for fault in faults:
        cells = rows[fault.sheet, fault.row].cells
        column = f"{fault.column} ({fault.letter})" if fault.letter else fault.column
        place: Line = [fault.sheet, fault.row, fault.line, column, fault.reason]
        lines.append([*place, *(cells.get(heading) for heading in headings)])
    return lines


def write_report(path: Path, document: Document, faults: Sequence[Fault]) -> None:
    """Writes the bad rows to an .xlsx or .csv file. Raises InvalidInput for another ending, Unavailable."""
    check_report(path)
    lines = lines_of(document, faults)
    data = _workbook(lines) if path.suffix.lower() == ".xlsx" else _separated(lines)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(f"--report {path.name}: cannot be written: {error.strerror}") from error


def check_report(path: Path, what: str = "--report") -> None:
    """Refuses, before any work, a file that could not be written to; ``what`` named it. Raises InvalidInput."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(what, "a name that ends in " + " or ".join(SUFFIXES), path.name)
    if not path.parent.is_dir():
        raise InvalidInput(what, "a folder that is there", str(path.parent))


def _workbook(lines: Sequence[Line]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "Rows that did not go in"
    for number, line in enumerate(lines, 1):
        for place, value in enumerate(line, 1):
            cell = sheet.cell(number, place)
            if isinstance(value, int | float | date | datetime) and not isinstance(value, bool):
                cell.value = value.replace(tzinfo=None) if isinstance(value, datetime) else value
            else:
                # A cell that begins with '=' stays the text that it was, and becomes no formula.
                cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", _text(value))
                cell.data_type = "s"
    sheet.freeze_panes = "A2"
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def _separated(lines: Sequence[Line]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([_text(value) for value in line] for line in lines)
    return out.getvalue().encode("utf-8-sig")


def _text(value: Value) -> str:
    return f"({value.reason})" if isinstance(value, Broken) else text_of(value)
