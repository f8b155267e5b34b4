"""When an entry came about, by the clocks of witnesses and not by its operator's (C2SP tlog-cosignature).

A cosignature of a checkpoint of size n at time t says two things of a witness that keeps to C2SP tlog-witness.
**Not after**: the entries below n existed at t. **Not before**: the witness had seen no entry from n on, since
it never goes back; such an entry was *put into the history that is witnessed* after t. It may have been
written down before in a place that no witness sees: what is bracketed is when it could no longer be changed
or left out unnoticed, and how late it may have been made.

A time stamp (RFC 3161) of a checkpoint of size n at time t says the first of the two alone: the entries below n
existed at t. Whoever stamps keeps no history, and may be asked for an old checkpoint when there is a newer one.

Of several witnesses a quorum is believed, as one of its members tells the truth: not after is the time by
which a quorum had seen the entry, not before the time since which a quorum had not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from ledger.errors import CodecError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import COSIGNATURE, Note, Signed, VerifierKey

PATIENCE = 60
"""Seconds by which ``recorded_at`` may lie outside of a bracket without being remarked on.

Clocks differ, and an entry that is recorded while a witness is asked about those before it is in the next
checkpoint, though it is older than the time that the witness gives for this one.
"""

Met = Callable[[Iterable[Signed]], bool]
"""Whether these witnesses are enough to be believed: ``Policy.heard``, or ``any_witness``."""


def any_witness(signed: Iterable[Signed]) -> bool:
    """One trusted witness is enough."""
    return any(each.key.kind == COSIGNATURE for each in signed)


class Sighting(NamedTuple):
    """That a witness had seen a log of ``size`` entries and no more at ``time`` (seconds since 1970)."""

    witness: VerifierKey
    size: int
    time: int


class Bracket(NamedTuple):
    """Between which times (seconds since 1970) an entry came into the witnessed history; None: none says."""

    not_before: int | None = None
    not_after: int | None = None

    def outside(self, recorded_at: int) -> str | None:
        """Whether ``recorded_at`` (microseconds since 1970) lies outside by more than ``PATIENCE``.

        ``before``: the entry was backdated, or kept from the witnesses for so long. ``after``: the operator's
        clock ran ahead. None where it fits, or no witness has spoken.
        """
        seconds = recorded_at // 1_000_000
        if self.not_before is not None and seconds < self.not_before - PATIENCE:
            return "before"
        if self.not_after is not None and seconds > self.not_after + PATIENCE:
            return "after"
        return None


class Brackets:
    """The brackets of a log's entries by what its witnesses saw."""

    def __init__(
        self, sightings: Iterable[Sighting], met: Met = any_witness, stamps: Iterable[tuple[int, int]] = ()
    ) -> None:
        """``sightings``: of one log, in any order; whether they are true is the caller's to have verified.

        ``stamps``: of checkpoints of its history, size and time, by authorities each believed alone.
        """
        self._met = met
        seen: dict[VerifierKey, list[tuple[int, int]]] = {}
        for witness, size, time in sightings:
            seen.setdefault(witness, []).append((size, time))
        self._witnesses = {witness: _Course(pairs) for witness, pairs in seen.items()}
        self._stamps = sorted(stamps)
        # Of those from a size on, the earliest.
        self._earliest = [*accumulate((time for _, time in reversed(self._stamps)), min)][::-1]

    def of(self, index: int) -> Bracket:
        """The bracket of the entry of this index."""
        before = {key: course.last(index) for key, course in self._witnesses.items()}
        after = {key: course.first(index) for key, course in self._witnesses.items()}
        # Who looked latest first: as soon as these are a quorum, one of them saw no such entry at that time.
        not_after = self._agreed(after, latest_first=False)
        at = bisect_right(self._stamps, index, key=lambda stamp: stamp[0])
        if at < len(self._stamps):
            not_after = min(self._earliest[at], self._earliest[at] if not_after is None else not_after)
        return Bracket(self._agreed(before, latest_first=True), not_after)

    def size(self) -> int:
        """How many entries are witnessed: the largest size that a quorum has seen, or more; 0 before that."""
        sizes = {key: course.largest for key, course in self._witnesses.items()}
        return self._agreed(sizes, latest_first=True) or 0

    def _agreed(self, said: Mapping[VerifierKey, int | None], *, latest_first: bool) -> int | None:
        """The first value, from the largest down or the smallest up, by which those who said so are enough."""
        known = sorted(
            ((value, str(key), key) for key, value in said.items() if value is not None), reverse=latest_first
        )
        heard: list[Signed] = []
        for value, _, key in known:
            heard.append(Signed(key, value))
            if self._met(heard):
                return value
        return None


class _Course:
    """What one witness said, by size; the sizes next to an entry count."""

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self._pairs = sorted(pairs)
        self._sizes = [size for size, _ in self._pairs]
        self.largest = self._sizes[-1]

    def last(self, index: int) -> int | None:
        """When it last saw a log without the entry of this index."""
        at = bisect_right(self._sizes, index)
        return self._pairs[at - 1][1] if at else None

    def first(self, index: int) -> int | None:
        """When it first saw a log with it."""
        at = bisect_right(self._sizes, index)
        return self._pairs[at][1] if at < len(self._pairs) else None


def sightings_of(origin: str, note: bytes, keys: Iterable[VerifierKey]) -> list[Sighting]:
    """What the trusted witnesses among ``keys`` say in a cosigned checkpoint of that log.

    Raises CodecError for what is no checkpoint of ``origin``; Untrusted where no trusted key signed it, or the
    signature of one does not hold.
    """
    found = Note.parse(note)
    said = Checkpoint.parse(found.text)
    if said.origin != origin:
        raise CodecError(f"checkpoint: expected one of {origin!r}, got one of {said.origin!r}")
    return [Sighting(each.key, said.size, each.time) for each in found.verify(keys) if each.time is not None]
