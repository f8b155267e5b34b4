"""The program run as it is: in this process by its ``run``, in another by the console script."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.app import run
from ledger.main import DOORS, app
from ledger.store.database import Database


@dataclass
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output as one JSON document."""
        return json.loads(self.out)


@dataclass
class Program:
    """The program over one fresh database; ``person`` acts."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    environment: dict[str, str]
    people: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, text: str | None = None, person: str | None = None) -> Answer:
        """Runs a command line in this process."""
        with self.monkeypatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            if person is not None:
                patch.setenv("AUDITLEDGER_PERSON", self.people.get(person, person))
            if text is not None:
                stream = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8")
                patch.setattr(sys, "stdin", stream)
            self.capsys.readouterr()
            code = run(app(), DOORS, arguments)
        out, err = self.capsys.readouterr()
        return Answer(code, out, err)

    def ok(self, *arguments: str, **options: Any) -> Any:
        """Runs a command with ``--json`` that must succeed; gives what it says."""
        answer = self(*arguments, "--json", **options)
        assert answer.code == 0, answer.err
        return answer.json


@pytest.fixture
def program(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The program over a fresh database of the run's server."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("AUDITLEDGER_"):
            monkeypatch.delenv(name)
    environment = {"AUDITLEDGER_DATA_DIR": str(tmp_path / "data"), "AUDITLEDGER_DATABASE_URL": database.admin}
    return Program(monkeypatch, capsys, environment)


@pytest.fixture
def dffh(program: Program) -> Program:
    """The same with a ledger ``dffh``, its administrator and an officer."""
    made = program.ok(
        "ledger", "create", "dffh", "--origin", "example.vic.gov.au/dffh", "--name", "Department of Families",
        "--administrator-name", "Ada Planted",
    )  # fmt: skip
    program.people = {
        "administrator": made["administrator"],
        "officer": "0e7c2f60-0000-4000-8000-00000000000f",
        "organisation": made["organisation"],
    }
    grant = {"person": program.people["officer"], "role": "officer", "organisation": made["organisation"]}
    program.ok(
        "record", "role.RoleGranted", "-", "--ledger", "dffh", "--happened", "2025-01-01",
        text=json.dumps({"fields": grant}), person="administrator",
    )  # fmt: skip
    return program


@dataclass
class Service:
    """``auditledger up`` in a process of its own, on an embedded server of its own."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    started: dict[str, Any]

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Another command beside it."""
        return command(self.environment, *arguments, **options)


def command(environment: dict[str, str], *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ledger.main", *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


@pytest.fixture
def home() -> Iterator[dict[str, str]]:
    """An environment with a data directory of its own."""
    with tempfile.TemporaryDirectory(prefix="auditledger-cli-") as folder:
        Path(folder).chmod(0o755)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AUDITLEDGER_")}
        environment |= {"AUDITLEDGER_DATA_DIR": f"{folder}/data", "AUDITLEDGER_PORT": "0"}
        yield environment


def start(environment: dict[str, str]) -> Service:
    """Starts the service and waits until it has announced itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ledger.main", "up", "--json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate()[1])
    return Service(process, environment, json.loads(line))


@pytest.fixture
def service(home: dict[str, str]) -> Iterator[Service]:
    """A running service; stopped at the end if the test has not."""
    running = start(home)
    with running.process:
        yield running
        if running.process.poll() is None:
            running.process.terminate()
