"""Sealed values of the ledger itself: what was destroyed, by whose authority, and what is held (1-law G)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ledger.clock import melbourne_date
from ledger.domain.destruction.events import (
    DestroyedAgain,
    DestructionApproved,
    DestructionAuthorised,
    DestructionCompleted,
    DestructionProposed,
    DestructionRefused,
    HoldPlaced,
    HoldReleased,
)
from ledger.domain.event import CaseEvent
from projections.base import Column, Kind, Register, Row, StreamInfo, events_of, pointer

Of = (
    DestructionProposed
    | DestructionApproved
    | DestructionRefused
    | DestructionAuthorised
    | DestructionCompleted
)
"""The facts of one destruction."""


class Destructions(Register):
    """Every proposal to destroy sealed values of the ledger, one row each."""

    name = "destructions"
    title = "Sealed values destroyed"
    columns = (
        Column("destruction", Kind.TEXT, "the id of the proposal"),
        Column("case_id", Kind.TEXT, "the case of which something is destroyed"),
        Column("of_ledger", Kind.TEXT, "the closed ledger that the case is of; empty: this one"),
        Column("scope", Kind.TEXT, "all that the case has sealed, or what is sealed about a subject"),
        Column("ground", Kind.TEXT, "why"),
        Column("ground_words", Kind.SEALED, "… in words"),
        Column("disposal_authority", Kind.TEXT, "number and class of the disposal authority"),
        Column("authority", Kind.SEALED, "any other authority, in words"),
        Column("standing", Kind.TEXT, "proposed, approved, refused, authorised, completed"),
        Column("proposed_by", Kind.TEXT, "who proposed it"),
        Column("approved_by", Kind.TEXT, "the second person, where one approved it"),
        Column("destroyed_on", Kind.DATE, "the day from which it is destroyed"),
        Column("keys", Kind.INT, "keys that it names"),
        Column("fields", Kind.INT, "sealed fields that nobody can open any more"),
        Column("files", Kind.INT, "files that are gone"),
        Column("came_back", Kind.INT, "how often something of it was in the vault again, and removed again"),
    )
    opened_by = events_of("destruction")

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a proposal."""
        of: dict[str, list[CaseEvent]] = {}
        for fact in facts:
            if isinstance(fact, DestroyedAgain):
                for each in fact.destructions:
                    of[each].append(fact)
            elif isinstance(fact, Of):
                of.setdefault(fact.destruction, []).append(fact)
        for destruction, own in of.items():
            yield _row(destruction, own)


def _row(destruction: str, own: Sequence[CaseEvent]) -> Row:
    proposed = own[0]
    assert isinstance(proposed, DestructionProposed)
    values: dict[str, Any] = {
        "destruction": destruction,
        "case_id": proposed.case,
        "of_ledger": proposed.ledger,
        "scope": proposed.scope.value,
        "ground": proposed.ground.value,
        "ground_words": pointer(proposed, "ground_words"),
        "disposal_authority": proposed.disposal_authority,
        "authority": pointer(proposed, "authority"),
        "standing": "proposed",
        "proposed_by": proposed.header.actor.id,
        "approved_by": None,
        "destroyed_on": None,
        "keys": len(proposed.keys),
        "fields": None,
        "files": None,
        "came_back": sum(isinstance(fact, DestroyedAgain) for fact in own),
    }
    for fact in own:
        match fact:
            case DestructionApproved():
                values |= {"standing": "approved", "approved_by": fact.header.actor.id}
            case DestructionRefused():
                values["standing"] = "refused"
            case DestructionAuthorised():
                values |= {"standing": "authorised", "destroyed_on": melbourne_date(fact.timestamp)}
                values["keys"] = len(fact.keys)
            case DestructionCompleted():
                values |= {"standing": "completed", "fields": fact.fields, "files": fact.files}
    return Row(proposed, values, destruction, tuple(own))


class Holds(Register):
    """Every hold on sealed values of the ledger, one row each."""

    name = "holds"
    title = "Holds on sealed values"
    version = 2
    columns = (
        Column("hold", Kind.TEXT, "the id of the hold"),
        Column("of_ledger", Kind.TEXT, "the closed ledger that it is about, or was placed in; empty: this one"),
        Column("kind", Kind.TEXT, "why it was placed"),
        Column("reason", Kind.SEALED, "… in words"),
        Column("case_id", Kind.TEXT, "the case that it covers; empty: any, so of the others"),
        Column("keys", Kind.INT, "vault keys that it names"),
        Column("area", Kind.TEXT, "cases of this area"),
        Column("event", Kind.TEXT, "cases that hold such an event"),
        Column("organisation", Kind.TEXT, "cases of this organisation, or that name it"),
        Column("opened_from", Kind.DATE, "cases opened from this day on"),
        Column("opened_to", Kind.DATE, "cases opened up to this day"),
        Column(
            "placed_on", Kind.DATE, "the day on which it was placed; empty: see the closed ledger's register"
        ),
        Column("released_on", Kind.DATE, "the day on which it was released; empty: it is open"),
    )
    opened_by = events_of("destruction")

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a hold; an id can be used again once its hold was released.

        A hold of a closed ledger that was released here has its row here: nothing enters that one any more.
        """
        placed: dict[str, HoldPlaced] = {}
        for fact in facts:
            if isinstance(fact, HoldPlaced):
                placed[fact.hold] = fact
            elif isinstance(fact, HoldReleased) and fact.ledger is None:
                yield _hold(placed.pop(fact.hold), fact)
            elif isinstance(fact, HoldReleased):
                said = {"hold": fact.hold, "of_ledger": fact.ledger, "released_on": fact.happened_date}
                yield Row(fact, said, str(fact.index), (fact,))
        for fact in placed.values():
            yield _hold(fact, None)


def _hold(placed: HoldPlaced, released: HoldReleased | None) -> Row:
    values = {
        "hold": placed.hold,
        "of_ledger": placed.ledger,
        "kind": None if placed.kind is None else placed.kind.value,
        "reason": pointer(placed, "reason"),
        "case_id": placed.case,
        "keys": len(placed.keys),
        "area": placed.area,
        "event": placed.event,
        "organisation": placed.organisation,
        "opened_from": placed.opened_from,
        "opened_to": placed.opened_to,
        "placed_on": placed.happened_date,
        "released_on": None if released is None else released.happened_date,
    }
    own = (placed,) if released is None else (placed, released)
    return Row(placed, values, str(placed.index), own)
