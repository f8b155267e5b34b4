"""The time stamps (RFC 3161) that are kept of a ledger's checkpoints."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from ledger.errors import Unavailable
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger


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
