"""Services killed, their database stopped and killed, connections cut: under load, and for real."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.api.reads import HEALTH_SECONDS
from ledger.errors import Unavailable
from ledger.store.database import Database, Role
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import migrate
from ledger.store.supervise import POLL, pauses
from projections.connection import connect
from tests.faults.service import Service
from tests.faults.site import ACKNOWLEDGED, RECEIVED, Load, Site, found
from tests.faults.test_files_and_bodies import head
from tests.store.proxy import Proxy
from tests.store.test_embedded import postmasters
from tests.waiting import DEADLINE, until


@contextmanager
def embedded(data_dir: Path, *, configured: bool = False) -> Iterator[tuple[Site, Service, EmbeddedServer]]:
    """A service on its own embedded server, which this process uses too, so that it outlives the service.

    ``configured``: the service knows it by its address alone, and does not keep it up.
    """
    with EmbeddedServer(data_dir) as server:
        migrate(server.database)
        site = found(server.database, data_dir)
        with Service(data_dir, database_url=server.database.admin if configured else None) as service:
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
    with embedded(data_dir, configured=True) as (site, service, server):
        before = site.sizes()
        load = Load(site, [service])
        with load.running():
            load.wait_for(40)
            server.stop("fast")
            # Away for longer than anyone waits: it says so, and what it is asked is answered.
            content = service.wait_health(lambda status, _: status == 503)
            assert (content["status"], content["database"]) == ("unavailable", "unavailable")
            # Whoever probes it waits no longer than probes do, by far not the ten seconds of a command.
            began = time.monotonic()
            assert service.health()[0] == 503
            assert time.monotonic() - began < 4 * HEALTH_SECONDS
            until(lambda: load.seen["503 Unavailable"], lambda: load.seen)
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


def backend(server: EmbeddedServer, role: Role) -> int:
    """The process id of a session of a role."""
    with server.database.connect_admin() as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s LIMIT 1", (str(role),)
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_an_embedded_database_that_dies_is_started_again_under_load(data_dir: Path) -> None:
    """Its first process killed twice; and a session killed, after which it restarts itself."""
    with embedded(data_dir) as (site, service, server):
        before = site.sizes()
        load = Load(site, [service])
        with load.running():
            load.wait_for(40)
            for restarts in (1, 2):
                os.kill(postmaster(server), signal.SIGKILL)
                load.wait_for(40)
                assert service.wait_healthy()["database_restarts"] == restarts
            first = postmaster(server)
            os.kill(backend(server, Role.WRITER), signal.SIGKILL)
            load.wait_for(40)
            assert postmaster(server) == first
        # Never a second one beside it, not even one that saw the first and gave up.
        assert server.log.read_text().count("starting PostgreSQL") == 1 + 2
        assert "is already in use" not in server.log.read_text()
        assert set(load.seen) <= {"200", "201", "503 Unavailable", "503 Outcome unknown"}
        assert service.said().count("embedded database: up again") == 2
        sizes = site.check(load.acknowledged)
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
        assert not service.failures()


def test_health_says_that_an_embedded_database_is_down_and_that_it_is_up_again(data_dir: Path) -> None:
    with embedded(data_dir) as (site, service, server):
        assert service.wait_healthy()["database_restarts"] == 0
        broken = server.data / "postgresql.auto.conf"
        right = broken.read_text()
        broken.write_text("no_such_setting = on\n")
        os.kill(postmaster(server), signal.SIGKILL)
        content = service.wait_health(lambda _, said: said["database"] == "restarting")
        assert (content["status"], content["database_restarts"]) == ("unavailable", 0)
        refused = site.post(service, RECEIVED, site.request("dffh"))
        assert refused.status_code == 503
        service.wait_said('"attempt": 2')
        assert "no_such_setting" in service.said()
        broken.write_text(right)
        assert service.wait_healthy()["database_restarts"] == 1
        site.receive(service)
        site.check()
        assert not service.failures()


def test_a_service_that_is_told_to_stop_starts_no_database_again(data_dir: Path) -> None:
    """Neither one that it could not start until then, nor one that dies afterwards."""
    with EmbeddedServer(data_dir) as server:
        migrate(server.database)
        site = found(server.database, data_dir)
    half = head(site, f"/ledgers/dffh/commands/{ACKNOWLEDGED}", "Content-Length: 500") + b'{"case": "'
    broken = server.data / "postgresql.auto.conf"
    right = broken.read_text()
    for gone_first in (True, False):
        with Service(data_dir) as service:
            service.wait_healthy()
            (pid,) = postmasters(data_dir)
            address = ("127.0.0.1", int(service.url.rpartition(":")[2]))

            def told(address: tuple[str, int] = address) -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(address) != 0

            # Held up by a client that does not finish, it lives a while after it was told.
            with socket.create_connection(address) as slow:
                slow.sendall(half)
                if gone_first:
                    broken.write_text("no_such_setting = on\n")
                    os.kill(pid, signal.SIGKILL)
                    service.wait_said('"attempt": 2')
                service.signal(signal.SIGTERM)
                until(told)
                if gone_first:
                    broken.write_text(right)
                else:
                    os.kill(pid, signal.SIGKILL)
                # As long as it would wait before its next try.
                time.sleep(pauses(1) + 2 * POLL)
                assert service.running
                assert postmasters(data_dir) == []
            assert service.stop() == 0
        assert postmasters(data_dir) == []


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
            # At least this often each, on a machine of any speed.
            end, last = time.monotonic() + 4, time.monotonic() + DEADLINE
            while time.monotonic() < end or ((proxy.cuts < 4 or everything < 2) and time.monotonic() < last):
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
