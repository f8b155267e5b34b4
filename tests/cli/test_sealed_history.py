"""A ledger that is not what was signed of it: what each door says, exit code 10, and what the service does."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.ledgers import Ledgers
from ledger.store.writer import Writer
from ledger.tlog.chain import leaf_hash
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import Note, SigningKey, VerifierKey
from tests.cli.conftest import Program, Service, command, home, start
from tests.cli.test_commands import receive
from tests.cli.test_proofs import (
    ORIGIN,
    Auditor,
    auditor,
    fails,
    flipped,
    forgotten,
    lied,
    rewritten,
    superuser,
    url_of,
)
from tests.cli.test_up import health
from tests.support import sample
from tests.waiting import until

__all__ = ["auditor", "home"]


# --- verify: one proof against what was seen ------------------------------------------------------------------


def test_a_proof_of_another_history_is_found_by_who_saw_the_first(auditor: Auditor, tmp_path: Path) -> None:
    """Made anew with as many entries: the proof is whole in itself, of a tree that was not seen."""
    program = auditor.program
    proven = ["--proof", str(tmp_path / "dffh-1.tlog-proof"), "--entry", str(tmp_path / "dffh-1.entry")]
    program.ok("prove", "1", "--ledger", "dffh", "--to", str(tmp_path))
    assert auditor.folder().code == 0
    assert auditor(*proven).code == 0
    rewritten(url_of(program))
    forgotten(url_of(program))
    shutil.rmtree(auditor.tiles)
    program.ok("prove", "1", "--ledger", "dffh", "--to", str(tmp_path))
    fails(auditor(*proven), 8, f"{ORIGIN}: another tree of 7 entries was seen before")
    auditor.home = tmp_path / "another"
    assert auditor(*proven).code == 0


# --- verify: the database against what was signed -------------------------------------------------------------


def test_what_nobody_signed_is_verified_as_before(dffh: Program) -> None:
    receive(dffh)
    told = dffh("verify")
    assert told.code == 0, told.err
    assert "dffh: clean, 5 entries, none under a signed checkpoint, last leaf hash" in told.out
    assert [each["signed"] for each in dffh.ok("verify")["ledgers"]] == [None, None]
    # Which is why checkpoints are signed: a chain alone does not show that all of it was made anew.
    rewritten(url_of(dffh))
    assert dffh("verify").code == 0


@pytest.mark.parametrize("left", ["published", "signed", "remembered", "kept"])
def test_a_ledger_rewritten_with_its_head_is_found_by_any_checkpoint_that_is_left(
    auditor: Auditor, tmp_path: Path, left: str
) -> None:
    program = auditor.program
    kept = tmp_path / "kept"
    kept.write_text(program("checkpoint").out)
    program.ok("checkpoint", "--ledger", "common")
    if left == "remembered":
        assert program("verify").code == 0
    rewritten(url_of(program))
    if left != "signed":
        forgotten(url_of(program))
    if left != "published":
        shutil.rmtree(auditor.tiles)
    options = ("--checkpoint", str(kept)) if left == "kept" else ()
    answer = program("verify", *options)
    fails(answer, 8, f"{ORIGIN}: entry 6: the tree up to it has the root")
    assert "they were rewritten" in answer.err
    assert "dffh: TAMPERED, entry 6: the tree up to it" in answer.out
    found = {each["ledger"]: each for each in program("verify", *options, "--json").json["ledgers"]}
    assert found["common"]["clean"] is True
    assert (found["dffh"]["clean"], found["dffh"]["index"], found["dffh"]["trusted"]) == (False, 6, True)


def test_a_payload_that_nobody_can_read_is_found_by_deep_alone(
    auditor: Auditor, database: Database, tmp_path: Path
) -> None:
    """Sealed as it was recorded, by a program that is not ours: hashes do not care what they are of."""
    other = Ledgers(database).create("other", "e/other", "o")
    with Writer(database) as writer:
        writer.submit(other.id, [sample(payload=b"no Avro")]).result(60)
    auditor.program.ok("checkpoint", "--ledger", "other")
    keys = auditor.program.ok("keys", "list")["keys"]
    auditor.key = next(each["key"] for each in keys if each["ledger"] == "other")
    auditor.tiles = tmp_path / "data" / "tiles" / "other"
    assert auditor.folder().code == 0
    fails(auditor("--tiles", str(auditor.tiles), "--deep"), 8, "e/other: entry 0: it cannot be read: ")


def test_a_ledger_whose_end_was_cut_off_is_found(auditor: Auditor) -> None:
    program = auditor.program
    with superuser(url_of(program)) as connection:
        connection.execute(
            "WITH last AS (DELETE FROM ledger.entries e USING ledger.ledgers l WHERE e.ledger = l.id"
            " AND l.slug = 'dffh' AND e.index >= 6)"
            " UPDATE ledger.heads h SET size = 6, hash = e.leaf_hash, recorded_at = e.recorded_at"
            " FROM ledger.entries e JOIN ledger.ledgers l ON e.ledger = l.id"
            " WHERE h.ledger = l.id AND l.slug = 'dffh' AND e.index = 5"
        )
    fails(program("verify"), 8, f"{ORIGIN}: entry 6: it is missing: a checkpoint of 7 entries was signed")
    for asked in (("checkpoint",), ("prove", "1")):
        fails(program(*asked), 10, f"{ORIGIN}: the database holds 6 entries, 7 are signed")


def test_a_checkpoint_by_a_stranger_is_not_trusted_and_the_ledger_is_named(auditor: Auditor) -> None:
    program = auditor.program
    note = Note.parse((auditor.tiles / "checkpoint").read_bytes())
    stranger = SigningKey.generate(ORIGIN)
    # A key that is given counts in the place of those that lie with the files.
    fails(
        program("verify", "--ledger", "dffh", "--key", str(stranger.verifier)), 9, f"{ORIGIN}: note: expected"
    )
    assert program("verify", "--ledger", "dffh", "--key", auditor.key).code == 0
    (auditor.tiles / "checkpoint").write_text(f"{note.text}\n{stranger.sign(note.text)}")
    answer = program("verify")
    fails(answer, 9, f"{ORIGIN}: note: expected the signature of a trusted key")
    assert "dffh: NOT TRUSTED, " in answer.out
    assert "common: clean, " in answer.out
    assert program("verify", "--key", str(stranger.verifier)).code == 0
    # Of a ledger that is altered and one that nobody vouches for, the altered one is said.
    rewritten(url_of(program), "common")
    assert program("verify").code == 9
    program.ok("ledger", "create", "two", "--origin", "e/two", "--name", "Two")
    program.ok("checkpoint", "--ledger", "two")
    rewritten(url_of(program), "two")
    fails(program("verify"), 8, "e/two: entry")


# --- exit code 10, and the key --------------------------------------------------------------------------------


def sealing(program: Program) -> tuple[bool, str]:
    """What doctor says of sealing."""
    answer = program("doctor", "--json")
    (check,) = [each for each in answer.json["checks"] if each["check"] == "sealing"]
    assert answer.code == (0 if check["ok"] else 6), answer.err
    assert check["ok"] or check["detail"] in answer.err
    assert answer.json["healthy"] is check["ok"]
    assert check["detail"] in " ".join(program("doctor").out.split())
    return check["ok"], check["detail"]


def test_doctor_says_how_much_is_not_signed_yet(auditor: Auditor) -> None:
    program = auditor.program
    program.ok("checkpoint", "--ledger", "common")
    assert sealing(program) == (True, "0 entries not under a signed checkpoint yet")
    receive(program)
    assert sealing(program) == (True, "1 entries not under a signed checkpoint yet")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("rewritten", "entry 6 in the database is not the one that was sealed: a fork"),
        ("forgotten", "a checkpoint is published, and the database has signed none"),
        ("older", "9 entries are published, 7 signed here: the database is an older one"),
        ("tile lost", "a tile that was signed is missing: "),
        ("tile spoilt", "the tiles fold to another root of 7 entries than was signed"),
        ("checkpoint spoilt", "a checkpoint kept or published is not ours: "),
    ],
)
def test_what_is_not_one_history_is_exit_code_10_and_nothing_is_signed(
    auditor: Auditor, tmp_path: Path, how: str, said: str
) -> None:
    program, url = auditor.program, url_of(auditor.program)
    copied = shutil.copytree(auditor.tiles, tmp_path / "copied")
    tile, published = auditor.tiles / "tile" / "0" / "000.p" / "7", auditor.tiles / "checkpoint"
    if how == "rewritten":
        rewritten(url)
    elif how == "forgotten":
        forgotten(url)
    elif how == "older":
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT * FROM ledger.checkpoints WHERE size = 7").fetchone()
        for _ in range(2):
            receive(program)
        program.ok("checkpoint")
        assert row is not None
        with superuser(url) as connection:
            connection.execute("DELETE FROM ledger.checkpoints WHERE ledger = %s", row[:1])
            blanks = ", ".join(["%s"] * len(row))
            connection.execute(f"INSERT INTO ledger.checkpoints VALUES ({blanks})".encode(), row)
    elif how == "tile lost":
        tile.unlink()
    elif how == "tile spoilt":
        tile.write_bytes(flipped(0)(tile.read_bytes()))
    else:
        published.write_bytes(published.read_bytes().replace(b"\n7\n", b"\n6\n"))
    before = published.read_bytes()
    receive(program)
    for asked in (("checkpoint",), ("prove", "1"), ("prove", "--since", "1")):
        answer = program(*asked)
        fails(answer, 10, said)
        assert "nothing is signed before this is looked into" in answer.err
        assert (answer.out, published.read_bytes()) == ("", before)
    ok, detail = sealing(program)
    assert (ok, f"{ORIGIN}: {said}" in detail) == (False, True)
    # The other ledger is sealed all the same.
    assert program("checkpoint", "--ledger", "common").code == 0
    if how in ("tile lost", "tile spoilt", "checkpoint spoilt"):
        # What operations.md says: any copy of the folder has the right files, and it goes on from there.
        shutil.copytree(copied, auditor.tiles, dirs_exist_ok=True)
        assert program.ok("checkpoint", "--ledger", "dffh")["size"] == 8
        assert auditor.folder().code == 0
        assert sealing(program)[0]


def test_a_signing_key_that_is_lost_or_open_to_others_is_said_with_what_to_do(
    auditor: Auditor, tmp_path: Path
) -> None:
    program = auditor.program
    (file,) = (tmp_path / "data" / "signing").glob("dffh.*.key")
    receive(program)
    file.chmod(0o644)
    fails(program("checkpoint"), 2, f"{file}: expected mode 0600, got 0644; run chmod 600 on it")
    away = file.rename(tmp_path / "away")
    answer = program("checkpoint")
    fails(answer, 1, f"signing key of {ORIGIN}: expected a file in")
    assert "restore it from its backup" in answer.err
    assert not sealing(program)[0]
    # No new key was made for a ledger that had one.
    assert not [*(tmp_path / "data" / "signing").glob("dffh.*")]
    away.rename(file).chmod(0o600)
    assert program.ok("checkpoint")["size"] == 8
    assert auditor.folder().code == 0


# --- the service --------------------------------------------------------------------------------------------


@dataclass
class Office:
    """A data directory of its own with a ledger ``x``, its people, and a service that seals fast."""

    environment: dict[str, str]
    organisation: str
    administrator: str
    officer: str

    @property
    def data_dir(self) -> Path:
        return Path(self.environment["AUDITLEDGER_DATA_DIR"])

    def run(self, *arguments: str, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command beside the service or without one."""
        done = command(self.environment, *arguments, **options)
        assert done.returncode == code, done.stderr
        return done

    def receive(self, *more: str, code: int = 0) -> Any:
        """A request is recorded; gives its index, or what is said of the failure."""
        fields = {"scheme": "vps", "form": "informal", "provider": self.organisation}
        done = self.run(
            "record", "request.RequestReceived", "-", "--ledger", "x", "--person", self.officer, "--json",
            *more, code=code, input=json.dumps({"happened": "2025-06-11", "fields": fields}),
        )  # fmt: skip
        return json.loads(done.stdout)["receipts"][0]["index"] if code == 0 else done.stderr

    def sealed(self, slug: str = "x") -> int:
        """Entries under the published checkpoint, which the ledger's own key signed."""
        listed = json.loads(self.run("keys", "list", "--json").stdout)["keys"]
        keys = [VerifierKey.parse(each["key"]) for each in listed if each["ledger"] == slug]
        note = (self.data_dir / "tiles" / slug / "checkpoint").read_bytes()
        return open_checkpoint(note, keys).checkpoint.size

    def gauges(self, url: str) -> dict[str, float]:
        """How the sealing of the ledger stands, by its metrics."""
        token = self.run("token", "--person", self.officer, "--organisation", self.organisation).stdout.strip()
        asked = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            families = [*text_string_to_metric_families(answer.read().decode())]
        return {
            family.name.removeprefix("auditledger_"): sample.value
            for family in families
            for sample in family.samples
            if sample.labels.get("ledger") == "x"
        }

    def until_sealed(self, url: str, size: int) -> None:
        """Waits until the service says that so many entries are signed."""
        until(lambda: self.gauges(url).get("sealed_entries") == size, lambda: self.gauges(url))

    def alter(self, index: int, *, leaf: bool) -> bytes:
        """A superuser alters an entry, with its kept leaf hash or without; gives what it was."""
        with EmbeddedServer(self.data_dir) as server, superuser(server.database.admin) as connection:
            ledger = "(SELECT id FROM ledger.ledgers WHERE slug = 'x')"
            where = f"WHERE index = %s AND ledger = {ledger}".encode()
            row = connection.execute(b"SELECT entry FROM ledger.entries " + where, (index,)).fetchone()
            assert row is not None
            was = bytes(row[0])
            altered = lied(was)
            connection.execute(
                b"UPDATE ledger.entries SET entry = %s, leaf_hash = %s " + where,
                (altered, leaf_hash(altered if leaf else was), index),
            )
        return was

    def mend(self, index: int, was: bytes) -> None:
        """And back."""
        with EmbeddedServer(self.data_dir) as server, superuser(server.database.admin) as connection:
            connection.execute(
                "UPDATE ledger.entries SET entry = %s, leaf_hash = %s WHERE index = %s"
                " AND ledger = (SELECT id FROM ledger.ledgers WHERE slug = 'x')",
                (was, leaf_hash(was), index),
            )

    @contextmanager
    def service(self, lines: list[dict[str, Any]] | None = None) -> Iterator[Service]:
        """A running service; its log is added to ``lines`` once it has stopped."""
        running = start(self.environment)
        try:
            yield running
        finally:
            running.process.terminate()
            _, log = running.process.communicate(timeout=60)
            if lines is not None:
                lines += [json.loads(each) for each in log.splitlines() if each.startswith("{")]
        assert running.process.returncode == 0, log


