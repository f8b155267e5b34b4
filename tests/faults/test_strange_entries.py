"""Entries that should not be: newer than this version, malformed, and what a superuser did to them."""

from __future__ import annotations

import json
import uuid
from datetime import date
from pathlib import Path

import httpx
import psycopg
import pytest

from ledger.codec.entry import Precision
from ledger.codec.registry import registry
from ledger.store.database import Role
from ledger.store.submission import Draft, draft
from ledger.store.writer import Writer
from projections.runner import lag
from tests.faults.service import Service
from tests.faults.site import Load, Site
from tests.support import ACTOR, SOURCE

RECEIVED = "ledger.request.v1.RequestReceived"
KNOWN = next(each for each in registry().by_fingerprint.values() if each.name == RECEIVED).fingerprint
UNKNOWN = bytes.fromhex("00112233445566ff")


def _entry(stream: str, fingerprint: bytes, event: str) -> Draft:
    return draft(
        stream=stream,
        version=1,
        event=event,
        happened_on=date(2025, 6, 11),
        precision=Precision.DAY,
        actor=ACTOR,
        source=SOURCE,
        command=str(uuid.uuid4()),
        part=0,
        payload=b"\xc3\x01" + fingerprint + b"\xff\xff nothing that a schema says",
    )


def _put(site: Site, fingerprint: bytes, event: str) -> str:
    """As another version of this program would write it; gives the stream."""
    stream = str(uuid.uuid4())
    with Writer(site.database) as writer:
        writer.submit(site.ledger("dffh").id, [_entry(stream, fingerprint, event)]).result(30)
    return stream


def test_an_event_newer_than_the_service_pauses_the_registers_of_its_ledger_alone(
    site: Site, service: Service
) -> None:
    before = site.sizes()
    _put(site, UNKNOWN, "ledger.request.v9.RequestForeseen")
    content = service.wait_health(lambda _, said: said["projections"]["paused"] == 1)
    assert content["database"] == "ok"
    load = Load(site, [service], clients=2)
    with load.running():
        load.wait_for(20)
    # It was written behind the entry that nobody here can read: commands go on, the registers wait there.
    state = service.wait_health(lambda _, said: said["projections"]["behind"] > 1)
    assert state["projections"]["parked"] == 0
    service.stop()
    service.start()
    service.wait_health(lambda _, said: said["projections"]["paused"] == 1)
    sizes = site.check_ledgers()
    assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged) + 1
    found = lag(site.database.conninfo(Role.PROJECTOR))
    assert set(found["paused"]) == {"dffh"}
    assert "upgrade this reader" in found["paused"]["dffh"]
    assert found["behind"]["dffh"] == sizes["dffh"] - before["dffh"]
    assert found["behind"]["djcs"] == found["behind"]["common"] == 0
    assert not service.failures()


def test_a_poison_entry_parks_its_case_and_nothing_else(site: Site, service: Service) -> None:
    before = site.sizes()
    stream = _put(site, KNOWN, RECEIVED)
    service.wait_health(lambda _, said: said["projections"]["parked"] == 1)
    load = Load(site, [service], clients=2)
    with load.running():
        load.wait_for(20)
    shown = httpx.get(
        f"{service.url}/ledgers/dffh/cases/{stream}", headers=site.headers("dffh"), timeout=30
    ).json()
    assert "undecoded" in shown["entries"][0]
    refused = site.post(service, "request.RequestAcknowledged", {}, case=stream)
    assert refused.status_code >= 400
    sizes = site.check(load.acknowledged, parked=1)
    assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged) + 1
    (parked,) = lag(site.database.conninfo(Role.PROJECTOR))["parked"]
    assert (parked["ledger"], parked["case"], parked["index"]) == ("dffh", stream, before["dffh"])
    assert not service.failures()


def test_what_the_registers_log_is_no_part_of_a_command_s_output(site: Site) -> None:
    """Without a service the command brings them up itself, and meets the poison there."""
    stream = _put(site, KNOWN, RECEIVED)
    who = site.officers["dffh"].person
    alone = Service(site.data_dir, database_url=site.database.admin, settings={"AUDITLEDGER_PERSON": who})
    shown = alone.run("replay", "requests", "--ledger", "dffh", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)
    (line,) = shown.stderr.splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], said["case"]) == ("case parked", "error", stream)


def test_verify_tells_clean_tampered_and_could_not_run_apart(
    site: Site, service: Service, tmp_path: Path
) -> None:
    load = Load(site, [service], clients=2)
    with load.running():
        load.wait_for(20)
    site.check(load.acknowledged)
    clean = service.run("verify", "--json")
    assert clean.returncode == 0, clean.stderr
    assert {each["ledger"]: each["size"] for each in json.loads(clean.stdout)["ledgers"]} == site.sizes()

    altered = "overlay(entry PLACING '\\xff'::bytea FROM length(entry) - 1)"
    done = {
        "common": (1, "DELETE FROM ledger.entries WHERE index = 1 AND ledger = %s"),
        "dffh": (4, f"UPDATE ledger.entries SET entry = {altered} WHERE index IN (4, 6) AND ledger = %s"),
        "djcs": (5, "UPDATE ledger.entries SET index = 13 - index WHERE index IN (5, 8) AND ledger = %s"),
    }
    with site.database.connect_admin() as connection:
        for slug, (_, statement) in done.items():
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="entries are only ever added"):
                connection.execute(statement, (site.ledger(slug).id,))
        connection.execute("SET session_replication_role = replica")
        connection.execute("ALTER TABLE ledger.entries DROP CONSTRAINT entries_pkey")
        for slug, (_, statement) in done.items():
            connection.execute(statement, (site.ledger(slug).id,))
    tampered = service.run("verify", "--json")
    assert tampered.returncode == 8, tampered.stderr
    found = {
        each["ledger"]: (each["clean"], each.get("index")) for each in json.loads(tampered.stdout)["ledgers"]
    }
    assert found == {slug: (False, index) for slug, (index, _) in done.items()}
    assert tampered.stderr.count("\n") == 1
    assert "entry 1:" in tampered.stderr

    away = Service(site.data_dir, database_url=f"host={tmp_path} dbname=none user=none")
    unable = away.run("verify", "--json")
    assert (unable.returncode, unable.stdout) == (6, ""), unable.stderr
    assert service.running
    assert service.health()[0] == 200
