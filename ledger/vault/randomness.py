"""Random bytes for keys, salts and nonces: the system's, asked for many at a time."""

from __future__ import annotations

import os
from io import BytesIO

ASKED = 4096
"""Bytes asked of the system at a time: some dozen commands."""


class _Pool:
    def __init__(self) -> None:
        self._unspent = BytesIO()

    def take(self, count: int) -> bytes:
        # One call of C that keeps the interpreter's lock: no two threads are given the same bytes.
        taken = self._unspent.read(count)
        if len(taken) < count:
            # What is left over is forgotten; two threads that come here at once each keep what they drew.
            unspent = BytesIO(os.urandom(max(ASKED, count)))
            taken = unspent.read(count)
            self._unspent = unspent
        return taken

    def forget(self) -> None:
        """In a forked child: it would give out what its parent gives out."""
        self._unspent = BytesIO()


_POOL = _Pool()
os.register_at_fork(after_in_child=_POOL.forget)

random_bytes = _POOL.take
"""``count`` bytes of the operating system's randomness, given out once.

``os.urandom`` lets go of the interpreter's lock at every call: with many clients each is two switches of
threads, which cost more than the sealing itself. Unspent bytes lie in this process's memory, as do the keys of
the commands under way; a forked child forgets them.
"""
