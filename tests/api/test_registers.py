"""Registers and reports over HTTP, as each may read them, on live tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from ledger.service import application
from ledger.store.database import Role
from projections.runner import Runner
from tests.api.conftest import House, TestClient


@pytest.fixture
def live(house: House) -> Iterator[House]:
    """The house with cases in two ledgers, and its registers brought up to them."""
    assert house.receive().status_code == 201
    assert house.receive("other_officer", "djcs").status_code == 201
    with Runner(house.installation.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()
        yield house


def test_each_reads_the_rows_of_their_ledgers_and_no_sealed_value(live: House) -> None:
    expected = {
        "officer": {"dffh"},
        "other_officer": {"djcs"},
        "regulator": {"dffh", "djcs"},
        "auditor": {"dffh"},
    }
    for who, slugs in expected.items():
        answer = live.get(who, "/registers/requests")
        assert answer.status_code == 200, answer.text
        rows = answer.json()["rows"]
        providers = {live.organisations[slug] for slug in slugs}
        assert {row["provider"] for row in rows} == providers, who
        assert {row["requester_name"] for row in rows} == {"withheld"}
        assert "Planted" not in answer.text


def test_a_ledger_that_one_may_not_read_is_refused_by_name(live: House) -> None:
    assert live.get("officer", "/registers/requests", params={"ledger": "djcs"}).status_code == 403
    assert live.get("officer", "/registers/nothing").status_code == 404
    assert live.get("officer", "/registers/requests", params={"none": "x"}).status_code == 422


def test_a_register_is_given_as_csv(live: House) -> None:
    answer = live.get("officer", "/registers/requests", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == 2


def test_health_says_how_far_the_registers_are(live: House) -> None:
    well = {"behind": 0, "parked": 0, "paused": 0, "to_rebuild": []}
    assert live.client.get("/health").json()["projections"] == well
    live.receive()
    assert live.client.get("/health").json()["projections"]["behind"] == 1


def gauges(house: House, who: str) -> dict[str, float]:
    """What Prometheus reads, of the projections."""
    lines = house.get(who, "/metrics").text.splitlines()
    found = (line.rsplit(" ", 1) for line in lines if line.startswith("auditledger_"))
    return {name: float(value) for name, value in found if "_http_" not in name}


def test_metrics_tell_lag_and_parked_cases_of_each_ledger(live: House, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ledger_entries", "projection_lag_entries", "projection_parked_cases", "projection_paused")
    size = live.get("officer", "/ledgers/dffh").json()["size"]

    def of(slug: str, found: dict[str, float]) -> list[float]:
        return [found[f'auditledger_{name}{{ledger="{slug}"}}'] for name in names]

    found = gauges(live, "officer")
    assert found["auditledger_projections_up"] == 1
    assert of("dffh", found) == [size, 0, 0, 0]
    live.receive()
    with live.installation.database.connect_admin() as connection:
        connection.execute(
            "INSERT INTO registers.parked (ledger, stream, index, joined, reason) "
            "SELECT id, 'a case', 1, 0, 'no sense' FROM ledger.ledgers WHERE slug = 'dffh'"
        )
        connection.execute(
            "UPDATE registers.positions SET paused = 'unknown schema' WHERE ledger IN (SELECT id "
            "FROM ledger.ledgers WHERE slug = 'dffh')"
        )
    found = gauges(live, "officer")
    assert of("dffh", found) == [size + 1, 1, 1, 1]
    # Of a ledger that one may not read anything of, not even its name.
    assert not any('ledger="djcs"' in name for name in found)
    assert of("djcs", gauges(live, "other_officer"))[1:] == [0, 0, 0]


def test_metrics_say_that_the_registers_are_not_kept_up(house: House) -> None:
    app = application(house.installation, house.settings, running=lambda: False)
    with TestClient(app) as client:
        text = client.get("/metrics", headers=house.headers("officer")).text
    assert "auditledger_projections_up 0.0" in text
    assert "auditledger_projection_lag_entries" not in text
    assert "auditledger_http_requests_total" in text


def test_a_hand_over_wants_a_key_and_is_never_recorded_twice(live: House) -> None:
    body = {"report": "data-sharing-annual", "period": "2024-25", "to": "minister: a test", "status": "final"}
    path = "/ledgers/dffh/reports"
    without = live.client.post(path, json=body, headers=live.headers("reporter"))
    assert without.status_code == 428
    key = {"Idempotency-Key": str(uuid.uuid4())}
    made = live.post("reporter", path, body, headers=key)
    assert made.status_code == 201, made.text
    again = live.post("reporter", path, body, headers=key)
    assert (again.status_code, again.json()) == (200, made.json() | {"repeated": True})
    assert live.post("reporter", path, body | {"status": "provisional"}, headers=key).status_code == 409
    found = live.get("officer", f"/ledgers/dffh/receipts/{key['Idempotency-Key']}").json()
    assert (found["case"], found["receipts"]) == (made.json()["case"], made.json()["receipts"])
    for wrong, named in (
        ({**body, "who": "x"}, "who: expected one of report, to,"),
        ({"to": "minister: x"}, "report: expected a value"),
        ({**body, "status": "last"}, "status: expected 'provisional', 'final' or 'revised'"),
    ):
        answer = live.post("reporter", path, wrong)
        assert (answer.status_code, answer.json()["detail"].startswith(named)) == (422, True), answer.text
    for who in ("officer", "administrator", "auditor", "other_officer"):
        assert live.post(who, path, body).status_code == 403, who
        assert live.post(who, path, body, headers=key).status_code == 403, who
