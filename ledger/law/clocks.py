"""Statutory clocks: the due date of each, the state it is in on a day, and both in plain words.

Nothing else in the project computes a due date. Rows stand in ``clock_table``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from enum import StrEnum

from ledger.errors import InvalidInput, LawRefused
from ledger.law import time
from ledger.law.calendar import Calendar
from ledger.law.clock_table import ROWS, ClockRule, Nature
from ledger.law.time import Due, Period, Rule

__all__ = ["CLOCKS", "ClockRule", "Due", "Nature", "State", "clock", "due", "explain", "state"]

CLOCKS: dict[str, ClockRule] = {row.id: row for row in ROWS}


class State(StrEnum):
    """The state of a clock on a day.

    ``pending``: a power has not arisen, a notice is not in effect yet; ``held``: a hold stops the action;
    ``never``: a notice that a review set aside takes no effect.
    """

    OPEN = "open"
    OVERDUE = "overdue"
    MET = "met"
    MET_LATE = "met late"
    LAPSED = "lapsed"
    HELD = "held"
    PENDING = "pending"
    IN_EFFECT = "in effect"
    NEVER = "never"


_MEANING = {
    State.OPEN: "still open",
    State.OVERDUE: "overdue",
    State.MET: "done in time",
    State.MET_LATE: "done late",
    State.LAPSED: "lapsed",
    State.HELD: "held: a hold is open",
    State.PENDING: "pending: not in effect, or not arisen, yet",
    State.IN_EFFECT: "in effect",
    State.NEVER: "never: the review went against it",
}

_RULE_WORDS = {
    Rule.STATUTORY: "the day of the trigger left out, calendar days, the last one included (R1)",
    Rule.CLEAR_DAYS_BEFORE: "clear days, counted backwards (R2)",
    Rule.POLICY: "calendar days of a policy (R3)",
    Rule.FIXED: "fixed by the instrument (R4)",
    Rule.ANNIVERSARY: "by the corresponding date (R5)",
    Rule.ELAPSED: "a power that arises once the days have run",
}


def clock(clock_id: str) -> ClockRule:
    """The row of that clock. Raises InvalidInput for an id that the table does not hold."""
    try:
        return CLOCKS[clock_id]
    except KeyError:
        raise InvalidInput("clock", "one of " + ", ".join(sorted(CLOCKS)), clock_id) from None


def judges(clock_id: str, trigger: date) -> bool:
    """Whether that clock's rule judges a trigger of that day: one from before it is recorded and not judged."""
    return trigger >= clock(clock_id).in_force_from


def due(
    clock_id: str,
    trigger: date,
    calendar: Calendar,
    *,
    period: Period | None = None,
    until: date | None = None,
    known_on: date | None = None,
) -> Due | None:
    """The due date of a clock that ``trigger`` started; None where there is none.

    None: the source gives no number, the instrument states no period, or the trigger lies before the rule
    (``in_force_from``). ``period`` or ``until`` (the last day) come from the instrument where the row says
    so. ``known_on`` is the Melbourne date on which the trigger was recorded (else the trigger): holidays
    changed after it restate the due date. Raises InvalidInput for an unknown clock, a period given where
    the section fixes one, or an end that no calendar expresses.
    """
    row = clock(clock_id)
    if (period or until) and not row.period_stated:
        expected = f"nothing: {row.section} does not leave it to an instrument"
        raise InvalidInput("period", expected, str(until or period))
    if row.rule is Rule.NONE or trigger < row.in_force_from:
        return None
    span: Period | date | None = until or period or row.period or (Period() if row.at_once else None)
    if span is None:
        return None
    found = _by_rule(row, trigger, span, calendar)
    known = calendar.known_on(known_on or trigger)
    return found if known is calendar else _restated(found, _by_rule(row, trigger, span, known), calendar)


def state(
    clock_id: str,
    due: Due | None,
    ended_on: date | None,
    on: date,
    *,
    held: bool = False,
    in_effect_on: date | None = None,
    never: bool = False,
) -> State:
    """The state on day ``on`` of a clock with that due date, ended on ``ended_on`` (None: not ended).

    ``held``: a hold is open. ``in_effect_on``: for a clock that waits for effect, the day of 82(2), None
    while there is none. ``never``: the notice takes no effect at all. An end after ``on`` has not happened
    yet as far as ``on`` knows. A duty is overdue, or met late, after its due date only. Raises InvalidInput
    for an unknown clock.
    """
    row = clock(clock_id)
    ended = ended_on is not None and ended_on <= on
    last = due.due if due is not None else None
    if row.waits_for_effect and last is not None:
        last = max(last, in_effect_on) if in_effect_on else date.max
    if ended and ended_on is not None:
        late = row.nature is Nature.DUTY and last is not None and ended_on > last
        return State.MET_LATE if late else State.MET
    if never:
        return State.NEVER
    if held:
        return State.HELD
    if row.nature is Nature.EFFECT:
        return State.IN_EFFECT if last is not None and on >= last else State.PENDING
    if due is not None and due.arises_on is not None:
        return State.OPEN if on >= due.arises_on else State.PENDING
    if row.waits_for_effect and due is not None and on > due.due and (last is None or on <= last):
        return State.PENDING
    if last is None or on <= last:
        return State.OPEN
    return State.OVERDUE if row.nature is Nature.DUTY else State.LAPSED


