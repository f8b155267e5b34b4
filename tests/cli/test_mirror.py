"""The blind mirror from the command line, against a service that runs: what it holds, and what it shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ledger.tlog.note import Note
from tests.cli.conftest import Service, command, home, service
from tests.waiting import until

__all__ = ["home", "service"]

NAME = "Planted Department of Names"


def keys(running: Service) -> dict[str, str]:
    return {
        each["ledger"]: each["key"] for each in json.loads(running.run("keys", "list", "--json").stdout)["keys"]
    }


def founded(running: Service) -> dict[str, Any]:
    made = running.run(
        "ledger",
        "create",
        "x",
        "--origin",
        "e/x",
        "--name",
        NAME,
        "--administrator-name",
        "Ada Planted",
        "--json",
    )
    assert made.returncode == 0, made.stderr
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def published(running: Service) -> Path:
    return Path(running.environment["AUDITLEDGER_DATA_DIR"], "tiles", "x")


def size(running: Service) -> int:
    try:
        note = Note.parse((published(running) / "checkpoint").read_bytes())
    except FileNotFoundError:
        return 0
    return int(note.text.split("\n")[1])


def test_a_mirror_holds_hashes_alone_and_names_what_was_changed(service: Service, tmp_path: Path) -> None:
    made = founded(service)
    until(lambda: size(service) == 3)
    token = tmp_path / "token"
    who = ["--person", made["administrator"], "--organisation", made["organisation"]]
    granted = service.run(
        "record", "role.RoleGranted", "-", "--ledger", "x", "--person", made["administrator"],
        input=json.dumps(
            {"fields": {"person": "p", "role": "officer", "organisation": made["organisation"]},
             "happened": "2025-01-01"}
        ),
    )  # fmt: skip
    assert granted.returncode == 0, granted.stderr
    who[1] = "p"
    token.write_text(service.run("token", *who).stdout)
    until(lambda: size(service) == 4)
    key = keys(service)["x"]
    mirror = tmp_path / "mirror"
    given = ["witness", str(mirror), "--log", key, "--mirror", f"{service.started['url']}/ledgers/x"]
    refused = command(service.environment, *given, "--once")
    assert (refused.returncode, "expected a token that may read it" in refused.stderr) == (2, True), refused
    told = command(service.environment, *given, "--token", str(token), "--once", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["mirrored"][0]["size"] == 4
    held = {
        path.name: path.read_bytes() for path in mirror.rglob("*") if path.is_file() and path.stat().st_size
    }
    assert held.keys() == {"leaves", "checkpoint"}
    assert len(held["leaves"]) == 4 * 32
    for planted in (b"Planted", made["administrator"].encode(), made["organisation"].encode(), b"officer"):
        assert not any(planted in data for data in held.values())
    # A copy in which an entry is another, folded and signed anew by who has the key, is no longer the history.
    copy = tmp_path / "copy"
    check = ["verify", "--tiles", str(copy), "--key", key, "--mirror", str(mirror)]
    subprocess.run(["cp", "-r", str(published(service)), str(copy)], check=True)
    clean = command(service.environment, *check)
    assert clean.returncode == 0, clean.stderr
    tile = copy / "tile" / "0" / "000.p" / "4"
    data = bytearray(tile.read_bytes())
    data[2 * 32] ^= 1
    tile.write_bytes(data)
    changed = command(service.environment, *check, "--json")
    assert (changed.returncode, json.loads(changed.stdout)["ledgers"][0]["index"]) == (8, 2), changed


def test_a_witness_mirrors_as_it_runs(service: Service, tmp_path: Path) -> None:
    made = founded(service)
    until(lambda: size(service) == 3)
    token = tmp_path / "token"
    token.write_text(
        service.run("token", "--person", made["administrator"], "--organisation", made["organisation"]).stdout
    )
    key = keys(service)["common"]
    given = [
        sys.executable, "-m", "ledger.main", "witness", str(tmp_path / "w"), "--name", "witness.example/w1",
        "--log", key, "--port", "0", "--mirror", f"{service.started['url']}/ledgers/common",
        "--token", str(token), "--interval", "0.2", "--until-closed", "--json",
    ]  # fmt: skip
    with subprocess.Popen(given, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert json.loads(process.stdout.readline())["url"]
        until(lambda: [path.stat().st_size // 32 for path in (tmp_path / "w" / "mirror").glob("*/leaves")])
        process.stdin.close()
        assert process.wait(30) == 0


def test_what_does_not_fit_is_said(home: dict[str, str], tmp_path: Path) -> None:
    key = "example.com/log+" + "0" * 8
    for given, said in (
        (["verify", "--mirror", "m"], "--mirror: expected --tiles"),
        (["witness", str(tmp_path / "w"), "--log", key, "--once"], "verifier key"),
    ):
        done = command(home, *given)
        assert (done.returncode in (2, 7), said in done.stderr) == (True, True), done
