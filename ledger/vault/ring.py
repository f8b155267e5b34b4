"""The ring of key-encryption keys: the newest wraps, and those before it open what they wrapped.

In files it is ``kek``, the newest, and beside it ``kek.<name>`` each one before, until somebody drops it: when
no key of the vault is wrapped by it any more, backups from before still are. In the settings it is ``kek``, or
what a provider keeps, and ``kek_previous``. Another process may rotate the file at any time: it is looked at
before each wrapping.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger import durable
from ledger.errors import SettingsError, Unavailable, VaultError
from ledger.vault.kek import (
    KEK_VARIABLE,
    KEY_BYTES,
    KeyEncryptionKey,
    LocalKek,
    Wrapped,
    WrongKek,
    decode_kek,
    kek_text,
    load_or_create_kek,
    read_kek,
    read_secret,
)
from ledger.vault.provider import provided

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True, repr=False)
class KekSource:
    """Where key-encryption keys are: the file, or by settings a text or a provider; and those before.

    ``text`` and ``previous`` are base64 of 32 bytes; ``provider`` as of ``ledger.vault.provider``.
    """

    path: Path
    text: str | None = None
    previous: Sequence[str] = ()
    provider: str | None = None
    argument: str | None = None

    @property
    def in_file(self) -> bool:
        """Whether the newest is the file: then this program can make its successor."""
        return not (self.text or self.provider)


class KekRing:
    """The key-encryption keys of an installation, as one ``KeyEncryptionKey``. Thread-safe."""

    def __init__(self, source: KekSource, *, keys_exist: bool) -> None:
        """``keys_exist`` as of ``load_or_create_kek``. Raises SettingsError, VaultError, Unavailable."""
        self.source = source
        self._stamp: tuple[int, int] | None = None
        if source.provider is not None:
            self._newest: KeyEncryptionKey = provided(source.provider, source.argument)
        else:
            environ = {KEK_VARIABLE: source.text} if source.text else {}
            self._newest = load_or_create_kek(source.path, keys_exist=keys_exist, environ=environ)
        self._older: dict[str, LocalKek] = {}
        self._at_hand: frozenset[str] = frozenset()
        self._read()

    def close(self) -> None:
        """Lets go of a provider that has something open (a program, a connection)."""
        close = getattr(self._newest, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> KekRing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def kek_id(self) -> str:
        """The name of the newest."""
        return self._current().kek_id

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        """By the newest, as it is now."""
        return self._current().wrap(key_id, key)

    def unwrap(self, key_id: str, wrapped: bytes, kek_id: str) -> bytes:
        """By the one that wrapped it."""
        newest = self._current()
        if (older := self._older.get(kek_id)) is not None:
            return older.unwrap(key_id, wrapped, kek_id)
        try:
            # A key service knows its own former keys.
            return newest.unwrap(key_id, wrapped, kek_id)
        except WrongKek:
            self._read()
            if (older := self._older.get(kek_id)) is None:
                raise
            return older.unwrap(key_id, wrapped, kek_id)

    def older(self) -> list[str]:
        """The names of those before the newest that are at hand."""
        self._read()
        return sorted(self._at_hand)

    def left(self) -> list[str]:
        """The names of those before the newest that have a file here."""
        newest = self._current()
        known = {newest.kek_id} if isinstance(newest, LocalKek) else set()
        return sorted(set(kek_names(self.source.path)) - known)

    def rotate(self, step: Step = lambda _: None) -> None:
        """Makes the successor of the file's key, from now on the newest; the one before it is kept beside.

        Order: (1) the old key is durable under its own name too; (2) the new one takes its place, durably. A
        crash after (1) leaves one key under two names; none leaves a vault without its key. Raises
        SettingsError where a file cannot be written, or the newest is no file's.
        """
        path = self.source.path
        if not self.source.in_file:
            raise SettingsError(
                "kek: the key-encryption key is in the settings, not in a file: change it there"
            )
        known = self._newest.kek_id
        try:
            # Whoever rotates at the same time would put a key in the place of ours, which may wrap already.
            with durable.alone(path.parent):
                old = read_secret(path)
                if LocalKek(old).kek_id != known:
                    raise Unavailable("key-encryption key: it was rotated meanwhile; run this once more")
                durable.put(self._file(known), kek_text(old), mode=0o600)
                step("kept")
                durable.put(path, kek_text(os.urandom(KEY_BYTES)), mode=0o600)
        except OSError as error:
            raise SettingsError(f"{path}: expected to write a new key file, got {error.strerror}") from error
        step("made")
        self._read()

    def drop(self, kek_id: str) -> None:
        """Removes the file of one before the newest, by which nothing is wrapped; durable on return.

        A crash in here leaves the file, or none. Raises SettingsError where it cannot be removed.
        """
        path = self._file(kek_id)
        try:
            path.unlink(missing_ok=True)
            durable.sync_directory(path.parent)
        except OSError as error:
            raise SettingsError(f"{path}: expected to remove it, got {error.strerror}") from error
        self._read()

    def _file(self, kek_id: str) -> Path:
        return self.source.path.with_name(f"{self.source.path.name}.{kek_id}")

    def _current(self) -> KeyEncryptionKey:
        if self.source.in_file and self._stamp != _stamp(self.source.path):
            self._read()
        return self._newest

    def _read(self) -> None:
        source = self.source
        # Before the keys are read: one that is changed meanwhile is then looked at again.
        stamp = _stamp(source.path)
        found = [LocalKek(decode_kek(text, "kek_previous")) for text in source.previous]
        if stamp is not None and source.in_file:
            for path in map(self._file, kek_names(source.path)):
                try:
                    found.append(read_kek(path))
                except VaultError:
                    # Whoever drops it may have removed it between the two.
                    if path.exists():
                        raise
            self._newest = read_kek(source.path)
        newest = self._newest.kek_id if isinstance(self._newest, LocalKek) else None
        at_hand = {each.kek_id: each for each in found if each.kek_id != newest}
        # What was at hand before stays so here: a key that it wrapped may have been read before that changed.
        self._older = {**self._older, **at_hand}
        self._at_hand = frozenset(at_hand)
        self._stamp = stamp


def kek_names(path: Path) -> list[str]:
    """The names of the keys that have a file beside that of the newest, ``path``."""
    return sorted(each.name.removeprefix(f"{path.name}.") for each in path.parent.glob(f"{path.name}.local-*"))


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes with the key in a file; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
