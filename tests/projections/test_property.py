"""Any register at any position = the fold of the entries up to it: whatever batches, crashes, restarts."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql

from ledger.domain.event import class_of
from ledger.law.calendar import Calendar
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledgers
from projections import tables
from projections.base import StreamInfo, registers
from projections.calendar import calendar_of
from projections.connection import connect
from projections.facts import Fact, read_fact
from projections.fold import fold
from projections.rebuild import rebuild
from projections.replay import replay, resolve
from projections.runner import Runner
from tests.projections.acts import History, steps
from tests.projections.book import Book

_numbers = itertools.count(1)
STEPS = ("collected", "moved", "written", "committed")


class Crash(Exception):
    """The projector fails here."""


def expected(connection: Connection[Any], ledger: int, below: int) -> dict[str, set[str]]:
    """Every register's lines, by the plainest reading there is: all entries, each stream folded once."""
    head = connection.execute(
        "SELECT origin, organisation FROM ledger.ledgers WHERE id = %s", (ledger,)
    ).fetchone()
    assert head is not None
    streams: dict[str, list[Fact]] = {}
    openings: dict[str, str] = {}
    query = (
        "SELECT index, stream, event, entry FROM ledger.entries WHERE ledger = %s AND index < %s ORDER BY index"
    )
    for index, stream, event, entry in connection.execute(query, (ledger, below)).fetchall():
        streams.setdefault(stream, []).append(read_fact(index, entry))
        openings.setdefault(stream, event)
    calendar: Calendar = calendar_of(streams.get("calendar", []))
    found: dict[str, set[str]] = {name: set() for name in registers()}
    for stream, facts in streams.items():
        about = StreamInfo(ledger, head[0], head[1], stream, class_of(openings[stream]), calendar)
        for name, lines in fold(facts, about, list(registers().values())).lines.items():
            found[name] |= set(lines)
    return found


def held(connection: Connection[Any], table: sql.Composable, ledger: int) -> set[str]:
    """A table's rows, as COPY writes them back, moments and dates as we write them."""
    columns = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(table)).description or ()
    shown = sql.SQL(", ").join(
        sql.SQL("to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+00:00'")
        if column.name == "recorded_at"
        else sql.Identifier(column.name)
        for column in columns
    )
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE ledger = {}) TO STDOUT").format(
        shown, table, sql.Literal(ledger)
    )
    with connection.cursor().copy(query) as copy:
        return set(b"".join(bytes(block) for block in copy).decode().splitlines(keepends=True))


def unquoted(lines: set[str]) -> set[str]:
    """PostgreSQL quotes elements of a list only where it must; we always do."""
    return {line.replace('"', "") for line in lines}


def check(conninfo: str, ledger: int, below: int) -> None:
    with connect(conninfo) as connection:
        wanted = expected(connection, ledger, below)
        for name, register in registers().items():
            assert unquoted(held(connection, tables.table(register), ledger)) == unquoted(wanted[name]), name


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    history=steps,
    batches=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    crashes=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 4)), max_size=4),
    cache=st.sampled_from([0, 3, 1000]),
    at=st.floats(0, 1),
)
def test_a_register_at_any_position_is_the_fold_of_the_entries_up_to_it(
    database: Database,
    history: list[tuple[str, int, int, str]],
    batches: list[int],
    crashes: list[tuple[str, int]],
    cache: int,
    at: float,
) -> None:
    number = next(_numbers)
    conninfo = database.conninfo(Role.PROJECTOR)
    ledger = Ledgers(database).create(f"p{number}", f"example.vic.gov.au/p{number}", "dffh")
    planned = list(crashes)

    def step(name: str) -> None:
        if planned and planned[0][0] == name:
            _, left = planned.pop(0)
            if left % 2:
                raise Crash(name)

    with Book(database, ledger) as book, ExitStack() as at_end:
        book.seed()
        play = History(book)
        sizes = itertools.cycle(batches)
        runner = Runner(conninfo, batch=next(sizes), cache_facts=cache, step=step)
        runner.open()
        at_end.callback(lambda: runner.close())
        for place, act in enumerate(history):
            play.play(act)
            if place % 3 == 0:
                try:
                    runner.step()
                except Crash:
                    if place % 2:
                        # It goes on by itself.
                        continue
                    # Gone without a word; another one takes the lease and goes on.
                    runner.close()
                    runner = Runner(conninfo, batch=next(sizes), cache_facts=cache, step=step)
                    runner.open()
        planned.clear()
        runner.catch_up()
        check(conninfo, ledger.id, book.size)
        assert all(compared.equal for compared in rebuild(conninfo))
        check(conninfo, ledger.id, book.size)
        below = round(at * book.size)
        moment = resolve(conninfo, f"{ledger.slug}={below}", on=date(2025, 8, 1))
        with connect(conninfo) as connection:
            wanted = expected(connection, ledger.id, below)
            for name in ("requests", "clocks", "gaps"):
                replayed = replay(conninfo, registers()[name], moment)
                assert unquoted(held(connection, replayed.table, ledger.id)) == unquoted(wanted[name])
