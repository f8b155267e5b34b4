"""Commands over HTTP: receipts, repeats, versions, refusals with their citation; nothing malformed is a 500."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from ledger.api.problem import MEDIA_TYPE, TYPE
from tests.api.conftest import House
from tests.support import check_ledger

RECEIVED = "/ledgers/dffh/commands/request.RequestReceived"


def head(house: House) -> int:
    """The size of the ledger dffh."""
    return house.installation.feed.head(house.installation.ledgers.get("dffh").id).size


def check(house: House) -> None:
    """The last line of every test that writes."""
    for slug in ("common", "dffh", "djcs", "ovic"):
        check_ledger(house.installation.database, house.installation.ledgers.get(slug))


def test_a_command_gives_201_receipts_and_the_cases_version(house: House) -> None:
    before = head(house)
    answer = house.receive()
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["version"], body["repeated"]) == (1, False)
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/ledgers/dffh/cases/{body['case']}"
    (receipt,) = body["receipts"]
    assert (receipt["ledger"], receipt["index"]) == ("example.vic.gov.au/dffh", before)
    timeline = house.get("officer", answer.headers["location"])
    assert timeline.headers["etag"] == '"1"'
    (entry,) = timeline.json()["entries"]
    assert entry["leaf_hash"] == receipt["leaf_hash"]
    assert entry["recorded_at"] == receipt["recorded_at"]
    assert entry["source"]["kind"] == "api"
    assert entry["actor"]["authority"] == "auditledger-development token"
    check(house)


def test_a_repeat_gives_200_with_the_first_receipt_and_adds_nothing(house: House) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    fields = {"scheme": "vps", "form": "informal", "provider": house.organisations["dffh"]}
    body = {"happened": "2025-06-11", "fields": fields}
    first = house.post("officer", RECEIVED, body, headers=key)
    size = head(house)
    again = house.post("officer", RECEIVED, body, headers=key)
    assert (first.status_code, again.status_code) == (201, 200), (first.text, again.text)
    assert again.json() == first.json() | {"repeated": True}
    assert head(house) == size
    other = house.post("officer", RECEIVED, body | {"happened": "2025-06-12"}, headers=key)
    assert other.status_code == 409
    assert other.json()["type"] == TYPE + "command-reused"
    check(house)


def test_receipts_are_found_by_command_id(house: House) -> None:
    key = str(uuid.uuid4())
    fields = {"scheme": "vps", "form": "informal", "provider": house.organisations["dffh"]}
    body = {"happened": "2025-06-11", "fields": fields}
    made = house.post("officer", RECEIVED, body, headers={"Idempotency-Key": key}).json()
    found = house.get("officer", f"/ledgers/dffh/receipts/{key}")
    assert found.json() == {"case": made["case"], "receipts": made["receipts"]}
    assert house.get("officer", f"/ledgers/dffh/receipts/{uuid.uuid4()}").status_code == 404
    assert house.get("officer", "/ledgers/dffh/receipts/nonsense").status_code == 422


def test_if_match_insists_on_the_version_that_was_seen(house: House) -> None:
    case = house.receive().json()["case"]
    path = "/ledgers/dffh/commands/request.RequestAcknowledged"
    body = {"case": case, "happened": "2025-06-12", "fields": {}}
    stale = house.post("officer", path, body, headers={"If-Match": '"0"'})
    assert stale.status_code == 409
    assert stale.json()["type"] == TYPE + "conflict"
    fresh = house.post("officer", path, body, headers={"If-Match": '"1"'})
    assert (fresh.status_code, fresh.headers["etag"]) == (201, '"2"')
    check(house)


def test_a_refusal_of_law_cites_the_section(house: House) -> None:
    answer = house.receive(form="formal")
    assert answer.status_code == 422
    problem = answer.json()
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert problem["type"] == TYPE + "law-refused"
    assert problem["citation"]
    assert set(problem) == {"type", "title", "status", "detail", "citation"}


def test_a_wrong_field_is_named_with_what_was_expected_and_what_came(house: House) -> None:
    answer = house.receive(scheme="abc")
    problem = answer.json()
    assert answer.status_code == 422
    assert problem["type"] == TYPE + "invalid-input"
    assert (problem["field"], problem["got"]) == ("fields.scheme", "'abc'")
    assert "vps" in problem["expected"]


def test_an_unknown_command_or_ledger_is_404(house: House) -> None:
    body = {"happened": "2025-06-11", "fields": {}}
    assert house.post("officer", "/ledgers/dffh/commands/request.Nothing", body).status_code == 404
    assert house.post("officer", "/ledgers/none/commands/request.RequestReceived", body).status_code == 404


def test_a_role_that_may_not_give_the_command_is_refused(house: House) -> None:
    for who in ("reporter", "administrator", "regulator", "auditor", "other_officer"):
        answer = house.receive(who)
        assert answer.status_code == 403, (who, answer.text)
        assert answer.json()["type"] == TYPE + "forbidden"


def test_a_write_without_a_key_to_repeat_it_by_is_428(house: House) -> None:
    headers = house.headers("officer")
    answer = house.client.post(RECEIVED, json={"happened": None, "fields": {}}, headers=headers)
    assert answer.status_code == 428
    wrong = house.post("officer", RECEIVED, {}, headers={"Idempotency-Key": "once"})
    assert wrong.status_code == 400


MALFORMED: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("not JSON", b"happened=2025", 400),
    ("cut off", b'{"happened": "2025-0', 400),
    ("two documents", b"{} {}", 400),
    ("a list", b"[]", 400),
    ("a number", b"1", 400),
    ("null", b"null", 400),
    ("not UTF-8", b'{"happened": "\xff"}', 400),
    ("UTF-16", '{"happened": null}'.encode("utf-16"), 400),
    ("a byte order mark", b"\xef\xbb\xbf{}", 400),
    ("NaN", b'{"happened": NaN}', 400),
    ("a name twice", b'{"happened": null, "happened": "2025-01-01"}', 400),
    ("nested deeply", b"[" * 100_000, 400),
    ("an object nested deeply", b'{"a":' * 100_000, 400),
    ("nested less deeply", b'{"fields":' + b"[" * 500 + b"]" * 500 + b"}", 422),
    ("a number of many digits", b'{"happened": ' + b"9" * 5000 + b"}", 400),
    ("a large number", b'{"happened": null, "fields": {"scheme": 1e999}}', 422),
    ("an integer beyond 64 bits", b'{"corrects": {"index": 99999999999999999999999}, "fields": {}}', 422),
    ("NUL", b'{"happened": "2025-06-11", "fields": {"scheme": "vps", "requester_name": "a\\u0000b"}}', 422),
    ("a lone surrogate", b'{"fields": {"scheme": "vps", "requester_name": "\\ud800"}}', 422),
    ("a surrogate as a name", b'{"\\udfff": 1}', 422),
    ("control characters", b'{"fields": {"scheme": "v\x01ps"}}', 400),
    ("an unknown member", b'{"fields": {}, "role": "administrator"}', 422),
    ("fields that are none", b'{"fields": "scheme"}', 422),
    ("a case that is none", b'{"case": {"a": 1}, "fields": {"scheme": "vps"}}', 422),
    ("a case with a NUL", b'{"case": "a\\u0000", "fields": {"scheme": "vps"}}', 422),
    ("a day that is none", b'{"happened": "2025-02-30", "fields": {"scheme": "vps"}}', 422),
    ("a day before all", b'{"happened": "0000-01-01", "fields": {"scheme": "vps"}}', 422),
    ("a moment without zone", b'{"happened": "2025-02-03T10:00:00", "fields": {"scheme": "vps"}}', 422),
    ("a moment at the edge", b'{"happened": "0001-01-01T00:00:00+14:00", "fields": {"scheme": "vps"}}', 422),
]


@pytest.mark.parametrize(("what", "body", "status"), MALFORMED, ids=[what for what, _, _ in MALFORMED])
def test_a_malformed_body_is_refused_as_a_problem(house: House, what: str, body: bytes, status: int) -> None:
    before = head(house)
    headers = house.headers("officer") | {
        "Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"
    }  # fmt: skip
    answer = house.client.post(RECEIVED, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert set(answer.json()) >= {"type", "title", "status", "detail"}
    assert head(house) == before


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
)
def test_another_media_type_is_415(house: House, media_type: str) -> None:
    headers = house.headers("officer") | {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": media_type}
    assert house.client.post(RECEIVED, content=b"{}", headers=headers).status_code == 415


def test_an_oversized_body_is_413_by_its_header_and_as_it_comes(house: House) -> None:
    limit = house.settings.max_body
    large = json.dumps({"fields": {"purpose": "x" * limit}}).encode()
    headers = house.headers("officer") | {
        "Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"
    }  # fmt: skip
    stated = house.client.post(RECEIVED, content=large, headers=headers)
    chunked = house.client.post(
        RECEIVED, content=(large[i : i + 9000] for i in range(0, len(large), 9000)), headers=headers
    )
    assert (stated.status_code, chunked.status_code) == (413, 413)
    assert stated.headers["content-type"] == MEDIA_TYPE


def test_no_personal_value_is_in_an_answer_or_a_log(house: House, capfd: Any) -> None:
    case = house.receive(requester_name="Planted Person", purpose="Planted purpose").json()["case"]
    house.receive(requester_name="Planted Person", form="formal", purpose="Planted purpose")
    timeline = house.get("officer", f"/ledgers/dffh/cases/{case}").text
    feed = house.get("officer", "/ledgers/dffh/entries", params={"raw": "true"}).text
    wrong = house.receive(purpose=["Planted purpose"])
    assert wrong.status_code == 422
    out, err = capfd.readouterr()
    for where in (timeline, feed, wrong.text, out, err):
        assert "Planted" not in where


def test_what_fails_unexpectedly_is_a_problem_and_logged_without_content(
    house: House, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("Planted secret")

    monkeypatch.setattr(house.installation, "execute", fails)
    answer = house.receive()
    assert answer.status_code == 500
    assert answer.json()["type"] == TYPE + "internal"
    out, err = capfd.readouterr()
    assert "RuntimeError" in out + err
    assert "Planted" not in answer.text + out + err
