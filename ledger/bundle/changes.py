"""The changes of a ledger's signing keys that entries of a bundle record: to follow them needs no database.

They stand among the entries that the bundle is of, or beside them in ``history/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from ledger.bundle.archive import Archive, Source
from ledger.bundle.container import Block, entries_of
from ledger.bundle.manifest import history_name, history_named
from ledger.bundle.schemas import Texts, read_payload
from ledger.codec.avro import encode_long, encode_string
from ledger.codec.entry import MAX_ENTRY, decode_fields, prefix
from ledger.errors import CodecError
from ledger.tlog.chain import HASH_LENGTH
from ledger.tlog.keyhistory import Change

STREAM = "keys"
FIELD = "statement"
"""Where in the payload of an entry of the stream the signed note stands."""
_MARK = encode_string(STREAM)

KeyEntries = Mapping[int, bytes]
"""Bytes by index."""


def key_entries(source: Source, blocks: list[Block], origin: str) -> dict[int, bytes]:
    """The entries of the stream of keys by index, by how their bytes begin. Raises CodecError, Unavailable."""
    begin = prefix(origin)
    return {
        index: entry
        for block in blocks
        for index, entry in entries_of(source, block)
        if entry.startswith(_MARK, len(begin) + len(encode_long(index)) + HASH_LENGTH)
        and entry.startswith(begin)
    }


def history_of(archive: Archive) -> Iterator[tuple[int, bytes]]:
    """The entries of ``history/`` by index. Raises Altered, CodecError (one is too large), Unavailable."""
    for index in map(history_named, archive.names):
        if index is not None:
            yield index, archive.read(history_name(index), MAX_ENTRY)


def changes_of(entries: KeyEntries, texts: Texts) -> Iterator[Change]:
    """The statements in them. One that cannot be read states nothing here, and is named by who checks it."""
    for index, entry in entries.items():
        with suppress(CodecError, KeyError):
            fields = decode_fields(entry)
            statement = read_payload(texts, fields[5], fields[-1])[2].get(FIELD)
            if isinstance(statement, str):
                yield Change(index, statement.encode())
