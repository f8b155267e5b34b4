"""The real register goes in whole; a later file brings corrections, new cases and a list of what is gone."""

from __future__ import annotations

from collections import Counter

from ledger.codec.entry import CorrectionKind
from ledger.domain.event import decode_event, effective
from ledger.domain.installation.events import FileImported
from ledger.imports.mapping import RegisterMapping, load_mapping
from tests.imports.desk import DATA, DOJ, MAPPINGS, Desk, table

SUBMITTED, CLOSED, DETAIL, DISPOSITION = 2, 3, 4, 5
OTHER_OUTCOME = {
    "Full grant": "No records",
    "No records": "Partial grant/partial denial",
    "Partial grant/partial denial": "Full grant",
}


def later_file(rows: list[list[str]]) -> list[list[str]]:
    """The register a year on: 3 rows gone, 40 changed in every way that a row can change, 60 new."""
    headings, *body = [list(row) for row in rows]
    kept = [row for number, row in enumerate(body) if number not in (17, 101, 200)]
    changed = 0
    for number, row in enumerate(kept):
        if changed == 40:
            break
        if number % 5:
            continue
        way = changed % 4
        if way == 0:
            row[DETAIL] += " (narrowed)"
        elif way == 1:
            row[CLOSED] = "08/31/2018"
        elif way == 2:
            row[DISPOSITION] = OTHER_OUTCOME.get(row[DISPOSITION], "Duplicate request")
        else:
            row[SUBMITTED], row[CLOSED] = "09/01/2017", "09/02/2018"
        changed += 1
    assert changed == 40
    new = [
        [f"DOJ-2018-{number:06}", "Office of Legal Policy", "01/02/2018", "02/01/2018", f"Memo {number}", word]
        for number, word in zip(range(60), ["Full grant", "No records", "Request withdrawn"] * 20, strict=True)
    ]
    return [headings, *kept, *new]


def file_imports(desk: Desk) -> list[FileImported]:
    rows = [row for row in desk.entries() if row.stream == "imports"]
    return [
        fact for fact in effective([decode_event(r.decoded) for r in rows]) if isinstance(fact, FileImported)
    ]


def test_the_real_register_goes_in_whole(desk: Desk, doj: RegisterMapping) -> None:
    result = desk.bring_in(DOJ, doj)
    rows = table(DOJ)[1:]
    assert (result.rows, result.new, result.bad, result.faults) == (244, 244, 0, [])
    cases = {row.stream for row in desk.imported()}
    assert len(cases) == len(rows) == 244
    assert Counter(row.event for row in desk.imported()) == {
        "ledger.request.v1.RequestReceived": 244,
        "ledger.disclosure.v1.DisclosureMade": 50 + 65,
        "ledger.request.v1.RequestDivided": 65,
        "ledger.request.v1.RequestRefused": 65 + 9,
        "ledger.request.v1.RequestClosed": 49 + 6 + 1 + 3 + 5 + 2,
        "ledger.request.v1.RequestReferred": 31 + 15 + 1,
        "ledger.request.v1.RequestWithdrawn": 7,
    }
    assert result.entries == len(desk.imported())
    assert {row.decoded.source.reference for row in desk.imported()} == {
        f"{result.import_id}/csv/{number}" for number in range(2, 246)
    }
    (recorded,) = file_imports(desk)
    assert (recorded.rows, recorded.new, recorded.bad, recorded.previous_import) == (244, 244, 0, None)
    assert recorded.mapping_digest == doj.digest
    assert recorded.file is not None
    _, chunks = desk.installation.read_attachment(
        "dffh", recorded.index, "file", reason="test", principal=desk.officer
    )
    assert b"".join(chunks) == DOJ.read_bytes()
    desk.check()


def test_the_same_file_again_adds_nothing(desk: Desk, doj: RegisterMapping) -> None:
    first = desk.bring_in(DOJ, doj)
    size = desk.check()
    again = desk.bring_in(DOJ, doj)
    assert again.import_id == first.import_id
    assert (again.counts(), again.entries) == (first.counts(), 0)
    assert desk.check() == size


def test_a_later_file_gives_exactly_40_corrections_60_new_cases_and_3_listed(
    desk: Desk, doj: RegisterMapping
) -> None:
    first = desk.bring_in(DOJ, doj)
    later = desk.write(later_file(table(DOJ)), "later.csv")
    before = len(desk.entries())

    preview = desk.bring_in(later, doj, dry_run=True)
    assert (preview.corrected, preview.new, len(preview.vanished)) == (40, 60, 3)
    assert len(preview.changed) == 40
    assert len(desk.entries()) == before

    result = desk.bring_in(later, doj)
    assert (result.rows, result.corrected, result.new, len(result.vanished), result.bad) == (301, 40, 60, 3, 0)
    assert result.unchanged == 301 - 40 - 60
    assert {(gone.import_id, gone.row) for gone in result.vanished} == {
        (first.import_id, row + 2) for row in (17, 101, 200)
    }
    after = desk.entries()[before:]
    corrected = {row.stream for row in after if row.decoded.corrects is not None}
    assert corrected == {each.case for each in result.changed}
    assert len(corrected) == 40
    assert len({row.stream for row in desk.imported()}) == 244 + 60
    assert [fact.previous_import for fact in file_imports(desk)] == [None, first.import_id]
    size = desk.check()

    again = desk.bring_in(later, doj)
    assert (again.counts(), again.entries) == (result.counts(), 0)
    assert desk.check() == size


def test_forty_rows_that_change_one_fact_each_give_forty_correcting_entries(
    desk: Desk, doj: RegisterMapping
) -> None:
    desk.bring_in(DOJ, doj)
    before = len(desk.entries())
    headings, *rows = table(DOJ)
    for row in rows[:40]:
        row[DETAIL] = "Other words."
    result = desk.bring_in(desk.write([headings, *rows], "later.csv"), doj)
    after = [row for row in desk.entries()[before:] if row.stream != "imports"]
    assert (result.corrected, result.entries) == (40, 40)
    assert [row.decoded.corrects and row.decoded.corrects.kind for row in after] == [CorrectionKind.TYPING] * 40
    assert {row.event for row in after} == {"ledger.request.v1.RequestReceived"}
    desk.check()


def test_the_heads_of_agreement_go_in_as_organisations(desk: Desk) -> None:
    mapping = load_mapping(MAPPINGS / "heads-of-agreement.toml")
    file = DATA / "heads-of-agreement.csv"
    result = desk.bring_in(file, mapping, slug="common", principal=desk.administrator)
    assert (result.rows, result.new, result.bad) == (13, 13, 0)
    assert Counter(row.event for row in desk.imported("common")) == {
        "ledger.organisation.v1.OrganisationRegistered": 13,
        "ledger.organisation.v1.HeadsOfAgreementSigned": 13,
    }
    again = desk.bring_in(file, mapping, slug="common", principal=desk.administrator)
    assert again.entries == 0
    desk.check("common")
