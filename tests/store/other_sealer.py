"""A sealer in a process of its own, to be killed: the tests start it with where."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ledger.store import sealing
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.objects import TileObjects
from ledger.store.published import Published
from ledger.store.sealing import Link, Sealer


def main() -> None:
    """Reads its orders as JSON from stdin, seals until it is killed at a step or beside a call of ``os``."""
    orders = json.loads(sys.stdin.read())
    sealing.BATCH = orders["batch"]
    counts: dict[str, int] = {}

    def here(name: str) -> None:
        counts[name] = counts.get(name, 0) + 1
        if [name, counts[name]] == orders["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any) -> None:
            here(f"before {name}")
            real(*arguments)
            here(f"after {name}")

        return call

    for name in ("fsync", "link", "replace"):
        setattr(os, name, wrapped(name))
    if "url" in orders:
        put = TileObjects._put

        def counted(*arguments: Any) -> None:
            here("before put")
            put(*arguments)
            here("after put")

        TileObjects._put = counted
    published = Published(Path(orders["data"]), orders.get("url"))
    ledger = Ledger(**orders["ledger"])
    database = Database(orders["admin"], orders["passwords"])
    with Sealer(Link(database), ledger, published.of(ledger), published.keys, step=here) as sealer:
        sealer.seal()


if __name__ == "__main__":
    main()
