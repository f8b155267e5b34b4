"""Commands through the application, and what five sealed fields cost them: ``python -m bench.application``.

The same request is received with five personal fields and without any, in turns; each opens a case, whose key
for repeats is made either way.
"""

from __future__ import annotations

import argparse
import uuid
from functools import partial
from typing import Any

from bench.harness import Report, clients, embedded, ratios, turns
from ledger.application import Installation, Principal

PERSONAL = {
    "information_sought": "Numbers of services by local government area, 2023 to 2025",
    "purpose": "Planning of services",
    "public_benefit": "Fewer families wait for a place",
    "secure_use": "Kept in the recipient's own system, read by three people",
    "own_reference": "F-2025-118",
}


def main() -> None:
    """Measures and keeps the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seconds", type=float, default=2.0)
    given = arguments.parse_args()
    report = Report("application")
    with embedded() as (database, folder), Installation(database, folder) as installation:
        organisation = str(uuid.uuid4())
        officer = Principal(str(uuid.uuid4()), organisation, "bench")
        administrator = Principal(str(uuid.uuid4()), organisation, "bench")
        installation.create_ledger(
            "bench", origin="example.vic.gov.au/bench", organisation=organisation, legal_name="Bench",
            administrator=administrator, administrator_name="Bench",
        )  # fmt: skip
        grant = {"person": officer.person, "role": "officer", "organisation": organisation}
        give = {"happened": "2025-01-01", "fields": grant}
        installation.execute(
            "bench", "role.RoleGranted", give, principal=administrator, command_id=str(uuid.uuid4())
        )
        plain = {"scheme": "vps", "form": "informal", "requester": organisation, "provider": organisation}

        def receiving(fields: dict[str, Any]) -> int:
            said = {"happened": "2025-06-11", "fields": fields}
            done = installation.execute(
                "bench", "request.RequestReceived", said, principal=officer, command_id=str(uuid.uuid4())
            )
            return len(done.receipts)

        def rate(threads: int, fields: dict[str, Any]) -> float:
            return clients(threads, given.seconds, lambda _: receiving(fields))

        for threads in (1, 8):
            contenders = [partial(rate, threads, plain | PERSONAL), partial(rate, threads, plain)]
            sealed, bare = turns(given.rounds, contenders)
            report.add(f"commands without sealed fields, {threads} at a time", "commands/s", bare)
            slower = [1 / each - 1 for each in ratios(sealed, bare)]
            name = f"longer with five sealed fields, {threads} at a time"
            report.add(name, "%", [100 * each for each in slower], note="asked: at most 30")
    print(f"kept in {report.keep()}")


if __name__ == "__main__":
    main()
