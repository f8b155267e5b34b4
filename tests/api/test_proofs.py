"""Checkpoints and tiles over HTTP: open where a ledger is public, else by role; as published, byte by byte."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.service import Witnesses, application, witnessing
from ledger.store.database import Database
from ledger.store.sealers import Sealed, Sealing
from ledger.store.sealing import Link
from ledger.store.witnessing import Witnessed, Witnessing
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.tiles import Tile, edge
from tests.api.conftest import House, TestClient
from tests.api.test_commands import check
from tests.waiting import until

PUBLIC, PRIVATE = "open", "dffh"


@dataclass
class Hall:
    """The house with a ledger that is public, and two that were sealed."""

    house: House
    size: int

    def folder(self, slug: str) -> Path:
        """Where a ledger's files are published."""
        return self.house.settings.data_dir / "tiles" / slug

    def files(self, slug: str) -> dict[str, bytes]:
        """What is published of a ledger, by its path below it."""
        folder = self.folder(slug)
        found = [path for path in (folder / "tile").rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in [folder / "checkpoint", *found]}

    def raw(self, path: str, *, method: str = "GET", token: str | None = None) -> tuple[int, bytes, Any]:
        """A request whose path no client has tidied up; ``path`` as it stands behind the host, decoded."""
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
            "raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http",
            "server": ("testserver", 80), "client": ("stranger", 1), "root_path": "",
        }  # fmt: skip
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        asyncio.run(self.house.app(scope, receive, send))
        body = b"".join(each.get("body", b"") for each in said[1:])
        return said[0]["status"], body, dict(said[0]["headers"])


def seal(house: House, slug: str) -> int:
    """Seals a ledger as it is."""
    installation = house.installation
    ledger = installation.ledgers.get(slug)
    with installation.published.sealer(Link(installation.database), ledger) as sealer:
        found = sealer.seal()
    assert found is not None
    return found.size


@pytest.fixture
def hall(house: House) -> Iterator[Hall]:
    administrator = house.people["administrator"]
    house.installation.create_ledger(
        PUBLIC,
        origin="example.vic.gov.au/open",
        organisation=administrator.organisation,
        legal_name="Organisation OPEN",
        administrator=administrator,
        administrator_name="Ada Planted of open",
        public=True,
    )
    for _ in range(3):
        assert house.receive().status_code == 201
    seal(house, PRIVATE)
    yield Hall(house, seal(house, PUBLIC))
    check(house)


# --- a public ledger ----------------------------------------------------------------------------------------


