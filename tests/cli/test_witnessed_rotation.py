"""A signing key is retired once the witnesses take the one that stays: a witness follows no history of keys."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from tests.cli.conftest import Answer, Program
from tests.cli.test_commands import receive
from tests.cli.test_key_rotation import held, rotate, signers
from tests.cli.test_proofs import fails
from tests.support import check_ledger


@dataclass
class Watched:
    """The ledger during an overlap, and a witness that knows the first key alone."""

    program: Program
    witness: subprocess.Popen[str]
    logs: Path
    old: str
    new: str

    def retire(self, *options: str) -> Answer:
        return self.program(
            "keys", "rotate", "signing", "--ledger", "dffh", "--retire", *options, person="administrator"
        )


@pytest.fixture
def watched(dffh: Program, tmp_path: Path) -> Iterator[Watched]:
    receive(dffh)
    dffh.ok("checkpoint", "--ledger", "dffh")
    ((old, listed),) = held(dffh).items()
    logs, policy = tmp_path / "logs", tmp_path / "policy"
    logs.write_text(f"{listed['key']}\n")
    command = [
        sys.executable, "-m", "ledger.main", "witness", str(tmp_path / "w"), "--name", "w.example/1",
        "--log", str(logs), "--port", "0", "--json",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            policy.write_text(f"log {listed['key']}\nwitness w {said['key']} {said['url']}\nquorum w\n")
            dffh.environment["AUDITLEDGER_POLICY"] = str(policy)
            new = rotate(dffh)["added"].split("+")[1]
            yield Watched(dffh, process, logs, old, new)
        finally:
            process.send_signal(signal.SIGTERM)


def test_a_key_is_not_retired_while_a_witness_does_not_take_the_one_that_stays(
    watched: Watched, database: Database
) -> None:
    before = check_ledger(database, Ledgers(database).get("dffh"))
    # It cosigns what both have signed, by the old one's signature: that says nothing of the new one.
    fails(
        watched.retire(), 3, "witness w.example/1 takes no checkpoint by the key that stays: give it that key"
    )
    assert check_ledger(database, Ledgers(database).get("dffh")) == before
    assert set(signers(watched.program)) == {watched.old, watched.new}
    watched.logs.write_text("".join(f"{each['key']}\n" for each in held(watched.program).values()))
    answer = watched.retire()
    assert (answer.code, answer.err) == (0, "")
    assert signers(watched.program) == [watched.new]
    check_ledger(database, Ledgers(database).get("dffh"))


def test_nor_while_one_is_away(watched: Watched) -> None:
    watched.witness.send_signal(signal.SIGTERM)
    watched.witness.wait(30)
    fails(watched.retire(), 3, "witness w.example/1 takes no checkpoint by the key that stays")
    assert set(signers(watched.program)) == {watched.old, watched.new}


def test_a_compromised_key_is_retired_all_the_same_and_who_does_not_take_the_other_is_named(
    watched: Watched, database: Database
) -> None:
    size = watched.program.ok("checkpoint", "--ledger", "dffh")["size"]
    answer = watched.retire("--reason", "compromised", "--last-good", str(size))
    assert answer.code == 0
    assert "witness w.example/1 cosigns nothing more until it has the key that stays" in answer.err
    assert signers(watched.program) == [watched.new]
    check_ledger(database, Ledgers(database).get("dffh"))
