"""An older database is refilled from what is published: the same entries, the same checkpoint, one history."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.errors import (
    AuditLedgerError,
    Conflict,
    Diverged,
    InvalidInput,
    LawRefused,
    NotFound,
    ProofFailed,
    Tampered,
    Unavailable,
    Untrusted,
)
from ledger.store import refill as refilling
from ledger.store.backup import back_up
from ledger.store.closing import closed, end, last_checkpoint, leave
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.refill import Refilled, refill
from ledger.store.restore import restore
from ledger.store.writer import Writer
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import SigningKey, VerifierKey
from tests.store.published import Place, place, sealed
from tests.store.sets import MakeDatabase, another, keys_of, killed, settings_of
from tests.support import check_ledger, sample, samples

__all__ = ["another", "place", "sealed"]

OLD, NOW = 310, 700


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refilling, "BATCH", 256)


@pytest.fixture
def behind(sealed: Place, tmp_path: Path, another: MakeDatabase) -> Place:
    """A ledger whose database is one of 310 entries, while 700 are published."""
    back_up(sealed.database, sealed.data, tmp_path / "set")
    sealed.fill(NOW - OLD)
    sealed.seal()
    return restored(sealed, tmp_path / "set", tmp_path / "new", another())


def restored(place: Place, made: Path, data: Path, database: Database) -> Place:
    """The set's database beside what is published now."""
    restore(made, settings_of(data, database), published=str(place.data / "tiles"), keys=keys_of(place))
    shutil.copytree(place.data / "signing", data / "signing")
    return Place(database, place.ledger, data)


def refilled(place: Place, keys: Sequence[VerifierKey] | None = None) -> Refilled:
    return refill(
        place.database, place.ledger, place.published.of(place.ledger),
        keys_of(place) if keys is None else keys,
    )  # fmt: skip


def rows(database: Database) -> list[tuple[object, ...]]:
    """Every column of every entry but ``content_mac``."""
    with database.connect_admin() as connection:
        return connection.execute(
            "SELECT index, recorded_at, ledger, version, part, happened_on, command, leaf_hash, stream, event, "
            "organisation, entry FROM ledger.entries ORDER BY index"
        ).fetchall()


def untouched(place: Place, size: int = OLD) -> None:
    """Nothing entered, and nothing was signed."""
    assert check_ledger(place.database, place.ledger) == size
    with pytest.raises(AuditLedgerError):
        place.seal()
    with place.database.connect_admin() as connection:
        assert connection.execute("SELECT count(*) FROM ledger.refills").fetchone() == (0,)


def test_what_comes_back_is_what_was(sealed: Place, behind: Place) -> None:
    with pytest.raises(Diverged, match="the database is an older one"):
        behind.seal()
    found = refilled(behind)
    assert (found.size, found.until) == (OLD, NOW)
    assert found.command is not None
    assert rows(behind.database) == rows(sealed.database)
    signed, told = behind.signed(), sealed.signed()
    assert signed is not None
    assert told is not None
    # The same checkpoint, and no other of that size: what goes on from it is the one history.
    assert signed == told
    assert behind.seal() == sealed.told()
    behind.fill(10)
    assert behind.seal().size == NOW + 10
    assert check_ledger(behind.database, behind.ledger) == NOW + 10
    assert check_ledger(sealed.database, sealed.ledger) == NOW


