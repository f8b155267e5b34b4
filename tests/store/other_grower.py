"""A sealer that is killed once its helper has hashed: the tests start it with a database and a folder."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from ledger.store import grower as grower_module
from ledger.store.database import Database
from ledger.store.grower import Grower
from ledger.store.ledgers import Ledgers
from ledger.store.published import Published
from ledger.store.sealing import Link


def main(admin: str, data: str) -> None:
    """Prints the number of its helper's process."""
    grower_module.FEW = 100
    database = Database(admin)
    grower = Grower(database)
    with Published(Path(data)).sealer(Link(database), Ledgers(database).get("dffh"), grower) as sealer:
        sealer._step = lambda name: None if name != "tiles" else end(grower)
        sealer.seal()


def end(grower: Grower) -> None:
    """As a power cut would end it."""
    print(grower.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
