"""The register of statutory clocks: folds only. Every due date and state is ``ledger.law.clocks``' own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

from ledger.domain.complaint.events import ComplaintReceived, ComplaintResolved, ComplaintUnresolved
from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    NoticeComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRefused,
    ReviewApplied,
)
from ledger.domain.request.events import RequestReceived
from ledger.domain.retention.events import (
    HoldPlaced,
    HoldReleased,
    NoLongerNeeded,
    RetentionScheduled,
    RetentionTriggered,
)
from ledger.domain.retention.standing import DONE
from ledger.law import clocks as law
from ledger.law.clocks import Due
from ledger.law.complaints import records_are_required
from ledger.law.retention import ends_ipp_4_2
from projections.base import Column, Kind, Register, Row, StreamInfo
from projections.views.days import days_from, ended_between, ended_on, exact_day, in_course, recorded_on
from projections.views.due import due_of
from projections.views.openings import notice_view, retention_due, retention_view
from projections.views.request import formal_due, request_view

DAY_UNKNOWN = "ended, day unknown"
"""Of a clock that ended on a day not known exactly enough to tell whether it was late."""


class Clock(NamedTuple):
    """One running or ended clock of a case, and all that its state turns on."""

    id: str
    trigger: CaseEvent
    trigger_on: date
    due: Due | None
    ended: CaseEvent | None = None
    holds: tuple[tuple[date, date | None], ...] = ()
    """Holds by first day and day of release (None: open)."""
    in_effect_on: date | None = None
    never: bool = False
    key: str = ""
    """Tells clocks of one kind in one case apart."""
    facts: tuple[CaseEvent, ...] = ()
    """What it turns on beside the trigger and the end."""

    @property
    def row_key(self) -> str:
        """Its key in the register."""
        return f"{self.id}:{self.key}" if self.key else self.id

    def state_on(self, on: date) -> str | None:
        """Its state on a day; None before the trigger."""
        if on < self.trigger_on:
            return None
        if self.ended is None:
            return self._judged(None, on)
        first, last = ended_between(self.ended)
        if first is None or last is None:
            return DAY_UNKNOWN
        late = self._judged(last, on)
        early = late if first == last else self._judged(first, on)
        return DAY_UNKNOWN if early != late and on >= last else late

    def _judged(self, ended_on: date | None, on: date) -> str:
        return law.state(
            self.id, self.due, ended_on, on,
            held=_held(self.holds, on), in_effect_on=self.in_effect_on, never=self.never,
        )  # fmt: skip

    def course(self) -> tuple[list[date], list[str]]:
        """The days on which its state changes, and the state from each on: a state by any day is read off.

        Law compares days and does no more with them, so that clocks whose days lie as far from their triggers
        go through the same states at the same distances.
        """
        start, due = self.trigger_on.toordinal(), self.due
        first, last = (None, None) if self.ended is None else ended_between(self.ended)
        last_day, arises_on = (None, None) if due is None else (due.due, due.arises_on)
        days = [self.in_effect_on, first, last, last_day, arises_on]
        for hold in self.holds:
            days += hold
        apart = tuple([None if day is None else day.toordinal() - start for day in days])
        key = self.id, self.ended is None, self.never, apart
        found = _COURSES.get(key)
        if found is None:
            if len(_COURSES) >= _MOST:
                _COURSES.clear()
            found = _COURSES[key] = _work_out(self, [day for day in apart if day is not None and day >= 0])
        changes, states = found
        return [date.fromordinal(start + after) for after in changes], [*states]

    def explain(self, on: date, origin: str) -> str:
        """The clock in plain words, as law says it, with the entry that started it."""
        return law.explain(
            self.id, self.trigger_on, self.due, on,
            trigger_entry=f"{origin}={self.trigger.index}",
            ended_on=None if self.ended is None else ended_between(self.ended)[1],
            held=_held(self.holds, on), in_effect_on=self.in_effect_on, never=self.never,
        )  # fmt: skip


def _held(holds: tuple[tuple[date, date | None], ...], on: date) -> bool:
    return any(start <= on and (end is None or on < end) for start, end in holds)


ClockFold = Callable[[Sequence[CaseEvent], StreamInfo], Iterable[Clock]]


class Clocks(Register):
    """Every statutory clock of every case."""

    name = "clocks"
    title = "Statutory clocks"
    version = 2
    columns = (
        Column("clock", Kind.TEXT, "which clock, as in the table of clocks"),
        Column("section", Kind.TEXT, "what it rests on"),
        Column("nature", Kind.TEXT, "whose clock it is: only a duty can be overdue"),
        Column("trigger_on", Kind.DATE, "the day that it runs from"),
        Column("due_on", Kind.DATE, "the last day; empty where the source gives no number"),
        Column("next_working_day", Kind.DATE, "information: the first working day from the last day on"),
        Column("arises_on", Kind.DATE, "the first day of a power that arises"),
        Column("provisional", Kind.BOOL, "whether holidays are not known so far ahead"),
        Column("ended_index", Kind.INT, "the entry that ended it"),
        Column("ended_on", Kind.DATE, "the day on which it ended, where known to the day"),
        Column("days_run", Kind.INT, "days from the trigger to its end"),
        Column("in_effect_on", Kind.DATE, "for a notice: the day on which it takes effect"),
        Column("restated_from", Kind.DATE, "the due date as it was before the calendar changed"),
        Column("restated_because", Kind.TEXTS, "the changes of the calendar that moved it"),
        Column("state_from", Kind.DATES, "the days on which its state changes"),
        Column("states", Kind.TEXTS, "its state from each of these days on"),
        Column("calendar_from", Kind.DATE, "a change of the calendar from this day"),
        Column("calendar_to", Kind.DATE, "… to this day touches it"),
    )
    opened_by = (RequestReceived, ComplaintReceived, ComplianceNoticeIssued, RetentionScheduled)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a clock."""
        for clock in clocks_of(facts, about):
            yield _row(clock)


