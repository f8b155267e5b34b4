"""Connections that are really cut, and a server that is really stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import pytest

from ledger.errors import OutcomeUnknown, Unavailable
from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.migrate import migrate
from ledger.store.writer import Writer
from tests.store.proxy import Proxy
from tests.support import check_ledger, sample, samples
from tests.waiting import DEADLINE, until


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with Proxy(database) as running:
        yield running


@pytest.mark.parametrize("fault", ["request", "answer"])
@pytest.mark.parametrize("warm", [True, False])
def test_a_connection_cut_at_commit_is_settled_by_the_writer_itself(
    database: Database, ledger: Ledger, proxy: Proxy, fault: str, *, warm: bool
) -> None:
    with Writer(proxy.database) as writer:
        if warm:
            writer.submit(ledger.id, [sample("warm")]).result(30)
        proxy.fault = fault
        (receipt,) = writer.submit(ledger.id, [sample("a")]).result(30)
        assert receipt.index == int(warm)
        assert proxy.cuts == 1
        writer.submit(ledger.id, [sample("b")]).result(30)
    assert check_ledger(database, ledger) == 2 + warm


def test_a_statement_that_arrives_late_adds_nothing(database: Database, ledger: Ledger, proxy: Proxy) -> None:
    with Writer(proxy.database) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        proxy.fault = "late"
        (receipt,) = writer.submit(ledger.id, [sample("a")]).result(30)
        assert proxy.cuts == 1
        answer = proxy.deliver()
        assert b"ERROR" not in answer
        assert writer.submit(ledger.id, [sample("b")]).result(30)[0].index == receipt.index + 1
    assert check_ledger(database, ledger) == 3


def test_a_network_that_swallows_everything_is_taken_for_a_lost_connection(
    database: Database, ledger: Ledger, proxy: Proxy
) -> None:
    with Writer(proxy.database, answer_within=0.5) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        proxy.fault = "silence"
        assert writer.submit(ledger.id, [sample("a")]).result(30)[0].index == 1
        assert proxy.cuts == 1
    assert check_ledger(database, ledger) == 2


@pytest.mark.parametrize("count", [1, 3, 60, 1500])
@pytest.mark.parametrize("fault", ["request", "answer"])
def test_each_way_to_commit_survives_a_cut(
    database: Database, ledger: Ledger, proxy: Proxy, count: int, fault: str
) -> None:
    with Writer(proxy.database) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        proxy.fault = fault
        assert len(writer.submit(ledger.id, samples("a", count)).result(30)) == count
        assert proxy.cuts == 1
    assert check_ledger(database, ledger) == count + 1


@pytest.mark.parametrize("fault", ["request", "answer"])
def test_what_cannot_be_settled_is_said_to_be_unknown(
    database: Database, ledger: Ledger, proxy: Proxy, fault: str
) -> None:
    command = str(uuid4())
    with Writer(proxy.database, patience=0.3) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        proxy.fault = fault
        future = writer.submit(ledger.id, [sample("a", command=command)])
        while not proxy.cuts:
            sleep(0.001)
        proxy.refusing = True
        with pytest.raises(OutcomeUnknown, match="repeat with the same command id"):
            future.result(30)
        with pytest.raises(Unavailable, match="nothing was written"):
            writer.submit(ledger.id, [sample("not sent")]).result(30)
        with Feed(database) as feed:
            assert len(feed.by_command(ledger.id, command)) == (fault == "answer")
        proxy.refusing = False
        (receipt,) = writer.submit(ledger.id, [sample("a", command=command)]).result(30)
        assert receipt.index == 1
    assert check_ledger(database, ledger) == 2


def test_connections_cut_again_and_again_under_load(database: Database, ledger: Ledger, proxy: Proxy) -> None:
    stop = threading.Event()
    done: list[int] = []

    def write(number: int) -> None:
        count = 0
        while not stop.is_set():
            receipt = writer.submit(ledger.id, [sample(f"t{number}-{count}")]).result(60)[0]
            done.append(receipt.index)
            count += 1

    with Writer(proxy.database) as writer:
        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        end, last = monotonic() + 2, monotonic() + DEADLINE
        while monotonic() < end or (proxy.cuts <= 5 and monotonic() < last):
            proxy.fault = "answer" if proxy.cuts % 2 else "request"
            sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join()
    assert proxy.cuts > 5
    assert sorted(done) == list(range(len(done)))
    assert check_ledger(database, ledger) == len(done)


def test_a_server_stopped_and_started_under_load(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with EmbeddedServer(tmp_path) as server:
        migrate(server.database)
        ledger = Ledgers(server.database).create("dffh", "example.vic.gov.au/dffh", "dffh")
        stop = threading.Event()
        acknowledged: dict[str, int] = {}
        open_ones: list[str] = []

        def write() -> None:
            while not stop.is_set():
                command = str(uuid4())
                try:
                    (receipt,) = writer.submit(ledger.id, [sample(command, command=command)]).result(60)
                    acknowledged[command] = receipt.index
                except (OutcomeUnknown, Unavailable):
                    open_ones.append(command)

        with Writer(server.database, patience=0.2) as writer:
            threads = [threading.Thread(target=write) for _ in range(6)]
            for thread in threads:
                thread.start()
            for mode in ("immediate", "fast"):
                sleep(0.5)
                server.stop(mode)
                refused = len(open_ones)
                until(lambda refused=refused: len(open_ones) > refused)
                before = len(acknowledged)
                server.start()
                until(lambda before=before: len(acknowledged) > before)
            stop.set()
            for thread in threads:
                thread.join()
            assert open_ones
            for command in open_ones:
                (receipt,) = writer.submit(ledger.id, [sample(command, command=command)]).result(30)
                acknowledged[command] = receipt.index
        with Feed(server.database) as feed:
            for command, index in list(acknowledged.items())[::50]:
                assert feed.by_command(ledger.id, command)[0].index == index
        assert check_ledger(server.database, ledger) == len(acknowledged)
