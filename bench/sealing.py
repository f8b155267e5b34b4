"""Sealing, proofs, verifying from tiles: ``python -m bench.sealing [--entries N] [--rounds N]``.

On one ledger of that many entries of 576 bytes; with payloads read, on one of a tenth as many events of cases.
What the appends of 32 clients lose to sealing is measured in turn with and without it.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from time import perf_counter

from bench.append import command
from bench.harness import Report, clients, embedded, ratios, turns
from bench.projections import load
from ledger.store.acknowledging import Acknowledging
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.published import Published
from ledger.store.sealers import Sealing
from ledger.store.sealing import Link
from ledger.store.submission import Level
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import TileFolder
from ledger.store.writer import Writer
from ledger.tlog.proof import InclusionProof
from ledger.tlog.prover import Prover

GROUP = 1_000
PROOFS = 2_000


def fill(writer: Writer, ledger: Ledger, entries: int) -> None:
    """That many entries more."""
    for at in range(0, entries, GROUP):
        writer.submit(ledger.id, command(min(GROUP, entries - at))).result()


def sealing(
    report: Report, database: Database, writer: Writer, ledger: Ledger, folder: Path, entries: int
) -> None:
    """All that there is at once, from nothing; then a thousand at a time."""
    with Published(folder).sealer(Link(database), ledger) as sealer:
        begun = perf_counter()
        sealer.seal()
        rate = entries / (perf_counter() - begun)
        report.add(f"sealing {entries} entries", "entries/s", [rate], floor=100_000)
        times: list[float] = []
        for _ in range(15):
            fill(writer, ledger, GROUP)
            begun = perf_counter()
            sealer.seal()
            times.append((perf_counter() - begun) * 1e3)
        report.add(f"a seal of {GROUP} entries more", "ms", times, note="asked: at most 60")


def proofs(report: Report, ledger: Ledger, folder: Path) -> None:
    """Inclusion proofs of random entries from the tiles; verifying each with its checkpoint."""
    published = Published(folder)
    tiles = published.of(ledger)
    note = tiles.checkpoint()
    assert note is not None
    (key,) = published.keys.of(ledger.slug, ledger.origin)
    rnd = random.Random(1)
    making: list[float] = []
    checking: list[float] = []
    prover = Prover(tiles.read, note)
    for _ in range(PROOFS):
        index = rnd.randrange(prover.checkpoint.size)
        begun = perf_counter()
        proof = bytes(prover.inclusion(index))
        making.append((perf_counter() - begun) * 1e3)
        entry = prover.entry(index)
        begun = perf_counter()
        InclusionProof.parse(proof).verify(entry, [key.verifier])
        checking.append((perf_counter() - begun) * 1e3)
    for name, times, asked in (
        ("an inclusion proof from tiles", making, "asked: at most 0.4, p99 1.5"),
        ("verifying one with its checkpoint", checking, "asked: at most 0.2"),
    ):
        last = quantiles(times, n=100)[98]
        report.add(f"{name}, p50", "ms", times, note=f"p99 {last:.2f}; {asked}")


def offline(report: Report, ledger: Ledger, folder: Path, rounds: int) -> None:
    """Verifying the published files alone."""
    published = Published(folder)
    keys = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
    place = published.of(ledger).folder

    def rate() -> float:
        begun = perf_counter()
        found = verify_tiles(TileFolder(place), keys)
        return found.checkpoint.size / (perf_counter() - begun)

    report.add("verify from tiles", "entries/s", [rate() for _ in range(rounds)], floor=300_000)


def deep(report: Report, database: Database, folder: Path, entries: int, rounds: int) -> None:
    """Verifying the published files of real events, every payload read."""
    load(database, entries)
    ledger = Ledgers(database).get("dffh")
    published = Published(folder)
    with published.sealer(Link(database), ledger) as sealer:
        sealer.seal()
    keys = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
    rates: list[float] = []
    for _ in range(rounds):
        begun = perf_counter()
        found = verify_tiles(published.of(ledger), keys, deep=True)
        rates.append(found.checkpoint.size / (perf_counter() - begun))
    report.add("verify from tiles, payloads too", "entries/s", rates, floor=80_000)


def slowdown(
    report: Report, database: Database, writer: Writer, ledger: Ledger, folder: Path, rounds: int
) -> None:
    """What appends of 32 clients keep of their rate while the ledger is sealed beside them."""

    def alone() -> float:
        return clients(32, 3, lambda _: len(writer.submit(ledger.id, command(1)).result()))

    def beside() -> float:
        sealed = Sealing(database, Published(folder), interval=1.0)
        with Feed(database) as feed:
            sealed.seal(feed)
        stop = Event()
        thread = Thread(target=sealed.run, args=(stop,))
        thread.start()
        try:
            return alone()
        finally:
            stop.set()
            thread.join()

    bare, sealed_too = turns(rounds, [alone, beside])
    report.add("append 32 × 1 with sealing, against without", "×", ratios(sealed_too, bare), floor=0.9)


def acknowledged(
    report: Report, database: Database, writer: Writer, ledger: Ledger, folder: Path, rounds: int
) -> None:
    """Writes of 64 clients, each of which waits until its entry is under a published checkpoint."""
    published = Published(folder)
    sealed = Sealing(database, published, interval=1.0)
    feed = Feed(database)
    waiting = Acknowledging(feed, published, lambda: None, sealed.hurry)
    sealed.on_seal = waiting.look
    sealed.seal(feed)
    times: list[float] = []

    def one(_: int) -> int:
        begun = perf_counter()
        (receipt,) = writer.submit(ledger.id, command(1)).result()
        waiting.ask(ledger, receipt.index + 1, Level.SEALED).result()
        times.append((perf_counter() - begun) * 1e3)
        return 1

    stop = Event()
    threads = [Thread(target=each.run, args=(stop,)) for each in (sealed, waiting)]
    for thread in threads:
        thread.start()
    try:
        rates = [clients(64, 3, one) for _ in range(rounds)]
    finally:
        stop.set()
        sealed.hurry()
        waiting.look()
        for thread in threads:
            thread.join()
        feed.close()
    report.add("writes of 64 clients acknowledged as sealed", "writes/s", rates, floor=1_500)
    last = quantiles(times, n=100)[98]
    report.add("one of them, p50", "ms", times, note=f"p99 {last:.0f}; asked: at most 60")


def main() -> None:
    """Measures and keeps the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    report = Report("sealing")
    with embedded() as (database, folder):
        ledger = Ledgers(database).create("many", "example.vic.gov.au/many", "many")
        with Writer(database) as writer:
            fill(writer, ledger, given.entries)
            sealing(report, database, writer, ledger, folder, given.entries)
            proofs(report, ledger, folder)
            offline(report, ledger, folder, given.rounds)
            deep(report, database, folder, given.entries // 10, given.rounds)
            slowdown(report, database, writer, ledger, folder, given.rounds)
            acknowledged(report, database, writer, ledger, folder, given.rounds)
    print(f"kept in {report.keep()}")


if __name__ == "__main__":
    main()
