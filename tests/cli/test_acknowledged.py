"""Receipts from the command line: acknowledged as sealed, signed, upgraded to a proof; and a broken promise."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from ledger.store.published import Published
from ledger.tlog.note import SigningKey
from ledger.tlog.receipt import SignedReceipt
from tests.cli.conftest import Program
from tests.cli.test_commands import receive
from tests.cli.test_proofs import rewritten, superuser
from tests.support import check_ledger


class Auditor:
    """Who keeps a signed receipt, and trusts the ledger's key."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        program.ok("checkpoint", "--ledger", "dffh")
        (self.key,) = [each["key"] for each in program.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
        self.command = str(uuid.uuid4())
        self.outcome = receive(program, "--receipts", str(folder), "--command-id", self.command)
        (self.receipt,) = self.outcome["signed_receipts"]
        self.index = self.outcome["receipts"][0]["index"]

    @property
    def signing(self) -> SigningKey:
        data = Path(self.program.environment["AUDITLEDGER_DATA_DIR"])
        (key,) = Published(data).keys.of("dffh", "example.vic.gov.au/dffh")
        return key

    def forge(self, **changed: Any) -> str:
        """A receipt of other words, signed by the ledger all the same."""
        said = {
            "origin": "example.vic.gov.au/dffh", "index": self.index, "recorded_at": datetime.now(UTC),
            "leaf": bytes.fromhex(self.outcome["receipts"][0]["leaf_hash"]),
            "proof_by": datetime.now(UTC) + timedelta(hours=1), **changed,
        }  # fmt: skip
        path = self.folder / "other.receipt"
        path.write_text(str(SignedReceipt(**said).sign([self.signing])))
        return str(path)


@pytest.fixture
def auditor(dffh: Program, tmp_path: Path) -> Auditor:
    return Auditor(dffh, tmp_path / "kept")


def test_a_command_is_acknowledged_as_sealed(dffh: Program, database: Database) -> None:
    outcome = receive(dffh, "--acknowledge", "sealed")
    assert outcome["acknowledged"] == "sealed"
    data = Path(dffh.environment["AUDITLEDGER_DATA_DIR"])
    note = (data / "tiles" / "dffh" / "checkpoint").read_text()
    assert int(note.split("\n")[1]) == outcome["receipts"][0]["index"] + 1
    check_ledger(database, Ledgers(database).get("dffh"))


def test_witnessed_is_refused_where_no_witness_is_asked(dffh: Program) -> None:
    before = dffh.ok("ledger", "list")["ledgers"][1]["size"]
    answer = dffh("record", "request.RequestReceived", "-", "--acknowledge", "witnessed", text='{"fields": {}}')
    assert (answer.code, answer.out) == (2, "")
    assert "no witness is asked here" in answer.err
    assert dffh.ok("ledger", "list")["ledgers"][1]["size"] == before


def test_what_no_witness_sees_in_time_is_recorded_and_said_so(auditor: Auditor, tmp_path: Path) -> None:
    program = auditor.program
    witness = SigningKey.generate("witness.example/w", 4).verifier
    policy = tmp_path / "policy"
    policy.write_text(f"log {auditor.key}\nwitness w {witness} http://127.0.0.1:9\nquorum w\n")
    program.environment |= {"AUDITLEDGER_POLICY": str(policy), "AUDITLEDGER_ACKNOWLEDGE_TIMEOUT": "0.05"}
    before = program.ok("ledger", "list")["ledgers"][1]["size"]
    body = {
        "happened": "2025-06-11",
        "fields": {
            "scheme": "vps", "form": "informal", "requester_name": "Q",
            "provider": program.people["organisation"],
        },
    }  # fmt: skip
    answer = program(
        "record", "request.RequestReceived", "-", "--acknowledge", "witnessed", "--json",
        text=json.dumps(body), person="officer",
    )  # fmt: skip
    assert answer.code == 6
    assert "recorded, and not witnessed within 0.05 seconds" in answer.err
    assert answer.json["acknowledged"] == "sealed"
    assert answer.json["receipts"][0]["index"] == before


def test_receipts_that_cannot_be_written_are_refused_before_anything_is_recorded(
    dffh: Program, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    before = dffh.ok("ledger", "list")["ledgers"][1]["size"]
    answer = dffh(
        "record", "request.RequestReceived", "-", "--receipts", str(tmp_path / "file"), text='{"fields": {}}'
    )
    assert (answer.code, answer.out) == (2, "")
    assert "--receipts: expected a folder that can be written to" in answer.err
    assert dffh.ok("ledger", "list")["ledgers"][1]["size"] == before


def test_a_later_receipt_of_the_same_entry_stands_beside_the_first(auditor: Auditor) -> None:
    """The one with the earlier time is what a broken promise is shown by."""
    first = Path(auditor.receipt).read_bytes()
    program = auditor.program
    again = receive(program, "--receipts", str(auditor.folder), "--command-id", auditor.command)
    assert again["repeated"]
    (later,) = again["signed_receipts"]
    assert later == auditor.receipt.replace(".receipt", ".2.receipt")
    assert Path(auditor.receipt).read_bytes() == first
    assert Path(later).read_bytes() != first


def test_a_receipt_outlives_the_key_that_signed_it(auditor: Auditor) -> None:
    """Rotated, retired and destroyed, as it should be: what was promised under it is promised still."""
    program, folder = auditor.program, str(auditor.folder)
    rotate = ("keys", "rotate", "signing", "--ledger", "dffh")
    program.ok(*rotate, person="administrator")
    program.ok("checkpoint", "--ledger", "dffh")
    program.ok(*rotate, "--retire", person="administrator")
    program.ok("checkpoint", "--ledger", "dffh")
    data = Path(program.environment["AUDITLEDGER_DATA_DIR"])
    (data / "signing" / f"dffh.{auditor.key.split('+')[1]}.key").unlink()
    # Given again, it is signed by the key of now, for an entry from before it.
    (later,) = receive(program, "--receipts", folder, "--command-id", auditor.command)["signed_receipts"]
    added = [str(index) for index in range(auditor.index + 1, auditor.index + 3)]
    told = [program.ok("prove", index, "--ledger", "dffh", "--to", folder)["files"] for index in added]
    history = [part for files in told for f in files if f.endswith(".entry") for part in ("--history", f)]
    for receipt in (auditor.receipt, later):
        files = program.ok("prove", "--receipt", receipt, "--ledger", "dffh", "--to", folder)["files"]
        proof, entry = (next(f for f in files if f.endswith(end)) for end in (".tlog-proof", ".entry"))
        given = ["--receipt", receipt, *history, "--key", auditor.key]
        assert program("verify", *given).code == 0
        assert program("verify", *given, "--proof", proof, "--entry", entry).code == 0


def test_a_receipt_is_checked_alone_and_with_the_proof_that_keeps_it(auditor: Auditor) -> None:
    program, folder = auditor.program, str(auditor.folder)
    said = program("verify", "--receipt", auditor.receipt, "--key", auditor.key)
    assert said.code == 0
    assert f"signed, entry {auditor.index} with leaf hash" in said.out
    assert "a proof is promised by" in said.out
    found = program.ok("prove", "--receipt", auditor.receipt, "--ledger", "dffh", "--to", folder)
    proof, entry = found["files"]
    given = ["verify", "--receipt", auditor.receipt, "--proof", proof, "--entry", entry, "--key", auditor.key]
    assert program(*given).code == 0


def test_a_promise_whose_time_is_past_is_said_to_be_overdue(auditor: Auditor) -> None:
    """Alone it is no fault: whether the proof was given, the receipt does not know."""
    given = ("verify", "--receipt", auditor.receipt, "--key", auditor.key)
    assert "overdue" not in auditor.program(*given).out
    assert auditor.program.ok(*given)["ledgers"][0]["overdue"] is False
    due = datetime.now(UTC) - timedelta(seconds=1)
    given = ("verify", "--receipt", auditor.forge(proof_by=due), "--key", auditor.key)
    answer = auditor.program(*given)
    assert (answer.code, "a proof was promised by" in answer.out, "is overdue" in answer.out) == (0, True, True)
    assert auditor.program.ok(*given)["ledgers"][0]["overdue"] is True


def test_an_altered_receipt_and_one_of_another_key_are_not_trusted(auditor: Auditor) -> None:
    program, path = auditor.program, Path(auditor.receipt)
    other = SigningKey.generate("example.vic.gov.au/dffh").verifier
    assert program("verify", "--receipt", str(path), "--key", str(other)).code == 9
    path.write_text(path.read_text().replace(f"\n{auditor.index}\n", f"\n{auditor.index + 1}\n"))
    answer = program("verify", "--receipt", str(path), "--key", auditor.key)
    assert answer.code == 9
    assert "NOT TRUSTED" in answer.out


def test_a_ledger_that_was_made_anew_breaks_its_promise(auditor: Auditor) -> None:
    """The operator rewrites what was acknowledged and not sealed yet: the receipt shows it."""
    program = auditor.program
    receipt = auditor.forge(leaf=bytes(32))
    answer = program("prove", "--receipt", receipt, "--ledger", "dffh", "--to", str(auditor.folder))
    assert answer.code == 8
    assert f"BROKEN: example.vic.gov.au/dffh promised entry {auditor.index}" in answer.err
    files = program.ok("prove", str(auditor.index), "--ledger", "dffh", "--to", str(auditor.folder))["files"]
    given = ["verify", "--receipt", receipt, "--proof", files[0], "--entry", files[1], "--key", auditor.key]
    broken = program(*given)
    assert broken.code == 8
    assert "TAMPERED" in broken.out


def test_an_entry_that_was_acknowledged_and_dropped_before_it_was_sealed_is_missed(auditor: Auditor) -> None:
    """Truncated in the database, head and all, before any checkpoint covered it."""
    program = auditor.program
    with superuser(program.environment["AUDITLEDGER_DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM ledger.entries WHERE ledger = 2 AND index = %s", (auditor.index,))
        connection.execute(
            "UPDATE ledger.heads SET size = %s, hash = (SELECT leaf_hash FROM ledger.entries WHERE ledger = 2 "
            "AND index = %s) WHERE ledger = 2", (auditor.index, auditor.index - 1),
        )  # fmt: skip
    early = program("prove", "--receipt", auditor.receipt, "--ledger", "dffh", "--to", str(auditor.folder))
    assert early.code == 2
    assert "is not in the last checkpoint" in early.err
    due = auditor.forge(proof_by=datetime.now(UTC) - timedelta(seconds=1))
    answer = program("prove", "--receipt", due, "--ledger", "dffh", "--to", str(auditor.folder))
    assert answer.code == 8
    assert f"BROKEN: example.vic.gov.au/dffh promised a proof of entry {auditor.index} by" in answer.err


def test_a_history_made_anew_from_its_first_entry_breaks_it_too(auditor: Auditor) -> None:
    program = auditor.program
    rewritten(program.environment["AUDITLEDGER_DATABASE_URL"])
    answer = program("prove", "--receipt", auditor.receipt, "--ledger", "dffh", "--to", str(auditor.folder))
    # What was sealed before is not what it was: nothing more is signed.
    assert answer.code == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prove", "--receipt", "none.receipt", "--ledger", "dffh"), "--receipt: expected a file"),
        (("prove", "1", "--receipt", "none.receipt"), "INDEX: expected one of:"),
        (("verify", "--receipt", "none.receipt"), "--key: expected the ledger's verifier key"),
        (("verify", "--receipt", "none.receipt", "--tiles", "x", "--key", "k"), "one at a time"),
    ],
)
def test_what_does_not_go_together_is_said(auditor: Auditor, arguments: tuple[str, ...], said: str) -> None:
    answer = auditor.program(*arguments)
    assert answer.code == 2
    assert said in answer.err
