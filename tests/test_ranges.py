"""Ranges are worked on by several processes, this one among them, and what they find comes in order."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import parent_process
from time import sleep
from typing import Any

import pytest

from ledger import ranges
from ledger.errors import NotFound, Unavailable
from ledger.ranges import in_order


def whose(start: int, _: int) -> tuple[int, int]:
    return start, os.getpid()


def wrong(start: int, _: int) -> int:
    """Of the first ones, which are handed over, nothing is wrong."""
    if start >= 2:
        raise NotFound(str(start))
    return start


def killed(start: int, _: int) -> int:
    if parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return start


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_all_work_and_the_findings_come_in_order(processes: int) -> None:
    found = list(in_order(whose, range(0, 80, 2), 79, processes))
    assert [start for start, _ in found] == [*range(0, 80, 2)]
    pids = {pid for _, pid in found}
    assert os.getpid() in pids
    assert 1 < len(pids) <= processes or processes == 1 == len(pids)


def test_the_last_range_ends_with_the_size() -> None:
    assert list(in_order(lambda *each: each, range(0, 7, 3), 7, 1)) == [(0, 3), (3, 6), (6, 7)]


def test_one_that_is_found_early_waits_for_its_turn() -> None:
    """Here the third is wrong before the first is begun there."""
    found = in_order(wrong, range(9), 9, 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(NotFound, match="2"):
        next(found)


def test_no_more_is_found_ahead_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly it is taken: whoever works on it, it begins with that much behind its turn at most."""
    begun: list[int] = []
    real, submit = ranges._done, ProcessPoolExecutor.submit

    def here(work: ranges.Work[tuple[int, int]], start: int, end: int) -> object:
        begun.append(start)
        return real(work, start, end)

    def elsewhere(pool: ProcessPoolExecutor, work: Any, start: int, end: int) -> Any:
        begun.append(start)
        return submit(pool, work, start, end)

    monkeypatch.setattr(ranges, "_done", here)
    monkeypatch.setattr(ProcessPoolExecutor, "submit", elsewhere)
    for taken, (start, _) in enumerate(in_order(whose, range(100), 100, 2)):
        assert start == taken
        assert max(begun) - taken < ranges.AHEAD * 2
        sleep(0.01)
    assert sorted(begun) == [*range(100)]


def test_a_process_killed_while_it_checks_is_no_verdict() -> None:
    with pytest.raises(Unavailable, match="a process that was checking ended before it was done"):
        list(in_order(killed, range(6), 6, 2))
