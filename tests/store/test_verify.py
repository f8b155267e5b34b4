"""What a superuser did to a ledger is found, and named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from ledger.clock import SystemClock
from ledger.codec.declare import micros
from ledger.codec.entry import prefix
from ledger.errors import Tampered
from ledger.store import verify as verify_module
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.placing import place_all
from ledger.store.submission import Submission
from ledger.store.verify import verify
from ledger.store.writer import Writer
from ledger.tlog.chain import leaf_hash
from tests.support import check_ledger, sample, samples
from tests.waiting import DEADLINE

SIZE = 25
MIDDLE, LAST = 12, SIZE - 1


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "RANGE", 8)


@pytest.fixture
def filled(database: Database, ledger: Ledger) -> Database:
    with Writer(database) as writer:
        for n in range(SIZE):
            happened = (date(2024, 2, 29), datetime(2024, 6, 30, 20, 15, tzinfo=UTC), None)[n % 3]
            writer.submit(ledger.id, [sample(f"s{n % 7}", n // 7 + 1, happened_on=happened)]).result(30)
    assert check_ledger(database, ledger) == SIZE
    return database


@contextmanager
def superuser(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Whom no trigger stops."""
    with database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def fault(database: Database, ledger: Ledger) -> tuple[int, str]:
    found: list[tuple[int, str]] = []
    for processes in (1, 2):
        with pytest.raises(Tampered) as caught:
            verify(database, ledger, processes=processes)
        found.append((caught.value.index, caught.value.what))
    assert found[0] == found[1]
    return found[0]


def bytes_of(connection: psycopg.Connection[Any], index: int) -> bytes:
    row = connection.execute("SELECT entry FROM ledger.entries WHERE index = %s", (index,)).fetchone()
    assert row is not None
    return bytes(row[0])


@pytest.mark.parametrize("index", [0, 9, 10, MIDDLE, LAST])
def test_altered_bytes(filled: Database, ledger: Ledger, index: int) -> None:
    with superuser(filled) as connection:
        altered = bytes_of(connection, index).replace(b"payload", b"Payload")
        connection.execute("UPDATE ledger.entries SET entry = %s WHERE index = %s", (altered, index))
    where, what = fault(filled, ledger)
    assert where == index
    assert what.startswith("expected leaf hash ")


@pytest.mark.parametrize("index", [0, 8, 9, 10, MIDDLE, LAST])
def test_altered_bytes_with_their_leaf_hash(filled: Database, ledger: Ledger, index: int) -> None:
    with superuser(filled) as connection:
        altered = bytes_of(connection, index).replace(b"payload", b"Payload")
        connection.execute(
            "UPDATE ledger.entries SET entry = %s, leaf_hash = %s WHERE index = %s",
            (altered, leaf_hash(altered), index),
        )
    where, what = fault(filled, ledger)
    assert where == index
    assert "leaf hash" in what


@pytest.mark.parametrize("index", [1, 9, 10, 11, LAST])
def test_an_altered_previous(filled: Database, ledger: Ledger, index: int) -> None:
    with superuser(filled) as connection:
        stored = bytes_of(connection, index)
        before = leaf_hash(bytes_of(connection, index - 1))
        altered = stored.replace(before, bytes(32))
        assert altered != stored
        connection.execute(
            "UPDATE ledger.entries SET entry = %s, leaf_hash = %s WHERE index = %s",
            (altered, leaf_hash(altered), index),
        )
    where, what = fault(filled, ledger)
    assert where == index
    assert what == "its previous is not the leaf hash of the entry before"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stream", "'s99'"),
        ("version", "99"),
        ("event", "'ledger.test.v1.Other'"),
        ("recorded_at", "recorded_at + interval '1 microsecond'"),
        ("happened_on", "'2001-01-01'"),
        ("happened_on", "NULL"),
        ("happened_on", "'infinity'"),
        ("organisation", "'other'"),
        ("command", "gen_random_uuid()"),
        ("part", "7"),
    ],
)
def test_a_column_that_does_not_say_what_the_bytes_say(
    filled: Database, ledger: Ledger, column: str, value: str
) -> None:
    with superuser(filled) as connection:
        connection.execute(f"UPDATE ledger.entries SET {column} = {value} WHERE index = {MIDDLE + 1}".encode())
    where, what = fault(filled, ledger)
    assert (where, what) == (MIDDLE + 1, f"column {column}: not what its bytes say")


@pytest.mark.parametrize("index", [0, 9, 10, MIDDLE, LAST])
def test_a_deleted_entry(filled: Database, ledger: Ledger, index: int) -> None:
    with superuser(filled) as connection:
        connection.execute("DELETE FROM ledger.entries WHERE index = %s", (index,))
    assert fault(filled, ledger) == (index, "it is missing")


def test_every_entry_deleted(filled: Database, ledger: Ledger) -> None:
    with superuser(filled) as connection:
        connection.execute("TRUNCATE ledger.entries")
    assert fault(filled, ledger) == (0, "it is missing")


