"""The vault held to the destruction entries: after kills at each step, lost connections, restored backups."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation, commands
from ledger.application.reconciling import Reconciling
from ledger.application.searching import catch_up
from ledger.errors import (
    Conflict,
    ContentDestroyed,
    Diverged,
    InvalidInput,
    OutcomeUnknown,
    Unavailable,
    VaultError,
)
from ledger.store.closing import end
from ledger.store.database import Database, Role
from ledger.store.embedded import programs
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import ED25519, SigningKey
from ledger.vault.opening import Destroyed, Opened
from ledger.vault.shredding import Shredder
from tests.application.conftest import House, people
from tests.application.test_destroying import act, destroy, opened, propose, received, rows
from tests.conftest import IN_BOTH
from tests.support import check_ledger

STEPS = ("entry", "keys", "rows", "tokens", "attachments", "files", "receipt")


def with_a_file(house: House) -> str:
    """A case with words and a file."""
    case = received(house)
    house.installation.attach(
        "dffh", case, io.BytesIO(b"x" * 5000), None, media_type="text/plain", title="a file",
        principal=house.officer, command_id=str(uuid.uuid4()),
    )  # fmt: skip
    return case


def left_of(house: House, keys: tuple[str, ...]) -> tuple[int, int, int, int]:
    """How many keys, rows, rows of attachments and files are left under these keys."""
    with house.installation.vault.connect_admin() as connection:
        counts = [
            connection.execute(
                f"SELECT count(*) FROM vault.{table} WHERE {name} = ANY (%s)", (list(keys),)
            ).fetchone()
            for table, name in (("keys", "id"), ("sealed", "key"), ("attachments", "key"))
        ]
    folder = house.installation.data_dir / "attachments" / str(house.ledger.id)
    files = sum(file.parent.name in keys for file in folder.rglob("*") if file.is_file())
    return (*(count[0] for count in counts if count is not None), files)


def tokens_of(house: House, keys: tuple[str, ...]) -> int:
    """How many identifiers under these keys are left in the search index."""
    with house.installation.vault.connect_admin() as connection:
        found = connection.execute(
            "SELECT count(*) FROM vault.search WHERE key = ANY (%s)", (list(keys),)
        ).fetchone()
    return 0 if found is None else int(found[0])


def receipts(house: House) -> list[str]:
    """The events of the stream ``destruction``, by their short names."""
    return [row.event.rpartition(".")[2] for row in rows(house, "destruction")]


def keys_of(house: House, case: str) -> tuple[str, ...]:
    """The ids of all keys of a case."""
    return tuple(key.id for key in house.installation.vault_keys.keys_of(house.ledger.id, case))


@IN_BOTH
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_destruction_is_finished_by_the_next_start(house: House, step: str) -> None:
    case = with_a_file(house)
    indexes = [row.index for row in rows(house, case)]
    keys = keys_of(house, case)
    catch_up(house.installation, house.ledger)
    destruction, command_id = propose(house, case), str(uuid.uuid4())
    database, vault = house.installation.database, house.installation.vault
    orders = {
        "admin": database.admin, "passwords": dict(database.passwords),
        "vault": None if vault is database else vault.admin,
        "folder": str(house.installation.data_dir), "step": step, "destruction": destruction,
        "today": house.today, "command_id": command_id,
        "principal": [house.privacy_officer.person, house.organisation, "test"],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.application.destroyer"],
        cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    expected = {
        "entry": (2, 2, 1, 1), "keys": (0, 2, 1, 1), "rows": (0, 0, 1, 1), "tokens": (0, 0, 1, 1),
        "attachments": (0, 0, 0, 1), "files": (0, 0, 0, 0), "receipt": (0, 0, 0, 0),
    }  # fmt: skip
    assert left_of(house, keys) == expected[step]
    assert tokens_of(house, keys) == (step in ("entry", "keys", "rows"))
    # Nothing is opened from the entry on, whatever is left of it.
    assert all(isinstance(each, Destroyed) for index in indexes for each in opened(house, index).values())
    found = Reconciling(house.installation).all(whole=True)["dffh"]
    assert (found.finished, found.again, found.lost) == (step != "receipt", 0, 0)
    assert left_of(house, keys) == (0, 0, 0, 0)
    assert tokens_of(house, keys) == 0
    assert receipts(house).count("DestructionCompleted") == 1
    again = house.run(
        "destruction.DestructionAuthorised", {"destruction": destruction},
        principal=house.privacy_officer, happened=house.today, command_id=command_id,
    )  # fmt: skip
    assert again.repeated
    assert receipts(house).count("DestructionAuthorised") == 1
    check_ledger(house.installation.database, house.ledger)


def test_what_was_not_finished_when_the_ledger_closed_is_destroyed_without_a_receipt(house: House) -> None:
    """Nothing enters a closed ledger, and none of its values stays for that."""
    case = with_a_file(house)
    keys = keys_of(house, case)
    destruction = propose(house, case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "carry_out", lambda *_: None)
        house.run(
            "destruction.DestructionAuthorised", {"destruction": destruction},
            principal=house.privacy_officer, happened=house.today,
        )  # fmt: skip
    assert left_of(house, keys) == (2, 2, 1, 1)
    database = house.installation.database
    assert end(database, house.ledger, house.installation.feed.head(house.ledger.id).size)
    for _ in range(2):
        assert Reconciling(house.installation).all(whole=True)["dffh"].lost == 0
        assert left_of(house, keys) == (0, 0, 0, 0)
    assert "DestructionCompleted" not in receipts(house)
    check_ledger(house.installation.database, house.ledger)


class Failing:
    """A connection that is lost at a statement, before or after the server has done it."""

    def __init__(self, connection: Any, word: bytes, done: bool) -> None:
        self._connection, self._word, self._done = connection, word, done

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """The connection's ``execute``."""
        if self._word not in (statement if isinstance(statement, bytes) else statement.encode()):
            return self._connection.execute(statement, parameters)
        if self._done:
            self._connection.execute(statement, parameters)
        raise Unavailable("connection lost")


