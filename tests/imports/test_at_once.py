"""Several processes that import at once: the same file, or one and a later one of the same register."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ledger.imports.mapping import RegisterMapping
from tests.imports.desk import DOJ, MAPPINGS, ROOT, Desk, table
from tests.imports.test_register import file_imports, later_file

MAPPING = MAPPINGS / "requests-doj-2017.toml"
COUNTS = ("rows", "new", "corrected", "unchanged", "bad")


def at_once(desk: Desk, *files: Path) -> list[dict[str, Any]]:
    """Each file imported by a process of its own, none writing before all have checked; their results."""
    started = []
    who = desk.officer
    for file in files:
        orders = {
            "admin": desk.installation.database.admin,
            "passwords": dict(desk.installation.database.passwords),
            "data_dir": str(desk.installation.data_dir),
            "mapping": str(MAPPING),
            "file": str(file),
            "principal": [who.person, who.organisation, who.authority],
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.imports.other_process"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        started.append(process)
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        said.append(json.loads(out))
    return said


def test_of_two_who_import_one_file_at_once_both_are_right(desk: Desk, doj: RegisterMapping) -> None:
    """First as new rows, then as corrected ones: every row once, the counts those of the file."""
    two = at_once(desk, DOJ, DOJ)
    assert [[each[name] for name in COUNTS] for each in two] == [[244, 244, 0, 0, 0]] * 2
    assert sum(each["entries"] for each in two) == len(desk.imported()) == 618
    later = desk.write(later_file(table(DOJ)), "later.csv")
    two = at_once(desk, later, later)
    assert [[each[name] for name in COUNTS] for each in two] == [[301, 60, 40, 201, 0]] * 2
    assert [len(each["vanished"]) for each in two] == [3, 3]
    assert [len(each["changes"]) for each in two] == [40, 40]
    assert sum(each["entries"] for each in two) == len(desk.imported()) - 618
    first, second = file_imports(desk)
    assert (first.new, first.corrected, first.bad) == (244, 0, 0)
    assert (second.new, second.corrected, second.unchanged, second.vanished, second.bad) == (60, 40, 201, 3, 0)
    before = len(desk.entries())
    again = desk.bring_in(later, doj)
    assert (again.entries, again.bad, len(desk.entries())) == (0, 0, before)
    assert len({row.command for row in desk.imported()}) == len(desk.imported())
    assert len({row.stream for row in desk.imported()}) == 304
    desk.check()


def test_two_files_of_one_register_at_once_leave_no_row_bad(desk: Desk, doj: RegisterMapping) -> None:
    """Each row ends as the one or the other says, and the one imported again settles it."""
    later = desk.write(later_file(table(DOJ)), "later.csv")
    results = at_once(desk, DOJ, later)
    assert [each["bad"] for each in results] == [0, 0]
    recorded = {each.import_id: each for each in file_imports(desk)}
    for each in results:
        found = recorded[each["import_id"]]
        assert [getattr(found, name) for name in COUNTS] == [each[name] for name in COUNTS]
    assert sum(each["new"] for each in results) == 304
    settled = desk.bring_in(later, doj)
    assert settled.bad == 0
    assert desk.bring_in(later, doj).entries == 0
    kinds = Counter(row.event for row in desk.imported() if row.version == 1)
    assert kinds == {"ledger.request.v1.RequestReceived": 304}
    desk.check()