def test_a_command_that_was_refilled_gets_its_first_receipt(
    sealed: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    back_up(sealed.database, sealed.data, tmp_path / "set")
    draft = sample(f"s-{uuid4()}", content_mac=b"eight by" + b"m" * 32)
    with Writer(sealed.database) as writer:
        (first,) = writer.submit(sealed.ledger.id, [draft]).result(30)
    sealed.seal()
    new = restored(sealed, tmp_path / "set", tmp_path / "new", another())
    refilled(new)
    with Feed(new.database) as feed:
        assert feed.entry(new.ledger.id, first.index).content_mac is None
    with Writer(new.database) as writer:
        # Whether it is the same content cannot be told any more: the first receipt, unchecked (4-wire).
        again = writer.submit(new.ledger.id, [draft]).result(30)
    assert again == [first]
    assert check_ledger(new.database, new.ledger) == 311


def test_only_the_checkpoint_is_behind(sealed: Place, tmp_path: Path, another: MakeDatabase) -> None:
    """The database has all that is published, and had not kept that it was signed."""
    back_up(sealed.database, sealed.data, tmp_path / "set")
    sealed.seal()
    new = restored(sealed, tmp_path / "set", tmp_path / "new", another())
    with pytest.raises(Diverged):
        new.seal()
    assert refilled(new) == Refilled(OLD, OLD, None)
    assert new.seal() == sealed.told()
    assert check_ledger(new.database, new.ledger) == OLD


def test_a_database_without_any_entry_is_filled_from_nothing(
    place: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    back_up(place.database, place.data, tmp_path / "set")
    place.fill(600)
    place.seal()
    new = restored(place, tmp_path / "set", tmp_path / "new", another())
    with pytest.raises(Diverged, match="the database has signed none"):
        new.seal()
    assert refilled(new).until == 600
    assert rows(new.database) == rows(place.database)
    assert new.seal() == place.told()
    assert check_ledger(new.database, new.ledger) == 600


@pytest.mark.parametrize(
    "at", [["checked", 1], ["begun", 1], ["batch", 1], ["batch", 2], ["signed", 1]], ids=str
)
def test_a_refill_killed_is_finished_by_the_next(sealed: Place, behind: Place, at: list[object]) -> None:
    killed(behind, "refill", at, batch=256)
    size = {"batch": {1: 512, 2: NOW}.get(int(str(at[1])), 0), "signed": NOW}.get(str(at[0]), OLD)
    # Whole batches, and still nothing that anybody signs but for what is published.
    assert check_ledger(behind.database, behind.ledger) == size
    if at[0] != "signed":
        with pytest.raises(Diverged):
            behind.seal()
    found = refilled(behind)
    # What LedgerRestored says is the size of the backup, not that of the second try.
    assert (found.size, found.until) == (OLD, NOW)
    assert refilled(behind) == found
    assert rows(behind.database) == rows(sealed.database)
    assert behind.seal() == sealed.told()
    assert check_ledger(behind.database, behind.ledger) == NOW


def test_a_refill_whose_commits_fail_or_seem_to(sealed: Place, behind: Place) -> None:
    """The server goes away at each step; what was committed is found, the rest is done again."""
    for name in ("checked", "begun", "batch", "signed"):

        def gone(step: str, name: str = name) -> None:
            if step == name:
                with behind.database.connect_admin() as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )

        try:
            refill(
                behind.database, behind.ledger, behind.published.of(behind.ledger), keys_of(behind), step=gone
            )
        except Unavailable:
            continue
    found = refilled(behind)
    assert (found.size, found.until) == (OLD, NOW)
    assert rows(behind.database) == rows(sealed.database)
    assert check_ledger(behind.database, behind.ledger) == NOW


# --- attacks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["entries/000", "entries/001", "0/001", "0/002.p/188", "1/000.p/2"])
def test_published_files_that_were_altered_fill_nothing(behind: Place, where: str) -> None:
    file = behind.folder / "tile" / where
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises((Tampered, ProofFailed)):
        refilled(behind)
    file.write_bytes(bytes(data[:-1]))
    with pytest.raises((Tampered, ProofFailed)):
        refilled(behind)
    untouched(behind)


def test_published_files_that_are_missing_fill_nothing(behind: Place) -> None:
    (behind.folder / "tile" / "entries" / "001").unlink()
    with pytest.raises((Tampered, NotFound)):
        refilled(behind)
    untouched(behind)
    (behind.folder / "checkpoint").unlink()
    with pytest.raises(NotFound, match="nothing is published"):
        refilled(behind)


def test_a_checkpoint_of_another_key_and_no_key(behind: Place) -> None:
    key = SigningKey.generate(behind.ledger.origin)
    with pytest.raises(Untrusted):
        refilled(behind, [key.verifier])
    with pytest.raises(Untrusted, match="put its signing key back"):
        refilled(behind, [])
    told = behind.told()
    (behind.folder / "checkpoint").write_bytes(str(sign(told, [key])).encode())
    with pytest.raises(Untrusted):
        refilled(behind)
    untouched(behind)


def test_the_files_of_another_ledger_fill_nothing(behind: Place, tmp_path: Path) -> None:
    """Signed by a key that is trusted, for its own ledger."""
    other = Ledgers(behind.database).create("other", "example.vic.gov.au/other", "other")
    theirs = Place(behind.database, other, tmp_path / "theirs")
    theirs.fill(NOW + 1)
    theirs.seal()
    shutil.rmtree(behind.folder)
    shutil.copytree(theirs.folder, behind.folder)
    with pytest.raises(Untrusted):
        refilled(behind)
    with pytest.raises(Diverged, match="those of "):
        refilled(behind, keys_of(theirs))
    untouched(behind)
    assert check_ledger(theirs.database, other) == NOW + 1


@pytest.mark.parametrize("how", ["written to", "rewritten", "cut and written to"])
def test_a_fork_is_refused(behind: Place, how: str) -> None:
    """The database is not the beginning of what is published: no refill makes one history of two."""
    if how == "written to":
        # As by a service that was started on the old copy before anybody looked.
        behind.fill(3)
        size = OLD + 3
    elif how == "rewritten":
        behind.alter(305, b"payload", b"dayload", with_hash=True)
        size = 0
    else:
        behind.fill(NOW)
        size = OLD + NOW
    with pytest.raises(Diverged, match="a fork"):
        refilled(behind)
    if size:
        untouched(behind, size)


def test_who_writes_meanwhile_stops_it(behind: Place) -> None:
    def write(step: str) -> None:
        if step == "batch":
            behind.fill(1)

    with pytest.raises(Diverged, match="somebody wrote to it while it was refilled"):
        refill(behind.database, behind.ledger, behind.published.of(behind.ledger), keys_of(behind), step=write)
    assert check_ledger(behind.database, behind.ledger) == 513
    with pytest.raises(Diverged, match="a fork"):
        refilled(behind)


def test_a_ledger_that_is_not_behind_is_refused(sealed: Place, behind: Place) -> None:
    with pytest.raises(InvalidInput, match="700 signed here, 700 published"):
        refilled(sealed)
    assert check_ledger(sealed.database, sealed.ledger) == NOW
    refilled(behind)
    behind.fill(1)
    behind.seal()
    # LedgerRestored is not recorded yet: that is still to be done.
    assert refilled(behind).command is not None
    assert check_ledger(behind.database, behind.ledger) == NOW + 1


def test_while_it_is_sealed_it_is_not_refilled(behind: Place) -> None:
    with behind.sealer() as sealer:
        with pytest.raises(Diverged):
            sealer.seal()
        with behind.database.connect_admin() as connection:
            connection.execute("SELECT pg_advisory_lock(7402118, %s)", (behind.ledger.id,))
            with pytest.raises(Unavailable, match="a service seals it"):
                refilled(behind)
    untouched(behind)


# --- closing --------------------------------------------------------------------------------------------------


def written(place: Place) -> None:
    with Writer(place.database) as writer:
        writer.submit(place.ledger.id, [sample(f"s-{uuid4()}")]).result(30)


def lose(place: Place) -> None:
    """Loses entries that are published, and which the database lacks."""
    (place.folder / "tile" / "entries" / "001").unlink()


def left(place: Place) -> None:
    leave(place.database, place.published, place.ledger, keys_of(place))


def test_what_is_left_is_never_written_or_signed_again(behind: Place) -> None:
    # One that had written before, by the way that takes no lock.
    with Writer(behind.database) as writer:
        with pytest.raises(Diverged):
            behind.seal()
        with pytest.raises(Conflict, match="'auditledger refill' puts it back"):
            left(behind)
        lose(behind)
        left(behind)
        left(behind)
        assert closed(behind.database, behind.ledger) == "left"
        with pytest.raises(LawRefused, match="is closed"):
            writer.submit(behind.ledger.id, [sample("s")]).result(30)
        with pytest.raises(LawRefused, match="is closed"):
            writer.submit(behind.ledger.id, [sample("s")]).result(30)
    note, files = behind.note, behind.tiles()
    before = behind.signed()
    # No alarm any more: what it was left for goes on.
    assert behind.seal().size == 300
    with behind.sealer() as sealer:
        sealer.check()
    with pytest.raises(LawRefused, match="is closed"):
        refilled(behind)
    assert (behind.note, behind.tiles(), behind.signed()) == (note, files, before)
    assert check_ledger(behind.database, behind.ledger) == OLD


def test_one_that_was_open_when_it_was_closed_is_refused_too(sealed: Place) -> None:
    """The statement that takes no lock, and the COPY of many."""
    with Writer(sealed.database) as writer:
        for many in (1, 1, 60, 60):
            drafts = samples(f"s-{uuid4()}", many)
            writer.submit(sealed.ledger.id, drafts).result(30)
        size = sealed.seal().size
        assert end(sealed.database, sealed.ledger, size)
        repeat = writer.submit(sealed.ledger.id, drafts).result(30)
        assert [each.index for each in repeat] == list(range(size - 60, size))
        for many in (1, 60):
            with pytest.raises(LawRefused, match="is closed"):
                writer.submit(sealed.ledger.id, samples(f"s-{uuid4()}", many)).result(30)
    assert end(sealed.database, sealed.ledger, size)
    assert closed(sealed.database, sealed.ledger) == "ended"
    assert sealed.seal().size == size
    assert check_ledger(sealed.database, sealed.ledger) == size


def test_what_can_go_on_is_not_left_and_what_has_grown_is_not_ended(sealed: Place) -> None:
    with pytest.raises(AuditLedgerError, match="nothing keeps it from going on"):
        left(sealed)
    assert not end(sealed.database, sealed.ledger, 300)
    assert closed(sealed.database, sealed.ledger) is None
    written(sealed)
    assert sealed.seal().size == 311
    assert check_ledger(sealed.database, sealed.ledger) == 311


def test_the_last_checkpoint_is_the_largest_that_anybody_kept(behind: Place, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (key,) = behind.published.keys.of(behind.ledger.slug, behind.ledger.origin)
    larger = Checkpoint(behind.ledger.origin, 5000, b"\x01" * 32)
    kept.write_bytes(str(sign(larger, [key])).encode())
    assert last_checkpoint(behind.published, behind.ledger, [], []).checkpoint.size == NOW
    assert last_checkpoint(behind.published, behind.ledger, [kept], []).checkpoint == larger
    forged = SigningKey.generate(behind.ledger.origin)
    kept.write_bytes(str(sign(larger, [forged])).encode())
    with pytest.raises(Untrusted):
        last_checkpoint(behind.published, behind.ledger, [kept], [])
    (behind.folder / "checkpoint").unlink()
    with pytest.raises(NotFound, match="no checkpoint of it is known"):
        last_checkpoint(behind.published, behind.ledger, [], [])
    with pytest.raises(NotFound):
        last_checkpoint(behind.published, behind.ledger, [tmp_path / "none"], [])


def test_another_ledger_of_the_database_goes_on(behind: Place, tmp_path: Path) -> None:
    lose(behind)
    left(behind)
    other: Ledger = Ledgers(behind.database).create("next", "example.vic.gov.au/dffh/2", "dffh")
    place = Place(behind.database, other, tmp_path / "next")
    place.fill(3)
    assert place.seal().size == 3
    assert check_ledger(place.database, other) == 3
