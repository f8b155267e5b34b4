"""Processes killed and frozen for real, at each step of the commit procedure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.writer import Writer
from tests.support import check_ledger, sample, samples

FAST, SLOW = True, False
NOTHING, ALL, EITHER = {0}, {1}, {0, 1}


def start(
    database: Database,
    ledger: Ledger,
    commands: list[str],
    *,
    step: str = "",
    signal_name: str = "SIGKILL",
    warm: bool = False,
    count: int = 1,
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.other_process"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    orders = {
        "admin": database.admin,
        "passwords": dict(database.passwords),
        "ledger": ledger.id,
        "commands": commands,
        "step": step,
        "signal": signal_name,
        "warm": warm,
        "count": count,
    }
    assert process.stdin is not None
    process.stdin.write(json.dumps(orders))
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.parametrize("count", [1, 20, 60], ids=["one entry", "many", "by COPY"])
@pytest.mark.parametrize(
    ("path", "step", "left"),
    [
        (FAST, "formed", NOTHING),
        (FAST, "sent", EITHER),
        (FAST, "answered", ALL),
        (SLOW, "slow.begun", NOTHING),
        (SLOW, "slow.locked", NOTHING),
        (SLOW, "slow.inserted", NOTHING),
        (SLOW, "slow.committed", ALL),
    ],
)
def test_a_writer_killed_at_a_step_leaves_all_or_nothing(
    database: Database, ledger: Ledger, *, path: bool, step: str, left: set[int], count: int
) -> None:
    command = str(uuid4())
    process = start(database, ledger, [command], step=step, warm=path is FAST, count=count)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert said == f"at {step}\n"
    drafts = samples(f"case-{command}", count, command=command)
    with Feed(database) as feed, Writer(database) as writer:
        before = feed.by_command(ledger.id, command)
        # The repeat waits for a statement that still runs, finds what it left, and adds what it did not.
        receipts = writer.submit(ledger.id, drafts).result(30)
        assert len(before) in {some * count for some in left}
        if before:
            assert [receipt.leaf_hash for receipt in receipts] == [row.leaf_hash for row in before]
        assert writer.submit(ledger.id, drafts).result(30) == receipts
    assert check_ledger(database, ledger) == count + path


def test_a_writer_killed_under_load_loses_nothing_that_it_acknowledged(
    database: Database, ledger: Ledger
) -> None:
    commands = [str(uuid4()) for _ in range(3000)]
    process = start(database, ledger, commands)
    acknowledged: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        acknowledged.append(line.strip())
        if len(acknowledged) == 100:
            os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    with Feed(database) as feed:
        assert all(feed.by_command(ledger.id, command) for command in acknowledged)
    with Writer(database) as writer:
        repeated = [
            writer.submit(ledger.id, [sample(f"case-{command}", command=command)]) for command in commands
        ]
        for future in repeated:
            future.result(60)
    assert check_ledger(database, ledger) == len(commands)


def test_two_processes_write_one_ledger(database: Database, ledger: Ledger) -> None:
    theirs = [str(uuid4()) for _ in range(400)]
    process = start(database, ledger, theirs, warm=True)
    with Writer(database) as writer:
        mine = 0
        while process.poll() is None or mine < 100:
            writer.submit(ledger.id, [sample(f"mine-{mine}")]).result(30)
            mine += 1
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.split() == theirs
    assert check_ledger(database, ledger) == len(theirs) + 1 + mine


def thaw(process: subprocess.Popen[str]) -> None:
    """Wakes a process once it really stands still."""
    while True:
        asked = subprocess.run(
            ["/bin/ps", "-o", "stat=", "-p", str(process.pid)], capture_output=True, text=True, check=True
        )
        if asked.stdout.startswith("T"):
            process.send_signal(signal.SIGCONT)
            return


def test_a_frozen_writer_does_not_hold_the_head(database: Database, ledger: Ledger) -> None:
    command = str(uuid4())
    frozen = start(database, ledger, [command], step="slow.locked", signal_name="SIGSTOP")
    assert frozen.stdout is not None
    assert frozen.stdout.readline() == "at slow.locked\n"
    with Writer(database) as writer:
        (receipt,) = writer.submit(ledger.id, [sample("other")]).result(30)
    assert receipt.index == 0
    thaw(frozen)
    # Awake again, it finds its session ended, takes a new one, and stops at the same step once more.
    assert frozen.stdout.readline() == "at slow.locked\n"
    thaw(frozen)
    said, _ = frozen.communicate(timeout=60)
    assert said.split() == [command]
    assert check_ledger(database, ledger) == 2
