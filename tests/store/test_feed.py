"""Reading: behind a position, by stream, by command, in bulk, at a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from time import sleep

import pytest

from ledger.codec.entry import decode_entry
from ledger.errors import InvalidInput, NotFound
from ledger.store.database import Database, Role
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.submission import Receipt
from ledger.store.writer import Writer
from tests.support import check_ledger, samples

START = datetime(2024, 7, 1, tzinfo=UTC)


@pytest.fixture
def feed(database: Database) -> Iterator[Feed]:
    with Feed(database) as reading:
        yield reading


@pytest.fixture
def demo(database: Database) -> Iterator[Ledger]:
    """Ten commands of two entries, a day apart, in streams a, b, c."""
    made = Ledgers(database).create("demo", "example.org/demo", "o", demonstration=True)
    with Writer(database) as writer:
        for n in range(10):
            drafts = samples("abc"[n % 3], 2, first=n // 3 * 2 + 1)
            writer.submit(made.id, drafts, moment=START + timedelta(days=n)).result(30)
    yield made
    check_ledger(database, made)


def test_a_row_repeats_what_its_bytes_say(feed: Feed, demo: Ledger) -> None:
    row = feed.entry(demo.id, 7)
    entry = row.decoded
    assert entry == decode_entry(row.entry)
    assert (row.ledger_id, row.index, row.recorded_at) == (demo.id, entry.index, entry.recorded_at)
    assert (row.stream, row.version, row.event) == (entry.stream, entry.version, entry.event)
    assert (row.command, row.part, row.happened_on) == (entry.command, entry.part, date(2024, 7, 1))
    with pytest.raises(NotFound, match="has no entry 20"):
        feed.entry(demo.id, 20)


def test_reading_behind_a_position(feed: Feed, demo: Ledger) -> None:
    assert [row.index for row in feed.read(demo.id)] == list(range(20))
    assert [row.index for row in feed.read(demo.id, 4, 3)] == [5, 6, 7]
    assert [row.index for row in feed.read(demo.id, 4, until=7)] == [5, 6]
    assert feed.read(demo.id, events=["ledger.test.v1.Other"]) == []
    assert len(feed.read(demo.id, events=["ledger.test.v1.SomethingHappened"])) == 20
    assert feed.read(demo.id + 1) == []


def test_reading_streams(feed: Feed, demo: Ledger) -> None:
    assert [row.version for row in feed.stream(demo.id, "a")] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row.version for row in feed.stream(demo.id, "a", after=2, upto=5)] == [3, 4, 5]
    assert [row.version for row in feed.stream(demo.id, "a", backwards=True, limit=2)] == [8, 7]
    assert [row.index for row in feed.stream(demo.id, "a", until=7)] == [0, 1, 6]
    assert [(row.stream, row.version) for row in feed.streams(demo.id, ["c", "b"], until=8)] == [
        ("b", 1), ("b", 2), ("c", 1), ("c", 2),
    ]  # fmt: skip


def test_reading_a_command(feed: Feed, demo: Ledger) -> None:
    command = feed.entry(demo.id, 9).command
    assert [(row.index, row.part) for row in feed.by_command(demo.id, command)] == [(8, 0), (9, 1)]
    assert feed.by_command(demo.id, "00000000-0000-4000-8000-000000000000") == []
    with pytest.raises(InvalidInput, match="command: expected a UUID"):
        feed.by_command(demo.id, "x")


@pytest.mark.parametrize("batch", [1, 7, 20, 1000])
def test_scanning_in_both_orders(feed: Feed, demo: Ledger, batch: int) -> None:
    by_index = list(feed.scan(demo.id, batch=batch))
    assert max(map(len, by_index)) == min(batch, 20)
    assert [row for rows in by_index for row in rows] == feed.read(demo.id)
    by_stream = [row for rows in feed.scan(demo.id, order="stream", batch=batch) for row in rows]
    assert by_stream == feed.streams(demo.id, "abc")
    assert [row.index for rows in feed.scan(demo.id, start=3, until=6) for row in rows] == [3, 4, 5]


def test_a_scan_left_early_frees_its_connection(database: Database, demo: Ledger) -> None:
    with Feed(database, connections=1) as feed:
        for _ in range(3):
            scan = feed.scan(demo.id, batch=1)
            assert next(scan)[0].index == 0
            scan.close()  # type: ignore[attr-defined]
        assert feed.head(demo.id).size == 20


def test_a_moment_becomes_a_position(feed: Feed, demo: Ledger) -> None:
    tick = timedelta(microseconds=1)
    for day in range(10):
        moment = START + timedelta(days=day)
        assert feed.position_at(demo.id, moment - tick) == day * 2
        assert feed.position_at(demo.id, moment) == day * 2 + 2
    assert feed.position_at(demo.id, START + timedelta(days=99)) == 20
    with pytest.raises(InvalidInput, match="an instant with its time zone"):
        feed.position_at(demo.id, datetime(2024, 7, 1))
    with pytest.raises(NotFound):
        feed.position_at(77, START)


def test_a_position_waits_for_a_commit_under_way(database: Database, demo: Ledger, feed: Feed) -> None:
    found: list[int] = []
    asking = threading.Thread(target=lambda: found.append(feed.position_at(demo.id, START)))
    with database.connect(Role.WRITER) as writer:
        writer.execute("BEGIN")
        writer.execute("UPDATE ledger.heads SET size = size WHERE ledger = %s", (demo.id,))
        asking.start()
        sleep(0.2)
        assert found == []
        writer.execute("ROLLBACK")
    asking.join()
    assert found == [2]


def test_heads_of_all_ledgers(feed: Feed, demo: Ledger, ledger: Ledger) -> None:
    heads = feed.heads()
    assert heads[demo.id] == feed.head(demo.id)
    assert (heads[demo.id].size, heads[ledger.id].size) == (20, 0)
    with pytest.raises(NotFound):
        feed.head(77)


def test_following_sees_each_entry_once_and_in_order(database: Database, ledger: Ledger, feed: Feed) -> None:
    seen: list[int] = []
    stop = threading.Event()

    def follow() -> None:
        for batch in feed.follow(ledger.id, stop=stop, interval=0.001, limit=7):
            seen.extend(row.index for row in batch)
            if len(seen) >= 120:
                stop.set()

    follower = threading.Thread(target=follow)
    follower.start()
    with Writer(database) as one, Writer(database) as two:
        futures = [(one, two)[n % 2].submit(ledger.id, samples(f"s{n}", 2)) for n in range(60)]
        receipts: list[Receipt] = [receipt for future in futures for receipt in future.result(30)]
    follower.join(30)
    assert seen == list(range(120))
    assert len(receipts) == 120
    assert check_ledger(database, ledger) == 120
