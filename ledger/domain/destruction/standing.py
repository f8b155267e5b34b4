"""Where destruction in a ledger stands: who must agree, what is held, proposed, destroyed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ledger.domain.destruction.events import (
    DestroyedAgain,
    DestructionApproved,
    DestructionAuthorised,
    DestructionCompleted,
    DestructionProposed,
    DestructionRefused,
    HoldPlaced,
    HoldReleased,
    SecondPersonDemanded,
)
from ledger.domain.event import CaseEvent
from ledger.law.destruction import Matter, Reach, hold_covers, says_under_what

STREAM = "destruction"
"""The named stream of a ledger in which all of this stands: a hold and a destruction never pass each other."""


@dataclass(frozen=True, slots=True)
class Destruction:
    """One destruction as its facts leave it. ``standing``: the latest of the words of its events."""

    proposed: DestructionProposed
    standing: str = "proposed"
    approved_by: str | None = None
    authorised: DestructionAuthorised | None = None
    completed: DestructionCompleted | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """That a key was destroyed: by which entry, when that was recorded, and under what (in words)."""

    index: int
    on: datetime
    under: str
    destruction: str


@dataclass(slots=True)
class DestructionStanding:
    """``destroyed``: key id → how it went; the entry alone decides, whatever a vault still holds."""

    demanded: bool = False
    holds: dict[str, HoldPlaced] = field(default_factory=dict)
    destructions: dict[str, Destruction] = field(default_factory=dict)
    destroyed: dict[str, Gone] = field(default_factory=dict)
    came_back: list[DestroyedAgain] = field(default_factory=list)
    released: set[tuple[str, str]] = field(default_factory=set)
    """Holds of closed ledgers that end here: origin, id."""

    def take(self, fact: CaseEvent) -> None:
        """Adds a recorded fact. None of them is ever corrected, so the order recorded is the history."""
        match fact:
            case SecondPersonDemanded():
                self.demanded = fact.demanded
            case HoldPlaced():
                self.holds[fact.hold] = fact
            case HoldReleased() if fact.ledger is not None:
                self.released.add((fact.ledger, fact.hold))
            case HoldReleased():
                self.holds.pop(fact.hold, None)
            case DestructionProposed():
                self.destructions[fact.destruction] = Destruction(fact)
            case DestructionApproved():
                self._now(fact.destruction, standing="approved", approved_by=fact.header.actor.id)
            case DestructionRefused():
                self._now(fact.destruction, standing="refused")
            case DestructionAuthorised():
                self._now(fact.destruction, standing="authorised", authorised=fact)
                self._destroyed(fact)
            case DestructionCompleted():
                self._now(fact.destruction, standing="completed", completed=fact)
            case DestroyedAgain():
                self.came_back.append(fact)

    def copied(self) -> DestructionStanding:
        """The same standing: facts that it takes leave this one as it is."""
        return DestructionStanding(
            self.demanded, {**self.holds}, {**self.destructions}, {**self.destroyed}, [*self.came_back],
            {*self.released},
        )  # fmt: skip

    def _now(self, destruction: str, **changed: Any) -> None:
        self.destructions[destruction] = replace(self.destructions[destruction], **changed)

    def unfinished(self) -> list[DestructionAuthorised]:
        """What was authorised and has no receipt yet, in the order recorded."""
        return [
            each.authorised
            for each in self.destructions.values()
            if each.authorised is not None and each.completed is None
        ]

    def _destroyed(self, fact: DestructionAuthorised) -> None:
        under = "" if fact.ground is None else says_under_what(fact.ground.value, fact.disposal_authority)
        # Judged before it has a place, it is not asked where that is.
        index = -1 if fact.header.at is None else fact.header.at
        for key in fact.keys:
            self.destroyed[key] = Gone(index, fact.timestamp, under, fact.destruction)


NO_LEDGERS: Mapping[str, DestructionStanding] = MappingProxyType({})


def standing_of(facts: Iterable[CaseEvent]) -> DestructionStanding:
    """The standing after these facts of the stream."""
    now = DestructionStanding()
    for fact in facts:
        now.take(fact)
    return now


def reach_of(hold: HoldPlaced) -> Reach:
    """What a hold covers, as law asks for it."""
    return Reach(
        hold.case, frozenset(hold.keys), hold.area, hold.event, hold.organisation,
        hold.opened_from, hold.opened_to,
    )  # fmt: skip


def holds_on(
    standing: DestructionStanding, matter: Matter, closed: Mapping[str, DestructionStanding] = NO_LEDGERS
) -> list[str]:
    """The ids of the open holds that cover what would be destroyed.

    ``closed``: by origin, the closed ledger that it is of and those between it and this one: their holds stay
    until they are released in one that went on from them, or here.
    """
    held = [name for name, hold in standing.holds.items() if hold_covers(reach_of(hold), matter)]
    ended = released_in(standing, closed)
    return held + [
        name
        for origin, each in closed.items()
        for name, hold in each.holds.items()
        if (origin, name) not in ended and hold_covers(reach_of(hold), matter)
    ]


def released_in(
    standing: DestructionStanding, closed: Mapping[str, DestructionStanding]
) -> set[tuple[str, str]]:
    """The holds of closed ledgers that have ended, in this ledger or in a closed one before it: origin, id."""
    return standing.released.union(*(each.released for each in closed.values()))
