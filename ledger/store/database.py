"""Which database, and how each of our roles reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from ledger.errors import SettingsError, Unavailable

OLDEST_POSTGRESQL = 15


class Role(StrEnum):
    """The database roles; ``infra/postgres/roles.sql`` and the migrations say what each may do."""

    OWNER = "auditledger_owner"
    WRITER = "auditledger_writer"
    PROJECTOR = "auditledger_projector"
    READER = "auditledger_reader"
    SEALER = "auditledger_sealer"
    VAULT = "auditledger_vault"


@dataclass(frozen=True, slots=True)
class Database:
    """One PostgreSQL database that holds ledgers.

    ``admin`` is the connection string of a superuser, or of a role that is a member of all of ours. With
    ``passwords`` (the embedded server) every role signs in by itself; without, the one sign-in becomes the
    role when it connects (``SET ROLE``).
    """

    admin: str = field(repr=False)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_url(cls, url: str, setting: str = "database_url") -> Database:
        """The database that a setting names. Raises SettingsError for a malformed one."""
        try:
            conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # What it says repeats the string, and a password may stand there.
            raise SettingsError(
                f"{setting}: expected a PostgreSQL connection string (postgresql://HOST/NAME or "
                "host=… dbname=…), got something else (not shown)"
            ) from None
        return cls(url)

    def named(self, name: str) -> Database:
        """The database of another name on the same server."""
        return replace(self, admin=make_conninfo(self.admin, dbname=name))

    @property
    def name(self) -> str:
        """The database's name."""
        parts = conninfo_to_dict(self.admin)
        return str(parts.get("dbname") or parts.get("user") or "")

    def conninfo(self, role: Role) -> str:
        """The connection string by which ``role`` works."""
        if self.passwords:
            return make_conninfo(self.admin, user=str(role), password=self.passwords[role])
        options = str(conninfo_to_dict(self.admin).get("options") or "")
        return make_conninfo(self.admin, options=f"{options} -c role={role}".strip())

    def connect(self, role: Role, **options: Any) -> psycopg.Connection[TupleRow]:
        """A connection of ``role``, each statement its own transaction. Raises Unavailable."""
        return connect(self.conninfo(role), application_name=str(role), **options)

    def connect_admin(self, **options: Any) -> psycopg.Connection[TupleRow]:
        """A connection of the administrator. Raises Unavailable, and SettingsError for an old server."""
        connection = connect(self.admin, **options)
        if connection.info.server_version < OLDEST_POSTGRESQL * 10_000:
            got = connection.info.server_version // 10_000
            connection.close()
            raise SettingsError(f"database: expected PostgreSQL {OLDEST_POSTGRESQL} or newer, got {got}")
        return connection


def connect(conninfo: str, **options: Any) -> psycopg.Connection[TupleRow]:
    """A connection in autocommit. Raises Unavailable where the server cannot be reached or refuses."""
    options.setdefault("connect_timeout", 10)
    try:
        return psycopg.connect(conninfo, autocommit=True, **options)
    except psycopg.OperationalError as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
