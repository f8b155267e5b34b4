"""The demonstration: one seed, one history; adverse acts only by invented bodies; again adds nothing."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation
from ledger.application.shown import DEMONSTRATION, shown_entry
from ledger.clock import SimulatedClock, SystemClock
from ledger.codec.jsonform import show
from ledger.demo import load_demonstration
from ledger.demo.bodies import bodies
from ledger.demo.run import _Runner
from ledger.domain.event import decode_event
from ledger.errors import InvalidInput
from ledger.store.database import Database, Role
from ledger.store.migrate import create_database
from projections import asked
from projections.base import register
from projections.doors import Door
from projections.query import every
from projections.runner import Runner
from tests.support import check_ledger

ADVERSE = {
    "ledger.request.v1.RequestRefused",
    "ledger.contravention.v1.ContraventionFound",
    "ledger.complaint.v1.ComplaintReceived",
}


def open_at_beginning(database: Database, folder: Path) -> Installation:
    return Installation(database, folder, clock=SimulatedClock(datetime(2024, 6, 1, tzinfo=UTC)))


def in_clear(value: Any) -> Any:
    """A field without what is random by design: commitments and keys of sealed values."""
    if isinstance(value, dict):
        return "sealed" if "commitment" in value else {name: in_clear(each) for name, each in value.items()}
    return [in_clear(each) for each in value] if isinstance(value, list) else value


def history(installation: Installation) -> list[tuple[Any, ...]]:
    """Everything but what is random by design: salts, keys, the ids of the founding commands."""
    found = []
    for ledger in installation.ledgers.all():
        for batch in installation.feed.scan(ledger.id):
            for row in batch:
                entry = row.decoded
                found.append(
                    (
                        entry.ledger,
                        entry.index,
                        entry.stream,
                        entry.version,
                        entry.event,
                        entry.recorded_at,
                        entry.happened_on,
                        entry.actor,
                        json.dumps(in_clear(shown_entry(row, {}).get("fields"))),
                    )
                )
    return found


@pytest.fixture(scope="module")
def demonstration(server: Any, template: Database, tmp_path_factory: Any) -> Iterator[Installation]:
    with server.database.connect_admin() as connection:
        create_database(connection, "demonstration", template.name)
    folder = tmp_path_factory.mktemp("demonstration")
    with open_at_beginning(server.database.named("demonstration"), folder) as installation:
        load_demonstration(installation)
        yield installation


def test_its_size_period_and_ledgers(demonstration: Installation) -> None:
    rows = history(demonstration)
    assert len(rows) > 3000
    assert len(bodies()) >= 20
    assert {ledger.demonstration for ledger in demonstration.ledgers.all()} == {True}
    moments = [row[5] for row in rows]
    assert min(moments) >= datetime(2024, 6, 30, tzinfo=UTC)
    assert max(moments) < datetime(2025, 12, 31, 14, tzinfo=UTC)


def test_it_shows_every_kind_of_case(demonstration: Installation) -> None:
    events = Counter(row[4].split(".")[-1] for row in history(demonstration))
    kinds = (
        "RequestRefused RequestDivided RefusalCopySent RequestEscalated RequestWithdrawn RequestReferred "
        "RequestClosed ExtensionGranted NoticeComplied HoldPlaced RecordsDestroyed EnteredInError "
        "ContraventionFound OrganisationSucceeded PeriodAttested ComplaintUnresolved"
    )
    for kind in kinds.split():
        assert events[kind] > 0, kind
    corrections = [
        row for ledger in demonstration.ledgers.all() for batch in demonstration.feed.scan(ledger.id)
        for row in batch if row.decoded.corrects is not None
    ]  # fmt: skip
    assert corrections


@pytest.fixture(scope="module")
def registers(demonstration: Installation) -> Iterator[Any]:
    """A connection to the registers of the demonstration, brought up."""
    with Runner(demonstration.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()
    with demonstration.database.connect_admin() as connection:
        yield connection


def names(registers: Any, statement: str, *values: Any) -> set[str]:
    return {row[0] for row in registers.execute(statement, values)}


def test_its_registers_show_what_a_reader_should_see(registers: Any) -> None:
    """Late, refused, divided, extended, overdue, corrected, held, destroyed; one body succeeded by another."""
    for case in (
        "registers.requests WHERE late",
        "registers.requests WHERE outcome = 'refused'",
        "registers.requests WHERE outcome = 'provided in part' AND parts > 1",
        "registers.requests WHERE status = 'entered in error'",
        "registers.refusals WHERE copy_owed AND copy_sent_on IS NULL",
        "registers.notices WHERE extended_to IS NOT NULL",
        "registers.notices WHERE complied_on IS NOT NULL",
        "registers.clocks WHERE states[width_bucket(date '2025-12-31', state_from)] = 'overdue'",
        "registers.clocks WHERE states[width_bucket(date '2025-12-31', state_from)] = 'met late'",
        "registers.retention WHERE held",
        "registers.retention WHERE done = 'destroy' AND late",
        "registers.retention WHERE done = 'de_identify'",
        "registers.complaints WHERE taken_to IS NOT NULL",
        "registers.contraventions",
        "registers.gaps",
        "registers.attestations WHERE nil_return",
        "registers.organisations WHERE abolished_on = '2025-07-01' AND cardinality(successors) = 1",
    ):
        assert registers.execute(f"SELECT count(*) FROM {case}").fetchone()[0] > 0, case
    organisations = registers.execute("SELECT count(*) FROM registers.organisations").fetchone()[0]
    assert 18 <= organisations <= 24


def test_every_answer_of_its_registers_says_what_it_is(registers: Any, demonstration: Installation) -> None:
    door = Door(demonstration.database.conninfo(Role.PROJECTOR), ["lakeside"], date(2025, 12, 31))
    wanted = register("refusals")
    with asked.view(door, wanted, ledger="lakeside") as view:
        assert asked.notice(view) == {"notice": DEMONSTRATION}
        rows = asked.by_slug(view, every(view.connection, wanted, view.query({}), view.table))
        heading, *lines = csv.reader("".join(asked.as_csv(view, rows)).splitlines())
    assert heading[-1] == "events"
    assert lines
    assert {(line[0], line[-1]) for line in lines} == {("lakeside", DEMONSTRATION)}


def test_on_no_day_is_a_real_body_shown_as_late_or_in_breach(registers: Any) -> None:
    """Whatever the day that clocks are judged on, and as at any moment: each duty done and known in time."""
    invented = {body.key for body in bodies() if body.invented}
    late = names(
        registers,
        "SELECT DISTINCT slug FROM registers.clocks AS c JOIN ledger.ledgers AS l ON l.id = c.ledger"
        " WHERE status = 'current' AND clock NOT LIKE 'pdpa.notice%%' AND (states && %s OR"
        " (SELECT (recorded_at AT TIME ZONE 'Australia/Melbourne')::date FROM ledger.entries AS e"
        "   WHERE e.ledger = c.ledger AND e.index = c.ended_index) > due_on)",
        ["overdue", "met late", "lapsed"],
    )
    assert late
    assert late <= invented
    for adverse in ("gaps", "contraventions", "refusals", "complaints"):
        slugs = names(
            registers,
            f"SELECT slug FROM registers.{adverse} AS r JOIN ledger.ledgers AS l ON l.id = r.ledger",
        )
        # In 'common', what is not known of a body is when it was established.
        assert slugs - {"common"} <= invented, adverse
    silent = {body.key for body in bodies() if body.ledger} - names(
        registers, "SELECT slug FROM registers.attestations AS a JOIN ledger.ledgers AS l ON l.id = a.ledger"
    )
    assert silent - {"ovic"} <= invented


def test_adverse_acts_are_given_to_invented_bodies_alone(demonstration: Installation) -> None:
    invented = {body.key for body in bodies() if body.invented}
    organisations = {ledger.organisation: ledger.slug for ledger in demonstration.ledgers.all()}
    for ledger in demonstration.ledgers.all():
        for batch in demonstration.feed.scan(ledger.id):
            for row in batch:
                if row.event in ADVERSE:
                    assert ledger.slug in invented, row.event
                if row.event == "ledger.notice.v1.ComplianceNoticeIssued":
                    event: Any = decode_event(row.decoded)
                    assert organisations[event.organisation] in invented


def test_another_seed_loads_too_and_leaves_alone_what_a_visitor_adds(
    database: Database, tmp_path: Path
) -> None:
    with open_at_beginning(database, tmp_path) as installation:
        assert load_demonstration(installation, seed=7).added > 3000
    with Installation(database, tmp_path, clock=SystemClock()) as visited:
        visited.create_ledger(
            "visitor", origin="visitor.example/own", legal_name="A visitor", demonstration=True
        )
        heads = visited.feed.heads()
    with open_at_beginning(database, tmp_path) as installation:
        assert load_demonstration(installation, seed=7).added == 0
        assert installation.feed.heads() == heads


def test_another_seed_is_refused_where_one_is_loaded(demonstration: Installation) -> None:
    heads = demonstration.feed.heads()
    clock = SimulatedClock(datetime(2024, 6, 1, tzinfo=UTC))
    with (
        Installation(demonstration.database, demonstration.data_dir, clock=clock) as again,
        pytest.raises(InvalidInput, match="--seed: expected the one"),
    ):
        load_demonstration(again, seed=5)
    assert demonstration.feed.heads() == heads


def test_loading_it_again_adds_nothing(demonstration: Installation) -> None:
    heads = demonstration.feed.heads()
    clock = SimulatedClock(datetime(2024, 6, 1, tzinfo=UTC))
    with Installation(demonstration.database, demonstration.data_dir, clock=clock) as again:
        assert load_demonstration(again).added == 0
    assert demonstration.feed.heads() == heads
    for ledger in demonstration.ledgers.all():
        check_ledger(demonstration.database, ledger)


def test_the_same_seed_gives_the_same_history_also_after_a_crash(
    demonstration: Installation, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second installation's load is cut off half-way; running it again finishes the same history."""
    run, seen = _Runner.run, Counter[str]()

    def cut(self: Any, step: Any) -> None:
        seen["steps"] += 1
        if seen["steps"] == 1500:
            raise KeyboardInterrupt
        run(self, step)

    monkeypatch.setattr(_Runner, "run", cut)
    with open_at_beginning(database, tmp_path) as installation, pytest.raises(KeyboardInterrupt):
        load_demonstration(installation)
    monkeypatch.undo()
    with open_at_beginning(database, tmp_path) as installation:
        assert load_demonstration(installation).added > 0
        assert [show_row(r) for r in history(installation)] == [show_row(r) for r in history(demonstration)]


def show_row(row: tuple[Any, ...]) -> list[Any]:
    return [show(value) for value in row]


def test_only_a_simulated_clock_loads_it(database: Database, tmp_path: Path) -> None:
    with Installation(database, tmp_path, clock=SystemClock()) as real:
        with pytest.raises(InvalidInput, match="clock"):
            load_demonstration(real)
        real.create_ledger("real", origin="example.vic.gov.au/real", legal_name="A real one")
    with open_at_beginning(database, tmp_path) as installation, pytest.raises(InvalidInput, match="ledger"):
        load_demonstration(installation)
