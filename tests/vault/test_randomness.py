"""Random bytes are given out once: to no two threads, and to no forked child what its parent has."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from ledger.vault.randomness import ASKED, random_bytes

PIECE = 16


def test_no_two_threads_are_given_the_same_bytes() -> None:
    def take(_: int) -> list[bytes]:
        return [random_bytes(PIECE) for _ in range(3 * ASKED // PIECE)]

    with ThreadPoolExecutor(8) as pool:
        pieces = [piece for taken in pool.map(take, range(16)) for piece in taken]
    assert {len(piece) for piece in pieces} == {PIECE}
    assert len(set(pieces)) == len(pieces)


def test_more_than_is_asked_for_at_a_time() -> None:
    assert len(random_bytes(3 * ASKED)) == 3 * ASKED


def test_a_forked_child_gives_out_other_bytes_than_its_parent() -> None:
    # Nearly all of a fresh piece is unspent when the child is made.
    random_bytes(ASKED)
    random_bytes(PIECE)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, random_bytes(PIECE))
        os._exit(0)
    try:
        mine = random_bytes(PIECE)
        assert os.waitpid(child, 0)[1] == 0
        its = os.read(reading, PIECE)
    finally:
        os.close(reading)
        os.close(writing)
    assert len(its) == PIECE
    assert its != mine
