"""The published files of a ledger's tree: tiles, bundles and the checkpoint (C2SP tlog-tiles).

``<place>/checkpoint`` and ``<place>/tile/…``, as they are served. A tile is written once and never changed;
the checkpoint is replaced. The place is a folder, here, or one of an object store (``objects``).

In a folder, what is being written lies in ``<folder>/.new`` meanwhile.
"""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger import durable
from ledger.errors import Diverged, Incomplete, NotFound, Unavailable
from ledger.tlog.chain import HASH_LENGTH
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.tiles import HEIGHT, WIDTH, Tile, bundle, unbundle

CHECKPOINT = "checkpoint"
WRITERS = 8
"""Files that are made durable at a time: a disk takes several as fast as one."""
NEW = ".new"
"""Folder of what is being written."""


class Lost(Incomplete, NotFound):
    """A tile or bundle under what was published is not there."""

    status = Incomplete.status


def _lost(tile: Tile, error: NotFound) -> Lost:
    first = (tile.number * WIDTH) << (HEIGHT * (tile.level or 0))
    return Lost(
        f"{error}: published files of this ledger are missing, of entries from {first} on; look for another "
        "copy of them (a mirror, a backup set): docs/operations.md, 'Published files that are lost'"
    )


class Tiles(ABC):
    """The published files of one ledger. ``str`` of it is where they are, as errors name it."""

    def read(self, tile: Tile) -> bytes:
        """The bytes of a tile. Of a partial one that is no longer there, the beginning of the full one.

        Raises Lost, Unavailable.
        """
        try:
            return self._read(tile.path)
        except NotFound as error:
            if tile.width == WIDTH:
                raise _lost(tile, error) from error
        full = tile._replace(width=WIDTH)
        try:
            data = self._read(full.path)
        except NotFound as error:
            raise _lost(tile, error) from error
        if tile.level is None:
            return bundle(unbundle(full, data)[: tile.width])
        return data[: tile.width * HASH_LENGTH]

    def read_all(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The bytes of each. Raises as ``read``."""
        return [self.read(tile) for tile in tiles]

    def checkpoint(self) -> bytes | None:
        """The published checkpoint; None where none is. Raises Unavailable."""
        try:
            return self._read(CHECKPOINT)
        except NotFound:
            return None

    def published(self) -> bytes:
        """The published checkpoint. Raises NotFound where none is, Unavailable."""
        return self._read(CHECKPOINT)

    @abstractmethod
    def _read(self, path: str) -> bytes:
        """Raises NotFound, Unavailable."""

    @abstractmethod
    def add(self, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """Puts tiles in their places, durable on return.

        One that is there already must hold the same bytes: a crash left it, or another process was first.
        Raises Diverged where other bytes stand there, Unavailable.
        """

    @abstractmethod
    def publish(self, note: bytes) -> None:
        """Replaces the checkpoint, durable on return; a larger one stays. Raises Unavailable, CodecError.

        Who was frozen between signing and publishing, while another process went on, takes nothing back.
        """

    @abstractmethod
    def begin(self) -> None:
        """What has to be done before anything is added, by who alone seals the ledger from now on.

        Raises Unavailable, SettingsError where nothing can be published there.
        """


class TileFolder(Tiles):
    """The published files of one ledger in a folder, which the first that is written makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._durable: set[Path] = set()
        """Folders whose names this process made durable, all the way down."""

    def __str__(self) -> str:
        return str(self.folder)

    def _read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"{self.folder / path}: there is no such file") from None
        except OSError as error:
            raise Unavailable(f"{self.folder / path}: cannot be read: {error.strerror}") from error

    # --- writing -----------------------------------------------------------------------------------------

    def add(self, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """A crash in here leaves some of them, and files under ``.new`` that ``begin`` removes."""
        try:
            folders = {(self.folder / tile.path).parent for tile, _ in tiles}
            made = {each for folder in folders for each in self._make(folder)}
            (self.folder / NEW).mkdir(exist_ok=True)
            with ThreadPoolExecutor(WRITERS) as threads:
                list(threads.map(lambda each: self._put(*each), tiles))
                list(threads.map(durable.sync_directory, sorted(folders.union(each.parent for each in made))))
            self._durable |= made
        except OSError as error:
            raise Unavailable(f"{self.folder}: tiles cannot be written: {error.strerror}") from error

    def publish(self, note: bytes) -> None:
        """Replaces the checkpoint, alone in the folder meanwhile. A crash leaves either."""
        try:
            made = self._make(self.folder)
            (self.folder / NEW).mkdir(exist_ok=True)
            with durable.alone(self.folder):
                before = self.checkpoint()
                if before is not None and size_of(before) > size_of(note):
                    return
                new = self._written(note)
                try:
                    os.replace(new, self.folder / CHECKPOINT)
                except OSError:
                    new.unlink(missing_ok=True)
                    raise
            for folder in {self.folder, *(each.parent for each in made)}:
                durable.sync_directory(folder)
            self._durable |= made
        except OSError as error:
            raise Unavailable(f"{self.folder}: the checkpoint cannot be written: {error.strerror}") from error

    def begin(self) -> None:
        """Removes what writers left that were killed."""
        try:
            for left in self.folder.glob(f"{NEW}/*"):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{self.folder}: cannot be cleared: {error.strerror}") from error

    def _put(self, tile: Tile, data: bytes) -> None:
        place = self.folder / tile.path
        new = self._written(data)
        try:
            # Never over what is there: a tile that was published says for ever what it said.
            os.link(new, place)
        except FileExistsError:
            if place.read_bytes() != data:
                raise Diverged(f"{place}: other bytes than the ledger's are published there") from None
        finally:
            new.unlink()

    def _written(self, data: bytes) -> Path:
        new = self.folder / NEW / secrets.token_hex(8)
        try:
            durable.write(new, data)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        return new

    def _make(self, folder: Path) -> set[Path]:
        """Makes a folder and those above it; gives those whose names may not be durable yet.

        One that is there may be what a killed process made, and its name be lost with the power: so each is
        doubted once by every process, up to the folder in which the ledgers lie.
        """
        doubted: set[Path] = set()
        each = folder
        while each not in self._durable and (not each.is_dir() or each.is_relative_to(self.folder.parent)):
            doubted.add(each)
            each = each.parent
        folder.mkdir(parents=True, exist_ok=True)
        return doubted


def size_of(note: bytes) -> int:
    """Of the tree that a published checkpoint is of. Raises CodecError."""
    return Checkpoint.parse(Note.parse(note).text).size
