"""A case, or a stretch of a ledger, entry by entry: what each changed in the registers, and the clocks then.

Each step folds its case as at that entry, with what was corrected by then, as a replay to that position would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from textwrap import fill
from typing import Any

from psycopg import Connection

from ledger.codec.jsonform import show, show_happened
from ledger.domain.event import CaseEvent, class_of, effective
from ledger.errors import NotFound
from ledger.law.calendar import Calendar
from projections import sql
from projections.base import Kind, Register, StreamInfo, register
from projections.calendar import CALENDAR_STREAM, calendar_of
from projections.clocks import Clock, clocks_of
from projections.facts import Fact, LedgerHead, Poison, facts_of
from projections.fold import fold, status_of
from projections.views.days import days_from, recorded_on

_BLOCK = 1_000
"""Entries that are read at a time."""
_CASES = 500
"""Cases that are kept of a stretch: the next entries are mostly of those that are under way."""

Rows = Mapping[str, Mapping[str, object]]
"""Rows of one register and case: key → column → value."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that this entry added, changed or removed. ``fields``: column → (before, after)."""

    register: str
    key: str
    kind: str
    fields: Mapping[str, tuple[object, object]]


@dataclass(frozen=True, slots=True)
class ClockThen:
    """A clock of the case on the day of the step; ``before``: its state there by the entries before."""

    key: str
    due_on: date | None
    before: str | None
    state: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a case. Days are Melbourne calendar days; None where a date is not known."""

    stream: str
    fact: Fact
    parked: str | None
    """Why the case is parked from this entry, or an earlier one, on: the registers stand as before it."""
    judged_on: date | None
    """The day on which it was recorded: clocks are judged on it."""
    days_between: int | None
    """From happening to recording."""
    happened_after: int | None
    """From the happening of the case's entry before to that of this one; negative: recorded late."""
    recorded_after: int | None
    """From the recording of the case's entry before to that of this one."""
    changes: Sequence[RowChange]
    clocks: Sequence[ClockThen]
    rows: Mapping[str, Rows]
    """The rows of each register after it."""


def steps(
    connection: Connection[Any],
    head: LedgerHead,
    wanted: Sequence[Register],
    *,
    stream: str | None = None,
    since: int = 0,
) -> Iterator[Step]:
    """The entries from ``since`` up to ``head.size``, of one case or of all, each with what it changed.

    Raises NotFound where nothing is recorded in the case by then, UnknownSchema.
    """
    places: Iterable[tuple[int, str]]
    if stream is not None:
        own = facts_of(connection, head.id, [stream], head.size)[stream]
        if not own:
            raise NotFound(f"ledger {head.slug}: nothing is recorded in case {stream}")
        places = ((fact.index, stream) for fact in own)
    else:
        places = _places(connection, head, since)
    calendars = _Calendars(facts_of(connection, head.id, [CALENDAR_STREAM], head.size)[CALENDAR_STREAM])

    @lru_cache(_CASES)
    def case(of: str) -> _Case:
        return _Case(connection, head, of, wanted, calendars.by(head.size))

    for index, of in places:
        if index >= since:
            yield case(of).step_to(index, calendars.by(index))


def _places(connection: Connection[Any], head: LedgerHead, since: int) -> Iterator[tuple[int, str]]:
    """Index and case of each entry from ``since`` on, read some at a time."""
    for start in range(since, head.size, _BLOCK):
        stop = min(start + _BLOCK, head.size)
        for row in connection.execute(sql.get("entries_between"), (head.id, start, stop)):
            yield row[0], row[1]


