"""Who has the published files and the public key alone finds every attack on them, and is told where."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.domain.event import encode_payload, load_events
from ledger.errors import (
    AuditLedgerError,
    CodecError,
    NotFound,
    ProofFailed,
    Tampered,
    Unavailable,
    UnknownSchema,
    Untrusted,
)
from ledger.store import tilecheck
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import TileFolder
from ledger.tlog.chain import GENESIS
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SigningKey
from tests.golden.build import sample
from tests.store.made_log import ORIGIN, SIZE, Log, entry, history
from tests.store.published import Place
from tests.tlog.naive import Tree, leaf


@pytest.fixture(scope="module")
def whole() -> list[bytes]:
    """600 entries."""
    return history(SIZE)


@pytest.fixture
def log(tmp_path: Path, whole: list[bytes]) -> Log:
    made = Log(tmp_path / "published", [*whole])
    made.publish()
    return made


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tilecheck, "RANGE", 256)


# --- clean -----------------------------------------------------------------------------------------------


def test_a_log_as_published_is_clean(log: Log, whole: list[bytes]) -> None:
    root = Tree(whole).root(SIZE)
    assert log.verify() == (ORIGIN, SIZE, root)
    log.seen = [
        Checkpoint(ORIGIN, size, Tree(whole).root(size)) for size in (0, 1, 255, 256, 257, 512, 599, 600)
    ]
    log.seen.append(Checkpoint("example.org/other", 10_000, bytes(32)))
    assert log.verify().root == root


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512])
def test_every_size_is_clean(tmp_path: Path, whole: list[bytes], size: int) -> None:
    log = Log(tmp_path / "published", whole[:size])
    log.publish()
    assert log.verify() == (ORIGIN, size, Tree(whole).root(size))


def test_what_a_real_ledger_publishes_is_clean(database: Database, ledger: Ledger, tmp_path: Path) -> None:
    real = Place(database, ledger, tmp_path / "data")
    seen = []
    for count in (0, 200, 100, 300):
        real.fill(count)
        seen.append(real.seal())
    trusted = [key.verifier for key in real.published.keys.of(ledger.slug, ledger.origin)]
    said: list[tuple[int, int]] = []
    signed = verify_tiles(
        TileFolder(real.folder),
        trusted,
        seen=seen,
        processes=1,
        progress=lambda done, size: said.append((done, size)),
    )
    assert signed.checkpoint == seen[-1]
    assert said == [(256, 600), (512, 600), (600, 600)]
    assert real.check(200, 300) == 600


def test_partial_tiles_that_were_cleared_away_are_read_of_the_full_ones(log: Log, whole: list[bytes]) -> None:
    Log(log.folder, whole[:300]).publish()
    for path in log.folder.glob("tile/*/001.p/44"):
        path.unlink()
    assert log.verify().size == 300


def test_files_beyond_the_checkpoint_are_no_fault(log: Log, whole: list[bytes]) -> None:
    log.rewrite(history(SIZE + 300, whole), "entries", "0", "1")
    assert log.verify().size == SIZE


# --- entries ---------------------------------------------------------------------------------------------


def altered(entries: list[bytes], index: int) -> list[bytes]:
    return [*entries[:index], entries[index].replace(b"payload", b"Payload"), *entries[index + 1 :]]


def rechained(entries: list[bytes], index: int) -> list[bytes]:
    """An entry altered, and every later one made anew to go on from it."""
    found = altered(entries, index)[: index + 1]
    for each in entries[index + 1 :]:
        at = len(found)
        found.append(each.replace(leaf(entries[at - 1]), leaf(found[-1])))
    return found


EDGES = [0, 1, 255, 256, 300, 511, 512, 599]
BUNDLE, LEAVES, ALL = ["entries"], ["entries", "0"], ["entries", "0", "1"]


@pytest.mark.parametrize("index", EDGES)
def test_an_entry_altered_in_its_bundle(log: Log, index: int) -> None:
    log.rewrite(altered(log.entries, index), *BUNDLE)
    log.refused(Tampered, f"entry {index}: expected leaf hash .* from its bytes")


@pytest.mark.parametrize("index", EDGES)
@pytest.mark.parametrize("levels", [LEAVES, ALL], ids=["leaves", "all tiles"])
def test_an_entry_altered_in_bundle_and_tiles_breaks_the_chain(log: Log, index: int, levels: list[str]) -> None:
    log.rewrite(altered(log.entries, index), *levels)
    if index == SIZE - 1:
        log.refused(ProofFailed, f"the tree of {SIZE} entries has the root")
    else:
        log.refused(Tampered, f"entry {index + 1}: its previous is not the leaf hash of the entry before")


@pytest.mark.parametrize("index", [0, 255, 400])
def test_a_history_chained_anew_has_another_root(log: Log, index: int) -> None:
    log.rewrite(rechained(log.entries, index), *ALL)
    log.refused(ProofFailed, f"the tree of {SIZE} entries has the root .* was signed")


def test_a_history_chained_anew_under_the_old_tiles_above(log: Log) -> None:
    log.rewrite(rechained(log.entries, 100), *LEAVES)
    log.refused(ProofFailed, r"tile/1/000\.p/2: it does not hold the hashes of the tiles below it")


def put(entries: list[bytes], index: int, *new: bytes, instead: int = 0) -> list[bytes]:
    return [*entries[:index], *new, *entries[index + instead :]]


@pytest.mark.parametrize("levels", [BUNDLE, ALL], ids=["bundles", "all"])
@pytest.mark.parametrize(
    ("attack", "index", "of_all"),
    [
        (lambda entries: [*put(entries, 300, instead=1), b""], 300, 300),
        (lambda entries: put(entries, 300, entries[301], entries[300], instead=2), 300, 300),
        (lambda entries: put(entries, 255, entries[256], entries[255], instead=2), 255, 255),
        (lambda entries: put(entries, 300, entries[299])[:SIZE], 300, 300),
        (lambda entries: put(entries, 300, entry(300, leaf(entries[299])))[:SIZE], 300, 301),
        (lambda entries: put(entries, 599, b"", instead=1), 599, 599),
    ],
    ids=["dropped", "swapped", "swapped over an edge", "repeated", "inserted", "emptied"],
)
def test_entries_that_are_not_those_signed(
    log: Log, attack: Callable[[list[bytes]], list[bytes]], index: int, of_all: int, levels: list[str]
) -> None:
    log.rewrite(attack(log.entries), *levels)
    log.refused(Tampered, f"entry {of_all if levels is ALL else index}: ")


def test_a_history_cut_at_its_end_under_the_old_checkpoint(log: Log) -> None:
    for path in log.folder.glob("tile/*/002.p/88"):
        path.unlink()
    log.refused(Tampered, "entry 512: .*there is no such file|entry 512: .*not")
    log.rewrite(log.entries[:590], *ALL)
    log.refused(Tampered, "entry 512: ")


@pytest.mark.parametrize("end", [255, 599])
def test_bundles_that_are_not_whole(log: Log, end: int) -> None:
    (path,) = log.folder.glob(f"tile/entries/{end // 256:03d}*" + ("/*" if end == 599 else ""))
    data = path.read_bytes()
    for spoilt in (data[:-1], data + b"\0", data[:100], b""):
        path.write_bytes(spoilt)
        log.refused(Tampered, f"entry {end // 256 * 256}: .*whole entries")


@pytest.mark.parametrize("index", [0, 300, 512, 599])
@pytest.mark.parametrize(
    ("made", "what"),
    [
        (
            lambda index, before: entry(index, before, origin="example.org/other"),
            "do not say example.org/log",
        ),
        (lambda index, before: entry(index + 1, before), "do not say example.org/log"),
        (lambda index, before: entry(index, bytes(31) + b"\1"), "its previous is not the leaf hash"),
        (lambda index, before: b"", "do not say example.org/log"),
    ],
    ids=["other origin", "other index", "other previous", "no bytes"],
)
def test_an_operator_who_signs_entries_that_are_none(
    log: Log, index: int, made: Callable[[int, bytes], bytes], what: str
) -> None:
    """All of it hashed and signed as it should be: only the entries themselves say it."""
    before = log.entries[:index]
    log.entries = history(SIZE, [*before, made(index, leaf(before[-1]) if before else GENESIS)])
    log.publish()
    log.refused(Tampered, f"entry {index}: .*{what}")


def test_the_first_fault_is_named(log: Log) -> None:
    spoilt = altered(altered(altered(log.entries, 599), 520), 300)
    log.rewrite(spoilt, *BUNDLE)
    log.refused(Tampered, "entry 300: ")
    # Where a range begins in a broken link and has more behind it.
    log.rewrite(altered(log.entries, 255), *ALL)
    log.rewrite(altered(altered(log.entries, 255), 300), *BUNDLE)
    log.refused(Tampered, "entry 256: its previous")


# --- tiles and checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "what"),
    [
        ("tile/0/000", Tampered, "entry 0: "),
        ("tile/0/001", Tampered, "entry 256: "),
        ("tile/0/002.p/88", Tampered, "entry 512: "),
        ("tile/1/000.p/2", ProofFailed, r"tile/1/000\.p/2: "),
        ("tile/entries/001", Tampered, "entry 256: "),
        ("tile/entries/002.p/88", Tampered, "entry 512: "),
    ],
)
def test_a_file_missing_cut_or_altered(log: Log, path: str, kind: type[AuditLedgerError], what: str) -> None:
    data = (log.folder / path).read_bytes()
    for spoilt in (data[:-32], data + bytes(32), b"", bytes([data[0] ^ 1]) + data[1:]):
        log.write(path, spoilt)
        log.refused(kind, what)
    (log.folder / path).unlink()
    log.refused(kind, what)
    log.write(path, data)
    assert log.verify().size == SIZE
    (log.folder / path).unlink()
    (log.folder / path).mkdir()
    log.refused(Unavailable, "cannot be read")


def test_no_checkpoint(log: Log) -> None:
    (log.folder / "checkpoint").unlink()
    log.refused(NotFound, "there is no such file")


def test_a_checkpoint_that_is_none(log: Log) -> None:
    log.write("checkpoint", b"example.org/log\n600\n")
    log.refused(CodecError, "note: ")


def test_a_rewritten_history_signed_by_another_key(log: Log) -> None:
    log.entries = rechained(log.entries, 100)
    log.publish(key=SigningKey.generate(ORIGIN))
    log.refused(Untrusted, "expected the signature of a trusted key")


def test_a_checkpoint_altered_after_it_was_signed(log: Log) -> None:
    note = (log.folder / "checkpoint").read_bytes()
    log.write("checkpoint", note.replace(b"\n600\n", b"\n599\n"))
    log.refused(Untrusted, "is not of this text")


@pytest.mark.parametrize("size", [0, 1, 300, 600])
def test_a_signed_root_that_is_not_of_these_entries(tmp_path: Path, whole: list[bytes], size: int) -> None:
    log = Log(tmp_path / "published", whole[:size])
    log.publish(root=sha256(b"another").digest())
    log.refused(ProofFailed, f"the tree of {size} entries has the root")


# --- what was seen before ----------------------------------------------------------------------------------


def test_an_older_checkpoint_shown_again_is_a_replay(log: Log, whole: list[bytes]) -> None:
    log.seen = [Checkpoint(ORIGIN, SIZE, Tree(whole).root(SIZE))]
    Log(log.folder, whole[:300]).publish()
    log.refused(ProofFailed, "600 entries were seen before, 300 are published now")


@pytest.mark.parametrize("size", [0, 1, 256, 300, 600])
def test_another_history_than_the_one_seen(log: Log, whole: list[bytes], size: int) -> None:
    """Signed by the log's own key: two histories, one for each who looks."""
    other = history(SIZE)
    log.seen = [Checkpoint(ORIGIN, size, Tree(other).root(size) if size else bytes(32))]
    log.refused(ProofFailed, f"the tree of {size} entries has the root .* was signed")


