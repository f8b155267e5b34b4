"""The keys that sign a ledger's checkpoints: files of mode 0600, in the format of Go's sumdb/note.

They lie beside the key-encryption key and never in the database: who rewrites the one has not the other.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ledger.errors import CodecError, SettingsError, Unavailable
from ledger.tlog.note import ED25519, SigningKey
from ledger.vault.kek import sync_directory

FOLDER = "signing"
_MOST_BYTES = 4096


class SigningKeys:
    """The signing keys of an installation's ledgers: ``<folder>/<slug>.<key id>.key``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, slug: str, origin: str) -> list[SigningKey]:
        """The keys of a ledger, by id. Raises SettingsError for a file that is malformed or others may read."""
        keys = [_read(path) for path in sorted(self.folder.glob(f"{slug}.*.key"))]
        for key in keys:
            if key.verifier.name != origin or key.verifier.kind != ED25519:
                raise SettingsError(
                    f"{self.folder}: expected a key of {origin}, got one of {key.verifier.name}"
                )
        return keys

    def first(self, slug: str, origin: str) -> list[SigningKey]:
        """The keys of a ledger that nothing was signed for yet, durable on return; a new one where it has none.

        Only one process may be at it (who seals holds a lease). A crash in here leaves no key, or a whole one
        that the next call makes durable, and a file that it removes. Raises SettingsError as ``of`` does,
        Unavailable where the file cannot be written.
        """
        try:
            for left in self.folder.glob(f".{slug}.*"):
                left.unlink(missing_ok=True)
            keys = self.of(slug, origin) or [self._create(slug, origin)]
            # Of one that a crash left, too: nothing is signed by a key whose name may be lost with the power.
            for folder in (self.folder, self.folder.parent):
                sync_directory(folder)
        except OSError as error:
            raise Unavailable(f"{self.folder}: a new signing key cannot be kept: {error.strerror}") from error
        return keys

    def _create(self, slug: str, origin: str) -> SigningKey:
        key = SigningKey.generate(origin)
        new = self.folder / f".{slug}.{secrets.token_hex(8)}"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(key.secret_text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.folder / f"{slug}.{key.verifier.id.hex()}.key")
        except OSError:
            new.unlink(missing_ok=True)
            raise
        return key


def _read(path: Path) -> SigningKey:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_MOST_BYTES)
    except OSError as error:
        raise SettingsError(f"{path}: expected a readable key file, got {error.strerror}") from error
    if os.name == "posix" and mode & 0o077:
        raise SettingsError(f"{path}: expected mode 0600, got {mode:04o}; run chmod 600 on it")
    try:
        return SigningKey.parse(text.decode("utf-8", "replace"))
    except CodecError as error:
        raise SettingsError(f"{path}: {error}") from error
