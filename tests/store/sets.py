"""What tests of backup, restore and refill share: empty databases, and processes that are killed."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from ledger.settings import Settings
from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import create_database
from ledger.tlog.note import VerifierKey
from tests.store.published import Place
from tests.waiting import DEADLINE

_numbers = itertools.count(1)
MakeDatabase = Callable[[], Database]


@pytest.fixture
def another(server: EmbeddedServer) -> Iterator[MakeDatabase]:
    """Makes databases with nothing in them."""
    made: list[str] = []

    def make() -> Database:
        name = f"restored_{next(_numbers)}"
        with server.database.connect_admin() as connection:
            create_database(connection, name)
        made.append(name)
        return server.database.named(name)

    yield make
    with server.database.connect_admin() as connection:
        for name in made:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def settings_of(data_dir: Path, database: Database | None = None) -> Settings:
    """Settings of a data directory, with an embedded server or a database that is there."""
    url = None if database is None else database.admin
    return Settings.load({}, data_dir=data_dir, database_url=url)


def keys_of(place: Place) -> list[VerifierKey]:
    """The public keys that a place's ledger is signed with."""
    return [key.verifier for key in place.published.keys.of(place.ledger.slug, place.ledger.origin)]


def killed(place: Place, do: str, at: list[object], **orders: Any) -> None:
    """Has a process do it, which is killed at a step."""
    orders |= {
        "do": do, "at": at, "admin": place.database.admin, "passwords": dict(place.database.passwords),
        "ledger": asdict(place.ledger), "data": str(orders.get("data", place.data)),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.other_process_of_sets"],
        cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
