"""Past registers of complaints, notices and retention, whole, by the command line, in every form of file."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.imports import BAD_ROWS
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledgers
from tests.cli.conftest import Program
from tests.imports.desk import MAPPINGS
from tests.imports.past import Row, complaints, flat, notices, retention, separated, workbook
from tests.support import check_ledger


@dataclass(frozen=True)
class Past:
    """A register, what is in its file, and what must come of it."""

    rows: Callable[[], list[Row]]
    mapping: str
    sheet: str
    above: tuple[str, ...]
    role: str
    opens: str
    key: tuple[str, ...]
    bad: dict[int, str]
    """By place in the file, what the reason says."""
    changed: Callable[[Row], object]
    """Makes a row say something else; None where it has nothing to change."""
    events: dict[str, int]
    proposed: int
    gaps: dict[tuple[str, str], Callable[[Row], bool]]
    """What the law asks for, by event and field, and the rows that do not say it."""


def _next_day(name: str) -> Callable[[Row], object]:
    def change(row: Row) -> object:
        day = row[name]
        if not isinstance(day, date):
            return None
        row[name] = day + timedelta(days=1)
        return row

    return change


def _reworded(name: str) -> Callable[[Row], object]:
    def change(row: Row) -> object:
        row[name] = f"{row[name]} (in other words)"
        return row

    return change


PAST = {
    "complaints": Past(
        complaints,
        "complaints",
        "Complaints",
        ("Complaints under the scheme", ""),
        "officer",
        "complaint.ComplaintReceived",
        ("Year", "No."),
        {
            10: "about: expected one of late, not stated, other, records, sharing; got 'Weather'",
            20: "2020-02-01 lies before complaint.ComplaintReceived",
            30: "happened: expected a date written",
            49: "another row than row",
            50: "another row than row",
        },
        _next_day("Closed"),
        {
            "complaint.ComplaintReceived": 255,
            "complaint.ComplaintResolved": 100,
            "complaint.ComplaintUnresolved": 52,
        },
        9,
        {
            ("ComplaintReceived", "complainant"): lambda row: row["From"] == "n/a",
            ("ComplaintReceived", "date made"): lambda row: row["Letter of"] is None,
            ("ComplaintReceived", "date received"): lambda row: row["Received"] is None,
            ("ComplaintResolved", "action to prevent"): lambda row: row["Result"] == "Resolved",
        },
    ),
    "notices": Past(
        notices,
        "notices",
        "Notices",
        (),
        "regulator",
        "notice.ComplianceNoticeIssued",
        ("Notice",),
        {
            3: "IPP 11.1 is no Information Privacy Principle",
            4: "a period that ends on",
            5: "directed_to: expected one of body corporate, person, unincorporated; got 'a club'",
        },
        _reworded("Reasons"),
        {
            "notice.ComplianceNoticeIssued": 87,
            "notice.ExtensionApplied": 13,
            "notice.ExtensionGranted": 13,
            "notice.NoticeComplied": 35,
            "notice.NoticeServed": 78,
            "notice.NoticeNotComplied": 18,
        },
        9,
        {
            ("ComplianceNoticeIssued", "date served"): lambda row: row["Served"] is None,
            ("ComplianceNoticeIssued", "whether Part 3 applies to the body"): lambda row: True,
        },
    ),
    "retention": Past(
        retention,
        "retention",
        "Schedule",
        (),
        "officer",
        "retention.RetentionScheduled",
        ("Item",),
        {
            7: "period: expected one of 1 year, 2 years, 7 years, until used; got 'for ever'",
            8: "name the authority for early destruction",
            12: "happened: expected a date written",
        },
        _next_day("Closed"),
        {
            "retention.RetentionScheduled": 317,
            "retention.RetentionTriggered": 253,
            "retention.RecordsDeIdentified": 64,
            "retention.HoldPlaced": 20,
            "retention.HoldReleased": 20,
            "retention.RecordsReturned": 64,
            "retention.RecordsDestroyed": 62,
            "retention.NoLongerNeeded": 63,
        },
        21,
        {
            ("RetentionScheduled", "holder"): lambda row: row["Held by"] is None,
            ("RecordsDestroyed", "authority"): lambda row: (
                row["Done"] == "destroyed" and row["Disposal authority"] is None
            ),
            ("HoldPlaced", "reason of the hold"): lambda row: row["Hold from"] is not None,
        },
    ),
}


@pytest.fixture
def program(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The program over the ledger of a body that is the regulator, too."""
    monkeypatch.chdir(tmp_path)
    environment = {"AUDITLEDGER_DATA_DIR": str(tmp_path / "data"), "AUDITLEDGER_DATABASE_URL": database.admin}
    made = Program(monkeypatch, capsys, environment)
    created = made.ok(
        "ledger", "create", "ovic", "--origin", "example.vic.gov.au/ovic", "--name", "Invented body"
    )
    made.people = {"boss": created["administrator"], "clerk": "0e7c2f60-0000-4000-8000-00000000000f"}
    for role in ("officer", "regulator"):
        grant = {"person": made.people["clerk"], "role": role, "organisation": created["organisation"]}
        body = json.dumps({"happened": "2025-01-01", "fields": grant})
        made.ok("record", "role.RoleGranted", "-", "--ledger", "ovic", text=body, person="boss")
    return made


