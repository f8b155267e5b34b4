"""CSV and its like: encoding and separator found out strictly, and stated."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence

from ledger.errors import InvalidInput
from ledger.imports.cells import (
    MAX_CELL,
    MAX_ROWS,
    Document,
    Sheet,
    headings_of,
    is_blank,
    letters_of,
    row_of,
    tidy,
)

SHEET = "csv"
DELIMITERS = (",", ";", "\t")
ENCODINGS = {"utf-8": "utf-8", "utf-8-bom": "utf-8-sig", "windows-1252": "cp1252"}


def read_separated(
    data: bytes, header: int, encoding: str | None, delimiter: str | None, columns: Sequence[str]
) -> Document:
    """The one sheet of a CSV file. Raises InvalidInput naming the line."""
    text, found_encoding = decode(data, encoding)
    if "\0" in text:
        raise InvalidInput("file", "text", f"line {text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL byte")
    found_delimiter = delimiter or sniff(text, header, columns)
    rows = _records(text, found_delimiter)
    if len(rows) < header:
        raise InvalidInput("header", f"a row {header} of headings", f"{len(rows)} rows")
    headings = headings_of(rows[header - 1][1], f"row {header}")
    read = [
        row_of(SHEET, number, line, headings, cells, SHEET)
        for number, (line, cells) in enumerate(rows[header:], header + 1)
    ]
    sheet = Sheet(SHEET, letters_of(headings), [row for row in read if not is_blank(row)])
    return Document("csv", "text/csv", [sheet], found_encoding, found_delimiter)


def decode(data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """The text and the name of its encoding: as given, or UTF-8 where every byte fits, else Windows-1252.

    Windows-1252 has five bytes that stand for nothing: they are refused, not replaced.
    """
    if encoding is None:
        if data.startswith(codecs.BOM_UTF8):
            encoding = "utf-8-bom"
        else:
            try:
                return data.decode("utf-8"), "utf-8"
            except UnicodeDecodeError:
                encoding = "windows-1252"
    elif encoding not in ENCODINGS:
        raise InvalidInput("encoding", "one of " + ", ".join(ENCODINGS), encoding)
    try:
        return data.decode(ENCODINGS[encoding]), encoding
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"line {line}: byte {data[error.start]:02x}"
        raise InvalidInput("file", f"text in {encoding.replace('-bom', '')}", got) from error


def sniff(text: str, header: int, columns: Sequence[str]) -> str:
    """The separator: the one by which the headings hold most of ``columns``, then most headings."""

    def headings(delimiter: str) -> list[str]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            for number, cells in enumerate(reader, 1):
                if number == header:
                    return [tidy(cell) for cell in cells]
        except csv.Error:
            return []
        return []

    def rank(delimiter: str) -> tuple[int, int]:
        found = headings(delimiter)
        return len(set(columns) & set(found)), len(found)

    return max(DELIMITERS, key=rank)


def _records(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """(first line, cells) of every record. A quote that does not close is refused, not swallowed to the end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            rows.append((line, cells))
            line = reader.line_num + 1
            if len(rows) > MAX_ROWS:
                raise InvalidInput("file", f"at most {MAX_ROWS} rows", "more")
    except csv.Error as error:
        why = f"at most {MAX_CELL} characters a cell" if "field larger" in str(error) else "CSV"
        raise InvalidInput("file", why, f"line {line}: {error}") from error
    return rows
