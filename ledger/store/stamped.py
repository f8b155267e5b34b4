"""When a ledger's checkpoints were time-stamped (RFC 3161), by the roots that the settings trust.

A stamp is of whatever text it was asked for: it counts where that is a checkpoint of what is published.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import AuditLedgerError, NotFound, Unavailable, Untrusted
from ledger.settings import Settings
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.published import Published
from ledger.store.witnessed import Spoilt, WitnessedTimes, policy_of
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.policy import Policy
from ledger.tlog.prover import Prover
from ledger.tlog.stamp import Roots, read_roots, stamped_by


class StampedTimes:
    """The time stamps that are kept of ledgers' checkpoints, each verified once."""

    def __init__(self, feed: Feed, published: Published, roots: Roots) -> None:
        self._feed = feed
        self._published = published
        self._roots = roots
        self._held: dict[tuple[str, int, bytes], int] = {}

    def of(self, ledger: Ledger, indexes: Sequence[int], spoilt: Spoilt) -> list[tuple[int, int]]:
        """Size and second (since 1970) of the first stamps that cover these entries.

        ``spoilt`` is told of one that does not hold, which counts for nothing; and once, by Unavailable, that
        what is published cannot be read to judge them. Raises Unavailable.
        """
        found = []
        for size, note, response in self._feed.stamped(ledger.id, indexes):
            try:
                found.append((size, self._verified(ledger, size, note, response)))
            except Unavailable as error:
                # Nothing is known of it, and each of the others would wait for what is published as long.
                spoilt(error)
                break
            except AuditLedgerError as error:
                spoilt(Untrusted(f"{ledger.origin}: the time stamp of {size} entries does not hold: {error}"))
        return found

    def _verified(self, ledger: Ledger, size: int, note: bytes, response: bytes) -> int:
        which = (ledger.origin, size, response)
        if which not in self._held:
            text = Note.parse(note).text
            at = stamped_by(response, text, self._roots)
            folder = self._published.of(ledger)
            last = folder.checkpoint()
            if last is None:
                raise NotFound(f"{ledger.slug}: no checkpoint is published")
            said = Checkpoint(ledger.origin, size, Prover(folder.read, last).root(size))
            if text != said.text:
                raise Untrusted("time stamp: what was stamped is no checkpoint of what is published")
            self._held[which] = at
        return self._held[which]


def stamped_times(feed: Feed, published: Published, settings: Settings) -> StampedTimes | None:
    """The time stamps by the roots that are set; None without. Raises SettingsError."""
    roots = settings.timestamp_ca
    return None if roots is None else StampedTimes(feed, published, read_roots(roots))


def times_by(feed: Feed, policy: Policy | None, stamps: StampedTimes | None) -> WitnessedTimes | None:
    """What the witnesses of a policy, and time stamps, say of entries; None where there is neither."""
    return None if policy is None and stamps is None else WitnessedTimes(feed, policy or Policy(), stamps)


def times_here(feed: Feed, published: Published, settings: Settings) -> WitnessedTimes | None:
    """The same by what is set. Raises SettingsError."""
    return times_by(feed, policy_of(settings), stamped_times(feed, published, settings))