class _Calendars:
    """The calendar as at any entry; made anew only where it changed."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts
        self._made: dict[int, Calendar] = {}

    def by(self, index: int) -> Calendar:
        size = sum(fact.index <= index for fact in self._facts)
        if size not in self._made:
            self._made[size] = calendar_of(self._facts[:size])
        return self._made[size]


class _Case:
    """One case, stepped through in order."""

    def __init__(
        self,
        connection: Connection[Any],
        head: LedgerHead,
        stream: str,
        wanted: Sequence[Register],
        calendar: Calendar,
    ) -> None:
        self.head, self.stream = head, stream
        self.facts = facts_of(connection, head.id, [stream], head.size)[stream]
        row = connection.execute(sql.get("stream_openings"), (head.id, [stream])).fetchone()
        assert row is not None  # an entry of it was read
        self.opened_by = class_of(row[1])
        self.concerned = [one for one in wanted if one.looks_at(self.opened_by)]
        self.parked = fold(self.facts, self._about(calendar), self.concerned).parked

    def step_to(self, index: int, calendar: Calendar) -> Step:
        """What the entry at this index changed, by the calendar as it was then."""
        fact = next(fact for fact in self.facts if fact.index == index)
        if isinstance(fact, Poison) or (self.parked is not None and index >= self.parked.index):
            reason = None if self.parked is None else f"entry {self.parked.index}: {self.parked.reason}"
            return Step(self.stream, fact, reason, None, None, None, None, (), (), {})
        known = [each for each in self.facts if each.index < index and isinstance(each, CaseEvent)]
        facts, on = [*known, fact], recorded_on(fact)
        was, now = self._fold(known, calendar), self._fold(facts, calendar)
        states = {c.row_key: c.state_on(on) for c in self._clocks(known, calendar)}
        clocks = [
            ClockThen(c.row_key, None if c.due is None else c.due.due, states.get(c.row_key), c.state_on(on))
            for c in self._clocks(facts, calendar)
        ]
        last = known[-1] if known else None
        return Step(
            self.stream, fact, None, on,
            days_between=days_from(fact.happened_date, on),
            happened_after=None if last is None else days_from(last.happened_date, fact.happened_date),
            recorded_after=None if last is None else days_from(recorded_on(last), on),
            changes=list(_changes(was, now)), clocks=clocks, rows=now,
        )  # fmt: skip

    def _about(self, calendar: Calendar) -> StreamInfo:
        head = self.head
        return StreamInfo(head.id, head.origin, head.organisation, self.stream, self.opened_by, calendar)

    def _clocks(self, facts: Sequence[CaseEvent], calendar: Calendar) -> Sequence[Clock]:
        history = effective(facts)
        return clocks_of(history, self._about(calendar)) if history else ()

    def _fold(self, facts: Sequence[CaseEvent], calendar: Calendar) -> dict[str, Rows]:
        history, about = effective(facts), self._about(calendar)
        if not history:
            return {}
        status = {"status": status_of(history).value}
        return {
            one.name: {row.key: {**status, **row.values} for row in one.rows(history, about)}
            for one in self.concerned
        }


def _changes(before: Mapping[str, Rows], after: Mapping[str, Rows]) -> Iterator[RowChange]:
    for name in sorted({*before, *after}):
        was, now = before.get(name, {}), after.get(name, {})
        for key in dict.fromkeys((*was, *now)):
            old, new = was.get(key, {}), now.get(key, {})
            fields = {column: (old.get(column), new.get(column)) for column in dict.fromkeys((*old, *new))}
            changed = {column: pair for column, pair in fields.items() if pair[0] != pair[1]}
            if changed:
                kind = "added" if key not in was else "removed" if key not in now else "changed"
                yield RowChange(name, key, kind, changed)


def shown(step: Step, sealed: Callable[[str], str]) -> dict[str, Any]:
    """A step as JSON. ``sealed`` says what stands for a sealed value, by its pointer."""
    fact = step.fact
    out: dict[str, Any] = {"index": fact.index, "case": step.stream}
    if step.judged_on is None or isinstance(fact, Poison):
        return out | {"parked": step.parked}
    corrects = fact.header.corrects
    return out | {
        "event": fact.name,
        "happened": show_happened(fact.header.happened_on, fact.header.precision),
        "recorded_at": show(fact.timestamp),
        "actor": show(fact.header.actor),
        "corrects": None if corrects is None else {"index": corrects.index, "kind": corrects.kind.value},
        "days_between": step.days_between,
        "days_after_entry_before": {"happened": step.happened_after, "recorded": step.recorded_after},
        "changes": [
            {
                "register": change.register,
                "key": change.key,
                "kind": change.kind,
                "fields": {
                    name: [_value(change.register, name, one, sealed) for one in pair]
                    for name, pair in change.fields.items()
                },
            }
            for change in step.changes
        ],
        "judged_on": step.judged_on.isoformat(),
        "clocks": [
            {"clock": c.key, "due_on": _plain(c.due_on), "before": c.before, "state": c.state}
            for c in step.clocks
        ],
        "after": {
            name: [
                {"key": key} | {column: _value(name, column, value, sealed) for column, value in row.items()}
                for key, row in rows.items()
            ]
            for name, rows in step.rows.items()
            if rows
        },
    }  # fmt: skip


def said(step: Step, names: Mapping[str, str], sealed: Callable[[str], str], *, names_case: bool) -> str:
    """A step as lines of text. ``sealed`` as of ``shown``.

    ``names``: of organisations; ``names_case``: where they are of several cases.
    """
    told = shown(step, sealed)
    if "parked" in told:
        return f"{told['index']}  parked by {told['parked']}\n"
    mark = "" if told["corrects"] is None else f"  corrects {told['corrects']['index']}"
    lines = [f"{told['index']}  {told['recorded_at']}  {told['event']}{mark}"]
    lines += [f"    case {told['case']}"] if names_case else []
    days = [f"happened {told['happened'] or 'on a day not known'}"]
    days += [] if step.days_between is None else [f"recorded {_days(step.days_between)} after that"]
    after = {"happened": step.happened_after, "recorded": step.recorded_after}
    days += [
        f"{how} {_days(number)} after the entry before" for how, number in after.items() if number is not None
    ]
    lines.append(f"    {'; '.join(days)}; by {told['actor']['id']} ({told['actor']['role']})")
    for change in told["changes"]:
        row = f"{change['register']} {change['key']}".rstrip()
        text = f"{row} {change['kind']}: {', '.join(_fields(change, names))}"
        lines.append(fill(text, 110, initial_indent="      ", subsequent_indent="        "))
    for clock in step.clocks:
        moved = "" if clock.before in (None, clock.state) else f"{clock.before} → "
        due = "" if clock.due_on is None else f", due {clock.due_on}"
        lines.append(f"      clock {clock.key} on {step.judged_on}: {moved}{clock.state}{due}")
    return "\n".join(lines) + "\n"


def _days(number: int) -> str:
    return f"{number} day{'' if abs(number) == 1 else 's'}"


def _fields(change: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    for column, pair in change["fields"].items():
        old, new = (_word(value, names) for value in pair)
        if change["kind"] == "changed":
            yield f"{column} {old} → {new}"
        elif column != "status" and pair != [None, None]:
            yield f"{column} {new if change['kind'] == 'added' else old}"


def _word(value: object, names: Mapping[str, str]) -> str:
    if isinstance(value, list):
        return ", ".join(_word(each, names) for each in value) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else names.get(str(value), str(value))


def _value(name: str, column: str, value: object, sealed: Callable[[str], str]) -> Any:
    if value is not None and column != "status" and register(name).column(column).kind is Kind.SEALED:
        return sealed(str(value))
    return _plain(value)


def _plain(value: object) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
