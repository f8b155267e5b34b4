"""Rounds, medians, ratios side by side, a table, and the JSON that is kept under ``bench/results``.

The machines are slow in some hours: what is compared is run in turn within each round, and the ratio is taken
within the round, so that a slow minute strikes both.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import migrate

RESULTS = Path(__file__).parent / "results"


@contextmanager
def embedded() -> Iterator[tuple[Database, Path]]:
    """A database without ledgers on an embedded server of its own, fsync on, and a folder beside its files."""
    with tempfile.TemporaryDirectory(prefix="auditledger-bench-") as name:
        folder = Path(name)
        # The server may run as another user, who goes through it.
        folder.chmod(0o755)
        with EmbeddedServer(folder) as server:
            migrate(server.database)
            yield server.database, folder


def megabytes(file: str, field: str) -> float:
    """What a file of /proc says of memory under ``field``, in MB: its kB are 1,024 bytes."""
    lines = Path(file).read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6


@dataclass
class Row:
    """One line of the table. ``floor`` is what the issue asks for; None where a figure is only published."""

    name: str
    unit: str
    value: float
    floor: float | None = None
    note: str = ""
    rounds: list[float] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Whether the floor is kept."""
        if self.floor is None:
            return ""
        return "ok" if self.value >= self.floor else "BELOW"


@dataclass
class Report:
    """The figures of one run."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        name: str,
        unit: str,
        rounds: Sequence[float],
        *,
        floor: float | None = None,
        note: str = "",
    ) -> Row:
        """Adds the median of ``rounds``, and prints its line."""
        row = Row(name, unit, median(rounds), floor, note, list(rounds))
        self.rows.append(row)
        print(self._line(row), flush=True)
        return row

    def keep(self) -> Path:
        """Writes the JSON; returns where."""
        RESULTS.mkdir(exist_ok=True)
        now = datetime.now(UTC)
        path = RESULTS / f"{self.title}-{now:%Y%m%dT%H%M%SZ}.json"
        machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
        path.write_text(
            json.dumps(
                {
                    "title": self.title,
                    "at": now.isoformat(),
                    "machine": machine,
                    "load": os.getloadavg(),
                    "rows": [asdict(row) for row in self.rows],
                },
                indent=1,
            )
        )
        return path

    @staticmethod
    def _line(row: Row) -> str:
        floor = "" if row.floor is None else f"floor {row.floor:g}"
        return f"{row.name:<58} {row.value:>12,.2f} {row.unit:<10} {floor:<11} {row.verdict:<6} {row.note}"


def turns(rounds: int, contenders: Sequence[Callable[[], float]]) -> list[list[float]]:
    """The rates of each contender, in rounds; each round runs all of them, in turning order."""
    rates: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds):
        for step in range(len(contenders)):
            which = (number + step) % len(contenders)
            rates[which].append(contenders[which]())
    return rates


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ratio round by round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def clients(threads: int, seconds: float, work: Callable[[int], int]) -> float:
    """Things a second that ``threads`` clients get done, each calling ``work(its number)`` again and again."""
    counts = [0] * threads
    failed: list[BaseException] = []
    start = threading.Barrier(threads + 1)
    stop = threading.Event()

    def run(number: int) -> None:
        start.wait()
        try:
            while not stop.is_set():
                counts[number] += work(number)
        except BaseException as error:  # noqa: BLE001  (raised in the measuring thread below)
            failed.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    start.wait()
    begun = perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in running:
        thread.join()
    took = perf_counter() - begun
    if failed:
        raise failed[0]
    return sum(counts) / took
