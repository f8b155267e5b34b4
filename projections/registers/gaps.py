"""Completeness: what a source asks for and the record does not state. A gap is never a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from ledger.domain.complaint.events import (
    ComplaintReceived,
    ComplaintResolved,
    ComplaintTaken,
    ComplaintUnresolved,
)
from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    ExtensionGranted,
    NoticeComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRefused,
    ReviewApplied,
)
from ledger.domain.organisation.events import (
    AgencyHeadChanged,
    FunctionsTakenOver,
    HeadsOfAgreementSigned,
    OrganisationRegistered,
    OrganisationSucceeded,
    PrivacyStatusSet,
    SchemeBound,
)
from ledger.domain.request.events import RequestReceived, RequestReferred
from ledger.domain.retention.events import (
    HoldPlaced,
    NoLongerNeeded,
    ProviderNotified,
    RecordsDeIdentified,
    RecordsDestroyed,
    RecordsRemoved,
    RecordsReturned,
    RecordsTransferred,
    RetentionScheduled,
    RetentionTriggered,
)
from ledger.law import complaints, gaps
from ledger.law import dates as law
from ledger.law.gaps import Gap
from projections.base import Column, Kind, Register, Row, StreamInfo
from projections.views.days import exact_day, in_course, recorded_on
from projections.views.openings import notice_view, retention_view
from projections.views.request import request_view

TRIGGERS: frozenset[type[CaseEvent]] = frozenset(
    {
        ComplaintReceived,
        ComplianceNoticeIssued,
        NoticeServed,
        ReasonsGiven,
        ReasonsRefused,
        RetentionTriggered,
        NoLongerNeeded,
    }
)
"""Facts whose day starts a clock, or decides when one runs; of requests it depends on the scheme."""

Found = Iterator[tuple[CaseEvent, tuple[Gap, ...]]]
GapFold = Callable[[Sequence[CaseEvent], StreamInfo], Found]


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
    version = 2
    opened_by = (
        RequestReceived, ComplaintReceived, ComplianceNoticeIssued, RetentionScheduled, OrganisationRegistered,
    )  # fmt: skip

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a missing fact, of the entry that should have stated it."""
        for fact, found in gaps_of(facts, about):
            for gap in found:
                _, area, _, event = fact.name.split(".")
                values = {"area": area, "event": event, "field": gap.field, "section": gap.section}
                yield Row(fact, values, f"{fact.index}:{gap.field}", (fact,))


