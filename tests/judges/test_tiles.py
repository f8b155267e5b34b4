"""A client of others reads our published folder, and each of our proofs and checkpoints holds for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import AuditLedgerError
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import COSIGNATURE, ED25519, SigningKey
from ledger.tlog.policy import Policy
from ledger.tlog.proof import ConsistencyProof
from ledger.tlog.tiles import Tile
from tests.bundle.made import FOLDER, KEY, ORIGIN, OTHER_KEY, POLICY, WITNESS, Log, log
from tests.judges.made import tiles
from tests.judges.tools import Stranger
from tests.tlog.naive import entries

HUGE = 65_536 + 300
"""Leaves of a tree with tiles at three levels."""
SIZES = [[1], [255, 256], [3, 257], [256, 512, 1000], [65_000, HUGE]]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_client_reads_every_entry_of_a_folder_that_grew(
    sizes: list[int], stranger: Stranger, tmp_path: Path
) -> None:
    made = Log(entries(sizes[-1]))
    tiles(tmp_path, made, sizes)
    done = stranger.judge("tiles", FOLDER / "policy", tmp_path / "checkpoint", tmp_path)
    told = f"{ORIGIN}: the tiles hold the {made.size} entries that were signed\n"
    assert (done.returncode, done.stdout) == (0, told), done.stderr
    assert (tmp_path / "tile/2/000.p/1").exists() is (made.size == HUGE)


@pytest.mark.parametrize(
    "tile", [Tile(None, 1), Tile(None, 2, 88), Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)], ids=str
)
def test_the_client_refuses_a_folder_with_one_bit_turned(
    tile: Tile, stranger: Stranger, tmp_path: Path
) -> None:
    tiles(tmp_path, log(600), [600])
    file = tmp_path / tile.path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = stranger.judge("tiles", FOLDER / "policy", tmp_path / "checkpoint", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("REFUSED: ")
    file.unlink()
    assert stranger.judge("tiles", FOLDER / "policy", tmp_path / "checkpoint", tmp_path).returncode == 1


def test_every_proof_of_trees_of_many_sizes_holds(stranger: Stranger, tmp_path: Path) -> None:
    for size in (1, 2, 3, 7, 8, 9, 33):
        made = log(size)
        folder = tmp_path / str(size)
        folder.mkdir()
        for index, entry in enumerate(made.entries):
            (folder / str(index)).write_bytes(entry)
            (folder / f"{index}.tlog-proof").write_bytes(bytes(made.prove(index)))
        done = stranger.judge("proof", FOLDER / "policy", folder, folder, *map(str, range(size)))
        assert done.stdout == f"{size} proved, the last of them entry {size - 1}\n", done.stderr
        (folder / "checkpoint").write_bytes(made.note())
        done = stranger.judge("tree", FOLDER / "policy", folder / "checkpoint", folder)
        assert done.returncode == 0, done.stderr
        for old in range(size + 1):
            earlier, proof = made.since(old) if old else (made.note(0), ConsistencyProof(0, (), made.note()))
            (folder / "earlier").write_bytes(earlier)
            (folder / "consistency").write_bytes(bytes(proof))
            done = stranger.judge("since", FOLDER / "policy", folder / "earlier", folder / "consistency")
            assert done.stdout == f"{ORIGIN}: the {size} entries go on from the {old}\n", done.stderr


STRANGE = SigningKey("witness.example", COSIGNATURE, b"\x07" * 32)
SECOND = SigningKey("second.example", COSIGNATURE, b"\x08" * 32)
LOG_LINE = f"log {KEY.verifier}\n"
TWO = f"witness a {WITNESS.verifier} https://a.example/\nwitness b {SECOND.verifier} https://b.example/\n"
POLICIES = {
    "log and witness": (log().note(), POLICY.decode(), True),
    "witness not asked for": (log().note(), LOG_LINE + "quorum none\n", True),
    "no witness, none asked for": (log().note(witness=None), LOG_LINE + "quorum none\n", True),
    "no witness, one asked for": (log().note(witness=None), POLICY.decode(), False),
    "witness's name, another key": (log().note(witness=STRANGE), POLICY.decode(), False),
    "one of two is enough": (
        log().note(),
        LOG_LINE + TWO + "group g any a b\nquorum g\n",
        True,
    ),
    "both of two are asked for": (
        log().note(),
        LOG_LINE + TWO + "group g all a b\nquorum g\n",
        False,
    ),
    "signed by another key of that name": (
        Log(log().entries, key=OTHER_KEY).note(), LOG_LINE + "quorum none\n", False,
    ),
    "altered under the signature": (
        log().note().replace(b"\n12\n", b"\n13\n"), LOG_LINE + "quorum none\n", False,
    ),
    "another log's key": (
        log().note(),
        f"log {SigningKey('other.example/log', ED25519, bytes(32)).verifier}\nquorum none\n",
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_met_for_others_where_it_is_for_us(name: str, stranger: Stranger, tmp_path: Path) -> None:
    note, policy, met = POLICIES[name]
    (tmp_path / "checkpoint").write_bytes(note)
    (tmp_path / "policy").write_text(policy, "utf-8")
    done = stranger.judge("checkpoint", tmp_path / "policy", tmp_path / "checkpoint")
    assert (done.returncode == 0) is met, done.stdout + done.stderr
    ours = Policy.parse(policy.encode())
    try:
        ours.require(open_checkpoint(note, ours.keys))
    except AuditLedgerError:
        assert not met
    else:
        assert met
