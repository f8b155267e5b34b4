"""Ctrl-C is for the program; the processes that it starts for its work are ended by it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[None]:
    """A process started within never hears Ctrl-C, which a terminal sends to all: it inherits what is held.

    Held is it for this thread alone, and comes through at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
