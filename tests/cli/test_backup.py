"""Backup, restore, refill and closing at the front door, with sealed values, files and registers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Principal
from ledger.application.opened import opened as opened_installation
from ledger.application.openings import sealed_fields_of
from ledger.application.together import Step, Together
from ledger.codec.entry import Source, SourceKind
from ledger.domain.event import decode_event
from ledger.domain.installation.events import LedgerClosed, LedgerCreated, LedgerRestored
from ledger.errors import LawRefused
from ledger.settings import Settings
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledgers
from ledger.store.opened import RESTORING
from tests.cli.conftest import Program, command, start
from tests.cli.test_proofs import rewritten
from tests.store.published import Place
from tests.store.sets import MakeDatabase, another
from tests.support import check_ledger

__all__ = ["another"]


def grant(program: Program, person: str) -> Any:
    """Records something: each a new person's role, with a sealed name."""
    fields = {
        "person": person, "role": "officer", "organisation": program.people["organisation"],
        "name_of_person": f"Planted {person}",
    }  # fmt: skip
    return program.ok(
        "record", "role.RoleGranted", "-", "--ledger", "dffh", "--happened", "2025-01-01",
        text=json.dumps({"fields": fields}), person="administrator",
    )  # fmt: skip


def beside(program: Program, data: Path, database: Database) -> Program:
    """The program over another place."""
    environment = {"AUDITLEDGER_DATA_DIR": str(data), "AUDITLEDGER_DATABASE_URL": database.admin}
    return Program(program.monkeypatch, program.capsys, environment, program.people)


def data_of(program: Program) -> Path:
    return Path(program.environment["AUDITLEDGER_DATA_DIR"])


def keys_back(old: Program, new: Program) -> None:
    """Puts the secret keys back from where they are kept."""
    shutil.copy(data_of(old) / "kek", data_of(new) / "kek")
    shutil.copytree(data_of(old) / "signing", data_of(new) / "signing")


def opened(program: Program, index: int) -> set[str]:
    """The words that stand for the sealed fields of an entry of dffh."""
    with opened_installation(Settings.load(program.environment)) as installation:
        ledger = installation.ledgers.get("dffh")
        fields = sealed_fields_of(decode_event(installation.feed.entry(ledger.id, index).decoded))
        (found,) = installation.opener.open(ledger.id, [(index, fields)])
        return {str(each.word) for each in found}


def events(program: Program, slug: str) -> list[Any]:
    """What a ledger holds, read as events."""
    database = Database(program.environment["AUDITLEDGER_DATABASE_URL"])
    with Feed(database) as feed:
        scanned = list(feed.scan(Ledgers(database).get(slug).id))
    return [decode_event(row.decoded) for rows in scanned for row in rows]


