"""Levels of acknowledgement: who waits is told once it is true, and never before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest

from ledger.errors import InvalidInput, Unavailable
from ledger.store.acknowledging import Acknowledging
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.sealers import Sealing
from ledger.store.submission import Level
from ledger.store.witnessing import Witnessing
from ledger.tlog.policy import Policy
from tests.store.test_witnessing import House
from tests.support import sample
from tests.waiting import DEADLINE


@contextmanager
def on_a_thread(run: Callable[[Event], None], wake: Callable[[], None]) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake()
        thread.join()


@pytest.fixture
def house(database: Database, ledger: Ledger, tmp_path: Path) -> Iterator[House]:
    made = House(database, ledger, tmp_path)
    made.grow()
    yield made
    made.close()


def told(house: House, policy: Policy | None = None) -> Acknowledging:
    return Acknowledging(house.feed, house.published, lambda: policy)


def recorded(house: House) -> int:
    """One entry more; gives the size of the ledger with it."""
    (receipt,) = house.writer.submit(house.ledger.id, [sample(str(uuid4()))]).result(30)
    return receipt.index + 1


def test_who_waits_is_told_once_it_is_sealed_and_not_before(house: House) -> None:
    waiting = told(house)
    size = recorded(house)
    answer, before = waiting.ask(house.ledger, size, Level.SEALED), waiting.ask(house.ledger, 3, Level.SEALED)
    waiting.answer()
    assert before.done()
    assert not answer.done()
    house.seal()
    waiting.answer()
    assert answer.result(0) is None


def test_what_is_published_by_nobody_of_ours_tells_nothing(house: House) -> None:
    """A checkpoint that claims more, of another key: what waits goes on waiting."""
    waiting = told(house)
    answer = waiting.ask(house.ledger, recorded(house), Level.SEALED)
    place = house.published.of(house.ledger).folder / "checkpoint"
    said = place.read_bytes()
    place.write_bytes(said.replace(b"\n3\n", b"\n9\n"))
    waiting.answer()
    assert not answer.done()
    place.write_bytes(said)
    house.seal()
    waiting.answer()
    assert answer.done()


def test_a_ledger_that_was_never_sealed_keeps_waiting(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    house = House(database, ledger, tmp_path)
    try:
        waiting = told(house)
        answer = waiting.ask(ledger, recorded(house), Level.SEALED)
        waiting.answer()
        assert not answer.done()
    finally:
        house.close()


def test_who_waits_no_longer_is_forgotten(house: House) -> None:
    waiting = told(house)
    answer = waiting.ask(house.ledger, recorded(house), Level.SEALED)
    assert answer.cancel()
    house.seal()
    waiting.answer()
    assert answer.cancelled()


def test_a_service_that_seals_hurries_for_who_waits(house: House) -> None:
    """Its own looks are an hour apart: only by being asked does it seal in time."""
    sealing = Sealing(house.database, house.published, interval=3600.0)
    waiting = Acknowledging(house.feed, house.published, lambda: None, sealing.hurry)
    sealing.on_seal = waiting.look
    with on_a_thread(sealing.run, sealing.hurry), on_a_thread(waiting.run, waiting.look):
        house.sealing.close()
        answers = []
        for _ in range(20):
            answer = waiting.ask(house.ledger, recorded(house), Level.SEALED)
            answer.result(DEADLINE)
            answers.append(answer)
    assert all(each.done() for each in answers)


def test_what_another_process_seals_is_seen_too(house: House) -> None:
    waiting = told(house)
    with on_a_thread(waiting.run, waiting.look):
        answer = waiting.ask(house.ledger, recorded(house), Level.SEALED)
        house.seal()
        answer.result(DEADLINE)


def test_who_still_waits_when_the_service_stops_is_told_so(house: House) -> None:
    waiting = told(house)
    with on_a_thread(waiting.run, waiting.look):
        answer = waiting.ask(house.ledger, recorded(house) + 1, Level.SEALED)
    with pytest.raises(Unavailable, match="the service stops"):
        answer.result(0)


def test_witnessed_needs_witnesses_to_ask(house: House) -> None:
    told(house).require(Level.SEALED, house.ledger)
    with pytest.raises(InvalidInput, match="no witness is asked here"):
        told(house).require(Level.WITNESSED, house.ledger)


def test_witnessed_is_said_once_the_quorum_has_cosigned_and_not_before(house: House) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(house.witness())
        second = stack.enter_context(house.witness("witness.example/w2", state="other"))
        lines = [
            f"log {house.log}",
            f"witness a {first.key} {first.url}",
            f"witness b {second.key} {second.url}",
        ]
        both = Policy.parse("\n".join([*lines, "group both all a b", "quorum both", ""]).encode())
        waiting = told(house, both)
        waiting.require(Level.WITNESSED, house.ledger)
        answer = waiting.ask(house.ledger, recorded(house), Level.WITNESSED)
        house.seal()
        waiting.answer()
        assert not answer.done()
        # One of two.
        first_alone = house.policy(first)
        Witnessing(house.database, house.published, lambda: first_alone, house.sealing).ask()
        house.seal()
        waiting.answer()
        assert not answer.done()
        Witnessing(house.database, house.published, lambda: both, house.sealing).ask()
        # Kept, and the ledger has grown since: what was witnessed stays witnessed.
        recorded(house)
        house.seal()
        waiting.answer()
        assert answer.done()


def test_many_wait_at_once_each_for_its_own(house: House) -> None:
    sealing = Sealing(house.database, house.published, interval=3600.0)
    waiting = Acknowledging(house.feed, house.published, lambda: None, sealing.hurry)
    sealing.on_seal = waiting.look
    house.sealing.close()
    answers: list[Future[None]] = []

    def client() -> None:
        for _ in range(5):
            size = recorded(house)
            answer = waiting.ask(house.ledger, size, Level.SEALED)
            answer.result(DEADLINE)
            note = house.published.of(house.ledger).checkpoint()
            assert note is not None
            assert int(note.split(b"\n")[1]) >= size
            answers.append(answer)

    with on_a_thread(sealing.run, sealing.hurry), on_a_thread(waiting.run, waiting.look):
        threads = [Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 40
    assert wait(answers, 0).not_done == set()
