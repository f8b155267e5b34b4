"""A process that records and is killed beside its commit: ``python -m tests.application.ahead_process``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ledger.application import Installation, Principal
from ledger.store.database import Database
from ledger.store.writer import Writer


def main() -> None:
    """Reads its orders as JSON from standard input."""
    orders = json.load(sys.stdin)
    submit = Writer.submit

    def killed(self: Writer, *arguments: Any, **options: Any) -> Any:
        if orders["after"]:
            submit(self, *arguments, **options).result(60)
        os.kill(os.getpid(), signal.SIGKILL)

    database, vault = (Database(orders[name], orders["passwords"]) for name in ("admin", "vault"))
    with Installation(database, Path(orders["folder"]), vault=vault) as installation:
        Writer.submit = killed
        installation.execute(
            "dffh", orders["command"], orders["body"], principal=Principal(*orders["principal"]),
            command_id=orders["command_id"],
        )  # fmt: skip


if __name__ == "__main__":
    main()
