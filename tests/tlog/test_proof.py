"""Proof files (C2SP tlog-proof; tlog-witness, body of add-checkpoint): golden bytes, alteration, strictness."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import CodecError, ProofFailed, Untrusted
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, sign
from ledger.tlog.note import Note, SigningKey
from ledger.tlog.proof import ConsistencyProof, InclusionProof
from tests.tlog import naive
from tests.tlog.naive import TREE
from tests.tlog.vectors import LOG, MOMENT, ORIGIN, OTHER_LOG, SOFA_REQUEST, STRANGER, WITNESS

TRUSTED = [LOG.verifier, WITNESS.verifier]
ENTRY = TREE.entries[6]
BEFORE = Checkpoint(ORIGIN, 6, TREE.root(6))
GOLDEN_NOTE = (
    "ledger.example/lakeside\n"
    "11\n"
    "MpIghwdLQvu/Ojo2cjqyeCX9m62x4pvd68P+qD6ewE0=\n"
    "\n"
    "— ledger.example/lakeside "
    "+LKINfzMAGx7LTaTjrhSGhnRjQ0I/HmYczvWqhXDbw+c0r9nN9r2NAAs1IarjqMlZF4cFUO0Nqhzsu5JSb6+Rb0cnws=\n"
    "— stranger.example "
    "GxxJA4LHZ2Kz6hKqO/Jz8ZRPOM7XN0q2UVEIUUO6mLjiddYSyN3WgG2aQDvOnp9u9j4C9N2SZZ/60hMzTDNymJTOVQs=\n"
    "— witness.example/w1 "
    "OsNgBgAAAABqsTuAPMenf/4Jc0N9vqHFF0xLLAKUd1MBwSLjuS1Lw43hGsDQqDPoBVC1/qfJk/nQaJMvomXiPfhOZc7xsh3t1kHlCQ==\n"
).encode()
GOLDEN_INCLUSION = (
    b"c2sp.org/tlog-proof@v1\n"
    b"index 6\n"
    b"Rn73BqsCMMU7SGYrU3boFVbdCx4Ss2dBA/9z7i4Fh/Q=\n"
    b"3QN52DrH8WTn7qMM3O+1dQglTEj3Zq/M09l2Nl4yjMw=\n"
    b"l5nzB1F+9RfCIF35tndivzR1ayAJn7ffzOdrzr0nOy4=\n"
    b"Gg7P34r3oeK3sD6u30u69aQetycGEXXjRiBCvpuP4wA=\n"
    b"\n"
) + GOLDEN_NOTE
GOLDEN_CONSISTENCY = (
    b"old 6\n"
    b"3QN52DrH8WTn7qMM3O+1dQglTEj3Zq/M09l2Nl4yjMw=\n"
    b"/w4ywg/2W5esELOyZ3uHKqPVoCh9lFesukflfPSkpz8=\n"
    b"l5nzB1F+9RfCIF35tndivzR1ayAJn7ffzOdrzr0nOy4=\n"
    b"Gg7P34r3oeK3sD6u30u69aQetycGEXXjRiBCvpuP4wA=\n"
    b"\n"
) + GOLDEN_NOTE


def noted(size: int, tree: naive.Tree = TREE, key: SigningKey = LOG) -> bytes:
    """The checkpoint of a tree, signed by its log."""
    return str(sign(Checkpoint(key.verifier.name, size, tree.root(size)), [key])).encode()


def golden_note() -> bytes:
    """The checkpoint of eleven entries: of its log, a key that nobody knows, a witness."""
    note = Note.parse(noted(11))
    return f"{note}{STRANGER.sign(note.text)}{WITNESS.sign(note.text, MOMENT)}".encode()


def checked_inclusion(data: bytes) -> SignedCheckpoint:
    return InclusionProof.parse(data).verify(ENTRY, TRUSTED)


def checked_consistency(data: bytes) -> SignedCheckpoint:
    return ConsistencyProof.parse(data).verify(BEFORE, TRUSTED)


FILES = {
    "inclusion": (GOLDEN_INCLUSION, checked_inclusion),
    "consistency": (GOLDEN_CONSISTENCY, checked_consistency),
}
Check = Callable[[bytes], SignedCheckpoint]


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> tuple[bytes, Check]:
    """A golden file, and what parses and verifies it."""
    return FILES[request.param]


# --- golden files -------------------------------------------------------------------------------------


def test_the_golden_bytes_are_written() -> None:
    assert golden_note() == GOLDEN_NOTE
    assert bytes(InclusionProof(6, tuple(TREE.path(6, 0, 11)), golden_note())) == GOLDEN_INCLUSION
    assert bytes(ConsistencyProof(6, tuple(TREE.proof(6, 11)), golden_note())) == GOLDEN_CONSISTENCY


def test_the_golden_bytes_are_read_back() -> None:
    assert bytes(InclusionProof.parse(GOLDEN_INCLUSION)) == GOLDEN_INCLUSION
    assert bytes(ConsistencyProof.parse(GOLDEN_CONSISTENCY)) == GOLDEN_CONSISTENCY


def test_the_golden_files_prove(file: tuple[bytes, Check]) -> None:
    data, check = file
    found = check(data)
    assert found.checkpoint == Checkpoint(ORIGIN, 11, TREE.root(11))
    assert found.signed == [(LOG.verifier, None), (WITNESS.verifier, MOMENT)]


def believed(data: bytes, check: Check) -> SignedCheckpoint | None:
    """What is found, or None where it is refused by an error of ours."""
    try:
        return check(data)
    except (CodecError, Untrusted, ProofFailed):
        return None


def changes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every byte changed: each of its bits, to what parsers stumble over, left out, and one put before it."""
    for at, byte in enumerate(data):
        for other in {byte ^ 1 << bit for bit in range(8)} | {*b"\n\r\0 =+/A0"}:
            if other != byte:
                yield at, data[:at] + bytes([other]) + data[at + 1 :]
        yield at, data[:at] + data[at + 1 :]
        yield at, data[:at] + b"A" + data[at:]


