"""Facts about a ledger itself: its creation, who acts in it, and what was opened, attested, imported,
handed over; and its calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from ledger.codec.declare import (
    Attachment,
    CaseRef,
    OptionalText,
    Personal,
    Sealed,
    Text,
    avro_enum,
    avro_record,
)
from ledger.domain.event import CaseEvent, avro_event
from ledger.domain.organisation.events import HeadOffice

PersonText = Annotated[str | Sealed | None, Personal("string", "person")]
"""Personal text about the person that the field ``person`` of the same record names."""
Hash = Annotated[bytes, "fixed:ledger.v1.Hash:32"]
OptionalHash = Annotated[bytes | None, "fixed:ledger.v1.Hash:32"]


@avro_event("ledger.ledger.v1.LedgerCreated")
class LedgerCreated(CaseEvent):
    """The first entry of a ledger. ``demonstration``: its events are invented and its clock may be simulated.

    ``predecessor`` is the origin that this ledger goes on from, ``predecessor_checkpoint`` the text of its
    last signed checkpoint, ``predecessor_size`` the entries it had, ``predecessor_held`` how many of them the
    database held when it was left: the others are lost (4-wire 'Restore').
    """

    slug: str
    origin: str
    organisation: str
    public: bool
    demonstration: bool
    predecessor: str | None = None
    predecessor_size: int | None = None
    predecessor_checkpoint: str | None = None
    predecessor_held: int | None = None


@avro_event("ledger.ledger.v1.LedgerRestored")
class LedgerRestored(CaseEvent):
    """An older database was refilled (4-wire 'Restore'): it had ``backup_size`` entries, and those up to
    ``refilled_to`` were put back as they are, ``refilled_from`` (a code: ``tiles``)."""

    backup_size: int
    refilled_to: int
    refilled_from: str


@avro_event("ledger.ledger.v1.LedgerClosed")
class LedgerClosed(CaseEvent):
    """The last entry of a ledger, whose organisation ended; ``successor``: the origin that goes on with its
    cases, where one does."""

    successor: str | None = None
    reason: OptionalText = None


@avro_enum("ledger.role.v1.GrantedRole")
class GrantedRole(StrEnum):
    """The roles that a person can be granted (1-law 'Who acts'); ``system`` is nobody's."""

    OFFICER = "officer"
    PRIVACY_OFFICER = "privacy_officer"
    CUSTODIAN = "custodian"
    REGULATOR = "regulator"
    MINISTER_OFFICE = "minister_office"
    REPORTER = "reporter"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


@avro_event("ledger.role.v1.RoleGranted")
class RoleGranted(CaseEvent):
    """A person may act in a role for an organisation, from the day it happened.

    For an auditor: ``valid_from``, ``valid_until`` (last day) and the origins of the ``ledgers`` it reads.
    ``proposed_by``: the opaque id of who proposed it, where another person did.
    """

    person: str
    role: GrantedRole
    organisation: str
    name_of_person: PersonText = None
    login: PersonText = None
    valid_from: date | None = None
    valid_until: date | None = None
    ledgers: tuple[str, ...] = ()
    engagement: CaseRef | None = None
    proposed_by: str | None = None


@avro_event("ledger.role.v1.RoleEnded")
class RoleEnded(CaseEvent):
    """A person no longer acts in that role for that organisation, from the day it happened on."""

    person: str
    role: GrantedRole
    organisation: str
    reason: OptionalText = None


@avro_record("ledger.vault.v1.OpenedEntry")
@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """Which sealed fields of one entry were opened, by their dotted paths."""

    entry: int
    paths: tuple[str, ...]


@avro_event("ledger.vault.v1.SealedFieldsOpened")
class SealedFieldsOpened(CaseEvent):
    """One call opened sealed fields; recorded before they are shown (4-wire 'Sealed fields').

    ``ledger``: the origin of the closed ledger whose entries they are, and that this one goes on from; None:
    this one.
    """

    opened: tuple[OpenedEntry, ...]
    reason: Text
    engagement: CaseRef | None = None
    ledger: str | None = None


