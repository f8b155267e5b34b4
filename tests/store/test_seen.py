"""The last checkpoint seen of a log is kept by who checks, and never goes back."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.errors import SettingsError
from ledger.store.seen import Seen
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import SigningKey
from tests.store.made_log import KEY, ORIGIN
from tests.store.published import Disk, FailingWrites


def note_of(size: int, origin: str = ORIGIN) -> bytes:
    found = Checkpoint(origin, size, sha256(b"%d" % size).digest())
    return str(sign(found, [KEY if origin == ORIGIN else SigningKey.generate(origin)])).encode()


def test_what_was_seen_is_remembered_by_origin_and_never_goes_back(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "seen")
    assert seen.last(ORIGIN) is None
    for size, kept in ((0, 0), (5, 5), (3, 5), (5, 5), (9, 9), (0, 9)):
        seen.remember(note_of(size))
        assert seen.last(ORIGIN) == Checkpoint(ORIGIN, kept, sha256(b"%d" % kept).digest())
    seen.remember(note_of(2, "example.org/other"))
    assert [each.size for each in (seen.last(ORIGIN), seen.last("example.org/other")) if each] == [9, 2]
    names = {sha256(origin.encode()).hexdigest() for origin in (ORIGIN, "example.org/other")}
    assert {path.name for path in (tmp_path / "seen").iterdir()} == names
    assert (tmp_path / "seen" / sha256(ORIGIN.encode()).hexdigest()).read_bytes() == note_of(9)


@pytest.mark.parametrize("spoilt", [b"", b"no note", note_of(5)[:-9], note_of(5, "example.org/other")])
def test_a_spoilt_memory_is_told_and_not_written_over(tmp_path: Path, spoilt: bytes) -> None:
    seen = Seen(tmp_path)
    path = tmp_path / sha256(ORIGIN.encode()).hexdigest()
    path.write_bytes(spoilt)
    for what in (lambda: seen.last(ORIGIN), lambda: seen.remember(note_of(7))):
        with pytest.raises(SettingsError, match=r"expected (the|a) checkpoint"):
            what()
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [spoilt]


@pytest.mark.parametrize("persisted", [False, True], ids=["not persisted", "persisted"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_memory_that_cannot_be_written_is_the_one_before_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, persisted: bool
) -> None:
    seen = Seen(tmp_path)
    seen.remember(note_of(5))
    writes = FailingWrites(monkeypatch)
    # The first is the folder, which is there.
    writes.arm(number + 1, persisted=persisted)
    with pytest.raises(SettingsError, match="cannot be remembered: No space left on device"):
        seen.remember(note_of(9))
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == note_of(9 if persisted and number == 2 else 5)
    seen.remember(note_of(10))
    assert seen.last(ORIGIN) == Checkpoint.parse(note_of(10).decode().split("\n\n")[0] + "\n")


def test_what_was_seen_is_remembered_when_the_power_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "data", monkeypatch)
    seen = Seen(tmp_path / "data" / "seen")
    for size in (5, 9):
        seen.remember(note_of(size))
        disk.cut_power()
        last = seen.last(ORIGIN)
        assert last is not None
        assert last.size == size


def test_of_many_who_remember_at_once_the_largest_stays(tmp_path: Path) -> None:
    """Two that had read the one before, of which the slower one kept the smaller: it would go back."""
    for _ in range(20):
        sizes = random.sample(range(1000), 16)
        with ThreadPoolExecutor(len(sizes)) as threads:
            list(threads.map(lambda size: Seen(tmp_path / "seen").remember(note_of(size)), sizes))
        last = Seen(tmp_path / "seen").last(ORIGIN)
        assert last is not None
        assert last.size >= max(sizes)
