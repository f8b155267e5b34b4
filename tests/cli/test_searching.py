"""``search`` as it is typed: the value by prompt or standard input, the answer, and what a restore leaves."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tests.cli.test_backup import beside, keys_back
from tests.cli.test_destruction import GROUND, office, received
from tests.store.sets import MakeDatabase, another

__all__ = ["another", "office"]

WHY = ("--ledger", "dffh", "--reason", "an inquiry")


def found(program: Program, value: str, *more: str) -> list[int]:
    """The entries that a search finds."""
    said = program.ok("search", *WHY, *more, text=value, person="officer")
    return [each["index"] for each in said["found"]]


def test_an_identifier_is_found_until_it_is_destroyed(office: Program) -> None:
    case, index = received(office)
    _, other = received(office)
    said = office.ok("search", *WHY, text="PETRA planted\n", person="officer")
    assert [(each["index"], each["paths"]) for each in said["found"]] == [
        (index, ["requester_name"]), (other, ["requester_name"]),
    ]  # fmt: skip
    told = office("search", *WHY, text="petra planted", person="officer")
    assert f"Found in 2 entries (dffh, entries 0 to before {said['searched']['to'] + 1})" in told.out
    assert case in told.out
    assert "petra" not in (told.out + told.err).lower()
    # What is free text is not found by a name in it, nor by itself.
    for value in ("housing of Petra Planted", "a home", "Petra"):
        assert found(office, value) == []
    assert found(office, "petra planted", "--from", str(index + 1)) == [other]
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    assert found(office, "petra planted") == [other]
    assert "Found in no entry" in office("search", *WHY, text="Nobody", person="officer").out
    again = ("--command-id", "0e7c2f60-0000-4000-8000-0000000000cc")
    office.ok("search", *WHY, *again, text="petra planted", person="officer")
    for value in ("petra planted", "Nobody"):
        refused = office("search", *WHY, *again, text=value, person="officer")
        assert (refused.code, refused.out) == (5, "")
        assert "a search is not repeated" in refused.err
    assert office.ok("verify", "--ledger", "dffh")["clean"]


@pytest.mark.parametrize(
    ("line", "text", "code", "said"),
    [
        (["--ledger", "dffh"], "Jo Bloggs", 2, "--reason: expected why it is searched for, got None"),
        (["--ledger", "dffh", "--reason", " "], "Jo Bloggs", 2, "--reason: expected why it is searched for"),
        ([*WHY], "", 2, "value: expected a whole identifier of at least 2 characters, got 'a shorter one'"),
        ([*WHY], "Jo Bloggs" * 10_000, 2, "standard input: expected at most 65535 bytes"),
        ([*WHY, "--from", "100000"], "Jo Bloggs", 2, "from: expected a whole number from 0 to"),
        ([*WHY, "--command-id", "x"], "Jo Bloggs", 2, "command id (Idempotency-Key): expected a UUID"),
        ([*WHY, "--rebuild"], "", 2, "--rebuild: expected no --reason beside it"),
        ([*WHY, "Jo Bloggs"], "", 2, "unexpected extra argument"),
        (["--ledger", "none", "--reason", "x"], "Jo Bloggs", 2, "none"),
        ([*WHY, "--person", "0e7c2f60-0000-4000-8000-0000000000ee"], "Jo Bloggs", 4, "dffh"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_one_line_that_says_what_to_do(
    dffh: Program, line: list[str], text: str, code: int, said: str
) -> None:
    answer = dffh("search", *line, text=text, person="officer")
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_bytes_that_are_no_text_are_refused(dffh: Program) -> None:
    environment = os.environ | dffh.environment | {"AUDITLEDGER_PERSON": dffh.people["officer"]}
    done = subprocess.run(
        [sys.executable, "-m", "ledger.main", "search", *WHY],
        input=b"\xff\xfe", env=environment, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input: expected UTF-8, got 'other bytes'" in done.stderr


def test_at_a_terminal_it_is_asked_for(office: Program) -> None:
    _, index = received(office)
    environment = os.environ | office.environment | {"AUDITLEDGER_PERSON": office.people["officer"]}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "ledger.main", "search", *WHY, "--json"],
        env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, b"petra planted\n")
        out, err = process.communicate(timeout=120)
    os.close(ours)
    assert process.returncode == 0, err
    assert [each["index"] for each in json.loads(out)["found"]] == [index]
    assert "Search for:" in err


def test_the_index_is_made_anew_on_request_by_who_runs_it(office: Program) -> None:
    _, index = received(office)
    made = office.ok("search", "--rebuild", "--ledger", "dffh")
    assert (made["ledger"], made["size"], made["unread"]) == ("dffh", index + 1, 0)
    assert f"Search index of dffh: {index + 1} entries" in office("search", "--rebuild", "--ledger", "dffh").out
    assert found(office, "petra planted") == [index]


def test_what_was_destroyed_after_a_backup_is_not_found_in_the_restored_set(
    office: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    """The set's index holds it; the entry that destroyed it comes back from the published files."""
    case, _ = received(office)
    _, kept = received(office)
    assert len(found(office, "petra planted")) == 2
    for slug in ("common", "dffh"):
        office.ok("checkpoint", "--ledger", slug)
    office.ok("backup", str(tmp_path / "set"))
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    _, after = received(office)
    office.ok("checkpoint", "--ledger", "dffh")
    new = beside(office, tmp_path / "new", another())
    tiles = Path(office.environment["AUDITLEDGER_DATA_DIR"]) / "tiles"
    new.ok("restore", str(tmp_path / "set"), "--published", str(tiles))
    keys_back(office, new)
    (refilled,) = new.ok("refill")["refilled"]
    assert refilled["came_back"] == 2
    said = new.ok("search", *WHY, text="petra planted", person="officer")
    # What was sealed after the set was made is lost with its vault, and the answer says that something is.
    assert [each["index"] for each in said["found"]] == [kept]
    assert said["unread"] == 1
    told = new("search", *WHY, text="petra planted", person="officer")
    assert "1 values or entries could not be read: nobody finds them; see 'auditledger doctor'" in told.out
    assert after > kept
    assert new.ok("verify")["clean"]
