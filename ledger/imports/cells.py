"""What a file of a register is read into, whatever it was: sheets, rows, cells, and where each one stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ledger.errors import InvalidInput

MAX_ROWS = 1_048_576
"""Rows of a sheet: what a spreadsheet programme itself takes."""
MAX_COLUMNS = 1_000
MAX_CELL = 131_072
"""Characters of a cell; longer ones would fit no entry."""
EXCEL_1900 = date(1899, 12, 30)
EXCEL_1904 = date(1904, 1, 1)
"""Day 0 of the two countings of serial dates."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell that holds no value but an error; ``reason`` in words."""

    reason: str


Value = str | int | float | bool | date | datetime | Broken | None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row: its number as the spreadsheet counts (headings included), its first line in the file."""

    sheet: str
    number: int
    line: int
    cells: Mapping[str, Value]
    """By heading. A heading that the row does not reach has no cell."""
    place: str
    """The sheet as an entry may name it: ``csv``, ``json``, ``sheet 2``. Its own name may hold a person's."""

    def value(self, column: str) -> Value:
        """The cell under a heading; None where it is empty."""
        value = self.cells.get(column)
        return None if isinstance(value, str) and not value.strip() else value


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its headings with their column letters, and its rows that are not empty."""

    name: str
    letters: Mapping[str, str]
    rows: Sequence[SourceRow]
    epoch: date = EXCEL_1900


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: what it turned out to be, and its sheets."""

    kind: str
    """``xlsx``, ``csv`` or ``json``."""
    media_type: str
    sheets: Sequence[Sheet]
    encoding: str | None = None
    delimiter: str | None = None

    def stated(self) -> str:
        """In words, how the file was read."""
        names = {",": "comma", ";": "semicolon", "\t": "tab"}
        parts = [self.kind]
        if self.encoding:
            parts.append(self.encoding)
        if self.delimiter:
            parts.append(f"separated by {names[self.delimiter]}")
        return ", ".join(parts)


def column_letter(place: int) -> str:
    """The letters of a column: 0 ⇒ A, 25 ⇒ Z, 26 ⇒ AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def tidy(text: str) -> str:
    """White space made single: how headings and words are compared."""
    return " ".join(text.split())


def text_of(value: Value) -> str:
    """A cell as text. Whole numbers have no decimal point, dates are ISO 8601."""
    if value is None or isinstance(value, Broken):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value).replace("\r\n", "\n").strip()


def headings_of(cells: Sequence[Value], where: str) -> list[str]:
    """The headings of a row of cells: tidied, a repeated one numbered, an empty one named by its letter.

    Raises InvalidInput where there are none, or too many.
    """
    names: list[str] = []
    while cells and text_of(cells[-1]) == "":
        cells = cells[:-1]
    if not cells:
        raise InvalidInput(where, "a row of headings", "an empty row")
    if len(cells) > MAX_COLUMNS:
        raise InvalidInput(where, f"at most {MAX_COLUMNS} columns", len(cells))
    for place, cell in enumerate(cells):
        heading = tidy(text_of(cell)) or f"column {column_letter(place)}"
        name, number = heading, 1
        while name in names:
            number += 1
            name = f"{heading} ({number})"
        names.append(name)
    return names


def letters_of(headings: Sequence[str]) -> dict[str, str]:
    """Heading → column letters."""
    return {heading: column_letter(place) for place, heading in enumerate(headings)}


def row_of(
    sheet: str, number: int, line: int, headings: Sequence[str], cells: Sequence[Value], place: str
) -> SourceRow:
    """A row under its headings; a cell beyond them, or too long, is kept as broken: the row is refused."""
    named: dict[str, Value] = {}
    for column, cell in enumerate(cells):
        if cell is None or cell == "":
            continue
        if isinstance(cell, str) and len(cell) > MAX_CELL:
            cell = Broken(f"more than {MAX_CELL} characters")
        if column < len(headings):
            named[headings[column]] = cell
        elif text_of(cell):
            named[f"column {column_letter(column)}"] = Broken("a cell beyond the last heading")
    return SourceRow(sheet, number, line, named, place)


def is_blank(row: SourceRow) -> bool:
    """Whether no cell of the row says anything."""
    return all(text_of(value) == "" and not isinstance(value, Broken) for value in row.cells.values())