def test_any_byte_changed_is_refused_or_makes_no_one_believed_who_did_not_sign(
    file: tuple[bytes, Check],
) -> None:
    """Harmless is what changes a line of a key that nobody trusts, or makes a line be of such a key."""
    data, check = file
    whole = check(data)
    stranger = data.index(STRANGER.verifier.name.encode())
    witness = data.index(WITNESS.verifier.name.encode())
    stranger_end = data.index(b"\n", stranger)
    witness_signature = data.index(b" ", witness) + 1 + 8  # Six bytes: the id, and two of the time.
    harmless = set()
    for at, changed in changes(data):
        found = believed(changed, check)
        if found is None or changed == data:
            continue
        harmless.add(at)
        assert found.checkpoint == whole.checkpoint
        if at <= stranger_end:
            assert found.signed == whole.signed
        else:
            assert found.signed == whole.signed[:1]
    assert harmless <= {*range(stranger, stranger_end), *range(witness, witness_signature)}
    # Not everything is refused: else nothing would be tested above.
    assert {stranger, stranger_end - 5, witness} <= harmless


def test_any_byte_changed_is_refused_where_only_the_log_signed() -> None:
    data = bytes(InclusionProof(6, tuple(TREE.path(6, 0, 11)), noted(11)))
    assert [
        changed for _, changed in changes(data) if changed != data and believed(changed, checked_inclusion)
    ] == []


@pytest.mark.parametrize("end", [0, 1, 22, 23, 40, 200, -1])
def test_a_file_cut_is_refused(file: tuple[bytes, Check], end: int) -> None:
    data, check = file
    with pytest.raises(CodecError):
        check(data[:end])


def test_the_request_of_c2sp_is_read_and_written_back() -> None:
    found = ConsistencyProof.parse(SOFA_REQUEST.encode())
    assert (found.old, len(found.hashes)) == (20852014, 4)
    assert [line.name for line in Note.parse(found.checkpoint).signatures] == [
        "example.com/behind-the-sofa"
    ] * 2
    assert bytes(found) == SOFA_REQUEST.encode()


# --- proving ------------------------------------------------------------------------------------------


@given(st.integers(1, 700), st.integers(0, 699))
@settings(deadline=None, max_examples=50)
def test_an_entry_of_any_log_is_proved(size: int, index: int) -> None:
    index %= size
    proof = InclusionProof(index, tuple(TREE.path(index, 0, size)), noted(size))
    assert InclusionProof.parse(bytes(proof)) == proof
    assert proof.verify(TREE.entries[index], TRUSTED).checkpoint.size == size
    with pytest.raises(ProofFailed, match="inclusion: expected the root"):
        proof.verify(TREE.entries[index + 1], TRUSTED)


@given(st.integers(0, 700), st.integers(0, 700))
@settings(deadline=None, max_examples=50)
def test_any_log_is_proved_to_go_on(old: int, new: int) -> None:
    old, new = sorted([old, new])
    proof = ConsistencyProof(old, tuple(TREE.proof(old, new)), noted(new))
    assert ConsistencyProof.parse(bytes(proof)) == proof
    assert proof.verify(Checkpoint(ORIGIN, old, TREE.root(old)), TRUSTED).checkpoint.size == new


