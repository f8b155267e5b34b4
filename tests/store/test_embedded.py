"""The embedded server: shared, left behind, killed, under long paths and closed folders."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import psycopg
import pytest

from ledger.errors import SettingsError, Unavailable
from ledger.store import embedded
from ledger.store.database import Database, Role, connect
from ledger.store.embedded import ADMIN, EmbeddedServer
from ledger.store.ledgers import Ledgers
from ledger.store.migrate import migrate
from tests.waiting import until

STEPS = (
    "passwords.json written",
    "passwords",
    "password.new written",
    "initdb",
    "configured",
    "initialised",
    "started",
)
KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.store.embedded import EmbeddedServer

def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

EmbeddedServer(Path(sys.argv[1]), step=step)
"""
HOLDER = """
import sys, time
from pathlib import Path
from ledger.store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
print("up", flush=True)
sys.stdin.read()
server.close()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o755)
    yield tmp_path
    assert not postmasters(tmp_path)


def postmasters(folder: Path) -> list[int]:
    """The servers of a folder; a child just forked bears its parent's command line for a moment."""
    found = subprocess.run(["/bin/ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    servers = {
        int(words[0]): int(words[1])
        for line in found.stdout.splitlines()
        if (words := line.split())[2].endswith("/postgres") and str(folder) in line
    }
    return [pid for pid, parent in servers.items() if parent not in servers]


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_the_last_one_to_leave_stops_it(folder: Path) -> None:
    with EmbeddedServer(folder) as first:
        with EmbeddedServer(folder):
            assert len(postmasters(folder)) == 1
        assert first.running()
    assert not first.running()


def test_it_is_shared_by_processes(folder: Path) -> None:
    other = holder(folder)
    with EmbeddedServer(folder):
        other.communicate()
        assert other.returncode == 0
        assert len(postmasters(folder)) == 1


def test_a_server_left_by_a_killed_process_is_taken_over(folder: Path) -> None:
    other = holder(folder)
    (pid,) = postmasters(folder)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    assert postmasters(folder) == [pid]
    with EmbeddedServer(folder):
        assert postmasters(folder) == [pid]


def test_a_killed_server_recovers_with_what_was_committed(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        migrate(server.database)
        created = Ledgers(server.database).create("a", "example.org/a", "a")
        (pid,) = postmasters(folder)
        os.kill(pid, signal.SIGKILL)
        while postmasters(folder):
            sleep(0.01)
        with EmbeddedServer(folder) as again:
            assert Ledgers(again.database).all() == [created]


def test_a_process_id_that_was_given_away_does_not_count(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        pass
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n5432\n\n\n")
    with EmbeddedServer(folder) as again:
        assert again.running()


def test_an_interrupted_first_start_is_begun_anew(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        pass
    server.data.rename(server.home / "data.new")
    with EmbeddedServer(folder) as again:
        assert again.running()
    assert not (again.home / "data.new").exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_first_start_killed_at_a_step_is_finished_by_the_next(folder: Path, step: str) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), step], check=False)
    assert killed.returncode == -signal.SIGKILL
    with EmbeddedServer(folder) as server:
        migrate(server.database)
        for role in Role:
            with server.database.connect(role) as connection:
                assert connection.execute("SELECT current_user::text").fetchone() == (str(role),)
        # Not a password lies anywhere but in its file.
        assert [path.name for path in server.home.iterdir() if "password" in path.name] == ["passwords.json"]
        assert not (server.home / "data.new").exists()


def test_a_password_file_is_durable_before_the_server_that_knows_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync = embedded.sync_directory

    def synced(directory: Path) -> None:
        sync(directory)
        done.append(f"{directory.name} synced")

    monkeypatch.setattr(embedded, "sync_directory", synced)
    with EmbeddedServer(folder, step=done.append):
        pass
    first = done.index("passwords.json written")
    assert done[first : first + 3] == ["passwords.json written", "postgres synced", "passwords"]
    assert done[done.index("initialised") - 1] == "postgres synced"


def test_a_first_start_on_a_full_disk_says_so_and_the_next_one_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(embedded.os, "fsync", full)
        with pytest.raises(Unavailable, match=r"embedded database: .*: No space left on device"):
            EmbeddedServer(folder)
    with EmbeddedServer(folder) as server:
        assert server.running()


def test_a_start_waits_for_an_initdb_that_outlived_its_process(folder: Path) -> None:
    """Two that fill one folder would leave neither whole."""
    started = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), "never"])
    while not (folder / "postgres" / "data.new" / "PG_VERSION").exists():
        assert started.poll() is None
        sleep(0.002)
    started.kill()
    started.wait()
    with EmbeddedServer(folder) as server, server.database.connect(Role.READER) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_one_that_joins_a_server_in_recovery_waits_for_it(folder: Path) -> None:
    with EmbeddedServer(folder) as server, ThreadPoolExecutor(1) as pool:
        with server.database.connect_admin() as connection:
            connection.execute("CREATE TABLE filler AS SELECT generate_series(1, 1000)")
        (pid,) = postmasters(folder)
        os.kill(pid, signal.SIGKILL)
        while postmasters(folder):
            sleep(0.01)
        # Its recovery asks for an archived file, and is told of none only when we say so.
        end, wanted = server.data / "end", server.data / "recovery.signal"
        wanted.touch()
        server._give(wanted)
        with (server.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = 'while [ ! -e {end} ]; do sleep 0.05; done; false'\n")
        # As a process that was killed while it started the server leaves it: nobody waits.
        (server.data / "postmaster.pid").unlink()
        while not server.listening():
            # Refused as long as a child of the killed one is still at work.
            server._run("pg_ctl", "start", "-W", "-D", str(server.data), "-l", str(server.log))
            sleep(0.02)

        def refused() -> int:
            return server.log.read_text().count("the database system is starting up")

        with pytest.raises(Unavailable, match="starting up"):
            server.database.connect_admin()
        before = refused()
        joining = pool.submit(EmbeddedServer, folder)
        try:
            # Refused twice, it has waited; one that gives up is refused once.
            until(lambda: joining.done() or refused() > before + 1, server.log.read_text)
        finally:
            end.touch()
        with joining.result() as joined, joined.database.connect_admin() as connection:
            assert connection.execute("SELECT count(*) FROM filler").fetchone() == (1000,)


def test_only_its_owner_may_enter_and_every_role_needs_its_password(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.home / "passwords.json").stat().st_mode) == 0o600
        for role in (ADMIN, *Role):
            with pytest.raises(Unavailable, match="password authentication failed"):
                connect(f"host={server.socket} user={role} dbname=auditledger password=wrong")
        with server.database.connect(Role.WRITER) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_no_submitted_value_reaches_its_log(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        migrate(server.database)
        with server.database.connect(Role.WRITER) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT nothing FROM ledger.heads WHERE %s = %s", ("Planted Name", "x"))
        assert "Planted" not in server.log.read_text()


def test_a_path_too_long_for_a_socket(folder: Path) -> None:
    deep = folder / ("long-" * 12) / ("name-" * 12)
    with EmbeddedServer(deep) as server, server.database.connect(Role.READER) as connection:
        assert not server.socket.is_relative_to(folder)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.socket.rmdir()


def test_a_folder_that_only_its_owner_may_enter_stays_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedServer(closed / "data") as server:
        migrate(server.database)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_start_that_fails_says_what_the_server_said(folder: Path) -> None:
    with pytest.raises(Unavailable, match='unrecognized configuration parameter "no_such"'):
        EmbeddedServer(folder, settings={"no_such": "x"})


def test_a_malformed_url_is_refused() -> None:
    with pytest.raises(SettingsError, match="database_url: expected a PostgreSQL"):
        Database.from_url("postgresql:/nonsense")
    with pytest.raises(Unavailable, match="database: "):
        Database.from_url("postgresql://127.0.0.1:1/nothing").connect_admin()
