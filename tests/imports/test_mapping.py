"""Mapping files: checked whole, and every row read through them with its faults named by column."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.errors import InvalidInput
from ledger.imports.interpret import RowCase, interpret
from ledger.imports.mapping import RegisterMapping, load_mapping, mapping_of, parse_mapping
from ledger.imports.reading import parse_document
from ledger.imports.suggest import suggest
from ledger.imports.template import (
    BETWEEN,
    REFERENCE,
    columns_of,
    own_mapping,
    registers,
    template_csv,
    template_workbook,
)
from tests.imports.desk import DATA, DOJ, MAPPINGS

BASE: dict[str, Any] = {
    "format": "log",
    "register": "request",
    "key": ["No"],
    "record": [
        {
            "command": "request.RequestReceived",
            "happened": "In",
            "fields": {"scheme": {"value": "vps"}, "form": "Form", "information_sought": "What"},
        }
    ],
}


def cases(text: str, **settings: Any) -> list[RowCase]:
    mapping = mapping_of({**BASE, **settings})
    return interpret(parse_document(text.encode(), columns=mapping.columns()), mapping)


def record(command: str, **more: Any) -> dict[str, Any]:
    return {"command": command, **more}


def test_a_row_becomes_commands_with_its_words_and_dates() -> None:
    (row,) = cases("No,In,Form,What\n7,2025-01-02,Formal,the\n")
    assert row.faults == []
    assert row.key == '["7"]'
    (step,) = row.steps
    assert step.label == step.command == "request.RequestReceived"
    fields = {"scheme": "vps", "form": "formal", "information_sought": "the"}
    assert step.body == {"happened": "2025-01-02", "fields": fields}


def test_an_empty_cell_and_a_word_for_unknown_are_not_stated() -> None:
    rows = cases("No,In,Form,What\n7,,,\n8,n/a,N/A,n/a\n", unknown_words=["n/a"])
    for row in rows:
        assert (row.faults, row.steps[0].body) == ([], {"happened": None, "fields": {"scheme": "vps"}})


@pytest.mark.parametrize(
    ("row", "letter", "reason"),
    [
        ("7,2/1/2025,Formal,x", "B", "happened: expected a date written YYYY-MM-DD, got '2/1/2025'"),
        ("7,2025-01-02,verbal,x", "C", "expected one of informal, formal, got 'verbal'"),
        (",2025-01-02,Formal,x", "A", "expected the key of the row, got an empty cell"),
        ("7,2025-01-02,Formal,x,more", None, "a cell beyond the last heading"),
    ],
)
def test_a_fault_names_its_column_and_what_was_expected(row: str, letter: str | None, reason: str) -> None:
    (case,) = cases(f"No,In,Form,What\n{row}\n")
    (fault,) = case.faults
    assert (fault.row, fault.line, fault.letter) == (2, 2, letter)
    assert reason in fault.reason


def test_all_faults_of_a_row_are_listed() -> None:
    (case,) = cases("No,In,Form,What\n,x,y,z\n")
    assert [fault.letter for fault in case.faults] == ["A", "C", "B"]


def test_the_same_row_twice_goes_in_once_and_differing_rows_of_one_key_not_at_all() -> None:
    rows = cases("No,In,Form,What\n1,,,a\n1,,,a\n2,,,b\n2,,,c\n3,,,d\n")
    assert [bool(row.faults) for row in rows] == [False, True, True, True, False]
    assert "repeats row 2" in rows[1].faults[0].reason
    assert "another row than row 5" in rows[2].faults[0].reason
    assert "another row than row 4" in rows[3].faults[0].reason


def test_words_choose_what_a_row_amounts_to() -> None:
    whole = {"parts": {"value": ["whole"]}}
    choose = [
        {"column": "Out", "when": ["Given"], "record": [record("disclosure.DisclosureMade", fields=whole)]},
        {"column": "Out", "when": ["", "Open"]},
    ]
    rows = cases("No,In,Form,What,Out\n1,,,,given\n2,,,,\n3,,,,OPEN\n4,,,,lost\n", choose=choose)
    assert [len(row.steps) for row in rows] == [2, 1, 1, 1]
    (fault,) = rows[3].faults
    assert (fault.letter, fault.reason) == ("E", "expected one of given, open; got 'lost'")


def test_a_record_may_depend_on_a_filled_column_and_stand_twice() -> None:
    asked = [
        record("request.FurtherInformationSought", happened=column, only_if=[column]) for column in ("Q1", "Q2")
    ]
    rows = cases(
        "No,In,Form,What,Q1,Q2\n1,,,,2025-01-03,2025-01-04\n2,,,,,\n", record=[*BASE["record"], *asked]
    )
    labels = [
        "request.RequestReceived",
        "request.FurtherInformationSought",
        "request.FurtherInformationSought#2",
    ]
    assert [step.label for step in rows[0].steps] == labels
    assert len(rows[1].steps) == 1


def test_lists_numbers_and_answers_are_read() -> None:
    fields = {
        "parts": {"value": ["whole"]},
        "grounds": {"column": "Why", "split": ";", "words": {"Secret": "contravenes_law", "Risk": "other"}},
        "in_writing": "Written",
        "sent_on": {"column": "Sent", "dates": ["D/M/YYYY"]},
    }
    (row,) = cases(
        "No,In,Form,What,Why,Written,Sent\n1,,,,Secret; risk,Yes,4/5/2025\n",
        record=[*BASE["record"], record("request.RequestRefused", fields=fields)],
    )
    assert row.faults == []
    assert row.steps[1].body["fields"] == {
        "parts": ["whole"],
        "grounds": ["contravenes_law", "other"],
        "in_writing": True,
        "sent_on": "2025-05-04",
    }


def test_a_stated_contravention_is_proposed_and_no_command() -> None:
    propose = {
        "column": "Breach", "when": ["Yes"], "rule": "vps_policy", "section": "responsibility to share",
        "what": {"columns": ["What", "Note"], "join": ": "}, "happened": "In",
    }  # fmt: skip
    text = "No,In,Form,What,Breach,Note\n1,2025-01-02,,x,yes,late\n2,,,x,no,\n"
    rows = cases(text, propose=[propose])
    (proposed,) = rows[0].proposed
    assert proposed.body == {
        "happened": "2025-01-02",
        "fields": {
            "rule": "vps_policy",
            "section": "responsibility to share",
            "what": "x: late",
            "found_by": "import",
        },
    }
    assert rows[1].proposed == []
    assert [step.command for row in rows for step in row.steps] == ["request.RequestReceived"] * 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"format": "Log 2"}, "format: expected lower-case"),
        ({"register": "notice"}, "register: expected request"),
        ({"key": []}, "key: expected a list"),
        ({"dates": ["DD"]}, "dates"),
        ({"delimiter": "|"}, "delimiter"),
        ({"encoding": "latin"}, "encoding"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"header": 0}, "header"),
        ({"colour": "red"}, "an unknown setting"),
        ({"record": []}, "record"),
        (
            {"record": [record("request.RequestRefused", fields={"parts": {"value": ["whole"]}})]},
            "opens a case",
        ),
        ({"record": [record("request.Nothing")]}, "command: expected one of"),
        ({"record": [record("import.FileImported")]}, "command: expected one of"),
        ({"record": [record("request.RequestReceived", fields={"colour": "C"})]}, "fields.colour"),
        ({"record": [record("request.RequestReceived")]}, "fields.scheme"),
        (
            {"record": [record("request.RequestReceived", fields={"scheme": {"value": 1, "column": "C"}})]},
            "one",
        ),
        ({"record": [*BASE["record"], record("notice.NoticeServed")]}, "a case that"),
        ({"record": [*BASE["record"], record("contravention.ContraventionFound")]}, "a named person"),
        ({"choose": [{"column": "A", "when": ["x"]}, {"column": "A", "when": ["X"]}]}, "each word once"),
        ({"unknown": {"request.RequestReceived": ["form"]}}, "no column states"),
        ({"propose": [{"column": "A", "when": ["x"], "rule": "none", "section": "1", "what": "B"}]}, "rule"),
    ],
)
def test_a_wrong_mapping_is_refused_before_any_row(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says.replace("(", r"\(")):
        mapping_of({**BASE, **settings})


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(InvalidInput, match="TOML"):
        parse_mapping(b"format = ")
    with pytest.raises(InvalidInput, match="TOML"):
        parse_mapping(b"\xff")


@pytest.mark.parametrize("name", [path.name for path in sorted(MAPPINGS.glob("*.toml"))])
def test_the_mappings_of_the_documentation_are_whole(name: str) -> None:
    mapping = load_mapping(MAPPINGS / name)
    assert mapping.columns()
    assert len(mapping.digest) == 32


# --- suggestions and templates -----------------------------------------------------------------------------


def test_the_suggestion_for_the_real_register_is_whole_and_reads_every_row() -> None:
    document = parse_document(DOJ.read_bytes())
    text = suggest(document, DOJ.name)
    mapping = parse_mapping(text.encode())
    assert (mapping.key, [form.text for form in mapping.dates]) == (("Tracking Number",), ["MM/DD/YYYY"])
    assert mapping.records[0].happened is not None
    assert mapping.records[0].happened.columns == ("Submitted Date",)
    rows = interpret(document, mapping)
    assert len(rows) == 244
    assert [row.faults for row in rows if row.faults] == []
    commands = {step.command for row in rows for step in row.steps}
    assert {"disclosure.DisclosureMade", "request.RequestRefused", "request.RequestWithdrawn"} <= commands


def test_the_suggestion_says_what_it_could_not_guess() -> None:
    rows = "".join(f"{n},0{n}/0{n}/2025,{'Provided' if n % 2 else 'Zapped'}\n" for n in range(1, 8))
    text = suggest(parse_document(f"Ref,Received,Outcome\n{rows}".encode()), "My log (2).csv")
    assert '#   "Zapped" (3 rows)' in text
    assert "days and months may be swapped" in text
    assert 'format = "my-log-2"' in text
    assert parse_mapping(text.encode()).key == ("Ref",)


def test_the_heads_of_agreement_are_taken_for_organisations() -> None:
    document = parse_document((DATA / "heads-of-agreement.csv").read_bytes())
    mapping = parse_mapping(suggest(document, "heads.csv").encode())
    assert mapping.register == "organisation"
    assert [r.spec.name for r in mapping.records][1] == "organisation.HeadsOfAgreementSigned"


@pytest.mark.parametrize("register", sorted(registers()))
def test_a_template_needs_no_mapping_file(register: str) -> None:
    for data in (template_csv(register), template_workbook(register)):
        document = parse_document(data)
        mapping = own_mapping(list(document.sheets[0].letters))
        assert mapping is not None
        assert mapping.register == register
        assert set(mapping.columns()) == {REFERENCE, *(heading for heading, _, _ in columns_of(register))}


def test_a_filled_template_is_read() -> None:
    received, divided, refused = "request.RequestReceived", "request.RequestDivided", "request.RequestRefused"
    cells = {
        REFERENCE: "A-1",
        f"{received}{BETWEEN}happened": "2025-01",
        f"{received}{BETWEEN}scheme": "nsw",
        f"{divided}{BETWEEN}parts": json.dumps([{"id": i, "description": i + "!"} for i in "ab"]),
        f"{refused}{BETWEEN}parts": "a; b",
        f"{refused}{BETWEEN}in_writing": "yes",
    }
    mapping = own_mapping(list(cells))
    assert isinstance(mapping, RegisterMapping)
    (row,) = interpret(parse_document(json.dumps([cells]).encode()), mapping)
    assert row.faults == []
    by_command = {step.command: step.body for step in row.steps}
    assert by_command[received] == {"happened": "2025-01", "fields": {"scheme": "nsw"}}
    assert by_command[divided]["fields"]["parts"][1] == {"id": "b", "description": "b!"}
    assert by_command[refused]["fields"] == {"parts": ["a", "b"], "in_writing": True}


def test_another_file_is_no_template_and_a_misspelt_column_is_refused() -> None:
    assert own_mapping(["No", "Date"]) is None
    with pytest.raises(InvalidInput, match="colour"):
        own_mapping([REFERENCE, "request.RequestReceived: scheme", "request.RequestReceived: colour"])
