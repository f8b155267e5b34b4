"""Stream ``openings``: which sealed fields were opened or searched, by whom, why; emergency access to them."""

from __future__ import annotations

from ledger.clock import melbourne_date
from ledger.codec.declare import CaseRef
from ledger.domain.case import CASE_WRITERS, Case, Context, Role, command
from ledger.domain.event import CaseEvent
from ledger.domain.openings.events import (
    EmergencyAccessEnded,
    EmergencyAccessReviewed,
    EmergencyAccessTaken,
    PrivacyOfficerTold,
    SealedFieldsOpened,
    SealedFieldsSearched,
)
from ledger.domain.openings.standing import STREAM, EmergencyAccess, accesses_of, of_emergency
from ledger.errors import InvalidInput
from ledger.law import emergency as law
from ledger.law.installation import (
    goes_on_from,
    is_code,
    opening_states_what_and_why,
    search_states_what_it_covered,
    search_states_why,
)

OPENERS = CASE_WRITERS | {Role.AUDITOR}
"""Who opens sealed fields without an emergency; an auditor where its grant names the ledger."""


class Openings(Case):
    """What was opened, and the emergency access that some of it rests on.

    Each fact is judged at its own moment: what a correction has judged again was lawful when it was recorded.
    """

    area = "vault"

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """What was done under emergency access stays as it was recorded; a review may be corrected."""
        corrects = proposed.header.corrects
        if corrects is None:
            return
        corrected = next((fact for fact in self.facts if fact.index == corrects.index), proposed)
        law.use_of_emergency_access_stays(
            corrects,
            any(of_emergency(f) and not isinstance(f, EmergencyAccessReviewed) for f in (proposed, corrected)),
        )

    @command(SealedFieldsOpened, roles=OPENERS | law.TAKERS, stream=STREAM)
    def open(self, e: SealedFieldsOpened, context: Context) -> None:
        """Record, before they are shown, which sealed fields one call opens and why."""
        for one in e.opened:
            for path in one.paths:
                is_code("opened.paths", path)
        _of(e.ledger, context)
        opening_states_what_and_why(len(e.opened), [len(one.paths) for one in e.opened], e.reason)
        law.opening_rests_on_a_right(e.header.actor.role, OPENERS, e.emergency_access)
        if e.emergency_access is not None:
            found = self._found(e.emergency_access)
            law.used_by_who_took_it(e.emergency_access, found.taker, _person(e))
            law.used_while_in_force(e.emergency_access, found.until, found.moment(e.timestamp))

    @command(SealedFieldsSearched, roles=OPENERS, stream=STREAM)
    def search(self, e: SealedFieldsSearched, context: Context) -> None:
        """Record, before it is answered, what one search of sealed identifiers found and why it was made."""
        for one in e.found:
            for path in one.paths:
                is_code("found.paths", path)
        search_states_why(e.reason)
        search_states_what_it_covered(
            e.searched_from, e.searched_to, [one.entry for one in e.found], [len(one.paths) for one in e.found]
        )
        size = context.lookup.size_of(_of(e.ledger, context))
        if e.searched_to > size:
            raise InvalidInput("searched_to", f"at most {size}, the entries that there are", e.searched_to)

    @command(EmergencyAccessTaken, roles=law.TAKERS, stream=STREAM)
    def take_emergency_access(self, e: EmergencyAccessTaken, context: Context) -> None:
        """Take emergency access to sealed fields of cases for 1 to 60 minutes; the privacy officer is told."""
        law.emergency_access_happens_when_recorded(e.happened_date, melbourne_date(e.timestamp))
        law.emergency_access_states_reason(e.reason)
        law.emergency_access_is_short(e.minutes)
        law.emergency_access_is_no_wider_than_needed(e.cases, e.whole_ledger)
        for case in e.cases:
            is_code("cases", case)
            context.lookup.case(CaseRef(context.ledger, case, context.lookup.size_of(context.ledger)))

    @command(EmergencyAccessEnded, roles=law.TAKERS | law.KEEPERS, stream=STREAM)
    def end_emergency_access(self, e: EmergencyAccessEnded, context: Context) -> None:
        """End an emergency access before its time: who took it, a privacy officer or an administrator."""
        law.emergency_access_happens_when_recorded(e.happened_date, melbourne_date(e.timestamp))
        found = self._found(e.access)
        law.ended_by_who_took_it_or_a_keeper(found.taker, _person(e), e.header.actor.role)
        law.ended_while_in_force(e.access, found.until, found.moment(e.timestamp))

    @command(PrivacyOfficerTold, roles=frozenset({Role.SYSTEM}), stream=STREAM)
    def tell(self, e: PrivacyOfficerTold, context: Context) -> None:
        """Record that the privacy officer was told of an emergency access; the program does it, nobody else."""
        law.told_once(e.access, self._found(e.access).told is not None)
        if e.person is not None:
            is_code("person", e.person)

    @command(EmergencyAccessReviewed, roles=law.TOLD, stream=STREAM)
    def review(self, e: EmergencyAccessReviewed, context: Context) -> None:
        """Review an emergency access of another person: justified or not, and why."""
        if e.header.corrects is None:
            law.emergency_access_happens_when_recorded(e.happened_date, melbourne_date(e.timestamp))
        found = self._found(e.access)
        law.reviewed_by_another(found.taker, _person(e))
        law.reviewed_when_over(e.access, found.until, found.moment(e.timestamp))
        law.reviewed_once(e.access, found.reviewed is not None)
        law.review_states_why(e.words)

    def _found(self, access: int) -> EmergencyAccess:
        known = accesses_of(self.history)
        law.emergency_access_was_taken(access, known)
        return known[access]


def _of(ledger: str | None, context: Context) -> str:
    """The origin of the ledger whose entries are read. Raises LawRefused where that is not one to speak for."""
    if ledger is None:
        return context.ledger
    goes_on_from(context.ledger, ledger, context.lookup.predecessors(context.ledger))
    return ledger


def _person(e: CaseEvent) -> tuple[str, str]:
    return e.header.actor.id, e.header.actor.organisation
