"""Cases of information requests: the provider's, and the requester's own record (1-law, area A)."""

from __future__ import annotations

import re
from datetime import date

from ledger.codec.declare import CaseRef
from ledger.domain.case import CASE_WRITERS, Context, command
from ledger.domain.common.dated import DatedCase
from ledger.domain.event import CaseEvent
from ledger.domain.organisation.aggregate import Organisation
from ledger.domain.request.events import (
    DisclosureMade,
    FurtherInformationProvided,
    FurtherInformationSought,
    GipaApplicationMade,
    LegalBasis,
    OutcomeDisputed,
    RefusalCopySent,
    RequestAcknowledged,
    RequestApproved,
    RequestClosed,
    RequestDivided,
    RequestEscalated,
    RequestForm,
    RequestMade,
    RequestReceived,
    RequestReferred,
    RequestRefused,
    RequestWithdrawn,
    ResourcingAgreed,
)
from ledger.domain.request.standing import Standing
from ledger.domain.timeline import earliest, in_order, latest, presupposes
from ledger.errors import InvalidInput
from ledger.law import requests as law
from ledger.law.general import lives_with, not_before, not_in_future, open_word_is_explained

PART_ID = re.compile(r"[a-z]|[a-z]?[0-9]{1,3}")
"""Part ids stand in clear, so they are codes that no name fits in."""


class _RequestCase(DatedCase):
    """What both kinds of request case judge alike."""

    area = "request"
    in_common = False

    def _opened(self, e: RequestReceived | RequestMade, context: Context) -> None:
        imported = self.imported(e)
        _registered("requester", e.requester, context)
        _registered("provider", e.provider, context)
        law.form_fits_scheme(e.scheme, e.form, e.happened_date, imported=imported)
        law.other_scheme_names_law(e.scheme, e.made_under_law, imported=imported)
        taken_over = e.taken_over if isinstance(e, RequestReceived) else None
        self.goes_on_from(e, taken_over, context)
        self._parties_bound(e, e.scheme, e.form, e.requester, e.provider, taken_over, context)
        if e.counterpart is not None:
            _exists(e.counterpart, context)

    def _parties_bound(
        self,
        e: CaseEvent,
        scheme: str,
        form: RequestForm | None,
        requester: str | None,
        provider: str | None,
        taken_over: CaseRef | None,
        context: Context,
    ) -> None:
        if not law.is_formal_vps(scheme, form):
            return
        provider_bound = self._bound(provider, e, context)
        while not provider_bound and taken_over is not None:
            # It was made to a predecessor, or to that one's, which may be the one that was bound on that day.
            before = context.lookup.case(taken_over)
            provider_bound, taken_over = self._bound(before.owner, e, context), before.takes_over
        law.formal_vps_needs_both_parties_bound(
            scheme,
            form,
            e.happened_date,
            self._bound(requester, e, context),
            provider_bound,
            imported=self.imported(e),
        )

    def _bound(self, organisation: str | None, e: CaseEvent, context: Context) -> bool | None:
        """Whether the VPS Policy binds a party on the day of ``e``; of a month or year, on its first or last.

        A party that is no registered organisation is not bound; an import that names none leaves a gap.
        """
        days = {day for day in (earliest(e), latest(e)) if day is not None}
        if organisation is None:
            return None if self.imported(e) else False
        found = context.lookup.organisation(organisation)
        return isinstance(found, Organisation) and any(found.bound("vps", day) for day in days)


