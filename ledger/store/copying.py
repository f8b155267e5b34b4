"""Reading many rows by COPY, straight from libpq: one call a row is what bounds such a loop."""

from __future__ import annotations

from collections.abc import Iterator
from selectors import EVENT_READ, DefaultSelector

from psycopg import pq

from ledger.errors import Unavailable

_HEADER = 19
"""Bytes that stand before the first row of a binary COPY."""
_AT_ONCE = 1
"""What is there is given, and nothing is waited for: libpq waits with every thread of the process held."""


def copied(pgconn: pq.abc.PGconn, statement: bytes) -> Iterator[tuple[bytes, int]]:
    """The raw rows that a binary COPY sends, and where in them the row begins.

    Who stops before the last has to close the connection. Raises Unavailable, psycopg.OperationalError.
    """
    pgconn.exec_(statement)
    at = _HEADER
    with DefaultSelector() as arriving:
        arriving.register(pgconn.socket, EVENT_READ)
        while True:
            size, data = pgconn.get_copy_data(_AT_ONCE)
            if size == 0:
                arriving.select()
                pgconn.consume_input()
                continue
            if size < 0:
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
