"""No proof is handed out that fails where it is checked: of damaged published files none is made."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from ledger.store.writer import Writer
from tests.cli.conftest import Program
from tests.cli.test_commands import receive
from tests.cli.test_proofs import ORIGIN, fails, flipped
from tests.support import check_ledger, sample

LEAD = f"{ORIGIN}: the published files do not lead to the checkpoint of "


@pytest.fixture
def receipt(dffh: Program, database: Database, tmp_path: Path) -> Path:
    """A signed receipt of entry 4, in a ledger of a full tile and more: what no seal looks at any more."""
    dffh.ok("checkpoint", "--ledger", "dffh")
    found = receive(dffh, "--receipts", str(tmp_path / "kept"))
    assert found["receipts"][0]["index"] == 4
    ledger = Ledgers(database).get("dffh")
    with Writer(database) as writer:
        stream, command = f"s-{uuid.uuid4()}", str(uuid.uuid4())
        drafts = [sample(stream, part + 1, command=command, part=part) for part in range(300)]
        writer.submit(ledger.id, drafts).result(30)
    assert dffh.ok("checkpoint", "--ledger", "dffh")["size"] == check_ledger(database, ledger) == 305
    return Path(found["signed_receipts"][0])


@pytest.mark.parametrize("arguments", [("3",), ("14",), ("4",), ("--since", "9")])
def test_no_proof_is_made_of_a_damaged_tile(
    receipt: Path, dffh: Program, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    tile, to = tmp_path / "data" / "tiles" / "dffh" / "tile" / "0" / "000", tmp_path / "to"
    whole = tile.read_bytes()
    assert dffh("prove", *arguments, "--to", str(to)).code == 0
    for path in to.iterdir():
        path.unlink()
    for damaged, said in ((flipped(500)(whole), "expected the root"), (whole[:-1], "expected 8192 bytes")):
        tile.write_bytes(damaged)
        answer = dffh("prove", *arguments, "--to", str(to))
        fails(answer, 8, f"{LEAD}305 entries: ")
        assert said in answer.err
        assert (answer.out, list(to.iterdir())) == ("", [])
    tile.unlink()
    answer = dffh("prove", *arguments, "--to", str(to))
    fails(
        answer,
        11,
        f"{tile}: there is no such file: published files of this ledger are missing, of entries from 0",
    )
    assert (answer.out, list(to.iterdir())) == ("", [])
    tile.write_bytes(whole)
    assert dffh("prove", *arguments, "--to", str(to)).code == 0


def test_an_entry_that_is_damaged_is_not_handed_out_and_is_no_broken_promise(
    receipt: Path, dffh: Program, tmp_path: Path
) -> None:
    bundle = tmp_path / "data" / "tiles" / "dffh" / "tile" / "entries" / "000"
    whole = bundle.read_bytes()
    at = whole.index(b"ledger.request.v1.RequestReceived")
    for damaged in (flipped(at)(whole), whole[:-1]):
        bundle.write_bytes(damaged)
        for arguments in (("4",), ("--receipt", str(receipt))):
            answer = dffh("prove", *arguments, "--to", str(tmp_path / "to"))
            fails(answer, 8, f"{LEAD}305 entries: ")
            assert "BROKEN" not in answer.err
    assert not (tmp_path / "to").exists()
