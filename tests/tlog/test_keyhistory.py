"""Who trusts one key of a log is led to those that it names, and to no other, whatever is recorded."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledger.errors import CodecError, Untrusted
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.keyhistory import ADDED, RETIRED, Change, Keys, Statement, open_statement, state
from ledger.tlog.note import COSIGNATURE, Note, SigningKey

ORIGIN = "example.vic.gov.au/dffh"
OTHER = "other.example/log"


def key(number: int, origin: str = ORIGIN) -> SigningKey:
    return SigningKey(origin, 1, bytes([number]) * 32)


FIRST, SECOND, THIRD, FOREIGN = key(1), key(2), key(3), key(9)
FOREIGN_HERE = key(8)
"""Somebody's, by the name of the log."""


def added(index: int, made: SigningKey, size: int, *by: SigningKey) -> Change:
    return Change(index, str(state(ORIGIN, ADDED, made, size, by)).encode())


def retired(index: int, gone: SigningKey, size: int, *by: SigningKey) -> Change:
    return Change(index, str(state(ORIGIN, RETIRED, gone.verifier, size, by)).encode())


def note(size: int, *keys: SigningKey) -> bytes:
    return str(sign(Checkpoint(ORIGIN, size, bytes(32)), keys)).encode()


HISTORY = [added(10, SECOND, 9, FIRST), retired(20, FIRST, 16, SECOND), added(30, THIRD, 31, SECOND)]


def opens(
    trusted: Sequence[SigningKey], size: int, *by: SigningKey, changes: Sequence[Change] = HISTORY
) -> bool:
    try:
        known = Keys([each.verifier for each in trusted], ORIGIN, changes)
        return known.open(note(size, *by)).checkpoint.size == size
    except Untrusted:
        return False


def test_who_trusts_the_first_key_is_led_to_the_last() -> None:
    known = Keys([FIRST.verifier], ORIGIN, HISTORY)
    assert [(each.key, each.first, each.until, each.used_from) for each in known.ranges] == [
        (FIRST.verifier, 0, 16, 0), (SECOND.verifier, 9, None, 11), (THIRD.verifier, 31, None, 31),
    ]  # fmt: skip
    assert known.passed_over == []
    for size, by, trusted in [
        (0, FIRST, True), (15, FIRST, True), (16, FIRST, False), (8, SECOND, False), (9, SECOND, True),
        (500, SECOND, True), (30, THIRD, False), (31, THIRD, True), (31, FOREIGN, False),
    ]:  # fmt: skip
        assert opens([FIRST], size, by) is trusted, (size, by)
    # Where several signed, one that is valid is enough; the others are passed over as foreign ones are.
    assert opens([FIRST], 16, FIRST, SECOND)
    assert opens([FIRST], 16, FOREIGN, SECOND)


def test_who_trusts_a_later_key_is_not_led_back() -> None:
    known = Keys([SECOND.verifier], ORIGIN, HISTORY)
    assert [(each.key, each.first) for each in known.ranges] == [(SECOND.verifier, 9), (THIRD.verifier, 31)]
    # The retirement of the first is no news to who never trusted it.
    assert known.passed_over == [20]
    assert not opens([SECOND], 12, FIRST)


def test_a_checkpoint_outside_of_its_keys_validity_is_refused_with_the_sizes() -> None:
    with pytest.raises(
        Untrusted, match=rf"of 16 entries .* outside of its validity: {FIRST.verifier.id.hex()} .* 0 to 15"
    ):
        Keys([FIRST.verifier], ORIGIN, HISTORY).open(note(16, FIRST))
    with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
        Keys([FIRST.verifier], ORIGIN, HISTORY).open(note(16, FOREIGN))


@pytest.mark.parametrize(
    "changes",
    [
        [added(10, FOREIGN, 9, THIRD)],
        [*HISTORY[:2], added(30, FOREIGN, 31, FIRST)],
        [*HISTORY, added(40, FIRST, 41, SECOND)],
        [added(10, SECOND, 12, FIRST)],
        [Change(10, str(state(OTHER, ADDED, key(2, OTHER), 9, [key(1, OTHER)])).encode())],
        [Change(10, b"nothing")],
        [retired(5, FIRST, 3, FOREIGN)],
        [retired(5, FIRST, 3, FIRST)],
        [added(10, SECOND, 9, FIRST), retired(20, FIRST, 16, SECOND), retired(21, FIRST, 20, SECOND)],
    ],
    ids=[
        "history entry forged", "a retired key adds one", "a retired key signs again",
        "a size not reached yet", "statement of another log", "no statement", "retired by a stranger",
        "retired by itself", "retired twice",
    ],
)  # fmt: skip
def test_what_no_trusted_key_in_force_has_stated_changes_nothing(changes: list[Change]) -> None:
    known, before = Keys([FIRST.verifier], ORIGIN, changes), Keys([FIRST.verifier], ORIGIN, changes[:-1])
    assert known.ranges == before.ranges
    assert known.passed_over == [changes[-1].at]


