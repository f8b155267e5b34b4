"""Many at one case, two services at one ledger, and repeats of what has long been answered."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.service import Service
from tests.faults.site import ACKNOWLEDGED, Load, Site

SOUGHT = "request.FurtherInformationSought"


@pytest.mark.parametrize("slugs", [("dffh",), ("dffh", "djcs")], ids=["one ledger", "two ledgers"])
def test_two_services_write_at_once(
    site: Site, service: Service, tmp_path: Path, slugs: tuple[str, ...]
) -> None:
    second_dir = tmp_path / "second"
    second_dir.mkdir(mode=0o700)
    for name in ("kek", "development-key.json"):
        # Two services of one installation share its keys, as its operator gives them.
        (second_dir / name).touch(mode=0o600)
        (second_dir / name).write_bytes((site.data_dir / name).read_bytes())
    before = site.sizes()
    # One of them has the signing keys and the published files, and seals.
    alone = {"AUDITLEDGER_SEAL": "false"}
    with Service(second_dir, database_url=site.database.admin, settings=alone) as second:
        load = Load(site, [service, second], slugs)
        with load.running():
            load.wait_for(200)
        assert set(load.seen) == {"201"}
        sizes = site.check(load.acknowledged)
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
        assert not service.failures() + second.failures()


def _storm(site: Site, service: Service, case: str, version: int | None) -> list[tuple[int, dict[str, Any]]]:
    """Twelve clients give the same case one command each at the same moment."""
    together = threading.Barrier(12)
    answers: list[tuple[int, dict[str, Any]]] = []

    def give() -> None:
        together.wait()
        answer = site.post(
            service, SOUGHT, {"question": "Which years?"}, case=case, happened="2025-06-12", version=version
        )
        answers.append((answer.status_code, answer.json()))

    threads = [threading.Thread(target=give) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_storm_on_one_case_with_the_version_that_was_seen_lets_one_in(site: Site, service: Service) -> None:
    case = site.receive(service)
    answers = _storm(site, service, case, 1)
    assert Counter(status for status, _ in answers) == {201: 1, 409: 11}, answers
    assert {body["title"] for status, body in answers if status == 409} == {"Conflict"}
    assert site.check()["dffh"] == site.sizes()["dffh"]


def test_a_storm_on_one_case_without_it_lets_all_in_one_after_another(site: Site, service: Service) -> None:
    case = site.receive(service)
    before = site.sizes()["dffh"]
    answers = _storm(site, service, case, None)
    assert Counter(status for status, _ in answers) == {201: 12}, answers
    assert sorted(body["version"] for _, body in answers) == list(range(2, 14))
    assert site.check()["dffh"] == before + 12


def test_a_repeat_is_answered_whatever_became_of_the_case(site: Site, service: Service) -> None:
    """The case has moved on, law would refuse by now, the version is old, the service is another: 200 still."""
    key, case = str(uuid.uuid4()), site.receive(service)

    def give(command: str, key: str | None = None, version: int | None = None) -> httpx.Response:
        return site.post(service, command, {}, case=case, happened="2025-06-12", key=key, version=version)

    first = give(ACKNOWLEDGED, key)
    assert first.status_code == 201, first.text
    assert give("request.RequestWithdrawn").status_code == 201
    refused = give(ACKNOWLEDGED)
    assert (refused.status_code, refused.json()["title"]) == (422, "Refused by law"), refused.text
    sizes = site.sizes()
    service.kill()
    service.start()
    for version in (None, 1):
        again = give(ACKNOWLEDGED, key, version)
        assert (again.status_code, again.json()) == (200, first.json() | {"repeated": True})
    reused = give("request.RequestWithdrawn", key)
    assert (reused.status_code, reused.json()["title"]) == (409, "Command id reused")
    assert site.check() == sizes
