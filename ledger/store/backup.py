"""Backup sets: database, published files and attachments of one moment, while others go on writing.

The moment is a snapshot of the database. Its dump is made from that snapshot; the published files are cut at
the checkpoint that was signed in it, although there may be more by then: a tile never changes, so what is
copied later is what it was, and what lies beyond the cut is left out. So the set's published files are never
ahead of its database, and never behind what it signed: restored, it verifies and nothing has to be refilled.
Attachments are those that the snapshot names; their files are durable before they are named. A vault in a
database of its own is dumped from a snapshot taken after that of the ledgers: it was written first, so it has
whatever their entries sealed, but what was destroyed in the moment between the two.

The set is made aside, in ``.auditledger-<random>.unfinished``, and named when all of it is durable: a crash
before that leaves such a folder, which the next backup beside it removes, after it a whole set.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from ledger import durable
from ledger.errors import InvalidInput, NotFound, Unavailable, VaultError
from ledger.store import queries
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.manifest import (
    DUMP,
    KEYS,
    MANIFEST,
    VAULT_DUMP,
    LedgerState,
    Manifest,
    Progress,
    file_state,
    files_of,
    silent,
)
from ledger.store.programs import run
from ledger.store.published import TILES, Published
from ledger.store.sealing import Standing, standing_of
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import NEW, TileFolder, Tiles
from ledger.tlog.tiles import WIDTH, Tile, bundle_at, levels, tile_at
from ledger.vault.attachments import FOLDER as ATTACHMENTS
from ledger.vault.attachments import AttachmentFiles
from ledger.vault.kek import KEK_FILE
from ledger.vault.signing import FOLDER as SIGNING

UNFINISHED = ".auditledger-*.unfinished"
AT_ONCE = 32
"""Tiles that are read before they are written: an entry bundle can have 16 MiB."""
COMPRESSION = "1"
"""Of the dump: hashes and sealed values do not shrink, and more effort gains little of the rest."""


def back_up(
    database: Database,
    data_dir: Path,
    target: Path,
    *,
    vault: Database | None = None,
    tiles_url: str | None = None,
    with_keys: bool = False,
    progress: Progress = silent,
    step: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Makes a set of the database and its data directory in the folder ``target``, which must not be there.

    ``vault``: the database that holds the vault alone. ``tiles_url``: where its files are published, if not
    there. ``with_keys``: the key-encryption key and the signing keys too, so that the set alone opens every
    sealed value and signs. Durable on return.

    Raises InvalidInput, NotFound (a published file is missing: this is not where the ledgers are sealed from),
    Unavailable (the disk is full, a database away), and what ``verify_tiles`` raises: files that do not verify
    are no backup.
    """
    target = target.absolute()
    published = Published(data_dir, tiles_url)
    if os.path.lexists(target):
        raise InvalidInput("FOLDER", "a folder that does not exist yet", str(target))
    try:
        with _made_aside(target.parent) as (folder, lock):
            step("begun")
            manifest = _filled(database, vault, data_dir, published, folder, lock, with_keys, progress, step)
            durable.put(folder / MANIFEST, manifest.dump(), mode=0o600)
            for each in (folder, *(each for each in folder.rglob("*") if each.is_dir())):
                durable.sync_directory(each)
            step("durable")
            folder.rename(target)
            step("named")
            durable.sync_directory(target.parent)
    except psycopg.Error as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
    except OSError as error:
        where = error.filename or target
        raise Unavailable(f"{where}: {error.strerror or error}; no backup was made") from error
    return manifest


@contextmanager
def _made_aside(parent: Path) -> Iterator[tuple[Path, int]]:
    """A new folder beside the set's place, locked while it, or a program that it started, is at work.

    Those of backups that were killed are removed. Where this one fails, its own is too.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(UNFINISHED):
        with _locked(left) as lock:
            if lock is not None:
                shutil.rmtree(left)
    folder = parent / UNFINISHED.replace("*", secrets.token_hex(8))
    folder.mkdir(mode=0o700)
    with _locked(folder) as lock:
        assert lock is not None
        try:
            yield folder, lock
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def _locked(folder: Path) -> Iterator[int | None]:
    """A lock on a folder; None where another process has it. The kernel frees it with the last who holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        yield None
    finally:
        os.close(descriptor)


def _filled(
    database: Database,
    vault: Database | None,
    data_dir: Path,
    published: Published,
    folder: Path,
    lock: int,
    with_keys: bool,
    progress: Progress,
    step: Callable[[str], None],
) -> Manifest:
    """Puts everything into the folder but the manifest, which it gives."""
    with ExitStack() as stack:
        connection, (made_at, server, snapshot) = stack.enter_context(_moment(database))
        ledgers = _ledgers(connection)
        standings = [standing_of(connection, each) for each in ledgers]
        dumps = [(database, snapshot, folder / DUMP, "dumping the database")]
        if vault is not None:
            connection, (_, _, snapshot) = stack.enter_context(_moment(vault))
            dumps.append((vault, snapshot, folder / VAULT_DUMP, "dumping the vault"))
        attached = [(row[0], row[1], bytes(row[2])) for row in connection.execute(queries.get("attached"))]
        for each in dumps:
            _dump(*each, lock, progress)
    step("dumped")
    states = []
    for ledger, standing in zip(ledgers, standings, strict=True):
        states.append(_copy_published(published, ledger, standing, folder, progress))
        step("tiles")
    missing = _copy_attachments(data_dir, folder, attached, progress)
    step("attachments")
    if with_keys:
        _copy_keys(data_dir, folder / KEYS)
        step("keys")
    paths = files_of(folder)
    files = {}
    for done, path in enumerate(paths, 1):
        files[path] = file_state(folder / path)
        progress("digesting", done, len(paths))
    when = made_at.astimezone(UTC).isoformat()
    return Manifest(
        when, version("auditledger"), server, with_keys, tuple(states), tuple(missing), files
    )  # fmt: skip


