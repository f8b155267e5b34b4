"""A blind mirror: it takes over what only grows, shows what was changed or left out, and holds hashes alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ledger.errors import (
    AuditLedgerError,
    CodecError,
    Diverged,
    NotFound,
    ProofFailed,
    SettingsError,
    Tampered,
    Unavailable,
    Untrusted,
)
from ledger.store.tiles import TileFolder
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import COSIGNATURE, SigningKey
from ledger.witness.mirror import Mirror, Source, mirrored
from ledger.witness.state import State, name_of
from tests.store.published import files_of
from tests.tlog.naive import Tree
from tests.waiting import until

ORIGIN = "example.com/log"
LOG = SigningKey(ORIGIN, 1, bytes(range(32)))
STRANGER = SigningKey(ORIGIN, 1, bytes([9] * 32))
KEY = SigningKey("witness.example/w1", COSIGNATURE, bytes([1] * 32))
ENTRIES = [f"entry {n}".encode() for n in range(700)]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Log:
    """A log that publishes files, over HTTP."""

    def __init__(self, folder: Path, url: str, home: Path) -> None:
        self.folder, self.url, self.home = folder, url, home

    def publish(self, size: int, entries: list[bytes] = ENTRIES, key: SigningKey = LOG) -> bytes:
        tree = Tree(entries[:size])
        for path, data in files_of(tree, size).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(data)
        note = str(sign(Checkpoint(ORIGIN, size, tree.root(size)), [key])).encode()
        (self.folder / "checkpoint").write_bytes(note)
        return note

    def round(self, step: Callable[[str], None] = lambda _: None, cosigned: Checkpoint | None = None) -> int:
        """One round by a mirror that was opened anew."""
        return Mirror(self.home, ORIGIN, step).round(Source(self.url), [LOG.verifier], cosigned).size

    def compare(self, size: int) -> None:
        Mirror(self.home, ORIGIN).compare(TileFolder(self.folder).read, size)

    def files(self) -> dict[str, bytes]:
        folder = self.home / "mirror" / name_of(ORIGIN)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def refused(self) -> list[bytes]:
        """What is kept of other histories."""
        return [data for name, data in self.files().items() if name.startswith("refused.")]

    def check(self, size: int) -> None:
        """What is kept is what a naive tree has, and nothing else."""
        tree = Tree(ENTRIES[:size])
        mirror = Mirror(self.home, ORIGIN)
        assert mirror.kept == Checkpoint(ORIGIN, size, tree.root(size))
        assert list(mirror.hashes(0, size)) == [tree.mth(n, n + 1) for n in range(size)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    folder = tmp_path / "published"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Log(folder, f"http://127.0.0.1:{server.server_port}", tmp_path / "w")
        server.shutdown()
        thread.join()


def forked(at: int) -> list[bytes]:
    return [*ENTRIES[:at], b"another entry", *ENTRIES[at + 1 :]]


def test_it_takes_over_what_only_grows_and_keeps_hashes_and_notes_alone(log: Log) -> None:
    log.publish(0)
    assert log.round() == 0
    for size in (1, 255, 256, 257, 600, 700):
        log.publish(size)
        assert log.round() == size
        log.check(size)
    assert log.files().keys() == {"leaves", "checkpoint"}
    assert len(log.files()["leaves"]) == 700 * 32
    kept = b"".join(path.read_bytes() for path in log.home.rglob("*") if path.is_file())
    assert b"entry 1" not in kept
    assert log.round() == 700


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one(log: Log) -> None:
    note = log.publish(300)
    log.publish(700)
    (log.folder / "checkpoint").write_bytes(note)
    (log.folder / "tile/0/001.p/44").unlink()
    assert log.round() == 300
    log.check(300)


def test_a_changed_entry_is_named(log: Log) -> None:
    log.publish(600)
    log.round()
    for path in (log.folder / "tile").rglob("*"):
        if path.is_file():
            path.unlink()
    note = log.publish(700, forked(333))
    with pytest.raises(Diverged, match="entry 333: the mirror has the leaf hash"):
        log.round()
    # What shows it is kept, and what was there before is untouched.
    assert log.refused() == [note]
    log.check(600)
    with pytest.raises(Tampered, match="entry 333: the mirror has the leaf hash"):
        log.compare(700)


def test_an_entry_that_was_left_out_is_named(log: Log) -> None:
    log.publish(600)
    log.round()
    log.publish(599)
    with pytest.raises(Tampered, match="entry 599: it is left out: the mirror has 600 entries"):
        log.compare(599)
    log.publish(650, [*ENTRIES[:100], *ENTRIES[101:]])
    with pytest.raises(Tampered, match=r"entry 100: .*: it was left out, and entry 101 stands in its place"):
        log.compare(650)
    log.publish(650, [*ENTRIES[:300], *ENTRIES[310:]])
    with pytest.raises(Tampered, match=r"entry 300: .*: it was left out, and entry 310 stands in its place"):
        log.compare(640)
    log.publish(600, forked(77))
    with pytest.raises(Tampered, match=r"entry 77: .*: it was changed, or left out and all after it made anew"):
        log.compare(600)


def test_each_checkpoint_that_was_refused_is_kept(log: Log) -> None:
    """A second one that the log shows takes no evidence of the first away, nor does the same shown again."""
    log.publish(300)
    log.round()
    notes = []
    for size, at in ((300, 299), (300, 7), (299, 0), (300, 299)):
        notes.append(log.publish(size, forked(at)))
        for _ in range(2):
            with pytest.raises(
                Diverged, match=rf"the checkpoint is kept in .*/refused\.{size}\.[0-9a-f]{{16}}$"
            ):
                log.round()
    assert sorted(log.refused()) == sorted(set(notes))
    assert len(log.refused()) == 3
    log.publish(300)
    assert log.round() == 300
    log.check(300)
    assert len(log.refused()) == 3


def test_a_rollback_of_the_source_is_refused(log: Log) -> None:
    log.publish(600)
    log.round()
    note = log.publish(599)
    with pytest.raises(Diverged, match="600 entries were mirrored, 599 are published: a rollback"):
        log.round()
    assert log.refused() == [note]
    log.check(600)


def test_a_fork_of_the_same_size_is_refused(log: Log) -> None:
    log.publish(300)
    log.round()
    log.publish(300, forked(299))
    with pytest.raises(Diverged, match="entry 299"):
        log.round()
    # A second root over the same tiles.
    log.publish(300)
    note = str(sign(Checkpoint(ORIGIN, 300, bytes(32)), [LOG])).encode()
    (log.folder / "checkpoint").write_bytes(note)
    with pytest.raises(Diverged, match="two roots were signed of 300 entries"):
        log.round()


def test_two_histories_one_for_the_witness_and_one_for_the_mirror_are_refused(log: Log) -> None:
    """What the witness cosigned must be the beginning of what is mirrored, however far each of them is."""
    log.publish(300)
    for size in (0, 7, 256, 300):
        root = Tree(forked(0)[:size]).root(size) if size else bytes(32)
        with pytest.raises(Diverged, match="than the one cosigned: a fork"):
            log.round(cosigned=Checkpoint(ORIGIN, size, root))
        Mirror(log.home, ORIGIN).round(Source(log.url), [LOG.verifier], None)
    honest = Checkpoint(ORIGIN, 7, Tree(ENTRIES[:7]).root(7))
    log.publish(301)
    assert log.round(cosigned=honest) == 301
    log.publish(302)
    with pytest.raises(Diverged, match="303 entries were cosigned, 302 are published"):
        log.round(cosigned=honest._replace(size=303))


def test_altered_tiles_are_no_history(log: Log) -> None:
    log.publish(300)
    log.round()
    log.publish(500)
    tile = log.folder / "tile/0/001.p/244"
    data = bytearray(tile.read_bytes())
    data[-1] ^= 1
    tile.write_bytes(data)
    with pytest.raises(ProofFailed, match="do not fold to the signed root"):
        log.round()
    log.check(300)
    tile.write_bytes(data[:-1])
    with pytest.raises(CodecError, match="expected 7808 bytes, got 7807"):
        log.round()
    tile.unlink()
    with pytest.raises(NotFound):
        log.round()
    log.publish(500)
    assert log.round() == 500


def test_a_checkpoint_that_no_trusted_key_signed_is_not_mirrored(log: Log) -> None:
    log.publish(300, key=STRANGER)
    with pytest.raises(Untrusted):
        log.round()
    state = State(log.home / "logs")
    with pytest.raises(NotFound, match="is not known here"):
        mirrored(log.home, Source(log.url), [KEY.verifier], state, {})
    state.close()


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: b"\x00" + data[1:], lambda data: b""])
def test_an_altered_byte_of_what_is_kept_is_found(log: Log, spoil: Callable[[bytes], bytes]) -> None:
    log.publish(300)
    log.round()
    leaves = log.home / "mirror" / name_of(ORIGIN) / "leaves"
    leaves.write_bytes(spoil(leaves.read_bytes()))
    with pytest.raises(SettingsError, match="what is mirrored there is spoilt"):
        log.round()


KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.witness.mirror import Mirror, Source
from tests.witness.test_mirror import LOG, ORIGIN

def step(name):
    if name == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

Mirror(Path(sys.argv[1]), ORIGIN, step).round(Source(sys.argv[2]), [LOG.verifier], None)
"""


