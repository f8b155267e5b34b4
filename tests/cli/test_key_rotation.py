"""Signing keys that change: an auditor who has the first follows to the last, and no attack gets a key in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.keyfile import read_key, write_key
from ledger.tlog.keyhistory import ADDED, state
from ledger.tlog.note import Note, SigningKey
from tests.bundle.keyed import SECOND, added, keyed
from tests.bundle.made import KEY
from tests.cli.conftest import Program
from tests.cli.test_commands import receive
from tests.cli.test_proofs import ORIGIN, Auditor, auditor, fails, superuser, url_of
from tests.store.test_key_tiles import published
from tests.support import check_ledger

__all__ = ["auditor"]


def held(program: Program) -> dict[str, Any]:
    """The keys of the ledger as they are listed, by id."""
    listed = program.ok("keys", "list")["keys"]
    return {each["key"].split("+")[1]: each for each in listed if each["ledger"] == "dffh"}


def signers(program: Program) -> list[str]:
    """The ids of the keys that signed the last checkpoint."""
    note = Note.parse(program.ok("checkpoint", "--ledger", "dffh")["note"].encode())
    return [line.id.hex() for line in note.signatures]


def rotate(program: Program, *options: str) -> Any:
    return program.ok("keys", "rotate", "signing", "--ledger", "dffh", *options, person="administrator")


def folder(program: Program) -> Path:
    return Path(program.environment["AUDITLEDGER_DATA_DIR"]) / "signing"


def file_of(program: Program, key: str) -> Path:
    return folder(program) / f"dffh.{key}.key"


def stolen(program: Program, key: str) -> SigningKey:
    return read_key(file_of(program, key))


def entries(program: Program) -> list[int]:
    """Indexes of the entries that tell of keys."""
    return sorted({index for each in held(program).values() for index in each["entries"]})


def rotated(program: Program) -> tuple[str, str]:
    """The ids of a retired key and of its successor, some entries between and after."""
    (old,) = held(program)
    added = rotate(program)
    new = added["added"].split("+")[1]
    receive(program)
    assert set(signers(program)) == {old, new}
    assert rotate(program, "--retire")["retired"].split("+")[1] == old
    receive(program)
    assert signers(program) == [new]
    return old, new


def test_an_auditor_with_the_first_key_follows_to_the_last(
    auditor: Auditor, database: Database, tmp_path: Path
) -> None:
    program = auditor.program
    kept = tmp_path / "kept"
    shutil.copy(auditor.tiles / "checkpoint", kept)
    old, new = rotated(program)
    newest = rotate(program)["added"].split("+")[1]
    receive(program)
    rotate(program, "--retire")
    index = receive(program)["receipts"][0]["index"]
    assert signers(program) == [newest]
    keys = held(program)
    assert [(keys[each]["from"], keys[each]["held"]) for each in (old, new, newest)] == [
        (0, True), (8, True), (12, True),
    ]  # fmt: skip
    assert keys[old]["until"] == 10
    # Their files are gone, as they should be; the history is in the entries.
    for each in (old, new):
        file_of(program, each).unlink()
    assert held(program)[old] == {**keys[old], "held": False}
    folder_of = ("--tiles", str(auditor.tiles))
    for options in (folder_of, (*folder_of, "--checkpoint", str(kept)), (*folder_of, "--deep")):
        told = auditor(*options)
        assert (told.code, f"{index + 1} entries" in told.out) == (0, True), told
    database_too = program("verify", "--ledger", "dffh", "--key", auditor.key, "--checkpoint", str(kept))
    assert database_too.code == 0, database_too.err
    assert program("verify").code == 0
    program.ok("prove", str(index), "--ledger", "dffh", "--to", str(tmp_path))
    proof = (
        "--proof",
        str(tmp_path / f"dffh-{index}.tlog-proof"),
        "--entry",
        str(tmp_path / f"dffh-{index}.entry"),
    )
    fails(auditor(*proof), 9, "expected the signature of a trusted key")
    history = []
    for each in entries(program):
        program.ok("prove", str(each), "--ledger", "dffh", "--to", str(tmp_path))
        history += ["--history", str(tmp_path / f"dffh-{each}.entry")]
    assert auditor(*proof, *history).code == 0
    # One link left out leads nowhere; the order in which they are given does not matter.
    assert auditor(*proof, *history[2:]).code == 9
    assert (
        auditor(
            *proof, *[each for pair in zip(history[-2::-2], history[::-2], strict=True) for each in pair]
        ).code
        == 0
    )
    program.ok("prove", "--since", "7", "--ledger", "dffh", "--to", str(tmp_path))
    consistent = ("--proof", str(tmp_path / f"dffh-7-{index + 1}.consistency"), "--checkpoint", str(kept))
    assert auditor(*consistent).code == 9
    assert auditor(*consistent, *history).code == 0
    # Of those on the keys all are to be given, up to the last.
    assert auditor(*folder_of, *history).code == 0
    fails(auditor(*folder_of, *history[2:]), 9, "is not among the entries given")
    beside = program("verify", "--ledger", "dffh", "--key", auditor.key, *history)
    fails(beside, 2, "--history: expected --proof or --tiles beside it")
    check_ledger(database, Ledgers(database).get("dffh"))


def test_both_keys_sign_during_the_overlap_and_either_is_enough(auditor: Auditor, database: Database) -> None:
    program = auditor.program
    (old,) = held(program)
    said = rotate(program)
    new = said["added"].split("+")[1]
    assert said["size"] == 8
    assert {line.id.hex() for line in Note.parse(said["note"].encode()).signatures} == {old, new}
    assert file_of(program, new).stat().st_mode & 0o777 == 0o600
    assert auditor.folder().code == 0
    auditor.key = said["added"]
    assert auditor.folder().code == 0
    again = program("keys", "rotate", "signing", "--ledger", "dffh", person="administrator")
    fails(again, 3, "two keys sign already")
    assert len(list(folder(program).glob("dffh.*"))) == 2
    check_ledger(database, Ledgers(database).get("dffh"))


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--retire",), 3, "no other key signs"),
        (("--key", "00000000"), 2, "--retire: expected --retire beside"),
        (("--last-good", "1"), 2, "--retire: expected --retire beside"),
        (("--retire", "--key", "00000000"), 2, "--key: expected one of"),
        (("--reason", "none"), 2, "'none' is not one of"),
    ],
)
def test_a_wrong_rotation_changes_nothing(
    auditor: Auditor, options: tuple[str, ...], code: int, said: str
) -> None:
    program = auditor.program
    before = held(program)
    fails(
        program("keys", "rotate", "signing", "--ledger", "dffh", *options, person="administrator"), code, said
    )
    fails(program("keys", "rotate", "signing", "--ledger", "dffh", person="officer"), 4, "administrator")
    fails(program("keys", "rotate", "signing", "--ledger", "none", person="administrator"), 2, "no ledger")
    assert held(program) == before
    assert len(list(folder(program).iterdir())) == 1


# --- attacks ------------------------------------------------------------------------------------------------


def test_attack_a_key_added_by_a_file_only_signs_nothing(auditor: Auditor, database: Database) -> None:
    program = auditor.program
    (own,) = held(program)
    planted = SigningKey.generate(ORIGIN)
    write_key(file_of(program, planted.verifier.id.hex()), planted)
    receive(program)
    assert signers(program) == [own]
    listed = held(program)[planted.verifier.id.hex()]
    assert (listed["from"], listed["entries"]) == (None, [])
    assert "nothing: no entry names it" in program("keys", "list").out
    # Nor does a rotation take it for its successor, or for one that states anything.
    new = rotate(program)["added"].split("+")[1]
    assert set(signers(program)) == {own, new}
    assert new != planted.verifier.id.hex()
    assert rotate(program, "--retire")["retired"].split("+")[1] == own
    assert signers(program) == [new]
    check_ledger(database, Ledgers(database).get("dffh"))


def test_attack_re_signed_with_another_key(auditor: Auditor) -> None:
    program = auditor.program
    said = Checkpoint.parse(Note.parse((auditor.tiles / "checkpoint").read_bytes()).text)
    other = SigningKey.generate(ORIGIN)
    (auditor.tiles / "checkpoint").write_text(str(sign(said, [other])))
    fails(auditor.folder(), 9, "expected the signature of a trusted key")
    write_key(file_of(program, other.verifier.id.hex()), other)
    fails(program("verify", "--ledger", "dffh"), 9, "expected the signature of a trusted key")
    fails(program("checkpoint", "--ledger", "dffh"), 10, "is not ours")


def test_attack_a_retired_key_signs_again(auditor: Auditor) -> None:
    program = auditor.program
    old, new = rotated(program)
    thief = stolen(program, old)
    note = Note.parse((auditor.tiles / "checkpoint").read_bytes())
    said = Checkpoint.parse(note.text)
    (auditor.tiles / "checkpoint").write_text(str(sign(said, [thief])))
    fails(auditor.folder(), 9, "signed by a key outside of its validity")
    with_key = program("verify", "--ledger", "dffh", "--key", auditor.key)
    fails(with_key, 9, "signed by a key outside of its validity")
    # Here, where the successor signed last, nothing leads back to it.
    fails(program("verify", "--ledger", "dffh"), 9, "expected the signature of a trusted key")
    fails(program("checkpoint", "--ledger", "dffh"), 10, "is not ours")
    # Beside a line of the key that signs now it is passed over, as any other line is.
    (auditor.tiles / "checkpoint").write_text(str(note.also(sign(said, [thief]).signatures)))
    assert auditor.folder().code == 0
    # Nor does who seals take it, though its file is still there.
    (auditor.tiles / "checkpoint").write_text(str(note))
    receive(program)
    assert signers(program) == [new]


def test_attack_a_stolen_key_signs_alone_while_its_successor_signs_too(
    auditor: Auditor, database: Database, tmp_path: Path
) -> None:
    program = auditor.program
    (old,) = held(program)
    before = tmp_path / "before"
    shutil.copy(auditor.tiles / "checkpoint", before)
    rotate(program)
    honest = (auditor.tiles / "checkpoint").read_text()
    forged = str(sign(Checkpoint.parse(Note.parse(honest.encode()).text), [stolen(program, old)]))
    proofs = {}
    for what in ("7", "--since=7"):
        (path, *_) = program.ok("prove", what, "--ledger", "dffh", "--to", str(tmp_path))["files"]
        proofs[what] = Path(path)
        assert honest in proofs[what].read_text()
    entry, told = tmp_path / "dffh-7.entry", ("--history", str(tmp_path / "dffh-7.entry"))
    of_entry = ("--proof", str(proofs["7"]), "--entry", str(entry))
    of_growth = ("--proof", str(proofs["--since=7"]), "--checkpoint", str(before))
    kept = tmp_path / "kept"
    here = ("verify", "--ledger", "dffh", "--key", auditor.key)
    for note, code in ((honest, 0), (forged, 9)):
        (auditor.tiles / "checkpoint").write_text(note)
        for path in proofs.values():
            path.write_text(path.read_text().replace(honest, note))
        kept.write_text(note)
        for answer in (
            auditor.folder(), auditor(*of_entry, *told), auditor(*of_growth, *told), program(*here),
        ):  # fmt: skip
            assert (answer.code, "each key that was added" in answer.err) == (code, code == 9), answer
        (auditor.tiles / "checkpoint").write_text(honest)
        answer = program(*here, "--checkpoint", str(kept))
        assert (answer.code, "each key that was added" in answer.err) == (code, code == 9), answer
    check_ledger(database, Ledgers(database).get("dffh"))


def test_attack_a_false_folder_is_refused_by_who_holds_what_adds_the_successor(
    program: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "false"
    published(folder, keyed(by=KEY))
    told = tmp_path / "4.entry"
    told.write_bytes(keyed((4, added(1, SECOND, 5, KEY))).entries[4])
    check = ("verify", "--tiles", str(folder), "--key", str(KEY.verifier), "--processes", "1")
    assert program(*check).code == 0
    fails(program(*check, "--history", str(told)), 9, "each key that was added")


def forged(program: Program, event: str, fields: dict[str, Any]) -> Any:
    """A change of keys given through the ordinary door, by an administrator who holds no key."""
    body = {"happened": "2025-06-11", "fields": {"reason": "other", **fields}}
    return program(
        "record", f"key.{event}", "-", "--ledger", "dffh", text=json.dumps(body), person="administrator"
    )


def test_attack_history_entry_forged(auditor: Auditor, database: Database) -> None:
    """Whoever may record makes no key by it: only who holds one can hand on."""
    from hashlib import sha256

    program = auditor.program
    (own,) = held(program)
    evil, accomplice = SigningKey.generate(ORIGIN), SigningKey.generate(ORIGIN)
    write_key(file_of(program, evil.verifier.id.hex()), evil)
    statement = state(ORIGIN, ADDED, evil, 8, [accomplice])
    fields = {
        "key": str(evil.verifier), "fingerprint": sha256(evil.verifier.public).hexdigest(), "valid_from": 8,
        "statement": str(statement),
    }  # fmt: skip
    # The first of a history, by keys of nobody: the published checkpoint tells whose the ledger is.
    refused = forged(program, "SigningKeyAdded", fields)
    assert (refused.code, "no key that signs the ledger" in refused.err) == (3, True)
    receive(program)
    assert signers(program) == [own]
    assert auditor.folder().code == 0
    said = Checkpoint.parse(Note.parse((auditor.tiles / "checkpoint").read_bytes()).text)
    (auditor.tiles / "checkpoint").write_text(str(sign(said, [evil])))
    fails(auditor.folder(), 9, "expected the signature of a trusted key")
    fails(program("verify", "--ledger", "dffh"), 9, "expected the signature of a trusted key")
    check_ledger(database, Ledgers(database).get("dffh"))


def test_attack_key_history_altered_in_the_database(auditor: Auditor) -> None:
    program = auditor.program
    rotated(program)
    (index, *_) = entries(program)
    with superuser(url_of(program)) as connection:
        connection.execute(
            "UPDATE ledger.entries SET entry = overlay(entry placing '\\x00' from 200 for 1) "
            "WHERE index = %s AND stream = 'keys'", (index,),
        )  # fmt: skip
    fails(program("verify", "--ledger", "dffh"), 8, f"entry {index}")
    fails(program("checkpoint", "--ledger", "dffh"), 8, f"entry {index}")


def test_attack_rollback_of_key_history(auditor: Auditor, database: Database) -> None:
    """Without the entries that retired a key it does not sign again: the one that signed last leads nowhere
    back."""
    program = auditor.program
    old, new = rotated(program)
    with superuser(url_of(program)) as connection:
        connection.execute("DELETE FROM ledger.entries WHERE stream = 'keys'")
    receive(program)
    assert signers(program) == [new]
    assert old not in signers(program)
    fails(program("verify", "--ledger", "dffh"), 8, "it is missing")
    assert auditor.folder().code == 0


# --- crashes ------------------------------------------------------------------------------------------------


def killed(program: Program, act: str, *at: Any, person: str = "administrator", **orders: Any) -> None:
    """Starts the act in another process, which is killed at the step."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.other_keys"],
        input=json.dumps({"ledger": "dffh", "person": program.people[person], "act": act, "at": at, **orders}),
        env={**os.environ, **program.environment}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done


