"""The read side's routes and commands, joined to a door that a test holds."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from typer.testing import CliRunner

from ledger.domain.request.events import DisclosureMade, LegalBasis
from ledger.errors import AuditLedgerError, InvalidInput
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from projections import api, asked, cli, query
from projections.aside import Aside
from projections.base import register
from projections.doors import Door
from projections.runner import Runner
from tests.projections.book import Book, make
from tests.projections.test_live import formal
from tests.waiting import until

with warnings.catch_warnings():
    # Starlette would rather have another distribution of the same client; the lock has this one.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

DAY = date(2025, 6, 11)
TODAY = date(2025, 6, 30)


@pytest.fixture
def case(book: Book, conninfo: str) -> str:
    """A request, late; the position before its disclosure is 2."""
    stream = book.case(formal(DAY))
    bases = (LegalBasis.NO_PERSONAL_INFORMATION,)
    book.put(stream, make(DisclosureMade, date(2025, 6, 27), parts=("whole",), bases=bases))
    with Runner(conninfo) as runner:
        runner.catch_up()
    return stream


@pytest.fixture
def http(conninfo: str, ledger: Ledger) -> Iterator[TestClient]:
    app = FastAPI()
    doors = {"reader": (ledger.slug,), "stranger": ()}

    def door(request: Any) -> Door:
        return Door(conninfo, doors[request.headers["who"]], TODAY)

    aside = Aside(2)
    app.include_router(api.router(door, aside))

    @app.exception_handler(AuditLedgerError)
    def refused(_: Any, error: AuditLedgerError) -> JSONResponse:
        return JSONResponse({"title": error.title, "detail": str(error)}, error.status)

    with TestClient(app, headers={"who": "reader"}) as client:
        yield client
    aside.close()


def folded(http: TestClient, path: str, **asked: str) -> Any:
    """What is answered as at a moment, once that is folded: the place that the first answer names."""
    first = http.get(path, params=asked)
    assert (first.status_code, first.headers["retry-after"]) == (202, "1")

    def answered() -> Any:
        found = http.get(first.headers["location"])
        if found.status_code != 202:
            return found
        assert found.headers["location"] == first.headers["location"]
        return None

    found = until(answered)
    assert found.status_code == 200, found.text
    return found.json()


def test_a_register_states_its_positions_and_pages(http: TestClient, case: str, ledger: Ledger) -> None:
    found = http.get("/registers/requests", params={"outcome": "provided"}).json()
    assert found["positions"] == {ledger.slug: 3}
    assert found["judged_on"] == "2025-06-30"
    (row,) = found["rows"]
    assert (row["stream"], row["late"], row["information_sought"]) == (case, True, "withheld")
    assert found["next"] is None
    assert http.get("/registers/requests", params={"outcome": "refused"}).json()["rows"] == []
    assert http.get("/registers/requests", params={"nothing": "x"}).status_code == 422
    assert http.get("/registers/nothing").status_code == 404
    assert "requests" in {one["name"] for one in http.get("/registers").json()["registers"]}


def test_csv_by_accept(http: TestClient, case: str) -> None:
    found = http.get("/registers/requests", headers={"accept": "text/csv"})
    assert found.headers["content-type"] == "text/csv; charset=utf-8"
    heading, row = csv.reader(found.text.splitlines())
    assert dict(zip(heading, row, strict=True))["stream"] == case
    wrong = http.get("/registers/requests", params={"nothing": "x"}, headers={"accept": "text/csv"})
    assert wrong.status_code == 422
    none = http.get("/registers/requests", params={"outcome": "refused"}, headers={"accept": "text/csv"})
    assert list(csv.reader(none.text.splitlines())) == [heading]


def test_csv_is_sent_as_it_is_read(
    case: str, conninfo: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever there is: the first rows are on their way before the last is read."""
    read: list[int] = []

    def every(*given: Any) -> Iterator[dict[str, Any]]:
        (row,) = query.page(*given).rows
        for number in range(3_000):
            read.append(number)
            yield {**row, "index": number}

    async def body(answer: Any) -> str:
        return "".join([piece async for piece in answer.body_iterator])

    monkeypatch.setattr(api, "every", every)
    opened = Door(conninfo, (ledger.slug,), TODAY)
    wished = {"sort": "index", "descending": False, "cursor": None, "all_status": False}
    answer = api._table(asked.view(opened, register("requests")), {}, wished, opened)
    assert len(read) <= 1_000
    heading, *lines = csv.reader(asyncio.run(body(answer)).splitlines())
    assert [int(line[heading.index("index")]) for line in lines] == list(range(3_000))


