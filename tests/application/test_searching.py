"""Exact search on sealed identifiers: what is found, by whom, what is recorded, and what never comes back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.application import Principal, searching
from ledger.application.installation import sealed_fields_of
from ledger.application.outcome import asked_for
from ledger.application.reconciling import Reconciling
from ledger.application.searching import SEARCH, Found, catch_up, fields_form, search
from ledger.codec.declare import sealed_fields
from ledger.domain.event import decode_event
from ledger.domain.openings.events import FoundEntry, SealedFieldsSearched
from ledger.errors import AuditLedgerError, CommandReused, Forbidden, InvalidInput, Unavailable
from ledger.vault.opening import Opened
from ledger.vault.sealing import LEDGER_STREAM
from ledger.vault.searching import SearchIndex, normalised, token
from ledger.vault.store import Opener
from tests.application.conftest import House
from tests.application.test_destroying import destroy, rows
from tests.application.test_reconciling import dumped, keys_of, restored
from tests.support import check_ledger


def received(house: House, name: str, **more: Any) -> tuple[str, int]:
    """A case of a requester of that name, and the index of its entry."""
    outcome = house.run(
        "request.RequestReceived",
        {"scheme": "vps", "form": "informal", "requester_name": name, "purpose": "Jane Citizen", **more},
    )
    return outcome.stream, outcome.receipts[0].index


def look(house: House, value: str, **more: Any) -> Found:
    """A search by the officer."""
    more = {"principal": house.officer, "reason": "an inquiry", **more}
    return search(house.installation, "dffh", value, **more)


def found(house: House, value: str, **more: Any) -> list[int]:
    """The indexes that a search finds."""
    return [each.row.index for each in look(house, value, **more).entries]


def searches(house: House) -> list[SealedFieldsSearched]:
    """The searches that are recorded."""
    events = [decode_event(row.decoded) for row in rows(house, "openings")]
    return [event for event in events if isinstance(event, SealedFieldsSearched)]


def held(house: House) -> list[tuple[int, str, str]]:
    """What the index holds, but for the tokens."""
    with house.installation.database.connect_admin() as connection:
        return connection.execute(
            "SELECT index, path, key FROM vault.search WHERE ledger = %s ORDER BY 1, 2", (house.ledger.id,)
        ).fetchall()


def identifiers(house: House) -> dict[tuple[int, str], str]:
    """Every identifier of the ledger that opens, by index and path: opened one by one, without an index."""
    opener: Opener = house.installation.opener
    out = {}
    for batch in house.installation.feed.scan(house.ledger.id):
        for row in batch:
            event = decode_event(row.decoded)
            marked = {path for path, _, _ in sealed_fields(event, identifiers=True)}
            fields = sealed_fields_of(event)
            for field, opening in zip(
                fields, opener.open(house.ledger.id, [(row.index, fields)])[0], strict=True
            ):
                if field.path in marked and isinstance(opening, Opened):
                    out[row.index, field.path] = str(opening.value)
    return out


def test_an_identifier_is_found_in_every_entry_that_holds_it_and_not_once_destroyed(house: House) -> None:
    case, index = received(house, "Zoë  O'Brien")
    _, other = received(house, "zoë o'brien ", own_reference="REF/1")
    received(house, "Zoe O'Brien")
    answer = look(house, "ZOE\u0308\tO'BRIEN")
    assert [(each.row.index, each.paths) for each in answer.entries] == [
        (index, ("requester_name",)), (other, ("requester_name",)),
    ]  # fmt: skip
    assert found(house, "ref/1") == [other]
    # Free text is in no index, though a name stands in it, whole.
    assert found(house, "Jane Citizen") == []
    destroy(house, case)
    assert found(house, "Zoë O'Brien") == [other]
    check_ledger(house.installation.database, house.ledger)


NAMES = [
    "Jo Bloggs",
    "JO  bloggs",
    "Jo Blogg",
    "Groß",
    "GROSS",
    "Zoë",
    "ZOE\u0308",
    "Zoe",
    "ﬁle",
    "File",
    "x y",
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES)), max_size=4),
    st.lists(st.integers(0, 30), max_size=2),
    st.sampled_from([1, 2, 1000]),
    st.booleans(),
)
def test_a_search_finds_just_what_opening_everything_would(
    house: House, made: list[tuple[str, str | None]], gone: list[int], batch: int, anew: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "BATCH", batch)
        for name, reference in made:
            received(house, name, own_reference=reference)
        cases = sorted({row.stream for row in _requests(house) if keys_of(house, row.stream)})
        for number in gone:
            if cases:
                destroy(house, cases.pop(number % len(cases)))
        if anew:
            catch_up(house.installation, house.ledger, anew=True)
        scanned = identifiers(house)
        for name in NAMES:
            wanted = {place for place, value in scanned.items() if normalised(value) == normalised(name)}
            answer = look(house, name)
            assert {(each.row.index, path) for each in answer.entries for path in each.paths} == wanted
            assert (answer.first, answer.following, answer.unread) == (0, None, 0)
    assert len(held(house)) == len(scanned)


def _requests(house: House) -> list[Any]:
    feed = house.installation.feed
    return [
        row for batch in feed.scan(house.ledger.id) for row in batch if row.event.endswith("RequestReceived")
    ]


# --- the act ---


def test_a_search_is_recorded_before_it_is_answered_without_what_was_searched_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, index = received(house, "Jo Bloggs", own_reference="jo bloggs")
    answer = look(house, "Jo Bloggs")
    size = house.installation.feed.head(house.ledger.id).size
    (event,) = searches(house)
    assert (event.found, event.searched_from, event.searched_to) == (
        (FoundEntry(index, ("own_reference", "requester_name")),), 0, size - 1,
    )  # fmt: skip
    assert (answer.first, answer.end, answer.receipts[0].index) == (0, size - 1, size - 1)
    (row,) = rows(house, "openings")
    assert (row.decoded.actor.id, row.decoded.actor.role) == (house.officer.person, "officer")
    # Of what was asked only day, reason and first entry are in the MAC that tells a repeat.
    keys = house.installation.content_keys(house.ledger, LEDGER_STREAM)
    given_ = {"happened": house.today, "reason": "an inquiry", "from": 0}
    assert keys.same(row.content_mac, asked_for(SEARCH, given_)) is True
    _, key = house.installation.search_index.key(house.ledger.id)
    assert token(key, "Jo Bloggs") not in row.entry

    # What cannot be recorded is not answered.
    def refuse(*_: Any, **__: Any) -> None:
        raise Unavailable("nothing is recorded now")

    monkeypatch.setattr(house.installation, "_execute", refuse)
    with pytest.raises(Unavailable, match="nothing is recorded now"):
        look(house, "Jo Bloggs")
    check_ledger(house.installation.database, house.ledger)


def test_a_repeat_adds_no_entry_and_answers_for_the_entries_of_then(house: House) -> None:
    case, index = received(house, "Jo Bloggs")
    other, second = received(house, "Jo Bloggs")
    command_id = str(uuid.uuid4())
    first = look(house, "Jo Bloggs", command_id=command_id)
    received(house, "Jo Bloggs")
    assert look(house, "JO BLOGGS", command_id=command_id) == first
    assert len(searches(house)) == 1
    refused: list[tuple[str, dict[str, Any]]] = [
        ("Jane Roe", {}), ("Jo Bloggs", {"reason": "another"}), ("Jo Bloggs", {"first": 1}),
        ("Jo Bloggs", {"principal": house.privacy_officer}),
    ]  # fmt: skip
    for value, more in refused:
        with pytest.raises(CommandReused):
            look(house, value, **{"command_id": command_id, **more})
    # What was destroyed since is in no answer, and tells no value from another.
    destroy(house, case)
    assert found(house, "Jo Bloggs", command_id=command_id) == [second]
    destroy(house, other)
    assert found(house, "Jo Bloggs", command_id=command_id) == []
    assert found(house, "Jane Roe", command_id=command_id) == []
    assert (len(searches(house)), index) == (1, first.entries[0].row.index)
    used = str(uuid.uuid4())
    house.installation.open_sealed(
        "dffh", [(second, None)], reason="an inquiry", principal=house.officer, command_id=used
    )
    with pytest.raises(CommandReused):
        look(house, "Jo Bloggs", command_id=used)
    check_ledger(house.installation.database, house.ledger)


def test_who_may_not_open_may_not_search_and_nothing_is_read_for_them(house: House) -> None:
    received(house, "Jo Bloggs")
    reporter = Principal(str(uuid.uuid4()), house.organisation, "test")
    house.run(
        "role.RoleGranted",
        {"person": reporter.person, "role": "reporter", "organisation": house.organisation},
        principal=house.administrator, happened="2025-01-01",
    )  # fmt: skip
    size = house.installation.feed.head(house.ledger.id).size
    stranger = Principal(house.officer.person, str(uuid.uuid4()), "test")
    for who in (house.administrator, reporter, stranger):
        with pytest.raises(Forbidden, match="opening or searching sealed fields of dffh takes a role"):
            look(house, "Jo Bloggs", principal=who)
    assert held(house) == []
    assert house.installation.feed.head(house.ledger.id).size == size
    assert len(found(house, "Jo Bloggs", principal=house.privacy_officer)) == 1


def test_what_is_no_search_is_refused_without_a_word_of_the_value(house: House) -> None:
    for value in ("", " \t", "Q", " q\u00a0"):
        with pytest.raises(InvalidInput, match="value: expected a whole identifier of at least 2 characters"):
            look(house, value)
    size = house.installation.feed.head(house.ledger.id).size
    for first in (-1, size + 1):
        with pytest.raises(InvalidInput, match=f"from: expected a whole number from 0 to {size}"):
            look(house, "Jo Bloggs", first=first)
    with pytest.raises(InvalidInput, match="reason: expected why it is searched for"):
        look(house, "Jo Bloggs", reason=" ")
    with pytest.raises(InvalidInput, match="command id"):
        look(house, "Jo Bloggs", command_id="seven")
    assert searches(house) == []


def test_many_are_found_page_by_page_each_an_entry(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    indexes = [received(house, "Jo Bloggs", own_reference="jo bloggs")[1] for _ in range(7)]
    monkeypatch.setattr(searching, "MOST", 3)
    pages, first = [], 0
    for _ in range(3):
        page = look(house, "Jo Bloggs", first=first)
        pages.append([each.row.index for each in page.entries])
        first = page.following or 0
    assert pages == [indexes[:3], indexes[3:6], indexes[6:]]
    assert [(each.searched_from, len(each.found)) for each in searches(house)] == [
        (0, 3), (indexes[2] + 1, 3), (indexes[5] + 1, 1),
    ]  # fmt: skip
    command_id = str(uuid.uuid4())
    page = look(house, "Jo Bloggs", command_id=command_id)
    assert look(house, "Jo Bloggs", command_id=command_id) == page
    check_ledger(house.installation.database, house.ledger)


def test_a_hit_says_by_what_it_was_corrected(house: House) -> None:
    case, index = received(house, "Jo Blogs")
    fields = {"scheme": "vps", "form": "informal", "requester_name": "Jo Bloggs"}
    corrects = {"index": index, "kind": "typing", "reason": "Jo Bloggs said so"}
    corrected = house.run("request.RequestReceived", fields, case=case, corrects=corrects)
    by = corrected.receipts[0].index
    (former,) = look(house, "Jo Blogs").entries
    assert (former.row.index, former.corrected_by) == (index, ((by, "typing"),))
    (latter,) = look(house, "Jo Bloggs").entries
    assert latter.shown() == {
        "index": by, "case": case, "event": "ledger.request.v1.RequestReceived", "paths": ["requester_name"],
        "corrects": {"index": index, "kind": "typing"}, "corrected_by": [],
    }  # fmt: skip


# --- the index, and what befalls it ---


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