def test_an_inclusion_that_is_not_so_fails() -> None:
    path = tuple(TREE.path(6, 0, 11))
    for proof in (
        InclusionProof(7, path, noted(11)),
        InclusionProof(6, path, noted(12)),
        InclusionProof(6, path[:-1], noted(11)),
        InclusionProof(6, path[::-1], noted(11)),
        InclusionProof(6, tuple(TREE.path(7, 0, 11)), noted(11)),
        InclusionProof(11, path, noted(11)),
        InclusionProof(6, path, noted(0)),
        InclusionProof(6, path, noted(11, naive.Tree([b"another", *TREE.entries[1:11]]))),
    ):
        with pytest.raises(ProofFailed, match="inclusion: "):
            proof.verify(ENTRY, TRUSTED)


def test_the_signature_binds_the_size_that_a_path_alone_does_not() -> None:
    """Leaf 0 of 7 and of 8 have paths of one shape: with the size altered the log has not signed it."""
    proof = InclusionProof(0, tuple(TREE.path(0, 0, 7)), noted(7).replace(b"\n7\n", b"\n8\n"))
    with pytest.raises(Untrusted, match="is not of this text"):
        proof.verify(TREE.entries[0], TRUSTED)


def test_no_proof_holds_of_a_log_that_is_not_trusted() -> None:
    data = noted(11, key=OTHER_LOG)
    with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
        InclusionProof(6, tuple(TREE.path(6, 0, 11)), data).verify(ENTRY, TRUSTED)
    with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
        ConsistencyProof(6, tuple(TREE.proof(6, 11)), data).verify(BEFORE, TRUSTED)


def test_a_fork_a_rollback_and_another_log_fail() -> None:
    proof = ConsistencyProof(6, tuple(TREE.proof(6, 11)), noted(11))
    fork = naive.Tree([*TREE.entries[:3], b"another", *TREE.entries[4:11]])
    both = [*TRUSTED, OTHER_LOG.verifier]
    for before, after, message in (
        (BEFORE._replace(root=fork.root(6)), proof, "expected the root"),
        (BEFORE, ConsistencyProof(6, tuple(fork.proof(6, 11)), noted(11, fork)), "expected the root"),
        (BEFORE, ConsistencyProof(6, tuple(TREE.proof(6, 11)), noted(11, fork)), "expected the root"),
        (BEFORE._replace(size=7), proof, "expected a proof from size 7, got one from 6"),
        (BEFORE, ConsistencyProof(6, (), noted(5)), "expected an old size up to 5, got 6"),
        (BEFORE, ConsistencyProof(6, (), noted(11)), "no hash is fewer"),
        (BEFORE._replace(root=fork.root(6)), ConsistencyProof(6, (), noted(6)), "expected the root"),
        (BEFORE, ConsistencyProof(6, (TREE.root(6),), noted(6)), "expected no hash from size 6 to 6, got 1"),
        (
            BEFORE._replace(origin="ledger.example/hillside"),
            proof,
            f"expected the log 'ledger.*', got '{ORIGIN}'",
        ),
    ):
        with pytest.raises(ProofFailed, match=f"consistency: {message}"):
            after.verify(before, both)


def test_an_error_of_the_signature_comes_before_one_of_the_proof() -> None:
    """Step 1 first: of what no one signed, nothing is said about what it proves."""
    with pytest.raises(Untrusted):
        InclusionProof(6, (), noted(11, key=OTHER_LOG)).verify(b"another", TRUSTED)


# --- strictness ---------------------------------------------------------------------------------------

