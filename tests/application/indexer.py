"""A process that makes a search index and is killed at a batch: ``python -m tests.application.indexer``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from ledger.application import Installation, searching
from ledger.store.database import Database
from ledger.vault.searching import SearchIndex


def main() -> None:
    """Reads its orders as JSON from standard input: which addition, and whether it dies before or after it."""
    orders = json.load(sys.stdin)
    add, count = SearchIndex.add, 0

    def dying(self: SearchIndex, *arguments: object) -> bool:
        nonlocal count
        count += 1
        if count == orders["at"] and not orders["done"]:
            os.kill(os.getpid(), signal.SIGKILL)
        added = add(self, *arguments)
        if count == orders["at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return added

    SearchIndex.add = dying
    searching.BATCH = orders["batch"]
    with Installation(Database(orders["admin"], orders["passwords"]), Path(orders["folder"])) as installation:
        searching.catch_up(installation, installation.ledgers.get("dffh"))


if __name__ == "__main__":
    main()
