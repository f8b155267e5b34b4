"""The keys that sign a ledger's checkpoints: files of mode 0600, in the format of Go's sumdb/note.

They lie beside the key-encryption key and never in the database: who rewrites the one has not the other.
"""

from __future__ import annotations

from pathlib import Path

from ledger.durable import sync_directory
from ledger.errors import SettingsError, Unavailable
from ledger.tlog.keyfile import read_key, write_key
from ledger.tlog.note import ED25519, SigningKey, VerifierKey

FOLDER = "signing"


class SigningKeys:
    """The signing keys of an installation's ledgers: ``<folder>/<slug>.<key id>.key``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, slug: str, key: VerifierKey) -> Path:
        """The file of a key of a ledger."""
        return self.folder / f"{slug}.{key.id.hex()}.key"

    def of(self, slug: str, origin: str) -> list[SigningKey]:
        """The keys of a ledger, by id. Raises SettingsError for a file that is malformed or others may read."""
        keys = [read_key(path) for path in sorted(self.folder.glob(f"{slug}.*.key"))]
        for key in keys:
            if key.verifier.name != origin or key.verifier.kind != ED25519:
                raise SettingsError(
                    f"{self.folder}: expected a key of {origin}, got one of {key.verifier.name}"
                )
        return keys

    def every(self) -> list[SigningKey]:
        """The keys of all ledgers, by slug and id. Raises SettingsError as ``of`` does."""
        return [read_key(path) for path in sorted(self.folder.glob("[!.]*.key"))]

    def first(self, slug: str, origin: str) -> list[SigningKey]:
        """The keys of a ledger that nothing was signed for yet, durable on return; a new one where it has none.

        Only one process may be at it (who seals holds a lease). A crash in here leaves no key, or a whole one
        that the next call makes durable, and a file that it removes. Raises SettingsError as ``of`` does,
        Unavailable where the file cannot be written.
        """
        try:
            for left in self.folder.glob(f".{slug}.*"):
                left.unlink(missing_ok=True)
            keys = self.of(slug, origin)
            if not keys:
                keys = [SigningKey.generate(origin)]
                write_key(self.path(slug, keys[0].verifier), keys[0])
            if len(keys) > 1:
                raise SettingsError(
                    f"{self.folder}: expected one key of {origin}, for which nothing was signed yet, got "
                    f"{len(keys)}; remove those that are not its own"
                )
            # Of one that a crash left, too: nothing is signed by a key whose name may be lost with the power.
            for folder in (self.folder, self.folder.parent):
                sync_directory(folder)
        except OSError as error:
            raise Unavailable(f"{self.folder}: a new signing key cannot be kept: {error.strerror}") from error
        return keys
