"""Work beside the service: its result, its refusals, its death; how much of it there is at once."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from unittest import mock

import pytest

from ledger.errors import AuditLedgerError, Forbidden, InvalidInput, LawRefused, Unavailable
from projections import aside as module
from projections.aside import Aside, Failed
from tests.waiting import DEADLINE, until


@pytest.fixture
def aside() -> Iterator[Aside]:
    """One process at once."""
    made = Aside(1)
    yield made
    made.close()


def counted(folder: Path) -> int:
    """Leaves a file while it works, until it may end; gives how many such there are, itself among them."""
    mine = folder / f"{os.getpid()}.works"
    mine.touch()
    until((folder / "end").exists)
    found = len(list(folder.glob("*.works")))
    mine.unlink()
    return found


def refused(which: int) -> bytes:
    """Refuses."""
    raise (
        InvalidInput("field", "a number", "words"),
        LawRefused("PDPA s 78(4)", "too late"),
        Forbidden("not you"),
    )[which]


def fails() -> bytes:
    """Fails with what it read in its message."""
    raise ValueError("Quentin Planted")


def dies() -> bytes:
    """What the machine does to who takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def dies_within_its_answer() -> bytes:
    """The same, when six bytes of the answer are sent."""

    def send(self: Connection, answer: bytes) -> None:
        os.write(self.fileno(), answer[:6])
        dies()

    mock.patch.object(Connection, "_send", send).start()
    return b"long enough"


def said(words: str) -> bytes:
    """The words."""
    return words.encode()


def held(folder: Path, words: str) -> bytes:
    """The words, once it may end."""
    until((folder / "end").exists)
    return words.encode()


def interrupted() -> bytes:
    """What a terminal sends to all processes of its group."""
    os.kill(os.getpid(), signal.SIGINT)
    return b"went on"


def process() -> tuple[int, int]:
    """Which process works, and how urgent it is."""
    return os.getpid(), os.nice(0)


def test_ctrl_c_is_for_the_service_alone(aside: Aside) -> None:
    assert aside.do(interrupted) == b"went on"


def test_work_is_done_in_another_process_that_is_less_urgent(aside: Aside) -> None:
    number, urgency = aside.do(process)
    assert number != os.getpid()
    assert urgency == 19


def test_what_it_refuses_is_refused_as_here(aside: Aside) -> None:
    with pytest.raises(InvalidInput, match="field: expected a number, got 'words'") as wrong:
        aside.do(refused, 0)
    assert (wrong.value.field, wrong.value.expected, wrong.value.got) == ("field", "a number", "words")
    with pytest.raises(LawRefused, match="too late") as unlawful:
        aside.do(refused, 1)
    assert unlawful.value.citation == "PDPA s 78(4)"
    with pytest.raises(Forbidden, match="not you"):
        aside.do(refused, 2)


@pytest.mark.parametrize("work", [dies, dies_within_its_answer])
def test_a_process_that_dies_is_said_and_the_next_one_works(aside: Aside, work: Callable[[], bytes]) -> None:
    with pytest.raises(Unavailable, match="ended with -9"):
        aside.do(work)
    assert aside.do(said, "on") == b"on"


def test_no_process_to_be_had_is_said_and_what_was_begun_is_begun_anew(
    aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: BaseProcess) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as machine:
        machine.setattr(BaseProcess, "start", start)
        with pytest.raises(Unavailable, match="no process can be started"):
            aside.do(said, "now")
        aside.begin("a", said, "later")
        assert "no process can be started" in failure(aside, "a")
    aside.begin("a", said, "later")
    assert made(aside, "a") == b"later"


def test_a_failure_says_where_and_never_what(aside: Aside, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed):
        aside.do(fails)
    said = capfd.readouterr()
    assert "ValueError" in said.out + said.err
    assert "fails" in said.out + said.err
    assert "Planted" not in said.out + said.err


def test_no_more_of_it_at_once_than_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = Aside(2)
    found: list[int] = []
    threads = [Thread(target=lambda: found.append(two.do(counted, tmp_path))) for _ in range(5)]
    for thread in threads[:2]:
        thread.start()
    until(lambda: len(list(tmp_path.glob("*.works"))) == 2)
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    with pytest.raises(Unavailable, match="2 reports or folds are being made"):
        two.do(said, "too much")
    monkeypatch.setattr(module, "PATIENCE", DEADLINE)
    for thread in threads[2:]:
        thread.start()
    (tmp_path / "end").touch()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert max(found) <= 2


def made(aside: Aside, key: str) -> bytes:
    """What was begun under a key, once it is made."""
    return until(lambda: aside.made(key)) or b""


def failure(aside: Aside, key: str) -> str:
    """What was begun under a key is refused with, once it is."""

    def why() -> str:
        try:
            aside.begin(key, said, "never")
        except AuditLedgerError as error:
            return str(error)
        return ""

    return until(why)


def test_what_was_begun_is_kept_for_an_hour(aside: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aside.made("a") is None
    for _ in range(3):
        aside.begin("a", said, "once")
    assert made(aside, "a") == b"once"
    later = time.monotonic() + module.KEPT + 1
    monkeypatch.setattr(module, "monotonic", lambda: later)
    assert aside.made("a") is None


def test_the_oldest_goes_where_too_much_is_kept(aside: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 20)
    for key in ("a", "b", "c"):
        aside.begin(key, said, key)
        assert made(aside, key) == key.encode()
    assert (aside.made("a"), aside.made("c")) == (None, b"c")


def test_what_was_begun_and_refused_is_said_once_then_begun_anew(aside: Aside) -> None:
    aside.begin("a", refused, 2)
    assert failure(aside, "a") == "not you"
    aside.begin("a", said, "again")
    assert made(aside, "a") == b"again"


def test_a_refusal_that_nobody_asked_for_is_forgotten_after_an_hour(
    aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside.begin("a", refused, 2)
    until(lambda: aside._failed)
    later = time.monotonic() + module.KEPT + 1
    monkeypatch.setattr(module, "monotonic", lambda: later)
    aside.begin("a", said, "again")
    assert made(aside, "a") == b"again"


def test_too_much_that_waits_is_refused(aside: Aside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 2)
    aside.begin("a", held, tmp_path, "a")
    aside.begin("b", said, "b")
    with pytest.raises(Unavailable, match="2 reports or folds"):
        aside.begin("c", said, "c")
    (tmp_path / "end").touch()
    assert made(aside, "b") == b"b"
    aside.begin("c", said, "c")


def test_what_works_is_ended_with_the_service(tmp_path: Path) -> None:
    aside = Aside(1)
    answers: list[str] = []

    def ask() -> None:
        try:
            aside.do(counted, tmp_path)
        except Unavailable as error:
            answers.append(str(error))

    thread = Thread(target=ask)
    thread.start()
    until(lambda: list(tmp_path.iterdir()))
    aside.close()
    thread.join(DEADLINE)
    assert answers == ["the process that made it ended with -15"]
    with pytest.raises(Unavailable, match="stopping"):
        aside.do(said, "late")
