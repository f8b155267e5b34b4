"""Facts of one compliance notice: PDPA 78, 82, 83. Its case lives in the regulator's ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ledger.codec.declare import Attachment, CaseRef, OptionalIdentifier, OptionalText, avro_enum, avro_record
from ledger.domain.event import CaseEvent, avro_event


@avro_enum("ledger.notice.v1.Contravened")
class Contravened(StrEnum):
    """What was contravened: 78(1)(a)."""

    IPP = "ipp"
    CODE = "code"
    ARRANGEMENT = "arrangement"


@avro_enum("ledger.notice.v1.NoticeLimb")
class NoticeLimb(StrEnum):
    """The limb of 78(1)(b)."""

    SERIOUS_OR_FLAGRANT = "serious_or_flagrant"
    REPEATED = "repeated"


@avro_enum("ledger.notice.v1.NoticeOrigin")
class NoticeOrigin(StrEnum):
    """On whose motion: 78(5)."""

    OWN_INITIATIVE = "own_initiative"
    APPLICATION = "application"


@avro_enum("ledger.notice.v1.DirectedTo")
class DirectedTo(StrEnum):
    """What the recipient is in law: 82(1), 83C, 123."""

    NATURAL_PERSON = "natural_person"
    BODY_CORPORATE = "body_corporate"
    UNINCORPORATED = "unincorporated"


@avro_enum("ledger.notice.v1.DecisionMaker")
class DecisionMaker(StrEnum):
    """Who decided: the Commissioner, the Deputy (8B), or a delegate (8O)."""

    COMMISSIONER = "commissioner"
    DEPUTY_COMMISSIONER = "deputy_commissioner"
    DELEGATE = "delegate"


@avro_enum("ledger.notice.v1.ServiceMethod")
class ServiceMethod(StrEnum):
    """How the notice was served: 83C(3), (3A)(a)–(f), (4), (4A)(a)–(b)."""

    PERSONALLY = "personally"
    REGISTERED_POST = "registered_post"
    ELECTRONIC = "electronic"
    REPRESENTATIVE_POST = "representative_post"
    REPRESENTATIVE_LEFT = "representative_left"
    REPRESENTATIVE_PERSONALLY = "representative_personally"
    REPRESENTATIVE_ELECTRONIC = "representative_electronic"
    LEFT_AT_OFFICE = "left_at_office"


@avro_enum("ledger.notice.v1.AffectedParty")
class AffectedParty(StrEnum):
    """Whose interests the decision affects: 83(1)."""

    ORGANISATION = "organisation"
    INDIVIDUAL = "individual"


@avro_enum("ledger.notice.v1.ReviewResult")
class ReviewResult(StrEnum):
    """How the review at VCAT ended: 82(2)(d)."""

    FOR_COMMISSIONER = "for_commissioner"
    AGAINST_COMMISSIONER = "against_commissioner"
    WITHDRAWN = "withdrawn"


@avro_record("ledger.notice.v1.Occasion")
@dataclass(frozen=True, slots=True)
class Occasion:
    """One separate occasion of a repeated contravention: 78(1)(b)(ii)."""

    on: date | None = None
    what: OptionalText = None
    case: CaseRef | None = None


@avro_event("ledger.notice.v1.ComplianceNoticeIssued")
class ComplianceNoticeIssued(CaseEvent):
    """The decision to serve a compliance notice was made, on the day it happened: 78.

    ``period_ends`` is the last day of the period in the notice. ``provisions`` are citations: 'IPP 4.1', or a
    clause of the code or arrangement, 'cl 5.2'.
    """

    organisation: str | None = None
    organisation_name: OptionalIdentifier = None
    directed_to: DirectedTo | None = None
    represents_crown: bool | None = None
    contravened: Contravened | None = None
    provisions: tuple[str, ...] = ()
    limb: NoticeLimb | None = None
    occasions: tuple[Occasion, ...] = ()
    action: OptionalText = None
    period_ends: date | None = None
    origin: NoticeOrigin | None = None
    applicant_was_complainant: bool | None = None
    complaint: CaseRef | None = None
    applicant: OptionalIdentifier = None
    decided_by: DecisionMaker | None = None
    decided_under: CaseRef | None = None
    instrument: OptionalText = None
    reasons: OptionalText = None


@avro_event("ledger.notice.v1.NoticeServed")
class NoticeServed(CaseEvent):
    """The notice was served on the day it happened: 78(7), 83C(3)–(4A)."""

    method: ServiceMethod | None = None
    receipt_confirmed: bool | None = None
    left_with_adult_there: bool | None = None
    served_at: OptionalIdentifier = None


@avro_event("ledger.notice.v1.ExtensionApplied")
class ExtensionApplied(CaseEvent):
    """The organisation served applied for a longer period, on the day it happened: 78(3), (4)."""

    applicant: str | None = None
    reasons: OptionalText = None


@avro_event("ledger.notice.v1.ExtensionGranted")
class ExtensionGranted(CaseEvent):
    """The period was extended to ``extended_to`` (its last day), on the finding and undertaking of 78(3)."""

    not_reasonably_possible: bool | None = None
    undertaking: bool | None = None
    extended_to: date | None = None
    undertaking_given: OptionalText = None
    reasons: OptionalText = None


@avro_event("ledger.notice.v1.ExtensionRefused")
class ExtensionRefused(CaseEvent):
    """The extension applied for was not granted: 78(3)."""

    reasons: OptionalText = None


@avro_event("ledger.notice.v1.ReasonsRequested")
class ReasonsRequested(CaseEvent):
    """A statement of reasons for the decision was requested: 83(2)(b)."""

    by: AffectedParty | None = None
    by_name: OptionalIdentifier = None


@avro_event("ledger.notice.v1.ReasonsGiven")
class ReasonsGiven(CaseEvent):
    """The statement of reasons was given on the day it happened: 83(2)(b)."""

    statement: Attachment | None = None


@avro_event("ledger.notice.v1.ReasonsRefused")
class ReasonsRefused(CaseEvent):
    """Who asked was told, on the day it happened, that no statement of reasons will be given: 83(2)(b)."""

    why: OptionalText = None


@avro_event("ledger.notice.v1.ReviewApplied")
class ReviewApplied(CaseEvent):
    """VCAT was asked on the day it happened to review the decision: 83(1)."""

    by: AffectedParty | None = None
    interests_affected: bool | None = None
    by_name: OptionalIdentifier = None
    proceeding: OptionalIdentifier = None


@avro_event("ledger.notice.v1.ReviewDetermined")
class ReviewDetermined(CaseEvent):
    """The review ended on the day it happened: 82(2)(d), 83."""

    result: ReviewResult
    orders: OptionalText = None


@avro_event("ledger.notice.v1.NoticeComplied")
class NoticeComplied(CaseEvent):
    """The action in the notice was taken, complete on the day it happened: 82(1)."""

    evidence: OptionalText = None
    files: tuple[Attachment, ...] = ()


@avro_event("ledger.notice.v1.NoticeNotComplied")
class NoticeNotComplied(CaseEvent):
    """The notice in effect was found not complied with, on the day it happened: 82(1), (3)."""

    found: OptionalText = None
    files: tuple[Attachment, ...] = ()
