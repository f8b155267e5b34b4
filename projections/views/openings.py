"""Cases whose standing the domain folds: only where the fact that opened them still stands."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import ComplianceNoticeIssued
from ledger.domain.notice.standing import NoticeStanding
from ledger.domain.notice.standing import standing_of as notice_standing
from ledger.domain.retention.events import RetentionScheduled
from ledger.domain.retention.standing import RetentionStanding
from ledger.domain.retention.standing import standing_of as retention_standing
from projections.base import StreamInfo


def notice_view(facts: Sequence[CaseEvent], _about: StreamInfo) -> NoticeStanding | None:
    """Where a compliance notice stands; None where its opening was left out."""
    return notice_standing(facts) if isinstance(facts[0], ComplianceNoticeIssued) else None


def retention_view(facts: Sequence[CaseEvent], _about: StreamInfo) -> RetentionStanding | None:
    """Where a retention item stands; None where its opening was left out."""
    return retention_standing(facts) if isinstance(facts[0], RetentionScheduled) else None
