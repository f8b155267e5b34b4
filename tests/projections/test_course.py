"""The states that a clock's row says are those that law gives for every single day."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise, product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.domain.complaint.events import ComplaintResolved
from ledger.domain.event import CaseEvent
from ledger.domain.request.events import RequestReceived, RequestRefused
from ledger.law import clocks as law
from ledger.law.clocks import Due
from ledger.law.time import Period
from projections.clocks import Clock
from tests.domain.build import CALENDAR
from tests.projections.book import make

DAYS = st.integers(-40, 60)
HOLDS = st.lists(st.tuples(DAYS, st.none() | DAYS), max_size=2)
START = date(2025, 3, 3)
REFUSED = {"parts": ("whole",), "grounds": (), "reasons": "r"}


def due_of(clock_id: str, day: date, days: int, arises: int | None) -> Due | None:
    stated = Period(days=days) if law.clock(clock_id).period_stated else None
    found = law.due(clock_id, day, CALENDAR, period=stated)
    if found is None or arises is None:
        return found
    return replace(found, arises_on=day + timedelta(arises))


@settings(max_examples=40)
@given(
    st.integers(0, 40), st.integers(1, 30), st.none() | DAYS,
    st.tuples(DAYS, st.sampled_from(["day", "month", "sent"])), HOLDS, st.none() | DAYS, st.booleans(),
)  # fmt: skip
@example(3, 1, None, (20, "day"), [], None, False)
@example(0, 5, None, (30, "day"), [], 20, False)
@example(0, 5, 9, (30, "day"), [(-40, 3)], None, True)
def test_2_clocks_a_row_says_the_state_of_every_day(
    later: int, days: int, arises: int | None, end: tuple[int, str],
    holds: list[tuple[int, int | None]], effect: int | None, never: bool,
) -> None:  # fmt: skip
    # The same distances of several clocks: what is kept of one must be true of another.
    ends = (None, (0, "unknown"), end)
    for clock_id, how, trigger in product(law.CLOCKS, ends, (START, START + timedelta(later))):

        def day(apart: int, trigger: date = trigger) -> date:
            return trigger + timedelta(apart)

        started = make(RequestReceived, trigger, scheme="vps", form="formal")
        clock = Clock(
            clock_id, started, trigger, due_of(clock_id, trigger, days, arises), ended(how, trigger),
            tuple((day(first), None if last is None else day(last)) for first, last in holds),
            None if effect is None else day(effect), never,
        )  # fmt: skip
        state_from, states = clock.course()
        assert all(one != other for one, other in pairwise(states))
        for on in map(day, range(-3, 110)):
            at = bisect_right(state_from, on)
            assert (states[at - 1] if at else None) == clock.state_on(on), on


def ended(end: tuple[int, str] | None, trigger: date) -> CaseEvent | None:
    if end is None:
        return None
    apart, how = end
    on = trigger + timedelta(apart)
    match how:
        case "day":
            return make(ComplaintResolved, on)
        case "sent":
            return make(RequestRefused, on, sent_on=on + timedelta(3), **REFUSED)
        case "month":
            return make(ComplaintResolved, on.replace(day=1), precision="month")
        case _:
            return make(ComplaintResolved, None)
