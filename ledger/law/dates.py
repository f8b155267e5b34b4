"""From when each rule is law. A fact from before a rule's date is recorded and not judged by it.

PDPA dates: endnotes 1 and 2 of the Act (version 032, to 10 February 2025). Sections 78 to 83 commenced with
the Act; No. 20/2017 put the Information Commissioner in the place of the former Commissioner (and replaced
79) without changing what 78, 82 and 83 ask; No. 11/2021 s 165 inserted 78(7).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

ACT_COMMENCED = date(2014, 9, 17)
"""Endnote 1: sections 1–128 in operation."""

COMMISSIONER_REFORM = date(2017, 9, 1)
"""No. 20/2017 ss 78–106: office of Information Commissioner, Division 10, 63(1A)."""

CISS_FROM = date(2018, 9, 27)
"""Choice: the Guidelines state no date; section 15B of the PDPA serves the scheme from this day (No. 11/2018
s 31)."""

EXAMINATIONS_RECORDED = date(2020, 1, 1)
"""No. 2/2019 s 145: 83GA."""

VPS_POLICY_APPROVED = date(2021, 4, 28)
"""Approved by the Victorian Secretaries Board; a party is bound from its own signature."""

SERVICE_REFORM = date(2021, 4, 26)
"""No. 11/2021 ss 164–170: 78(7), 83C(3A)–(4C), attendance by audio visual link."""

INTEGRITY_REFORM = date(2024, 9, 11)
"""No. 31/2024 ss 51–61: 62(1)(ea), 65A, 65B, 67(1), 83D(2), 86(4), 116, sensitive information."""

INTEGRITY_OVERSIGHT_VICTORIA = date(2025, 2, 10)
"""No. 31/2024 Sch 1 item 26: the Victorian Inspectorate is so named."""

DATAVIC_POLICY = date(2015, 8, 1)
"""August 2015 (choice: its first day); version 2.1 is dated 30 November 2016."""

NSW_GUIDE_FROM = date(2015, 1, 1)
"""Choice: the guide states no date; the first day of the year of the Data Sharing Act 2015 it leans on."""


INSTRUMENTS_OWN = date.min
"""For rules that an instrument itself makes (a retention table, a disposal authority): no date of ours."""


class Provision(StrEnum):
    """A rule, or group of rules, with a date of its own; the value is how it is cited."""

    PDPA = "PDPA"
    PDPA_78 = "PDPA 78(1)–(6)"
    PDPA_78_7 = "PDPA 78(7)"
    PDPA_82 = "PDPA 82"
    PDPA_83 = "PDPA 83"
    PDPA_DIVISION_10 = "PDPA Part 3 Division 10"
    PDPA_63_1A = "PDPA 63(1A)"
    PDPA_83C_3A = "PDPA 83C(3A)–(4C)"
    PDPA_83GA = "PDPA 83GA"
    PDPA_62_1_EA = "PDPA 62(1)(ea)"
    PDPA_65A = "PDPA 65A"
    PDPA_65B = "PDPA 65B"
    PDPA_67_1 = "PDPA 67(1)"
    PDPA_83D_2 = "PDPA 83D(2)"
    PDPA_86_4 = "PDPA 86(4)"
    PDPA_116 = "PDPA 116"
    IPP = "PDPA Schedule 1"
    VPS = "VPS Data Sharing Policy"
    NSW = "Data.NSW guide"
    CISS = "CISS Guidelines"
    DATAVIC = "DataVic Access Policy"


IN_FORCE_FROM: dict[Provision, date] = {
    Provision.PDPA: ACT_COMMENCED,
    Provision.PDPA_78: ACT_COMMENCED,
    Provision.PDPA_78_7: SERVICE_REFORM,
    Provision.PDPA_82: ACT_COMMENCED,
    Provision.PDPA_83: ACT_COMMENCED,
    Provision.PDPA_DIVISION_10: COMMISSIONER_REFORM,
    Provision.PDPA_63_1A: COMMISSIONER_REFORM,
    Provision.PDPA_83C_3A: SERVICE_REFORM,
    Provision.PDPA_83GA: EXAMINATIONS_RECORDED,
    Provision.PDPA_62_1_EA: INTEGRITY_REFORM,
    Provision.PDPA_65A: INTEGRITY_REFORM,
    Provision.PDPA_65B: INTEGRITY_REFORM,
    Provision.PDPA_67_1: INTEGRITY_REFORM,
    Provision.PDPA_83D_2: INTEGRITY_REFORM,
    Provision.PDPA_86_4: INTEGRITY_REFORM,
    Provision.PDPA_116: INTEGRITY_REFORM,
    Provision.IPP: ACT_COMMENCED,
    Provision.VPS: VPS_POLICY_APPROVED,
    Provision.NSW: NSW_GUIDE_FROM,
    Provision.CISS: CISS_FROM,
    Provision.DATAVIC: DATAVIC_POLICY,
}


def in_force(provision: Provision, day: date | None) -> bool:
    """Whether the rule judges a fact of that day. A fact without a date is not judged (it is a gap)."""
    return day is not None and day >= IN_FORCE_FROM[provision]


def integrity_body_on(day: date) -> str:
    """The name, on that day, of the body that reports under 83D go to (No. 31/2024 Sch 1 item 26)."""
    renamed = day >= INTEGRITY_OVERSIGHT_VICTORIA
    return "Integrity Oversight Victoria" if renamed else "Victorian Inspectorate"


def old_complaint_text_applies(made_on: date, determined_on: date | None) -> bool:
    """Whether a complaint keeps the Act as it was: made and undecided on 1.9.2017 (PDPA Sch 3 cl 8)."""
    return made_on < COMMISSIONER_REFORM and (determined_on is None or determined_on >= COMMISSIONER_REFORM)
