"""A ledger with its published files and keys, what a naive tree says they must be, and a disk that forgets."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.objects import PROBE
from ledger.store.published import Published
from ledger.store.sealing import Link, Sealer, Step
from ledger.store.writer import Writer
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.tiles import Tile
from tests.store.s3 import Bucket
from tests.support import check_ledger, sample
from tests.tlog.naive import Tree, leaf
from tests.waiting import until

SIZE = 300


def files_of(tree: Tree, size: int) -> dict[str, bytes]:
    """Every file of a log of that size by path, full tiles and the edge, out of the definitions alone."""
    found: dict[str, bytes] = {}
    level, width = 0, 1
    while size // width:
        hashes = [leaf(tree.entries[n]) if width == 1 else tree.mth(n * width, (n + 1) * width)
                  for n in range(size // width)]  # fmt: skip
        for at in range(0, len(hashes), 256):
            part = hashes[at : at + 256]
            found[_path(str(level), at // 256, len(part))] = b"".join(part)
        level, width = level + 1, width * 256
    for at in range(0, size, 256):
        entries = tree.entries[at : min(at + 256, size)]
        found[_path("entries", at // 256, len(entries))] = b"".join(
            len(entry).to_bytes(2, "big") + entry for entry in entries
        )
    return found


def _path(level: str, number: int, width: int) -> str:
    return f"tile/{level}/{number:03d}" + (f".p/{width}" if width < 256 else "")


class Place:
    """A ledger in a database, and the data directory beside it."""

    def __init__(self, database: Database, ledger: Ledger, data: Path, bucket: Bucket | None = None) -> None:
        """``bucket``: where it publishes, if not in the data directory."""
        self.database, self.ledger, self.data = database, ledger, data
        self.url = None if bucket is None else bucket.url
        self.published = Published(data, self.url)
        self.folder = (data / "tiles" if bucket is None else bucket.folder) / ledger.slug
        """Where the files lie on this machine."""

    def fill(self, count: int, payload: bytes = b"payload") -> None:
        """Adds entries, all different."""
        with Writer(self.database) as writer:
            while count > 0:
                stream, command = f"s-{uuid4()}", str(uuid4())
                drafts = [
                    sample(stream, part + 1, command=command, part=part, payload=payload)
                    for part in range(min(count, 1000))
                ]
                writer.submit(self.ledger.id, drafts).result(30)
                count -= 1000

    def sealer(self, step: Step = lambda _: None, database: Database | None = None) -> Sealer:
        """What seals the ledger, made anew as another process would make it."""
        published = Published(self.data, self.url)
        return Sealer(
            Link(database or self.database), self.ledger, published.of(self.ledger), published.keys, step=step
        )

    def seal(self, step: Step = lambda _: None) -> Checkpoint:
        """One seal by such a one, once the server has seen that the one before is gone."""
        with self.sealer(step) as sealer:
            return until(sealer.seal)

    @property
    def note(self) -> bytes:
        """The published checkpoint."""
        return (self.folder / "checkpoint").read_bytes()

    def told(self) -> Checkpoint:
        """What is published, its signature verified."""
        keys = self.published.keys.of(self.ledger.slug, self.ledger.origin)
        return open_checkpoint(self.note, [key.verifier for key in keys]).checkpoint

    def files(self) -> dict[str, bytes]:
        """Every file of the data directory by path."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in self.data.rglob("*")
            if path.is_file()
        }

    def tiles(self) -> dict[str, bytes]:
        """Every file below ``tile/`` by path."""
        found = [path for path in self.folder.glob("tile/**/*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    def signed(self) -> tuple[int, bytes, str] | None:
        """What the database keeps as signed last."""
        with self.database.connect_admin() as connection:
            return connection.execute(
                "SELECT size, root, note FROM ledger.checkpoints WHERE ledger = %s", (self.ledger.id,)
            ).fetchone()

    def tree(self) -> Tree:
        """The naive tree over the entries as they are stored."""
        with self.database.connect_admin() as connection:
            rows = connection.execute(
                "SELECT entry FROM ledger.entries WHERE ledger = %s ORDER BY index", (self.ledger.id,)
            )
            return Tree([bytes(row[0]) for row in rows])

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[Any]]:
        """Whom no trigger stops."""
        with self.database.connect_admin() as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection

    def change(self, statement: str, *parameters: Any) -> None:
        """What a superuser does in one statement."""
        with self.superuser() as connection:
            connection.execute(statement.encode(), parameters)

    def alter(self, index: int, old: bytes, new: bytes, *, with_hash: bool = False) -> None:
        """Replaces bytes in an entry."""
        with self.superuser() as connection:
            row = connection.execute("SELECT entry FROM ledger.entries WHERE index = %s", (index,)).fetchone()
            assert row is not None
            altered = bytes(row[0]).replace(old, new)
            assert altered != bytes(row[0])
            connection.execute("UPDATE ledger.entries SET entry = %s WHERE index = %s", (altered, index))
            if with_hash:
                connection.execute(
                    "UPDATE ledger.entries SET leaf_hash = %s WHERE index = %s", (leaf(altered), index)
                )

    def forget(self) -> None:
        """As if nothing had ever been sealed."""
        self.change("TRUNCATE ledger.checkpoints")

    def check(self, *sizes: int) -> int:
        """Sealed to its end, as a naive tree has it: nothing missing, nothing else. Gives the size.

        ``sizes``: at which it was sealed on the way, whose partial tiles are kept.
        """
        tree, size = self.tree(), check_ledger(self.database, self.ledger)
        told = self.told()
        assert told == Checkpoint(self.ledger.origin, size, tree.root(size))
        assert self.signed() == (size, told.root, self.note.decode())
        expected = {path: data for each in (*sizes, size) for path, data in files_of(tree, each).items()}
        tiles = self.tiles()
        assert tiles.keys() == expected.keys()
        assert tiles == expected
        assert all(Tile.parse(path).path == path for path in tiles)
        # No other file: what is served, one key, nothing that a writer left.
        there = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}
        assert there == {*expected, "checkpoint"} | ({PROBE} if self.url else set())
        rest = [path for path in self.files() if not (self.data / path).is_relative_to(self.folder)]
        (key,) = rest
        assert key.startswith("signing/")
        assert key.endswith(".key")
        return size


