"""A service that publishes into an object store, and what it does while that is away."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from ledger.store.sealing import standing_of
from tests.faults.service import Service
from tests.faults.site import HAPPENED, RECEIVED, Site
from tests.store.s3 import Store, given
from tests.waiting import until


def size_of(site: Site) -> tuple[int, int]:
    """How many entries the ledger has, and how many are signed."""
    with site.database.connect_admin() as connection:
        found = standing_of(connection, site.ledger("dffh"))
    return found.size, -1 if found.signed is None else found.signed.size


def test_recorded_sealed_served_and_verified_from_the_store_alone_and_a_store_that_is_away_for_a_while(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    given(monkeypatch, store)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    bucket = store.bucket()
    settings = {"AUDITLEDGER_TILES_URL": bucket.url, "AUDITLEDGER_SEAL_INTERVAL": "0.05"}
    folder = bucket.folder / "dffh"
    with Service(site.data_dir, database_url=site.database.admin, settings=settings) as service:
        cases = [site.receive(service) for _ in range(3)]
        until(lambda: size_of(site)[0] == size_of(site)[1] == len(cases) + 4)
        assert not (site.data_dir / "tiles").exists()

        def get(path: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {site.token('dffh')}"}
            return httpx.get(f"{service.url}/ledgers/dffh/{path}", headers=headers, timeout=60)

        until(lambda: get("checkpoint").content == (folder / "checkpoint").read_bytes())
        assert get("tile/0/000.p/7").content == (folder / "tile/0/000.p/7").read_bytes()
        assert get("tile/0/001").status_code == 404
        assert get("entries/5/proof").status_code == 200
        proof = service.run("prove", "5", "--ledger", "dffh", "--to", str(tmp_path / "proof"))
        assert proof.returncode == 0, proof.stderr

        store.kill()
        site.receive(service)
        assert service.wait_health(lambda _, content: content["sealing"] == "waits for 1")
        gone = get("checkpoint")
        assert gone.status_code == 503
        assert bucket.url not in gone.text
        assert "cannot be read now" in gone.json()["detail"]
        headers = site.headers("dffh")
        asked = {"case": None, "happened": HAPPENED, "fields": site.request("dffh")}
        signed = f"{service.url}/ledgers/dffh/commands/{RECEIVED}?receipt=signed"
        unsigned = httpx.post(signed, json=asked, headers=headers, timeout=60)
        assert unsigned.status_code == 503
        assert unsigned.json()["detail"] == (
            "recorded, and its receipt not signed: what is published of dffh cannot be read now; "
            "repeat with the same command id"
        )
        doctor = service.run("doctor", "--json")
        assert doctor.returncode == 6
        checks = {each["check"]: each for each in json.loads(doctor.stdout)["checks"]}
        assert f"{bucket.url}/dffh/checkpoint: cannot be read: " in checks["sealing"]["detail"]
        assert "sealing waits for 1" in checks["service"]["detail"]
        # Started while the store is away it records all the same.
        service.kill()
        service.start()
        site.receive(service)
        assert size_of(site) == (10, 7)

        store.start()
        until(lambda: size_of(site) == (10, 10))
        assert service.wait_health(lambda _, content: content["sealing"] == "ok")
        until(lambda: get("checkpoint").content.startswith(b"example.vic.gov.au/dffh\n10\n"))
        repeated = httpx.post(signed, json=asked, headers=headers, timeout=60)
        assert repeated.status_code == 200
        assert len(repeated.json()["signed_receipts"]) == 1
        (key,) = [
            each["key"]
            for each in json.loads(service.run("keys", "list", "--json").stdout)["keys"]
            if each["ledger"] == "dffh"
        ]
        assert site.check()["dffh"] == 10
        assert not service.failures()
    stranger = Service(tmp_path / "stranger", database_url="postgresql://nobody@127.0.0.1:1/none")
    found = stranger.run("verify", "--tiles", f"{bucket.url}/dffh", "--key", key, "--deep", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["ledgers"][0]["size"] == 10
    refused = stranger.run("verify", "--tiles", f"{bucket.url}/djcs", "--key", key)
    assert (refused.returncode, refused.stderr.count("\n")) == (9, 1), refused.stderr
    store.kill()