@avro_event("ledger.attestation.v1.PeriodAttested")
class PeriodAttested(CaseEvent):
    """The agency head attests what a register holds for a period (1-law, head): complete, or a nil return.

    ``register``: name of the register; ``scheme``: the scheme within it, where it has several.
    ``period_to`` is the last day. ``head_office``: the office that attests.
    """

    organisation: str
    register: str
    period_from: date
    period_to: date
    complete: bool
    nil_return: bool
    scheme: str | None = None
    head_office: HeadOffice | None = None
    head_office_words: OptionalText = None
    head_name: OptionalText = None
    remarks: OptionalText = None


@avro_event("ledger.import.v1.FileImported")
class FileImported(CaseEvent):
    """A file of a past register was imported; its rows are the entries whose source names ``import_id``.

    Counts of rows: ``rows`` = new + corrected + unchanged + bad; ``vanished`` were in the file before only.
    ``mapping_digest``: SHA-256 of the mapping file.
    """

    import_id: str
    format: str
    register: str
    rows: int
    new: int
    corrected: int
    unchanged: int
    vanished: int
    bad: int
    mapping_digest: OptionalHash = None
    file: Attachment | None = None
    previous_import: str | None = None


@avro_enum("ledger.report.v1.ReportStatus")
class ReportStatus(StrEnum):
    """How settled the figures of a handed-over report are."""

    PROVISIONAL = "provisional"
    FINAL = "final"
    REVISED = "revised"


@avro_enum("ledger.report.v1.ReportRecipient", default="other")
class ReportRecipient(StrEnum):
    """Whom a report is handed to (open)."""

    MINISTER = "minister"
    CABINET = "cabinet"
    PARLIAMENT = "parliament"
    SECRETARY = "secretary"
    AGENCY = "agency"
    REGULATOR = "regulator"
    AUDITOR = "auditor"
    PUBLIC = "public"
    OTHER = "other"


@avro_record("ledger.report.v1.Position")
@dataclass(frozen=True, slots=True)
class Position:
    """The first ``size`` entries of a ledger; ``head`` is the leaf hash of the last of them."""

    ledger: str
    size: int
    head: OptionalHash = None
    checkpoint: str | None = None


@avro_record("ledger.report.v1.Figure")
@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as printed, and the version of the definition that it was counted by."""

    id: str
    value: str
    definition: str


@avro_record("ledger.report.v1.ReportFile")
@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file as handed over: its name, SHA-256 of its bytes (plain: it left the house), and the file kept."""

    name: str
    sha256: Hash
    file: Attachment


@avro_event("ledger.report.v1.ReportHandedOver")
class ReportHandedOver(CaseEvent):
    """A report was handed over on the day it happened (1-law I; 3-registers 'Reports').

    ``judged_on``: the Melbourne date that clocks were judged on. ``supersedes``: the hand-over before it.
    ``incomplete``: figures leave out parked cases.
    """

    report: str
    period_from: date
    period_to: date
    status: ReportStatus
    recipient_kind: ReportRecipient
    recipient: Text
    judged_on: date
    positions: tuple[Position, ...]
    figures: tuple[Figure, ...]
    files: tuple[ReportFile, ...]
    code_version: str
    rules_version: str
    definitions_version: str
    calendar_version: str
    incomplete: bool
    row_ids: Attachment | None = None
    supersedes: CaseRef | None = None
    embargo_until: date | None = None


@avro_record("ledger.calendar.v1.SeededDay")
@dataclass(frozen=True, slots=True)
class SeededDay:
    """A public holiday: its Melbourne date and its name."""

    day: date
    name: str


@avro_event("ledger.calendar.v1.CalendarSeeded")
class CalendarSeeded(CaseEvent):
    """The public holidays that a ledger starts with; from ``provisional_from`` on none are known.

    ``seeded_from``: library and version.
    """

    days: tuple[SeededDay, ...]
    provisional_from: date
    seeded_from: str


@avro_event("ledger.calendar.v1.HolidayAdded")
class HolidayAdded(CaseEvent):
    """A day was gazetted as a public holiday. Every clock that it touches is restated."""

    day: date
    holiday: str
    gazette: OptionalText = None


@avro_event("ledger.calendar.v1.HolidaySubstituted")
class HolidaySubstituted(CaseEvent):
    """A council's substitute for Melbourne Cup Day, in its municipality only."""

    municipality: str
    instead_of: date
    day: date
    holiday: str
    gazette: OptionalText = None


@avro_event("ledger.calendar.v1.HolidayRemoved")
class HolidayRemoved(CaseEvent):
    """A day is no public holiday. Every clock that it touches is restated."""

    day: date
    gazette: OptionalText = None
