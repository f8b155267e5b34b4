"""Files beside the entries: encrypted in chunks under the key of their case or subject, streamed both ways.

Layout: ``<directory>/<ledger>/<key id>/<commitment in hex>``; unfinished ones under ``<directory>/unfinished``.
Bytes: one AES-256-GCM box a chunk of 1 MiB (the last one shorter, or empty for an empty file), nonce =
7-byte random prefix ‖ u32be chunk number ‖ 01 for the last chunk, else 00. So number and last mark are
authenticated (the STREAM construction), and a box opens at its own place of its own file only.
"""

from __future__ import annotations

import errno
import hmac
import os
import secrets
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.codec.commitment import SALT_BYTES, committing
from ledger.durable import sync_directory
from ledger.errors import InvalidInput, Unavailable, VaultError
from ledger.vault.randomness import random_bytes
from ledger.vault.sealing import open_bytes, seal_bytes

FOLDER = "attachments"
"""Where they lie in the data directory."""
CHUNK = 1 << 20
TAG = 16
PREFIX_BYTES = 7
_TAIL = struct.Struct(">I?")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """The vault's row of a durable file; ``sealed`` holds its salt and nonce prefix under the key ``key``."""

    ledger: int
    key: str
    commitment: bytes
    path: str
    length: int
    sealed: bytes


