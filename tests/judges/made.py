"""What the judges are shown: a log of every event, bundles unzipped by ``zipfile``, a folder of tiles."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from itertools import cycle
from pathlib import Path
from uuid import UUID

from ledger.codec.declare import micros
from ledger.codec.entry import Actor, Precision, Source, SourceKind, place, prefix, template
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.tlog.tiles import HEIGHT, WIDTH, bundle, bundle_at, grown, levels
from tests.bundle.made import ORIGIN, Log
from tests.golden.build import FOLDER, MOMENT

HAPPENED: Sequence[tuple[date | datetime | None, Precision]] = (
    (MOMENT, Precision.INSTANT),
    (date(2025, 6, 11), Precision.DAY),
    (date(1969, 12, 1), Precision.MONTH),
    (date(2025, 1, 1), Precision.YEAR),
    (None, Precision.UNKNOWN),
)
"""Of every kind; a day before 1970 too."""


def payloads() -> Iterator[tuple[str, bytes]]:
    """(event, golden payload) of every event, twice: every field stated, only the required ones."""
    for file in sorted(FOLDER.glob("*.hex")):
        for line in file.read_text("ascii").split():
            yield file.stem, bytes.fromhex(line)


@cache
def every_event() -> Log:
    """A log with two entries of every event there is."""
    entries: list[bytes] = []
    for (event, payload), (happened, precision) in zip(payloads(), cycle(HAPPENED)):
        index = len(entries)
        made = template(
            stream=str(UUID(int=index)), version=1, event=event, happened_on=happened, precision=precision,
            actor=Actor("u-1", "officer", "dffh", "test"), source=Source(SourceKind.IMPORT, "a sheet, row 7"),
            command=str(UUID(int=index)), part=0, corrects=None, payload=payload,
        )  # fmt: skip
        previous = leaf_hash(entries[-1]) if entries else GENESIS
        entries.append(place(prefix(ORIGIN), index, previous, micros(MOMENT) + index, made))
    return Log(entries)


def unzipped(archive: Path, folder: Path) -> Path:
    """The files of a bundle, by Python's zipfile."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def tiles(folder: Path, made: Log, sizes: Sequence[int]) -> Path:
    """The tiles that a log has once it was sealed at these sizes, the last one of all; and its checkpoint."""
    leaves = [leaf_hash(each) for each in made.entries]
    rows: dict[int, dict[int, bytes]] = {}
    old = 0
    for size in sizes:
        edges = {}
        for level in levels(old):
            number, width = divmod(old >> (HEIGHT * level), WIDTH)
            data = rows[level][number] if width else b""
            edges[level] = [data[at : at + 32] for at in range(0, 32 * width, 32)]
        for tile, data in grown(old, leaves[old:size], edges):
            rows.setdefault(tile.level or 0, {})[tile.number] = data
            _write(folder / tile.path, data)
        for number in range(old // WIDTH, -(-size // WIDTH)):
            tile = bundle_at(number, size)
            _write(folder / tile.path, bundle(made.entries[number * WIDTH : number * WIDTH + tile.width]))
        old = size
    (folder / "checkpoint").write_bytes(made.note())
    return folder


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
