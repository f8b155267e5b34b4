"""What is checked of the entries themselves, a range of blocks at a time, by one process or several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ledger.bundle.archive import Source
from ledger.bundle.changes import STREAM
from ledger.bundle.container import BLOCK, Block, entries_of
from ledger.bundle.manifest import history_name
from ledger.bundle.schemas import Texts, read_payload
from ledger.bundle.times import Passing, Stretch
from ledger.codec.entry import decode_fields
from ledger.errors import Altered, AuditLedgerError, CodecError, Incomplete, Tampered
from ledger.tlog.chain import leaf_hash


class Work(NamedTuple):
    """What a process is told of the bundle."""

    source: Source
    blocks: list[Block]
    origin: str
    start: int | None
    """Index of the first entry, where every later one must follow; None: they only ascend."""
    stream: str | None
    """The case that they must all be of; None: any."""
    texts: Texts
    disclosed: Collection[int]
    leaves: bool
    """Whether every leaf hash is asked for."""
    sizes: Sequence[int]
    """Those of the cosigned checkpoints that tell times."""


@dataclass(slots=True)
class Part:
    """What a range of blocks says; up to the first fault in it."""

    first: int = -1
    last: int = -1
    """Index of the first and the last entry."""
    previous: bytes = b""
    """What the first names as the leaf hash before it."""
    leaf: bytes = b""
    """Leaf hash of the last."""
    versions: tuple[int, int] = (0, 0)
    """Version in its stream of the first and the last."""
    recorded: tuple[datetime, datetime] | None = None
    count: int = 0
    leaves: list[tuple[int, bytes]] = field(default_factory=list)
    disclosed: list[tuple[int, bytes]] = field(default_factory=list)
    """Index and bytes of the entries of which something is disclosed."""
    used: set[bytes] = field(default_factory=set)
    """Fingerprints of the payloads."""
    stretches: list[Stretch] = field(default_factory=list)
    """When the entries say that they were recorded, between cosigned sizes."""
    fault: AuditLedgerError | None = None


def check_blocks(work: Work, begin: int, end: int) -> Part:
    """Steps (7) to (9) of the blocks [begin, end); what joins them to their neighbours is the caller's.

    A fault is told in ``fault``, not raised: what was found before it may hold an earlier one.
    """
    part = Part()
    passing = Passing(work.sizes, apart=work.start is None)
    part.stretches = passing.stretches
    try:
        for number in range(begin, end):
            expected = None if work.start is None else work.start + number * BLOCK
            for index, entry in entries_of(work.source, work.blocks[number]):
                passing.add(index, _check(work, part, expected, index, entry))
                expected = None if expected is None else expected + 1
    except (Altered, CodecError, Incomplete, Tampered) as error:
        part.fault = error
    return part


def _check(work: Work, part: Part, expected: int | None, index: int, entry: bytes) -> datetime:
    """Checks an entry; gives when it says that it was recorded."""
    if expected is not None and index != expected:
        if index > expected:
            raise Incomplete(f"{work.origin}: entry {expected} is not in the bundle: {index} stands there")
        raise Tampered(work.origin, expected, f"entry {index} stands in its place")
    if index <= part.last:
        raise Tampered(work.origin, index, f"it stands behind entry {part.last}")
    fields = _fields(work.origin, index, entry)
    _, _, previous, stream, version, event = fields[:6]
    recorded: datetime = fields[6]
    if work.start is not None and part.count and previous != part.leaf:
        raise Tampered(work.origin, index, "its previous is not the leaf hash of the entry before")
    if work.stream is not None:
        if stream != work.stream:
            raise Tampered(work.origin, index, f"it is of the case {stream[:80]!r}")
        if part.count:
            follows(work, index, version, part.versions[1])
    fingerprint = _payload(work.origin, work.texts, index, event, fields[-1])
    if not part.count:
        part.first, part.previous, part.versions = index, previous, (version, version)
        part.recorded = (recorded, recorded)
    elif part.recorded is not None:
        part.versions, part.recorded = (part.versions[0], version), (part.recorded[0], recorded)
    leaf = leaf_hash(entry)
    part.last, part.leaf, part.count = index, leaf, part.count + 1
    part.used.add(fingerprint)
    if work.leaves:
        part.leaves.append((index, leaf))
    if index in work.disclosed:
        part.disclosed.append((index, entry))
    return recorded


def check_history(
    origin: str, texts: Texts, entries: Iterable[tuple[int, bytes]], held: Collection[int]
) -> set[bytes]:
    """Checks entries that tell of keys beside those of a bundle; gives the fingerprints of their payloads.

    ``held``: the indexes of entries on keys that the bundle is of. Raises CodecError for one that is no entry
    on keys or is there already, Tampered, Incomplete. That they are in the tree is not shown: what they state
    counts by its signature.
    """
    used = set()
    for index, entry in entries:
        fields = _fields(origin, index, entry)
        if fields[3] != STREAM or index in held:
            what = f"expected an entry of the stream {STREAM!r}, not there twice"
            raise CodecError(f"{history_name(index)}: {what}")
        used.add(_payload(origin, texts, index, fields[5], fields[-1]))
    return used


def _fields(origin: str, index: int, entry: bytes) -> tuple[Any, ...]:
    """The fields of an entry of this log and index. Raises Tampered."""
    try:
        fields = decode_fields(entry)
    except CodecError as error:
        raise Tampered(origin, index, f"it cannot be read: {error}") from error
    ledger, said = fields[:2]
    if (ledger, said) != (origin, index):
        raise Tampered(origin, index, f"its bytes say entry {said} of {ledger[:80]!r}")
    return fields


def _payload(origin: str, texts: Texts, index: int, event: str, payload: bytes) -> bytes:
    """The fingerprint of a payload that reads to its last byte. Raises Incomplete, Tampered."""
    try:
        return read_payload(texts, event, payload)[0]
    except KeyError as error:
        fingerprint = error.args[0].hex()
        raise Incomplete(f"{origin}: entry {index}: its schema {fingerprint} is not in the bundle") from error
    except CodecError as error:
        raise Tampered(origin, index, f"its payload cannot be read: {error}") from error


def follows(work: Work, index: int, version: int, before: int) -> None:
    """Checks that an entry is the next of its case. Raises Incomplete, Tampered."""
    if version > before + 1:
        raise Incomplete(f"{work.origin}: version {before + 1} of the case is not in the bundle")
    if version != before + 1:
        raise Tampered(work.origin, index, f"it is version {version} of the case, behind version {before}")
