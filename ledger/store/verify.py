"""Verification: every entry's bytes are read and everything that can be recomputed is.

Steps, for each entry: (0) it is there, at its index; (1) leaf hash of its bytes = column; (2) ``previous`` in
its bytes = leaf hash of the entry before; (3) typed columns = what the bytes say; (4) no time before the
entry's before. Then, for the ledger: (5) the head row is its end, (6) versions of each stream have no gap,
(7) the tree of its entries has the root that each checkpoint given states: only this finds who rewrote a whole
ledger with its head. Left to the caller: that those checkpoints are signed by a trusted key, payloads, and
``content_mac``, which is not in the bytes.

The work is cut into ranges of entries, each checked by a process of its own; ranges are joined in order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial

import psycopg

from ledger.clock import melbourne_date
from ledger.codec.avro import encode_long
from ledger.codec.declare import moment
from ledger.codec.entry import decode_entry, prefix
from ledger.codec.scan import DAY, INSTANT, scan_tail
from ledger.errors import CodecError, InvalidInput, Tampered, Unavailable
from ledger.ranges import in_order
from ledger.store import binary, queries
from ledger.store.copying import copied
from ledger.store.database import Database, Role, connect
from ledger.store.ledgers import Ledger
from ledger.store.placing import Head
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import Frontier, complete, subtrees

RANGE = 1 << 14
"""Entries one process checks at a time: a complete subtree of the ledger's tree."""
EPOCH_DAYS = date(2000, 1, 1).toordinal() - date(1970, 1, 1).toordinal()

# What scan_verified sends: columns of fixed size first, so that one unpack reads them all.
_ROW = struct.Struct(">hiqiqiiiiiii36s")
_ROW_LENGTHS = (8, 8, 4, 4, 4, 36)
_FIELD = struct.Struct(">i")
_LENGTHS = [encode_long(n) for n in range(8192)]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found whole: origin, how many entries, the leaf hash of the last, the root of their tree."""

    origin: str
    size: int
    hash: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The first fault of a range. ``link``: the entry's ``previous`` is not the leaf hash before it."""

    index: int
    what: str
    link: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What one range says: its first ``previous``, its last leaf hash and time, its first fault."""

    previous: bytes
    recorded_at: int
    last_hash: bytes
    last_recorded_at: int
    fault: Fault | None
    trees: Sequence[tuple[int, list[bytes]]] = ()
    """The complete subtrees from its first entry to before each size asked for, and to its end."""


def verify(
    database: Database,
    ledger: Ledger,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    processes: int | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Checks a whole ledger as it stands now. ``progress(done, all)`` is called as ranges are finished.

    ``checkpoints``: what the ledger signed of itself, each of which must be of these entries. Raises Tampered
    with the first bad index and what is wrong; Unavailable where it could not run.
    """
    head = _head(database, ledger)
    before = Head(0, GENESIS, 0)
    tree = Frontier()
    roots = {0: tree.root()}
    sizes = sorted({each.size for each in checkpoints})
    work = partial(check_range, database.conninfo(Role.READER), ledger, sizes)
    for part in in_order(work, range(0, head.size, RANGE), head.size, processes):
        start, end = before.size, min(before.size + RANGE, head.size)
        fault = part.fault
        if (fault is None or fault.index > start) and part.previous != before.hash:
            fault = Fault(start, "its previous is not the leaf hash of the entry before", link=True)
        elif fault is None and part.recorded_at < before.recorded_at:
            fault = Fault(start, "recorded_at is before that of the entry before")
        if fault is not None:
            raise Tampered(ledger.origin, *_blame(database, ledger, head, fault))
        for size, hashes in part.trees:
            grown = tree.copy()
            for (level, _), subtree in zip(subtrees(0, size - start), hashes, strict=True):
                grown.add(level, subtree)
            roots[size] = grown.root()
        tree = grown
        before = Head(end, part.last_hash, part.last_recorded_at)
        if progress is not None:
            progress(end, head.size)
    if before.hash != head.hash:
        raise Tampered(
            ledger.origin, max(head.size - 1, 0), f"expected the head row's hash {head.hash.hex()}, "
            f"got the leaf hash {before.hash.hex()}",
        )  # fmt: skip
    if head.size and before.recorded_at != head.recorded_at:
        raise Tampered(ledger.origin, head.size - 1, "its recorded_at is not that of the head row")
    _check_streams(database, ledger, head.size)
    for each in checkpoints:
        _check_root(ledger, each, roots)
    return Verified(ledger.origin, head.size, head.hash, tree.root())


