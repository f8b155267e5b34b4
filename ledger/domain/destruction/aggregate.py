"""Stream ``destruction``: which sealed values are held, which are destroyed, and by whose authority."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import cached_property
from typing import Self

from ledger.codec.declare import CaseRef
from ledger.domain.case import Case, Context, Lookup, Role, command, load_cases
from ledger.domain.destruction.events import (
    DestroyedAgain,
    DestructionApproved,
    DestructionAuthorised,
    DestructionCompleted,
    DestructionProposed,
    DestructionRefused,
    DestructionScope,
    HoldPlaced,
    HoldReleased,
    SecondPersonDemanded,
)
from ledger.domain.destruction.standing import (
    STREAM,
    Destruction,
    DestructionStanding,
    holds_on,
    released_in,
    standing_of,
)
from ledger.domain.event import CaseEvent, load_events
from ledger.domain.timeline import earliest, latest
from ledger.errors import InvalidInput, NotFound
from ledger.law import destruction as law
from ledger.law import retention
from ledger.law.general import approver_is_another, open_word_is_explained
from ledger.law.installation import goes_on_from, is_code

PROPOSERS = frozenset({Role.PRIVACY_OFFICER, Role.REGULATOR})
"""1-law 'Who acts': the privacy officer proposes destruction; in its own ledger the regulator."""
APPROVERS = frozenset({Role.ADMINISTRATOR})
"""… and the administrator is the second approver."""
SYSTEM = frozenset({Role.SYSTEM})


class DestructionRecord(Case):
    """Holds, the second person, proposals, authorised destructions and their receipts, in one order."""

    area = "destruction"

    @cached_property
    def _now(self) -> DestructionStanding:
        return standing_of(())

    def copied(self) -> Self:
        """The same record: what is added to it leaves this one as it is."""
        case = super().copied()
        case._now = self._now.copied()
        return case

    @property
    def standing(self) -> DestructionStanding:
        """Where destruction stands after all facts."""
        return self._now

    def take(self, fact: CaseEvent) -> None:
        """Adds a fact."""
        super().take(fact)
        self._now.take(fact)

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """Such entries work from where they stand: they happen then, and no correction undoes one."""
        law.what_is_destroyed_stays_so(proposed.header.corrects)
        law.destruction_happens_when_recorded(proposed.happened_date, context.today)

    @command(SecondPersonDemanded, roles=APPROVERS, stream=STREAM)
    def demand(self, e: SecondPersonDemanded, context: Context) -> None:
        """Say whether the organisation demands a second person for every destruction from now on."""

    @command(HoldPlaced, roles=PROPOSERS, stream=STREAM)
    def hold(self, e: HoldPlaced, context: Context) -> None:
        """Place a hold on sealed values: nothing that it covers is destroyed, in cases to come neither."""
        is_code("hold", e.hold)
        retention.hold_is_new(e.hold, self.standing.holds)
        retention.hold_states_reason(e.reason, imported=False)
        if e.kind is not None:
            open_word_is_explained("kind", (e.kind,), e.reason, retention.HOLDS)
        law.hold_days_are_in_order(e.opened_from, e.opened_to)
        for field, value in (
            ("case", e.case),
            ("organisation", e.organisation),
            *(("keys", k) for k in e.keys),
        ):
            if value is not None:
                is_code(field, value)
        origin = _of(e.ledger, context)
        if e.case is not None:
            context.lookup.case(CaseRef(origin, e.case, context.lookup.size_of(origin)))
        if e.area is not None and e.area not in (areas := {case.area for case in load_cases()}):
            raise InvalidInput("area", f"one of {', '.join(sorted(areas))}", e.area)
        if e.event is not None and e.event not in load_events():
            raise InvalidInput("event", "the full name of an event", e.event)

    @command(HoldReleased, roles=PROPOSERS, stream=STREAM)
    def release(self, e: HoldReleased, context: Context) -> None:
        """Release a hold on sealed values."""
        if e.ledger is None:
            retention.released_hold_is_open(e.hold, self.standing.holds)
            return
        closed = _closed(e.ledger, context)
        ended = {hold for origin, hold in released_in(self.standing, closed) if origin == e.ledger}
        retention.released_hold_is_open(e.hold, closed[e.ledger].holds.keys() - ended)

    @command(DestructionProposed, roles=PROPOSERS, stream=STREAM)
    def propose(self, e: DestructionProposed, context: Context) -> None:
        """Propose to destroy what is sealed about a subject in a case, or all of a case: ground, authority."""
        is_code("destruction", e.destruction)
        is_code("case", e.case)
        if e.subject is not None:
            is_code("subject", e.subject)
        law.destruction_is_new(e.destruction, self.standing.destructions)
        law.destruction_states_ground_and_authority(
            e.ground.value, e.ground_words, e.disposal_authority, e.authority
        )
        law.ledgers_own_streams_stay(is_named_stream(e.case), e.scope is DestructionScope.CASE)
        law.destruction_names_keys(e.keys, self._destroyed(e.ledger, context))
        law.not_destroyed_while_hold_covers(self._held(e.ledger, e.case, e.keys, context))

    @command(DestructionApproved, roles=APPROVERS, stream=STREAM)
    def approve(self, e: DestructionApproved, context: Context) -> None:
        """Approve a destruction that someone else proposed."""
        found, standing = self._found(e.destruction)
        law.destruction_is_pending(e.destruction, standing)
        law.approved_once(e.destruction, standing)
        if found is not None:
            approver_is_another(found.proposed.header.actor.id, e.header.actor.id)

    @command(DestructionRefused, roles=APPROVERS | PROPOSERS, stream=STREAM)
    def refuse(self, e: DestructionRefused, context: Context) -> None:
        """Refuse a proposed destruction, or withdraw one's own: nothing comes of it."""
        _, standing = self._found(e.destruction)
        law.destruction_is_pending(e.destruction, standing)

    @command(DestructionAuthorised, roles=PROPOSERS, stream=STREAM)
    def authorise(self, e: DestructionAuthorised, context: Context) -> None:
        """Destroy what was proposed: from this entry on it is gone. State its id; the rest is filled in."""
        now = self.standing
        found, standing = self._found(e.destruction)
        law.destruction_is_pending(e.destruction, standing)
        if found is None:
            return
        before = any(each.demanded for each in _closed(e.ledger, context).values())
        law.second_person_where_demanded(now.demanded or before, found.approved_by)
        wanted = found.proposed
        law.authorised_as_proposed(
            (wanted.ledger, wanted.scope, wanted.case, wanted.keys, wanted.ground, wanted.disposal_authority,
             wanted.header.actor.id, found.approved_by),
            (e.ledger, e.scope, e.case, tuple(key for key in e.keys if key not in e.contents), e.ground,
             e.disposal_authority, e.proposed_by, e.approved_by),
        )  # fmt: skip
        law.destruction_names_keys(e.keys, self._destroyed(e.ledger, context))
        law.not_destroyed_while_hold_covers(self._held(e.ledger, wanted.case, e.keys, context))

    @command(DestructionCompleted, roles=SYSTEM, stream=STREAM)
    def complete(self, e: DestructionCompleted, context: Context) -> None:
        """Record the receipt of a destruction: key, values and files are gone."""
        law.receipt_is_of_what_was_authorised(
            (e.destruction,), [each.destruction for each in self.standing.unfinished()]
        )

    @command(DestroyedAgain, roles=SYSTEM, stream=STREAM)
    def again(self, e: DestroyedAgain, context: Context) -> None:
        """Record that something destroyed was in the vault again, and was removed again."""
        done = [each.destruction for each in self.standing.destroyed.values()]
        law.receipt_is_of_what_was_authorised(e.destructions, done)

    def _found(self, destruction: str) -> tuple[Destruction | None, str | None]:
        found = self.standing.destructions.get(destruction)
        return found, None if found is None else found.standing

    def _held(self, ledger: str | None, case: str, keys: Sequence[str], context: Context) -> list[str]:
        origin = _of(ledger, context)
        matter = matter_of(case, keys, origin, context.lookup)
        return holds_on(self.standing, matter, _closed(ledger, context))

    def _destroyed(self, ledger: str | None, context: Context) -> set[str]:
        return set(self.standing.destroyed).union(
            *(each.destroyed for each in _closed(ledger, context).values())
        )


