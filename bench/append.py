"""Appending, verifying, bytes on disk: ``python -m bench.append [--rounds N] [--seconds S] [--only WORD]``."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from uuid import uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from bench.harness import Report, clients, embedded, ratios, turns
from ledger.codec.declare import micros
from ledger.codec.entry import Actor, Precision, Source, SourceKind, place, prefix
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.placing import Head, place_all
from ledger.store.submission import Draft, Submission, draft
from ledger.store.verify import RANGE, verify
from ledger.store.writer import Writer
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.vault.kek import load_or_create_kek
from ledger.vault.sealing import SealingSession, VaultRow

PAYLOAD = os.urandom(300)
EVENT = "ledger.disclosure.v1.DisclosureMade"
ACTOR = Actor("3f0c1b52-8f5e-4a7e-9c43-6f1d2f6f7a11", "officer", "dffh", "https://login.example token")
SOURCE = Source(SourceKind.API)
DAY = date(2024, 7, 1)
SHAPES = ((1, 1), (8, 1), (32, 1), (1, 100))
"""Clients, and entries that each submits together."""


def command(count: int, case: str = "") -> list[Draft]:
    """One command of ``count`` entries, of a new ``case`` or each of one of its own, as a client makes it."""
    identity = str(uuid4())
    return [
        draft(
            stream=case or str(uuid4()),
            version=part + 1 if case else 1,
            event=EVENT,
            happened_on=DAY,
            precision=Precision.DAY,
            actor=ACTOR,
            source=SOURCE,
            command=identity,
            part=part,
            payload=PAYLOAD,
            content_mac=PAYLOAD[:32] if part == 0 else None,
        )
        for part in range(count)
    ]


class Plain:
    """psycopg: INSERT and commit of finished bytes into a table of the same columns and indexes."""

    COLUMNS = (
        "index, recorded_at, ledger, version, part, happened_on, command, leaf_hash, stream, event, "
        "organisation, content_mac, entry"
    )
    ONE = (
        f"INSERT INTO plain.entries ({COLUMNS}) VALUES (%s, now(), 1, 1, 0, %s, %s, %s, %s, %s, 'dffh', %s, %s)"
    )
    MANY = (
        f"INSERT INTO plain.entries ({COLUMNS}) SELECT i, now(), 1, 1, 0, d, c, h, s, e, 'dffh', m, b "
        "FROM unnest(%s::bigint[], %s::date[], %s::uuid[], %s::bytea[], %s::text[], %s::text[], %s::bytea[], "
        "%s::bytea[]) AS n (i, d, c, h, s, e, m, b)"
    )

    def __init__(self, database: Database, threads: int) -> None:
        with database.connect_admin() as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS plain")
            connection.execute("CREATE TABLE IF NOT EXISTS plain.entries (LIKE ledger.entries INCLUDING ALL)")
            connection.execute("CREATE SEQUENCE IF NOT EXISTS plain.ranges")
        self._connections = [database.connect_admin() for _ in range(threads)]
        for connection in self._connections:
            connection.prepare_threshold = 0
        row = self._connections[0].execute("SELECT nextval('plain.ranges')").fetchone()
        assert row is not None
        self._next = [(row[0] * 1000 + n) * 10_000_000 for n in range(threads)]
        sample = command(1)[0]
        self._entry = place(prefix("example.vic.gov.au/dffh"), 10_000, GENESIS, 10**15, sample.template)
        self._hash = leaf_hash(self._entry)

    def insert(self, client: int, count: int) -> int:
        """One transaction of ``count`` rows."""
        first = self._next[client]
        self._next[client] += count
        connection = self._connections[client]
        if count == 1:
            connection.execute(
                self.ONE.encode(),
                (first, DAY, uuid4(), self._hash, str(uuid4()), EVENT, PAYLOAD[:32], self._entry),
            )
        else:
            each = range(count)
            connection.execute(
                self.MANY.encode(),
                (
                    [first + n for n in each], [DAY] * count, [uuid4() for _ in each], [self._hash] * count,
                    [str(uuid4()) for _ in each], [EVENT] * count, [PAYLOAD[:32]] * count,
                    [self._entry] * count,
                ),
            )  # fmt: skip
        return count

    def copy(self, ledger: Ledger, transactions: int = 200, count: int = 100) -> float:
        """Entries a second of COPY alone: finished rows, and nothing done by a client meanwhile."""
        head = Head(self._next[0], GENESIS, micros(datetime.now(UTC)))
        made: list[bytes] = []
        for _ in range(transactions):
            submission = Submission(ledger, command(count), (), (), None, lambda *_: None)
            placed = place_all(prefix(ledger.origin), head, [submission], head.recorded_at)
            made.append(b"".join(placed.copy_blocks(ledger)))
            head = placed.after
        self._next[0] = head.size
        statement = queries.text("copy_entries").replace("ledger.entries", "plain.entries").encode()
        begun = perf_counter()
        for rows in made:
            with self._connections[0].cursor().copy(statement) as copy:
                copy.write(rows)
        return transactions * count / (perf_counter() - begun)

    def close(self) -> None:
        """Lets go of the connections."""
        for connection in self._connections:
            connection.close()


def append(
    report: Report, database: Database, writer: Writer, ledger: Ledger, rounds: int, seconds: float
) -> None:
    """Our commit procedure against eventsourcing's recorder and against plain INSERT."""
    parts = conninfo_to_dict(database.admin)
    datastore = PostgresDatastore(
        dbname=str(parts["dbname"]), host=str(parts["host"]), port=str(parts["port"]), user=str(parts["user"]),
        password=str(parts["password"]), schema="eventsourcing", pool_size=32, max_overflow=8,
        originator_id_type="text",
    )  # fmt: skip
    with database.connect_admin() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS eventsourcing")
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
    recorder.create_table()

    def theirs(count: int) -> int:
        recorder.insert_events([StoredEvent(str(uuid4()), 1, EVENT, PAYLOAD) for _ in range(count)])
        return count

    floors = ((2, 0.8), (5, 0.7), (8, 1.0), (2.3, 1.3))
    for (threads, count), (against_recorder, against_plain) in zip(SHAPES, floors, strict=True):
        plain = Plain(database, threads)

        def ours_work(_: int, count: int = count) -> int:
            return len(writer.submit(ledger.id, command(count)).result())

        def theirs_work(_: int, count: int = count) -> int:
            return theirs(count)

        def plain_work(client: int, count: int = count, plain: Plain = plain) -> int:
            return plain.insert(client, count)

        works = (ours_work, theirs_work, plain_work)
        contenders: list[Callable[[], float]] = [partial(clients, threads, seconds, work) for work in works]
        if count > 1:
            contenders.append(partial(plain.copy, ledger, count=count))
        ours, recorders, plains, *copies = turns(rounds, contenders)
        plain.close()
        name = f"append {threads} × {count}"
        report.add(name, "entries/s", ours)
        report.add(
            f"{name}, against eventsourcing's recorder", "×", ratios(ours, recorders), floor=against_recorder
        )
        report.add(f"{name}, against plain INSERT", "×", ratios(ours, plains), floor=against_plain)
        for copied in copies:
            bound = f"COPY alone of {count} finished rows, against eventsourcing's recorder"
            report.add(bound, "×", ratios(copied, recorders))
            report.add("that COPY, of the time of an append of ours", "×", ratios(ours, copied))
    datastore.close()


