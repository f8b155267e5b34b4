"""Destruction over HTTP: the commands are commands like others, and every answer says destroyed."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from ledger.application import openings
from ledger.application.reconciling import Reconciling
from ledger.application.telling import Telling
from ledger.clock import melbourne_date
from ledger.service import application, reconciling, telling
from ledger.vault.shredding import Reconciled
from tests.api.conftest import House, TestClient
from tests.support import check_ledger
from tests.waiting import until


def act(house: House, who: str, word: str, **fields: Any) -> Any:
    """A fact of the stream ``destruction``, given over HTTP."""
    happened = melbourne_date(house.installation.clock.now()).isoformat()
    path = f"/ledgers/dffh/commands/destruction.{word}"
    return house.post(who, path, {"happened": happened, "fields": fields})


def test_a_case_destroyed_over_http_is_destroyed_in_every_answer(house: House) -> None:
    received = house.receive().json()
    case, index = received["case"], received["receipts"][0]["index"]
    attached = house.client.post(
        f"/ledgers/dffh/cases/{case}/attachments", content=b"a file",
        headers=house.headers("officer") | {
            "Idempotency-Key": str(uuid.uuid4()), "Attachment-Title": "title", "Content-Type": "text/plain",
        },
    ).json()  # fmt: skip
    destruction = str(uuid.uuid4())
    proposed = act(
        house, "privacy_officer", "DestructionProposed", destruction=destruction, scope="case", case=case,
        ground="retention_period_over", disposal_authority="PROS 07/01",
    )  # fmt: skip
    assert proposed.status_code == 201
    # The administrator, who is to approve such things, reads the stream; and no case.
    assert house.get("administrator", "/ledgers/dffh/cases/destruction").status_code == 200
    assert house.get("administrator", f"/ledgers/dffh/cases/{case}").status_code == 403
    assert act(house, "officer", "DestructionAuthorised", destruction=destruction).status_code == 403
    done = act(house, "privacy_officer", "DestructionAuthorised", destruction=destruction)
    assert done.status_code == 201

    under = "retention period over (Public Records Act), PROS 07/01"
    body = {"wanted": [{"index": index}], "reason": "test"}
    opening = house.post("privacy_officer", "/ledgers/dffh/openings", body).json()["openings"][0]["fields"]
    assert {(each["sealed"], each["under"]) for each in opening.values()} == {("destroyed", under)}
    answers = [
        house.get("officer", f"/ledgers/dffh/cases/{case}").json()["entries"][0]["fields"],
        house.get("officer", f"/ledgers/dffh/entries?after={index - 1}&limit=1").json()["entries"][0]["fields"],
        house.get("officer", f"/ledgers/dffh/entries/{index}").json()["fields"],
    ]
    for fields in answers:
        assert (fields["requester_name"]["sealed"], fields["requester_name"]["under"]) == ("destroyed", under)
    file = house.post(
        "privacy_officer", "/ledgers/dffh/openings/file",
        {"index": attached["receipts"][0]["index"], "reason": "test"},
    )  # fmt: skip
    assert file.status_code == 410
    assert "destroyed on 20" in file.json()["detail"]
    assert list((house.settings.data_dir / "attachments").rglob("*/*/*")) == []
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_registers_over_http_say_destroyed(house: House) -> None:
    from ledger.store.database import Role
    from projections.runner import Runner

    case = house.receive().json()["case"]
    destruction = str(uuid.uuid4())
    act(
        house, "privacy_officer", "DestructionProposed", destruction=destruction, scope="case", case=case,
        ground="order", authority="order 3 of 2025",
    )  # fmt: skip
    act(house, "privacy_officer", "DestructionAuthorised", destruction=destruction)
    with Runner(house.installation.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()
    (row,) = house.get("officer", "/registers/requests?ledger=dffh").json()["rows"]
    assert row["requester_name"].startswith("destroyed on 20")
    assert row["requester_name"].endswith(" under order")


def test_registers_timelines_and_entries_over_http_say_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is noted as lost, once the vault has no key for it; of nothing else."""
    from ledger.store.database import Role
    from projections.runner import Runner

    monkeypatch.setattr(openings, "NOTED_AGO", 0.0)
    lost, other = (house.receive().json()["case"] for _ in range(2))
    installation = house.installation

    def said() -> dict[str, str]:
        rows = house.get("officer", "/registers/requests?ledger=dffh").json()["rows"]
        found = {row["stream"]: row["requester_name"] for row in rows}
        whole = house.get("officer", "/ledgers/dffh/entries").json()["entries"]
        for case in (lost, other):
            (shown,) = house.get("officer", f"/ledgers/dffh/cases/{case}").json()["entries"]
            (listed,) = [each for each in whole if each["stream"] == case]
            entry = house.get("officer", f"/ledgers/dffh/entries/{shown['index']}").json()
            value = shown["fields"]["requester_name"]
            assert value == listed["fields"]["requester_name"] == entry["fields"]["requester_name"]
            assert value["sealed"] == found[case]
            assert value.get("why") == ("key missing" if found[case] == "lost" else None)
        return found

    with Runner(installation.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()
    with installation.vault.connect_admin() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vault.keys WHERE stream = %s", (lost,))
        connection.execute("DELETE FROM vault.keys WHERE stream = %s", (lost,))
        # Nobody has noticed yet, and a register is no alarm.
        assert said() == {lost: "withheld", other: "withheld"}
        Reconciling(installation).all(whole=True, every_entry=True)
        assert said() == {lost: "lost", other: "withheld"}
        connection.execute("INSERT INTO vault.keys OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    assert said() == {lost: "withheld", other: "withheld"}


def test_metrics_and_health_tell_of_the_vault(house: House, tmp_path: Path) -> None:
    house.receive()
    vault = Reconciling(house.installation)
    vault.all(whole=True)
    app = application(house.installation, house.settings, vault=vault.state)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/health").json()["vault"] == "ok"
        text = client.get("/metrics", headers=house.headers("officer")).text
        assert 'auditledger_vault_lost_keys{ledger="dffh"} 0.0' in text
        vault.standing["dffh"] = Reconciled(7, 0, 0, 2, 3, "k")
        assert client.get("/health").json()["vault"] == "3 keys lost"
        text = client.get("/metrics", headers=house.headers("officer")).text
        assert 'auditledger_vault_lost_keys{ledger="dffh"} 3.0' in text
        assert 'auditledger_vault_came_back{ledger="dffh"} 2.0' in text
        assert 'auditledger_vault_destroyed_keys{ledger="dffh"} 7.0' in text
        vault.failed = "the disk is gone"
        assert client.get("/health").json()["vault"] == "failed"
        assert "auditledger_vault" not in client.get("/metrics", headers=house.headers("officer")).text


def test_health_says_that_what_looks_after_the_vault_or_tells_has_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a fault of ours: nothing else says it, and what it said last stands no longer."""
    go_on = threading.Event()
    for each in (Reconciling, Telling):
        monkeypatch.setattr(each, "run", lambda *_: go_on.wait(60))
    with (
        reconciling(house.installation, house.settings) as vault,
        telling(house.installation, house.settings) as emergency,
        TestClient(
            application(house.installation, house.settings, vault=vault, emergency=emergency),
            raise_server_exceptions=False,
        ) as client,
    ):

        def said() -> set[str]:
            health = client.get("/health").json()
            return {health["vault"], health["emergency_access"]}

        assert said() == {"ok"}
        go_on.set()
        until(lambda: said() == {"ended; start the service again"})
        assert "auditledger_vault" not in client.get("/metrics", headers=house.headers("officer")).text


@pytest.mark.parametrize("word", ["DestructionCompleted", "DestroyedAgain"])
def test_nobody_gives_a_receipt_but_the_system(house: House, word: str) -> None:
    counts = {"keys": 1, "files": 1}
    fields = {
        "DestructionCompleted": {"destruction": "d-1", "fields": 1, **counts},
        "DestroyedAgain": {"destructions": ["d-1"], "rows": 1, **counts},
    }[word]
    for who in ("administrator", "privacy_officer", "officer", "regulator"):
        assert act(house, who, word, **fields).status_code == 403