def test_as_at_answers_202_first_and_then_what_was(http: TestClient, case: str, ledger: Ledger) -> None:
    found = folded(http, "/registers/requests", as_at=f"{ledger.slug}=2")
    assert found["positions"] == {ledger.slug: 2}
    assert found["rows"][0]["outcome"] is None


def test_a_case_as_at_a_position(http: TestClient, case: str, ledger: Ledger) -> None:
    path = f"/registers/requests/cases/{ledger.slug}/{case}"
    found = folded(http, path, as_at=f"{ledger.slug}=2", on="2025-06-20")
    assert (found["positions"], found["judged_on"]) == ({ledger.slug: 2}, "2025-06-20")
    assert [row["outcome"] for row in found["rows"]] == [None]
    assert [row["outcome"] for row in http.get(path).json()["rows"]] == ["provided"]
    clocks = folded(http, f"/registers/clocks/cases/{ledger.slug}/{case}", as_at="2", on="2025-06-20")
    assert clocks["rows"][0]["state"] in ("open", "overdue")
    assert http.get(path, params={"as_at": f"{ledger.slug}=99"}).status_code == 422


def test_a_case_and_its_clocks_explained(http: TestClient, case: str, ledger: Ledger) -> None:
    found = http.get(f"/registers/clocks/cases/{ledger.slug}/{case}").json()
    assert found["rows"][0]["state"] == "met late"
    assert "after 16 days" in found["explained"]["vps.response"]
    assert f"{ledger.slug}=1" in found["explained"]["vps.response"]
    assert http.get(f"/registers/clocks/cases/{ledger.slug}/none").status_code == 404


def test_clocks_that_start_later_are_listed_at_no_door(
    http: TestClient, case: str, conninfo: str, ledger: Ledger
) -> None:
    def asked_on(on: str) -> tuple[int, int, list[str], int]:
        """Rows listed, rows of the command line, what the case's clocks explain, its status."""
        listed = http.get("/registers/clocks", params={"on": on}).json()["rows"]
        told = run(conninfo, ledger.slug, "clocks", "--on", on, "--json")["rows"]
        one = http.get(f"/registers/clocks/cases/{ledger.slug}/{case}", params={"on": on})
        assert all(row["state"] for row in [*listed, *told])
        return len(listed), len(told), sorted(one.json().get("explained", ())), one.status_code

    assert asked_on("2025-06-10") == (0, 0, [], 404)
    assert asked_on("2025-06-11") == (1, 1, ["vps.response"], 200)


def test_a_difference_over_http(http: TestClient, case: str, ledger: Ledger) -> None:
    found = folded(http, "/registers/requests/diff", as_at=f"{ledger.slug}=2")
    (change,) = found["changes"]
    assert (change["kind"], change["case"]) == ("changed", case)
    assert change["fields"]["outcome"] == [None, "provided"]


def test_a_demonstration_says_so_in_every_answer(
    http: TestClient, case: str, ledger: Ledger, database: Database, conninfo: str
) -> None:
    position = f"{ledger.slug}=2"
    paths = ("/registers/requests", f"/registers/requests/cases/{ledger.slug}/{case}")
    assert not any("notice" in http.get(path).json() for path in paths)
    with database.connect_admin() as connection:
        # Said when a ledger is created, and by no one changed later: but by who may switch triggers off.
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.ledgers SET demonstration = true")
    said = "demonstration, invented events"
    assert folded(http, paths[0], as_at=position)["notice"] == said
    for path in paths:
        assert http.get(path).json()["notice"] == said
        assert http.get(path, params={"as_at": position}).json()["notice"] == said
    assert folded(http, "/registers/requests/diff", as_at=position)["notice"] == said
    told = http.get("/registers/requests", headers={"accept": "text/csv"}).text.splitlines()
    assert [line[-1] for line in csv.reader(told)] == ["events", said]
    for line in (("diff", "requests", "--from", position), ("replay", "requests")):
        assert f"rows ({said})\n" in run(conninfo, ledger.slug, *line)
        assert run(conninfo, ledger.slug, *line, "--json")["notice"] == said


