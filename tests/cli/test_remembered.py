"""The client's memory: each proof and each bundle is held to the checkpoint seen last of its ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.bundle.manifest import Subject
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import Note
from ledger.tlog.proof import ConsistencyProof, InclusionProof
from tests.bundle.made import KEY, OF_CASE, ORIGIN, SIZE, WHOLE, WITNESS, Log, log
from tests.cli.conftest import Answer, Program
from tests.cli.test_proofs import fails

OLD, MORE = 5, 18
FORK = "another tree of {} entries was seen before"
APART = "not compared with the checkpoint of {} entries seen before"
HEAD = Subject("range", start=0, end=4)


class Reader:
    """Somebody with the ledger's key, a memory, and what they are handed over."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.true, self.fork, self.longer, self.other = (
            log(),
            Log.of(SIZE, offset=1),
            log(MORE),
            Log.of(MORE, offset=1),
        )

    def __call__(self, *arguments: str, data: bytes, what: str = "--proof") -> Answer:
        """``verify`` of something handed over; ``what``: the option, or bundle."""
        file = self.folder / "handed.over"
        file.write_bytes(data)
        command = ("bundle", "verify", str(file)) if what == "bundle" else ("verify", what, str(file))
        return self.program(*command, *arguments, "--key", str(KEY.verifier))

    def inclusion(self, made: Log, *arguments: str) -> Answer:
        """A proof that the entry 4 is in a log."""
        entry = self.folder / "entry"
        entry.write_bytes(made.entries[4])
        return self("--entry", str(entry), *arguments, data=bytes(made.prove(4)))

    def consistency(self, made: Log, old: int = OLD, *arguments: str) -> Answer:
        """A proof that a log goes on from its first ``old`` entries."""
        before, proof = made.since(old)
        kept = self.folder / "kept"
        kept.write_bytes(before)
        return self("--checkpoint", str(kept), *arguments, data=bytes(proof))

    def bundle(self, made: Log, subject: Subject, *arguments: str, since: int | None = None) -> Answer:
        """A bundle of a log."""
        more = {} if since is None else {"since": made.since(since)}
        return self(*arguments, data=made.bundle(subject, **more), what="bundle")

    @property
    def remembered(self) -> Checkpoint | None:
        """What lies in the memory."""
        for path in (self.folder / "data" / "seen").glob("[!.]*"):
            return Checkpoint.parse(Note.parse(path.read_bytes()).text)
        return None

    def forget(self) -> None:
        for path in (self.folder / "data" / "seen").glob("[!.]*"):
            path.unlink()


@pytest.fixture
def reader(program: Program, tmp_path: Path) -> Reader:
    return Reader(program, tmp_path)


def said(made: Log, size: int | None = None) -> Checkpoint:
    return Checkpoint.parse(Note.parse(made.note(size)).text)


def clean(answer: Answer, apart: int | None = None) -> None:
    assert (answer.code, answer.err) == (0, ""), answer
    assert (APART.format(apart) in answer.out) is (apart is not None)
    assert ("not compared" in answer.out) is (apart is not None)


WAYS = ["inclusion", "consistency", "ledger", "range", "case"]


def shows(reader: Reader, how: str, made: Log, *more: str) -> Answer:
    if how == "inclusion":
        return reader.inclusion(made, *more)
    if how == "consistency":
        return reader.consistency(made, OLD, *more)
    return reader.bundle(made, {"ledger": WHOLE, "range": HEAD, "case": OF_CASE}[how], *more)


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("then", WAYS)
def test_two_histories_of_one_size_are_found_however_they_are_shown(
    reader: Reader, first: str, then: str
) -> None:
    clean(shows(reader, first, reader.true))
    assert reader.remembered == said(reader.true)
    clean(shows(reader, then, reader.true))
    answer = shows(reader, then, reader.fork)
    # Where both are shown to go on from a size, that one differs; else the whole.
    fails(answer, 8, FORK.format(SIZE))
    assert reader.remembered == said(reader.true)
    told = shows(reader, then, reader.fork, "--json")
    assert (told.code, told.json["clean"]) == (8, False)


