"""Exporting evidence bundles: what is asked for is resolved, opened where it is to be, sealed, and written.

The entries' bytes come from the published files, which are what was signed; the database only says which
entries a case or a register names. What was written is verified before it gets its name.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

from ledger import durable
from ledger.application.access import Matter, allow
from ledger.application.installation import Installation
from ledger.application.openings import sealed_fields_of
from ledger.application.outcome import Principal, files_of
from ledger.bundle.disclosures import Disclosure
from ledger.bundle.manifest import CASE, Basis, Subject, content_name
from ledger.bundle.schemas import CONTENT
from ledger.bundle.times import MOST_TIMES
from ledger.bundle.verify import Verified, verify
from ledger.bundle.write import Content, TimesOf, write
from ledger.codec.registry import registry
from ledger.domain.event import decode_event
from ledger.errors import ContentDestroyed, InvalidInput, NotFound, Unavailable, VaultError
from ledger.law.secrecy import CONSENT, consent_is_kept_in_writing, export_names_its_basis
from ledger.store.database import Role
from ledger.store.followed import known_here
from ledger.store.ledgers import Ledger
from ledger.store.stamps import stamps_around
from ledger.store.tiles import Tiles
from ledger.store.witnessed import WitnessedTimes
from ledger.tlog.keyhistory import Keys
from ledger.tlog.proof import ConsistencyProof
from ledger.tlog.prover import Prover
from ledger.tlog.tiles import WIDTH, bundle_at, unbundle
from ledger.vault.opening import Opened, Opening, Word

MOST_NAMED = 32_000
"""Bytes of paths that one opening names, which is an entry and has at most 65,535 in all."""
_BESIDE = 16
"""Bytes that an entry's index and a path's length take beside it, at most."""

log = structlog.get_logger("auditledger.evidence")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported."""

    subject: Subject
    indexes: Sequence[int] | None = None
    """Of a register: the entries that its rows name."""
    reason: str | None = None
    """Why sealed fields are opened for whom the bundle is; None: none is."""
    fields: Mapping[int, Sequence[str]] | None = None
    """Which, by index; None: all that are sealed in the entries. A file's content stays closed unless named."""
    since: bytes | None = None
    """An earlier checkpoint's note, from which the bundle shows that the ledger goes on."""
    basis: str | None = None
    """Of the regulator's ledger: on what the information leaves it (PDPA s 120(3))."""
    policy: bytes | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, as the verifier found it; and how many fields stayed closed, by the word for why."""

    verified: Verified
    closed: Mapping[str, int] = field(default_factory=dict)


def export(
    installation: Installation,
    slug: str,
    principal: Principal,
    wanted: Wanted,
    path: Path,
    *,
    seal: Callable[[Ledger, int], bytes],
    times: WitnessedTimes | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Exported:
    """Writes a bundle to a file, durable on return, readable by its owner alone.

    The log of this process says who took it.

    ``seal``: has the ledger sealed and gives its checkpoint's note; told how many entries the bundle needs in
    it, and asked once the openings are recorded, which come before any value is written, and after the file was
    made. ``times``: what trusted witnesses say
    of the entries, for the bundle to show. ``progress(what, done, all)``. A crash in here leaves no bundle, or
    a whole one, and perhaps a file beside it whose name ends in ``.new``; openings that were recorded stay.
    Raises Forbidden, NotFound, InvalidInput, LawRefused, VaultError; Unavailable where the file cannot be
    written or the entries are not sealed yet; what the verifier raises where the published files are not what
    was signed.
    """
    ledger = allow(installation, slug, principal, Matter.CASES)
    size = installation.feed.head(ledger.id).size
    basis = export_names_its_basis(ledger.slug == installation.regulator, wanted.basis, size)
    if basis is not None and basis[0] == CONSENT:
        said = decode_event(installation.feed.entry(ledger.id, int(basis[1])).decoded)
        consent_is_kept_in_writing(basis[1], any(True for _ in files_of(said)))
    chosen = _chosen(installation, ledger, wanted, size)
    with _made(path) as (new, file):
        opened, closed = _opened(installation, ledger, principal, wanted, chosen, size)
        files = _files(installation, ledger, principal, wanted, closed)
        end = size if wanted.subject.end is None else wanted.subject.end
        note = seal(ledger, end if chosen is None else chosen[-1] + 1)
        content, known = _content(
            installation, ledger, wanted, chosen, note, times, opened, files, basis, progress
        )
        found = _put(path, new, file, content, known, lambda done, of: progress("Verifying", done, of))
    log.info(
        "bundle exported", ledger=slug, person=principal.person, organisation=principal.organisation,
        subject=wanted.subject.kind, entries=found.manifest.entries, disclosures=len(opened) + len(files),
        size=found.manifest.size, basis=None if basis is None else ": ".join(basis),
    )  # fmt: skip
    return Exported(found, closed)


def _content(
    installation: Installation,
    ledger: Ledger,
    wanted: Wanted,
    chosen: Sequence[int] | None,
    note: bytes,
    times: WitnessedTimes | None,
    opened: Sequence[Disclosure],
    files: Sequence[tuple[Disclosure, Iterator[bytes]]],
    basis: tuple[str, str] | None,
    progress: Callable[[str, int, int], None],
) -> tuple[Content, Keys]:
    """What is written under a checkpoint, and the keys that it is verified with."""
    keys = [each.verifier for each in installation.published.keys.of(ledger.slug, ledger.origin)]
    with installation.database.connect(Role.READER) as connection:
        known = known_here(connection, ledger, keys, note)
    prover = Prover(installation.published.of(ledger).read, note)
    entries, total = _entries(installation, ledger, wanted.subject, chosen, prover)
    return Content(
        note=note,
        subject=wanted.subject,
        entries=_counted(entries, lambda done: progress("Writing", done, total)),
        prove=prover.inclusion,
        schemas=registry(),
        keys=keys,
        policy=wanted.policy,
        since=None if wanted.since is None else _since(prover, wanted.since, known),
        history=_history(known, wanted.subject, chosen, prover),
        attachments=[(each.value, chunks) for each, chunks in sorted(files, key=lambda file: file[0])],
        times=_times(installation, ledger, times, wanted.subject, chosen, prover),
        disclosures=[*opened, *(each for each, _ in files)],
        basis=None if basis is None else Basis(*basis),
    ), known


def _chosen(installation: Installation, ledger: Ledger, wanted: Wanted, size: int) -> list[int] | None:
    """The indexes of a case or a register; None where every entry of a range is wanted."""
    subject = wanted.subject
    if subject.kind == CASE and subject.stream is not None:
        if "\0" in subject.stream:
            raise InvalidInput("case", "text without NUL characters", "text with one")
        rows = installation.feed.stream(ledger.id, subject.stream)
        if not rows:
            raise NotFound(f"case {subject.stream}: nothing is recorded in it in {ledger.slug}")
        return [row.index for row in rows]
    if wanted.indexes is not None:
        if not wanted.indexes:
            raise InvalidInput("--register", "a query that some row answers", "none")
        return sorted(set(wanted.indexes))
    start, end = subject.start, subject.end
    if start is not None and end is not None and not 0 <= start < end <= size:
        raise InvalidInput("--range", f"FROM:BEFORE within 0:{size}", f"{start}:{end}")
    return None


# --- opening -------------------------------------------------------------------------------------------


def _opened(
    installation: Installation,
    ledger: Ledger,
    principal: Principal,
    wanted: Wanted,
    chosen: Sequence[int] | None,
    size: int,
) -> tuple[list[Disclosure], Counter[str]]:
    """The openings, recorded before a value is seen; and how many fields could not be opened, by word."""
    if wanted.reason is None:
        return [], Counter()
    found: list[Disclosure] = []
    closed: Counter[str] = Counter()
    for batch in _asked(installation, ledger, wanted, chosen, size):
        openings = installation.open_sealed(ledger.slug, batch, reason=wanted.reason, principal=principal)
        for (index, _), by_path in zip(batch, openings, strict=True):
            for path, opening in by_path.items():
                shown = _disclosed(index, path, opening)
                if shown is None:
                    closed[opening.word.value] += 1
                else:
                    found.append(shown)
    return found, closed


def _asked(
    installation: Installation, ledger: Ledger, wanted: Wanted, chosen: Sequence[int] | None, size: int
) -> Iterator[list[tuple[int, Sequence[str] | None]]]:
    """Which fields are opened, as many entries at a time as one opening can name."""
    subject = wanted.subject
    start, end = subject.start or 0, size if subject.end is None else subject.end
    if wanted.fields is not None:
        within = range(start, end) if chosen is None else frozenset(chosen)
        asked = sorted(wanted.fields.items())
        for index, _ in asked:
            if index not in within:
                raise InvalidInput("--field", "a field of an entry that is in the bundle", index)
        values = [(index, [path for path in paths if not _is_content(path)]) for index, paths in asked]
        if any(paths for _, paths in values):
            yield [each for each in values if each[1]]
        return
    batch: list[tuple[int, Sequence[str] | None]] = []
    named = 0
    for row in (
        (row for rows in installation.feed.scan(ledger.id, start=start, until=end) for row in rows)
        if chosen is None
        else (installation.feed.entry(ledger.id, index) for index in chosen)
    ):
        paths = [each.path for each in sealed_fields_of(decode_event(row.decoded))]
        more = sum(len(path.encode()) + _BESIDE for path in paths)
        if batch and named + more > MOST_NAMED:
            yield batch
            batch, named = [], 0
        if paths:
            batch.append((row.index, paths))
            named += more
    if batch:
        yield batch


def _is_content(path: str) -> bool:
    return path.endswith(f".{CONTENT}")


def _files(
    installation: Installation, ledger: Ledger, principal: Principal, wanted: Wanted, closed: Counter[str]
) -> list[tuple[Disclosure, Iterator[bytes]]]:
    """The files that are to be disclosed, each recorded as an opening before a byte of it is read.

    What is destroyed or lost is counted in ``closed``, by the word. Raises NotFound where there is no file.
    """
    found = []
    for index, paths in sorted((wanted.fields or {}).items()):
        for path in sorted({path for path in paths if _is_content(path)}):
            try:
                salt, chunks = installation.disclose_attachment(
                    ledger.slug, index, path.removesuffix(f".{CONTENT}"), reason=wanted.reason or "",
                    principal=principal,
                )  # fmt: skip
            except ContentDestroyed:
                closed[Word.DESTROYED.value] += 1
            except VaultError:
                closed[Word.LOST.value] += 1
            else:
                found.append((Disclosure(index, path, content_name(index, path), salt), chunks))
    return found


def _disclosed(index: int, path: str, opening: Opening) -> Disclosure | None:
    if not isinstance(opening, Opened):
        return None
    value = opening.value
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
    return Disclosure(index, path, text, opening.salt)


# --- writing -------------------------------------------------------------------------------------------


def _entries(
    installation: Installation, ledger: Ledger, subject: Subject, chosen: Sequence[int] | None, prover: Prover
) -> tuple[Iterable[tuple[int, bytes]], int]:
    """The stored bytes by index, as published, and how many there are. Raises Unavailable: not sealed yet."""
    sealed = prover.checkpoint.size
    start, end = subject.start or 0, sealed if subject.end is None else subject.end
    last = end - 1 if chosen is None else chosen[-1]
    if last >= sealed:
        raise Unavailable(
            f"{ledger.slug}: entry {last} is not under the published checkpoint yet, of {sealed}; try again"
        )
    if chosen is None:
        return _between(installation.published.of(ledger), sealed, start, end), end - start
    return ((index, prover.entry(index)) for index in chosen), len(chosen)


def _between(tiles: Tiles, size: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """(index, bytes) of the entries [start, end) as published, by tiles. Raises NotFound, CodecError."""
    for number in range(start // WIDTH, -(-end // WIDTH)):
        tile = bundle_at(number, size)
        for place, entry in enumerate(unbundle(tile, tiles.read(tile))):
            if start <= number * WIDTH + place < end:
                yield number * WIDTH + place, entry


def _counted(
    entries: Iterable[tuple[int, bytes]], progress: Callable[[int], None]
) -> Iterator[tuple[int, bytes]]:
    for done, each in enumerate(entries, start=1):
        yield each
        if not done % WIDTH:
            progress(done)


def _since(prover: Prover, note: bytes, known: Keys) -> tuple[bytes, ConsistencyProof]:
    """An earlier checkpoint of this ledger, and the proof from it. Raises as ``export``."""
    before = known.open(note).checkpoint
    if before.size > prover.checkpoint.size:
        raise InvalidInput("--since", f"a checkpoint of at most {prover.checkpoint.size} entries", before.size)
    return note, prover.consistency(before.size)


def _history(
    known: Keys, subject: Subject, chosen: Sequence[int] | None, prover: Prover
) -> list[tuple[int, bytes]]:
    """The entries that tell of the ledger's keys, under the checkpoint and not among those asked for."""
    size = prover.checkpoint.size
    start, end = subject.start or 0, size if subject.end is None else subject.end
    held = range(start, end) if chosen is None else chosen
    return [
        (each.at, prover.entry(each.at)) for each in known.changes if each.at < size and each.at not in held
    ]