def _of(ledger: str | None, context: Context) -> str:
    """The origin of the ledger that a fact is about. Raises LawRefused where that is not one to speak for."""
    if ledger is None:
        return context.ledger
    goes_on_from(context.ledger, ledger, context.lookup.predecessors(context.ledger))
    return ledger


def _closed(ledger: str | None, context: Context) -> dict[str, DestructionStanding]:
    """Where destruction stood at their end in a closed ledger and in those between it and this one, by origin.

    None of this ledger's own. Raises LawRefused where it is not one to speak for.
    """
    if ledger is None:
        return {}
    before = context.lookup.before(_of(ledger, context), context.ledger)
    return {each: _ended(each, context.lookup) for each in before}


def _ended(origin: str, lookup: Lookup) -> DestructionStanding:
    try:
        found = lookup.case(CaseRef(origin, STREAM, lookup.size_of(origin)))
    except NotFound:
        return DestructionStanding()
    assert isinstance(found, DestructionRecord)
    return found.standing


def matter_of(case: str, keys: Sequence[str], ledger: str, lookup: Lookup) -> law.Matter:
    """A case of a ledger (by its origin) as holds ask for it. Raises NotFound where there is none."""
    found = lookup.case(CaseRef(ledger, case, lookup.size_of(ledger)))
    opening = found.facts[0]
    texts = {text for fact in found.facts for text in _texts(fact)}
    texts |= {fact.header.actor.organisation for fact in found.facts}
    return law.Matter(
        case=case,
        keys=frozenset(keys),
        area=found.area,
        events=frozenset(fact.name for fact in found.facts),
        organisations=frozenset(texts),
        opened_first=earliest(opening),
        opened_last=latest(opening),
    )


def is_named_stream(stream: str) -> bool:
    """Whether a stream is one of the ledger's own (4-wire 'Entry')."""
    return any(spec.stream == stream for case in load_cases() for spec in case.commands.values())


def _texts(value: object) -> Iterator[str]:
    """Every text that stands in clear in a fact."""
    if isinstance(value, str) and not isinstance(value, Enum):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name != "header":
                yield from _texts(getattr(value, field.name))
