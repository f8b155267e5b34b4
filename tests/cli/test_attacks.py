"""Attacks by an operator who has the database and the published files, each with columns and chain made to fit.

What only looks at one of them is deceived by none; what is found where is what docs/attacks.md says.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg.rows import dict_row

from ledger.codec.avro import encode_long
from ledger.codec.declare import micros
from ledger.codec.entry import decode_entry, prefix
from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.tlog.proof import InclusionProof
from tests.cli.test_commands import receive
from tests.cli.test_proofs import (
    ORIGIN,
    Auditor,
    auditor,
    fails,
    forgotten,
    lied,
    rewritten,
    superuser,
    url_of,
)
from tests.store.published import files_of
from tests.support import check_ledger
from tests.tlog.naive import Tree

__all__ = ["auditor"]

SIGNED = 7
"""Entries under the checkpoint that the attacker has no key to sign anew; 4 to 6 are cases of one entry."""
Act = Callable[[list[bytes]], list[bytes]]


def made_up(entry: bytes) -> bytes:
    """Another case, received by another command: an entry that nobody recorded."""
    found = decode_entry(entry)
    for id_ in (found.stream, found.command):
        entry = entry.replace(id_.encode(), str(uuid4()).encode())
    return entry


ACTS: dict[str, Act] = {
    "altered": lambda entries: [*entries[:4], lied(entries[4]), *entries[5:]],
    "dropped": lambda entries: [*entries[:5], *entries[6:]],
    "swapped": lambda entries: [*entries[:4], entries[5], entries[4], entries[6]],
    "inserted": lambda entries: [*entries[:5], made_up(entries[5]), *entries[5:]],
    "cut off": lambda entries: entries[:6],
}


def chained(entries: Sequence[bytes]) -> list[bytes]:
    """Each entry at its place, going on from the one before and never before it."""
    found: list[bytes] = []
    latest = 0
    for index, entry in enumerate(entries):
        told = decode_entry(entry)
        at = micros(told.recorded_at)
        latest = max(latest, at)
        entry = entry.replace(encode_long(at), encode_long(latest))
        old = len(prefix(ORIGIN) + encode_long(told.index))
        previous = leaf_hash(found[-1]) if found else GENESIS
        found.append(prefix(ORIGIN) + encode_long(index) + previous + entry[old + 32 :])
    return found


def in_database(url: str, act: Act) -> None:
    """Rows and head as if the entries had never been others; what a superuser can do."""
    with superuser(url) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        where = "ledger = (SELECT id FROM ledger.ledgers WHERE slug = 'dffh')"
        rows = cursor.execute(f"DELETE FROM ledger.entries WHERE {where} RETURNING *".encode()).fetchall()
        rows.sort(key=lambda row: row["index"])
        entries = chained(act([bytes(row["entry"]) for row in rows]))
        for index, entry in enumerate(entries):
            told = decode_entry(entry)
            of: dict[str, Any] = next((r for r in rows if str(r["command"]) == told.command), rows[5]) | {
                "index": index, "recorded_at": told.recorded_at, "command": told.command,
                "stream": told.stream, "leaf_hash": leaf_hash(entry), "entry": entry,
            }  # fmt: skip
            names, blanks = ", ".join(of), ", ".join(f"%({name})s" for name in of)
            connection.execute(f"INSERT INTO ledger.entries ({names}) VALUES ({blanks})".encode(), of)
        last = decode_entry(entries[-1])
        connection.execute(
            f"UPDATE ledger.heads SET size = %s, hash = %s, recorded_at = %s WHERE {where}".encode(),
            (len(entries), leaf_hash(entries[-1]), last.recorded_at),
        )


def in_tiles(folder: Path, act: Act) -> None:
    """Every published file as it would be of other entries; the signed checkpoint stays."""
    bundle = (folder / "tile" / "entries" / "000.p" / str(SIGNED)).read_bytes()
    entries = []
    while bundle:
        size = int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2 : 2 + size])
        bundle = bundle[2 + size :]
    assert len(entries) == SIGNED
    entries = chained(act(entries))
    shutil.rmtree(folder / "tile")
    for size in {len(entries), min(len(entries), SIGNED)}:
        for path, data in files_of(Tree(entries[:size]), size).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)


@pytest.mark.parametrize("where", ["database", "tiles", "both"])
@pytest.mark.parametrize("how", ACTS)
def test_entries_in_the_database_in_tiles_and_in_both(
    auditor: Auditor, database: Database, how: str, where: str
) -> None:
    """Chain, columns, head and tiles fit: the signed root alone does not."""
    program = auditor.program
    if where != "tiles":
        in_database(url_of(program), ACTS[how])
    if where != "database":
        in_tiles(auditor.tiles, ACTS[how])
    answer, files = program("verify", "--ledger", "dffh"), auditor.folder()
    assert (answer.code, files.code) == {"database": (8, 0), "tiles": (0, 8), "both": (8, 8)}[where], (
        answer, files,
    )  # fmt: skip
    for each in (answer, files):
        if each.code:
            assert "TAMPERED" in each.out
    if where != "tiles":
        # Nothing else is wrong with it: the chain alone would call it whole.
        assert check_ledger(database, Ledgers(database).get("dffh")) != 0
    before = (auditor.tiles / "checkpoint").read_bytes()
    if where != "tiles" and how in ("dropped", "cut off"):
        # What refill could still put back stays so.
        fails(receive(program, ok=False), 10, "the database holds 6: it is an older one")
    else:
        receive(program)
    fails(program("checkpoint", "--ledger", "dffh"), 10, "nothing is signed before this is looked into")
    assert (auditor.tiles / "checkpoint").read_bytes() == before


def test_two_readers_who_are_shown_two_histories(auditor: Auditor, tmp_path: Path) -> None:
    """The operator signs both with the ledger's own key: each is whole, and either checkpoint gives it away."""
    program, notes, folders, proofs = auditor.program, [], [], []
    for reader in ("one", "two"):
        if reader == "two":
            rewritten(url_of(program))
            forgotten(url_of(program))
            shutil.rmtree(auditor.tiles)
        else:
            receive(program)
        program.ok("checkpoint", "--ledger", "dffh")
        notes.append(tmp_path / f"{reader}.checkpoint")
        notes[-1].write_text(program("checkpoint", "--ledger", "dffh").out)
        folders.append(shutil.copytree(auditor.tiles, tmp_path / reader))
        made = program.ok("prove", "4", "--ledger", "dffh", "--to", str(tmp_path / f"{reader}-proof"))["files"]
        proofs.append([Path(each) for each in made[:2]])
    assert notes[0].read_text().splitlines()[:2] == notes[1].read_text().splitlines()[:2] == [ORIGIN, "8"]
    for this, other in ((0, 1), (1, 0)):
        auditor.home = tmp_path / f"home-{this}"
        tiles = ("--tiles", str(folders[this]))
        fails(auditor(*tiles, "--checkpoint", str(notes[other])), 8, f"{ORIGIN}: the tree of 8 entries has")
        assert auditor(*tiles).code == 0
        # And what each remembers of its own look is enough, once it is shown the other's.
        fails(auditor("--tiles", str(folders[other])), 8, f"{ORIGIN}: the tree of 8 entries has the root")
        proof, entry = proofs[other]
        fails(auditor("--proof", str(proof), "--entry", str(entry)), 8, "two histories are shown")
        # The proof of one history under the checkpoint of the other.
        spliced = tmp_path / "spliced.tlog-proof"
        told = InclusionProof.parse(proof.read_bytes())
        mine = InclusionProof.parse(proofs[this][0].read_bytes())
        spliced.write_bytes(proof.read_bytes().replace(told.checkpoint, mine.checkpoint))
        assert spliced.read_bytes() != proof.read_bytes()
        fails(auditor("--proof", str(spliced), "--entry", str(entry)), 8, "inclusion: expected the root")