NOTE = noted(11)
FIRST = b"c2sp.org/tlog-proof@v1"
HASH = base64.b64encode(bytes(32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected lines, an empty line and a checkpoint"),
        (b"%s\nindex 6\n%s\n" % (FIRST, HASH), "expected lines, an empty line and a checkpoint"),
        (b"%s\nindex 6\n%s\n%s" % (FIRST, HASH, NOTE), "note: expected text, an empty line"),
        (b"\n\n" + NOTE, "expected the first line c2sp.org/tlog-proof@v1, got ''"),
        (b"c2sp.org/tlog-proof@v2\nindex 6\n\n" + NOTE, "expected the first line .*, got 'c2sp.*v2'"),
        (b" %s\nindex 6\n\n%s" % (FIRST, NOTE), "expected the first line"),
        (b"%s\r\nindex 6\n\n%s" % (FIRST, NOTE), "expected the first line"),
        (b"\xef\xbb\xbf%s\nindex 6\n\n%s" % (FIRST, NOTE), "expected lines of ASCII before the checkpoint"),
        (b"%s\n\n%s" % (FIRST, NOTE), "expected a second line 'index N'"),
        (b"%s\nextra AAAA\nindex 6\n\n%s" % (FIRST, NOTE), "expected a second line 'index N'"),
        (b"%s\nIndex 6\n\n%s" % (FIRST, NOTE), "expected a second line 'index N'"),
        (b"%s\nindex\n\n%s" % (FIRST, NOTE), "expected a second line 'index N'"),
        (b"%s\nindex \n\n%s" % (FIRST, NOTE), "index: expected a decimal number without .*, got ''"),
        (b"%s\nindex  6\n\n%s" % (FIRST, NOTE), "index: expected a decimal number without .*, got ' 6'"),
        (b"%s\nindex 06\n\n%s" % (FIRST, NOTE), "index: expected a decimal number without .*, got '06'"),
        (b"%s\nindex -6\n\n%s" % (FIRST, NOTE), "index: expected a decimal number without .*, got '-6'"),
        (b"%s\nindex 6\r\n\n%s" % (FIRST, NOTE), "index: expected a decimal number"),
        (b"%s\nindex %s\n\n%s" % (FIRST, b"9" * 5000, NOTE), "index: expected at most 92233720368547758"),
        (b"%s\nindex 6\n%s\n\n%s" % (FIRST, HASH[:-1], NOTE), "hash: expected base64"),
        (b"%s\nindex 6\n%s=\n\n%s" % (FIRST, HASH, NOTE), "hash: expected base64"),
        (b"%s\nindex 6\n%s9=\n\n%s" % (FIRST, HASH[:-2], NOTE), "hash: expected base64 in its one encoding"),
        (b"%s\nindex 6\n%s \n\n%s" % (FIRST, HASH, NOTE), "hash: expected base64"),
        (b"%s\nindex 6\nAAAA\n\n%s" % (FIRST, NOTE), "expected hashes of 32 bytes, got one of 3"),
        (b"%s\nindex 6\n%s\n\n%s" % (FIRST, HASH * 2, NOTE), "hash: expected base64"),
        (b"%s\nindex 6\n%s\n%s" % (FIRST, b"%s\n" % HASH * 64, NOTE), "expected at most 63 hashes, got 64"),
        (b"%s\nindex 6\n\n\n%s" % (FIRST, NOTE), "expected three lines that are not empty"),
        (b"%s\nindex 6\n\n%s" % (FIRST, NOTE[:-1]), "signature lines, each with its newline"),
        (b"%s\nindex 6\n\nno checkpoint\n\n%s" % (FIRST, LOG.sign("x\n").encode()), "expected three lines"),
    ],
)  # fmt: skip
def test_a_malformed_proof_is_refused_by_what_was_expected(data: bytes, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        InclusionProof.parse(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "consistency proof: expected lines, an empty line and a checkpoint"),
        (b"\n\n" + NOTE, "consistency proof: expected a first line 'old N', got ''"),
        (b"size 6\n\n" + NOTE, "consistency proof: expected a first line 'old N', got 'size 6'"),
        (b"old\n\n" + NOTE, "consistency proof: expected a first line 'old N', got 'old'"),
        (b"old 06\n\n" + NOTE, "consistency proof: old size: expected a decimal number"),
        (b"old -1\n\n" + NOTE, "consistency proof: old size: expected a decimal number"),
        (b"old \xd9\xa3\n\n" + NOTE, "consistency proof: expected lines of ASCII"),
        (b"old 9223372036854775808\n\n" + NOTE, "consistency proof: old size: expected at most"),
        (
            b"old 6\n%s\n%s" % (b"%s\n" % HASH * 64, NOTE),
            "consistency proof: expected at most 63 hashes, got 64",
        ),
        (b"old 6\nAAAA\n\n" + NOTE, "consistency proof: expected hashes of 32 bytes, got one of 3"),
        (b"old 6\n%s\n\n" % HASH, "note: expected text, an empty line"),
    ],
)
def test_a_malformed_consistency_proof_is_refused_by_what_was_expected(data: bytes, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        ConsistencyProof.parse(data)


PIECES = st.sampled_from(
    [FIRST, b"\n", b"\n\n", b"index 6", b"old 6", HASH, NOTE, b"extra ", b"\xff", GOLDEN_INCLUSION]
)


@given(st.binary() | st.lists(PIECES, max_size=9).map(b"".join) | st.lists(PIECES, max_size=9).map(b"\n".join))
@settings(max_examples=500)
def test_any_bytes_are_a_proof_or_refused(data: bytes) -> None:
    for parse in (InclusionProof.parse, ConsistencyProof.parse):
        try:
            found = parse(data)
        except CodecError:
            continue
        assert bytes(found) == data