@pytest.mark.parametrize(("step", "stands"), [("leaves", 300), ("written", 300), ("named", 700)])
def test_killed_at_each_step_it_goes_on_from_what_counts(log: Log, step: str, stands: int) -> None:
    log.publish(300)
    log.round()
    log.publish(700)
    given = [sys.executable, "-c", KILLED, str(log.home), log.url, step]
    assert subprocess.run(given, check=False).returncode == -signal.SIGKILL
    assert Mirror(log.home, ORIGIN).kept.size == stands
    assert log.round() == 700
    log.check(700)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
@pytest.mark.parametrize("persisted", [False, True])
def test_what_cannot_be_kept_is_said_and_made_good(
    log: Log, monkeypatch: pytest.MonkeyPatch, fails: str, persisted: bool
) -> None:
    log.publish(300)
    log.round()
    log.publish(700)
    real = getattr(os, fails)

    def refuse(*given: object) -> None:
        if persisted:
            real(*given)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, refuse)
        with pytest.raises(Unavailable, match="No space left"):
            log.round()
    log.check(700 if (fails, persisted) == ("replace", True) else 300)
    assert log.round() == 700
    log.check(700)


def test_errors_of_a_source_are_ours(log: Log) -> None:
    for url in ("http://127.0.0.1:1", log.url + "/nothing"):
        with pytest.raises(AuditLedgerError):
            Mirror(log.home, ORIGIN).round(Source(url), [LOG.verifier], None)
    for content in (b"", b"no note\n", b"x" * 70_000):
        (log.folder / "checkpoint").write_bytes(content)
        with pytest.raises(AuditLedgerError):
            log.round()


