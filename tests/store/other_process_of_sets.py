"""A backup, restore or refill in a process of its own, to be killed: the tests start it with where."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ledger.settings import Settings
from ledger.store import refill as refilling
from ledger.store.backup import back_up
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.published import Published
from ledger.store.refill import refill
from ledger.store.restore import restore


def main() -> None:
    """Reads its orders as JSON from stdin, and works until it is killed at a step."""
    orders: dict[str, Any] = json.loads(sys.stdin.read())
    counts: dict[str, int] = {}

    def here(name: str) -> None:
        counts[name] = counts.get(name, 0) + 1
        if [name, counts[name]] == orders["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    data = Path(orders["data"])
    database = Database(orders["admin"], orders["passwords"])
    if orders["do"] == "backup":
        back_up(database, data, Path(orders["set"]), step=here)
    elif orders["do"] == "restore":
        given = {
            "data_dir": data, "database_url": orders["url"], "vault_database_url": orders.get("vault"),
        }  # fmt: skip
        restore(Path(orders["set"]), Settings.load({}, **given), step=here)
    else:
        refilling.BATCH = orders["batch"]
        ledger = Ledger(**orders["ledger"])
        published = Published(data)
        keys = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
        refill(database, ledger, published.of(ledger), keys, step=here)


if __name__ == "__main__":
    main()