@IN_BOTH
@pytest.mark.parametrize("done", [False, True], ids=["not persisted", "persisted"])
@pytest.mark.parametrize("table", ["keys", "sealed", "attachments", "search"])
def test_a_removal_that_fails_unwritten_or_written_is_finished_by_a_repeat(
    house: House, table: str, done: bool
) -> None:
    case = with_a_file(house)
    keys = keys_of(house, case)
    catch_up(house.installation, house.ledger)
    destruction, command_id = propose(house, case), str(uuid.uuid4())
    whole = house.installation.shredder

    @contextmanager
    def connect() -> Iterator[Any]:
        with house.installation.vault.connect(Role.VAULT) as connection:
            yield Failing(connection, f"DELETE FROM vault.{table}".encode(), done)

    def give() -> Any:
        return house.run(
            "destruction.DestructionAuthorised", {"destruction": destruction},
            principal=house.privacy_officer, happened=house.today, command_id=command_id,
        )  # fmt: skip

    house.installation.shredder = Shredder(connect)
    with pytest.raises(OutcomeUnknown, match="recorded, and not carried out yet: connection lost"):
        give()
    house.installation.shredder = whole
    place = ("keys", "sealed", "attachments", "files", "search").index(table)
    assert ((*left_of(house, keys), tokens_of(house, keys))[place] == 0) is done
    assert give().repeated
    assert (left_of(house, keys), tokens_of(house, keys)) == ((0, 0, 0, 0), 0)
    assert receipts(house).count("DestructionCompleted") == 1
    check_ledger(house.installation.database, house.ledger)


