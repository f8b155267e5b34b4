"""Pools of connections of one role, for what asks little and often."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ledger.store.database import Database, Role

Pool = ConnectionPool[psycopg.Connection[TupleRow]]


def pool(database: Database, role: Role, *, connections: int = 8) -> Pool:
    """A pool of connections in autocommit; opened as they are needed, closed by who asked for it."""
    return ConnectionPool(
        database.conninfo(role),
        kwargs={"autocommit": True, "application_name": f"{role} pool"},
        min_size=0,
        max_size=connections,
        max_idle=60,
        timeout=10,
        num_workers=1,
        open=True,
    )
