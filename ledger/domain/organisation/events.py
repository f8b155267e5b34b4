"""Facts about an organisation; its case lives in ``common`` and its stream id is its id everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ledger.codec.declare import OptionalIdentifier, OptionalText, avro_enum, avro_record
from ledger.domain.event import CaseEvent, avro_event


@avro_enum("ledger.organisation.v1.OrganisationKind", default="other")
class OrganisationKind(StrEnum):
    """What kind of body it is (1-law A 'Organisation'; open)."""

    DEPARTMENT = "department"
    ADMINISTRATIVE_OFFICE = "administrative_office"
    VICTORIA_POLICE = "victoria_police"
    PUBLIC_ENTITY = "public_entity"
    COUNCIL = "council"
    COURT_OR_TRIBUNAL = "court_or_tribunal"
    MINISTER = "minister"
    REGULATOR = "regulator"
    CONTRACTED_PROVIDER = "contracted_provider"
    OTHER = "other"


@avro_enum("ledger.organisation.v1.HeadOffice", default="other")
class HeadOffice(StrEnum):
    """The office that heads a body (1-law A 'Organisation': agency head, accountable; open)."""

    SECRETARY = "secretary"
    CHIEF_COMMISSIONER = "chief_commissioner"
    CHIEF_EXECUTIVE_OFFICER = "chief_executive_officer"
    CHIEF_EXECUTIVE = "chief_executive"
    COMMISSIONER = "commissioner"
    DIRECTOR = "director"
    CHAIRPERSON = "chairperson"
    PRESIDENT = "president"
    REGISTRAR = "registrar"
    MINISTER = "minister"
    OTHER = "other"


@avro_enum("ledger.organisation.v1.Scheme")
class Scheme(StrEnum):
    """The schemes that bind organisations."""

    VPS = "vps"
    NSW = "nsw"
    DATAVIC = "datavic"
    CISS = "ciss"
    PDPA_PART_3 = "pdpa_part_3"
    PDPA_PART_4 = "pdpa_part_4"
    PDPA_PART_5 = "pdpa_part_5"


@avro_enum("ledger.organisation.v1.BindingBasis", default="other")
class BindingBasis(StrEnum):
    """On what basis a scheme other than the VPS binds a body (open)."""

    PRESCRIPTION = "prescription"
    FINANCIAL_MANAGEMENT_ACT = "financial_management_act"
    ACT = "act"
    CONTRACT = "contract"
    ORDER = "order"
    OTHER = "other"


@avro_enum("ledger.organisation.v1.Part3Limb")
class Part3Limb(StrEnum):
    """The limb of PDPA 13(1) by which Part 3 applies to the body."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"
    E = "e"
    F = "f"
    G = "g"
    H = "h"
    I = "i"  # noqa: E741 - the Act's own letter
    J = "j"
    K = "k"


@avro_enum("ledger.organisation.v1.LegalForm")
class LegalForm(StrEnum):
    """What the body is in law: 57(6), 82(1), 83C, 123 turn on it."""

    NATURAL_PERSON = "natural_person"
    BODY_CORPORATE = "body_corporate"
    UNINCORPORATED = "unincorporated"


@avro_enum("ledger.organisation.v1.OrderKind")
class OrderKind(StrEnum):
    """Orders in Council that move a body into or out of the Act: 13(3)(a), 13(3)(b), 84(3)."""

    S13_3_A = "s13_3_a"
    S13_3_B = "s13_3_b"
    S84_3 = "s84_3"


@avro_record("ledger.organisation.v1.GazettedOrder")
@dataclass(frozen=True, slots=True)
class GazettedOrder:
    """An Order published in the Government Gazette, and whether it covers the whole body."""

    kind: OrderKind
    gazetted_on: date | None = None
    whole_body: bool | None = None
    extent: OptionalText = None


@avro_record("ledger.organisation.v1.InheritedBinding")
@dataclass(frozen=True, slots=True)
class InheritedBinding:
    """A scheme that bound the predecessor on the day before, and since when it did."""

    scheme: Scheme
    since: date


