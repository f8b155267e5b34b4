"""Completeness: what a source asks for and the record does not state. A gap is never a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ledger.domain.complaint.events import ComplaintReceived, ComplaintResolved, ComplaintUnresolved
from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import ComplianceNoticeIssued, NoticeServed
from ledger.domain.request.events import RequestReceived
from ledger.domain.retention.events import (
    ProviderNotified,
    RecordsDeIdentified,
    RecordsDestroyed,
    RetentionScheduled,
)
from ledger.law import complaints, gaps
from ledger.law.gaps import Gap
from projections.base import Column, Kind, Register, Row, StreamInfo
from projections.views.openings import notice_view, retention_view
from projections.views.request import request_view

Found = Iterator[tuple[CaseEvent, tuple[Gap, ...]]]


class Gaps(Register):
    """Every completeness gap, one row each."""

    name = "gaps"
    title = "Completeness gaps"
    columns = (
        Column("area", Kind.TEXT, "the kind of case"),
        Column("event", Kind.TEXT, "the event that does not state it"),
        Column("field", Kind.TEXT, "what is not stated"),
        Column("section", Kind.TEXT, "what asks for it"),
    )
    opened_by = (RequestReceived, ComplaintReceived, ComplianceNoticeIssued, RetentionScheduled)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a missing fact, of the entry that should have stated it."""
        for fact, found in gaps_of(facts, about):
            _, area, _, event = fact.name.split(".")
            for gap in found:
                values = {"area": area, "event": event, "field": gap.field, "section": gap.section}
                yield Row(fact, values, f"{fact.index}:{gap.field}", (fact,))


def gaps_of(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    """What the facts of a case leave out, by the entry that should have stated it."""
    for fact in facts:
        if fact.happened_date is None:
            yield fact, gaps.happened(None)
    yield from _request(facts, about)
    yield from _complaint(facts)
    yield from _notice(facts, about)
    yield from _retention(facts, about)


def _request(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    view = about.view(request_view, facts)
    if view is None or not isinstance(view.opening, RequestReceived):
        return
    opening, scheme = view.opening, view.scheme.value
    yield opening, gaps.request_dates(scheme, opening.made_on, opening.happened_date)
    if view.formal is not None:
        said = view.escalated or opening
        yield view.formal, gaps.formal_request(
            scheme, "formal", view.formal.happened_date,
            under_policy=said.made_under_policy,
            purpose=said.purpose or opening.purpose,
            public_benefit=said.public_benefit or opening.public_benefit,
            safe_holding_and_use=said.secure_use or opening.secure_use,
        )  # fmt: skip
    for approved in view.approved:
        yield approved, gaps.approval(scheme, approved.happened_date, approved.reasons)
    for made in view.disclosed:
        yield made, gaps.disclosure([basis.value for basis in made.bases], made.ipp_2_2_note)
    for refused in view.refused:
        yield refused, gaps.refusal(
            scheme, view.form, grounds=refused.grounds, reasons=refused.reasons,
            in_writing=refused.in_writing, sent_on=refused.sent_on,
        )  # fmt: skip


def _complaint(facts: Sequence[CaseEvent]) -> Found:
    received = facts[0]
    if not isinstance(received, ComplaintReceived):
        return
    required = complaints.records_are_required(bool(received.court_or_tribunal), received.happened_date)
    yield received, gaps.complaint_received(
        required, made_on=received.made_on, received_on=received.happened_date, nature=received.nature,
        complainant=received.complainant, about=received.about, refusal=received.request,
    )  # fmt: skip
    for closed in facts:
        if isinstance(closed, ComplaintResolved | ComplaintUnresolved):
            yield closed, gaps.complaint_closed(
                required, to_resolve=closed.to_resolve, to_prevent=closed.to_prevent,
                resolved=isinstance(closed, ComplaintResolved),
                further=closed.further if isinstance(closed, ComplaintUnresolved) else None,
            )  # fmt: skip


def _notice(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    standing = about.view(notice_view, facts)
    if standing is None:
        return
    issued = standing.issued
    served = next((f for f in facts if isinstance(f, NoticeServed)), None)
    yield issued, gaps.compliance_notice(
        contravened=issued.contravened, limb=issued.limb, occasions=[o.on for o in issued.occasions],
        action=issued.action, period_ends=issued.period_ends, origin=issued.origin,
        served_on=standing.served_on, service=None if served is None else served.method,
    )  # fmt: skip


def _retention(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    standing = about.view(retention_view, facts)
    if standing is None:
        return
    for ending in facts:
        if isinstance(ending, RecordsDestroyed | RecordsDeIdentified):
            yield (
                ending,
                gaps.destruction(
                    what=ending.what,
                    how=ending.how,
                    by=ending.by or ending.by_organisation,
                    authority=ending.authority,
                ),
            )
            told = next((f for f in facts if isinstance(f, ProviderNotified)), None)
            yield (
                ending,
                gaps.recipient_notice(
                    standing.scheduled.provider,
                    standing.scheduled.holder,
                    None if told is None else told.happened_date,
                ),
            )
