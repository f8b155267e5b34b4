"""Reading many rows by COPY, straight from libpq: one call a row is what bounds such a loop."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import pq

from ledger.errors import Unavailable

_HEADER = 19
"""Bytes that stand before the first row of a binary COPY."""


def copied(pgconn: pq.abc.PGconn, statement: bytes) -> Iterator[tuple[bytes, int]]:
    """The raw rows that a binary COPY sends, and where in them the row begins.

    Who stops before the last has to close the connection. Raises Unavailable.
    """
    pgconn.exec_(statement)
    at = _HEADER
    while True:
        size, data = pgconn.get_copy_data(0)
        if size <= 0:
            break
        row = bytes(data)
        if len(row) > at + 2:
            yield row, at
        at = 0
    result = pgconn.get_result()
    if size == -2 or result is None or result.error_message:
        raise Unavailable(f"database: reading was cut short: {pgconn.get_error_message().strip()}")
    while pgconn.get_result() is not None:
        pass
