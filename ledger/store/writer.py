"""The commit procedure (5-architecture): one writer thread a process, groups, one round trip a group.

What is waiting for one ledger becomes a group; a group takes its places from the head that the last commit
left, and enters by a single prepared statement that moves the head by compare-and-swap. Up to four groups, of
different ledgers, are under way at once. Everything that this statement does not settle goes to
``ledger.store.settle``: a ledger's first group, large groups, violated keys, lost connections.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from threading import Lock, Thread
from time import monotonic, sleep
from types import TracebackType

import psycopg
from psycopg import pq

from ledger.clock import Clock, SystemClock
from ledger.codec.declare import micros
from ledger.codec.entry import prefix
from ledger.errors import AuditLedgerError, InvalidInput, OutcomeUnknown, Unavailable
from ledger.store import binary, queries
from ledger.store.binary import array, int4, int8
from ledger.store.database import Database
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.placing import Head, Placed, VaultRows, needed_versions, place_all
from ledger.store.session import COLUMN_TYPES, copy_statement, head_of, locked_head_of, open_session
from ledger.store.settle import Connection, Lost, Outcome, Settled, settle
from ledger.store.submission import Draft, Receipt, Submission
from ledger.vault.sealing import VaultRow, WrappedKey

ACTIVE = pq.TransactionStatus.ACTIVE
ANSWERED = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
CONNECTIONS = 4
GROUP_ENTRIES = 1_000
"""Entries of a group that is sent as one statement; a submission of more goes by COPY."""
COPY_FROM = 50
"""Entries from which a second round trip, for COPY, costs less than the slower insertion."""
CONTENDED = 20
"""Groups that take the head's lock first, after another process was met."""
HEAD_MOVED = b"AL002"
"""SQLSTATE of ledger.swap_head."""
ANSWER_SECONDS = 60.0
"""Seconds after which a statement without an answer is taken for lost."""
POLL_MILLISECONDS = 1000
PATIENCE = 10.0
"""Seconds to try to learn the outcome of a group whose connection was lost."""


class Stage(Enum):
    """What a group's connection has been asked."""

    COMMIT = auto()
    COPY = auto()
    HEAD = auto()
    LOCK = auto()
    COMMIT_LOCKED = auto()


@dataclass(slots=True)
class _Lane:
    """One ledger's queue. At most one of its groups is under way."""

    ledger: Ledger
    prefix: bytes
    waiting: deque[Submission] = field(default_factory=deque)
    head: Head | None = None
    busy: bool = False
    lined_up: bool = False
    contended: int = 0
    """How many more groups take the head's lock first: another process writes this ledger too."""


@dataclass(slots=True)
class _Group:
    lane: _Lane
    submissions: list[Submission]
    entries: int
    stage: Stage
    locked: bool = False
    placed: Placed | None = None
    swaps_lost: int = 0


@dataclass(slots=True)
class _Link:
    """One of the writer's connections; ``group`` is what is under way on it."""

    connection: Connection | None = None
    descriptor: int = -1
    group: _Group | None = None
    writing: bool = False
    asked_at: float = 0.0
    answers: list[pq.abc.PGresult] = field(default_factory=list)


def _no_step(_: str) -> None:
    """Nothing: only tests of crashes look at the steps."""