def gaps_of(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    """What the facts of a case leave out, by the entry that should have stated it."""
    for fact in facts:
        if fact.happened_date is None:
            yield fact, gaps.happened(None)
        elif type(fact) in TRIGGERS:
            yield _to_the_day(fact)
    for fold in _folds(about.opened_by):
        yield from fold(facts, about)


@cache
def _folds(opened_by: type[CaseEvent]) -> list[GapFold]:
    return [fold for event, fold in FOLDS.items() if issubclass(opened_by, event)]


def _to_the_day(fact: CaseEvent) -> tuple[CaseEvent, tuple[Gap, ...]]:
    return fact, gaps.trigger(fact.happened_date, exact_day(fact) is not None)


def _request(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    view = about.view(request_view, facts)
    if view is None or not isinstance(view.opening, RequestReceived):
        return
    opening, scheme = view.opening, view.scheme.value
    yield opening, gaps.request_dates(scheme, opening.made_on, opening.happened_date)
    starting = [opening] if scheme in ("vps", "nsw") else []
    for fact in (*starting, view.escalated, *view.refused_formally):
        if fact is not None:
            yield _to_the_day(fact)
    yield opening, gaps.received(
        scheme, opening.form, opening.happened_date,
        law=opening.made_under_law, requester=opening.requester, provider=opening.provider,
    )  # fmt: skip
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
        yield made, gaps.disclosure(made.bases, made.ipp_2_2_note, made.ipp_2_1_h_authority, made.happened_date)
        to = made.recipient or made.recipient_name
        yield made, gaps.disclosure_record(made.description, made.bases, to)
    for refused in view.refused:
        yield refused, gaps.refusal(
            scheme, "formal" if view.is_formal(refused) else None, grounds=refused.grounds,
            reasons=refused.reasons, in_writing=refused.in_writing, sent_on=refused.sent_on,
            on=refused.happened_date,
        )  # fmt: skip
    for closed in view.closed:
        yield closed, gaps.closing(scheme, closed.ground, closed.where)
    if isinstance(view.ended, RequestReferred):
        yield view.ended, gaps.referral(view.ended.to_organisation or view.ended.to_name)


def _complaint(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    facts = about.view(in_course, facts)
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
            resolving, preventing = closed.to_resolve, closed.to_prevent
            yield (
                closed,
                gaps.action_described(required, "action to resolve", resolving, closed.to_resolve_what),
            )
            yield (
                closed,
                gaps.action_described(required, "action to prevent", preventing, closed.to_prevent_what),
            )
            if isinstance(closed, ComplaintUnresolved):
                yield (
                    closed,
                    gaps.action_described(required, "further action", closed.further, closed.further_what),
                )
        elif isinstance(closed, ComplaintTaken):
            yield closed, gaps.taken_on(closed.to)


def _notice(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    facts = about.view(in_course, facts)
    standing = about.view(notice_view, facts)
    if standing is None:
        return
    issued = standing.issued
    served = next((f for f in facts if isinstance(f, NoticeServed)), None)
    yield issued, gaps.compliance_notice(
        contravened=issued.contravened, limb=issued.limb, occasions=[o.on for o in issued.occasions],
        action=issued.action, period_ends=issued.period_ends, origin=issued.origin,
        served_on=standing.served_on, service=None if served is None else served.method,
        on=issued.happened_date,
    )  # fmt: skip
    if law.in_force(law.Provision.PDPA_78, issued.happened_date or recorded_on(issued)):
        yield issued, gaps.notice_decision(
            provisions=issued.provisions, maker=issued.decided_by,
            instrument=issued.instrument or issued.decided_under, origin=issued.origin,
            was_complainant=issued.applicant_was_complainant, bound=issued.organisation,
        )  # fmt: skip
    for fact in facts:
        if isinstance(fact, NoticeServed):
            # A registered body's legal form stands in the register of organisations.
            to = issued.directed_to or issued.organisation
            how = (fact.method, fact.receipt_confirmed, fact.left_with_adult_there)
            yield fact, gaps.service(fact.happened_date, to, *how)
        elif isinstance(fact, ExtensionGranted):
            yield fact, gaps.extension(fact.not_reasonably_possible, fact.undertaking, fact.extended_to)
        elif isinstance(fact, ReviewApplied):
            yield fact, gaps.review_applied(fact.interests_affected)
        elif isinstance(fact, NoticeComplied):
            yield fact, gaps.complied(fact.evidence or fact.files, fact.happened_date)


def _retention(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    facts = about.view(in_course, facts)
    standing = about.view(retention_view, facts)
    if standing is None:
        return
    item = standing.scheduled
    provider, holder = item.provider or item.provider_name, item.holder or item.holder_name
    yield (
        item,
        gaps.retention_item(
            what=item.dataset or item.what, holder=holder, trigger=item.trigger, action=item.action
        ),
    )
    told = next((f for f in facts if isinstance(f, ProviderNotified)), None)
    told_on = None if told is None else told.happened_date
    for fact in facts:
        if isinstance(fact, HoldPlaced):
            yield fact, gaps.hold(fact.reason)
        if isinstance(fact, RecordsDestroyed | RecordsDeIdentified):
            by = fact.by or fact.by_organisation
            yield fact, gaps.destruction(what=fact.what, how=fact.how, by=by, authority=fact.authority)
        if isinstance(fact, RecordsDeIdentified):
            needless = standing.no_longer_needed
            yield fact, gaps.de_identification(needless, fact.permanent, fact.happened_date)
        if isinstance(fact, RecordsReturned | RecordsTransferred | RecordsRemoved):
            yield fact, gaps.copy_kept(standing.no_longer_needed, fact.copy_kept, fact.happened_date)
        if isinstance(fact, RecordsDestroyed | RecordsDeIdentified | RecordsRemoved):
            yield fact, gaps.recipient_notice(provider, holder, told_on)


def _organisation(facts: Sequence[CaseEvent], about: StreamInfo) -> Found:
    facts = about.view(in_course, facts)
    registered = facts[0]
    if not isinstance(registered, OrganisationRegistered):
        return
    heads = [f for f in facts if isinstance(f, OrganisationRegistered | AgencyHeadChanged)]
    named = next((head for f in heads for head in (f.head_office, f.head_name) if head is not None), None)
    yield registered, gaps.organisation(named)
    for fact in facts:
        match fact:
            case HeadsOfAgreementSigned():
                yield fact, gaps.bound(fact.instrument_version)
            case SchemeBound():
                yield fact, gaps.bound(fact.instrument_version, fact.basis)
            case OrganisationSucceeded() | FunctionsTakenOver():
                yield fact, gaps.succession(fact.functions or fact.all_functions, fact.instrument)
            case PrivacyStatusSet():
                clause = fact.provider_clause or fact.provider_bound_by_clause
                orders = {order.kind for order in fact.orders}
                yield fact, gaps.privacy_status(fact.part_3, fact.part_3_limb, clause, orders)


FOLDS: dict[type[CaseEvent], GapFold] = {
    RequestReceived: _request,
    ComplaintReceived: _complaint,
    ComplianceNoticeIssued: _notice,
    RetentionScheduled: _retention,
    OrganisationRegistered: _organisation,
}
"""The event that opens a case → what such cases leave out."""
