"""A site in a fresh database of the run's server, and services that work on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store.database import Database
from tests.faults.service import Service
from tests.faults.site import Site, found


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where a service keeps its keys and files."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def site(database: Database, data_dir: Path) -> Site:
    """Two ledgers with an officer each."""
    return found(database, data_dir)


@pytest.fixture
def service(site: Site) -> Iterator[Service]:
    """A service on the site, reached as a configured database is."""
    with Service(site.data_dir, database_url=site.database.admin) as running:
        yield running
