"""A witness's answers, check by check in the order of C2SP tlog-witness, and what it keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.errors import SettingsError, Unavailable
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.merkle import Frontier, consistency_ranges, node_hash, prove
from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey
from ledger.tlog.proof import ConsistencyProof
from ledger.witness.state import State, name_of
from ledger.witness.witness import SIZE, Witness

ORIGIN = "example.com/log"
LOG = SigningKey(ORIGIN, 1, bytes(range(32)))
STRANGER = SigningKey(ORIGIN, 1, bytes([9] * 32))
KEY = SigningKey("witness.example/w1", COSIGNATURE, bytes([1] * 32))
NOW = 1_790_000_000
LEAVES = [sha256(bytes([n])).digest() for n in range(40)]
FORKED = [*LEAVES[:3], sha256(b"other").digest(), *LEAVES[4:]]


def root(leaves: list[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def hashes_of(leaves: list[bytes]) -> Callable[..., list[bytes]]:
    def subtree(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))

    return lambda wanted: [subtree(*each) for each in wanted]


def note(size: int, leaves: list[bytes] = LEAVES, key: SigningKey = LOG) -> bytes:
    checkpoint = Checkpoint(key.verifier.name, size, root(leaves[:size]))
    return str(sign(checkpoint, [key])).encode()


def body(old: int, size: int, leaves: list[bytes] = LEAVES, key: SigningKey = LOG) -> bytes:
    hashes = prove(consistency_ranges(old, size), hashes_of(leaves)) if old <= size else []
    return bytes(ConsistencyProof(old, tuple(hashes), note(size, leaves, key)))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(tmp_path / "logs")
    yield opened
    opened.close()


@pytest.fixture
def witness(state: State) -> Witness:
    return Witness(KEY, lambda: [LOG.verifier], state, lambda: NOW)


def test_it_cosigns_what_only_grows_and_keeps_the_note(witness: Witness) -> None:
    for old, size in ((0, 0), (0, 1), (1, 7), (7, 7), (7, 8), (8, 40)):
        status, line, _ = witness.add_checkpoint(body(old, size))
        assert status == 200
        told = Note.parse(note(size)).also([SignatureLine.parse(line.rstrip("\n"))])
        signed = told.verify([LOG.verifier, KEY.verifier])
        assert [each.time for each in signed] == [None, NOW]
        kept = witness.checkpoint(sha256(ORIGIN.encode()).hexdigest())
        assert kept == str(told).encode()


def test_400_a_malformed_body(witness: Witness) -> None:
    good = body(0, 5)
    for bad in (
        b"", b"\n", good[4:], good.replace(b"old 0", b"old 00"), good.replace(b"old 0", b"old -1"),
        good.replace(b"\n\n", b"\n", 1), good[:-1], good.replace(b"\n5\n", b"\n05\n"),
        b"old 0\n" + b"AAAA\n" + good[6:], bytes(ConsistencyProof(0, (bytes(32),) * 64, note(5))),
    ):  # fmt: skip
        assert witness.add_checkpoint(bad).status == 400, bad


def test_404_an_unknown_log_before_its_signature_is_looked_at(witness: Witness) -> None:
    other = SigningKey("example.com/other", 1, bytes([5] * 32))
    assert witness.add_checkpoint(body(0, 5, key=other)).status == 404
    assert witness.checkpoint(name_of("example.com/other")) is None
    assert witness.checkpoint("../witness.key") is None


def test_403_a_checkpoint_that_no_trusted_key_signed_before_its_size_is_looked_at(witness: Witness) -> None:
    assert witness.add_checkpoint(body(0, 5, key=STRANGER)).status == 403
    assert witness.add_checkpoint(body(9, 5, key=STRANGER)).status == 403
    altered = body(0, 5).replace(b"\n5\n", b"\n6\n")
    assert witness.add_checkpoint(altered).status == 403


def test_400_an_old_size_above_the_checkpoints_before_the_stored_one_is_looked_at(witness: Witness) -> None:
    assert witness.add_checkpoint(body(0, 7)).status == 200
    assert witness.add_checkpoint(body(9, 5)).status == 400


def test_409_another_old_size_says_the_one_that_was_cosigned(witness: Witness) -> None:
    assert witness.add_checkpoint(body(3, 5)) == (409, "0\n", SIZE)
    assert witness.add_checkpoint(body(0, 7)).status == 200
    for old in (0, 3, 8):
        assert witness.add_checkpoint(body(old, 9)) == (409, "7\n", SIZE)


def test_422_a_fork_is_not_cosigned(witness: Witness) -> None:
    assert witness.add_checkpoint(body(0, 7)).status == 200
    before = witness.checkpoint(name_of(ORIGIN))
    assert witness.add_checkpoint(body(7, 9, FORKED)).status == 422
    assert witness.add_checkpoint(body(7, 7, FORKED)).status == 422
    proof = ConsistencyProof.parse(body(7, 9))
    for hashes in ((), proof.hashes[:-1], (*proof.hashes, bytes(32)), proof.hashes[::-1]):
        altered = bytes(ConsistencyProof(7, hashes, proof.checkpoint))
        assert witness.add_checkpoint(altered).status == 422
    assert witness.checkpoint(name_of(ORIGIN)) == before


def test_422_hashes_from_nothing_prove_nothing(witness: Witness) -> None:
    assert witness.add_checkpoint(bytes(ConsistencyProof(0, (bytes(32),), note(5)))).status == 422


def test_an_older_checkpoint_is_never_cosigned_again(witness: Witness) -> None:
    assert witness.add_checkpoint(body(0, 9)).status == 200
    assert witness.add_checkpoint(body(0, 5)) == (409, "9\n", SIZE)
    assert witness.add_checkpoint(body(5, 5)) == (409, "9\n", SIZE)


def test_a_second_key_of_a_log_counts_and_foreign_lines_are_not_kept(state: State) -> None:
    second = SigningKey(ORIGIN, 1, bytes([7] * 32))
    witness = Witness(KEY, lambda: [LOG.verifier, second.verifier], state, lambda: NOW)
    noted = sign(Checkpoint(ORIGIN, 5, root(LEAVES[:5])), [STRANGER, second, LOG])
    assert witness.add_checkpoint(bytes(ConsistencyProof(0, (), str(noted).encode()))).status == 200
    kept = Note.parse(witness.checkpoint(name_of(ORIGIN)) or b"")
    assert [line.id for line in kept.signatures] == [second.verifier.id, LOG.verifier.id, KEY.verifier.id]


def test_of_many_at_once_from_one_size_one_is_cosigned(witness: Witness) -> None:
    assert witness.add_checkpoint(body(0, 7)).status == 200
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda size: witness.add_checkpoint(body(7, size)).status, range(8, 40)))
    assert found.count(200) == 1
    assert found.count(409) == len(found) - 1


def test_two_processes_do_not_share_a_state(tmp_path: Path, state: State) -> None:
    with pytest.raises(SettingsError, match="another witness is at work with it"):
        State(tmp_path / "logs")


def test_a_spoilt_state_cosigns_nothing(witness: Witness, tmp_path: Path) -> None:
    assert witness.add_checkpoint(body(0, 7)).status == 200
    (tmp_path / "logs" / name_of(ORIGIN)).write_bytes(b"spoilt")
    with pytest.raises(Unavailable, match="is spoilt"):
        witness.add_checkpoint(body(7, 9))


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_what_cannot_be_kept_is_not_answered(
    witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    assert witness.add_checkpoint(body(0, 7)).status == 200
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "logs").iterdir())

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, refuse)
        with pytest.raises(Unavailable, match="No space left"):
            witness.add_checkpoint(body(7, 9))
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "logs").iterdir()) == before
    assert witness.add_checkpoint(body(7, 9)).status == 200


KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.witness.state import State
from ledger.witness.witness import Witness
from tests.witness.test_witness import KEY, LOG, NOW, body

def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

Witness(KEY, lambda: [LOG.verifier], State(Path(sys.argv[1]), step), lambda: NOW).add_checkpoint(body(7, 9))
"""


@pytest.mark.parametrize(("step", "stands"), [("written", 7), ("named", 9)])
def test_killed_at_each_step_it_goes_on_from_what_is_kept(tmp_path: Path, step: str, stands: int) -> None:
    folder = tmp_path / "logs"
    first = State(folder)
    assert Witness(KEY, lambda: [LOG.verifier], first, lambda: NOW).add_checkpoint(body(0, 7)).status == 200
    first.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), step], check=False)
    assert done.returncode == -signal.SIGKILL
    again = State(folder)
    witness = Witness(KEY, lambda: [LOG.verifier], again, lambda: NOW)
    if stands == 7:
        assert witness.add_checkpoint(body(7, 9)).status == 200
    else:
        # Nobody was told of it: the log learns where the witness stands, and asks again.
        assert witness.add_checkpoint(body(7, 9)) == (409, "9\n", SIZE)
        assert witness.add_checkpoint(body(9, 9)).status == 200
    assert {path.name for path in folder.iterdir()} == {".lock", name_of(ORIGIN)}
    again.close()