def _check_root(ledger: Ledger, checkpoint: Checkpoint, roots: Mapping[int, bytes]) -> None:
    """(7) A checkpoint is of these entries. Its last entry is named: which of those before it was altered, with
    all that follows, only the tiles can tell."""
    if checkpoint.origin != ledger.origin:
        raise InvalidInput("checkpoint", f"one of {ledger.origin}", checkpoint.origin)
    found = roots.get(checkpoint.size)
    if found is None:
        what = f"it is missing: a checkpoint of {checkpoint.size} entries was signed"
        raise Tampered(ledger.origin, max(roots), what)
    if found != checkpoint.root:
        what = (
            f"the tree up to it has the root {found.hex()}, and {checkpoint.root.hex()} was signed of "
            f"{checkpoint.size} entries: they were rewritten"
        )
        raise Tampered(ledger.origin, max(checkpoint.size - 1, 0), what)


def _head(database: Database, ledger: Ledger) -> Head:
    """The head row, and that no entry lies outside of it, in one snapshot."""
    with database.connect(Role.READER) as connection:
        row = connection.execute(queries.get("head_and_bounds"), {"ledger": ledger.id}).fetchone()
    if row is None:
        raise Unavailable(f"{ledger.origin}: the database holds no head of this ledger")
    size, recorded_at, lowest, highest = row[0], row[2], row[3], row[4]
    if lowest is not None and lowest < 0:
        raise Tampered(ledger.origin, lowest, "no entry has an index below 0")
    if highest is not None and highest >= size:
        raise Tampered(ledger.origin, size, f"an entry lies behind the head row's size of {size}")
    return Head(size, bytes(row[1]), recorded_at)


def check_range(conninfo: str, ledger: Ledger, sizes: Sequence[int], start: int, end: int) -> Part:
    """Checks the entries [start, end), in whichever process.

    ``sizes``: of trees whose roots are asked for.
    """
    origin = prefix(ledger.origin)
    index = start
    first_previous = previous = b""
    first_recorded = recorded = 0
    recorded_bytes = b""
    leaves: list[bytes] = []
    for row, at in _rows(conninfo, ledger.id, start, end):
        columns = _ROW.unpack_from(row, at)
        if columns[1::2] != _ROW_LENGTHS:
            return Part(first_previous, first_recorded, previous, recorded, Fault(index, "a column is null"))
        found, stored_at, version, part, happened, command = columns[2::2]
        at += _ROW.size
        leaf, at = _take(row, at)
        stream, at = _take(row, at)
        event, at = _take(row, at)
        organisation, at = _take(row, at)
        entry, _ = _take(row, at)
        if found != index:
            return Part(first_previous, first_recorded, previous, recorded, Fault(index, "it is missing"))
        hashed = leaf_hash(entry)
        if hashed != leaf:
            what = f"expected leaf hash {leaf.hex()}, got {hashed.hex()} from its bytes"
            return Part(first_previous, first_recorded, previous, recorded, Fault(index, what))
        micros = stored_at + binary.EPOCH_MICROS
        if micros != recorded:
            recorded_bytes = encode_long(micros)
            if micros < recorded and index > start:
                what = "recorded_at is before that of the entry before"
                return Part(first_previous, first_recorded, previous, recorded, Fault(index, what))
            recorded = micros
        begin = origin + encode_long(index)
        here = len(begin)
        rest = b"".join((_length(stream), stream, encode_long(version), _length(event), event, recorded_bytes))
        tail = here + 32 + len(rest)
        linked = entry[here : here + 32]
        if index == start:
            first_previous, first_recorded = linked, recorded
        try:
            wrong = (
                not entry.startswith(begin)
                or not entry.startswith(rest, here + 32)
                or not _tail_agrees(scan_tail(entry, tail), happened, organisation, command, part)
            )
        except CodecError:
            wrong = True
        if wrong:
            said = (version, part, happened, command, stream, event, organisation, micros)
            what = _explain(entry, ledger.origin, index, said)
            return Part(first_previous, first_recorded, previous, recorded, Fault(index, what))
        if index > start and linked != previous:
            what = "its previous is not the leaf hash of the entry before"
            return Part(first_previous, first_recorded, previous, recorded, Fault(index, what, link=True))
        previous = hashed
        leaves.append(hashed)
        index += 1
    fault = Fault(index, "it is missing") if index < end else None
    wanted = [*(size for size in sizes if start < size < end), end] if fault is None else []
    trees = [(size, _subtrees(leaves[: size - start])) for size in wanted]
    return Part(first_previous, first_recorded, previous, recorded, fault, trees)


