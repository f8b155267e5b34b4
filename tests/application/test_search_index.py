"""The index of sealed identifiers, and what befalls it: kills, races, destructions, restored vaults."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation, searching
from ledger.application.reconciling import Reconciling
from ledger.application.searching import catch_up, fields_form
from ledger.errors import AuditLedgerError, InvalidInput, LawRefused, Unavailable
from ledger.vault.searching import SearchIndex
from ledger.vault.store import Opener
from tests.application.conftest import House
from tests.application.test_destroying import destroy, propose
from tests.application.test_reconciling import dumped, keys_of, restored
from tests.application.test_searching import found, held, identifiers, look, received
from tests.support import check_ledger
from tests.waiting import until


@pytest.mark.parametrize("done", [False, True], ids=["not persisted", "persisted"])
@pytest.mark.parametrize("at", [1, 3])
def test_killed_at_any_batch_the_index_goes_on_from_what_is_there(house: House, at: int, done: bool) -> None:
    indexes = [received(house, "Jo Bloggs")[1] for _ in range(6)]
    database = house.installation.database
    orders = {
        "admin": database.admin, "passwords": dict(database.passwords),
        "folder": str(house.installation.data_dir), "at": at, "done": done, "batch": 3,
    }  # fmt: skip
    killed = subprocess.run(
        [sys.executable, "-m", "tests.application.indexer"],
        cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    position = house.installation.search_index.position(house.ledger.id, "none")
    assert position.size == (at - 1 + done) * 3
    scanned = identifiers(house)
    assert {each[:2] for each in held(house)} == {place for place in scanned if place[0] < position.size}
    assert found(house, "Jo Bloggs") == indexes
    assert [each[:2] for each in held(house)] == sorted(scanned)
    check_ledger(database, house.ledger)


def test_two_that_make_it_at_once_make_it_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        received(house, "Jo Bloggs")
    monkeypatch.setattr(searching, "BATCH", 2)
    failed: list[AuditLedgerError] = []

    def make(anew: bool) -> None:
        try:
            catch_up(house.installation, house.ledger, anew=anew)
        except AuditLedgerError as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(each,)) for each in (False, False, True, True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert {(index, path) for index, path, _ in held(house)} == set(identifiers(house))
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize("moment", ["opened", "authorised"])
def test_a_subject_that_is_destroyed_while_the_index_is_made_is_not_in_it(
    house: House, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Its values are open already, or the entry stands and its keys are still there; then tokens are added."""
    case, _ = received(house, "Jo Bloggs")
    _, kept = received(house, "Jo Bloggs")
    if moment == "authorised":
        with monkeypatch.context() as patch:
            patch.setattr("ledger.application.commands.carry_out", lambda *_: None)
            destroy(house, case)
        assert keys_of(house, case)
        assert found(house, "Jo Bloggs") == [kept]
    else:
        add, done = SearchIndex.add, []

        def late(self: SearchIndex, *arguments: Any) -> bool:
            if not done:
                done.append(destroy(house, case))
            return add(self, *arguments)

        monkeypatch.setattr(SearchIndex, "add", late)
        assert found(house, "Jo Bloggs") == [kept]
        assert done
    assert [index for index, *_ in held(house) if index <= kept][-1:] == [kept]
    assert not {key for *_, key in held(house)} & set(keys_of(house, case))
    check_ledger(house.installation.database, house.ledger)


def test_writers_destructions_and_the_index_at_once_leave_no_token_of_what_is_gone(house: House) -> None:
    stop = threading.Event()
    failed: list[AuditLedgerError] = []

    def make() -> None:
        try:
            while not stop.is_set():
                catch_up(house.installation, house.ledger)
        except AuditLedgerError as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        for _ in range(12):
            case, _ = received(house, "Jo Bloggs")
            destroy(house, case)
            received(house, "Jo Bloggs")
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert failed == []
    gone = set(house.installation.streams.destruction(house.ledger).destroyed)
    assert len(gone) >= 12
    assert not {key for *_, key in held(house)} & gone
    assert len(found(house, "Jo Bloggs")) == 12
    check_ledger(house.installation.database, house.ledger)