def test_a_rotation_killed_before_its_entry_changes_nothing(auditor: Auditor, database: Database) -> None:
    program = auditor.program
    (own,) = held(program)
    killed(program, "add_signing", "key", 1)
    (left,) = set(held(program)) - {own}
    assert held(program)[left]["from"] is None
    receive(program)
    assert signers(program) == [own]
    new = rotate(program)["added"].split("+")[1]
    assert new != left
    assert set(signers(program)) == {own, new}
    check_ledger(database, Ledgers(database).get("dffh"))


def test_a_rotation_killed_after_its_entry_is_done(auditor: Auditor, database: Database) -> None:
    program = auditor.program
    (own,) = held(program)
    killed(program, "add_signing", "recorded", 1)
    (new,) = set(held(program)) - {own}
    assert set(signers(program)) == {own, new}
    killed(program, "retire_signing", "recorded", 1)
    assert signers(program) == [new]
    assert auditor.folder().code == 0
    check_ledger(database, Ledgers(database).get("dffh"))


def test_a_key_whose_file_cannot_be_written_is_recorded_nowhere(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = auditor.program
    before = held(program)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        fails(
            program("keys", "rotate", "signing", "--ledger", "dffh", person="administrator"), 2, "No space left"
        )
    assert held(program) == before
    assert len(list(folder(program).iterdir())) == 1
    rotate(program)


def test_a_key_that_lies_where_another_may_read_it_signs_nothing(auditor: Auditor) -> None:
    program = auditor.program
    file_of(program, rotate(program)["added"].split("+")[1]).chmod(0o644)
    fails(program("checkpoint", "--ledger", "dffh"), 2, "expected mode 0600")


# --- the procedure where a key was stolen -------------------------------------------------------------------


def test_the_procedure_for_a_compromised_key(auditor: Auditor, database: Database, tmp_path: Path) -> None:
    """docs/operations.md: rotate, find the last good size, retire as of it; what the thief signs is refused."""
    program = auditor.program
    (old,) = held(program)
    thief = stolen(program, old)
    good = program.ok("checkpoint", "--ledger", "dffh")["size"]
    # Signed when the thief had the key: nobody vouches for this one.
    receive(program)
    program.ok("checkpoint", "--ledger", "dffh")
    doubtful = (auditor.tiles / "checkpoint").read_bytes()
    new = rotate(program, "--reason", "compromised", "--remarks", "Found on a stick")["added"].split("+")[1]
    without = program(
        "keys",
        "rotate",
        "signing",
        "--retire",
        "--reason",
        "compromised",
        "--ledger",
        "dffh",
        person="administrator",
    )
    fails(without, 3, "state the last one that somebody else vouches for")
    beyond = ("--retire", "--reason", "compromised", "--last-good", "99")
    fails(
        program("keys", "rotate", "signing", "--ledger", "dffh", *beyond, person="administrator"),
        2, "--last-good: expected a size from 0 to 9",
    )  # fmt: skip
    rotate(program, "--retire", "--reason", "compromised", "--last-good", str(good))
    assert held(program)[old]["until"] == good + 1
    receive(program)
    assert signers(program) == [new]
    # The thief signs what is published, or what was, alone: refused by who has the first key, and by who has
    # the new.
    latest = Checkpoint.parse(Note.parse((auditor.tiles / "checkpoint").read_bytes()).text)
    honest = (auditor.tiles / "checkpoint").read_bytes()
    (auditor.tiles / "checkpoint").write_text(str(sign(latest, [thief])))
    fails(auditor.folder(), 9, "outside of its validity")
    (auditor.tiles / "checkpoint").write_bytes(honest)
    assert auditor.folder().code == 0
    kept = tmp_path / "kept"
    kept.write_bytes(doubtful)
    fails(auditor("--tiles", str(auditor.tiles), "--checkpoint", str(kept)), 9, "outside of its validity")
    assert b"Found on a stick" not in b"".join(p.read_bytes() for p in auditor.tiles.rglob("*") if p.is_file())
    check_ledger(database, Ledgers(database).get("dffh"))
