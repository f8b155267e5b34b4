"""Walking an entry's bytes without making objects: for verification, which reads every byte of a ledger."""

from __future__ import annotations

from ledger.codec.avro import decode_long
from ledger.errors import CodecError

UNKNOWN, DAY, INSTANT = 0, 2, 4
"""The first byte of ``happened_on``: which branch of its union follows."""


def scan_tail(entry: bytes, at: int) -> tuple[int, int, bytes, bytes, int]:
    """What follows ``recorded_at`` in an entry, from byte ``at``, walked to the last byte.

    (kind of ``happened_on``: UNKNOWN, DAY or INSTANT; its days or microseconds since 1970; the actor's
    organisation; the command; part). Raises CodecError where the bytes do not end where the entry does.
    """
    try:
        kind = entry[at]
        happened, at = (0, at + 1) if kind == UNKNOWN else decode_long(entry, at + 1)
        at += 1
        at = _skip(entry, _skip(entry, at))
        start, end = _span(entry, at)
        organisation = entry[start:end]
        at = _skip(entry, end) + 1
        if entry[at]:
            at = _skip(entry, at + 1)
        else:
            at += 1
        start, end = _span(entry, at)
        command = entry[start:end]
        part = entry[end]
        if part < 0x80:
            part, at = part >> 1, end + 1
        else:
            part, at = decode_long(entry, end)
        if entry[at]:
            _, at = decode_long(entry, at + 1)
            at = _skip(entry, at + 33)
        else:
            at += 1
        if _skip(entry, at) != len(entry):
            raise CodecError(f"entry: expected {_skip(entry, at)} bytes, got {len(entry)}")
    except IndexError:
        raise CodecError("entry: cut short") from None
    return kind, happened, organisation, command, part


def _span(entry: bytes, at: int) -> tuple[int, int]:
    """Where the content of a string or of bytes at ``at`` begins and ends."""
    size = entry[at]
    if size < 0x80:
        return at + 1, at + 1 + (size >> 1)
    size, at = decode_long(entry, at)
    return at, at + size


def _skip(entry: bytes, at: int) -> int:
    """The byte after the string or bytes at ``at``."""
    size = entry[at]
    if size < 0x80:
        return at + 1 + (size >> 1)
    size, at = decode_long(entry, at)
    return at + size
