"""Having ranges of a ledger worked on by several processes, and taking what they find in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from ledger import interrupts
from ledger.errors import Unavailable

Found = TypeVar("Found")
Work = Callable[[int, int], Found]
"""(start, end) → what is found there. A module's own function, or a partial of one: processes are sent it."""
AHEAD = 4
"""Ranges a process that may be found before the one whose turn it is."""


def in_order(work: Work[Found], starts: range, size: int, processes: int | None) -> Iterator[Found]:
    """What ``work`` finds in each range [start, next start or ``size``), in order.

    A few ranges ahead are under way, never all. ``processes``: None for one a processor, 8 at most. This one
    is among them: it works while the others start, and where it is alone. Raises Unavailable where one of them
    is killed, and what ``work`` raises.
    """
    workers = processes if processes is not None else min(os.cpu_count() or 1, 8)
    left = deque(_ends(starts, size))
    if workers <= 1 or len(left) <= 1:
        for each in left:
            yield work(*each)
        return
    others, room = workers - 1, AHEAD * workers
    with ProcessPoolExecutor(others, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[Found]] = deque()
        try:
            while left or waiting:
                # One that is worked on and one to go on with, for each: what is handed over is not taken back.
                while left and len(waiting) < room and sum(not each.done() for each in waiting) < 2 * others:
                    with interrupts.held():
                        waiting.append(pool.submit(work, *left.popleft()))
                if left and len(waiting) < room and not waiting[0].done():
                    waiting.append(_done(work, *left.popleft()))
                else:
                    yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise Unavailable("a process that was checking ended before it was done") from error
        finally:
            for future in waiting:
                future.cancel()


def _done(work: Work[Found], start: int, end: int) -> Future[Found]:
    """What is found here and now; an error has its turn as any other finding has."""
    future: Future[Found] = Future()
    try:
        future.set_result(work(start, end))
    except Exception as error:  # noqa: BLE001  (raised in its turn)
        future.set_exception(error)
    return future


def _ends(starts: range, size: int) -> Sequence[tuple[int, int]]:
    return [(start, min(start + starts.step, size)) for start in starts]
