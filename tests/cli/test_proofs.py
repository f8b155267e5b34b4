"""Checkpoints, proofs and keys from the command line: an auditor's whole way, and what each attack leaves."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.cli import proofs
from ledger.codec.avro import encode_long, encode_string
from ledger.codec.entry import decode_entry, prefix
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledgers
from ledger.store.published import Published
from ledger.store.sealing import Link
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import Frontier
from ledger.tlog.note import Note, SigningKey
from tests.cli.conftest import Answer, Program
from tests.cli.test_commands import receive
from tests.support import check_ledger

ORIGIN = "example.vic.gov.au/dffh"
Spoil = Callable[[bytes], bytes]


@contextmanager
def superuser(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Whom no trigger stops."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def lied(entry: bytes) -> bytes:
    """An entry whose actor is known in another way: nothing that a column repeats."""
    authority = decode_entry(entry).actor.authority
    altered = entry.replace(encode_string(authority), encode_string("X" + authority[1:]), 1)
    assert altered != entry
    return altered


def rewritten(url: str, slug: str = "dffh") -> None:
    """Every entry of a ledger made anew from a lie in the first, with a chain, columns and a head that fit."""
    with superuser(url) as connection:
        found = connection.execute("SELECT id, origin FROM ledger.ledgers WHERE slug = %s", (slug,)).fetchone()
        assert found is not None
        ledger, origin = found
        stored = connection.execute(
            "SELECT index, entry FROM ledger.entries WHERE ledger = %s ORDER BY index", (ledger,)
        ).fetchall()
        previous = GENESIS
        for index, entry in stored:
            begin = prefix(origin) + encode_long(index)
            altered = begin + previous + bytes(entry)[len(begin) + len(previous) :]
            altered = lied(altered) if index == 0 else altered
            previous = leaf_hash(altered)
            connection.execute(
                "UPDATE ledger.entries SET entry = %s, leaf_hash = %s WHERE ledger = %s AND index = %s",
                (altered, previous, ledger, index),
            )
        connection.execute("UPDATE ledger.heads SET hash = %s WHERE ledger = %s", (previous, ledger))


def forgotten(url: str) -> None:
    """The database knows of no checkpoint any more."""
    with superuser(url) as connection:
        connection.execute("DELETE FROM ledger.checkpoints")


@dataclass
class Auditor:
    """Somebody with a machine of their own: what was published, the key, and no database."""

    program: Program
    key: str
    tiles: Path
    home: Path

    def __call__(self, *arguments: str) -> Answer:
        """``verify`` on the auditor's machine."""
        kept = dict(self.program.environment)
        self.program.environment |= {
            "AUDITLEDGER_DATA_DIR": str(self.home),
            "AUDITLEDGER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        }
        try:
            return self.program("verify", *arguments, "--key", self.key, "--processes", "1")
        finally:
            self.program.environment |= kept

    def folder(self) -> Answer:
        """Of the published files."""
        return self("--tiles", str(self.tiles))


@pytest.fixture
def auditor(dffh: Program, tmp_path: Path) -> Auditor:
    """An auditor of the ledger as it was signed with its first requests."""
    for _ in range(3):
        receive(dffh)
    dffh.ok("checkpoint", "--ledger", "dffh")
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    return Auditor(dffh, key, tmp_path / "data" / "tiles" / "dffh", tmp_path / "auditor" / "home")


def url_of(program: Program) -> str:
    return program.environment["AUDITLEDGER_DATABASE_URL"]


def fails(answer: Answer, code: int, said: str) -> None:
    """It failed with this code and one line that says this; where it checked something, in text too."""
    assert (answer.code, said in answer.err, answer.err.count("\n")) == (code, True, 1), answer
    assert answer.err.startswith("auditledger: ")


# --- checkpoint, keys, prove --------------------------------------------------------------------------------


def test_a_checkpoint_is_the_published_note_of_the_tree_of_all_entries(
    dffh: Program, database: Database, tmp_path: Path
) -> None:
    receive(dffh)
    ledger = Ledgers(database).get("dffh")
    assert check_ledger(database, ledger) == 5
    told = dffh("checkpoint")
    published = tmp_path / "data" / "tiles" / "dffh" / "checkpoint"
    assert (told.code, told.out.encode()) == (0, published.read_bytes())
    tree = Frontier()
    with psycopg.connect(url_of(dffh)) as connection:
        for (leaf,) in connection.execute(
            "SELECT leaf_hash FROM ledger.entries WHERE ledger = %s ORDER BY index", (ledger.id,)
        ):
            tree.append(bytes(leaf))
    expected = Checkpoint(ORIGIN, 5, tree.root())
    assert Checkpoint.parse(Note.parse(told.out.encode()).text) == expected
    assert dffh.ok("checkpoint", "--ledger", "dffh") == {
        "origin": ORIGIN, "size": 5, "root": base64.b64encode(expected.root).decode(), "note": told.out,
    }  # fmt: skip
    receive(dffh)
    assert dffh.ok("checkpoint")["size"] == 6
    assert check_ledger(database, ledger) == 6


def test_keys_are_listed_once_something_is_signed_and_never_in_secret_form(
    dffh: Program, tmp_path: Path
) -> None:
    assert dffh.ok("keys", "list")["keys"] == []
    assert "No ledger has signed anything yet" in dffh("keys", "list").out
    dffh.ok("checkpoint", "--ledger", "dffh")
    dffh.ok("checkpoint", "--ledger", "common")
    listed = dffh.ok("keys", "list")["keys"]
    assert [each["ledger"] for each in listed] == ["common", "dffh"]
    key = listed[1]["key"]
    assert key.startswith(f"{ORIGIN}+")
    told = dffh("keys", "list")
    # Whole and on one line, so that it can be copied.
    assert [line.split() for line in told.out.splitlines() if line.startswith("dffh")] == [
        ["dffh", key, "from", "size", "0"]
    ]
    assert "PRIVATE" not in told.out + json.dumps(listed)
    (file,) = (tmp_path / "data" / "signing").glob("dffh.*.key")
    assert file.name == f"dffh.{key.split('+')[1]}.key"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_proof_and_its_entry_are_written_and_verified_by_the_key_alone(
    auditor: Auditor, tmp_path: Path
) -> None:
    to = tmp_path / "proofs" / "new"
    told = auditor.program("prove", "4", "--to", str(to))
    assert told.code == 0, told.err
    files = [to / "dffh-4.tlog-proof", to / "dffh-4.entry"]
    assert told.out.split() == [str(each) for each in files]
    said = auditor.program.ok("prove", "4", "--to", str(to))
    assert (said["files"], said["origin"], said["size"]) == ([str(each) for each in files], ORIGIN, 7)
    assert decode_entry(files[1].read_bytes()).index == 4
    proven = ("--proof", str(files[0]), "--entry", str(files[1]))
    clean = auditor(*proven)
    assert (clean.code, clean.err) == (0, "")
    assert clean.out.startswith(f"{ORIGIN}: clean, 7 entries, 7 under a signed checkpoint, root ")
    assert auditor(*proven, "--json").json["clean"] is True
    # By a file of keys too, whatever its name.
    listed = tmp_path / "keys+of+ledgers"
    listed.write_text(f"\n{auditor.key}\n")
    assert auditor.program("verify", *proven, "--key", str(listed)).code == 0


def test_another_process_that_seals_is_waited_for_as_long_as_it_may_take(
    auditor: Auditor, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, ledgers = auditor.program, Ledgers(database)
    with Published(tmp_path / "data").sealer(Link(database), ledgers.get("dffh")) as service:
        assert service.seal() is not None
        index = receive(program)["receipts"][0]["index"]
        looks = iter([lambda: None, lambda: None, service.seal])
        monkeypatch.setattr(proofs, "sleep", lambda _: next(looks)())
        assert program.ok("prove", str(index))["size"] == index + 1
        receive(program)
        monkeypatch.setattr(proofs, "sleep", lambda _: None)
        monkeypatch.setattr(proofs, "PATIENCE", 0.0)
        program.environment["AUDITLEDGER_SEAL_INTERVAL"] = "0.001"
        assert program.ok("checkpoint")["size"] == index + 1
    assert program.ok("checkpoint")["size"] == index + 2
    common = ledgers.get("common")
    with database.connect(Role.SEALER) as connection:
        connection.execute(queries.get("lease_sealing"), {"ledger": common.id})
        answer = program("checkpoint", "--ledger", "common")
    fails(answer, 2, "common: the service has not published a checkpoint yet")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("prove",), 2, "INDEX: expected one of: an index, --since"),
        (("prove", "1", "--since", "1"), 2, "INDEX: expected one of: an index, --since"),
        (("prove", "7"), 2, f"{ORIGIN}: entry 7 is not in the last checkpoint, of 7"),
        (("prove", "--", "-1"), 2, f"{ORIGIN}: entry -1 is not in the last checkpoint, of 7"),
        (("prove", "x"), 2, "Invalid value for 'index'"),
        (("prove", "--since", "8"), 2, "--since: expected a size from 0 to 7, which is the last checkpoint's"),
        (("prove", "--since", "-1"), 2, "--since: expected a size from 0 to 7"),
        (("prove", "1", "--ledger", "none"), 2, "no ledger has the slug 'none'"),
        (("checkpoint", "--ledger", "none"), 2, "no ledger has the slug 'none'"),
        (("prove", "1", "--to", "/dev/null/x"), 2, "--to: expected a folder that can be written to"),
        (("prove", "1", "--to", "/dev/null"), 2, "--to: expected a folder that can be written to"),
    ],
)
def test_what_cannot_be_proven_is_said(
    auditor: Auditor, arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = auditor.program(*arguments)
    fails(answer, code, said)
    assert answer.out == ""


def test_which_ledger_is_asked_for_where_there_are_several_and_said_where_there_is_none(
    program: Program,
) -> None:
    fails(program("checkpoint"), 2, "no ledger exists yet")
    for slug in ("one", "two"):
        program.ok("ledger", "create", slug, "--origin", f"e/{slug}", "--name", slug)
    fails(program("checkpoint"), 2, "--ledger: expected one of one, two")
    fails(program("prove", "0"), 2, "--ledger: expected one of one, two")


def test_no_sealed_value_stands_in_what_is_published_or_proven(auditor: Auditor, tmp_path: Path) -> None:
    auditor.program.ok("prove", "4", "--to", str(tmp_path / "data" / "proofs"))
    published = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert sum("tiles" in path.parts for path in published) >= 3
    held = {path: path.read_bytes() for path in published}
    # The bundle holds the requests' entries, so that it was worth the search.
    assert any(b"ledger.request.v1.RequestReceived" in data for data in held.values())
    assert [path for path, data in held.items() if b"Planted" in data] == []


# --- verify: what it is given ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--proof", "P", "--entry", "E"), 2, "--key: expected the ledger's verifier key"),
        (("--tiles", "T"), 2, "--key: expected the ledger's verifier key"),
        (("--proof", "P", "--entry", "E", "--key", "/none/at/all"), 2, "--key: expected a verifier key"),
        (("--proof", "P", "--entry", "E", "--key", "EMPTY"), 2, "--key: expected a verifier key"),
        (("--tiles", "T", "--key", "e/x+0000000+AAAA"), 7, "expected an id of 8 hexadecimal digits"),
        (("--tiles", "T", "--key", "e/x+00000000+AAAA"), 7, "expected a type and 32 bytes, got 3"),
        (("--proof", "P", "--key", "K"), 2, "--entry: expected the file of the entry's bytes, got None"),
        (("--proof", "P", "--entry", "none", "--key", "K"), 2, "none: No such file"),
        (("--proof", "none", "--entry", "E", "--key", "K"), 2, "none: No such file"),
        (("--tiles", "none", "--key", "K"), 2, "none/checkpoint: there is no such file"),
        (("--tiles", "T", "--proof", "P", "--key", "K"), 2, "--proof: expected a proof or --tiles"),
        (("--entry", "E"), 2, "--entry: expected an entry with the --proof of it"),
        (("--deep",), 2, "--deep: expected a folder of --tiles"),
        (("--tiles", "T", "--ledger", "dffh", "--key", "K"), 2, "--ledger: expected none"),
        (("--proof", "P", "--entry", "E", "--checkpoint", "C", "--key", "K"), 2, "--checkpoint: expected one"),
        (("--proof", "S", "--key", "K"), 2, "--checkpoint: expected the one checkpoint"),
        (("--proof", "S", "--checkpoint", "C", "--entry", "E", "--key", "K"), 2, "--entry: expected none"),
        (("--checkpoint", "none"), 2, "none: No such file"),
        (("--checkpoint", "E"), 7, "note: expected"),
        (("--ledger", "common", "--checkpoint", "C"), 2, "--checkpoint: expected one of auditledger.example"),
    ],
)
def test_a_check_that_is_not_whole_is_refused(
    auditor: Auditor, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    program = auditor.program
    program.ok("prove", "0")
    program.ok("prove", "--since", "3")
    (tmp_path / "empty").touch()
    places = {
        "T": str(auditor.tiles), "K": auditor.key, "P": "dffh-0.tlog-proof", "E": "dffh-0.entry",
        "S": "dffh-3-7.consistency", "C": str(auditor.tiles / "checkpoint"), "EMPTY": str(tmp_path / "empty"),
    }  # fmt: skip
    common = Ledgers(Database.from_url(url_of(program))).get("common").origin
    said = said.replace("auditledger.example", common)
    fails(program("verify", *(places.get(each, each) for each in arguments)), code, said)


# --- verify: proofs -----------------------------------------------------------------------------------------


def flipped(at: int) -> Spoil:
    """One bit of one byte turned."""

    def spoil(data: bytes) -> bytes:
        altered = bytearray(data)
        altered[at] ^= 1
        return bytes(altered)

    return spoil


def line(number: int, make: Callable[[str], str]) -> Spoil:
    """One line made anew."""

    def spoil(data: bytes) -> bytes:
        lines = data.decode().split("\n")
        lines[number] = make(lines[number])
        return "\n".join(lines).encode()

    return spoil


def another_hash(text: str) -> str:
    return base64.b64encode(bytes(reversed(base64.b64decode(text)))).decode()


@pytest.mark.parametrize(
    ("which", "spoil", "code", "said"),
    [
        ("entry", flipped(-40), 8, "inclusion: expected the root"),
        ("entry", lambda data: data + b"\0", 8, "inclusion: expected the root"),
        ("proof", line(2, another_hash), 8, "inclusion: expected the root"),
        ("proof", line(1, lambda _: "index 3"), 8, "inclusion: expected the root"),
        ("proof", line(1, lambda _: "index 7"), 8, "inclusion: expected an index below the size 7"),
        ("proof", line(2, lambda _: "AAAA"), 7, "proof: expected hashes of 32 bytes, got one of 3"),
        ("proof", line(0, lambda _: "c2sp.org/tlog-proof@v9"), 7, "proof: expected the first line"),
        ("proof", lambda data: data[:60], 7, "proof: expected lines, an empty line and a checkpoint"),
        # 7 entries become 8: no longer what was signed.
        ("proof", lambda data: data.replace(b"\n7\n", b"\n8\n"), 9, "is not of this text"),
        ("proof", lambda data: data.replace(b"au/dffh ", b"au/djcs "), 9, "the signature of a trusted key"),
    ],
)
def test_a_spoilt_proof_or_entry_is_found(
    auditor: Auditor, tmp_path: Path, which: str, spoil: Spoil, code: int, said: str
) -> None:
    auditor.program.ok("prove", "4")
    files = {"proof": tmp_path / "dffh-4.tlog-proof", "entry": tmp_path / "dffh-4.entry"}
    files[which].write_bytes(spoil(files[which].read_bytes()))
    proven = ("--proof", str(files["proof"]), "--entry", str(files["entry"]))
    answer = auditor(*proven)
    fails(answer, code, said)
    told = auditor(*proven, "--json")
    assert told.code == code
    if code == 7:
        assert answer.out == told.out == ""
    else:
        word = "TAMPERED" if code == 8 else "NOT TRUSTED"
        assert answer.out.startswith(f"{files['proof']}: {word}, ")
        assert told.json["clean"] is told.json["ledgers"][0]["clean"] is False
        assert told.json["ledgers"][0]["trusted"] is (code == 8)


def test_a_proof_by_a_key_that_is_not_trusted_is_exit_code_9(auditor: Auditor) -> None:
    auditor.program.ok("prove", "4")
    auditor.key = str(SigningKey.generate(ORIGIN).verifier)
    fails(auditor("--proof", "dffh-4.tlog-proof", "--entry", "dffh-4.entry"), 9, "of a trusted key")
    fails(auditor.folder(), 9, "of a trusted key")


def test_the_whole_way_of_an_auditor(auditor: Auditor, tmp_path: Path, database: Database) -> None:
    program = auditor.program
    kept = tmp_path / "kept"
    kept.write_text(program("checkpoint").out)
    for _ in range(2):
        receive(program)
    told = program("prove", "--since", "7", "--to", str(tmp_path / "proofs"))
    proof = tmp_path / "proofs" / "dffh-7-9.consistency"
    assert (told.code, told.out) == (0, f"{proof}\n")
    assert program.ok("prove", "--since", "7", "--to", str(tmp_path / "proofs"))["files"] == [str(proof)]
    shown = auditor("--proof", str(proof), "--checkpoint", str(kept))
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"{ORIGIN}: clean, 9 entries, 9 under a signed checkpoint, root ")
    assert auditor("--proof", str(proof), "--checkpoint", str(kept), "--json").json["ledgers"][0]["size"] == 9
    # The later checkpoint goes on from the one kept in the published files, and in the database, too.
    assert auditor("--tiles", str(auditor.tiles), "--checkpoint", str(kept)).code == 0
    for scope in ((), ("--ledger", "dffh")):
        told = program("verify", *scope, "--checkpoint", str(kept))
        assert told.code == 0, told.err
        assert "dffh: clean, 9 entries, 9 under a signed checkpoint" in told.out
    assert check_ledger(database, Ledgers(database).get("dffh")) == 9


