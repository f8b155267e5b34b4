"""Stream ``keys``: what may be recorded of keys, and what who only writes entries cannot."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from ledger.codec.entry import CorrectionKind
from ledger.domain.event import CaseEvent
from ledger.domain.keys.events import (
    KeyEncryptionKeyRotated,
    KeyKind,
    KeyReason,
    KeySplit,
    RecoveryDrilled,
    SigningKeyAdded,
    SigningKeyRetired,
)
from ledger.domain.keys.standing import changes_of
from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.tlog.keyhistory import ADDED, RETIRED, Keys, state
from ledger.tlog.note import SigningKey
from tests.domain.build import LEDGER, Book


def key(number: int, origin: str = LEDGER) -> SigningKey:
    return SigningKey(origin, 1, bytes([number]) * 32)


FIRST, SECOND, THIRD = key(1), key(2), key(3)


class Stream(Book):
    """A book whose keys change."""

    def add(self, made: SigningKey, *by: SigningKey, size: int = 1, **other: Any) -> CaseEvent:
        return self._state(SigningKeyAdded, ADDED, made, size, by, {"valid_from": size, **other})

    def retire(self, gone: SigningKey, *by: SigningKey, size: int = 1, **other: Any) -> CaseEvent:
        return self._state(SigningKeyRetired, RETIRED, gone.verifier, size, by, {"valid_until": size, **other})

    def _state(self, event: Any, what: str, named: Any, size: int, by: Any, other: dict[str, Any]) -> CaseEvent:
        verifier = getattr(named, "verifier", named)
        fields = {
            "key": str(verifier), "fingerprint": sha256(verifier.public).digest(),
            "statement": str(state(verifier.name, what, named, size, by)), "reason": KeyReason.SCHEDULED,
            **other,
        }  # fmt: skip
        return self.record(event, "keys", **{"role": "administrator", **fields})


@pytest.fixture
def book() -> Stream:
    made = Stream()
    made.signers = {FIRST.verifier}
    return made


def test_who_only_writes_entries_begins_no_history(book: Stream) -> None:
    """Were the first statement taken from anybody, the keys that do sign could never state another."""
    with pytest.raises(LawRefused, match="no key that signs the ledger, and stays, has signed"):
        book.add(THIRD, key(9))
    book.add(SECOND, FIRST)


def test_4_wire_key_rotation_a_history_that_can_be_followed(book: Stream) -> None:
    book.add(SECOND, FIRST)
    book.retire(FIRST, SECOND, remarks="As planned")
    book.add(THIRD, SECOND)
    known = Keys([FIRST.verifier], LEDGER, changes_of(book.cases["keys"].facts))
    assert [(each.key, each.until) for each in known.ranges] == [
        (FIRST.verifier, 1), (SECOND.verifier, None), (THIRD.verifier, None),
    ]  # fmt: skip
    assert known.passed_over == []


@pytest.mark.parametrize(
    ("act", "error", "said"),
    [
        (lambda b: b.add(THIRD, FIRST), LawRefused, "two keys sign already"),
        (lambda b: b.add(SECOND, FIRST), LawRefused, "added once"),
        (lambda b: b.add(FIRST, SECOND), LawRefused, "added once"),
        (lambda b: b.retire(THIRD, SECOND), LawRefused, "does not sign"),
        (lambda b: b.retire(FIRST, THIRD), LawRefused, "has signed the statement"),
        (lambda b: b.retire(FIRST, FIRST), LawRefused, "has signed the statement"),
        (lambda b: b.retire(FIRST, SECOND, valid_until=2), LawRefused, "than the entry"),
        (lambda b: b.retire(FIRST, SECOND, size=1002), InvalidInput, "a size that the ledger has"),
        (lambda b: b.retire(FIRST, SECOND, fingerprint=bytes(32)), InvalidInput, "fingerprint"),
        (lambda b: b.retire(FIRST, SECOND, key=str(SECOND.verifier)), LawRefused, "than the entry"),
        (lambda b: b.retire(FIRST, SECOND, statement="none"), InvalidInput, "statement"),
        (lambda b: b.retire(FIRST, SECOND, key="none"), InvalidInput, "statement"),
        (lambda b: b.retire(FIRST, SECOND, role="officer"), Forbidden, "officer"),
        (
            lambda b: b.retire(key(5, "other.example/x"), key(6, "other.example/x")),
            LawRefused,
            "another ledger",
        ),
    ],
)
def test_4_wire_key_rotation_what_is_refused(book: Stream, act: Any, error: Any, said: str) -> None:
    book.add(SECOND, FIRST)
    with pytest.raises(error, match=said):
        act(book)
    assert len(book.cases["keys"].facts) == 1


def test_4_wire_key_rotation_the_last_key_stays_and_no_statement_serves_twice(book: Stream) -> None:
    book.add(SECOND, FIRST)
    book.retire(FIRST, SECOND)
    with pytest.raises(LawRefused, match="no other key"):
        book.retire(SECOND, FIRST)
    statement = str(state(LEDGER, ADDED, SECOND, 1, [FIRST]))
    with pytest.raises(InvalidInput, match="this act"):
        book.retire(SECOND, FIRST, statement=statement)
    with pytest.raises(LawRefused, match="has signed the statement"):
        book.add(THIRD, FIRST)


def test_4_wire_key_rotation_nothing_in_the_history_is_corrected(book: Stream) -> None:
    made = book.add(SECOND, FIRST)
    for kind in CorrectionKind:
        with pytest.raises(LawRefused, match="never corrected"):
            book.add(SECOND, FIRST, corrects=made.index, why=kind)


def test_issue_4_section_3_rotations_splits_and_drills_are_recorded_by_name(book: Stream) -> None:
    def act(event: Any, **fields: Any) -> None:
        book.record(event, "keys", role="administrator", **fields)

    rotated = {"kek": "local-2", "before": "local-1", "keys": 3, "reason": KeyReason.LOST}
    act(KeyEncryptionKeyRotated, **rotated)
    for wrong in ({"kek": "local-1"}, {"kek": "Jo Bloggs"}, {"keys": -1}, {"before": "a b"}):
        with pytest.raises((InvalidInput, LawRefused)):
            act(KeyEncryptionKeyRotated, **{**rotated, **wrong})
    split = {"kind": KeyKind.KEK, "key": "local-2", "set_id": "1a2b", "threshold": 3, "shares": 5}
    act(KeySplit, **split)
    act(KeySplit, **{**split, "kind": KeyKind.SIGNING, "key": str(FIRST.verifier)})
    drill = {"kind": KeyKind.KEK, "key": "local-2", "set_id": "1a2b", "shares": 3, "restored": True}
    act(RecoveryDrilled, **drill)
    act(RecoveryDrilled, **{**drill, "restored": False, "failure": "too-few"})
    for event, base, wrong in [
        (KeySplit, split, {"threshold": 1}),
        (KeySplit, split, {"key": "Jo Bloggs"}),
        (KeySplit, split, {"kind": KeyKind.SIGNING, "key": "Jo Bloggs"}),
        (KeySplit, split, {"kind": KeyKind.SIGNING, "key": str(key(1, "other.example/x").verifier)}),
        (KeySplit, split, {"set_id": "Jo Bloggs"}),
        (RecoveryDrilled, drill, {"failure": "too-few"}),
        (RecoveryDrilled, drill, {"restored": False}),
        (RecoveryDrilled, drill, {"restored": False, "failure": "Jo Bloggs"}),
        (RecoveryDrilled, drill, {"shares": -1}),
        (RecoveryDrilled, drill, {"set_id": "Jo Bloggs"}),
    ]:
        with pytest.raises((InvalidInput, LawRefused)):
            act(event, **{**base, **wrong})
