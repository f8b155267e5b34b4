"""Evidence from the command line: exported by who may, verified by who has a key and nothing else."""

from __future__ import annotations

import errno
import json
import os
import stat
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.application import evidence
from ledger.domain.common.events import EnteredInError
from ledger.errors import Diverged, Incomplete, Untrusted
from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import Note, SigningKey
from tests.bundle.forge import members, sealed
from tests.bundle.mutations import mutations
from tests.cli.conftest import Answer, Program
from tests.cli.test_commands import receive
from tests.projections.book import Book, make
from tests.support import check_ledger

ORIGIN = "example.vic.gov.au/dffh"


@pytest.fixture
def cases(dffh: Program) -> list[str]:
    """Three requests in the ledger, and their cases."""
    return [receive(dffh, "--ledger", "dffh", purpose=f"Purpose <{at}>")["case"] for at in range(3)]


def key_of(program: Program) -> str:
    (key,) = [each["key"] for each in program.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    return str(key)


def export(program: Program, *options: str, to: str = "bundle.zip", person: str = "officer") -> Answer:
    return program("bundle", "export", "--ledger", "dffh", *options, "-o", to, person=person)


def verified(program: Program, *options: str, file: str = "bundle.zip") -> Answer:
    """By somebody without settings, database or ledger."""
    kept = program.environment
    program.environment = {
        "AUDITLEDGER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
        "AUDITLEDGER_DATA_DIR": f"{kept['AUDITLEDGER_DATA_DIR']}-of-another",
    }
    try:
        return program("bundle", "verify", file, *options)
    finally:
        program.environment = kept


def test_everything_is_exported_and_verified_without_a_database(
    dffh: Program, cases: list[str], database: Database
) -> None:
    said = export(dffh, "--all", "--json")
    assert said.code == 0, said.err
    assert stat.S_IMODE(os.stat("bundle.zip").st_mode) == 0o600
    found = verified(dffh, "--key", key_of(dffh), "--json")
    assert found.code == 0, found.err
    assert {**found.json, "closed": {}} == {**said.json, "clean": True}
    assert (found.json["entries"], found.json["ledger"]) == (7, ORIGIN)
    assert found.json["subject"] == {"kind": "ledger"}
    assert check_ledger(database, Ledgers(database).get("dffh")) == 7
    assert not [*Path().glob(".*.new")]


def test_the_same_is_exported_again_byte_by_byte(dffh: Program, cases: list[str]) -> None:
    for name in ("one.zip", "two.zip"):
        assert export(dffh, "--range", "2:6", to=name).code == 0
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()


def test_a_case_holds_its_own_entries(dffh: Program, cases: list[str]) -> None:
    said = export(dffh, "--case", cases[1], "--json").json
    assert (said["entries"], said["first"], said["subject"]) == (1, 5, {"kind": "case", "stream": cases[1]})
    assert "proofs/5.tlog-proof" in members(Path("bundle.zip").read_bytes())
    assert verified(dffh, "--key", key_of(dffh)).code == 0


def test_the_rows_of_a_register_name_the_entries(dffh: Program, cases: list[str]) -> None:
    said = export(dffh, "--register", "requests", "--where", "scheme=vps", "--json").json
    assert (said["entries"], said["first"], said["last"]) == (3, 4, 6)
    assert said["subject"] == {"kind": "register", "register": "requests", "query": {"scheme": "vps"}}
    assert verified(dffh, "--key", key_of(dffh)).code == 0
    none = export(dffh, "--register", "requests", "--where", "scheme=nsw")
    assert (none.code, "--register: expected a query that some row answers" in none.err) == (2, True)


def test_what_is_opened_is_recorded_before_it_is_written(dffh: Program, cases: list[str]) -> None:
    said = export(dffh, "--range", "4:6", "--open", "The auditor asked", "--json").json
    assert said["disclosures"] == 4
    (opening,) = [
        json.loads(line)
        for line in dffh("entries", "--ledger", "dffh", "--json", person="officer").out.splitlines()
        if "SealedFieldsOpened" in line
    ]
    assert [each["entry"] for each in opening["fields"]["opened"]] == [4, 5]
    shown = json.loads(members(Path("bundle.zip").read_bytes())["disclosures.json"])
    assert [(each["index"], each["path"], each["value"]) for each in shown if each["path"] == "purpose"] == [
        (4, "purpose", "Purpose <0>"), (5, "purpose", "Purpose <1>"),
    ]  # fmt: skip
    # The checkpoint covers the opening too.
    assert said["size"] == 8
    assert verified(dffh, "--key", key_of(dffh)).code == 0


def test_one_field_alone_is_opened(dffh: Program, cases: list[str]) -> None:
    said = export(dffh, "--all", "--open", "The auditor asked", "--field", "5:purpose", "--json").json
    assert said["disclosures"] == 1
    refused = export(dffh, "--range", "0:4", "--open", "The auditor asked", "--field", "5:purpose", to="no.zip")
    assert (refused.code, "--field: expected a field of an entry that is in" in refused.err) == (2, True)
    assert not Path("no.zip").exists()


def test_an_earlier_checkpoint_goes_with_it(dffh: Program, cases: list[str]) -> None:
    Path("kept").write_text(dffh("checkpoint", "--ledger", "dffh").out)
    receive(dffh, "--ledger", "dffh")
    assert export(dffh, "--case", cases[0], "--since", "kept").code == 0
    key = key_of(dffh)
    found = verified(dffh, "--key", key, "--checkpoint", "kept", "--json").json
    assert (found["since"], found["kept"], found["size"]) == ({"size": 7, "cosigned": []}, 7, 8)
    assert export(dffh, "--case", cases[0], to="without.zip").code == 0
    alone = verified(dffh, "--key", key, "--checkpoint", "kept", file="without.zip")
    assert (alone.code, "7 entries that was kept" in alone.err) == (Incomplete.exit_code, True)


def test_keys_that_followed_each_other_are_followed_in_bundles_too(dffh: Program, cases: list[str]) -> None:
    """Rotated, retired, its file destroyed: exported and verified as before, and not by who stole the key."""
    Path("kept").write_text(dffh("checkpoint", "--ledger", "dffh").out)
    first = key_of(dffh)
    signing = Path(dffh.environment["AUDITLEDGER_DATA_DIR"]) / "signing"
    (stolen,) = signing.glob(f"dffh*{first.split('+')[1]}.key") or [signing / "dffh.key"]
    rotate = ("keys", "rotate", "signing", "--ledger", "dffh")
    dffh.ok(*rotate, person="administrator")
    dffh("checkpoint", "--ledger", "dffh")
    dffh.ok(*rotate, "--retire", person="administrator")
    receive(dffh, "--ledger", "dffh")
    secret = SigningKey.parse(stolen.read_text())
    stolen.unlink()
    (second,) = [
        each["key"] for each in dffh.ok("keys", "list")["keys"]
        if each["ledger"] == "dffh" and each["key"] != first
    ]  # fmt: skip
    for what in (("--all",), ("--range", "7:10"), ("--case", cases[0])):
        assert export(dffh, *what, "--since", "kept").code == 0, what
        # A case brings the entries that tell of the keys by itself; a bundle that they are in needs not.
        told = {name for name in members(Path("bundle.zip").read_bytes()) if name.startswith("history/")}
        assert told == ({"history/7.entry", "history/8.entry"} if "--case" in what else set())
        found = verified(dffh, "--key", first, "--checkpoint", "kept", "--json")
        assert (found.code, found.json["clean"], found.json["kept"]) == (0, True, 7)
    # What it does not bring, because somebody took it out, is given beside it; the two keys alone say little.
    files = {
        name: data for name, data in members(Path("bundle.zip").read_bytes()).items()
        if not name.startswith("history/") and "ledger.key.v1" not in name
    }  # fmt: skip
    Path("bare.zip").write_bytes(sealed(files))
    assert verified(dffh, "--key", first, file="bare.zip").code == Untrusted.exit_code
    entries = [
        part for index in ("7", "8") for file in dffh.ok("prove", index, "--ledger", "dffh")["files"]
        if file.endswith(".entry") for part in ("--history", file)
    ]  # fmt: skip
    assert verified(dffh, "--key", first, *entries, file="bare.zip").code == 0
    for more, said in (((), True), (entries, False)):
        both = verified(dffh, "--key", first, "--key", second, *more, file="bare.zip")
        assert (both.code, "you trust several keys of this ledger" in both.out) == (0, said)
    # Of those on the keys all are to be given, up to the last.
    last = verified(dffh, "--key", first, *entries[2:])
    assert (last.code, "is not among the entries given" in last.err) == (Untrusted.exit_code, True)
    assert verified(dffh, "--key", first, *entries).code == 0
    assert export(dffh, "--all").code == 0
    files = members(Path("bundle.zip").read_bytes())
    checkpoint = Checkpoint.parse(Note.parse(files["checkpoint"]).text)
    forged = str(sign(checkpoint, [secret])).encode()
    for name, data in files.items():
        files[name] = data.replace(files["checkpoint"], forged) if name.startswith("proofs/") else data
    files["checkpoint"] = forged
    Path("forged.zip").write_bytes(sealed(files))
    refused = verified(dffh, "--key", first, "--key", second, file="forged.zip")
    assert refused.code == Untrusted.exit_code
    assert (
        f"signed by a key outside of its validity: {first.split('+')[1]} signs sizes from 0 to" in refused.err
    )


def test_every_export_is_logged_with_who_took_it(dffh: Program, cases: list[str]) -> None:
    said = export(dffh, "--range", "0:3")
    (line,) = [json.loads(each) for each in said.err.splitlines() if "bundle exported" in each]
    assert (line["ledger"], line["person"], line["subject"], line["entries"], line["disclosures"]) == (
        "dffh", dffh.people["officer"], "range", 3, 0,
    )  # fmt: skip


def test_who_may_not_read_cases_exports_nothing(dffh: Program, cases: list[str]) -> None:
    refused = export(dffh, "--all", "--open", "Out of curiosity", person="administrator")
    assert (refused.code, "cases and registers are read by" in refused.err) == (4, True)
    assert not Path("bundle.zip").exists()
    assert "SealedFieldsOpened" not in dffh("entries", "--ledger", "dffh", "--json", person="officer").out


def test_s_120_what_leaves_the_regulators_ledger_names_its_basis(dffh: Program, cases: list[str]) -> None:
    dffh.environment["AUDITLEDGER_REGULATOR"] = "dffh"
    refused = export(dffh, "--all", "--open", "The auditor asked")
    assert (refused.code, "(PDPA s 120(3))" in refused.err) == (3, True)
    assert not Path("bundle.zip").exists()
    assert "SealedFieldsOpened" not in dffh("entries", "--ledger", "dffh", "--json", person="officer").out
    said = export(dffh, "--all", "--basis", "120(3)(a): s 112", "--json").json
    assert said["basis"] == {"ground": "120(3)(a)", "of": "s 112"}
    found = verified(dffh, "--key", key_of(dffh))
    assert "basis, as the exporter states: PDPA s 120(3)(a), s 112" in found.out
    Path("consent.txt").write_text("I agree.")
    kept = dffh.ok("attach", "consent.txt", "--case", cases[0], "--ledger", "dffh", person="officer")
    index = kept["receipts"][0]["index"]
    refused = export(dffh, "--all", "--basis", f"120(3)(b): {index - 1}", to="other.zip")
    assert (refused.code, refused.err.count("\n")) == (3, 1)
    assert f"the consent is in writing, and entry {index - 1} keeps no file" in refused.err
    assert not Path("other.zip").exists()
    said = export(dffh, "--all", "--basis", f"120(3)(b): {index}", "--json").json
    assert said["basis"] == {"ground": "120(3)(b)", "of": str(index)}
    del dffh.environment["AUDITLEDGER_REGULATOR"]
    assert export(dffh, "--all", "--basis", "120(3)(a): s 112").code == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--all, --range, --case, --register: expected one of them, got None"),
        (("--all", "--range", "0:2"), "got '--all and --range'"),
        (("--range", "5"), "--range: expected FROM:BEFORE"),
        (("--range", "3:3"), "--range: expected FROM:BEFORE within 0:7, got '3:3'"),
        (("--range", "3:8"), "--range: expected FROM:BEFORE within 0:7, got '3:8'"),
        (("--all", "--where", "a=b"), "--where: expected --register beside it"),
        (("--all", "--field", "5:purpose"), "--field: expected --open and the reason beside it"),
        (("--all", "--open", "Asked", "--field", "purpose"), "--field: expected INDEX:PATH"),
        (("--all", "--open", " "), "reason: expected why the fields are opened"),
        (("--all", "--open", "Asked", "--field", "5:nothing"), "path: expected one of"),
        (("--case", "no-such-case"), "case no-such-case: nothing is recorded in it"),
        (("--register", "none"), "register"),
        (("--register", "requests", "--where", "scheme"), "--where: expected COLUMN=VALUE"),
        (("--all", "--since", "nowhere"), "nowhere: No such file"),
    ],
)
def test_what_is_asked_wrongly_writes_nothing(
    dffh: Program, cases: list[str], options: tuple[str, ...], said: str
) -> None:
    answer = export(dffh, *options)
    assert (answer.code, said in answer.err) == (2, True), answer.err
    assert not [*Path().glob("*.zip*"), *Path().glob(".*.new")]


