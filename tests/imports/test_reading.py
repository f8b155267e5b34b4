"""Files as they come: encodings, separators, workbooks, JSON; and those that are refused."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from ledger.errors import InvalidInput
from ledger.imports import reading, workbook
from ledger.imports.cells import EXCEL_1904, Broken, Document, column_letter
from ledger.imports.reading import parse_document, read_document


def book(*sheets: tuple[str, list[list[Any]]]) -> Workbook:
    made = Workbook()
    made.remove(made.worksheets[0])
    for title, rows in sheets:
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    return made


def saved(made: Workbook) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def values(document: Document) -> list[dict[str, Any]]:
    return [dict(row.cells) for sheet in document.sheets for row in sheet.rows]


@pytest.mark.parametrize(
    ("encoding", "written", "stated"),
    [
        ("utf-8", "utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-bom", "utf-8-bom"),
        ("cp1252", "windows-1252", "windows-1252"),
    ],
)
def test_the_encoding_is_found_out_and_stated(encoding: str, written: str, stated: str) -> None:
    document = parse_document("Name,Naïve–dash\nZoë,café’s\n".encode(encoding))
    assert (document.encoding, document.delimiter) == (stated, ",")
    assert values(document) == [{"Name": "Zoë", "Naïve–dash": "café’s"}]
    assert stated in document.stated()


def test_a_byte_that_windows_1252_has_not_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidInput, match=r"line 3: byte 81"):
        parse_document(b"a,b\n1,2\n\x81,\xff\n")


def test_an_encoding_that_is_set_is_held(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("a\né\n".encode("cp1252"))
    with pytest.raises(InvalidInput, match="utf-8"):
        read_document(path, encoding="utf-8")


def test_utf_16_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="save it as CSV UTF-8"):
        parse_document("a,b\n".encode("utf-16"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_separator_is_found_out(delimiter: str) -> None:
    text = delimiter.join(["Reference", "Words; and, more"]).replace("Words; and, more", '"Words; and, more"')
    document = parse_document(f"{text}\n1{delimiter}x\n".encode(), columns=["Reference"])
    assert document.delimiter == delimiter
    assert values(document) == [{"Reference": "1", "Words; and, more": "x"}]


def test_rows_and_lines_differ_where_a_cell_has_several_lines() -> None:
    document = parse_document(b'a,b\r\n1,"one\r\ntwo\r\nthree"\r\n\r\n2,x\r\n')
    (sheet,) = document.sheets
    assert [(row.number, row.line) for row in sheet.rows] == [(2, 2), (4, 6)]
    assert sheet.rows[0].cells["b"] == "one\r\ntwo\r\nthree"


def test_an_open_quote_is_refused_not_read_to_the_end() -> None:
    with pytest.raises(InvalidInput, match="line 2"):
        parse_document(b'a,b\n1,"open\n2,x\n')


def test_rows_above_the_headings_are_left_out() -> None:
    document = parse_document(b"Register of requests,,\n,,\nNo,Date,\n1,2020-01-01,\n", header=3)
    assert values(document) == [{"No": "1", "Date": "2020-01-01"}]


def test_headings_that_repeat_or_are_empty_have_names_of_their_own() -> None:
    document = parse_document(b"Date,Date,,x\n1,2,3,4\n")
    assert values(document) == [{"Date": "1", "Date (2)": "2", "column C": "3", "x": "4"}]


def test_a_cell_beyond_the_headings_makes_its_row_bad() -> None:
    ((cells),) = values(parse_document(b"a\n1,2\n"))
    assert cells == {"a": "1", "column B": Broken("a cell beyond the last heading")}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a\0b,c\n1,2\n", "NUL"),
        (b"\xd0\xcf\x11\xe0old", r"save it as \.xlsx"),
        (b"PK\x03\x04 not a zip", "broken archive"),
        (b'{"a": 1}', "one object"),
        (b"[1]", "line 1: int"),
        (b'[{"a": NaN}]', "NaN"),
        (b'[{"a": 1, "a": 2}]', "each name once"),
        (b'[{"a": 1},]', "comma"),
        (b'[{"a": 1} {"a": 2}]', "no comma"),
        (b'[{"a": 1}', "no end"),
        (b'[{"a": 1}] x', "text after"),
        (b"[" * 100_000, "JSON|list"),
    ],
)
def test_what_is_no_register_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        parse_document(data)


def test_an_empty_a_missing_and_a_huge_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"  \n")
    with pytest.raises(InvalidInput, match="empty file"):
        read_document(empty)
    with pytest.raises(InvalidInput, match="No such file"):
        read_document(tmp_path / "missing.csv")
    monkeypatch.setattr(reading, "MAX_FILE", 10)
    empty.write_bytes(b"a,b\n1,2\n3,4\n")
    with pytest.raises(InvalidInput, match="at most 10 bytes"):
        read_document(empty)


def test_a_missing_column_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("No,Date\n1,2\n")
    with pytest.raises(InvalidInput, match=r"'Outcome'.*No, Date"):
        read_document(path, columns=["No", "Outcome"])


def test_a_workbook_is_read_sheet_by_sheet_with_its_kinds_of_cells() -> None:
    document = parse_document(
        saved(
            book(
                ("2023", [["No", "When", "Words"], [1, date(2023, 5, 6), "one\ntwo"], [], [2.5, 45000, True]]),
                ("2024", [["No", "When"], ["x", datetime(2024, 1, 2, 3, 4)]]),
                ("Empty", []),
            )
        )
    )
    assert [sheet.name for sheet in document.sheets] == ["2023", "2024"]
    assert values(document) == [
        {"No": 1, "When": date(2023, 5, 6), "Words": "one\ntwo"},
        {"No": 2.5, "When": 45000, "Words": True},
        {"No": "x", "When": datetime(2024, 1, 2, 3, 4)},
    ]
    assert [row.number for row in document.sheets[0].rows] == [2, 4]
    assert document.sheets[0].letters == {"No": "A", "When": "B", "Words": "C"}


def test_named_sheets_alone_are_read_and_must_be_there() -> None:
    data = saved(book(("Log", [["a"], [1]]), ("Notes", [["x", "y"], [2, 3]])))
    assert [sheet.name for sheet in parse_document(data, sheets=["Log"]).sheets] == ["Log"]
    with pytest.raises(InvalidInput, match="Log, Notes"):
        parse_document(data, sheets=["Lag"])


def test_merged_headings_above_are_left_out() -> None:
    made = book(("Log", [["Requests received", None, None], ["No", "Date", "What"], [1, 2, 3]]))
    made["Log"].merge_cells("A1:C1")
    assert values(parse_document(saved(made), header=2)) == [{"No": 1, "Date": 2, "What": 3}]


def test_the_1904_counting_of_a_workbook_is_noticed() -> None:
    made = book(("Log", [["a"], [1]]))
    made.epoch = datetime(1904, 1, 1)
    assert parse_document(saved(made)).sheets[0].epoch == EXCEL_1904


def test_a_formula_gives_its_stored_result_and_without_one_a_bad_cell() -> None:
    data = saved(book(("Log", [["No", "Sum"], [1, "=1+1"]])))
    ((cells),) = values(parse_document(data))
    assert cells["Sum"] == Broken("a formula without a stored result: open the file, let it calculate, save it")
    stored = _with_cell(data, b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>")
    assert values(parse_document(stored)) == [{"No": 1, "Sum": 2}]


def test_a_formula_error_is_a_bad_cell() -> None:
    data = saved(book(("Log", [["No", "Sum"], [1, "#REF!"]])))
    ((cells),) = values(parse_document(data))
    assert cells["Sum"] == Broken("the formula error #REF!")


def _with_cell(data: bytes, old: bytes, new: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.infolist():
            content = source.read(part)
            if part.filename.startswith("xl/worksheets/"):
                content = content.replace(b"<f>1+1</f><v />", old).replace(b"<f>1+1</f><v/>", old)
                assert old in content
                content = content.replace(old, new)
            target.writestr(part.filename, content)
    return out.getvalue()


def test_a_small_file_that_unpacks_to_a_big_one_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 3_000_000)
    assert len(out.getvalue()) < 10_000
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 2_000_000)
    with pytest.raises(InvalidInput, match="at most 2000000 bytes"):
        parse_document(out.getvalue())


def test_other_archives_and_cut_workbooks_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(InvalidInput, match="another kind of archive"):
        parse_document(out.getvalue())
    data = saved(book(("Log", [["a"], [1]])))
    with pytest.raises(InvalidInput, match="xlsx"):
        parse_document(data[: len(data) // 2])


def test_an_entity_bomb_is_refused() -> None:
    data = saved(book(("Log", [["a"], ["x"]])))
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"x" * 100) for n in range(12)
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.infolist():
            content = source.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                assert b">x<" in content
                content = b"<!DOCTYPE worksheet [" + entities + b"]>" + content.replace(b">x<", b">&e11;<")
            target.writestr(part.filename, content)
    with pytest.raises(InvalidInput, match="no plain XML"):
        parse_document(out.getvalue())


def test_json_rows_know_their_lines() -> None:
    data = b'\xef\xbb\xbf[\n {"a": 1, "b": null},\n {"a": "x",\n  "b": true},\n {"a": [1]}\n]\n'
    (sheet,) = parse_document(data).sheets
    assert [(row.number, row.line) for row in sheet.rows] == [(1, 2), (2, 3), (3, 5)]
    assert sheet.rows[2].cells["a"] == Broken("a list or an object, not one value")
    assert sheet.letters == {"a": "A", "b": "B"}


@pytest.mark.parametrize(("place", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_have_letters(place: int, letters: str) -> None:
    assert column_letter(place) == letters


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text and text != ""
)
ROWS = st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=8)


@given(ROWS)
def test_rows_come_back_from_csv_as_they_were(rows: list[list[str]]) -> None:
    import csv

    out = io.StringIO()
    csv.writer(out).writerows([["k1", "k2", "k3"], *rows])
    document = parse_document(out.getvalue().encode("utf-8-sig"), columns=["k1", "k2", "k3"])
    assert [list(row.values()) for row in values(document)] == rows


@given(ROWS)
def test_rows_come_back_from_json_as_they_were(rows: list[list[str]]) -> None:
    objects = [dict(zip(("k1", "k2", "k3"), row, strict=True)) for row in rows]
    document = parse_document(json.dumps(objects).encode())
    assert [list(row.values()) for row in values(document)] == rows


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_in_our_words(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert parse_document(data).kind in ("csv", "json", "xlsx")
