"""The vault in a process of its own, killed beside a statement, or at a step of the making of a key."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.store.database import Database, Role
from ledger.vault.kek import LocalKek, load_or_create_kek
from ledger.vault.store import VaultKeys

KEK = LocalKek(bytes(range(32)))


class Killing:
    """A connection whose process ends before or after its nth statement."""

    def __init__(self, connection: Any, orders: dict[str, Any]) -> None:
        self._connection = connection
        self._orders = orders

    def execute(self, *arguments: Any) -> Any:
        """As the connection's."""
        self._orders["statement"] -= 1
        here = self._orders["statement"] == 0
        if here and not self._orders["after"]:
            os.kill(os.getpid(), signal.SIGKILL)
        done = self._connection.execute(*arguments)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def main() -> None:
    """Reads its orders as JSON from stdin."""
    orders = json.loads(sys.stdin.read())

    def step(name: str) -> None:
        if name == orders["step"]:
            os.kill(os.getpid(), signal.SIGKILL)

    if "kek" in orders:
        load_or_create_kek(Path(orders["kek"]), keys_exist=False, environ={}, step=step)
        return
    database = Database(orders["admin"], orders["passwords"])

    @contextmanager
    def connect() -> Iterator[Any]:
        with database.connect(Role.WRITER) as connection:
            yield Killing(connection, orders)

    print(VaultKeys(connect, KEK).actor_id("issuer", "login", "Name"))


if __name__ == "__main__":
    main()
