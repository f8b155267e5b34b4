"""Evidence bundles through the command line: ``python -m bench.bundle [--entries N]``.

A ledger of a hundred thousand entries is sealed and exported whole, and the bundle verified, each as
``auditledger`` runs it, start and end of the program included. Memory is that of the program and all processes
that it starts, at its highest (PSS).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from bench.harness import Report
from bench.whole_ledger import FLAT, OFFICER, ledger_of, run

ASKED = {"export": 20.0, "verify": 5.0}
"""Seconds that a bundle of 100,000 entries may take."""


def main() -> None:
    """Makes the ledger, runs the commands, keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    report = Report("bundle")
    with ledger_of(given.entries) as (environment, folder):
        file = folder / "bench.zip"
        run(("checkpoint", "--ledger", "bench"), environment)
        work = {
            "export": ("bundle", "export", "--ledger", "bench", "--all", "-o", str(file), "--person", OFFICER),
            "verify": ("bundle", "verify", str(file), "--key", key_of(environment)),
        }
        for name, arguments in work.items():
            taken = [run(arguments, environment) for _ in range(given.rounds)]
            report.add(
                f"{name} of a bundle, {given.entries:,} entries", "s", [seconds for seconds, _ in taken],
                note=f"asked of 100,000: at most {ASKED[name]:g}",
            )  # fmt: skip
            report.add(
                f"memory of {name}", "MB", [most for _, most in taken],
                note=f"asked: flat; all its processes; at most {FLAT} here",
            )  # fmt: skip
        report.add("size of the bundle", "MB", [file.stat().st_size / 1e6])
    print(f"kept in {report.keep()}")


def key_of(environment: dict[str, str]) -> str:
    """The ledger's verifier key."""
    said = subprocess.run(
        [sys.executable, "-m", "ledger.main", "keys", "list", "--json"],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return next(each["key"] for each in json.loads(said.stdout)["keys"] if each["ledger"] == "bench")


if __name__ == "__main__":
    main()