def test_an_older_vault_brings_no_token_back_and_its_index_goes_on(house: House) -> None:
    destroy(house, received(house, "Jane Roe")[0])
    case, _ = received(house, "Jo Bloggs")
    _, kept = received(house, "Jo Bloggs")
    assert len(found(house, "Jo Bloggs")) == 2
    dump = dumped(house.installation.database)
    keys = set(keys_of(house, case))
    destroy(house, case)
    restored(house.installation.database, dump)
    assert {key for *_, key in held(house)} & keys
    # Before anything is reconciled, too: the entries say that it is destroyed.
    assert found(house, "Jo Bloggs") == [kept]
    assert Reconciling(house.installation).all(whole=False)["dffh"].again == len(keys)
    assert not {key for *_, key in held(house)} & keys
    assert found(house, "Jo Bloggs") == [kept]
    check_ledger(house.installation.database, house.ledger)


def test_tokens_alone_that_came_back_are_removed_at_the_next_look(house: House) -> None:
    case, _ = received(house, "Jo Bloggs")
    catch_up(house.installation, house.ledger)
    keys = set(keys_of(house, case))
    with house.installation.database.connect_admin() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vault.search")
        destroy(house, case)
        assert not {key for *_, key in held(house)} & keys
        connection.execute("INSERT INTO vault.search SELECT * FROM kept WHERE key = ANY (%s)", (list(keys),))
    assert found(house, "Jo Bloggs") == []
    assert Reconciling(house.installation).all(whole=False)["dffh"].again == 1
    assert not {key for *_, key in held(house)} & keys
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("beyond the ledger's end", "UPDATE vault.search_position SET size = size + 1000"),
        ("of another history", "UPDATE vault.search_position SET head = sha256('other')"),
        ("of other marks", "UPDATE vault.search_position SET form = form || 'x'"),
        ("of a search key that is gone", "DELETE FROM vault.keys WHERE subject = 'search'"),
    ],
)
def test_an_index_that_is_not_of_this_ledger_as_it_is_starts_over(house: House, what: str, change: str) -> None:
    indexes = [received(house, "Jo Bloggs")[1] for _ in range(2)]
    assert found(house, "Jo Bloggs") == indexes
    with house.installation.database.connect_admin() as connection:
        connection.execute(change.encode())
        # By what is there one could not know: rows that the index lost.
        connection.execute("DELETE FROM vault.search WHERE index = %s", (indexes[0],))
    assert found(house, "Jo Bloggs") == indexes, what
    assert {(index, path) for index, path, _ in held(house)} == set(identifiers(house))
    check_ledger(house.installation.database, house.ledger)


def test_an_index_that_lost_rows_is_made_anew_on_request(house: House) -> None:
    _, index = received(house, "Jo Bloggs")
    assert found(house, "Jo Bloggs") == [index]
    with house.installation.database.connect_admin() as connection:
        connection.execute("DELETE FROM vault.search")
    assert found(house, "Jo Bloggs") == []
    made = catch_up(house.installation, house.ledger, anew=True)
    assert made.size == house.installation.feed.head(house.ledger.id).size
    assert found(house, "Jo Bloggs") == [index]