@pytest.mark.parametrize(("one", "other"), [(3, 4), (9, 10), (2, 23)])
def test_two_swapped_entries(filled: Database, ledger: Ledger, one: int, other: int) -> None:
    with superuser(filled) as connection:
        for old, new in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE ledger.entries SET index = %s WHERE index = %s", (new, old))
    where, what = fault(filled, ledger)
    assert where == one
    assert what.startswith("column index")


@pytest.mark.parametrize("index", [-1, SIZE, SIZE + 5])
def test_an_entry_slipped_in(filled: Database, ledger: Ledger, index: int) -> None:
    with superuser(filled) as connection:
        connection.execute(
            "INSERT INTO ledger.entries SELECT %s, recorded_at, ledger, 9, 0, happened_on, gen_random_uuid(), "
            "leaf_hash, 'new', event, organisation, content_mac, entry FROM ledger.entries WHERE index = 0",
            (index,),
        )
    assert fault(filled, ledger)[0] == min(index, SIZE)


@pytest.mark.parametrize(
    ("change", "index"),
    [
        ("size = size - 1", SIZE - 1),
        ("size = size + 1", SIZE),
        ("hash = decode(repeat('ab', 32), 'hex')", LAST),
        ("recorded_at = recorded_at + interval '1 hour'", LAST),
    ],
)
def test_a_head_that_is_not_the_end(filled: Database, ledger: Ledger, change: str, index: int) -> None:
    with superuser(filled) as connection:
        connection.execute(f"UPDATE ledger.heads SET {change}".encode())
    assert fault(filled, ledger)[0] == index


def test_a_stream_with_a_gap(filled: Database, ledger: Ledger) -> None:
    # No writer makes it: each entry is whole, and what is missing is missing between versions.
    other = Ledgers(filled).create("gap", "example.org/gap", "o")
    with Writer(filled) as writer:
        writer.submit(other.id, [sample("a")]).result(30)
    with Feed(filled) as feed:
        head = feed.head(other.id)
    drafts = samples("a", 1, first=3)
    submission = Submission(other, drafts, (), (), None, lambda *_: None)
    placed = place_all(prefix(other.origin), head, [submission], micros(SystemClock().now()))
    receipt = placed.receipts(other, [submission])[0][0]
    with superuser(filled) as connection:
        connection.execute(
            "INSERT INTO ledger.entries SELECT 1, %s, %s, 3, 0, %s, %s, %s, 'a', event, organisation, NULL, %s "
            "FROM ledger.entries WHERE ledger = %s",
            (
                receipt.recorded_at, other.id, date(2024, 7, 1), drafts[0].command, receipt.leaf_hash,
                placed.entries[0], other.id,
            ),
        )  # fmt: skip
        connection.execute(
            "UPDATE ledger.heads SET size = 2, hash = %s, recorded_at = %s WHERE ledger = %s",
            (receipt.leaf_hash, receipt.recorded_at, other.id),
        )
    assert fault(filled, other) == (1, "stream a has a gap before version 3")


def test_malformed_bytes_with_their_leaf_hash(filled: Database, ledger: Ledger) -> None:
    with superuser(filled) as connection:
        for index, altered in ((MIDDLE, b""), (3, bytes_of(connection, 3) + b"\0")):
            connection.execute(
                "UPDATE ledger.entries SET entry = %s, leaf_hash = %s WHERE index = %s",
                (altered, leaf_hash(altered), index),
            )
    where, what = fault(filled, ledger)
    assert where == 3
    assert what.startswith("its bytes are malformed: ")


def test_progress_says_where_it_stands(filled: Database, ledger: Ledger) -> None:
    said: list[tuple[int, int]] = []
    verified = verify(filled, ledger, progress=lambda done, all_: said.append((done, all_)))
    assert said == [(8, SIZE), (16, SIZE), (24, SIZE), (SIZE, SIZE)]
    assert (verified.origin, verified.size) == (ledger.origin, SIZE)


def test_an_empty_ledger_is_whole(database: Database, ledger: Ledger) -> None:
    assert verify(database, ledger).size == 0
    assert check_ledger(database, ledger) == 0


def test_what_is_written_meanwhile_does_not_disturb(filled: Database, ledger: Ledger) -> None:
    with Writer(filled) as writer:

        def write(done: int, _: int) -> None:
            writer.submit(ledger.id, [sample(f"while-{done}")]).result(30)

        assert verify(filled, ledger, processes=1, progress=write).size == SIZE
    assert check_ledger(filled, ledger) == SIZE + 4


INTERRUPTED = """
import json, os, signal, sys
from ledger.store import verify as module
from ledger.store.database import Database
from ledger.store.ledgers import Ledger

def told(done, size):
    os.killpg(0, signal.SIGINT)

admin, ledger = json.load(sys.stdin)
module.RANGE = 1
# A handler of its own, which no process that it starts inherits.
signal.signal(signal.SIGINT, lambda *_: None)
print(module.verify(Database(admin), Ledger(**ledger), processes=2, progress=told).size)
"""


def test_ctrl_c_is_said_by_the_program_alone(filled: Database, ledger: Ledger) -> None:
    """It reaches all processes of a terminal's group: a trace of each would stand beside its one line."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        input=json.dumps([filled.admin, asdict(ledger)]),
        capture_output=True, text=True, timeout=DEADLINE, start_new_session=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{SIZE}\n", "")