def clocks_of(facts: Sequence[CaseEvent], about: StreamInfo) -> list[Clock]:
    """The clocks of one case, from its effective facts; what happened before a rule starts none of it."""
    return [
        clock
        for fold in _folds(about.opened_by)
        for clock in fold(facts, about)
        if law.judges(clock.id, clock.trigger_on)
    ]


@cache
def _folds(opened_by: type[CaseEvent]) -> list[ClockFold]:
    return [fold for event, fold in FOLDS.items() if issubclass(opened_by, event)]


def _row(clock: Clock) -> Row:
    rule, due, ended = law.clock(clock.id), clock.due, clock.ended
    ended_day = ended_on(ended)
    state_from, states = clock.course()
    values: dict[str, object] = {
        "clock": clock.id,
        "section": rule.section,
        "nature": rule.nature,
        "trigger_on": clock.trigger_on,
        "ended_index": None if ended is None else ended.index,
        "ended_on": ended_day,
        "days_run": days_from(clock.trigger_on, ended_day),
        "in_effect_on": clock.in_effect_on,
        "state_from": state_from,
        "states": states,
    }
    if due is not None:
        values |= _of_due(due)
    facts = {id(f): f for f in (clock.trigger, *clock.facts, ended) if f is not None}
    return Row(clock.trigger, values, clock.row_key, tuple(facts.values()))


_MOST = 20_000
_DUE: dict[int, tuple[Due, Mapping[str, object]]] = {}
"""By the id of a due date: it, and what rows say of it."""
_COURSES: dict[Hashable, tuple[tuple[int, ...], tuple[str, ...]]] = {}
"""Courses that were worked out, by all that they turn on."""


def _of_due(due: Due) -> Mapping[str, object]:
    """What a row says of its due date, which many cases share."""
    found = _DUE.get(id(due))
    # The due date is kept with it, so that its id is no other's.
    if found is None or found[0] is not due:
        span = [due.nominal, due.due, due.safe_day, due.next_working_day]
        span += [due.restated_from] if due.restated_from is not None else []
        if len(_DUE) >= _MOST:
            _DUE.clear()
        found = _DUE[id(due)] = (
            due,
            {
                "due_on": due.due,
                "next_working_day": due.next_working_day,
                "arises_on": due.arises_on,
                "provisional": due.provisional,
                "restated_from": due.restated_from,
                "restated_because": due.restated_because or None,
                "calendar_from": min(span),
                "calendar_to": max(span),
            },
        )
    return found[1]


