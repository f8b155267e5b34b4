"""Processes killed at each step of what the vault makes durable by itself: actors' ids, the key of all keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Unavailable
from ledger.store.database import Database, Role
from ledger.vault import kek as kek_module
from ledger.vault.kek import load_or_create_kek
from ledger.vault.store import ActorDetails, Opener, VaultKeys
from tests.vault.other_process import KEK

STATEMENTS = ("the look-up key", "the search", "the actor's key", "the actor")
KEK_STEPS = ("written", "linked", "unlinked")


def killed(**orders: Any) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.vault.other_process"],
        cwd=Path(__file__).parents[2],
        input=json.dumps(orders),
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL


def keys(database: Database) -> VaultKeys:
    return VaultKeys(lambda: database.connect(Role.WRITER), KEK)


def actors(database: Database) -> list[str]:
    with database.connect_admin() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM vault.actors")]


def check(database: Database) -> None:
    """Whoever signs in now gets the one id that there is, and the vault knows whose it is."""
    actor = keys(database).actor_id("issuer", "login", "Name")
    assert keys(database).actor_id("issuer", "login", "Another name") == actor
    assert actors(database) == [actor]
    opener = Opener(lambda: database.connect(Role.VAULT), KEK)
    assert opener.actors([actor]) == {actor: ActorDetails("issuer", "login", "Name")}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_sign_in_killed_beside_a_statement_leaves_no_second_id(
    database: Database, statement: str, *, after: bool
) -> None:
    place = STATEMENTS.index(statement) + 1
    passwords = dict(database.passwords)
    killed(admin=database.admin, passwords=passwords, statement=place, after=after, step="")
    assert len(actors(database)) == (statement == "the actor" and after)
    check(database)


@pytest.mark.parametrize("written", [False, True])
def test_a_sign_in_that_fails_unwritten_or_written_is_finished_by_the_next(
    database: Database, *, written: bool
) -> None:
    class Failing:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def execute(self, statement: bytes, parameters: Any) -> Any:
            if b"put_actor" not in statement:
                return self._connection.execute(statement, parameters)
            if written:
                self._connection.execute(statement, parameters)
            raise Unavailable("connection lost")

    @contextmanager
    def connect() -> Iterator[Any]:
        with database.connect(Role.WRITER) as connection:
            yield Failing(connection)

    with pytest.raises(Unavailable):
        VaultKeys(connect, KEK).actor_id("issuer", "login", "Name")
    assert len(actors(database)) == written
    check(database)


@pytest.mark.parametrize("step", KEK_STEPS)
def test_a_process_killed_while_it_makes_the_key_leaves_one_or_none_and_no_copy(
    tmp_path: Path, step: str
) -> None:
    path = tmp_path / "data" / "kek"
    killed(kek=str(path), step=step)
    assert path.exists() == (step != "written")
    left = path.read_bytes() if path.exists() else None
    assert len(os.listdir(path.parent)) == {"written": 1, "linked": 2, "unlinked": 1}[step]
    made = load_or_create_kek(path, keys_exist=False, environ={})
    assert left in (None, path.read_bytes())
    assert load_or_create_kek(path, keys_exist=True, environ={}).kek_id == made.kek_id
    # A second name of the key would outlive it; one that was never put in its place harms nobody for an hour.
    others = [each for each in path.parent.iterdir() if each != path]
    assert len(others) == (step == "written")
    for each in others:
        os.utime(each, (time.time() - 7200, time.time() - 7200))
    load_or_create_kek(path, keys_exist=True, environ={})
    assert os.listdir(path.parent) == ["kek"]


@pytest.mark.parametrize("step", [None, "linked"])
def test_no_key_is_used_before_its_name_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str | None
) -> None:
    """Also where the one who made it was killed before: what it wraps would be lost with it."""
    path = tmp_path / "new" / "data" / "kek"
    if step is not None:
        killed(kek=str(path), step=step)
    synced: list[Path] = []
    monkeypatch.setattr(kek_module, "sync_directory", synced.append)
    load_or_create_kek(path, keys_exist=False, environ={})
    assert synced[:3] == [path.parent, path.parent.parent, tmp_path]