class Writer:
    """Appends to the ledgers of one database. Thread-safe; close it, or use it in ``with``.

    ``step`` is called with the name of each step of the commit procedure (tests kill the process there).
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        patience: float = PATIENCE,
        answer_within: float = ANSWER_SECONDS,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._database = database
        self._ledgers = Ledgers(database)
        self._clock = clock or SystemClock()
        self._patience = patience
        self._step = step
        self._answer_within = answer_within
        self._turn = Lock()
        self._queue: deque[Submission] = deque()
        self._settled: deque[tuple[_Link, _Group, Settled]] = deque()
        self._line: deque[_Lane] = deque()
        self._closing = False
        self._finished = False
        self._failure: BaseException | None = None
        self._poll_changed = False
        self._prefixes: dict[int, tuple[Ledger, bytes]] = {}
        self._lanes: dict[int, _Lane] = {}
        self._links = [_Link() for _ in range(CONNECTIONS)]
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._helpers = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="ledger-settle")
        self._thread = Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        ledger_id: int,
        drafts: Sequence[Draft],
        *,
        keys: Sequence[WrappedKey] = (),
        rows: Sequence[VaultRow] = (),
        moment: datetime | None = None,
    ) -> Future[list[Receipt]]:
        """Appends ``drafts`` together or not at all, with their new vault keys and sealed rows.

        A row's ``ordinal`` is its entry's place in ``drafts``. ``moment`` is the simulated time, which only a
        ledger created as a demonstration takes. A repeat of a command is answered with its first receipts.

        Raises at once InvalidInput, NotFound, Unavailable (closed). The future raises Conflict, CommandReused,
        VaultError (a key is gone: seal anew), Unavailable (nothing was written), OutcomeUnknown (repeat it).
        """
        ledger, ledger_prefix = self._prefix(ledger_id)
        if moment is not None and not ledger.demonstration:
            raise InvalidInput("moment", "none: the ledger was not created as a demonstration", moment)
        submission = Submission(ledger_id, drafts, keys, rows, moment)
        submission.check(ledger_prefix)
        if self._closing:
            raise Unavailable("nothing was written: the writer is closed")
        self._queue.append(submission)
        if self._advance():
            self._wake()
        return submission.future

    def close(self) -> None:
        """Finishes what was submitted, then lets go of the connections."""
        self._closing = True
        self._wake()
        self._thread.join()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prefix(self, ledger_id: int) -> tuple[Ledger, bytes]:
        known = self._prefixes.get(ledger_id)
        if known is None:
            ledger = self._ledgers.by_id(ledger_id)
            known = self._prefixes[ledger_id] = (ledger, prefix(ledger.origin))
        return known

    # --- the one writer ----------------------------------------------------------------------------------
    #
    # Everything below touches lanes and links only with the turn. The thread takes the turn whenever a
    # connection answers; who submits to a writer at rest takes it too and sends the group itself, which saves
    # handing it to the thread. There is one order of groups either way.

    def _advance(self) -> bool:
        """Forms and sends groups of what is queued, unless somebody else has the turn, who then does.

        True where what the thread polls has changed.
        """
        changed = False
        while (self._queue or self._settled) and self._turn.acquire(blocking=False):
            try:
                if self._finished:
                    self._abandon()
                    return False
                self._take()
                self._start_groups()
                changed, self._poll_changed = changed or self._poll_changed, False
            except BaseException as error:
                # Half a step may be done, by an interrupt too: the thread ends, and tells all who wait.
                self._failure = error
                self._wake()
                raise
            finally:
                self._turn.release()
        return changed

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def _run(self) -> None:
        try:
            while not (self._failure or (self._closing and self._at_rest())):
                ready = self._poll.poll(POLL_MILLISECONDS)
                with self._turn:
                    self._answer_ready(ready)
                    self._poll_changed = False
                self._advance()
        except BaseException as error:  # noqa: BLE001  (whoever waits must be told, whatever it was)
            self._failure = error
        self._closing = True
        self._helpers.shutdown()
        with self._turn:
            self._finished = True
            self._abandon()
        for link in self._links:
            if link.connection is not None:
                link.connection.close()
        self._wake_read.close()
        self._wake_write.close()

    def _at_rest(self) -> bool:
        """Whether nothing is queued, waiting or under way."""
        with self._turn:
            lanes = self._lanes.values()
            return not (self._queue or self._settled or any(lane.busy or lane.waiting for lane in lanes))

    def _abandon(self) -> None:
        """Tells whoever still waits at the end: after a fault of the writer's own, or because it is closed."""
        unknown = OutcomeUnknown(f"repeat with the same command id: the writer stopped: {self._failure!r}")
        closed = Unavailable("nothing was written: the writer is closed")
        left: list[tuple[Submission, AuditLedgerError]] = []
        for link in self._links:
            if link.group is not None:
                left += ((submission, unknown) for submission in link.group.submissions)
        for lane in self._lanes.values():
            left += ((submission, closed) for submission in lane.waiting)
        while self._queue:
            left.append((self._queue.popleft(), closed))
        for submission, error in left:
            if not submission.future.done():
                submission.future.set_exception(error)

    def _take(self) -> None:
        """Takes what was settled and what was submitted into the lanes."""
        while self._settled:
            self._finish_slow(*self._settled.popleft())
        while self._queue:
            submission = self._queue.popleft()
            # From here on it can no longer be cancelled.
            if not submission.future.set_running_or_notify_cancel():
                continue
            lane = self._lanes.get(submission.ledger_id)
            if lane is None:
                lane = self._lanes[submission.ledger_id] = _Lane(*self._prefix(submission.ledger_id))
            lane.waiting.append(submission)
            self._line_up(lane)

    def _line_up(self, lane: _Lane) -> None:
        """Lanes take turns: a busy ledger does not keep the others from the connections."""
        if lane.waiting and not lane.busy and not lane.lined_up:
            lane.lined_up = True
            self._line.append(lane)

    def _start_groups(self) -> None:
        while self._line:
            link = next((link for link in self._links if link.group is None), None)
            if link is None:
                return
            lane = self._line.popleft()
            lane.lined_up, lane.busy = False, True
            submissions = self._form(lane)
            entries = sum(len(submission.drafts) for submission in submissions)
            link.group = group = _Group(lane, submissions, entries, Stage.COMMIT)
            if lane.head is None or link.connection is None or entries > GROUP_ENTRIES:
                self._slow(link, group, sent=False)
            elif lane.contended:
                group.stage, group.locked = Stage.LOCK, True
                self._ask(link, queries.text("begin_locked").format(ledger=lane.ledger.id).encode())
            else:
                self._send(link, group, lane.head)

    @staticmethod
    def _form(lane: _Lane, entries: int = 0) -> list[Submission]:
        """What is waiting, up to the size of a group beside ``entries``; a large one goes alone."""
        group: list[Submission] = []
        while lane.waiting and (
            entries + len(lane.waiting[0].drafts) <= GROUP_ENTRIES or not (group or entries)
        ):
            group.append(lane.waiting.popleft())
            entries += len(group[-1].drafts)
        return group

    def _done(self, link: _Link, lane: _Lane, head: Head | None) -> None:
        """The group under way is settled: its ledger and its connection are free again."""
        lane.head, lane.busy, link.group = head, False, None
        self._line_up(lane)

    def _answer_ready(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, event in ready:
            if descriptor == self._wake_read.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._wake_read.recv(4096)
                continue
            link = next((link for link in self._links if link.descriptor == descriptor), None)
            # None: it went to a helper while it was polled.
            if link is not None:
                self._on_ready(link, event)
        now = monotonic()
        for link in self._links:
            if link.group is not None and link.descriptor >= 0 and now > link.asked_at + self._answer_within:
                # Neither an answer nor a broken connection: a network that swallows everything.
                self._to_slow(link)
        self._take()
        self._start_groups()

    # --- the fast path: one statement ----------------------------------------------------------------------

    def _send(self, link: _Link, group: _Group, head: Head) -> None:
        """Places the group after ``head`` and sends what commits it: one statement, or swap and COPY."""
        lane = group.lane
        now = micros(self._clock.now())
        group.placed = placed = place_all(lane.ledger, lane.prefix, head, group.submissions, now)
        real_time = any(submission.moment is None for submission in group.submissions)
        vault = VaultRows.of(group.submissions)
        streams, versions = needed_versions(group.submissions)
        # A crash before this leaves nothing; after it, all or nothing, found by command id.
        self._step("formed")
        if not (vault or streams or group.locked) and placed.after.size - head.size >= COPY_FROM:
            group.stage = Stage.COPY
            self._ask(link, copy_statement(lane.ledger, placed, now if real_time else None))
        else:
            group.stage = Stage.COMMIT
            parameters: list[bytes | None] = [
                int4(lane.ledger.id),
                int8(head.size),
                head.hash,
                int8(placed.after.size - head.size),
                placed.after.hash,
                int8(now - binary.EPOCH_MICROS) if real_time else None,
                int8(placed.after.recorded_at - binary.EPOCH_MICROS),
            ]
            name = "commit_one"
            if placed.after.size == head.size + 1:
                parameters += [None if field[0] == binary.NULL else field[0][4:] for field in placed.columns]
            else:
                name = "commit_many"
                parameters += [
                    array(oid, fields) for oid, fields in zip(COLUMN_TYPES, placed.columns, strict=True)
                ]
                parameters += [array(binary.TEXT, streams), array(binary.INT4, versions)]
            if vault:
                name += "_sealed"
                parameters += vault.parameters()
            self._ask(link, name, parameters)
        self._step("sent")

    def _ask(self, link: _Link, query: str | bytes, parameters: list[bytes | None] | None = None) -> None:
        """Sends a prepared statement by its name, or plain SQL."""
        assert link.connection is not None
        pgconn = link.connection.pgconn
        link.asked_at = monotonic()
        try:
            if isinstance(query, bytes):
                pgconn.send_query(query)
            else:
                parameters = parameters or []
                pgconn.send_query_prepared(query.encode(), parameters, [1] * len(parameters), 1)
            self._flush(link, pgconn)
        except psycopg.Error:
            self._to_slow(link)

    def _flush(self, link: _Link, pgconn: pq.abc.PGconn) -> None:
        writing = bool(pgconn.flush())
        if writing != link.writing:
            link.writing = writing
            self._poll_changed = True
            self._poll.modify(link.descriptor, select.POLLIN | select.POLLOUT if writing else select.POLLIN)

    def _on_ready(self, link: _Link, event: int) -> None:
        assert link.connection is not None
        pgconn = link.connection.pgconn
        try:
            if event & select.POLLOUT:
                self._flush(link, pgconn)
            pgconn.consume_input()
            if link.group is None:
                if pgconn.status == pq.ConnStatus.BAD:
                    self._drop(link)
                return
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    answers, link.answers = link.answers, []
                    self._on_answer(link, link.group, answers)
                    return
                if result.status == pq.ExecStatus.COPY_IN:
                    self._copy(link, link.group, pgconn)
                    return
                link.answers.append(result)
        except psycopg.Error:
            if link.group is None:
                self._drop(link)
            else:
                self._to_slow(link)

    def _copy(self, link: _Link, group: _Group, pgconn: pq.abc.PGconn) -> None:
        """The head is moved, the rows follow; a frozen process here holds it until others end its session."""
        assert group.placed is not None
        for block in group.placed.copy_blocks(group.lane.ledger):
            # libpq keeps what the socket does not take at once.
            pgconn.put_copy_data(block)
        pgconn.put_copy_end()
        self._flush(link, pgconn)

    def _on_answer(self, link: _Link, group: _Group, answers: list[pq.abc.PGresult]) -> None:
        failed = next((each for each in answers if each.status not in ANSWERED), None)
        if not answers or (failed and failed.error_field(pq.DiagnosticField.SQLSTATE) != HEAD_MOVED):
            # A violated key, a key of the vault that is gone, a lost connection: judged one by one.
            self._to_slow(link)
        elif group.stage is Stage.HEAD:
            self._send(link, group, head_of(answers[0]))
        elif group.stage is Stage.LOCK:
            lane = group.lane
            head = locked_head_of(answers[-1])
            # Nobody else has written since: the next group goes without a lock.
            lane.contended = max(lane.contended - 1, 0) if head == lane.head else CONTENDED
            # What came while the lock was awaited enters with it.
            group.submissions += self._form(lane, group.entries) if lane.waiting else []
            self._send(link, group, head)
        elif group.stage is Stage.COMMIT_LOCKED:
            if answers[-1].command_status == b"COMMIT":
                self._committed(link, group)
            else:
                self._to_slow(link)
        elif not failed and answers[-1].command_tuples:
            if group.locked:
                group.stage = Stage.COMMIT_LOCKED
                self._ask(link, b"COMMIT")
            else:
                self._committed(link, group)
        elif group.locked:
            # Under the lock only a gap or the clock stands in the way: which, the slow path says.
            self._to_slow(link)
        else:
            self._on_lost_swap(link, group)

    def _on_lost_swap(self, link: _Link, group: _Group) -> None:
        """Another process moved the head: once more on the new one; from then on under its lock for a while."""
        group.swaps_lost += 1
        group.lane.contended = CONTENDED
        if group.swaps_lost > 1:
            self._to_slow(link)
        else:
            group.stage = Stage.HEAD
            self._ask(link, "read_head", [int4(group.lane.ledger.id)])

    def _committed(self, link: _Link, group: _Group) -> None:
        # A crash here leaves the entries, unanswered: the repeat finds them by command id.
        self._step("answered")
        assert group.placed is not None
        self._done(link, group.lane, group.placed.after)
        for submission, receipts in zip(group.submissions, group.placed.receipts, strict=True):
            submission.future.set_result(receipts)

    # --- the slow path, in a helper thread -----------------------------------------------------------------

    def _to_slow(self, link: _Link) -> None:
        assert link.group is not None
        link.answers = []
        if link.connection is not None and link.connection.info.transaction_status == ACTIVE:
            # Its answer was not read to the end: nothing more can be asked on it.
            link.connection.close()
        self._slow(link, link.group, sent=True)

    def _slow(self, link: _Link, group: _Group, *, sent: bool) -> None:
        if link.descriptor >= 0:
            self._poll.unregister(link.descriptor)
            link.descriptor = -1
        self._helpers.submit(self._settle, link, group, sent)

    def _drop(self, link: _Link) -> None:
        self._poll.unregister(link.descriptor)
        link.descriptor = -1
        if link.connection is not None:
            link.connection.close()
        link.connection = None

    def _settle(self, link: _Link, group: _Group, sent: bool) -> None:
        try:
            settled = self._settle_patiently(link, group, sent)
        except AuditLedgerError as error:
            settled = Settled(None, dict.fromkeys(range(len(group.submissions)), error))
        except BaseException as error:  # noqa: BLE001  (whoever waits must be told, whatever it was)
            unknown = OutcomeUnknown(f"repeat with the same command id: {type(error).__name__}: {error}")
            settled = Settled(None, dict.fromkeys(range(len(group.submissions)), unknown))
        self._settled.append((link, group, settled))
        self._wake()

    def _settle_patiently(self, link: _Link, group: _Group, sent: bool) -> Settled:
        """Settles, over new connections where one is lost. ``sent``: it may be committed already."""
        deadline = monotonic() + self._patience
        pause = 0.02
        while True:
            try:
                if link.connection is None or link.connection.closed:
                    link.connection = open_session(self._database)
                lane = group.lane
                return settle(
                    link.connection, lane.ledger, lane.prefix, group.submissions, self._clock, self._step
                )
            except (Lost, Unavailable) as error:
                if link.connection is not None:
                    link.connection.close()
                link.connection = None
                sent = sent or (isinstance(error, Lost) and error.committing)
                if monotonic() + pause > deadline:
                    if sent:
                        raise OutcomeUnknown(f"repeat with the same command id to learn it: {error}") from error
                    raise Unavailable(f"nothing was written: {error}") from error
            sleep(pause)
            pause = min(pause * 2, 0.5)

    def _finish_slow(self, link: _Link, group: _Group, settled: Settled) -> None:
        if link.connection is not None and not link.connection.closed:
            link.descriptor = link.connection.pgconn.socket
            link.connection.pgconn.nonblocking = 1
            link.writing = False
            self._poll.register(link.descriptor, select.POLLIN)
            self._poll_changed = True
        else:
            link.connection = None
        self._done(link, group.lane, settled.head)
        for place, submission in enumerate(group.submissions):
            _answer(submission, settled.outcomes[place])


def _answer(submission: Submission, outcome: Outcome) -> None:
    if isinstance(outcome, AuditLedgerError):
        submission.future.set_exception(outcome)
    else:
        submission.future.set_result(outcome)
