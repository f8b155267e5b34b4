"""What goes wrong on the read side, for real: a killed projector, poison, newer events, two runners, swaps."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import date
from threading import Event, Thread
from typing import Any

import pytest
from psycopg import sql

from ledger.domain.event import encode_payload
from ledger.domain.request.events import RequestAcknowledged, RequestReceived, RequestScheme
from ledger.errors import Unavailable, UnknownSchema
from ledger.store.ledgers import Ledger
from projections import tables
from projections.base import register, registers
from projections.connection import connect
from projections.rebuild import rebuild, way_back
from projections.runner import Leased, Runner, lag
from tests.projections.book import Book, make, seal
from tests.projections.test_live import formal, rows
from tests.projections.test_property import check
from tests.waiting import DEADLINE, until

DAY = date(2025, 6, 11)


def run_and_die(conninfo: str, at: str, batches: int) -> None:
    """A runner in a process of its own that kills itself, as nothing can be caught, at a step of a batch."""
    left = [batches]

    def step(name: str) -> None:
        if name == at:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    runner = Runner(conninfo, batch=5, step=step)
    runner.open()
    runner.catch_up()


@pytest.mark.parametrize("at", ["collected", "moved", "written", "committed"])
def test_a_projector_killed_in_mid_batch_loses_and_repeats_nothing(
    book: Book, ledger: Ledger, conninfo: str, at: str
) -> None:
    for number in range(12):
        case = book.case(formal(DAY))
        if number % 2:
            book.put(case, make(RequestAcknowledged, DAY))
    process = multiprocessing.get_context("spawn").Process(target=run_and_die, args=(conninfo, at, 2))
    process.start()
    process.join(DEADLINE)
    assert process.exitcode == -signal.SIGKILL
    with connect(conninfo) as connection:
        row = connection.execute("SELECT position FROM registers.positions").fetchone()
    assert row is not None
    assert row[0] == (10 if at == "committed" else 5)
    check(conninfo, ledger.id, row[0])
    with _when_free(conninfo) as runner:
        runner.catch_up()
    check(conninfo, ledger.id, book.size)


def _when_free(conninfo: str) -> Runner:
    """A runner, once the server has noticed that the killed one's session is gone."""
    runner = Runner(conninfo)

    def opened() -> bool:
        try:
            runner.open()
        except Unavailable:
            return False
        return True

    until(opened)
    return runner


def test_a_poison_entry_parks_its_case_and_nothing_else(book: Book, ledger: Ledger, conninfo: str) -> None:
    bad = book.case(formal(DAY))
    good = book.case(formal(DAY))
    payload = encode_payload(make(RequestAcknowledged, DAY), seal)
    poison = book.put_bytes(bad, "ledger.request.v1.RequestAcknowledged", payload + b"\x00")
    book.put(bad, make(RequestAcknowledged, DAY))
    book.put(good, make(RequestAcknowledged, DAY))
    with Runner(conninfo, batch=3) as runner:
        runner.catch_up()
        later = book.put(bad, make(RequestAcknowledged, DAY))
        runner.catch_up()
    found = {row["stream"]: row for row in rows(conninfo, "requests")}
    assert found[good]["acknowledged_on"] == DAY
    assert found[bad]["acknowledged_on"] is None
    (parked,) = rows(conninfo, "parked")
    assert (parked["stream"], parked["index"], parked["joined"]) == (bad, poison, 2)
    assert "expected" in str(parked["reason"])
    assert lag(conninfo)["parked"][0]["case"] == bad
    assert lag(conninfo)["behind"] == {ledger.slug: 0}
    assert later == book.size - 1
    assert all(compared.equal for compared in rebuild(conninfo))


