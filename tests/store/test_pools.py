"""Pools of connections over an outage."""

from __future__ import annotations

import psycopg_pool
import pytest
from psycopg_pool.base import AttemptWithBackoff

from ledger.store.database import Database, Role
from ledger.store.pools import pool
from tests.store.proxy import Proxy
from tests.waiting import until


def test_a_pool_connects_soon_after_an_outage_however_long_that_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own pauses double for five minutes; here none is longer than anyone waits."""
    pauses: list[float] = []
    update_delay = AttemptWithBackoff.update_delay

    def noted(self: AttemptWithBackoff, now: float) -> None:
        update_delay(self, now)
        pauses.append(self.delay)

    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 0.1)
    monkeypatch.setattr(AttemptWithBackoff, "update_delay", noted)
    with Proxy(database) as proxy, pool(proxy.database, Role.READER, timeout=0.5) as connections:

        def connected() -> bool:
            try:
                with connections.connection() as connection:
                    return connection.execute("SELECT 1").fetchone() == (1,)
            except psycopg_pool.PoolTimeout:
                return False

        proxy.refusing = True
        until(lambda: connected() or len(pauses) > 6)
        proxy.refusing = False
        until(connected)
    assert len(pauses) > 6
    assert max(pauses) <= 0.5