def _times(
    installation: Installation,
    ledger: Ledger,
    times: WitnessedTimes | None,
    subject: Subject,
    chosen: Sequence[int] | None,
    prover: Prover,
) -> list[TimesOf]:
    """The cosigned and the time-stamped checkpoints around the entries; the bundle's own is not repeated.

    Of a demonstration none: its clock is simulated. Raises Untrusted for one that does not hold, Unavailable.
    """
    size, dense = prover.checkpoint.size, chosen is None
    start, end = subject.start or 0, size if subject.end is None else subject.end
    indexes = range(start, end) if chosen is None else chosen
    if ledger.demonstration or not indexes:
        return []
    notes: dict[int, bytes] = {}
    if times is not None:
        notes.update(times.around(ledger, indexes, dense=dense, below=size, most=MOST_TIMES))
    found = stamps_around(installation.database, ledger, indexes, dense=dense, most=MOST_TIMES)
    stamps = {each.size: each for each in found if each.size <= size}
    for each in stamps.values():
        if each.size < size:
            notes.setdefault(each.size, each.note)
    return [
        TimesOf(
            each, notes.get(each), prover.consistency(each) if each in notes else None,
            stamps[each].response if each in stamps else None,
        )
        for each in sorted(notes.keys() | stamps.keys())
    ]  # fmt: skip


@contextmanager
def _made(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file of its own beside the bundle's place, for its owner alone; gone where no bundle came of it.

    It is made before anything is opened: what cannot be written anywhere leaves no opening behind. Raises
    Unavailable.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        # What is opened in it is for its owner, until they hand it on.
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield new, file
    finally:
        # In its place it has another name by now.
        new.unlink(missing_ok=True)


def _put(
    path: Path, new: Path, file: BinaryIO, content: Content, known: Keys, progress: Callable[[int, int], None]
) -> Verified:
    """Writes the file, verifies it, and puts it in its place."""
    try:
        _write(file, content)
        found = verify(new, known.given, history=known.changes, progress=progress)
        os.replace(new, path)
        durable.sync_directory(path.parent)
    except OSError as error:
        raise _unwritten(path, error) from error
    return found


def _unwritten(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{path}: the bundle cannot be written: {error.strerror}")


def _write(file: BinaryIO, content: Content) -> None:
    write(file, content)
    file.flush()
    os.fsync(file.fileno())