def test_a_case_that_a_register_cannot_fold_is_parked_until_it_can(
    book: Book, ledger: Ledger, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = book.case(formal(DAY))
    with Runner(conninfo) as runner:
        runner.catch_up()
        requests = register("requests")
        kept = type(requests).rows

        def faulty(self: Any, facts: Any, about: Any) -> Any:
            if any(isinstance(fact, RequestAcknowledged) for fact in facts):
                raise ZeroDivisionError("a fault of a register")
            return kept(self, facts, about)

        monkeypatch.setattr(type(requests), "rows", faulty)
        index = book.put(case, make(RequestAcknowledged, DAY))
        other = book.case(formal(DAY))
        runner.catch_up()
        (parked,) = rows(conninfo, "parked")
        assert (parked["index"], parked["reason"]) == (index, "ZeroDivisionError: a fault of a register")
        assert {row["stream"] for row in rows(conninfo, "requests")} == {case, other}
        monkeypatch.undo()
        book.put(case, make(RequestAcknowledged, DAY))
        runner.catch_up()
        assert rows(conninfo, "parked") == []
    check(conninfo, ledger.id, book.size)


def test_an_event_newer_than_this_version_pauses_its_ledger_and_is_never_parked(
    book: Book, ledger: Ledger, conninfo: str
) -> None:
    case = book.case(formal(DAY))
    newer = book.put_bytes(case, "ledger.request.v9.RequestFoo", b"\xc3\x01" + bytes(8) + b"\x00")
    book.case(formal(DAY))
    with Runner(conninfo) as runner:
        assert runner.catch_up() == newer
        assert runner.step() == 0
        book.case(formal(DAY))
        assert runner.catch_up() == 0
    assert rows(conninfo, "parked") == []
    assert len(rows(conninfo, "requests")) == 1
    state = lag(conninfo)
    assert "unknown here" in state["paused"][ledger.slug]
    assert state["behind"] == {ledger.slug: 3}
    with pytest.raises(UnknownSchema):
        rebuild(conninfo)
    assert len(rows(conninfo, "requests")) == 1


def test_one_runner_has_the_lease(book: Book, conninfo: str) -> None:
    with Runner(conninfo) as runner:
        with pytest.raises(Leased, match="another runner has the lease"):
            Runner(conninfo).open()
        book.case(formal(DAY))
        assert runner.catch_up() == 2
    with Runner(conninfo) as other:
        assert other.catch_up() == 0


def test_a_runner_projects_what_is_written_until_it_is_stopped(book: Book, conninfo: str) -> None:
    stop = Event()
    runner = Runner(conninfo)
    thread = Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        for size in (1, 2):
            book.case(formal(DAY))
            until(lambda: lag(conninfo)["behind"] == {"dffh": 0})
            assert len(rows(conninfo, "requests")) == size
    finally:
        stop.set()
        thread.join()
        runner.close()


def test_a_rebuild_beside_a_live_runner_swaps_at_once_and_the_way_back_is_up_to_date(
    book: Book, ledger: Ledger, conninfo: str
) -> None:
    for _ in range(5):
        book.case(formal(DAY))
    with Runner(conninfo) as runner:
        runner.catch_up()
        # The table that was altered is found by the comparison, and gone after the swap.
        with connect(conninfo) as connection:
            connection.execute("UPDATE registers.requests SET scheme = 'nsw' WHERE index = 2")
        book.case(formal(DAY))
        compared = {one.register: one for one in rebuild(conninfo)}
        assert not compared["requests"].equal
        assert "DIFFERS" in str(compared["requests"])
        assert compared["clocks"].equal
        check(conninfo, ledger.id, book.size - 1)
        runner.catch_up()
        check(conninfo, ledger.id, book.size)
        case = book.case(formal(DAY))
        runner.catch_up()
        back = way_back(conninfo, ["requests"])
        assert not back[0].equal
        altered = {row["index"]: row["scheme"] for row in rows(conninfo, "requests")}
        assert altered[2] == "nsw"
        assert case in {row["stream"] for row in rows(conninfo, "requests")}
        rebuild(conninfo, ["requests"])
        book.put(case, make(RequestAcknowledged, DAY))
        runner.catch_up()
    check(conninfo, ledger.id, book.size)


def test_a_table_of_another_definition_is_not_written_to(
    book: Book, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.case(formal(DAY))
    with Runner(conninfo) as runner:
        runner.catch_up()
        with connect(conninfo) as connection:
            connection.execute("UPDATE registers.tables SET definition = '0-other' WHERE name = 'requests'")
        book.case(formal(DAY))
        with pytest.raises(Unavailable, match="swapped for another version"):
            runner.step()
    with pytest.raises(Unavailable, match=r"requests .* rebuild"):
        Runner(conninfo).open()
    (compared, *_) = [one for one in rebuild(conninfo) if one.register == "requests"]
    assert not compared.same_definition
    with Runner(conninfo) as runner:
        runner.catch_up()
    assert len(rows(conninfo, "requests")) == 2


def test_a_rebuild_in_several_processes_gives_the_same(book: Book, conninfo: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("projections.shares.LEAST_ENTRIES", 20)
    for _ in range(60):
        book.case(formal(DAY))
    with Runner(conninfo) as runner:
        runner.catch_up()
    seen: list[tuple[int, int]] = []
    compared = rebuild(conninfo, processes=2, progress=lambda done, total: seen.append((done, total)))
    assert all(one.equal for one in compared)
    assert len(seen) > 1
    assert seen[-1] == (book.size, book.size)


def test_a_rebuild_that_dies_before_the_swap_leaves_the_live_tables(
    book: Book, ledger: Ledger, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.case(formal(DAY))
    with Runner(conninfo) as runner:
        runner.catch_up()

        def dies(*_: object) -> None:
            raise RuntimeError("the rebuild dies here")

        monkeypatch.setattr("projections.rebuild.tables.rename", dies)
        with pytest.raises(RuntimeError, match="dies here"):
            rebuild(conninfo)
        monkeypatch.undo()
        book.case(formal(DAY))
        runner.catch_up()
        check(conninfo, ledger.id, book.size)
        assert all(one.equal for one in rebuild(conninfo))


def test_no_sealed_value_stands_in_a_register(book: Book, conninfo: str) -> None:
    book.case(
        make(RequestReceived, DAY, scheme=RequestScheme.VPS, requester_name="Jane Planted", purpose="PLANTED")
    )
    with Runner(conninfo) as runner:
        runner.catch_up()
    with connect(conninfo) as connection:
        for one in registers().values():
            query = sql.SQL("SELECT t::text FROM {} AS t").format(tables.table(one))
            for (row,) in connection.execute(query).fetchall():
                assert "planted" not in row.lower()