def flat_mapping(past: Past, folder: Path) -> Path:
    """The mapping for a file without a title and without sheets."""
    lines = (MAPPINGS / f"{past.mapping}.toml").read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("header =", "sheets ="))]
    path = folder / f"{past.mapping}-flat.toml"
    path.write_text("\n".join(kept), "utf-8")
    return path


def imported(database: Database) -> list[Any]:
    with Feed(database) as feed:
        ledger = Ledgers(database).get("ovic")
        return [
            row
            for batch in feed.scan(ledger.id)
            for row in batch
            if row.decoded.source.kind == "import" and row.stream != "imports"
        ]


@pytest.mark.parametrize("name", PAST)
def test_a_past_register_goes_in_and_its_later_files_in_any_form(
    program: Program, database: Database, tmp_path: Path, name: str
) -> None:
    past = PAST[name]
    rows = past.rows()
    good = len(rows) - len(past.bad)
    mapping = str(MAPPINGS / f"{past.mapping}.toml")

    # As a workbook, with a title above its headings, dates as dates and as serial numbers.
    book = workbook(tmp_path / "past.xlsx", past.sheet, rows, above=past.above)
    assert (
        program("import", str(book), "-m", mapping, "-l", "ovic", "--all-or-nothing", person="clerk").code == 9
    )
    assert imported(database) == []
    report = tmp_path / "bad.csv"
    answer = program(
        "import", str(book), "-m", mapping, "-l", "ovic", "--report", str(report), "--json", person="clerk"
    )
    assert answer.code == BAD_ROWS
    first = answer.json
    above = len(past.above) + 2
    assert (first["rows"], first["new"], first["bad"]) == (len(rows), good, len(past.bad))
    assert sorted({fault["row"] - above for fault in first["faults"]}) == sorted(past.bad)
    for fault in first["faults"]:
        assert past.bad[fault["row"] - above] in fault["reason"]
    assert len(first["proposed_contraventions"]) == past.proposed
    with report.open(encoding="utf-8-sig", newline="") as source:
        assert len(list(csv.DictReader(source))) == len(past.bad)
    entries = imported(database)
    assert len(entries) == first["entries"]
    assert len({row.stream for row in entries}) == good
    counted = Counter(".".join(row.event.split(".")[1::2]) for row in entries)
    assert counted[past.opens] == good
    assert counted == past.events
    found = program.ok("replay", "gaps", "-l", "ovic", person="clerk")["rows"]
    if name == "retention":
        kept = program.ok("replay", "retention", "-l", "ovic", person="clerk")["rows"]
        assert {row["dataset"] for row in kept} == {f"ds-{number:03}" for number in range(40)}
    gaps = Counter((row["event"], row["field"]) for row in found)
    silent = [row for place, row in enumerate(rows) if place not in past.bad]
    assert {what: gaps[what] for what in past.gaps} == {
        what: sum(says_not(row) for row in silent) for what, says_not in past.gaps.items()
    }
    # What is stated against the law is proposed, and nobody is found to have contravened anything by a file.
    assert program.ok("replay", "contraventions", "-l", "ovic", person="clerk")["rows"] == []

    # As a spreadsheet program on Windows saves it: the same rows, said in other bytes, add nothing.
    flat_file = str(flat_mapping(past, tmp_path))
    again = program(
        "import", str(separated(tmp_path / "past.csv", rows)), "-m", flat_file, "-l", "ovic", "--json",
        person="clerk",
    ).json  # fmt: skip
    assert (again["new"], again["corrected"], again["unchanged"], again["entries"]) == (0, 0, good, 0)
    assert "separated by semicolon" in again["read_as"]

    # A year on, from a database: some say something else, some are gone, the bad are mended, some are new.
    later = past.rows()
    for place in past.bad:
        later[place] = {**later[place + 25], **{key: later[place][key] for key in past.key}}
    keys = Counter(tuple(row[key] for key in past.key) for row in later)
    twice = next((place for place, row in enumerate(later) if keys[tuple(row[k] for k in past.key)] > 1), None)
    if twice is not None:
        later[twice][past.key[-1]] = 99
    changed = 0
    for place, row in enumerate(later):
        if place not in past.bad and changed < 15 and place % 4 == 1:
            changed += past.changed(row) is not None
    assert changed == 15
    gone = (60, 70, 80)
    later = [row for place, row in enumerate(later) if place not in gone]
    later += [{**row, past.key[-1]: 9000 + number} for number, row in enumerate(later[:12])]
    new = 12 + len(past.bad)
    file = flat(tmp_path / "later.json", later)
    preview = program.ok("import", str(file), "-m", flat_file, "-l", "ovic", "--dry-run", person="clerk")
    assert (preview["written"], preview["corrected"]) == (False, 15)
    said = program.ok("import", str(file), "-m", flat_file, "-l", "ovic", person="clerk")
    assert (said["new"], said["corrected"], said["bad"]) == (new, 15, 0)
    assert said["unchanged"] == good - 15 - len(gone)
    assert dict(Counter(change["kind"] for row in said["changes"] for change in row["changes"]))["typing"] >= 15
    assert len(said["vanished"]) == len(gone)
    assert len(said["changes"]) == 15
    assert program.ok("import", str(file), "-m", flat_file, "-l", "ovic", person="clerk")["entries"] == 0
    assert program.ok("verify")["clean"]
    check_ledger(database, Ledgers(database).get("ovic"))


