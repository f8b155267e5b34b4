"""Projecting live, rebuilding: ``python -m bench.projections [--entries N] [--rounds N]``.

Histories are of requests, complaints and retention items, some five entries a case, in the order in which an
agency records them: many cases open at a time. What a rebuild takes of an empty ledger is its own figure: of
few entries most of the time is that. The memory of a rebuild ``bench.whole_ledger`` measures.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from time import perf_counter
from uuid import UUID

from bench.harness import Report, embedded, megabytes
from ledger.domain.complaint.events import ActionStated, Complainant, ComplaintReceived, ComplaintResolved
from ledger.domain.event import CaseEvent
from ledger.domain.request.events import (
    DisclosureMade,
    FurtherInformationSought,
    LegalBasis,
    RefusalCopySent,
    RefusalGround,
    RequestAcknowledged,
    RequestForm,
    RequestReceived,
    RequestRefused,
    RequestScheme,
    TransferMethod,
)
from ledger.domain.retention.events import RecordsDestroyed, RetentionScheduled, RetentionTriggered
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledgers
from projections.base import registers
from projections.connection import connect
from projections.rebuild import rebuild
from projections.runner import Runner
from tests.projections.book import Book, make

FIRST = date(2024, 7, 1)
OPEN_CASES = 400
"""Cases that are under way at a time."""
SIZE = """
SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'registers' AND c.relkind = 'r' AND c.relname NOT LIKE '%\\_\\_old'
"""


def course(rnd: random.Random, day: date) -> list[CaseEvent]:
    """The entries of one case, in order."""

    def after(days: int) -> date:
        return day + timedelta(days)

    what = rnd.random()
    if what < 0.1:
        said = {"to_resolve": ActionStated.TAKEN, "to_resolve_what": "w", "to_prevent": ActionStated.NONE}
        received = make(ComplaintReceived, day, complainant=Complainant.ENTITY, nature="n", made_on=day)
        return [received, make(ComplaintResolved, after(20), **said)]
    if what < 0.2:
        gone = make(RecordsDestroyed, after(60), what="w", how="h", by="b", authority="a")
        item = make(RetentionScheduled, day, dataset="d-1", holder="dffh", period="P1M", trigger="t")
        return [item, make(RetentionTriggered, after(10)), gone]
    asked = {
        "requester": "dpc", "provider": "dffh", "information_sought": "i", "purpose": "p",
        "public_benefit": "b", "secure_use": "s", "made_under_policy": True, "made_on": day,
    }  # fmt: skip
    facts: list[CaseEvent] = [
        make(RequestReceived, day, scheme=RequestScheme.VPS, form=RequestForm.FORMAL, **asked),
        make(RequestAcknowledged, after(1), words="w"),
        make(FurtherInformationSought, after(3), question="q"),
    ]
    if what < 0.8:
        given = {"description": "d", "recipient": "dpc", "transferred_by": TransferMethod.API}
        bases = (LegalBasis.PRIMARY_PURPOSE,)
        facts.append(make(DisclosureMade, after(rnd.randrange(5, 25)), parts=("whole",), bases=bases, **given))
    else:
        grounds = (RefusalGround.CONTRAVENES_LAW,)
        facts.append(
            make(RequestRefused, after(12), parts=("whole",), grounds=grounds, reasons="r", in_writing=True)
        )
        facts.append(make(RefusalCopySent, after(14), parts=("whole",)))
    return facts


def history(entries: int) -> Iterator[tuple[str, CaseEvent]]:
    """So many entries of many cases at a time."""
    rnd = random.Random(1)
    under_way: list[tuple[str, list[CaseEvent]]] = []
    for number in range(entries):
        if len(under_way) < OPEN_CASES:
            facts = course(rnd, FIRST + timedelta(number * 500 // entries))
            under_way.append((str(UUID(int=rnd.getrandbits(128), version=4)), facts))
        place = rnd.randrange(len(under_way))
        stream, facts = under_way[place]
        yield stream, facts.pop(0)
        if not facts:
            under_way[place] = under_way[-1]
            under_way.pop()


def load(database: Database, entries: int) -> None:
    """A ledger of that many entries."""
    ledger = Ledgers(database).create("dffh", "example.vic.gov.au/dffh", "dffh")
    with Book(database, ledger) as book:
        book.seed()
        fill(book, entries - 1)


def fill(book: Book, entries: int) -> None:
    """That many entries more."""
    block: list[tuple[str, CaseEvent]] = []
    for each in history(entries):
        block.append(each)
        if len(block) == 10_000:
            book.put_all(block)
            block = []
    book.put_all(block)


def empty(database: Database) -> None:
    """As before the first projection."""
    with database.connect(Role.PROJECTOR) as connection:
        for name in registers():
            connection.execute(f"DROP TABLE IF EXISTS registers.{name}, registers.{name}__old")
        connection.execute("TRUNCATE registers.positions, registers.tables, registers.parked")


def live(conninfo: str) -> tuple[float, float]:
    """Entries a second, and the highest memory in MB, of a runner that has all of it before it."""
    with Runner(conninfo) as runner:
        begun = perf_counter()
        moved = runner.catch_up()
        rate = moved / (perf_counter() - begun)
    # Not what getrusage says: that begins with the memory of the process that started this one.
    return rate, megabytes("/proc/self/status", "VmHWM")


def rebuilt(conninfo: str) -> tuple[float, float, bool]:
    """Entries, seconds, whether the live ones hold the same."""
    with connect(conninfo) as connection:
        row = connection.execute("SELECT sum(size) FROM ledger.heads").fetchone()
    assert row is not None
    begun = perf_counter()
    compared = rebuild(conninfo)
    took = perf_counter() - begun
    return float(row[0] or 0), took, all(one.equal or one.live is None for one in compared)


def main() -> None:
    """Measures and keeps the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=240_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    report = Report("projections")
    with embedded() as (database, _):
        empty_handed(report, database, given.rounds)
        load(database, given.entries)
        measure(report, database, given.rounds, given.entries)
    print(f"kept in {report.keep()}")


def empty_handed(report: Report, database: Database, rounds: int) -> None:
    """What a rebuild takes where there is nothing to read."""
    taken: list[float] = []
    for _ in range(rounds):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            taken.append(pool.submit(rebuilt, database.conninfo(Role.PROJECTOR)).result()[1])
    report.add("rebuild of all registers of nothing", "s", taken, note="its fixed cost")


def measure(report: Report, database: Database, rounds: int, entries: int) -> None:
    """Live, then rebuild, in rounds; each in a process of its own, whose memory is its own."""
    conninfo = database.conninfo(Role.PROJECTOR)
    rates: list[list[float]] = [[], []]
    memory: list[float] = []
    for _ in range(rounds):
        empty(database)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rate, most = pool.submit(live, conninfo).result()
            rates[0].append(rate)
            memory.append(most)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            entries_read, took, equal = pool.submit(rebuilt, conninfo).result()
            assert equal, "the rebuilt registers differ from the live ones"
            rates[1].append(entries_read / took)
    note = f"{entries} entries, {len(registers())} registers"
    report.add("live projection of all registers", "entries/s", rates[0], floor=10_000, note=note)
    report.add("rebuild of all registers, 2 processes", "entries/s", rates[1], floor=40_000, note=note)
    report.add("memory of live projection", "MB", memory, note="at most")
    with connect(conninfo) as connection:
        row = connection.execute(SIZE).fetchone()
    assert row is not None
    report.add("bytes on disk of registers, an entry", "bytes", [float(row[0]) / entries])


if __name__ == "__main__":
    main()
