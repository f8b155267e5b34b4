"""Groups: what is waiting for a ledger enters it together, by one statement (5-architecture, commit procedure).

What is waiting for one ledger becomes a group; a group takes its places from the head that the last commit
left, and enters by a single prepared statement that moves the head by compare-and-swap. Up to four groups, of
different ledgers, are under way at once. Everything that this statement does not settle goes to
``ledger.store.settle``: a ledger's first group, large groups, violated keys, lost connections.

All of it is called with the writer's turn, by one thread at a time; only the slow path has threads of its own.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import psycopg
from psycopg import pq

from ledger.clock import Clock
from ledger.codec.declare import micros
from ledger.codec.entry import prefix
from ledger.errors import AuditLedgerError, OutcomeUnknown, Unavailable
from ledger.store import binary, queries
from ledger.store.binary import array, int4, int8
from ledger.store.database import Database
from ledger.store.lanes import GROUP_ENTRIES, Group, Lane, Link, Stage
from ledger.store.placing import Head, needed_versions, place_all, vault_arrays
from ledger.store.session import copy_statement, head_of, locked_head_of, open_session
from ledger.store.settle import Lost, Settled, settle
from ledger.store.submission import Outcome, Submission

ACTIVE = pq.TransactionStatus.ACTIVE
# As plain numbers: an enumeration's are slower to compare, on the one path where that counts.
ANSWERED = (int(pq.ExecStatus.COMMAND_OK), int(pq.ExecStatus.TUPLES_OK))
COPY_IN = int(pq.ExecStatus.COPY_IN)
CONNECTIONS = 4
COPY_FROM = 50
"""Entries from which a second round trip, for COPY, costs less than the slower insertion."""
CONTENDED = 20
"""Groups that take the head's lock first, after another process was met."""
HEAD_MOVED = b"AL002"
"""SQLSTATE of ledger.hold_head."""
ANSWER_SECONDS = 60.0
"""Seconds after which a statement without an answer is taken for lost."""
LOOK_SECONDS = 0.2
"""Seconds between two looks for answers that do not come."""
IDLE_SECONDS = 1.0
"""Seconds after which a connection is looked at before it is used again."""
PATIENCE = 10.0
"""Seconds to try to learn the outcome of a group whose connection was lost."""


