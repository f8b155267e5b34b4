"""The vault in a database of its own: killed, cut or away beside the commit, nothing is lost, nothing left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from ledger.application import Installation
from ledger.application.reconciling import Reconciling, sweep
from ledger.application.together import Step, Together
from ledger.codec.entry import Source, SourceKind
from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.database import Database, Role
from ledger.store.submission import Submission
from ledger.store.writer import Writer
from ledger.vault.ahead import Ahead
from ledger.vault.opening import Destroyed, Opened
from ledger.vault.sealing import VaultRow, make_key, mark_of
from ledger.vault.store import KeyGone
from tests.application.conftest import House
from tests.application.test_destroying import REQUEST, act, opened, propose, received, rows
from tests.application.test_reconciling import keys_of, left_of
from tests.store.proxy import Proxy
from tests.support import check_ledger
from tests.waiting import until

pytestmark = pytest.mark.parametrize("vault", ["apart"], indirect=True)

RECEIVED = "request.RequestReceived"


def counted(database: Database, query: str) -> int:
    with database.connect_admin() as connection:
        row = connection.execute(f"SELECT count(*) FROM vault.{query}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def ahead(house: House) -> int:
    """How many submissions are written and not confirmed."""
    return counted(house.installation.vault, "ahead")


def grow_old(house: House) -> None:
    """As if all that is not confirmed had been written two hours ago."""
    with house.installation.vault.connect_admin() as connection:
        connection.execute("UPDATE vault.ahead SET written_at = written_at - interval '2 hours'")


def killed(house: House, command: str, body: dict[str, Any], command_id: str, *, after: bool) -> None:
    """Has a process record a command as the officer, which is killed before or after the commit."""
    database, vault = house.installation.database, house.installation.vault
    orders = {
        "admin": database.admin, "vault": vault.admin, "passwords": dict(database.passwords),
        "folder": str(house.installation.data_dir), "command": command, "body": body, "command_id": command_id,
        "principal": [house.officer.person, house.organisation, "test"], "after": after,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.application.ahead_process"],
        cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL


def test_the_ledgers_database_holds_nothing_of_the_vault(house: House) -> None:
    case = received(house)
    for table in ("keys", "sealed", "attachments", "actors", "ahead"):
        assert counted(house.installation.database, table) == 0
    assert counted(house.installation.vault, "keys") > 2
    assert counted(house.installation.vault, "sealed WHERE index < 0") > 1
    assert counted(house.installation.vault, "sealed WHERE index >= 0") == 0
    assert ahead(house) == 0
    assert all(isinstance(each, Opened) for each in opened(house, rows(house, case)[0].index).values())
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize("known", [False, True], ids=["a new case", "a case with keys"])
def test_killed_before_the_commit_nothing_is_recorded_and_what_was_kept_is_swept(
    house: House, known: bool
) -> None:
    case = received(house) if known else None
    fields = {"question": "which one?"} if known else REQUEST
    command = "request.FurtherInformationSought" if known else RECEIVED
    body = {"happened": "2025-06-11", "fields": fields, "case": case}
    size, command_id = house.installation.feed.head(house.ledger.id).size, str(uuid.uuid4())
    before = [counted(house.installation.vault, table) for table in ("keys", "sealed")]
    killed(house, command, body, command_id, after=False)
    assert house.installation.feed.head(house.ledger.id).size == size
    assert (ahead(house), counted(house.installation.vault, "sealed")) == (1, before[1] + 1)
    # What was written just now may have its entry yet.
    assert sweep(house.installation) == 0
    again = house.run(command, fields, case=case, command_id=command_id)
    assert not again.repeated
    grow_old(house)
    assert sweep(house.installation) == 1
    grown = [counted(house.installation.vault, table) for table in ("keys", "sealed")]
    # One row, and for a new case its two keys: those of the entry, and no others.
    assert grown == [before[0] + (0 if known else 2), before[1] + 1]
    assert ahead(house) == 0
    index = again.receipts[0].index
    assert all(isinstance(each, Opened) for each in opened(house, index).values())
    assert Reconciling(house.installation).all(whole=True)["dffh"].lost == 0
    check_ledger(house.installation.database, house.ledger)


def test_killed_after_the_commit_the_entry_stands_and_its_values_stay(house: House) -> None:
    command_id = str(uuid.uuid4())
    killed(house, RECEIVED, {"happened": "2025-06-11", "fields": REQUEST}, command_id, after=True)
    assert ahead(house) == 1
    keys = counted(house.installation.vault, "keys")
    grow_old(house)
    Reconciling(house.installation).all(whole=False)
    assert (ahead(house), counted(house.installation.vault, "keys")) == (0, keys)
    again = house.run(RECEIVED, REQUEST, command_id=command_id)
    assert again.repeated
    assert opened(house, again.receipts[0].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


def test_killed_beside_a_destruction_nothing_stays_under_the_key(house: House) -> None:
    """What was sealed for an entry that never came goes with the key, not an hour later."""
    case = received(house)
    keys = keys_of(house, case)
    body = {"happened": "2025-06-11", "fields": {"question": "which one?"}, "case": case}
    killed(house, "request.FurtherInformationSought", body, str(uuid.uuid4()), after=False)
    assert left_of(house, keys)[1] == 2
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=propose(house, case))
    assert left_of(house, keys) == (0, 0, 0, 0)
    found = Reconciling(house.installation).all(whole=True)["dffh"]
    assert (found.again, found.lost) == (0, 0)
    grow_old(house)
    assert sweep(house.installation) == 0
    check_ledger(house.installation.database, house.ledger)


def test_a_destruction_waits_for_a_command_that_holds_the_key(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = received(house)
    keys, destruction = keys_of(house, case), propose(house, case)
    submit, waited = Writer.submit, threading.Event()

    def waiting() -> bool:
        with house.installation.vault.connect_admin() as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock' AND query LIKE '%DELETE FROM vault.keys%')"
            ).fetchone()
        return row == (True,)

    def slow(self: Writer, ledger_id: int, drafts: Any, **more: Any) -> Submission:
        if drafts[0].stream == case:
            destroyer.start()
            until(waiting)
            waited.set()
        return submit(self, ledger_id, drafts, **more)

    destroyer = threading.Thread(
        target=act, args=(house, "DestructionAuthorised", house.privacy_officer),
        kwargs={"destruction": destruction},
    )  # fmt: skip
    monkeypatch.setattr(Writer, "submit", slow)
    house.run("request.FurtherInformationSought", {"question": "which one?"}, case=case)
    destroyer.join()
    assert waited.is_set()
    assert left_of(house, keys) == (0, 0, 0, 0)
    assert {type(each) for row in rows(house, case) for each in opened(house, row.index).values()} == {
        Destroyed
    }
    assert ahead(house) == 0
    check_ledger(house.installation.database, house.ledger)


def test_the_connection_that_holds_the_keys_is_cut_and_the_entry_stands(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Writer.submit

    def cut(self: Writer, *arguments: Any, **options: Any) -> Submission:
        with house.installation.vault.connect_admin() as connection:
            done = connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'auditledger_writer holding'"
            ).fetchall()
        assert (True,) in done
        return submit(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "submit", cut)
        outcome = house.run(RECEIVED, REQUEST)
    assert opened(house, outcome.receipts[0].index)["purpose"].value == "a home"
    assert ahead(house) == 1
    grow_old(house)
    assert (sweep(house.installation), ahead(house)) == (0, 0)
    assert opened(house, outcome.receipts[0].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


def abandoned(house: House, made: list[Any], rows: list[VaultRow], *, old: bool) -> None:
    """What a process wrote ahead that died before its commit."""
    vault = house.installation.vault
    with Ahead(lambda: vault.connect(Role.WRITER)).written(house.ledger.id, [str(uuid.uuid4())], made, rows):
        pass
    if old:
        grow_old(house)


def test_a_key_that_a_commit_holds_while_it_is_looked_at_is_not_swept(house: House) -> None:
    """Made by a process that died; the case is begun while the sweep goes for the key."""
    installation, stream = house.installation, str(uuid.uuid4())
    key, _ = make_key(installation.kek, stream, "case")
    abandoned(house, [key], [], old=True)
    row = VaultRow(0, key.id, b"sealed", mark_of(b"\xff" * 32))
    sweeper = threading.Thread(target=sweep, args=(installation,))

    def waiting() -> bool:
        with installation.vault.connect_admin() as connection:
            found = connection.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock' AND query LIKE '%FROM vault.keys%')"
            ).fetchone()
        return found == (True,)

    writing = Ahead(lambda: installation.vault.connect(Role.WRITER))
    with writing.written(house.ledger.id, [str(uuid.uuid4())], [], [row]) as held:
        sweeper.start()
        until(waiting)
        step = Step(RECEIVED, {"happened": "2025-06-11", "fields": REQUEST}, str(uuid.uuid4()))
        submission = Together(installation, "dffh", house.officer).submit(
            stream, [step], Source(SourceKind.API)
        )
        assert submission is not None
        submission.result()
        held.recorded = True
    sweeper.join()
    assert key.id in keys_of(house, stream)
    assert counted(installation.vault, "sealed WHERE ciphertext = 'sealed'") == 1
    assert ahead(house) == 0
    assert Reconciling(installation).all(whole=True)["dffh"].lost == 0
    check_ledger(installation.database, house.ledger)


def test_a_key_that_another_submission_names_is_swept_after_it(house: House) -> None:
    """That other one may be recorded yet, though the connection that held the key for it is gone."""
    stream = str(uuid.uuid4())
    key, _ = make_key(house.installation.kek, stream, "case")
    abandoned(house, [key], [], old=True)
    abandoned(house, [], [VaultRow(0, key.id, b"sealed", mark_of(b"\xff" * 32))], old=False)
    assert sweep(house.installation) == 0
    assert (keys_of(house, stream), ahead(house)) == ((key.id,), 2)
    grow_old(house)
    assert (sweep(house.installation), ahead(house)) == (1, 1)
    assert (sweep(house.installation), ahead(house)) == (0, 0)
    assert keys_of(house, stream) == ()
    check_ledger(house.installation.database, house.ledger)


@pytest.fixture
def proxied(house: House, vault: Database) -> Iterator[tuple[Proxy, House]]:
    """The house as a process sees it that reaches the vault through a proxy."""
    with (
        Proxy(vault) as proxy,
        Installation(
            house.installation.database, house.installation.data_dir, vault=proxy.database
        ) as installation,
    ):
        yield (
            proxy,
            House(installation, house.organisation, house.administrator, house.officer, house.privacy_officer),
        )
        proxy.refusing = True


@pytest.mark.parametrize("fault", ["request", "answer"])
def test_cut_while_the_vault_is_written_nothing_is_recorded(proxied: tuple[Proxy, House], fault: str) -> None:
    proxy, house = proxied
    received(house)
    size, command_id = house.installation.feed.head(house.ledger.id).size, str(uuid.uuid4())
    proxy.fault = fault
    with pytest.raises(Unavailable, match="vault: "):
        house.run(RECEIVED, REQUEST, command_id=command_id)
    assert proxy.cuts == 1
    assert house.installation.feed.head(house.ledger.id).size == size
    again = house.run(RECEIVED, REQUEST, command_id=command_id)
    assert not again.repeated
    grow_old(house)
    assert sweep(house.installation) == (fault == "answer")
    assert opened(house, again.receipts[0].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


def test_while_the_vault_is_away_nothing_is_recorded_and_nothing_is_called_lost(
    proxied: tuple[Proxy, House],
) -> None:
    proxy, house = proxied
    case = received(house)
    before = rows(house, case)
    size = house.installation.feed.head(house.ledger.id).size
    proxy.refusing = True
    for attempt in range(2):
        with pytest.raises(Unavailable, match="vault: "):
            house.run(RECEIVED, REQUEST, command_id=str(uuid.UUID(int=attempt, version=4)))
    with pytest.raises(Unavailable, match="vault: "):
        opened(house, before[0].index)
    with pytest.raises(Unavailable, match="vault: "):
        Reconciling(house.installation).all(whole=True)
    # What needs no sealed value goes on.
    assert rows(house, case) == before
    assert house.installation.feed.head(house.ledger.id).size == size
    proxy.refusing = False
    assert until(lambda: _runs(house)).receipts[0].index == size
    assert opened(house, before[0].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


def _runs(house: House) -> Any:
    try:
        return house.run(RECEIVED, REQUEST)
    except Unavailable:
        return None


def test_steps_that_enter_together_are_written_ahead_together(house: House) -> None:
    together = Together(house.installation, "dffh", house.officer)
    stream = str(uuid.uuid4())
    steps = [
        Step(RECEIVED, {"happened": "2025-06-11", "fields": REQUEST}, str(uuid.uuid4())),
        Step(
            "request.FurtherInformationSought", {"happened": "2025-06-12", "fields": {"question": "which?"}},
            str(uuid.uuid4()),
        ),
    ]  # fmt: skip
    submission = together.submit(stream, steps, Source(SourceKind.API))
    assert submission is not None
    assert submission.done()
    receipts = submission.result()
    assert [type(opened(house, each.index).popitem()[1]) for each in receipts] == [Opened, Opened]
    assert ahead(house) == 0
    assert together.submit(stream, steps, Source(SourceKind.API)) is None
    check_ledger(house.installation.database, house.ledger)


def test_a_command_given_twice_at_once_is_recorded_once_and_the_others_rows_are_swept(house: House) -> None:
    command_id, barrier = str(uuid.uuid4()), threading.Barrier(4)
    outcomes: list[Any] = []

    def give() -> None:
        barrier.wait()
        try:
            outcomes.append(house.run(RECEIVED, REQUEST, command_id=command_id).receipts)
        except AuditLedgerError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=give) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert outcomes == [outcomes[0]] * 4
    grow_old(house)
    sweep(house.installation)
    case = house.installation.feed.by_command(house.ledger.id, command_id)[0].stream
    under = f"sealed WHERE key IN (SELECT id FROM vault.keys WHERE stream = '{case}')"
    assert counted(house.installation.vault, under) == 1
    assert opened(house, outcomes[0][0].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


def test_a_mark_that_is_taken_is_sealed_anew(house: House) -> None:
    installation = house.installation
    writing = Ahead(lambda: installation.vault.connect(Role.WRITER))
    key, _ = make_key(installation.kek, "s", "case")
    row = VaultRow(0, key.id, b"sealed", mark_of(b"\xff" * 32))
    with writing.written(1, [str(uuid.uuid4())], [key], [row]) as held:
        held.recorded = True
    other = writing.written(1, [str(uuid.uuid4())], [], [row._replace(ciphertext=b"other")])
    with pytest.raises(KeyGone, match="seal the command anew"):
        other.__enter__()
    assert counted(installation.vault, "sealed WHERE ciphertext = 'sealed'") == 1
    assert counted(installation.vault, "sealed WHERE ciphertext = 'other'") == 0


def read_only(database: Database, on: bool) -> None:
    """Has a database take nothing any more, or again; whoever was connected connects anew."""
    with database.connect_admin() as connection:
        name = Identifier(connection.info.dbname)
        to = SQL("on" if on else "off")
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, to))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_vault_that_takes_nothing_is_told_as_it_is_and_nothing_is_recorded(house: House) -> None:
    installation = house.installation
    size = installation.feed.head(house.ledger.id).size
    writing = Ahead(lambda: installation.vault.connect(Role.WRITER))
    key, _ = make_key(installation.kek, "s", "case")
    read_only(installation.vault, True)
    other = writing.written(1, [str(uuid.uuid4())], [key], [])
    with pytest.raises(Unavailable, match=r"vault: cannot execute .* in a read-only transaction"):
        other.__enter__()
    for _ in range(3):
        with pytest.raises(Unavailable, match="vault: "):
            house.run(RECEIVED, REQUEST)
    assert installation.feed.head(house.ledger.id).size == size
    read_only(installation.vault, False)
    assert until(lambda: _runs(house)).receipts[0].index == size
    check_ledger(installation.database, house.ledger)


def test_reconciling_goes_on_once_a_vault_that_took_nothing_takes_it_again(house: House) -> None:
    said: list[str] = []
    reconciling, stop = Reconciling(house.installation, lambda what, **_: said.append(what)), threading.Event()
    thread = threading.Thread(target=reconciling.run, args=(stop, 0.02, False))
    thread.start()
    try:
        read_only(house.installation.vault, True)
        until(lambda: "read-only transaction" in (reconciling.failed or "") or not thread.is_alive())
        with pytest.raises(Unavailable, match="read-only transaction"):
            reconciling.state()
        read_only(house.installation.vault, False)
        until(lambda: reconciling.failed is None or not thread.is_alive())
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join()
    assert "the vault cannot be held to the destruction entries" in said
    check_ledger(house.installation.database, house.ledger)


def test_what_the_body_of_a_held_write_raises_is_raised(house: House) -> None:
    """Its own database's errors too: nobody takes the entries for recorded."""
    installation = house.installation
    writing = Ahead(lambda: installation.vault.connect(Role.WRITER))
    with pytest.raises(psycopg.errors.DiskFull), writing.written(1, [str(uuid.uuid4())], [], []):
        raise psycopg.errors.DiskFull("ledgers")
