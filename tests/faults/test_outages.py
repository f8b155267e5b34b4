"""Services killed, their database stopped and killed, connections cut: under load, and for real."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.errors import Unavailable
from ledger.store.database import Database, Role
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import migrate
from projections.runner import connect
from tests.faults.service import Service
from tests.faults.site import Load, Site, found
from tests.store.proxy import Proxy


@contextmanager
def embedded(data_dir: Path) -> Iterator[tuple[Site, Service, EmbeddedServer]]:
    """A service on its own embedded server, which this process uses too, so that it outlives the service."""
    with EmbeddedServer(data_dir) as server:
        migrate(server.database)
        site = found(server.database, data_dir)
        with Service(data_dir) as service:
            yield site, service, server


def postmaster(server: EmbeddedServer) -> int:
    """The process id of a running server."""
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


def test_a_service_killed_under_load_and_then_with_its_database(data_dir: Path) -> None:
    with embedded(data_dir) as (site, service, server):
        before = site.sizes()
        load = Load(site, [service])
        with load.running():
            load.wait_for(60)
            service.kill()
            service.start()
            load.wait_for(60)
            os.kill(postmaster(server), signal.SIGKILL)
            service.kill()
            # The service itself starts what it finds dead, and recovers it.
            service.start()
            load.wait_for(60)
        assert load.seen["201"] > 150
        assert any(kind.endswith("Error") for kind in load.seen), load.seen
        sizes = site.check(load.acknowledged)
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
        assert not service.failures()
        assert service.stop() == 0
        assert server.running()


def test_the_database_stopped_killed_and_started_under_load(data_dir: Path) -> None:
    with embedded(data_dir) as (site, service, server):
        before = site.sizes()
        load = Load(site, [service])
        with load.running():
            load.wait_for(40)
            server.stop("fast")
            # Away for longer than anyone waits: it says so, and what it is asked is answered.
            content = service.wait_health(lambda status, _: status == 503)
            assert (content["status"], content["database"]) == ("unavailable", "unavailable")
            deadline = time.monotonic() + 30
            while not load.seen["503 Unavailable"] and time.monotonic() < deadline:
                time.sleep(0.05)
            server.start()
            load.wait_for(40)
            server.stop("immediate")
            server.start()
            load.wait_for(40)
            os.kill(postmaster(server), signal.SIGKILL)
            while server.running():
                time.sleep(0.01)
            server.start()
            load.wait_for(40)
        assert load.seen["503 Unavailable"], load.seen
        assert set(load.seen) <= {"200", "201", "503 Unavailable", "503 Outcome unknown"}
        service.wait_healthy()
        sizes = site.check(load.acknowledged)
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
        assert not service.failures()


class Cutting(Proxy):
    """The store's proxy, which knows a commit with sealed fields too."""

    @staticmethod
    def _is_commit(data: bytes, from_client: bool) -> bool:
        return from_client and (b"\0commit" in data or b"COMMIT" in data)


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    """Between service and database."""
    with Cutting(database) as running:
        yield running


def test_connections_to_the_database_cut_at_random_under_load(site: Site, proxy: Proxy) -> None:
    before = site.sizes()
    chance = random.Random(9)
    everything = 0
    with Service(site.data_dir, database_url=proxy.database.admin) as service:
        load = Load(site, [service])
        with load.running():
            load.wait_for(20)
            until = time.monotonic() + 4
            while time.monotonic() < until:
                # The statement never arrives; it commits and the answer is lost; all connections go at once.
                fault = chance.choice(("request", "answer", "everything"))
                if fault == "everything":
                    proxy.refusing = True
                    time.sleep(chance.uniform(0.02, 0.2))
                    proxy.refusing = False
                    everything += 1
                else:
                    proxy.fault = fault
                time.sleep(chance.uniform(0.02, 0.3))
            proxy.fault = ""
            load.wait_for(40)
        assert proxy.cuts > 3
        assert everything > 1
        assert set(load.seen) <= {"200", "201", "503 Unavailable", "503 Outcome unknown"}
        service.wait_healthy()
        sizes = site.check(load.acknowledged)
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
        assert not service.failures()


def test_a_reader_of_registers_whose_connection_is_cut_is_told_so(proxy: Proxy) -> None:
    def read() -> None:
        with connect(proxy.database.conninfo(Role.PROJECTOR)) as connection:
            connection.execute("SELECT 1")
            proxy.refusing = True
            time.sleep(0.1)
            connection.execute("SELECT 1")

    with pytest.raises(Unavailable, match="database: "):
        read()