@pytest.fixture
def office(home: dict[str, str]) -> Office:
    """A ledger with an officer, nothing sealed yet."""
    home["AUDITLEDGER_SEAL_INTERVAL"] = "0.05"
    created = command(home, "ledger", "create", "x", "--origin", "e/x", "--name", "X", "--json")
    assert created.returncode == 0, created.stderr
    made = json.loads(created.stdout)
    found = Office(home, made["organisation"], made["administrator"], "0e7c2f60-0000-4000-8000-00000000000f")
    grant = {"person": found.officer, "role": "officer", "organisation": found.organisation}
    found.run(
        "record", "role.RoleGranted", "-", "--ledger", "x", "--person", found.administrator,
        input=json.dumps({"fields": grant}),
    )  # fmt: skip
    return found


def test_the_service_seals_what_is_written_and_says_how_far_it_is(office: Office) -> None:
    with office.service() as running:
        url = running.started["url"]
        for _ in range(2):
            index = office.receive()
            office.until_sealed(url, index + 1)
            assert office.sealed() == index + 1
        assert office.gauges(url)["sealing_alarm"] == 0
        assert health(url)["sealing"] == "ok"
        # Beside it a command signs nothing: it waits for what the service publishes, and proves by that.
        index = office.receive()
        told = json.loads(office.run("checkpoint", "--ledger", "x", "--json").stdout)
        assert (told["origin"], told["size"]) == ("e/x", index + 1)
        folder = office.data_dir.parent
        office.run("prove", str(index), "--ledger", "x", "--to", str(folder))
        (key,) = [
            each["key"]
            for each in json.loads(office.run("keys", "list", "--json").stdout)["keys"]
            if each["ledger"] == "x"
        ]
        proven = (f"--proof={folder}/x-{index}.tlog-proof", f"--entry={folder}/x-{index}.entry")
        office.run("verify", *proven, "--key", key)
        office.run("doctor")
        until(lambda: office.sealed("common") > 0)
    assert json.loads(office.run("verify", "--json").stdout)["clean"] is True


