"""The key-encryption key: it wraps every vault key, and never lies in the database."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.durable import sync_directory
from ledger.errors import SettingsError, VaultError
from ledger.vault.randomness import random_bytes

KEY_BYTES = 32
NONCE_BYTES = 12
KEK_VARIABLE = "AUDITLEDGER_KEK"
KEK_FILE = "kek"
ABANDONED = 3600.0
"""Seconds after which a key file that was never put in its place is nobody's any more."""


class Wrapped(NamedTuple):
    """A vault key as it is stored, and the name of the key-encryption key that wrapped it."""

    kek_id: str
    key: bytes


class KeyEncryptionKey(Protocol):
    """What wraps vault keys: a local key here, a KMS or a ring of rotated keys by the same three names."""

    @property
    def kek_id(self) -> str:
        """The name written beside each key this one wraps."""
        ...

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        """The vault key ``key``, encrypted and bound to its id, by the newest key. ``Unavailable``,
        ``KekDenied``."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes, kek_id: str) -> bytes:
        """The vault key again. ``WrongKek`` if another key wrapped it, ``KekDenied`` where it may not be used,
        ``Unavailable`` where it cannot be reached, any other ``VaultError`` if it was altered."""
        ...


class WrongKek(VaultError):
    """The key-encryption key in use is not the one that wrapped this key: a wrong setting, not a loss."""


class KekDenied(VaultError):
    """Whoever keeps the key-encryption key does not let this process use it: nothing is lost."""


class LocalKek:
    """A 256-bit key held by this process; wraps by AES-256-GCM with the vault key's id as associated data.

    Nonces are random: rotate the key before it has wrapped 2**32 vault keys (NIST SP 800-38D, 8.3).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SettingsError(f"key-encryption key: expected {KEY_BYTES} bytes, got {len(key)}")
        self._aead = AESGCM(key)
        self._id = "local-" + hashlib.sha256(b"auditledger.kek\x00" + key).hexdigest()[:16]

    @property
    def kek_id(self) -> str:
        """``local-`` and 16 hex digits of a digest of the key (which is random, so nothing can be guessed)."""
        return self._id

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        """12-byte nonce ‖ AES-256-GCM of ``key``; associated data is the key id."""
        nonce = random_bytes(NONCE_BYTES)
        return Wrapped(self._id, nonce + self._aead.encrypt(nonce, key, key_id.encode()))

    def unwrap(self, key_id: str, wrapped: bytes, kek_id: str) -> bytes:
        """The inverse of ``wrap``; raises ``WrongKek`` and ``VaultError``."""
        if kek_id != self._id:
            raise WrongKek(
                f"key {key_id}: expected key-encryption key {kek_id}, got {self._id}; set the right key"
            )
        try:
            key = self._aead.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], key_id.encode())
        except (InvalidTag, ValueError) as error:
            raise VaultError(f"key {key_id}: expected what {kek_id} wrapped, got altered bytes") from error
        if len(key) != KEY_BYTES:
            raise VaultError(f"key {key_id}: expected {KEY_BYTES} bytes, got {len(key)}")
        return key


def load_kek(path: Path, environ: Mapping[str, str] = os.environ) -> LocalKek:
    """The key-encryption key from ``AUDITLEDGER_KEK`` (base64 of 32 bytes), else from the file ``path``.

    Raises ``VaultError`` when there is none, ``SettingsError`` when it is malformed or others may read it.
    """
    if text := environ.get(KEK_VARIABLE):
        return LocalKek(decode_kek(text, KEK_VARIABLE))
    return read_kek(path)


def read_kek(path: Path) -> LocalKek:
    """The key-encryption key of a file. Raises as ``load_kek``."""
    return LocalKek(read_secret(path))


def read_secret(path: Path) -> bytes:
    """The 32 bytes of a key file. Raises as ``load_kek``."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError as error:
        raise VaultError(
            f"key-encryption key: expected {path} or {KEK_VARIABLE}, got neither; restore it from its backup"
        ) from error
    except OSError as error:
        raise SettingsError(f"{path}: expected a readable key file, got {error.strerror}") from error
    try:
        status = os.fstat(fd)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"{path}: expected a regular key file, got another kind of file")
        if os.name == "posix" and mode & 0o077:
            raise SettingsError(f"{path}: expected mode 0600, got {mode:04o}; run chmod 600 on it")
        return decode_kek(os.read(fd, 256).decode("ascii", "replace"), str(path))
    finally:
        os.close(fd)


def load_or_create_kek(
    path: Path,
    *,
    keys_exist: bool,
    environ: Mapping[str, str] = os.environ,
    step: Callable[[str], None] = lambda _: None,
) -> LocalKek:
    """Like ``load_kek``, and makes the file when there is no key yet.

    ``keys_exist`` says whether wrapped keys stand in the vault: then a new key would hide a loss, and the
    missing file is a ``VaultError``. Two processes that start together end with the same key. ``step`` is
    called with the name of each step of the making. Raises ``SettingsError`` where the file cannot be written.
    """
    if environ.get(KEK_VARIABLE):
        return load_kek(path, environ)
    try:
        if not (keys_exist or path.exists()):
            _create(path, step)
        if path.exists():
            _remove_copies(path)
            if not keys_exist:
                # Whoever made it may not have come this far: no key is wrapped by one that could be lost yet.
                _sync_upwards(path.parent)
    except OSError as error:
        raise SettingsError(f"{path}: expected to write a new key file, got {error.strerror}") from error
    return load_kek(path, environ)


def _create(path: Path, step: Callable[[str], None]) -> None:
    """Puts a new key under ``path``, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A crash before the link leaves a key of no use under a temporary name; between the link and the end of
    # this the whole key under both names, of which the next start removes the second.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(kek_text(os.urandom(KEY_BYTES)))
            file.flush()
            os.fsync(file.fileno())
        step("written")
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        step("linked")
    finally:
        temporary.unlink(missing_ok=True)
    step("unlinked")


def kek_text(key: bytes) -> bytes:
    """What stands in a key file."""
    return base64.b64encode(key) + b"\n"


def _remove_copies(path: Path) -> None:
    """Removes what killed makers left: second names of the key, which would outlive it, and keys of no use."""
    key = path.stat().st_ino
    for copy in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(FileNotFoundError):
            found = copy.stat()
            if found.st_ino == key or found.st_mtime < time.time() - ABANDONED:
                copy.unlink()


def _sync_upwards(folder: Path) -> None:
    """Makes the names in a folder durable, and its own and its parents', as far up as we may read."""
    sync_directory(folder)
    for parent in folder.absolute().parents:
        try:
            sync_directory(parent)
        except OSError:
            # Not ours to read: it was there before us.
            return


def decode_kek(text: str, where: str) -> bytes:
    """The 32 bytes of base64. Raises SettingsError, which never repeats what it was given."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError(
            f"{where}: expected base64 of {KEY_BYTES} bytes, got text that is not base64"
        ) from error
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{where}: expected base64 of {KEY_BYTES} bytes, got {len(key)} bytes")
    return key