def test_who_adds_a_key_holds_it() -> None:
    stated = state(ORIGIN, ADDED, SECOND, 9, [FIRST])
    assert open_statement(str(stated).encode())[1] == {FIRST.verifier, SECOND.verifier}
    unsigned = stated._replace(signatures=stated.signatures[:1])
    with pytest.raises(Untrusted, match="its own signature"):
        open_statement(str(unsigned).encode())
    # A line of a named key that does not hold spoils the whole, as of any note.
    spoilt = stated._replace(text=stated.text.replace("\n9\n", "\n8\n"))
    with pytest.raises(Untrusted, match="is not of this text"):
        open_statement(str(spoilt).encode())


def test_a_statement_is_no_checkpoint_and_no_checkpoint_a_statement() -> None:
    with pytest.raises(CodecError):
        Checkpoint.parse(state(ORIGIN, ADDED, SECOND, 9, [FIRST]).text)
    with pytest.raises(CodecError):
        Statement.parse(Checkpoint(ORIGIN, 9, bytes(32)).text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("/v1", "/v2"),
        lambda text: text.replace("added", "grown"),
        lambda text: text.replace("\n9\n", "\n09\n"),
        lambda text: text.replace("\n9\n", "\n-9\n"),
        lambda text: text + "more\n",
        lambda text: text[:-1],
        lambda text: text.replace(ORIGIN, "other.example/x", 1),
        lambda text: text.replace("\n9\n", "\n9\n "),
        lambda text: text.replace(
            str(SECOND.verifier), str(SigningKey(ORIGIN, COSIGNATURE, bytes(32)).verifier)
        ),
    ],
)
def test_a_statement_has_one_form(spoil) -> None:
    text = state(ORIGIN, ADDED, SECOND, 9, [FIRST]).text
    assert Statement.parse(text).text == text
    with pytest.raises(CodecError):
        Statement.parse(spoil(text))


def test_witnesses_and_other_logs_stay_trusted() -> None:
    witness = SigningKey("w.example/w1", COSIGNATURE, bytes(32))
    other = key(4, "other.example/log")
    known = Keys([FIRST.verifier, witness.verifier, other.verifier], ORIGIN, HISTORY)
    signed = Note.parse(note(40, SECOND))
    line = Note.parse(f"{signed.text}\n{witness.sign(signed.text, 5)}".encode()).signatures
    assert [each.time for each in known.open(str(signed.also(line)).encode()).signed] == [None, 5]
    theirs = str(sign(Checkpoint("other.example/log", 3, bytes(32)), [other])).encode()
    assert known.open(theirs).checkpoint.size == 3


def test_up_to_the_last_statement_that_is_held_no_other_counts() -> None:
    """The thief of the first key retires its successor, or adds a key, before the true retirement."""
    held, keys = HISTORY[:2], [FIRST.verifier]
    for forged in (
        retired(11, SECOND, 9, FIRST), retired(10, SECOND, 9, FIRST), added(10, FOREIGN_HERE, 9, FIRST),
        added(3, FOREIGN_HERE, 1, FIRST), retired(19, SECOND, 9, FIRST),
    ):  # fmt: skip
        known = Keys(keys, ORIGIN, sorted([*held, forged], key=lambda each: each.at))
        assert forged in known.counted
        with pytest.raises(Untrusted, match=f"entry {forged.at}: .* not among the entries given.* entry 20$"):
            known.require_between(held)
        known.require_between([])
    # What says nothing is no fault, nor is what comes after the last.
    for other in (retired(15, SECOND, 9, FOREIGN_HERE), retired(20, SECOND, 9, FIRST), HISTORY[2]):
        known = Keys(keys, ORIGIN, sorted([*held, other], key=lambda each: each.at))
        known.require_between(held)
    assert Keys(keys, ORIGIN, HISTORY).counted == HISTORY


def test_several_keys_are_untold_where_nothing_held_counts() -> None:
    both = [FIRST.verifier, SECOND.verifier]
    assert Keys(both, ORIGIN, HISTORY).untold([])
    assert not Keys(both, ORIGIN, HISTORY).untold(HISTORY[:1])
    assert not Keys(both[:1], ORIGIN, HISTORY).untold([])
    assert not Keys([FIRST.verifier, key(1, OTHER).verifier], ORIGIN, HISTORY).untold([])
    nothing = retired(15, SECOND, 9, FOREIGN_HERE)
    assert Keys(both, ORIGIN, [nothing]).untold([nothing])