@avro_event("ledger.organisation.v1.OrganisationRegistered")
class OrganisationRegistered(CaseEvent):
    """A public body was entered in the register. Happened: the day it was established, unknown if not known.

    Its name stands in clear: a private person is never registered, but named in a sealed field.
    """

    legal_name: str
    kind: OrganisationKind
    short_name: str | None = None
    kind_other: OptionalText = None
    abn: str | None = None
    municipality: str | None = None
    head_office: HeadOffice | None = None
    head_office_words: OptionalText = None
    head_name: OptionalIdentifier = None


@avro_event("ledger.organisation.v1.OrganisationRenamed")
class OrganisationRenamed(CaseEvent):
    """The body has another name from the day it happened."""

    legal_name: str
    short_name: str | None = None
    instrument: OptionalText = None


@avro_event("ledger.organisation.v1.OrganisationAbolished")
class OrganisationAbolished(CaseEvent):
    """The body ended: from the day it happened on it no longer exists."""

    instrument: OptionalText = None


@avro_event("ledger.organisation.v1.OrganisationSucceeded")
class OrganisationSucceeded(CaseEvent):
    """Functions of this body passed to another from the day it happened (predecessor's side)."""

    successor: str
    all_functions: bool | None = None
    functions: OptionalText = None
    instrument: OptionalText = None


@avro_event("ledger.organisation.v1.FunctionsTakenOver")
class FunctionsTakenOver(CaseEvent):
    """Functions of another body passed to this one from the day it happened (successor's side).

    ``inherited``: every scheme that bound the predecessor on the day before, so that this body's own case
    says by what it is bound.
    """

    predecessor: str
    inherited: tuple[InheritedBinding, ...] = ()
    all_functions: bool | None = None
    functions: OptionalText = None
    instrument: OptionalText = None


@avro_event("ledger.organisation.v1.AgencyHeadChanged")
class AgencyHeadChanged(CaseEvent):
    """Another person heads the body, or the office that heads it is another, from the day it happened."""

    head_office: HeadOffice | None = None
    head_office_words: OptionalText = None
    head_name: OptionalIdentifier = None


@avro_event("ledger.organisation.v1.HeadsOfAgreementSigned")
class HeadsOfAgreementSigned(CaseEvent):
    """The body signed the Heads of Agreement: the VPS binds it from the day it happened."""

    instrument_version: str | None = None
    signatory: OptionalIdentifier = None


@avro_event("ledger.organisation.v1.HeadsOfAgreementEnded")
class HeadsOfAgreementEnded(CaseEvent):
    """The Heads of Agreement ended for the body: the day it happened is the last on which they bind."""

    reason: OptionalText = None


@avro_event("ledger.organisation.v1.SchemeBound")
class SchemeBound(CaseEvent):
    """DataVic, CISS or NSW binds the body from the day it happened to ``until`` (its last day).

    The VPS binds by HeadsOfAgreementSigned, the PDPA by PrivacyStatusSet.
    """

    scheme: Scheme
    basis: BindingBasis | None = None
    basis_words: OptionalText = None
    instrument_version: str | None = None
    until: date | None = None


@avro_event("ledger.organisation.v1.PrivacyStatusSet")
class PrivacyStatusSet(CaseEvent):
    """What the PDPA makes of the body from the day it happened to ``until``; a later one takes its place.

    ``provider_bound_by_clause`` and ``outsourcing_party``: a contracted provider under 17(2), else the
    outsourcing party answers too (17(4)). ``part_4``: 84; ``part_5``: 91; None: not stated.
    """

    part_3: bool | None = None
    part_3_limb: Part3Limb | None = None
    part_4: bool | None = None
    part_5: bool | None = None
    represents_crown: bool | None = None
    legal_form: LegalForm | None = None
    orders: tuple[GazettedOrder, ...] = ()
    provider_bound_by_clause: bool | None = None
    provider_clause: OptionalText = None
    outsourcing_party: str | None = None
    until: date | None = None
