"""Timelines over HTTP: between which times witnesses saw each entry appear."""

from __future__ import annotations

import time

from ledger.service import Witnesses, application
from ledger.store import queries
from ledger.store.database import Role
from ledger.store.sealing import Link
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey
from ledger.tlog.policy import Policy
from tests.api.conftest import House, TestClient

W1 = SigningKey("witness.example/w1", COSIGNATURE, bytes([1] * 32))
POLICY = Policy.parse(f"witness w {W1.verifier}\nquorum w\n".encode())


def cosign(house: House, at: int) -> None:
    """What the ledger holds now is sealed, and cosigned at that time."""
    installation = house.installation
    ledger = installation.ledgers.get("dffh")
    with installation.published.sealer(Link(installation.database), ledger) as sealer:
        sealer.seal()
    note = Note.parse(installation.published.of(ledger).checkpoint() or b"")
    line = SignatureLine.parse(W1.sign(note.text, at).rstrip("\n"))
    with installation.database.connect(Role.SEALER) as connection:
        connection.execute(
            queries.get("keep_cosignature"),
            {
                "ledger": ledger.id, "size": Checkpoint.parse(note.text).size, "witness": str(W1.verifier),
                "time": at, "note": str(note.also([line])),
            },
        )  # fmt: skip


def test_a_timeline_says_what_witnesses_say_and_nothing_where_none_has_spoken(house: House) -> None:
    path = "/ledgers/dffh/cases/roles"
    for each in (path, "/ledgers/dffh/entries"):
        assert {one["witnessed"] for one in house.get("officer", each).json()["entries"]} == {None}
    app = application(house.installation, house.settings, witnessed=Witnesses(lambda: POLICY))
    with TestClient(app) as client:
        headers = house.headers("officer")
        assert {each["witnessed"] for each in client.get(path, headers=headers).json()["entries"]} == {None}
        cosign(house, 1_790_000_000)
        entries = client.get(path, headers=headers).json()["entries"]
        assert entries
        listed = client.get("/ledgers/dffh/entries", headers=headers).json()["entries"]
        alone = client.get(f"/ledgers/dffh/entries/{entries[0]['index']}", headers=headers).json()
        assert len(listed) >= len(entries)
        for each in (*entries, *listed, alone):
            said = each["witnessed"]
            assert (said["not_before"], said["not_after"]) == (None, "2026-09-21T14:13:20Z")
        # A clock of the operator's that is ahead of the witness's is told apart from one that is behind.
        ahead = time.time() > 1_790_000_000 + 60
        assert entries[0]["witnessed"]["outside"] == ("after" if ahead else None)
