"""Large batches are hashed by a process beside the one that seals: it may fail, or be killed, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Channel
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import pytest

from ledger.errors import AuditLedgerError, Tampered, Unavailable
from ledger.store import grower as grower_module
from ledger.store import sealing as sealing_module
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.grower import Grower
from ledger.store.growing import Batch, Edge, Step
from ledger.store.ledgers import Ledger
from ledger.store.sealers import Sealing
from ledger.store.sealing import Link, Sealer
from ledger.store.tiles import Tiles
from ledger.tlog.chain import GENESIS
from tests.store.proxy import Proxy
from tests.store.published import Place, place
from tests.store.s3 import Store, running, store
from tests.waiting import until

__all__ = ["place", "running", "store"]

MANY = 1500


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grower_module, "FEW", 100)
    monkeypatch.setattr(grower_module, "STUCK", 2.0)


@pytest.fixture
def grower(database: Database) -> Iterator[Grower]:
    found = Grower(database)
    yield found
    pid = found.pid
    found.close()
    assert pid is None or gone(pid)


def sealer(place: Place, grower: Grower, step: Step = lambda _: None) -> Sealer:
    """One that has its large batches hashed there."""
    published = place.published
    return Sealer(
        Link(place.database), place.ledger, published.of(place.ledger), published.keys, grow=grower, step=step
    )


def gone(pid: int) -> bool:
    """Whether no process of that number is at work: none there, or one that nobody has asked after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_what_it_adds_is_what_a_naive_tree_says(
    place: Place, grower: Grower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_module, "BATCH", 512)
    place.fill(MANY)
    with sealer(place, grower) as sealing:
        sealing.seal()
        first = grower.pid
        assert first is not None
        place.fill(700)
        sealing.seal()
        # One process, for all batches, and for all ledgers that are sealed by this one.
        assert grower.pid == first
    assert place.check(512, 1024, MANY, 1536, 2048) == MANY + 700


def test_a_few_entries_start_no_process(place: Place, grower: Grower) -> None:
    place.fill(100)
    with sealer(place, grower) as sealing:
        sealing.seal()
        assert grower.pid is None
        place.fill(101)
        sealing.seal()
        assert grower.pid is not None
    assert place.check(100) == 201


def test_it_publishes_into_an_object_store(
    database: Database, ledger: Ledger, grower: Grower, tmp_path: Path, store: Store
) -> None:
    place = Place(database, ledger, tmp_path / "data", store.bucket())
    place.fill(600)
    with sealer(place, grower) as sealing:
        sealing.seal()
    assert grower.pid is not None
    assert place.check() == 600


@pytest.mark.parametrize("index", [0, 700, MANY - 1])
def test_an_entry_that_was_altered_is_named_and_nothing_is_added(
    place: Place, grower: Grower, index: int
) -> None:
    """The last one with its hash, so that the head row alone tells."""
    place.fill(MANY)
    place.alter(index, b"payload", b"daoylap", with_hash=index == MANY - 1)
    with pytest.raises(Tampered) as refused, sealer(place, grower) as sealing:
        sealing.seal()
    assert (refused.value.ledger, refused.value.index) == (place.ledger.origin, index)
    assert grower.pid is not None
    assert place.tiles() == {}
    # It is there for the next question, of this ledger or another.
    place.alter(index, b"daoylap", b"payload", with_hash=index == MANY - 1)
    with sealer(place, grower) as sealing:
        assert until(sealing.seal).size == MANY
    assert place.check() == MANY


def test_what_cannot_be_written_is_told_as_it_is_here(place: Place, grower: Grower) -> None:
    place.fill(MANY)
    with sealer(place, grower, lambda name: _in_the_way(place, name)) as sealing:
        with pytest.raises(Unavailable, match=rf"{place.folder}: tiles cannot be written: "):
            sealing.seal()
        (place.folder / "tile").unlink()
        assert until(sealing.seal).size == MANY
    assert place.check() == MANY


def _in_the_way(place: Place, name: str) -> None:
    if name == "published" and place.told().size == 0:
        (place.folder / "tile").write_text("in the way")


def killed(place: Place, grower: Grower, when: Callable[[int], None]) -> AuditLedgerError:
    """What a seal says whose helper is killed by ``when`` it was started."""
    real = grower._start

    def start() -> object:
        channel = real()
        assert grower.pid is not None
        when(grower.pid)
        return channel

    grower._start = start  # type: ignore[method-assign,assignment]
    try:
        with pytest.raises(Unavailable) as told, sealer(place, grower) as sealing:
            sealing.seal()
    finally:
        del grower._start
    return told.value


def at_once(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_one_that_is_killed_at_work_is_told_and_started_again(place: Place, grower: Grower) -> None:
    place.fill(MANY)
    said = killed(place, grower, at_once)
    assert str(said) == "the process that hashes what is sealed has ended with -9"
    assert grower.pid is None
    with sealer(place, grower) as sealing:
        assert until(sealing.seal).size == MANY
    assert place.check() == MANY


def test_one_that_has_died_meanwhile_is_started_again(place: Place, grower: Grower) -> None:
    place.fill(MANY)
    with sealer(place, grower) as sealing:
        sealing.seal()
        first = grower.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: gone(first))
        place.fill(MANY)
        assert until(sealing.seal).size == 2 * MANY
        assert grower.pid not in (None, first)
    assert place.check(MANY) == 2 * MANY


