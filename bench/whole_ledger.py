"""Memory of whole-ledger work through the command line: ``python -m bench.whole_ledger [--entries N]``.

Verification, export and rebuild of a ledger of a million entries, each as ``auditledger`` runs it. What is
counted is the proportional set size (PSS) of the program and all processes it starts, at its highest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from time import perf_counter, sleep

from bench.harness import Report, embedded, megabytes
from bench.projections import fill
from ledger.store.ledgers import Ledgers
from tests.projections.book import Book

FLAT = 300
"""Megabytes that none of them may pass, however large the ledger."""
LOOK_SECONDS = 0.1
PERSON = "3f0c1b52-8f5e-4a7e-9c43-6f1d2f6f7a11"
OFFICER = "5d6a3d1a-0c0b-4a53-9d0e-8a7c5f3f2b10"
FOUND = (
    "ledger", "create", "bench", "--origin", "example.org/bench", "--name", "An invented department",
    "--administrator", PERSON,
)  # fmt: skip
WORK = {
    "verify": ("verify", "--ledger", "bench"),
    "export": ("entries", "--ledger", "bench", "--json", "--person", OFFICER),
    "rebuild": ("rebuild", "--person", PERSON),
}


def family(process: int) -> list[int]:
    """The process and all that it started."""
    found = [process]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue  # It ended while it was looked at.
    return found


def held(process: int) -> float:
    """The proportional set size of a process and all that it started, now, in MB."""
    total = 0.0
    for each in family(process):
        try:
            total += megabytes(f"/proc/{each}/smaps_rollup", "Pss")
        except OSError:
            continue  # As above.
    return total


def run(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds that a command took, and its memory at its highest, in MB."""
    begun = perf_counter()
    most = 0.0
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "ledger.main", *arguments],
            env=environment, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        while process.poll() is None:
            most = max(most, held(process.pid))
            sleep(LOOK_SECONDS)
        errors.seek(0)
        assert process.returncode == 0, errors.read().decode()[-2000:]
    return perf_counter() - begun, most


@contextmanager
def ledger_of(entries: int) -> Iterator[tuple[dict[str, str], Path]]:
    """A ledger ``bench`` of that many entries, founded as by who uses it: the environment of its commands, and
    a folder beside it."""
    with embedded() as (database, folder):
        environment = {
            **os.environ,
            "AUDITLEDGER_DATABASE_URL": database.admin,
            "AUDITLEDGER_DATA_DIR": str(folder / "data"),
        }
        run(FOUND, environment)
        ledger = Ledgers(database).get("bench")
        fields = {"person": OFFICER, "role": "officer", "organisation": ledger.organisation}
        grant = folder / "grant.json"
        grant.write_text(json.dumps({"happened": f"{date.today()}", "fields": fields}))
        run(("record", "role.RoleGranted", str(grant), *("--ledger", "bench", "--person", PERSON)), environment)
        with Book(database, ledger) as book:
            fill(book, entries)
        yield environment, folder


def main() -> None:
    """Makes the ledger, runs the commands, keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    report = Report("whole_ledger")
    with ledger_of(given.entries) as (environment, _):
        for name, arguments in WORK.items():
            taken = [run(arguments, environment) for _ in range(given.rounds)]
            report.add(
                f"memory of {name}, {given.entries:,} entries", "MB", [most for _, most in taken],
                note=f"asked: < {FLAT} MB, all its processes",
            )  # fmt: skip
            report.add(
                f"{name}, start and end of the program included", "entries/s",
                [given.entries / seconds for seconds, _ in taken],
            )  # fmt: skip
    print(f"kept in {report.keep()}")


if __name__ == "__main__":
    main()
