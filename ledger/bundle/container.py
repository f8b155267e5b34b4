"""``entries.avro``: an Avro object container of ``ledger.v1.BundleEntry``, in the one form that it has.

Codec null, a block for each 1,000 entries, the same header and sync marker in every bundle: any Avro library
reads it. Those take a file that is cut inside a block for complete; here blocks are walked to the last byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

from ledger.bundle.archive import Member, Source
from ledger.codec.avro import decode_bytes, decode_long, encode_bytes, encode_long, encode_string
from ledger.codec.entry import MAX_ENTRY
from ledger.errors import CodecError, Incomplete

NAME = "ledger.v1.BundleEntry"
BLOCK = 1000
"""Entries of a block; the last has what is left."""
SYNC = sha256(NAME.encode()).digest()[:16]
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": NAME,
    "doc": "An entry in an evidence bundle: its index in the ledger, and its bytes as they are.",
    "fields": [{"name": "index", "type": "long"}, {"name": "entry", "type": "bytes"}],
}
_TEXT = (
    '{"type":"record","name":"ledger.v1.BundleEntry",'
    '"fields":[{"name":"index","type":"long"},{"name":"entry","type":"bytes"}]}'
)
"""The schema in the header: its parsing canonical form but for the order of Avro's specification."""
HEADER = b"".join(
    (
        b"Obj\x01",
        encode_long(2),
        encode_string("avro.codec"),
        encode_bytes(b"null"),
        encode_string("avro.schema"),
        encode_bytes(_TEXT.encode()),
        encode_long(0),
        SYNC,
    )
)
_MOST_BLOCK = BLOCK * (MAX_ENTRY + 16)
_NUMBERS = 20
"""Bytes of two longs at most."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block: where the first of its entries begins in the bundle, their number, their bytes."""

    at: int
    count: int
    size: int


def written(entries: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The container's bytes, block by block, of (index, entry bytes) in order of the index."""
    yield HEADER
    left = iter(entries)
    while block := list(islice(left, BLOCK)):
        data = b"".join([encode_long(index) + encode_bytes(entry) for index, entry in block])
        yield b"".join((encode_long(len(block)), encode_long(len(data)), data, SYNC))


def blocks_of(source: Source, member: Member) -> list[Block]:
    """The blocks of the container, walked by their lengths and marks to its last byte.

    Raises Incomplete for one that is cut, CodecError for another form, Unavailable.
    """
    head = source.read(member.at, min(len(HEADER), member.size))
    if head != HEADER:
        if HEADER.startswith(head):
            raise Incomplete(f"{member.name}: cut in its header")
        raise CodecError(f"{member.name}: expected the header of every bundle's container, got another")
    found: list[Block] = []
    at, end = member.at + len(HEADER), member.at + member.size
    while at < end:
        if found and found[-1].count < BLOCK:
            raise CodecError(f"{member.name}: a block follows one of {found[-1].count} entries")
        numbers = source.read(at, min(_NUMBERS, end - at))
        try:
            count, first = decode_long(numbers, 0)
            size, first = decode_long(numbers, first)
        except CodecError as error:
            if len(numbers) < _NUMBERS:
                raise Incomplete(f"{member.name}: cut in block {len(found)}") from error
            raise CodecError(f"{member.name}: block {len(found)}: {error}") from error
        if not 0 < count <= BLOCK or not 0 < size <= _MOST_BLOCK:
            raise CodecError(
                f"{member.name}: block {len(found)}: expected 1 to {BLOCK} entries, got {count} in {size} bytes"
            )
        block = Block(at + first, count, size)
        at = block.at + size + len(SYNC)
        if at > end:
            raise Incomplete(f"{member.name}: cut in block {len(found)}")
        if source.read(block.at + size, len(SYNC)) != SYNC:
            raise CodecError(f"{member.name}: block {len(found)} does not end in the sync marker")
        found.append(block)
    return found


def entries_of(source: Source, block: Block) -> Iterator[tuple[int, bytes]]:
    """(index, entry bytes) of a block, to its last byte. Raises CodecError, Unavailable."""
    data = source.read(block.at, block.size)
    at = 0
    for _ in range(block.count):
        index, at = decode_long(data, at)
        entry, at = decode_bytes(data, at)
        yield index, entry
    if at != len(data):
        raise CodecError(f"entries.avro: expected {at} bytes in a block, got {len(data)}")