def age(trigger: date, ended_on: date | None, on: date) -> int:
    """Days that a clock has been, or was, running: the measure of an action without a number."""
    return (min(ended_on, on) - trigger).days if ended_on is not None else (on - trigger).days


def lapsed(clock_id: str, due: Due | None, on: date) -> bool:
    """Whether on that day a right or power of this clock can no longer be used."""
    row = clock(clock_id)
    ends = row.nature in (Nature.RIGHT, Nature.POWER) and row.rule is not Rule.ELAPSED
    return ends and due is not None and on > due.due


def refuse_late(clock_id: str, due: Due | None, used_on: date) -> None:
    """Raises LawRefused, citing the clock's section, where a right or power is used after its last day."""
    if due is not None and lapsed(clock_id, due, used_on):
        row = clock(clock_id)
        raise LawRefused(
            row.section,
            f"{row.ended_by} on {used_on} comes too late: the {row.nature} lapsed after {due.due}",
        )


def refuse_early(clock_id: str, due: Due | None, used_on: date) -> None:
    """Raises LawRefused where a power is used before its days have run (rule ``elapsed``)."""
    if due is not None and due.arises_on is not None and used_on < due.arises_on:
        raise LawRefused(
            clock(clock_id).section,
            f"{used_on} comes too early: the power arises on {due.arises_on}, when {due.days} days have run",
        )


def explain(
    clock_id: str,
    trigger: date,
    due: Due | None,
    on: date,
    *,
    trigger_entry: str | None = None,
    ended_on: date | None = None,
    held: bool = False,
    in_effect_on: date | None = None,
    never: bool = False,
) -> str:
    """The clock in plain words: trigger and its entry, section, rule, days counted, the days that moved it,
    choices, provisional, restated, and its state on ``on``. Raises InvalidInput for an unknown clock."""
    row = clock(clock_id)
    entry = f" (entry {trigger_entry})" if trigger_entry else ""
    said = [f"{row.section}: {row.starts} on {trigger}{entry}."]
    if due is not None:
        said += _due_words(row, due)
    elif trigger < row.in_force_from:
        said.append(f"The rule is in force from {row.in_force_from}: recorded, and not judged by it.")
    elif row.rule is Rule.NONE:
        said.append("The source gives no number of days: an open action with its age, never a due date.")
    else:
        said.append("No period is stated: no due date yet.")
    said += [f"Choice: {choice}." for choice in row.choices]
    if row.waits_for_effect:
        said.append(f"The notice is in effect from {in_effect_on}." if in_effect_on else "Not in effect yet.")
    now = state(clock_id, due, ended_on, on, held=held, in_effect_on=in_effect_on, never=never)
    days = age(trigger, ended_on, on)
    if ended_on is not None and ended_on <= on:
        said.append(f"Ended on {ended_on} after {days} days ({row.ended_by}): {_MEANING[now]}.")
    else:
        said.append(f"On {on}, after {days} days: {_MEANING[now]} (ended by: {row.ended_by}).")
    return " ".join(said)


def _by_rule(row: ClockRule, trigger: date, span: Period | date, calendar: Calendar) -> Due:
    if row.rule is Rule.FIXED:
        return time.fixed(trigger, span, calendar)
    if isinstance(span, date):
        raise InvalidInput("until", f"a period for a clock of rule {row.rule}", span.isoformat())
    if row.rule is Rule.POLICY:
        return time.policy(trigger, span, calendar)
    if row.rule is Rule.ANNIVERSARY:
        return time.anniversary(trigger, span, calendar)
    if span != Period(days=span.days):
        raise InvalidInput("period", f"a number of days for a clock of rule {row.rule}", str(span))
    if row.rule is Rule.CLEAR_DAYS_BEFORE:
        return time.clear_days_before(trigger, span.days, calendar)
    if row.rule is Rule.ELAPSED:
        return time.elapsed(trigger, span.days, calendar)
    return time.statutory(trigger, span.days, calendar)


def _restated(found: Due, before: Due, calendar: Calendar) -> Due:
    if before.due == found.due:
        return found
    between = sorted((before.nominal, before.due, found.due))
    causes = tuple(
        str(change)
        for change in calendar.changes
        if any(day is not None and between[0] <= day <= between[-1] for day in (change.day, change.instead_of))
    )
    return replace(found, restated_from=before.due, restated_because=causes)


def _due_words(row: ClockRule, due: Due) -> list[str]:
    said = [f"{due.days} days counted, {_RULE_WORDS[due.rule]}: last day {due.nominal:%A} {due.nominal}."]
    if due.rolled_over:
        passed = ", ".join(f"{moved.day} ({moved.why})" for moved in due.rolled_over)
        said.append(f"Moved to {due.due:%A} {due.due} because of {passed}.")
    elif due.next_working_day != due.due:
        said.append(f"It does not move; the next working day is {due.next_working_day}.")
    if due.rule is Rule.CLEAR_DAYS_BEFORE:
        said.append(f"The safe day is {due.safe_day}.")
    if due.arises_on is not None:
        said.append(f"The power arises on {due.arises_on}.")
    said.append(f"Due {due.due}." if row.nature is Nature.DUTY else f"Last day {due.due}.")
    said += [f"Rule: {choice}." for choice in due.choices]
    if due.provisional:
        said.append("Provisional: holidays are not known so far ahead.")
    if due.restated_from is not None:
        because = "; ".join(due.restated_because) or "the calendar"
        said.append(f"Restated: it was {due.restated_from} until the calendar changed ({because}).")
    return said
