"""No clear personal value stands anywhere but in the vault (issue 3 section 3): a running service, searched.

Names are planted in every place that is sealed, through every door; then everything that the service left
behind or gave out is searched for them, byte by byte.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.codec.declare import fields_of
from ledger.domain.case import command_table
from ledger.store.embedded import EmbeddedServer
from tests.cli.conftest import Service, home, start
from tests.imports.desk import DOJ, MAPPINGS, table, write_table
from tests.waiting import until

__all__ = ["home"]

PLANTED = "Zebulon Quackenbush"
FORMS = [
    PLANTED.encode(),
    b"Quackenbush",
    PLANTED.encode().hex().encode(),
    PLANTED.encode("utf-16-le"),
    urllib.parse.quote(PLANTED).encode(),
    # Whatever bytes stand before it, one of these three stands in its base64.
    *(base64.b64encode(b"\0" * lead + PLANTED.encode())[4 if lead else 0 : 20] for lead in range(3)),
]


def planted(data: bytes) -> list[bytes]:
    """The forms of a planted name that stand in the data."""
    return [form for form in FORMS if form in data]


@dataclass
class Site:
    """A running service with people in it."""

    service: Service
    organisation: str
    administrator: str
    officer: str
    temporary: Path
    given_out: dict[str, bytes] = field(default_factory=dict)

    def run(self, *arguments: str, person: str = "", text: str | None = None, expect: int = 0) -> str:
        """A command beside the service; what it says on standard error is kept to be searched."""
        self.service.environment["AUDITLEDGER_PERSON"] = person or self.officer
        done = self.service.run(*arguments, input=text)
        assert done.returncode == expect, done.stderr
        self.given_out[f"stderr of {' '.join(arguments)} {uuid.uuid4()}"] = done.stderr.encode()
        return str(done.stdout)

    def call(
        self, method: str, path: str, body: Any = None, *, search: bool = True, **headers: str
    ) -> tuple[int, bytes]:
        """A request; the answer is kept to be searched, refusals too."""
        self.service.environment["AUDITLEDGER_PERSON"] = self.officer
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {self.token}"
        if method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
            headers.setdefault("Content-Type", "application/json")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.service.started["url"] + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        if search:
            self.given_out[f"{method} {path} {status} {uuid.uuid4()}"] = content
        return status, content

    @cached_property
    def token(self) -> str:
        """A token of the officer."""
        return self.service.run(
            "token", "--person", self.officer, "--organisation", self.organisation
        ).stdout.strip()

    def record(self, command: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Records a command over HTTP."""
        body = {"happened": "2025-06-11", "fields": fields, **more}
        status, content = self.call("POST", f"/ledgers/x/commands/{command}", body)
        assert status == 201, content
        return json.loads(content)  # type: ignore[no-any-return]


