"""One PostgreSQL for the whole run, a fresh database for each test that asks for one."""

from __future__ import annotations

import itertools
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.migrate import create_database, migrate

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run in the background of a shell is started so, and the services that tests stop would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TEMPLATE = "template_auditledger"
VAULT_TEMPLATE = "template_vault"
# Tests of faults make servers of their own, with fsync on; here only speed counts.
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The embedded server of this run; stopped at its end."""
    with tempfile.TemporaryDirectory(prefix="auditledger-tests-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(Path(folder), settings=FAST) as running:
            yield running


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> Database:
    """A migrated database that the tests' databases are copied from."""
    database = server.database.named(TEMPLATE)
    with server.database.connect_admin() as connection:
        create_database(connection, TEMPLATE)
    migrate(database)
    return database


@pytest.fixture
def database(server: EmbeddedServer, template: Database) -> Iterator[Database]:
    """A fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    with server.database.connect_admin() as connection:
        create_database(connection, name, TEMPLATE)
    yield server.database.named(name)
    with server.database.connect_admin() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def vault_template(server: EmbeddedServer) -> Database:
    """A migrated database for a vault alone, that the tests' vaults are copied from."""
    database = server.database.named(VAULT_TEMPLATE)
    with server.database.connect_admin() as connection:
        create_database(connection, VAULT_TEMPLATE)
    migrate(database, vault_alone=True)
    return database


@pytest.fixture
def vault_alone(server: EmbeddedServer, vault_template: Database) -> Iterator[Database]:
    """A fresh, migrated database for a vault alone."""
    name = f"vault_{next(_numbers)}"
    with server.database.connect_admin() as connection:
        create_database(connection, name, VAULT_TEMPLATE)
    yield server.database.named(name)
    with server.database.connect_admin() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


IN_BOTH = pytest.mark.parametrize("vault", ["within", "apart"], indirect=True)
"""Marks what is tested with the vault in the ledgers' database, and in one of its own."""


@pytest.fixture
def vault(request: pytest.FixtureRequest) -> Database | None:
    """The database of the vault alone where a test is marked ``IN_BOTH`` or asks for it; else None."""
    if getattr(request, "param", "within") == "within":
        return None
    found: Database = request.getfixturevalue("vault_alone")
    return found


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """An empty ledger in the fresh database."""
    return Ledgers(database).create("dffh", "example.vic.gov.au/dffh", "dffh")
