"""The way of an entry on every PostgreSQL that this machine has: the embedded one, and the system's own.

``make test`` needs none but the embedded one. Another server's programs are found where Debian puts them, or
in the folders that AUDITLEDGER_TEST_POSTGRESQL names (separated as in PATH).
"""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from ledger.application import Installation, Principal
from ledger.store import embedded
from ledger.store.database import OLDEST_POSTGRESQL, Role
from ledger.store.embedded import EmbeddedServer, programs
from ledger.store.migrate import migrate, migrations
from projections.rebuild import rebuild
from projections.runner import Runner
from tests.support import check_ledger


def servers() -> list[Path]:
    """Folders of servers that are new enough, of each major version one, the embedded one first."""
    named = os.environ.get("AUDITLEDGER_TEST_POSTGRESQL", "").split(os.pathsep)
    found: dict[int, Path] = {}
    for folder in (programs(), *map(Path, filter(None, named)), *Path("/usr/lib/postgresql").glob("*/bin")):
        asked = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
        major = int(asked.stdout.split()[2].split(".")[0])
        if major >= OLDEST_POSTGRESQL:
            found.setdefault(major, folder)
    return list(found.values())


@pytest.mark.parametrize("folder", servers(), ids=str)
def test_an_entry_goes_its_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(embedded, "programs", lambda: folder)
    organisation = str(uuid.uuid4())
    administrator, officer = (Principal(str(uuid.uuid4()), organisation, "test") for _ in range(2))
    with EmbeddedServer(tmp_path) as server:
        assert migrate(server.database) == [each.name for each in migrations()]
        assert migrate(server.database) == []
        with Installation(server.database, tmp_path) as installation:
            ledger = installation.create_ledger(
                "dffh",
                origin="example.vic.gov.au/dffh",
                organisation=organisation,
                legal_name="Department",
                administrator=administrator,
                administrator_name="Ada Administrator",
            )

            def record(command: str, fields: dict[str, object], who: Principal, case: str | None = None) -> str:
                body = {"case": case, "happened": "2025-06-11", "fields": fields}
                key = str(uuid.uuid4())
                first = installation.execute("dffh", command, body, principal=who, command_id=key)
                again = installation.execute("dffh", command, body, principal=who, command_id=key)
                assert (again.receipts, again.repeated) == (first.receipts, True)
                return first.stream

            grant = {"person": officer.person, "role": "officer", "organisation": organisation}
            record("role.RoleGranted", grant, administrator)
            received = {"scheme": "vps", "form": "informal", "provider": organisation, "requester_name": "R"}
            case = record("request.RequestReceived", received, officer)
            record("request.RequestAcknowledged", {}, officer, case)
            index = installation.feed.head(ledger.id).size - 2
            (opened,) = installation.open_sealed(
                "dffh", [(index, ["requester_name"])], reason="to see it", principal=officer
            )
            assert getattr(opened["requester_name"], "value", None) == "R"
            assert check_ledger(server.database, ledger) == index + 3
        conninfo = server.database.conninfo(Role.PROJECTOR)
        with Runner(conninfo) as runner:
            assert runner.catch_up() > index
        compared = rebuild(conninfo, processes=1)
        assert compared
        assert all(each.equal for each in compared)
