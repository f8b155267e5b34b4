"""Restoring a backup set into an empty installation, and proving that it is whole.

Steps: (1) every file of the set is what its manifest says, and none of a whole set is left out; (2) the place
is empty; (3) published files and attachments are put in their places; (4) the database is restored, all of it
or nothing; (5) every ledger has the size and the end that the manifest says, and verifies with what it signed;
its published files verify too.

The file ``restoring.json`` stands in the data directory from (3) until after (5), and no other command opens
the installation meanwhile: a crash leaves it, and the same restore goes on from there. Each step is found done
or does what is missing.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import BinaryIO

import psycopg

from ledger import durable
from ledger.errors import Altered, CodecError, Incomplete, NotFound, SettingsError, Unavailable, Untrusted
from ledger.settings import Settings
from ledger.store import queries
from ledger.store.backup import copy_file, copy_tiles, tiles_of
from ledger.store.database import Database, Role
from ledger.store.followed import followed
from ledger.store.ledgers import Ledgers
from ledger.store.manifest import DUMP, KEYS, MANIFEST, VAULT_DUMP, LedgerState, Manifest, Progress, silent
from ledger.store.migrate import make_roles, migrate
from ledger.store.opened import RESTORING, agreed_vault, reach_database, reach_vault
from ledger.store.programs import run
from ledger.store.published import TILES, Published, tiles_at
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import CHECKPOINT, TileFolder, Tiles
from ledger.store.verify import verify
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tlog.note import Note, VerifierKey
from ledger.vault.attachments import FOLDER as ATTACHMENTS

LOCK = "restore.lock"
FILLED = ("postgres", TILES, ATTACHMENTS)
"""What a data directory has that is not empty."""

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RestoredLedger:
    """A ledger as restored: its entries, and how many more are known to have been signed, which are missing.

    ``refillable``: whether the published files hold them.
    """

    slug: str
    origin: str
    size: int
    signed: int | None
    lost: int
    refillable: bool


@dataclass(slots=True)
class Restored:
    """What came of it: each ledger, seconds by step, the set's own missing attachments."""

    manifest: Manifest
    digest: str
    ledgers: list[RestoredLedger] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a ledger beyond the set: a newer signed note, and the published files that have it."""

    signed: SignedCheckpoint
    tiles: Tiles | None


def restore(
    folder: Path,
    settings: Settings,
    *,
    published: str | None = None,
    notes: Sequence[bytes] = (),
    keys: Sequence[VerifierKey] = (),
    progress: Progress = silent,
    step: Step = lambda _: None,
) -> Restored:
    """Restores a set to the data directory and the database of ``settings``.

    A set's vault of its own database goes to that of ``vault_database_url``, where none is: one that outlived
    the ledgers' database stays, and has what they sealed since. Without that setting it goes into the ledgers'
    own, where it opens as before.

    ``published``: a folder, or a URL, of published files that outlived the database, a folder a ledger by slug;
    where the settings name an object store, what is in it counts as such too, and stays. ``notes``: checkpoints
    that others kept. Where any is ahead of the set, what it has stands published in the end, so that nothing is
    signed before the ledger was refilled or left. ``keys``: trusted verifier keys; of a ledger
    that none of them is of, those that the set names.

    Raises NotFound, Altered, Incomplete, SettingsError (the place is not empty), Untrusted, Unavailable, and
    what ``verify`` and ``verify_tiles`` raise.
    """
    manifest, digest = Manifest.read(folder)
    found = Restored(manifest, digest)
    ours = Published.by(settings)
    places: list[Callable[[str], Tiles]] = []
    if published is not None:
        places.append(lambda slug: tiles_at(f"{published}/{slug}", "--published"))
    if settings.tiles_url is not None:
        places.append(ours.named)
    trusted = {each.origin: _trusted(each, keys) for each in manifest.ledgers}
    with ExitStack() as stack:
        with _timed(found, "check"):
            manifest.check(folder, progress)
            _whole(manifest, folder)
            known = _known(manifest, folder, trusted, places, notes)
        data_dir = settings.data_dir
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = stack.enter_context(_alone(data_dir))
        _refuse_filled(settings, digest, stack)
        vault = reach_vault(settings)
        if vault is not None and VAULT_DUMP not in manifest.files:
            raise SettingsError(
                "vault_database_url: expected none to restore this set: its vault is in its database; restore "
                "it so, then move the vault (docs/operations.md)"
            )
        durable.put(data_dir / RESTORING, json.dumps({"set": digest}).encode(), mode=0o600)
        step("begun")
        with _timed(found, "files"):
            _put_files(folder, data_dir, ours, manifest, known, progress)
        step("files")
        with _timed(found, "database"):
            database, _ = reach_database(settings, stack)
            if not _holds_ledgers(database):
                _restore_database(folder / DUMP, database, lock, progress)
            step("database")
            if VAULT_DUMP in manifest.files:
                _restore_vault(folder / VAULT_DUMP, database, vault, lock, progress)
                step("vault")
            migrate(database)
            agreed_vault(settings, database)
        with _timed(found, "verify"):
            for state in manifest.ledgers:
                keys_of = trusted[state.origin]
                found.ledgers.append(_verified(database, folder, ours, state, keys_of, known, progress))
        step("verified")
        (data_dir / RESTORING).unlink()
        durable.sync_directory(data_dir)
    return found


@contextmanager
def _timed(found: Restored, name: str) -> Iterator[None]:
    begun = perf_counter()
    yield
    found.seconds[name] = perf_counter() - begun


@contextmanager
def _alone(data_dir: Path) -> Iterator[int]:
    """Only one restore at a time, the database's part of one that was killed counted. Raises Unavailable.

    The file is gone after it, unless a restore has begun there that has not ended.
    """
    path = data_dir / LOCK
    while True:
        with path.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"{data_dir}: another restore is at work there; wait for its end") from None
            if not _is(path, lock):
                # Who held it has ended, and removed it: the next one's file is another.
                continue
            try:
                yield lock.fileno()
            finally:
                if not (data_dir / RESTORING).exists():
                    path.unlink()
            return


def _is(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _refuse_filled(settings: Settings, digest: str, stack: ExitStack) -> None:
    """(2). What this same restore put there before it was stopped is no fault."""
    data_dir = settings.data_dir
    mark = data_dir / RESTORING
    if mark.exists():
        begun = json.loads(mark.read_text("utf-8")).get("set")
        if begun != digest:
            raise SettingsError(
                f"data_dir: a restore of another set did not finish in {data_dir} (SHA-256 of its manifest: "
                f"{begun}): give that set again, or another data_dir"
            )
        return
    for name in FILLED:
        place = data_dir / name
        if place.exists() and any(place.iterdir()):
            raise SettingsError(
                f"data_dir: expected one without {name} to restore into, got {data_dir}: name another, or move "
                "what is there aside (published files that are ahead of the set are given by --published)"
            )
    if settings.database_url is not None:
        database, _ = reach_database(settings, stack)
        if _holds_ledgers(database):
            raise SettingsError(
                "database_url: expected a database without ledgers to restore into, got one that has them: "
                "make a new one"
            )


def _holds_ledgers(database: Database) -> bool:
    with database.connect_admin() as connection:
        row = connection.execute(queries.get("holds_ledgers")).fetchone()
    return row is not None and bool(row[0])


def _restore_database(dump: Path, database: Database, lock: int, progress: Progress) -> None:
    """(4). One transaction: a crash in here leaves an empty database, or all of it."""
    try:
        with database.connect_admin() as connection:
            make_roles(connection)
    except psycopg.Error as error:
        raise SettingsError(
            f"database: the sign-in may not make the roles ({error.diag.message_primary}); have "
            "infra/postgres/roles.sql run by a superuser first"
        ) from error
    progress("restoring the database", 0, None)
    run("pg_restore", database, "--single-transaction", "--exit-on-error", str(dump), keep=lock)
    with database.connect_admin() as connection:
        # Without figures of its tables the first queries would read all of them.
        connection.execute("ANALYZE")


def _restore_vault(
    dump: Path, database: Database, vault: Database | None, lock: int, progress: Progress
) -> None:
    """(4), of a vault that was in a database of its own; by a crash in here it is there, or it is not.

    Whether one that was there before is theirs is looked at next.
    """
    if vault is not None:
        if not _holds_ledgers(vault):
            _restore_database(dump, vault, lock, progress)
        return
    with database.connect(Role.VAULT) as connection:
        row = connection.execute(queries.get("vault_is_here")).fetchone()
        if row == (True,):
            return
        # What the ledgers' database says of a vault elsewhere; the dump's rows come in its place.
        connection.execute(queries.get("empty_vault"))
    progress("restoring the vault", 0, None)
    run(
        "pg_restore", database, "--single-transaction", "--exit-on-error", "--data-only", "--schema=vault",
        str(dump), keep=lock,
    )  # fmt: skip
    with database.connect_admin() as connection:
        connection.execute("ANALYZE")


def _put_files(
    folder: Path,
    data_dir: Path,
    published: Published,
    manifest: Manifest,
    known: Mapping[str, Known],
    progress: Progress,
) -> None:
    """(3). What is ahead of the set stands published in its place."""
    for ledger in manifest.ledgers:
        newer = known.get(ledger.origin)
        source: Tiles = TileFolder(folder / TILES / ledger.slug)
        size = ledger.signed
        note = None if ledger.checkpoint is None else ledger.checkpoint.encode()
        if newer is not None:
            note = str(newer.signed.note).encode()
            if newer.tiles is not None:
                source, size = newer.tiles, newer.signed.checkpoint.size
        if note is None:
            continue
        to = published.named(ledger.slug)
        what = f"putting back what is published of {ledger.slug}"
        to.begin()
        if str(source) != str(to):
            copy_tiles(source, to, size or 0, partial(progress, what))
        to.publish(note)
    others = [path for path in manifest.files if path.startswith((f"{ATTACHMENTS}/", f"{KEYS}/"))]
    folders = {data_dir}
    for done, path in enumerate(others, 1):
        place = data_dir / path.removeprefix(f"{KEYS}/")
        _put(folder / path, place)
        folders.update(each for each in place.parents if each.is_relative_to(data_dir))
        progress("putting back attachments", done, len(others))
    for each in folders:
        durable.sync_directory(each)


def _put(source: Path, place: Path) -> None:
    """A file in its place, whole; one that is there stays: it was put there before, or is the operator's."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = place.with_name(f".{place.name}.{secrets.token_hex(4)}.new")
    try:
        copy_file(source, new)
        os.replace(new, place)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise Unavailable(f"{place}: cannot be written: {error.strerror}; restore again") from error


