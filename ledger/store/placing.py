"""Giving entries their places: index, ``previous`` and ``recorded_at``, one after the other from a head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from ledger.codec.declare import micros, moment
from ledger.codec.entry import place
from ledger.store import binary
from ledger.store.ledgers import Ledger
from ledger.store.submission import Draft, Receipt, Submission
from ledger.tlog.chain import HASH_LENGTH, leaf_hash


class Head(NamedTuple):
    """The end of a ledger: number of entries, leaf hash of the last, its time in microseconds since 1970."""

    size: int
    hash: bytes
    recorded_at: int


COLUMN_TYPES = [
    binary.TIMESTAMPTZ, binary.INT4, binary.INT4, binary.DATE, binary.UUID, binary.TEXT, binary.TEXT,
    binary.TEXT, binary.BYTEA, binary.BYTEA, binary.BYTEA,
]  # fmt: skip
"""Of recorded_at, of the draft's columns, of leaf_hash and entry: the order of every way in."""
VAULT_TYPES = [
    binary.TEXT, binary.TEXT, binary.TEXT, binary.BYTEA, binary.TEXT, binary.INT4, binary.TEXT, binary.BYTEA,
]  # fmt: skip
"""Of the elements of the arrays of ``vault.put``: five of keys, three of rows."""
COPY_BLOCK = 256 * 1024
_HASH_LENGTH = binary.int4(HASH_LENGTH)
_COPY_ROW = Struct(">hiqiq").pack
"""Begins a row of COPY: thirteen columns, of which index and recorded_at are the first."""


class Placed(NamedTuple):
    """Submissions with their places, and how PostgreSQL takes them: parameters, arrays, or rows of COPY."""

    before: Head
    after: Head
    drafts: list[Draft]
    moments: list[int]
    """recorded_at of each entry, in microseconds since 1970."""
    hashes: list[bytes]
    entries: list[bytes]

    def parameters(self) -> list[bytes | None]:
        """The parameters of the only entry, in the order of ``commit_first`` and ``commit_next``."""
        known = [None if field == binary.NULL else field[4:] for field in self.drafts[0].columns]
        return [
            binary.int8(self.moments[0] - binary.EPOCH_MICROS), *known, self.hashes[0], self.entries[0],
        ]  # fmt: skip

    def arrays(self) -> list[bytes]:
        """The parameters of ``commit_many``: an array a column."""
        columns: list[Sequence[bytes]] = [
            [binary.moment_field(recorded) for recorded in self.moments],
            *zip(*(draft.columns for draft in self.drafts), strict=True),
            [binary.varlena_field(digest) for digest in self.hashes],
            [binary.varlena_field(entry) for entry in self.entries],
        ]
        return [binary.array(oid, fields) for oid, fields in zip(COLUMN_TYPES, columns, strict=True)]

    def copy_blocks(self, ledger: Ledger) -> Iterator[bytes]:
        """The rows in the binary format of COPY, in blocks of some 256 kB."""
        ledger_field = binary.int4_field("ledger", ledger.id)
        block = [binary.COPY_HEADER]
        size = 0
        for index, (draft, recorded, digest, entry) in enumerate(
            zip(self.drafts, self.moments, self.hashes, self.entries, strict=True), self.before.size
        ):
            block += (
                _COPY_ROW(13, 8, index, 8, recorded - binary.EPOCH_MICROS), ledger_field, *draft.columns,
                _HASH_LENGTH, digest, binary.int4(len(entry)), entry,
            )  # fmt: skip
            size += len(entry)
            if size > COPY_BLOCK:
                yield b"".join(block)
                block, size = [], 0
        yield b"".join((*block, binary.COPY_END))

    def receipts(self, ledger: Ledger, submissions: Sequence[Submission]) -> list[list[Receipt]]:
        """The receipts of each submission, once they are committed."""
        receipts: list[list[Receipt]] = []
        at = 0
        for submission in submissions:
            when = moment(self.moments[at])
            hashes = self.hashes[at : at + len(submission.drafts)]
            receipts.append(
                [
                    Receipt(ledger.origin, index, digest, when)
                    for index, digest in enumerate(hashes, self.before.size + at)
                ]
            )
            at += len(hashes)
        return receipts


def place_all(prefix: bytes, head: Head, submissions: Sequence[Submission], now: int) -> Placed:
    """Places ``submissions`` after ``head``; ``now`` is the writer's time, in microseconds since 1970.

    A moment never lies before that of the entry before it; it may be equal (4-wire 'Entry', recorded_at).
    """
    index, previous, recorded = head
    drafts: list[Draft] = []
    moments: list[int] = []
    hashes: list[bytes] = []
    entries: list[bytes] = []
    for submission in submissions:
        recorded = max(now if submission.moment is None else micros(submission.moment), recorded)
        for draft in submission.drafts:
            entry = place(prefix, index, previous, recorded, draft.template)
            previous = leaf_hash(entry)
            moments.append(recorded)
            hashes.append(previous)
            entries.append(entry)
            index += 1
        drafts += submission.drafts
    return Placed(head, Head(index, previous, recorded), drafts, moments, hashes, entries)


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


def vault_arrays(submissions: Sequence[Submission]) -> list[bytes]:
    """The eight arrays of ``vault.put``, for submissions that stand one after the other in a group.

    Ordinals count from the group's first entry.
    """
    ids: list[bytes] = []
    streams: list[bytes] = []
    subjects: list[bytes] = []
    wrapped_keys: list[bytes] = []
    keks: list[bytes] = []
    ordinals: list[bytes] = []
    keys: list[bytes] = []
    ciphertexts: list[bytes] = []
    offset = 0
    for submission in submissions:
        for key_id, stream, subject, wrapped, kek_id in submission.keys:
            ids.append(binary.text_field(key_id))
            streams.append(binary.text_field(stream))
            subjects.append(_shared_text(subject))
            wrapped_keys.append(binary.varlena_field(wrapped))
            keks.append(_shared_text(kek_id))
        for ordinal, key_id, ciphertext, _ in submission.rows:
            ordinals.append(binary.int4_field("ordinal", offset + ordinal))
            keys.append(binary.text_field(key_id))
            ciphertexts.append(binary.varlena_field(ciphertext))
        offset += len(submission.drafts)
    fields = (ids, streams, subjects, wrapped_keys, keks, ordinals, keys, ciphertexts)
    return [binary.array(oid, column) for oid, column in zip(VAULT_TYPES, fields, strict=True)]


_shared_text = lru_cache(maxsize=256)(binary.text_field)
"""The field of a text of which there are few: most subjects are the case, most keys are wrapped by one."""
