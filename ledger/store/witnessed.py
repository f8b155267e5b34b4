"""What witnesses said of a ledger's entries, read from the database and verified with the keys of a policy.

The columns beside a note only find it: size and time are those that the witness signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ledger.errors import AuditLedgerError, CodecError, Untrusted
from ledger.settings import Settings
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.stamps import thinned
from ledger.tlog.brackets import Bracket, Brackets, Sighting, sightings_of
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note, VerifierKey
from ledger.tlog.policy import Policy, read_policy

if TYPE_CHECKING:
    from ledger.store.stamped import StampedTimes

LOCAL = "witness"
"""Folder of the data directory in which the service's own witness lives."""
POLICY = "policy"
"""The file in it by which that witness is trusted."""
_LOOKED_BACK = 64
"""Cosigned sizes among which one is looked for that a quorum has cosigned."""

Spoilt = Callable[[AuditLedgerError], None]


def policy_of(settings: Settings) -> Policy | None:
    """The policy in force: that of the setting, else that of the service's own witness; else None.

    Raises SettingsError.
    """
    if settings.policy is not None:
        return read_policy(settings.policy)
    own = settings.data_dir / LOCAL / POLICY
    return read_policy(own) if settings.local_witness and own.exists() else None


class Outside(NamedTuple):
    """An entry whose ``recorded_at`` is not when its witnesses saw it appear."""

    at: int
    """Its index."""
    recorded_at: int
    """Microseconds since 1970."""
    bracket: Bracket
    how: str
    """``before`` or ``after``, as ``Bracket.outside`` says."""


