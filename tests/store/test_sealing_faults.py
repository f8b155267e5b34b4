"""A seal that fails anywhere, is killed, or whose disk forgets, is finished by the next as if nothing was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from ledger.errors import Unavailable
from ledger.store import sealing as sealing_module
from ledger.store.database import Database
from ledger.tlog.chain import leaf_hash
from tests.store.proxy import Proxy
from tests.store.published import Disk, FailingWrites, Place, place
from tests.waiting import DEADLINE, until

__all__ = ["place"]

SEAL = ["hashed", "tiles", "signed", "published"]
STEPS = ["key", "signed", "published", *SEAL, *SEAL, *SEAL]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing_module, "BATCH", 256)


class Stopped(Exception):
    """What stops a seal in a test."""


@pytest.mark.parametrize("at", range(len(STEPS)), ids=lambda at: f"{at} {STEPS[at]}")
def test_a_seal_stopped_at_a_step_is_finished_by_the_next(place: Place, at: int) -> None:
    place.fill(600)
    reached: list[str] = []

    def step(name: str) -> None:
        reached.append(name)
        if len(reached) == at + 1:
            raise Stopped

    with pytest.raises(Stopped):
        place.seal(step)
    assert reached == STEPS[: at + 1]
    # What is signed next is durable by then, and what is told is what is signed.
    assert len(place.tiles()) == [0, 3, 6, 8][STEPS[: at + 1].count("tiles")]
    with place.sealer() as sealer:
        # No step leaves what a check takes for an attack.
        sealer.check()
    rest: list[str] = []
    assert place.seal(rest.append).size == 600
    begun = STEPS[at] in ("key", "hashed", "tiles")
    again = [] if not begun else [STEPS[at]] if STEPS[at] == "key" else SEAL[: SEAL.index(STEPS[at]) + 1]
    assert rest == [*again, *STEPS[at + 1 :]]
    assert place.check(256, 512) == 600


@pytest.mark.parametrize("at", [0, 3, 5])
def test_the_same_sealer_goes_on_after_it_was_stopped(place: Place, at: int) -> None:
    place.fill(300)
    left = [at]

    def step(_: str) -> None:
        if left and not left[0]:
            left.clear()
            raise Stopped
        if left:
            left[0] -= 1

    with place.sealer(step) as sealer:
        with pytest.raises(Stopped):
            until(sealer.seal)
        until(sealer.seal)
    assert place.check(256) == 300


@pytest.mark.parametrize(
    "at",
    [
        *(
            ["key", 1],
            ["signed", 1],
            ["published", 1],
            ["hashed", 1],
            ["tiles", 1],
            ["signed", 2],
            ["published", 2],
        ),
        *(["before replace", 1], ["after replace", 1], ["before replace", 2], ["after replace", 2]),
        *(["before fsync", 1], ["before link", 1], ["after link", 1], ["before link", 4], ["after link", 5]),
        *(["before replace", 3], ["after fsync", 12]),
    ],
    ids=lambda at: f"{at[0]} {at[1]}",
)
def test_a_sealer_killed_leaves_what_the_next_one_finishes(place: Place, at: list[object]) -> None:
    place.fill(520)
    orders = {
        "admin": place.database.admin, "passwords": dict(place.database.passwords), "batch": 256,
        "ledger": asdict(place.ledger), "data": str(place.data), "at": at,
    }  # fmt: skip
    killed = subprocess.run(
        [sys.executable, "-m", "tests.store.other_sealer"],
        cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    with place.sealer() as sealer:
        sealer.check()
    assert place.seal().size == 520
    assert place.check(256, 512) == 520


def outcome(place: Place) -> str:
    """What a seal says."""
    try:
        return str(place.seal())
    except Unavailable as error:
        return str(error)


@pytest.mark.parametrize("forgets", [False, True], ids=["the power stays", "the power is cut"])
@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted"])
def test_every_durable_write_fails_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, *, persisted: bool, forgets: bool
) -> None:
    """Whatever fails, nothing is signed that the disk could forget: at the end the power is cut in any case."""
    place.fill(260)
    # Below the failing ones: what does not come through to it was not persisted.
    disk = Disk(place.data, monkeypatch)
    writes = FailingWrites(monkeypatch)
    whole, tiles = place.seal(), place.tiles()
    assert place.check(256) == 260
    # Folders, key, tiles and two checkpoints: fewer would mean that they are not looked at.
    assert writes.count > 40
    for number in range(1, writes.count + 1):
        place.forget()
        disk.wipe()
        writes.arm(number, persisted=persisted)
        # A folder that is there all the same is a folder.
        assert "No space left on device" in outcome(place) or writes.failed == "mkdir"
        writes.arm(0, persisted=False)
        if forgets:
            disk.cut_power()
        assert place.seal() == whole
        disk.cut_power()
        assert place.seal() == whole
        assert (place.told(), place.tiles()) == (whole, tiles)
        assert not list(place.data.glob("**/.new/*"))
    assert place.check(256) == 260


def test_what_a_disk_forgets_is_forgotten_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path / "d", monkeypatch)
    (tmp_path / "d" / "never").write_text("x")
    disk.cut_power()
    assert list((tmp_path / "d").iterdir()) == []


# --- the database ----------------------------------------------------------------------------------------


class SealingProxy(Proxy):
    """Cuts at a statement of the sealer's."""

    at = b""

    @classmethod
    def _is_commit(cls, data: bytes, from_client: bool) -> bool:
        return from_client and cls.at in data


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with SealingProxy(database) as running:
        yield running


