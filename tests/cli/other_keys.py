"""A change of keys in a process of its own, killed at a step: the tests start it with where."""

from __future__ import annotations

import json
import os
import signal
import sys

from ledger.application import Principal
from ledger.application.keys import KeyChanges
from ledger.application.opened import opened
from ledger.cli.session import AUTHORITY
from ledger.domain.keys.events import KeyReason
from ledger.settings import Settings


def main() -> None:
    """Reads its orders as JSON from stdin; kills itself at the step that they name."""
    orders = json.loads(sys.stdin.read())
    told: dict[str, int] = {}

    def step(name: str) -> None:
        told[name] = told.get(name, 0) + 1
        if [name, told[name]] == orders["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    with opened(Settings.load()) as installation:
        ledger = installation.ledgers.get(orders["ledger"])
        principal = Principal(orders["person"], ledger.organisation, AUTHORITY)
        changes = KeyChanges(installation, principal, step=step)
        if "kek" in orders:
            changes.drop_kek(orders["kek"])
            return
        getattr(changes, orders["act"])(*[ledger] * orders.get("named", True), reason=KeyReason.SCHEDULED)


if __name__ == "__main__":
    main()
