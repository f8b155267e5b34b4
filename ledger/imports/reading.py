"""A file read by what it holds, not by its name: a workbook, JSON, or text separated by , ; or tabs."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from pathlib import Path

from ledger.errors import InvalidInput
from ledger.imports.cells import (
    MAX_ROWS,
    Broken,
    Document,
    Sheet,
    SourceRow,
    Value,
    is_blank,
    letters_of,
    tidy,
)
from ledger.imports.separated import read_separated

MAX_FILE = 64 * 1024 * 1024
"""Bytes a file may have."""
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def read_document(
    path: Path,
    *,
    header: int = 1,
    sheets: Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    columns: Sequence[str] = (),
) -> Document:
    """The sheets of a file. ``header``: the row of the headings, counted from 1; what is above is left out.

    ``sheets``: those to read, else all that have rows. ``encoding`` and ``delimiter`` are found out where
    they are not given; ``columns``: headings that must be there. Raises InvalidInput.
    """
    document = parse_document(
        read_bytes(path), header=header, sheets=sheets, encoding=encoding, delimiter=delimiter, columns=columns
    )
    if not document.sheets:
        raise InvalidInput(path.name, "at least one sheet with headings", "none")
    for sheet in document.sheets:
        for column in columns:
            if column not in sheet.letters:
                found = ", ".join(sheet.letters)
                raise InvalidInput(f"{path.name}, {sheet.name}", f"a column {column!r}", f"columns {found}")
    return document


def read_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises InvalidInput where it is not there, is empty or too big."""
    try:
        with path.open("rb") as source:
            data = source.read(MAX_FILE + 1)
    except OSError as error:
        raise InvalidInput("file", "a file that can be read", f"{path.name}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        raise InvalidInput("file", f"at most {MAX_FILE} bytes (split it)", f"{path.stat().st_size} bytes")
    if not data.strip():
        raise InvalidInput("file", "a spreadsheet, CSV or JSON", "an empty file")
    return data


def parse_document(
    data: bytes,
    *,
    header: int = 1,
    sheets: Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    columns: Sequence[str] = (),
) -> Document:
    """As ``read_document``, of a file's bytes; the presence of ``columns`` is left to the caller."""
    if data.startswith(_OLD_EXCEL):
        raise InvalidInput("file", "an .xlsx workbook", "an old .xls one: save it as .xlsx")
    if data.startswith(b"PK"):
        # openpyxl takes a third of a second to load, for workbooks alone.
        from ledger.imports.workbook import read_workbook

        return read_workbook(data, header, sheets)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput("file", "UTF-8 or Windows-1252", "UTF-16: save it as CSV UTF-8")
    if data.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith((b"[", b"{")):
        return _read_json(data)
    return read_separated(data, header, encoding, delimiter, columns)


# --- JSON ----------------------------------------------------------------------------------------------


def _read_json(data: bytes) -> Document:
    """A list of flat objects; the row is the object's place in the list, the line where it begins."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("file", "JSON in UTF-8", f"byte {error.start}: not UTF-8") from error
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)
    at = _skip(text, 0)
    if text[at] != "[":
        raise InvalidInput("file", "a JSON list of objects", "one object")
    rows: list[SourceRow] = []
    headings: dict[str, None] = {}
    at, line, counted = _skip(text, at + 1), 1, 0
    while at < len(text) and text[at] != "]":
        line += text.count("\n", counted, at)
        counted = at
        try:
            found, at = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidInput("file", "JSON", f"line {line}: {error}") from error
        row = SourceRow("json", len(rows) + 1, line, _cells(found, line), "json")
        rows.append(row)
        if len(rows) > MAX_ROWS:
            raise InvalidInput("file", f"at most {MAX_ROWS} rows", "more")
        headings.update(dict.fromkeys(row.cells))
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
            if text[at : at + 1] == "]":
                raise InvalidInput("file", "JSON", f"line {line}: a comma before the end of the list")
        elif at < len(text) and text[at] != "]":
            raise InvalidInput("file", "JSON", f"line {line}: no comma after the object")
    if text[at : at + 1] != "]" or text[at + 1 :].strip():
        raise InvalidInput("file", "one JSON list", "text after it" if at < len(text) else "no end of the list")
    named = letters_of(list(headings))
    sheet = Sheet("json", named, [row for row in rows if not is_blank(row)])
    return Document("json", "application/json", [sheet] if named else [], "utf-8")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = {tidy(name): value for name, value in pairs}
    if len(found) != len(pairs):
        raise InvalidInput("file", "each name once in an object", [name for name, _ in pairs])
    return found


def _no_number(name: str) -> object:
    raise InvalidInput("file", "JSON numbers", name)


def _cells(found: object, line: int) -> dict[str, Value]:
    if not isinstance(found, dict):
        raise InvalidInput("file", "a JSON list of objects", f"line {line}: {type(found).__name__}")
    cells: dict[str, Value] = {}
    for name, value in found.items():
        cells[name] = Broken("a list or an object, not one value") if isinstance(value, list | dict) else value
    return cells


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
