"""What an information request amounts to (1-law A): parts, outcome, when each was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from ledger.domain.event import CaseEvent
from ledger.domain.request.events import (
    ClosingGround,
    DisclosureMade,
    GipaApplicationMade,
    OutcomeDisputed,
    RefusalCopySent,
    RequestAcknowledged,
    RequestApproved,
    RequestClosed,
    RequestDivided,
    RequestEscalated,
    RequestForm,
    RequestMade,
    RequestReceived,
    RequestReferred,
    RequestRefused,
    RequestScheme,
    RequestWithdrawn,
)
from ledger.domain.timeline import in_order
from ledger.law import requests as law
from ledger.law.clocks import Due
from ledger.law.requests import FINAL, PartState
from projections.base import StreamInfo
from projections.views.days import ended_between, exact_day, recorded_on
from projections.views.due import due_of

Opening = RequestReceived | RequestMade
Answer = RequestApproved | DisclosureMade | RequestRefused | RequestClosed

_BECOMES: dict[type[CaseEvent], PartState] = {
    RequestApproved: PartState.APPROVED,
    DisclosureMade: PartState.DISCLOSED,
    RequestRefused: PartState.REFUSED,
    RequestClosed: PartState.CLOSED,
}


@dataclass(slots=True)
class RequestView:
    """One request as its facts, in the order in which they happened, leave it."""

    opening: Opening
    form: RequestForm | None
    formal: CaseEvent | None = None
    """The fact that made it formal: its receipt, or its escalation. Of VPS requests only."""
    states: dict[str, PartState] = field(default_factory=dict)
    answered_by: dict[str, Answer] = field(default_factory=dict)
    """Part → the fact that gave it its outcome (the first one: a recurring supply goes on after it)."""
    out_of_scope: set[str] = field(default_factory=set)
    approved: list[RequestApproved] = field(default_factory=list)
    disclosed: list[DisclosureMade] = field(default_factory=list)
    refused: list[RequestRefused] = field(default_factory=list)
    refused_formally: list[RequestRefused] = field(default_factory=list)
    """Refusals of a formal VPS request: formal when they were made, not by an escalation after them."""
    closed: list[RequestClosed] = field(default_factory=list)
    copies: list[RefusalCopySent] = field(default_factory=list)
    acknowledged: RequestAcknowledged | None = None
    escalated: RequestEscalated | None = None
    ended: RequestWithdrawn | RequestReferred | None = None
    disputed: OutcomeDisputed | None = None
    gipa: GipaApplicationMade | None = None
    response: CaseEvent | None = None
    """The fact that completed the response: the last part's answer, or the end of the request.

    A refusal that was said not to be in writing answers no formal VPS request, nor an NSW one."""

    @property
    def received(self) -> bool:
        """Whether it is the provider's record: the requester's own is counted by no report."""
        return isinstance(self.opening, RequestReceived)

    @property
    def scheme(self) -> RequestScheme:
        """Under what it was made."""
        return self.opening.scheme

    @property
    def ended_by(self) -> str | None:
        """'withdrawn', 'referred', or None."""
        if self.ended is None:
            return None
        return "withdrawn" if isinstance(self.ended, RequestWithdrawn) else "referred"

    @property
    def outcome(self) -> str | None:
        """The one outcome that reports count; None while a part is open."""
        return law.overall_outcome(self.states, self.ended_by, self.out_of_scope)

    def provided_or_answered(self) -> CaseEvent | None:
        """As ``response``, for an informal request: escalating it ends it too, whichever came first."""
        return _first(self.escalated, self.response)

    def completing(self) -> CaseEvent | None:
        """The answer that was the last one missing; None while one is."""
        approval = self.scheme == "nsw"
        facts: list[CaseEvent] = []
        for part, state in self.states.items():
            fact: CaseEvent | None = self.answered_by.get(part) if state in FINAL else None
            if approval:
                # An approval of the whole, before it was divided, answered every part.
                fact = next((a for a in self.approved if part in a.parts or law.WHOLE in a.parts), fact)
            if fact is None or (isinstance(fact, RequestRefused) and self._needs_writing(fact)):
                return None
            facts.append(fact)
        # The last answer that can be meant: with one of unknown day, it is not known when all were given.
        if len(facts) > 1:
            return max(facts, key=lambda f: ended_between(f)[1] or date.max)
        return facts[0] if facts else None

    def _needs_writing(self, refusal: RequestRefused) -> bool:
        return (self.scheme == "nsw" or self.is_formal(refusal)) and refusal.in_writing is False

    def is_formal(self, refusal: RequestRefused) -> bool:
        """Whether a formal VPS request was refused: in writing, with a copy to the Secretary, DPC."""
        return any(formal is refusal for formal in self.refused_formally)

    def copy_of(self, refusal: RequestRefused) -> RefusalCopySent | None:
        """The copy to the Secretary that covers the last part of this refusal; None while one is not sent."""
        left = set(refusal.parts)
        for copy in self.copies:
            left -= set(copy.parts)
            if not left:
                return copy
        return None


def _first(*facts: CaseEvent | None) -> CaseEvent | None:
    found = [fact for fact in facts if fact is not None]
    if len(found) > 1:
        return min(found, key=lambda fact: fact.happened_date or date.max)
    return found[0] if found else None


def request_view(facts: Sequence[CaseEvent], _about: StreamInfo) -> RequestView | None:
    """The request of these effective facts; None where its opening was left out by a correction."""
    ordered = in_order(facts)
    opening = next((f for f in ordered if isinstance(f, RequestReceived | RequestMade)), None)
    if opening is None:
        return None
    view = RequestView(opening, opening.form, states={law.WHOLE: PartState.OPEN})
    if isinstance(opening, RequestReceived) and opening.restricted is not None:
        view.out_of_scope.add(law.WHOLE)
    if law.is_formal_vps(opening.scheme, opening.form):
        view.formal = opening
    for fact in ordered:
        if type(fact) in _TAKEN:
            _take(view, fact)
    view.response = _first(view.ended, view.completing())
    return view


def formal_due(facts: Sequence[CaseEvent], about: StreamInfo) -> Due | None:
    """The last of the 14 days of a formal VPS request that was received here."""
    view = about.view(request_view, facts)
    day = None if view is None or not view.received else exact_day(view.formal)
    if view is None or view.formal is None or day is None:
        return None
    return due_of("vps.response", day, about.calendar, recorded_on(view.formal))


_TAKEN: frozenset[type[CaseEvent]] = frozenset(
    {
        *_BECOMES, RequestDivided, RequestEscalated, RequestAcknowledged, RefusalCopySent, RequestWithdrawn,
        RequestReferred, OutcomeDisputed, GipaApplicationMade,
    }
)  # fmt: skip
"""What a row of the registers tells; the rest (advice sought, resourcing) it does not."""


def _take(view: RequestView, fact: CaseEvent) -> None:
    match fact:
        case RequestApproved() | DisclosureMade() | RequestRefused() | RequestClosed():
            _answer(view, fact)
        case RequestDivided():
            # An approval of the whole is one of every part.
            whole = view.states.get(law.WHOLE, PartState.OPEN)
            view.states = dict.fromkeys((part.id for part in fact.parts), whole)
            view.answered_by = {}
            view.out_of_scope = {part.id for part in fact.parts if part.restricted is not None}
        case RequestEscalated():
            view.escalated, view.formal, view.form = fact, fact, RequestForm.FORMAL
        case RequestAcknowledged():
            view.acknowledged = view.acknowledged or fact
        case RefusalCopySent():
            view.copies.append(fact)
        case RequestWithdrawn() | RequestReferred():
            view.ended = view.ended or fact
        case OutcomeDisputed():
            view.disputed = view.disputed or fact
        case GipaApplicationMade():
            view.gipa = view.gipa or fact


def _answer(view: RequestView, fact: Answer) -> None:
    match fact:
        case RequestApproved():
            view.approved.append(fact)
        case DisclosureMade():
            view.disclosed.append(fact)
        case RequestRefused():
            view.refused.append(fact)
            if law.is_formal_vps(view.scheme, view.form):
                view.refused_formally.append(fact)
        case RequestClosed():
            view.closed.append(fact)
            if fact.ground is ClosingGround.OUT_OF_SCOPE or fact.restricted is not None:
                view.out_of_scope.update(fact.parts)
    state = _BECOMES[type(fact)]
    for part in fact.parts:
        view.states[part] = state
        if state in FINAL:
            view.answered_by.setdefault(part, fact)