@pytest.mark.parametrize(
    ("name", "form", "header", "good", "expected"),
    [
        (
            "complaints",
            "xlsx",
            3,
            256,
            ['key = ["Year", "No."]   # 259 keys in 260 rows', 'happened = "Received"'],
        ),
        ("notices", "csv", 1, 86, ['key = ["Notice"]', 'happened = "Decided"', 'split = ";"']),
        (
            "retention",
            "json",
            1,
            319,
            ['key = ["Item"]', 'happened = "Listed"', '"retention.RecordsDestroyed"'],
        ),
    ],
)
def test_a_suggested_mapping_brings_a_past_register_in_as_it_is(
    program: Program,
    database: Database,
    tmp_path: Path,
    name: str,
    form: str,
    header: int,
    good: int,
    expected: list[str],
) -> None:
    """A newcomer's way: what it guesses is to be read and mended, but it stands and fits the file."""
    past = PAST[name]
    rows = past.rows()
    file = tmp_path / f"{name}.{form}"
    if form == "xlsx":
        workbook(file, past.sheet, rows, above=past.above)
    else:
        (separated if form == "csv" else flat)(file, rows)
    suggested = program("import", str(file), "--suggest", "--header", str(header))
    assert suggested.code == 0
    for text in expected:
        assert text in suggested.out
    mapping = tmp_path / "suggested.toml"
    mapping.write_text(suggested.out, "utf-8")
    said = program("import", str(file), "-m", str(mapping), "-l", "ovic", "--json", person="clerk").json
    assert (said["rows"], said["new"], said["bad"]) == (len(rows), good, len(rows) - good)
    assert said["register"] == past.opens.split(".")[0]
    events = Counter(".".join(row.event.split(".")[1::2]) for row in imported(database))
    assert events[past.opens] == good
    assert len(events) > 2
    check_ledger(database, Ledgers(database).get("ovic"))
