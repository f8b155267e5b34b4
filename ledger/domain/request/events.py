"""Facts of information requests (1-law, area A). Each docstring says what its happened date is.

Clear fields hold codes, dates, ids of registered organisations and part ids (short codes that cannot hold
a name); all words are sealed. An optional field that is null was not stated: a gap where a source asks for it.
Parts: ``whole`` until RequestDivided names others; every outcome lists the parts it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ledger.codec.declare import CaseRef, OptionalIdentifier, OptionalText, Text, avro_record
from ledger.domain.event import CaseEvent, avro_event
from ledger.domain.request.vocabulary import (
    ApprovalKind,
    ClosingGround,
    CostBearer,
    DeIdentification,
    LegalBasis,
    RefusalGround,
    RequestForm,
    RequestScheme,
    RestrictedData,
    TransferMethod,
)

__all__ = [
    "ApprovalKind",
    "ClosingGround",
    "CostBearer",
    "DeIdentification",
    "DisclosureMade",
    "FurtherInformationProvided",
    "FurtherInformationSought",
    "GipaApplicationMade",
    "LegalBasis",
    "OutcomeDisputed",
    "RefusalCopySent",
    "RefusalGround",
    "RequestAcknowledged",
    "RequestApproved",
    "RequestClosed",
    "RequestDivided",
    "RequestEscalated",
    "RequestForm",
    "RequestMade",
    "RequestPart",
    "RequestReceived",
    "RequestReferred",
    "RequestRefused",
    "RequestScheme",
    "RequestWithdrawn",
    "ResourcingAgreed",
    "RestrictedData",
    "TransferMethod",
]


@avro_event("ledger.request.v1.RequestReceived")
class RequestReceived(CaseEvent):
    """The provider received a request. Happened: the day it was received (starts the clocks).

    ``requester``, ``provider``: ids of registered organisations; a requester that is none is named sealed.
    ``form``: of VPS requests only. ``made_under_law``: the law of a request of scheme ``other``.
    ``restricted``: the whole is restricted data. ``counterpart``: the requester's own RequestMade.
    ``taken_over``: the predecessor's case of this request, which goes on here; it keeps its day of receipt.
    """

    scheme: RequestScheme
    form: RequestForm | None = None
    requester: str | None = None
    requester_name: OptionalIdentifier = None
    provider: str | None = None
    information_sought: OptionalText = None
    purpose: OptionalText = None
    public_benefit: OptionalText = None
    secure_use: OptionalText = None
    made_under_policy: bool | None = None
    made_under_law: OptionalText = None
    made_on: date | None = None
    recurring: bool | None = None
    required_by: date | None = None
    own_reference: OptionalIdentifier = None
    restricted: RestrictedData | None = None
    counterpart: CaseRef | None = None
    taken_over: CaseRef | None = None


@avro_event("ledger.request.v1.RequestMade")
class RequestMade(CaseEvent):
    """The requester's own record that it made a request; no report counts it. Happened: the day it was made.

    Fields as in RequestReceived; ``provider_name`` names a provider that is no registered organisation.
    """

    scheme: RequestScheme
    form: RequestForm | None = None
    requester: str | None = None
    provider: str | None = None
    provider_name: OptionalIdentifier = None
    information_sought: OptionalText = None
    purpose: OptionalText = None
    public_benefit: OptionalText = None
    secure_use: OptionalText = None
    made_under_policy: bool | None = None
    made_under_law: OptionalText = None
    recurring: bool | None = None
    required_by: date | None = None
    own_reference: OptionalIdentifier = None
    counterpart: CaseRef | None = None


@avro_event("ledger.request.v1.RequestAcknowledged")
class RequestAcknowledged(CaseEvent):
    """The provider told the requester that it has the request: no response. Happened: the day it was sent."""

    words: OptionalText = None


@avro_event("ledger.request.v1.FurtherInformationSought")
class FurtherInformationSought(CaseEvent):
    """The provider asked the requester for more; stops no clock (choice). Happened: the day it asked."""

    question: OptionalText = None
    reply_wanted_by: date | None = None


@avro_event("ledger.request.v1.FurtherInformationProvided")
class FurtherInformationProvided(CaseEvent):
    """The requester answered what had been sought. Happened: the day the answer was received."""

    answer: OptionalText = None


@avro_event("ledger.request.v1.RequestEscalated")
class RequestEscalated(CaseEvent):
    """An informal VPS request was made formal. Happened: the day the formal request was received.

    That day starts the 14 days; the other fields are what the formal request says ('responsibility to share').
    """

    made_on: date | None = None
    made_under_policy: bool | None = None
    purpose: OptionalText = None
    public_benefit: OptionalText = None
    secure_use: OptionalText = None


@avro_record("ledger.request.v1.RequestPart")
@dataclass(frozen=True, slots=True)
class RequestPart:
    """One part of a divided request: its id (a letter, or up to three digits with or without one before)."""

    id: str
    description: Text
    restricted: RestrictedData | None = None


@avro_event("ledger.request.v1.RequestDivided")
class RequestDivided(CaseEvent):
    """The request was divided into parts that are answered one by one. Happened: the day it was divided."""

    parts: tuple[RequestPart, ...]


@avro_event("ledger.request.v1.ResourcingAgreed")
class ResourcingAgreed(CaseEvent):
    """The parties agreed how the cost of a VPS request is met (best endeavours). Happened: that day."""

    borne_by: CostBearer | None = None
    words: OptionalText = None


@avro_event("ledger.request.v1.RequestApproved")
class RequestApproved(CaseEvent):
    """Parts were approved; the data is still to come. Happened: the day of the decision.

    Reasons are asked for by NSW §2 (a gap without them).
    """

    parts: tuple[str, ...]
    kind: ApprovalKind | None = None
    approved_by: OptionalIdentifier = None
    reasons: OptionalText = None
    sent_on: date | None = None


@avro_event("ledger.disclosure.v1.DisclosureMade")
class DisclosureMade(CaseEvent):
    """Data of these parts went to the recipient. Happened: the day it was disclosed.

    ``description``, ``variables``, ``format``, ``volume``: what. ``recipient``: id of a registered
    organisation, or else ``recipient_name``. ``basis_words``: the law behind ``other_law``.
    ``ipp_2_2_note``: the written note of a disclosure under IPP 2.1(g). ``ipp_2_1_h_authority``: the written
    authorisation and certificate of IPP 2.1(h). ``de_identified``: whether anything was; by ``techniques``.
    """

    parts: tuple[str, ...]
    description: OptionalText = None
    variables: OptionalText = None
    format: OptionalText = None
    volume: OptionalText = None
    recipient: str | None = None
    recipient_name: OptionalIdentifier = None
    transferred_by: TransferMethod | None = None
    transfer_words: OptionalText = None
    bases: tuple[LegalBasis, ...] = ()
    basis_words: OptionalText = None
    ipp_2_2_note: OptionalText = None
    ipp_2_1_h_authority: OptionalText = None
    agreement: CaseRef | None = None
    de_identified: bool | None = None
    techniques: tuple[DeIdentification, ...] = ()
    technique_words: OptionalText = None
    conditions: OptionalText = None


@avro_event("ledger.request.v1.RequestRefused")
class RequestRefused(CaseEvent):
    """Parts were refused. Happened: the day of the decision; ``sent_on``: the day the requester was told.

    ``ground_words``: the words of the ground ``other``. ``in_writing``: the reasons were given in writing.
    """

    parts: tuple[str, ...]
    grounds: tuple[RefusalGround, ...] = ()
    ground_words: OptionalText = None
    reasons: OptionalText = None
    in_writing: bool | None = None
    sent_on: date | None = None
    decided_by: OptionalIdentifier = None


@avro_event("ledger.request.v1.RefusalCopySent")
class RefusalCopySent(CaseEvent):
    """A copy of the refusal of these parts went to the Secretary, DPC. Happened: the day it was sent."""

    parts: tuple[str, ...]


@avro_event("ledger.request.v1.RequestClosed")
class RequestClosed(CaseEvent):
    """Parts ended without being provided or refused. Happened: the day they were closed.

    ``where``: where the information is public. ``restricted``: what restricted data made it out of scope.
    """

    parts: tuple[str, ...]
    ground: ClosingGround | None = None
    ground_words: OptionalText = None
    where: OptionalText = None
    restricted: RestrictedData | None = None
    sent_on: date | None = None


@avro_event("ledger.request.v1.RequestWithdrawn")
class RequestWithdrawn(CaseEvent):
    """The requester withdrew what was not answered yet. Happened: the day the provider was told."""

    reason: OptionalText = None


@avro_event("ledger.request.v1.RequestReferred")
class RequestReferred(CaseEvent):
    """The request went on to the right agency: a registered organisation, or one named sealed.

    Happened: the day it was referred.
    """

    to_organisation: str | None = None
    to_name: OptionalIdentifier = None
    reason: OptionalText = None


@avro_event("ledger.request.v1.OutcomeDisputed")
class OutcomeDisputed(CaseEvent):
    """The requester disputed the outcome of these parts. Happened: the day the provider was told."""

    parts: tuple[str, ...]
    words: OptionalText = None


@avro_event("ledger.request.v1.GipaApplicationMade")
class GipaApplicationMade(CaseEvent):
    """After an NSW refusal the requester applied under the GIPA Act (guide §2). Happened: that day."""

    reference: OptionalIdentifier = None
