"""The commit procedure of 5-architecture: receipts, repeats, conflicts, groups, clocks."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ledger.clock import SystemClock
from ledger.codec.entry import decode_entry
from ledger.errors import CommandReused, Conflict, InvalidInput, NotFound, OutcomeUnknown, Unavailable
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.lanes import GROUP_ENTRIES
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.submission import Draft, Receipt, Submission
from ledger.store.writer import Writer
from ledger.tlog.chain import GENESIS, leaf_hash
from tests.support import check_ledger, sample, samples


class MovedClock:
    """The machine's clock, set wrong by ``by``."""

    def __init__(self) -> None:
        self.by = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.by


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def writer(database: Database, clock: MovedClock) -> Iterator[Writer]:
    with Writer(database, clock=clock) as running:
        yield running


def put(writer: Writer, ledger: Ledger, *drafts: Draft) -> list[Receipt]:
    return writer.submit(ledger.id, drafts).result(30)


def test_a_receipt_names_ledger_index_leaf_hash_and_time(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    before = datetime.now(UTC)
    receipts = [*put(writer, ledger, *samples("a", 2)), *put(writer, ledger, sample("b"))]
    with Feed(database) as feed:
        rows = feed.read(ledger.id)
    previous = GENESIS
    for index, (receipt, row) in enumerate(zip(receipts, rows, strict=True)):
        entry = decode_entry(row.entry)
        assert receipt == Receipt(ledger.origin, index, leaf_hash(row.entry), entry.recorded_at)
        assert before <= receipt.recorded_at <= datetime.now(UTC)
        assert entry.previous == previous
        previous = receipt.leaf_hash
    assert check_ledger(database, ledger) == 3


@pytest.mark.parametrize("warm", [False, True])
def test_a_repeat_is_answered_with_the_first_receipts(
    database: Database, ledger: Ledger, writer: Writer, *, warm: bool
) -> None:
    if warm:  # the fast path meets the repeat, not the ledger's first group
        put(writer, ledger, sample("other"))
    drafts = samples("a", 3)
    first = put(writer, ledger, *drafts)
    put(writer, ledger, sample("a", 4))  # the case has moved on
    assert put(writer, ledger, *drafts) == first
    assert put(writer, ledger, *samples("a", 3, first=5, command=drafts[0].command)) == first
    check_ledger(database, ledger)


def test_the_same_id_with_other_content_is_refused(database: Database, ledger: Ledger, writer: Writer) -> None:
    command = str(uuid4())
    first = put(writer, ledger, sample("a", command=command, content_mac=bytes(8) + b"one"))
    with pytest.raises(CommandReused, match=f"command {command} was recorded with other content"):
        put(writer, ledger, sample("a", 2, command=command, content_mac=bytes(8) + b"two"))
    # After a refill the first one's mac is gone: the first receipt, unchecked (4-wire 'Entry', command).
    assert put(writer, ledger, sample("a", 2, command=command)) == first
    assert check_ledger(database, ledger) == 1


def test_the_same_command_at_the_same_time_is_recorded_once(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    command = str(uuid4())
    futures = [writer.submit(ledger.id, [sample("a", command=command)]) for _ in range(20)]
    assert len({future.result(30)[0] for future in futures}) == 1
    assert check_ledger(database, ledger) == 1


def test_a_command_submitted_with_recorded_ones_is_refused_whole(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    known = sample("a")
    put(writer, ledger, known)
    with pytest.raises(CommandReused, match="1 of the 2 commands submitted together"):
        put(writer, ledger, known, sample("b"))
    assert check_ledger(database, ledger) == 1


@pytest.mark.parametrize("version", [1, 2, 4, 9])
def test_a_case_that_moved_on_is_a_conflict_that_says_where_it_stands(
    database: Database, ledger: Ledger, writer: Writer, version: int
) -> None:
    put(writer, ledger, *samples("a", 2))
    with pytest.raises(Conflict, match=f"expected to stand at version {version - 1}, found 2"):
        put(writer, ledger, sample("a", version))
    assert check_ledger(database, ledger) == 2


def test_a_conflict_never_harms_its_neighbours(database: Database, ledger: Ledger, writer: Writer) -> None:
    put(writer, ledger, *samples("a", 2))
    futures: list[Submission] = []
    for n in range(50):
        futures.append(writer.submit(ledger.id, [sample(f"good-{n}")]))
        futures.append(writer.submit(ledger.id, [sample("a", 2)]))
    for n, future in enumerate(futures):
        if n % 2:
            with pytest.raises(Conflict):
                future.result(30)
        else:
            assert len(future.result(30)) == 1
    assert check_ledger(database, ledger) == 52


def test_a_conflict_storm_leaves_one_winner_a_version(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    won: list[int] = []

    def fight() -> None:
        for version in range(1, 26):
            try:
                put(writer, ledger, sample("a", version))
            except Conflict:
                continue
            won.append(version)

    with Writer(database) as second:
        other = second

        def fight_from_another_writer() -> None:
            for version in range(1, 26):
                try:
                    put(other, ledger, sample("a", version))
                except Conflict:
                    continue
                won.append(version)

        threads = [threading.Thread(target=fight) for _ in range(6)]
        threads += [threading.Thread(target=fight_from_another_writer) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(won) == len(set(won))
    assert check_ledger(database, ledger) == len(won)


def test_two_writers_on_one_ledger_lose_nothing(database: Database, ledger: Ledger, writer: Writer) -> None:
    with Writer(database) as second:
        futures = [
            each.submit(ledger.id, samples(f"{name}-{n}", 2))
            for n in range(150)
            for name, each in (("x", writer), ("y", second))
        ]
        indexes = {receipt.index for future in futures for receipt in future.result(30)}
    assert indexes == set(range(600))
    assert check_ledger(database, ledger) == 600


def test_ledgers_are_independent(database: Database, ledger: Ledger, writer: Writer) -> None:
    ledgers = [ledger, *(Ledgers(database).create(f"l{n}", f"example.org/{n}", "o") for n in range(6))]
    futures = [(each, writer.submit(each.id, [sample(f"s{n}")])) for n in range(40) for each in ledgers]
    for each, future in futures:
        assert future.result(30)[0].ledger == each.origin
    for each in ledgers:
        assert check_ledger(database, each) == 40


def test_a_large_submission_goes_by_copy(database: Database, ledger: Ledger, writer: Writer) -> None:
    count = GROUP_ENTRIES * 2 + 1
    neighbours = [writer.submit(ledger.id, [sample(f"n-{n}")]) for n in range(3)]
    receipts = put(writer, ledger, *samples("big", count))
    assert [receipt.index for receipt in receipts] == list(range(receipts[0].index, receipts[0].index + count))
    for future in neighbours:
        future.result(30)
    assert check_ledger(database, ledger) == count + 3


def test_a_clock_that_steps_back_gives_equal_moments_never_earlier_ones(
    database: Database, ledger: Ledger, writer: Writer, clock: MovedClock
) -> None:
    (first,) = put(writer, ledger, sample("a"))
    clock.by = timedelta(hours=-3)
    (second,) = put(writer, ledger, sample("b"))
    assert second.recorded_at == first.recorded_at
    check_ledger(database, ledger)


@pytest.mark.parametrize("warm", [False, True])
def test_a_clock_more_than_two_seconds_ahead_is_refused(
    database: Database, ledger: Ledger, writer: Writer, clock: MovedClock, *, warm: bool
) -> None:
    if warm:
        put(writer, ledger, sample("a"))
    clock.by = timedelta(seconds=5)
    with pytest.raises(Unavailable, match=r"clock is [45]\.\d s ahead of the database's"):
        put(writer, ledger, sample("b"))
    clock.by = timedelta(seconds=1)
    put(writer, ledger, sample("b"))
    assert check_ledger(database, ledger) == 1 + warm


def test_only_a_demonstration_takes_a_simulated_moment(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    moment = datetime(2024, 7, 1, 9, 30, tzinfo=UTC)
    with pytest.raises(InvalidInput, match="not created as a demonstration"):
        writer.submit(ledger.id, [sample("a")], moment=moment)
    shown = Ledgers(database).create("demo", "example.org/demo", "o", demonstration=True)
    later, earlier = moment + timedelta(days=30), moment - timedelta(days=1)
    times = [
        writer.submit(shown.id, [sample(f"s{n}")], moment=at).result(30)[0].recorded_at
        for n, at in enumerate((moment, later, earlier))
    ]
    assert times == [moment, later, later]
    assert check_ledger(database, shown) == 3


def test_what_no_entry_can_hold_is_refused_before_it_is_queued(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    with pytest.raises(InvalidInput, match="entry: expected at most 65535 bytes"):
        put(writer, ledger, sample("a", payload=bytes(65_500)))
    put(writer, ledger, sample("a", payload=bytes(65_000)))
    with pytest.raises(InvalidInput, match="drafts: expected at least one"):
        put(writer, ledger)
    with pytest.raises(InvalidInput, match="stream: expected text without NUL"):
        sample("a\0b")
    with pytest.raises(InvalidInput, match="command: expected a UUID in lower case"):
        sample("a", command=str(uuid4()).upper())
    with pytest.raises(InvalidInput, match="version: expected a number from 0 to"):
        sample("a", 1 << 31)
    with pytest.raises(NotFound, match="no ledger has the id 77"):
        writer.submit(77, [sample("a")])
    assert check_ledger(database, ledger) == 1


def test_a_closed_writer_finishes_what_it_took_and_takes_no_more(database: Database, ledger: Ledger) -> None:
    writer = Writer(database)
    futures = [writer.submit(ledger.id, [sample(f"s{n}")]) for n in range(200)]
    writer.close()
    assert sorted(future.result(0)[0].index for future in futures) == list(range(200))
    with pytest.raises(Unavailable, match="the writer is closed"):
        writer.submit(ledger.id, [sample("late")])
    assert check_ledger(database, ledger) == 200


def test_a_writer_closed_under_load_answers_everybody(database: Database, ledger: Ledger) -> None:
    written: list[int] = []
    for number in range(10):
        writer = Writer(database)
        start = threading.Barrier(9)

        def work(name: str, writer: Writer = writer, start: threading.Barrier = start) -> None:
            start.wait(30)
            for count in itertools.count():
                try:
                    written.append(writer.submit(ledger.id, [sample(f"{name}-{count}")]).result(30)[0].index)
                except Unavailable:
                    return

        with ThreadPoolExecutor(8) as pool:
            working = [pool.submit(work, f"{number}-{client}") for client in range(8)]
            start.wait(30)
            time.sleep(0.02 * number)
            writer.close()
            for each in working:
                each.result(30)
    assert sorted(written) == list(range(check_ledger(database, ledger)))


def test_what_nobody_waits_for_is_written_all_the_same(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    for pause in (0.0, 1.5):  # the writer's own thread awake, and asleep after a while at rest
        time.sleep(pause)
        submissions = [writer.submit(ledger.id, [sample(f"{pause}-{n}")]) for n in range(50)]
        deadline = time.monotonic() + 20
        while not all(submission.done() for submission in submissions):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert check_ledger(database, ledger) == 100


def test_threads_may_wait_for_one_submission(database: Database, ledger: Ledger, writer: Writer) -> None:
    with head_held(database, ledger) as let_go:
        submission = writer.submit(ledger.id, [sample("a")])
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(submission.result, 30) for _ in range(8)]
            time.sleep(0.2)
            let_go()
            assert {each.result()[0].index for each in waiting} == {0}
    assert check_ledger(database, ledger) == 1


def test_who_gives_up_waiting_leaves_the_work_to_the_next(
    database: Database, ledger: Ledger, writer: Writer
) -> None:
    put(writer, ledger, sample("warm"))
    with head_held(database, ledger) as let_go:
        first = writer.submit(ledger.id, [sample("a")])
        second = writer.submit(ledger.id, [sample("b")])
        with ThreadPoolExecutor(2) as pool:
            driving = pool.submit(first.result, 0.3)
            time.sleep(0.1)
            waiting = pool.submit(second.result, 30)
            with pytest.raises(TimeoutError):
                driving.result()
            assert not first.done()
            let_go()
            assert waiting.result()[0].index == 2
    assert first.result(0)[0].index == 1
    assert check_ledger(database, ledger) == 3


def test_an_interrupt_while_waiting_harms_nobody(database: Database, ledger: Ledger, writer: Writer) -> None:
    put(writer, ledger, sample("warm"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with head_held(database, ledger) as let_go:
            submission = writer.submit(ledger.id, [sample("a")])
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                submission.result(30)
            let_go()
            assert submission.result(30)[0].index == 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert put(writer, ledger, sample("b"))[0].index == 2
    assert check_ledger(database, ledger) == 3


@contextmanager
def head_held(database: Database, ledger: Ledger) -> Iterator[Callable[[], None]]:
    """Somebody else holds the ledger's head until the function given is called."""
    with database.connect_admin() as connection:
        connection.autocommit = False
        connection.execute("SELECT FROM ledger.heads WHERE ledger = %s FOR UPDATE", (ledger.id,))
        yield connection.rollback


def test_an_interrupt_within_submit_ends_the_writer_and_tells_all(database: Database, ledger: Ledger) -> None:
    armed = False

    def step(name: str) -> None:
        if armed and name == "formed":
            raise KeyboardInterrupt

    with Writer(database, step=step) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        armed = True
        command = str(uuid4())
        with pytest.raises((KeyboardInterrupt, OutcomeUnknown)):
            writer.submit(ledger.id, [sample("a", command=command)]).result(30)
        with pytest.raises((Unavailable, OutcomeUnknown)):
            writer.submit(ledger.id, [sample("b")]).result(30)
    with Writer(database) as writer:
        assert put(writer, ledger, sample("a", command=command))[0].index == 1
    assert check_ledger(database, ledger) == 2


def test_seven_busy_ledgers_take_turns(database: Database, ledger: Ledger, writer: Writer) -> None:
    ledgers = [ledger, *(Ledgers(database).create(f"l{n}", f"example.org/{n}", "o") for n in range(6))]
    futures = [(each, writer.submit(each.id, samples(f"s{n}", 2))) for n in range(150) for each in ledgers]
    for _, future in futures:
        future.result(60)
    for each in ledgers:
        assert check_ledger(database, each) == 300