class WitnessedTimes:
    """The times of entries by the witnesses that a policy trusts."""

    def __init__(self, feed: Feed, policy: Policy, stamps: StampedTimes | None = None) -> None:
        """``stamps``: of authorities that are trusted, an upper end of brackets beside what witnesses say."""
        self._feed = feed
        self._policy = policy
        self._stamps = stamps
        self._keys = tuple(party.key for party in policy.witnesses.values())
        self._names = [str(key) for key in self._keys]

    def of(self, ledger: Ledger, indexes: Sequence[int], spoilt: Spoilt) -> list[Bracket]:
        """The brackets of these entries, in one look-up.

        ``spoilt`` is told of a row that does not hold; it counts for nothing. Raises Unavailable.
        """
        rows = self._feed.cosigned(ledger.id, self._names, indexes)
        brackets = self._brackets(ledger, rows, indexes, spoilt)
        return [brackets.of(index) for index in indexes]

    def checked(self, ledger: Ledger, indexes: Sequence[int]) -> list[Bracket]:
        """As ``of``. Raises Untrusted where a row does not hold, Unavailable."""
        return self.of(ledger, indexes, _refuse)

    def size(self, ledger: Ledger, spoilt: Spoilt) -> int:
        """How many of its entries are witnessed: seen by a quorum. Raises Unavailable."""
        rows = self._feed.cosigned(ledger.id, self._names)
        return Brackets(self._sightings(ledger, rows, spoilt), self._policy.heard).size()

    def notes(self, ledger: Ledger, index: int) -> tuple[bytes | None, bytes | None]:
        """The cosigned checkpoints next to an entry: the last without it, the first with it. Unverified.

        Raises Unavailable.
        """
        rows = sorted(self._feed.cosigned(ledger.id, self._names, [index]))
        before = [note for size, note in rows if size <= index]
        after = [note for size, note in rows if size > index]
        return (before[-1] if before else None), (after[0] if after else None)

    def around(
        self, ledger: Ledger, indexes: Sequence[int], *, dense: bool, below: int, most: int
    ) -> list[tuple[int, bytes]]:
        """The cosigned checkpoints that bracket entries, by size, each with all of its cosignatures.

        ``dense``: every entry between the first and the last of ``indexes`` is meant. ``below``: only those of
        smaller sizes. More than ``most`` are thinned evenly; the first and the last stay.

        Raises Untrusted where a row does not hold, Unavailable.
        """
        ends = [indexes[0], indexes[-1]] if dense else indexes
        sizes = {size for size, _ in self._feed.cosigned(ledger.id, self._names, ends)}
        if dense:
            sizes.update(self._feed.cosigned_sizes(ledger.id, self._names, indexes[0], indexes[-1] + 1))
        chosen = thinned(sorted(size for size in sizes if size < below), most)
        found: dict[int, Note] = {}
        for size, data in self._feed.cosigned_at(ledger.id, self._names, chosen):
            self._sightings(ledger, [(size, data)], _refuse)
            note = Note.parse(data)
            found[size] = note if size not in found else found[size].also(note.signatures)
        return [(size, str(note).encode()) for size, note in found.items()]

    def checkpoint(self, ledger: Ledger, published: bytes, least: int) -> bytes | None:
        """A note of at least ``least`` entries that a quorum has cosigned: what is published, else the newest
        before it; None while there is none, or where no witness is trusted.

        While a ledger grows, what is published is seldom cosigned yet. Raises CodecError, Unavailable.
        """
        if self._policy.quorum is None:
            return None
        last = Note.parse(published)
        size = Checkpoint.parse(last.text).size
        if size >= least and self._policy.met_by(last):
            return published
        sizes = self._feed.cosigned_sizes(ledger.id, self._names, least - 1, size + 1, _LOOKED_BACK)
        kept: dict[int, Note] = {}
        for each, data in self._feed.cosigned_at(ledger.id, self._names, sizes):
            note = Note.parse(data)
            kept[each] = note if each not in kept else kept[each].also(note.signatures)
        for _, note in sorted(kept.items(), reverse=True):
            if self._policy.met_by(note):
                return str(note).encode()
        return None

    def outside(self, ledger: Ledger) -> list[Outside]:
        """The entries next to a cosigned or stamped size whose ``recorded_at`` lies outside of their bracket.

        Entries between two cosigned sizes have one bracket, and ``recorded_at`` never falls along a ledger
        (left to the caller): of several that are backdated the first is named. Raises Untrusted where a row
        does not hold, Unavailable.
        """
        rows = self._feed.cosigned_with_times(ledger.id, self._names)
        told = [(size, note) for size, note, _, _ in rows]
        # The first behind a size is the oldest of those up to the next one, the last before it the newest.
        ends: dict[tuple[int, str], int | None] = {}
        for size, _, last, first in rows:
            ends |= {(size - 1, "after"): last, (size, "before"): first}
        if self._stamps is not None:
            ends |= {(size - 1, "after"): last for size, last in self._feed.stamped_with_times(ledger.id)}
        brackets = self._brackets(ledger, told, sorted({index for index, _ in ends if index >= 0}), _refuse)
        found = [
            Outside(index, time, brackets.of(index), how)
            for (index, how), time in sorted(ends.items())
            if time is not None
        ]
        return [each for each in found if each.bracket.outside(each.recorded_at) == each.how]

    def _brackets(
        self, ledger: Ledger, rows: Sequence[tuple[int, bytes]], indexes: Sequence[int], spoilt: Spoilt
    ) -> Brackets:
        stamps = [] if self._stamps is None else self._stamps.of(ledger, indexes, spoilt)
        return Brackets(self._sightings(ledger, rows, spoilt), self._policy.heard, stamps)

    def _sightings(self, ledger: Ledger, rows: Sequence[tuple[int, bytes]], spoilt: Spoilt) -> list[Sighting]:
        found: set[Sighting] = set()
        for size, note in rows:
            try:
                found.update(_held(ledger.origin, size, note, self._keys))
            except (CodecError, Untrusted) as error:
                spoilt(
                    Untrusted(f"{ledger.origin}: what witnesses said of {size} entries does not hold: {error}")
                )
        return [*found]


def _refuse(error: AuditLedgerError) -> None:
    raise error


@lru_cache(maxsize=4096)
def _held(origin: str, size: int, note: bytes, keys: tuple[VerifierKey, ...]) -> list[Sighting]:
    """Kept: what was verified once is for ever. Raises CodecError, Untrusted."""
    found = sightings_of(origin, note, keys)
    for each in found:
        if each.size != size:
            raise CodecError(f"checkpoint: expected one of {size} entries, got one of {each.size}")
    return found
