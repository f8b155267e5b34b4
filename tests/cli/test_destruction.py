"""``destroy`` and ``reconcile`` as they are typed: agreed to, destroyed, shown, and proven all the same."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from ledger.store.database import Database
from tests.cli.conftest import Program
from tests.cli.test_backup import beside, data_of, keys_back, opened
from tests.store.sets import MakeDatabase, another

__all__ = ["another"]

OFFICER = "0e7c2f60-0000-4000-8000-00000000000f"
PRIVACY = "0e7c2f60-0000-4000-8000-00000000000a"
RECEIVED = {
    "scheme": "vps", "form": "informal", "requester_name": "Petra Planted",
    "information_sought": "housing of Petra Planted", "purpose": "a home",
}  # fmt: skip
GROUND = ("--ground", "no_longer_needed", "--authority", "instrument of 2025")


@pytest.fixture
def office(dffh: Program) -> Program:
    """The department with a privacy officer too."""
    dffh.people["privacy"] = PRIVACY
    grant = {"person": PRIVACY, "role": "privacy_officer", "organisation": dffh.people["organisation"]}
    dffh.ok(
        "record", "role.RoleGranted", "-", "--ledger", "dffh", "--happened", "2025-01-01",
        text=json.dumps({"fields": grant}), person="administrator",
    )  # fmt: skip
    return dffh


def received(program: Program) -> tuple[str, int]:
    """A case with words in it, and the index of its entry."""
    said = program.ok(
        "record", "request.RequestReceived", "-", "--ledger", "dffh", "--happened", "2025-06-01",
        text=json.dumps({"fields": RECEIVED}), person="officer",
    )  # fmt: skip
    return said["case"], said["receipts"][0]["index"]


def entry(program: Program, case: str) -> dict[str, Any]:
    """The first entry of a case as ``entries`` shows it."""
    answer = program("entries", "--ledger", "dffh", "--case", case, "--json", person="officer")
    return json.loads(answer.out.splitlines()[0])


def test_a_case_is_destroyed_and_every_view_says_so_while_old_proofs_verify(
    office: Program, tmp_path: Path
) -> None:
    case, index = received(office)
    office.ok("prove", str(index), "--ledger", "dffh", "--to", str(tmp_path))
    (key,) = [k["key"] for k in office.ok("keys", "list")["keys"] if k["ledger"] == "dffh"]

    dry = office.ok("destroy", case, "--ledger", "dffh", "--dry-run", person="privacy")
    assert (dry["fields"], dry["entries"], dry["files"], dry["holds"], dry["demanded"]) == (3, 1, 0, [], False)
    assert len(dry["keys"]) == 2
    assert entry(office, case)["fields"]["purpose"]["sealed"] == "withheld"

    said = office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    assert said["destroyed"] == {"keys": 2, "fields": 3, "files": 0}
    assert said["pages_written_anew"]
    purpose = entry(office, case)["fields"]["purpose"]
    assert (purpose["sealed"], purpose["under"]) == ("destroyed", "no longer needed (PDPA IPP 4.2)")
    told = office("entries", "--ledger", "dffh", "--case", case, person="officer").out
    assert "purpose: (destroyed on 20" in told
    (row,) = office.ok("replay", "requests", "--ledger", "dffh", person="officer")["rows"]
    assert row["purpose"].startswith("destroyed on 20")
    assert row["purpose"].endswith("under no longer needed (PDPA IPP 4.2)")
    # As it was before, too: the fact is history, the content is not.
    (row,) = office.ok(
        "replay", "requests", "--ledger", "dffh", "--as-at", f"dffh={index + 1}", person="officer"
    )["rows"]
    assert row["purpose"].startswith("destroyed on 20")
    listed = office("replay", "requests", "--ledger", "dffh", "--csv", person="officer").out
    assert "destroyed on 20" in listed
    steps = office(
        "replay", "requests", "--steps", "--case", case, "--ledger", "dffh", "--json", person="officer"
    ).out
    assert "destroyed on 20" in steps
    changes = office.ok("diff", "requests", "--from", "dffh=0", "--to", f"dffh={index + 1}", person="officer")[
        "changes"
    ]
    assert changes[0]["fields"]["purpose"][1].startswith("destroyed on 20")
    for text in (told, listed, steps, json.dumps(changes)):
        assert "withheld" not in text

    office.ok("verify", "--ledger", "dffh")
    proof = tmp_path / f"dffh-{index}.tlog-proof"
    office.ok("verify", "--proof", str(proof), "--entry", str(tmp_path / f"dffh-{index}.entry"), "--key", key)


def test_two_people_by_the_command_line(office: Program) -> None:
    case, _ = received(office)
    office.ok(
        "record", "destruction.SecondPersonDemanded", "-", "--ledger", "dffh",
        text=json.dumps({"fields": {"demanded": True}}), person="administrator",
    )  # fmt: skip
    said = office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    assert said["waits_for"] == "approval"
    assert entry(office, case)["fields"]["purpose"]["sealed"] == "withheld"
    named = ("--ledger", "dffh")
    refused = office("destroy", "--authorise", said["destruction"], *named, person="privacy")
    assert refused.code == 3
    assert "demands a second person" in refused.err
    office.ok("destroy", "--approve", said["destruction"], *named, person="administrator")
    office.ok("destroy", "--authorise", said["destruction"], *named, person="privacy")
    assert entry(office, case)["fields"]["purpose"]["sealed"] == "destroyed"
    other, _ = received(office)
    said = office.ok("destroy", other, *named, *GROUND, person="privacy")
    office.ok("destroy", "--refuse", said["destruction"], "--reason", "no", *named, person="administrator")
    assert office("destroy", "--authorise", said["destruction"], *named, person="privacy").code == 3


def printed(said: str) -> list[str]:
    """The arguments of the command line that a text names."""
    found = re.search(r"auditledger ([^'\n]+)", said)
    assert found is not None, said
    return found[1].split()


def test_the_lines_that_are_printed_run_as_they_stand_with_two_ledgers(office: Program, tmp_path: Path) -> None:
    case, _ = received(office)
    office.ok(
        "record", "destruction.SecondPersonDemanded", "-", "--ledger", "dffh",
        text=json.dumps({"fields": {"demanded": True}}), person="administrator",
    )  # fmt: skip
    office.ok(
        "ledger", "create", "two", "--origin", "example.vic.gov.au/two", "--organisation", str(uuid.uuid4()),
        "--name", "Another", "--administrator", str(uuid.uuid4()), person="administrator",
    )  # fmt: skip
    said = office("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    assert "demands a second person" in said.out, said.err
    answer = office(*printed(said.out), person="administrator")
    assert answer.code == 0, answer.err
    said = office("keys", "rotate", "signing", "--ledger", "dffh", person="administrator")
    assert said.code == 0, said.err
    answer = office(*printed(said.out), person="administrator")
    assert answer.code == 0, answer.err


def test_an_administrator_reads_what_to_approve_and_no_case(office: Program) -> None:
    """As over HTTP: the streams about the ledger itself, and nothing else."""
    case, index = received(office)
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    asked = ("entries", "--ledger", "dffh")
    found = office(*asked, "--case", "destruction", "--json", person="administrator")
    assert found.code == 0, found.err
    assert [json.loads(line)["event"].rpartition(".")[2] for line in found.out.splitlines()] == [
        "DestructionProposed", "DestructionAuthorised", "DestructionCompleted",
    ]  # fmt: skip
    for line in ((*asked, "--case", case), asked, (*asked, "--event", "destruction.DestructionProposed")):
        refused = office(*line, person="administrator")
        assert (refused.code, refused.out) == (4, "")
    office.ok("break-glass", "take", case, "--reason", "r", "--ledger", "dffh", person="administrator")
    taken = office(*asked, "--case", case, "--json", person="administrator")
    assert json.loads(taken.out.splitlines()[0])["index"] == index
    assert office(*asked, "--case", case, "--follow", person="administrator").code == 4


def test_a_dry_run_names_the_holds_and_a_destruction_is_refused_for_them(office: Program) -> None:
    case, _ = received(office)
    office.ok(
        "record", "destruction.HoldPlaced", "-", "--ledger", "dffh", person="privacy",
        text=json.dumps({"fields": {"hold": "inquiry-1", "reason": "an inquiry", "area": "request"}}),
    )  # fmt: skip
    dry = office("destroy", case, "--ledger", "dffh", "--dry-run", person="privacy")
    assert "holds          inquiry-1" in dry.out
    refused = office("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    assert refused.code == 3
    assert "held: inquiry-1" in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "CASE: expected a case, or one of --approve, --refuse and --authorise"),
        (["CASE", "--approve", "x"], "CASE: expected a case, or one of"),
        (["CASE"], "--ground: expected one of no_longer_needed"),
        (["CASE", "--ground", "no_longer_needed"], "the authority (a disposal authority, or any in words)"),
        (["CASE", "--key", "0" * 32, *GROUND], "keys that serve case"),
        (["CASE", "--subject", "s-1", "--key", "0" * 32, *GROUND], "name the subject, or its keys, not both"),
        (["--authorise", "x", "--dry-run"], "--dry-run: expected a case beside it"),
        (["--approve", "x", "--dry-run"], "--dry-run: expected a case beside it"),
        (["roles", "--dry-run"], "own streams"),
        (["", "--dry-run"], "case"),
    ],
)
def test_a_wrong_line_is_one_line_that_says_what_to_do(office: Program, line: list[str], said: str) -> None:
    case, _ = received(office)
    answer = office(
        "destroy", *[case if each == "CASE" else each for each in line], "--ledger", "dffh", person="privacy"
    )
    assert answer.code in (2, 3)
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_reconcile_says_what_came_back_and_what_is_lost(office: Program, database: Database) -> None:
    case, _ = received(office)
    lost, _ = received(office)
    with database.connect_admin() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vault.keys")
        office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
        assert office.ok("reconcile")["ledgers"]["dffh"]["came_back"] == 0
        connection.execute(
            "INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM kept WHERE stream = %s", (case,)
        )
        connection.execute("DELETE FROM vault.keys WHERE stream = %s AND subject = 'case'", (lost,))
    found = office("reconcile", "--json")
    assert found.code == 1
    assert found.json["ledgers"]["dffh"]["came_back"] == 2
    assert found.json["ledgers"]["dffh"]["lost_keys"] == 1
    assert "2 destroyed keys had come back" in found.err
    assert "1 keys are lost" in found.err
    assert found.err.count("\n") == 1
    checks = {each["check"]: each for each in office("doctor", "--json").json["checks"]}
    assert checks["vault"]["ok"] is False
    assert "1 keys are lost" in checks["vault"]["detail"]
    assert entry(office, lost)["fields"]["purpose"]["sealed"] == "lost"
    assert "purpose: (lost)" in office("entries", "--ledger", "dffh", "--case", lost, person="officer").out
    assert "destroyed values came back 1 times" in checks["vault"]["detail"]


def test_registers_list_what_was_destroyed_and_what_is_held(office: Program) -> None:
    case, _ = received(office)
    said = office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    hold = {"hold": "inquiry-1", "reason": "an inquiry", "kind": "inquiry", "area": "request"}
    for word, fields in (("HoldPlaced", hold), ("HoldReleased", {"hold": "inquiry-1"}), ("HoldPlaced", hold)):
        office.ok(
            "record", f"destruction.{word}", "-", "--ledger", "dffh", person="privacy",
            text=json.dumps({"fields": fields}),
        )  # fmt: skip
    (row,) = office.ok("replay", "destructions", "--ledger", "dffh", person="officer")["rows"]
    expected = {
        "destruction": said["destruction"], "case_id": case, "scope": "case", "ground": "no_longer_needed",
        "standing": "completed", "proposed_by": PRIVACY, "approved_by": None, "keys": 2, "fields": 3,
        "files": 0, "came_back": 0, "authority": "withheld",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert row["destroyed_on"] is not None
    first, second = office.ok("replay", "holds", "--ledger", "dffh", person="officer")["rows"]
    assert [first["hold"], first["kind"], first["area"], first["reason"]] == [
        "inquiry-1", "inquiry", "request", "withheld",
    ]  # fmt: skip
    assert (first["released_on"] is None, second["released_on"] is None) == (False, True)


def test_what_was_destroyed_after_a_backup_stays_destroyed_after_the_refill(
    office: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    """The vault of the set holds it, and the entry that destroyed it comes back from the published files."""
    case, index = received(office)
    for slug in ("common", "dffh"):
        office.ok("checkpoint", "--ledger", slug)
    office.ok("backup", str(tmp_path / "set"))
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    office.ok("checkpoint", "--ledger", "dffh")

    new = beside(office, tmp_path / "new", another())
    found = new.ok("restore", str(tmp_path / "set"), "--published", str(data_of(office) / "tiles"))
    # An entry on the older copy would be a fork: the vault waits for what is refilled.
    assert found["vault"] is None
    keys_back(office, new)
    (refilled,) = new.ok("refill")["refilled"]
    # Lost is what the destruction itself said in words: the set is from before it.
    assert (refilled["came_back"], refilled["lost_keys"]) == (2, 1)
    assert entry(new, case)["fields"]["purpose"]["sealed"] == "destroyed"
    assert opened(new, index) == {"destroyed"}
    assert new.ok("verify")["clean"]


def test_a_set_with_its_keys_is_held_to_the_entries_as_it_is_restored(
    office: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    case, index = received(office)
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    for slug in ("common", "dffh"):
        office.ok("checkpoint", "--ledger", slug)
    office.ok("backup", str(tmp_path / "set"), "--with-keys")
    new = beside(office, tmp_path / "new", another())
    found = new.ok("restore", str(tmp_path / "set"))
    assert found["vault"] == {slug: {"came_back": 0, "lost_keys": 0} for slug in ("common", "dffh")}
    assert opened(new, index) == {"destroyed"}
    said = beside(office, tmp_path / "third", another())("restore", str(tmp_path / "set"))
    assert "reconcile" not in said.out


def test_what_is_lost_of_a_closed_ledger_comes_back_closed(
    office: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    """From before its end, and from before its key was rotated: nothing follows the last entry."""
    case, _ = received(office)
    for slug in ("common", "dffh"):
        office.ok("checkpoint", "--ledger", slug)
    office.ok("backup", str(tmp_path / "set"))
    rotate = ("keys", "rotate", "signing", "--ledger", "dffh")
    office.ok(*rotate, person="administrator")
    office.ok("checkpoint", "--ledger", "dffh")
    office.ok(*rotate, "--retire", person="administrator")
    office.ok("checkpoint", "--ledger", "dffh")
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    last = office.ok("ledger", "close", "--ledger", "dffh", person="administrator")

    new = beside(office, tmp_path / "new", another())
    tiles = str(data_of(office) / "tiles")
    found = new.ok("restore", str(tmp_path / "set"), "--published", tiles)
    assert [each["lost"] > 0 for each in found["ledgers"]] == [False, True]
    keys_back(office, new)
    (refilled,) = new.ok("refill")["refilled"]
    assert (refilled["until"], refilled["came_back"]) == (last["size"], 2)
    assert new.ok("refill") == {"refilled": []}
    assert entry(new, case)["fields"]["purpose"]["sealed"] == "destroyed"
    assert new("reconcile", "--json").json["ledgers"]["dffh"]["came_back"] == 0
    assert new.ok("checkpoint", "--ledger", "dffh") == last
    assert new.ok("verify")["clean"]


def test_what_a_closed_ledger_has_sealed_is_destroyed_by_the_one_that_goes_on(office: Program) -> None:
    case, _ = received(office)
    hold(office, "HoldPlaced", reason="an inquiry")
    last = office.ok("ledger", "close", "--ledger", "dffh", person="administrator")["size"]
    destroy = ("destroy", case, "--ledger", "dffh", *GROUND)
    answer = office(*destroy, person="privacy")
    assert (answer.code, answer.err.count("\n")) == (3, 1)
    assert "no ledger goes on from it" in answer.err
    assert "'auditledger ledger continue' opens one" in answer.err
    office.ok("ledger", "continue", "dffh", "--origin", "example.vic.gov.au/dffh/2", person="administrator")
    # Roles are those of the ledger that goes on.
    assert office(*destroy, person="privacy").code == 4
    grant = {"person": PRIVACY, "role": "privacy_officer", "organisation": office.people["organisation"]}
    office.ok(
        "record", "role.RoleGranted", "-", "--ledger", "dffh-2", "--happened", "2025-01-01",
        text=json.dumps({"fields": grant}), person="administrator",
    )  # fmt: skip
    dry = office.ok(*destroy[:4], "--dry-run", person="privacy")
    assert (dry["fields"], dry["holds"]) == (3, ["inquiry"])
    assert office(*destroy, person="privacy").code == 3
    hold(office, "HoldReleased", "dffh-2", ledger="example.vic.gov.au/dffh")
    (released,) = office.ok("replay", "holds", "--ledger", "dffh-2", person="privacy")["rows"]
    assert (released["hold"], released["of_ledger"]) == ("inquiry", "example.vic.gov.au/dffh")
    assert (released["placed_on"], released["released_on"] is None) == (None, False)
    (placed,) = office.ok("replay", "holds", "--ledger", "dffh", person="privacy")["rows"]
    assert (placed["of_ledger"], placed["placed_on"] is None, placed["released_on"]) == (None, False, None)
    look = ("search", "--ledger", "dffh", "--reason", "an inquiry")
    found = office.ok(*look, text="petra planted", person="privacy")
    assert ([each["case"] for each in found["found"]], found["receipts"][0]["ledger"]) == (
        [case], "example.vic.gov.au/dffh/2",
    )  # fmt: skip
    assert office(*look, text="petra planted", person="officer").code == 4
    said = office.ok(*destroy, person="privacy")
    assert office.ok(*look, text="petra planted", person="privacy")["found"] == []
    assert said["destroyed"] == {"keys": 2, "fields": 3, "files": 0}
    assert entry(office, case)["fields"]["purpose"]["sealed"] == "destroyed"
    (row,) = office.ok("replay", "requests", "--ledger", "dffh", person="officer")["rows"]
    assert row["purpose"].startswith("destroyed on 20")
    assert office("reconcile").code == 0
    assert {each["ledger"]: each["size"] for each in office.ok("verify")["ledgers"]}["dffh"] == last
    answer = office("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    assert (answer.code, "there is nothing to destroy" in answer.err) == (3, True)
    (listed,) = office.ok("replay", "destructions", "--ledger", "dffh-2", person="privacy")["rows"]
    assert (listed["case_id"], listed["of_ledger"]) == (case, "example.vic.gov.au/dffh")


def hold(program: Program, word: str, slug: str = "dffh", **fields: Any) -> None:
    program.ok(
        "record", f"destruction.{word}", "-", "--ledger", slug,
        text=json.dumps({"fields": {"hold": "inquiry", **fields}}), person="privacy",
    )  # fmt: skip
