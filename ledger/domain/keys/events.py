"""Facts about a ledger's keys. No key itself stands in any of them but in its public form."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ledger.codec.declare import OptionalText, avro_enum
from ledger.domain.event import CaseEvent, avro_event

Hash = Annotated[bytes, "fixed:ledger.v1.Hash:32"]


@avro_enum("ledger.key.v1.KeyReason", default="other")
class KeyReason(StrEnum):
    """Why a key was added or retired."""

    SCHEDULED = "scheduled"
    PEOPLE_CHANGED = "people_changed"
    LOST = "lost"
    COMPROMISED = "compromised"
    OTHER = "other"


@avro_event("ledger.key.v1.SigningKeyAdded")
class SigningKeyAdded(CaseEvent):
    """A key that signs the ledger's checkpoints beside those before it, from a tree size on (4-wire).

    ``key``: the verifier key's text; ``fingerprint``: SHA-256 of its 32 bytes; ``valid_from``: the least size
    whose checkpoints it may sign; ``statement``: the signed note in which the keys before it, and itself, say
    so.
    """

    key: str
    fingerprint: Hash
    valid_from: int
    statement: str
    reason: KeyReason
    remarks: OptionalText = None


@avro_event("ledger.key.v1.SigningKeyRetired")
class SigningKeyRetired(CaseEvent):
    """A key signs no more: its signature counts on checkpoints of less than ``valid_until`` entries only.

    ``statement``: the signed note in which a key that stays says so. Of a compromised key ``valid_until`` is
    one more than the last size that is known to be good.
    """

    key: str
    fingerprint: Hash
    valid_until: int
    statement: str
    reason: KeyReason
    remarks: OptionalText = None


@avro_event("ledger.key.v1.KeyEncryptionKeyRotated")
class KeyEncryptionKeyRotated(CaseEvent):
    """Every key of the vault is wrapped by ``kek`` now, and none by ``before`` (names, never keys).

    ``keys``: how many keys the vault had then.
    """

    kek: str
    before: str
    keys: int
    reason: KeyReason
    remarks: OptionalText = None


@avro_event("ledger.key.v1.KeyEncryptionKeyDropped")
class KeyEncryptionKeyDropped(CaseEvent):
    """The file of a key-encryption key before the newest is removed here: by ``kek`` (its name) nothing opens.

    Recorded before it is removed: backups from its time open with a copy of it alone.
    """

    kek: str
    remarks: OptionalText = None


@avro_enum("ledger.key.v1.KeyKind")
class KeyKind(StrEnum):
    """Which key: the one that wraps the vault's keys, or one that signs checkpoints."""

    KEK = "kek"
    SIGNING = "signing"


@avro_event("ledger.key.v1.KeySplit")
class KeySplit(CaseEvent):
    """A key was split into recovery shares, any ``threshold`` of which restore it; ``key`` is its name or
    public form."""

    kind: KeyKind
    key: str
    set_id: str
    threshold: int
    shares: int


@avro_event("ledger.key.v1.RecoveryDrilled")
class RecoveryDrilled(CaseEvent):
    """Recovery shares were tried: whether they give the key that is in use (``restored``), and why not.

    ``key``: the name or public form of the key in use; ``shares``: how many were brought together;
    ``failure``: a code.
    """

    kind: KeyKind
    key: str
    set_id: str
    shares: int
    restored: bool
    failure: str | None = None
    remarks: OptionalText = None
