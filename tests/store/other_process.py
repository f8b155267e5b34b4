"""A writer in a process of its own, to be killed or frozen: the tests start it with what it is to do."""

from __future__ import annotations

import json
import os
import signal
import sys

from ledger.store.database import Database
from ledger.store.writer import Writer
from tests.support import sample, samples


def main() -> None:
    """Reads its orders as JSON from stdin; prints each acknowledged command."""
    orders = json.loads(sys.stdin.read())
    database = Database(orders["admin"], orders["passwords"])
    armed = False
    count: int = orders["count"]

    def step(name: str) -> None:
        if armed and name == orders["step"]:
            print(f"at {name}", flush=True)
            os.kill(os.getpid(), getattr(signal, orders["signal"]))

    with Writer(database, step=step) as writer:
        if orders["warm"]:
            # The first group of a ledger goes by the slow path; what follows does not.
            writer.submit(orders["ledger"], [sample("warm")]).result(30)
        armed = True
        futures = [
            (command, writer.submit(orders["ledger"], samples(f"case-{command}", count, command=command)))
            for command in orders["commands"]
        ]
        for command, future in futures:
            future.result(60)
            print(command, flush=True)


if __name__ == "__main__":
    main()
