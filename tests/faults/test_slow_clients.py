"""Clients that are slow on purpose: with a head, a body, an answer. None is waited for longer than is set."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest
from psycopg import sql

from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import create_database
from tests.faults.service import Service
from tests.faults.site import ACKNOWLEDGED, Site, found
from tests.faults.test_files_and_bodies import Raw, attach, head, kept
from tests.waiting import DEADLINE

PATIENT = 1
"""Seconds."""
PATIENCE = {
    "AUDITLEDGER_HEAD_TIMEOUT": str(PATIENT),
    "AUDITLEDGER_MAX_SILENCE": str(PATIENT),
    "AUDITLEDGER_MIN_BODY_RATE": "1000",
}


@pytest.fixture(scope="module")
def site(
    server: EmbeddedServer, template: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One site for all tests here: none of them looks at what another records."""
    data_dir = tmp_path_factory.mktemp("slow") / "data"
    data_dir.mkdir(mode=0o700)
    name = "test_slow_clients"
    with server.database.connect_admin() as connection:
        create_database(connection, name, template.name)
    yield found(server.database.named(name), data_dir)
    with server.database.connect_admin() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def impatient(site: Site) -> Iterator[Service]:
    """A service that waits a second."""
    with Service(site.data_dir, database_url=site.database.admin, settings=PATIENCE) as running:
        yield running


def drip(raw: Raw, pieces: Iterable[bytes], every: float = 0.2) -> tuple[bytes, float]:
    """Sends piece by piece until the service hangs up; what it said by then, and after how many seconds."""
    started = time.monotonic()
    raw.socket.settimeout(every)
    said = b""
    for piece in pieces:
        raw.send(piece)
        assert time.monotonic() - started < DEADLINE, "the service waits on"
        try:
            came = raw.socket.recv(65536)
        except TimeoutError:
            continue
        except ConnectionResetError:
            break
        if not came:
            break
        said += came
    return said, time.monotonic() - started


def endless(piece: bytes) -> Iterator[bytes]:
    """The same again and again."""
    while True:
        yield piece


def lasting(seconds: float, piece: bytes) -> Iterator[bytes]:
    """The same again and again, at once or almost, until so many seconds have gone by."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
        yield piece


def silence() -> Iterator[bytes]:
    """Nothing, again and again."""
    return endless(b"")


def problem(said: bytes) -> dict[str, object]:
    """The problem document that stands in an answer."""
    lines, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in lines.lower()
    document = json.loads(body)
    assert isinstance(document, dict)
    return document


def test_a_head_that_does_not_end_is_refused(site: Site, impatient: Service) -> None:
    """Slowloris: a header line every fifth of a second, never an end."""
    with Raw(impatient) as raw:
        raw.send(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        said, seconds = drip(raw, endless(b"X-Drop: a\r\n"))
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in said
    assert problem(said)["type"] == "urn:auditledger:problem:too-slow"
    assert seconds > 0.9 * PATIENT
    assert not impatient.failures()


def test_who_says_nothing_or_blank_lines_only_is_hung_up_on(site: Site, impatient: Service) -> None:
    for pieces in (silence(), endless(b"\r\n")):
        with Raw(impatient) as raw:
            assert drip(raw, pieces)[0] == b""


def test_a_second_request_must_come_whole_as_the_first(site: Site, impatient: Service) -> None:
    """Behind an answered request; behind one in the same packet; blank lines between them."""
    whole = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    for begun, drops in (
        (b"", b"GET /health HTTP/1.1\r\nX-Drop: "),
        (b"GET /health HTTP/1.1\r\n", b"X-Drop: a\r\n"),
        (b"", b"\r\n"),
    ):
        with Raw(impatient) as raw:
            raw.send(whole + begun)
            said, _ = drip(raw, endless(drops))
        assert said.startswith(b"HTTP/1.1 200 ")
        assert (b"HTTP/1.1 408 " in said) == (drops != b"\r\n")


def test_an_idle_connection_is_kept_for_the_next_request(site: Site, impatient: Service) -> None:
    """The limit is of a head that began, not of the pause before it."""
    whole = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    with Raw(impatient) as raw:
        for _ in range(2):
            raw.send(whole)
            time.sleep(1.5 * PATIENT)
            assert raw.socket.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_comes_in_drops_is_refused(site: Site, impatient: Service) -> None:
    """Never silent for long, and far below the least rate: of a command, and of a file."""
    case = site.receive(impatient)
    before, files = site.sizes(), kept(site)
    for path in (f"/ledgers/dffh/commands/{ACKNOWLEDGED}", f"/ledgers/dffh/cases/{case}/attachments"):
        with Raw(impatient) as raw:
            raw.send(head(site, path, "Attachment-Title: Drops", "Content-Length: 100000"))
            said, seconds = drip(raw, endless(b"x"))
        assert said.startswith(b"HTTP/1.1 408 ")
        assert "expected 1000 bytes a second" in str(problem(said)["detail"])
        assert seconds > 0.9 * PATIENT
    assert kept(site) == files
    # One above that rate is taken, however long it lasts.
    assert attach(site, impatient, case, lasting(2 * PATIENT, b"x" * 10_000)).status_code == 201
    assert sum(site.check().values()) == sum(before.values()) + 1
    assert not impatient.failures()


def test_a_body_that_nobody_reads_is_not_waited_for(site: Site, impatient: Service) -> None:
    """It is refused at its head (no token); what of the body still comes keeps no connection open."""
    with Raw(impatient) as raw:
        raw.send(b"POST /ledgers/dffh/openings HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        said, _ = drip(raw, endless(b"x"))
    assert said.startswith(b"HTTP/1.1 401 ")


def test_an_answer_that_is_not_read_is_cut(site: Site, impatient: Service) -> None:
    """The client asks for much and takes nothing: its connection ends and with it what waits to be sent."""
    case = site.receive(impatient)
    size = 30_000_000
    answer = attach(site, impatient, case, b"x" * size)
    index = answer.json()["receipts"][0]["index"]
    body = json.dumps({"index": index, "reason": "to be slow"}).encode()
    host, port = impatient.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        client.sendall(head(site, "/ledgers/dffh/openings/file", f"Content-Length: {len(body)}") + body)
        impatient.wait_said('"an answer that is not read"')
        client.settimeout(DEADLINE)
        got = 0
        with suppress(ConnectionResetError):
            while part := client.recv(1 << 20):
                got += len(part)
        assert got < size
    assert not impatient.failures()


def test_what_is_no_http_is_refused_as_everything_is(site: Site, impatient: Service) -> None:
    with Raw(impatient) as raw:
        raw.send(b"hello\r\n\r\n")
        said, _ = drip(raw, silence())
    assert said.startswith(b"HTTP/1.1 400 ")
    assert problem(said)["title"] == "Malformed request"