def test_lost_and_restored_and_refilled_and_going_on(
    dffh: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    grant(dffh, "a")
    for slug in ("common", "dffh"):
        dffh.ok("checkpoint", "--ledger", slug)
    made = dffh.ok("backup", str(tmp_path / "set"))
    assert (made["with_keys"], made["missing"]) == (False, [])
    assert [each["slug"] for each in made["ledgers"]] == ["common", "dffh"]
    size = made["ledgers"][1]["size"]
    answer = dffh("backup", str(tmp_path / "set2"))
    assert "The secret keys (kek, signing) are not in it" in answer.out
    assert not [path for path in (tmp_path / "set2").rglob("*") if "kek" in path.name or ".key" in path.name]
    late = grant(dffh, "b")
    last = dffh.ok("checkpoint", "--ledger", "dffh")
    assert last["size"] == size + 1

    new = beside(dffh, tmp_path / "new", another())
    found = new.ok("restore", str(tmp_path / "set"), "--published", str(data_of(dffh) / "tiles"))
    assert found["sha256"] == made["sha256"]
    assert [(each["size"], each["lost"], each["refillable"]) for each in found["ledgers"]] == [
        (made["ledgers"][0]["size"], 0, False), (size, 1, True),
    ]  # fmt: skip
    assert set(found["seconds"]) == {"check", "files", "database", "verify"}
    keys_back(dffh, new)
    # Nothing is signed or started before it is refilled.
    answer = new("checkpoint", "--ledger", "dffh")
    assert (answer.code, "the database is an older one" in answer.err) == (10, True)
    done = command({**os.environ, **new.environment, "AUDITLEDGER_PORT": "0"}, "up")
    assert (done.returncode, "the database is an older one" in done.stderr) == (10, True)
    # Nor is anything added: it would be a fork, which no refill mends.
    more = {"fields": {"person": "c", "role": "officer", "organisation": new.people["organisation"]}}
    answer = new(
        "record", "role.RoleGranted", "-", "--ledger", "dffh", text=json.dumps(more), person="administrator"
    )
    assert (answer.code, answer.out) == (10, "")
    assert f"{size + 1} entries are published, the database holds {size}: it is an older one" in answer.err
    (refilled,) = new.ok("refill")["refilled"]
    assert (refilled["ledger"], refilled["size"], refilled["until"]) == ("dffh", size, size + 1)
    assert (refilled["came_back"], refilled["lost_keys"]) == (0, 1)
    assert new.ok("refill") == {"refilled": []}
    answer = new("refill", "--ledger", "dffh")
    assert (answer.code, answer.out) == (2, "")
    assert "a database that is behind" in answer.err
    restored = events(new, "dffh")[-1]
    assert isinstance(restored, LedgerRestored)
    assert (restored.backup_size, restored.refilled_to, restored.refilled_from) == (size, size + 1, "tiles")
    assert (restored.originator_id, restored.header.actor.role) == ("ledger", "system")
    # The vault of the backup has no value of what was refilled; all others open.
    index = late["receipts"][0]["index"]
    assert opened(new, index) == {"lost"}
    assert opened(new, index - 1) == {"opened"}
    # The key of a case that was lost does not keep anybody from going on.
    grant(new, "c")
    seen = tmp_path / "last"
    seen.write_text(last["note"])
    new.ok("checkpoint", "--ledger", "dffh")
    assert new.ok("verify", "--checkpoint", str(seen))["clean"]
    for slug in ("common", "dffh"):
        database = Database(new.environment["AUDITLEDGER_DATABASE_URL"])
        check_ledger(database, Ledgers(database).get(slug))


def test_a_newer_vault_opens_what_was_refilled(dffh: Program, tmp_path: Path, another: MakeDatabase) -> None:
    """Where the vault outlived the ledgers' tables, what comes back opens again."""
    for slug in ("common", "dffh"):
        dffh.ok("checkpoint", "--ledger", slug)
    dffh.ok("backup", str(tmp_path / "set"))
    index = grant(dffh, "b")["receipts"][0]["index"]
    dffh.ok("checkpoint", "--ledger", "dffh")
    new = beside(dffh, tmp_path / "new", another())
    new.ok("restore", str(tmp_path / "set"), "--published", str(data_of(dffh) / "tiles"))
    keys_back(dffh, new)
    old = Database(dffh.environment["AUDITLEDGER_DATABASE_URL"])
    now = Database(new.environment["AUDITLEDGER_DATABASE_URL"])
    with old.connect_admin() as source, now.connect_admin() as to:
        to.execute("SET session_replication_role = replica")
        for table in ("keys", "sealed"):
            to.execute(f"TRUNCATE vault.{table}".encode())
            with (
                source.cursor().copy(f"COPY vault.{table} TO STDOUT".encode()) as read,
                to.cursor().copy(f"COPY vault.{table} FROM STDIN".encode()) as write,
            ):
                for block in read:
                    write.write(bytes(block))
    new.ok("refill")
    assert opened(new, index) == {"opened"}
    check_ledger(now, Ledgers(now).get("dffh"))


def test_the_doctor_sees_a_restore_that_did_not_finish(dffh: Program) -> None:
    (data_of(dffh) / RESTORING).write_text("{}")
    answer = dffh("doctor")
    assert answer.code == 6
    assert "a restore did not finish; run it again" in answer.err
    answer = dffh("verify")
    assert (answer.code, "did not finish" in answer.err) == (2, True)
    (data_of(dffh) / RESTORING).unlink()
    dffh.ok("doctor")


def test_a_drill_prints_what_it_took_and_touches_nothing(dffh: Program, tmp_path: Path) -> None:
    dffh.ok("checkpoint", "--ledger", "dffh")
    dffh.ok("backup", str(tmp_path / "set"))
    before = {path: path.stat().st_mtime_ns for path in data_of(dffh).rglob("*")}
    found = dffh.ok("restore", str(tmp_path / "set"), "--drill")
    assert found["drill"]
    assert all(seconds >= 0 for seconds in found["seconds"].values())
    answer = dffh("restore", str(tmp_path / "set"), "--drill")
    assert "Restored elsewhere, verified and removed" in answer.out
    assert "nothing newer is known" in answer.out
    assert {path: path.stat().st_mtime_ns for path in data_of(dffh).rglob("*")} == before
    data = tmp_path / "set" / "database.dump"
    data.write_bytes(data.read_bytes()[:-1])
    answer = dffh("restore", str(tmp_path / "set"), "--drill")
    assert (answer.code, answer.out) == (8, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("backup", "{data}"), "a folder that does not exist yet"),
        (("restore", "{data}"), "the manifest of a backup set"),
        (("restore", "{data}", "--place", "x"), "--place: expected none without --drill"),
        (("restore", "{data}", "--drill", "--checkpoint", "x"), "--checkpoint: expected none with --drill"),
        (("restore", "{data}", "--checkpoint", "nowhere"), "nowhere: No such file"),
        (("refill", "--ledger", "nobody"), "no ledger has the slug"),
        (("refill", "--key", "nokey"), "--key: expected"),
        (("ledger", "continue", "dffh", "--origin", "a/2", "--person", "x"), "No such option"),
        (("ledger", "continue", "common", "--origin", "a/2"), "'common' has its place"),
        (("ledger", "close", "--ledger", "common"), "every other ledger needs 'common'"),
    ],
)
def test_what_does_not_fit_is_one_line(dffh: Program, line: tuple[str, ...], said: str) -> None:
    data = dffh.environment["AUDITLEDGER_DATA_DIR"]
    answer = dffh(*(each.format(data=data) for each in line), person="administrator")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer
    assert said in answer.err


