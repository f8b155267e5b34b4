"""Every ledger of a database is sealed beside a service; the trouble of one is its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from ledger.errors import Diverged, Unavailable
from ledger.store import sealers as sealers_module
from ledger.store.database import Database, Role
from ledger.store.embedded import EmbeddedServer
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.migrate import migrate
from ledger.store.published import Published
from ledger.store.sealers import Sealed, Sealing
from ledger.store.writer import Writer
from tests.store.published import Place
from tests.support import sample
from tests.waiting import until

SLUGS = ("one", "two", "three")


def places_in(database: Database, data: Path) -> list[Place]:
    """Three ledgers of five entries each."""
    ledgers = Ledgers(database)
    found = [Place(database, ledgers.create(slug, f"example.org/{slug}", slug), data) for slug in SLUGS]
    for place in found:
        place.fill(5)
    return found


@pytest.fixture
def places(database: Database, tmp_path: Path) -> list[Place]:
    return places_in(database, tmp_path / "data")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealers_module, "LONGEST_PAUSE", 0.05)


_opened: list[Sealing] = []


def sealing_of(place: Place) -> Sealing:
    _opened.append(Sealing(place.database, Published(place.data), interval=0.01))
    return _opened[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


@contextmanager
def running(sealing: Sealing) -> Iterator[Thread]:
    """Sealing on a thread, as beside a service."""
    stop = Event()
    thread = Thread(target=sealing.run, args=(stop,))
    thread.start()
    try:
        yield thread
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join()


def sizes(sealing: Sealing) -> dict[str, int]:
    return {slug: each.size for slug, each in sealing.standing().items()}


def ledger_sizes(place: Place) -> dict[str, int]:
    with place.database.connect_admin() as connection:
        rows = connection.execute("SELECT slug, size FROM ledger.heads JOIN ledger.ledgers ON ledger = id")
        return {slug: size for slug, size in rows if slug in SLUGS}


def test_all_ledgers_are_sealed_while_they_are_written(places: list[Place]) -> None:
    sealing = sealing_of(places[0])
    with running(sealing), Writer(places[0].database) as writer:
        for number in range(30):
            for place in places:
                writer.submit(place.ledger.id, [sample(f"more-{number}")]).result(30)
        until(lambda: {slug: sizes(sealing).get(slug) for slug in SLUGS} == dict.fromkeys(SLUGS, 35))
        # One that is opened meanwhile is sealed as well.
        late = Place(
            places[0].database,
            Ledgers(places[0].database).create("late", "example.org/late", "o"),
            places[0].data,
        )
        until(lambda: "late" in sizes(sealing))
        late.fill(7)
        until(lambda: sizes(sealing)["late"] == 7)
    sealing.check()
    with places[0].database.connect_admin() as connection:
        # However many ledgers: 200 of them do not take 200 connections.
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = %s"
        assert connection.execute(query, (str(Role.SEALER),)).fetchone() == (1,)
    for place in (*places, late):
        assert place.told().root == place.tree().root(place.told().size)
    assert not any(each.alarm for each in sealing.standing().values())


def test_an_alarm_of_one_stops_no_other_and_no_writing(places: list[Place]) -> None:
    places[1].change(
        "UPDATE ledger.entries SET entry = '' WHERE index = 3 AND ledger = %s", places[1].ledger.id
    )
    sealing = sealing_of(places[0])
    with running(sealing):
        until(lambda: sizes(sealing).get("three") == 5)
        alarm = sealing.standing()["two"].alarm
        assert alarm is not None
        assert alarm.startswith("Tampered: example.org/two: entry 3: expected leaf hash")
        for place in places:
            place.fill(10)
        until(lambda: (sizes(sealing)["one"], sizes(sealing)["three"]) == (15, 15))
        assert sealing.standing()["two"] == Sealed(0, alarm)
    assert places[1].told().size == 0
    assert ledger_sizes(places[0]) == dict.fromkeys(SLUGS, 15)


def test_a_stopped_ledger_is_left_alone_until_the_service_starts_again(places: list[Place]) -> None:
    key = next(places[0].published.keys.folder.glob("one.*.key"), None)
    assert key is None
    sealing = sealing_of(places[0])
    with Feed(places[0].database) as feed:
        sealing.seal(feed)
        (key,) = places[0].published.keys.folder.glob("one.*.key")
        key.chmod(0o644)
        places[0].fill(1)
        sealing.seal(feed)
        size, alarm, _ = sealing.standing()["one"]
        assert (size, alarm) == (5, f"SettingsError: {key}: expected mode 0600, got 0644; run chmod 600 on it")
        key.chmod(0o600)
        sealing.seal(feed)
        assert sealing.standing()["one"] == Sealed(5, alarm)
        again = sealing_of(places[0])
        until(lambda: again.seal(feed) or again.standing().get("one"))
        assert again.standing()["one"] == Sealed(6)


def test_a_head_that_was_removed_is_an_alarm_of_its_ledger_alone(places: list[Place]) -> None:
    sealing = sealing_of(places[0])
    with Feed(places[0].database) as feed:
        sealing.seal(feed)
        places[0].change("DELETE FROM ledger.heads WHERE ledger = %s", places[0].ledger.id)
        places[2].fill(3)
        sealing.seal(feed)
    assert "holds no head" in str(sealing.standing()["one"].alarm)
    assert sizes(sealing) | {"common": 0} == {"common": 0, "one": 5, "two": 5, "three": 8}


def test_a_rollback_under_a_running_service_is_an_alarm(places: list[Place]) -> None:
    sealing = sealing_of(places[0])
    with Feed(places[0].database) as feed:
        sealing.seal(feed)
        with places[0].superuser() as connection:
            mine = (places[0].ledger.id,)
            connection.execute("DELETE FROM ledger.entries WHERE index >= 4 AND ledger = %s", mine)
            connection.execute("UPDATE ledger.heads SET size = 4 WHERE ledger = %s", mine)
        sealing.seal(feed)
    assert "holds 4 entries, 5 are signed" in str(sealing.standing()["one"].alarm)
    with pytest.raises(Diverged, match="holds 4 entries, 5 are signed"):
        sealing_of(places[0]).check()


def test_files_of_one_that_cannot_be_written_now_hold_up_no_other(places: list[Place]) -> None:
    places[0].folder.parent.mkdir(parents=True)
    places[0].folder.write_text("in the way")
    sealing = sealing_of(places[0])
    with running(sealing):
        until(lambda: sizes(sealing).get("three") == 5)
        stands = sealing.standing()["one"]
        assert (stands.size, stands.alarm) == (0, None)
        assert stands.waits is not None
        assert stands.waits.startswith(f"{places[0].folder}")
        places[0].folder.unlink()
        until(lambda: sizes(sealing).get("one") == 5)
        assert sealing.standing()["one"] == Sealed(5)
    assert places[0].told().size == 5
    with Feed(places[0].database) as feed:
        places[2].folder.rename(places[2].folder.with_name("aside"))
        places[2].folder.write_text("in the way")
        places[1].fill(1)
        places[2].fill(1)

        def sealed() -> bool:
            with pytest.raises(Unavailable, match="cannot be read"):
                sealing.seal(feed)
            return sizes(sealing)["two"] == 6

        # What let go of a lease is gone when the server has seen it.
        until(sealed)


def test_what_another_process_seals_is_not_this_ones_to_tell(places: list[Place]) -> None:
    sealing, other = sealing_of(places[0]), sealing_of(places[0])
    with running(other):
        until(lambda: sizes(other).get("three") == 5)
        with Feed(places[0].database) as feed:
            sealing.seal(feed)
        assert sealing.standing() == {}
        sealing.check()
    with Feed(places[0].database) as feed:
        places[1].fill(2)
        until(lambda: sealing.seal(feed) or sizes(sealing).get("two") == 7)


def test_an_error_of_the_database_where_none_is_expected_does_not_end_the_thread(
    places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = Ledgers.all, Event()

    def failing(self: Ledgers) -> list[Ledger]:
        if not asked.is_set():
            asked.set()
            raise psycopg.OperationalError("the server went away between two statements")
        return real(self)

    monkeypatch.setattr(Ledgers, "all", failing)
    sealing = sealing_of(places[0])
    with running(sealing):
        until(lambda: sizes(sealing).get("three") == 5)
    assert asked.is_set()


def test_that_it_has_failed_itself_is_not_hidden_by_how_it_stood(
    places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing = sealing_of(places[0])
    with Feed(places[0].database) as feed:
        sealing.seal(feed)
    assert set(sealing.standing()) == set(SLUGS)

    def fail(_: Feed) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sealing, "seal", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        sealing.run(Event())
    with pytest.raises(Unavailable, match="it has failed; its failure is in the log"):
        sealing.standing()


def test_check_at_a_start_finds_what_was_done_while_nobody_sealed(places: list[Place]) -> None:
    sealing = sealing_of(places[0])
    sealing.check()
    with Feed(places[0].database) as feed:
        sealing.seal(feed)
    sealing_of(places[0]).check()
    places[2].forget()
    with pytest.raises(Diverged, match="a checkpoint is published, and the database has signed none"):
        sealing_of(places[0]).check()


def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with EmbeddedServer(tmp_path / "server") as server:
        migrate(server.database)
        places = places_in(server.database, tmp_path / "data")
        sealing = sealing_of(places[0])
        with running(sealing) as thread:
            until(lambda: sizes(sealing).get("three") == 5)
            for mode in ("immediate", "fast"):
                server.stop(mode)
                with pytest.raises(Unavailable):
                    sealing.check()
                assert thread.is_alive()
                server.start()
                before = sizes(sealing)["two"]
                places[1].fill(4)
                until(lambda before=before: sizes(sealing)["two"] == before + 4)
        assert not any(each.alarm for each in sealing.standing().values())
        assert places[1].told().size == 13
        sealing.check()
