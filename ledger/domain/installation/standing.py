"""What the ledger's own streams amount to: who holds a role on a day, and which days are holidays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from ledger.clock import melbourne_date
from ledger.domain.event import CaseEvent, effective
from ledger.domain.installation.events import (
    CalendarSeeded,
    HolidayAdded,
    HolidayRemoved,
    HolidaySubstituted,
    RoleEnded,
    RoleGranted,
)
from ledger.errors import NotFound
from ledger.law.calendar import Calendar, CalendarChange, ChangeKind, Holiday


def grants_in_force(facts: Iterable[CaseEvent], on: date) -> list[RoleGranted]:
    """The grants of a ``roles`` stream that are in force on a Melbourne date, as corrected.

    A grant runs from the day it happened (where unknown: was recorded), or its ``valid_from``, to its
    ``valid_until``; an end takes effect on the day it happened, for every earlier grant of that person, role
    and organisation.
    """
    held: list[RoleGranted] = []
    for fact in effective(facts):
        if isinstance(fact, RoleGranted):
            start = fact.valid_from or fact.happened_date or melbourne_date(fact.timestamp)
            if start <= on and (fact.valid_until is None or on <= fact.valid_until):
                held.append(fact)
        elif isinstance(fact, RoleEnded):
            ended = fact.happened_date or melbourne_date(fact.timestamp)
            if ended <= on:
                held = [grant for grant in held if not same_grant(grant, fact)]
    return held


def same_grant(one: RoleGranted | RoleEnded, other: RoleGranted | RoleEnded) -> bool:
    """Whether both are about one person's one role in one organisation."""
    return (one.person, one.role, one.organisation) == (other.person, other.role, other.organisation)


def calendar_of(facts: Iterable[CaseEvent]) -> Calendar:
    """The calendar that a ``calendar`` stream amounts to, as corrected.

    A change counts as known from the Melbourne date on which it was recorded. The calendar speaks for its
    ledger: the municipality whose council substituted Cup Day in it is the ledger's. Raises NotFound where
    the calendar was never seeded.
    """
    history = effective(facts)
    seeds = [fact for fact in history if isinstance(fact, CalendarSeeded)]
    if not seeds:
        raise NotFound("stream calendar: no CalendarSeeded is recorded in it")
    calendar = Calendar(tuple(Holiday(d.day, d.name) for d in seeds[-1].days), seeds[-1].provisional_from)
    changes = []
    municipality = None
    for fact in history:
        known_on = melbourne_date(fact.timestamp)
        if isinstance(fact, HolidayAdded):
            changes.append(CalendarChange(ChangeKind.ADDED, fact.day, fact.holiday, known_on))
        elif isinstance(fact, HolidayRemoved):
            so_far = replace(calendar, changes=tuple(changes), municipality=municipality)
            was = so_far.holidays.get(fact.day, "")
            changes.append(CalendarChange(ChangeKind.REMOVED, fact.day, was, known_on))
        elif isinstance(fact, HolidaySubstituted):
            municipality = fact.municipality
            changes.append(
                CalendarChange(
                    ChangeKind.SUBSTITUTED, fact.day, fact.holiday, known_on, fact.municipality, fact.instead_of
                )
            )
    return replace(calendar, changes=tuple(changes), municipality=municipality)
