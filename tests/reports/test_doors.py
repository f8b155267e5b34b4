"""Reports on the command line and over HTTP, as joined by the composition root."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

import click
import pytest
import typer
from fastapi import FastAPI, Request
from typer.testing import CliRunner

from ledger.api.body import json_body
from ledger.api.writes import answer as answered_as
from ledger.application import Outcome
from ledger.codec.jsonform import show
from ledger.domain.installation.events import ReportStatus
from ledger.errors import CommandReused, Forbidden, InvalidInput, NotFound
from projections.aside import Aside
from projections.doors import Door
from projections.reports.api import prepared, rendered, router
from projections.reports.catalogue import make
from projections.reports.cli import report_command
from projections.reports.handover import COMMAND, Desk, hand_over, prepare, recipient
from projections.reports.period import financial_year
from tests.api.conftest import TestClient
from tests.reports.office import Office
from tests.waiting import until

PERIOD = ("--period", "2024-25")


def desk(office: Office, key: str | None = None) -> Desk:
    """The reporter's; what is handed over is recorded under that key."""

    def keep_file(
        slug: str, stream: str, source: BinaryIO, length: int | None, *, field_path: str
    ) -> dict[str, Any]:
        return office.installation.keep_file(slug, stream, source, length, field_path=field_path)

    def submit(
        slug: str, command: str, body: Mapping[str, Any], given: Mapping[str, Any] | None = None
    ) -> Outcome:
        return office.submit(slug, command, body, given, key)

    def recorded(slug: str, command: str, given: Mapping[str, Any]) -> Outcome | None:
        if key is None:
            return None
        return office.installation.recorded(slug, command, given, principal=office.reporter, command_id=key)

    return Desk(Door(office.conninfo, ["common", "dffh"], office.today), submit, keep_file, recorded)


class Program:
    """``report`` alone, run in this process; an error of ours is raised."""

    def __init__(self, office: Office) -> None:
        @contextmanager
        def open_desk(_: typer.Context, person: str | None, organisation: str | None) -> Iterator[Desk]:
            yield desk(office)

        self.app = typer.Typer()
        self.app.callback()(lambda: None)
        self.app.command("report")(report_command(open_desk))

    def __call__(self, *arguments: str) -> bytes:
        """What it writes to standard output."""
        answer = CliRunner().invoke(self.app, ["report", *arguments])
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            raise answer.exception
        if answer.exit_code:
            raise click.ClickException(answer.output)
        return answer.stdout_bytes


@pytest.fixture
def program(office: Office) -> Program:
    """The command line of the office's reporter."""
    return Program(office)


def test_a_report_goes_to_standard_output_or_to_files(program: Program, tmp_path: Path) -> None:
    assert b"data-sharing-annual" in program("--list")
    assert json.loads(program("--list", "--json"))[1]["report"] == "annual-compliance"
    assert program("data-sharing-annual", *PERIOD).startswith(b"<!DOCTYPE html>")
    said = json.loads(program("data-sharing-annual", *PERIOD, "--format", "json"))
    assert said["figures"]["sharing.flow.received"]["value"] == 1
    with pytest.raises(InvalidInput, match="--out"):
        program("data-sharing-annual", *PERIOD, "--format", "csv")
    out = tmp_path / "reports" / "2024-25"
    written = json.loads(
        program("data-sharing-annual", *PERIOD, "--format", "csv", "--out", str(out), "--json")
    )
    assert {str(path) for path in out.iterdir()} == set(written["files"])
    assert written["demonstration"] is False


def test_as_at_a_position_and_of_one_ledger(program: Program) -> None:
    early = json.loads(
        program("data-sharing-annual", *PERIOD, "--format", "json", "--as-at", "3", "--ledger", "dffh")
    )
    assert early["figures"]["sharing.flow.received"]["value"] == 0
    assert {at["slug"]: at["size"] for at in early["positions"]}["dffh"] == 3
    same = program("data-sharing-annual", *PERIOD, "--format", "json", "--as-at", "dffh=3", "--ledger", "dffh")
    assert json.loads(same)["figures"] == early["figures"]
    for wrong, refused in (
        (("no-such-report", *PERIOD), NotFound),
        (("data-sharing-annual", *PERIOD, "--format", "pdf"), InvalidInput),
        (("data-sharing-annual", "--period", "twenty"), InvalidInput),
        (("data-sharing-annual", *PERIOD, "--as-at", "2999-01-01"), InvalidInput),
        (("data-sharing-annual", *PERIOD, "--ledger", "ovic"), Forbidden),
        ((), InvalidInput),
    ):
        with pytest.raises(refused):
            program(*wrong)


