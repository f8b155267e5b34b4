"""The case of one compliance notice: PDPA Part 3 Division 9."""

from __future__ import annotations

from ledger.domain.case import Context, Role, command
from ledger.domain.common.dated import DatedCase
from ledger.domain.event import CaseEvent
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    ExtensionApplied,
    ExtensionGranted,
    ExtensionRefused,
    NoticeComplied,
    NoticeNotComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRefused,
    ReasonsRequested,
    ReviewApplied,
    ReviewDetermined,
)
from ledger.domain.notice.standing import NoticeStanding, standing_of
from ledger.domain.organisation.aggregate import Organisation
from ledger.domain.organisation.events import PrivacyStatusSet
from ledger.domain.timeline import earliest, known_day, latest, presupposes
from ledger.errors import InvalidInput
from ledger.law import notices as law
from ledger.law.dates import Provision, in_force
from ledger.law.notices import Effect, Exposure
from ledger.law.organisations import recipient_of_notice_is_an_organisation

COMMISSIONER = frozenset({Role.REGULATOR})
"""The Commissioner and staff write the regulator's own ledger (1-law 'Who acts')."""


AFTER_SERVICE = (ExtensionApplied, ExtensionGranted, ExtensionRefused, NoticeComplied, NoticeNotComplied)
"""What only follows the service: 78(3), 82(1). A register that does not state the service leaves a gap; one
that states a later one contradicts itself."""


