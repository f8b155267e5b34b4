"""The table of statutory clocks: one row a clock. A new clock is a new row here and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ledger.law import dates
from ledger.law.time import Period, Rule


class Nature(StrEnum):
    """Whose clock it is. Only a duty can be overdue; a right lapses; a power lapses or arises."""

    DUTY = "duty"
    RIGHT = "right"
    POWER = "power"
    VALIDITY = "validity"
    GROUND = "ground"
    EFFECT = "effect"


@dataclass(frozen=True, slots=True)
class ClockRule:
    """One clock. ``starts`` and ``ended_by`` are words for people; ``period`` is None where the source gives
    no number, or where the instrument does (``period_stated``).

    ``at_once``: with no period stated, it is due on the trigger itself. ``waits_for_effect``: the period may
    be over without being overdue, until the notice is in effect (PDPA 82(2)). ``choices`` are readings of
    the source that counsel may change.
    """

    id: str
    section: str
    starts: str
    period: Period | None
    rule: Rule
    ended_by: str
    nature: Nature
    in_force_from: date
    period_stated: bool = False
    at_once: bool = False
    waits_for_effect: bool = False
    choices: tuple[str, ...] = ()


ROWS: tuple[ClockRule, ...] = (
    ClockRule(
        id="vps.response",
        section="VPS Data Sharing Policy, 'responsibility to share'",
        starts="formal request received",
        period=Period(days=14),
        rule=Rule.POLICY,
        ended_by="every part disclosed, refused in writing or closed; referred; withdrawn",
        nature=Nature.DUTY,
        in_force_from=dates.VPS_POLICY_APPROVED,
        choices=(
            "the 14 days run from receipt: the reading of 'agency in receipt'",
            "seeking further information stops no clock",
            "an answer counts from the day it was sent, where that is stated",
            "a request that lacks what the Policy asks of it starts the clock all the same",
        ),
    ),
    ClockRule(
        id="vps.refusal_copy",
        section="VPS Data Sharing Policy, 'responsibility to share'",
        starts="formal request refused, whole or part",
        period=None,
        rule=Rule.NONE,
        ended_by="copy sent to the Secretary, DPC",
        nature=Nature.DUTY,
        in_force_from=dates.VPS_POLICY_APPROVED,
    ),
    ClockRule(
        id="vps.informal",
        section="VPS Data Sharing Policy, 'responsibility to share'",
        starts="informal request received",
        period=None,
        rule=Rule.NONE,
        ended_by="data provided, reasons given, escalated, closed, referred or withdrawn",
        nature=Nature.DUTY,
        in_force_from=dates.VPS_POLICY_APPROVED,
        choices=("'reasonable time' has no number; an acknowledgement is no response",),
    ),
    ClockRule(
        id="nsw.acknowledge",
        section="Data.NSW guide, introduction",
        starts="request received",
        period=None,
        rule=Rule.NONE,
        ended_by="acknowledged",
        nature=Nature.DUTY,
        in_force_from=dates.NSW_GUIDE_FROM,
    ),
    ClockRule(
        id="nsw.response",
        section="Data.NSW guide, introduction",
        starts="request received",
        period=None,
        rule=Rule.NONE,
        ended_by="approved, refused in writing, closed, referred or withdrawn",
        nature=Nature.DUTY,
        in_force_from=dates.NSW_GUIDE_FROM,
        choices=("an answer counts from the day it was sent, where that is stated",),
    ),
    ClockRule(
        id="ciss.complaint",
        section="CISS Guidelines, ch. 5",
        starts="complaint received",
        period=None,
        rule=Rule.NONE,
        ended_by="resolved, or unresolved with further action or none",
        nature=Nature.DUTY,
        in_force_from=dates.CISS_FROM,
        choices=("time taken is counted from receipt",),
    ),
    ClockRule(
        id="pdpa.notice_period",
        section="PDPA 78(2)–(4)",
        starts="compliance notice served",
        period=None,
        rule=Rule.FIXED,
        ended_by="complied",
        nature=Nature.DUTY,
        in_force_from=dates.ACT_COMMENCED,
        period_stated=True,
        waits_for_effect=True,
        choices=("overdue from the day after the period is over and the notice in effect (82(2))",),
    ),
    ClockRule(
        id="pdpa.notice_review",
        section="PDPA 83(2)",
        starts="later of the decision to serve, and reasons given or refused",
        period=Period(days=28),
        rule=Rule.STATUTORY,
        ended_by="application to VCAT",
        nature=Nature.RIGHT,
        in_force_from=dates.ACT_COMMENCED,
    ),
    ClockRule(
        id="pdpa.notice_effect",
        section="PDPA 82(2)",
        starts="decision to serve; in effect from the latest of 82(2)(a)–(d)",
        period=None,
        rule=Rule.FIXED,
        ended_by="computed",
        nature=Nature.EFFECT,
        in_force_from=dates.ACT_COMMENCED,
        at_once=True,
        choices=("82(2)(c) uses the rolled end of the review period",),
    ),
    ClockRule(
        id="ipp4.destroy",
        section="PDPA IPP 4.2",
        starts="recorded as no longer needed for any purpose",
        period=None,
        rule=Rule.NONE,
        ended_by="destroyed, permanently de-identified, or handed on with no copy kept",
        nature=Nature.DUTY,
        in_force_from=dates.ACT_COMMENCED,
        choices=("who keeps no copy no longer holds it (4(1))",),
    ),
    ClockRule(
        id="retention.action",
        section="Data.NSW guide §3, retention table; or the disposal authority named",
        starts="trigger of the retention item",
        period=None,
        rule=Rule.ANNIVERSARY,
        ended_by="destroyed, de-identified, returned, transferred or removed; held while a hold is open",
        nature=Nature.DUTY,
        in_force_from=dates.INSTRUMENTS_OWN,
        period_stated=True,
        at_once=True,
        choices=("without a period it is due on the trigger",),
    ),
)
