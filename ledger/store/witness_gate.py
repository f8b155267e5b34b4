"""Writing only what is soon witnessed: by the setting ``witness_required`` an installation fails closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import NamedTuple

from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.witnessed import WitnessedTimes
from ledger.tlog.policy import Policy

LOOKED_AT = 1.0
"""Seconds for which is believed what was seen of a ledger."""


class Lag(NamedTuple):
    """What of a ledger no quorum of witnesses has seen."""

    size: int
    """Entries that are witnessed."""
    since: datetime | None
    """When the first that is not was recorded; None where all are."""

    def seconds(self, now: datetime) -> float:
        """For how long something has been without a witness."""
        return 0.0 if self.since is None else max(0.0, (now - self.since).total_seconds())


def lag_of(feed: Feed, policy: Policy | None, ledger: Ledger) -> Lag:
    """How far behind the witnesses of a ledger are, by what is kept of them; without a policy, all the way.

    A row that does not hold counts for nothing: it can only make the lag larger. Raises Unavailable.
    """
    size = 0 if policy is None else WitnessedTimes(feed, policy).size(ledger, _counts_for_nothing)
    first = feed.read(ledger.id, size - 1, 1)
    return Lag(size, first[0].recorded_at if first else None)


def _counts_for_nothing(_: AuditLedgerError) -> None:
    """``verify`` names it."""


class WitnessGate:
    """Refuses commands while something of their ledger has been without a witness for too long. Thread-safe."""

    def __init__(self, feed: Feed, policy: Callable[[], Policy | None], seconds: float) -> None:
        self._feed = feed
        self._policy = policy
        self._seconds = seconds
        self._lock = Lock()
        self._seen: dict[int, tuple[float, Lag]] = {}

    def check(self, ledger: Ledger) -> None:
        """Raises Unavailable where nothing may be recorded for the moment, or that cannot be known."""
        with self._lock:
            looked_at, lag = self._seen.get(ledger.id, (float("-inf"), Lag(0, None)))
        if monotonic() - looked_at >= LOOKED_AT:
            at, lag = monotonic(), lag_of(self._feed, self._policy(), ledger)
            with self._lock:
                self._seen[ledger.id] = (at, lag)
        waited = lag.seconds(datetime.now(UTC))
        if waited > self._seconds:
            raise Unavailable(
                f"{ledger.slug}: nothing was recorded: entry {lag.size} has been without a witness for "
                f"{waited:.0f} s, and witness_required allows {self._seconds:g}; 'auditledger doctor' says how "
                "the witnesses are. Bring them back, and the service that asks them, or change the setting"
            )
