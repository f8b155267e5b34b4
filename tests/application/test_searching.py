"""Exact search on sealed identifiers: what is found, by whom, what is recorded, and what never comes back."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.application import Principal, searching
from ledger.application.openings import sealed_fields_of
from ledger.application.outcome import asked_for
from ledger.application.searching import SEARCH, Found, catch_up, search
from ledger.codec.declare import sealed_fields
from ledger.domain.event import decode_event
from ledger.domain.openings.events import FoundEntry, SealedFieldsSearched
from ledger.errors import CommandReused, Forbidden, InvalidInput, Unavailable
from ledger.vault.opening import Opened
from ledger.vault.sealing import LEDGER_STREAM
from ledger.vault.searching import normalised, token
from ledger.vault.store import Opener
from tests.application.conftest import House
from tests.application.test_destroying import destroy, rows
from tests.application.test_reconciling import keys_of
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


def test_what_is_destroyed_while_a_search_is_recorded_is_not_in_its_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, _ = received(house, "Jo Bloggs")
    _, kept = received(house, "Jo Bloggs")
    record = house.installation.record_reading

    def late(*arguments: Any, **named: Any) -> Any:
        destroy(house, case)
        return record(*arguments, **named)

    monkeypatch.setattr(house.installation, "record_reading", late)
    assert found(house, "Jo Bloggs") == [kept]
    check_ledger(house.installation.database, house.ledger)


def test_a_search_is_not_repeated_and_under_a_used_id_nothing_is_looked_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, index = received(house, "Jo Bloggs")
    received(house, "Jane Roe")
    command_id, opened = str(uuid.uuid4()), str(uuid.uuid4())
    assert found(house, "Jo Bloggs", command_id=command_id) == [index]
    house.installation.open_sealed(
        "dffh", [(index, None)], reason="an inquiry", principal=house.officer, command_id=opened
    )
    size = house.installation.feed.head(house.ledger.id).size

    def looked(*_: Any) -> None:
        raise AssertionError("something was looked up")

    monkeypatch.setattr(searching, "catch_up", looked)
    monkeypatch.setattr(house.installation.search_index, "hits", looked)
    # What was found, what else is there, what is nowhere; by whom and why: the same refusal.
    asked: list[tuple[str, dict[str, Any]]] = [
        ("Jo Bloggs", {}), ("Jane Roe", {}), ("Nobody", {}), ("Nobody", {"first": 1}), ("", {}),
        ("Jane Roe", {"reason": "another"}), ("Jane Roe", {"principal": house.privacy_officer}),
        ("Jane Roe", {"command_id": opened}), ("Nobody", {"command_id": command_id.upper()}),
    ]  # fmt: skip
    said = set()
    for value, more in asked:
        with pytest.raises(CommandReused, match="a search is not repeated") as refused:
            look(house, value, **{"command_id": command_id, **more})
        said.add(str(refused.value))
    assert len(said) == 1
    assert house.installation.feed.head(house.ledger.id).size == size
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize("value", ["Jo Bloggs", "Jane Roe", "Nobody"])
def test_of_two_searches_under_one_id_at_one_moment_one_is_answered(
    house: House, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    received(house, "Jo Bloggs")
    received(house, "Jane Roe")
    command_id = str(uuid.uuid4())
    record = house.installation.record_reading

    def late(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(house.installation, "record_reading", record)
        look(house, "Jo Bloggs", command_id=command_id)
        return record(*arguments, **named)

    monkeypatch.setattr(house.installation, "record_reading", late)
    with pytest.raises(CommandReused, match="a search is not repeated"):
        look(house, value, command_id=command_id)
    assert len(searches(house)) == 1
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
        with pytest.raises(Forbidden, match="searching sealed fields of dffh takes a role"):
            look(house, "Jo Bloggs", principal=who)
    assert held(house) == []
    assert house.installation.feed.head(house.ledger.id).size == size
    assert len(found(house, "Jo Bloggs", principal=house.privacy_officer)) == 1


def test_what_is_no_search_is_refused_without_a_word_of_the_value(house: House) -> None:
    for value in ("", " \t", "Q", " q\u00a0"):
        with pytest.raises(InvalidInput, match="value: expected a whole identifier of at least 2 characters"):
            look(house, value)
    with pytest.raises(InvalidInput, match="value: expected text without lone surrogates"):
        look(house, "Jo \udc80 Bloggs")
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