@pytest.mark.parametrize("how", ["consistency", "since", "ledger"])
def test_what_shows_that_it_goes_on_is_compared_at_another_size(reader: Reader, how: str) -> None:
    def shown(made: Log) -> Answer:
        if how == "consistency":
            return reader.consistency(made, SIZE)
        if how == "since":
            return reader.bundle(made, HEAD, since=SIZE)
        return reader.bundle(made, WHOLE)

    clean(reader.inclusion(reader.true))
    fails(shown(reader.other), 8, FORK.format(SIZE))
    assert reader.remembered == said(reader.true)
    clean(shown(reader.longer))
    assert reader.remembered == said(reader.longer)
    # What is of an older size than the one seen last is no fault, and takes nothing back.
    clean(reader.inclusion(reader.true), apart=MORE)
    assert reader.remembered == said(reader.longer)


@pytest.mark.parametrize("how", WAYS[:2] + WAYS[3:])
def test_what_cannot_be_compared_is_said_and_replaces_nothing(reader: Reader, how: str) -> None:
    clean(reader.inclusion(reader.true))
    for made in (reader.longer, reader.other):
        clean(shows(reader, how, made), apart=SIZE)
        told = shows(reader, how, made, "--json").json
        assert told.get("not_compared", told.get("ledgers", [{}])[0].get("not_compared")) == SIZE
        assert reader.remembered == said(reader.true)
    clean(reader.inclusion(reader.true))


def test_the_checkpoint_that_a_proof_goes_on_from_is_held_to_the_one_seen_too(reader: Reader) -> None:
    """Its end may be one that nobody saw yet: its beginning gives the other history away."""
    note = sign(said(reader.true, OLD), [KEY])
    proof = InclusionProof(4, tuple(reader.true.tree.path(4, 0, OLD)), str(note).encode())
    entry = reader.folder / "entry"
    entry.write_bytes(reader.true.entries[4])
    clean(reader("--entry", str(entry), data=bytes(proof)))
    assert reader.remembered == said(reader.true, OLD)
    fails(reader.consistency(reader.other), 8, FORK.format(OLD))
    clean(reader.consistency(reader.longer))
    assert reader.remembered == said(reader.longer)


def test_a_checkpoint_that_tells_times_is_held_to_the_one_seen(reader: Reader) -> None:
    clean(reader.consistency(reader.true))
    later = reader.folder / "later"
    later.write_bytes(reader.fork.note())
    proof = bytes(InclusionProof(4, tuple(reader.true.tree.path(4, 0, OLD)), reader.true.note(OLD)))
    entry = reader.folder / "entry"
    entry.write_bytes(reader.true.entries[4])
    times = ("--entry", str(entry), "--key", str(WITNESS.verifier), "--checkpoint", str(later))
    fails(reader(*times, data=proof), 8, FORK.format(SIZE))
    later.write_bytes(reader.true.note())
    clean(reader(*times, data=proof), apart=SIZE)


def test_what_was_not_believed_is_not_remembered(reader: Reader) -> None:
    before, proof = reader.true.since(OLD)
    spoilt = ConsistencyProof(proof.old, proof.hashes[::-1], proof.checkpoint)
    kept = reader.folder / "kept"
    kept.write_bytes(before)
    assert reader("--checkpoint", str(kept), data=bytes(spoilt)).code == 8
    data = reader.true.bundle(WHOLE)
    assert reader(data=data[:-9], what="bundle").code == 11
    assert reader.remembered is None


def test_a_memory_that_cannot_be_kept_is_said(reader: Reader) -> None:
    (reader.folder / "data").write_text("")
    for how in ("inclusion", "case"):
        answer = shows(reader, how, reader.true)
        assert answer.code == 2
        assert "data" in answer.err
        assert ORIGIN not in answer.out
