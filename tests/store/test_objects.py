"""The published files in an object store: the same as in a folder, whoever fails in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from socket import create_server
from threading import Barrier, Event, Lock, Thread
from typing import Any

import pytest

from ledger.errors import AuditLedgerError, Diverged, NotFound, SettingsError, Tampered, Unavailable
from ledger.store import objects, sealing, tilecheck
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.objects import TileObjects
from ledger.store.published import tiles_at
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import TileFolder
from ledger.tlog.note import VerifierKey
from ledger.tlog.tiles import Tile
from tests.store.published import SIZE, Place
from tests.store.s3 import SECRET, Bucket, Store, given, running, store
from tests.waiting import DEADLINE, until

__all__ = ["running", "store"]

FULL, PART = Tile(0, 0, 256), Tile(0, 0, 7)


@pytest.fixture
def place(database: Database, ledger: Ledger, store: Store, tmp_path: Path) -> Place:
    """A ledger that publishes into a bucket of its own."""
    return Place(database, ledger, tmp_path / "data", store.bucket())


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A server of this test alone, that it may kill."""
    store = Store(tmp_path)
    given(monkeypatch, store)
    yield store
    store.kill()


@pytest.fixture
def tiles(store: Store) -> TileObjects:
    """A place in a bucket."""
    return TileObjects(f"{store.bucket().url}/dffh")


def keys_of(place: Place) -> list[VerifierKey]:
    return [key.verifier for key in place.published.keys.of(place.ledger.slug, place.ledger.origin)]


def overwrite(place: Place, path: str, data: bytes) -> None:
    """What somebody does who may replace objects, and knows no condition."""
    tiles = TileObjects(f"{place.url}/dffh")
    tiles._replace(path, data, None)


# --- the same files ------------------------------------------------------------------------------------------


def test_however_it_grows_it_is_the_naive_tree(place: Place) -> None:
    for batch in (1, 254, 1, 300):
        place.fill(batch)
        place.seal()
    assert place.check(1, 255, 256) == 556


def test_what_is_published_is_verified_by_several_processes_from_the_url_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.fill(600)
    place.seal()
    monkeypatch.setattr(tilecheck, "RANGE", 256)
    found = verify_tiles(tiles_at(f"{place.url}/dffh"), keys_of(place), processes=2, deep=False)
    assert found.checkpoint == place.told()
    assert place.check() == 600


def test_a_partial_tile_that_was_removed_is_read_from_the_full_one(place: Place) -> None:
    place.fill(256)
    place.seal()
    tiles = place.published.of(place.ledger)
    whole = place.tiles()
    assert tiles.read(PART) == whole[FULL.path][: 7 * 32]
    assert whole["tile/entries/000"].startswith(tiles.read(Tile(None, 0, 7)))
    with pytest.raises(NotFound, match=r"s3://bucket.*tile/0/001: there is no such object"):
        tiles.read(Tile(0, 1, 256))
    assert place.check() == 256


def test_a_url_of_a_folder_is_that_folder_written_as_any(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    place = Place(database, ledger, tmp_path / "data", Bucket(f"file://{tmp_path}/a%20b", tmp_path / "a b"))
    assert isinstance(place.published.of(ledger), TileFolder)
    place.url = None
    place.published = type(place.published)(place.data, f"file://{tmp_path}/a%20b")
    place.fill(5)
    with place.published.sealer(sealing.Link(database), ledger) as sealer:
        sealer.seal()
    assert place.check() == 5


# --- what must not be ----------------------------------------------------------------------------------------


def test_an_altered_object_is_found_and_nothing_is_signed_on_it(place: Place) -> None:
    place.fill(SIZE)
    place.seal()
    for path in ("tile/0/000", "tile/entries/001.p/44", "checkpoint"):
        before, data = place.signed(), (place.folder / path).read_bytes()
        overwrite(place, path, data[:40] + bytes([data[40] ^ 1]) + data[41:])
        with pytest.raises(AuditLedgerError) as failed:
            verify_tiles(place.published.of(place.ledger), keys_of(place), processes=1)
        assert failed.value.exit_code >= 7
        place.fill(1)
        if path != "tile/0/000":
            # Of the full tile of the beginning the next seal needs nothing.
            with pytest.raises((Diverged, Tampered)):
                place.seal()
            assert place.signed() == before
        overwrite(place, path, data)
    place.seal()
    assert place.check(SIZE) == SIZE + 3


def test_a_missing_object_stops_sealing_until_it_is_back(place: Place) -> None:
    place.fill(SIZE)
    place.seal()
    object_ = place.folder / "tile/0/001.p/44"
    data = object_.read_bytes()
    object_.unlink()
    place.fill(1)
    with pytest.raises(Diverged, match=r"a tile that was signed is missing: s3://.*/tile/0/001: there is no"):
        place.seal()
    object_.write_bytes(data)
    place.seal()
    assert place.check(SIZE) == SIZE + 1


def test_other_bytes_in_the_place_of_a_tile_are_never_written_over(place: Place) -> None:
    place.fill(SIZE)
    other = place.folder / "tile/0/000"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"other bytes")
    with pytest.raises(Diverged, match=r"s3://.*/tile/0/000: other bytes than the ledger's are published"):
        place.seal()
    assert other.read_bytes() == b"other bytes"
    assert place.told().size == 0
    other.unlink()
    place.seal()
    assert place.check() == SIZE


