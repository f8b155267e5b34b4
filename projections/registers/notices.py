"""Compliance notices (PDPA Part 3 Division 9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    ExtensionApplied,
    ExtensionGranted,
    ExtensionRefused,
    NoticeNotComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRefused,
    ReasonsRequested,
    ReviewDetermined,
    ReviewResult,
)
from ledger.law import notices as law
from projections.base import Column, Kind, Register, Row, StreamInfo, pointer
from projections.views.days import exact_day, in_course
from projections.views.openings import notice_view

AGAINST = ReviewResult.AGAINST_COMMISSIONER
DAY_UNKNOWN = law.Effect(None, False, "82(2): the day of the decision is not known")


class ComplianceNotices(Register):
    """Every compliance notice, one row each."""

    name = "notices"
    title = "Compliance notices"
    columns = (
        Column("organisation", Kind.TEXT, "the organisation that it is directed to"),
        Column("organisation_name", Kind.SEALED, "its name, where it is not registered"),
        Column("contravened", Kind.TEXT, "an IPP, a code or an arrangement: 78(1)(a)"),
        Column("provisions", Kind.TEXTS, "which"),
        Column("limb", Kind.TEXT, "serious or flagrant, or repeated: 78(1)(b)"),
        Column("occasions", Kind.INT, "occasions listed: 78(1)(b)(ii)"),
        Column("origin", Kind.TEXT, "own initiative or application: 78(5)"),
        Column("action", Kind.SEALED, "the action that it specifies"),
        Column("decided_on", Kind.DATE, "the day of the decision to serve it"),
        Column("decided_by", Kind.TEXT, "who decided"),
        Column("served_on", Kind.DATE, "the day on which it was served: 78(7)"),
        Column("service", Kind.TEXT, "how: 83C(3)–(4A)"),
        Column("period_ends", Kind.DATE, "last day of the period in the notice: 78(2)"),
        Column("extended_to", Kind.DATE, "last day of the period as extended: 78(3)"),
        Column("extensions_applied", Kind.INT, "applications for an extension"),
        Column("extensions_granted", Kind.INT, "… granted"),
        Column("extensions_refused", Kind.INT, "… not granted"),
        Column("reasons", Kind.TEXT, "a statement of reasons: requested, given, refused; empty: not asked for"),
        Column("review", Kind.TEXT, "where a review at VCAT stands: 83"),
        Column("review_until", Kind.DATE, "last day to apply for a review: 83(2)"),
        Column("in_effect_on", Kind.DATE, "the day on which it takes effect: 82(2)"),
        Column("effect_because", Kind.TEXT, "the limb of 82(2) that decides"),
        Column("set_aside_on", Kind.DATE, "the day on which a review was determined against it: 82(2)(d)"),
        Column("complied_on", Kind.DATE, "the day on which the action was complete"),
        Column("not_complied_on", Kind.DATE, "the day on which it was found not complied with: 82(1)"),
        Column("outcome", Kind.TEXT, "complied, not complied, set aside; empty while open"),
        Column("penalty_units", Kind.INT, "what not complying exposes to: 82(1), (3); 0 for the Crown, 8(2)"),
    )
    opened_by = (ComplianceNoticeIssued,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a notice."""
        standing = about.view(notice_view, facts)
        if standing is None:
            return
        facts = about.view(in_course, facts)
        issued = standing.issued
        known = exact_day(issued) is not None
        effect = standing.effect(about.calendar) if known else DAY_UNKNOWN
        served = next((f for f in facts if isinstance(f, NoticeServed)), None)
        failed = next((f for f in facts if isinstance(f, NoticeNotComplied)), None)
        lost = next((f for f in facts if isinstance(f, ReviewDetermined) and f.result is AGAINST), None)
        review_period = standing.review_period(about.calendar) if known else None
        exposure = None
        if issued.directed_to is not None or issued.represents_crown:
            exposure = law.exposure(issued.directed_to or "", bool(issued.represents_crown))
        outcome = "complied" if standing.complied else "not complied" if failed is not None else None
        values: dict[str, object] = {
            "organisation": issued.organisation,
            "organisation_name": pointer(issued, "organisation_name"),
            "contravened": None if issued.contravened is None else issued.contravened.value,
            "provisions": list(issued.provisions),
            "limb": None if issued.limb is None else issued.limb.value,
            "occasions": len(issued.occasions),
            "origin": None if issued.origin is None else issued.origin.value,
            "action": pointer(issued, "action"),
            "decided_on": standing.decided_on,
            "decided_by": None if issued.decided_by is None else issued.decided_by.value,
            "served_on": standing.served_on,
            "service": None if served is None or served.method is None else served.method.value,
            "period_ends": standing.period_ends,
            "extended_to": standing.extended_to,
            "extensions_applied": sum(isinstance(f, ExtensionApplied) for f in facts),
            "extensions_granted": sum(isinstance(f, ExtensionGranted) for f in facts),
            "extensions_refused": sum(isinstance(f, ExtensionRefused) for f in facts),
            "reasons": _reasons(facts),
            "review": standing.review.value,
            "review_until": None if review_period is None else review_period.due,
            "in_effect_on": effect.on,
            "effect_because": effect.because,
            "set_aside_on": None if lost is None else lost.happened_date,
            "complied_on": standing.complied_on,
            "not_complied_on": None if failed is None else failed.happened_date,
            "outcome": outcome or ("set aside" if effect.never else None),
            "penalty_units": None if exposure is None else exposure.penalty_units,
        }
        yield Row(issued, values)


def _reasons(facts: Sequence[CaseEvent]) -> str | None:
    """Where the last request for a statement of reasons stands: 83(2)(b)."""
    said = {ReasonsRequested: "requested", ReasonsGiven: "given", ReasonsRefused: "refused"}
    return next((said[type(f)] for f in reversed(facts) if type(f) in said), None)
