"""A process that tells of emergency access and is killed at a step: ``python -m tests.application.teller``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from ledger.application import Installation
from ledger.application.mail import Letterbox
from ledger.application.telling import Telling
from ledger.store.database import Database


def main() -> None:
    """Reads its orders as JSON from standard input."""
    orders = json.load(sys.stdin)

    def step(name: str) -> None:
        if name == orders["step"]:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database(orders["admin"], orders["passwords"])
    with Installation(database, Path(orders["folder"])) as installation:
        Telling(installation, Letterbox(*orders["letterbox"]), lambda *_, **__: None, step).look()


if __name__ == "__main__":
    main()