def test_of_many_writers_one_creates_an_object_and_the_others_learn_of_it(tiles: TileObjects) -> None:
    said: list[str] = []
    at = Barrier(8)

    def write(number: int) -> None:
        at.wait()
        try:
            tiles.add([(Tile(0, index, 256), bytes([number % 2]) * 8192) for index in range(20)])
        except Diverged as error:
            said.append(str(error))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    found = [tiles.read(Tile(0, index, 256)) for index in range(20)]
    assert all(each in (bytes(8192), b"\1" * 8192) for each in found)
    # Who wrote other bytes than the winner of any of them was told so.
    assert len(said) >= 4
    assert all("other bytes than the ledger's" in each for each in said)
    with pytest.raises(Diverged):
        tiles.add([(Tile(0, 0, 256), b"late")])
    assert tiles.read(Tile(0, 0, 256)) == found[0]


# --- the checkpoint goes forward -----------------------------------------------------------------------------


def notes_of(place: Place) -> list[bytes]:
    """The checkpoints of three sizes."""
    found = []
    for _ in range(3):
        place.fill(3)
        place.seal()
        found.append(place.note)
    return found


def test_a_published_checkpoint_is_never_set_back(place: Place) -> None:
    notes = notes_of(place)
    tiles = place.published.of(place.ledger)
    for older in notes:
        tiles.publish(older)
        assert tiles.checkpoint() == notes[-1]
    assert place.check(3, 6) == 9


