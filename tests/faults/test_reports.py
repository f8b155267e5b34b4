"""The service stopped or killed while a report is being made beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.faults.service import Service
from tests.faults.site import Site

REPORT = "/reports/annual-compliance?period=2024-25"


def making(service: Service, within: float = 20) -> list[int]:
    """The processes that make reports for this service, by their environment."""
    return waited(lambda: [each for each in of(service) if "spawn_main" in command(each)], within)


def waited(found: Callable[[], list[int]], within: float) -> list[int]:
    """What there is, once there is something."""
    deadline = time.monotonic() + within
    while not (now := found()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return now


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


def gone(processes: list[int], within: float) -> bool:
    """Whether they have ended by themselves by then."""
    deadline = time.monotonic() + within
    while any("spawn_main" in command(each) for each in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_who_waits_for_a_report_gets_it_before_the_service_stops(site: Site, service: Service) -> None:
    site.receive(service)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, service.url + REPORT, headers=site.headers("dffh"), timeout=30)
        processes = making(service)
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 20
        assert asked.result().status_code == 200
    assert gone(processes, 5)
    assert not service.failures()


def test_a_report_whose_service_was_killed_ends_by_itself(site: Site, service: Service) -> None:
    site.receive(service)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, service.url + REPORT, headers=site.headers("dffh"), timeout=30)
        processes = making(service)
        service.kill()
        assert asked.exception() is not None
    assert gone(processes, 30)
    service.start()
    answer = httpx.get(service.url + REPORT, headers=site.headers("dffh"), timeout=30)
    assert answer.status_code == 200
    site.check()


def test_a_report_process_that_is_killed_is_said_and_the_next_one_works(site: Site, service: Service) -> None:
    """What the machine does to a process that takes too much memory."""
    site.receive(service)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, service.url + REPORT, headers=site.headers("dffh"), timeout=30)
        for process in making(service):
            os.kill(process, 9)
        refused = asked.result()
    assert (refused.status_code, refused.json()["title"]) == (503, "Unavailable")
    assert refused.headers["retry-after"] == "1"
    assert httpx.get(service.url + REPORT, headers=site.headers("dffh"), timeout=30).status_code == 200
    service.wait_healthy()