@pytest.mark.parametrize("fault", ["request", "answer"], ids=["not persisted", "persisted"])
@pytest.mark.parametrize(
    "at",
    [
        b"pg_try_advisory_lock", b"FROM ledger.heads", b"INSERT INTO ledger.checkpoints",
        b"UPDATE ledger.checkpoints", b"COPY (SELECT",
    ],
    ids=["lease", "standing", "first", "next", "entries"],
)  # fmt: skip
def test_a_connection_cut_at_a_statement_is_unavailable_and_the_next_seal_works(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, at: bytes, fault: str
) -> None:
    monkeypatch.setattr(SealingProxy, "at", at)
    place.fill(300)
    with place.sealer(database=proxy.database) as sealer:
        proxy.fault = fault
        with pytest.raises(Unavailable, match="database: "):
            until(sealer.seal)
        assert proxy.cuts == 1
        until(sealer.seal)
    assert place.check(256) == 300


def test_a_connection_cut_while_it_rested_is_made_anew(place: Place) -> None:
    place.fill(10)
    with place.sealer() as sealer:
        until(sealer.seal)
        place.fill(10)
        with place.database.connect_admin() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                "WHERE usename = 'auditledger_sealer' AND datname = current_database()"
            )
        with pytest.raises(Unavailable, match="database: "):
            until(sealer.seal)
        until(sealer.seal)
    assert place.check(10) == 20


def test_a_connection_cut_in_the_middle_of_the_entries(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than the sockets hold: what comes of the first is nothing."""
    place.fill(256, bytes(60_000))
    hashed = 0

    def cutting(entry: bytes) -> bytes:
        nonlocal hashed
        hashed += 1
        if hashed == 3:
            with place.database.connect_admin() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'auditledger_sealer' AND datname = current_database()"
                )
        return leaf_hash(entry)

    monkeypatch.setattr("ledger.store.growing.leaf_hash", cutting)
    with place.sealer() as sealer:
        with pytest.raises(Unavailable, match="database: "):
            until(sealer.seal)
        assert 3 <= hashed < 256
        assert place.told().size == 0
        assert place.tiles() == {}
        until(sealer.seal)
    assert place.check() == 256


# --- what is left lying -------------------------------------------------------------------------------------


def test_what_another_ledgers_sealer_is_writing_is_let_be(place: Place) -> None:
    keys = place.published.keys.folder
    keys.mkdir(parents=True, mode=0o700)
    (keys / f".{place.ledger.slug}.1234").write_text("left by a crash")
    (keys / f".{place.ledger.slug}-2.1234").write_text("being written")
    place.seal()
    assert sorted(path.name for path in keys.glob(".*")) == [f".{place.ledger.slug}-2.1234"]


def test_a_folder_that_cannot_be_cleared_is_unavailable(place: Place) -> None:
    place.fill(10)
    left = place.folder / ".new" / "a-folder"
    left.mkdir(parents=True)
    with pytest.raises(Unavailable, match="cannot be cleared"):
        place.seal()
    assert place.signed() is None
    left.rmdir()
    place.seal()
    assert place.check() == 10


def test_who_is_frozen_before_publishing_takes_nothing_back(place: Place) -> None:
    """Another process got the lease meanwhile, sealed more and published it."""
    place.fill(300)
    place.seal()
    place.fill(5)

    def frozen(step: str) -> None:
        if step != "signed" or place.told().size > 300:
            return
        first.close()
        place.fill(7)
        assert place.seal().size == 312

    first = place.sealer(frozen)
    with suppress(Unavailable):
        first.seal()
    first.close()
    assert place.told().size == 312
    assert place.check(300, 305) == 312
