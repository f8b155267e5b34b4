"""The calendar of a ledger as its ``calendar`` stream tells it, and which cases a change of it touches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from psycopg import Connection, sql

from ledger.domain.event import CaseEvent
from ledger.domain.installation.standing import calendar_of as calendar_of_facts
from ledger.errors import NotFound
from ledger.law.calendar import Calendar
from projections.facts import Fact

CALENDAR_STREAM = "calendar"
"""The named stream that holds a ledger's calendar."""

CLOCKS = "clocks"
"""The register that knows which days a case's clocks depend on."""

NO_CALENDAR = Calendar((), date.min)
"""Of a ledger whose calendar was not seeded yet: no holiday is known, every due date is provisional."""


def calendar_of(facts: Sequence[Fact]) -> Calendar:
    """The calendar that the readable facts of the stream amount to."""
    readable = [fact for fact in facts if isinstance(fact, CaseEvent)]
    try:
        return calendar_of_facts(readable)
    except NotFound:
        return NO_CALENDAR


def changed_days(before: Calendar, after: Calendar) -> list[date]:
    """The days that are a holiday in one and not in the other, by any municipality's substitutes."""
    places = {c.municipality for calendar in (before, after) for c in calendar.changes} | {None}
    found: set[date] = set()
    for place in places:
        one, other = before.of_municipality(place).holidays, after.of_municipality(place).holidays
        found |= {day for day, name in one.items() if other.get(day) != name}
        found |= {day for day, name in other.items() if one.get(day) != name}
    return sorted(found)


def touched_clocks(
    connection: Connection[Any], ledger: int, before: Calendar, after: Calendar, suffix: str
) -> list[str]:
    """The streams with a clock that depends on a changed day, closed clocks too.

    A clock depends on the days that it was counted past and on the ordinary days beside its end: the span
    that its row keeps. Beyond the first day that one calendar leaves provisional, all do.
    """
    days = changed_days(before, after)
    ends = {before.provisional_from, after.provisional_from}
    beyond = min(ends) if len(ends) == 2 else None
    if not days and beyond is None:
        return []
    query = sql.SQL(
        "SELECT DISTINCT stream FROM {} AS t WHERE ledger = %s AND calendar_to IS NOT NULL"
        " AND (calendar_to >= %s OR EXISTS ("
        "SELECT FROM unnest(%s::date[]) AS d WHERE d BETWEEN t.calendar_from AND t.calendar_to))"
    ).format(sql.Identifier("registers", CLOCKS + suffix))
    rows = connection.execute(query, (ledger, beyond, days)).fetchall()
    return [row[0] for row in rows]


def with_clocks(connection: Connection[Any], ledger: int) -> list[str]:
    """Every stream of a ledger that has a live clock."""
    query = sql.SQL("SELECT DISTINCT stream FROM {} WHERE ledger = %s").format(
        sql.Identifier("registers", CLOCKS)
    )
    return [row[0] for row in connection.execute(query, (ledger,)).fetchall()]
