"""An organisation's case, in ``common``: its stream id is the organisation's id everywhere."""

from __future__ import annotations

from datetime import date, timedelta

from ledger.domain.case import Context, Role, command
from ledger.domain.common.dated import DatedCase
from ledger.domain.event import CaseEvent
from ledger.domain.organisation import standing
from ledger.domain.organisation.events import (
    AgencyHeadChanged,
    FunctionsTakenOver,
    HeadsOfAgreementEnded,
    HeadsOfAgreementSigned,
    OrderKind,
    OrganisationAbolished,
    OrganisationKind,
    OrganisationRegistered,
    OrganisationRenamed,
    OrganisationSucceeded,
    PrivacyStatusSet,
    SchemeBound,
)
from ledger.errors import InvalidInput
from ledger.law import organisations as law
from ledger.law.general import must_state, open_word_is_explained
from ledger.law.installation import is_code
from ledger.law.organisations import Binding

KEEPERS = frozenset({Role.ADMINISTRATOR, Role.SYSTEM})
"""``common`` is the administrator's (1-law 'Who acts'); ``system`` seeds it."""


class Organisation(DatedCase):
    """A body: its names, its end and successors, and what binds it on a day."""

    area = "organisation"
    in_common = True

    def bound(self, scheme: str, on: date) -> Binding | None:
        """The basis on which the scheme ('vps', 'datavic', 'pdpa_part_3', …) binds the body on that day.

        None where it is not bound, did not exist, or was entered in error or merged into another.
        """
        if self.ended_by is not None:
            return None
        if not law.exists_on(on, standing.established_on(self.history), standing.abolished_on(self.history)):
            return None
        return law.binding_on(on, scheme, standing.bindings(self.history))

    def name_on(self, on: date | None) -> str:
        """The body's name on that day; without a day, its last."""
        return standing.name_on(self.history, on)

    def privacy_status(self, on: date | None) -> PrivacyStatusSet | None:
        """What the PDPA makes of the body on that day; None: not recorded."""
        return standing.privacy_status_on(self.history, on)

    @property
    def kind(self) -> OrganisationKind:
        """What kind of body it is."""
        registered: OrganisationRegistered = self.first(OrganisationRegistered)
        return registered.kind

    def succession_to(self, successor: str, on: date | None) -> OrganisationSucceeded | None:
        """The record that functions of this body passed to that one on that day; None: there is none."""
        for fact in self.all(OrganisationSucceeded):
            if fact.successor == successor and fact.happened_date == on:
                found: OrganisationSucceeded = fact
                return found
        return None

    def took_over_from(self, predecessor: str) -> bool:
        """Whether functions of that body passed to this one."""
        return any(fact.predecessor == predecessor for fact in self.all(FunctionsTakenOver))

    def _exists(self, e: CaseEvent) -> None:
        law.body_exists(
            self.name_on(None),
            e.happened_date,
            standing.established_on(self.history),
            standing.abolished_on(self.history),
        )

    @command(OrganisationRegistered, roles=KEEPERS, opens=True)
    def register(self, e: OrganisationRegistered, context: Context) -> None:
        """Enter a body in the register of organisations; it happened on the day it was established."""
        must_state("the name", e.legal_name, law.CHANGES, imported=False)
        law.abn_has_eleven_digits(e.abn)
        if not self.imported(e):
            open_word_is_explained("kind", (e.kind,), e.kind_other, law.CHANGES)
        law.head_office_is_named(e.head_office, e.head_office_words, imported=self.imported(e))

    @command(OrganisationRenamed, roles=KEEPERS)
    def rename(self, e: OrganisationRenamed, context: Context) -> None:
        """Give the body another name, from the day it happened."""
        must_state("the name", e.legal_name, law.CHANGES, imported=False)
        self._exists(e)
        law.renamed_to_another_name(self.name_on(None), e.legal_name)

    @command(OrganisationAbolished, roles=KEEPERS)
    def abolish(self, e: OrganisationAbolished, context: Context) -> None:
        """Record that the body ended: from that day on it does not exist."""
        ended = self.first(OrganisationAbolished)
        if ended is not None:
            law.abolished_once(ended.happened_date or context.today)

    @command(OrganisationSucceeded, roles=KEEPERS)
    def succeed(self, e: OrganisationSucceeded, context: Context) -> None:
        """Record that functions passed to another registered body (the predecessor's side, first)."""
        _registered("successor", e.successor, context)
        functions = e.functions or e.all_functions
        law.succession_states_instrument(
            self.id, e.successor, functions, e.instrument, imported=self.imported(e)
        )
        abolished = standing.abolished_on(self.history)
        if abolished is None or e.happened_date is None or e.happened_date > abolished:
            self._exists(e)

    @command(FunctionsTakenOver, roles=KEEPERS)
    def take_over(self, e: FunctionsTakenOver, context: Context) -> None:
        """Record that functions of another body passed to this one, and which bindings it inherits."""
        predecessor = _registered("predecessor", e.predecessor, context)
        imported = self.imported(e)
        functions = e.functions or e.all_functions
        law.succession_states_instrument(e.predecessor, self.id, functions, e.instrument, imported=imported)
        self._exists(e)
        named = predecessor.succession_to(self.id, e.happened_date) is not None
        law.succession_is_linked(named, predecessor.name_on(e.happened_date))
        stated = [(inherited.scheme, inherited.since) for inherited in e.inherited]
        held = predecessor.held_on_eve(e.happened_date)
        law.inherits_what_bound_predecessor(stated, held, e.happened_date)

    def held_on_eve(self, on: date | None) -> list[Binding]:
        """What bound the body on the day before ``on``: one binding a scheme, the one that law goes by."""
        if on is None:
            return []
        eve = on - timedelta(days=1)
        known = standing.bindings(self.history)
        found = [law.binding_on(eve, scheme, known) for scheme in sorted({held.scheme for held in known})]
        return [held for held in found if held is not None]

    @command(AgencyHeadChanged, roles=KEEPERS)
    def change_head(self, e: AgencyHeadChanged, context: Context) -> None:
        """Record who heads the body from that day on, or that its head's office is another."""
        self._exists(e)
        head = e.head_office or e.head_name
        must_state("the head's office or name", head, law.CHANGES, imported=self.imported(e))
        law.head_office_is_named(e.head_office, e.head_office_words, imported=self.imported(e))

    @command(HeadsOfAgreementSigned, roles=KEEPERS)
    def sign_heads(self, e: HeadsOfAgreementSigned, context: Context) -> None:
        """Record that the body signed the Heads of Agreement: the VPS Policy binds it from that day."""
        _version(e.instrument_version)
        self._exists(e)
        law.signs_while_unbound(e.happened_date, standing.bindings(self.history))

    @command(HeadsOfAgreementEnded, roles=KEEPERS)
    def end_heads(self, e: HeadsOfAgreementEnded, context: Context) -> None:
        """Record that the Heads of Agreement ended for the body: that day is the last."""
        law.ends_while_bound(e.happened_date, standing.bindings(self.history))

    @command(SchemeBound, roles=KEEPERS)
    def bind(self, e: SchemeBound, context: Context) -> None:
        """Record that DataVic, CISS or NSW binds the body from that day on."""
        law.bound_by_its_own_act(e.scheme)
        _version(e.instrument_version)
        if e.basis is not None and not self.imported(e):
            open_word_is_explained("basis", (e.basis,), e.basis_words, law.CHANGES)
        law.binding_ends_after_it_begins(e.happened_date, e.until)
        self._exists(e)

    @command(PrivacyStatusSet, roles=KEEPERS)
    def set_privacy_status(self, e: PrivacyStatusSet, context: Context) -> None:
        """Record what the PDPA makes of the body from that day on: its limb of 13(1), Parts 4 and 5, …"""
        imported = self.imported(e)
        law.binding_ends_after_it_begins(e.happened_date, e.until)
        if e.part_3:
            law.part_3_limb_is_known(e.part_3_limb, imported=imported)
        clause = e.provider_clause or e.provider_bound_by_clause
        law.contracted_provider_names_clause(e.part_3_limb, clause or None, imported=imported)
        law.declared_organisation_names_order(
            e.part_3_limb, {order.kind for order in e.orders}, imported=imported
        )
        out = any(order.kind is OrderKind.S13_3_B and order.whole_body for order in e.orders)
        law.not_declared_out_of_part_3(e.part_3, e.part_3_limb, out)
        law.part_4_leaves_councils_out(e.part_4, self.kind is OrganisationKind.COUNCIL)
        if e.outsourcing_party is not None:
            _registered("outsourcing_party", e.outsourcing_party, context)
        self._exists(e)


def _version(version: str | None) -> None:
    """The version of an instrument stands in clear, so it is a code."""
    if version is not None:
        is_code("instrument_version", version)


def _registered(field: str, organisation: str, context: Context) -> Organisation:
    found = context.lookup.organisation(organisation)
    if not isinstance(found, Organisation):
        raise InvalidInput(field, "the id of a registered organisation", organisation)
    return found