class AttachmentFiles:
    """The encrypted files of all ledgers, below one directory of the data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(
        self,
        source: BinaryIO,
        length: int | None,
        *,
        ledger: int,
        key_id: str,
        key: bytes,
        field_path: str,
    ) -> AttachmentRow:
        """Encrypts ``source`` to its end, in flat memory; a known ``length`` (bytes) saves a pass.

        ``field_path`` is the dotted path of the ``Attachment`` field that will name it. Raises InvalidInput
        where ``source`` is longer or shorter than ``length``, Unavailable where the disk is full; nothing is
        left behind then. The caller records the row next; a crash before it leaves a file that ``sweep`` finds.
        """
        salt, prefix = random_bytes(SALT_BYTES), random_bytes(PREFIX_BYTES)
        path = f"{field_path}.content"
        unfinished = self._directory / _UNFINISHED / secrets.token_hex(16)
        with _clean_failure(unfinished):
            unfinished.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark = committing(salt, path, length) if length is not None else None
            fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb", buffering=0) as out:
                total = _encrypt(source, out, AESGCM(key), prefix, mark, length)
                os.fsync(out.fileno())
            if mark is None:
                # The commitment begins with the length, known only now: read back what is encrypted already.
                mark = committing(salt, path, total)
                with unfinished.open("rb") as again:
                    for chunk in _decrypt(again, AESGCM(key), prefix, total, path):
                        mark.update(chunk)
            digest = mark.digest()
            final = self.file(ledger, key_id, digest)
            _make_durably(final.parent, self._directory)
            # A crash before the rename leaves the unfinished file, after it a whole file without a row.
            unfinished.replace(final)
            sync_directory(final.parent)
        sealed = seal_bytes(AESGCM(key), salt + prefix, digest)
        return AttachmentRow(ledger, key_id, digest, path, total, sealed)

    def read(self, row: AttachmentRow, key: bytes) -> Iterator[bytes]:
        """The file's content in chunks, each authenticated before it is given.

        The commitment is complete only at the end: what was given counts once the iterator has ended. Raises
        ``VaultError`` where the file is missing, cut, reordered, swapped for another or altered.
        """
        salt, prefix = self._details(row, key)
        name = f"attachment {row.commitment.hex()}"
        file = self.file(row.ledger, row.key, row.commitment)
        mark = committing(salt, row.path, row.length)
        try:
            source = file.open("rb")
        except FileNotFoundError as error:
            raise VaultError(f"{name}: expected its file, got none: lost") from error
        with source:
            for chunk in _decrypt(source, AESGCM(key), prefix, row.length, row.commitment.hex()):
                mark.update(chunk)
                yield chunk
        if not hmac.compare_digest(mark.digest(), row.commitment):
            raise VaultError(f"{name}: expected the committed content, got another")

    def salt(self, row: AttachmentRow, key: bytes) -> bytes:
        """The salt by which whoever has the content can check it. Raises VaultError, also for a lost file."""
        if not self.file(row.ledger, row.key, row.commitment).is_file():
            raise VaultError(f"attachment {row.commitment.hex()}: expected its file, got none: lost")
        return self._details(row, key)[0]

    @staticmethod
    def _details(row: AttachmentRow, key: bytes) -> tuple[bytes, bytes]:
        details = open_bytes(key, row.sealed, row.commitment)
        if len(details) != SALT_BYTES + PREFIX_BYTES:
            expected = f"expected {SALT_BYTES + PREFIX_BYTES} sealed bytes, got {len(details)}"
            raise VaultError(f"attachment {row.commitment.hex()}: {expected}")
        return details[:SALT_BYTES], details[SALT_BYTES:]

    def file(self, ledger: int, key_id: str, mark: bytes) -> Path:
        """Where an attachment lies. All of one key lie in one folder: destroying the key empties it."""
        return self._folder(ledger, key_id) / mark.hex()

    def _folder(self, ledger: int, key_id: str) -> Path:
        if not key_id.isalnum():
            raise InvalidInput("key", "letters and digits", key_id)
        return self._directory / str(ledger) / key_id

    def discard(self, ledger: int, key_id: str, mark: bytes) -> None:
        """Removes a file whose key went before its row was there, and the folder of that key."""
        file = self.file(ledger, key_id, mark)
        file.unlink(missing_ok=True)
        # Others of the key may lie there until they too learn that it is gone.
        with suppress(OSError):
            file.parent.rmdir()

    def held(self, ledger: int) -> set[str]:
        """The ids of the keys of a ledger under which files, or their folders, lie."""
        try:
            return set(os.listdir(self._directory / str(ledger)))
        except FileNotFoundError:
            return set()

    def remove(self, ledger: int, keys: Iterable[str]) -> int:
        """Removes the files of keys that are destroyed, durably on return; says how many there were.

        A crash in here leaves some of them, or names that come back with the power: the next call removes them.
        """
        removed = 0
        for folder in (self._folder(ledger, key) for key in keys):
            if not folder.exists():
                continue
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
                removed += 1
            sync_directory(folder)
            folder.rmdir()
            sync_directory(folder.parent)
        return removed

    def sweep(self, named: set[tuple[int, str, bytes]], older_than: float) -> list[Path]:
        """Removes unfinished files and files that no vault row names, older than so many seconds; lists them.

        ``named`` must be read after the age is decided: a row follows its file within a command.
        """
        until = time.time() - older_than
        keep = {self.file(*name) for name in named}
        gone = []
        for file in self._directory.rglob("*"):
            try:
                if not file.is_file() or file in keep or file.stat().st_mtime > until:
                    continue
                file.unlink()
            except FileNotFoundError:
                continue
            gone.append(file)
        return gone


def _encrypt(
    source: BinaryIO, out: BinaryIO, aead: AESGCM, prefix: bytes, mark: hmac.HMAC | None, length: int | None
) -> int:
    """Writes the boxes; returns the number of bytes read. One chunk is read ahead to know the last."""
    total = number = 0
    chunk = _read_chunk(source)
    while True:
        following = _read_chunk(source) if len(chunk) == CHUNK else b""
        total += len(chunk)
        if length is not None and (total > length or (not following and total != length)):
            raise InvalidInput("attachment", f"{length} bytes", f"{total} bytes")
        if mark is not None:
            mark.update(chunk)
        _write_all(out, aead.encrypt(prefix + _TAIL.pack(number, not following), chunk, None))
        if not following:
            return total
        chunk = following
        number += 1


def _decrypt(source: BinaryIO, aead: AESGCM, prefix: bytes, length: int, name: str) -> Iterator[bytes]:
    chunks = max(1, -(-length // CHUNK))
    expected = length + chunks * TAG
    size = os.fstat(source.fileno()).st_size
    if size != expected:
        raise VaultError(f"attachment {name}: expected a file of {expected} bytes, got {size}")
    for number in range(chunks):
        box = source.read(CHUNK + TAG)
        try:
            yield aead.decrypt(prefix + _TAIL.pack(number, number == chunks - 1), box, None)
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"attachment {name}: expected chunk {number} as written, got another") from error


def _read_chunk(source: BinaryIO) -> bytes:
    """Exactly one chunk, or what is left of the source (sockets and pipes give less at a time)."""
    chunk = source.read(CHUNK)
    if not chunk or len(chunk) == CHUNK:
        return chunk
    parts = [chunk]
    missing = CHUNK - len(chunk)
    while missing and (chunk := source.read(missing)):
        parts.append(chunk)
        missing -= len(chunk)
    return b"".join(parts)


def _write_all(out: BinaryIO, box: bytes) -> None:
    rest = memoryview(box)
    while rest:
        rest = rest[out.write(rest) :]


def _make_durably(folder: Path, root: Path) -> None:
    """Makes ``folder`` and syncs the names of it and of its parents up to ``root``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    while folder != root:
        folder = folder.parent
        sync_directory(folder)


@contextmanager
def _clean_failure(unfinished: Path) -> Iterator[None]:
    """Whatever goes wrong, the unfinished file is removed; a full disk is said in words."""
    try:
        yield
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        folder = unfinished.parent.parent
        advice = "free some space and try again" if error.errno in _FULL else "try again"
        raise Unavailable(
            f"attachments: expected to keep the file below {folder}, got: {error.strerror or error}; "
            f"nothing was kept, {advice}"
        ) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
