"""Pools of connections of one role, for what asks little and often."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ledger.store.database import Database, Role

Connection = psycopg.Connection[TupleRow]
Pool = ConnectionPool[Connection]

VANISHED: dict[str, int] = {
    "tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2
}  # fmt: skip
"""By which a server that is gone without a word is noticed (milliseconds; seconds; probes), not after hours."""


def pool(
    database: Database,
    role: Role,
    *,
    name: str = "pool",
    connections: int = 8,
    timeout: float = 10.0,
    configure: Callable[[Connection], None] | None = None,
) -> Pool:
    """A pool of connections in autocommit; opened as they are needed, closed by who asked for it.

    ``timeout``: seconds that anyone waits for one. No attempt to connect goes on for longer either: its pauses
    double, and after a long outage the next try would be as far away as the outage was long.
    """
    return ConnectionPool(
        database.conninfo(role),
        kwargs={"autocommit": True, "application_name": f"{role} {name}", **VANISHED},
        configure=configure,
        min_size=0,
        max_size=connections,
        max_idle=60,
        timeout=timeout,
        reconnect_timeout=timeout,
        num_workers=1,
        open=True,
    )
