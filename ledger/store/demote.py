"""Runs a program as another user: ``python demote.py USER PROGRAM [ARGUMENT ...]`` (root only).

PostgreSQL refuses to run as root. Where the data directory or the programs lie under a folder that only root
may enter (``/root``), the program keeps one capability, to pass through such folders; the folders themselves
are left as they are. A file of its own, with no import of ours, because it must run without the project on
its path and must not fork from a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct
import sys

PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def _permitted(libc: ctypes.CDLL) -> int:
    """The capabilities this process may use, as a bit set."""
    data = ctypes.create_string_buffer(24)
    if libc.capget(struct.pack("=Ii", CAPABILITY_VERSION_3, 0), data):
        raise OSError(ctypes.get_errno(), "capget")
    _, low, _, _, high, _ = struct.unpack("=6I", data.raw)
    return int(low | high << 32)


def _keep(libc: ctypes.CDLL, capability: int) -> None:
    """Keeps exactly ``capability``, over the coming exec too."""
    bit = 1 << capability
    wanted = struct.pack("=6I", bit, bit, bit, 0, 0, 0)
    if libc.capset(struct.pack("=Ii", CAPABILITY_VERSION_3, 0), wanted):
        raise OSError(ctypes.get_errno(), "capset")
    if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_CAP_AMBIENT)")


def main(user: str, pass_through: bool, program: list[str]) -> None:
    """Becomes ``user`` and runs ``program`` in this process's place."""
    entry = pwd.getpwnam(user)
    capability = None
    libc = None
    if pass_through and sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        have = _permitted(libc)
        capability = next((c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if have >> c & 1), None)
        if capability is not None and libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_KEEPCAPS)")
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if libc is not None and capability is not None:
        _keep(libc, capability)
    os.execv(program[0], program)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "pass-through", sys.argv[3:])
