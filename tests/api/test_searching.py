"""Searching sealed identifiers over HTTP: the answer, who may, what is refused."""

from __future__ import annotations

import uuid

import pytest

from ledger.clock import melbourne_date
from tests.api.conftest import House
from tests.support import check_ledger

PATH = "/ledgers/dffh/search"
ASKED = {"value": "quentin  PLANTED", "reason": "a test"}


def size(house: House) -> int:
    """How many entries the ledger has."""
    return int(house.get("officer", "/ledgers/dffh").json()["size"])


def test_a_search_is_an_entry_and_shows_where_and_no_value(house: House) -> None:
    made = house.receive().json()
    house.receive(requester_name="Somebody else")
    before = size(house)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer = house.post("officer", PATH, ASKED, headers=key)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["found"] == [
        {
            "index": made["receipts"][0]["index"], "case": made["case"],
            "event": "ledger.request.v1.RequestReceived", "paths": ["requester_name"],
            "corrects": None, "corrected_by": [],
        }
    ]  # fmt: skip
    assert (said["searched"], said["next"], said["unread"]) == ({"from": 0, "to": before}, None, 0)
    assert "planted" not in answer.text.lower()
    (receipt,) = said["receipts"]
    assert receipt["index"] == before
    entry = house.get("officer", "/ledgers/dffh/cases/openings").json()["entries"][-1]
    assert entry["event"] == "ledger.vault.v1.SealedFieldsSearched"
    fields = entry["fields"]
    assert fields.pop("reason")["sealed"] == "withheld"
    assert fields == {
        "found": [{"entry": made["receipts"][0]["index"], "paths": ["requester_name"]}],
        "searched_from": 0, "searched_to": before, "ledger": None,
    }  # fmt: skip
    # Nothing is looked up under that key again, whatever is searched for, and by whom.
    house.receive()
    asked = (("officer", ASKED), ("officer", ASKED | {"value": "somebody else"}), ("privacy_officer", ASKED))
    for who, body in asked:
        refused = house.post(who, PATH, body, headers=key)
        assert (refused.status_code, refused.json()["title"]) == (409, "Command id reused")
        assert "a search is not repeated" in refused.json()["detail"]
    assert size(house) == before + 2
    later = house.post("officer", PATH, ASKED | {"from": made["receipts"][0]["index"] + 1}).json()
    assert [each["index"] for each in later["found"]] == [before + 1]
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_who_searches_sealed_identifiers(house: House) -> None:
    house.receive()
    expected = {
        "officer": 200, "privacy_officer": 200, "auditor": 200,
        "administrator": 403, "reporter": 403, "regulator": 403, "other_officer": 403, "nobody": 403,
    }  # fmt: skip
    before = size(house)
    for who, status in expected.items():
        answer = house.post(who, PATH, ASKED)
        assert answer.status_code == status, (who, answer.text)
    assert size(house) == before + 3
    for slug in ("ovic", "common", "djcs"):
        assert house.post("auditor", f"/ledgers/{slug}/search", ASKED).status_code == 403


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "value: expected text"),
        ({"value": 123456782, "reason": "x"}, "value: expected text: one whole identifier, got 'a number'"),
        ({"value": "Jo Bloggs"}, "reason: expected text that is not blank: why it is searched for, got None"),
        ({"value": "Jo Bloggs", "reason": " "}, "why it is searched for, got 'blank text'"),
        ({"value": ["Jo Bloggs"], "reason": "x"}, "value: expected text: one whole identifier, got a list"),
        ({"value": " j ", "reason": "x"}, "value: expected a whole identifier of at least 2 characters"),
        ({"value": "Jo Bloggs", "reason": "x", "from": "0"}, "from: expected the index of an entry"),
        ({"value": "Jo Bloggs", "reason": "x", "from": True}, "from: expected the index of an entry"),
        ({"value": "Jo Bloggs", "reason": "x", "from": -1}, "from: expected a whole number from 0 to"),
        ({"value": "Jo Bloggs", "reason": "x", "other": 1}, "other: expected one of value, reason, from"),
    ],
)
def test_a_malformed_search_is_refused_without_its_value(house: House, body: object, said: str) -> None:
    before = size(house)
    answer = house.post("officer", PATH, body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert "Bloggs" not in answer.text
    assert size(house) == before


def test_a_search_needs_a_key_and_takes_no_parameter(house: House) -> None:
    for headers, status in (({}, 428), ({"Idempotency-Key": "seven"}, 400)):
        answer = house.client.post(PATH, json=ASKED, headers=headers | house.headers("officer"))
        assert answer.status_code == status
    assert house.post("officer", f"{PATH}?acknowledge=sealed", ASKED).status_code == 422


def test_what_was_destroyed_is_found_no_more(house: House) -> None:
    case = house.receive().json()["case"]
    _, kept = house.receive().json(), house.receive().json()
    assert len(house.post("officer", PATH, ASKED).json()["found"]) == 3
    destruction = str(uuid.uuid4())
    said = {"destruction": destruction, "scope": "case", "case": case, "ground": "no_longer_needed",
            "authority": "instrument"}  # fmt: skip
    today = melbourne_date(house.installation.clock.now()).isoformat()
    for word, fields in (
        ("DestructionProposed", said),
        ("DestructionAuthorised", {"destruction": destruction}),
    ):
        path = f"/ledgers/dffh/commands/destruction.{word}"
        answer = house.post("privacy_officer", path, {"happened": today, "fields": fields})
        assert answer.status_code == 201, answer.text
    found = house.post("officer", PATH, ASKED).json()["found"]
    assert case not in {each["case"] for each in found}
    assert found[-1]["case"] == kept["case"]
    assert len(found) == 2
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))
