"""What the stream ``keys`` amounts to: the changes of a ledger's signing keys, for who follows them."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.codec.avro import encode_string
from ledger.codec.entry import decode_entry
from ledger.domain.event import CaseEvent, decode_event
from ledger.domain.keys.events import KeyEncryptionKeyRotated, SigningKeyAdded, SigningKeyRetired
from ledger.tlog.keyhistory import Change

STREAM = "keys"
MARK = encode_string(STREAM)
"""What follows ``previous`` in the bytes of an entry of the stream."""


def changes_of(facts: Iterable[CaseEvent]) -> list[Change]:
    """The changes of signing keys among recorded facts, in their order. None is ever corrected."""
    return [
        Change(fact.index, fact.statement.encode())
        for fact in facts
        if isinstance(fact, SigningKeyAdded | SigningKeyRetired)
    ]


def changes_in(entries: Iterable[bytes]) -> list[Change]:
    """The changes of signing keys among entries by their bytes, in order of index. Raises CodecError."""
    facts = [decode_event(decode_entry(entry)) for entry in entries]
    return changes_of(sorted(facts, key=lambda fact: fact.index))


def keks_before(facts: Iterable[CaseEvent]) -> frozenset[str]:
    """The names of the key-encryption keys whose rotation has ended: nothing here needs them any more."""
    return frozenset(fact.before for fact in facts if isinstance(fact, KeyEncryptionKeyRotated))
