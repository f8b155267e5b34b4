from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledgers
from tests.reports.office import Office, office_of
from tests.reports.state import State


@pytest.fixture
def state(database: Database) -> Iterator[State]:
    """A small public service: ``common``, and the ledgers of two departments."""
    ledgers = Ledgers(database)
    with State(
        database, {s: ledgers.create(s, f"example.vic.gov.au/{s}", s) for s in ("common", "dffh", "dpc")}
    ) as made:
        yield made


@pytest.fixture
def reader(database: Database) -> str:
    """How reports reach the test's database."""
    return database.conninfo(Role.READER)


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Iterator[Office]:
    """A department over the real application, with one request answered in time in 2024-25."""
    with office_of(database, tmp_path) as made:
        yield made