class Frozen(TileObjects):
    """One who stands still between comparing the checkpoint and replacing it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.stands, self.goes_on, self.replaced = Event(), Event(), 0

    def _replace(self, path: str, data: bytes, tag: str | None) -> None:
        self.stands.set()
        assert self.goes_on.wait(DEADLINE)
        self.replaced += 1
        super()._replace(path, data, tag)


def test_who_was_frozen_before_replacing_it_takes_nothing_back(place: Place) -> None:
    first, second, third = notes_of(place)
    overwrite(place, "checkpoint", first)
    frozen = Frozen(f"{place.url}/dffh")
    thread = Thread(target=frozen.publish, args=(second,))
    thread.start()
    until(lambda: frozen.stands.is_set() or not thread.is_alive())
    place.published.of(place.ledger).publish(third)
    frozen.goes_on.set()
    thread.join()
    assert frozen.replaced == 1
    assert place.note == third
    assert place.check(3, 6) == 9


class Overtaken(TileObjects):
    """One before whom another writes: the first checkpoint after a question, the last before its own."""

    def __init__(self, url: str, notes: list[bytes]) -> None:
        super().__init__(url)
        self.other, self.notes = TileObjects(url), [notes[0], notes[-1]]

    def _tag(self) -> str | None:
        tag = super()._tag()
        if tag is None:
            self.other.publish(self.notes[0])
        return tag

    def _replace(self, path: str, data: bytes, tag: str | None) -> None:
        self.other.publish(self.notes[1])
        super()._replace(path, data, tag)


def test_who_is_overtaken_by_the_first_checkpoint_replaces_none_that_it_did_not_compare(place: Place) -> None:
    notes = notes_of(place)
    checkpoint = place.folder / "checkpoint"
    checkpoint.unlink()
    Overtaken(f"{place.url}/dffh", notes).publish(notes[1])
    assert checkpoint.read_bytes() == notes[-1]
    assert place.check(3, 6) == 9


def test_two_sealers_beside_each_other_leave_one_history(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 256)
    stop = Event()

    def seal() -> None:
        while not stop.is_set():
            # Let go each time, so that now the one has the ledger, now the other.
            with place.sealer() as sealer:
                sealer.seal()

    threads = [Thread(target=seal) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for count in (1, 254, 2, 300, 7):
            place.fill(count)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    place.seal()
    # Whatever sizes they came to, each left the tiles of that size, and of no other.
    kept = {
        first * 256 + int(path.rpartition("/")[2])
        for path in place.tiles()
        for first in range(3)
        if path.startswith(f"tile/0/00{first}.p/")
    }
    assert place.check(256, 512, *kept) == 564


# --- killed, away, refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    [
        ["key", 1], ["signed", 1], ["hashed", 1], ["before put", 1], ["after put", 2], ["after put", 4],
        ["tiles", 1], ["signed", 2], ["published", 2], ["tiles", 2], ["after put", 7], ["signed", 3],
    ],
    ids=lambda at: f"{at[0]} {at[1]}",
)  # fmt: skip
def test_a_sealer_killed_anywhere_leaves_what_the_next_one_goes_on_from(
    place: Place, at: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 256)
    place.fill(520)
    orders = {
        "admin": place.database.admin, "passwords": dict(place.database.passwords), "batch": 256,
        "ledger": asdict(place.ledger), "data": str(place.data), "url": place.url, "at": at,
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


def test_a_store_killed_in_the_middle_of_writing_and_started_again(
    database: Database, ledger: Ledger, own: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(database, ledger, tmp_path / "data", own.bucket())
    place.fill(256 * 30)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    put, lock, count = TileObjects._put, Lock(), 0

    def counted(tiles: TileObjects, *each: Any) -> None:
        nonlocal count
        with lock:
            count += 1
            if count == 25:
                own.kill()
        put(tiles, *each)

    with monkeypatch.context() as patch:
        patch.setattr(TileObjects, "_put", counted)
        with pytest.raises(Unavailable, match=r"s3://bucket.*tile/.*: cannot be written: "):
            place.seal()
    assert 0 < len(place.tiles()) < 61
    assert place.told().size == 0
    with pytest.raises(Unavailable, match=r"dffh/\.conditional|dffh/checkpoint"):
        place.seal()
    own.start()
    place.seal()
    assert place.check() == 256 * 30


@contextmanager
def silent() -> Iterator[str]:
    """The address of one who takes connections and says nothing."""
    with create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_what_keeps_a_store_from_answering_is_said_without_secrets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{store.bucket().url}/dffh"
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def fails(said: str) -> None:
        for act in acts(url):
            objects._opened.cache_clear()
            with pytest.raises(Unavailable, match=said) as failed:
                act()
            told = str(failed.value)
            assert told.startswith((f"{url}/checkpoint: cannot be", f"{url}/tile/0/000.p/7: cannot be"))
            assert "\n" not in told
            assert SECRET not in told

    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        fails("signature|Forbidden")
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        fails("does not exist|Forbidden|AWS Access Key")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        patch.delenv("AWS_ACCESS_KEY_ID")
        fails("Unable to locate credentials")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    fails("Could not connect")
    monkeypatch.setattr(objects, "PATIENCE", 0.4)
    with silent() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        fails("no answer within 0 s")


def acts(url: str) -> list[Callable[[], object]]:
    """Everything that is done with a place."""
    return [
        lambda: TileObjects(url).checkpoint(),
        lambda: TileObjects(url).read(PART),
        lambda: TileObjects(url).add([(PART, b"")]),
        lambda: TileObjects(url).publish(b""),
    ]


def test_a_bucket_that_is_not_there_is_no_empty_one(place: Place, store: Store) -> None:
    """Else a wrong name would be taken for files that were removed, or for a ledger that begins."""
    place.fill(3)
    place.seal()
    bucket = place.folder.parents[2]
    bucket.rename(bucket.with_name("elsewhere"))
    with place.sealer() as sealer:
        for act in (sealer.check, sealer.seal, place.published.of(place.ledger).checkpoint):
            with pytest.raises(Unavailable, match="bucket does not exist"):
                act()
    bucket.with_name("elsewhere").rename(bucket)
    assert place.check() == 3


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://bucket/x", "gs://: its driver is not installed: Please install gcsfs"),
        ("nothing://bucket/x", "nothing://: the driver cannot be used: Protocol not known: nothing"),
    ],
)
def test_a_driver_that_is_not_there_is_named(url: str, said: str) -> None:
    with pytest.raises(SettingsError) as failed:
        tiles_at(url)
    assert str(failed.value).startswith(said)
