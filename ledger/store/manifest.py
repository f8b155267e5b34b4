"""What a backup set says of itself: ``manifest.json``, written last, so that a set without one is none."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger.errors import Altered, NotFound, Unavailable

FORMAT = "auditledger-backup-1"
MANIFEST = "manifest.json"
DUMP = "database.dump"
VAULT_DUMP = "vault.dump"
"""In a set of an installation whose vault is in a database of its own."""
KEYS = "keys"
_BLOCK = 1 << 20

Progress = Callable[[str, int, int | None], None]
"""(step, done, all): bytes, entries or files of a step; ``all`` is None where nobody knows."""


def silent(step: str, done: int, total: int | None) -> None:
    """The progress of who shows none."""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """A ledger as the set holds it.

    ``size`` entries in the database, leaf hash ``head`` of the last in hex; ``signed`` of them under the signed
    note ``checkpoint``, by ``keys`` (verifier keys); None where nothing was signed yet.
    """

    slug: str
    origin: str
    size: int
    head: str
    signed: int | None
    checkpoint: str | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileState:
    """A file of the set: bytes, SHA-256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The set: as at ``made_at`` (UTC, ISO 8601), by which version, from which PostgreSQL, what is in it.

    ``missing``: attachments that the vault names and that lay nowhere when it was made.
    """

    made_at: str
    version: str
    postgresql: str
    with_keys: bool
    ledgers: tuple[LedgerState, ...]
    missing: tuple[str, ...]
    files: Mapping[str, FileState]

    def dump(self) -> bytes:
        """The bytes of ``manifest.json``."""
        content = {"format": FORMAT, **asdict(self)}
        return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def read(cls, folder: Path) -> tuple[Manifest, str]:
        """The manifest of a set, and its own SHA-256 in hex. Raises NotFound, Altered, Unavailable."""
        path = folder / MANIFEST
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(
                f"{path}: expected the manifest of a backup set, found none; an unfinished set has none"
            ) from None
        except OSError as error:
            raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
        try:
            content = json.loads(data)
        except ValueError as error:
            raise Altered(f"{path}: expected the manifest of a backup set, got no JSON") from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise Altered(f"{path}: expected a manifest of the format {FORMAT}, got {str(found)[:40]!r}")
        try:
            return cls._parsed(content), hashlib.sha256(data).hexdigest()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Altered(f"{path}: expected the fields of the format {FORMAT}, got others") from error

    @classmethod
    def _parsed(cls, content: dict[str, Any]) -> Manifest:
        content = {name: each for name, each in content.items() if name != "format"}
        files = {str(path): FileState(**each) for path, each in content.pop("files").items()}
        for path in files:
            if path.startswith("/") or ".." in path.split("/") or path == MANIFEST:
                raise Altered(f"{MANIFEST}: expected the path of a file of the set, got {path[:80]!r}")
        ledgers = tuple(LedgerState(**{**each, "keys": tuple(each["keys"])}) for each in content.pop("ledgers"))
        for each in ledgers:
            if re.fullmatch(r"[a-z0-9-]+", each.slug) is None:
                raise Altered(f"{MANIFEST}: expected the slug of a ledger, got {each.slug[:80]!r}")
        missing = tuple(content.pop("missing"))
        return cls(**content, ledgers=ledgers, missing=missing, files=files)

    def check(self, folder: Path, progress: Progress = silent) -> None:
        """Every file of the set is what the manifest says, and there is no other.

        Raises Altered, which names the file, Unavailable.
        """
        there = set(files_of(folder)) - {MANIFEST}
        for path in sorted(there ^ set(self.files)):
            what = "is missing" if path in self.files else "is not of the set"
            raise Altered(f"{folder / path}: it {what}; nothing was restored")
        total = sum(each.size for each in self.files.values())
        done = 0
        for path, said in self.files.items():
            found = file_state(folder / path)
            if found != said:
                raise Altered(
                    f"{folder / path}: expected {said.size} bytes with SHA-256 {said.sha256}, got {found.size} "
                    f"with {found.sha256}; nothing was restored"
                )
            done += said.size
            progress("checking the set", done, total)


def files_of(folder: Path) -> list[str]:
    """The files below a folder by path, in order."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir())


def file_state(path: Path) -> FileState:
    """Length and digest of a file. Raises Unavailable."""
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    return FileState(size, digest.hexdigest())