def test_what_is_lost_is_counted_in_every_answer_as_nobody_finds_it(house: House) -> None:
    case, _ = received(house, "Jo Bloggs")
    _, kept = received(house, "Jo Bloggs")
    with house.installation.database.connect_admin() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vault.keys WHERE stream = %s", (case,))
        connection.execute("DELETE FROM vault.keys WHERE stream = %s", (case,))
        answer = look(house, "Jo Bloggs")
        assert ([each.row.index for each in answer.entries], answer.unread) == ([kept], 1)
        connection.execute("INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    catch_up(house.installation, house.ledger, anew=True)
    answer = look(house, "Jo Bloggs")
    assert (len(answer.entries), answer.unread) == (2, 0)


def test_a_service_brings_the_index_up_while_it_runs(house: House) -> None:
    received(house, "Jo Bloggs")
    said: list[str] = []
    reconciling, stop = Reconciling(house.installation, lambda what, **_: said.append(what)), threading.Event()
    thread = threading.Thread(target=reconciling.run, args=(stop, 0.05, True))
    thread.start()
    try:
        deadline = time.monotonic() + 20
        size = house.installation.feed.head(house.ledger.id).size
        while house.installation.search_index.position(house.ledger.id, "none").size < size:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join()
    assert said == []
    assert {(index, path) for index, path, _ in held(house)} == set(identifiers(house))


def test_two_ledgers_have_no_token_in_common(house: House) -> None:
    """Both hold the administrator's name: by the table alone nobody sees that it is one person."""
    installation = house.installation
    received(house, "Ada Administrator")
    catch_up(installation, house.ledger)
    catch_up(installation, installation.ledgers.get("common"))
    with installation.database.connect_admin() as connection:
        tokens = dict(
            connection.execute("SELECT ledger, array_agg(token) FROM vault.search GROUP BY 1").fetchall()
        )
    assert len(tokens) == 2
    one, other = ({bytes(each) for each in of} for of in tokens.values())
    assert not one & other
    assert all(len(each) == 32 for each in one | other)


def test_which_fields_are_identifiers_is_part_of_what_an_index_is_made_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = fields_form()
    fields_form.cache_clear()
    monkeypatch.setattr(searching, "identifier_names", lambda _cls: ["requester_name"])
    assert fields_form() != before
    fields_form.cache_clear()


def test_no_destruction_reaches_the_search_key(house: House) -> None:
    """It is the ledger's and no subject's: without it the index is made anew, and nothing is destroyed."""
    received(house, "Jo Bloggs")
    key_id, _ = house.installation.search_index.key(house.ledger.id)
    assert house.installation.search_index.key_id(house.ledger.id) == key_id
    for fields in ({"keys": [key_id]}, {"subject": "search"}):
        with pytest.raises((InvalidInput, LawRefused)):
            propose(house, "ledger", scope="subject", **fields)
    with pytest.raises(LawRefused, match="own streams"):
        propose(house, "ledger")
    assert house.installation.search_index.key(house.ledger.id)[0] == key_id


def test_what_is_destroyed_while_it_is_looked_for_is_not_counted_as_unread(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process, once this one has asked the entries which keys are destroyed."""
    case, _ = received(house, "Jo Bloggs")
    pairs = Opener._pairs
    done: list[bool] = []

    def late(self: Opener, *arguments: Any) -> Any:
        if not done:
            done.append(True)
            destroy(elsewhere, case)
        return pairs(self, *arguments)

    with (
        Installation(house.installation.database, house.installation.data_dir) as other,
        monkeypatch.context() as patch,
    ):
        elsewhere = House(other, house.organisation, house.administrator, house.officer, house.privacy_officer)
        patch.setattr(Opener, "_pairs", late)
        assert catch_up(house.installation, house.ledger).unread == 0
    assert done
    assert found(house, "Jo Bloggs") == []
    check_ledger(house.installation.database, house.ledger)


def test_one_ledger_that_cannot_be_indexed_keeps_no_other_out_of_the_index(house: House) -> None:
    received(house, "Jo Bloggs")
    installation, said = house.installation, []
    first = installation.ledgers.all()[0]
    assert first.id != house.ledger.id
    key, _ = installation.search_index.key(first.id)
    reconciling = Reconciling(installation, lambda what, **about: said.append((what, about.get("ledger"))))
    stop = threading.Event()
    with installation.vault.connect_admin() as connection:
        (kept,) = connection.execute("SELECT wrapped FROM vault.keys WHERE id = %s", (key,)).fetchone()
        connection.execute("UPDATE vault.keys SET wrapped = set_byte(wrapped, 5, 0) WHERE id = %s", (key,))
    thread = threading.Thread(target=reconciling.run, args=(stop, 0.02, False))
    thread.start()
    try:
        until(lambda: reconciling.failed)
        assert f"the search index of {first.slug}: " in str(reconciling.failed)
        assert installation.search_index.position(house.ledger.id, "none").unread == 0
        assert len(held(house)) > 0
        with pytest.raises(Unavailable, match="the search index of"):
            reconciling.state()
        with installation.vault.connect_admin() as connection:
            connection.execute("UPDATE vault.keys SET wrapped = %s WHERE id = %s", (kept, key))
        until(lambda: reconciling.failed is None)
    finally:
        stop.set()
        thread.join()
    assert set(said) == {("the search index cannot be brought up to the entries", first.slug)}
    check_ledger(installation.database, house.ledger)
