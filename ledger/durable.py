"""Files that must be whole and still there after a crash: written aside, made durable, put in their place."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def put(path: Path, data: bytes, *, mode: int = 0o644, step: Callable[[str], None] = lambda _: None) -> None:
    """Puts ``data`` in the place of a file, whole and durable on return; its folder must be there.

    A crash in here leaves what was there before, or the new file, and perhaps one beside it whose name begins
    with a dot and ends in ``.new``. ``step`` is told when it is ``written`` and when it is ``named``. Raises
    OSError, and then nothing is left beside.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        write(new, data, mode=mode)
        step("written")
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    step("named")
    sync_directory(path.parent)


def put_new(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Puts ``data`` in a place where no file is, whole and durable on return; its folder must be there.

    A crash in here leaves none, or the whole file, and perhaps one beside it as ``put`` does. Raises OSError,
    FileExistsError where there is one: that stays as it is.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        write(new, data, mode=mode)
        os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
    sync_directory(path.parent)


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Writes a new file, its content durable on return, its name not yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process, or thread, is in here with the same folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_directory(folder: Path) -> None:
    """Makes the names in a folder durable (POSIX; elsewhere a rename already is as durable as it gets)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
