"""A process that destroys a case and is killed at a step: ``python -m tests.application.destroyer``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from ledger.application import Installation, Principal, commands
from ledger.application.destroying import finish
from ledger.store.database import Database


def main() -> None:
    """Reads its orders as JSON from standard input."""
    orders = json.load(sys.stdin)
    database = Database(orders["admin"], orders["passwords"])

    def step(name: str) -> None:
        if name == orders["step"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def carry_out(installation: Installation, ledger: object) -> None:
        step("entry")
        finish(installation, ledger, step)

    commands.carry_out = carry_out
    vault = None if orders["vault"] is None else Database(orders["vault"], orders["passwords"])
    with Installation(database, Path(orders["folder"]), vault=vault) as installation:
        installation.execute(
            "dffh",
            "destruction.DestructionAuthorised",
            {"happened": orders["today"], "fields": {"destruction": orders["destruction"]}},
            principal=Principal(*orders["principal"]),
            command_id=orders["command_id"],
        )


if __name__ == "__main__":
    main()