def test_a_fork_under_a_running_service_stops_sealing_alone_and_the_next_start(office: Office) -> None:
    log: list[dict[str, Any]] = []
    with office.service(log) as running:
        url = running.started["url"]
        last = office.receive()
        office.until_sealed(url, last + 1)
        was = office.alter(last, leaf=True)
        assert office.receive() == last + 1
        until(lambda: office.gauges(url)["sealing_alarm"] == 1, lambda: office.gauges(url))
        # Writing goes on, and what was signed stays what it was.
        assert office.receive() == last + 2
        assert office.gauges(url)["ledger_entries"] == last + 3
        # But the ledger's key promises nothing of it.
        kept = office.data_dir.parent / "receipts"
        refused = office.receive("--receipts", str(kept), code=10)
        assert f"entry {last} in the database is not the one that is published: a fork" in refused
        assert [*kept.iterdir()] == []
        assert (office.gauges(url)["sealed_entries"], office.sealed()) == (last + 1, last + 1)
        assert (health(url)["status"], health(url)["sealing"]) == ("ok", "stopped for 1 ledgers")
        doctor = office.run("doctor", code=6)
        assert "sealing stopped for 1 ledgers: the log says why" in " ".join(doctor.stdout.split())
        assert f"e/x: entry {last} in the database is not the one that was sealed: a fork" in doctor.stderr
        assert doctor.stderr.count("\n") == 1
        office.run("checkpoint", "--ledger", "x", code=10)
        assert f"e/x: entry {last}" in office.run("verify", code=8).stderr
    stopped = [each for each in log if each.get("event") == "sealing stopped"]
    assert [each["ledger"] for each in stopped] == ["x"]
    assert "a fork" in stopped[0]["reason"]
    refused = office.run("up", code=10)
    assert refused.stdout == ""
    (said,) = [each for each in refused.stderr.splitlines() if each.startswith("auditledger: ")]
    assert f"e/x: entry {last} in the database is not the one that was sealed: a fork" in said
    assert "the service does not start" in said
    assert "docs/operations.md" in said
    assert not (office.data_dir / "service.json").exists()
    # Once what was signed is there again, it starts, and goes on.
    office.mend(last, was)
    with office.service() as running:
        url = running.started["url"]
        office.until_sealed(url, last + 4)
        assert (office.gauges(url)["sealing_alarm"], health(url)["sealing"]) == (0, "ok")
    assert json.loads(office.run("verify", "--json").stdout)["clean"] is True


def test_an_entry_altered_before_it_is_sealed_is_never_signed(office: Office) -> None:
    """No start is refused for it, since nothing of it was signed: the alarm is the running service's."""
    index = office.receive()
    office.run("checkpoint", "--ledger", "x")
    assert office.receive() == index + 1
    was = office.alter(index + 1, leaf=False)
    with office.service() as running:
        url = running.started["url"]
        until(lambda: office.gauges(url).get("sealing_alarm") == 1, lambda: office.gauges(url))
        assert office.sealed() == index + 1
        assert "sealing stopped for 1 ledgers" in office.run("doctor", code=6).stderr
        until(lambda: office.sealed("common") > 0)
    assert f"entry {index + 1}: expected leaf hash" in office.run("checkpoint", "--ledger", "x", code=8).stderr
    office.mend(index + 1, was)
    assert json.loads(office.run("checkpoint", "--ledger", "x", "--json").stdout)["size"] == index + 2
    assert json.loads(office.run("verify", "--json").stdout)["clean"] is True
