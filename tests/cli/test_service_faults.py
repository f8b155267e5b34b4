"""The running service against what a network sends: garbage, a cut upload, a file of 200 MB; it goes on."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Service
from tests.cli.test_up import health
from tests.waiting import DEADLINE, until

MEGABYTE = 1 << 20


@dataclass
class Office:
    """A running service with an officer and a case."""

    service: Service
    address: tuple[str, int]
    token: str
    case: str

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=DEADLINE)

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid.uuid4())} | more

    def files(self) -> list[Path]:
        """What lies in the attachment store."""
        folder = Path(self.service.environment["AUDITLEDGER_DATA_DIR"]) / "attachments"
        return [path for path in folder.rglob("*") if path.is_file()]

    def version(self) -> int:
        """The version of the case."""
        connection = self.connection()
        connection.request("GET", f"/ledgers/x/cases/{self.case}", headers=self.headers())
        found: int = json.load(connection.getresponse())["version"]
        connection.close()
        return found


@pytest.fixture
def office(service: Service) -> Iterator[Office]:
    """The service, prepared by its own commands; at the end it is healthy and its ledger whole."""
    created = service.run("ledger", "create", "x", "--origin", "e/x", "--name", "X", "--json")
    assert created.returncode == 0, created.stderr
    made = json.loads(created.stdout)
    officer = str(uuid.uuid4())
    service.environment["AUDITLEDGER_PERSON"] = made["administrator"]
    grant = {"person": officer, "role": "officer", "organisation": made["organisation"]}
    granted = service.run("record", "role.RoleGranted", "-", input=json.dumps({"fields": grant}))
    assert granted.returncode == 0, granted.stderr
    token = service.run("token", "--person", officer, "--organisation", made["organisation"]).stdout.strip()
    host, port = service.started["url"].removeprefix("http://").split(":")
    found = Office(service, (host, int(port)), token, "")
    fields = {"scheme": "vps", "form": "informal", "provider": made["organisation"]}
    connection = found.connection()
    connection.request(
        "POST",
        "/ledgers/x/commands/request.RequestReceived",
        json.dumps({"happened": "2025-06-11", "fields": fields}),
        found.headers(**{"Content-Type": "application/json"}),
    )
    found.case = json.load(connection.getresponse())["case"]
    connection.close()
    yield found
    assert health(service.started["url"])["status"] == "ok"
    verified = service.run("verify", "--json")
    assert json.loads(verified.stdout)["clean"] is True


def test_garbage_is_refused_and_the_service_goes_on(office: Office) -> None:
    garbage = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /ledgers HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /ledgers HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n",
        b"POST /ledgers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ledgers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
        b"GET /ledgers/%00%ff/entries HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + office.token.encode()
        + b"\r\nConnection: close\r\n\r\n",
    ]
    for sent in garbage:
        with socket.create_connection(office.address, timeout=DEADLINE) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        status = answer.split(b" ")[1] if answer else b"closed"
        assert status in (b"closed", b"400", b"401", b"404", b"422", b"431"), (sent[:60], answer[:200])


def test_an_upload_that_is_cut_leaves_neither_entry_nor_file(office: Office) -> None:
    head = office.headers(**{"Attachment-Title": "x", "Content-Type": "application/pdf"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    path = f"/ledgers/x/cases/{office.case}/attachments"
    with socket.create_connection(office.address, timeout=DEADLINE) as connection:
        request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {20 * MEGABYTE}\r\n{lines}\r\n"
        connection.sendall(request.encode() + bytes(5 * MEGABYTE))
        until(lambda: bool(office.files()))
    until(lambda: not office.files())
    assert office.version() == 1


def test_a_file_of_200_megabytes_goes_through_in_flat_memory(office: Office) -> None:
    size = 200 * MEGABYTE
    pid = str(office.service.process.pid)
    most = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            shown = subprocess.run(["ps", "-o", "rss=", "-p", pid], capture_output=True, text=True, check=True)
            most[0] = max(most[0], int(shown.stdout))

    before = int(
        subprocess.run(["ps", "-o", "rss=", "-p", pid], capture_output=True, text=True, check=True).stdout
    )
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        connection = office.connection()
        headers = office.headers(**{"Attachment-Title": "x", "Content-Length": str(size)})
        block = bytes(range(256)) * 4096
        connection.request(
            "POST", f"/ledgers/x/cases/{office.case}/attachments", (block for _ in range(200)), headers
        )
        answer = connection.getresponse()
        body = json.load(answer)
        assert answer.status == 201, body
        wanted = json.dumps({"index": body["receipts"][0]["index"], "reason": "a test"})
        connection.request(
            "POST", "/ledgers/x/openings/file", wanted, office.headers(**{"Content-Type": "application/json"})
        )
        answer = connection.getresponse()
        assert answer.status == 200
        for _ in range(200):
            assert answer.read(MEGABYTE) == block
        assert answer.read() == b""
        connection.close()
    finally:
        done.set()
        watching.join()
    assert most[0] - before < 64 * 1024, f"{most[0] - before} kB more than before"
