"""Facts about opening sealed fields, and about emergency access to them (4-wire 'Sealed fields')."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ledger.codec.declare import CaseRef, Text, avro_enum, avro_record
from ledger.domain.event import CaseEvent, avro_event
from ledger.law.emergency import DEFAULT_MINUTES


@avro_record("ledger.vault.v1.OpenedEntry")
@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """Which sealed fields of one entry were opened, by their dotted paths."""

    entry: int
    paths: tuple[str, ...]


@avro_event("ledger.vault.v1.SealedFieldsOpened")
class SealedFieldsOpened(CaseEvent):
    """One call opened sealed fields; recorded before they are shown (4-wire 'Sealed fields').

    ``emergency_access``: the index of the entry that took it, where it was opened under one. ``ledger``: the
    origin of the closed ledger whose entries they are, and that this one goes on from; None: this one.
    """

    opened: tuple[OpenedEntry, ...]
    reason: Text
    engagement: CaseRef | None = None
    emergency_access: int | None = None
    ledger: str | None = None


@avro_record("ledger.vault.v1.FoundEntry")
@dataclass(frozen=True, slots=True)
class FoundEntry:
    """In which sealed fields of one entry a search found what was searched for, by their dotted paths."""

    entry: int
    paths: tuple[str, ...]


@avro_event("ledger.vault.v1.SealedFieldsSearched")
class SealedFieldsSearched(CaseEvent):
    """One search for an identifier; recorded before it is answered (4-wire 'Sealed fields').

    In the entries from ``searched_from`` to before ``searched_to``, of which ``found`` hold it. What was
    searched for is recorded in no form. ``ledger``: the origin of the closed ledger whose entries they are, and
    that this one goes on from; None: this one.
    """

    found: tuple[FoundEntry, ...]
    searched_from: int
    searched_to: int
    reason: Text
    ledger: str | None = None


@avro_event("ledger.vault.v1.EmergencyAccessTaken")
class EmergencyAccessTaken(CaseEvent):
    """A person who may not open sealed fields may, for some minutes from this entry on ('break glass').

    ``cases``: the streams whose fields they may open; ``whole_ledger``: all. ``minutes``: 1 to 60. Other
    entries name it by its index.
    """

    reason: Text
    cases: tuple[str, ...] = ()
    whole_ledger: bool = False
    minutes: int = DEFAULT_MINUTES


@avro_event("ledger.vault.v1.EmergencyAccessEnded")
class EmergencyAccessEnded(CaseEvent):
    """The emergency access that the entry ``access`` took ends with this entry, before its time."""

    access: int


@avro_enum("ledger.vault.v1.ToldBy")
class ToldBy(StrEnum):
    """How the privacy officer was told: by a mail that a server accepted, or shown it in the list."""

    MAIL = "mail"
    LIST = "list"


@avro_event("ledger.vault.v1.PrivacyOfficerTold")
class PrivacyOfficerTold(CaseEvent):
    """The privacy officer was told of the emergency access that the entry ``access`` took.

    ``person``: the opaque id of who was shown it; a mail is for whoever holds the office.
    """

    access: int
    how: ToldBy
    person: str | None = None


@avro_event("ledger.vault.v1.EmergencyAccessReviewed")
class EmergencyAccessReviewed(CaseEvent):
    """The privacy officer found the emergency access that the entry ``access`` took justified, or not."""

    access: int
    justified: bool
    words: Text
