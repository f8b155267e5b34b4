"""The case of one complaint to an information sharing entity: CISS Guidelines ch. 5 and 6."""

from __future__ import annotations

from ledger.domain.case import Context, Role, command
from ledger.domain.common.dated import DatedCase
from ledger.domain.complaint.events import (
    ActionStated,
    ComplaintReceived,
    ComplaintResolved,
    ComplaintTaken,
    ComplaintTakenResult,
    ComplaintUnresolved,
)
from ledger.domain.organisation.aggregate import Organisation
from ledger.domain.organisation.events import OrganisationKind
from ledger.errors import InvalidInput
from ledger.law import complaints as law
from ledger.law.general import lives_with, open_word_is_explained

HANDLERS = frozenset({Role.OFFICER, Role.PRIVACY_OFFICER})
"""1-law 'Who acts': officers keep CISS records, privacy officers complaints."""


class EntityComplaint(DatedCase):
    """A complaint about sharing under the scheme, kept by the entity that received it."""

    area = "complaint"
    in_common = False

    def _required(self) -> bool:
        """Whether ch. 5 asks this entity for the record."""
        received: ComplaintReceived = self.first(ComplaintReceived)
        return _record_required(received)

    @command(ComplaintReceived, roles=HANDLERS, opens=True)
    def receive(self, e: ComplaintReceived, context: Context) -> None:
        """Record a complaint that reached the entity; it happened on the day it was received."""
        imported = self.imported(e)
        if e.entity is not None and context.lookup.organisation(e.entity) is None:
            raise InvalidInput("entity", "the id of a registered organisation", e.entity)
        lives_with("entity", e.entity, context.organisation_id)
        self.goes_on_from(e, e.taken_over, context)
        if e.request is not None:
            context.lookup.case(e.request)
        own = context.lookup.organisation(context.organisation_id)
        registered = isinstance(own, Organisation) and own.kind is OrganisationKind.COURT_OR_TRIBUNAL
        law.court_says_that_it_is_one(registered, e.court_or_tribunal)
        required = _record_required(e)
        law.complaint_states_what_and_when(required, e.made_on, e.happened_date, e.nature, imported=imported)
        if required:
            law.complainant_is_individual_or_entity(e.complainant, imported=imported)
            law.unmet_request_is_linked(e.about, e.request, imported=imported)
        if not imported and e.about is not None:
            open_word_is_explained("about", (e.about,), e.about_other, law.CH_6)

    def _close(self, e: ComplaintResolved | ComplaintUnresolved, context: Context) -> None:
        imported = self.imported(e)
        required = self._required()
        law.complaint_is_open(self.last(ComplaintResolved, ComplaintUnresolved) is not None)
        law.closing_states_both_actions(required, e.to_resolve, e.to_prevent, imported=imported)
        self._described(e.to_resolve, e.to_resolve_what, required and not imported)
        self._described(e.to_prevent, e.to_prevent_what, required and not imported)

    def _described(self, stated: ActionStated | None, words: object, asked: bool) -> None:
        law.action_taken_is_described(stated, words, imported=not asked)

    @command(ComplaintResolved, roles=HANDLERS)
    def resolve(self, e: ComplaintResolved, context: Context) -> None:
        """Close the complaint as resolved, with what was done to resolve it and to prevent more of the same."""
        self._close(e, context)

    @command(ComplaintUnresolved, roles=HANDLERS)
    def leave_unresolved(self, e: ComplaintUnresolved, context: Context) -> None:
        """Close the complaint as unresolved, with the further action or that there is none."""
        self._close(e, context)
        required, imported = self._required(), self.imported(e)
        law.unresolved_states_further_action(required, False, e.further, imported=imported)
        self._described(e.further, e.further_what, required and not imported)

    @command(ComplaintTaken, roles=HANDLERS)
    def take_on(self, e: ComplaintTaken, context: Context) -> None:
        """Record that the complaint was taken on to OVIC, the HCC or the OAIC."""
        law.taken_on_to_an_oversight_body(e.to, imported=self.imported(e))

    @command(ComplaintTakenResult, roles=HANDLERS)
    def record_result(self, e: ComplaintTakenResult, context: Context) -> None:
        """Record what the oversight body did with the complaint."""
        if not self.imported(e):
            law.result_follows_taking_on(e.of, {taken.to for taken in self.all(ComplaintTaken)})
            if e.result is not None:
                open_word_is_explained("result", (e.result,), e.words, law.CH_6)


def _record_required(received: ComplaintReceived) -> bool:
    return law.records_are_required(bool(received.court_or_tribunal), received.happened_date)