class Groups:
    """The ledgers' queues, the writer's connections, and the groups under way on them.

    ``helped`` is called in a thread of the slow path when it has settled a group; ``step`` with the name of
    each step of the procedure.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        poll: select.poll,
        helped: Callable[[], None],
        patience: float,
        answer_within: float,
        step: Callable[[str], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._poll = poll
        self._helped = helped
        self._patience = patience
        self._answer_within = answer_within
        self._step = step
        self._lanes: dict[int, Lane] = {}
        self._line: deque[Lane] = deque()
        self._links = [Link() for _ in range(CONNECTIONS)]
        self._look_at = 0.0
        self._answers: list[tuple[Submission, Outcome]] = []
        self._helpers = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="ledger-settle")
        self.settled: deque[tuple[Link, Group, Settled]] = deque()
        """What the slow path has settled, to be taken up by whoever has the turn."""
        self.open = 0
        """Submissions that entered and were not told yet what became of them."""
        self.poll_changed = False
        """Set where what must be polled has changed."""

    def enter(self, submission: Submission) -> None:
        """Takes a submission into its ledger's queue."""
        self.open += 1
        ledger = submission.ledger
        lane = self._lanes.get(ledger.id)
        if lane is None:
            lane = self._lanes[ledger.id] = Lane(ledger, prefix(ledger.origin))
        lane.waiting.append(submission)
        self._line_up(lane)

    def read(self, ready: list[tuple[int, int]]) -> None:
        """Reads the answers that have arrived."""
        for descriptor, event in ready:
            for link in self._links:
                # None of them: it went to the slow path while it was polled.
                if link.descriptor == descriptor:
                    self._on_ready(link, event)
                    break
        now = monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            for link in self._links:
                if link.group and link.descriptor >= 0 and now > link.asked_at + self._answer_within:
                    # Neither an answer nor a broken connection: a network that swallows everything.
                    self._to_slow(link)

    def take_up(self) -> None:
        """Takes up what the slow path has settled."""
        while self.settled:
            self._finish_slow(*self.settled.popleft())

    def start(self) -> None:
        """Forms groups of what waits and sends them, as far as connections are free."""
        while self._line:
            link = self._free_link()
            if link is None:
                return
            lane = self._line.popleft()
            lane.lined_up, lane.busy = False, True
            link.group = group = Group(lane)
            group.fill()
            if lane.head is None or link.connection is None or group.entries > GROUP_ENTRIES:
                self._slow(link, group, sent=False)
            elif lane.contended:
                group.stage, group.locked = Stage.LOCK, True
                self._ask(link, queries.text("begin_locked").format(ledger=lane.ledger.id).encode())
            else:
                self._send(link, group, lane.head)

    def tell(self) -> None:
        """Tells those who wait what became of their submissions."""
        if not self._answers:
            return
        answers, self._answers = self._answers, []
        self.open -= len(answers)
        for submission, outcome in answers:
            submission.settle(outcome)

    def abandon(self, under_way: AuditLedgerError, not_sent: AuditLedgerError) -> None:
        """Tells all who still wait, at the end: what is known, that nothing is, or that it was not sent."""
        while self.settled:
            link, group, settled = self.settled.popleft()
            if link.group is group:
                link.group = None
                self._answered(group, settled)
        for link in self._links:
            if link.group is not None:
                self._answers += ((submission, under_way) for submission in link.group.submissions)
                link.group = None
        for lane in self._lanes.values():
            self._answers += ((submission, not_sent) for submission in lane.waiting)
            lane.waiting.clear()
        self.tell()

    def close_helpers(self) -> None:
        """Waits for the slow path's threads, and ends them."""
        self._helpers.shutdown()

    def close(self) -> None:
        """Lets go of the connections."""
        for link in self._links:
            self._drop(link)

    def _free_link(self) -> Link | None:
        for link in self._links:
            if link.group is None:
                if link.descriptor >= 0 and monotonic() > link.asked_at + IDLE_SECONDS:
                    # The server may have gone since: a group that is not sent there is not in doubt.
                    self._on_ready(link, 0)
                return link
        return None

    def _line_up(self, lane: Lane) -> None:
        """Lanes take turns: a busy ledger does not keep the others from the connections."""
        if lane.waiting and not lane.busy and not lane.lined_up:
            lane.lined_up = True
            self._line.append(lane)

    def _done(self, link: Link, lane: Lane, head: Head | None) -> None:
        """The group under way is settled: its ledger and its connection are free again."""
        lane.head, lane.busy, link.group = head, False, None
        self._line_up(lane)

    # --- the fast path: one statement ----------------------------------------------------------------------

    def _send(self, link: Link, group: Group, head: Head) -> None:
        """Places the group after ``head`` and sends what commits it: one statement, or a COPY."""
        lane = group.lane
        now = micros(self._clock.now())
        alone = group.entries == 1
        streams, versions = ([], []) if alone else needed_versions(group.submissions)
        # A crash before this leaves nothing; after it, all or nothing, found by command id.
        self._step("formed")
        if group.entries >= COPY_FROM and not (group.sealed or streams or group.locked):
            group.stage = Stage.COPY
            self._ask(link, copy_statement(lane.ledger, head, group.entries, now if group.real_time else None))
            # While the database takes hold of the head.
            group.placed = placed = place_all(lane.prefix, head, group.submissions, now)
            group.blocks = list(placed.copy_blocks(lane.ledger))
        else:
            group.stage = Stage.COMMIT
            group.placed = placed = place_all(lane.prefix, head, group.submissions, now)
            parameters: list[bytes | None] = [
                int4(lane.ledger.id),
                int8(head.size),
                head.hash,
                int8(group.entries),
                placed.after.hash,
                int8(now - binary.EPOCH_MICROS) if group.real_time else None,
                int8(placed.after.recorded_at - binary.EPOCH_MICROS),
            ]
            if alone:
                name = "commit_next" if placed.drafts[0].version > 1 else "commit_first"
                parameters += placed.parameters()
            else:
                name = "commit_many"
                parameters += placed.arrays()
                parameters += [array(binary.TEXT, streams), array(binary.INT4, versions)]
            if group.sealed:
                name += "_sealed"
                parameters += vault_arrays(group.submissions)
            self._ask(link, name, parameters)
            # While the database works.
            group.receipts = placed.receipts(lane.ledger, group.submissions)
        self._step("sent")

    def _ask(self, link: Link, query: str | bytes, parameters: list[bytes | None] | None = None) -> None:
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

    def _flush(self, link: Link, pgconn: pq.abc.PGconn) -> None:
        writing = bool(pgconn.flush())
        if writing != link.writing:
            link.writing = writing
            self.poll_changed = True
            self._poll.modify(link.descriptor, select.POLLIN | select.POLLOUT if writing else select.POLLIN)

    def _on_ready(self, link: Link, event: int) -> None:
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
                if result.status == COPY_IN:
                    self._copy(link, link.group, pgconn)
                    return
                link.answers.append(result)
        except psycopg.Error:
            if link.group is None:
                self._drop(link)
            else:
                self._to_slow(link)

    def _copy(self, link: Link, group: Group, pgconn: pq.abc.PGconn) -> None:
        """The head is held, the rows follow; a frozen process here keeps it until others end its session."""
        for block in group.blocks:
            # libpq keeps what the socket does not take at once.
            pgconn.put_copy_data(block)
        pgconn.put_copy_end()
        self._flush(link, pgconn)
        assert group.placed is not None
        group.receipts = group.placed.receipts(group.lane.ledger, group.submissions)

    def _on_answer(self, link: Link, group: Group, answers: list[pq.abc.PGresult]) -> None:
        failed = None
        for answer in answers:
            if answer.status not in ANSWERED:
                failed = answer
                break
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
            group.fill()
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

    def _on_lost_swap(self, link: Link, group: Group) -> None:
        """Another process moved the head: once more on the new one; from then on under its lock for a while."""
        group.swaps_lost += 1
        group.lane.contended = CONTENDED
        if group.swaps_lost > 1:
            self._to_slow(link)
        else:
            group.stage = Stage.HEAD
            self._ask(link, "read_head", [int4(group.lane.ledger.id)])

    def _committed(self, link: Link, group: Group) -> None:
        # A crash here leaves the entries, unanswered: the repeat finds them by command id.
        self._step("answered")
        assert group.placed is not None
        self._done(link, group.lane, group.placed.after)
        self._answers += zip(group.submissions, group.receipts, strict=True)

    # --- the slow path, in a helper thread -----------------------------------------------------------------

    def _to_slow(self, link: Link) -> None:
        assert link.group is not None
        link.answers = []
        if link.connection is not None and link.connection.info.transaction_status == ACTIVE:
            # Its answer was not read to the end: nothing more can be asked on it.
            link.connection.close()
        self._slow(link, link.group, sent=True)

    def _slow(self, link: Link, group: Group, *, sent: bool) -> None:
        if link.descriptor >= 0:
            self._poll.unregister(link.descriptor)
            self.poll_changed = True
            link.descriptor = -1
        self._helpers.submit(self._settle, link, group, sent)

    def _drop(self, link: Link) -> None:
        if link.descriptor >= 0:
            self._poll.unregister(link.descriptor)
            self.poll_changed = True
        link.descriptor = -1
        if link.connection is not None:
            link.connection.close()
        link.connection = None

    def _settle(self, link: Link, group: Group, sent: bool) -> None:
        try:
            settled = self._settle_patiently(link, group, sent)
        except AuditLedgerError as error:
            settled = Settled(None, dict.fromkeys(range(len(group.submissions)), error))
        except BaseException as error:  # noqa: BLE001  (whoever waits must be told, whatever it was)
            unknown = OutcomeUnknown(f"repeat with the same command id: {type(error).__name__}: {error}")
            settled = Settled(None, dict.fromkeys(range(len(group.submissions)), unknown))
        self.settled.append((link, group, settled))
        self._helped()

    def _settle_patiently(self, link: Link, group: Group, sent: bool) -> Settled:
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

    def _finish_slow(self, link: Link, group: Group, settled: Settled) -> None:
        if link.connection is not None and not link.connection.closed:
            link.descriptor = link.connection.pgconn.socket
            link.connection.pgconn.nonblocking = 1
            link.writing = False
            self._poll.register(link.descriptor, select.POLLIN)
            self.poll_changed = True
        else:
            link.connection = None
        self._done(link, group.lane, settled.head)
        self._answered(group, settled)

    def _answered(self, group: Group, settled: Settled) -> None:
        self._answers += (
            (submission, settled.outcomes[place]) for place, submission in enumerate(group.submissions)
        )
