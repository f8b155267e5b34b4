"""Brings a database to this version's tables: plain SQL files, each run once, in order, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ledger.errors import SettingsError, Unavailable
from ledger.store.database import Database, Role

# One migration at a time in a database; the number is ours, of no meaning.
LOCK = 7_402_113

TABLE = """
CREATE SCHEMA IF NOT EXISTS auditledger_migrations;
CREATE TABLE IF NOT EXISTS auditledger_migrations.applied (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

LEDGERS = "0001_ledger.sql"
VAULT_ALONE = frozenset(
    {"0002_vault.sql", "0005_destruction.sql", "0008_keks.sql", "0009_vault_apart.sql", "0010_search.sql"}
)
"""The migrations that make a vault in a database of its own. In the ledgers' own they all run."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``infra/postgres/migrations``."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The digest that is kept of an applied one."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def folder() -> Traversable:
    """Where the SQL files lie (package data)."""
    return files("infra") / "postgres"


def migrations() -> list[Migration]:
    """All migrations of this version, in order."""
    found = [f for f in (folder() / "migrations").iterdir() if f.name.endswith(".sql")]
    return [Migration(f.name, f.read_text("utf-8")) for f in sorted(found, key=lambda f: f.name)]


def prepare_server(maintenance: Database, name: str, passwords: Mapping[str, str]) -> None:
    """Makes the roles, with sign-ins, and the database ``name`` on a server that is wholly ours."""
    with maintenance.connect_admin() as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        missing = connection.execute(
            "SELECT count(*) < %s FROM pg_roles WHERE rolcanlogin AND rolname = ANY (%s)",
            (len(Role), [str(role) for role in Role]),
        ).fetchone()
        if missing == (True,):
            make_roles(connection)
            for role in Role:
                connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(passwords[role])
                    )
                )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            create_database(connection, name)


def create_database(connection: psycopg.Connection[TupleRow], name: str, template: str = "template0") -> None:
    """Makes a database that compares text byte by byte, as all our keys are compared."""
    connection.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


def make_roles(connection: psycopg.Connection[TupleRow]) -> None:
    """Makes the roles that do not exist. The sign-in must be a superuser, or may create roles."""
    connection.execute((folder() / "roles.sql").read_text("utf-8"))


def migrate(database: Database, *, vault_alone: bool = False) -> list[str]:
    """Runs the migrations that were not run, each in a transaction of its own; returns their names.

    ``vault_alone``: those that make a vault in a database of its own.

    Raises SettingsError where an applied one has another text now, where the database holds a migration that
    this version does not know (it is older than the database), where it is a vault's and not the ledgers', or
    the other way round, and where the sign-in may not do this; Unavailable where the server takes no writes, or
    fails.
    """
    try:
        with database.connect_admin() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            make_roles(connection)
            connection.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                    sql.Identifier(connection.info.dbname), sql.Identifier(Role.OWNER)
                )
            )
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(Role.OWNER)))
            connection.execute(TABLE)
            return _run_missing(connection, vault_alone)
    except psycopg.errors.InsufficientPrivilege as error:
        raise SettingsError(
            f"database: the sign-in may not set up roles and tables ({error.diag.message_primary}); "
            "use a superuser once, or have infra/postgres/roles.sql run by one"
        ) from error
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        hint = ""
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            hint = "; database_url must name a server that takes writes"
        raise Unavailable(f"database: {said}{hint}") from error


def _run_missing(connection: psycopg.Connection[TupleRow], vault_alone: bool) -> list[str]:
    rows = connection.execute("SELECT name, sha256 FROM auditledger_migrations.applied").fetchall()
    applied: dict[str, str] = dict(rows)
    known = {m.name: m for m in migrations()}
    for name, digest in applied.items():
        if name not in known:
            raise SettingsError(f"database: migration {name} was run by a newer version; upgrade this one")
        if known[name].sha256 != digest:
            raise SettingsError(
                f"migration {name}: expected the text that was run ({digest[:12]}…), got "
                f"{known[name].sha256[:12]}…: an unreleased version made this database; start with a new "
                "data_dir or database_url, or restore this one beside the version that made it"
            )
    if applied and (LEDGERS in applied) == vault_alone:
        one, other = ("a vault alone", "ledgers")[:: 1 if vault_alone else -1]
        raise SettingsError(f"database: expected one of {one}, got one of {other}; do not mix them up")
    done = []
    for migration in known.values():
        if migration.name in applied or (vault_alone and migration.name not in VAULT_ALONE):
            continue
        try:
            with connection.transaction():
                connection.execute(migration.text.encode())
                connection.execute(
                    "INSERT INTO auditledger_migrations.applied (name, sha256) VALUES (%s, %s)",
                    (migration.name, migration.sha256),
                )
        except psycopg.errors.InsufficientPrivilege:
            raise
        except psycopg.Error as error:
            said = error.diag.message_primary or " ".join(str(error).split())
            raise SettingsError(f"migration {migration.name}: {said}; nothing of it was kept") from error
        done.append(migration.name)
    return done