def test_a_folder_that_cannot_be_written_to(dffh: Program, cases: list[str]) -> None:
    answer = export(dffh, "--all", to="nowhere/bundle.zip")
    assert (answer.code, "nowhere/bundle.zip: the bundle cannot be written" in answer.err) == (6, True)


def test_where_no_bundle_can_be_written_nothing_is_opened(
    dffh: Program, cases: list[str], database: Database
) -> None:
    Path("file").write_text("no folder")
    ledger = Ledgers(database).get("dffh")
    before = check_ledger(database, ledger)
    for to in ("nowhere/bundle.zip", "file/bundle.zip", f"{'n' * 250}.zip"):
        answer = export(dffh, "--all", "--open", "for an audit", to=to)
        assert (answer.code, "the bundle cannot be written" in answer.err) == (6, True), answer
    assert check_ledger(database, ledger) == before
    assert export(dffh, "--all", "--open", "for an audit").code == 0
    assert check_ledger(database, ledger) == before + 1


@pytest.mark.parametrize(("last", "code"), [(True, Diverged.exit_code), (False, 8)])
def test_published_files_that_were_altered_leave_no_bundle(
    dffh: Program, cases: list[str], database: Database, tmp_path: Path, last: bool, code: int
) -> None:
    """The last file is looked at before anything is signed; any other when what was written is verified."""
    ledger = Ledgers(database).get("dffh")
    with Book(database, ledger) as book:
        book.put_all([(f"case-{at}", make(EnteredInError, date(2025, 6, 1), reason="x")) for at in range(400)])
    dffh.ok("checkpoint", "--ledger", "dffh")
    folder = tmp_path / "data" / "tiles" / "dffh" / "tile" / "entries"
    tile = folder / "001.p" / "151" if last else folder / "000"
    data = bytearray(tile.read_bytes())
    data[-3] ^= 1
    tile.write_bytes(data)
    answer = export(dffh, "--all")
    assert answer.code == code, answer.err
    assert not [*Path().glob("*.zip*"), *Path().glob(".*.new")]


