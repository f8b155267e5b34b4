"""Backup, restore and refill: ``python -m bench.backup [--entries N] [--rounds N]``.

Of one ledger of that many entries of 576 bytes, sealed, on an embedded server of its own with fsync on. A
restore is measured as the drill that it is: a new server, everything verified, removed again.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from time import perf_counter

from bench.harness import Report, embedded
from bench.sealing import fill
from ledger.settings import Settings
from ledger.store.backup import back_up
from ledger.store.database import Database
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.opened import opened_database
from ledger.store.published import Published
from ledger.store.refill import refill
from ledger.store.restore import drill, restore
from ledger.store.sealing import Link
from ledger.store.writer import Writer


def seal(database: Database, folder: Path, ledger: Ledger) -> None:
    """Puts all that the ledger holds under a checkpoint."""
    with Published(folder).sealer(Link(database), ledger) as sealer:
        sealer.seal()


def backups(report: Report, database: Database, folder: Path, entries: int, rounds: int) -> None:
    """Making a set, and restoring it on a server of its own."""
    made: list[float] = []
    drilled: list[float] = []
    steps: dict[str, list[float]] = {}
    size = 0
    for number in range(rounds):
        target = folder / f"set{number}"
        begun = perf_counter()
        manifest = back_up(database, folder, target)
        made.append(perf_counter() - begun)
        size = sum(each.size for each in manifest.files.values())
        begun = perf_counter()
        found = drill(target, Settings.load({}, data_dir=folder), place=folder)
        drilled.append(perf_counter() - begun)
        for name, seconds in found.seconds.items():
            steps.setdefault(name, []).append(seconds)
        shutil.rmtree(target)
    report.add(f"backup of {entries} entries", "s", made, note=f"{size / 1e6:.0f} MB")
    report.add(f"restore of {entries} entries, verified", "s", drilled)
    for name, seconds in steps.items():
        report.add(f"restore, step {name}", "s", seconds)


def refills(report: Report, ledger: Ledger, empty: Path, folder: Path, entries: int, rounds: int) -> None:
    """Putting all entries back into a database that has none, checked before and after."""
    keys = [key.verifier for key in Published(folder).keys.of(ledger.slug, ledger.origin)]
    times: list[float] = []
    for number in range(rounds):
        # The server may run as another user, who goes through the folder.
        place = folder / f"refilled{number}"
        settings = Settings.load({}, data_dir=place)
        place.mkdir(mode=0o755)
        restore(empty, settings, published=str(folder / "tiles"), keys=keys)
        with opened_database(settings) as database:
            begun = perf_counter()
            found = refill(database, ledger, Published(place).of(ledger), keys)
            times.append(perf_counter() - begun)
            assert (found.size, found.until) == (0, entries)
        shutil.rmtree(place)
    report.add(f"refill of {entries} entries", "s", times, note="checked before, verified after")


def main() -> None:
    """Measures and keeps the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    report = Report("backup")
    with embedded() as (database, folder):
        ledger = Ledgers(database).create("many", "example.vic.gov.au/many", "many")
        seal(database, folder, ledger)
        back_up(database, folder, folder / "empty")
        with Writer(database) as writer:
            fill(writer, ledger, given.entries)
        seal(database, folder, ledger)
        backups(report, database, folder, given.entries, given.rounds)
        refills(report, ledger, folder / "empty", folder, given.entries, given.rounds)
    print(f"kept in {report.keep()}")


if __name__ == "__main__":
    main()
