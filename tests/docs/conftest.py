"""The demonstration, loaded once, with the service running over it: what the pages' examples run against."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.store.own_witness import NAME
from tests.waiting import DEADLINE, until

WIDTH = "110"
READER = "lakeside"
"""The ledger whose officer the examples act as."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A loaded demonstration: the environment that a reader of the pages has."""

    environment: dict[str, str]
    url: str


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """Data directory with the demonstration, and the service over it, all registered, signed and cosigned."""
    folder = tmp_path_factory.mktemp("demonstration")
    folder.chmod(0o755)
    programs = Path(sys.executable).parent
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AUDITLEDGER_")}
    environment |= {
        "AUDITLEDGER_DATA_DIR": str(folder / "data"),
        "AUDITLEDGER_PORT": "0",
        "COLUMNS": WIDTH,
        "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
    }
    program = str(programs / "auditledger")
    loaded = subprocess.run(
        [program, "demo", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    people = json.loads(loaded.stdout)["people"]
    environment["AUDITLEDGER_PERSON"] = next(
        each["person"] for each in people if each["ledger"] == READER and each["role"] == "officer"
    )
    with subprocess.Popen(
        [program, "up", "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as service:
        try:
            assert service.stdout is not None
            url = json.loads(service.stdout.readline())["url"]
            _caught_up(url, folder / "data" / "tiles")
            environment["URL"] = url
            yield Demonstration(environment, url)
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


def _caught_up(url: str, tiles: Path) -> None:
    """Waits until the registers hold every entry, and every entry is under a checkpoint that is witnessed."""

    def caught_up() -> bool:
        with urllib.request.urlopen(f"{url}/health", timeout=DEADLINE) as answer:
            health = json.load(answer)
        notes = [file.read_text() for file in tiles.glob("*/checkpoint")]
        published = [int(note.split("\n")[1]) for note in notes if NAME in note]
        lag = health["projections"]
        return bool(lag) and not lag["behind"] and sum(published) == health["entries"]

    until(caught_up)
