"""Who may read what (1-law 'Who acts'): one table for HTTP and the command line.

What a command may be given by is in the table of commands; what may be opened is the application's. Here is
reading: by the roles that a person has in force, in which ledger.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.application.emergency import covers, has_taken
from ledger.application.outcome import Principal
from ledger.clock import melbourne_date
from ledger.domain.case import CASE_WRITERS
from ledger.errors import Forbidden, NotFound
from ledger.law.general import Role
from ledger.store.ledgers import COMMON, Ledger

if TYPE_CHECKING:
    from ledger.application.installation import Installation


class Matter(StrEnum):
    """What is read."""

    LEDGER = "the ledger's own data"
    """Name, origin, size, and the streams about the ledger itself."""
    CASES = "cases and registers"
    """Timelines, entries, receipts, registers; sealed values apart."""
    REPORTS = "reports"


NAMED_STREAMS = frozenset({"ledger", "roles", "calendar", "destruction"})
"""Streams about the ledger itself, which hold no case; an administrator, too, reads what to approve."""
READERS: dict[Matter, frozenset[Role]] = {
    Matter.LEDGER: frozenset(Role) - {Role.SYSTEM},
    Matter.CASES: CASE_WRITERS | {Role.AUDITOR},
    Matter.REPORTS: CASE_WRITERS | {Role.AUDITOR, Role.REPORTER, Role.MINISTER_OFFICE},
}
"""An administrator reads no case content; a reporter and a Minister's office read reports only."""


def roles(installation: Installation, ledger: Ledger, principal: Principal) -> frozenset[Role]:
    """The roles in which the person may read this ledger today."""
    today = melbourne_date(installation.clock.now())
    return installation.streams.reading_roles(ledger, principal, today)


def may(installation: Installation, ledger: Ledger, principal: Principal, matter: Matter) -> bool:
    """Whether the person may read this matter in this ledger. ``common`` is read in every role."""
    held = roles(installation, ledger, principal)
    return bool(held) if ledger.slug == COMMON else bool(held & READERS[matter])


def allow(installation: Installation, slug: str, principal: Principal, matter: Matter) -> Ledger:
    """The ledger, where this person may read this matter in it.

    Raises Forbidden; NotFound for a ledger that is none, to those only who have a role somewhere.
    """
    try:
        ledger = installation.ledgers.get(slug)
    except NotFound:
        require_any_role(installation, principal)
        raise
    if not may(installation, ledger, principal, matter):
        wanted = ", ".join(sorted(READERS[matter]))
        raise Forbidden(f"ledger {slug}: {matter.value} are read by {wanted}; {principal.person} is none there")
    return ledger


def allow_case(installation: Installation, slug: str, principal: Principal, stream: str) -> Ledger:
    """The ledger, where this person may read the timeline of a case: by role, or under emergency access to
    that case. Raises as ``allow``.
    """
    if stream in NAMED_STREAMS:
        return allow(installation, slug, principal, Matter.LEDGER)
    try:
        return allow(installation, slug, principal, Matter.CASES)
    except Forbidden:
        ledger = allow(installation, slug, principal, Matter.LEDGER)
        if not covers(installation, ledger, principal, stream):
            raise
        return ledger


def allow_opening(installation: Installation, slug: str, principal: Principal) -> Ledger:
    """The ledger, where this person may ask for sealed fields; what they see of them is judged by entry.

    Raises as ``allow``.
    """
    try:
        return allow(installation, slug, principal, Matter.CASES)
    except Forbidden:
        ledger = allow(installation, slug, principal, Matter.LEDGER)
        if not has_taken(installation, ledger, principal):
            raise
        return ledger


def require_any_role(installation: Installation, principal: Principal) -> None:
    """Raises Forbidden where the person has no role in force in any ledger."""
    # Whoever holds a role in any ledger of the organisation reads ``common``, so that one answer is enough.
    found = installation.ledgers.all()
    if not any(roles(installation, ledger, principal) for ledger in found if ledger.slug == COMMON):
        raise Forbidden(
            f"{principal.person} has no role in force; an administrator of the organisation grants one"
        )


def readable(installation: Installation, principal: Principal, matter: Matter) -> list[Ledger]:
    """The ledgers in which this person may read this matter."""
    return [each for each in installation.ledgers.all() if may(installation, each, principal, matter)]
