"""Avro's own Java library reads what we wrote, as we read it, and computes the fingerprints that we compute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.codec.entry import decode_entry
from ledger.codec.registry import SUFFIX, registry
from tests.bundle.forge import INCOMPLETE, Mutation, changed, members, sealed
from tests.bundle.made import BIG, DISCLOSED, FOLDER, ORIGIN, WHOLE, log
from tests.bundle.test_attacks import verdict
from tests.docs.generate import ROOT
from tests.judges.made import every_event, payloads, unzipped
from tests.judges.tools import Stranger


def said_by_java(value: Any) -> Any:
    """A decoded value as Java writes it: bytes of a fixed as numbers from -128 to 127."""
    match value:
        case bytes():
            return [each - 256 if each > 127 else each for each in value]
        case dict():
            return {name: said_by_java(each) for name, each in value.items()}
        case list() | tuple():
            return [said_by_java(each) for each in value]
    return value


def happened(value: date | datetime | None) -> str:
    match value:
        case None:
            return "unknown"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat()


def put(data: bytes, folder: Path) -> Path:
    archive = folder / "bundle.zip"
    archive.write_bytes(data)
    return unzipped(archive, folder / "bundle")


def test_java_reads_every_event_as_we_do(stranger: Stranger, tmp_path: Path) -> None:
    made = every_event()
    done = stranger.bundle("entries", put(made.bundle(WHOLE), tmp_path), tmp_path / "entries")
    *lines, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr, last) == (0, "", f"{made.size} entries of {ORIGIN}")
    ours = [decode_entry(each) for each in made.entries]
    assert {each.event for each in ours} == {name for name, _ in payloads()}
    assert len(ours) > 100
    assert lines == [f"{each.index} {each.stream} {each.event} {happened(each.happened_on)}" for each in ours]
    for index, entry in enumerate(made.entries):
        assert (tmp_path / "entries" / str(index)).read_bytes() == entry
        _, expected = registry().decode(entry)
        expected["payload"] = registry().decode(expected["payload"])[1]
        got = json.loads((tmp_path / "entries" / f"{index}.json").read_text("utf-8"))
        assert got == said_by_java(expected), f"entry {index}, {ours[index].event}"


def schema_files() -> Iterator[Path]:
    yield from sorted((ROOT / "schemas").glob("*" + SUFFIX))


def test_java_computes_the_fingerprint_of_every_schema_as_we_do(stranger: Stranger) -> None:
    done = stranger.bundle("schemas", ROOT / "schemas")
    assert done.returncode == 0, done.stderr
    ours = []
    for file in schema_files():
        name = json.loads(file.read_text("utf-8"))["name"]
        # A former text has its fingerprint in its file's name.
        former = [mark for mark, each in registry().by_fingerprint.items() if f".{mark.hex()}." in file.name]
        mark = former[0] if former else registry().writer(name).fingerprint
        ours.append(f"{mark.hex()} {name} {file.name}")
    assert done.stdout.splitlines() == ours
    assert len(ours) == len(registry().by_fingerprint) > 50


def test_java_finds_what_was_opened_in_the_commitments(stranger: Stranger, tmp_path: Path) -> None:
    bundle = unzipped(FOLDER / "range.zip", tmp_path / "bundle")
    assert stranger.bundle("entries", bundle, tmp_path / "entries").returncode == 0
    done = stranger.bundle("disclosed", bundle, tmp_path / "entries")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"entry {each.index}, {each.path}: '{each.value}' is what was recorded" for each in sorted(DISCLOSED)
    ]


@pytest.mark.parametrize("cut", [1, 400])
def test_java_takes_a_cut_container_for_complete_and_the_count_tells(
    cut: int, stranger: Stranger, tmp_path: Path
) -> None:
    """So the page has its reader compare counts. Were Java to notice by itself, the page would say too much."""
    whole = log(BIG).bundle(WHOLE)
    data = members(whole)["entries.avro"][:-cut]
    attacked = sealed(changed(whole, **{"entries.avro": data}))
    assert verdict(Mutation("cut", attacked, INCOMPLETE), attacked)[0] == INCOMPLETE
    bundle = put(attacked, tmp_path)
    done = stranger.bundle("entries", bundle, tmp_path / "entries")
    last = done.stdout.splitlines()[-1]
    assert (done.returncode, last) == (0, f"2000 entries of {ORIGIN}"), done.stderr
    assert json.loads((bundle / "manifest.json").read_bytes())["entries"] == BIG
