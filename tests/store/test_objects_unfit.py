"""Stores and drivers that nothing may be published in, and what stands before a store that is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from ledger.errors import SettingsError, Unavailable
from ledger.store import objects
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.objects import PROBE, TileObjects
from tests.store.published import Place
from tests.store.s3 import Bucket
from tests.support import check_ledger


class Naive(BaseHTTPRequestHandler):
    """A store that speaks S3 as it was before 2024: a write is a write, whatever condition it names."""

    held: dict[str, bytes]
    heeds: bool

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.held[self.path] = b""
        refused = self.heeds and "If-None-Match" in self.headers and PROBE in self.path
        self.send_response(412 if refused else 200)
        self.send_header("ETag", '"d41d8cd98f00b204e9800998ecf8427e"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def spoken(handler: type[BaseHTTPRequestHandler], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else behind the address of the store."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
            objects._opened.cache_clear()
            yield
        finally:
            server.shutdown()
            thread.join()
            objects._opened.cache_clear()


@pytest.mark.parametrize(("heeds", "said"), [(False, "If-None-Match"), (True, "If-Match")])
def test_a_store_that_heeds_no_condition_is_given_nothing(
    database: Database,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    heeds: bool,
    said: str,
) -> None:
    held: dict[str, bytes] = {}
    with spoken(type("Handler", (Naive,), {"held": held, "heeds": heeds}), monkeypatch):
        place = Place(database, ledger, tmp_path / "data", Bucket("s3://naive/x", tmp_path))
        place.fill(3)
        with place.sealer() as sealer, pytest.raises(SettingsError, match=f"s3://naive/x/dffh: .*{said}"):
            sealer.seal()
    assert held.keys() == {f"/naive/x/dffh/{PROBE}"}
    assert place.signed() is None
    assert check_ledger(database, ledger) == 3


class Gateway(Naive):
    """What stands before a store that is away: nothing is found there, and no store says so."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()


def test_what_a_gateway_does_not_find_may_be_there_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with spoken(Gateway, monkeypatch):
        there = TileObjects("s3://behind/x/dffh")
        with pytest.raises(Unavailable, match="s3://behind/x/dffh/checkpoint: cannot be read"):
            there.checkpoint()
        with pytest.raises(Unavailable, match="cannot be read"):
            there.publish(b"a note")


class LooksFirst(AbstractFileSystem):
    """A driver as fsspec makes it by default: two processes may both find nothing, and both write."""

    protocol = "looksfirst"


def test_a_driver_that_looks_first_and_writes_then_is_given_nothing() -> None:
    fsspec.register_implementation("looksfirst", LooksFirst, clobber=True)
    with pytest.raises(SettingsError, match="looks first and writes then"):
        TileObjects("looksfirst://bucket/x").begin()
