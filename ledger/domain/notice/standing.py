"""Where a compliance notice stands: the facts of its case as the rules of PDPA 78, 82 and 83 take them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    ExtensionApplied,
    ExtensionGranted,
    ExtensionRefused,
    NoticeComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRefused,
    ReasonsRequested,
    ReviewApplied,
    ReviewDetermined,
    ReviewResult,
)
from ledger.domain.timeline import known_day
from ledger.law import notices as law
from ledger.law.calendar import Calendar
from ledger.law.notices import Effect, Review
from ledger.law.time import Due


@dataclass(frozen=True, slots=True)
class NoticeStanding:
    """A notice as its facts leave it. Days are None where they are not known or did not come.

    ``*_open``: how many applications or requests are not answered. ``reasons_answered_on``: the last answer,
    once every request is answered. ``determined_on``: of the last review determined for the Commissioner;
    both None unless known to the day, as is the review period: an inexact day starts no clock.
    """

    issued: ComplianceNoticeIssued
    served: bool
    served_on: date | None
    extended_to: date | None
    extensions_open: int
    reasons_requested: bool
    reasons_open: int
    reasons_answered_on: date | None
    reviews: int
    reviews_open: int
    review: Review
    determined_on: date | None
    complied: bool
    complied_on: date | None

    @property
    def decided_on(self) -> date | None:
        """The day of the decision to serve: 83(2)(a)."""
        return self.issued.happened_date

    @property
    def period_ends(self) -> date | None:
        """Last day of the period in the notice: 78(2), 82(2)(a)."""
        return self.issued.period_ends

    @property
    def last_day(self) -> date | None:
        """Last day of the period as extended: what the notice period's clock runs to."""
        return self.extended_to or self.period_ends

    def review_period(self, calendar: Calendar, known_on: date | None = None) -> Due | None:
        """The period of 83(2); None while reasons are open or a day it counts from is not known."""
        decided_on = known_day(self.issued)
        if decided_on is None:
            return None
        return law.review_period(
            decided_on,
            calendar,
            reasons_requested=self.reasons_requested,
            reasons_answered_on=None if self.reasons_open else self.reasons_answered_on,
            known_on=known_on,
        )

    def effect(self, calendar: Calendar) -> Effect:
        """When the notice takes effect: 82(2)."""
        return law.effect(
            self.period_ends, self.extended_to, self.review_period(calendar), self.review, self.determined_on
        )


def standing_of(history: Iterable[CaseEvent]) -> NoticeStanding:
    """The standing after these facts, as corrected; the first must be ComplianceNoticeIssued."""
    facts = list(history)
    issued = facts[0]
    assert isinstance(issued, ComplianceNoticeIssued)

    def those(*kinds: type[CaseEvent]) -> list[CaseEvent]:
        return [fact for fact in facts if isinstance(fact, kinds)]

    served, complied = those(NoticeServed), those(NoticeComplied)
    extended = [fact.extended_to for fact in facts if isinstance(fact, ExtensionGranted) and fact.extended_to]
    requests, answers = those(ReasonsRequested), those(ReasonsGiven, ReasonsRefused)
    answered = [known_day(fact) for fact in answers]
    reviews = those(ReviewApplied)
    results = [fact for fact in facts if isinstance(fact, ReviewDetermined)]
    state, determined_on = _review(len(reviews) - len(results), results)
    return NoticeStanding(
        issued=issued,
        served=bool(served),
        served_on=served[0].happened_date if served else None,
        extended_to=max(extended, default=None),
        extensions_open=len(those(ExtensionApplied)) - len(those(ExtensionGranted, ExtensionRefused)),
        reasons_requested=bool(requests),
        reasons_open=max(len(requests) - len(answers), 0),
        reasons_answered_on=None if None in answered else max((d for d in answered if d), default=None),
        reviews=len(reviews),
        reviews_open=max(len(reviews) - len(results), 0),
        review=state,
        determined_on=determined_on,
        complied=bool(complied),
        complied_on=complied[0].happened_date if complied else None,
    )


def _review(still_open: int, results: list[ReviewDetermined]) -> tuple[Review, date | None]:
    """Several may apply for review (83(1)): one result against the Commissioner ends the notice."""
    if any(fact.result is ReviewResult.AGAINST_COMMISSIONER for fact in results):
        return Review.AGAINST_COMMISSIONER, None
    if still_open > 0:
        return Review.OPEN, None
    won = [known_day(fact) for fact in results if fact.result is ReviewResult.FOR_COMMISSIONER]
    if won:
        return Review.FOR_COMMISSIONER, None if None in won else max(day for day in won if day)
    return (Review.WITHDRAWN if results else Review.NONE), None