def test_json_prints_the_report_itself_where_no_folder_is_named(program: Program) -> None:
    assert json.loads(program("data-sharing-annual", *PERIOD, "--json"))["report"] == "data-sharing-annual"
    with pytest.raises(InvalidInput, match="--out: expected a folder for the html"):
        program("data-sharing-annual", *PERIOD, "--json", "--format", "html")


def test_handed_over_and_printed_again(program: Program, office: Office, tmp_path: Path) -> None:
    to = ("--hand-over", "minister: the Minister")
    with pytest.raises(InvalidInput, match="--record-in"):
        program("data-sharing-annual", *PERIOD, *to)
    done = json.loads(
        program(
            "data-sharing-annual", *PERIOD, *to, "--record-in", "dffh", "--out", str(tmp_path / "out"), "--json"
        )
    )  # fmt: skip
    name = "data-sharing-annual-2024-07-01-2025-06-30.html"
    assert name in done["files"]
    (receipt,) = done["receipts"]
    recorded = office.installation.feed.entry(office.installation.ledgers.get("dffh").id, receipt["index"])
    assert (receipt["leaf_hash"], receipt["recorded_at"]) == (
        recorded.leaf_hash.hex(), show(recorded.recorded_at),
    )  # fmt: skip
    again = program("--reprint", f"dffh/{done['case']}")
    assert again == (tmp_path / "out" / name).read_bytes()
    revised = ("--status", "revised", "--supersedes", f"dffh/{done['case']}", "--record-in", "dffh")
    assert program("data-sharing-annual", *PERIOD, *to, *revised).startswith(b"handed over: case ")
    for alone, needs in (
        ("--status", "final"), ("--supersedes", f"dffh/{done['case']}"), ("--record-in", "dffh"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match="--hand-over: expected it beside " + alone):
            program("data-sharing-annual", *PERIOD, alone, needs)
    with pytest.raises(InvalidInput, match="--reprint: expected nothing beside it"):
        program("data-sharing-annual", *PERIOD, "--reprint", f"dffh/{done['case']}")
    with pytest.raises(NotFound):
        program("--reprint", "dffh/roles")
    with pytest.raises(InvalidInput):
        program("--reprint", done["case"])


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Where reports are made."""
    made = Aside(1)
    yield made
    made.close()


def test_a_report_of_the_past_is_begun_first_and_fetched_where_it_says(office: Office, aside: Aside) -> None:
    app = FastAPI()
    app.include_router(router(lambda _: desk(office), json_body, answered_as, aside))
    path = "/reports/data-sharing-annual"
    with TestClient(app) as client:
        asked = {"as_at": "dffh=3", "format": "json", "ledger": ["dffh"]}
        first = client.get(path, params=asked)
        assert (first.status_code, first.headers["retry-after"]) == (202, "1")
        location = first.headers["location"]
        assert first.json()["location"] == location
        # What is recorded meanwhile does not move it: every position is stated, and the period.
        stated = dict(parse_qsl(location.partition("?")[2]))
        common = office.installation.feed.head(office.installation.ledgers.get("common").id).size
        assert stated == {
            "as_at": f"common={common},dffh=3", "format": "json", "ledger": "dffh",
            "period": "2024-07-01..2025-06-30",
        } | ({} if office.today < date(2026, 7, 1) else {"period": stated["period"]})  # fmt: skip
        office.run(
            "organisation.OrganisationRegistered", {"legal_name": "Another", "kind": "department"},
            "2024-01-01", office.administrator, ledger="common",
        )  # fmt: skip

        def answered() -> Any:
            found = client.get(location)
            if found.status_code != 202:
                return found
            assert found.headers["location"] == location
            return None

        answer = until(answered)
        assert {at["slug"]: at["size"] for at in answer.json()["positions"]} == {"common": common, "dffh": 3}
        assert answer.json()["figures"]["sharing.flow.received"]["value"] == 0
        assert client.get(path, params=asked).status_code == 202
        with pytest.raises(InvalidInput):
            client.get(path, params={**asked, "as_at": "dffh=99999"})


def test_reports_over_http(office: Office, aside: Aside) -> None:
    app = FastAPI()

    def open_desk(request: Request) -> Desk:
        return desk(office, request.headers.get("idempotency-key"))

    app.include_router(router(open_desk, json_body, answered_as, aside))
    with TestClient(app) as client:
        assert [r["report"] for r in client.get("/reports").json()["reports"]] == [
            "data-sharing-annual", "annual-compliance",
        ]  # fmt: skip
        asked = {"period": "2024-25"}
        page = client.get("/reports/data-sharing-annual", params=asked)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        said = client.get("/reports/data-sharing-annual", params={**asked, "format": "json"}).json()
        assert said["figures"]["sharing.flow.received"]["value"] == 1
        packed = client.get("/reports/data-sharing-annual", params={**asked, "format": "csv"})
        with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
            assert "data-sharing-annual-2024-07-01-2025-06-30-sharing-flow.csv" in archive.namelist()
        for params, refused in (
            ({**asked, "format": "pdf"}, InvalidInput),
            ({**asked, "ledger": "ovic"}, Forbidden),
        ):
            with pytest.raises(refused):
                client.get("/reports/data-sharing-annual", params=params)
        body = {"report": "data-sharing-annual", "to": "cabinet: Cabinet", "period": "2024-25"}
        for wrong in ({**body, "who": "x"}, {**body, "status": "last"}, {"report": 1, "to": "x"}, {}):
            with pytest.raises(InvalidInput):
                client.post("/ledgers/dffh/reports", json=wrong)


def test_a_hand_over_that_is_repeated_gets_its_first_receipt(
    office: Office, aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()
    app.include_router(
        router(lambda request: desk(office, request.headers["idempotency-key"]), json_body, answered_as, aside)
    )
    body = {"report": "data-sharing-annual", "to": "cabinet: Cabinet", "period": "2024-25"}
    with TestClient(app) as client:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first = client.post("/ledgers/dffh/reports", json=body, headers=key)
        assert first.status_code == 201
        said = first.json()
        assert (said["version"], said["repeated"]) == (1, False)
        assert said["receipts"][0]["ledger"] == "example.vic.gov.au/dffh"
        assert "data-sharing-annual-2024-07-01-2025-06-30.html" in said["files"]
        # The register goes on; the repeat tells of what was handed over, and makes nothing again.
        office.request("2025-06-20")
        with monkeypatch.context() as patched:
            patched.setattr(aside, "do", None)
            again = client.post("/ledgers/dffh/reports", json=dict(reversed(body.items())), headers=key)
        assert (again.status_code, again.json()) == (200, said | {"repeated": True})
        assert again.headers["etag"] == first.headers["etag"] == '"1"'
        assert again.headers["location"] == first.headers["location"] == f"/ledgers/dffh/cases/{said['case']}"
        for other in ({**body, "to": "minister: another"}, {**body, "as_at": "dffh=3"}):
            with pytest.raises(CommandReused):
                client.post("/ledgers/dffh/reports", json=other, headers=key)
        anew = client.post(
            "/ledgers/dffh/reports", json=body, headers={"Idempotency-Key": str(uuid.uuid4())}
        ).json()
        assert anew["case"] != said["case"]


@pytest.mark.parametrize("work", [rendered, prepared])
def test_what_makes_a_report_beside_the_service_loads_no_http(work: Any) -> None:
    """A process is begun for each, and loads what it works with."""
    said = f"import sys, projections.aside, {work.__module__}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    loaded = set(found.stdout.split())
    assert work.__module__ in loaded
    assert not {"fastapi", "pydantic", "starlette", "typer"} & loaded


def test_two_that_hand_over_under_one_key_at_once_record_one(office: Office) -> None:
    """Neither sees the other's entry when it looks; the one that comes second gets the first's receipt."""
    report = make(office.conninfo, "data-sharing-annual", financial_year(2024))
    one = desk(office, str(uuid.uuid4()))
    given = {"report": report.name}
    assert one.recorded("dffh", COMMAND, given) is None
    outcomes = [
        hand_over(
            one.submit, one.keep_file, prepare(report), recipient("cabinet"), slug="dffh",
            happened=office.today, status=ReportStatus.FINAL, given=given,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [each.repeated for each in outcomes] == [False, True]
    assert outcomes[0].receipts == outcomes[1].receipts
