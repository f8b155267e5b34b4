"""Signing keys in files that no one else may read, in the format of Go's sumdb/note."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ledger import durable
from ledger.errors import CodecError, SettingsError
from ledger.tlog.note import SigningKey

_MOST_BYTES = 4096


def read_key(path: Path) -> SigningKey:
    """The key of a file. Raises SettingsError where it is malformed, others may read it, or it is not there."""
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


def write_key(path: Path, key: SigningKey) -> None:
    """Writes a new key to a file of mode 0600, durable on return; its folder is made where it is not there.

    A crash in here leaves no key, or a whole one. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.put(path, f"{key.secret_text}\n".encode(), mode=0o600)
    durable.sync_directory(path.parent.parent)
