"""Facts about destroying sealed values of the ledger itself (1-law G; 4-wire 'Sealed fields')."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from ledger.codec.declare import OptionalText, Text, avro_enum
from ledger.domain.event import CaseEvent, avro_event
from ledger.domain.retention.events import HoldKind


@avro_enum("ledger.destruction.v1.DestructionScope")
class DestructionScope(StrEnum):
    """How much is destroyed: what is sealed about one subject in a case, or all that the case has sealed."""

    SUBJECT = "subject"
    CASE = "case"


@avro_enum("ledger.destruction.v1.DestructionGround", default="other")
class DestructionGround(StrEnum):
    """Why it is destroyed (IPP 4.2; Public Records Act; ours; open)."""

    NO_LONGER_NEEDED = "no_longer_needed"
    RETENTION_PERIOD_OVER = "retention_period_over"
    ORDER = "order"
    RECORDED_IN_ERROR = "recorded_in_error"
    OTHER = "other"


@avro_event("ledger.destruction.v1.SecondPersonDemanded")
class SecondPersonDemanded(CaseEvent):
    """Whether, from this entry on, the organisation demands a second person for every destruction."""

    demanded: bool
    reason: OptionalText = None


@avro_event("ledger.destruction.v1.HoldPlaced")
class HoldPlaced(CaseEvent):
    """From this entry on nothing that the hold covers is destroyed. ``hold``: its id in this ledger.

    It covers what meets every condition that is stated, in cases that come later too; with none stated, the
    whole ledger. ``keys``: the vault keys of a subject; ``area``: as in the names of commands; ``event``: full
    name of an event that the case holds; ``organisation``: that it is of, or names; ``opened_…``: both
    included. ``ledger``: that the case is of, where it is a closed one that this goes on from.
    """

    hold: str
    reason: Text
    kind: HoldKind | None = None
    case: str | None = None
    keys: tuple[str, ...] = ()
    area: str | None = None
    event: str | None = None
    organisation: str | None = None
    opened_from: date | None = None
    opened_to: date | None = None
    ledger: str | None = None


@avro_event("ledger.destruction.v1.HoldReleased")
class HoldReleased(CaseEvent):
    """The hold of that id ends with this entry. ``ledger``: in which it was placed, where that is a closed one
    that this goes on from."""

    hold: str
    reason: OptionalText = None
    ledger: str | None = None


@avro_event("ledger.destruction.v1.DestructionProposed")
class DestructionProposed(CaseEvent):
    """Somebody proposes to destroy sealed values of a case. ``destruction``: the proposal's random id.

    ``keys``: the vault keys that would be destroyed; where none are stated the vault says which they are.
    ``disposal_authority``: number and class, in clear; ``authority``: any other, in words. ``ledger``: the
    origin of the closed ledger that the case is of, and that this one goes on from; None: this one.
    """

    destruction: str
    scope: DestructionScope
    case: str
    ground: DestructionGround
    keys: tuple[str, ...] = ()
    subject: str | None = None
    ground_words: OptionalText = None
    disposal_authority: str | None = None
    authority: OptionalText = None
    ledger: str | None = None


@avro_event("ledger.destruction.v1.DestructionApproved")
class DestructionApproved(CaseEvent):
    """A second person approves the destruction of that id."""

    destruction: str
    remarks: OptionalText = None


@avro_event("ledger.destruction.v1.DestructionRefused")
class DestructionRefused(CaseEvent):
    """A second person refuses the destruction of that id: nothing comes of it."""

    destruction: str
    reason: Text


@avro_event("ledger.destruction.v1.DestructionAuthorised")
class DestructionAuthorised(CaseEvent):
    """Values sealed under these keys are destroyed from this entry on, whatever any store still holds.

    It repeats the proposal of that id, and who proposed and approved it, so that it says all by itself.
    ``contents``: those of ``keys`` that no proposal names, since they go with any: by them a repeat of a
    command of the case is told from another, and a guess would be too.
    """

    destruction: str
    scope: DestructionScope | None = None
    case: str | None = None
    keys: tuple[str, ...] = ()
    ground: DestructionGround | None = None
    disposal_authority: str | None = None
    proposed_by: str | None = None
    approved_by: str | None = None
    contents: tuple[str, ...] = ()
    ledger: str | None = None


@avro_event("ledger.destruction.v1.DestructionCompleted")
class DestructionCompleted(CaseEvent):
    """The receipt: no key, sealed value or file of that destruction is in the vault any more.

    How many keys it names, and how many sealed fields and files of entries nobody can open any more.
    """

    destruction: str
    keys: int
    fields: int
    files: int


@avro_event("ledger.destruction.v1.DestroyedAgain")
class DestroyedAgain(CaseEvent):
    """Something destroyed was in the vault again (a backup brought it back), and was removed again.

    How many keys, rows (of sealed values, of the search index) and files were found.
    """

    destructions: tuple[str, ...]
    keys: int
    rows: int
    files: int