OTHER = """
import sys
from pathlib import Path
from ledger.witness.mirror import Mirror, Source
from tests.witness.test_mirror import LOG, ORIGIN

mirror = Mirror(Path(sys.argv[1]), ORIGIN)
print("opened", flush=True)
mirror.round(Source(sys.argv[2]), [LOG.verifier], None)
"""


def test_one_that_another_went_on_from_goes_on_from_there(log: Log) -> None:
    log.publish(300)
    stale = Mirror(log.home, ORIGIN)
    stale.round(Source(log.url), [LOG.verifier], None)
    log.publish(700)
    log.round()
    # What it knows itself is 300 entries: by that, 500 would be news.
    log.publish(500)
    with pytest.raises(Diverged, match="700 entries were mirrored, 500 are published: a rollback"):
        stale.round(Source(log.url), [LOG.verifier], None)
    log.check(700)
    assert stale.kept.size == 700


def test_a_round_waits_for_that_of_another_process(log: Log) -> None:
    log.publish(300)
    log.round()
    log.publish(700)
    given = [sys.executable, "-c", OTHER, str(log.home), log.url]
    others: list[subprocess.Popen[str]] = []

    def meanwhile(step: str) -> None:
        if step == "leaves":
            # To the other one less is published: it would cut off the hashes that were just written.
            log.publish(500)
            other = subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            others.append(other)
            assert other.stdout is not None
            assert other.stdout.readline() == "opened\n"
            with pytest.raises(subprocess.TimeoutExpired):
                other.wait(1)

    assert log.round(meanwhile) == 700
    (other,) = others
    _, said = other.communicate(timeout=60)
    assert "700 entries were mirrored, 500 are published" in said
    log.check(700)


@pytest.mark.parametrize("left", [None, 10])
def test_hashes_that_are_gone_are_said_and_nothing_is_written_behind_a_hole(log: Log, left: int | None) -> None:
    log.publish(300)
    mirror = Mirror(log.home, ORIGIN)
    mirror.round(Source(log.url), [LOG.verifier], None)
    leaves = mirror.folder / "leaves"
    kept = leaves.read_bytes()
    if left is None:
        leaves.unlink()
    else:
        leaves.write_bytes(kept[: left * 32])
    with pytest.raises(AuditLedgerError, match=r"leaves: cannot be read: No such|hash of entry 10 is missing"):
        mirror.compare(TileFolder(log.folder).read, 300)
    log.publish(700)
    with pytest.raises(SettingsError, match="what is mirrored there is spoilt"):
        mirror.round(Source(log.url), [LOG.verifier], None)
    assert (leaves.read_bytes() if left else not leaves.exists()) == (kept[:320] if left else True)
    leaves.write_bytes(kept)
    assert mirror.round(Source(log.url), [LOG.verifier], None).size == 700
    log.check(700)


def test_a_witness_whose_mirror_is_spoilt_says_so_and_goes_on(log: Log) -> None:
    log.publish(300)
    given = [
        sys.executable, "-m", "ledger.main", "witness", str(log.home), "--name", "witness.example/w1",
        "--log", str(LOG.verifier), "--port", "0", "--mirror", log.url, "--interval", "0.2", "--json",
    ]  # fmt: skip
    checkpoint = log.home / "mirror" / name_of(ORIGIN) / "checkpoint"
    leaves = checkpoint.with_name("leaves")
    with subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(checkpoint.exists)
            kept = leaves.read_bytes()
            leaves.unlink()
            log.publish(700)
            assert process.stderr is not None
            assert "what is mirrored there is spoilt" in process.stderr.readline()
            leaves.write_bytes(kept)
            until(lambda: leaves.stat().st_size == 700 * 32)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    assert process.returncode == 0
    log.check(700)
