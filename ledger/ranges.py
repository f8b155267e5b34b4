"""Having ranges of a ledger worked on by several processes, and taking what they find in order."""

from __future__ import annotations

import os
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


def in_order(work: Work[Found], starts: range, size: int, processes: int | None) -> Iterator[Found]:
    """What ``work`` finds in each range [start, next start or ``size``), in order.

    A few ranges ahead are under way, never all. ``processes``: None for one a processor, 8 at most; with 1, or
    one range, this process does it. Raises Unavailable where one of them is killed, and what ``work`` raises.
    """
    workers = processes if processes is not None else min(os.cpu_count() or 1, 8)
    ranges = _ends(starts, size)
    if workers <= 1 or len(ranges) <= 1:
        for each in ranges:
            yield work(*each)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: list[Future[Found]] = []
        try:
            for each in ranges:
                with interrupts.held():
                    waiting.append(pool.submit(work, *each))
                if len(waiting) > 2 * workers:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        except BrokenProcessPool as error:
            raise Unavailable("a process that was checking ended before it was done") from error
        finally:
            for future in waiting:
                future.cancel()


def _ends(starts: range, size: int) -> Sequence[tuple[int, int]]:
    return [(start, min(start + starts.step, size)) for start in starts]
