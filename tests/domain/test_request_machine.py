"""Any sequence of request commands, in any order of dates: what is accepted leaves consistent part states."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.codec.entry import CorrectionKind
from ledger.domain.request import events as ev
from ledger.domain.timeline import earliest, in_order, latest
from ledger.errors import InvalidInput, LawRefused, NotFound
from ledger.law.requests import FINAL, PartState
from tests.domain.request_lives import (
    FORMAL,
    INFORMAL,
    NSW,
    OTHER,
    book,
    close,
    disclose,
    divide,
    received,
    refuse,
)

FIRST = date(2025, 6, 9)
days = st.sampled_from([*((FIRST + timedelta(days=n)).isoformat() for n in range(1, 13)), "2025-06", None])
parts = st.sampled_from([("whole",), ("a",), ("b",), ("a", "b"), ("c",)])
OUTCOME_STATE = {
    ev.DisclosureMade: PartState.DISCLOSED,
    ev.RequestRefused: PartState.REFUSED,
    ev.RequestClosed: PartState.CLOSED,
}
ENDS = (ev.RequestWithdrawn, ev.RequestReferred)


class RequestMachine(RuleBasedStateMachine):
    """Commands are tried, lawful or not; a refused one must leave the case as it was."""

    def attempt(self, act: Any, *args: Any, **fields: Any) -> None:
        before = list(self.made.cases["case-1"].facts)
        try:
            act(*args, **fields)
        except (LawRefused, InvalidInput, NotFound):
            assert self.made.cases["case-1"].facts == before

    @initialize(fields=st.sampled_from([FORMAL, INFORMAL, NSW, OTHER]), recurring=st.booleans())
    def start(self, fields: dict[str, Any], recurring: bool) -> None:
        self.made = book()
        self.fields = fields | {"made_on": None, "recurring": recurring}
        received(self.made, self.fields, "2025-06-11")

    @rule(act=st.sampled_from([refuse, disclose, close]), on=days, named=parts)
    def answer(self, act: Any, on: str | None, named: tuple[str, ...]) -> None:
        self.attempt(act, self.made, on, named)

    @rule(on=days, named=parts)
    def approve(self, on: str | None, named: tuple[str, ...]) -> None:
        self.attempt(self.made.record, ev.RequestApproved, on=on, parts=named)

    @rule(on=days, ids=st.sampled_from([("a", "b"), ("a", "b", "c"), ("a",)]))
    def divide(self, on: str | None, ids: tuple[str, ...]) -> None:
        self.attempt(divide, self.made, on, *ids)

    @rule(on=days, event=st.sampled_from([ev.RequestEscalated, ev.RequestWithdrawn, ev.RequestAcknowledged]))
    def plain(self, on: str | None, event: Any) -> None:
        self.attempt(self.made.record, event, on=on)

    @rule(on=days)
    def refer(self, on: str | None) -> None:
        self.attempt(self.made.record, ev.RequestReferred, on=on, to_name="The right agency")

    @rule(on=days, named=parts, event=st.sampled_from([ev.RefusalCopySent, ev.OutcomeDisputed]))
    def afterwards(self, on: str | None, named: tuple[str, ...], event: Any) -> None:
        self.attempt(self.made.record, event, on=on, parts=named)

    @rule(on=days, which=st.integers(0, 20), why=st.sampled_from(list(CorrectionKind)))
    def correct(self, on: str | None, which: int, why: CorrectionKind) -> None:
        history = self.made.cases["case-1"].history
        fact = history[which % len(history)]
        fields = {name: getattr(fact, name) for name in fact.__annotations__}
        self.attempt(self.made.record, type(fact), on=on, corrects=fact.index, why=why, **fields)

    @invariant()
    def parts_are_consistent(self) -> None:
        case: Any = self.made.cases["case-1"]
        standing, history = case.standing, case.history
        divisions = [f for f in history if isinstance(f, ev.RequestDivided)]
        assert len(divisions) <= 1
        named = {p.id for f in divisions for p in f.parts} or {"whole"}
        assert set(standing.states) == named
        for part, state in standing.states.items():
            final = [f for f in history if type(f) in OUTCOME_STATE and part in f.parts]
            kinds = {OUTCOME_STATE[type(f)] for f in final}
            assert kinds == ({state} if state in FINAL else set())
            assert len(final) <= 1 or (state == PartState.DISCLOSED and self.fields["recurring"])

    @invariant()
    def nothing_certainly_happened_before_receipt_nor_was_decided_after_the_end(self) -> None:
        history = self.made.cases["case-1"].history
        start = next(f for f in history if isinstance(f, ev.RequestReceived))
        ends = [f for f in history if isinstance(f, ENDS)]
        assert len(ends) <= 1
        for fact in history:
            last, first = latest(fact), earliest(start)
            assert last is None or first is None or last >= first
            if type(fact) in OUTCOME_STATE and ends:
                begun, over = earliest(fact), latest(ends[0])
                assert begun is None or over is None or begun <= over

    @invariant()
    def order_keeps_every_fact_and_inverts_no_certain_pair(self) -> None:
        history = self.made.cases["case-1"].history
        ordered = in_order(history)
        assert sorted(f.index for f in ordered) == sorted(f.index for f in history)
        for place, fact in enumerate(ordered):
            for later in ordered[place:]:
                first, last = earliest(fact), latest(later)
                assert first is None or last is None or first <= last

    @invariant()
    def a_copy_is_of_a_formal_refusal(self) -> None:
        case: Any = self.made.cases["case-1"]
        for fact in case.history:
            if isinstance(fact, ev.RefusalCopySent):
                assert case.standing.refused_formally.issuperset(fact.parts)


TestRequestMachine = RequestMachine.TestCase
TestRequestMachine.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
