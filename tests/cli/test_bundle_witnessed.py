"""What is exported or proven beside a service meets the policy of its witnesses, or says that it does not."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Service, home, service
from tests.cli.test_commands import RECEIVED
from tests.cli.test_keys_beside_service import ok
from tests.cli.test_own_witness import witnesses
from tests.waiting import until

__all__ = ["home", "service"]

OFFICER = "0e7c2f60-0000-4000-8000-00000000000f"
UNMET = "was not cosigned by a quorum of its witnesses within 1.5 seconds"


def founded(service: Service) -> None:
    """A ledger ``zz``, an officer, who acts from here on, and a request."""
    made = ok(service, "ledger", "create", "zz", "--origin", "example.vic.gov.au/zz", "--name", "ZZ")
    service.environment["AUDITLEDGER_PERSON"] = made["administrator"]
    grant = {"person": OFFICER, "role": "officer", "organisation": made["organisation"]}
    body = json.dumps({"happened": "2025-01-01", "fields": grant})
    ok(service, "record", "role.RoleGranted", "-", "--ledger", "zz", input=body)
    service.environment["AUDITLEDGER_PERSON"] = OFFICER
    received(service, made["organisation"])


def received(service: Service, organisation: str) -> int:
    """The index of a request that is recorded."""
    said = json.dumps({**RECEIVED, "fields": {**RECEIVED["fields"], "provider": organisation}})
    done = ok(service, "record", "request.RequestReceived", "-", "--ledger", "zz", input=said)
    return int(done["receipts"][-1]["index"])


@pytest.fixture
def policy(service: Service) -> str:
    """The ledger is founded, and the file by which the service's own witness is trusted."""
    founded(service)
    found = Path(service.environment["AUDITLEDGER_DATA_DIR"], "witness", "policy")
    until(found.exists)
    return str(found)


EXPORT = ("bundle", "export", "--ledger", "zz", "--all", "--open", "why", "-o")


def test_what_is_opened_and_exported_at_once_is_cosigned(service: Service, policy: str, tmp_path: Path) -> None:
    for again in range(3):
        file = str(tmp_path / f"{again}.zip")
        said = ok(service, *EXPORT, file)
        assert "not_cosigned" not in said
        # The opening is in it, recorded a moment before.
        assert (said["entries"], said["disclosures"] > 0) == (said["size"], True)
        done = service.run("bundle", "verify", file, "--policy", policy)
        assert done.returncode == 0, done.stderr


def test_what_is_proven_at_once_is_cosigned(service: Service, policy: str, tmp_path: Path) -> None:
    for _ in range(3):
        (zz,) = [each for each in ok(service, "ledger", "list")["ledgers"] if each["slug"] == "zz"]
        index = received(service, zz["organisation"])
        proof, entry, *_ = ok(service, "prove", str(index), "--ledger", "zz", "--to", str(tmp_path))["files"]
        done = service.run("verify", "--proof", proof, "--entry", entry, "--policy", policy)
        assert done.returncode == 0, done.stderr


def test_while_the_witness_hangs_it_is_written_all_the_same_and_said(
    service: Service, policy: str, tmp_path: Path
) -> None:
    (pid,) = witnesses(service.environment["AUDITLEDGER_DATA_DIR"])
    service.environment["AUDITLEDGER_ACKNOWLEDGE_TIMEOUT"] = "0.5"
    os.kill(pid, signal.SIGSTOP)
    try:
        file = str(tmp_path / "a.zip")
        assert UNMET in ok(service, *EXPORT, file)["not_cosigned"]
        done = service.run(*EXPORT, file)
        assert (done.returncode, f"WARNING: zz: its checkpoint {UNMET}" in done.stderr) == (0, True)
        assert service.run("bundle", "verify", file, "--policy", policy).returncode == 9
        keys = ok(service, "keys", "list")["keys"]
        (key,) = [each["key"] for each in keys if each["ledger"] == "zz"]
        assert service.run("bundle", "verify", file, "--key", key).returncode == 0
        proven = service.run("prove", "0", "--ledger", "zz", "--to", str(tmp_path))
        assert (proven.returncode, UNMET in proven.stderr) == (0, True)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_where_no_service_runs_nobody_is_waited_for(service: Service, policy: str, tmp_path: Path) -> None:
    service.process.terminate()
    service.process.communicate(timeout=60)
    service.environment["AUDITLEDGER_ACKNOWLEDGE_TIMEOUT"] = "300"
    began = time.monotonic()
    said = ok(service, *EXPORT, str(tmp_path / "a.zip"))["not_cosigned"]
    assert "no service seals it now, and so none is asked" in said
    assert time.monotonic() - began < 200
