"""Bad rows, all or nothing, who may, and what a dry run shows."""

from __future__ import annotations

import json
import uuid

import pytest

from ledger.errors import Forbidden, InvalidInput
from ledger.imports.mapping import RegisterMapping, mapping_of
from tests.imports.desk import Desk
from tests.imports.log import HEADINGS, bring, imports, row


def test_what_law_refuses_is_listed_with_its_section_and_the_good_rows_go_in(
    desk: Desk, log: RegisterMapping
) -> None:
    result = bring(desk, log, row(1, "given", "2025-01-01"), row(2, "given", "2025-02-01"), row(3, "lost", "x"))
    assert (result.rows, result.new, result.bad) == (3, 1, 2)
    law, words = result.faults
    assert (law.row, law.citation) == (2, "ledger rule: two dates on every fact")
    assert (law.column, law.letter) == ("Closed", "F")
    assert (words.row, words.letter) == (4, "E")
    assert len({entry.stream for entry in desk.imported()}) == 1
    desk.check()


def test_a_refusal_names_the_columns_that_what_is_refused_comes_from(desk: Desk) -> None:
    """Its date's; else its fields'; else those that made the row amount to the step at all."""
    mapping = mapping_of(
        {
            "format": "log",
            "register": "request",
            "key": ["No"],
            "record": [
                {
                    "command": "request.RequestReceived",
                    "happened": "In",
                    "fields": {
                        "scheme": {"value": "vps"},
                        "form": "Form",
                        "provider": {"value": desk.officer.organisation},
                        "information_sought": {"columns": ["What", "More"]},
                    },
                },
                {
                    "command": "disclosure.DisclosureMade",
                    "happened": "Given",
                    "fields": {"parts": {"value": ["whole"]}},
                    "only_if": ["Given"],
                },
            ],
            "choose": [
                {
                    "column": "Out",
                    "when": ["none"],
                    "record": [
                        {
                            "command": "request.RequestClosed",
                            "happened": "Closed",
                            "fields": {"parts": {"value": ["whole"]}, "ground": {"value": "not_held"}},
                        }
                    ],
                }
            ],
        }
    )
    headings = ["No", "In", "Form", "What", "More", "Given", "Out", "Closed"]
    rows = [
        ["1", "2999-01-01", "informal", "a", "", "", "", ""],
        ["2", "2025-01-02", "informal", "a", "", "", "none", "2025-01-01"],
        ["3", "2025-01-02", "formal", "a", "b", "", "", ""],
        ["4", "2025-01-02", "informal", "a", "b", "2025-01-05", "none", "2025-01-06"],
    ]
    result = desk.bring_in(desk.write([headings, *rows]), mapping)
    where = [("In", "B"), ("Closed", "H"), ("Form, What, More", "C, D, E"), ("Out", "G")]
    assert [(fault.column, fault.letter) for fault in result.faults] == where
    assert "lies in the future" in result.faults[0].reason
    assert [fault["column"] for fault in result.as_json()["faults"]] == [column for column, _ in where]
    # The same where a later file changes what went in.
    good = ["5", "2025-01-02", "informal", "a", "b", "2025-01-05", "", ""]
    assert desk.bring_in(desk.write([headings, good]), mapping).new == 1
    early = [*good[:5], "2025-01-01", "", ""]
    (fault,) = desk.bring_in(desk.write([headings, early]), mapping).faults
    assert (fault.column, fault.letter) == ("Given", "F")
    desk.check()


def test_what_the_form_refuses_names_the_column_of_its_field(desk: Desk) -> None:
    kind = {"kind": {"value": "department"}, "legal_name": "Name", "abn": "Number"}
    register = {"command": "organisation.OrganisationRegistered", "happened": "Since", "fields": kind}
    mapping = mapping_of({"format": "log", "register": "organisation", "key": ["Name"], "record": [register]})
    file = desk.write([["Name", "Since", "Number"], ["Department of Works", "2025-01-02", "12"]])
    (fault,) = desk.bring_in(file, mapping, principal=desk.administrator, slug="common").faults
    assert (fault.column, fault.letter) == ("Number", "C")


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


def test_1_law_an_organisation_is_imported_into_common_alone(desk: Desk) -> None:
    """Where a case lives holds for an import's rows too."""
    kind = {"kind": {"value": "department"}, "legal_name": {"column": "Name"}}
    register = {"command": "organisation.OrganisationRegistered", "happened": "Since", "fields": kind}
    mapping = mapping_of({"format": "log", "register": "organisation", "key": ["Name"], "record": [register]})
    file = desk.write([["Name", "Since"], ["Department of Works", "2025-01-02"]])
    result = desk.bring_in(file, mapping, principal=desk.administrator)
    assert (result.new, result.bad) == (0, 1)
    assert "such a case is recorded in common" in result.faults[0].reason
    assert desk.bring_in(file, mapping, principal=desk.administrator, slug="common").new == 1


def test_a_missing_column_is_refused_before_anything(desk: Desk, log: RegisterMapping) -> None:
    with pytest.raises(InvalidInput, match="'Breach'"):
        desk.bring_in(desk.write([HEADINGS[:-1], row(1)[:-1]]), log)


def test_only_who_may_write_the_case_imports_it(desk: Desk, log: RegisterMapping) -> None:
    size = desk.check()
    with pytest.raises(Forbidden, match="officer"):
        bring(desk, log, row(1), principal=desk.administrator)
    assert desk.check() == size


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
