"""Where emergency access in a ledger stands: who took it for what, until when, told, used, reviewed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from ledger.clock import melbourne_date
from ledger.domain.event import CaseEvent, effective
from ledger.domain.openings.events import (
    EmergencyAccessEnded,
    EmergencyAccessReviewed,
    EmergencyAccessTaken,
    PrivacyOfficerTold,
    SealedFieldsOpened,
)
from ledger.law import emergency as law

STREAM = "openings"
"""The named stream of a ledger in which openings stand, and the emergency access that some rest on."""
Fact = EmergencyAccessTaken | EmergencyAccessEnded | PrivacyOfficerTold | EmergencyAccessReviewed
"""What makes and changes an emergency access."""


@dataclass(slots=True)
class EmergencyAccess:
    """One emergency access as its facts leave it."""

    taken: EmergencyAccessTaken
    ended: EmergencyAccessEnded | None = None
    told: PrivacyOfficerTold | None = None
    reviewed: EmergencyAccessReviewed | None = None
    openings: list[SealedFieldsOpened] = field(default_factory=list)

    @property
    def taker(self) -> tuple[str, str]:
        """The person who took it and their organisation."""
        return self.taken.header.actor.id, self.taken.header.actor.organisation

    @property
    def until(self) -> datetime:
        """The first moment at which it is over."""
        ended_at = None if self.ended is None else self.ended.timestamp
        return law.emergency_access_ends(self.taken.timestamp, self.taken.minutes, ended_at)

    def moment(self, now: datetime) -> datetime:
        """The moment to judge it at: what comes after its end in the stream is never before that end, whatever
        the clock of who asks."""
        return now if self.ended is None else max(now, self.ended.timestamp)

    @property
    def review_due(self) -> date:
        """The last day for its review, a Melbourne date."""
        return law.review_due(melbourne_date(self.taken.timestamp))

    def overdue(self, today: date) -> bool:
        """Whether it is not reviewed, and the last day for that is over; ``today``: the Melbourne date."""
        return self.reviewed is None and today > self.review_due

    @property
    def known(self) -> bool:
        """Whether a privacy officer knows of it: was told, or reviewed it."""
        return self.told is not None or self.reviewed is not None

    def facts(self) -> tuple[CaseEvent, ...]:
        """All that it was made of."""
        own = (self.taken, self.ended, self.told, self.reviewed, *self.openings)
        return tuple(fact for fact in own if fact is not None)


def of_emergency(fact: CaseEvent) -> bool:
    """Whether a fact of the stream is about emergency access, or an opening under one."""
    return isinstance(fact, Fact) or (
        isinstance(fact, SealedFieldsOpened) and fact.emergency_access is not None
    )


def accesses_of(facts: Iterable[CaseEvent]) -> dict[int, EmergencyAccess]:
    """Every emergency access among the facts of the stream, by the index of its entry; as corrected."""
    found: dict[int, EmergencyAccess] = {}
    for fact in effective(facts):
        match fact:
            case EmergencyAccessTaken():
                found[fact.index] = EmergencyAccess(fact)
            case SealedFieldsOpened(emergency_access=int(access)) if access in found:
                found[access].openings.append(fact)
            case EmergencyAccessEnded() if fact.access in found:
                found[fact.access].ended = fact
            case PrivacyOfficerTold() if fact.access in found:
                found[fact.access].told = fact
            case EmergencyAccessReviewed() if fact.access in found:
                found[fact.access].reviewed = fact
    return found