def _dump(database: Database, snapshot: str, dump: Path, what: str, lock: int, progress: Progress) -> None:
    run(
        "pg_dump", database, "--format=custom", f"--compress={COMPRESSION}", f"--snapshot={snapshot}",
        f"--file={dump}", keep=lock,
        looked=lambda: progress(what, dump.stat().st_size if dump.exists() else 0, None),
    )  # fmt: skip
    dump.chmod(0o600)


@contextmanager
def _moment(database: Database) -> Iterator[tuple[Connection[Any], tuple[datetime, str, str]]]:
    """A connection that sees one moment: its time, the server's version, the snapshot for others to take up."""
    with closing(database.connect_admin()) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute(queries.get("begin_backup")).fetchone()
        assert row is not None
        yield connection, (row[0], row[1], row[2])


def _ledgers(connection: Connection[Any]) -> list[Ledger]:
    with connection.cursor(row_factory=class_row(Ledger)) as cursor:
        return cursor.execute(queries.get("all_ledgers")).fetchall()


def tiles_of(size: int) -> list[Tile]:
    """Every file of a log of that size: all full tiles and bundles, and the partial ones at its edge."""
    found = [
        tile_at(level, number, size)
        for level in levels(size)
        for number in range(-(-(size >> (8 * level)) // WIDTH))
    ]
    return found + [bundle_at(number, size) for number in range(-(-size // WIDTH))]


def copy_tiles(source: Tiles, to: Tiles, size: int, said: Callable[[int, int], None] = lambda *_: None) -> None:
    """Copies the tiles of a log of that size, durable on return. Raises NotFound, Diverged, Unavailable."""
    wanted = tiles_of(size)
    for at in range(0, len(wanted), AT_ONCE):
        some = wanted[at : at + AT_ONCE]
        to.add([*zip(some, source.read_all(some), strict=True)])
        said(at + len(some), len(wanted))


def _copy_published(
    published: Published, ledger: Ledger, standing: Standing, folder: Path, progress: Progress
) -> LedgerState:
    keys = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
    named = tuple(map(str, keys))
    if standing.signed is None:
        return LedgerState(ledger.slug, ledger.origin, standing.size, standing.head.hex(), None, None, named)
    to = TileFolder(folder / TILES / ledger.slug)
    what = f"copying what is published of {ledger.slug}"
    try:
        copy_tiles(published.of(ledger), to, standing.signed.size, partial(progress, what))
    except NotFound as error:
        raise NotFound(
            f"{error}; a backup is made with the data directory and tiles_url that the ledgers are sealed with"
        ) from error
    to.publish(standing.note)
    shutil.rmtree(to.folder / NEW)
    if keys:
        # Without its keys a set is worth the more: then only their signature is not looked at.
        verify_tiles(to, keys)
    return LedgerState(
        ledger.slug, ledger.origin, standing.size, standing.head.hex(), standing.signed.size,
        standing.note.decode(), named,
    )  # fmt: skip


def _copy_attachments(
    data_dir: Path, folder: Path, attached: Sequence[tuple[int, str, bytes]], progress: Progress
) -> list[str]:
    """Copies the files that the vault names; gives those that are not there: lost, or destroyed since."""
    files = AttachmentFiles(data_dir / ATTACHMENTS)
    missing = []
    for done, (ledger, key, mark) in enumerate(attached, 1):
        file = files.file(ledger, key, mark)
        path = file.relative_to(data_dir)
        (folder / path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            copy_file(file, folder / path)
        except FileNotFoundError:
            missing.append(str(path))
        progress("copying attachments", done, len(attached))
    return missing


def copy_file(source: Path, to: Path) -> None:
    """Copies a file, its content durable on return, its name not yet. Raises OSError; then there is none."""
    with source.open("rb") as read:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as write:
                shutil.copyfileobj(read, write, 1 << 20)
                write.flush()
                os.fsync(write.fileno())
        except OSError:
            to.unlink(missing_ok=True)
            raise


def _copy_keys(data_dir: Path, folder: Path) -> None:
    """Raises VaultError where the key-encryption key is not in the data directory."""
    if not (data_dir / KEK_FILE).exists():
        raise VaultError(
            f"--with-keys: expected the key-encryption key in {data_dir / KEK_FILE}, found none: it is given "
            "by a setting; keep it where that comes from, and make the set without keys"
        )
    (folder / SIGNING).mkdir(parents=True, mode=0o700)
    # Of a rotation that goes on meanwhile, the rows name both.
    keks = sorted(data_dir.glob(f"{KEK_FILE}.*"))
    for file in (data_dir / KEK_FILE, *keks, *sorted((data_dir / SIGNING).glob("*.key"))):
        copy_file(file, folder / file.relative_to(data_dir))
