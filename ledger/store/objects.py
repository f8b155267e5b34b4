"""The published files of a ledger in an object store, by any driver that fsspec knows.

What is asked of the store: a write is there whole, and durable, once it was answered, or not at all; one that
is to create an object is refused where there is one. ``begin`` tries the second before anything is written. An
object is never deleted here, and the checkpoint alone is ever replaced: on S3 only where it is still the one
that was compared (If-Match). Other drivers have no such write: there a process that is frozen between comparing
and replacing, for longer than its lease of the ledger lives, sets the checkpoint back until the next seal.

A crash leaves tiles beyond the checkpoint, and nothing else: nothing here is written in two steps.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeVar

import fsspec
from fsspec.spec import AbstractFileSystem

from ledger.errors import AuditLedgerError, Diverged, NotFound, SettingsError, Unavailable
from ledger.store.tiles import CHECKPOINT, Tiles, size_of
from ledger.tlog.tiles import Tile

REQUESTS = 16
"""Objects that are written, or read, at a time."""
TRIES = 8
"""How often a checkpoint that others replace meanwhile is compared again."""
PROBE = ".conditional"
"""The object by which ``begin`` tries what the store does; nobody reads it."""
S3 = ("s3", "s3a")
PATIENCE = 30.0
"""Seconds that the store has for an answer, whatever its library tries meanwhile."""
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
"""What S3 answers to a write whose condition does not hold, or does not while another one is under way."""

Found = TypeVar("Found")


class _Taken(Exception):
    """The condition of a write does not hold: an object is there, or it is another one by now."""


class _Store(NamedTuple):
    """A driver, and which of its places were found fit by ``begin``."""

    driver: Any
    fit: set[str]


class TileObjects(Tiles):
    """The published files of one ledger below a URL. It can be sent to another process."""

    def __init__(self, url: str) -> None:
        """Raises SettingsError where the driver is not installed, or refuses what it is configured with."""
        self.url = url.rstrip("/")
        self._protocol = url.partition("://")[0]
        self._store = _opened(self._protocol, os.getpid())
        self._base = self._store.driver._strip_protocol(self.url)

    def __str__(self) -> str:
        return self.url

    def __reduce__(self) -> tuple[type[TileObjects], tuple[str]]:
        return type(self), (self.url,)

    # --- reading -----------------------------------------------------------------------------------------

    def read_all(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The bytes of each, several at a time. Raises as ``read``."""
        return self._all(self.read, tiles)

    def _read(self, path: str) -> bytes:
        with self._telling(path, "read"):
            try:
                data: bytes = self._ask("cat_file", path)
            except FileNotFoundError as error:
                # On S3 the store itself has to say so: a bucket that is gone, and a gateway before it, do not.
                if self._protocol in S3 and _code(error) != "NoSuchKey":
                    raise
                raise NotFound(f"{self.url}/{path}: there is no such object") from None
            return data

    # --- writing -----------------------------------------------------------------------------------------

    def add(self, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """A crash in here leaves some of them."""
        self._all(lambda each: self._put(*each), tiles)

    def publish(self, note: bytes) -> None:
        """Replaces the checkpoint where it is still the one that was compared. A crash leaves either."""
        for _ in range(TRIES):
            # In this order what is compared is never older than the tag of what is replaced.
            tag = self._tag()
            before = self.checkpoint()
            if before is not None and (before == note or size_of(before) > size_of(note)):
                return
            if before is not None and tag is None and self._protocol in S3:
                # The first one came between the two questions.
                continue
            try:
                if before is None:
                    self._create(CHECKPOINT, note)
                else:
                    self._replace(CHECKPOINT, note, tag)
            except _Taken:
                continue
            return
        raise Unavailable(f"{self.url}/{CHECKPOINT}: others replace it all the while")

    def begin(self) -> None:
        """Tries, once a process, that writes are refused where they must be: else nothing may be added."""
        if self._base in self._store.fit:
            return
        driver = self._store.driver
        if not driver.async_impl and type(driver).pipe_file is AbstractFileSystem.pipe_file:
            raise SettingsError(
                f"{self.url}: expected a driver that creates an object only where there is none, got one that "
                "looks first and writes then: another process may write in between"
            )
        for _ in range(2):
            try:
                self._create(PROBE, b"")
            except _Taken:
                break
        else:
            raise SettingsError(
                f"{self.url}: expected a store that creates an object only where there is none "
                "(If-None-Match), got one that writes over what is there: a tile could be replaced"
            )
        if self._protocol in S3:
            try:
                self._replace(PROBE, b"", '"none"')
            except _Taken:
                pass
            else:
                raise SettingsError(
                    f"{self.url}: expected a store that replaces an object only where it is the one named "
                    "(If-Match), got one that always does: the checkpoint could be set back"
                )
        self._store.fit.add(self._base)

    def _put(self, tile: Tile, data: bytes) -> None:
        try:
            self._create(tile.path, data)
        except _Taken:
            try:
                there = self._read(tile.path)
            except NotFound as error:
                raise Unavailable(f"{error}; another process is just writing it") from error
            if there != data:
                raise Diverged(
                    f"{self.url}/{tile.path}: other bytes than the ledger's are published there"
                ) from None

    def _create(self, path: str, data: bytes) -> None:
        """Raises _Taken where there is one, Unavailable."""
        with self._telling(path, "written"):
            self._ask("pipe_file", path, data, mode="create")

    def _replace(self, path: str, data: bytes, tag: str | None) -> None:
        """Raises _Taken where it is another one by now and the driver can tell, Unavailable."""
        condition = {} if tag is None else {"IfMatch": tag}
        with self._telling(path, "written"):
            self._ask("pipe_file", path, data, **condition)

    def _tag(self) -> str | None:
        """What the store names the checkpoint that is there by; None for none, and of other drivers than S3."""
        if self._protocol not in S3:
            return None
        with self._telling(CHECKPOINT, "read"):
            try:
                tag: str = self._ask("info", CHECKPOINT, refresh=True)["ETag"]
            except FileNotFoundError:
                return None
            return tag

    def _ask(self, what: str, path: str, *more: Any, **options: Any) -> Any:
        """What the driver does, or is broken off: one that waits for a store in vain would do so for ever."""
        driver, place = self._store.driver, f"{self._base}/{path}"
        if not driver.async_impl:
            return getattr(driver, what)(place, *more, **options)
        asked = asyncio.wait_for(getattr(driver, f"_{what}")(place, *more, **options), PATIENCE)
        return asyncio.run_coroutine_threadsafe(asked, driver.loop).result()

    def _all(self, work: Callable[[Any], Found], each: Sequence[Any]) -> list[Found]:
        with ThreadPoolExecutor(REQUESTS) as threads:
            return list(threads.map(work, each))

    @contextmanager
    def _telling(self, path: str, how: str) -> Iterator[None]:
        """Drivers raise what their libraries do: whatever it is, nothing can be had there for the moment."""
        try:
            yield
        except AuditLedgerError:
            raise
        except Exception as error:
            if isinstance(error, FileExistsError) or _code(error) in _TAKEN:
                raise _Taken from error
            said = " ".join(str(error).split())[:300] or type(error).__name__
            if isinstance(error, TimeoutError):
                said = f"no answer within {PATIENCE:.0f} s"
            raise Unavailable(f"{self.url}/{path}: cannot be {how}: {said}") from error


def _code(error: BaseException) -> str:
    """What S3 calls an error; empty where it said nothing, or another store did."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


@cache
def _opened(protocol: str, _process: int) -> _Store:
    """The driver of a protocol; one a process, since none outlives a fork. Raises SettingsError.

    It is configured as its own documentation says: files and variables of fsspec, and of the store's maker.
    """
    try:
        made = fsspec.get_filesystem_class(protocol)
        # Tiles are small: one request reads one.
        options = {"max_concurrency": 1} if protocol in S3 else {}
        # What a listing said a while ago is not what is there now.
        driver = made(use_listings_cache=False, skip_instance_cache=True, **options)
    except ImportError as error:
        more = ": pip install 'auditledger[s3]'" if protocol in S3 else ""
        raise SettingsError(f"{protocol}://: its driver is not installed: {error}{more}") from error
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise SettingsError(f"{protocol}://: the driver cannot be used: {error}") from error
    return _Store(driver, set())
