from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from tests.projections.book import Book


@pytest.fixture
def conninfo(database: Database) -> str:
    """How the projector reaches the test's database."""
    return database.conninfo(Role.PROJECTOR)


@pytest.fixture
def book(database: Database, ledger: Ledger) -> Iterator[Book]:
    """The ledger of the test, with its calendar."""
    with Book(database, ledger) as opened:
        opened.seed()
        yield opened
