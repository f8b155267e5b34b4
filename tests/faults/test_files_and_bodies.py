"""A disk that is full, and clients that send too much, too little, too slowly, or nonsense."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.faults.service import Service
from tests.faults.site import ACKNOWLEDGED, Load, Site
from tests.waiting import DEADLINE, until

LARGEST = 1 << 20
PIECE = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"


def attach(
    site: Site, service: Service, case: str, content: bytes | Iterator[bytes], **given: str
) -> httpx.Response:
    """A file given to be kept with a case."""
    headers = site.headers("dffh") | {"Attachment-Title": "Letter", "Content-Type": "text/plain"} | given
    url = f"{service.url}/ledgers/dffh/cases/{case}/attachments"
    return httpx.post(url, content=content, headers=headers, timeout=DEADLINE)


def kept(site: Site) -> list[Path]:
    """Every file below the attachments' folder, unfinished ones too."""
    return [path for path in (site.data_dir / "attachments").rglob("*") if path.is_file()]


def test_a_full_disk_keeps_no_half_of_a_file_and_stops_nothing_else(site: Site) -> None:
    """The kernel refuses to write files beyond a size (EFBIG), which is handled as ENOSPC is."""
    with Service(site.data_dir, database_url=site.database.admin, largest_file=LARGEST) as service:
        case = site.receive(service)
        before = site.sizes()
        key = str(uuid.uuid4())
        pieces = [os.urandom(LARGEST // 4) for _ in range(12)]
        load = Load(site, [service], clients=2)
        with load.running():
            for content in (b"".join(pieces), iter(pieces)):
                refused = attach(site, service, case, content, **{"Idempotency-Key": key})
                assert (refused.status_code, refused.json()["title"]) == (503, "Unavailable"), refused.text
                assert "free some space" in refused.json()["detail"]
                assert kept(site) == []
            load.wait_for(10)
        fits = b"".join(pieces[:2])
        answer = attach(site, service, case, fits, **{"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        (index,) = (receipt["index"] for receipt in answer.json()["receipts"])
        assert len(kept(site)) == 1
        read = httpx.post(
            f"{service.url}/ledgers/dffh/openings/file",
            json={"index": index, "path": "file", "reason": "to see that it is whole"},
            headers=site.headers("dffh"),
            timeout=DEADLINE,
        )
        assert read.content == fits
        sizes = site.check(load.acknowledged)
        # The attachment and the record of its opening.
        assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged) + 2
        assert not service.failures()


class Raw:
    """A client that sends bytes, not requests."""

    def __init__(self, service: Service) -> None:
        host, port = service.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=DEADLINE)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends; a service that has hung up by then may have."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self) -> int:
        """The status of what is answered; 0 where the service hung up without a word."""
        try:
            line = self.socket.makefile("rb").readline()
        except ConnectionResetError:
            return 0
        return int(line.split()[1]) if line else 0


def head(site: Site, path: str, *lines: str) -> bytes:
    """The head of a POST of the officer."""
    said = {**site.headers("dffh"), "Host": "localhost", "Content-Type": "application/json"}
    listed = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), *lines]
    return "\r\n".join([*listed, "", ""]).encode()


