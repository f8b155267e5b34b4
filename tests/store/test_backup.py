"""Backup sets are of one moment whatever goes on beside them, whole or none, and restored they are what was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from ledger.errors import (
    Altered,
    AuditLedgerError,
    InvalidInput,
    NotFound,
    SettingsError,
    Unavailable,
    Untrusted,
    VaultError,
)
from ledger.store.backup import back_up
from ledger.store.database import Database
from ledger.store.manifest import DUMP, MANIFEST, Manifest
from ledger.store.opened import RESTORING, opened_database
from ledger.store.restore import drill, restore
from ledger.store.sealers import Sealing
from ledger.store.verify import verify
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import SigningKey
from ledger.tlog.proof import InclusionProof
from ledger.tlog.prover import Prover
from tests.store.published import FailingWrites, Place, place, sealed
from tests.store.sets import MakeDatabase, another, keys_of, killed, settings_of
from tests.support import check_ledger

__all__ = ["another", "place", "sealed"]

STEPS = ["begun", "dumped", "tiles", "attachments", "durable", "named"]
RESTORING_STEPS = ["begun", "files", "database", "verified"]


def moved(place: Place, database: Database, data: Path) -> Place:
    """The place of a restored ledger, with the signing keys put back."""
    shutil.copytree(place.data / "signing", data / "signing")
    return Place(database, place.ledger, data)


def test_restored_elsewhere_it_is_what_was_and_goes_on(
    sealed: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    """A ledger moved to another database keeps its origin, its keys and every proof that was made."""
    prover = Prover(sealed.published.of(sealed.ledger).read, sealed.note)
    proof, entry = bytes(prover.inclusion(7)), prover.entry(7)
    old = sealed.told()
    made = back_up(sealed.database, sealed.data, tmp_path / "set")
    assert [(each.slug, each.size, each.signed) for each in made.ledgers] == [("dffh", 310, 300)]
    # What happens after the moment is not in it.
    sealed.fill(20)
    sealed.seal()
    elsewhere = another()
    found = restore(tmp_path / "set", settings_of(tmp_path / "new", elsewhere))
    assert [(each.size, each.signed, each.lost) for each in found.ledgers] == [(310, 300, 0)]
    assert set(found.seconds) == {"check", "files", "database", "verify"}
    new = moved(sealed, elsewhere, tmp_path / "new")
    assert new.told() == old
    with new.sealer() as sealer:
        sealer.check()
    new.fill(5)
    assert new.seal().size == 315
    assert verify(elsewhere, new.ledger, checkpoints=[old, new.told()]).size == 315
    InclusionProof.parse(proof).verify(entry, keys_of(new))
    tree = Prover(new.published.of(new.ledger).read, new.note)
    assert tree.consistency(old.size).verify(old, keys_of(new)).checkpoint == new.told()
    assert check_ledger(elsewhere, new.ledger) == 315


def test_it_is_of_one_moment_while_others_write_and_seal(
    place: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    stop = Event()

    def write() -> None:
        while not stop.is_set():
            place.fill(40)

    sealing = Sealing(place.database, place.published, interval=0.02)
    threads = [Thread(target=write), Thread(target=sealing.run, args=(stop,))]
    place.fill(300)
    place.seal()
    for thread in threads:
        thread.start()
    try:
        sets = [back_up(place.database, place.data, tmp_path / f"set{number}") for number in range(4)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len({each.ledgers[0].size for each in sets}) == len(sets)
    for number, made in enumerate(sets):
        elsewhere, data = another(), tmp_path / f"new{number}"
        (found,) = restore(tmp_path / f"set{number}", settings_of(data, elsewhere)).ledgers
        assert (found.size, found.signed) == (made.ledgers[0].size, made.ledgers[0].signed)
        new = moved(place, elsewhere, data)
        # Neither ahead nor behind: what is not signed yet is sealed, and nothing has to be refilled.
        assert new.seal().size == found.size
    assert check_ledger(place.database, place.ledger) > 300


def test_a_ledger_that_was_never_sealed_and_none_at_all(
    place: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    place.fill(3)
    made = back_up(place.database, place.data, tmp_path / "set")
    assert (made.ledgers[0].signed, set(made.files)) == (None, {DUMP})
    elsewhere = another()
    restore(tmp_path / "set", settings_of(tmp_path / "new", elsewhere))
    assert Place(elsewhere, place.ledger, tmp_path / "new").seal().size == 3
    assert check_ledger(elsewhere, place.ledger) == 3


def test_a_drill_verifies_on_a_server_of_its_own_and_leaves_nothing(sealed: Place, tmp_path: Path) -> None:
    back_up(sealed.database, sealed.data, tmp_path / "set")
    room = tmp_path / "room"
    room.mkdir()
    tmp_path.chmod(0o755)
    found = drill(tmp_path / "set", settings_of(sealed.data, sealed.database), place=room)
    assert [(each.size, each.signed) for each in found.ledgers] == [(310, 300)]
    assert list(room.iterdir()) == []
    assert check_ledger(sealed.database, sealed.ledger) == 310


# --- one that is not finished is none ------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_a_backup_killed_leaves_none_or_all_of_it(sealed: Place, tmp_path: Path, step: str) -> None:
    killed(sealed, "backup", [step, 1], set=str(tmp_path / "sets" / "set"))
    target = tmp_path / "sets" / "set"
    assert target.exists() == (step == "named")
    left = list((tmp_path / "sets").glob(".auditledger-*"))
    assert len(left) == (step != "named")
    for each in left:
        # With the manifest too it is a set only under its name, which it had not.
        assert (each / MANIFEST).exists() == (step == "durable")
    back_up(sealed.database, sealed.data, tmp_path / "sets" / "next")
    assert sorted(each.name for each in (tmp_path / "sets").iterdir()) == ["next"] + ["set"] * (step == "named")
    for each in (tmp_path / "sets").iterdir():
        Manifest.read(each)[0].check(each)
    assert check_ledger(sealed.database, sealed.ledger) == 310


def test_one_that_is_still_at_work_is_not_cleared_away(sealed: Place, tmp_path: Path) -> None:
    seen: list[Path] = []

    def another_one(step: str) -> None:
        if step == "dumped":
            back_up(sealed.database, sealed.data, tmp_path / "sets" / "second")
            seen.extend((tmp_path / "sets").glob(".auditledger-*"))

    back_up(sealed.database, sealed.data, tmp_path / "sets" / "first", step=another_one)
    assert len(seen) == 1
    assert sorted(each.name for each in (tmp_path / "sets").iterdir()) == ["first", "second"]


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted"])
def test_every_durable_write_of_a_backup_fails_once(
    sealed: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, persisted: bool
) -> None:
    class Writes(FailingWrites):
        NAMES = (*FailingWrites.NAMES, "rename")

    writes = Writes(monkeypatch)
    back_up(sealed.database, sealed.data, tmp_path / "whole")
    # Folders, tiles, note and manifest: fewer would mean that they are not looked at.
    assert writes.count > 25
    failures = 0
    for number in range(1, writes.count + 1):
        target = tmp_path / f"set{number}"
        writes.arm(number, persisted=persisted)
        writes.failed = ""
        try:
            back_up(sealed.database, sealed.data, target)
            # A folder that is there already need not be made; how often one is tried to be, varies.
            assert writes.failed in ("mkdir", "")
        except Unavailable:
            failures += 1
        writes.arm(0, persisted=False)
        # Made and not known to be: the next clears it away.
        assert writes.failed == "mkdir" or not list(tmp_path.glob(".auditledger-*"))
        if target.exists():
            # Its name may be lost with the power; what has it is whole.
            Manifest.read(target)[0].check(target)
            assert writes.failed in ("mkdir", "", "fsync") or (persisted and writes.failed == "rename")
            shutil.rmtree(target)
    assert failures > 25
    assert check_ledger(sealed.database, sealed.ledger) == 310


FULL = """
import resource, signal, sys
from pathlib import Path
from ledger.store.backup import back_up
from ledger.store.database import Database
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
back_up(Database({admin!r}), Path({data!r}), Path({target!r}))
"""


@pytest.mark.parametrize("limit", [500, 20_000])
def test_a_full_disk_leaves_no_backup(sealed: Place, tmp_path: Path, limit: int) -> None:
    """The kernel refuses files beyond a size: first the dump, which pg_dump writes, then a bundle."""
    target = tmp_path / "sets" / "set"
    code = FULL.format(limit=limit, admin=sealed.database.admin, data=str(sealed.data), target=str(target))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Unavailable" in done.stderr.splitlines()[-1], done.stderr
    assert list(target.parent.iterdir()) == []


def test_what_is_missing_where_it_is_sealed_from_is_said(sealed: Place, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="that the ledgers are sealed with"):
        back_up(sealed.database, tmp_path / "other", tmp_path / "set")
    with pytest.raises(InvalidInput, match="does not exist yet"):
        back_up(sealed.database, sealed.data, sealed.data)
    bundle = next((sealed.folder / "tile" / "entries").glob("000"))
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b"payload", b"dayload"))
    with pytest.raises(AuditLedgerError, match="expected leaf hash"):
        back_up(sealed.database, sealed.data, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_secret_keys_are_in_it_only_when_asked_for(sealed: Place, tmp_path: Path) -> None:
    without = back_up(sealed.database, sealed.data, tmp_path / "without")
    assert not [path for path in without.files if "key" in path or "kek" in path]
    with pytest.raises(VaultError, match="--with-keys"):
        back_up(sealed.database, sealed.data, tmp_path / "with", with_keys=True)
    (sealed.data / "kek").write_text("not read here")
    made = back_up(sealed.database, sealed.data, tmp_path / "with", with_keys=True)
    (name,) = (path.name for path in (sealed.data / "signing").iterdir())
    assert {f"keys/signing/{name}", "keys/kek"} < set(made.files)
    secret = tmp_path / "with" / "keys" / "signing" / name
    assert secret.stat().st_mode & 0o777 == 0o600
    data = tmp_path / "new"
    data.mkdir()
    # A key that is there already is the operator's.
    (data / "kek").write_text("kept")
    found = restore(tmp_path / "with", settings_of(data))
    assert (data / "kek").read_text() == "kept"
    with opened_database(settings_of(data)) as database:
        assert Place(database, sealed.ledger, data).seal().size == found.ledgers[0].size


# --- restoring -----------------------------------------------------------------------------------------------


@pytest.fixture
def made(sealed: Place, tmp_path: Path) -> Path:
    """A set of a ledger with a file in its attachments."""
    with sealed.superuser() as connection:
        connection.execute(
            "INSERT INTO vault.attachments (ledger, key, commitment, path, length, sealed) "
            "SELECT %s, 'k' || n, sha256('a'), 'file.content', 4, '' FROM generate_series(1, 2) n",
            (sealed.ledger.id,),
        )
        row = connection.execute("SELECT encode(sha256('a'), 'hex')").fetchone()
    assert row is not None
    folder = sealed.data / "attachments" / str(sealed.ledger.id) / "k1"
    folder.mkdir(parents=True)
    (folder / row[0]).write_bytes(b"file")
    (folder / "no-row-names-it").write_bytes(b"left by a crash")
    found = back_up(sealed.database, sealed.data, tmp_path / "set")
    assert len([path for path in found.files if path.startswith("attachments/")]) == 1
    # Of the second row there was no file: the set says so.
    assert found.missing == (f"attachments/{sealed.ledger.id}/k2/{row[0]}",)
    return tmp_path / "set"


@pytest.mark.parametrize("step", RESTORING_STEPS)
@pytest.mark.parametrize("embedded", [False, True])
def test_a_restore_killed_is_not_opened_and_the_next_finishes_it(
    sealed: Place, made: Path, tmp_path: Path, another: MakeDatabase, step: str, *, embedded: bool
) -> None:
    tmp_path.chmod(0o755)
    elsewhere = None if embedded else another()
    data = tmp_path / "new"
    settings = settings_of(data, elsewhere)
    url = None if elsewhere is None else elsewhere.admin
    killed(sealed, "restore", [step, 1], set=str(made), data=data, url=url)
    with pytest.raises(SettingsError, match="did not finish"), opened_database(settings):
        pass
    found = restore(made, settings)
    assert [(each.size, each.signed) for each in found.ledgers] == [(310, 300)]
    assert not (data / RESTORING).exists()
    with opened_database(settings) as database:
        assert moved(sealed, database, data).seal().size == 310
        assert check_ledger(database, sealed.ledger) == 310
    assert [each.read_bytes() for each in (data / "attachments").rglob("*") if each.is_file()] == [b"file"]


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted"])
def test_every_durable_write_of_a_restore_fails_once(
    sealed: Place, made: Path, tmp_path: Path, another: MakeDatabase, monkeypatch: pytest.MonkeyPatch,
    *, persisted: bool,
) -> None:  # fmt: skip
    class Writes(FailingWrites):
        NAMES = (*FailingWrites.NAMES, "unlink")

    writes = Writes(monkeypatch)
    number, failures, places = 0, 0, [(tmp_path / "new0", another())]
    while True:
        number += 1
        data, elsewhere = places[-1]
        writes.arm(number, persisted=persisted)
        writes.failed = ""
        try:
            restore(made, settings_of(data, elsewhere))
        except (Unavailable, OSError):
            writes.arm(0, persisted=False)
            failures += 1
            if (data / RESTORING).exists() or not (data / "tiles").exists():
                continue
            # The mark was removed, and nobody knows whether that is durable: all before it is.
        if not writes.failed:
            break
        places.append((tmp_path / f"new{len(places)}", another()))
    assert failures > 20
    writes.arm(0, persisted=False)
    for data, elsewhere in places:
        assert moved(sealed, elsewhere, data).seal().size == 310
        assert check_ledger(elsewhere, sealed.ledger) == 310


@pytest.mark.parametrize("what", ["altered", "missing", "added", "manifest cut", "manifest", "path", "format"])
def test_a_set_that_was_altered_is_refused_before_anything_is_done(
    made: Path, tmp_path: Path, what: str
) -> None:
    manifest = made / MANIFEST
    text = manifest.read_text()
    if what == "altered":
        dump = made / DUMP
        data = bytearray(dump.read_bytes())
        data[len(data) // 2] ^= 1
        dump.write_bytes(data)
    elif what == "missing":
        next((made / "tiles").rglob("000")).unlink()
    elif what == "added":
        (made / "tiles" / "dffh" / "tile" / "9").write_bytes(b"")
    elif what == "manifest cut":
        manifest.write_text(text[: len(text) // 2])
    elif what == "manifest":
        manifest.write_text(text.replace('"missing"', '"mislaid"'))
    elif what == "path":
        manifest.write_text(text.replace('"database.dump"', '"../database.dump"'))
    else:
        manifest.write_text(text.replace("backup-1", "backup-9"))
    with pytest.raises(Altered):
        restore(made, settings_of(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_what_is_no_set_and_places_that_are_not_empty_are_refused(
    sealed: Place, made: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="an unfinished set has none"):
        restore(sealed.data, settings_of(tmp_path / "new"))
    with pytest.raises(SettingsError, match="without tiles"):
        restore(made, settings_of(sealed.data))
    with pytest.raises(SettingsError, match="a database without ledgers"):
        restore(made, settings_of(tmp_path / "new", sealed.database))
    # Nothing was done there: no mark, no file.
    assert [*(tmp_path / "new").iterdir()] == []
    other = tmp_path / "other"
    back_up(sealed.database, sealed.data, other)
    (tmp_path / "new" / RESTORING).write_text('{"set": "another"}')
    with pytest.raises(SettingsError, match="another set did not finish"):
        restore(other, settings_of(tmp_path / "new"))
    assert check_ledger(sealed.database, sealed.ledger) == 310


def test_a_forged_set_does_not_verify(sealed: Place, tmp_path: Path, another: MakeDatabase) -> None:
    """Who makes the manifest anew makes every digest fit; what was signed does not."""
    sealed.alter(5, b"payload", b"dayload", with_hash=True)
    back_up(sealed.database, sealed.data, tmp_path / "set")
    with pytest.raises(AuditLedgerError, match="entry 5"):
        restore(tmp_path / "set", settings_of(tmp_path / "new", another()))
    # Nobody opens it: the restore has not finished.
    assert (tmp_path / "new" / RESTORING).exists()


def test_a_manifest_that_tells_of_another_ledger(made: Path, tmp_path: Path, another: MakeDatabase) -> None:
    """Its own digest is kept by people: where it was altered, the database still says what it has."""
    text = (made / MANIFEST).read_text()
    assert '"size": 310,' in text
    (made / MANIFEST).write_text(text.replace('"size": 310,', '"size": 311,'))
    with pytest.raises(Altered, match=r"expected 311 entries .*, got 310"):
        restore(made, settings_of(tmp_path / "new", another()))


def test_a_database_that_cannot_be_restored_whole_is_left_empty(
    sealed: Place, made: Path, tmp_path: Path, another: MakeDatabase
) -> None:
    elsewhere = another()
    with elsewhere.connect_admin() as connection:
        # In the way of what comes last.
        connection.execute("CREATE SCHEMA registers")
    with pytest.raises(Unavailable, match=r"pg_restore failed: .*registers"):
        restore(made, settings_of(tmp_path / "new", elsewhere))
    with elsewhere.connect_admin() as connection:
        row = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname IN ('ledger', 'vault')")
        assert row.fetchone() == (0,)
        connection.execute("DROP SCHEMA registers")
    restore(made, settings_of(tmp_path / "new", elsewhere))
    assert check_ledger(elsewhere, sealed.ledger) == 310


def test_a_set_signed_by_another_key_than_the_one_given(
    sealed: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    back_up(sealed.database, sealed.data, tmp_path / "set")
    key = SigningKey.generate(sealed.ledger.origin).verifier
    with pytest.raises(Untrusted):
        restore(tmp_path / "set", settings_of(tmp_path / "new", another()), keys=[key])


# --- what is known to be newer than the set ------------------------------------------------------------------


@contextmanager
def refused(place: Place, match: str) -> Iterator[None]:
    with pytest.raises(AuditLedgerError, match=match):
        place.seal()
    yield
    with pytest.raises(AuditLedgerError, match=match):
        place.seal()


@pytest.mark.parametrize("files", [True, False], ids=["published files", "a checkpoint alone"])
def test_what_is_known_to_be_lost_is_said_and_nothing_is_signed(
    sealed: Place, made: Path, tmp_path: Path, another: MakeDatabase, *, files: bool
) -> None:
    sealed.fill(40)
    sealed.seal()
    elsewhere = another()
    found = restore(
        made, settings_of(tmp_path / "new", elsewhere),
        published=sealed.data / "tiles" if files else None, notes=[] if files else [sealed.note],
    )  # fmt: skip
    (ledger,) = found.ledgers
    assert (ledger.size, ledger.lost, ledger.refillable) == (310, 40, files)
    new = moved(sealed, elsewhere, tmp_path / "new")
    assert new.told() == sealed.told()
    with refused(new, "the database is an older one"):
        pass
    assert check_ledger(elsewhere, new.ledger) == 310


def test_what_others_kept_and_the_set_has_is_no_loss(
    sealed: Place, made: Path, tmp_path: Path, another: MakeDatabase
) -> None:
    sealed.seal()
    assert open_checkpoint(sealed.note, keys_of(sealed)).checkpoint.size == 310
    found = restore(made, settings_of(tmp_path / "new", another()), notes=[sealed.note])
    assert [each.lost for each in found.ledgers] == [0]
    key = SigningKey.generate(sealed.ledger.origin).verifier
    with pytest.raises(Untrusted):
        restore(made, settings_of(tmp_path / "n2", another()), notes=[sealed.note], keys=[key])
    assert not os.path.lexists(tmp_path / "n2" / RESTORING)
