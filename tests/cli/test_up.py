"""``up`` for real: a process of its own, an embedded server of its own, signals, a second start, a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Service, command, start
from tests.waiting import until


def health(url: str) -> dict[str, Any]:
    """What the service says of itself."""
    with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def servers(home: str) -> list[str]:
    """The PostgreSQL servers that run on a data directory."""
    listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if home in line and "postgres" in line]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_then_stops_cleanly_and_leaves_nothing_running(service: Service, how: int) -> None:
    url = service.started["url"]
    assert health(url)["status"] == "ok"
    data_dir = service.environment["AUDITLEDGER_DATA_DIR"]
    assert servers(data_dir)
    service.process.send_signal(how)
    _, err = service.process.communicate(timeout=60)
    assert service.process.returncode == 0, err
    assert "Traceback" not in err
    assert servers(data_dir) == []
    with pytest.raises(urllib.error.URLError):
        health(url)
    assert not (Path(data_dir) / "service.json").exists()


def test_a_second_one_says_that_it_is_running_and_where(service: Service) -> None:
    second = service.run("up", "--json")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout) == {
        "status": "running", "pid": service.process.pid, "url": service.started["url"],
    }  # fmt: skip
    assert service.process.poll() is None


def test_commands_work_beside_it_and_it_sees_what_they_record(service: Service) -> None:
    made = service.run("ledger", "create", "x", "--origin", "e/x", "--name", "X", "--json")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    officer = str(uuid.uuid4())
    grant = json.dumps(
        {"fields": {"person": officer, "role": "officer", "organisation": found["organisation"]}}
    )
    service.environment["AUDITLEDGER_PERSON"] = found["administrator"]
    granted = service.run("record", "role.RoleGranted", "-", input=grant)
    assert granted.returncode == 0, granted.stderr
    token = service.run("token", "--person", officer, "--organisation", found["organisation"]).stdout.strip()
    url = service.started["url"]
    fields = {"scheme": "vps", "form": "informal", "provider": found["organisation"]}
    asked = urllib.request.Request(
        f"{url}/ledgers/x/commands/request.RequestReceived",
        json.dumps({"happened": "2025-06-11", "fields": fields}).encode(),
        {
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": str(uuid.uuid4()),
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.status == 201
    verified = service.run("verify", "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["clean"] is True
    checked = service.run("doctor", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["healthy"] is True
    until(lambda: not health(url)["projections"]["behind"], lambda: health(url))
    assert health(url)["projections"] == {"behind": 0, "parked": 0, "paused": 0, "to_rebuild": []}


def test_after_a_kill_it_starts_again_on_what_was_recorded(service: Service) -> None:
    made = service.run("ledger", "create", "x", "--origin", "e/x", "--name", "X", "--json")
    assert made.returncode == 0, made.stderr
    service.process.kill()
    service.process.communicate(timeout=60)
    again = start(service.environment)
    with again.process:
        try:
            assert health(again.started["url"])["ledgers"] == 2
            assert json.loads(service.run("verify", "--json").stdout)["clean"] is True
        finally:
            again.process.terminate()
    assert servers(service.environment["AUDITLEDGER_DATA_DIR"]) == []


def test_a_taken_port_is_said_in_one_line(service: Service, tmp_path: Path) -> None:
    port = service.started["url"].rsplit(":", 1)[1]
    other = service.environment | {"AUDITLEDGER_DATA_DIR": str(tmp_path / "other"), "AUDITLEDGER_PORT": port}
    refused = command(other, "up")
    assert refused.returncode == 2
    assert refused.stderr.startswith("auditledger: host and port: cannot listen on 127.0.0.1")
    assert refused.stderr.count("\n") == 1


def test_its_files_are_private(service: Service) -> None:
    data_dir = Path(service.environment["AUDITLEDGER_DATA_DIR"])
    assert data_dir.stat().st_mode & 0o077 == 0
    for name in ("development-key.json", "kek"):
        assert (data_dir / name).stat().st_mode & 0o077 == 0, name
    assert os.path.exists(data_dir / "postgres")
