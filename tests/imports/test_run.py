"""Imports into a real ledger: bad rows, later files, crashes, hands, destroyed keys."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from ledger.application import Installation
from ledger.domain.event import decode_event, effective
from ledger.domain.installation.events import FileImported
from ledger.domain.request.events import DisclosureMade, RequestClosed, RequestDivided, RequestReceived
from ledger.errors import Forbidden, InvalidInput
from ledger.imports.mapping import RegisterMapping, mapping_of
from ledger.imports.register import Known
from ledger.imports.result import Result
from ledger.store.database import Database
from tests.imports.conftest import DOJ, Desk, table

HEADINGS = ["No", "In", "Who", "What", "Out", "Closed", "Breach"]
WHOLE = {"parts": {"value": ["whole"]}}
SETTINGS: dict[str, Any] = {
    "format": "log",
    "register": "request",
    "key": ["No"],
    "record": [
        {
            "command": "request.RequestReceived",
            "happened": "In",
            "fields": {
                "scheme": {"value": "vps"},
                "form": {"value": "informal"},
                "requester_name": "Who",
                "information_sought": "What",
            },
        }
    ],
    "choose": [
        {
            "column": "Out",
            "when": ["given"],
            "record": [{"command": "disclosure.DisclosureMade", "happened": "Closed", "fields": WHOLE}],
        },
        {
            "column": "Out",
            "when": ["none"],
            "record": [
                {
                    "command": "request.RequestClosed",
                    "happened": "Closed",
                    "fields": {**WHOLE, "ground": {"value": "not_held"}},
                }
            ],
        },
        {
            "column": "Out",
            "when": ["partly"],
            "record": [
                {
                    "command": "request.RequestDivided",
                    "happened": "Closed",
                    "fields": {
                        "parts": {"value": [{"id": "a", "description": "A"}, {"id": "b", "description": "B"}]}
                    },
                },
                {
                    "command": "disclosure.DisclosureMade",
                    "happened": "Closed",
                    "fields": {"parts": {"value": ["a"]}},
                },
                {
                    "command": "request.RequestRefused",
                    "happened": "Closed",
                    "fields": {"parts": {"value": ["b"]}},
                },
            ],
        },
    ],
    "propose": [
        {
            "column": "Breach",
            "when": ["yes"],
            "rule": "vps_policy",
            "section": "responsibility to share",
            "what": "What",
            "happened": "Closed",
        }
    ],
}


@pytest.fixture
def log() -> RegisterMapping:
    return mapping_of(SETTINGS)


def row(
    number: int,
    out: str = "",
    closed: str = "",
    *,
    received: str = "2025-01-02",
    what: str = "what",
    who: str = "Zo",
) -> list[str]:
    return [str(number), received, who, what, out, closed, ""]


def bring(desk: Desk, log: RegisterMapping, *rows: list[str], **kwargs: Any) -> Result:
    return desk.bring_in(desk.write([HEADINGS, *rows], kwargs.pop("name", "register.csv")), log, **kwargs)


def history(desk: Desk, case: str) -> list[Any]:
    ledger = desk.installation.ledgers.get("dffh")
    return effective(desk.installation.streams.facts(ledger, case))


def state(desk: Desk) -> dict[str, list[tuple[str, object]]]:
    """Every imported case as corrected: its facts by name and date."""
    return {
        case: [(fact.name, fact.happened_date) for fact in history(desk, case)]
        for case in {entry.stream for entry in desk.imported()}
    }


# --- bad rows --------------------------------------------------------------------------------------------


def test_what_law_refuses_is_listed_with_its_section_and_the_good_rows_go_in(
    desk: Desk, log: RegisterMapping
) -> None:
    result = bring(desk, log, row(1, "given", "2025-01-01"), row(2, "given", "2025-02-01"), row(3, "lost", "x"))
    assert (result.rows, result.new, result.bad) == (3, 1, 2)
    law, words = result.faults
    assert (law.row, law.citation) == (2, "ledger rule: two dates on every fact")
    assert (words.row, words.letter) == (4, "E")
    assert len({entry.stream for entry in desk.imported()}) == 1
    desk.check()


def test_all_or_nothing_writes_nothing_where_one_row_is_bad(desk: Desk, log: RegisterMapping) -> None:
    size = desk.check()
    result = bring(desk, log, row(1, "given", "2025-02-01"), row(2, "lost"), all_or_nothing=True)
    assert (result.new, result.bad, result.written) == (1, 1, False)
    assert desk.check() == size
    assert not list((desk.folder / "data" / "attachments").glob("*/*/*"))
    good = bring(desk, log, row(1, "given", "2025-02-01"), all_or_nothing=True)
    assert good.written


def test_a_row_that_was_bad_goes_in_with_the_same_file_once_it_can(desk: Desk) -> None:
    fields = {"scheme": {"value": "vps"}, "form": {"value": "informal"}}
    receive = {
        "command": "request.RequestReceived",
        "happened": "In",
        "fields": {**fields, "requester": {"column": "Who", "organisation": True}},
    }
    mapping = mapping_of({"format": "log", "register": "request", "key": ["No"], "record": [receive]})
    file = desk.write([["No", "In", "Who"], ["1", "2025-01-02", ""], ["2", "2025-01-02", "DH"]])
    first = desk.bring_in(file, mapping)
    assert (first.new, first.bad) == (1, 1)
    assert "organisation list" in first.faults[0].reason
    desk.installation.execute(
        "common",
        "organisation.OrganisationRegistered",
        {
            "happened": None,
            "fields": {"legal_name": "Department of Health", "short_name": "DH", "kind": "department"},
        },
        principal=desk.administrator,
        command_id=str(uuid.uuid4()),
    )
    again = desk.bring_in(file, mapping)
    assert (again.import_id, again.new, again.bad, again.entries) == (first.import_id, 2, 0, 1)
    (recorded,) = imports(desk)
    assert (recorded.new, recorded.bad) == (2, 0)
    assert recorded.header.corrects is not None
    desk.check()


def imports(desk: Desk) -> list[FileImported]:
    facts = [decode_event(entry.decoded) for entry in desk.entries() if entry.stream == "imports"]
    return [fact for fact in effective(facts) if isinstance(fact, FileImported)]


def test_a_missing_column_is_refused_before_anything(desk: Desk, log: RegisterMapping) -> None:
    with pytest.raises(InvalidInput, match="'Breach'"):
        desk.bring_in(desk.write([HEADINGS[:-1], row(1)[:-1]]), log)


def test_only_who_may_write_the_case_imports_it(desk: Desk, log: RegisterMapping) -> None:
    size = desk.check()
    with pytest.raises(Forbidden, match="officer"):
        bring(desk, log, row(1), principal=desk.administrator)
    assert desk.check() == size


# --- a dry run and what it shows -------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(desk: Desk, log: RegisterMapping) -> None:
    size = desk.check()
    result = bring(desk, log, row(1, "given", "2025-02-01"), dry_run=True)
    assert (result.new, result.written, result.entries) == (1, False, 0)
    assert desk.check() == size


def test_a_change_is_shown_field_by_field_and_sealed_words_only_once_they_are_opened(
    desk: Desk, log: RegisterMapping
) -> None:
    bring(desk, log, row(1, "given", "2025-02-01", what="the Quackenbush file"))
    later = row(1, "given", "2025-02-03", what="the other file")
    shown = bring(desk, log, later, dry_run=True)
    (changed,) = shown.changed
    differences = {
        (c.command, d.field): (d.old, d.new, d.certain) for c in changed.changes for d in c.differences
    }
    assert differences == {
        ("request.RequestReceived", "information_sought"): ("sealed", "the other file", False),
        ("request.RequestReceived", "requester_name"): ("sealed", "Zo", False),
        ("disclosure.DisclosureMade", "happened"): ("2025-02-01", "2025-02-03", True),
    }
    assert "Quackenbush" not in json.dumps(shown.as_json())
    size = desk.check()
    opened = bring(desk, log, later, dry_run=True, open_reason="to see what changes")
    differences = {
        (c.command, d.field): (d.old, d.new) for c in opened.changed[0].changes for d in c.differences
    }
    assert differences == {
        ("request.RequestReceived", "information_sought"): ("the Quackenbush file", "the other file"),
        ("disclosure.DisclosureMade", "happened"): ("2025-02-01", "2025-02-03"),
    }
    assert desk.check() == size + 1
    assert desk.entries()[-1].event == "ledger.vault.v1.SealedFieldsOpened"


def test_a_stated_contravention_is_proposed_with_its_case_and_never_recorded(
    desk: Desk, log: RegisterMapping
) -> None:
    stated = [*row(1, "given", "2025-02-01")[:-1], "Yes"]
    result = bring(desk, log, stated)
    (proposed,) = result.proposed
    (case,) = {entry.stream for entry in desk.imported()}
    assert proposed.body["fields"]["about"]["stream"] == case
    assert not [entry for entry in desk.entries() if "contravention" in entry.event]
    desk.installation.execute(
        "dffh",
        "contravention.ContraventionFound",
        dict(proposed.body),
        principal=desk.privacy_officer,
        command_id=str(uuid.uuid4()),
    )
    desk.check()


# --- later files -----------------------------------------------------------------------------------------


def test_an_outcome_that_becomes_another_is_taken_out_and_recorded_anew_as_one_correction(
    desk: Desk, log: RegisterMapping
) -> None:
    bring(desk, log, row(1, "given", "2025-02-01"))
    result = bring(desk, log, row(1, "none", "2025-02-01"))
    assert (result.corrected, len(result.changed)) == (1, 1)
    (case,) = state(desk)
    assert [type(fact) for fact in history(desk, case)] == [RequestReceived, RequestClosed]
    out = desk.imported()[-2].decoded
    assert out.corrects is not None
    assert out.corrects.kind == "entered_in_error"
    desk.check()


def test_a_row_that_changes_to_and_fro_ends_where_its_last_file_says(desk: Desk, log: RegisterMapping) -> None:
    states = []
    for out in ("given", "partly", "given", "", "partly", "none", "partly"):
        result = bring(desk, log, row(1, out, "2025-02-01" if out else ""))
        assert result.bad == 0
        states.append(state(desk))
    assert states[0] == states[2]
    assert states[1] == states[4] == states[6]
    assert len({json.dumps(each, default=str) for each in states}) == 4
    desk.check()


def test_both_dates_may_move_past_each_other(desk: Desk, log: RegisterMapping) -> None:
    bring(desk, log, row(1, "given", "2025-02-01"))
    for received, closed in (("2025-03-01", "2025-04-01"), ("2024-03-01", "2024-04-01")):
        result = bring(desk, log, row(1, "given", closed, received=received))
        assert (result.corrected, result.bad) == (1, 0)
    (facts,) = state(desk).values()
    assert [str(day) for _, day in facts] == ["2024-03-01", "2024-04-01"]
    desk.check()


def test_rows_may_move_and_columns_may_be_added(desk: Desk, log: RegisterMapping) -> None:
    bring(desk, log, row(1), row(2), row(3))
    file = desk.write([["Note", *HEADINGS], ["x", *row(3)], ["y", *row(1)], ["", *row(2)]], "moved.csv")
    result = desk.bring_in(file, log)
    assert (result.unchanged, result.corrected, result.entries) == (3, 0, 0)
    assert len(imports(desk)) == 2


def test_the_file_before_comes_back(desk: Desk, log: RegisterMapping) -> None:
    first = bring(desk, log, row(1, what="a"))
    second = bring(desk, log, row(1, what="b"))
    third = bring(desk, log, row(1, what="a"))
    assert len({first.import_id, second.import_id, third.import_id}) == 3
    assert (third.corrected, third.entries) == (1, 1)
    assert [each.previous_import for each in imports(desk)] == [None, first.import_id, second.import_id]
    desk.check()


def test_vanished_rows_are_listed_until_a_person_ends_their_case(desk: Desk, log: RegisterMapping) -> None:
    first = bring(desk, log, row(1), row(2))
    gone = bring(desk, log, row(2))
    (vanished,) = gone.vanished
    assert (vanished.import_id, vanished.sheet, vanished.row) == (first.import_id, "csv", 2)
    assert len(state(desk)) == 2
    desk.installation.execute(
        "dffh",
        "case.EnteredInError",
        {"case": vanished.case, "happened": "2025-06-01", "fields": {"reason": "typed twice"}},
        principal=desk.officer,
        command_id=str(uuid.uuid4()),
    )
    assert bring(desk, log, row(2), row(3)).vanished == []
    back = bring(desk, log, row(1, what="new"), row(2), row(3))
    assert (back.bad, "entered in error" in back.faults[0].reason) == (1, True)
    desk.check()


def test_what_a_person_corrected_stays_and_a_file_that_says_otherwise_is_listed(
    desk: Desk, log: RegisterMapping
) -> None:
    bring(desk, log, row(1, "given", "2025-02-01"))
    disclosure = desk.imported()[-1]
    desk.installation.execute(
        "dffh",
        "disclosure.DisclosureMade",
        {
            "case": disclosure.stream,
            "happened": "2025-02-02",
            "fields": {"parts": ["whole"]},
            "corrects": {"index": disclosure.index, "kind": "typing", "reason": "a day late"},
        },
        principal=desk.officer,
        command_id=str(uuid.uuid4()),
    )
    result = bring(desk, log, row(1, "given", "2025-02-05"))
    assert (result.corrected, result.bad) == (0, 1)
    assert "a correction by hand" in result.faults[0].reason
    (fact,) = [fact for fact in history(desk, disclosure.stream) if isinstance(fact, DisclosureMade)]
    assert str(fact.happened_date) == "2025-02-02"
    desk.check()


def test_what_was_added_by_hand_is_no_fault_of_the_row(desk: Desk, log: RegisterMapping) -> None:
    bring(desk, log, row(1, "given", "2025-02-01"))
    case = desk.imported()[0].stream
    desk.installation.execute(
        "dffh",
        "request.OutcomeDisputed",
        {"case": case, "happened": "2025-02-10", "fields": {"parts": ["whole"]}},
        principal=desk.officer,
        command_id=str(uuid.uuid4()),
    )
    assert bring(desk, log, row(1, "given", "2025-02-01"), row(2)).unchanged == 1
    refused = bring(desk, log, row(1, "", ""), row(2))
    assert (refused.bad, refused.faults[0].row) == (1, 2)
    assert "OutcomeDisputed" in refused.faults[0].reason
    desk.check()


def test_without_its_key_a_case_is_compared_by_what_stands_in_clear(
    desk: Desk, log: RegisterMapping, database: Database
) -> None:
    bring(desk, log, row(1, "given", "2025-02-01", what="secret"))
    case = desk.imported()[0].stream
    with database.connect_admin() as connection:
        connection.execute("DELETE FROM vault.keys WHERE stream = %s", (case,))
    result = bring(desk, log, row(1, "given", "2025-02-01", what="secret, again"))
    assert (result.unchanged, result.corrected, result.entries) == (1, 0, 0)


def test_the_ids_of_rows_cannot_be_guessed_and_differ_between_registers(
    desk: Desk, log: RegisterMapping
) -> None:
    other = mapping_of({**SETTINGS, "format": "other-log"})
    bring(desk, log, row(1))
    result = bring(desk, other, row(1))
    assert result.new == 1
    assert len(state(desk)) == 2


def test_the_same_rows_in_a_file_of_another_kind_change_nothing(desk: Desk, log: RegisterMapping) -> None:
    rows = [row(1, "given", "2025-02-01"), row(2, "", ""), row(3, "partly", "2025-03-01")]
    bring(desk, log, *rows)
    objects = [dict(zip(HEADINGS, cells, strict=True)) for cells in rows]
    as_json = desk.folder / "register.json"
    as_json.write_text(json.dumps(objects), "utf-8")
    assert desk.bring_in(as_json, log).unchanged == 3
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for title, part in (("Ada Planted", rows[:1]), ("2025", rows[1:])):
        sheet = workbook.create_sheet(title)
        sheet.append(HEADINGS)
        for cells in part:
            dates = [date.fromisoformat(cell) if cell[:4] == "2025" else cell or None for cell in cells]
            sheet.append([int(cells[0]), *dates[1:]])
    workbook.save(desk.folder / "register.xlsx")
    result = desk.bring_in(desk.folder / "register.xlsx", log)
    assert (result.unchanged, result.corrected, result.entries, result.bad) == (3, 0, 0, 0)
    desk.check()


def test_an_entry_names_a_sheet_by_its_number_for_its_name_may_be_a_persons(
    desk: Desk, log: RegisterMapping
) -> None:
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for number, title in enumerate(("Notes", "Ada Planted"), 1):
        sheet = workbook.create_sheet(title)
        sheet.append(HEADINGS)
        sheet.append([number, date(2025, 1, 2), "Ada Planted", "x"])
    workbook.save(desk.folder / "Ada Planted.xlsx")
    result = desk.bring_in(desk.folder / "Ada Planted.xlsx", log)
    assert (result.new, result.bad) == (2, 0)
    references = [entry.decoded.source.reference for entry in desk.imported()]
    assert references == [f"{result.import_id}/sheet {number}/2" for number in (1, 2)]
    assert not [entry for entry in desk.entries() if b"Planted" in entry.entry]


# --- crashes and company ---------------------------------------------------------------------------------


def _import_until_killed(
    admin: str, passwords: dict[str, str], folder: str, organisation: str, person: str
) -> None:
    """Runs in a child: imports the real register, and is killed by its own hand after 60 commits of rows."""
    from ledger.application import Principal
    from ledger.imports import run
    from ledger.imports.mapping import load_mapping
    from tests.imports.conftest import MAPPINGS

    commits = 0
    answered = run._Import._await

    def killing(self: Any, each: Any, future: Any, result: Any) -> None:
        nonlocal commits
        answered(self, each, future, result)
        commits += 1
        if commits == 60:
            os.kill(os.getpid(), signal.SIGKILL)

    run._Import._await = killing  # type: ignore[method-assign]
    with Installation(Database(admin, passwords), Path(folder) / "data") as installation:
        run.import_file(
            installation,
            "dffh",
            DOJ,
            load_mapping(MAPPINGS / "requests-doj-2017.toml"),
            principal=Principal(person, organisation, "test"),
        )


def test_an_import_that_was_killed_goes_on_with_the_same_file_and_writes_nothing_twice(
    desk: Desk, doj: RegisterMapping
) -> None:
    database = desk.installation.database
    child = multiprocessing.get_context("spawn").Process(
        target=_import_until_killed,
        args=(
            database.admin,
            dict(database.passwords),
            str(desk.folder),
            desk.officer.organisation,
            desk.officer.person,
        ),
    )
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    there = {entry.stream for entry in desk.imported()}
    assert 60 <= len(there) < 244
    desk.check()

    result = desk.bring_in(DOJ, doj)
    assert (result.rows, result.new, result.bad, result.unchanged) == (244, 244, 0, 0)
    assert len({entry.stream for entry in desk.imported()}) == 244
    assert len({entry.command for entry in desk.imported()}) == len(desk.imported()) == 618
    (recorded,) = imports(desk)
    assert (recorded.new, recorded.header.corrects) == (244, None)
    references = {(entry.decoded.source.reference or "").split("/")[0] for entry in desk.imported()}
    assert references == {result.import_id}
    desk.check()


def test_two_people_who_import_the_same_file_at_once_bring_it_in_once(desk: Desk, doj: RegisterMapping) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(desk.bring_in, DOJ, doj) for _ in range(2)]
        assert all(each.result().rows == 244 for each in results)
    last = desk.bring_in(DOJ, doj)
    assert (last.new, last.bad, last.entries) == (244, 0, 0)
    assert len({entry.stream for entry in desk.imported()}) == 244
    desk.check()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.integers(1, 4),
            st.tuples(
                st.sampled_from(["", "given", "none", "partly"]),
                st.sampled_from(["2025-01-15", "2025-02-01", "2025-03-01"]),
                st.sampled_from(["2025-01-01", "2025-01-15", "2025-02-15"]),
                st.sampled_from(["alpha", "beta"]),
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_files_one_after_the_other_leave_what_the_last_of_them_says(
    desk: Desk, files: list[dict[int, tuple[str, str, str, str]]]
) -> None:
    mapping = mapping_of({**SETTINGS, "format": f"log-{uuid.uuid4().hex}"})
    for number, file in enumerate(files):
        rows = [
            row(key, out, closed if out else "", received=received, what=what)
            for key, (out, closed, received, what) in file.items()
        ]
        result = bring(desk, mapping, *rows, name=f"{number}.csv")
        assert bring(desk, mapping, *rows, name=f"{number}.csv").entries == 0
        alone = mapping_of({**SETTINGS, "format": f"log-{uuid.uuid4().hex}"})
        fresh = bring(desk, alone, *rows, name="fresh.csv")
        # What a later file may not say, a first file may not say either, and the other way about.
        assert [fault.row for fault in result.faults] == [fault.row for fault in fresh.faults]
        bad = {fault.row for fault in result.faults}
        good = [key for place, key in enumerate(file) if place + 2 not in bad]
        assert cases_of(desk, mapping, good) == cases_of(desk, alone, good)
    desk.check()


def cases_of(desk: Desk, mapping: RegisterMapping, keys: list[int]) -> list[list[str]]:
    """The cases of these rows as corrected: each fact by name, date and parts."""

    def shown(fact: Any) -> str:
        parts = "" if isinstance(fact, RequestDivided) else getattr(fact, "parts", "")
        return f"{fact.name} {fact.happened_date} {parts}"

    ids = Known(desk.installation, desk.installation.ledgers.get("dffh"), mapping).ids
    cases = [ids.case(json.dumps([str(key)])) for key in keys]
    return [sorted(shown(fact) for fact in history(desk, case)) for case in cases]


def test_the_table_of_the_real_register_has_no_key_twice() -> None:
    keys = [cells[0] for cells in table(DOJ)[1:]]
    assert len(set(keys)) == len(keys) == 244
