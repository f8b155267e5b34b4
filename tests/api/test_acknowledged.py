"""Writes acknowledged as sealed, receipts signed, proofs fetched: what a client asks of its answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from ledger.errors import ProofFailed
from ledger.service import application
from ledger.store.acknowledging import Acknowledging
from ledger.store.sealers import Sealed, Sealing
from ledger.tlog.chain import leaf_hash
from ledger.tlog.note import VerifierKey
from ledger.tlog.proof import InclusionProof
from ledger.tlog.receipt import open_receipt
from tests.api.conftest import House
from tests.api.test_commands import check
from tests.api.test_proofs import seal

PATH = "/ledgers/dffh/commands/request.RequestReceived"


@pytest.fixture
def sealing(house: House) -> Iterator[House]:
    """The house with its sealing beside it, which looks by itself once an hour."""
    sealed = Sealing(house.installation.database, house.installation.published, interval=3600.0)
    told = Acknowledging(house.installation.feed, house.installation.published, lambda: None, sealed.hurry)
    sealed.on_seal = told.look
    stop = Event()
    threads = [Thread(target=each.run, args=(stop,)) for each in (sealed, told)]
    for thread in threads:
        thread.start()
    try:
        app = application(house.installation, house.settings, acknowledged=told)
        with TestClient(app, raise_server_exceptions=False) as client:
            house.client = client
            yield house
    finally:
        stop.set()
        sealed.hurry()
        told.look()
        for thread in threads:
            thread.join()


def receive(house: House, query: str = "", key: str | None = None) -> httpx.Response:
    said = {
        "scheme": "vps", "form": "informal", "requester_name": "Quentin Planted",
        "provider": house.organisations["dffh"],
    }  # fmt: skip
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return house.post("officer", PATH + query, {"happened": "2025-06-11", "fields": said}, headers=headers)


def key_of(house: House, slug: str = "dffh") -> VerifierKey:
    ledger = house.installation.ledgers.get(slug)
    (key,) = house.installation.published.keys.of(slug, ledger.origin)
    return key.verifier


def size_of(house: House, slug: str = "dffh") -> int:
    return int(house.get("officer", f"/ledgers/{slug}").json()["size"])


def test_a_write_is_answered_once_it_is_sealed(sealing: House) -> None:
    answer = receive(sealing, "?acknowledge=sealed")
    assert answer.status_code == 201
    assert answer.json()["acknowledged"] == "sealed"
    (receipt,) = answer.json()["receipts"]
    checkpoint = sealing.get("officer", "/ledgers/dffh/checkpoint").text
    assert int(checkpoint.split("\n")[1]) == receipt["index"] + 1
    check(sealing)


def test_the_same_again_is_acknowledged_as_sealed_and_adds_nothing(sealing: House) -> None:
    key = str(uuid.uuid4())
    first = receive(sealing, key=key)
    assert (first.status_code, "acknowledged" in first.json()) == (201, False)
    again = receive(sealing, "?acknowledge=sealed", key=key)
    assert (again.status_code, again.json()["acknowledged"], again.json()["repeated"]) == (200, "sealed", True)
    assert again.json()["receipts"] == first.json()["receipts"]


def test_what_is_not_sealed_in_time_is_recorded_and_says_so(house: House) -> None:
    """Nobody seals here: the write is durable, and 202 says that it is no more."""
    told = Acknowledging(house.installation.feed, house.installation.published, lambda: None)
    settings = house.settings.model_copy(update={"acknowledge_timeout": 0.05})
    stop = Event()
    thread = Thread(target=told.run, args=(stop,))
    thread.start()
    try:
        with TestClient(application(house.installation, settings, acknowledged=told)) as client:
            house.client = client
            before = size_of(house)
            answer = receive(house, "?acknowledge=sealed")
            assert (answer.status_code, answer.json()["acknowledged"]) == (202, "durable")
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["receipts"][0]["index"] == before
            assert size_of(house) == before + 1
    finally:
        stop.set()
        told.look()
        thread.join()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?acknowledge=witnessed", "acknowledge"),
        ("?acknowledge=Sealed", "acknowledge"),
        ("?acknowledge=", "acknowledge"),
        ("?receipt=yes", "receipt"),
        ("?acknowledge=sealed&acknowledge=durable", "acknowledge"),
        ("?acknowledged=sealed", "acknowledged"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_recorded(
    sealing: House, query: str, field: str
) -> None:
    before = size_of(sealing)
    answer = receive(sealing, query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert size_of(sealing) == before


def test_who_holds_no_key_that_signs_refuses_at_once_what_it_could_never_see(
    sealing: House, tmp_path: Path
) -> None:
    receive(sealing, "?acknowledge=sealed")
    before, published = size_of(sealing), sealing.installation.published
    (key,) = published.keys.folder.glob("dffh.*.key")
    kept = key.rename(tmp_path / key.name)
    try:
        for query in ("?acknowledge=sealed", "?acknowledge=sealed&receipt=signed"):
            answer = receive(sealing, query)
            assert (answer.status_code, answer.json()["field"]) == (422, "acknowledge")
            assert "no key that signs dffh is held here" in answer.json()["detail"]
            assert str(published.keys.folder) not in answer.text
        assert receive(sealing, "?acknowledge=durable").status_code == 201
    finally:
        kept.rename(key)
    assert size_of(sealing) == before + 1
    assert receive(sealing, "?acknowledge=sealed").json()["acknowledged"] == "sealed"
    check(sealing)


def test_a_ledger_whose_sealing_was_stopped_promises_nothing(sealing: House) -> None:
    receive(sealing, "?acknowledge=sealed")
    standing = {"dffh": Sealed(1, "Diverged: Planted reason")}
    app = application(sealing.installation, sealing.settings, sealed=lambda: standing)
    with TestClient(app, raise_server_exceptions=False) as client:
        there, sealing.client = sealing.client, client
        before = size_of(sealing)
        answer = receive(sealing, "?receipt=signed")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "nothing was recorded: its sealing was stopped" in answer.json()["detail"]
        assert "Planted" not in answer.text
        assert size_of(sealing) == before
        # It is recorded all the same where no promise is asked for.
        assert receive(sealing, "").status_code == 201
        standing["dffh"] = Sealed(1)
        assert len(receive(sealing, "?receipt=signed").json()["signed_receipts"]) == 1
        sealing.client = there
    assert size_of(sealing) == before + 2


def test_a_database_behind_what_is_published_takes_nothing(sealing: House) -> None:
    receive(sealing, "?acknowledge=sealed")
    before, installation = size_of(sealing), sealing.installation
    mine = (installation.ledgers.get("dffh").id,)
    installation.compared.clear()
    with installation.database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.heads SET size = size - 1 WHERE ledger = %s", mine)
        assert receive(sealing, "").status_code == 503
        connection.execute("UPDATE ledger.heads SET size = size + 1 WHERE ledger = %s", mine)
    assert receive(sealing, "").status_code == 201
    assert size_of(sealing) == before + 1


def test_an_opening_waits_for_nothing_and_says_so(sealing: House) -> None:
    index = receive(sealing).json()["receipts"][0]["index"]
    before = size_of(sealing)
    for path, more in (("openings", {"wanted": [{"index": index}]}), ("openings/file", {"index": index})):
        answer = sealing.post(
            "officer", f"/ledgers/dffh/{path}?acknowledge=sealed", {**more, "reason": "an audit"}
        )
        assert (answer.status_code, answer.json()["field"]) == (422, "acknowledge")
    assert size_of(sealing) == before


def test_a_signed_receipt_is_upgraded_to_a_proof(sealing: House) -> None:
    seal_first = receive(sealing, "?acknowledge=sealed")
    assert seal_first.status_code == 201
    answer = receive(sealing, "?receipt=signed")
    assert answer.status_code == 201
    (said,), (note,) = answer.json()["receipts"], answer.json()["signed_receipts"]
    trusted = [key_of(sealing)]
    receipt = open_receipt(note.encode(), trusted)
    assert (receipt.index, receipt.leaf.hex()) == (said["index"], said["leaf_hash"])
    assert (receipt.proof_by - receipt.recorded_at).total_seconds() >= 3600
    path = f"/ledgers/dffh/entries/{receipt.index}"
    early = sealing.get("officer", f"{path}/proof")
    assert early.status_code == 404
    assert "is not in the last checkpoint" in early.json()["detail"]
    receive(sealing, "?acknowledge=sealed")
    proof = sealing.get("officer", f"{path}/proof")
    assert proof.headers["Content-Type"] == "text/plain; charset=utf-8"
    entry = sealing.installation.feed.entry(sealing.installation.ledgers.get("dffh").id, receipt.index).entry
    found = InclusionProof.parse(proof.content)
    receipt.kept(found.verify(entry, trusted).checkpoint.origin, found.index, leaf_hash(entry))
    with pytest.raises(ProofFailed):
        found.verify(entry + b"\0", trusted)


def test_a_receipt_cannot_be_signed_before_the_ledger_has_a_key(house: House) -> None:
    """It is recorded all the same, and the same again has its receipt signed."""
    key = str(uuid.uuid4())
    before = size_of(house)
    answer = receive(house, "?receipt=signed", key=key)
    assert answer.status_code == 503
    assert "recorded, and its receipt not signed" in answer.json()["detail"]
    assert size_of(house) == before + 1
    seal(house, "dffh")
    again = receive(house, "?receipt=signed", key=key)
    assert (again.status_code, again.json()["repeated"]) == (200, True)
    assert open_receipt(again.json()["signed_receipts"][0].encode(), [key_of(house)]).index == before


def test_proofs_of_a_private_ledger_are_for_its_readers(sealing: House) -> None:
    receive(sealing, "?acknowledge=sealed")
    path = "/ledgers/dffh/entries/0/proof"
    assert sealing.client.get(path).status_code == 401
    assert sealing.get("administrator", path).status_code == 403
    assert sealing.get("other_officer", path).status_code == 403
    assert sealing.get("officer", path).status_code == 200
    for path in ("/ledgers/dffh/entries/-1/proof", "/ledgers/dffh/entries/x/proof"):
        assert sealing.get("officer", path).status_code in (404, 422)


def test_a_file_is_kept_and_acknowledged_as_sealed(sealing: House) -> None:
    case = receive(sealing).json()["case"]
    headers: dict[str, Any] = {
        **sealing.headers("officer"), "Idempotency-Key": str(uuid.uuid4()), "Attachment-Title": "Plan",
        "Content-Type": "application/pdf",
    }  # fmt: skip
    path = f"/ledgers/dffh/cases/{case}/attachments?acknowledge=sealed&receipt=signed"
    answer = sealing.client.post(path, content=b"%PDF", headers=headers)
    assert (answer.status_code, answer.json()["acknowledged"]) == (201, "sealed")
    assert len(answer.json()["signed_receipts"]) == len(answer.json()["receipts"])
