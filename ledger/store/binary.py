"""PostgreSQL's binary formats, for the one statement that must be fast and for COPY.

A *field* is four bytes of length and the value; an array's elements and the columns of a COPY row are both
fields, so what is encoded once serves either way.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from ledger.errors import InvalidInput

NULL = b"\xff\xff\xff\xff"
EPOCH_MICROS = 946_684_800_000_000
"""2000-01-01 UTC, from where PostgreSQL counts, in microseconds since 1970."""
EPOCH_DAY = date(2000, 1, 1).toordinal()

BOOL, BYTEA, INT8, INT4, TEXT, DATE, TIMESTAMPTZ, UUID = 16, 17, 20, 23, 25, 1082, 1184, 2950
ARRAYS = {BYTEA: 1001, INT4: 1007, TEXT: 1009, DATE: 1182, TIMESTAMPTZ: 1185, UUID: 2951}
"""The array type of each element type."""

_LENGTH = struct.Struct(">i")
_INT4 = struct.Struct(">ii")
_INT8 = struct.Struct(">iq")
_ARRAY = struct.Struct(">iiiii")
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"

int4 = struct.Struct(">i").pack
int8 = struct.Struct(">q").pack


def varlena_field(value: bytes) -> bytes:
    """A field of ``bytea``, ``uuid`` or encoded text."""
    return _LENGTH.pack(len(value)) + value


def text_field(value: str) -> bytes:
    """A field of ``text``."""
    raw = value.encode()
    return _LENGTH.pack(len(raw)) + raw


_SMALL = tuple(_INT4.pack(4, value) for value in range(256))


def int4_field(name: str, value: int) -> bytes:
    """A field of ``integer``. Raises InvalidInput beyond 32 bits, naming the column."""
    if 0 <= value < 256:
        return _SMALL[value]
    if not 0 <= value < 1 << 31:
        raise InvalidInput(name, "a number from 0 to 2147483647", value)
    return _INT4.pack(4, value)


@lru_cache(maxsize=4096)
def date_field(value: date) -> bytes:
    """A field of ``date``."""
    return _INT4.pack(4, value.toordinal() - EPOCH_DAY)


def moment_field(micros: int) -> bytes:
    """A field of ``timestamptz``, of microseconds since 1970."""
    return _INT8.pack(8, micros - EPOCH_MICROS)


def array(element: int, fields: Sequence[bytes]) -> bytes:
    """A one-dimensional array of the type with oid ``element``, of fields that may be NULL."""
    if not fields:
        return struct.pack(">iii", 0, 0, element)
    return _ARRAY.pack(1, 1, element, len(fields), 1) + b"".join(fields)
