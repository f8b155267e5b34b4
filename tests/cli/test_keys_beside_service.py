"""Keys rotated beside a running service, which takes the new ones without being begun anew."""

from __future__ import annotations

import json
from typing import Any

from ledger.tlog.note import Note
from tests.cli.conftest import Service, home, service
from tests.waiting import until

__all__ = ["home", "service"]


def ok(service: Service, *arguments: str, **options: Any) -> Any:
    """A command beside the service that must succeed; gives what it says."""
    done = service.run(*arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def signers(service: Service) -> set[str]:
    note = Note.parse(ok(service, "checkpoint", "--ledger", "dffh")["note"].encode())
    # Beside the lines of the service's own witness.
    return {line.id.hex() for line in note.signatures if line.name == "example.vic.gov.au/dffh"}


def test_a_running_service_signs_and_wraps_with_the_new_keys(service: Service) -> None:
    made = ok(service, "ledger", "create", "dffh", "--origin", "example.vic.gov.au/dffh", "--name", "Families")
    service.environment["AUDITLEDGER_PERSON"] = made["administrator"]
    (old,) = signers(service)
    rotated = ok(service, "keys", "rotate", "signing", "--ledger", "dffh")
    new = rotated["added"].split("+")[1]
    assert signers(service) == {old, new}
    kek = ok(service, "keys", "rotate", "kek")
    # Something new that is sealed, by the command and by the service itself.
    grant = {"person": "p-1", "role": "officer", "organisation": made["organisation"], "name_of_person": "Jo"}
    body = json.dumps({"happened": "2025-01-01", "fields": grant})
    ok(service, "record", "role.RoleGranted", "-", "--ledger", "dffh", input=body)
    ok(service, "keys", "rotate", "signing", "--ledger", "dffh", "--retire")
    until(lambda: signers(service) == {new})
    listed = [each for each in ok(service, "keys", "list")["keys"] if each["ledger"] == "dffh"]
    assert [(each["from"], each["until"] is None) for each in listed] == [(0, False), (4, True)]
    assert ok(service, "verify", "--ledger", "dffh", "--key", listed[0]["key"])["clean"]
    checks = {each["check"]: each for each in ok(service, "doctor")["checks"]}
    assert checks["key-encryption key"]["detail"].startswith(kek["kek"])
    assert all(each["ok"] for each in checks.values())
