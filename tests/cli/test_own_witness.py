"""The service's own witness: there by itself, gone with the service however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger.store.own_witness import NAME
from ledger.tlog.note import Note
from tests.cli.conftest import Service, home, service, start
from tests.waiting import until

__all__ = ["home", "service"]


def witnesses(data_dir: str) -> list[int]:
    """The processes of witnesses that run on a data directory."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if f"witness {data_dir}/witness" in line]


def founded(service: Service, slug: str = "x") -> None:
    made = service.run("ledger", "create", slug, "--origin", f"e/{slug}", "--name", "X", "--json")
    assert made.returncode == 0, made.stderr


def cosigned(data_dir: str, slug: str = "x") -> list[str]:
    """Who signed what is published of a ledger."""
    try:
        note = Note.parse(Path(data_dir, "tiles", slug, "checkpoint").read_bytes())
    except FileNotFoundError:
        return []
    return [line.name for line in note.signatures]


def check(service: Service, name: str) -> dict[str, Any]:
    checks = json.loads(service.run("doctor", "--json").stdout)["checks"]
    return next(each for each in checks if each["check"] == name)


@pytest.fixture
def data_dir(home: dict[str, str]) -> str:
    return home["AUDITLEDGER_DATA_DIR"]


def stopped(service: Service, data_dir: str) -> None:
    """It ends cleanly, and nothing of it runs on."""
    service.process.terminate()
    _, err = service.process.communicate(timeout=60)
    assert service.process.returncode == 0, err
    assert witnesses(data_dir) == []


def test_it_starts_with_the_first_ledger_knows_later_ones_and_ends_with_the_service(
    service: Service, data_dir: str
) -> None:
    assert "local witness: not independent" in check(service, "witnesses")["detail"]
    founded(service)
    until(lambda: cosigned(data_dir) == ["e/x", NAME])
    (pid,) = witnesses(data_dir)
    founded(service, "y")
    until(lambda: cosigned(data_dir, "y") == ["e/y", NAME])
    assert witnesses(data_dir) == [pid]
    found = check(service, "witnesses")
    assert found["ok"]
    assert "local witness: not independent" in found["detail"]
    assert "x 3 entries witnessed" in found["detail"]
    for name in ("witness.key", "policy", "ledgers"):
        assert Path(data_dir, "witness", name).stat().st_mode & 0o777 == 0o600
    stopped(service, data_dir)


def test_killed_it_is_started_again_and_nobody_waits(service: Service, data_dir: str) -> None:
    founded(service)
    until(lambda: NAME in cosigned(data_dir))
    (pid,) = witnesses(data_dir)
    os.kill(pid, signal.SIGKILL)
    founded(service, "y")
    until(lambda: NAME in cosigned(data_dir, "y"))
    (again,) = witnesses(data_dir)
    assert again != pid
    stopped(service, data_dir)


def test_the_service_killed_leaves_no_witness_and_the_next_one_has_the_same(
    service: Service, data_dir: str
) -> None:
    founded(service)
    until(lambda: NAME in cosigned(data_dir))
    key = Path(data_dir, "witness", "witness.key").read_bytes()
    service.process.kill()
    service.process.communicate(timeout=60)
    until(lambda: witnesses(data_dir) == [])
    again = start(service.environment)
    with again.process:
        try:
            founded(again, "y")
            until(lambda: NAME in cosigned(data_dir, "y"))
        finally:
            again.process.terminate()
    assert witnesses(data_dir) == []
    assert Path(data_dir, "witness", "witness.key").read_bytes() == key


def test_switched_off_there_is_none_and_doctor_says_so(home: dict[str, str], data_dir: str) -> None:
    home["AUDITLEDGER_LOCAL_WITNESS"] = "false"
    running = start(home)
    with running.process:
        try:
            founded(running)
            until(lambda: cosigned(data_dir) == ["e/x"])
            assert witnesses(data_dir) == []
            assert "none: nobody sees from outside" in check(running, "witnesses")["detail"]
        finally:
            running.process.terminate()
    assert not Path(data_dir, "witness").exists()