class ComplianceNotice(DatedCase):
    """A compliance notice from the decision to serve it to compliance, or to its end at VCAT."""

    area = "notice"
    in_common = False

    @property
    def standing(self) -> NoticeStanding:
        """Where the notice stands after all its facts."""
        return standing_of(self.history)

    def effect(self, context: Context) -> Effect:
        """When the notice takes effect: 82(2), by the calendar of the context."""
        return self.standing.effect(context.calendar)

    def exposure(self, context: Context) -> Exposure | None:
        """What not complying exposes the organisation to: 82(1), (3); 8(2) for the Crown; 123.

        None where neither the notice nor the register says what the organisation is in law.
        """
        issued = self.standing.issued
        status = self._status(context)
        crown = issued.represents_crown
        if crown is None and status is not None:
            crown = status.represents_crown
        directed = self._directed_to(context)
        return law.exposure(directed or "", bool(crown)) if directed or crown else None

    def _directed_to(self, context: Context) -> str | None:
        issued = self.standing.issued
        if issued.directed_to is not None:
            return issued.directed_to
        status = self._status(context)
        return status.legal_form if status is not None else None

    def _status(self, context: Context) -> PrivacyStatusSet | None:
        """What the register of organisations says of the recipient on the day of the decision."""
        issued = self.standing.issued
        party = _organisation(issued, context)
        return party.privacy_status(issued.happened_date) if party is not None else None

    @command(ComplianceNoticeIssued, roles=COMMISSIONER, opens=True)
    def issue(self, e: ComplianceNoticeIssued, context: Context) -> None:
        """Record the decision to serve a compliance notice; it happened on the day of the decision."""
        imported = self.imported(e)
        law.provisions_are_cited(e.contravened, e.provisions)
        party = _organisation(e, context)
        if e.complaint is not None:
            context.lookup.case(e.complaint)
        if not _judged(e):
            return
        bound = None
        if party is not None and e.happened_date is not None:
            recorded = party.privacy_status(e.happened_date)
            bound = party.bound("pdpa_part_3", e.happened_date) is not None
            if not bound and recorded is None:
                bound = None
        recipient_of_notice_is_an_organisation(e.happened_date, bound, imported=imported)
        law.contravention_is_named(e.contravened, e.provisions, imported=imported)
        law.limb_is_stated(e.limb, imported=imported)
        if party is not None:
            status = party.privacy_status(e.happened_date)
            registered = None if status is None else status.represents_crown
            law.crown_is_stated_as_registered(e.represents_crown, registered, imported=imported)
        days = [occasion.on for occasion in e.occasions]
        law.occasions_of_repeated_contravention(e.limb, known_day(e), days, imported=imported)
        law.action_and_period_are_specified(e.action, e.period_ends, imported=imported)
        law.period_follows_decision(earliest(e), e.period_ends)
        law.initiative_is_own_or_complainants(e.origin, e.applicant_was_complainant, imported=imported)
        instrument = e.instrument or e.decided_under
        law.delegate_names_instrument(e.decided_by, instrument, imported=imported)

    @command(NoticeServed, roles=COMMISSIONER)
    def serve(self, e: NoticeServed, context: Context) -> None:
        """Record the service of the notice: by whom it was taken, by which method of 83C."""
        law.served_once(self.standing.served)
        for act in self.all(*AFTER_SERVICE):
            presupposes(act, e, "the service of the notice")
        if _judged(e):
            law.service_leaves_the_period(earliest(e), self.standing.period_ends)
        law.service_by_83c(
            e.happened_date,
            self._directed_to(context),
            e.method,
            e.receipt_confirmed,
            e.left_with_adult_there,
            imported=self.imported(e),
        )

    @command(ExtensionApplied, roles=COMMISSIONER)
    def apply_for_extension(self, e: ExtensionApplied, context: Context) -> None:
        """Record that the organisation served applied for a longer period, before the period expired."""
        now = self.standing
        law.extension_needs_service(now.served, imported=self.imported(e))
        if e.applicant is not None and now.issued.organisation is not None:
            law.extension_applicant_is_recipient(e.applicant, now.issued.organisation)
        if _judged(e):
            law.extension_applied_before_expiry(earliest(e), now.period_ends)

    @command(ExtensionGranted, roles=COMMISSIONER)
    def grant_extension(self, e: ExtensionGranted, context: Context) -> None:
        """Extend the period, on the finding and against the undertaking of 78(3)."""
        imported = self.imported(e)
        self._answers_application(e)
        if _judged(e):
            law.extension_needs_finding_and_undertaking(
                e.not_reasonably_possible, e.undertaking, imported=imported
            )
            law.extension_lengthens(self.standing.last_day, e.extended_to, imported=imported)

    @command(ExtensionRefused, roles=COMMISSIONER)
    def refuse_extension(self, e: ExtensionRefused, context: Context) -> None:
        """Record that an extension applied for was not granted."""
        self._answers_application(e)

    def _answers_application(self, e: CaseEvent) -> None:
        if not self.imported(e):
            law.extension_answers_an_application(self.standing.extensions_open > 0)

    @command(ReasonsRequested, roles=COMMISSIONER)
    def request_reasons(self, e: ReasonsRequested, context: Context) -> None:
        """Record that a statement of reasons was requested: the review period waits for the answer."""

    @command(ReasonsGiven, roles=COMMISSIONER)
    def give_reasons(self, e: ReasonsGiven, context: Context) -> None:
        """Record that the statement of reasons was given: the review period runs from that day."""
        self._answers_request(e)

    @command(ReasonsRefused, roles=COMMISSIONER)
    def refuse_reasons(self, e: ReasonsRefused, context: Context) -> None:
        """Record that no reasons will be given: the review period runs from the day that this was told."""
        self._answers_request(e)

    def _answers_request(self, e: CaseEvent) -> None:
        now = self.standing
        if not self.imported(e):
            law.reasons_answer_a_request(now.reasons_requested, now.reasons_open == 0)

    @command(ReviewApplied, roles=COMMISSIONER)
    def apply_for_review(self, e: ReviewApplied, context: Context) -> None:
        """Record an application to VCAT for review of the decision, within the 28 days of 83(2)."""
        if not _judged(e):
            return
        law.review_applicant_is_affected(e.interests_affected, imported=self.imported(e))
        law.review_applied_in_time(self.standing.review_period(context.calendar), earliest(e))

    @command(ReviewDetermined, roles=COMMISSIONER)
    def determine_review(self, e: ReviewDetermined, context: Context) -> None:
        """Record how the review ended, and on which day: 82(2)(d)."""
        now = self.standing
        if not self.imported(e):
            law.review_result_answers_application(now.reviews > 0, now.reviews_open == 0)

    @command(NoticeComplied, roles=COMMISSIONER)
    def comply(self, e: NoticeComplied, context: Context) -> None:
        """Record that the action in the notice was taken, with the evidence of the steps."""
        self._served_and_open(e)
        if _judged(e):
            law.compliance_shows_its_steps(e.evidence or e.files, imported=self.imported(e))

    @command(NoticeNotComplied, roles=COMMISSIONER)
    def find_not_complied(self, e: NoticeNotComplied, context: Context) -> None:
        """Record that the notice, in effect, was not complied with (for the Crown: non-compliance, 8(2))."""
        self._served_and_open(e)
        if _judged(e):
            law.non_compliance_needs_effect(self.effect(context), latest(e), self.standing.last_day)

    def _served_and_open(self, e: CaseEvent) -> None:
        now = self.standing
        law.compliance_needs_service(now.served, imported=self.imported(e))
        law.complied_once(now.complied)


def _judged(e: CaseEvent) -> bool:
    """Whether the Act judges this fact: not one of a day before it commenced."""
    return e.happened_date is None or in_force(Provision.PDPA_78, e.happened_date)


def _organisation(e: ComplianceNoticeIssued, context: Context) -> Organisation | None:
    if e.organisation is None:
        return None
    found = context.lookup.organisation(e.organisation)
    if not isinstance(found, Organisation):
        raise InvalidInput("organisation", "the id of a registered organisation", e.organisation)
    return found