def test_a_proof_of_consistency_shows_nothing_of_another_checkpoint(auditor: Auditor, tmp_path: Path) -> None:
    program = auditor.program
    kept, later, other = tmp_path / "kept", tmp_path / "later", tmp_path / "other"
    kept.write_text(program("checkpoint").out)
    receive(program)
    later.write_text(program("checkpoint").out)
    other.write_text(program("checkpoint", "--ledger", "common").out)
    receive(program)
    program.ok("prove", "--since", "7")
    proof = "dffh-7-9.consistency"
    fails(auditor("--proof", proof, "--checkpoint", str(later)), 8, "expected a proof from size 8, got one")
    fails(auditor("--proof", proof, "--checkpoint", str(other)), 9, "of a trusted key")
    common = next(each["key"] for each in program.ok("keys", "list")["keys"] if each["ledger"] == "common")
    answer = auditor("--proof", proof, "--checkpoint", str(other), "--key", common)
    fails(answer, 8, f"consistency: expected the log {common.split('+')[0]!r}, got {ORIGIN!r}")
    data = Path(proof).read_bytes()
    for spoil, code, said in (
        (line(1, another_hash), 8, "consistency: expected the root"),
        (lambda data: data.replace(b"old 7\n", b"old 07\n"), 7, "expected a decimal number without leading"),
        (lambda data: data.replace(b"\n9\n", b"\n7\n"), 9, "is not of this text"),
    ):
        Path(proof).write_bytes(spoil(data))
        fails(auditor("--proof", proof, "--checkpoint", str(kept)), code, said)