def test_beside_a_service_it_is_backed_up_and_not_refilled(home: dict[str, str], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    running = start(home)
    with running.process:
        try:
            made = running.run(
                "ledger", "create", "dffh", "--origin", "example.vic.gov.au/dffh", "--name", "D", "--json"
            )
            assert made.returncode == 0, made.stderr
            done = running.run("backup", str(tmp_path / "set"), "--json")
            assert done.returncode == 0, done.stderr
            refused = running.run("refill")
            assert refused.returncode == 6
            assert "a service runs on this data directory" in refused.stderr
        finally:
            running.process.terminate()
    # Into an embedded server of its own, by the settings alone.
    new = {**home, "AUDITLEDGER_DATA_DIR": f"{Path(home['AUDITLEDGER_DATA_DIR']).parent}/new"}
    done = command(new, "restore", str(tmp_path / "set"), "--json")
    assert done.returncode == 0, done.stderr
    assert [each["slug"] for each in json.loads(done.stdout)["ledgers"]] == ["common", "dffh"]
    refused = command(new, "restore", str(tmp_path / "set"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "without postgres to restore into" in refused.stderr
    shutil.copytree(f"{home['AUDITLEDGER_DATA_DIR']}/signing", f"{new['AUDITLEDGER_DATA_DIR']}/signing")
    assert command(new, "verify").returncode == 0


# --- the end of an origin -------------------------------------------------------------------------------------


def test_a_ledger_that_is_closed_takes_nothing_more(dffh: Program, tmp_path: Path) -> None:
    answer = dffh("ledger", "close", "--ledger", "dffh", "--successor", "example.vic.gov.au/dffh")
    assert answer.code == 2, answer
    dffh.environment["AUDITLEDGER_PERSON"] = dffh.people["administrator"]
    answer = dffh("ledger", "close", "--ledger", "dffh", "--successor", "example.vic.gov.au/dffh")
    assert answer.code == 3
    assert "cannot be its own successor" in answer.err
    last = dffh.ok(
        "ledger", "close", "--ledger", "dffh", "--successor", "example.vic.gov.au/next", "--reason", "Abolished"
    )
    entries = events(dffh, "dffh")
    assert isinstance(entries[-1], LedgerClosed)
    assert (len(entries), entries[-1].successor) == (last["size"], "example.vic.gov.au/next")
    # Again, it is what it was.
    assert dffh.ok("ledger", "close", "--ledger", "dffh") == last
    fields = {"person": "x", "role": "officer", "organisation": dffh.people["organisation"]}
    answer = dffh(
        "record", "role.RoleGranted", "-", "--ledger", "dffh", "--happened", "2025-01-01",
        text=json.dumps({"fields": fields}),
    )  # fmt: skip
    assert (answer.code, answer.err.count("\n")) == (3, 1)
    assert "example.vic.gov.au/dffh is closed: nothing enters it any more" in answer.err
    assert dffh.ok("checkpoint", "--ledger", "dffh") == last
    assert dffh.ok("verify")["clean"]
    # Others go on; its successor names it.
    made = dffh.ok("ledger", "continue", "dffh", "--origin", "example.vic.gov.au/next", "--to", "next")
    assert (made["predecessor"], made["size"], made["predecessor_closed"]) == (
        "example.vic.gov.au/dffh", last["size"], "ended",
    )  # fmt: skip
    first = events(dffh, "next")[0]
    assert isinstance(first, LedgerCreated)
    assert (first.predecessor, first.predecessor_checkpoint) == ("example.vic.gov.au/dffh", last["note"])
    # One history goes on from it.
    other = dffh("ledger", "continue", "dffh", "--origin", "example.vic.gov.au/other")
    assert (other.code, "next (example.vic.gov.au/next) goes on from it already" in other.err) == (5, True)
    database = Database(dffh.environment["AUDITLEDGER_DATABASE_URL"])
    assert check_ledger(database, Ledgers(database).get("dffh")) == last["size"]


def test_by_law_alone_nothing_follows_the_last_entry(dffh: Program) -> None:
    """A crash after the entry and before the ledger is closed in the database: law refuses all the same."""
    dffh.ok(
        "record", "ledger.LedgerClosed", "-", "--ledger", "dffh", "--happened", "2025-06-30",
        text=json.dumps({"fields": {}}), person="administrator",
    )  # fmt: skip
    for name in ("role.RoleGranted", "ledger.LedgerClosed"):
        fields = {"person": "x", "role": "officer", "organisation": dffh.people["organisation"]}
        answer = dffh(
            "record", name, "-", "--ledger", "dffh", "--happened", "2025-07-01",
            text=json.dumps({"fields": fields if name.startswith("role") else {}}), person="administrator",
        )  # fmt: skip
        assert answer.code == 3, answer
        assert "is closed" in answer.err
    with opened_installation(Settings.load(dffh.environment)) as installation:
        who = Principal(dffh.people["officer"], dffh.people["organisation"], "test")
        rows = Together(installation, "dffh", who)
        # The way of an import.
        with pytest.raises(LawRefused, match="is closed"):
            rows.judge(None, "case", [Step("request.RequestReceived", {}, "")], Source(SourceKind.IMPORT))
    size = dffh.ok("ledger", "close", "--ledger", "dffh", person="administrator")["size"]
    database = Database(dffh.environment["AUDITLEDGER_DATABASE_URL"])
    assert check_ledger(database, Ledgers(database).get("dffh")) == size


def test_nobody_records_a_refill_that_was_none(dffh: Program) -> None:
    fields = {"backup_size": 1, "refilled_to": 2, "refilled_from": "tiles"}
    answer = dffh(
        "record", "ledger.LedgerRestored", "-", "--ledger", "dffh", "--happened", "2025-06-30",
        text=json.dumps({"fields": fields}), person="administrator",
    )  # fmt: skip
    assert answer.code == 4, answer
    assert "takes one of system" in answer.err


def test_what_cannot_be_refilled_goes_on_under_a_new_origin(
    dffh: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    # An emergency access that nobody reviewed keeps a ledger from being closed, not from being left.
    taking = ("break-glass", "take", "--whole-ledger", "--reason", "a flood")
    dffh.ok(*taking, "--ledger", "dffh", person="administrator")
    for slug in ("common", "dffh"):
        dffh.ok("checkpoint", "--ledger", slug)
    answer = dffh("ledger", "continue", "dffh", "--origin", "example.vic.gov.au/dffh/2", person="administrator")
    assert answer.code == 5
    assert "nothing keeps it from going on" in answer.err
    made = dffh.ok("backup", str(tmp_path / "set"))
    grant(dffh, "b")
    last = dffh.ok("checkpoint", "--ledger", "dffh")
    kept = tmp_path / "kept"
    kept.write_text(last["note"])
    # The published files are lost too: only a checkpoint that somebody kept says what there was.
    new = beside(dffh, tmp_path / "new", another())
    answer = new("restore", str(tmp_path / "set"), "--checkpoint", str(kept))
    assert answer.code == 0, answer
    assert "1 more were signed and are LOST: 'auditledger ledger continue' opens a new origin" in answer.out
    keys_back(dffh, new)
    new.environment["AUDITLEDGER_PERSON"] = new.people["administrator"]
    assert new("refill", "--ledger", "dffh").code in (2, 8)
    answer = new("verify", "--ledger", "dffh")
    assert (answer.code, f"a checkpoint of {last['size']} entries was signed" in answer.err) == (8, True)
    found = new.ok("ledger", "continue", "dffh", "--origin", "example.vic.gov.au/dffh/2")
    assert found == new.ok("ledger", "continue", "dffh", "--origin", "example.vic.gov.au/dffh/2")
    assert (found["slug"], found["size"], found["predecessor_closed"]) == ("dffh-2", last["size"], "left")
    entries = events(new, "dffh-2")
    first = entries[0]
    assert isinstance(first, LedgerCreated)
    assert (first.predecessor_size, first.predecessor_checkpoint) == (last["size"], last["note"])
    assert new.ok("checkpoint", "--ledger", "dffh-2")["size"] == len(entries)
    # Nothing is written or signed under the old one, and it stops nobody from starting.
    assert new("record", "role.RoleGranted", "-", "--ledger", "dffh", text="{}").code != 0
    database = Database(new.environment["AUDITLEDGER_DATABASE_URL"])
    place = Place(database, Ledgers(database).get("dffh"), data_of(new))
    signed, note = place.signed(), place.note
    with place.sealer() as sealer:
        sealer.check()
        sealer.seal()
    assert (place.signed(), place.note) == (signed, note)
    assert check_ledger(database, place.ledger) == made["ledgers"][1]["size"]
    check_ledger(database, Ledgers(database).get("dffh-2"))
    _readable_up_to_what_is_lost(new, made["ledgers"][1]["signed"], tmp_path)
    # What is lost is said, and is no fault; whatever else is not there, or is another, is one.
    answer = new("verify", "--checkpoint", str(kept))
    assert (answer.code, answer.err) == (0, "")
    ended = f"closed at {last['size']} entries, continued as example.vic.gov.au/dffh/2; 1 of them are lost"
    assert f"dffh: {ended}" in answer.out
    (old,) = [each for each in new.ok("verify")["ledgers"] if each["ledger"] == "dffh"]
    assert old["continued"] == {"as": "example.vic.gov.au/dffh/2", "size": last["size"], "lost": 1}
    _nothing_else_may_be_missing(new, place, last["size"])
    # Published files that turn up show it even where what was signed here is taken away.
    with place.superuser() as connection:
        connection.execute("DELETE FROM ledger.checkpoints WHERE ledger = %s", (place.ledger.id,))
    shutil.copytree(data_of(dffh) / "tiles" / "dffh", data_of(new) / "tiles" / "dffh", dirs_exist_ok=True)
    answer = new("verify", "--ledger", "dffh")
    assert (answer.code, "root" in answer.err) == (8, True)


def _readable_up_to_what_is_lost(new: Program, signed: int, folder: Path) -> None:
    """Though a larger checkpoint is published, whose files nobody has."""
    export = ("bundle", "export", "--ledger", "dffh", "--all", "-o", str(folder / "left.zip"))
    (key,) = [each["key"] for each in new.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    said = new.ok(*export, person="officer")
    assert (said["entries"], said["size"]) == (signed, signed)
    assert new("bundle", "verify", str(folder / "left.zip"), "--key", key).code == 0
    assert new.ok("prove", "0", "--ledger", "dffh", "--to", str(folder))["size"] == signed
    tiles = data_of(new) / "tiles" / "dffh" / "tile"
    tiles.rename(folder / "aside")
    for arguments in (export, ("prove", "0", "--ledger", "dffh", "--to", str(folder))):
        answer = new(*arguments, person="officer")
        assert (answer.code, "published files of this ledger are missing, of entries from 0" in answer.err) == (
            11, True,
        )  # fmt: skip
    (folder / "aside").rename(tiles)


def _nothing_else_may_be_missing(new: Program, place: Place, signed: int) -> None:
    cut = (
        "WITH last AS (DELETE FROM ledger.entries WHERE ledger = %(id)s AND index = %(at)s) "
        "UPDATE ledger.heads h SET size = %(at)s, hash = e.leaf_hash, recorded_at = e.recorded_at "
        "FROM ledger.entries e WHERE h.ledger = %(id)s AND e.ledger = h.ledger AND e.index = %(at)s - 1"
    )
    with place.superuser() as connection:
        connection.execute("CREATE TABLE public.kept AS SELECT * FROM ledger.entries")
        connection.execute("CREATE TABLE public.ends AS SELECT * FROM ledger.heads")
        connection.execute(cut, {"id": place.ledger.id, "at": signed - 2})
    answer = new("verify", "--ledger", "dffh")
    assert (answer.code, f"a checkpoint of {signed} entries was signed" in answer.err) == (8, True)
    with place.superuser() as connection:
        for name, copy in (("entries", "kept"), ("heads", "ends")):
            connection.execute(f"DELETE FROM ledger.{name}".encode())
            connection.execute(f"INSERT INTO ledger.{name} SELECT * FROM public.{copy}".encode())
    assert new("verify").code == 0
    rewritten(new.environment["AUDITLEDGER_DATABASE_URL"])
    assert new("verify", "--ledger", "dffh").code == 8


def test_two_copies_that_go_on_are_two_histories_and_show_it(
    dffh: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    """Nothing on one machine can know of the other: who checks both, or remembers one, finds it."""
    for slug in ("common", "dffh"):
        dffh.ok("checkpoint", "--ledger", slug)
    dffh.ok("backup", str(tmp_path / "set"))
    new = beside(dffh, tmp_path / "new", another())
    new.ok("restore", str(tmp_path / "set"))
    keys_back(dffh, new)
    grant(dffh, "b")
    grant(new, "c")
    here = dffh.ok("checkpoint", "--ledger", "dffh")
    there = new.ok("checkpoint", "--ledger", "dffh")
    assert (here["size"], here["root"] == there["root"]) == (there["size"], False)
    kept = tmp_path / "kept"
    kept.write_text(here["note"])
    answer = new("verify", "--ledger", "dffh", "--checkpoint", str(kept))
    assert answer.code == 8
    assert "they were rewritten" in answer.err


def test_keys_go_with_it_only_when_asked_for(dffh: Program, tmp_path: Path, another: MakeDatabase) -> None:
    dffh.ok("checkpoint", "--ledger", "dffh")
    dffh.ok("keys", "rotate", "kek", person="administrator")
    answer = dffh("backup", str(tmp_path / "set"), "--with-keys")
    assert len([*(tmp_path / "set" / "keys").glob("kek*")]) == 2
    assert "The secret keys are in it: whoever has it opens every sealed value, and signs." in answer.out
    new = beside(dffh, tmp_path / "new", another())
    answer = new("restore", str(tmp_path / "set"))
    assert "Put kek and signing back" not in answer.out
    grant(new, "c")
    assert new.ok("checkpoint", "--ledger", "dffh")["size"] > 0
    assert new.ok("verify")["clean"]


def test_a_moved_ledger_verifies_with_its_keys_and_without_them_it_is_said(
    dffh: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    """The order of docs/operations.md, Moving."""
    for slug in ("common", "dffh"):
        dffh.ok("checkpoint", "--ledger", slug)
    dffh.ok("backup", str(tmp_path / "set"))
    new = beside(dffh, tmp_path / "new", another())
    new.ok("restore", str(tmp_path / "set"))
    answer = new("verify")
    assert answer.code == 9
    assert f"no key that signs it is in {data_of(new) / 'signing'}; put that folder back" in answer.err
    keys_back(dffh, new)
    assert new.ok("verify")["clean"]
