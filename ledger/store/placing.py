"""Giving entries their places: index, ``previous`` and ``recorded_at``, one after the other from a head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.codec.declare import micros, moment
from ledger.codec.entry import place
from ledger.store import binary
from ledger.store.ledgers import Ledger
from ledger.store.submission import Receipt, Submission
from ledger.tlog.chain import leaf_hash


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a ledger: number of entries, leaf hash of the last, its time in microseconds since 1970."""

    size: int
    hash: bytes
    recorded_at: int


COPY_BLOCK = 256 * 1024
ROW = b"\x00\x0d"
"""Begins a row of COPY: thirteen columns."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Submissions with their places, as fields of PostgreSQL's binary formats, column by column."""

    before: Head
    after: Head
    columns: tuple[list[bytes], ...]
    """recorded_at, version, part, happened_on, command, leaf_hash, stream, event, organisation, content_mac,
    entry"""
    receipts: list[list[Receipt]]

    def copy_blocks(self, ledger: Ledger) -> Iterator[bytes]:
        """The rows in the binary format of COPY, in blocks of some 256 kB."""
        ledger_field = binary.int4_field("ledger", ledger.id)
        block = [binary.COPY_HEADER]
        size = 0
        for index, (stamp, *columns) in enumerate(zip(*self.columns, strict=True), self.before.size):
            block += (ROW, binary.int8_field(index), stamp, ledger_field, *columns)
            size += len(columns[-1])
            if size > COPY_BLOCK:
                yield b"".join(block)
                block, size = [], 0
        yield b"".join((*block, binary.COPY_END))


def place_all(ledger: Ledger, prefix: bytes, head: Head, submissions: Sequence[Submission], now: int) -> Placed:
    """Places ``submissions`` after ``head``; ``now`` is the writer's time, in microseconds since 1970.

    A moment never lies before that of the entry before it; it may be equal (4-wire 'Entry', recorded_at).
    """
    index, previous, recorded = head.size, head.hash, head.recorded_at
    varlena = binary.varlena_field
    moments: list[bytes] = []
    hashes: list[bytes] = []
    entries: list[bytes] = []
    rows: list[tuple[bytes, ...]] = []
    receipts: list[list[Receipt]] = []
    for submission in submissions:
        stamp = now if submission.moment is None else micros(submission.moment)
        recorded = max(stamp, recorded)
        moment_field, when = binary.moment_field(recorded), moment(recorded)
        mine: list[Receipt] = []
        for draft in submission.drafts:
            entry = place(prefix, index, previous, recorded, draft.template)
            previous = leaf_hash(entry)
            moments.append(moment_field)
            hashes.append(varlena(previous))
            entries.append(varlena(entry))
            rows.append(draft.columns)
            mine.append(Receipt(ledger.origin, index, previous, when))
            index += 1
        receipts.append(mine)
    version, part, happened, command, stream, event, organisation, mac = map(list, zip(*rows, strict=True))
    return Placed(
        head,
        Head(index, previous, recorded),
        (moments, version, part, happened, command, hashes, stream, event, organisation, mac, entries),
        receipts,
    )


def needed_versions(submissions: Sequence[Submission]) -> tuple[list[bytes], list[bytes]]:
    """The versions that must be there already, so that no stream gets a gap: fields of streams and versions.

    Too low a version breaks a unique key; one too high would not be noticed without this.
    """
    reached: dict[str, int] = {}
    streams: list[bytes] = []
    versions: list[bytes] = []
    for submission in submissions:
        for draft in submission.drafts:
            if draft.version > 1 and reached.get(draft.stream) != draft.version - 1:
                streams.append(draft.columns[4])
                versions.append(binary.int4_field("version", draft.version - 1))
            reached[draft.stream] = draft.version
    return streams, versions


@dataclass(frozen=True, slots=True)
class VaultRows:
    """The vault rows of a group; ordinals count from the group's first entry."""

    key_ids: list[str]
    key_streams: list[str]
    key_subjects: list[str]
    key_wrapped: list[bytes]
    key_kek: list[str]
    ordinals: list[int]
    keys: list[str]
    ciphertexts: list[bytes]

    @classmethod
    def of(cls, submissions: Sequence[Submission]) -> VaultRows:
        """The rows of submissions that stand one after the other in a group."""
        made = cls([], [], [], [], [], [], [], [])
        offset = 0
        for submission in submissions:
            for key in submission.keys:
                made.key_ids.append(key.id)
                made.key_streams.append(key.stream)
                made.key_subjects.append(key.subject)
                made.key_wrapped.append(key.wrapped)
                made.key_kek.append(key.kek_id)
            for row in submission.rows:
                made.ordinals.append(offset + row.ordinal)
                made.keys.append(row.key)
                made.ciphertexts.append(row.ciphertext)
            offset += len(submission.drafts)
        return made

    def __bool__(self) -> bool:
        return bool(self.key_ids or self.keys)

    def parameters(self) -> list[bytes]:
        """The eight arrays of ``vault.put``, encoded."""
        return [
            *(
                binary.array(binary.TEXT, [binary.text_field(text) for text in texts])
                for texts in (self.key_ids, self.key_streams, self.key_subjects)
            ),
            binary.array(binary.BYTEA, [binary.varlena_field(wrapped) for wrapped in self.key_wrapped]),
            binary.array(binary.TEXT, [binary.text_field(kek) for kek in self.key_kek]),
            binary.array(binary.INT4, [binary.int4_field("ordinal", n) for n in self.ordinals]),
            binary.array(binary.TEXT, [binary.text_field(key) for key in self.keys]),
            binary.array(binary.BYTEA, [binary.varlena_field(value) for value in self.ciphertexts]),
        ]
