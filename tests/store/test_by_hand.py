"""PostgreSQL's own backups, as docs/operations.md says: a dump by hand, a moment out of the archived log."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.errors import Diverged, Unavailable
from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer, programs
from ledger.store.ledgers import Ledgers
from ledger.store.migrate import folder as sql_folder
from ledger.store.migrate import migrate
from ledger.store.refill import refill
from tests.store.published import Place, place, sealed
from tests.store.sets import MakeDatabase, another, keys_of
from tests.support import check_ledger

__all__ = ["another", "place", "sealed"]


def by_hand(database: Database, program: str, *arguments: str) -> str:
    """One of PostgreSQL's programs, the password in its environment."""
    parts = conninfo_to_dict(database.admin)
    environment = {
        **os.environ, "PGHOST": str(parts["host"]), "PGPORT": str(parts["port"]), "PGUSER": str(parts["user"]),
        "PGPASSWORD": str(parts["password"]),
    }  # fmt: skip
    done = subprocess.run(
        [str(programs() / program), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dump_by_hand_with_the_folders_copied_after_it(
    sealed: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    """The folders may be ahead of the dump, by what was sealed meanwhile: then they refill it."""
    dump = str(tmp_path / "auditledger.dump")
    by_hand(sealed.database, "pg_dump", "--format=custom", f"--file={dump}", sealed.database.name)
    sealed.fill(30)
    sealed.seal()
    shutil.copytree(sealed.data, tmp_path / "new")
    elsewhere = another()
    roles = str(sql_folder() / "roles.sql")
    by_hand(elsewhere, "psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={roles}", elsewhere.name)
    by_hand(elsewhere, "pg_restore", "--exit-on-error", f"--dbname={elsewhere.name}", dump)
    migrate(elsewhere)
    new = Place(elsewhere, sealed.ledger, tmp_path / "new")
    with pytest.raises(Diverged, match="the database is an older one"):
        new.seal()
    found = refill(elsewhere, new.ledger, new.published.of(new.ledger), keys_of(new))
    assert (found.size, found.until) == (310, 340)
    assert new.seal() == sealed.told()
    assert check_ledger(elsewhere, new.ledger) == 340


def test_the_folders_copied_before_a_dump_are_of_no_use(
    sealed: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    """Why the order is dump first: tiles that the database signed later were not there to be copied."""
    shutil.copytree(sealed.data, tmp_path / "new")
    sealed.seal()
    dump = str(tmp_path / "auditledger.dump")
    by_hand(sealed.database, "pg_dump", "--format=custom", f"--file={dump}", sealed.database.name)
    elsewhere = another()
    by_hand(elsewhere, "pg_restore", "--exit-on-error", f"--dbname={elsewhere.name}", dump)
    new = Place(elsewhere, sealed.ledger, tmp_path / "new")
    with pytest.raises(Diverged, match="a tile that was signed is missing"):
        new.seal()
    assert check_ledger(elsewhere, new.ledger) == 310


@pytest.fixture
def archiving() -> Iterator[tuple[EmbeddedServer, Path]]:
    """A server that archives its log, and the folder beside it that has the archive."""
    with tempfile.TemporaryDirectory(prefix="auditledger-pitr-") as name:
        folder = Path(name)
        # The server may run as another user, who writes the archive.
        folder.chmod(0o755)
        archive = folder / "archive"
        archive.mkdir()
        archive.chmod(0o777)
        settings = {
            "wal_level": "replica",
            "archive_mode": "on",
            "archive_command": f"test ! -f {archive}/%f && cp %p {archive}/%f",
        }
        with EmbeddedServer(folder / "first", settings=settings) as server:
            migrate(server.database)
            yield server, folder


def test_a_moment_out_of_the_archived_log_is_refilled(archiving: tuple[EmbeddedServer, Path]) -> None:
    server, folder = archiving
    database = server.database
    ledger = Ledgers(database).create("dffh", "example.vic.gov.au/dffh", "dffh")
    place = Place(database, ledger, folder / "first")
    place.fill(200)
    place.seal()
    home = folder / "second" / "postgres"
    home.mkdir(parents=True)
    by_hand(database, "pg_basebackup", f"--pgdata={home / 'data'}", "--checkpoint=fast", "--wal-method=none")
    place.fill(100)
    place.seal()
    with database.connect_admin() as connection:
        row = connection.execute("SELECT clock_timestamp()::text").fetchone()
    assert row is not None
    place.fill(150)
    last = place.seal()
    server.stop()

    # The moment after the second seal: base backup, log, target; folders and keys as they are now.
    shutil.copy(server.home / "passwords.json", home)
    for name in ("tiles", "signing"):
        shutil.copytree(place.data / name, folder / "second" / name)
    (home / "data" / "recovery.signal").touch()
    (home / "data" / "auditledger.conf").touch()
    shutil.copytree(home, folder / "third" / "postgres")
    if os.geteuid() == 0:
        owner = server.home.stat()
        for each in (home, *home.rglob("*"), *(folder / "third").rglob("*")):
            os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)
    settings = {
        "restore_command": f"cp {folder}/archive/%f %p",
        "recovery_target_time": row[0],
        "recovery_target_action": "promote",
    }
    # It is there once it takes writers; what is replayed late would show that readers come before.
    delayed = {**settings, "recovery_min_apply_delay": "8s"}
    with EmbeddedServer(folder / "second", settings=delayed) as second:
        new = Place(second.database, ledger, folder / "second")
        assert check_ledger(second.database, ledger) == 300
        with pytest.raises(Diverged, match="450 entries are published, 300 signed here"):
            new.seal()
        found = refill(second.database, ledger, new.published.of(ledger), keys_of(new))
        assert (found.size, found.until) == (300, 450)
        assert new.seal() == last
        new.fill(5)
        assert new.seal().size == 455
        assert check_ledger(second.database, ledger) == 455

    # Where it would wait for a person it says so, and is stopped again.
    with pytest.raises(Unavailable, match="set recovery_target_action to promote"):
        EmbeddedServer(folder / "third", settings={**settings, "recovery_target_action": "pause"})
    assert not (folder / "third" / "postgres" / "data" / "postmaster.pid").exists()
