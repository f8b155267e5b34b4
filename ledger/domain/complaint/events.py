"""Facts of one complaint to an information sharing entity: CISS Guidelines ch. 5 and 6."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from ledger.codec.declare import CaseRef, OptionalIdentifier, OptionalText, avro_enum
from ledger.domain.event import CaseEvent, avro_event


@avro_enum("ledger.complaint.v1.Complainant")
class Complainant(StrEnum):
    """Who complains: ch. 6."""

    INDIVIDUAL = "individual"
    ENTITY = "entity"


@avro_enum("ledger.complaint.v1.ComplaintAbout", default="other")
class ComplaintAbout(StrEnum):
    """Which activity under the scheme the complaint is about: ch. 6 (ours; open)."""

    REQUEST_NOT_MET = "request_not_met"
    COLLECTION = "collection"
    USE = "use"
    DISCLOSURE = "disclosure"
    RECORD_KEEPING = "record_keeping"
    CORRECTION = "correction"
    OTHER = "other"


@avro_enum("ledger.complaint.v1.ActionStated")
class ActionStated(StrEnum):
    """Whether action was taken; either answer is a statement (ch. 5)."""

    TAKEN = "taken"
    NONE = "none"
    NONE_NECESSARY = "none_necessary"


@avro_enum("ledger.complaint.v1.OversightBody")
class OversightBody(StrEnum):
    """Whom a complaint can be taken on to: ch. 6."""

    OVIC = "ovic"
    HCC = "hcc"
    OAIC = "oaic"


@avro_enum("ledger.complaint.v1.OversightResult", default="other")
class OversightResult(StrEnum):
    """What the oversight body did (ours; open)."""

    CONCILIATED = "conciliated"
    UPHELD = "upheld"
    DISMISSED = "dismissed"
    DECLINED = "declined"
    REFERRED = "referred"
    WITHDRAWN = "withdrawn"
    OTHER = "other"


@avro_event("ledger.complaint.v1.ComplaintReceived")
class ComplaintReceived(CaseEvent):
    """A complaint reached the entity on the day it happened: ch. 5.

    ``court_or_tribunal``: the entity is one, and need not keep this record (footnote 1). ``request``: the
    request that was not met. ``taken_over``: the predecessor's case of this complaint, which goes on here.
    """

    complainant: Complainant | None = None
    entity: str | None = None
    complainant_name: OptionalIdentifier = None
    made_on: date | None = None
    nature: OptionalText = None
    about: ComplaintAbout | None = None
    about_other: OptionalText = None
    request: CaseRef | None = None
    court_or_tribunal: bool | None = None
    taken_over: CaseRef | None = None


@avro_event("ledger.complaint.v1.ComplaintResolved")
class ComplaintResolved(CaseEvent):
    """The complaint was resolved on the day it happened: ch. 5."""

    to_resolve: ActionStated | None = None
    to_resolve_what: OptionalText = None
    to_prevent: ActionStated | None = None
    to_prevent_what: OptionalText = None


@avro_event("ledger.complaint.v1.ComplaintUnresolved")
class ComplaintUnresolved(CaseEvent):
    """The entity could not resolve the complaint and closed it on the day it happened: ch. 5."""

    to_resolve: ActionStated | None = None
    to_resolve_what: OptionalText = None
    to_prevent: ActionStated | None = None
    to_prevent_what: OptionalText = None
    further: ActionStated | None = None
    further_what: OptionalText = None


@avro_event("ledger.complaint.v1.ComplaintTaken")
class ComplaintTaken(CaseEvent):
    """The complaint was taken on to an oversight body on the day it happened: ch. 6."""

    to: OversightBody | None = None


@avro_event("ledger.complaint.v1.ComplaintTakenResult")
class ComplaintTakenResult(CaseEvent):
    """The oversight body's result, of the day it happened: ch. 6."""

    of: OversightBody
    result: OversightResult | None = None
    words: OptionalText = None
