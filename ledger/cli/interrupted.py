"""How Ctrl-C leaves the program, from its first import on: so nothing is imported here but ``sys``."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def interrupted() -> int:
    """Says in one line that the program was interrupted; returns the exit code."""
    if sys.stderr is not None:
        sys.stderr.write("auditledger: interrupted\n")
    return INTERRUPTED