def test_a_history_rewritten_before_what_was_seen(log: Log, whole: list[bytes]) -> None:
    log.seen = [Checkpoint(ORIGIN, size, Tree(whole).root(size)) for size in (200, 400)]
    log.entries = rechained(whole, 300)
    log.publish()
    log.refused(ProofFailed, "the tree of 400 entries has the root")
    log.seen.pop()
    assert log.verify().size == SIZE


# --- payloads ----------------------------------------------------------------------------------------------


EVENT = load_events()["ledger.attestation.v1.PeriodAttested"]
KNOWN = encode_payload(sample(EVENT, full=True))
NEWER = b"\xc3\x01" + bytes(8) + b"what only a newer version reads"


def with_payloads(folder: Path, payloads: dict[int, bytes], size: int = 300) -> Log:
    """A log of events that are known, but for some."""
    entries: list[bytes] = []
    for index in range(size):
        previous = leaf(entries[-1]) if entries else GENESIS
        entries.append(entry(index, previous, payloads.get(index, KNOWN), EVENT.name))
    made = Log(folder, entries)
    made.publish()
    return made


@pytest.mark.parametrize("processes", [1, 2])
def test_deep_reads_every_payload(tmp_path: Path, processes: int) -> None:
    log = with_payloads(tmp_path / "clean", {})
    assert log.verify(deep=True, processes=processes).size == 300
    log = with_payloads(tmp_path / "spoilt", {280: b"no payload"})
    assert log.verify(processes=processes).size == 300
    log.refused(Tampered, "entry 280: it cannot be read: ", deep=True, processes=processes)
    log = with_payloads(tmp_path / "longer", {5: KNOWN + b"\0"})
    log.refused(Tampered, "entry 5: it cannot be read: ", deep=True, processes=processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_event_newer_than_this_program_is_no_tampering(tmp_path: Path, processes: int) -> None:
    log = with_payloads(tmp_path / "newer", {20: NEWER, 270: NEWER, 290: NEWER})
    assert log.verify(processes=processes).size == 300
    log.refused(UnknownSchema, f"{ORIGIN}: entry 20: .*upgrade", deep=True, processes=processes)
    # What is tampering is found all the same, before it or after it.
    log = with_payloads(tmp_path / "both", {20: NEWER, 290: b"no payload"})
    log.refused(Tampered, "entry 290: it cannot be read", deep=True, processes=processes)
    log = with_payloads(tmp_path / "root", {20: NEWER})
    log.publish(root=bytes(32))
    log.refused(ProofFailed, "the tree of 300 entries has the root", deep=True, processes=processes)


# --- several processes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [255, 256, 599])
@pytest.mark.parametrize("levels", [BUNDLE, ALL], ids=["bundle", "all"])
def test_one_process_and_two_agree(log: Log, index: int, levels: list[str]) -> None:
    assert log.verify(processes=2) == log.verify()
    log.rewrite(altered(log.entries, index), *levels)
    found = []
    for processes in (1, 2):
        with pytest.raises((Tampered, ProofFailed)) as caught:
            log.verify(processes=processes)
        found.append((caught.type, str(caught.value)))
    assert found[0] == found[1]
