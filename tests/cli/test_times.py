"""What witnesses say of times, at every door of the command line: timelines, proofs, and what does not fit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.cli import doctor
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledgers
from ledger.store.published import Published
from ledger.store.stamping import Stamping
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey
from ledger.tlog.stamp import wanted
from tests.authority import authority
from tests.bundle.forge import members, sealed
from tests.cli.conftest import Program
from tests.cli.test_commands import receive
from tests.support import check_ledger
from tests.waiting import until

W1 = SigningKey("witness.example/w1", COSIGNATURE, bytes([1] * 32))
Cosign = Callable[[int], None]


@pytest.fixture
def cosign(dffh: Program, database: Database, tmp_path: Path) -> Cosign:
    """Has the ledger sealed, and its checkpoint cosigned at a time; the witness is trusted by the setting."""
    policy = tmp_path / "policy"
    policy.write_text(f"witness w {W1.verifier} http://127.0.0.1:1\nquorum w\n")
    dffh.environment["AUDITLEDGER_POLICY"] = str(policy)

    def cosigned(at: int) -> None:
        note = Note.parse(dffh("checkpoint", "--ledger", "dffh").out.encode())
        line = SignatureLine.parse(W1.sign(note.text, at).rstrip("\n"))
        with database.connect(Role.SEALER) as connection:
            connection.execute(
                queries.get("keep_cosignature"),
                {
                    "ledger": Ledgers(database).get("dffh").id, "size": Checkpoint.parse(note.text).size,
                    "witness": str(W1.verifier), "time": at, "note": str(note.also([line])),
                },
            )  # fmt: skip
        assert dffh("checkpoint", "--ledger", "dffh").code == 0

    return cosigned


def test_entries_say_between_which_times_witnesses_saw_them(dffh: Program, cosign: Cosign) -> None:
    now = int(time.time())
    cosign(now - 10)
    receive(dffh)
    receive(dffh)
    cosign(now + 10)
    receive(dffh)
    lines = dffh("entries", "--ledger", "dffh", "--json", person="officer").out.splitlines()
    found = [json.loads(line)["witnessed"] for line in lines]
    *old, first, second, new = found
    assert all(each["not_before"] is None and each["not_after"] == first["not_before"] for each in old)
    assert first == second
    assert first["not_after"] == new["not_before"]
    assert (new["not_after"], {each["outside"] for each in found}) == (None, {None})
    text = dffh("entries", "--ledger", "dffh", "--limit", "1", person="officer").out
    assert f"it was seen to appear by {first['not_before']}" in text
    assert dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["outside"] == []


def test_a_backdated_entry_is_named_with_its_bracket(dffh: Program, cosign: Cosign) -> None:
    """To the witness, the entries behind its first look came two hours later than they say."""
    later = int(time.time()) + 7200
    cosign(later)
    receive(dffh)
    receive(dffh)
    cosign(later + 60)
    answer = dffh("verify", "--ledger", "dffh")
    size = dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["size"]
    assert answer.code == 0
    assert f"dffh: WARNING: entry {size - 2}: it was seen to appear after 2" in answer.out
    assert "backdated, or kept from the witnesses for so long" in answer.out
    (found,) = dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["outside"]
    assert (found["index"], found["outside"]) == (size - 2, "before")
    shown = dffh("entries", "--ledger", "dffh", person="officer").out
    assert shown.count("backdated, or kept from the witnesses for so long") == 2


def test_a_spoilt_cosignature_is_not_trusted(dffh: Program, cosign: Cosign, database: Database) -> None:
    cosign(int(time.time()))
    with database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.cosignatures SET note = replace(note, E'\\n\\n', E'A\\n\\n')")
        # The published one no longer shows it.
    answer = dffh("verify", "--ledger", "common")
    assert answer.code == 0
    answer = dffh("entries", "--ledger", "dffh", "--limit", "1", person="officer")
    assert answer.code == 0
    assert "does not hold" in answer.err
    assert "witnesses saw" not in answer.out


def test_a_proof_carries_what_shows_its_times(dffh: Program, cosign: Cosign, tmp_path: Path) -> None:
    now = int(time.time())
    cosign(now - 10)
    receive(dffh)
    cosign(now + 10)
    receive(dffh)
    size = dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["size"]
    index = str(size - 2)
    made = dffh.ok("prove", index, "--ledger", "dffh", "--to", str(tmp_path / "p"))
    names = [f"dffh-{index}.{ending}" for ending in ("tlog-proof", "entry", "not-before", "not-after")]
    assert [Path(each).name for each in made["files"]] == names
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    proof, entry, before, after = made["files"]
    given = ["verify", "--proof", proof, "--entry", entry, "--key", key]
    alone = dffh.ok(*given, "--key", str(W1.verifier))["ledgers"][0]["witnessed"]
    assert (alone["not_before"], alone["not_after"]) == (None, None)
    beside = [*given, "--key", str(W1.verifier), "--checkpoint", before, "--checkpoint", after]
    found = dffh.ok(*beside)["ledgers"][0]["witnessed"]
    assert {name: found[name] for name in ("not_before", "not_after")} == made["witnessed"]
    assert None not in made["witnessed"].values()
    assert f"entry {index}: it was seen to appear after " in dffh(*beside).out
    # What the witness did not sign shows nothing, and what is another log's is no time of this entry.
    note = Note.parse(Path(before).read_bytes())
    spoilt = tmp_path / "spoilt"
    spoilt.write_text(str(note).replace(f"\n{size - 2}\n", f"\n{size - 3}\n"))
    assert dffh(*given, "--key", str(W1.verifier), "--checkpoint", str(spoilt)).code == 9


def test_a_fork_beside_a_proof_is_no_time_of_it(dffh: Program, cosign: Cosign, tmp_path: Path) -> None:
    cosign(int(time.time()))
    made = dffh.ok("prove", "1", "--ledger", "dffh", "--to", str(tmp_path))
    proof, entry, *_ = made["files"]
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    said = Checkpoint.parse(Note.parse(made["note"].encode()).text)
    other = said._replace(root=bytes(32)).text
    fork = tmp_path / "fork"
    fork.write_text(f"{other}\n{W1.sign(other, 7)}")
    given = ["verify", "--proof", proof, "--entry", entry, "--key", key, "--key", str(W1.verifier)]
    answer = dffh(*given, "--checkpoint", str(fork))
    assert (answer.code, "two were signed: a fork" in answer.err) == (8, True)


def test_without_a_witness_for_too_long_commands_are_refused_and_repeats_are_answered(
    dffh: Program, cosign: Cosign
) -> None:
    fields = {"scheme": "vps", "form": "informal", "provider": dffh.people["organisation"]}
    body = json.dumps({"fields": fields})
    given = ["record", "request.RequestReceived", "-", "--ledger", "dffh", "--happened", "2025-06-11"]
    given += ["--command-id", str(uuid.uuid4())]
    first = dffh.ok(*given, text=body, person="officer")
    dffh.environment["AUDITLEDGER_WITNESS_REQUIRED"] = "0.05"
    time.sleep(0.1)
    assert dffh.ok(*given, text=body, person="officer")["receipts"] == first["receipts"]
    given[-1] = str(uuid.uuid4())
    refused = dffh(*given, text=body, person="officer")
    assert refused.code == 6
    assert "nothing was recorded: entry 0 has been without a witness" in refused.err
    told = dffh("doctor", "--json")
    assert told.code == 6
    assert "commands are refused, by witness_required" in told.err
    cosign(int(time.time()))
    assert dffh.ok(*given, text=body, person="officer")["receipts"]


def test_doctor_says_that_witnesses_are_late_where_nothing_is_refused_for_it(
    dffh: Program, cosign: Cosign, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def witnesses() -> tuple[bool, str, int]:
        told = dffh("doctor", "--json")
        (found,) = [each for each in told.json["checks"] if each["check"] == "witnesses"]
        return found["ok"], found["detail"], told.code

    cosign(int(time.time()))
    receive(dffh)
    policy = tmp_path / "policy"
    trusted = policy.read_text()
    bound = doctor.WITNESS_LATE
    monkeypatch.setattr(doctor, "WITNESS_LATE", 0.0)
    ok, said, code = witnesses()
    assert (ok, code) == (True, 0)
    assert "not a log of the policy: no witness is asked" in said
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    policy.write_text(f"log {key}\n{trusted}")
    ok, said, code = witnesses()
    assert (ok, code) == (False, 6)
    assert re.search(r"dffh \d+ entries witnessed, more wait for \d+ s, too long; start the service", said)
    assert "'not cosigned' with the reason" in said
    # Within the time that there is, and once they have caught up, nothing is wrong.
    assert bound == 900
    monkeypatch.setattr(doctor, "WITNESS_LATE", bound)
    ok, said, code = witnesses()
    assert (ok, code, "more wait for" in said) == (True, 0, True)
    monkeypatch.setattr(doctor, "WITNESS_LATE", 0.0)
    cosign(int(time.time()))
    assert witnesses()[0]
    check_ledger(database, Ledgers(database).get("dffh"))


def test_a_time_stamp_goes_out_with_a_proof_and_is_verified_by_given_roots(
    dffh: Program, database: Database, tmp_path: Path
) -> None:
    dffh("checkpoint", "--ledger", "dffh")
    with authority(tmp_path / "tsa") as tsa:
        published = Published(Path(dffh.environment["AUDITLEDGER_DATA_DIR"]))
        assert Stamping(database, published, tsa.url, tsa.root).stamp(Ledgers(database).get("dffh"))
    receive(dffh)
    made = dffh.ok("prove", "1", "--ledger", "dffh", "--to", str(tmp_path))
    proof, stamp = f"{tmp_path}/dffh-1.stamped.tlog-proof", f"{tmp_path}/dffh-1.stamped.tsr"
    assert {proof, stamp} <= set(made["files"])
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    given = ["verify", "--entry", f"{tmp_path}/dffh-1.entry", "--key", key, "--timestamp", stamp]
    roots = ["--timestamp-ca", str(tsa.root)]
    found = dffh.ok(*given, *roots, "--proof", proof)["ledgers"][0]
    assert found["stamped"].endswith("Z")
    assert f"time-stamped at {found['stamped']}" in dffh(*given, *roots, "--proof", proof).out
    by = datetime.fromisoformat(found["stamped"])
    assert found["witnessed"]["not_before"] is None
    assert 0 <= (datetime.fromisoformat(found["witnessed"]["not_after"]) - by).total_seconds() < 1
    # The proof under the last checkpoint is of another text than the one that was stamped.
    assert dffh(*given, *roots, "--proof", f"{tmp_path}/dffh-1.tlog-proof").code == 9
    assert dffh(*given, "--proof", proof).code == 2
    assert dffh("verify", "--timestamp", stamp, *roots).code == 2


def test_a_bundle_carries_what_shows_its_times(
    dffh: Program, cosign: Cosign, database: Database, tmp_path: Path
) -> None:
    """By who has the ledger's key and the witness's, and no settings."""
    now = int(time.time())
    cosign(now - 10)
    case = receive(dffh)["case"]
    cosign(now + 10)
    receive(dffh)
    cosign(now + 20)
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    given = ("--key", key, "--key", str(W1.verifier))
    export = ("bundle", "export", "--ledger", "dffh")
    last = dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["size"] - 1

    of_case = tmp_path / "case.zip"
    assert dffh(*export, "--case", case, "-o", str(of_case), person="officer").code == 0
    del dffh.environment["AUDITLEDGER_POLICY"]
    found = dffh("bundle", "verify", str(of_case), *given, "--json").json
    assert found["times"] == [
        {"first": last - 1, "last": last - 1, "not_before": shown(now - 10), "not_after": shown(now + 10)}
    ]
    assert found["outside"] == []
    said = dffh("bundle", "verify", str(of_case), *given).out
    assert f"entry {last - 1}: it was seen to appear after {shown(now - 10)} and by {shown(now + 10)}" in said
    alone = dffh("bundle", "verify", str(of_case), "--key", key, "--json").json
    assert (alone["times"], alone["cosigned"]) == ([], [])

    whole = tmp_path / "whole.zip"
    assert dffh(*export, "--all", "-o", str(whole), person="officer").code == 0
    bare = dffh("bundle", "verify", str(whole), *given, "--json").json
    # No witness was trusted when it was exported: what is left are the lines of its own checkpoint.
    assert bare["times"] == [{"first": 0, "last": last, "not_before": None, "not_after": shown(now + 20)}]
    dffh.environment["AUDITLEDGER_POLICY"] = str(tmp_path / "policy")
    assert dffh(*export, "--all", "-o", str(whole), person="officer").code == 0
    found = dffh("bundle", "verify", str(whole), *given, "--json").json
    assert [(each["first"], each["last"]) for each in found["times"]] == [
        (0, last - 2), (last - 1, last - 1), (last, last),
    ]  # fmt: skip
    said = dffh("bundle", "verify", str(whole), *given).out
    assert f"the first, entry 0: it was seen to appear by {shown(now - 10)}" in said
    assert f"the widest, entry {last - 1}: it was seen to appear after" in said
    again = tmp_path / "again.zip"
    assert dffh(*export, "--all", "-o", str(again), person="officer").code == 0
    assert again.read_bytes() == whole.read_bytes()
    assert check_ledger(database, Ledgers(database).get("dffh")) == last + 1


def test_a_bundle_shows_what_was_backdated(dffh: Program, cosign: Cosign, tmp_path: Path) -> None:
    later = int(time.time()) + 7200
    cosign(later)
    case = receive(dffh)["case"]
    cosign(later + 60)
    file, cover = tmp_path / "case.zip", tmp_path / "cover.html"
    export = dffh("bundle", "export", "--ledger", "dffh", "--case", case, "-o", str(file), person="officer")
    assert export.code == 0
    policy = ("--policy", dffh.environment["AUDITLEDGER_POLICY"])
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    answer = dffh("bundle", "verify", str(file), "--key", key, *policy, "--cover", str(cover))
    assert (answer.code, "backdated, or kept from the witnesses for so long" in answer.out) == (0, True)
    assert "WARNING: entry" in answer.out
    assert "which does not fit" in cover.read_text()
    (found,) = dffh("bundle", "verify", str(file), "--key", key, *policy, "--json").json["outside"]
    assert (found["outside"], found["not_before"]) == ("before", shown(later))


def test_a_spoilt_cosignature_is_not_exported(
    dffh: Program, cosign: Cosign, database: Database, tmp_path: Path
) -> None:
    cosign(int(time.time()))
    receive(dffh)
    with database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.cosignatures SET note = replace(note, E'\\n\\n', E'A\\n\\n')")
    file = tmp_path / "whole.zip"
    answer = dffh("bundle", "export", "--ledger", "dffh", "--all", "-o", str(file), person="officer")
    assert (answer.code, "does not hold" in answer.err, file.exists()) == (9, True, False)


def test_time_stamps_go_out_with_a_bundle_and_are_verified_by_given_roots(
    dffh: Program, cosign: Cosign, database: Database, tmp_path: Path
) -> None:
    """The witness looked an hour late, the authority at once: its stamp is the upper end, never a lower one."""
    now = int(time.time())
    dffh("checkpoint", "--ledger", "dffh")
    with authority(tmp_path / "tsa") as tsa, authority(tmp_path / "stranger") as stranger:
        published = Published(Path(dffh.environment["AUDITLEDGER_DATA_DIR"]))
        stamps = Stamping(database, published, tsa.url, tsa.root)
        assert stamps.stamp(Ledgers(database).get("dffh"))
        first = dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["size"]
        # In another second, else both stamps say the same of all entries.
        stamped = int(time.time())
        until(lambda: time.time() >= stamped + 2)
        case = receive(dffh)["case"]
        cosign(now + 3600)
        # Published anew with the cosignature, which a stamp of the text does not mind.
        assert stamps.stamp(Ledgers(database).get("dffh"))
        receive(dffh)
        dffh("checkpoint", "--ledger", "dffh")
    (key,) = [each["key"] for each in dffh.ok("keys", "list")["keys"] if each["ledger"] == "dffh"]
    export = ("bundle", "export", "--ledger", "dffh")
    file = tmp_path / "case.zip"
    assert dffh(*export, "--case", case, "-o", str(file), person="officer").code == 0
    names = set(members(file.read_bytes()))
    assert {f"times/{first + 1}.checkpoint", f"times/{first + 1}.tsr"} <= names
    assert f"times/{first}.tsr" not in names, "it says nothing of an entry behind it"
    given = ("bundle", "verify", str(file), "--key", key, "--key", str(W1.verifier))
    late = dffh(*given, "--json").json
    assert (late["times"][0]["not_after"], late["stamps_not_judged"]) == (shown(now + 3600), 1)
    assert "1 time stamps are not judged" in dffh(*given).out
    found = dffh(*given, "--timestamp-ca", str(tsa.root), "--json").json
    by = datetime.fromisoformat(found["times"][0]["not_after"]).timestamp()
    assert now <= by <= time.time() + 2
    assert (found["times"][0]["not_before"], found["stamps_not_judged"]) == (None, 0)
    refused = dffh(*given, "--timestamp-ca", str(stranger.root))
    assert (refused.code, "by a trusted authority" in refused.err) == (9, True)
    files = members(file.read_bytes())
    files[f"times/{first + 1}.tsr"] = b"at noon"
    file.write_bytes(sealed(files))
    assert dffh(*given, "--timestamp-ca", str(tsa.root)).code == 7
    whole = tmp_path / "whole.zip"
    assert dffh(*export, "--all", "-o", str(whole), person="officer").code == 0
    only = ("bundle", "verify", str(whole), "--key", key, "--timestamp-ca", str(tsa.root), "--json")
    runs = dffh(*only).json["times"]
    assert [(each["first"], each["last"], each["not_before"]) for each in runs] == [
        (0, first - 1, None), (first, first, None), (first + 1, first + 1, None),
    ]  # fmt: skip
    assert runs[-1]["not_after"] is None
    # What the page of a stranger's handbook does, where their machine has it.
    spread = tmp_path / "spread"
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(spread)
    openssl = shutil.which("openssl")
    if openssl is not None:
        text = spread / "text"
        text.write_bytes((spread / f"times/{first}.checkpoint").read_bytes().split(b"\n\n")[0] + b"\n")
        stamp = str(spread / f"times/{first}.tsr")
        command = [openssl, "ts", "-verify", "-data", str(text), "-in", stamp, "-CAfile", str(tsa.root)]
        assert subprocess.run(command, capture_output=True, text=True).stdout.startswith("Verification: OK")


def test_time_stamps_are_an_upper_end_wherever_times_are_shown(
    dffh: Program, cosign: Cosign, database: Database, tmp_path: Path
) -> None:
    """An authority that is set counts in `entries`, `prove`, `verify`; a stamp of another history does not."""
    now = int(time.time())
    cosign(now + 3600)
    last = dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["size"] - 1
    with authority(tmp_path / "tsa") as tsa:
        published = Published(Path(dffh.environment["AUDITLEDGER_DATA_DIR"]))
        ledger = Ledgers(database).get("dffh")
        assert Stamping(database, published, tsa.url, tsa.root).stamp(ledger)

        def by() -> float:
            lines = dffh("entries", "--ledger", "dffh", "--json", person="officer").out.splitlines()
            text = json.loads(lines[last])["witnessed"]["not_after"]
            return datetime.fromisoformat(text).timestamp()

        assert by() == now + 3600
        dffh.environment |= {
            "AUDITLEDGER_TIMESTAMP_URL": tsa.url, "AUDITLEDGER_TIMESTAMP_CA": str(tsa.root),
        }  # fmt: skip
        assert now <= by() <= time.time() + 2
        proven = dffh.ok("prove", str(last), "--ledger", "dffh", "--to", str(tmp_path))["witnessed"]
        assert datetime.fromisoformat(proven["not_after"]).timestamp() == by()
        assert dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["outside"] == []
        # Published elsewhere they hold as well; while that cannot be read, none is called false.
        elsewhere = tmp_path / "elsewhere"
        (Path(dffh.environment["AUDITLEDGER_DATA_DIR"]) / "tiles").rename(elsewhere)
        dffh.environment["AUDITLEDGER_TILES_URL"] = f"file://{elsewhere}"
        assert dffh.ok("verify", "--ledger", "dffh")["ledgers"][0]["outside"] == []
        assert now <= by() <= time.time() + 2
        (elsewhere / "dffh" / "checkpoint").rename(tmp_path / "kept")
        (elsewhere / "dffh" / "checkpoint").mkdir()
        answer = dffh("entries", "--ledger", "dffh", "--json", person="officer")
        assert (answer.code, answer.err.count("cannot be read"), "does not hold" in answer.err) == (0, 1, False)
        (elsewhere / "dffh" / "checkpoint").rmdir()
        (tmp_path / "kept").rename(elsewhere / "dffh" / "checkpoint")
        del dffh.environment["AUDITLEDGER_POLICY"]
        assert now <= by() <= time.time() + 2
        # Whoever wrote it had another text stamped: of as many entries, and not of these.
        text = Checkpoint(ledger.origin, last + 1, b"\x07" * 32).text
        asked = wanted(text)
        request = urllib.request.Request(tsa.url, bytes(asked), {"Content-Type": "application/timestamp-query"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            response = answer.read()
    with database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger.timestamps SET response = %s, "
            "note = %s || substr(note, strpos(note, E'\\n\\n') + 1)",
            (response, text),
        )
    answer = dffh("entries", "--ledger", "dffh", person="officer")
    assert (answer.code, "no checkpoint of what is published" in answer.err) == (0, True)
    assert "witnesses saw" not in answer.out
    refused = dffh("verify", "--ledger", "dffh")
    assert (refused.code, "the time stamp of" in refused.err) == (9, True)


def shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
