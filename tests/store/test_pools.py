"""Pools of connections over an outage."""

from __future__ import annotations

from time import monotonic, sleep

import psycopg_pool
import pytest
from psycopg_pool.base import AttemptWithBackoff

from ledger.store.database import Database, Role
from ledger.store.pools import pool
from tests.store.proxy import Proxy


def test_a_pool_connects_soon_after_an_outage_however_long_that_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own pauses double for five minutes; all in tenths here."""
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.1)
    with Proxy(database) as proxy, pool(proxy.database, Role.READER, timeout=0.5) as connections:
        proxy.refusing = True
        until = monotonic() + 1.7
        while monotonic() < until:
            with pytest.raises(psycopg_pool.PoolTimeout), connections.connection():
                pass
        proxy.refusing = False
        began = monotonic()
        while True:
            try:
                with connections.connection() as connection:
                    assert connection.execute("SELECT 1").fetchone() == (1,)
                    break
            except psycopg_pool.PoolTimeout:
                sleep(0.01)
        # Attempts of the library's own would be at 1.5 and 3.1 seconds.
        assert monotonic() - began < 0.9