@pytest.fixture
def place(database: Database, ledger: Ledger, tmp_path: Path) -> Place:
    return Place(database, ledger, tmp_path / "data")


@pytest.fixture
def sealed(place: Place) -> Place:
    """300 entries, sealed at 290 and at the end, and ten more that are not."""
    place.fill(SIZE - 10)
    place.seal()
    place.fill(10)
    place.seal()
    assert place.check(SIZE - 10) == SIZE
    place.fill(10)
    return place


class Disk:
    """What a folder holds after the power was cut: only what ``os.fsync`` was asked for, and nothing else.

    The strictest disk that POSIX allows: a name is there if its folder was synced since, bytes if the file was.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self._real = os.fsync
        self._lock = Lock()
        self._synced: set[tuple[int, ...]] = set()
        self._folders: dict[int, dict[str, tuple[int, bytes | None]]] = {}
        root.mkdir(parents=True, exist_ok=True)
        self._keep_all()
        monkeypatch.setattr(os, "fsync", self._fsync)

    def cut_power(self) -> None:
        """Leaves what was durable."""
        kept: dict[Path, bytes | None] = {}
        self._gather(self._root, self._root.stat().st_ino, kept)
        _empty(self._root)
        for path, data in kept.items():
            if data is None:
                path.mkdir(mode=0o700)
            else:
                path.write_bytes(data)
                path.chmod(0o600)
        self._keep_all()

    def wipe(self) -> None:
        """Removes everything, durably."""
        _empty(self._root)
        self._keep_all()

    def _gather(self, folder: Path, inode: int, kept: dict[Path, bytes | None]) -> None:
        for name, (number, data) in self._folders.get(inode, {}).items():
            kept[folder / name] = data
            if data is None:
                self._gather(folder / name, number, kept)

    def _fsync(self, descriptor: int) -> None:
        self._real(descriptor)
        status = os.fstat(descriptor)
        with self._lock:
            if stat.S_ISDIR(status.st_mode):
                self._folders[status.st_ino] = self._names(descriptor)
            else:
                self._synced.add(_identity(status))

    def _names(self, folder: int) -> dict[str, tuple[int, bytes | None]]:
        found: dict[str, tuple[int, bytes | None]] = {}
        for name in os.listdir(folder):
            try:
                status = os.stat(name, dir_fd=folder)
                data = None
                if not stat.S_ISDIR(status.st_mode):
                    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:
                        data = file.read() if _identity(status) in self._synced else b""
            except FileNotFoundError:
                continue
            found[name] = (status.st_ino, data)
        return found

    def _keep_all(self) -> None:
        self._folders = {}
        self._synced = {_identity(each.stat()) for each in self._root.rglob("*") if each.is_file()}
        for each in (self._root, *(each for each in self._root.rglob("*") if each.is_dir())):
            descriptor = os.open(each, os.O_RDONLY)
            self._folders[each.stat().st_ino] = self._names(descriptor)
            os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    # Numbers are used again.
    return status.st_ino, status.st_mtime_ns, status.st_size


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            _empty(each)
            each.rmdir()
        else:
            each.unlink()


class FailingWrites:
    """Fails one durable write, the one of that number: not persisted, or persisted all the same."""

    NAMES: Sequence[str] = ("fsync", "link", "replace", "mkdir")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = Lock()
        self.count, self.fails, self.persisted = 0, 0, False
        self.failed = ""
        self.error = OSError(28, "No space left on device")
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def arm(self, number: int, *, persisted: bool) -> None:
        """The write of this number from now on, counted from 1, fails; 0 for none."""
        self.count, self.fails, self.persisted = 0, number, persisted

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> None:
            with self._lock:
                self.count += 1
                mine = self.count == self.fails
                if mine:
                    self.failed = name
            if not mine or self.persisted:
                real(*arguments, **more)
            if mine:
                raise self.error

        return call