def test_what_was_kept_shows_a_database_set_back_with_its_files(auditor: Auditor, tmp_path: Path) -> None:
    """A backup put in the place of what came later, published files and all: whole, signed, and too short."""
    program = auditor.program
    copied = shutil.copytree(auditor.tiles, tmp_path / "backup")
    with superuser(url_of(program)) as connection:
        for name in ("entries", "heads", "checkpoints"):
            connection.execute(f"CREATE TABLE public.{name} AS TABLE ledger.{name}".encode())
    receive(program)
    program.ok("checkpoint", "--ledger", "dffh")
    kept = tmp_path / "kept"
    kept.write_text(program("checkpoint", "--ledger", "dffh").out)
    shutil.rmtree(auditor.tiles)
    shutil.copytree(copied, auditor.tiles)
    with superuser(url_of(program)) as connection:
        for name in ("entries", "heads", "checkpoints"):
            connection.execute(f"DELETE FROM ledger.{name}".encode())
            connection.execute(f"INSERT INTO ledger.{name} SELECT * FROM public.{name}".encode())
    assert auditor.folder().code == 0
    assert program("verify", "--ledger", "dffh").code == 0
    auditor.home = tmp_path / "another"
    fails(
        auditor("--tiles", str(auditor.tiles), "--checkpoint", str(kept)), 8,
        f"{ORIGIN}: 8 entries were seen before, 7 are published now",
    )  # fmt: skip
    fails(
        program("verify", "--checkpoint", str(kept)), 8, "it is missing: a checkpoint of 8 entries was signed"
    )
    # The older checkpoint shown alone again, behind the tiles of what came later: the same.
    assert program("verify", "--ledger", "dffh").code == 0
