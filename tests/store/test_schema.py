"""``schema.sql`` is what the migrations make. ``python -m tests.store.test_schema`` writes it anew."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.errors import SettingsError, Unavailable
from ledger.store import migrate as migrate_module
from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer, programs
from ledger.store.migrate import Migration, create_database, migrate, migrations

SCHEMA = Path(__file__).parents[2] / "infra" / "postgres" / "schema.sql"
HEADING = """\
-- name: schema
-- All tables, functions and rights as the migrations make them (pg_dump of a migrated database). It is here
-- to be read; the migrations are what runs. A test compares them; python -m tests.store.test_schema writes it.
SET check_function_bodies = false;
"""


def run(program: str, database: Database, *arguments: str) -> str:
    parts = conninfo_to_dict(database.admin)
    environment = {
        **os.environ,
        "PGHOST": str(parts["host"]),
        "PGUSER": str(parts["user"]),
        "PGPASSWORD": str(parts["password"]),
        "PGDATABASE": str(parts["dbname"]),
    }
    done = subprocess.run(
        [str(programs() / program), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def dump(database: Database) -> str:
    text = run("pg_dump", database, "--schema-only", "--exclude-schema=auditledger_migrations")
    # A random word guards each dump against injection; versions name the machine's programs.
    text = re.sub(
        r"^(\\(un)?restrict .*|-- Dumped .*|SET .*|SELECT pg_catalog\.set_config.*)\n", "", text, flags=re.M
    )
    text = re.sub(r"^--\n-- (Name|PostgreSQL database dump).*\n--\n", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def test_schema_sql_equals_the_migrations(server: EmbeddedServer, database: Database) -> None:
    with server.database.connect_admin() as connection:
        create_database(connection, "from_schema")
    loaded = server.database.named("from_schema")
    run("psql", loaded, "-v", "ON_ERROR_STOP=1", "-q", "-f", str(SCHEMA))
    assert dump(loaded) == dump(database)
    assert SCHEMA.read_text() == HEADING + "\n" + dump(database)
    with server.database.connect_admin() as connection:
        connection.execute("DROP DATABASE from_schema WITH (FORCE)")


def test_migrations_run_once(database: Database) -> None:
    assert migrate(database) == []


def test_a_server_that_takes_no_writes_is_one_line(database: Database) -> None:
    reading = Database(make_conninfo(database.admin, options="-c default_transaction_read_only=on"))
    with pytest.raises(Unavailable, match="read-only transaction; database_url must name a server"):
        migrate(reading)


def test_a_server_that_fails_otherwise_says_how_and_nothing_of_writes(database: Database) -> None:
    hurried = Database(make_conninfo(database.admin, options="-c lock_timeout=10"))
    with database.connect_admin() as busy:
        busy.execute("SELECT pg_advisory_lock(%s)", (migrate_module.LOCK,))
        with pytest.raises(Unavailable, match=r"lock timeout$"):
            migrate(hurried)


def test_a_changed_applied_migration_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [Migration(m.name, m.text + "-- more\n") for m in migrations()]
    monkeypatch.setattr(migrate_module, "migrations", lambda: changed)
    with pytest.raises(
        SettingsError, match=r"migration 0001_ledger\.sql: expected the text that was run .*new data_dir"
    ):
        migrate(database)


def test_a_database_of_a_newer_version_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate_module, "migrations", lambda: migrations()[:1])
    with pytest.raises(SettingsError, match="was run by a newer version; upgrade this one"):
        migrate(database)


def test_a_failing_migration_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), Migration("9999_broken.sql", "CREATE TABLE ledger.half (x int); SELECT 1 / 0;")]
    monkeypatch.setattr(migrate_module, "migrations", lambda: broken)
    with pytest.raises(SettingsError, match=r"9999_broken\.sql: division by zero"):
        migrate(database)
    with database.connect_admin() as connection:
        assert connection.execute("SELECT to_regclass('ledger.half')").fetchone() == (None,)


def test_a_sign_in_that_may_not_set_up_is_told_so(server: EmbeddedServer, database: Database) -> None:
    with server.database.connect_admin() as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = Database(
        re.sub(r"password=\S+", "password=guest", re.sub(r"user=\S+", "user=guest", database.admin))
    )
    with pytest.raises(SettingsError, match="the sign-in may not set up roles and tables"):
        migrate(guest)
    with server.database.connect_admin() as connection:
        connection.execute("DROP ROLE guest")


def main() -> None:
    """Writes ``schema.sql`` from the migrations."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(Path(folder), settings={"fsync": "off"}) as server:
            migrate(server.database)
            SCHEMA.write_text(HEADING + "\n" + dump(server.database))


if __name__ == "__main__":
    main()