def test_what_is_asked_for_is_resolved_once(
    http: TestClient, case: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two times the ledger may grow: what was waited for is not what would then be read."""
    counted: list[Any] = []
    resolve = asked.resolve
    path, position = "/registers/requests", f"{ledger.slug}=2"
    folded(http, path, as_at=position)
    folded(http, path, as_at=f"{ledger.slug}=3")
    monkeypatch.setattr(
        asked, "resolve", lambda *given, **named: counted.append(given) or resolve(*given, **named)
    )
    for end, number in (("", 1), (f"/cases/{ledger.slug}/{case}", 1), ("/diff", 2)):
        counted.clear()
        assert http.get(path + end, params={"as_at": position}).status_code == 200
        assert len(counted) == number


def test_a_difference_is_of_the_same_ledgers(http: TestClient, case: str, ledger: Ledger) -> None:
    """Rows of a ledger that one moment leaves out would all be 'added'."""
    path = "/registers/requests/diff"
    found = http.get(path, params={"as_at": f"{ledger.slug}=2,{ledger.slug}=3"})
    assert (found.status_code, "each ledger once" in found.json()["detail"]) == (422, True)
    assert folded(http, path, as_at=f"{ledger.slug}=3")["changes"] == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"due_within": "99999999"}, "due_within"),
        ({"due_within": "-1"}, "due_within"),
        ({"on": "9999-12-31", "due_within": "14"}, ""),
        ({"on": "2025-02-30"}, "on"),
        ({"happened_by": ""}, "happened_by"),
    ],
)
def test_days_beyond_all_are_refused_by_name(
    http: TestClient, case: str, asked: dict[str, str], field: str
) -> None:
    found = http.get("/registers/clocks", params=asked)
    assert found.status_code == (422 if field else 200), found.text
    assert found.text.find(f'"{field}: expected') > 0 or not field


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        ("/registers/requests", {"as_at": "2999-01-01"}, "as_at"),
        ("/registers/requests", {"as_at": "2999-01-01T00:00:00Z"}, "as_at"),
        ("/registers/requests", {"as_at": "9999-12-31"}, "as_at"),
        ("/registers/requests", {"as_at": "9999-12-31T23:59:59-10:00"}, "as_at"),
        ("/registers/requests", {"as_at": "0001-01-01T00:00:00+14:00"}, "as_at"),
        ("/registers/requests/cases/dffh/any", {"as_at": "2999-01-01"}, "as_at"),
        ("/registers/requests/diff", {"as_at": "2999-01-01"}, "as_at"),
        ("/registers/requests/diff", {"as_at": "dffh=1", "to": "2999-01-01"}, "to"),
    ],
)
def test_a_moment_to_come_is_refused_by_name(
    http: TestClient, case: str, path: str, asked: dict[str, str], field: str
) -> None:
    found = http.get(path, params=asked)
    assert found.status_code == 422, found.text
    assert found.json()["detail"].startswith(f"{field}: expected ")


def test_a_ledger_that_one_may_not_read_is_not_read(http: TestClient, case: str, ledger: Ledger) -> None:
    stranger = {"who": "stranger"}
    assert http.get("/registers/requests", headers=stranger).json()["rows"] == []
    for given in ({"ledger": ledger.slug}, {"as_at": f"{ledger.slug}=2"}):
        assert http.get("/registers/requests", params=given, headers=stranger).status_code == 403
    found = http.get("/registers/requests/diff", params={"as_at": f"{ledger.slug}=2"}, headers=stranger)
    assert found.status_code == 403


def run(conninfo: str, slug: str, *arguments: str) -> Any:
    """A command's JSON, or its text."""
    text = printed(conninfo, slug, *arguments)
    return json.loads(text) if "--json" in arguments else text


def printed(conninfo: str, slug: str, *arguments: str) -> str:
    """What a command prints."""
    app = typer.Typer()
    app.callback()(lambda: None)

    @contextmanager
    def door(*_: Any) -> Iterator[Door]:
        yield Door(conninfo, (slug,), TODAY)

    @contextmanager
    def progress(*_: Any) -> Iterator[Any]:
        yield lambda done, total: None

    def show(_: Any, title: str, columns: Sequence[str], rows: Any) -> None:
        typer.echo("\n".join([title, ",".join(columns), *(",".join(map(str, row)) for row in rows)]))

    for name, command in cli.commands(door, show, progress).items():
        app.command(name)(command)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_csv_names_the_ledger_and_says_what_was_asked_beside(case: str, conninfo: str, ledger: Ledger) -> None:
    slug = ledger.slug
    (line,) = csv.DictReader(io.StringIO(run(conninfo, slug, "replay", "requests", "--csv")))
    assert (line["ledger"], "events" in line) == (slug, False)
    told = list(csv.DictReader(io.StringIO(run(conninfo, slug, "clocks", "--explain", "--csv"))))
    assert told
    assert all(each["explanation"].startswith(each["section"]) for each in told)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("replay", "requests", "--on", "1.7.2025"), "--on: expected a date"),
        (("replay", "requests", "--happened-by", "2025-06"), "--happened-by: expected a date"),
        (("replay", "requests", "--csv", "--json"), "--csv: expected it or --json"),
        (("replay", "--steps", "--case", "c", "--where", "scheme=vps"), "--where: expected none with --steps"),
        (("replay", "--steps", "--case", "c", "--csv"), "--csv: expected none with --steps"),
        (("replay", "requests", "--since", "dffh=1"), "--since: expected none without --steps"),
        (("replay", "requests", "--as-at", "2999-01-01"), "--as-at: expected a day that has come"),
        (("clocks", "--as-at", "2999-01-01T00:00Z"), "--as-at: expected a moment that has come"),
        (("replay", "--steps", "--since", "dffh=2", "--as-at", "2999-01-01"), "--as-at: expected a day that"),
        (("replay", "--steps", "--ledger", "dffh", "--since", "2999-01-01"), "--since: expected a day that"),
        (("diff", "requests", "--from", "2999-01-01"), "--from: expected a day that has come"),
        (("diff", "requests", "--from", "dffh=1", "--to", "2999-01-01"), "--to: expected a day that has come"),
    ],
)
def test_what_is_wrong_is_said_by_the_name_of_its_option(
    case: str, conninfo: str, ledger: Ledger, line: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        run(conninfo, ledger.slug, *line)


def test_the_commands(case: str, conninfo: str, ledger: Ledger) -> None:
    slug = ledger.slug
    assert run(conninfo, slug, "replay", "requests", "--json")["rows"][0]["outcome"] == "provided"
    before = run(conninfo, slug, "replay", "requests", "--as-at", f"{slug}=2", "--json")
    assert (before["positions"], before["rows"][0]["outcome"]) == ({slug: 2}, None)
    by = run(conninfo, slug, "replay", "requests", "--happened-by", "2025-06-20", "--json")
    assert (by["left_out_of_unknown_date"], by["rows"][0]["outcome"]) == (0, None)
    assert "by what happened up to 2025-06-20" in run(
        conninfo, slug, "replay", "requests", "--happened-by", "2025-06-20"
    )
    assert case in run(conninfo, slug, "replay", "requests", "--csv")
    assert case in run(conninfo, slug, "replay", "requests", "--where", "scheme=vps")
    assert "retention" in run(conninfo, slug, "replay", "--list")
    found = run(conninfo, slug, "diff", "requests", "--from", f"{slug}=2", "--json")
    assert found["changes"][0]["fields"]["late"] == [None, True]
    assert "outcome,None,provided" in run(conninfo, slug, "diff", "requests", "--from", f"{slug}=2")
    added = run(conninfo, slug, "diff", "requests", "--from", f"{slug}=1", "--to", f"{slug}=2")
    assert "information_sought,None,withheld" in added
    assert "recorded_at" not in added
    late = run(conninfo, slug, "clocks", "--state", "met late", "--explain", "--json")["rows"]
    assert "14 days counted" in late[0]["explanation"]
    soon = ("clocks", "--on", "2025-06-20", "--as-at", f"{slug}=2", "--due-within", "5", "--json")
    assert len(run(conninfo, slug, *soon)["rows"]) == 1
    assert run(conninfo, slug, "rebuild", "--json")["requests"] == {"rows": 1, "same": True}
    assert "the same" in run(conninfo, slug, "rebuild", "requests", "--back")
