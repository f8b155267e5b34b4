"""The commit procedure (5-architecture): who submits, who waits, and who does the work meanwhile.

What is submitted is formed into groups and sent by whoever has the *turn*; answers are read by whoever has
the *role of the driver*. Both fall to threads that wait for their own entries anyway: a client alone sends its
entry and reads its answer itself, without a thread in between; of many that wait, one drives for all, and names
the next when it has its own answer. A thread of the writer's own stands in where nobody waits. There is one
order of groups, whoever does the work.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType

from ledger.clock import Clock, SystemClock
from ledger.errors import InvalidInput, OutcomeUnknown, Unavailable
from ledger.store.database import Database
from ledger.store.groups import ANSWER_SECONDS, PATIENCE, Groups
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.submission import Draft, Submission
from ledger.vault.sealing import VaultRow, WrappedKey

POLL_SECONDS = 1.0
"""How often a driver looks for answers that do not come."""
TEND_SECONDS = 0.02
"""How long what nobody waits for may lie before the writer's own thread drives it."""
TEND_TICKS = 50
"""Such pauses at rest after which the thread sleeps until something is submitted."""


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
        self._ledgers = Ledgers(database)
        self._known: dict[int, Ledger] = {}
        self._queue: deque[Submission] = deque()
        self._poll = select.poll()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._wake_descriptor = self._wake_read.fileno()
        self._poll.register(self._wake_descriptor, select.POLLIN)
        self._groups = Groups(
            database, clock or SystemClock(), self._poll, self._helped, patience, answer_within, step
        )
        self._turn = Lock()
        """Held while groups are formed, sent and answered; never while anything is waited for."""
        self._role = Lock()
        """Held by the driver: it alone polls the connections."""
        self._waiters: deque[Submission] = deque()
        """Those whose threads wait, oldest first; some are answered meanwhile."""
        self._failure: BaseException | None = None
        self._closing = False
        self._finished = False
        self._tended = False
        self._called = Event()
        self._thread = Thread(target=self._tend, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        ledger_id: int,
        drafts: Sequence[Draft],
        *,
        keys: Sequence[WrappedKey] = (),
        rows: Sequence[VaultRow] = (),
        moment: datetime | None = None,
    ) -> Submission:
        """Appends ``drafts`` together or not at all, with their new vault keys and sealed rows.

        A row's ``ordinal`` is its entry's place in ``drafts``. ``moment`` is the simulated time, which only a
        ledger created as a demonstration takes. A repeat of a command is answered with its first receipts.

        Does not wait: ``Submission.result`` does. Raises at once InvalidInput, NotFound, Unavailable (closed).
        The result raises Conflict, CommandReused, VaultError (a key is gone: seal anew), Unavailable (nothing
        was written), OutcomeUnknown (repeat it).
        """
        ledger = self._known.get(ledger_id)
        if ledger is None:
            ledger = self._known[ledger_id] = self._ledgers.by_id(ledger_id)
        if moment is not None and not ledger.demonstration:
            raise InvalidInput("moment", "none: the ledger was not created as a demonstration", moment)
        submission = Submission(ledger, drafts, keys, rows, moment, self._wait)
        submission.check()
        if self._closing:
            raise Unavailable("nothing was written: the writer is closed")
        self._queue.append(submission)
        self._advance()
        if not self._tended:
            self._tended = True
            self._called.set()
        return submission

    def close(self) -> None:
        """Finishes what was submitted, then lets go of the connections."""
        self._closing = True
        self._called.set()
        self._thread.join()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the turn ----------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Forms and sends groups of what is queued, unless somebody else has the turn, who then does."""
        while (self._queue or self._groups.settled) and self._turn.acquire(blocking=False):
            self._work()
        if self._groups.poll_changed:
            # Whoever polls the connections does not know of the one that came or went.
            self._wake()

    def _work(self, ready: list[tuple[int, int]] | None = None) -> None:
        """With the turn, which it gives back: answers what has arrived, then sends what is queued."""
        groups = self._groups
        try:
            if self._finished:
                self._abandon()
                return
            if ready is not None:
                groups.read(ready)
            if groups.settled:
                groups.take_up()
            while self._queue:
                # Entered before it leaves the queue: it is never seen in neither.
                groups.enter(self._queue[0])
                self._queue.popleft()
            groups.start()
            # Only now: the database works on the next group while these threads come to.
            groups.tell()
        except BaseException as error:
            # Half a step may be done, by an interrupt too: nothing more is written, and all who wait are told.
            self._failure = error
            self._finished = self._closing = True
            self._abandon()
            self._called.set()
            raise
        finally:
            self._turn.release()

    def _abandon(self) -> None:
        """Tells whoever still waits at the end: after a fault of the writer's own, or because it is closed."""
        unknown = OutcomeUnknown(f"repeat with the same command id: the writer stopped: {self._failure!r}")
        closed = Unavailable("nothing was written: the writer is closed")
        self._groups.abandon(unknown, closed)
        while self._queue:
            self._queue.popleft().settle(closed)

    def _helped(self) -> None:
        """The slow path settled a group, in a thread of its own."""
        self._advance()
        # The driver may be waiting for just that.
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    # --- the role of the driver --------------------------------------------------------------------------

    def _wait(self, submission: Submission, timeout: float | None) -> None:
        """Waits until ``submission`` is settled, and drives if nobody does. Raises TimeoutError."""
        deadline = None if timeout is None else monotonic() + timeout
        left = timeout
        while not submission.done():
            if deadline is not None and (left := deadline - monotonic()) <= 0:
                # It may have been named as driver just now.
                self._pass_on()
                raise TimeoutError
            if self._role.acquire(blocking=False):
                try:
                    self._drive(submission.done, left)
                finally:
                    self._role.release()
                    self._pass_on()
            elif submission.waiting:
                submission.sleep(left)
            else:
                # In the line first, then once more: whoever gives the role up in between finds it there.
                submission.waiting = True
                self._waiters.append(submission)

    def _drive(self, until: Callable[[], bool], seconds: float | None) -> None:
        """With the role: reads answers as they arrive, for everybody, ``until`` or for ``seconds``."""
        deadline = None if seconds is None else monotonic() + seconds
        pause = 1000 * (POLL_SECONDS if seconds is None else min(seconds, POLL_SECONDS))
        while not (until() or self._finished):
            self._groups.poll_changed = False
            ready = self._poll.poll(pause)
            for descriptor, _ in ready:
                if descriptor == self._wake_descriptor:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
            self._turn.acquire()
            self._work(ready)
            self._advance()
            if deadline is not None and monotonic() >= deadline:
                return

    def _pass_on(self) -> None:
        """Wakes the next who waits, to drive; nobody where nobody does."""
        if not self._waiters:
            return
        with self._turn:
            while self._waiters:
                following = self._waiters.popleft()
                following.waiting = False
                if not following.done():
                    following.rouse()
                    break
        self._advance()

    def _tend(self) -> None:
        """The writer's own thread: drives what nobody waits for; at the end lets go of everything."""
        quiet = 0
        while not (self._finished or (self._closing and self._at_rest())):
            quiet = quiet + 1 if self._at_rest() else 0
            if quiet > TEND_TICKS:
                # Who submits after this line calls again.
                self._tended = False
                if self._at_rest() and not self._closing:
                    self._called.wait()
                quiet = 0
            self._called.clear()
            if not self._closing:
                self._called.wait(TEND_SECONDS)
            self._stand_in()
        self._groups.close_helpers()
        with self._turn:
            self._finished = True
            self._abandon()
        # What came while the turn was held.
        self._advance()
        self._wake()
        with self._role:
            self._groups.close()
            self._wake_read.close()
            self._wake_write.close()

    def _stand_in(self) -> None:
        """Drives while something is under way and nobody waits for anything."""
        if self._at_rest() or not self._role.acquire(timeout=0 if not self._closing else TEND_SECONDS):
            return
        try:
            self._drive(lambda: self._at_rest() or bool(self._waiters), None)
        except BaseException:
            # What failed is kept in self._failure, and everybody was told.
            if not self._finished:
                raise
        finally:
            self._role.release()
            self._pass_on()

    def _at_rest(self) -> bool:
        """Whether nothing is queued, waiting or under way."""
        return not (self._queue or self._groups.open)