def sealed(
    report: Report,
    database: Database,
    writer: Writer,
    ledger: Ledger,
    folder: Path,
    rounds: int,
    seconds: float,
) -> None:
    """Five sealed fields an entry against none: commitments, one packed row an entry, a new key a command."""
    kek = load_or_create_kek(folder / "kek", keys_exist=False, environ={})

    spent: list[float] = []

    def with_fields(count: int) -> int:
        drafts = command(count, str(uuid4()))
        begun = thread_time()
        session = SealingSession(kek, lambda _: ())
        rows: list[VaultRow] = []
        for ordinal, each in enumerate(drafts):
            for name in ("name", "address", "reasons", "telephone", "reference"):
                session.seal(each.stream, name, b"\x10Jane Doe")
            rows += session.rows(ordinal)
        spent.append((thread_time() - begun) / count * 1e6)
        return len(writer.submit(ledger.id, drafts, keys=session.new_keys, rows=rows).result())

    def without(count: int) -> int:
        return len(writer.submit(ledger.id, command(count, str(uuid4()))).result())

    for threads, count in SHAPES:

        def run(work: Callable[[int], int], threads: int = threads, count: int = count) -> float:
            return clients(threads, seconds, lambda _: work(count))

        ours, bare = turns(rounds, [partial(run, with_fields), partial(run, without)])
        name = f"append {threads} × {count}, 5 sealed fields, against none"
        report.add(name, "×", ratios(ours, bare), floor=0.65)
        report.add(f"sealing an entry, a thread's own time, {threads} × {count}", "µs", [median(spent)])
        spent.clear()
    with database.connect_admin() as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) / (SELECT count(*) FROM vault.sealed) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'vault' AND c.relkind = 'r'"
        ).fetchone()
    assert row is not None
    report.add("bytes on disk of the vault, an entry of 5 fields", "bytes", [float(row[0])])


