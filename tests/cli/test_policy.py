"""``verify --policy``: published files and proofs count once the witnesses that a policy asks for saw them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey
from tests.cli.conftest import Program

W1 = SigningKey("witness.example/w1", COSIGNATURE, bytes([1] * 32))
W2 = SigningKey("witness.example/w2", COSIGNATURE, bytes([2] * 32))
NOON = 1_790_000_000


class Copy:
    """What the ledger published, copied by an auditor, who adds cosignatures as the ledger's sealer does."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        program.ok("checkpoint", "--ledger", "dffh")
        (self.key,) = [each["key"] for each in program.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
        shutil.copytree(Path(program.environment["AUDITLEDGER_DATA_DIR"]) / "tiles" / "dffh", folder / "tiles")
        self.tiles = folder / "tiles"

    def cosign(self, *keys: SigningKey, time: int = NOON) -> None:
        note = Note.parse((self.tiles / "checkpoint").read_bytes())
        lines = [SignatureLine.parse(key.sign(note.text, time).rstrip("\n")) for key in keys]
        (self.tiles / "checkpoint").write_text(str(note.also(lines)))

    def policy(self, *lines: str) -> str:
        path = self.folder / "policy"
        path.write_text("".join(line + "\n" for line in (f"log {self.key}", *lines)))
        return str(path)


@pytest.fixture
def copy(dffh: Program, tmp_path: Path) -> Copy:
    return Copy(dffh, tmp_path / "copied")


def test_a_quorum_that_is_not_met_is_not_trusted_and_one_that_is_says_who_and_when(copy: Copy) -> None:
    wanted = copy.policy(
        f"witness a {W1.verifier}", f"witness b {W2.verifier}", "group both all a b", "quorum both"
    )
    copy.cosign(W1)
    answer = copy.program("verify", "--tiles", str(copy.tiles), "--policy", wanted)
    assert answer.code == 9
    assert "do not meet the quorum 'both'" in answer.err
    assert "NOT TRUSTED" in answer.out
    copy.cosign(W2)
    said = copy.program.ok("verify", "--tiles", str(copy.tiles), "--policy", wanted)["ledgers"][0]
    assert said["cosigned"] == [
        {"witness": "witness.example/w1", "at": "2026-09-21T14:13:20Z"},
        {"witness": "witness.example/w2", "at": "2026-09-21T14:13:20Z"},
    ]
    text = copy.program("verify", "--tiles", str(copy.tiles), "--policy", wanted)
    assert "cosigned by witness.example/w1 at 2026-09-21T14:13:20Z" in text.out


def test_a_proof_is_held_to_the_policy_too(copy: Copy) -> None:
    wanted = copy.policy(f"witness a {W1.verifier}", "quorum a")
    copy.program.ok("prove", "1", "--ledger", "dffh", "--to", str(copy.folder))
    given = [
        "verify", "--proof", f"{copy.folder}/dffh-1.tlog-proof", "--entry", f"{copy.folder}/dffh-1.entry",
    ]  # fmt: skip
    assert copy.program(*given, "--policy", wanted).code == 9
    assert copy.program(*given, "--policy", copy.policy("quorum none")).code == 0


def test_a_time_that_no_calendar_has_is_said_as_it_is(copy: Copy) -> None:
    copy.cosign(W1, time=(1 << 63) - 1)
    wanted = copy.policy(f"witness a {W1.verifier}", "quorum a")
    (said,) = copy.program.ok("verify", "--tiles", str(copy.tiles), "--policy", wanted)["ledgers"]
    assert said["cosigned"][0]["at"] == f"{(1 << 63) - 1} s after 1970"


def test_a_policy_of_another_log_trusts_nothing(copy: Copy) -> None:
    other = SigningKey.generate("example.com/other").verifier
    path = copy.folder / "policy"
    path.write_text(f"log {other}\nquorum none\n")
    assert copy.program("verify", "--tiles", str(copy.tiles), "--policy", str(path)).code == 9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--policy", "nothing"], "--policy: expected one for what is published"),
        (["--tiles", ".", "--policy", "nothing"], "policy: nothing: "),
    ],
)
def test_what_does_not_fit_is_said(dffh: Program, options: list[str], says: str) -> None:
    answer = dffh("verify", *options)
    assert (answer.code, says in answer.err) == (2, True), answer.err
