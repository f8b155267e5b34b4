"""Between which times an entry came about, by what witnesses signed: what is believed, of how many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError, Untrusted
from ledger.tlog.brackets import PATIENCE, Bracket, Brackets, Sighting, sightings_of
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey
from ledger.tlog.policy import Policy

ORIGIN = "example.com/log"
LOG = SigningKey(ORIGIN, 1, bytes(range(32)))
KEYS = [SigningKey(f"witness.example/w{n}", COSIGNATURE, bytes([n] * 32)) for n in (1, 2, 3)]
W1, W2, W3 = (key.verifier for key in KEYS)


def policy(threshold: str) -> Policy:
    lines = [f"witness w{n} {key.verifier}" for n, key in enumerate(KEYS)]
    lines += [f"group g {threshold} w0 w1 w2", "quorum g"]
    return Policy.parse("".join(line + "\n" for line in lines).encode())


def cosigned(size: int, *times: tuple[SigningKey, int], root: bytes = bytes(32), origin: str = ORIGIN) -> bytes:
    log = SigningKey(origin, 1, bytes(range(32)))
    note = sign(Checkpoint(origin, size, root), [log])
    lines = [SignatureLine.parse(key.sign(note.text, time).rstrip("\n")) for key, time in times]
    return str(note.also(lines)).encode()


def test_an_entry_lies_between_the_checkpoints_around_it() -> None:
    brackets = Brackets([Sighting(W1, 3, 100), Sighting(W1, 5, 200), Sighting(W1, 9, 300)])
    found = {index: brackets.of(index) for index in (0, 2, 3, 4, 5, 8, 9, 1000)}
    assert found == {
        0: (None, 100), 2: (None, 100), 3: (100, 200), 4: (100, 200), 5: (200, 300), 8: (200, 300),
        9: (300, None), 1000: (300, None),
    }  # fmt: skip
    assert brackets.size() == 9


def test_where_no_witness_has_spoken_there_is_no_time() -> None:
    assert Brackets([]).of(0) == Bracket(None, None)
    assert Brackets([]).size() == 0


def test_a_checkpoint_of_nothing_says_since_when_there_was_nothing() -> None:
    assert Brackets([Sighting(W1, 0, 50)]).of(0) == (50, None)


def test_of_several_a_quorum_is_believed_and_no_single_liar() -> None:
    seen = [
        # One says that it saw everything before all others, one that it saw nothing until long after.
        Sighting(W1, 9, 1), Sighting(W2, 5, 200), Sighting(W2, 9, 210), Sighting(W3, 5, 9000),
        Sighting(W3, 9, 9001),
    ]  # fmt: skip
    assert Brackets(seen, policy("2").heard).of(7) == (200, 210)
    assert Brackets(seen, policy("all").heard).of(7) == (None, 9001)
    assert Brackets(seen, policy("1").heard).of(7) == (9000, 1)
    assert Brackets(seen[:3], policy("all").heard).of(7) == (None, None)


def test_what_a_quorum_has_seen_of_different_sizes_counts_together() -> None:
    seen = [Sighting(W1, 5, 10), Sighting(W2, 8, 12), Sighting(W3, 3, 5)]
    brackets = Brackets(seen, policy("2").heard)
    assert brackets.of(4).not_after == 12
    assert brackets.size() == 5


def test_a_backdated_entry_lies_before_its_bracket_and_a_minute_of_lag_does_not() -> None:
    bracket = Bracket(10_000, 20_000)
    for seconds, outside in (
        (10_000 - PATIENCE - 1, "before"), (10_000 - PATIENCE, None), (15_000, None),
        (20_000 + PATIENCE, None), (20_000 + PATIENCE + 1, "after"),
    ):  # fmt: skip
        assert bracket.outside(seconds * 1_000_000) == outside
    assert Bracket().outside(0) is None


def test_only_what_trusted_witnesses_signed_of_this_log_is_a_sighting() -> None:
    note = cosigned(7, (KEYS[0], 100), (KEYS[1], 200))
    assert sightings_of(ORIGIN, note, [W1, LOG.verifier]) == [(W1, 7, 100)]
    assert sightings_of(ORIGIN, note, [LOG.verifier]) == []
    with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
        sightings_of(ORIGIN, note, [W3])
    with pytest.raises(CodecError, match=r"expected one of 'example.com/other'"):
        sightings_of("example.com/other", note, [W1])
    later = Note.parse(note)
    name, identity, signature = later.signatures[1]
    forged = SignatureLine(name, identity, (101).to_bytes(8, "big") + signature[8:])
    spoilt = str(later._replace(signatures=(later.signatures[0], forged))).encode()
    with pytest.raises(Untrusted, match="is not of this text"):
        sightings_of(ORIGIN, spoilt, [W1])


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=8), st.lists(st.integers(0, 90), min_size=8, max_size=8),
    st.integers(0, 40),
)  # fmt: skip
def test_of_one_honest_witness_an_entry_always_lies_in_its_bracket(
    steps: list[int], waits: list[int], index: int
) -> None:
    """Whatever is sealed and cosigned when: an entry that enters between two looks has them as its bracket."""
    size = time = 0
    seen: list[Sighting] = []
    entered: dict[int, int] = {}
    for step, wait in zip(steps, waits, strict=False):
        for each in range(size, size + step):
            entered[each] = time
        size, time = size + step, time + wait
        seen.append(Sighting(W1, size, time))
        time += 1
    bracket = Brackets(seen).of(index)
    if index in entered:
        assert bracket.not_after is not None
        assert (bracket.not_before or 0) <= entered[index] <= bracket.not_after
    else:
        assert bracket == (seen[-1].time, None)
