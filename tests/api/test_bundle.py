"""A case as evidence over HTTP: for who may read it, under what is published, with every field sealed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from ledger.bundle.verify import verify
from ledger.service import Witnesses, application
from ledger.store.database import Database
from ledger.store.sealing import Link
from ledger.tlog.policy import Policy
from tests.api.conftest import House, TestClient
from tests.api.test_commands import check
from tests.api.test_times import W1, cosign


@pytest.fixture
def case(house: House, database: Database) -> str:
    """A request in dffh, and the ledger sealed."""
    found = house.receive().json()["case"]
    sealed(house, database, "dffh")
    return str(found)


def sealed(house: House, database: Database, slug: str) -> None:
    ledger = house.installation.ledgers.get(slug)
    with house.installation.published.sealer(Link(database), ledger) as sealer:
        sealer.seal()


def test_a_case_is_downloaded_and_verified(house: House, case: str) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = house.get("officer", f"/ledgers/dffh/cases/{case}/bundle")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    ledger = house.installation.ledgers.get("dffh")
    keys = [each.verifier for each in house.installation.published.keys.of("dffh", ledger.origin)]
    found = verify(answer.content, keys)
    assert (found.manifest.subject.stream, found.manifest.entries, found.disclosures) == (case, 1, [])
    assert b"Quentin" not in answer.content
    (line,) = [each for each in logged if each["event"] == "bundle exported"]
    assert (line["person"], line["ledger"]) == (house.people["officer"].person, "dffh")
    check(house)


@pytest.mark.parametrize(
    ("who", "case_of", "status"),
    [
        ("other_officer", "{case}", 403),
        ("administrator", "{case}", 403),
        ("officer", "no-such-case", 404),
        ("officer", "a%00b", 422),
    ],
)
def test_who_may_not_read_it_gets_none(house: House, case: str, who: str, case_of: str, status: int) -> None:
    answer = house.get(who, f"/ledgers/dffh/cases/{case_of.format(case=case)}/bundle")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_it_is_under_the_last_checkpoint_that_witnesses_cosigned(house: House, database: Database) -> None:
    """While a ledger grows the published one is seldom cosigned yet."""
    case = house.receive().json()["case"]
    cosign(house, 1_790_000_000)
    cosigned = len(house.get("officer", "/ledgers/dffh/entries").json()["entries"])
    later = house.receive().json()["case"]
    sealed(house, database, "dffh")
    ledger = house.installation.ledgers.get("dffh")
    (key,) = [each.verifier for each in house.installation.published.keys.of("dffh", ledger.origin)]
    policy = Policy.parse(f"log {key}\nwitness w {W1.verifier}\nquorum w\n".encode())
    app = application(house.installation, house.settings, witnessed=Witnesses(lambda: policy))
    with TestClient(app) as client:
        for of, sizes in ((case, [cosigned]), (later, [cosigned + 1])):
            answer = client.get(f"/ledgers/dffh/cases/{of}/bundle", headers=house.headers("officer"))
            assert answer.status_code == 200
            # Of a case that no cosigned one has, it is the last.
            trusted = policy if of == case else None
            assert [verify(answer.content, [key], trusted).signed.checkpoint.size] == sizes
    check(house)


def test_without_a_token_there_is_none(house: House, case: str) -> None:
    assert house.client.get(f"/ledgers/dffh/cases/{case}/bundle").status_code == 401


def test_what_is_not_sealed_yet_is_asked_for_later(house: House, case: str) -> None:
    later = house.receive().json()["case"]
    answer = house.get("officer", f"/ledgers/dffh/cases/{later}/bundle")
    assert answer.status_code == 503
    assert "/tmp" not in answer.text
    never = house.get("other_officer", f"/ledgers/djcs/cases/{_of_djcs(house)}/bundle")
    assert (never.status_code, "no checkpoint is published yet" in never.text) == (404, True)


def _of_djcs(house: House) -> Any:
    return house.receive("other_officer", "djcs").json()["case"]


def test_s_120_of_the_regulators_ledger_it_names_its_basis(house: House, database: Database) -> None:
    sealed(house, database, "ovic")
    path = "/ledgers/ovic/cases/ledger/bundle"
    refused = house.get("regulator", path)
    assert (refused.status_code, json.loads(refused.text)["citation"]) == (422, "PDPA s 120(3)")
    answer = house.get("regulator", path, params={"basis": "120(3)(a): s 112"})
    assert answer.status_code == 200
    check(house)
