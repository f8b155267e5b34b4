"""The command line over a real database: record, attach, entries, verify, ledgers, calendar, doctor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from typer.core import TyperGroup

from ledger.cli.demonstration import words
from ledger.cli.session import Session
from ledger.domain.case import command_table
from ledger.main import DOORS
from ledger.store.database import Database
from tests.cli.conftest import Program
from tests.docs.generate import cli_commands

RECEIVED = {
    "happened": "2025-06-11",
    "fields": {"scheme": "vps", "form": "informal", "requester_name": "Planted"},
}


def receive(program: Program, *options: str, ok: bool = True, **fields: Any) -> Any:
    """A request is recorded: what is said of it, or the answer as it is where that need not be ``ok``."""
    said = {**RECEIVED["fields"], "provider": program.people["organisation"], **fields}  # type: ignore[dict-item]
    body = json.dumps({**RECEIVED, "fields": said})
    asked = program.ok if ok else program
    return asked("record", "request.RequestReceived", "-", *options, text=body, person="officer")


def test_a_ledger_is_created_with_its_first_entries_and_listed(dffh: Program) -> None:
    found = dffh.ok("ledger", "list")["ledgers"]
    assert [each["slug"] for each in found] == ["common", "dffh"]
    assert found[1]["organisation"] == dffh.people["organisation"]
    assert found[1]["size"] == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("dffh", "--origin", "example.vic.gov.au/other", "--name", "Another"), "slug: expected"),
        (("two", "--origin", "example.vic.gov.au/dffh", "--name", "Another"), "origin: expected"),
        (
            ("Two", "--origin", "example.vic.gov.au/two", "--name", "Another"),
            "slug: expected lower-case letters",
        ),
        (("two", "--origin", "example.vic.gov.au/two"), "organisation: expected"),
        (("two", "--origin", "x/two", "--organisation", str(uuid.uuid4())), "--organisation: expected"),
        (
            ("dffh", "--origin", "example.vic.gov.au/dffh", "--name", "A", "--administrator", "x"),
            "SLUG: expected",
        ),
    ],
)
def test_a_ledger_that_cannot_be_leaves_nothing(dffh: Program, options: tuple[str, ...], said: str) -> None:
    before = dffh.ok("ledger", "list")
    answer = dffh("ledger", "create", *options)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert dffh.ok("ledger", "list") == before


def test_record_gives_receipts_and_a_repeat_the_same_ones(dffh: Program) -> None:
    command = str(uuid.uuid4())
    first = receive(dffh, "--command-id", command)
    again = receive(dffh, "--command-id", command)
    assert first["repeated"] is False
    assert again == {**first, "repeated": True}
    words = dffh(
        "record", "request.RequestAcknowledged", "-", "--case", first["case"], "--happened", "2025-06-12",
        text='{"fields": {}}', person="officer",
    )  # fmt: skip
    assert words.code == 0
    assert f"Recorded: case {first['case']}, version 2" in words.out


def test_record_says_who_may_and_what_is_wrong_in_one_line(dffh: Program) -> None:
    body = json.dumps(RECEIVED)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"person": None}, 2, "AUDITLEDGER_PERSON"),
        ({"person": "administrator"}, 4, "takes one of"),
        ({"person": "somebody"}, 4, "no role"),
        ({"person": "officer", "text": "{"}, 2, "line 1, column 2"),
        ({"person": "officer", "text": "[]"}, 2, "a JSON object"),
        ({"person": "officer", "text": "[" * 100_000}, 2, "FILE"),
        (
            {"person": "officer", "text": '{"fields": {"scheme": "abc"}}'},
            2,
            "fields.scheme: expected one of vps",
        ),
        ({"person": "officer", "text": '{"fields": {"scheme": "vps", "form": "formal"}}'}, 3, "("),
    ]
    for options, code, said in cases:
        answer = dffh("record", "request.RequestReceived", "-", **{"text": body, **options})
        assert (answer.code, answer.out) == (code, ""), (options, answer)
        assert answer.err.startswith("auditledger: ")
        assert answer.err.count("\n") == 1
        assert said in answer.err
        assert "Planted" not in answer.err


def test_a_stale_version_is_a_conflict(dffh: Program) -> None:
    case = receive(dffh)["case"]
    answer = dffh(
        "record", "request.RequestAcknowledged", "-", "--case", case, "--happened", "2025-06-12",
        "--expect-version", "0", text='{"fields": {}}', person="officer",
    )  # fmt: skip
    assert answer.code == 5
    assert "expected version 0" in answer.err


def test_every_command_is_listed_and_has_a_template(program: Program) -> None:
    listed = program.ok("record", "--list")["commands"]
    assert [each["command"] for each in listed] == list(command_table())
    for each in listed:
        template = program("record", each["command"], "--template")
        assert template.code == 0
        shown = json.loads(template.out)
        assert set(shown) - {"case"} == {"happened", "fields"}
        assert ("case" in shown) == (not each["opens"] and each["stream"] is None)
    assert program("record", "request.Nothing", "--template").code == 2
    assert program("record").code == 2


def test_a_file_is_kept_with_its_case(dffh: Program, tmp_path: Path) -> None:
    case = receive(dffh)["case"]
    file = tmp_path / "letter.pdf"
    file.write_bytes(bytes(range(256)) * 5000)
    made = dffh.ok("attach", str(file), "--case", case, "--title", "Planted title", person="officer")
    assert made["version"] == 2
    kept = [path for path in (tmp_path / "data" / "attachments").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert bytes(range(256)) not in kept[0].read_bytes()
    shown = dffh("entries", "--json", "--case", case, person="officer").out
    assert "application/pdf" in shown
    assert "Planted" not in shown
    attached = [json.loads(line) for line in shown.splitlines()][-1]
    assert attached["source"] == {"kind": "typed", "reference": None}
    assert dffh("attach", str(tmp_path / "none"), "--case", case, person="officer").code == 2
    assert dffh("attach", "", "--case", case, person="officer").code == 2
    assert dffh("attach", str(file), "--case", str(uuid.uuid4()), person="officer").code == 2


def test_what_a_pipe_holds_is_kept_whole(dffh: Program, tmp_path: Path) -> None:
    case = receive(dffh)["case"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_bytes, args=(b"five\n",))
    writing.start()
    dffh.ok("attach", str(pipe), "--case", case, person="officer")
    writing.join()
    last = json.loads(dffh("entries", "--json", "--case", case, person="officer").out.splitlines()[-1])
    assert last["fields"]["file"]["length"] == 5


def test_json_with_a_byte_order_mark_is_read(dffh: Program, tmp_path: Path) -> None:
    file = tmp_path / "received.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(RECEIVED).encode())
    assert dffh.ok("record", "request.RequestReceived", str(file), person="officer")["version"] == 1


def test_a_long_list_is_cut_on_a_screen_and_whole_in_json(dffh: Program) -> None:
    line = ("entries", "--ledger", "dffh", "--event", "calendar.CalendarSeeded")
    days = json.loads(dffh(*line, "--json", person="officer").out)["fields"]["days"]
    text = dffh(*line, person="officer").out
    assert f"… {len(days)} in all" in text
    assert max(map(len, text.splitlines())) < 1000


def test_entries_are_json_lines_filtered_and_cut(dffh: Program) -> None:
    for _ in range(3):
        receive(dffh)

    def lines(*options: str) -> list[dict[str, Any]]:
        answer = dffh("entries", "--ledger", "dffh", "--json", *options, person="officer")
        assert answer.code == 0, answer.err
        return [json.loads(line) for line in answer.out.splitlines()]

    assert [each["index"] for each in lines()] == list(range(7))
    assert [each["index"] for each in lines("--after", "1", "--until", "4")] == [2, 3]
    assert len(lines("--limit", "2")) == 2
    only = lines("--event", "request.RequestReceived")
    assert {each["event"] for each in only} == {"ledger.request.v1.RequestReceived"}
    assert len(only) == 3
    assert "fields" not in lines("--no-decode")[0]
    assert "bytes" in lines("--raw")[0]
    words = dffh("entries", "--ledger", "dffh", person="officer").out
    assert "requester_name: (withheld)" in words
    assert dffh("entries", "--event", "nothing", person="officer").code == 2
    assert dffh("entries", person="administrator").code == 4


def test_verify_tells_clean_from_tampered_from_could_not_run(dffh: Program) -> None:
    receive(dffh)
    assert dffh.ok("verify")["clean"] is True
    assert "dffh: clean, 5 entries" in dffh("verify", "--ledger", "dffh").out
    url = dffh.environment["AUDITLEDGER_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("ALTER TABLE ledger.entries DISABLE TRIGGER ALL")
        superuser.execute(
            "UPDATE ledger.entries SET entry = set_byte(entry, 200, get_byte(entry, 200) # 1) "
            "WHERE index = 2 AND ledger = (SELECT id FROM ledger.ledgers WHERE slug = 'dffh')"
        )
    tampered = dffh("verify", "--json")
    assert tampered.code == 8
    assert "entry 2" in tampered.err
    found = {each["ledger"]: each for each in json.loads(tampered.out)["ledgers"]}
    assert found["common"]["clean"] is True
    assert (found["dffh"]["clean"], found["dffh"]["index"]) == (False, 2)
    dffh.environment["AUDITLEDGER_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"
    assert dffh("verify").code == 6
    assert dffh("verify", "--ledger", "none").code == 6


def test_the_calendar_is_shown_and_changed_by_commands(dffh: Program) -> None:
    before = dffh.ok("calendar", "show", "--year", "2026")["days"]
    assert {"day": "2026-01-01", "name": "New Year's Day"} in before
    added = dffh(
        "calendar", "add", "2026-08-20", "A day of mourning", "--ledger", "dffh", person="administrator"
    )
    assert added.code == 0, added.err
    removed = dffh("calendar", "remove", "2026-08-20", "--ledger", "dffh", person="administrator")
    assert removed.code == 0, removed.err
    assert dffh.ok("calendar", "show", "--year", "2026")["days"] == before
    refused = dffh("calendar", "add", "2026-08-21", "x", "--ledger", "dffh", person="officer")
    assert refused.code == 4


def test_organisations_are_registered_and_listed(dffh: Program) -> None:
    made = dffh.ok("organisation", "register", "Council of X", "--kind", "council", person="administrator")
    listed = dffh.ok("organisation", "list", person="officer")["organisations"]
    assert {"id": made["case"], "name": "Council of X", "kind": "council"} in listed
    assert dffh("organisation", "list", person="somebody").code == 4


def test_organisations_are_listed_once_as_now_named_and_without_those_entered_in_error(dffh: Program) -> None:
    case, mistake = (
        dffh.ok("organisation", "register", name, "--kind", "council", person="administrator")["case"]
        for name in ("Council of X", "Council of Y")
    )

    def record(command: str, case: str, fields: dict[str, str], **more: object) -> dict[str, Any]:
        body = json.dumps({"happened": None, "fields": fields, **more})
        line = ("record", command, "-", "--ledger", "common", "--case", case)
        answer: dict[str, Any] = dffh.ok(*line, text=body, person="administrator")
        return answer

    entry = dffh("entries", "-l", "common", "--case", case, "--json", person="administrator").out
    typing = {"index": json.loads(entry)["index"], "kind": "typing", "reason": "Its name was misspelt."}
    name = {"legal_name": "Council of Exe", "kind": "council"}
    record("organisation.OrganisationRegistered", case, name, corrects=typing)
    renamed = record("organisation.OrganisationRenamed", case, {"legal_name": "City of Exx"})
    typing = {**typing, "index": renamed["receipts"][0]["index"]}
    record("organisation.OrganisationRenamed", case, {"legal_name": "City of Exe"}, corrects=typing)
    record("case.EnteredInError", mistake, {"reason": "No such council."})
    listed = dffh.ok("organisation", "list", person="officer")["organisations"]
    assert [each["name"] for each in listed] == ["Department of Families", "City of Exe"]
    assert listed[1] == {"id": case, "name": "City of Exe", "kind": "council"}


def test_4_wire_whoever_has_a_role_in_any_ledger_lists_organisations(dffh: Program) -> None:
    """Every role reads ``common``, and ``--organisation`` need not say under which one it is held."""
    other = dffh.ok("ledger", "create", "two", "--origin", "example.vic.gov.au/two", "--name", "Another")
    listed = dffh.ok("organisation", "list", person=other["administrator"])["organisations"]
    assert [each["name"] for each in listed] == ["Department of Families", "Another"]
    refused = dffh("organisation", "list", person="somebody")
    assert (refused.code, refused.out) == (4, "")
    assert "somebody has no role in force" in refused.err


def test_schemas_are_checked_written_released_and_described(program: Program, tmp_path: Path) -> None:
    assert program("schemas", "check").code == 0
    folder = tmp_path / "schemas"
    folder.mkdir()
    written = program.ok("schemas", "write", "--folder", str(folder))["written"]
    assert len(written) > 50
    assert program.ok("schemas", "write", "--folder", str(folder))["written"] == []
    assert program.ok("schemas", "release", "0.1.0", "--folder", str(folder))["released"] == sorted(written)
    one = folder / written[0]
    one.write_text(one.read_text().replace('"doc"', '"docs"', 1))
    refused = program("schemas", "check", "--folder", str(folder))
    assert refused.code == 7
    assert "released in 0.1.0 and was changed" in refused.err
    page = tmp_path / "events.md"
    assert program("schemas", "docs", "--output", str(page), "--check").code == 7
    assert program("schemas", "docs", "--output", str(page)).code == 0
    assert program("schemas", "docs", "--output", str(page), "--check").code == 0


def test_doctor_lists_settings_with_their_source_and_hides_secrets(dffh: Program) -> None:
    answer = dffh("doctor", "--json")
    assert answer.code == 0, answer.err
    settings = {each["name"]: each for each in answer.json["settings"]}
    assert settings["database_url"]["value"] == "set (not shown)"
    assert settings["database_url"]["source"] == "environment (AUDITLEDGER_DATABASE_URL)"
    assert settings["host"]["source"] == "default"
    assert dffh.environment["AUDITLEDGER_DATABASE_URL"] not in answer.out
    assert all(check["ok"] for check in answer.json["checks"])
    dffh.environment["AUDITLEDGER_DATABASE_URL"] = (
        "postgresql://nobody:hunter2@127.0.0.1:1/none?connect_timeout=2"
    )
    away = dffh("doctor")
    assert away.code == 6
    assert "hunter2" not in away.out + away.err


def test_a_token_is_issued_for_who_acts(dffh: Program) -> None:
    made = dffh.ok("token", "--organisation", dffh.people["organisation"], person="officer")
    assert made["token"].count(".") == 2
    assert dffh("token", person="officer").code == 2


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["ledger", "nothing"], ["entries", "--no"], ["verify", "--processes", "0"]]
)
def test_a_wrong_command_line_is_exit_code_2(program: Program, arguments: list[str]) -> None:
    answer = program(*arguments)
    assert answer.code == 2
    assert answer.out == ""


def test_a_wrong_setting_is_one_line_and_exit_code_2(program: Program) -> None:
    program.environment["AUDITLEDGER_PORT"] = "many"
    answer = program("ledger", "list")
    assert answer.code == 2
    assert answer.err.startswith("auditledger: port (set in environment (AUDITLEDGER_PORT)):")
    assert answer.err.count("\n") == 1


def test_every_command_has_json_and_says_what_it_does() -> None:
    for path, command in cli_commands().items():
        assert command.help, path
        if isinstance(command, TyperGroup):
            continue
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, path
        for parameter in command.params:
            # Arguments may speak for themselves by their name; an option always says what it does.
            assert parameter.help or not parameter.opts[0].startswith("-"), f"{path} {parameter.opts}"


def test_entries_are_followed_as_they_are_recorded(dffh: Program) -> None:
    environment = {**os.environ, **dffh.environment, "AUDITLEDGER_PERSON": dffh.people["officer"]}
    command = [
        sys.executable,
        "-m",
        "ledger.main",
        "entries",
        "-l",
        "dffh",
        "--follow",
        "--limit",
        "5",
        "--json",
    ]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        seen = [json.loads(following.stdout.readline())["index"] for _ in range(4)]
        made = receive(dffh)
        seen.append(json.loads(following.stdout.readline())["index"])
    assert seen == [0, 1, 2, 3, made["receipts"][0]["index"]]
    assert following.returncode == 0


def test_version_and_help(program: Program) -> None:
    assert program("--version").out.startswith("auditledger ")
    assert "Commands:" in program().out


def test_registers_are_brought_up_where_no_service_runs(dffh: Program) -> None:
    body = {"happened": "2025-06-11", "fields": {"scheme": "other", "made_under_law": "An Act"}}
    recorded = ("record", "request.RequestReceived", "-", "--ledger", "dffh")
    for known in (1, 2):
        dffh.ok(*recorded, text=json.dumps(body), person="officer")
        rows = dffh.ok("replay", "requests", "--ledger", "dffh", person="officer")["rows"]
        assert len(rows) == known
    assert [row["section"] for row in dffh.ok("clocks", "--ledger", "dffh", person="officer")["rows"]] == []


def test_doctor_says_which_registers_stand_still_until_a_rebuild(dffh: Program, database: Database) -> None:
    dffh.ok("replay", "gaps", "--ledger", "dffh", person="officer")
    before = {check["check"]: check for check in dffh("doctor", "--json").json["checks"]}
    assert before["registers"]["ok"]
    with database.connect_admin() as connection:
        connection.execute("UPDATE registers.tables SET definition = 'an older one' WHERE name = 'gaps'")
    after = {check["check"]: check for check in dffh("doctor", "--json").json["checks"]}
    assert not after["registers"]["ok"]
    assert "rebuild" in str(after["registers"])
    assert "gaps" in str(after["registers"])


def test_a_demonstration_whose_officer_is_one_no_more_is_said_without_lines_to_try() -> None:
    loaded = {"what": "Demonstration", "ledgers": 2, "entries": 30, "added": 0, "people": []}
    assert words(Session(DOORS), loaded) == "Demonstration: 2 ledgers, 30 entries, 0 added now"