@pytest.fixture
def site(home: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    """A service that logs all it can, with a folder of its own for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    home |= {"TMPDIR": str(temporary), "AUDITLEDGER_LOG_LEVEL": "debug"}
    service = start(home)
    try:
        made = json.loads(
            service.run(
                "ledger", "create", "x", "--origin", "e/x", "--name", "X", "--administrator-name", PLANTED,
                "--json",
            ).stdout
        )  # fmt: skip
        site = Site(service, made["organisation"], made["administrator"], str(uuid.uuid4()), temporary)
        for role in ("officer", "reporter"):
            grant = {"person": site.officer, "role": role, "organisation": site.organisation}
            body = {"happened": "2025-01-01", "fields": {**grant, "name_of_person": PLANTED}}
            site.run(
                "record", "role.RoleGranted", "-", "-l", "x", person=site.administrator, text=json.dumps(body)
            )
        yield site
    finally:
        if service.process.poll() is None:
            service.process.terminate()
            service.process.communicate(timeout=60)


def plant(site: Site, tmp_path: Path) -> None:
    """Names through every door, in every kind of place, in what is taken and in what is refused."""
    texts = {
        f.name: f"about {PLANTED}"
        for f in fields_of(command_table()["request.RequestReceived"][0].event)
        if f.personal is not None
    }
    request = {"scheme": "other", **texts}
    opened = site.record("request.RequestReceived", request)
    case, index = opened["case"], opened["receipts"][0]["index"]
    corrects = {"index": index, "kind": "typing", "reason": f"{PLANTED} said so"}
    corrected = site.record("request.RequestReceived", request, case=case, corrects=corrects)
    refusal = {"parts": ["whole"], "reasons": f"because of {PLANTED}", "in_writing": True}
    site.call("POST", "/ledgers/x/commands/request.RequestRefused", {"case": case, "fields": refusal})
    # Refused: misplaced, malformed, unlawful, under a key that was used, by a name that is no field.
    bad: list[Any] = [
        {"fields": PLANTED},
        {"fields": {"requester_name": [PLANTED]}},
        {"fields": {**request, "requester_name": {"commitment": "00" * 32, "key": PLANTED}}},
        {"fields": request, "happened": "2999-01-01"},
        {"fields": request, "corrects": {"reason": PLANTED}},
        f'{{"fields": {{"requester_name": "{PLANTED}", "requester_name": "{PLANTED}"}}}}'.encode(),
        f'{{"fields": {{"requester_name": "{PLANTED}"'.encode(),
    ]
    for body in bad:
        status, _ = site.call("POST", "/ledgers/x/commands/request.RequestReceived", body)
        assert 400 <= status < 500
    key = str(uuid.uuid4())
    for name in (PLANTED, f"{PLANTED} again"):
        site.call(
            "POST", "/ledgers/x/commands/request.RequestReceived",
            {"fields": {**request, "requester_name": name}}, Idempotency_Key=key,
        )  # fmt: skip
    # Files: taken, and refused half-way.
    letter = (f"Dear {PLANTED}, " * 200_000).encode()
    title = urllib.parse.quote(f"letter of {PLANTED}")
    path = f"/ledgers/x/cases/{case}/attachments"
    status, content = site.call("POST", path, letter, Content_Type="text/plain", **{"Attachment-Title": title})
    assert status == 201, content
    site.call("POST", path, letter[:99], Content_Type=f"text/{PLANTED}", **{"Attachment-Title": title})
    attached = json.loads(content)["receipts"][0]["index"]
    # Opened: the answers hold the names, and nothing else may.
    wanted = {"wanted": [{"index": corrected["receipts"][0]["index"]}], "reason": f"{PLANTED} asked"}
    status, content = site.call("POST", "/ledgers/x/openings", wanted, search=False)
    assert status == 200, content
    assert planted(content)
    file = {"index": attached, "path": "file", "reason": f"{PLANTED} asked"}
    status, content = site.call("POST", "/ledgers/x/openings/file", file, search=False)
    assert (status, content) == (200, letter)
    # Searched for: not even the answer says what was, nor a refusal.
    for search, status in (
        ({"value": PLANTED, "reason": f"{PLANTED} asked"}, 200), ({"value": PLANTED}, 422),
        ({"value": [PLANTED], "reason": "x"}, 422), ({"value": PLANTED, "reason": [PLANTED]}, 422),
        ({"value": PLANTED, "reason": "x", "from": PLANTED}, 422),
        ({"value": PLANTED, "reason": "x", "from": 1 << 40}, 422),
    ):  # fmt: skip
        got, content = site.call("POST", "/ledgers/x/search", search)
        assert got == status, content
    site.run("search", "-l", "x", "--reason", "x", text=PLANTED)
    # A register that is imported, with a row that is refused.
    rows = table(DOJ)[:6]
    for row in rows[1:]:
        row[4] = f"all about {PLANTED}"
    rows[3][2] = f"{PLANTED}'s birthday"
    write_table(tmp_path / "log.csv", rows)
    site.run(
        "import", str(tmp_path / "log.csv"), "-l", "x", "-m", str(MAPPINGS / "requests-doj-2017.toml"), expect=9
    )
    site.run(
        "record", "request.RequestReceived", "-", "-l", "x",
        text=json.dumps({"happened": "2025-06-11", "fields": request}),
    )  # fmt: skip


def exports(site: Site) -> None:
    """Registers, replays, timelines, entries, reports, in every form that there is."""
    until(lambda: not json.loads(site.call("GET", "/health")[1])["projections"]["behind"])
    registers = [each["name"] for each in json.loads(site.call("GET", "/registers")[1])["registers"]]
    assert "requests" in registers
    for register in registers:
        for accept in ("application/json", "text/csv"):
            status, content = site.call("GET", f"/registers/{register}", Accept=accept)
            assert status == 200, content
    status, content = site.call("GET", "/registers/requests", Accept="text/csv")
    assert len(list(csv.reader(io.StringIO(content.decode())))) > 5, "an empty register would prove nothing"
    for path in ("/ledgers/x/entries", "/ledgers/common/entries", "/metrics", "/ledgers"):
        status, content = site.call("GET", path)
        assert status == 200, (path, content)
    names = [each["report"] for each in json.loads(site.call("GET", "/reports")[1])["reports"]]
    for name in names:
        for form in ("html", "csv", "json"):
            status, content = site.call("GET", f"/reports/{name}?period=2024-25&format={form}")
            assert status == 200, content
    body = {"report": names[0], "period": "2024-25", "to": f"minister: {PLANTED}"}
    status, content = site.call("POST", "/ledgers/x/reports", body)
    assert status == 201, content
    site.given_out["entries"] = site.run("entries", "-l", "x", "--json").encode()


def tables(site: Site) -> Iterator[tuple[str, bytes]]:
    """Every table of the database, registers and vault too, as COPY gives it."""
    data_dir = Path(site.service.environment["AUDITLEDGER_DATA_DIR"])
    with EmbeddedServer(data_dir) as server, psycopg.connect(server.database.admin) as connection:
        listed = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (name,) in listed:
            for how in ("", "(FORMAT binary)"):
                with connection.cursor().copy(f"COPY {name} TO STDOUT {how}".encode()) as copy:
                    yield f"table {name} {how}", b"".join(bytes(block) for block in copy)


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below: attachments, the server's tables, its log of changes and its log in words."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield f"file {path.relative_to(folder)}", path.read_bytes()


def test_no_planted_name_is_found_in_anything_but_the_answer_to_an_opening(site: Site, tmp_path: Path) -> None:
    plant(site, tmp_path)
    exports(site)
    found = [(where, form) for where, data in tables(site) if (form := planted(data))]
    data_dir = Path(site.service.environment["AUDITLEDGER_DATA_DIR"])
    seen = []
    # While it runs: what lies in files then, temporary ones too.
    for where, data in files(data_dir, site.temporary):
        seen.append(where)
        found += [(where, form)] if (form := planted(data)) else []
    assert any("attachments" in where for where in seen)
    assert any("pg_wal" in where for where in seen)
    site.service.process.terminate()
    out, log = site.service.process.communicate(timeout=60)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert sum(line.get("event") == "request" for line in lines) > 30, "the log is searched for what it holds"
    for where, data in {**site.given_out, "standard output": out.encode(), "log": log.encode()}.items():
        found += [(where, form)] if (form := planted(data)) else []
    for where, data in files(data_dir, site.temporary):
        found += [(where, form)] if (form := planted(data)) else []
    assert found == []


@pytest.mark.parametrize(
    "hidden",
    [
        PLANTED.encode(),
        PLANTED.encode().hex().encode(),
        base64.b64encode(f"Dear {PLANTED}".encode()),
        base64.b64encode(f"Dear. {PLANTED}".encode()),
        base64.b64encode(f"Dear: {PLANTED}!".encode()),
    ],
)
def test_the_search_finds_a_name_that_is_there(hidden: bytes) -> None:
    assert planted(b"before" + hidden + b"after")
