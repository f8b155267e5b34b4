"""``auditledger import`` as it is typed: template, suggestion, dry run, import, report of bad rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from ledger.cli.imports import BAD_ROWS
from ledger.imports.reading import parse_document
from ledger.store.database import Database
from tests.cli.conftest import Program
from tests.imports.desk import DOJ, MAPPINGS, table, write_table

MAPPING = str(MAPPINGS / "requests-doj-2017.toml")


@pytest.fixture
def program(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The program over a ledger ``dffh`` in which ``clerk`` is an officer."""
    monkeypatch.chdir(tmp_path)
    environment = {"AUDITLEDGER_DATA_DIR": str(tmp_path / "data"), "AUDITLEDGER_DATABASE_URL": database.admin}
    made = Program(monkeypatch, capsys, environment)
    origin = "example.vic.gov.au/dffh"
    created = made.ok("ledger", "create", "dffh", "--origin", origin, "--name", "Department of Families")
    made.people = {"boss": created["administrator"], "clerk": "0e7c2f60-0000-4000-8000-00000000000f"}
    grant = {"person": made.people["clerk"], "role": "officer", "organisation": created["organisation"]}
    body = json.dumps({"happened": "2025-01-01", "fields": grant})
    made.ok("record", "role.RoleGranted", "-", text=body, person="boss")
    return made


def test_the_real_register_goes_in_and_says_so(program: Program) -> None:
    preview = program.ok("import", str(DOJ), "-m", MAPPING, "--dry-run", person="clerk")
    assert (preview["new"], preview["written"]) == (244, False)
    answer = program("import", str(DOJ), "-m", MAPPING, person="clerk")
    assert answer.code == 0
    assert "244 rows (csv, utf-8, separated by comma): 244 new, 0 corrected" in answer.out
    assert "618 entries written" in answer.out
    assert program.ok("verify")["clean"]
    again = program.ok("import", str(DOJ), "-m", MAPPING, person="clerk")
    assert (preview["went_in_before"], again["went_in_before"]) == (False, True)
    assert (again["new"], again["unchanged"], again["entries"]) == (0, 244, 0)
    for option in ([], ["--dry-run"]):
        words = program("import", str(DOJ), "-m", MAPPING, *option, person="clerk").out
        assert "This file went in before, as import " in words
        assert "nothing was added" in words
        assert "corrected, 244 unchanged, 0 bad" in words


@pytest.mark.parametrize("ending", ["xlsx", "csv"])
def test_bad_rows_are_reported_in_a_sheet_that_can_be_mended_and_brought_in(
    program: Program, tmp_path: Path, ending: str
) -> None:
    rows = table(DOJ)[:4]
    rows[1][5] = "=Grant()"
    rows[2][3] = "08/01/2016"
    write_table(tmp_path / "log.csv", rows)
    report = tmp_path / f"bad.{ending}"
    answer = program("import", "log.csv", "-m", MAPPING, "--report", str(report), "--json", person="clerk")
    assert answer.code == BAD_ROWS
    found = answer.json
    assert (found["new"], found["bad"]) == (1, 2)
    assert [(fault["row"], fault["letter"]) for fault in found["faults"]] == [(2, "F"), (3, "D")]
    (sheet,) = parse_document(report.read_bytes()).sheets
    assert list(sheet.letters)[:6] == ["sheet", "row", "line", "column", "reason", "Tracking Number"]
    assert [row.cells["Tracking Number"] for row in sheet.rows] == ["DOJ-2017-005712", "DOJ-2017-002724"]
    assert sheet.rows[0].cells["Disposition"] == "=Grant()"
    assert sheet.rows[0].cells["column"] == "Disposition (F)"
    assert "lies before" in str(sheet.rows[1].cells["reason"])
    assert sheet.rows[1].cells["column"] == f"{rows[0][3]} (D)"
    assert f"{rows[0][3]} (D)" in program("import", "log.csv", "-m", MAPPING, "--dry-run", person="clerk").out


def test_all_or_nothing_leaves_nothing(program: Program, tmp_path: Path) -> None:
    rows = table(DOJ)[:3]
    rows[1][5] = "Lost"
    write_table(tmp_path / "log.csv", rows)
    answer = program("import", "log.csv", "-m", MAPPING, "--all-or-nothing", person="clerk")
    assert answer.code == BAD_ROWS
    assert "Nothing was written" in answer.out
    entries = program("entries", "--event", "request.RequestReceived", "--json", person="clerk")
    assert (entries.code, entries.out) == (0, "")


def test_a_suggestion_is_a_mapping_that_works(program: Program, tmp_path: Path) -> None:
    answer = program("import", str(DOJ), "--suggest")
    assert answer.code == 0
    (tmp_path / "first.toml").write_text(answer.out, "utf-8")
    result = program.ok("import", str(DOJ), "-m", "first.toml", "--dry-run", person="clerk")
    assert (result["new"], result["bad"]) == (244, 0)


def test_a_template_is_filled_in_and_brought_in_without_a_mapping_file(
    program: Program, tmp_path: Path
) -> None:
    assert program("import", "ours.xlsx", "--template", "request").code == 0
    workbook = load_workbook(tmp_path / "ours.xlsx")
    sheet: Any = workbook["Register"]
    place = {cell.value: cell.column for cell in sheet[1]}
    values = {
        "reference": "A-1",
        "request.RequestReceived: happened": "2025-01-02",
        "request.RequestReceived: scheme": "vps",
        "request.RequestReceived: form": "informal",
        "request.RequestClosed: happened": "2025-01-09",
        "request.RequestClosed: parts": "whole",
        "request.RequestClosed: ground": "not held",
    }
    for heading, value in values.items():
        sheet.cell(2, place[heading]).value = value
    workbook.save(tmp_path / "ours.xlsx")
    result = program.ok("import", "ours.xlsx", person="clerk")
    assert (result["new"], result["entries"], result["format"]) == (1, 2, "own-request")
    answer = program("import", "ours.xlsx", "--template", "request")
    assert (answer.code, "not there yet" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.csv", "-m", MAPPING], "No such file"),
        ([str(DOJ), "-m", "missing.toml"], "missing.toml"),
        ([str(DOJ)], "--suggest"),
        ([], "FILE"),
        ([str(DOJ), "-m", MAPPING, "--report", "bad.pdf"], ".xlsx or .csv"),
        (["ours.xlsx", "--template", "nothing"], "complaint, notice, organisation, request, retention"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_what_to_do(
    program: Program, arguments: list[str], says: str
) -> None:
    answer = program("import", *arguments, person="clerk")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert says in answer.err
