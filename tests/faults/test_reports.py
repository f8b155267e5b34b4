"""The service stopped or killed while a report is being made beside it."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from ledger.service import GRACE_SECONDS
from tests.faults.service import Service
from tests.faults.site import Site
from tests.waiting import DEADLINE, until

REPORT = "/reports/annual-compliance?period=2024-25"


def making(service: Service) -> list[int]:
    """The processes that make reports for this service, by their environment."""
    return until(lambda: [each for each in of(service) if "spawn_main" in command(each)])


def of(service: Service) -> list[int]:
    """Every process that works on the service's data directory."""
    data_dir = f"AUDITLEDGER_DATA_DIR={service.log.with_name('data')}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if data_dir in path.read_bytes().split(b"\0") and path.parent.name != str(os.getpid()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def command(process: int) -> str:
    """Its command line; nothing where it has gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def gone(processes: list[int]) -> bool:
    """Once they have ended by themselves."""
    return until(lambda: not any("spawn_main" in command(each) for each in processes))


def test_who_waits_for_a_report_gets_it_before_the_service_stops(site: Site, service: Service) -> None:
    site.receive(service)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, service.url + REPORT, headers=site.headers("dffh"), timeout=DEADLINE)
        processes = making(service)
        started = time.monotonic()
        assert service.stop() == 0
        lasted = time.monotonic() - started
        answered = asked.exception() is None and asked.result().status_code == 200
        # Where the machine makes none within the time that a service takes to stop, it is not waited for.
        assert answered or lasted >= GRACE_SECONDS
    assert gone(processes)
    assert not service.failures()


def test_a_report_whose_service_was_killed_ends_by_itself(site: Site, service: Service) -> None:
    site.receive(service)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, service.url + REPORT, headers=site.headers("dffh"), timeout=DEADLINE)
        processes = making(service)
        service.kill()
        assert asked.exception() is not None
    assert gone(processes)
    service.start()
    answer = httpx.get(service.url + REPORT, headers=site.headers("dffh"), timeout=DEADLINE)
    assert answer.status_code == 200
    site.check()


def test_a_report_process_that_is_killed_is_said_and_the_next_one_works(site: Site, service: Service) -> None:
    """What the machine does to a process that takes too much memory."""
    site.receive(service)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, service.url + REPORT, headers=site.headers("dffh"), timeout=DEADLINE)
        for process in making(service):
            os.kill(process, 9)
        refused = asked.result()
    assert (refused.status_code, refused.json()["title"]) == (503, "Unavailable")
    assert refused.headers["retry-after"] == "1"
    assert httpx.get(service.url + REPORT, headers=site.headers("dffh"), timeout=DEADLINE).status_code == 200
    service.wait_healthy()