def _subtrees(leaves: Sequence[bytes]) -> list[bytes]:
    """The hashes of the complete subtrees that leaves fall into, from left to right."""
    return [
        complete(leaves[index << level : (index + 1) << level]) for level, index in subtrees(0, len(leaves))
    ]


def _rows(conninfo: str, ledger_id: int, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """The raw rows of a range and where in them the row begins. Raises Unavailable."""
    statement = queries.text("scan_verified").format(ledger=ledger_id, start=start, until=end)
    # Closed, not committed: whoever stops at a fault leaves the COPY unfinished.
    with closing(connect(conninfo)) as connection:
        yield from copied(connection.pgconn, statement.encode())


def _take(row: bytes, at: int) -> tuple[bytes, int]:
    """A column of any size at ``at``, and the byte after it. A null reads as nothing."""
    size = _FIELD.unpack_from(row, at)[0]
    at += 4
    return row[at : at + max(size, 0)], at + max(size, 0)


def _length(text: bytes) -> bytes:
    return _LENGTHS[len(text)] if len(text) < len(_LENGTHS) else encode_long(len(text))


def _tail_agrees(
    scanned: tuple[int, int, bytes, bytes, int], happened: int, organisation: bytes, command: bytes, part: int
) -> bool:
    kind, value, said_organisation, said_command, said_part = scanned
    return (
        said_organisation == organisation
        and said_command == command
        and said_part == part
        and happened == _happened_days(kind, value)
    )


def _happened_days(kind: int, value: int) -> int:
    """As the column holds it: days since 2000, of the Melbourne date for an instant; the lowest for null."""
    if kind == DAY:
        return value - EPOCH_DAYS
    if kind == INSTANT:
        return melbourne_date(moment(value)).toordinal() - binary.EPOCH_DAY
    return -(1 << 31)


def _explain(entry: bytes, origin: str, index: int, said: tuple[object, ...]) -> str:
    """In words, what of an entry's columns and bytes do not agree."""
    try:
        decoded = decode_entry(entry)
    except CodecError as error:
        return f"its bytes are malformed: {error}"
    version, part, happened, command, stream, event, organisation, micros = said
    date_said = None if happened == -(1 << 31) else happened
    date_told = decoded.happened_date
    pairs: list[tuple[str, object, object]] = [
        ("ledger", origin, decoded.ledger),
        ("index", index, decoded.index),
        ("version", version, decoded.version),
        ("part", part, decoded.part),
        ("happened_on", date_said, date_told.toordinal() - binary.EPOCH_DAY if date_told else None),
        ("command", command, decoded.command.encode()),
        ("stream", stream, decoded.stream.encode()),
        ("event", event, decoded.event.encode()),
        ("organisation", organisation, decoded.actor.organisation.encode()),
        ("recorded_at", moment(micros) if isinstance(micros, int) else micros, decoded.recorded_at),
    ]
    wrong = [name for name, column, told in pairs if column != told]
    if not wrong:
        return "its bytes are not the one encoding of what they say"
    return f"column {', '.join(wrong)}: not what its bytes say"


def _blame(database: Database, ledger: Ledger, head: Head, fault: Fault) -> tuple[int, str]:
    """Which of two neighbours was altered, where they do not fit.

    An entry that what follows it still vouches for (the next one's ``previous``, or the head) is as it was:
    then it is the one before that was altered, together with its leaf hash column.
    """
    if not fault.link or fault.index == 0:
        return fault.index, fault.what
    with database.connect(Role.READER) as connection:
        rows = connection.execute(
            queries.get("scan_two"), {"ledger": ledger.id, "first": fault.index, "second": fault.index + 1}
        ).fetchall()
    mine = leaf_hash(bytes(rows[0][1]))
    try:
        vouched = decode_entry(bytes(rows[1][1])).previous if len(rows) > 1 else head.hash
    except CodecError:
        vouched = b""
    if vouched == mine:
        return fault.index - 1, "its bytes and leaf hash were altered: the next entry holds another leaf hash"
    return fault.index, fault.what


def _check_streams(database: Database, ledger: Ledger, size: int) -> None:
    """(6) Versions of each stream run on without a gap."""
    try:
        with database.connect(Role.READER) as connection:
            row = connection.execute(
                queries.get("first_version_gap"), {"ledger": ledger.id, "until": size}
            ).fetchone()
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    if row is not None:
        raise Tampered(ledger.origin, row[0], f"stream {row[1]} has a gap before version {row[2]}")
