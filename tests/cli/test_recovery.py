"""Recovery shares by the program: split, lost, restored, drilled; what was tried stands in the ledger."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.event import decode_event
from ledger.domain.keys.events import KeySplit, RecoveryDrilled
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledgers
from ledger.vault.shares import Share
from tests.cli.conftest import Program
from tests.cli.test_commands import receive
from tests.cli.test_kek_rotation import all_open, data
from tests.cli.test_key_rotation import file_of, held, rotate, signers
from tests.cli.test_proofs import fails
from tests.support import check_ledger


@pytest.fixture
def kept(dffh: Program) -> Program:
    """A ledger with something sealed, and signed."""
    receive(dffh)
    dffh.ok("checkpoint", "--ledger", "dffh")
    dffh.environment["AUDITLEDGER_PERSON"] = dffh.people["administrator"]
    return dffh


def split(program: Program, *options: str, to: str = "shares") -> Any:
    return program.ok("keys", "split", *options, "--to", str(data(program).parent / to))


def facts(database: Database, slug: str, kind: type[Any]) -> list[Any]:
    """What is recorded of one kind."""
    ledger = Ledgers(database).get(slug)
    check_ledger(database, ledger)
    with Feed(database) as feed:
        found = [decode_event(row.decoded) for batch in feed.scan(ledger.id) for row in batch]
    return [fact for fact in found if isinstance(fact, kind)]


def test_a_lost_key_encryption_key_is_restored_by_any_three_of_five(kept: Program, database: Database) -> None:
    opens = all_open(kept, database)
    key = data(kept) / "kek"
    before = key.read_bytes()
    said = split(kept, "kek")
    files = said["files"]
    assert (len(files), said["threshold"]) == (5, 3)
    assert all(Path(each).stat().st_mode & 0o777 == 0o600 for each in files)
    (fact,) = facts(database, "common", KeySplit)
    assert (fact.key, fact.set_id, fact.threshold, fact.shares) == (said["key"], said["set"], 3, 5)
    fails(kept("keys", "join", *files[:3]), 1, "expected no file there, got one")
    assert key.read_bytes() == before
    key.unlink()
    fails(kept("verify", "--ledger", "none"), 2, "no ledger")
    fails(kept("ledger", "list"), 1, "restore it from its backup")
    fails(kept("keys", "join", *files[:2]), 1, "expected 3 different ones, got 2")
    assert not key.exists()
    assert kept.ok("keys", "join", files[4], files[0], files[2]) == {"key": said["key"], "file": str(key)}
    assert (key.read_bytes(), key.stat().st_mode & 0o777) == (before, 0o600)
    assert all_open(kept, database) == opens
    assert not [path for path in key.parent.iterdir() if path.name.startswith(".")]


def test_a_lost_signing_key_is_restored_and_signs(kept: Program, database: Database) -> None:
    (own,) = held(kept)
    files = split(kept, "signing", "--ledger", "dffh", "--threshold", "2", "--shares", "3")["files"]
    secret = file_of(kept, own).read_bytes()
    file_of(kept, own).unlink()
    fails(kept("checkpoint", "--ledger", "dffh"), 1, "recovery shares")
    kept.ok("keys", "join", *files[1:])
    assert (file_of(kept, own).read_bytes(), file_of(kept, own).stat().st_mode & 0o777) == (secret, 0o600)
    receive(kept)
    assert signers(kept) == [own]
    elsewhere = data(kept).parent / "there" / "key"
    assert kept.ok("keys", "join", *files[:2], "--to", str(elsewhere))["file"] == str(elsewhere)
    assert elsewhere.read_bytes() == secret
    (fact,) = facts(database, "dffh", KeySplit)
    assert (fact.kind, fact.threshold, fact.shares) == ("signing", 2, 3)


@pytest.mark.parametrize("which", ["kek", "signing"])
def test_a_drill_that_goes_well_stands_in_the_ledger(kept: Program, database: Database, which: str) -> None:
    options = () if which == "kek" else ("--ledger", "dffh")
    said = split(kept, which, *options)
    told = kept("keys", "drill", *said["files"][1:4], "--remarks", "With Ada Planted")
    assert told.code == 0, told.err
    assert "3 shares of set" in told.out
    answer = kept.ok("keys", "drill", *said["files"])
    assert answer == {"key": said["key"], "set": said["set"], "shares": 5, "restored": True, "failure": None}
    slug = "common" if which == "kek" else "dffh"
    drills = facts(database, slug, RecoveryDrilled)
    assert [(d.kind, d.key, d.set_id, d.shares, d.restored, d.failure) for d in drills] == [
        (which, said["key"], said["set"], 3, True, None), (which, said["key"], said["set"], 5, True, None),
    ]  # fmt: skip
    assert drills[0].header.actor.id == kept.people["administrator"]
    with Feed(database) as feed:
        stored = b"".join(row.entry for batch in feed.scan(Ledgers(database).get(slug).id) for row in batch)
    for path in said["files"]:
        assert Share.parse(Path(path).read_text()).value not in stored
    assert b"Ada Planted" not in stored


def test_a_drill_that_fails_says_why_and_stands_there_too(kept: Program, database: Database) -> None:
    one, other = split(kept, "kek"), split(kept, "kek", to="other")
    spoilt = data(kept).parent / "spoilt"
    text = Path(one["files"][2]).read_text()
    spoilt.write_text(text.replace("value: ", "value: 0"))
    tries = [
        (one["files"][:2], "too-few", "expected 3 different ones"),
        ([*one["files"][:2], other["files"][3]], "mixed-sets", "of one set and key"),
        ([*one["files"][:2], str(spoilt)], "altered", "recovery share: expected"),
    ]
    for files, _, said in tries:
        fails(kept("keys", "drill", *files), 1, said)
    kept.ok("keys", "rotate", "kek")
    fails(kept("keys", "drill", *one["files"]), 1, "which is in use")
    drills = facts(database, "common", RecoveryDrilled)
    assert [(each.failure, each.restored) for each in drills] == [
        ("too-few", False), ("mixed-sets", False), ("altered", False), ("other-key", False),
    ]  # fmt: skip
    as_json = kept("keys", "drill", *one["files"][:2], "--json")
    assert (as_json.code, as_json.json["restored"], as_json.json["failure"]) == (1, False, "too-few")
    # Of what is no share at all nothing is known that could be recorded.
    fails(kept("keys", "drill", str(data(kept) / "kek")), 7, "recovery share: expected")
    fails(kept("keys", "drill", "/nowhere/share"), 2, "FILE: expected a file that can be read")
    assert len(facts(database, "common", RecoveryDrilled)) == 5


def test_shares_of_a_retired_signing_key_are_not_those_in_use(kept: Program, database: Database) -> None:
    files = split(kept, "signing", "--ledger", "dffh")["files"]
    rotate(kept)
    rotate(kept, "--retire")
    fails(kept("keys", "drill", *files), 1, "which is in use")
    assert [each.failure for each in facts(database, "dffh", RecoveryDrilled)] == ["other-key"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("kek", "--threshold", "1"), 3, "at least 2 to restore"),
        (("kek", "--shares", "17"), 3, "2 to 16 shares"),
        (("kek", "--ledger", "dffh"), 2, "--ledger: expected none"),
        (("signing", "--ledger", "common"), 2, "nothing is signed yet"),
        (("other",), 2, "'other' is not one of"),
    ],
)
def test_what_cannot_be_split_is_said_and_leaves_nothing(
    kept: Program, database: Database, options: tuple[str, ...], code: int, said: str
) -> None:
    to = data(kept).parent / "shares"
    fails(kept("keys", "split", *options, "--to", str(to)), code, said)
    assert not to.exists()
    assert facts(database, "common", KeySplit) == []


def test_who_does_not_administer_splits_and_drills_nothing(kept: Program, database: Database) -> None:
    files = split(kept, "kek")["files"]
    kept.environment["AUDITLEDGER_PERSON"] = kept.people["officer"]
    fails(kept("keys", "split", "kek", "--to", str(data(kept) / "x")), 4, "administrator")
    fails(kept("keys", "drill", *files), 4, "administrator")
    kept.environment["AUDITLEDGER_PERSON"] = kept.people["administrator"]
    fails(kept("keys", "split", "kek", "--to", str(data(kept))), 2, "a folder that is not there yet")
    kept.environment |= {
        "AUDITLEDGER_KEK": (data(kept) / "kek").read_text().strip(),
    }
    fails(kept("keys", "split", "kek", "--to", str(data(kept) / "x")), 2, "who keeps another splits it")
    assert facts(database, "common", RecoveryDrilled) == []


@pytest.mark.parametrize("persisted", [False, True])
def test_a_restored_key_whose_write_fails_is_whole_or_not_there(
    kept: Program, monkeypatch: pytest.MonkeyPatch, *, persisted: bool
) -> None:
    files = split(kept, "kek")["files"]
    key = data(kept) / "kek"
    before = key.read_bytes()
    key.unlink()
    real = os.link

    def failing(*arguments: Any) -> None:
        if persisted:
            real(*arguments)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", failing)
        fails(kept("keys", "join", *files[:3]), 6, "No space left")
    assert (key.read_bytes() if key.exists() else None) == (before if persisted else None)
    assert not [path for path in key.parent.iterdir() if path.name.startswith(".")]
    answer = kept("keys", "join", *files[:3])
    assert answer.code == (1 if persisted else 0)
    assert key.read_bytes() == before
    assert json.loads(kept("ledger", "list", "--json").out)["ledgers"]