def test_all_that_is_published_of_a_public_ledger_is_given_to_anyone_as_it_is(hall: Hall) -> None:
    files = hall.files(PUBLIC)
    assert len(files) >= 3
    for name, data in files.items():
        for headers in ({}, hall.house.headers("other_officer"), hall.house.headers("nobody")):
            answer = hall.house.client.get(f"/ledgers/{PUBLIC}/{name}", headers=headers)
            assert (answer.status_code, answer.content) == (200, data), name
            assert answer.headers["content-length"] == str(len(data))
            assert answer.headers["x-content-type-options"] == "nosniff"
    note = hall.house.client.get(f"/ledgers/{PUBLIC}/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    assert note.headers["cache-control"] == "no-cache"
    ledger = hall.house.installation.ledgers.get(PUBLIC)
    keys = [each.verifier for each in hall.house.installation.published.keys.of(PUBLIC, ledger.origin)]
    assert open_checkpoint(note.content, keys).checkpoint.size == hall.size
    tile = hall.house.client.get(f"/ledgers/{PUBLIC}/{edge(hall.size)[0].path}")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    bundle = hall.house.client.get(f"/ledgers/{PUBLIC}/{Tile(None, 0, hall.size).path}")
    assert bundle.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_head_says_the_same_without_a_body(hall: Hall) -> None:
    for name in ("checkpoint", edge(hall.size)[0].path):
        get, head = (getattr(hall.house.client, how)(f"/ledgers/{PUBLIC}/{name}") for how in ("get", "head"))
        assert (head.status_code, dict(head.headers)) == (200, dict(get.headers))
        private = hall.house.client.head(f"/ledgers/{PRIVATE}/{name}")
        assert private.status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_done_there(hall: Hall, method: str) -> None:
    for slug in (PUBLIC, PRIVATE, "none"):
        answers = {
            hall.raw(f"/ledgers/{slug}/{name}", method=method)[:2] for name in ("checkpoint", "tile/0/000")
        }
        assert {status for status, _ in answers} == {405}


@pytest.mark.parametrize(
    "path",
    [
        "0/..",
        "../checkpoint",
        "../../dffh/checkpoint",
        "../../../kek",
        "../../../signing/open.00000000.key",
        "0/../../../../../../etc/passwd",
        "//etc/passwd",
        "x000/000",
        "0/x000/000",
        "0/0",
        "0/0000",
        "0/-01",
        "00/000",
        "64/000",
        "entries/000.p/0",
        "entries/000.p/256",
        "entries/000.p/",
        "entries/000.p/01",
        "0/000/",
        "0/000 ",
        "0/000\x00",
        "0/\u0661\u0662\u0663",
        "data/000",
        "0",
        "entries",
        ".new/x",
        "0/001",
        "1/000",
        "0/000",
        "entries/000.p/200",
        "0/x999/x999/x999/x999/x999/x999/999",
    ],
)
def test_a_path_that_is_no_tile_is_not_found_and_says_nothing_of_the_server(hall: Hall, path: str) -> None:
    for token in (None, hall.house.token("officer")):
        status, body, headers = hall.raw(f"/ledgers/{PUBLIC}/tile/{path}", token=token)
        assert status == 404, body
        assert headers[b"content-type"] == b"application/problem+json"
        assert headers[b"cache-control"] == b"no-store"
        assert str(hall.house.settings.data_dir).encode() not in body
        assert hall.raw(f"/ledgers/{PRIVATE}/tile/{path}")[0] == 401
        assert hall.raw(f"/ledgers/{PRIVATE}/tile/{path}", token=hall.house.token("officer"))[0] == 404


@pytest.mark.parametrize(
    "path", ["%2e%2e/checkpoint", "%2e%2e%2f%2e%2e%2fkek", "0/%2e%2e", "0%2f..%2f..", "..%5c"]
)
def test_an_encoded_path_is_no_way_out_either(hall: Hall, path: str) -> None:
    answer = hall.house.client.get(f"/ledgers/{PUBLIC}/tile/{path}")
    assert answer.status_code == 404, answer.text


def test_the_beginning_of_a_full_tile_stands_for_a_partial_one_that_is_gone(hall: Hall) -> None:
    narrow = Tile(0, 0, hall.size)
    partial, full = hall.folder(PUBLIC) / narrow.path, hall.folder(PUBLIC) / Tile(0, 0).path
    data = partial.read_bytes()
    partial.unlink()
    partial.parent.rmdir()
    full.write_bytes(data + bytes(32 * (256 - hall.size)))
    assert hall.house.client.get(f"/ledgers/{PUBLIC}/{narrow.path}").content == data


def test_a_file_that_cannot_be_read_is_unavailable_and_names_no_path(hall: Hall) -> None:
    (hall.folder(PUBLIC) / "checkpoint").unlink()
    (hall.folder(PUBLIC) / "checkpoint").mkdir()
    tile = edge(hall.size)[0].path
    (hall.folder(PUBLIC) / tile).unlink()
    (hall.folder(PUBLIC) / tile).mkdir()
    for name, what in (("checkpoint", "its checkpoint"), (tile, tile)):
        answer = hall.house.client.get(f"/ledgers/{PUBLIC}/{name}")
        assert (answer.status_code, answer.json()["detail"]) == (
            503, f"ledger {PUBLIC}: {what} cannot be read now"
        )  # fmt: skip


@pytest.mark.parametrize("which", ["tile", "bundle"])
def test_no_proof_is_given_of_damaged_files(hall: Hall, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of 200 that fails where it is checked would be held against the ledger."""
    said: list[dict[str, Any]] = []
    monkeypatch.setattr("ledger.api.proofs.log.error", lambda _, **more: said.append(more))
    tile = edge(hall.size)[0] if which == "tile" else Tile(None, 0, hall.size)
    file = hall.folder(PUBLIC) / tile.path
    whole = file.read_bytes()
    for index in range(hall.size):
        assert hall.house.client.get(f"/ledgers/{PUBLIC}/entries/{index}/proof").status_code == 200
    for damaged in (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], whole[:-1], None):
        if damaged is None:
            file.unlink()
        else:
            file.write_bytes(damaged)
        answer = hall.house.client.get(f"/ledgers/{PUBLIC}/entries/0/proof")
        if damaged is None:
            assert (answer.status_code, "a proof cannot be read now" in answer.text) == (503, True)
        else:
            assert (answer.status_code, answer.json()["type"]) == (500, "urn:auditledger:problem:proof-failed")
            assert "the published files do not lead to the checkpoint" in answer.json()["detail"]
        assert said.pop()["ledger"] == PUBLIC
        assert str(hall.house.settings.data_dir) not in answer.text
    answer = hall.house.client.get(f"/ledgers/{PUBLIC}/entries/{hall.size}/proof")
    assert answer.status_code == 404


# --- others -------------------------------------------------------------------------------------------------


def test_a_private_ledger_is_read_by_who_may_read_its_entries(hall: Hall) -> None:
    files = hall.files(PRIVATE)
    tile = next(name for name in files if name.startswith("tile/entries/"))
    expected = {
        "officer": (200, 200), "privacy_officer": (200, 200), "regulator": (200, 200), "auditor": (200, 200),
        # Size and last hash of a ledger are shown to these by 'GET /ledgers/{slug}', its entries are not.
        "administrator": (200, 403), "reporter": (200, 403),
        "nobody": (403, 403), "other_officer": (403, 403), "other_administrator": (403, 403),
    }  # fmt: skip
    for who, statuses in expected.items():
        for name, status in zip(("checkpoint", tile), statuses, strict=True):
            answer = hall.house.get(who, f"/ledgers/{PRIVATE}/{name}")
            assert answer.status_code == status, (who, name, answer.text)
            assert (answer.content == files[name]) == (status == 200)
    kept = hall.house.get("officer", f"/ledgers/{PRIVATE}/{tile}").headers["cache-control"]
    assert kept == "private, max-age=31536000, immutable"


def test_without_a_token_no_one_learns_which_ledgers_there_are(hall: Hall) -> None:
    """One that was sealed, one that was not, one that is none, one whose name is no name: all alike."""
    told = set()
    for slug in (PRIVATE, "djcs", "common", "none", "d\x00", "D%", "..", "-"):
        for name in ("checkpoint", "tile/0/000", "tile/entries/000.p/7", "tile/none", "tile/../checkpoint"):
            status, body, headers = hall.raw(f"/ledgers/{slug}/{name}")
            told.add((status, body, tuple(sorted(headers.items()))))
    ((status, body, headers),) = told
    assert status == 401
    assert dict(headers)[b"www-authenticate"].startswith(b"Bearer")
    assert b"a bearer token is needed" in body


def test_a_wrong_token_opens_nothing_that_is_public_either(hall: Hall) -> None:
    for name in ("checkpoint", edge(hall.size)[0].path):
        answer = hall.house.client.get(f"/ledgers/{PUBLIC}/{name}", headers={"Authorization": "Bearer abc"})
        assert answer.status_code == 401


def test_what_lies_beside_the_open_paths_stays_closed(hall: Hall) -> None:
    for path in (
        f"/ledgers/{PUBLIC}", f"/ledgers/{PUBLIC}/entries", f"/ledgers/{PUBLIC}/checkpoint/",
        f"/ledgers/{PUBLIC}/tile/", f"/ledgers/{PUBLIC}/tile", f"/x/ledgers/{PUBLIC}/checkpoint",
        f"/ledgers/{PUBLIC}/checkpoint\n", f"/ledgers/{PUBLIC}/x/checkpoint",
    ):  # fmt: skip
        assert hall.raw(path)[0] == 401, path


def test_before_the_first_seal_there_is_no_checkpoint(hall: Hall) -> None:
    house = hall.house
    answer = house.get("other_officer", "/ledgers/djcs/checkpoint")
    assert (answer.status_code, answer.json()["detail"]) == (404, "ledger djcs: no checkpoint is published yet")
    assert house.get("other_officer", "/ledgers/djcs/tile/0/000").status_code == 404
    house.installation.ledgers.create("new", "e/new", "o", public=True)
    assert house.client.get("/ledgers/new/checkpoint").status_code == 404
    assert seal(house, "new") == 0
    assert house.client.get("/ledgers/new/checkpoint").text.startswith("e/new\n0\n")


def test_strangers_who_try_names_make_no_work_for_the_database(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hall.house.client.get("/ledgers/none/checkpoint").status_code == 401
    asked: list[object] = []
    connect = Database.connect

    def counted(self: Database, *arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        return connect(self, *arguments, **options)

    monkeypatch.setattr("ledger.store.ledgers.LOOKED_AT", 3600.0)
    hall.house.installation.ledgers.all()
    monkeypatch.setattr(Database, "connect", counted)
    for number in range(20):
        assert hall.house.client.get(f"/ledgers/none-{number}/checkpoint").status_code == 401
        assert hall.house.client.get(f"/ledgers/{PUBLIC}/checkpoint").status_code == 200
    assert asked == []


# --- how sealing stands -------------------------------------------------------------------------------------


def test_metrics_and_health_say_how_sealing_stands_of_what_one_may_read(hall: Hall) -> None:
    standing = {"dffh": Sealed(7), "djcs": Sealed(4, "Diverged: Planted reason"), "common": Sealed(9)}
    app = application(hall.house.installation, hall.house.settings, sealed=lambda: standing)
    with TestClient(app) as client:
        expected: dict[str, dict[str, tuple[float, float]]] = {
            "officer": {"dffh": (7, 0), "common": (9, 0)},
            "regulator": {"dffh": (7, 0), "djcs": (4, 1), "common": (9, 0)},
        }
        for who, told in expected.items():
            text = client.get("/metrics", headers=hall.house.headers(who)).text
            found = gauges(text)
            sealed, alarm = found["auditledger_sealed_entries"], found["auditledger_sealing_alarm"]
            assert {slug: (sealed[slug], alarm[slug]) for slug in sealed} == told
            assert "Planted" not in text
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert health.json()["sealing"] == "stopped for 1 ledgers"
        assert "djcs" not in health.text
        del standing["djcs"]
        assert client.get("/health").json()["sealing"] == "ok"


def test_metrics_and_health_say_how_far_witnesses_are_of_what_one_may_read(hall: Hall) -> None:
    away = {"witness.example/w1": "it was shown another history", "witness.example/w2": "planted"}
    standing = {"dffh": Witnessed(7, {}), "djcs": Witnessed(4, away), "common": Witnessed(9, {})}
    witnesses = Witnesses(lambda: None, lambda: standing)
    app = application(hall.house.installation, hall.house.settings, witnessed=witnesses)
    with TestClient(app) as client:
        expected: dict[str, dict[str, tuple[float, float]]] = {
            "officer": {"dffh": (7, 0), "common": (9, 0)},
            "regulator": {"dffh": (7, 0), "djcs": (4, 2), "common": (9, 0)},
        }
        for who, told in expected.items():
            found = gauges(client.get("/metrics", headers=hall.house.headers(who)).text)
            size, gone = found["auditledger_witnessed_entries"], found["auditledger_witnesses_away"]
            assert {slug: (size[slug], gone[slug]) for slug in size} == told
        health = client.get("/health").json()
        assert (health["status"], health["witnessing"]) == ("ok", "2 witnesses away")
        standing["djcs"] = Witnessed(4, away, frozenset({"witness.example/w1"}))
        found = gauges(client.get("/metrics", headers=hall.house.headers("regulator")).text)
        assert found["auditledger_witnesses_refusing"] == {"dffh": 0, "djcs": 1, "common": 0}
        assert found["auditledger_witnesses_away"]["djcs"] == 2
        health = client.get("/health")
        assert (health.status_code, health.json()["witnessing"]) == (
            200,
            "1 witnesses refuse, 1 witnesses away",
        )
        del standing["djcs"]
        assert client.get("/health").json()["witnessing"] == "ok"


def test_health_says_that_what_seals_or_asks_witnesses_has_ended(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a fault of ours: what it said last stands no longer."""
    house, go_on = hall.house, threading.Event()

    def fault(_: object, __: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Sealing, "seal", fault)
    monkeypatch.setattr(Witnessing, "run", lambda *_: go_on.wait(60))
    sealed = Sealing(house.installation.database, house.installation.published, interval=0.01)
    with (
        witnessing(house.installation, house.settings, sealed, threading.Event()) as witnessed,
        TestClient(
            application(house.installation, house.settings, sealed=sealed.standing, witnessed=witnessed),
            raise_server_exceptions=False,
        ) as client,
    ):

        def said() -> set[str]:
            health = client.get("/health").json()
            return {health["sealing"], health["witnessing"]}

        assert said() == {"ok"}
        with pytest.raises(RuntimeError, match="a fault of ours"):
            sealed.run(threading.Event())
        go_on.set()
        until(lambda: said() == {"ended; start the service again"})
        text = client.get("/metrics", headers=house.headers("officer")).text
        assert "auditledger_sealed" not in text
        assert "auditledger_witness" not in text


def test_where_nothing_is_sealed_nothing_is_said_of_it(hall: Hall) -> None:
    health = hall.house.client.get("/health").json()
    assert "sealing" not in health
    assert "witnessing" not in health
    assert "auditledger_sealed" not in hall.house.get("officer", "/metrics").text


def gauges(text: str) -> dict[str, dict[str, float]]:
    """By name: the value for each ledger."""
    return {
        family.name: {sample.labels["ledger"]: sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
        if all("ledger" in sample.labels for sample in family.samples)
    }
