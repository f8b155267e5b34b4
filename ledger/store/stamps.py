"""The time stamps (RFC 3161) that are kept of a ledger's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import psycopg

from ledger.errors import Unavailable
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger

T = TypeVar("T")


class Stamp(NamedTuple):
    """A time stamp as it is kept; it is verified by who is to believe it."""

    size: int
    note: bytes
    response: bytes


def stamp_after(database: Database, ledger: Ledger, index: int) -> Stamp | None:
    """The first time stamp of a checkpoint that covers an entry; None without one. Raises Unavailable."""
    try:
        with database.connect(Role.READER) as connection:
            row = connection.execute(
                queries.get("stamped_after"), {"ledger": ledger.id, "index": index}
            ).fetchone()
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    return None if row is None else Stamp(row[0], row[1].encode(), bytes(row[2]))


def last_stamp(database: Database, ledger: Ledger) -> Stamp | None:
    """The time stamp of the largest checkpoint of a ledger; None without one. Raises Unavailable."""
    try:
        with database.connect(Role.READER) as connection:
            row = connection.execute(queries.get("stamped_last"), {"ledger": ledger.id}).fetchone()
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    return None if row is None else Stamp(row[0], row[1].encode(), bytes(row[2]))


def stamps_around(
    database: Database, ledger: Ledger, indexes: Sequence[int], *, dense: bool, most: int
) -> list[Stamp]:
    """The first time stamps that cover entries, by size; unverified.

    ``dense``: every entry between the first and the last of ``indexes`` is meant. More than ``most`` are
    thinned evenly; the first and the last stay. Raises Unavailable.
    """
    try:
        with database.connect(Role.READER) as connection:
            if dense:
                sizes = connection.execute(
                    queries.get("stamped_sizes"),
                    {"ledger": ledger.id, "after": indexes[0], "before": indexes[-1] + 1},
                ).fetchall()
                asked = [indexes[0], *(size - 1 for (size,) in thinned(sizes, most - 1)), indexes[-1]]
            else:
                asked = list(indexes)
            given = {"ledger": ledger.id, "indexes": asked}
            rows = connection.execute(queries.get("stamped_around"), given).fetchall()
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    return [Stamp(size, note.encode(), bytes(response)) for size, note, response in thinned(rows, most)]


def thinned(found: Sequence[T], most: int) -> Sequence[T]:
    """At most so many, evenly; the first and the last stay."""
    if len(found) <= most:
        return found
    return [found[at * (len(found) - 1) // (most - 1)] for at in range(most)]
