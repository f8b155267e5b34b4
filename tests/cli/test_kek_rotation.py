"""The key-encryption key rotated under a vault in use: every value opens before, during and after."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest

from ledger import durable
from ledger.application import Principal
from ledger.application.opened import opened
from ledger.cli.session import AUTHORITY
from ledger.domain.keys.events import KeyEncryptionKeyDropped
from ledger.errors import AuditLedgerError, SettingsError, Unavailable
from ledger.settings import Settings
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledgers
from ledger.vault.kek import LocalKek, read_kek
from ledger.vault.opening import Opened
from ledger.vault.ring import KekRing, KekSource
from ledger.vault.store import KeyGone, VaultKeys, wrapped_by
from tests.cli.conftest import Program
from tests.cli.test_commands import RECEIVED, receive
from tests.cli.test_key_rotation import killed
from tests.cli.test_proofs import fails
from tests.support import check_ledger

KEPT_BY = [sys.executable, str(Path(__file__).parents[1] / "vault" / "keeper.py")]
"""A program that keeps a key-encryption key, in a process of its own."""


def data(program: Program) -> Path:
    return Path(program.environment["AUDITLEDGER_DATA_DIR"])


def rotate(program: Program) -> Any:
    return program.ok("keys", "rotate", "kek", person="administrator")


def settings(program: Program, **more: str) -> Settings:
    return Settings.load({**program.environment, **more})


def names(program: Program) -> list[str]:
    return sorted(path.name for path in data(program).glob("kek*"))


def about_kek(program: Program) -> str:
    """What doctor says of it."""
    checks = {check["check"]: check for check in program("doctor", "--json").json["checks"]}
    assert checks["key-encryption key"]["ok"], checks
    return str(checks["key-encryption key"]["detail"])


def wrapping(database: Database) -> dict[str, int]:
    """How many keys each key-encryption key wraps."""
    return {each.kek_id: each.keys for each in wrapped_by(lambda: database.connect(Role.VAULT))}


def all_open(program: Program, database: Database, **more: str) -> int:
    """Every sealed field of the ledger is opened by a process begun now; how many."""
    with opened(settings(program, **more)) as installation:
        ledger = installation.ledgers.get("dffh")
        who = Principal(program.people["officer"], ledger.organisation, AUTHORITY)
        assert installation.roles("dffh", who)
        rows = [row for batch in installation.feed.scan(ledger.id) for row in batch]
        wanted = [(row.index, None) for row in rows if row.event.startswith("ledger.request")]
        found = installation.open_sealed("dffh", wanted, reason="Looked at", principal=who)
        openings = [each for fields in found for each in fields.values()]
    assert openings
    assert all(isinstance(each, Opened) for each in openings)
    return len(openings)


@pytest.fixture
def filled(dffh: Program) -> Program:
    """Some requests, each with keys of its own; what they name is in the search index."""
    for _ in range(5):
        receive(dffh)
    dffh.ok("search", "--rebuild", "--ledger", "dffh")
    return dffh


def bytes_of(database: Database) -> list[Any]:
    """Every entry and every ciphertext as they are stored."""
    with database.connect_admin() as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3".encode()).fetchall()
            for table in ("ledger.entries", "vault.sealed", "vault.attachments", "vault.actors", "vault.search")
        ]


def test_every_key_is_wrapped_anew_and_no_entry_and_no_ciphertext_is_touched(
    filled: Program, database: Database
) -> None:
    opens = all_open(filled, database)
    before = wrapping(database)
    (old,) = before
    stored = bytes_of(database)
    said = rotate(filled)
    assert (said["before"], said["rewrapped"]) == ([old], before[old])
    assert said["kek"] not in (old, "")
    now = bytes_of(database)
    # One more entry, in 'common', about the rotation itself.
    assert [row for row in now[0] if row in stored[0]] == stored[0]
    assert (len(now[0]), now[1:]) == (len(stored[0]) + 1, stored[1:])
    # The entry about it has a key of its own, for its content.
    assert wrapping(database) == {said["kek"]: before[old]}
    # Nothing here needs the old one; backups from before do.
    assert said["left"] == [old]
    assert names(filled) == ["kek", f"kek.{old}"]
    assert read_kek(data(filled) / f"kek.{old}").kek_id == old
    assert read_kek(data(filled) / "kek").kek_id == said["kek"]
    assert (data(filled) / "kek").stat().st_mode & 0o777 == 0o600
    assert all_open(filled, database) == opens
    receive(filled)
    for slug in ("common", "dffh"):
        check_ledger(database, Ledgers(database).get(slug))


def test_who_puts_the_old_key_back_is_told_so_by_record(filled: Program) -> None:
    """Nothing was destroyed: what is wrong is the key-encryption key, and the message names it."""
    (old,) = rotate(filled)["before"]
    shutil.copy(data(filled) / f"kek.{old}", data(filled) / "kek")
    body = {**RECEIVED, "fields": {**RECEIVED["fields"], "provider": filled.people["organisation"]}}  # type: ignore[dict-item]
    answer = filled("record", "request.RequestReceived", "-", person="officer", text=json.dumps(body))
    fails(answer, 1, f"got {old}, which is retired; nothing was written: set the right key")
    assert "gone" not in answer.err


def test_a_rotation_is_the_administrators(filled: Program, database: Database) -> None:
    before = wrapping(database)
    fails(filled("keys", "rotate", "kek", person="officer"), 4, "administrator")
    assert wrapping(database) == before
    assert [path.name for path in data(filled).glob("kek*")] == ["kek"]


@pytest.mark.parametrize("at", ["kept", "made", "batch", "retired", "clean"])
def test_a_rotation_killed_at_a_step_is_finished_by_the_next(
    filled: Program, database: Database, at: str
) -> None:
    (old,) = wrapping(database)
    killed(filled, "rotate_kek", at, 1, named=0, ledger="common")
    opens = all_open(filled, database)
    receive(filled)
    assert ("run 'auditledger keys rotate kek'" in about_kek(filled)) == (at != "kept")
    # What would open the keys that are not wrapped anew, or of which no entry says that it is over.
    fails(filled("keys", "drop", "kek", old, person="administrator"), 2, "ID: expected")
    assert f"kek.{old}" in names(filled)
    said = rotate(filled)
    assert said["before"] == [old]
    assert list(wrapping(database)) == [said["kek"]]
    assert names(filled) == ["kek", f"kek.{old}"]
    assert f"left for the backups that they open: {old}" in about_kek(filled)
    assert all_open(filled, database) == opens + opens // 5
    with database.connect_admin() as connection:
        facts = connection.execute(
            "SELECT count(*) FROM ledger.entries WHERE event = 'ledger.key.v1.KeyEncryptionKeyRotated'"
        ).fetchone()
    assert facts == (1,)
    check_ledger(database, Ledgers(database).get("common"))


def test_a_rotation_has_not_ended_while_somebody_reads_as_of_before_it(
    filled: Program, database: Database
) -> None:
    """A dump that runs keeps the keys as they were wrapped before: their table is written anew later."""
    (old,) = wrapping(database)
    with database.connect_admin() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM vault.keys")
        fails(filled("keys", "rotate", "kek", person="administrator"), 6, "run it again, and it goes on")
    assert "run 'auditledger keys rotate kek'" in about_kek(filled)
    assert rotate(filled)["before"] == [old]
    assert "run 'auditledger keys rotate kek'" not in about_kek(filled)


def test_a_rotation_killed_after_its_entry_has_ended(filled: Program, database: Database) -> None:
    (old,) = wrapping(database)
    killed(filled, "rotate_kek", "recorded", 1, named=0, ledger="common")
    (new,) = wrapping(database)
    assert "run 'auditledger" not in about_kek(filled)
    # Another is another: it does not go on with what is over.
    said = rotate(filled)
    assert (said["before"], said["left"]) == ([new], [new])
    assert names(filled) == sorted(["kek", f"kek.{old}", f"kek.{new}"])
    all_open(filled, database)


def test_an_old_key_is_kept_until_it_is_dropped_on_purpose(filled: Program, database: Database) -> None:
    (old,) = wrapping(database)
    before = next(each for each in wrapped_by(lambda: database.connect(Role.VAULT)))
    new = rotate(filled)["kek"]
    # A copy of the vault from before opens by the file that is left.
    assert read_kek(data(filled) / f"kek.{old}").unwrap(before.key_id, before.wrapped, old)
    assert filled.ok("keys", "list")["kek_left"] == [old]
    drop = ("keys", "drop", "kek")
    fails(filled(*drop, old, person="officer"), 4, "administrator")
    fails(filled(*drop, new, person="administrator"), 2, f"one whose file is left ({old})")
    fails(filled(*drop, "../kek", person="administrator"), 2, "one whose file is left")
    # As where a backup from before was restored over it.
    with database.connect_admin() as connection:
        row = connection.execute("SELECT wrapped FROM vault.keys WHERE id = %s", (before.key_id,)).fetchone()
        assert row is not None
        put = "UPDATE vault.keys SET wrapped = %s, kek_id = %s WHERE id = %s"
        connection.execute(put, (before.wrapped, old, before.key_id))
    fails(filled(*drop, old, person="administrator"), 2, "a key that wraps nothing")
    with database.connect_admin() as connection:
        connection.execute(put, (row[0], new, before.key_id))
    assert names(filled) == ["kek", f"kek.{old}"]
    said = filled.ok(*drop, old, person="administrator")
    assert said == {"dropped": old, "left": []}
    assert dropped(filled) == [(old, filled.people["administrator"])]
    assert names(filled) == ["kek"]
    fails(filled(*drop, old, person="administrator"), 2, "one whose file is left (none is)")
    assert filled.ok("keys", "list")["kek_left"] == []
    assert "left" not in about_kek(filled)
    all_open(filled, database)
    check_ledger(database, Ledgers(database).get("common"))


def dropped(program: Program) -> list[tuple[str, str]]:
    """Which keys entries say are dropped, and by whom."""
    with opened(settings(program)) as installation:
        facts = installation.streams.facts(installation.ledgers.get("common"), "keys")
    found = [fact for fact in facts if isinstance(fact, KeyEncryptionKeyDropped)]
    return [(fact.kek, fact.header.actor.id) for fact in found]


def test_an_entry_drops_no_key_whose_rotation_has_not_ended(filled: Program, database: Database) -> None:
    (old,) = wrapping(database)
    answer = filled(
        "record", "key.KeyEncryptionKeyDropped", "-", "--ledger", "common", person="administrator",
        text=json.dumps({"fields": {"kek": old}}),
    )  # fmt: skip
    fails(answer, 3, f"{old} may wrap keys of the vault still")
    assert dropped(filled) == []


@pytest.mark.parametrize("at", ["retired", "recorded", "dropped"])
def test_a_drop_killed_at_a_step_leaves_the_file_or_none(filled: Program, database: Database, at: str) -> None:
    (old,) = wrapping(database)
    rotate(filled)
    killed(filled, "drop_kek", at, 1, ledger="common", kek=old)
    assert names(filled) == (["kek"] if at == "dropped" else ["kek", f"kek.{old}"])
    all_open(filled, database)
    if at != "dropped":
        assert filled.ok("keys", "drop", "kek", old, person="administrator")["left"] == []
    assert len(dropped(filled)) == 1
    assert names(filled) == ["kek"]


@pytest.mark.parametrize("persisted", [False, True])
def test_a_drop_that_fails_is_said_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, persisted: bool
) -> None:
    ring = KekRing(KekSource(tmp_path / "kek"), keys_exist=False)
    old = ring.kek_id
    ring.rotate()

    def broken(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        where: tuple[object, str] = (durable, "sync_directory") if persisted else (Path, "unlink")
        patched.setattr(where[0], where[1], broken)
        with pytest.raises(SettingsError, match=f"kek.{old}: expected to remove it, got Input/output error"):
            ring.drop(old)
    assert ring.left() == ([] if persisted else [old])
    ring.drop(old)
    assert ring.left() == []
    assert [path.name for path in tmp_path.iterdir()] == ["kek"]


def test_services_that_run_meanwhile_keep_working(filled: Program, database: Database) -> None:
    """Three rotations under a process that writes and opens all the while, and never reads a setting again."""
    stop, done = Event(), [0]
    wrong: list[Exception] = []
    with opened(settings(filled)) as installation:
        ledger = installation.ledgers.get("dffh")
        who = Principal(filled.people["officer"], ledger.organisation, AUTHORITY)
        assert installation.roles("dffh", who)
        rows = [row for batch in installation.feed.scan(ledger.id) for row in batch]
        body = {"happened": "2025-06-11", "fields": _received(filled)}

        def work() -> None:
            while not stop.is_set():
                try:
                    installation.execute(
                        "dffh", "request.RequestReceived", body, principal=who, command_id=str(uuid4())
                    )
                    (opened_now,) = installation.open_sealed(
                        "dffh", [(rows[-1].index, None)], reason="Looked at", principal=who
                    )
                    assert all(isinstance(each, Opened) for each in opened_now.values())
                    done[0] += 1
                except (AuditLedgerError, AssertionError) as error:
                    wrong.append(error)
                    return

        threads = [Thread(target=work) for _ in range(3)]
        for each in threads:
            each.start()
        names = [rotate(filled)["kek"] for _ in range(3)]
        stop.set()
        for each in threads:
            each.join()
    assert wrong == []
    assert done[0] > 3
    assert list(wrapping(database)) == names[-1:]
    all_open(filled, database)
    check_ledger(database, ledger)


def _received(program: Program) -> dict[str, Any]:
    return {**RECEIVED["fields"], "provider": program.people["organisation"]}


def test_what_a_retired_key_still_wraps_is_refused_and_sealed_anew(filled: Program, database: Database) -> None:
    """A process that has not read the new key: its keys would never open again once the old file is gone."""
    stale = read_kek(data(filled) / "kek")
    rotate(filled)
    keys = VaultKeys(lambda: database.connect(Role.WRITER), stale)
    with pytest.raises(KeyGone):
        keys.ensure(1, "s-new", "case")
    assert stale.kek_id not in wrapping(database)
    with opened(settings(filled)) as installation:
        installation.kek._newest = stale  # as it was before the rotation
        who = Principal(filled.people["officer"], filled.people["organisation"], AUTHORITY)
        body = {"happened": "2025-06-11", "fields": _received(filled)}
        assert installation.roles("dffh", who)
        given = ("dffh", "request.RequestReceived", body)
        with pytest.raises(KeyGone):
            installation.execute(*given, principal=who, command_id=str(uuid4()))
        installation.kek._stamp = None
        installation.execute(*given, principal=who, command_id=str(uuid4()))
    assert stale.kek_id not in wrapping(database)
    check_ledger(database, Ledgers(database).get("dffh"))


# --- keys that are not in the file --------------------------------------------------------------------------


def test_a_key_in_the_settings_is_rotated_by_the_settings(filled: Program, database: Database) -> None:
    (old,) = wrapping(database)
    new = base64.b64encode(bytes(range(32))).decode()
    # From the file to the settings, which have to name both: another key by mistake opens nothing.
    filled.environment["AUDITLEDGER_KEK"] = new
    fails(filled("keys", "rotate", "kek", person="administrator"), 1, "expected key-encryption key")
    filled.environment["AUDITLEDGER_KEK_PREVIOUS"] = (data(filled) / "kek").read_text().strip()
    receive(filled)
    all_open(filled, database)
    said = rotate(filled)
    assert (said["kek"], said["before"]) == (LocalKek(bytes(range(32))).kek_id, [old])
    del filled.environment["AUDITLEDGER_KEK_PREVIOUS"]
    (data(filled) / "kek").unlink()
    all_open(filled, database)
    fails(filled("keys", "rotate", "kek", person="administrator"), 2, "kek_previous")
    # From one setting to the next.
    newer = base64.b64encode(bytes(32)).decode()
    filled.environment |= {"AUDITLEDGER_KEK": newer}
    fails(filled("keys", "rotate", "kek", person="administrator"), 1, "expected key-encryption key")
    filled.environment |= {"AUDITLEDGER_KEK_PREVIOUS": new}
    all_open(filled, database)
    assert rotate(filled)["before"] == [said["kek"]]
    del filled.environment["AUDITLEDGER_KEK_PREVIOUS"]
    all_open(filled, database)


def test_a_program_keeps_the_key_and_this_one_never_sees_it(
    filled: Program, database: Database, tmp_path: Path
) -> None:
    """From the file to a key service and back, with no value lost on the way."""
    store = tmp_path / "keeper.json"
    store.write_text(
        json.dumps({"keys": {"kms-1": base64.b64encode(os.urandom(32)).decode()}, "current": "kms-1"})
    )
    filled.environment |= {
        "AUDITLEDGER_KEK_PROVIDER": "program",
        "AUDITLEDGER_KEK_ARGUMENT": " ".join([*KEPT_BY, str(store)]),
        "AUDITLEDGER_KEK_PREVIOUS": (data(filled) / "kek").read_text().strip(),
    }
    (data(filled) / "kek").unlink()
    receive(filled)
    all_open(filled, database)
    assert set(wrapping(database)) > {"kms-1"}
    assert rotate(filled)["kek"] == "kms-1"
    assert list(wrapping(database)) == ["kms-1"]
    del filled.environment["AUDITLEDGER_KEK_PREVIOUS"]
    assert filled("doctor").code == 0
    all_open(filled, database)
    # The service's own rotation: it knows its former keys.
    kept = json.loads(store.read_text())
    kept["keys"]["kms-2"], kept["current"] = base64.b64encode(os.urandom(32)).decode(), "kms-2"
    store.write_text(json.dumps(kept))
    receive(filled)
    assert set(wrapping(database)) == {"kms-1", "kms-2"}
    all_open(filled, database)
    assert rotate(filled)["before"] == ["kms-1"]
    assert list(wrapping(database)) == ["kms-2"]
    answer = filled("keys", "rotate", "kek", person="administrator")
    fails(answer, 2, "kek_provider: expected one that wraps by another key than wraps the vault now")
    assert "kek_previous" not in answer.err
    for wrong, code, said in [
        ({"deny": True}, 1, "no rights to this key"), ({"away": True}, 6, "it is down for the moment"),
    ]:  # fmt: skip
        store.write_text(json.dumps({**kept, **wrong}))
        answer = filled("doctor")
        assert (answer.code, said in answer.err) == (6, True), answer
        fails(filled("keys", "rotate", "kek", person="administrator"), code, said)
    check_ledger(database, Ledgers(database).get("dffh"))


def test_the_ring_is_read_again_where_the_file_changes(tmp_path: Path) -> None:
    source = KekSource(tmp_path / "kek")
    one, other = KekRing(source, keys_exist=False), KekRing(source, keys_exist=False)
    wrapped = one.wrap("k1", bytes(32))
    other.rotate()
    again = one.wrap("k1", bytes(32))
    assert again.kek_id == other.kek_id != wrapped.kek_id
    for ring in (one, other, KekRing(source, keys_exist=True)):
        for each in (wrapped, again):
            assert ring.unwrap("k1", each.key, each.kek_id) == bytes(32)
    assert one.older() == [wrapped.kek_id]
    other.drop(wrapped.kek_id)
    assert KekRing(source, keys_exist=True).older() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kek"]


def test_two_who_rotate_at_once_lose_no_key_that_one_of_them_wrapped_by(tmp_path: Path) -> None:
    source = KekSource(tmp_path / "kek")
    one, other = KekRing(source, keys_exist=False), KekRing(source, keys_exist=False)
    wrapped, refused = [one.wrap("k1", bytes(32))], []

    def beside() -> None:
        try:
            other.rotate()
        except Unavailable as error:
            refused.append(str(error))
        wrapped.append(other.wrap("k1", bytes(32)))

    thread = Thread(target=beside)

    def step(name: str) -> None:
        if name == "kept":
            thread.start()
            # Long enough to come through, were nobody alone in here.
            thread.join(1)

    one.rotate(step)
    thread.join()
    wrapped.append(one.wrap("k1", bytes(32)))
    assert refused == ["key-encryption key: it was rotated meanwhile; run this once more"]
    now = KekRing(source, keys_exist=True)
    assert [now.unwrap("k1", each.key, each.kek_id) for each in wrapped] == [bytes(32)] * 3
    assert now.older() == [wrapped[0].kek_id]
