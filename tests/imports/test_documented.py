"""What docs/import.md shows is what is there; its example mappings bring real files in."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from openpyxl import Workbook

from ledger.cli.imports import BAD_ROWS
from ledger.imports.mapping import load_mapping
from ledger.imports.template import registers
from tests.imports.desk import MAPPINGS, ROOT, Desk

PAGE = (ROOT / "docs" / "import.md").read_text("utf-8")
SHOWN = re.compile(r"<!-- mapping: (\S+) -->\n```toml\n(.*?)```\n<!-- end of mapping -->", re.DOTALL)


def test_the_mapping_shown_is_the_file() -> None:
    found = SHOWN.findall(PAGE)
    assert [name for name, _ in found] == ["requests-doj-2017.toml"]
    for name, text in found:
        assert text == (MAPPINGS / name).read_text("utf-8")


def test_the_registers_and_exit_codes_named_are_those_there_are() -> None:
    assert f"registers: {', '.join(registers())}" in " ".join(PAGE.split())
    assert f"{BAD_ROWS} some rows are bad" in " ".join(PAGE.split())


def test_every_setting_is_described() -> None:
    from ledger.imports import mapping

    settings = mapping._TOP - {"title", "record", "choose", "propose", "unknown"}
    for name in settings | mapping._RECORD - {"fields"} | mapping._TAKE - {"column"}:
        assert f"`{name}" in PAGE or f"{name} =" in PAGE, name


HEADINGS = [
    "Year", "No.", "Received", "From", "Name", "Letter of", "Subject", "Details", "About", "About in words",
    "Result", "Closed", "Action", "Action in words", "Breach found",
]  # fmt: skip


def test_complaints_come_in_from_a_workbook_with_a_title_above_its_headings(desk: Desk) -> None:
    rows: list[list[Any]] = [
        [2025, 1, date(2025, 2, 3), "Parent", "Ada Planted", "1 Feb 2025", "Late", "ten days\nand more", "Late",
         None, "Resolved", "10/02/2025", "yes", "an apology", "Yes"],
        [2025, 2, "Mar 2025", "Agency", "-", "n/a", "Sharing", None, "not stated", None, "Open"],
        [2024, 1, "03/12/2024", "Child", None, None, "Records", "lost", "Records", None, "Not resolved",
         "20/12/2024", None, None, "no"],
    ]  # fmt: skip
    workbook = Workbook()
    sheet: Any = workbook.active
    sheet.title = "Complaints"
    sheet.append(["Complaints under the scheme"])
    sheet.merge_cells("A1:F1")
    sheet.append([])
    sheet.append(HEADINGS)
    for row in rows:
        sheet.append(row)
    workbook.create_sheet("Notes").append(["whatever"])
    workbook.save(desk.folder / "complaints.xlsx")
    mapping = load_mapping(MAPPINGS / "complaints.toml")
    result = desk.bring_in(desk.folder / "complaints.xlsx", mapping)
    assert result.faults == []
    assert (result.rows, result.new, result.entries) == (3, 3, 5)
    (proposed,) = result.proposed
    assert proposed.body["fields"]["what"] == "Late: ten days\nand more"
    assert [entry.event.removeprefix("ledger.complaint.v1.Complaint") for entry in desk.imported()] == [
        "Received", "Resolved", "Received", "Received", "Unresolved",
    ]  # fmt: skip
    assert [str(entry.decoded.precision) for entry in desk.imported()] == ["day", "day", "month", "day", "day"]
    assert desk.bring_in(desk.folder / "complaints.xlsx", mapping).entries == 0
    desk.check()
