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
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.placing import Head, Placed, VaultRows, needed_versions, place_all
from ledger.store.settle import Connection, Lost, Outcome, Settled, settle
from ledger.store.submission import Draft, Receipt, Submission
from ledger.vault.sealing import VaultRow, WrappedKey

IDLE = pq.TransactionStatus.IDLE
ANSWERED = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
CONNECTIONS = 4
GROUP_ENTRIES = 1_000
"""Entries of a group that is sent as one statement; a submission of more goes by COPY."""
PATIENCE = 10.0
"""Seconds to try to learn the outcome of a group whose connection was lost."""

LINK = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}

_HEAD_TYPES = [
    binary.INT4, binary.INT8, binary.BYTEA, binary.INT8, binary.BYTEA, binary.TIMESTAMPTZ, binary.TIMESTAMPTZ,
]  # fmt: skip
_COLUMN_TYPES = [
    binary.TIMESTAMPTZ, binary.INT4, binary.INT4, binary.DATE, binary.UUID, binary.BYTEA, binary.TEXT,
    binary.TEXT, binary.TEXT, binary.BYTEA, binary.BYTEA,
]  # fmt: skip
_NEEDED_TYPES = [binary.TEXT, binary.INT4]
_VAULT_TYPES = [
    binary.TEXT, binary.TEXT, binary.TEXT, binary.BYTEA, binary.TEXT, binary.INT4, binary.TEXT, binary.BYTEA,
]  # fmt: skip
_MANY_TYPES = _HEAD_TYPES + [binary.ARRAYS[oid] for oid in _COLUMN_TYPES + _NEEDED_TYPES]
_VAULT_ARRAYS = [binary.ARRAYS[oid] for oid in _VAULT_TYPES]
_PREPARED = {
    "commit_one": _HEAD_TYPES + _COLUMN_TYPES,
    "commit_many": _MANY_TYPES,
    "commit_one_sealed": _HEAD_TYPES + _COLUMN_TYPES + _VAULT_ARRAYS,
    "commit_many_sealed": _MANY_TYPES + _VAULT_ARRAYS,
    "read_head": [binary.INT4],
}


@dataclass(slots=True)
class _Lane:
    """One ledger's queue. At most one of its groups is under way."""

    ledger: Ledger
    prefix: bytes
    waiting: deque[Submission] = field(default_factory=deque)
    head: Head | None = None
    busy: bool = False


@dataclass(slots=True)
class _Group:
    lane: _Lane
    submissions: list[Submission]
    placed: Placed | None = None
    swaps_lost: int = 0
    asking_head: bool = False


