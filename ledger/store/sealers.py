"""The sealing of all ledgers of a database, beside a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import NamedTuple

import psycopg
import structlog

from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.grower import Grower
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.published import Published
from ledger.store.sealing import Link, Sealer

LONGEST_PAUSE = 60.0
"""Seconds between two tries at most, while a ledger cannot be sealed for the moment."""

log = structlog.get_logger("auditledger.sealing")


class Sealed(NamedTuple):
    """How the sealing of a ledger stands: entries under the last checkpoint, and why it was stopped.

    ``waits``: why it cannot go on for the moment; it is tried again.
    """

    size: int
    alarm: str | None = None
    waits: str | None = None


class Sealing:
    """Seals every ledger of a database, again and again; run on one thread.

    One that must not be sealed any more (Diverged, Tampered, its key lost) is left alone until a person has
    looked and the service was started again; the others go on, and so does writing.
    """

    def __init__(self, database: Database, published: Published, *, interval: float) -> None:
        self._database = database
        self._published = published
        self._ledgers = Ledgers(database)
        self._interval = interval
        self._link = Link(database)
        self.grower = Grower(database)
        """Where large batches are hashed."""
        self._sealers: dict[int, Sealer] = {}
        self._standing: dict[str, Sealed] = {}
        self._again: set[str] = set()
        self._due = Event()
        self._failed = False
        self.on_seal: Callable[[], None] | None = None
        """Called after a ledger was sealed, on the thread that seals."""
        self.on_alarm: Callable[[Ledger], None] | None = None
        """Called where one must not be sealed any more, on that thread."""

    def standing(self) -> Mapping[str, Sealed]:
        """By slug, of the ledgers that this process seals. Raises Unavailable where ``run`` has failed."""
        if self._failed:
            raise Unavailable("sealing: it has failed; its failure is in the log")
        return dict(self._standing)

    def close(self) -> None:
        """Lets go of what it seals."""
        self._link.close()
        self.grower.close()

    def again(self, slug: str) -> None:
        """Has a ledger looked at again though it has not grown: a witness has cosigned its checkpoint."""
        self._again.add(slug)

    def hurry(self) -> None:
        """Has what is recorded sealed now, or the thread look whether it is to stop: somebody waits for it."""
        self._due.set()

    def check(self) -> None:
        """Compares what is signed, published and recorded of each ledger. Raises Diverged, SettingsError, …

        Published files that cannot be read now are compared before anything is sealed; to write, none is
        needed. Raises Unavailable where the database is away.
        """
        for ledger in self._ledgers.all():
            try:
                self._published.sealer(self._link, ledger).check()
            except Unavailable as error:
                with Feed(self._database) as feed:
                    feed.heads()
                self._waits(ledger, error)

    def run(self, stop: Event) -> None:
        """Seals what is recorded, until told to stop (and to hurry). A database that is away is waited for."""
        self.grower.stop = stop
        with Feed(self._database) as feed:
            try:
                pause = self._interval
                while not self._told(stop, pause):
                    try:
                        self.seal(feed)
                        pause = self._interval
                    except (Unavailable, psycopg.Error) as error:
                        pause = min(pause * 2, LONGEST_PAUSE)
                        log.warning("sealing waits", reason=str(error))
            except BaseException:
                self._failed = True
                raise
            finally:
                self.close()

    def _told(self, stop: Event, pause: float) -> bool:
        """Waits for the next look; gives whether it was told to stop. What failed is not hurried."""
        self._due.wait(self._interval)
        self._due.clear()
        return stop.is_set() or (pause > self._interval and stop.wait(pause - self._interval))

    def seal(self, feed: Feed) -> None:
        """Seals each ledger that has grown, once. Raises Unavailable, after the others were sealed."""
        heads = feed.heads()
        waits: Unavailable | None = None
        for ledger in self._ledgers.all():
            known, head = self._standing.get(ledger.slug), heads.get(ledger.id)
            again = ledger.slug in self._again
            self._again.discard(ledger.slug)
            if known is not None and (
                known.alarm is not None
                or (head and known.size == head.size and not again and known.waits is None)
            ):
                continue
            # Kept: what it knows to be durable it need not make durable again.
            sealer = self._sealers.get(ledger.id)
            if sealer is None:
                sealer = self._sealers[ledger.id] = self._published.sealer(self._link, ledger, self.grower)
            try:
                found = sealer.seal()
            except Unavailable as error:
                # Where it is the database that is away, this raises, and no other ledger is tried in vain.
                feed.heads()
                self._waits(ledger, error)
                waits = waits or error
            except AuditLedgerError as error:
                size = 0 if known is None else known.size
                self._standing[ledger.slug] = Sealed(size, f"{type(error).__name__}: {error}")
                log.error("sealing stopped", ledger=ledger.slug, reason=str(error))
                if self.on_alarm is not None:
                    self.on_alarm(ledger)
            else:
                if found is None:
                    if known is not None:
                        # Another process seals it, and waits, or not, by itself.
                        self._standing[ledger.slug] = known._replace(waits=None)
                else:
                    self._standing[ledger.slug] = Sealed(found.size)
                    if self.on_seal is not None:
                        self.on_seal()
        if waits is not None:
            raise waits

    def _waits(self, ledger: Ledger, error: Unavailable) -> None:
        known = self._standing.get(ledger.slug, Sealed(0))
        self._standing[ledger.slug] = known._replace(waits=str(error))
