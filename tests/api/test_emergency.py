"""Emergency access over HTTP: taken, used on a timeline and on sealed fields, listed, told of."""

from __future__ import annotations

from typing import Any

from ledger.application.telling import Telling
from ledger.clock import melbourne_date
from ledger.service import application
from tests.api.conftest import House, TestClient
from tests.support import check_ledger

COMMANDS = "/ledgers/dffh/commands/vault."


def give(house: House, who: str, event: str, **fields: Any) -> Any:
    """Records a fact about emergency access, today."""
    today = melbourne_date(house.installation.clock.now()).isoformat()
    return house.post(who, f"{COMMANDS}{event}", {"happened": today, "fields": fields})


def wanted(index: int) -> dict[str, Any]:
    """An opening of one entry."""
    return {"wanted": [{"index": index}], "reason": "to find him"}


def test_emergency_access_through_the_front_door(house: House) -> None:
    answer = house.receive().json()
    case, index = answer["case"], answer["receipts"][0]["index"]
    path = "/ledgers/dffh/openings"
    for who in ("administrator", "reporter"):
        assert house.get(who, f"/ledgers/dffh/cases/{case}").status_code == 403
        assert house.post(who, path, wanted(index)).status_code == 403
    refused = give(house, "administrator", "EmergencyAccessTaken", reason="flood", cases=[case], minutes=90)
    assert refused.status_code == 422
    assert refused.json()["citation"] == "ledger rule: emergency access (PDPA Sch 1 IPP 4.1)"
    assert "1 to 60 minutes, not 90" in refused.json()["detail"]
    assert (
        give(house, "other_administrator", "EmergencyAccessTaken", reason="r", cases=[case]).status_code == 403
    )
    taken = give(house, "administrator", "EmergencyAccessTaken", reason="flood", cases=[case], minutes=30)
    assert taken.status_code == 201
    entry = taken.json()["receipts"][0]["index"]
    timeline = house.get("administrator", f"/ledgers/dffh/cases/{case}")
    assert timeline.status_code == 200
    assert "Quentin" not in timeline.text
    other = house.receive().json()
    assert house.get("administrator", f"/ledgers/dffh/cases/{other['case']}").status_code == 403
    (found,) = house.post("administrator", path, wanted(index)).json()["openings"]
    assert found["fields"]["requester_name"]["value"] == "Quentin Planted"
    assert house.post("reporter", path, wanted(index)).status_code == 403
    # The entry of an opening is made by opening alone: nobody makes it look as if more had been opened.
    said = {"opened": [{"entry": index, "paths": ["requester_name"]}], "reason": "r"}
    for who, more in (("administrator", {"emergency_access": entry}), ("officer", {})):
        by_hand = give(house, who, "SealedFieldsOpened", **said, **more)
        assert by_hand.status_code == 403
        assert "never by hand: open them by POST /ledgers/{slug}/openings" in by_hand.json()["detail"]
    denied = house.post("administrator", path, wanted(other["receipts"][0]["index"]))
    assert denied.status_code == 403
    assert f"entry {entry} is not for case" in denied.json()["detail"]
    listed = house.get("administrator", "/ledgers/dffh/emergency-access").json()["emergency_access"]
    assert [each["entry"] for each in listed] == [entry]
    assert house.get("reporter", "/ledgers/dffh/emergency-access").json()["emergency_access"] == []
    assert house.get("other_officer", "/ledgers/dffh/emergency-access").status_code == 403
    (seen,) = house.get("privacy_officer", "/ledgers/dffh/emergency-access").json()["emergency_access"]
    assert seen["told"]["person"] == house.people["privacy_officer"].person
    assert give(house, "privacy_officer", "EmergencyAccessEnded", access=entry).status_code == 201
    over = house.post("administrator", path, wanted(index))
    assert over.status_code == 403
    assert f"the emergency access of entry {entry} ended at " in over.json()["detail"]
    assert house.get("administrator", f"/ledgers/dffh/cases/{case}").status_code == 403
    words = {"justified": True, "words": "the office was closed"}
    assert give(house, "administrator", "EmergencyAccessReviewed", access=entry, **words).status_code == 403
    assert give(house, "privacy_officer", "EmergencyAccessReviewed", access=entry, **words).status_code == 201
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_health_and_metrics_say_that_nobody_was_told(house: House) -> None:
    case = house.receive().json()["case"]
    give(house, "administrator", "EmergencyAccessTaken", reason="flood", cases=[case])
    told = Telling(house.installation, None, lambda *_, **__: None)
    told.look()
    app = application(house.installation, house.settings, emergency=told.state)
    with TestClient(app, raise_server_exceptions=False) as client:

        def metrics(who: str) -> str:
            return client.get("/metrics", headers=house.headers(who)).text

        assert client.get("/health").json()["emergency_access"] == "no privacy officer told of 1"
        assert 'auditledger_emergency_untold{ledger="dffh"} 1.0' in metrics("officer")
        assert 'auditledger_emergency_in_force{ledger="dffh"} 1.0' in metrics("officer")
        assert 'auditledger_emergency_untold{ledger="dffh"}' not in metrics("other_officer")
        house.get("privacy_officer", "/ledgers/dffh/emergency-access")
        told.look()
        assert client.get("/health").json()["emergency_access"] == "ok"
        assert 'auditledger_emergency_untold{ledger="dffh"} 0.0' in metrics("officer")
        assert 'auditledger_emergency_unreviewed{ledger="dffh"} 1.0' in metrics("officer")
        assert 'auditledger_emergency_overdue{ledger="dffh"} 0.0' in metrics("officer")
        told.failed = "the database is gone"
        assert client.get("/health").json()["emergency_access"] == "failed"
        assert "auditledger_emergency" not in metrics("officer")
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))