@dataclass(slots=True)
class _Link:
    """One of the writer's connections; ``group`` is what is under way on it."""

    connection: Connection | None = None
    descriptor: int = -1
    group: _Group | None = None


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
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._database = database
        self._ledgers = Ledgers(database)
        self._clock = clock or SystemClock()
        self._patience = patience
        self._step = step
        self._lock = Lock()
        self._queue: deque[Submission] = deque()
        self._settled: deque[tuple[_Link, _Group, Settled]] = deque()
        self._asleep = False
        self._closing = False
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
        with self._lock:
            if self._closing:
                raise Unavailable("nothing was written: the writer is closed")
            self._queue.append(submission)
            wake, self._asleep = self._asleep, False
        if wake:
            self._wake_write.send(b"\0")
        return submission.future

    def close(self) -> None:
        """Finishes what was submitted, then lets go of the connections."""
        with self._lock:
            self._closing = True
            self._asleep = False
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")
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

    # --- the writer's thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._take():
                self._start_groups()
                self._wait()
        finally:
            self._helpers.shutdown()
            for link in self._links:
                if link.connection is not None:
                    link.connection.close()
            self._wake_read.close()
            self._wake_write.close()

    def _take(self) -> bool:
        """Takes what was submitted and settled; False once closed and nothing is left."""
        with self._lock:
            queue, self._queue = self._queue, deque()
            settled, self._settled = self._settled, deque()
            closing = self._closing
        for link, group, result in settled:
            self._finish_slow(link, group, result)
        for submission in queue:
            lane = self._lanes.get(submission.ledger_id)
            if lane is None:
                lane = self._lanes[submission.ledger_id] = _Lane(*self._prefix(submission.ledger_id))
            lane.waiting.append(submission)
        return not closing or any(lane.busy or lane.waiting for lane in self._lanes.values())

    def _start_groups(self) -> None:
        for lane in self._lanes.values():
            if lane.busy or not lane.waiting:
                continue
            link = next((link for link in self._links if link.group is None), None)
            if link is None:
                return
            link.group = group = _Group(lane, self._form(lane))
            lane.busy = True
            entries = sum(len(submission.drafts) for submission in group.submissions)
            if lane.head is None or link.connection is None or entries > GROUP_ENTRIES:
                self._slow(link, group, sent=False)
            else:
                self._send(link, group, lane.head)

    @staticmethod
    def _form(lane: _Lane) -> list[Submission]:
        """The next group: at least one submission, more while they are few and small."""
        group = [lane.waiting.popleft()]
        entries = len(group[0].drafts)
        while lane.waiting and entries + len(lane.waiting[0].drafts) <= GROUP_ENTRIES:
            group.append(lane.waiting.popleft())
            entries += len(group[-1].drafts)
        return group

    def _wait(self) -> None:
        with self._lock:
            self._asleep = not (self._queue or self._settled)
            timeout = None if self._asleep else 0
        ready = self._poll.poll(timeout)
        self._asleep = False
        for descriptor, event in ready:
            if descriptor == self._wake_read.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._wake_read.recv(4096)
                continue
            link = next(link for link in self._links if link.descriptor == descriptor)
            self._on_ready(link, event)

    # --- the fast path: one statement ----------------------------------------------------------------------

    def _send(self, link: _Link, group: _Group, head: Head) -> None:
        now = micros(self._clock.now())
        group.placed = placed = place_all(group.lane.ledger, group.lane.prefix, head, group.submissions, now)
        real_time = any(submission.moment is None for submission in group.submissions)
        parameters: list[bytes | None] = [
            int4(group.lane.ledger.id),
            int8(head.size),
            head.hash,
            int8(placed.after.size - head.size),
            placed.after.hash,
            int8(now - binary.EPOCH_MICROS) if real_time else None,
            int8(placed.after.recorded_at - binary.EPOCH_MICROS),
        ]
        name = "commit_one"
        if placed.after.size == head.size + 1:
            parameters += [None if column[0] == binary.NULL else column[0][4:] for column in placed.columns]
        else:
            name = "commit_many"
            parameters += [
                array(oid, column) for oid, column in zip(_COLUMN_TYPES, placed.columns, strict=True)
            ]
            parameters += needed_versions(group.submissions)
        vault = VaultRows.of(group.submissions)
        if vault:
            name += "_sealed"
            parameters += vault.parameters()
        # A crash before this leaves nothing; after it, all or nothing, found by command id.
        self._step("formed")
        self._query(link, name, parameters)
        self._step("sent")

    def _query(self, link: _Link, name: str, parameters: list[bytes | None]) -> None:
        assert link.connection is not None
        pgconn = link.connection.pgconn
        try:
            pgconn.send_query_prepared(name.encode(), parameters, [1] * len(parameters), 1)
            self._flush(link, pgconn)
        except psycopg.Error:
            self._to_slow(link)

    def _flush(self, link: _Link, pgconn: pq.abc.PGconn) -> None:
        wanted = select.POLLIN | select.POLLOUT if pgconn.flush() else select.POLLIN
        self._poll.modify(link.descriptor, wanted)

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
            answer = None
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    self._on_answer(link, link.group, answer)
                    return
                answer = answer or result
        except psycopg.Error:
            if link.group is None:
                self._drop(link)
            else:
                self._to_slow(link)

    def _on_answer(self, link: _Link, group: _Group, answer: pq.abc.PGresult | None) -> None:
        if answer is None or answer.status not in ANSWERED:
            # A violated key, a key of the vault that is gone, a lost connection: judged one by one.
            self._to_slow(link)
            return
        if group.asking_head:
            group.asking_head = False
            head = Head(
                int.from_bytes(answer.get_value(0, 0) or b"", "big"),
                answer.get_value(0, 1) or b"",
                int.from_bytes(answer.get_value(0, 2) or b"", "big", signed=True) + binary.EPOCH_MICROS,
            )
            self._send(link, group, head)
            return
        assert group.placed is not None
        if answer.command_tuples:
            # A crash here leaves the entries, unanswered: the repeat finds them by command id.
            self._step("answered")
            lane = group.lane
            lane.head, lane.busy, link.group = group.placed.after, False, None
            for submission, receipts in zip(group.submissions, group.placed.receipts, strict=True):
                submission.future.set_result(receipts)
            return
        group.swaps_lost += 1
        if group.swaps_lost > 1:
            self._to_slow(link)
        else:
            group.asking_head = True
            self._query(link, "read_head", [int4(group.lane.ledger.id)])

    # --- the slow path, in a helper thread -----------------------------------------------------------------

    def _to_slow(self, link: _Link) -> None:
        assert link.group is not None
        if link.connection is not None and link.connection.info.transaction_status != IDLE:
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
        with self._lock:
            self._settled.append((link, group, settled))
            wake, self._asleep = self._asleep, False
        if wake:
            self._wake_write.send(b"\0")

    def _settle_patiently(self, link: _Link, group: _Group, sent: bool) -> Settled:
        """Settles, over new connections where one is lost. ``sent``: it may be committed already."""
        deadline = monotonic() + self._patience
        pause = 0.02
        while True:
            try:
                if link.connection is None or link.connection.closed:
                    link.connection = self._connect()
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

    def _connect(self) -> Connection:
        made = self._database.connect(Role.WRITER, **LINK)
        made.execute(queries.get("writer_session"))
        for name, types in _PREPARED.items():
            result = made.pgconn.prepare(name.encode(), queries.get(name), types)
            if result.status != pq.ExecStatus.COMMAND_OK:
                made.close()
                raise Unavailable(f"database: cannot prepare {name}: {result.get_error_message()}")
        return made

    def _finish_slow(self, link: _Link, group: _Group, settled: Settled) -> None:
        lane = group.lane
        lane.head, lane.busy, link.group = settled.head, False, None
        if link.connection is not None and not link.connection.closed:
            link.descriptor = link.connection.pgconn.socket
            link.connection.pgconn.nonblocking = 1
            self._poll.register(link.descriptor, select.POLLIN)
        else:
            link.connection = None
        for place, submission in enumerate(group.submissions):
            _answer(submission, settled.outcomes[place])


def _answer(submission: Submission, outcome: Outcome) -> None:
    if isinstance(outcome, AuditLedgerError):
        submission.future.set_exception(outcome)
    else:
        submission.future.set_result(outcome)
