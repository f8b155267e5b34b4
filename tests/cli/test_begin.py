"""How the program begins: what it loads, what help shows, how a wrong line and a broken stream end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.main import app
from tests.cli.conftest import Program, command
from tests.docs.generate import cli_commands

HEAVY = ("openpyxl", "fastapi", "starlette", "uvicorn", "joserfc")
"""What some command needs, and no help text."""
UNNEEDED = (
    *HEAVY,
    "psycopg",
    "eventsourcing",
    "fastavro",
    "rich",
    "projections",
    "ledger.store",
)
"""What the list of commands needs still less."""

LOADED_BY = """
import contextlib, io, json, sys
from ledger.main import app, DOORS
from ledger.cli.app import run
for line in {lines!r}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(app(), DOORS, line) == 0, line
    assert "Usage: auditledger" in out.getvalue(), line
print(json.dumps(sorted(sys.modules)))
"""


INTERRUPTED_AT = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
import ledger.main
if {module!r} == "app":
    ledger.main.app = lambda: os.kill(os.getpid(), signal.SIGINT)
ledger.main.main(["schemas", "check"])
"""
"""Ctrl-C at the moment at which a module is looked for; ``app``: when the program is put together."""


def loaded_by(lines: list[list[str]]) -> set[str]:
    """The modules that a fresh process has after these command lines."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED_BY.format(lines=lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_list_of_commands_loads_none_of_them() -> None:
    assert loaded_by([["--help"], []]).isdisjoint(UNNEEDED)


def test_no_help_loads_what_only_the_command_itself_needs() -> None:
    lines = [[*path.split(), "--help"] for path in cli_commands()]
    assert len(lines) > 25
    assert loaded_by(lines).isdisjoint(HEAVY)


def test_what_looks_at_the_database_alone_loads_no_write_side() -> None:
    """``doctor``, ``token`` and ``verify`` begin without commands, law, and the service's log."""
    loaded = loaded_by([[*name.split(), "--help"] for name in ("doctor", "token", "verify", "bundle verify")])
    assert loaded.isdisjoint({"ledger.application", "eventsourcing.application", "projections", "structlog"})
    assert "structlog" not in loaded_by([["record", "--help"], ["entries", "--help"]])


