"""Who holds which role on a day: the fold of a ledger's ``roles`` stream (1-law 'Who acts')."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.domain.event import CaseEvent, effective
from ledger.domain.installation.events import RoleEnded, RoleGranted
from ledger.law.general import Role


def grants_in_force(facts: Iterable[CaseEvent], on: date) -> list[RoleGranted]:
    """The grants that count on a day, as corrected: begun, not past their last day, not ended before it.

    A grant of unknown date counts from the day it was recorded on; the day a role ended is its last.
    """
    history = effective(facts)
    in_force = []
    for place, grant in enumerate(history):
        if not isinstance(grant, RoleGranted):
            continue
        begins = grant.valid_from or grant.happened_date or grant.timestamp.date()
        if begins > on or (grant.valid_until is not None and grant.valid_until < on):
            continue
        ended = any(
            isinstance(later, RoleEnded)
            and (later.person, later.role, later.organisation) == (grant.person, grant.role, grant.organisation)
            and (later.happened_date or later.timestamp.date()) < on
            for later in history[place + 1 :]
        )
        if not ended:
            in_force.append(grant)
    return in_force


def roles_in_force(
    facts: Iterable[CaseEvent], person: str, organisation: str, on: date, *, reads: str | None = None
) -> frozenset[Role]:
    """The roles a person holds for an organisation on a day.

    ``reads``: only grants that name this ledger's origin (an auditor's names the ledgers it reads).
    """
    return frozenset(
        Role(grant.role.value)
        for grant in grants_in_force(facts, on)
        if grant.person == person
        and grant.organisation == organisation
        and (reads is None or reads in grant.ledgers)
    )