def _work_out(clock: Clock, apart: Sequence[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """How many days after its trigger its state changes, and the state from each on."""
    changes: list[int] = []
    states: list[str] = []
    # A state that holds to the end of a day, and one that holds from a day on, both end there.
    for after in sorted({0, *apart, *(day + 1 for day in apart)}):
        state = clock.state_on(clock.trigger_on + timedelta(after))
        if state is not None and (not states or states[-1] != state):
            changes.append(after)
            states.append(state)
    return tuple(changes), tuple(states)


# --- the clocks of each area --------------------------------------------------------------------------


def started(
    clock_id: str,
    trigger: CaseEvent | None,
    about: StreamInfo,
    ended: CaseEvent | None,
    key: str = "",
) -> list[Clock]:
    """The clock that this fact starts; none where there is no such fact or its day is not known."""
    day = exact_day(trigger)
    if trigger is None or day is None:
        return []
    due = due_of(clock_id, day, about.calendar, recorded_on(trigger))
    return [Clock(clock_id, trigger, day, due, ended, key=key)]


def request_clocks(facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Clock]:
    """VPS 'responsibility to share'; Data.NSW guide, introduction."""
    view = about.view(request_view, facts)
    if view is None:
        return
    if view.scheme == "vps":
        day = exact_day(view.formal)
        if view.formal is not None and day is not None:
            yield Clock("vps.response", view.formal, day, about.view(formal_due, facts), view.response)
        if view.opening.form == "informal":
            yield from started("vps.informal", view.opening, about, view.provided_or_answered())
        for refusal in view.refused_formally:
            copy = view.copy_of(refusal)
            yield from started("vps.refusal_copy", refusal, about, copy, str(refusal.index))
    elif view.scheme == "nsw":
        yield from started("nsw.acknowledge", view.opening, about, view.acknowledged)
        yield from started("nsw.response", view.opening, about, view.response)


def complaint_clocks(facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Clock]:
    """CISS ch. 5; courts and tribunals keep no such record."""
    received = facts[0]
    if not isinstance(received, ComplaintReceived):
        return
    if records_are_required(bool(received.court_or_tribunal), received.happened_date):
        facts = about.view(in_course, facts)
        closed = next((f for f in facts if isinstance(f, ComplaintResolved | ComplaintUnresolved)), None)
        yield from started("ciss.complaint", received, about, closed)


def notice_clocks(facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Clock]:
    """PDPA 78(2)–(4), 82(2), 83(2)."""
    standing = about.view(notice_view, facts)
    if standing is None:
        return
    facts = about.view(in_course, facts)
    issued, effect = standing.issued, standing.effect(about.calendar)
    served = next((f for f in facts if isinstance(f, NoticeServed)), None)
    complied = next((f for f in facts if isinstance(f, NoticeComplied)), None)
    served_on = exact_day(served)
    if served is not None and served_on is not None:
        until = standing.last_day
        due = None
        if until is not None and until >= served_on:
            due = law.due("pdpa.notice_period", served_on, about.calendar, until=until)
        yield Clock(
            "pdpa.notice_period", served, served_on, due, complied,
            in_effect_on=effect.on, never=effect.never, facts=(issued,),
        )  # fmt: skip
    decided_on = exact_day(issued)
    if decided_on is None:
        return
    answers = [f for f in facts if isinstance(f, ReasonsGiven | ReasonsRefused)]
    review = next((f for f in facts if isinstance(f, ReviewApplied)), None)
    period = standing.review_period(about.calendar, recorded_on(answers[-1] if answers else issued))
    runs_from = decided_on if period is None else period.counted_from
    yield Clock("pdpa.notice_review", issued, runs_from, period, review, facts=tuple(answers))
    due = None
    if effect.on is not None:
        due = law.due("pdpa.notice_effect", effect.on, about.calendar)
    yield Clock("pdpa.notice_effect", issued, decided_on, due, never=effect.never, facts=tuple(facts))


def retention_clocks(facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Clock]:
    """NSW §3 (retention table); PDPA IPP 4.2."""
    standing = about.view(retention_view, facts)
    if standing is None:
        return
    facts = about.view(in_course, facts)
    triggered = next((f for f in facts if isinstance(f, RetentionTriggered)), None)
    needless = next((f for f in facts if isinstance(f, NoLongerNeeded)), None)
    ended = next((f for f in facts if type(f) in DONE), None)
    # A hold placed on a day that no one knows stops the action from the first.
    first = min((f.happened_date for f in (triggered, needless) if f and f.happened_date), default=date.min)
    holds = tuple((first if start is None else start, end) for start, end in standing.holds)
    held_by = tuple(f for f in facts if isinstance(f, HoldPlaced | HoldReleased))
    day = exact_day(triggered)
    if triggered is not None and day is not None:
        due = retention_due(standing, about.calendar, recorded_on(triggered))
        yield Clock("retention.action", triggered, day, due, ended, holds, facts=(standing.scheduled, *held_by))
    day = exact_day(needless)
    if needless is not None and day is not None:
        gone = ended is not None and ends_ipp_4_2(
            DONE[type(ended)], getattr(ended, "copy_kept", None), getattr(ended, "permanent", None)
        )
        yield Clock(
            "ipp4.destroy", needless, day, None, ended if gone else None, holds,
            facts=(standing.scheduled, *held_by),
        )  # fmt: skip


FOLDS: dict[type[CaseEvent], ClockFold] = {
    RequestReceived: request_clocks,
    ComplaintReceived: complaint_clocks,
    ComplianceNoticeIssued: notice_clocks,
    RetentionScheduled: retention_clocks,
}
"""The event that opens a case → the clocks of such cases."""