def test_nonsense_on_the_wire_is_answered_below_500(site: Site, service: Service) -> None:
    case = site.receive(service)
    before = site.sizes()
    path = f"/ledgers/dffh/commands/{ACKNOWLEDGED}"
    body = json.dumps({"case": case, "happened": "2025-06-12", "fields": {}}).encode()
    length, chunked = "Content-Length: 3", "Transfer-Encoding: chunked"
    nonsense = {
        "no HTTP": os.urandom(2000) + b"\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500),
        "no such version": b"GET /health HTTP/9.9\r\n\r\n",
        "an endless line": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        "an endless header": b"GET /health HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        "many headers": b"GET /health HTTP/1.1\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
        "a length of letters": head(site, path, "Content-Length: many") + body,
        "a negative length": head(site, path, "Content-Length: -5") + body,
        "two lengths": head(site, path, length, "Content-Length: 30") + body,
        "a length beyond all": head(site, path, f"Content-Length: {10**30}") + body,
        "a length and chunks": head(site, path, length, chunked) + b"0\r\n\r\n",
        "chunks that are none": head(site, path, chunked) + b"zz\r\n" + body,
        "more than is allowed": head(site, path, "Content-Length: 5000000") + b"x" * 1000,
        "chunks without end": head(site, path, chunked) + PIECE,
        "a path that is no UTF-8": b"GET /ledgers/%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n",
        "a token that is no ASCII": b"GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
        "a title that is no UTF-8": head(
            site, f"/ledgers/dffh/cases/{case}/attachments", "Attachment-Title: %ff", "Content-Length: 1"
        ) + b"x",
        "a version that is none": head(site, path, 'If-Match: "one"', f"Content-Length: {len(body)}") + body,
    }  # fmt: skip
    answers = {}
    for what, data in nonsense.items():
        with Raw(service) as raw:
            raw.send(data)
            if what == "chunks without end":
                for _ in range(64):
                    raw.send(PIECE)
            answers[what] = raw.answer()
    assert {what: status for what, status in answers.items() if status >= 500} == {}
    assert answers["more than is allowed"] == answers["chunks without end"] == 413
    service.wait_healthy()
    assert site.check() == before
    assert not service.failures()


def test_a_client_that_falls_silent_is_told_so(site: Site) -> None:
    with Service(
        site.data_dir, database_url=site.database.admin, settings={"AUDITLEDGER_MAX_SILENCE": "1"}
    ) as service:
        case = site.receive(service)
        before = site.sizes()
        paths = (f"/ledgers/dffh/commands/{ACKNOWLEDGED}", f"/ledgers/dffh/cases/{case}/attachments")
        with ExitStack() as stack:
            clients = [stack.enter_context(Raw(service)) for _ in paths]
            for raw, path in zip(clients, paths, strict=True):
                raw.send(head(site, path, "Attachment-Title: Half", "Content-Length: 500") + b'{"case": "')
            assert [raw.answer() for raw in clients] == [408, 408]
        assert kept(site) == []
        assert site.check() == before
        assert not service.failures()


@pytest.fixture
def enduring(site: Site) -> Iterator[Service]:
    """A service that gives up no client while a test lasts."""
    limits = {"AUDITLEDGER_HEAD_TIMEOUT": "3600", "AUDITLEDGER_MAX_SILENCE": "3600"}
    with Service(site.data_dir, database_url=site.database.admin, settings=limits) as running:
        yield running


def test_clients_that_stop_half_way_hold_nobody_up(site: Site, enduring: Service) -> None:
    """More of them than the service has threads, of bodies and of files; then they hang up."""
    case = site.receive(enduring)
    before = site.sizes()
    path = f"/ledgers/dffh/commands/{ACKNOWLEDGED}"
    half_a_head = head(site, path)[:-4]
    half_a_body = head(site, path, "Content-Length: 500") + b'{"case": "'
    path = f"/ledgers/dffh/cases/{case}/attachments"
    half_a_file = head(site, path, "Attachment-Title: Half", "Content-Length: 300000") + b"x" * 1000
    with ExitStack() as stack:
        for _ in range(60):
            for begun in (half_a_head, half_a_body, half_a_file):
                stack.enter_context(Raw(enduring)).send(begun)
        time.sleep(0.5)
        enduring.wait_healthy()
        load = Load(site, [enduring], clients=2)
        with load.running():
            load.wait_for(10)
        listed = httpx.get(
            f"{enduring.url}/ledgers/dffh/entries", headers=site.headers("dffh"), timeout=DEADLINE
        )
        assert listed.status_code == 200
        # Told to stop while they are still there, it does.
        assert enduring.stop() == 0
    enduring.start()
    until(lambda: not kept(site))
    sizes = site.check(load.acknowledged)
    assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
    assert not enduring.failures()