def test_a_file_that_cannot_be_removed_is_removed_by_the_next_look(house: House) -> None:
    case = with_a_file(house)
    keys = keys_of(house, case)
    (file,) = (house.installation.data_dir / "attachments" / str(house.ledger.id)).rglob("*/*")
    in_the_way = file.parent / "folder"
    in_the_way.mkdir()
    destruction = propose(house, case)
    with pytest.raises(OutcomeUnknown, match="not carried out yet"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    assert "DestructionCompleted" not in receipts(house)
    in_the_way.rmdir()
    assert Reconciling(house.installation).all(whole=False)["dffh"].finished == 1
    assert left_of(house, keys) == (0, 0, 0, 0)
    check_ledger(house.installation.database, house.ledger)


# --- what a backup brings back ---


def dumped(database: Database) -> bytes:
    """The vault's rows, as pg_dump writes them."""
    return subprocess.run(
        [programs() / "pg_dump", "--data-only", "--schema=vault", "--dbname", database.admin],
        capture_output=True, check=True,
    ).stdout  # fmt: skip


def restored(database: Database, dump: bytes) -> None:
    """The vault as it was when it was dumped, and nothing else touched."""
    with database.connect_admin() as connection:
        connection.execute(
            "TRUNCATE vault.keys, vault.sealed, vault.attachments, vault.actors, vault.reconciled, "
            "vault.identity, vault.ahead, vault.search, vault.search_position"
        )
    done = subprocess.run(
        [programs() / "psql", "--quiet", "-v", "ON_ERROR_STOP=1", "--dbname", database.admin],
        input=dump, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


@IN_BOTH
def test_a_vault_restored_from_before_a_thousand_destructions_opens_nothing_that_was_destroyed(
    house: House,
) -> None:
    installation, database = house.installation, house.installation.vault
    # The keys of what is said about destruction itself are in the backup too: without them they would be lost.
    destroy(house, received(house))
    cases = [received(house) for _ in range(999)] + [with_a_file(house)]
    kept = received(house)
    keys = tuple(key for case in cases for key in keys_of(house, case))
    indexes = [row.index for case in cases for row in rows(house, case)]
    catch_up(installation, house.ledger)
    dump = dumped(database)
    folder = installation.data_dir / "attachments"
    shutil.copytree(folder, installation.data_dir / "copied")
    for case in cases:
        destroy(house, case)
    assert left_of(house, keys) == (0, 0, 0, 0)

    restored(database, dump)
    shutil.rmtree(folder)
    shutil.copytree(installation.data_dir / "copied", folder)
    assert (left_of(house, keys), tokens_of(house, keys)) == ((2000, 1001, 1, 1), 1000)

    def nothing_opens(through: Installation) -> None:
        found = through.open_sealed(
            "dffh", [(index, None) for index in indexes], reason="test", principal=house.privacy_officer
        )
        assert len(found) == 1001
        assert all(isinstance(each, Destroyed) for one in found for each in one.values())
        with pytest.raises(ContentDestroyed):
            through.read_attachment("dffh", indexes[-1], "file", reason="test", principal=house.privacy_officer)

    # Before anything is reconciled, by a process that has just started, too.
    nothing_opens(installation)
    apart = None if database is installation.database else database
    with Installation(installation.database, installation.data_dir, vault=apart) as other:
        other.roles("dffh", house.privacy_officer)
        nothing_opens(other)
        found = Reconciling(other).all(whole=True)["dffh"]
        assert (found.destroyed, found.again, found.came_back, found.lost) == (2002, 2000, 1, 0)
        nothing_opens(other)
    assert left_of(house, keys) == (0, 0, 0, 0)
    # Restored once more it is gone once more, and what was not destroyed opens.
    restored(database, dump)
    assert Reconciling(installation).all(whole=False)["dffh"].again == 2000
    assert (left_of(house, keys)[0], tokens_of(house, keys)) == (0, 0)
    assert isinstance(opened(house, rows(house, kept)[0].index)["purpose"], Opened)
    assert receipts(house).count("DestroyedAgain") == 2
    check_ledger(house.installation.database, house.ledger)


@IN_BOTH
def test_what_came_back_stays_until_it_can_be_said_that_it_did(house: House) -> None:
    """A database that is behind takes no entry before it is refilled; nobody opens anything meanwhile."""
    case = with_a_file(house)
    index, keys, database = rows(house, case)[0].index, keys_of(house, case), house.installation.vault
    dump = dumped(database)
    destroy(house, case)
    restored(database, dump)
    more = Checkpoint(house.ledger.origin, house.installation.feed.head(house.ledger.id).size + 1, bytes(32))
    note = sign(more, [SigningKey(house.ledger.origin, ED25519, bytes(32))])
    published = house.installation.published.of(house.ledger)
    published.publish(str(note).encode())
    apart = None if database is house.installation.database else database
    with Installation(house.installation.database, house.installation.data_dir, vault=apart) as other:
        with pytest.raises(Diverged, match="it is an older one"):
            Reconciling(other).all(whole=True)
        assert left_of(house, keys)[0] == 2
        assert isinstance(opened(house, index)["purpose"], Destroyed)
    (house.installation.data_dir / "tiles" / "dffh" / "checkpoint").unlink()
    assert Reconciling(house.installation).all(whole=True)["dffh"].again == 2
    assert left_of(house, keys)[:2] == (0, 0)
    assert receipts(house).count("DestroyedAgain") == 1


@IN_BOTH
def test_rows_without_their_keys_that_came_back_are_removed_on_a_start(house: House) -> None:
    case = received(house)
    keys, database = keys_of(house, case), house.installation.vault
    with database.connect_admin() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vault.sealed")
        destroy(house, case)
        connection.execute("INSERT INTO vault.sealed SELECT * FROM kept WHERE key = ANY (%s)", (list(keys),))
    assert Reconciling(house.installation).all(whole=False)["dffh"].again == 0
    assert Reconciling(house.installation).all(whole=True)["dffh"].again == 1
    assert left_of(house, keys) == (0, 0, 0, 0)
    check_ledger(house.installation.database, house.ledger)


@IN_BOTH
def test_nothing_is_sealed_under_a_destroyed_key_that_was_brought_back(house: House) -> None:
    case = with_a_file(house)
    keys, database = keys_of(house, case), house.installation.vault
    dump = dumped(database)
    destroy(house, case)
    restored(database, dump)
    with pytest.raises(
        VaultError, match=r"destroyed, and a backup brought it back; run 'auditledger reconcile'"
    ):
        house.installation.keep_file("dffh", case, io.BytesIO(b"x"), 1, field_path="file")
    house.run("case.EnteredInError", {"reason": "sealed anew"}, case=case, happened=house.today)
    assert opened(house, rows(house, case)[-1].index)["reason"].value == "sealed anew"
    Reconciling(house.installation).all(whole=True)
    assert left_of(house, keys) == (0, 0, 0, 0)
    assert opened(house, rows(house, case)[-1].index)["reason"].value == "sealed anew"
    check_ledger(house.installation.database, house.ledger)


def test_a_ledger_whose_files_cannot_be_looked_at_keeps_no_other_from_being_reconciled(
    house: House, tmp_path: Path
) -> None:
    organisation = str(uuid.uuid4())
    administrator, *_ = people(organisation)
    house.installation.create_ledger(
        "next", origin="e/next", organisation=organisation, legal_name="Next", administrator=administrator
    )
    destroy(house, received(house))
    folder = tmp_path / "attachments" / str(house.ledger.id)
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"no folder")
    reconciling = Reconciling(house.installation)
    with pytest.raises(NotADirectoryError):
        reconciling.all(whole=True)
    assert [*reconciling.standing] == ["common", "next"]
    folder.unlink()
    assert {slug: each.again for slug, each in reconciling.all(whole=True).items()} == {
        "common": 0, "next": 0, "dffh": 0,
    }  # fmt: skip
    check_ledger(house.installation.database, house.ledger)


@IN_BOTH
def test_a_service_removes_what_comes_back_while_it_runs(house: House) -> None:
    case = received(house)
    keys, database = keys_of(house, case), house.installation.vault
    dump = dumped(database)
    destroy(house, case)
    said: list[str] = []
    reconciling, stop = Reconciling(house.installation, lambda what, **_: said.append(what)), threading.Event()
    reconciling.all(whole=True)
    thread = threading.Thread(target=reconciling.run, args=(stop, 0.05, True))
    thread.start()
    try:
        restored(database, dump)
        deadline = time.monotonic() + 20
        while left_of(house, keys)[0] or house.installation.shredder.unwritten():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert reconciling.state()["dffh"].came_back == 1
        assert said.count("destroyed values came back and were removed again") == 1
    finally:
        stop.set()
        thread.join()
    check_ledger(house.installation.database, house.ledger)


# --- writers at the same time ---


@IN_BOTH
def test_what_was_about_to_be_sealed_under_a_key_that_went_is_sealed_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer has unwrapped the key and sealed; the key goes; then it commits."""
    case = received(house)
    keys = keys_of(house, case)
    destruction = propose(house, case)
    save, tries = Installation._save, []

    def slow(self: Installation, application: Any, about: Any, *more: Any) -> Any:
        if about.id == case and not tries:
            tries.append(case)
            act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
            assert left_of(house, keys) == (0, 0, 0, 0)
        return save(self, application, about, *more)

    monkeypatch.setattr(Installation, "_save", slow)
    house.run("case.EnteredInError", {"reason": "sealed anew"}, case=case, happened=house.today)
    assert tries == [case]
    assert opened(house, rows(house, case)[-1].index)["reason"].value == "sealed anew"
    assert left_of(house, keys) == (0, 0, 0, 0)
    check_ledger(house.installation.database, house.ledger)


@IN_BOTH
def test_writers_and_destructions_at_the_same_time_leave_nothing_under_a_destroyed_key(house: House) -> None:
    """Words and files are sealed under the case's key while it is destroyed, again and again."""
    case, stop = received(house), threading.Event()

    def write(one: Any) -> None:
        while not stop.is_set():
            one(house, case)

    writers = [threading.Thread(target=write, args=(each,)) for each in (with_words, with_words, with_title)]
    for each in writers:
        each.start()
    try:
        for _ in range(12):
            destroy(house, case)
            with_words(house, case)
    finally:
        stop.set()
        for each in writers:
            each.join()
    standing = house.installation.streams.destruction(house.ledger)
    keys = tuple(standing.destroyed)
    assert len(keys) >= 12
    assert left_of(house, keys) == (0, 0, 0, 0)
    assert Reconciling(house.installation).all(whole=True)["dffh"].lost == 0
    check_ledger(house.installation.database, house.ledger)


def with_words(house: House, case: str) -> None:
    """Adds words to a case: whatever goes meanwhile, they are sealed anew, or others came first at each try."""
    with suppress(Conflict):
        house.run("request.FurtherInformationSought", {"question": "which one?"}, case=case)


def with_title(house: House, case: str) -> None:
    """Keeps a small file with a case; where its key goes before an entry names it, it is refused."""
    with suppress(VaultError, InvalidInput):
        house.installation.attach(
            "dffh", case, io.BytesIO(b"x"), 1, media_type="text/plain", title="sealed",
            principal=house.officer, command_id=str(uuid.uuid4()),
        )  # fmt: skip
