"""Levels of acknowledgement: who waits for more than a durable entry is told when it is sealed, or witnessed.

What counts is what strangers can check: the published checkpoint for ``sealed``, and what witnesses cosigned of
it, by the policy, for ``witnessed``. So it does not matter which process seals.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock
from typing import NamedTuple

import psycopg
import structlog

from ledger.errors import AuditLedgerError, InvalidInput, Unavailable
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.published import Published
from ledger.store.submission import Level
from ledger.store.witnessed import WitnessedTimes
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.policy import Policy

LOOK = 0.02
"""Seconds between two looks at what is published, while somebody waits and nobody tells of a seal."""

log = structlog.get_logger("auditledger.acknowledging")


class _Waiting(NamedTuple):
    ledger: Ledger
    size: int
    level: Level
    answer: Future[None]


class Acknowledging:
    """Tells who waits; run on one thread.

    ``policy``: whose witnesses count, None where there are none; ``hurry`` has the ledgers sealed now, where
    this process seals; ``look`` is to be called after each seal.
    """

    def __init__(
        self,
        feed: Feed,
        published: Published,
        policy: Callable[[], Policy | None],
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        self._feed = feed
        self._published = published
        self._policy = policy
        self._hurry = hurry
        self._lock = Lock()
        self._wake = Event()
        self._waiting: list[_Waiting] = []
        self._said: dict[int, str] = {}
        """Why a ledger could not be looked at, by its number: it is looked at many times a second."""

    def require(self, level: Level, ledger: Ledger) -> None:
        """Raises InvalidInput where nothing here gets that level: asked before anything is recorded."""
        if level is Level.DURABLE:
            return
        if level is Level.WITNESSED and self._policy() is None:
            raise InvalidInput("acknowledge", "durable or sealed: no witness is asked here", level.value)
        keys = self._published.keys
        if not keys.of(ledger.slug, ledger.origin) and self._feed.signed(ledger.id):
            raise InvalidInput(
                "acknowledge",
                f"durable: no key that signs {ledger.slug} is held here, by which it could be seen sealed; ask "
                "a service that holds it, or put it back",
                level.value,
            )

    def ask(self, ledger: Ledger, size: int, level: Level) -> Future[None]:
        """Done once the first ``size`` entries of a ledger have that level; cancel it to wait no longer.

        It fails with Unavailable where the service stops before.
        """
        answer: Future[None] = Future()
        with self._lock:
            self._waiting.append(_Waiting(ledger, size, level, answer))
        self._hurry()
        self._wake.set()
        return answer

    def has(self, ledger: Ledger, size: int, level: Level) -> bool:
        """Whether the first ``size`` entries of a ledger have a level now, as far as it can be told."""
        return level is Level.DURABLE or size <= self._reached(ledger, level, size)

    def look(self) -> None:
        """Has what is published looked at now."""
        self._wake.set()

    def run(self, stop: Event) -> None:
        """Answers, until told to stop by ``stop`` and then ``look``; who still waits then is told so."""
        while not stop.is_set():
            self._wake.wait(LOOK if self._waiting else None)
            self._wake.clear()
            self.answer()
        with self._lock:
            left, self._waiting = self._waiting, []
        for each in left:
            if each.answer.set_running_or_notify_cancel():
                each.answer.set_exception(Unavailable("the service stops"))

    def answer(self) -> None:
        """Answers all whose entries have the level that they wait for."""
        with self._lock:
            self._waiting = [each for each in self._waiting if not each.answer.cancelled()]
            waiting = [*self._waiting]
        reached: dict[tuple[int, Level], int] = {}
        for each in waiting:
            key = each.ledger.id, each.level
            if key not in reached:
                least = min(one.size for one in waiting if (one.ledger.id, one.level) == key)
                reached[key] = self._reached(each.ledger, each.level, least)
        told = [each for each in waiting if each.size <= reached[each.ledger.id, each.level]]
        with self._lock:
            gone = set(map(id, told))
            self._waiting = [each for each in self._waiting if id(each) not in gone]
        for each in told:
            if each.answer.set_running_or_notify_cancel():
                each.answer.set_result(None)

    def _reached(self, ledger: Ledger, level: Level, least: int) -> int:
        """How many entries have the level; 0 where nobody can tell for the moment, which the log says."""
        try:
            size = self._sealed(ledger) if level is Level.SEALED else self._witnessed(ledger, least)
            self._said.pop(ledger.id, None)
            return size
        except (AuditLedgerError, psycopg.Error) as error:
            if self._said.get(ledger.id) != str(error):
                self._said[ledger.id] = str(error)
                log.warning("acknowledging waits", ledger=ledger.slug, reason=str(error))
            return 0

    def _sealed(self, ledger: Ledger) -> int:
        note = self._published.of(ledger).checkpoint()
        if note is None:
            return 0
        keys = [key.verifier for key in self._published.keys.of(ledger.slug, ledger.origin)]
        return open_checkpoint(note, keys).checkpoint.size

    def _witnessed(self, ledger: Ledger, least: int) -> int:
        """How many entries a quorum has seen, of a ledger that is sealed up to ``least``; 0 for fewer."""
        policy = self._policy()
        if policy is None or self._sealed(ledger) < least:
            return 0
        return WitnessedTimes(self._feed, policy).size(ledger, self._spoilt)

    def _spoilt(self, error: AuditLedgerError) -> None:
        log.error("spoilt cosignature", reason=str(error))