@pytest.mark.parametrize(
    ("limit", "payload"),
    [("PATIENCE", b"payload"), ("LAST_WORDS", b"payload"), ("STUCK", b"x" * 2_000)],
    ids=["patience is over", "the service stops", "it takes no question"],
)
def test_one_that_hangs_is_ended(
    place: Place, grower: Grower, monkeypatch: pytest.MonkeyPatch, limit: str, payload: bytes
) -> None:
    """A bundle goes with each question: of large entries more than its socket holds."""
    place.fill(200, payload)
    with sealer(place, grower) as sealing:
        sealing.seal()
        first = grower.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        place.fill(200)
        if limit == "LAST_WORDS":
            grower.stop.set()
        with monkeypatch.context() as patch:
            if limit != "STUCK":
                patch.setattr(grower_module, limit, 0.5)
            with pytest.raises(Unavailable, match="did not answer in time"):
                sealing.seal()
        assert gone(first)
        assert until(sealing.seal).size == 400
    assert place.check(200) == 400


def test_an_answer_that_nobody_took_is_none_to_the_next_question(
    place: Place, grower: Grower, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.fill(200)
    with sealer(place, grower) as sealing:
        sealing.seal()
        place.fill(200)

        def interrupted(_: Channel) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Channel, "recv", interrupted)
            with pytest.raises(KeyboardInterrupt):
                sealing.seal()
        place.fill(200)
        assert until(sealing.seal).size == 600
    assert place.check(200, 400) == 600


def test_a_fault_of_ours_is_raised_where_it_was_asked(place: Place, grower: Grower) -> None:
    """As it would be without the process: it is no reason to try again and again."""
    place.fill(200)
    with Link(place.database).open() as connection, sealer(place, grower) as sealing:
        standing = sealing.check()
        edge = Edge(0, {}, [], GENESIS)
        batch = Batch(place.ledger, cast("Tiles", "none"), edge, 200, standing.size, standing.head)
        with pytest.raises(RuntimeError, match=r"(?s)Traceback .*'str' object has no attribute 'add'"):
            grower(connection, batch, lambda _: None)
        assert until(sealing.seal).size == 200


class Ended(subprocess.Popen[bytes]):
    """A process that is gone before it is told anything."""

    def __init__(self, *_: Any, **more: Any) -> None:
        super().__init__(["false"], **more)
        self.wait()


@pytest.mark.parametrize(
    ("of", "name", "value", "said"),
    [
        (sys, "executable", "/nonexistent", r"cannot start: .*No such file"),
        (subprocess, "Popen", Ended, "has ended with 1"),
    ],
    ids=["none is started", "it ends as it is started"],
)
def test_one_that_cannot_be_started_is_waited_for(
    place: Place, grower: Grower, monkeypatch: pytest.MonkeyPatch, of: Any, name: str, value: Any, said: str
) -> None:
    place.fill(200)
    with sealer(place, grower) as sealing:
        with monkeypatch.context() as patch:
            patch.setattr(of, name, value)
            with pytest.raises(Unavailable, match=said):
                sealing.seal()
        assert grower.pid is None
        assert until(sealing.seal).size == 200


def test_no_module_is_taken_from_where_the_service_was_started(
    place: Place, grower: Grower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "elsewhere"
    here.mkdir()
    for name in ("psycopg", "ledger", "secrets", "runpy"):
        (here / f"{name}.py").write_text(f"open({str(here / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(here)
    place.fill(200)
    with sealer(place, grower) as sealing:
        assert until(sealing.seal).size == 200
    assert grower.pid is not None
    assert not (here / "ran").exists()


def test_sealing_has_it_and_ends_it(place: Place) -> None:
    sealing = Sealing(place.database, place.published, interval=0.01)
    with Feed(place.database) as feed:
        place.fill(200)
        sealing.seal(feed)
    pid = sealing.grower.pid
    assert pid is not None
    stop = Event()
    stop.set()
    sealing.run(stop)
    assert gone(pid)
    assert place.check() == 200


def test_one_that_is_killed_in_the_middle_of_its_tiles_leaves_what_the_next_makes(
    place: Place, grower: Grower
) -> None:
    place.fill(50_000)

    def amid(pid: int) -> None:
        # Once some are there; what is there when it is dead is part of the batch.
        def kill() -> None:
            until(lambda: any(place.folder.glob("tile/entries/00*")))
            os.kill(pid, signal.SIGKILL)

        Thread(target=kill).start()

    killed(place, grower, amid)
    with sealer(place, grower) as sealing:
        sealing.check()
        assert until(sealing.seal).size == 50_000
    assert place.told().root == place.tree().root(50_000)


def test_signals_to_the_whole_group_leave_it_at_work(place: Place, grower: Grower) -> None:
    """Ctrl-C and systemd's TERM go to all: the service ends it, once its batch is done."""
    place.fill(200)
    with sealer(place, grower) as sealing:
        sealing.seal()
        assert grower.pid is not None
        pid = grower.pid
        os.kill(pid, signal.SIGTERM)
        assert os.getsid(pid) != os.getsid(0)
        place.fill(200)
        sealing.seal()
        assert grower.pid == pid
    assert place.check(200) == 400


def test_it_ends_with_the_process_that_started_it(place: Place) -> None:
    place.fill(200)
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.other_grower", place.database.admin, str(place.data)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = int(done.stdout)
    until(lambda: gone(pid))
    assert place.seal().size == 200
    assert place.check() == 200


def test_a_connection_that_is_cut_is_made_again(place: Place) -> None:
    place.fill(MANY)
    with Proxy(place.database) as proxy:
        grower = Grower(proxy.database)
        try:
            with sealer(place, grower) as sealing:
                sealing.seal()
                place.fill(MANY)
                proxy.refusing = True
                with pytest.raises(Unavailable, match=r"^database: "):
                    sealing.seal()
                pid, proxy.refusing = grower.pid, False
                assert until(sealing.seal).size == 2 * MANY
                assert pid is not None
                assert grower.pid == pid
        finally:
            grower.close()
    assert place.check(MANY) == 2 * MANY
