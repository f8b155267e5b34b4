"""Later files of a register: corrections, rows that come and go, hands, destroyed keys."""

from __future__ import annotations

import json
import uuid
from datetime import date

from openpyxl import Workbook

from ledger.domain.request.events import DisclosureMade, RequestClosed, RequestReceived
from ledger.imports.mapping import RegisterMapping, mapping_of
from ledger.store.database import Database
from tests.imports.desk import Desk
from tests.imports.log import HEADINGS, SETTINGS, bring, history, imports, row, state


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
