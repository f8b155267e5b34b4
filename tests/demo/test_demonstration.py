"""The demonstration: one seed, one history; adverse acts only by invented bodies; again adds nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation
from ledger.clock import SimulatedClock, SystemClock
from ledger.codec.jsonform import show
from ledger.demo import load_demonstration
from ledger.demo.bodies import bodies
from ledger.demo.run import _Runner
from ledger.domain.event import decode_event
from ledger.errors import InvalidInput
from ledger.store.database import Database
from ledger.store.migrate import create_database
from tests.support import check_ledger

ADVERSE = {
    "ledger.request.v1.RequestRefused",
    "ledger.contravention.v1.ContraventionFound",
    "ledger.complaint.v1.ComplaintReceived",
}


def open_at_beginning(database: Database, folder: Path) -> Installation:
    return Installation(database, folder, clock=SimulatedClock(datetime(2024, 6, 1, tzinfo=UTC)))


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