def test_the_list_of_commands_is_whole_and_not_cut() -> None:
    program = app()
    assert list(program.table) == [
        "up",
        "demo",
        "ledger",
        "organisation",
        "calendar",
        "record",
        "attach",
        "import",
        "entries",
        "search",
        "verify",
        "checkpoint",
        "prove",
        "bundle",
        "keys",
        "break-glass",
        "destroy",
        "reconcile",
        "backup",
        "restore",
        "refill",
        "witness",
        "replay",
        "diff",
        "clocks",
        "report",
        "rebuild",
        "schemas",
        "token",
        "doctor",
    ]
    for name, each in program.table.items():
        assert program.get_command(None, name).name == name
        assert len(each.says) <= 62, each.says


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "No such command 'nonsense'; see 'auditledger --help'"),
        ("ledger nonsense", "No such command 'nonsense'; see 'auditledger ledger --help'"),
        ("entries --nope", "No such option: --nope; see 'auditledger entries --help'"),
        ("entries --limit 0", "Input should be greater than or equal to 1; see 'auditledger entries --help'"),
        ("ledger create", "Missing argument 'slug'; see 'auditledger ledger create --help'"),
        ("ledger create x --origin a --kind b", "'b' is not one of 'department'"),
        ("import --register request x.csv", "--suggest: expected"),
        ("entries --raw", "--raw: expected --json beside it"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_says_where_help_is(
    program: Program, line: str, said: str
) -> None:
    answer = program(*line.split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("auditledger: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_release_has_a_version_and_a_page_a_file(program: Program, tmp_path: Path) -> None:
    program.ok("schemas", "write", "--folder", str(tmp_path))
    for line, said in (
        (("release", "", "--folder", str(tmp_path)), "VERSION: expected"),
        (("release", "next", "--folder", str(tmp_path)), "VERSION: expected"),
        (("docs", "--check"), "--output: expected"),
        (("docs", "--output", str(tmp_path)), "--output: expected a file that can be written"),
    ):
        answer = program("schemas", *line)
        assert (answer.code, answer.out) == (2, ""), answer
        assert said in answer.err
    assert not (tmp_path / "LOCK.json").exists()
    assert program.ok("schemas", "release", "0.2.0", "--folder", str(tmp_path))["released"]


@pytest.mark.parametrize("group", ["ledger", "organisation", "calendar", "schemas"])
def test_a_group_alone_prints_its_help(program: Program, group: str) -> None:
    answer = program(group)
    assert (answer.code, answer.err) == (0, "")
    assert f"Usage: auditledger {group} " in answer.out


def shell(environment: dict[str, str], line: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which ``auditledger`` is the program."""
    line = line.replace("auditledger", f"{sys.executable} -m ledger.main")
    return subprocess.run(
        ["/bin/bash", "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def outside(dffh: Program) -> dict[str, str]:
    """The environment of a shell beside the program."""
    return {**os.environ, **dffh.environment, "AUDITLEDGER_PERSON": dffh.people["officer"]}


@pytest.mark.parametrize("form", ["", "--json"])
def test_who_reads_only_the_beginning_leaves_no_error(outside: dict[str, str], form: str) -> None:
    done = shell(
        outside, f"auditledger entries --ledger common {form} --person nobody | head -1; echo $PIPESTATUS"
    )
    assert done.stdout.endswith("4\n"), done
    done = shell(outside, f"auditledger entries --ledger dffh {form} | true; echo $PIPESTATUS")
    assert (done.stdout, done.stderr) == ("0\n", ""), done


@pytest.mark.parametrize("line", ["--help", "ledger list", "ledger list --json", "record --list", "verify"])
def test_a_full_disk_is_one_line(outside: dict[str, str], line: str) -> None:
    done = shell(outside, f"auditledger {line} > /dev/full")
    assert (done.returncode, done.stderr) == (6, "auditledger: output: No space left on device\n")


def test_closed_streams_are_empty_or_lead_nowhere(outside: dict[str, str]) -> None:
    for line in ("ledger list", "ledger list --json", "entries --ledger dffh", "verify"):
        done = shell(outside, f"auditledger {line} >&-")
        assert (done.returncode, done.stderr) == (0, ""), (line, done)
    done = shell(outside, "auditledger record request.RequestReceived - --ledger dffh <&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "FILE: expected JSON, got 'an empty file'" in done.stderr
    assert shell(outside, "auditledger nonsense >&- 2>&-").returncode == 2


@pytest.mark.parametrize(
    "module", ["ledger.cli.app", "typer", "ledger.cli.session", "app", "ledger.cli.schemas", "fastavro"]
)
def test_ctrl_c_while_the_program_is_loaded_is_one_line(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT.format(module=module)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "auditledger: interrupted\n")


def test_what_the_machine_refuses_is_one_line(home: dict[str, str]) -> None:
    for line in ("verify", "ledger list", "doctor"):
        answer = command({**home, "AUDITLEDGER_DATA_DIR": "/dev/null"}, *line.split())
        assert answer.returncode in (2, 6), (line, answer)
        assert answer.stderr.count("\n") == 1, (line, answer)
        assert "/dev/null" in answer.stderr


def test_no_id_is_cut_in_two_on_a_narrow_terminal(dffh: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    dffh.environment["AUDITLEDGER_PERSON"] = dffh.people["administrator"]
    for line in (("ledger", "list"), ("organisation", "list")):
        assert dffh.people["organisation"] in dffh(*line).out


def test_names_that_look_like_markup_are_printed_as_they_are(dffh: Program) -> None:
    name = "Board [/bold] [red]of :smile: Works"
    dffh.ok(
        "organisation", "register", name, "--kind", "other", "--kind-words", "a board", person="administrator"
    )
    for line in (("organisation", "list"), ("entries", "--ledger", "common")):
        answer = dffh(*line, person="administrator")
        assert answer.code == 0, answer.err
        assert name in answer.out
