"""Cases whose standing the domain folds: only where the fact that opened them still stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import ComplianceNoticeIssued
from ledger.domain.notice.standing import NoticeStanding
from ledger.domain.notice.standing import standing_of as notice_standing
from ledger.domain.retention.events import RetentionScheduled
from ledger.domain.retention.standing import RetentionStanding
from ledger.domain.retention.standing import standing_of as retention_standing
from ledger.law.calendar import Calendar
from ledger.law.clocks import Due
from projections.base import StreamInfo
from projections.views.due import counted_once


def notice_view(facts: Sequence[CaseEvent], _about: StreamInfo) -> NoticeStanding | None:
    """Where a compliance notice stands; None where its opening was left out."""
    return notice_standing(facts) if isinstance(facts[0], ComplianceNoticeIssued) else None


def retention_due(standing: RetentionStanding, calendar: Calendar, known_on: date) -> Due | None:
    """When the action of a retention item is due, as it was known on a day; None before its trigger."""
    key = ("retention.action", standing.runs_from, standing.scheduled.period, known_on)
    return counted_once(key, calendar, lambda: standing.due(calendar, known_on))


def retention_view(facts: Sequence[CaseEvent], _about: StreamInfo) -> RetentionStanding | None:
    """Where a retention item stands; None where its opening was left out."""
    return retention_standing(facts) if isinstance(facts[0], RetentionScheduled) else None