def test_a_bundle_that_fails_before_it_has_its_name_leaves_nothing(
    dffh: Program, cases: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed and not persisted; what stood there before stands there still."""
    Path("bundle.zip").write_bytes(b"before")
    dffh.ok("checkpoint", "--ledger", "dffh")
    with monkeypatch.context() as patch:
        patch.setattr(evidence.os, "replace", _full)
        answer = export(dffh, "--all")
    assert (answer.code, "bundle.zip: the bundle cannot be written: No space left" in answer.err) == (6, True)
    assert Path("bundle.zip").read_bytes() == b"before"
    assert not [*Path().glob(".*.new")]


def test_a_bundle_that_fails_once_it_has_its_name_is_whole(
    dffh: Program, cases: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed but persisted; a repeat puts the same in its place."""
    dffh.ok("checkpoint", "--ledger", "dffh")
    with monkeypatch.context() as patch:
        patch.setattr(evidence.durable, "sync_directory", _full)
        assert export(dffh, "--all").code == 6
    first = Path("bundle.zip").read_bytes()
    assert verified(dffh, "--key", key_of(dffh)).code == 0
    assert export(dffh, "--all").code == 0
    assert Path("bundle.zip").read_bytes() == first
    assert not [*Path().glob(".*.new")]


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_without_a_key_nothing_is_verified(dffh: Program, cases: list[str]) -> None:
    assert export(dffh, "--all").code == 0
    answer = verified(dffh)
    assert (answer.code, "--key: expected the ledger's verifier key" in answer.err) == (2, True)
    answer = verified(dffh, "--key", key_of(dffh), file="nowhere.zip")
    assert (answer.code, "nowhere.zip: cannot be read" in answer.err) == (6, True)


def test_each_kind_of_fault_has_its_exit_code_and_one_line(program: Program) -> None:
    seen = set()
    for each in mutations():
        if each.code in seen or not each.keys:
            continue
        seen.add(each.code)
        Path("bundle.zip").write_bytes(each.data)
        options = [part for key in each.keys for part in ("--key", key)]
        for name, option, data in (("policy", "--policy", each.policy), ("kept", "--checkpoint", each.kept)):
            if data is not None:
                Path(name).write_bytes(data)
                options += [option, name]
        answer = verified(program, *options, "--json")
        assert answer.code == each.code, each.name
        assert answer.err.count("\n") == (each.code != 0)
        assert answer.json["clean"] is (each.code == 0)
    assert seen == {0, 7, 8, Untrusted.exit_code, Incomplete.exit_code}


def test_the_cover_sheet_says_what_was_found_and_escapes_it(dffh: Program, cases: list[str]) -> None:
    assert export(dffh, "--range", "4:6", "--open", "The auditor asked").code == 0
    answer = verified(dffh, "--key", key_of(dffh), "--cover", "cover.html")
    assert answer.code == 0, answer.err
    page = Path("cover.html").read_text()
    assert "Every entry from 4 to 5: 2." in page
    assert "That what the entries state is true." in page
    assert "Purpose &lt;0&gt;" in page
    assert "Purpose <" not in page
    assert stat.S_IMODE(os.stat("cover.html").st_mode) == 0o600


def test_no_cover_sheet_is_written_of_what_is_not_clean(dffh: Program, cases: list[str]) -> None:
    assert export(dffh, "--all").code == 0
    files = members(Path("bundle.zip").read_bytes())
    Path("bundle.zip").write_bytes(sealed(files, entries=6))
    answer = verified(dffh, "--key", key_of(dffh), "--cover", "cover.html")
    assert (answer.code, Path("cover.html").exists()) == (8, False)


def test_the_sheet_of_before_does_not_stay_where_something_is_found(dffh: Program, cases: list[str]) -> None:
    assert export(dffh, "--all").code == 0
    key = key_of(dffh)
    assert verified(dffh, "--key", key, "--cover", "cover.html").code == 0
    data = bytearray(Path("bundle.zip").read_bytes())
    data[len(data) // 2] ^= 1
    Path("bundle.zip").write_bytes(data)
    answer = verified(dffh, "--key", key, "--cover", "cover.html")
    assert (answer.code >= 7, Path("cover.html").exists()) == (True, False)


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_is_there_and_is_no_regular_file_is_not_replaced(
    dffh: Program, cases: list[str], kind: str
) -> None:
    assert export(dffh, "--all").code == 0
    if kind == "fifo":
        os.mkfifo("there")
    else:
        Path("there").symlink_to("elsewhere")
    before = os.lstat("there")
    size = dffh.ok("checkpoint", "--ledger", "dffh")["size"]
    for option, answer in (
        ("--output", export(dffh, "--all", "--open", "The auditor asked", to="there")),
        ("--cover", verified(dffh, "--key", key_of(dffh), "--cover", "there")),
        ("--output", dffh("bundle", "page", "-o", "there")),
    ):
        said = f"{option}: expected the name of a file that is not there yet, or of a regular one"
        assert (answer.code, said in answer.err) == (2, True), answer.err
    assert os.path.samestat(before, os.lstat("there"))
    # Nothing was opened for what could not be written.
    assert dffh.ok("checkpoint", "--ledger", "dffh")["size"] == size


def asked(program: Program, policy: str) -> Answer:
    """An export that is to replace the file of the setting ``policy``."""
    kept = program.environment
    program.environment = {**kept, "AUDITLEDGER_POLICY": str(Path(policy).absolute())}
    answer = export(program, "--all", to=policy)
    program.environment = kept
    return answer


def test_what_is_read_is_not_written_over(dffh: Program, cases: list[str]) -> None:
    assert export(dffh, "--all").code == 0
    Path("kept").write_bytes(dict(members(Path("bundle.zip").read_bytes()))["checkpoint"])
    Path("key").write_text(key_of(dffh) + "\n")
    before = {path: path.read_bytes() for path in Path.cwd().iterdir() if path.is_file()}
    for answer in (
        *(
            verified(dffh, "--key", "key", "--checkpoint", "kept", "--cover", name)
            for name in ("bundle.zip", "./kept", "key")
        ),
        export(dffh, "--all", "--since", "kept", to="kept"),
        asked(dffh, "key"),
    ):
        assert (answer.code, "expected another file than those that are read" in answer.err) == (2, True)
    assert before == {path: path.read_bytes() for path in Path.cwd().iterdir() if path.is_file()}


def test_what_can_be_read_only_once_is_no_bundle(program: Program) -> None:
    os.mkfifo("bundle.zip")
    answer = verified(program, "--key", str(SigningKey.generate(ORIGIN).verifier))
    assert (answer.code, "bundle.zip: cannot be read: expected a regular file" in answer.err) == (6, True)


def test_the_page_that_verifies_is_written_whole(program: Program) -> None:
    answer = program("bundle", "page")
    data = Path("verify.html").read_bytes()
    assert (answer.code, answer.out) == (0, f"verify.html: SHA-256 {sha256(data).hexdigest()}\n")
    assert data.startswith(b"<!DOCTYPE html>\n")
    assert data.endswith(b"</html>\n")
    again = program("bundle", "page", "-o", "other.html", "--json")
    assert again.json == {"page": "other.html", "sha256": sha256(data).hexdigest()}
    assert Path("other.html").read_bytes() == data


def test_a_page_that_cannot_be_written_is_said_to_be(program: Program) -> None:
    answer = program("bundle", "page", "-o", "nowhere/verify.html")
    assert (answer.code, "nowhere/verify.html: cannot be written" in answer.err) == (6, True)
