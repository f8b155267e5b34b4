"""Facts of contraventions found (1-law, head: an unlawful act that happened can always be recorded)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from ledger.codec.declare import CaseRef, OptionalText, Text, avro_enum
from ledger.domain.event import CaseEvent, avro_event


@avro_enum("ledger.contravention.v1.ContravenedRule", default="other")
class ContravenedRule(StrEnum):
    """The instrument that was contravened; ``other`` comes with its words."""

    VPS_POLICY = "vps_policy"
    NSW_GUIDE = "nsw_guide"
    CISS = "ciss"
    PDPA = "pdpa"
    IPP = "ipp"
    DATAVIC = "datavic"
    PUBLIC_RECORDS_ACT = "public_records_act"
    LEDGER_RULE = "ledger_rule"
    OTHER = "other"


@avro_enum("ledger.contravention.v1.FoundBy", default="other")
class FoundBy(StrEnum):
    """Who or what found it. Open."""

    OWN_STAFF = "own_staff"
    AUDIT = "audit"
    REGULATOR = "regulator"
    COMPLAINT = "complaint"
    COUNTERPART = "counterpart"
    IMPORT = "import"
    OTHER = "other"


@avro_enum("ledger.contravention.v1.CissOffence")
class CissOffence(StrEnum):
    """The offence that it may be (CISS Guidelines, ch. 6)."""

    UNAUTHORISED = "unauthorised"
    INTENTIONAL_OR_RECKLESS = "intentional_or_reckless"
    FALSE_CLAIM = "false_claim"


@avro_event("ledger.contravention.v1.ContraventionFound")
class ContraventionFound(CaseEvent):
    """An unlawful act was found to have happened. Happened: the day of the contravention itself.

    ``section``: the place in the rule, as cited. ``organisation``: id of the body that acted. ``about``: the
    case it is about. ``found_on``: the day it was found.
    """

    rule: ContravenedRule
    what: Text
    section: str | None = None
    rule_words: OptionalText = None
    organisation: str | None = None
    about: CaseRef | None = None
    found_by: FoundBy | None = None
    found_by_words: OptionalText = None
    found_on: date | None = None
    steps_taken: OptionalText = None
    ciss_offence: CissOffence | None = None