def process(database: Database, ledger_id: int, seconds: float) -> subprocess.Popen[str]:
    """A process of its own that writes to a ledger with eight clients, and prints its rate."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.append", "--process", str(ledger_id), "--seconds", str(seconds)],
        env={**os.environ, "BENCH_ADMIN": database.admin},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def be_process(ledger_id: int, seconds: float) -> None:
    """What such a process does: ready, wait for the word, write, say how many a second."""
    with Writer(Database(os.environ["BENCH_ADMIN"])) as writer:
        writer.submit(ledger_id, command(1)).result()
        print("ready", flush=True)
        sys.stdin.readline()
        print(clients(8, seconds, lambda _: len(writer.submit(ledger_id, command(1)).result())), flush=True)


def processes(report: Report, database: Database, ledgers: list[Ledger], rounds: int, seconds: float) -> None:
    """Two processes on one ledger and on two, against one process."""

    def together(ids: list[int]) -> float:
        running = [process(database, ledger_id, seconds) for ledger_id in ids]
        for each in running:
            assert each.stdout is not None
            each.stdout.readline()
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        return sum(float(each.communicate()[0]) for each in running)

    first, second = ledgers[0].id, ledgers[1].id
    alone, same, apart = turns(
        rounds,
        [lambda: together([first]), lambda: together([first, first]), lambda: together([first, second])],
    )
    report.add("one process, 8 × 1", "entries/s", alone)
    report.add("two processes on one ledger, against one process", "×", ratios(same, alone), floor=0.6)
    report.add("two processes on two ledgers, against one process", "×", ratios(apart, alone), floor=1.3)


def read_and_hash(conninfo: str, ledger_id: int, start: int, end: int) -> int:
    """Reading and hashing alone: the bytes by COPY, SHA-256 of each, nothing compared."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        copy = connection.cursor().copy(
            f"COPY (SELECT entry FROM ledger.entries WHERE ledger = {ledger_id} AND index >= {start} "
            f"AND index < {end} ORDER BY index) TO STDOUT (FORMAT binary)".encode()
        )
        count = 0
        with copy as rows:
            for row in rows:
                hashlib.sha256(b"\0" + bytes(row)).digest()
                count += 1
    return count


def verification(report: Report, database: Database, ledger: Ledger, rounds: int) -> None:
    """Verification of the whole ledger against reading and hashing it alone, both in two processes."""
    size = verify(database, ledger).size
    conninfo = database.conninfo(Role.READER)

    def alone() -> float:
        begun = perf_counter()
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            starts = range(0, size, RANGE)
            futures = [
                pool.submit(read_and_hash, conninfo, ledger.id, start, min(start + RANGE, size))
                for start in starts
            ]
            assert sum(future.result() for future in futures) >= size
        return size / (perf_counter() - begun)

    def whole() -> float:
        begun = perf_counter()
        verify(database, ledger)
        return size / (perf_counter() - begun)

    verified, read = turns(rounds, [whole, alone])
    report.add(f"verify {size:,} entries", "entries/s", verified, floor=100_000)
    report.add("verify, against reading and hashing alone", "×", ratios(verified, read), floor=0.4)


def fill(writer: Writer, ledger: Ledger, count: int) -> float:
    """Fills a ledger with submissions of a thousand; returns entries a second."""
    begun = perf_counter()
    waiting = [writer.submit(ledger.id, command(1000)) for _ in range(2)]
    for _ in range(count // 1000 - 2):
        waiting.append(writer.submit(ledger.id, command(1000)))
        waiting.pop(0).result()
    for future in waiting:
        future.result()
    return count / (perf_counter() - begun)


def bytes_on_disk(report: Report, database: Database, ledger: Ledger) -> None:
    """Of the entries table, and of each index."""
    with database.connect_admin() as connection:
        connection.execute("VACUUM ANALYZE ledger.entries")
        row = connection.execute("SELECT count(*), avg(octet_length(entry)) FROM ledger.entries").fetchone()
        sizes = connection.execute(
            "SELECT 'table' AS part, pg_table_size('ledger.entries') UNION ALL "
            "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index "
            "WHERE indrelid = 'ledger.entries'::regclass"
        ).fetchall()
    assert row is not None
    report.add("bytes of an entry itself", "bytes", [float(row[1])])
    for part, size in sizes:
        report.add(f"bytes on disk an entry: {part}", "bytes", [size / row[0]])
    report.add("bytes on disk an entry, in all", "bytes", [sum(size for _, size in sizes) / row[0]])


def main() -> None:
    """Runs what is asked for on an embedded server of its own, fsync on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--entries", type=int, default=400_000, help="size of the ledger that is verified")
    parser.add_argument("--only", default="", help="append, sealed, processes or verify")
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process is not None:
        be_process(options.process, options.seconds)
        return
    report = Report("append")
    with embedded() as (database, folder):
        ledgers = [Ledgers(database).create(f"bench-{n}", f"example.org/bench/{n}", "o") for n in range(4)]
        with Writer(database) as writer:
            if options.only in ("", "append"):
                append(report, database, writer, ledgers[0], options.rounds, options.seconds)
            if options.only in ("", "sealed"):
                sealed(report, database, writer, ledgers[1], folder, options.rounds, options.seconds)
        if options.only in ("", "processes"):
            processes(report, database, ledgers[2:], options.rounds, options.seconds)
        if options.only in ("", "verify"):
            big = Ledgers(database).create("big", "example.org/bench/big", "o")
            with Writer(database) as writer:
                report.add("append 2 × 1000", "entries/s", [fill(writer, big, options.entries)])
            verification(report, database, big, options.rounds)
            bytes_on_disk(report, database, big)
    print(f"kept in {report.keep()}")


if __name__ == "__main__":
    main()
