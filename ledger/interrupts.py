"""Ctrl-C and its like: for the program alone, and for a server a wish to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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


@contextmanager
def taken(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP go to ``handler`` meanwhile, but for those that are ignored."""
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = [each for each in wanted if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, handler) for each in kept}
    try:
        yield
    finally:
        for each, former in before.items():
            signal.signal(each, former)
