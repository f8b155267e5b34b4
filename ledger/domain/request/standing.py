"""Where a request stands: its facts folded in the order in which they happened, each judged at its place.

Rules that depend on order live here, so that a fact recorded late is judged by what was true on its day, and
what happened after it is judged again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.domain.event import CaseEvent
from ledger.domain.request.events import (
    DisclosureMade,
    FurtherInformationProvided,
    FurtherInformationSought,
    GipaApplicationMade,
    OutcomeDisputed,
    RefusalCopySent,
    RequestAcknowledged,
    RequestApproved,
    RequestClosed,
    RequestDivided,
    RequestEscalated,
    RequestForm,
    RequestReceived,
    RequestReferred,
    RequestRefused,
    RequestWithdrawn,
    ResourcingAgreed,
)
from ledger.law import requests as law
from ledger.law.requests import PartState

OUTCOMES: dict[type[CaseEvent], PartState] = {
    RequestApproved: PartState.APPROVED,
    DisclosureMade: PartState.DISCLOSED,
    RequestRefused: PartState.REFUSED,
    RequestClosed: PartState.CLOSED,
}
WORK: tuple[type[CaseEvent], ...] = (
    RequestAcknowledged,
    FurtherInformationSought,
    FurtherInformationProvided,
    RequestEscalated,
    RequestDivided,
    ResourcingAgreed,
    *OUTCOMES,
)
"""What is done only in a request that was neither withdrawn nor referred."""


@dataclass(slots=True)
class Standing:
    """A request after some of its facts: form, state of each part, which parts are restricted, its end."""

    received: RequestReceived
    imported: Callable[[CaseEvent], bool]
    form: RequestForm | None
    states: dict[str, str]
    restricted: set[str]
    ended_by: str | None = None
    sought: int = 0
    refused_formally: set[str] = field(default_factory=set)

    @classmethod
    def at_receipt(cls, received: CaseEvent, imported: Callable[[CaseEvent], bool]) -> Standing:
        """A request that was just received: one part, ``whole``, open."""
        assert isinstance(received, RequestReceived)  # the one event that opens a request
        restricted = {law.WHOLE} if received.restricted is not None else set()
        return cls(received, imported, received.form, law.divided_states([law.WHOLE]), restricted)

    def take(self, fact: CaseEvent) -> None:
        """Judges one fact by what is before it, and adds it. Raises LawRefused."""
        if isinstance(fact, WORK):
            law.request_is_open(self.ended_by)
        match fact:
            case RequestWithdrawn() | RequestReferred():
                self._end(fact)
            case FurtherInformationSought():
                self.sought += 1
            case FurtherInformationProvided():
                law.answers_what_was_sought(self.sought)
            case RequestEscalated():
                law.escalates_informal_to_formal(self.received.scheme, self.form)
                law.something_is_left(self.states, "escalated", recurring=self.received.recurring)
                self.form = RequestForm.FORMAL
            case RequestDivided():
                self._divide(fact)
            case RequestApproved() | DisclosureMade() | RequestRefused() | RequestClosed():
                self._answer(fact)
            case RefusalCopySent():
                self._copy(fact)
            case OutcomeDisputed():
                law.parts_exist(fact.parts, self.states)
                named = {part: self.states[part] for part in fact.parts}
                law.disputed_after_outcome(self.received.scheme, named)
            case GipaApplicationMade():
                law.gipa_follows_nsw_refusal(self.received.scheme, self.states)

    def _end(self, fact: RequestWithdrawn | RequestReferred) -> None:
        word = "withdrawn" if isinstance(fact, RequestWithdrawn) else "referred"
        law.request_is_open(self.ended_by)
        law.something_is_left(self.states, word, recurring=self.received.recurring)
        self.ended_by = word

    def _divide(self, fact: RequestDivided) -> None:
        law.divided_once_into_parts(self.states, [part.id for part in fact.parts])
        self.states = law.divided_states([part.id for part in fact.parts], self.states[law.WHOLE])
        self.restricted = {part.id for part in fact.parts if part.restricted is not None}

    def _answer(self, fact: RequestApproved | DisclosureMade | RequestRefused | RequestClosed) -> None:
        outcome = OUTCOMES[type(fact)]
        law.parts_may_become(fact.parts, outcome, self.states, recurring=self.received.recurring)
        if isinstance(fact, RequestRefused):
            self._refuse(fact)
        for part in fact.parts:
            self.states[part] = outcome

    def _refuse(self, fact: RequestRefused) -> None:
        scheme, on = self.received.scheme, fact.happened_date
        law.restricted_part_is_closed_not_refused(scheme, on, fact.parts, self.restricted)
        law.refusal_reasons_are_written(scheme, self.form, on, fact.in_writing, imported=self.imported(fact))
        if law.is_formal_vps(scheme, self.form):
            self.refused_formally.update(fact.parts)

    def _copy(self, fact: RefusalCopySent) -> None:
        law.parts_exist(fact.parts, self.states)
        formal = self.refused_formally.issuperset(fact.parts)
        law.refusal_copy_follows_formal_refusal(self.received.scheme, self.form, formal)
