"""Backup sets of a ledger whose files lie in an object store: taken from it, put back, and never over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import Diverged, InvalidInput, NotFound
from ledger.settings import Settings
from ledger.store.backup import back_up
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.refill import Refilled, refill
from ledger.store.restore import RestoredLedger, drill, restore
from ledger.store.tiles import TileFolder
from tests.store.published import SIZE, Place
from tests.store.s3 import Bucket, Store, running, store
from tests.store.sets import MakeDatabase, another, keys_of
from tests.support import check_ledger

__all__ = ["another", "running", "store"]


@pytest.fixture
def place(database: Database, ledger: Ledger, store: Store, tmp_path: Path) -> Place:
    """300 entries that are sealed, and ten more that are not."""
    place = Place(database, ledger, tmp_path / "data", store.bucket())
    place.fill(SIZE)
    place.seal()
    place.fill(10)
    return place


@pytest.fixture
def made(place: Place, tmp_path: Path) -> Path:
    """A set of it."""
    back_up(place.database, place.data, tmp_path / "set", tiles_url=place.url)
    return tmp_path / "set"


def settings_of(data: Path, database: Database, url: str | None) -> Settings:
    return Settings.load({}, data_dir=data, database_url=database.admin, tiles_url=url)


def objects_of(place: Place) -> dict[str, tuple[bytes, int]]:
    """Every object of the ledger, and when it was written."""
    found = [path for path in place.folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(place.folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_a_set_has_what_the_store_has_and_goes_into_an_empty_one(
    place: Place, made: Path, tmp_path: Path, store: Store, another: MakeDatabase
) -> None:
    there = made / "tiles" / "dffh"
    published = {str(each.relative_to(there)): each.read_bytes() for each in there.rglob("*") if each.is_file()}
    assert published == {**place.tiles(), "checkpoint": place.note}
    bucket, elsewhere, data = store.bucket(), another(), tmp_path / "new"
    found = restore(made, settings_of(data, elsewhere, bucket.url))
    assert found.ledgers == [RestoredLedger("dffh", place.ledger.origin, 310, 300, 0, False)]
    assert not (data / "tiles").exists()
    (place.data / "signing").rename(data / "signing")
    again = Place(elsewhere, place.ledger, data, bucket)
    assert again.tiles() == place.tiles()
    assert again.note == place.note
    again.seal()
    assert again.check(SIZE) == 310
    assert check_ledger(place.database, place.ledger) == 310


def test_what_the_store_has_beyond_the_set_stays_and_refills_the_database(
    place: Place, made: Path, tmp_path: Path, another: MakeDatabase
) -> None:
    place.fill(90)
    place.seal()
    before, elsewhere, data = objects_of(place), another(), tmp_path / "new"
    found = restore(made, settings_of(data, elsewhere, place.url), keys=keys_of(place))
    assert found.ledgers == [RestoredLedger("dffh", place.ledger.origin, 310, 300, 90, True)]
    assert objects_of(place) == before
    assert place.url is not None
    (place.data / "signing").rename(data / "signing")
    again = Place(elsewhere, place.ledger, data, Bucket(place.url, place.folder.parent))
    with pytest.raises(Diverged, match="400 entries are published, 300 signed here"):
        again.seal()
    done = refill(elsewhere, again.ledger, again.published.of(again.ledger), keys_of(again))
    assert (done.size, done.until) == (310, 400)
    assert isinstance(done, Refilled)
    again.seal()
    assert objects_of(place) == before
    assert again.check(SIZE) == 400


def test_into_the_store_that_it_was_made_from_nothing_is_written_anew(
    place: Place, made: Path, tmp_path: Path, another: MakeDatabase
) -> None:
    before = {path: each for path, each in objects_of(place).items() if path != "checkpoint"}
    restore(made, settings_of(tmp_path / "new", another(), place.url), keys=keys_of(place))
    assert {path: each for path, each in objects_of(place).items() if path != "checkpoint"} == before
    place.seal()
    assert place.check(SIZE) == 310


def test_a_store_of_another_history_keeps_it(
    place: Place, made: Path, tmp_path: Path, store: Store, another: MakeDatabase
) -> None:
    bucket = store.bucket()
    (bucket.folder / "dffh/tile/0").mkdir(parents=True)
    (bucket.folder / "dffh/tile/0/000").write_bytes(b"another")
    with pytest.raises(Diverged, match="tile/0/000: other bytes than the ledger's are published there"):
        restore(made, settings_of(tmp_path / "new", another(), bucket.url), keys=keys_of(place))
    assert (bucket.folder / "dffh/tile/0/000").read_bytes() == b"another"
    assert check_ledger(place.database, place.ledger) == 310


def test_a_drill_never_goes_near_the_store(place: Place, made: Path, tmp_path: Path) -> None:
    before = objects_of(place)
    tmp_path.chmod(0o755)
    found = drill(made, settings_of(place.data, place.database, place.url), keys=keys_of(place), place=tmp_path)
    assert [(each.size, each.signed) for each in found.ledgers] == [(310, 300)]
    assert objects_of(place) == before
    assert check_ledger(place.database, place.ledger) == 310


def test_a_backup_from_another_place_is_none(place: Place, store: Store, tmp_path: Path) -> None:
    for url in (None, store.bucket().url):
        with pytest.raises(NotFound, match="made with the data directory and tiles_url that the ledgers are"):
            back_up(place.database, place.data, tmp_path / "set", tiles_url=url)
    assert not (tmp_path / "set").exists()
    assert check_ledger(place.database, place.ledger) == 310


def test_published_files_that_outlived_the_database_may_be_given_by_url(
    place: Place, made: Path, tmp_path: Path, another: MakeDatabase
) -> None:
    place.fill(5)
    place.seal()
    data = tmp_path / "new"
    settings = settings_of(data, another(), None)
    with pytest.raises(InvalidInput, match="--published: expected a URL without credentials"):
        restore(made, settings, published="s3://a:b@c/d", keys=keys_of(place))
    found = restore(made, settings, published=place.url, keys=keys_of(place))
    assert found.ledgers == [RestoredLedger("dffh", place.ledger.origin, 310, 300, 5, True)]
    assert TileFolder(data / "tiles" / "dffh").checkpoint() == place.note
    assert check_ledger(place.database, place.ledger) == 315