def _trusted(ledger: LedgerState, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    of_it = [key for key in keys if key.name == ledger.origin]
    return of_it or [VerifierKey.parse(key) for key in ledger.keys]


def _opened(note: bytes, tiles: Sequence[Tiles], keys: Sequence[VerifierKey]) -> SignedCheckpoint:
    """A checkpoint that one of the keys signed, or one that they lead to by what is published in a place.

    Raises CodecError, Untrusted.
    """
    try:
        return open_checkpoint(note, keys)
    except Untrusted as error:
        for each in tiles:
            with suppress(CodecError, NotFound, Untrusted):
                return followed(each, keys, [note]).open(note)
        raise Untrusted(
            f"{error}; where its keys were changed since the set was made, name the new one by --key, or what "
            "is published of it by --published"
        ) from error


def _known(
    manifest: Manifest,
    folder: Path,
    trusted: Mapping[str, Sequence[VerifierKey]],
    places: Sequence[Callable[[str], Tiles]],
    notes: Sequence[bytes],
) -> dict[str, Known]:
    """The newest checkpoint of each ledger that is ahead of what the set signed. Raises Untrusted."""
    every = [key for keys in trusted.values() for key in keys]
    slugs = {ledger.origin: ledger.slug for ledger in manifest.ledgers}
    found: list[Known] = []
    for kept in notes:
        slug = slugs.get(Checkpoint.parse(Note.parse(kept).text).origin)
        where = [] if slug is None else [*(place(slug) for place in places), TileFolder(folder / TILES / slug)]
        found.append(Known(_opened(kept, where, every), None))
    for place in places:
        for ledger in manifest.ledgers:
            tiles = place(ledger.slug)
            if tiles.checkpoint() is not None:
                # By the history of keys: since the set was made they may have changed.
                found.append(Known(verify_tiles(tiles, trusted[ledger.origin]), tiles))
    signed = {each.origin: -1 if each.signed is None else each.signed for each in manifest.ledgers}
    newest: dict[str, Known] = {}
    for each in found:
        checkpoint = each.signed.checkpoint
        if checkpoint.origin not in signed:
            raise Untrusted(f"checkpoint: expected one of a ledger of the set, got one of {checkpoint.origin}")
        best = newest.get(checkpoint.origin)
        size = signed[checkpoint.origin] if best is None else best.signed.checkpoint.size
        # Of two of the same size the one whose files are there is the better.
        if checkpoint.size > size or (best is not None and checkpoint.size == size and each.tiles):
            newest[checkpoint.origin] = each
    return newest


def _whole(manifest: Manifest, folder: Path) -> None:
    """(1), of what the manifest lists: a set holds the database, and what is published of each ledger.

    What is published stands behind the checkpoint that it says, which is what step (5) verifies.
    Raises Incomplete, Altered, Unavailable.
    """
    for ledger in manifest.ledgers:
        place = TileFolder(folder / TILES / ledger.slug)
        signed = [f"{place}/{CHECKPOINT}", *(f"{place}/{tile.path}" for tile in tiles_of(ledger.signed or 0))]
        for path in signed if ledger.signed is not None else ():
            if str(Path(path).relative_to(folder)) not in manifest.files:
                raise Incomplete(f"{path}: it is not in the set, nor in its manifest; nothing was restored")
        note = None if ledger.checkpoint is None else ledger.checkpoint.encode()
        if place.checkpoint() != note:
            raise Altered(
                f"{place}/{CHECKPOINT}: expected the checkpoint that {MANIFEST} says, got another; nothing was "
                "restored"
            )
    if DUMP not in manifest.files:
        raise Incomplete(f"{folder / DUMP}: it is not in the set, nor in its manifest; nothing was restored")


def _verified(
    database: Database,
    folder: Path,
    published: Published,
    state: LedgerState,
    keys: Sequence[VerifierKey],
    known: Mapping[str, Known],
    progress: Progress,
) -> RestoredLedger:
    """(5), of one ledger."""
    ledger = Ledgers(database).by_origin(state.origin)
    held: list[Checkpoint] = []
    if state.checkpoint is not None:
        held.append(
            _opened(state.checkpoint.encode(), [TileFolder(folder / TILES / state.slug)], keys).checkpoint
        )
    newer = known.get(state.origin)
    if newer is not None and newer.signed.checkpoint.size <= state.size:
        held.append(newer.signed.checkpoint)
    what = f"verifying {state.slug}"
    found = verify(database, ledger, checkpoints=held, progress=partial(progress, what))
    if (found.size, found.hash.hex()) != (state.size, state.head):
        raise Altered(
            f"{state.origin}: expected {state.size} entries up to {state.head}, got {found.size} up to "
            f"{found.hash.hex()}: the database is not that of the set"
        )
    if newer is None:
        if state.checkpoint is not None:
            verify_tiles(published.named(state.slug), keys)
        return RestoredLedger(state.slug, state.origin, state.size, state.signed, 0, False)
    lost = max(newer.signed.checkpoint.size - state.size, 0)
    return RestoredLedger(
        state.slug, state.origin, state.size, state.signed, lost, newer.tiles is not None
    )  # fmt: skip


def drill(
    folder: Path,
    settings: Settings,
    *,
    keys: Sequence[VerifierKey] = (),
    place: Path | None = None,
    progress: Progress = silent,
) -> Restored:
    """Restores a set into a data directory and a server of their own, verifies it, and removes them.

    ``place``: where there is room for it; else where the machine keeps temporary files. Raises as ``restore``.
    """
    with TemporaryDirectory(prefix="auditledger-drill-", dir=place) as name:
        # The server may run as another user, who goes through it.
        Path(name).chmod(0o755)
        elsewhere = {
            "data_dir": Path(name) / "data",
            **dict.fromkeys(("database_url", "vault_database_url", "kek", "tiles_url")),
        }
        return restore(folder, settings.model_copy(update=elsewhere), keys=keys, progress=progress)
