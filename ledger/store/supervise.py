"""Keeps the embedded server up while a service lives: what died is started again, after pauses that grow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from types import TracebackType

import structlog

from ledger.errors import Unavailable
from ledger.store.embedded import EmbeddedServer

log = structlog.get_logger(__name__)

POLL = 0.25
"""Seconds between two looks at the server."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY = 60.0
"""Seconds that a server must live before its next death counts as a first one."""


def pauses(failed: int) -> float:
    """Seconds to wait before a start after so many deaths or failed starts in a row: none before the first."""
    return 0.0 if failed == 0 else min(FIRST_PAUSE * 2.0 ** min(failed - 1, 16), LONGEST_PAUSE)


class Supervisor:
    """Watches one server on a thread of its own, from when it is entered until ``stop``.

    Several processes may watch one server: who is first starts it, under the lock under which every start and
    stop is decided, so that there are never two. A crash of the service leaves the server to whoever comes
    next; nothing of this is durable.
    """

    def __init__(self, server: EmbeddedServer, *, poll: float = POLL, pause: Callable[[int], float] = pauses):
        self._server = server
        self._poll = poll
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="embedded database")
        self.restarts = 0
        """How often it was started again since this began to watch."""
        self.alarm: str | None = None
        """Why the server is down at this moment; None while it runs."""

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        # Where it is being started at this moment that is waited for: who closes the server then stops it.
        self._thread.join()

    def stop(self) -> None:
        """From now on nothing is started; does not wait. For the first sign that the service is to end."""
        self._stopping.set()

    def _watch(self) -> None:
        failed = 0
        since = monotonic()
        while not self._stopping.wait(self._poll):
            if self._server.listening():
                continue
            if monotonic() - since > STEADY:
                failed = 0
            failed = self._restart(failed)
            since = monotonic()

    def _restart(self, failed: int) -> int:
        """Starts it, however often that takes; gives the deaths and failed starts in a row."""
        died = monotonic()
        self.alarm = "the embedded database died"
        while True:
            pause = self._pause(failed)
            log.error("embedded database: down", alarm=self.alarm, attempt=failed + 1, pause_seconds=pause)
            if self._stopping.wait(pause):
                return failed
            failed += 1
            try:
                started = self._server.revive()
            except Unavailable as error:
                self.alarm = str(error)
                continue
            # Another process that watches may have been first.
            self.restarts += started
            self.alarm = None
            if started:
                log.warning("embedded database: up again", down_seconds=round(monotonic() - died, 3))
            return failed
