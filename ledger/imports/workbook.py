"""Workbooks (.xlsx): read row by row, within limits, with what their formulas last came to."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.datetime import MAC_EPOCH
from openpyxl.utils.exceptions import InvalidFileException

from ledger.errors import InvalidInput
from ledger.imports.cells import (
    EXCEL_1900,
    EXCEL_1904,
    MAX_ROWS,
    Broken,
    Document,
    Sheet,
    SourceRow,
    Value,
    headings_of,
    is_blank,
    letters_of,
    row_of,
)

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes that the parts of a workbook may have together, unpacked: no small file makes a big one."""
MAX_PARTS = 2_000
_HEAD = 64 * 1024
_MALFORMED = (
    InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, TypeError,
    AttributeError, IndexError, EOFError, OSError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What openpyxl lets through where a part is missing, cut or not what it should be."""


def read_workbook(data: bytes, header: int, names: Sequence[str] | None) -> Document:
    """The sheets of a workbook: those named, else all that have a row of headings.

    Raises InvalidInput for what is no workbook, is too big unpacked, or lacks a named sheet.
    """
    check_archive(data)
    with warnings.catch_warnings():
        # It warns of what it leaves out (validation, styles): no cell's value is among that.
        warnings.simplefilter("ignore")
        try:
            return _read(data, header, names)
        except InvalidInput:
            raise
        except _MALFORMED as error:
            got = f"{type(error).__name__}: {error}"
            raise InvalidInput("file", "an .xlsx workbook", got) from error


def check_archive(data: bytes) -> None:
    """Refuses, before anything is unpacked, an archive that is none of a workbook or too big unpacked.

    The sizes stated are held: the zip reader stops at them. Raises InvalidInput.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if not any(part.filename == "[Content_Types].xml" for part in parts):
                raise InvalidInput("file", "an .xlsx workbook", "another kind of archive")
            unpacked = sum(part.file_size for part in parts)
            if unpacked > MAX_UNPACKED or len(parts) > MAX_PARTS:
                expected = f"a workbook of at most {MAX_UNPACKED} bytes in {MAX_PARTS} parts, unpacked"
                raise InvalidInput("file", expected, f"{unpacked} bytes in {len(parts)} parts")
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _check_part(archive, part)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InvalidInput("file", "an .xlsx workbook", f"a broken archive: {error}") from error


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """No part of a workbook declares a document type: one that does defines entities, which can grow."""
    with archive.open(part) as source:
        head = source.read(_HEAD)
    if b"<!DOCTYPE" in head or b"\0" in head:
        raise InvalidInput("file", "an .xlsx workbook", f"{part.filename} that is no plain XML in UTF-8")


def _read(data: bytes, header: int, names: Sequence[str] | None) -> Document:
    values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
    try:
        epoch = EXCEL_1904 if values.epoch == MAC_EPOCH else EXCEL_1900
        for name in names or ():
            if name not in values.sheetnames:
                raise InvalidInput("sheets", "one of " + ", ".join(values.sheetnames), name)
        sheets = []
        for name in names or values.sheetnames:
            if hasattr(values[name], "iter_rows"):  # a chart sheet has no rows
                place = f"sheet {values.sheetnames.index(name) + 1}"
                sheet = _sheet(values[name], formulas[name], header, epoch, place, required=bool(names))
                if sheet is not None:
                    sheets.append(sheet)
        return Document("xlsx", MEDIA_TYPE, sheets)
    finally:
        values.close()
        formulas.close()


def _sheet(values: Any, formulas: Any, header: int, epoch: date, place: str, *, required: bool) -> Sheet | None:
    headings: list[str] | None = None
    rows: list[SourceRow] = []
    for number, cells in _rows(values, formulas):
        if number > MAX_ROWS:
            raise InvalidInput(f"sheet {values.title}", f"at most {MAX_ROWS} rows", "more")
        if number < header:
            continue
        if headings is None:
            if not required and all(cell is None or cell == "" for cell in cells):
                return None
            headings = headings_of(cells, f"sheet {values.title}, row {header}")
            continue
        row = row_of(values.title, number, number, headings, cells, place)
        if not is_blank(row):
            rows.append(row)
    if headings is None:
        if required:
            raise InvalidInput(f"sheet {values.title}", f"a row {header} of headings", "an empty sheet")
        return None
    return Sheet(values.title, letters_of(headings), rows, epoch)


def _rows(values: Any, formulas: Any) -> Iterator[tuple[int, list[Value]]]:
    for sheet in (values, formulas):
        # The size that a file states for its sheet is often wrong; without it every row is read.
        sheet.reset_dimensions()
    pairs = zip(values.iter_rows(), formulas.iter_rows(), strict=True)
    for number, (shown, written) in enumerate(pairs, 1):
        yield number, [_value(a, b) for a, b in zip(shown, written, strict=True)]


def _value(shown: Any, written: Any) -> Value:
    value = shown.value
    if shown.data_type == "e":
        return Broken(f"the formula error {value}")
    if value is None and written.data_type == "f":
        return Broken("a formula without a stored result: open the file, let it calculate, save it")
    if isinstance(value, time | timedelta):
        return str(value)
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date()
    if value is None or isinstance(value, str | int | float | bool | date | datetime):
        return value
    return str(value)