# --- verify: published files, and what is remembered --------------------------------------------------------


def test_the_published_files_are_verified_without_a_database_and_what_was_seen_is_remembered(
    auditor: Auditor, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    shutil.copytree(auditor.tiles, older)
    assert auditor("--tiles", str(older)).code == 0
    assert auditor.home.stat().st_mode & 0o077 == 0
    receive(auditor.program)
    auditor.program.ok("checkpoint")
    for options in ((), ("--deep",)):
        told = auditor("--tiles", str(auditor.tiles), *options)
        assert (told.code, told.err) == (0, "")
        assert told.out.startswith(f"{ORIGIN}: clean, 8 entries, 8 under a signed checkpoint, root ")
    again = auditor("--tiles", str(older))
    fails(again, 8, f"{ORIGIN}: 8 entries were seen before, 7 are published now")
    assert again.out.startswith(f"{older}: TAMPERED, ")
    assert auditor.folder().code == 0
    # Whoever looks for the first time believes the older copy: nothing in it is wrong.
    auditor.home = tmp_path / "another"
    assert auditor("--tiles", str(older)).code == 0


def test_a_ledger_that_its_operator_signs_anew_is_found_by_who_remembers(
    auditor: Auditor, tmp_path: Path
) -> None:
    """The operator has the key and the database, and rewrites all: only others' memory is against it."""
    program = auditor.program
    assert auditor.folder().code == 0
    rewritten(url_of(program))
    forgotten(url_of(program))
    shutil.rmtree(auditor.tiles)
    receive(program)
    assert program.ok("checkpoint")["size"] == 8
    fails(auditor.folder(), 8, f"{ORIGIN}: the tree of 7 entries has the root")
    auditor.home = tmp_path / "another"
    assert auditor.folder().code == 0


@pytest.mark.parametrize(
    ("name", "spoil", "code", "said"),
    [
        ("tile/entries/000.p/7", flipped(-40), 8, f"{ORIGIN}: entry 6: expected leaf hash"),
        ("tile/entries/000.p/7", lambda data: data[:-1], 8, "expected 7 whole entries"),
        ("tile/0/000.p/7", flipped(2 * 32), 8, f"{ORIGIN}: entry 2: expected leaf hash"),
        ("tile/0/000.p/7", None, 8, "entry 0: "),
        ("checkpoint", lambda data: data.replace(b"\n7\n", b"\n6\n"), 9, "is not of this text"),
        ("checkpoint", lambda data: data[:-1], 7, "note: expected"),
        ("checkpoint", None, 2, "checkpoint: there is no such file"),
    ],
)
def test_published_files_that_were_altered_are_found(
    auditor: Auditor, name: str, spoil: Spoil | None, code: int, said: str
) -> None:
    file = auditor.tiles / name
    if spoil is None:
        file.unlink()
    else:
        file.write_bytes(spoil(file.read_bytes()))
    fails(auditor.folder(), code, said)
    told = auditor("--tiles", str(auditor.tiles), "--json")
    assert told.code == code
    if code in (8, 9):
        assert told.json["clean"] is False
        assert said.rpartition(": ")[2] in told.json["ledgers"][0]["what"]
    else:
        assert told.out == ""
    # What was not believed is not remembered.
    assert not (auditor.home / "seen").exists()
