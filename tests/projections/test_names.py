"""The names of organisations in a register are those at the position asked for, never today's (3-registers)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fastapi import FastAPI

from ledger.domain.organisation.events import OrganisationKind, OrganisationRegistered, OrganisationRenamed
from ledger.domain.request.events import RequestReceived, RequestScheme
from ledger.store.database import Database
from ledger.store.ledgers import Ledger, Ledgers
from projections import api, asked
from projections.aside import Aside
from projections.base import register
from projections.doors import Door
from projections.runner import Runner
from tests.projections.book import Book, make
from tests.projections.test_doors import run
from tests.waiting import until

with warnings.catch_warnings():
    # Starlette would rather have another distribution of the same client; the lock has this one.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NEW, OLD = "Department of New Works", "Department of Works"
RENAMED_ON = date(2025, 6, 16)


@pytest.fixture
def common(database: Database) -> Iterator[Book]:
    ledger = Ledgers(database).create("common", "example.vic.gov.au/common", "dpc")
    with Book(database, ledger) as opened:
        yield opened


@pytest.fixture
def works(common: Book, book: Book) -> str:
    """Registered on the 10th, renamed on the 16th, which was recorded on the 20th; it asked on the 18th."""
    common.now = datetime(2025, 6, 10, 1, tzinfo=UTC)
    department = OrganisationKind.DEPARTMENT
    stream = common.case(make(OrganisationRegistered, None, legal_name=OLD, kind=department))
    book.now = datetime(2025, 6, 18, 1, tzinfo=UTC)
    book.case(make(RequestReceived, date(2025, 6, 18), scheme=RequestScheme.NSW, requester=stream))
    common.now = datetime(2025, 6, 20, 1, tzinfo=UTC)
    common.put(stream, make(OrganisationRenamed, RENAMED_ON, legal_name=NEW))
    book.now = datetime(2025, 6, 25, 1, tzinfo=UTC)
    book.case(make(RequestReceived, date(2025, 6, 25), scheme=RequestScheme.NSW, requester=stream))
    return stream


@contextmanager
def view(conninfo: str, ledger: Ledger, *, chosen: str | None = None, **given: Any) -> Iterator[asked.View]:
    door = Door(conninfo, (ledger.slug, "common"), date(2025, 6, 30))
    with asked.view(door, register("requests"), ledger=chosen, **given) as opened:
        yield opened


@pytest.mark.parametrize(
    ("as_at", "name", "position"),
    [
        ("dffh=2", OLD, "common=1"),
        ("dffh=3", NEW, "common=2"),
        ("dffh=3,common=1", OLD, "common=1"),
        ("2025-06-19", OLD, "common=1"),
        ("2025-06-20", NEW, "common=2"),
        ("2025-06-09", None, "common=0"),
        ("dffh=0", None, "common=0"),
    ],
)
@pytest.mark.parametrize("chosen", [None, "dffh"])
def test_names_as_recorded_by_a_position_or_a_moment(
    works: str, ledger: Ledger, conninfo: str, as_at: str, name: str | None, position: str, chosen: str | None
) -> None:
    with view(conninfo, ledger, as_at=as_at, chosen=chosen) as found:
        assert asked.organisation_names(found) == ({works: name} if name else {}, position)
        stated = {"common"} & found.positions.keys()
        assert bool(stated) == (chosen is None and ("common" in as_at or as_at.startswith("2025")))


@pytest.mark.parametrize(("day", "name"), [(date(2025, 6, 15), OLD), (RENAMED_ON, NEW)])
def test_names_as_happened_by_a_date(works: str, ledger: Ledger, conninfo: str, day: date, name: str) -> None:
    """Facts dated up to then, known now: the department had its new name on the 16th, recorded or not."""
    with view(conninfo, ledger, happened_by=day) as found:
        assert asked.organisation_names(found) == ({works: name}, "common=2")
    with view(conninfo, ledger, happened_by=day, as_at="dffh=2") as found:
        assert asked.organisation_names(found) == ({works: OLD}, "common=1")


def test_a_fold_asked_for_by_its_location_has_the_names_of_the_moment(
    works: str, ledger: Ledger, conninfo: str
) -> None:
    """What a moment resolved to is stated, ``common`` too: the agency's own positions came two days before."""
    app = FastAPI()
    aside = Aside(1)
    app.include_router(api.router(lambda _: Door(conninfo, (ledger.slug, "common"), date(2025, 6, 30)), aside))
    with closing(aside), TestClient(app) as client:
        asked_for = {"as_at": "2025-06-20", "ledger": ledger.slug}
        answer = client.get("/registers/requests", params=asked_for)
        assert answer.status_code == 202

        def answered() -> Any:
            found = client.get(answer.headers["Location"])
            return None if found.status_code == 202 else found

        found = until(answered)
        assert (found.json()["positions"], found.json()["organisations"]) == ({"dffh": 2}, {works: NEW})
        assert found.json()["organisations_as_at"] == "common=2"


def test_names_of_the_live_registers_are_those_of_now(works: str, ledger: Ledger, conninfo: str) -> None:
    with Runner(conninfo) as runner:
        runner.catch_up()
    with view(conninfo, ledger) as found:
        assert asked.organisation_names(found) == ({works: NEW}, "common=2")


@pytest.mark.parametrize(
    ("to", "name", "position"),
    [(("--to", "dffh=2"), OLD, "common=1"), (("--to", "dffh=3"), NEW, "common=2"), ((), NEW, "common=2")],
)
def test_differences_show_names_as_at_the_later_position_and_ids_in_json(
    works: str, ledger: Ledger, conninfo: str, to: tuple[str, ...], name: str, position: str
) -> None:
    asked_for = ("diff", "requests", "--from", "dffh=1", *to)
    text = run(conninfo, ledger.slug, *asked_for)
    assert f"requester,None,{name}" in text
    assert f"(names at {position})" in text
    assert works not in text
    found = run(conninfo, ledger.slug, *asked_for, "--json")
    assert {change["fields"]["requester"][1] for change in found["changes"]} == {works}
    assert name not in str(found)
