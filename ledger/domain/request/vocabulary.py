"""Words of information requests. Open vocabularies take ``other``, with its words in a sealed field."""

from __future__ import annotations

from enum import StrEnum

from ledger.codec.declare import avro_enum


@avro_enum("ledger.request.v1.RequestScheme")
class RequestScheme(StrEnum):
    """Under what a request is made: VPS Data Sharing Policy, Data.NSW guide, or another law (no clock)."""

    VPS = "vps"
    NSW = "nsw"
    OTHER = "other"


@avro_enum("ledger.request.v1.RequestForm")
class RequestForm(StrEnum):
    """Form of a VPS request ('responsibility to share'): only the formal one carries the 14 days."""

    INFORMAL = "informal"
    FORMAL = "formal"


@avro_enum("ledger.request.v1.RestrictedData")
class RestrictedData(StrEnum):
    """Data outside the Policy's scope (VPS, 'scope of this policy')."""

    CONFIDENTIAL_SOURCE = "confidential_source"
    PROTECTED_WITNESS = "protected_witness"
    NATIONAL_SECURITY = "national_security"
    INVESTIGATIVE_MEASURES = "investigative_measures"


@avro_enum("ledger.request.v1.ApprovalKind")
class ApprovalKind(StrEnum):
    """Whether an approval in principle suffices, or an agreement is needed (NSW guide §2)."""

    IN_PRINCIPLE = "in_principle"
    SUBJECT_TO_AGREEMENT = "subject_to_agreement"


@avro_enum("ledger.request.v1.CostBearer", default="other")
class CostBearer(StrEnum):
    """Who meets the cost that was agreed on (VPS, best endeavours on resourcing). Open."""

    PROVIDER = "provider"
    REQUESTER = "requester"
    SHARED = "shared"
    OTHER = "other"


@avro_enum("ledger.request.v1.RefusalGround", default="other")
class RefusalGround(StrEnum):
    """Grounds of refusal (VPS, 'responsibility to share'); NSW §2 leaves them open."""

    CONTRAVENES_LAW = "contravenes_law"
    PREJUDICES_INVESTIGATION = "prejudices_investigation"
    ENDANGERS_SAFETY = "endangers_safety"
    READILY_AVAILABLE = "readily_available"
    OTHER_RIGHTS = "other_rights"
    DATA_SHARING_PRINCIPLES = "data_sharing_principles"
    TOO_RISKY_OR_INAPPROPRIATE = "too_risky_or_inappropriate"
    OTHER = "other"


@avro_enum("ledger.request.v1.ClosingGround", default="other")
class ClosingGround(StrEnum):
    """Why a part ends without being provided or refused (1-law, area A; ours). Open."""

    NOT_HELD = "not_held"
    PUBLIC = "public"
    MADE_PUBLIC = "made_public"
    OUT_OF_SCOPE = "out_of_scope"
    DUPLICATE = "duplicate"
    IN_LITIGATION = "in_litigation"
    OTHER = "other"


@avro_enum("ledger.disclosure.v1.TransferMethod", default="other")
class TransferMethod(StrEnum):
    """How data went over (NSW guide §3, access to data). Open."""

    API = "api"
    SECURE_FILE_TRANSFER = "secure_file_transfer"
    ONLINE_FILE_SHARING = "online_file_sharing"
    SECURE_ENVIRONMENT = "secure_environment"
    EMAIL = "email"
    PHYSICAL_MEDIA = "physical_media"
    IN_PERSON = "in_person"
    OTHER = "other"


@avro_enum("ledger.disclosure.v1.LegalBasis", default="other_law")
class LegalBasis(StrEnum):
    """What lets the disclosure be made: PDPA IPP 2.1 limb by limb, the NSW pathways (guide §1 Q8), other law.

    ``other_law`` comes with its words.
    """

    NO_PERSONAL_INFORMATION = "no_personal_information"
    PRIMARY_PURPOSE = "primary_purpose"
    IPP_2_1_A = "ipp_2_1_a"
    IPP_2_1_B = "ipp_2_1_b"
    IPP_2_1_C = "ipp_2_1_c"
    IPP_2_1_D = "ipp_2_1_d"
    IPP_2_1_E = "ipp_2_1_e"
    IPP_2_1_F = "ipp_2_1_f"
    IPP_2_1_G = "ipp_2_1_g"
    IPP_2_1_H = "ipp_2_1_h"
    NSW_DATA_SHARING_ACT = "nsw_data_sharing_act"
    NSW_GIPA = "nsw_gipa"
    NSW_PPIP = "nsw_ppip"
    NSW_HRIP = "nsw_hrip"
    NSW_DIRECTION_OR_CODE = "nsw_direction_or_code"
    NSW_STATE_RECORDS = "nsw_state_records"
    OTHER_LAW = "other_law"


@avro_enum("ledger.disclosure.v1.DeIdentification", default="other")
class DeIdentification(StrEnum):
    """Techniques of de-identification, the ten of the NSW guide §4 in its order. Open."""

    IDENTIFIERS_REMOVED = "identifiers_removed"
    CATEGORIES_COMBINED = "categories_combined"
    SYNTHETIC_DATA = "synthetic_data"
    RANDOM_ERROR = "random_error"
    SUPPRESSION = "suppression"
    ALTERATION = "alteration"
    QUASI_IDENTIFIERS = "quasi_identifiers"
    PSEUDONYMS = "pseudonyms"
    AGGREGATION = "aggregation"
    SPATIAL_MASKING = "spatial_masking"
    OTHER = "other"
