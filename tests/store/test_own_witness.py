"""A child that is silent, or says something else, neither hangs nor ends the thread that looks after it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.store import own_witness
from ledger.store.own_witness import NAME, OwnWitness
from ledger.store.witnessed import LOCAL, POLICY
from ledger.tlog.policy import read_policy
from ledger.vault.signing import SigningKeys
from tests.waiting import until

REAL = sys.executable
PROGRAM = """#!{real}
import os, sys, time
with open({starts!r}, "a") as file:
    file.write("started\\n")
if open({starts!r}).read().count("\\n") <= {times}:
    os.write(1, {said!r})
    {then}
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""
ENDS_WITH_INPUT = "sys.stdin.read(); sys.exit()"
NEVER_ENDS = "time.sleep(600)"
SAID = [
    b"",
    b"garbage\n",
    b"without an end",
    b"\xff\xfe\n",
    b"[1]\n",
    b"{}\n",
    b'{"key": "no key", "url": "http://127.0.0.1:1"}\n',
    b'{"key": null, "url": null}\n',
    b"x" * 60_000,
]

Run = Callable[..., OwnWitness]


class House:
    """A data directory with a signing key, and a program in the place of the witness's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starts = folder / "starts"
        self.signing = SigningKeys(folder / "signing")
        (folder / "signing").mkdir(mode=0o700)
        self.signing.first("x", "e/x")
        self.own = OwnWitness(folder, self.signing)

    def program(self, said: bytes, then: str, times: int) -> str:
        path = self.folder / "program"
        path.write_text(
            PROGRAM.format(real=REAL, starts=str(self.starts), said=said, then=then, times=times), "utf-8"
        )
        path.chmod(0o700)
        return str(path)

    def started(self) -> int:
        return self.starts.read_text().count("\n") if self.starts.exists() else 0

    @contextmanager
    def running(self) -> Iterator[threading.Thread]:
        stop, began = threading.Event(), threading.Event()
        began.set()
        thread = threading.Thread(target=self.own.run, args=(stop, began))
        thread.start()
        try:
            yield thread
        finally:
            stop.set()
            thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize("said", SAID)
def test_one_that_says_something_else_is_ended_and_started_again(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(own_witness, "LAST_WORDS", 2.0)
    monkeypatch.setattr(own_witness, "pauses", lambda _: 0.1)
    monkeypatch.setattr(sys, "executable", house.program(said, ENDS_WITH_INPUT, 1))
    with house.running() as thread:
        until(lambda: house.own.restarts == 1)
        # What is no policy is kept nowhere: whoever reads it goes on.
        assert house.own.policy() is None
        assert not (house.folder / LOCAL / POLICY).exists()
        monkeypatch.setattr(own_witness, "LAST_WORDS", 60.0)
        until(house.own.policy)
        assert thread.is_alive()
        assert house.started() == 2
        assert [each.key.name for each in read_policy(house.folder / LOCAL / POLICY).witnesses.values()] == [
            NAME
        ]


@pytest.mark.parametrize("said", [b"", b"without an end"])
def test_while_one_is_silent_the_thread_ends_as_told(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(own_witness, "LAST_WORDS", 600.0)
    monkeypatch.setattr(sys, "executable", house.program(said, ENDS_WITH_INPUT, 1))
    with house.running():
        until(house.started)
    assert house.started() == 1


def test_one_that_does_not_end_is_killed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_witness, "LAST_WORDS", 1.0)
    monkeypatch.setattr(sys, "executable", house.program(b"", NEVER_ENDS, 9))
    began = time.monotonic()
    with house.running():
        until(house.started)
    assert time.monotonic() - began < 60
