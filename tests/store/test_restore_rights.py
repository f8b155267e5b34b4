"""Sets of a sign-in that is no superuser; and what a killed restore had started is waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.errors import SettingsError, Unavailable
from ledger.settings import Settings
from ledger.store.backup import back_up
from ledger.store.database import Database, Role
from ledger.store.embedded import EmbeddedServer
from ledger.store.opened import opened_database
from ledger.store.restore import restore
from tests.store.published import Place, place, sealed
from tests.store.sets import MakeDatabase, another, settings_of
from tests.support import check_ledger
from tests.waiting import until

__all__ = ["another", "place", "sealed"]
AGENCY = "agency_of_restores"


@pytest.fixture
def agency(server: EmbeddedServer) -> Iterator[str]:
    """A sign-in that may become our roles, and nothing else; its password is its name."""
    with server.database.connect_admin() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(AGENCY), sql.Literal(AGENCY))
        )
        for role in Role:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(AGENCY)))
    yield AGENCY
    with server.database.connect_admin() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(AGENCY)))


def signed_in(database: Database, agency: str) -> Database:
    return Database(make_conninfo(database.admin, user=agency, password=agency))


def test_by_a_sign_in_that_is_no_superuser(
    sealed: Place, tmp_path: Path, another: MakeDatabase, agency: str
) -> None:
    back_up(signed_in(sealed.database, agency), sealed.data, tmp_path / "set")
    elsewhere = another()
    settings = Settings.load({}, data_dir=tmp_path / "new", database_url=signed_in(elsewhere, agency).admin)
    with pytest.raises(Unavailable, match="permission denied for database"):
        # Its own database is what it needs.
        restore(tmp_path / "set", settings)
    with elsewhere.connect_admin() as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                sql.Identifier(elsewhere.name), sql.Identifier(agency)
            )
        )
    (found,) = restore(tmp_path / "set", settings).ledgers
    assert (found.size, found.signed) == (310, 300)
    with opened_database(settings) as database:
        assert check_ledger(database, sealed.ledger) == 310
        with (
            database.connect(Role.WRITER) as connection,
            pytest.raises(Exception, match="permission denied"),
        ):
            connection.execute("UPDATE ledger.entries SET part = 1")
    with elsewhere.connect_admin() as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(elsewhere.name))
        )


RESTORING = """
import sys
from pathlib import Path
from ledger.settings import Settings
from ledger.store.restore import restore
restore(Path({set!r}), Settings.load({{}}, data_dir={data!r}, database_url={url!r}))
"""


def test_what_a_killed_restore_started_is_waited_for(
    sealed: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    """pg_restore outlives who started it, and holds the place until its transaction has ended."""
    back_up(sealed.database, sealed.data, tmp_path / "set")
    elsewhere = another()
    settings = settings_of(tmp_path / "new", elsewhere)
    with elsewhere.connect_admin() as holding:
        # It waits here: a schema of that name is being made, and may yet be given up.
        holding.execute("BEGIN")
        holding.execute("CREATE SCHEMA ledger")
        code = RESTORING.format(set=str(tmp_path / "set"), data=str(tmp_path / "new"), url=elsewhere.admin)
        with subprocess.Popen([sys.executable, "-c", code]) as process:

            def waiting() -> bool:
                with elsewhere.connect_admin() as looking:
                    row = looking.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_restore' "
                        "AND datname = current_database() AND wait_event_type = 'Lock'"
                    ).fetchone()
                return row == (1,)

            until(lambda: waiting() or None)
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="another restore is at work there"):
            restore(tmp_path / "set", settings)
        with pytest.raises(SettingsError, match="did not finish"), opened_database(settings):
            pass
        holding.execute("ROLLBACK")

    def finished() -> bool | None:
        try:
            restore(tmp_path / "set", settings)
        except Unavailable:
            time.sleep(0.05)
            return None
        return True

    until(finished)
    with opened_database(settings) as database:
        assert check_ledger(database, sealed.ledger) == 310
