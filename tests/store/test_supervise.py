"""The embedded server, watched: started again by one of those who watch, after pauses that grow."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from time import sleep

import pytest
import structlog

from ledger.store import embedded
from ledger.store.embedded import EmbeddedServer
from ledger.store.supervise import LONGEST_PAUSE, Supervisor, pauses
from tests.store.test_embedded import postmasters
from tests.waiting import until as wait


def kill(folder: Path) -> None:
    (pid,) = postmasters(folder)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: pid not in postmasters(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def test_pauses_grow_and_end_growing() -> None:
    assert [pauses(failed) for failed in range(5)] == [0, 1, 2, 4, 8]
    assert pauses(6) == pauses(10_000) == LONGEST_PAUSE


def test_a_server_that_dies_is_started_again_and_nothing_else_is(folder: Path) -> None:
    with EmbeddedServer(folder) as server, Supervisor(server, poll=0.01) as watching:
        (first,) = postmasters(folder)
        sleep(0.1)
        assert (watching.restarts, watching.alarm) == (0, None)
        kill(folder)
        wait(lambda: watching.restarts == 1)
        (second,) = postmasters(folder)
        assert second != first
        assert watching.alarm is None
        with server.database.connect_admin() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert postmasters(folder) == []


def test_of_two_who_watch_one_starts_it(folder: Path) -> None:
    with (
        EmbeddedServer(folder) as one,
        EmbeddedServer(folder) as other,
        Supervisor(one, poll=0.01) as first,
        Supervisor(other, poll=0.01) as second,
    ):
        for deaths in range(1, 4):
            kill(folder)
            wait(lambda deaths=deaths: first.restarts + second.restarts == deaths)
            wait(lambda: first.alarm is None and second.alarm is None)
            assert len(postmasters(folder)) == 1


def test_what_does_not_start_is_tried_again_ever_later_with_an_alarm(folder: Path) -> None:
    asked: list[int] = []

    def pause(failed: int) -> float:
        asked.append(failed)
        return 0.01

    with (
        structlog.testing.capture_logs() as logged,
        EmbeddedServer(folder) as server,
        Supervisor(server, poll=0.01, pause=pause) as watching,
    ):
        settings = server.data / "postgresql.auto.conf"
        settings.write_text("no_such_setting = on\n")
        kill(folder)
        wait(lambda: len(asked) > 3)
        assert watching.alarm is not None
        assert "no_such_setting" in watching.alarm
        assert postmasters(folder) == []
        settings.write_text("")
        wait(lambda: watching.restarts == 1)
        assert watching.alarm is None
        assert asked == list(range(len(asked)))
        # It died again soon: the pause goes on growing where it was.
        kill(folder)
        wait(lambda: watching.restarts == 2)
        assert asked[-1] > 3
    assert {line["log_level"] for line in logged if line["event"] == "embedded database: down"} == {"error"}
    assert sum(line["event"] == "embedded database: up again" for line in logged) == 2


def test_a_disk_too_full_for_a_start_ends_no_watch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with EmbeddedServer(folder) as server, Supervisor(server, poll=0.01, pause=lambda _: 0.01) as watching:
        with monkeypatch.context() as patch:
            patch.setattr(embedded.os, "fsync", full)
            kill(folder)
            wait(lambda: "No space left on device" in (watching.alarm or ""))
        wait(lambda: watching.restarts == 1)
        assert watching.alarm is None


def test_nothing_is_started_once_it_was_told_to_stop_or_its_user_has_left(folder: Path) -> None:
    with EmbeddedServer(folder) as server, Supervisor(server, poll=0.01) as watching:
        watching.stop()
        kill(folder)
        sleep(0.2)
        assert postmasters(folder) == []
    with EmbeddedServer(folder) as left:
        left.close()
        assert left.revive() is False
    assert postmasters(folder) == []