class Request(_RequestCase):
    """A request for information that this ledger's organisation received."""

    @property
    def standing(self) -> Standing:
        """Where the request stands after all its facts, as corrected."""
        received, *others = self.history
        standing = Standing.at_receipt(received, self.imported)
        for fact in in_order(others):
            standing.take(fact)
        return standing

    def follows_opening(self, fact: CaseEvent) -> None:
        """Nothing is done with a request before it was received. Raises LawRefused."""
        presupposes(fact, self.history[0], "the receipt of the request")

    @command(RequestReceived, roles=CASE_WRITERS, opens=True)
    def receive(self, e: RequestReceived, context: Context) -> None:
        """Record a request that was received: VPS (informal or formal), NSW, or under another law."""
        self._opened(e, context)
        lives_with("provider", e.provider, context.organisation_id)
        not_before(latest(e), e.made_on, "the making of the request")

    @command(RequestAcknowledged, roles=CASE_WRITERS)
    def acknowledge(self, e: RequestAcknowledged, context: Context) -> None:
        """Record that the requester was told the request has arrived (no response)."""
        self.standing.take(e)

    @command(FurtherInformationSought, roles=CASE_WRITERS)
    def seek_information(self, e: FurtherInformationSought, context: Context) -> None:
        """Record that the requester was asked for more; no clock stops."""
        self.standing.take(e)
        not_before(e.reply_wanted_by, earliest(e), "the question")

    @command(FurtherInformationProvided, roles=CASE_WRITERS)
    def provide_information(self, e: FurtherInformationProvided, context: Context) -> None:
        """Record the requester's answer to what was sought."""
        self.standing.take(e)

    @command(RequestEscalated, roles=CASE_WRITERS)
    def escalate(self, e: RequestEscalated, context: Context) -> None:
        """Record that an informal VPS request was made formal: the 14 days start."""
        self.standing.take(e)
        received: RequestReceived = self.first(RequestReceived)
        self._parties_bound(
            e, received.scheme, RequestForm.FORMAL, received.requester, received.provider,
            received.taken_over, context,
        )  # fmt: skip
        not_before(latest(e), e.made_on, "the making of the formal request")

    @command(RequestDivided, roles=CASE_WRITERS)
    def divide(self, e: RequestDivided, context: Context) -> None:
        """Divide the request into parts that are answered one by one."""
        for place, part in enumerate(e.parts):
            if not PART_ID.fullmatch(part.id) and part.id != law.WHOLE:
                raise InvalidInput(f"parts.{place}.id", "a code such as a, 1 or p12", part.id)
        self.standing.take(e)

    @command(ResourcingAgreed, roles=CASE_WRITERS)
    def agree_resourcing(self, e: ResourcingAgreed, context: Context) -> None:
        """Record how the parties agreed to meet the cost of a VPS request."""
        scheme = self.first(RequestReceived).scheme
        law.resourcing_is_of_vps(scheme, e.borne_by, e.words, imported=self.imported(e))
        self.standing.take(e)

    @command(RequestApproved, roles=CASE_WRITERS)
    def approve(self, e: RequestApproved, context: Context) -> None:
        """Approve parts, in principle or subject to an agreement; the data is still to come."""
        self.standing.take(e)
        _told(e, e.sent_on, context)

    @command(DisclosureMade, roles=CASE_WRITERS)
    def disclose(self, e: DisclosureMade, context: Context) -> None:
        """Record that the data of parts went over: what, to whom, how, on which legal basis."""
        imported = self.imported(e)
        _registered("recipient", e.recipient, context)
        law.disclosure_states_what(e.description, e.bases, e.recipient or e.recipient_name, imported=imported)
        law.ipp_2_1_g_needs_written_note(e.bases, e.happened_date, e.ipp_2_2_note, imported=imported)
        law.ipp_2_1_h_needs_authority(e.bases, e.happened_date, e.ipp_2_1_h_authority, imported=imported)
        if not imported:
            other = ("other",) if LegalBasis.OTHER_LAW in e.bases else ()
            transfer = () if e.transferred_by is None else (e.transferred_by,)
            open_word_is_explained("legal basis", other, e.basis_words, law.DISCLOSURES)
            open_word_is_explained("transfer", transfer, e.transfer_words, law.DISCLOSURES)
            open_word_is_explained("technique", e.techniques, e.technique_words, law.DISCLOSURES)
        if e.techniques and e.de_identified is False:
            raise InvalidInput("techniques", "none where nothing was de-identified", list(e.techniques))
        if e.agreement is not None:
            _exists(e.agreement, context)
        self.standing.take(e)

    @command(RequestRefused, roles=CASE_WRITERS)
    def refuse(self, e: RequestRefused, context: Context) -> None:
        """Refuse parts: at least one ground, and reasons (in writing: formal VPS, NSW)."""
        scheme, on, imported = self.first(RequestReceived).scheme, e.happened_date, self.imported(e)
        law.refusal_states_ground(scheme, on, e.grounds, e.ground_words, imported=imported)
        law.refusal_states_reasons(scheme, on, e.reasons, imported=imported)
        law.nsw_refusal_is_sent(scheme, on, on, e.sent_on, imported=imported)
        self.standing.take(e)
        _told(e, e.sent_on, context)

    @command(RefusalCopySent, roles=CASE_WRITERS)
    def send_refusal_copy(self, e: RefusalCopySent, context: Context) -> None:
        """Record that a copy of the refusal of parts went to the Secretary, DPC."""
        self.standing.take(e)

    @command(RequestClosed, roles=CASE_WRITERS)
    def close(self, e: RequestClosed, context: Context) -> None:
        """Close parts without providing or refusing: not held, public, made public, out of scope, …"""
        scheme = self.first(RequestReceived).scheme
        law.closing_states_reason(scheme, e.ground, e.ground_words, e.where, imported=self.imported(e))
        self.standing.take(e)
        _told(e, e.sent_on, context)

    @command(RequestWithdrawn, roles=CASE_WRITERS)
    def withdraw(self, e: RequestWithdrawn, context: Context) -> None:
        """Record that the requester withdrew what was not answered yet."""
        self.standing.take(e)

    @command(RequestReferred, roles=CASE_WRITERS)
    def refer(self, e: RequestReferred, context: Context) -> None:
        """Record that the request went on to the right agency."""
        _registered("to_organisation", e.to_organisation, context)
        law.referral_names_agency(
            e.to_organisation or e.to_name, context.organisation_id, imported=self.imported(e)
        )
        self.standing.take(e)

    @command(OutcomeDisputed, roles=CASE_WRITERS)
    def dispute(self, e: OutcomeDisputed, context: Context) -> None:
        """Record that the requester disputes the outcome of parts."""
        self.standing.take(e)

    @command(GipaApplicationMade, roles=CASE_WRITERS)
    def apply_under_gipa(self, e: GipaApplicationMade, context: Context) -> None:
        """Record that the requester applied under the GIPA Act after an NSW refusal."""
        self.standing.take(e)


class RequestOfOurs(_RequestCase):
    """A request that this ledger's organisation made to another one: its own record, counted by no report."""

    @command(RequestMade, roles=CASE_WRITERS, opens=True)
    def make(self, e: RequestMade, context: Context) -> None:
        """Record a request that this organisation made to another one (no report counts it)."""
        self._opened(e, context)
        lives_with("requester", e.requester, context.organisation_id)


def _registered(field: str, organisation: str | None, context: Context) -> None:
    """An organisation stands in clear by its registered id, so that no name gets into the entry."""
    if organisation is not None and context.lookup.organisation(organisation) is None:
        raise InvalidInput(field, "the id of a registered organisation (name any other sealed)", organisation)


def _exists(ref: CaseRef, context: Context) -> None:
    context.lookup.case(ref)


def _told(e: CaseEvent, sent_on: date | None, context: Context) -> None:
    """The requester is told on the day of the decision or later, and not in the future."""
    not_before(sent_on, earliest(e), "the decision")
    not_in_future(sent_on, context.today, context.now)
