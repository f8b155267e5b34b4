"""The published files in an object store: the same as in a folder, whoever fails in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from tests.store.published import Place
from tests.store.s3 import Store, running, store

__all__ = ["running", "store"]


@pytest.fixture
def place(database: Database, ledger: Ledger, store: Store, tmp_path: Path) -> Place:
    """A ledger that publishes into a bucket of its own."""
    return Place(database, ledger, tmp_path / "data", store.bucket())


def test_however_it_grows_it_is_the_naive_tree(place: Place) -> None:
    for batch in (1, 254, 1, 300):
        place.fill(batch)
        place.seal()
    assert place.check(1, 255, 256) == 556
