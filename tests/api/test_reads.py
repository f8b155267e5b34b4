"""Timelines, entries, openings, attachments, commands, schemas, OpenAPI, metrics."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from ledger.api.problem import problem
from ledger.clock import SimulatedClock, melbourne_date
from ledger.codec.entry import decode_entry
from ledger.domain.case import command_table
from ledger.errors import CodecError, UnknownSchema
from ledger.tlog.chain import leaf_hash
from tests.api.conftest import House
from tests.api.test_commands import check

ACKNOWLEDGED = "/ledgers/dffh/commands/request.RequestAcknowledged"


def test_a_timeline_shows_every_entry_and_withholds_sealed_values(house: House) -> None:
    case = house.receive().json()["case"]
    body = {"case": case, "happened": "2025-06-12", "fields": {"words": "Planted words"}}
    assert house.post("officer", ACKNOWLEDGED, body).status_code == 201
    shown = house.get("officer", f"/ledgers/dffh/cases/{case}").json()
    first, second = shown["entries"]
    assert (shown["version"], first["version"], second["version"]) == (2, 1, 2)
    assert first["event"] == "ledger.request.v1.RequestReceived"
    assert (first["happened"], first["precision"]) == ("2025-06-11", "day")
    name = first["fields"]["requester_name"]
    assert (name["sealed"], name["path"]) == ("withheld", "requester_name")
    assert re.fullmatch("[0-9a-f]{64}", name["commitment"])
    assert second["fields"]["words"]["sealed"] == "withheld"
    assert house.get("officer", f"/ledgers/dffh/cases/{uuid.uuid4()}").status_code == 404
    assert house.get("officer", "/ledgers/dffh/cases/a%00b").status_code == 422


def test_a_timeline_counts_the_days_between_dates_and_between_steps(house: House) -> None:
    """Every register shows the days between happening and recording (1-law, head); a timeline its steps."""
    case = house.receive().json()["case"]
    for happened in ("2025-06-12", None):
        body = {"case": case, "happened": happened, "fields": {"words": "w"}}
        assert house.post("officer", ACKNOWLEDGED, body).status_code == 201
    first, second, undated = house.get("officer", f"/ledgers/dffh/cases/{case}").json()["entries"]
    recorded = melbourne_date(datetime.fromisoformat(first["recorded_at"]))
    assert first["days_between"] == (recorded - date(2025, 6, 11)).days
    assert second["days_between"] == first["days_between"] - 1
    assert first["days_after_entry_before"] == {"happened": None, "recorded": None}
    assert second["days_after_entry_before"] == {"happened": 1, "recorded": 0}
    assert undated["days_between"] is None
    assert undated["days_after_entry_before"] == {"happened": None, "recorded": 0}


def test_a_corrections_reason_is_withheld_and_can_be_opened(house: House) -> None:
    made = house.receive().json()
    corrects = {"index": made["receipts"][0]["index"], "kind": "typing", "reason": "Planted reason"}
    fields = {"scheme": "vps", "form": "informal", "provider": house.organisations["dffh"]}
    answer = house.post(
        "officer",
        "/ledgers/dffh/commands/request.RequestReceived",
        {"case": made["case"], "happened": "2025-06-10", "fields": fields, "corrects": corrects},
    )
    assert answer.status_code == 201, answer.text
    index = answer.json()["receipts"][0]["index"]
    shown = house.get("officer", f"/ledgers/dffh/entries/{index}").json()
    assert shown["corrects"]["index"] == corrects["index"]
    assert shown["corrects"]["reason"]["sealed"] == "withheld"
    path = shown["corrects"]["reason"]["path"]
    wanted = {"wanted": [{"index": index, "paths": [path]}], "reason": "a test"}
    (opened,) = house.post("officer", "/ledgers/dffh/openings", wanted).json()["openings"]
    assert opened["fields"][path]["value"] == "Planted reason"
    check(house)


def test_entries_are_paged_filtered_and_given_as_bytes(house: House) -> None:
    for _ in range(3):
        house.receive()
    seen: list[int] = []
    after = -1
    while page := house.get("officer", "/ledgers/dffh/entries", params={"after": after, "limit": 2}).json()[
        "entries"
    ]:
        seen += [entry["index"] for entry in page]
        after = page[-1]["index"]
    assert seen == list(range(len(seen)))
    only = {"event": "ledger.request.v1.RequestReceived", "raw": True}
    found = house.get("officer", "/ledgers/dffh/entries", params=only).json()
    assert found["size"] == len(seen)
    assert len(found["entries"]) == 3
    for entry in found["entries"]:
        raw = base64.b64decode(entry["bytes"])
        assert leaf_hash(raw).hex() == entry["leaf_hash"]
        octets = house.get(
            "officer", f"/ledgers/dffh/entries/{entry['index']}", headers={"Accept": "application/octet-stream"}
        )
        assert octets.content == raw
        assert decode_entry(octets.content).index == entry["index"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ledgers/dffh/entries?limit=0", 422),
        ("/ledgers/dffh/entries?limit=1000000", 422),
        ("/ledgers/dffh/entries?after=x", 422),
        ("/ledgers/dffh/entries?after=99999999999999999999", 422),
        ("/ledgers/dffh/entries?event=nothing", 422),
        ("/ledgers/dffh/entries/999999", 404),
        ("/ledgers/dffh/entries/-1", 422),
        ("/ledgers/dffh/entries/99999999999999999999", 422),
        ("/ledgers/dffh/entries/x", 422),
        ("/ledgers/nothing", 404),
        ("/ledgers/d%00/entries", 404),
        ("/commands/nothing", 404),
        ("/schemas/xyz", 404),
    ],
)
def test_a_wrong_parameter_is_a_problem(house: House, path: str, status: int) -> None:
    answer = house.get("officer", path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_opening_is_an_entry_and_gives_value_and_salt(house: House) -> None:
    made = house.receive().json()
    index = made["receipts"][0]["index"]
    wanted = {"wanted": [{"index": index, "paths": ["requester_name"]}], "reason": "to answer"}
    answer = house.post("officer", "/ledgers/dffh/openings", wanted)
    assert answer.status_code == 200, answer.text
    (opened,) = answer.json()["openings"]
    field = opened["fields"]["requester_name"]
    assert (field["sealed"], field["value"]) == ("opened", "Quentin Planted")
    assert re.fullmatch("[0-9a-f]{64}", field["salt"])
    recorded = house.get("officer", "/ledgers/dffh/cases/openings").json()["entries"][-1]
    assert recorded["fields"]["opened"] == [{"entry": index, "paths": ["requester_name"]}]
    check(house)


def test_who_opens_sealed_fields(house: House) -> None:
    index = house.receive().json()["receipts"][0]["index"]
    wanted = {"wanted": [{"index": index}], "reason": "a test"}
    expected = {
        "officer": 200, "privacy_officer": 200, "auditor": 200,
        "administrator": 403, "reporter": 403, "regulator": 403, "other_officer": 403, "nobody": 403,
    }  # fmt: skip
    for who, status in expected.items():
        answer = house.post(who, "/ledgers/dffh/openings", wanted)
        assert answer.status_code == status, (who, answer.text)
    check(house)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "wanted: expected a list of one or more objects with index and paths, got None"),
        ({"wanted": [], "reason": "x"}, "one or more objects with index and paths, got 'an empty list'"),
        ({"wanted": [{"index": "1"}], "reason": "x"}, "wanted.0: expected an object with index"),
        ({"wanted": [{"index": True}], "reason": "x"}, "wanted.0: expected an object with index"),
        ({"wanted": [{"index": 0, "paths": [1]}], "reason": "x"}, "wanted.0.paths: expected a list of text"),
        ({"wanted": [{"index": 0, "paths": ["none"]}], "reason": "x"}, "path: expected one of"),
        ({"wanted": [{"index": 0}], "reason": ""}, "not blank: why these fields are opened, got 'blank text'"),
        ({"wanted": [{"index": 0}], "reason": " "}, "reason: expected text that is not blank"),
        ({"wanted": [{"index": 0}], "reason": 7}, "reason: expected text that is not blank"),
        ({"wanted": [{"index": 0}]}, "why these fields are opened, got None"),
        ({"wanted": [{"index": 0}], "reason": "x", "other": 1}, "other: expected one of wanted, reason"),
    ],
)  # fmt: skip
def test_a_malformed_opening_is_refused(house: House, body: object, said: str) -> None:
    answer = house.post("officer", "/ledgers/dffh/openings", body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_file_is_opened_for_a_reason_that_is_stated(house: House) -> None:
    answer = house.post("officer", "/ledgers/dffh/openings/file", {"index": 0, "reason": ""})
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "reason: expected text that is not blank: why the file is opened, got 'blank text'"
    )


def test_a_file_goes_up_and_comes_down_as_it_was(house: House) -> None:
    case = house.receive().json()["case"]
    content = bytes(range(256)) * 12_000
    key = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/pdf"}
    path = f"/ledgers/dffh/cases/{case}/attachments"

    def send(body: bytes | Iterator[bytes], headers: dict[str, str]) -> int:
        headers = house.headers("officer") | {"Attachment-Title": "Planted%20title%20%E2%80%93"} | headers
        answer = house.client.post(path, content=body, headers=headers)
        indexes.append(answer.json()["receipts"][0]["index"])
        return answer.status_code

    indexes: list[int] = []
    assert send(content, key) == 201
    assert send(content, key) == 200
    pieces = (content[i : i + 70_001] for i in range(0, len(content), 70_001))
    assert send(pieces, key | {"Idempotency-Key": str(uuid.uuid4())}) == 201
    assert indexes[0] == indexes[1] != indexes[2]
    for index in indexes[1:]:
        down = house.post("officer", "/ledgers/dffh/openings/file", {"index": index, "reason": "a test"})
        assert down.status_code == 200
        assert down.content == content
        assert down.headers["content-type"] == "application/pdf"
    assert (
        house.post("regulator", "/ledgers/dffh/openings/file", {"index": index, "reason": "x"}).status_code
        == 403
    )
    check(house)


def test_a_file_larger_than_allowed_is_413_and_leaves_nothing(house: House) -> None:
    case = house.receive().json()["case"]
    object.__setattr__(house.settings, "max_attachment", 100_000)
    headers = house.headers("officer") | {"Idempotency-Key": str(uuid.uuid4()), "Attachment-Title": "x"}
    pieces = (b"x" * 50_000 for _ in range(5))
    answer = house.client.post(f"/ledgers/dffh/cases/{case}/attachments", content=pieces, headers=headers)
    assert answer.status_code == 413
    left = [path for path in (house.settings.data_dir / "attachments").rglob("*") if path.is_file()]
    assert left == []


def test_a_file_needs_a_title(house: House) -> None:
    case = house.receive().json()["case"]
    headers = house.headers("officer") | {"Idempotency-Key": str(uuid.uuid4())}
    for title in ({}, {"Attachment-Title": "%20"}, {"Attachment-Title": "%ff"}):
        path = f"/ledgers/dffh/cases/{case}/attachments"
        assert house.client.post(path, content=b"x", headers=headers | title).status_code == 400


def test_every_command_is_listed_described_and_in_openapi(house: House) -> None:
    listed = house.get("officer", "/commands").json()["commands"]
    assert [each["command"] for each in listed] == list(command_table())
    whole = house.get("officer", "/commands/request.RequestReceived").json()
    assert whole["fields"]["properties"]["requester_name"]["anyOf"][0]["x-sealed"] is True
    assert whole["template"]["scheme"].startswith("<one of")
    described = house.get("officer", "/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for name in command_table():
        operation = described["paths"][f"/ledgers/{{slug}}/commands/{name}"]["post"]
        assert operation["operationId"] == name
        assert described["components"]["schemas"][name]["type"] == "object"
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert bool(operation["security"]) == (path != "/health")


def test_openapi_names_nothing_that_it_does_not_define(house: House) -> None:
    described = house.get("officer", "/openapi.json")
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', described.text))
    assert names <= set(described.json()["components"]["schemas"])


def test_a_schema_is_found_by_the_fingerprint_in_the_bytes(house: House) -> None:
    index = house.receive().json()["receipts"][0]["index"]
    raw = house.get("officer", f"/ledgers/dffh/entries/{index}", headers={"Accept": "application/octet-stream"})
    payload = decode_entry(raw.content).payload
    for data, name in ((raw.content, "ledger.v1.Entry"), (payload, "ledger.request.v1.RequestReceived")):
        found = house.get("officer", f"/schemas/{data[2:10].hex()}")
        assert found.json()["name"] == name


def test_metrics_count_by_route_and_name_no_case(house: House) -> None:
    case = house.receive().json()["case"]
    house.get("officer", f"/ledgers/dffh/cases/{case}")
    text = house.get("officer", "/metrics").text
    assert 'route="/ledgers/{slug}/commands/{command}",status="201"' in text
    assert case not in text


def test_me_says_who_one_is_and_holds_what(house: House) -> None:
    found = house.get("auditor", "/me").json()
    assert found["person"] == house.people["auditor"].person
    assert found["roles"]["dffh"] == ["auditor"]
    assert "djcs" not in found["roles"]


@pytest.mark.parametrize(("error", "status"), [(UnknownSchema("newer"), 503), (CodecError("broken"), 500)])
def test_an_entry_newer_than_this_service_is_unavailable_and_a_broken_one_a_fault(
    error: CodecError, status: int
) -> None:
    answer = problem(error)
    assert answer.media_type == "application/problem+json"
    assert (answer.status_code, json.loads(bytes(answer.body))["status"]) == (status, status)


def test_an_opening_that_is_repeated_shows_the_same_and_adds_no_entry(house: House) -> None:
    index = house.receive().json()["receipts"][0]["index"]
    path = "/ledgers/dffh/openings"
    wanted = {"wanted": [{"index": index, "paths": ["requester_name"]}], "reason": "to answer"}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = house.post("officer", path, wanted, headers=key)
    (receipt,) = first.json()["receipts"]
    size = house.get("officer", "/ledgers/dffh").json()["size"]
    assert receipt["index"] == size - 1
    assert house.post("officer", path, wanted, headers=key).json() == first.json()
    assert house.get("officer", f"/ledgers/dffh/receipts/{key['Idempotency-Key']}").json()["receipts"] == [
        receipt
    ]
    for who, body in (("officer", wanted | {"reason": "another"}), ("privacy_officer", wanted)):
        # Not even the same: what another one reads is recorded as theirs.
        refused = house.post(who, path, body, headers=key)
        assert (refused.status_code, refused.json()["title"]) == (409, "Command id reused")
    assert house.post("auditor", path, wanted, headers=key).status_code == 409
    for headers, status in (({}, 428), ({"Idempotency-Key": "seven"}, 400)):
        headers |= house.headers("officer")
        for route in (path, f"{path}/file"):
            assert house.client.post(route, json=wanted, headers=headers).status_code == status
    assert house.get("officer", "/ledgers/dffh").json()["size"] == size
    check(house)


def test_an_opening_counts_for_the_day_on_which_it_was_recorded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = house.receive().json()["receipts"][0]["index"]
    wanted = {"wanted": [{"index": index}], "reason": "to answer"}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert house.post("officer", "/ledgers/dffh/openings", wanted, headers=key).status_code == 200
    tomorrow = house.installation.clock.now() + timedelta(days=1)
    monkeypatch.setattr(house.installation, "clock", SimulatedClock(tomorrow))
    assert house.post("officer", "/ledgers/dffh/openings", wanted, headers=key).status_code == 409


def test_a_file_that_is_opened_again_under_one_key_adds_no_entry(house: House) -> None:
    case = house.receive().json()["case"]
    headers = house.headers("officer") | {"Idempotency-Key": str(uuid.uuid4()), "Attachment-Title": "x"}
    kept = house.client.post(f"/ledgers/dffh/cases/{case}/attachments", content=b"whole", headers=headers)
    body = {"index": kept.json()["receipts"][0]["index"], "reason": "a test"}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answers = [house.post("officer", "/ledgers/dffh/openings/file", body, headers=key) for _ in range(2)]
    assert [each.content for each in answers] == [b"whole", b"whole"]
    (receipt,) = house.get("officer", answers[1].headers["location"]).json()["receipts"]
    assert receipt["index"] == house.get("officer", "/ledgers/dffh").json()["size"] - 1
    other = body | {"reason": "another"}
    assert house.post("officer", "/ledgers/dffh/openings/file", other, headers=key).status_code == 409
    check(house)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/ledgers/dffh/entries?limt=5", "limt: expected one of after, limit, event, raw"),
        ("/ledgers/dffh/entries?after=1&after=2", "after: expected one value"),
        ("/ledgers?x", "x: expected one of none"),
        ("/reports/data-sharing-annual?asat=2025-01-01", "asat: expected one of period, format, as_at"),
        ("/registers/requests?as_at=1&as_at=2", "as_at: expected one value"),
        ("/registers/requests?scheme=vps&scheme=nsw", "scheme: expected one value"),
        ("/ledgers/dffh/entries?limit=0", "limit: expected greater than or equal to 1, got '0'"),
        ("/registers/requests/diff", "as_at: expected a value, got None"),
        ("/reports/data-sharing-annual?period=0001-01-01..0001-01-02", "period: expected days from 1900-01-01"),
        ("/reports/data-sharing-annual?period=", "period: expected a financial year"),
    ],
)
def test_a_parameter_that_is_misspelt_doubled_or_wrong_is_named(house: House, path: str, named: str) -> None:
    answer = house.get("officer", path)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith(named)


def test_several_events_are_no_doubled_parameter(house: House) -> None:
    names = [f"ledger.{name}" for name in ("role.v1.RoleGranted", "ledger.v1.LedgerCreated")]
    found = house.get("officer", "/ledgers/dffh/entries", params={"event": names}).json()
    assert {entry["event"] for entry in found["entries"]} == set(names)


def test_head_is_get_without_its_content(house: House) -> None:
    house.receive()
    for path in ("/health", "/me", "/ledgers/dffh/entries", "/openapi.json"):
        got = house.get("officer", path)
        head = house.client.head(path, headers=house.headers("officer"))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    assert house.client.head("/me").status_code == 401
    assert house.client.head("/ledgers/dffh/entries/99", headers=house.headers("officer")).status_code == 404


def test_a_method_that_a_route_has_not_is_told_which_it_has(house: House) -> None:
    command = "/ledgers/dffh/commands/request.RequestReceived"
    for method, path, allowed in (
        ("DELETE", "/me", {"GET"}),
        ("OPTIONS", "/ledgers/dffh/entries", {"GET"}),
        ("GET", command, {"POST"}),
        ("HEAD", command, {"POST"}),
    ):
        answer = house.client.request(method, path, headers=house.headers("officer"))
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == allowed


def test_a_case_that_holds_a_nul_is_refused_for_a_file_too(house: House) -> None:
    headers = house.headers("officer") | {"Idempotency-Key": str(uuid.uuid4()), "Attachment-Title": "x"}
    answer = house.client.post("/ledgers/dffh/cases/%00/attachments", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "case")


def test_every_answer_is_for_who_asked_now_and_is_what_it_says_it_is(house: House) -> None:
    """Once each: what a route adds to the edge's own headers is not said twice."""
    for path in ("/health", "/ledgers", "/reports/data-sharing-annual?period=2024-25", "/nowhere"):
        headers = house.get("reporter", path).headers
        assert headers.get_list("cache-control") == ["no-store"], path
        assert headers.get_list("x-content-type-options") == ["nosniff"], path
