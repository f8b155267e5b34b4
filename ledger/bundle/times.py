"""``times/``: cosigned checkpoints around the entries of a bundle, and between which times those appeared.

Of each there is the note as witnesses cosigned it, and a proof that the bundle's checkpoint goes on from it.
That the log signed it is not asked for: a trusted witness has seen it, and it is of the same history.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ledger.bundle.archive import Archive
from ledger.bundle.manifest import time_named, times_names
from ledger.codec.declare import micros
from ledger.errors import Altered, ProofFailed
from ledger.tlog import merkle, note
from ledger.tlog.brackets import Bracket, Brackets, Met, Sighting
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.keyhistory import Keys
from ledger.tlog.note import Note
from ledger.tlog.proof import ConsistencyProof

if TYPE_CHECKING:
    from ledger.tlog.stamp import Roots

MOST_STAMP = 1 << 16
"""Bytes of a time stamp."""
MOST_TIMES = 256
"""Cosigned checkpoints that an exporter writes at most, so that they cost a verifier a tenth of a second.

Where more lie around the entries, they are thinned evenly: brackets get wider by that, and none gets untrue.
"""


class Stretch(NamedTuple):
    """Entries that follow each other without a cosigned size between them: [first, last], by index.

    ``earliest``, ``latest``: the smallest and the largest ``recorded_at`` of them, and whose it is.
    """

    first: int
    last: int
    earliest: tuple[datetime, int]
    latest: tuple[datetime, int]


class Outside(NamedTuple):
    """An entry whose ``recorded_at`` is not when its witnesses saw it appear."""

    at: int
    """Its index."""
    recorded_at: datetime
    how: str
    """``before`` or ``after``, as ``Bracket.outside`` says."""


class Seen(NamedTuple):
    """Between which times the entries [first, last] of a bundle appeared; of several outside, one of them."""

    first: int
    last: int
    bracket: Bracket
    outside: Outside | None

    @property
    def width(self) -> int | None:
        """Seconds between the two; None where one of them is not known."""
        before, after = self.bracket
        return None if before is None or after is None else after - before


class Passing:
    """Gathers entries into stretches, as they are read in order of their index."""

    def __init__(self, sizes: Sequence[int], *, apart: bool) -> None:
        """``sizes``: those of ``times/``, ascending; ``apart``: each entry is a stretch of its own."""
        self._sizes = sizes
        self._apart = apart
        self._until = -1
        self.stretches: list[Stretch] = []

    def add(self, index: int, recorded: datetime) -> None:
        """The next entry."""
        if index >= self._until:
            at = bisect_right(self._sizes, index)
            self._until = self._sizes[at] if at < len(self._sizes) else 1 << 63
            if self._apart:
                self._until = index + 1
            here = (recorded, index)
            self.stretches.append(Stretch(index, index, here, here))
            return
        first, _, earliest, latest = self.stretches[-1]
        if recorded < earliest[0]:
            earliest = (recorded, index)
        if recorded > latest[0]:
            latest = (recorded, index)
        self.stretches[-1] = Stretch(first, index, earliest, latest)


def sizes_of(archive: Archive) -> list[int]:
    """The sizes of the checkpoints in ``times/``, ascending."""
    return sorted({told[0] for told in map(time_named, archive.names) if told is not None})


class Judged(NamedTuple):
    """What was found of ``times/``: when entries appeared, and how many time stamps were not judged."""

    times: list[Seen]
    unjudged: int


def seen(
    archive: Archive,
    signed: SignedCheckpoint,
    known: Keys,
    met: Met,
    stretches: Iterable[Stretch],
    roots: Roots,
    *,
    apart: bool,
) -> Judged:
    """(13) When entries appeared, by the bundle's checkpoint and those in ``times/``.

    None where nobody trusted has spoken. ``roots``: of authorities whose time stamps count; without any, none
    is judged. ``apart``: neighbours stay apart, as each is asked for. Raises Incomplete (one of a pair is
    missing), CodecError, Altered (another checkpoint than its name says), Untrusted (a signature by a trusted
    key does not hold, or a time stamp is not of it by an authority under the roots), ProofFailed.
    """
    said = signed.checkpoint
    sightings = [Sighting(each.key, said.size, each.time) for each in signed.signed if each.time is not None]
    stamps: list[tuple[int, int]] = []
    unjudged = 0
    for size in sizes_of(archive):
        names, text = times_names(size), signed.note.text
        if size != said.size or archive.members.keys() & {names.checkpoint, names.consistency}:
            text, more = _sightings(archive, size, signed, known)
            sightings += more
        if names.stamp in archive.members:
            response = archive.read(names.stamp, MOST_STAMP)
            unjudged += not roots
            if roots:
                stamps.append((size, _stamped(response, text, roots)))
    if not sightings and not stamps:
        return Judged([], unjudged)
    brackets = Brackets(sightings, met, stamps)
    found: list[Seen] = []
    for each in stretches:
        bracket = brackets.of(each.first)
        one = Seen(each.first, each.last, bracket, _outside(bracket, each))
        if found and not apart and found[-1].bracket == bracket:
            before = found.pop()
            one = Seen(before.first, one.last, bracket, before.outside or one.outside)
        found.append(one)
    return Judged([] if all(each.bracket == Bracket() for each in found) else found, unjudged)


def _stamped(response: bytes, text: str, roots: Roots) -> int:
    # Only who trusts an authority needs what reads its answers.
    from ledger.tlog.stamp import stamped_by

    return stamped_by(response, text, roots)


def noted(times: Sequence[Seen], *, dense: bool) -> list[tuple[Seen, str]]:
    """Those of which people are told, with their entries in words: where ``dense``, the first, the last and the
    widest whose both ends are known; else each."""
    if not dense or not times:
        return [(each, f"entry {each.first}") for each in times]
    if len(times) == 1:
        return [(times[0], "every entry")]
    known = [each for each in times if each.width is not None]
    widest = max(known, key=lambda each: each.width or 0, default=None)
    found = [(times[0], f"the first, entry {times[0].first}"), (times[-1], f"the last, entry {times[-1].last}")]
    if widest is not None:
        which = (
            f"entries {widest.first} to {widest.last}"
            if widest.last > widest.first
            else f"entry {widest.first}"
        )
        found.append((widest, f"the widest, {which}"))
    return found


def _outside(bracket: Bracket, stretch: Stretch) -> Outside | None:
    for how, (recorded, index) in (("before", stretch.earliest), ("after", stretch.latest)):
        if bracket.outside(micros(recorded)) == how:
            return Outside(index, recorded, how)
    return None


def _sightings(
    archive: Archive, size: int, signed: SignedCheckpoint, known: Keys
) -> tuple[str, list[Sighting]]:
    """The text of one of ``times/``, and what trusted witnesses say in it; of others' signatures nothing."""
    names, ours = times_names(size), signed.checkpoint
    found = Note.parse(archive.read(names.checkpoint, note.MOST_BYTES))
    said = Checkpoint.parse(found.text)
    if (said.origin, said.size) != (ours.origin, size):
        raise Altered(
            f"{names.checkpoint}: expected the checkpoint of {size} entries of {ours.origin!r}, got one of "
            f"{said.size} of {said.origin!r}"
        )
    lines = {(line.name, line.id) for line in found.signatures}
    keys = [key for key in known.at(size) if (key.name, key.id) in lines]
    told = found.verify(keys) if keys else []
    proof = ConsistencyProof.parse(archive.read(names.consistency, note.MOST_BYTES))
    if proof.checkpoint != str(signed.note).encode():
        raise ProofFailed(f"{names.consistency}: it leads to another checkpoint than the bundle's")
    if proof.old != size:
        raise ProofFailed(f"consistency: expected a proof from size {size}, got one from {proof.old}")
    merkle.verify_consistency(size, ours.size, proof.hashes, said.root, ours.root)
    return found.text, [Sighting(each.key, size, each.time) for each in told if each.time is not None]
