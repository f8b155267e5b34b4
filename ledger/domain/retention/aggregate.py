"""The case of one retention item: IPP 4.2; Data.NSW guide §3; 1-law G."""

from __future__ import annotations

from ledger.domain.case import Context, Role, command
from ledger.domain.common.dated import DatedCase
from ledger.domain.event import CaseEvent
from ledger.domain.retention.events import (
    HoldPlaced,
    HoldReleased,
    NoLongerNeeded,
    ProviderNotified,
    RecipientConfirmed,
    RecordsDeIdentified,
    RecordsDestroyed,
    RecordsRemoved,
    RecordsReturned,
    RecordsTransferred,
    RetentionScheduled,
    RetentionTriggered,
)
from ledger.domain.retention.standing import RetentionStanding, standing_of
from ledger.domain.timeline import earliest, latest
from ledger.errors import InvalidInput
from ledger.law import retention as law
from ledger.law.general import open_word_is_explained
from ledger.law.installation import is_code
from ledger.law.time import Period

KEEPERS = frozenset({Role.PRIVACY_OFFICER, Role.CUSTODIAN, Role.REGULATOR})
"""1-law 'Who acts': privacy officers keep retention, custodians their datasets; the regulator its own."""


class RetentionItem(DatedCase):
    """A dataset or class of records from its schedule to its end."""

    area = "retention"
    in_common = False

    @property
    def standing(self) -> RetentionStanding:
        """Where the item stands after all its facts."""
        return standing_of(self.history)

    def follows_opening(self, fact: CaseEvent) -> None:
        """A trigger, a hold or an end may be older than the schedule that was made for the item."""

    @command(RetentionScheduled, roles=KEEPERS, opens=True)
    def schedule(self, e: RetentionScheduled, context: Context) -> None:
        """Set up a retention item: what, held by whom, how long from which trigger, and what is due then."""
        what, holder = e.dataset or e.what, e.holder or e.holder_name
        law.item_states_what_and_when(what, holder, e.trigger, e.action, imported=self.imported(e))
        if e.dataset is not None:
            is_code("dataset", e.dataset)
        law.disposal_authority_is_cited(e.disposal_authority)
        if e.period is not None:
            Period.from_iso(e.period)
        _registered("holder", e.holder, context)
        _registered("provider", e.provider, context)
        self.goes_on_from(e, e.taken_over, context)
        if e.agreement is not None:
            context.lookup.case(e.agreement)

    @command(RetentionTriggered, roles=KEEPERS)
    def trigger(self, e: RetentionTriggered, context: Context) -> None:
        """Record that the trigger came: the period runs from that day."""
        law.triggered_once(self.standing.triggered)
        for done in self.all(RecordsDestroyed, RecordsDeIdentified, RecordsRemoved):
            law.trigger_not_after_action(earliest(e), latest(done), done.early_authority)

    @command(NoLongerNeeded, roles=KEEPERS)
    def no_longer_needed(self, e: NoLongerNeeded, context: Context) -> None:
        """Record that the personal information is no longer needed for any purpose: IPP 4.2."""
        law.item_not_finished(self.standing.done)

    @command(HoldPlaced, roles=KEEPERS)
    def hold(self, e: HoldPlaced, context: Context) -> None:
        """Place a hold: nothing is destroyed while it is open."""
        now = self.standing
        is_code("hold", e.hold)
        law.item_not_finished(now.done)
        law.hold_is_new(e.hold, now.open_holds)
        law.hold_states_reason(e.reason, imported=self.imported(e))
        if e.kind is not None and not self.imported(e):
            open_word_is_explained("kind", (e.kind,), e.reason, law.HOLDS)

    @command(HoldReleased, roles=KEEPERS)
    def release(self, e: HoldReleased, context: Context) -> None:
        """Release a hold."""
        law.released_hold_is_open(e.hold, self.standing.open_holds)

    def _end(self, e: CaseEvent) -> None:
        """What holds for every end: once, and not while held."""
        now = self.standing
        law.item_not_finished(now.done)
        law.not_destroyed_while_held(now.open_holds)

    def _kept(self, e: RecordsReturned | RecordsTransferred | RecordsRemoved) -> None:
        needless = self.standing.no_longer_needed
        law.nothing_is_kept_of_what_is_not_needed(
            e.happened_date, needless, e.copy_kept, imported=self.imported(e)
        )

    def _not_early(self, e: CaseEvent, early_authority: object, context: Context) -> None:
        # What a register leaves out of an import (the trigger) is a gap; a day too early is refused there too.
        now = self.standing
        triggered = now.triggered or self.imported(e)
        law.not_before_period_has_run(latest(e), now.due(context.calendar), triggered, early_authority)

    @command(RecordsDestroyed, roles=KEEPERS)
    def destroy(self, e: RecordsDestroyed, context: Context) -> None:
        """Record the destruction: what, how, by whom, on whose authority; early only on a named one."""
        self._end(e)
        law.destruction_states_record(e.what, e.how, e.by, e.authority, imported=self.imported(e))
        self._not_early(e, e.early_authority, context)
        _registered("by_organisation", e.by_organisation, context)

    @command(RecordsDeIdentified, roles=KEEPERS)
    def de_identify(self, e: RecordsDeIdentified, context: Context) -> None:
        """Record the de-identification: IPP 4.2 asks that it be permanent."""
        imported = self.imported(e)
        self._end(e)
        law.destruction_states_record(e.what, e.how, e.by, e.authority, imported=imported)
        needed = self.standing.no_longer_needed
        law.de_identification_is_permanent(e.happened_date, needed, e.permanent, imported=imported)
        self._not_early(e, e.early_authority, context)
        _registered("by_organisation", e.by_organisation, context)

    @command(RecordsRemoved, roles=KEEPERS)
    def remove(self, e: RecordsRemoved, context: Context) -> None:
        """Record that the holder's systems no longer hold the records (NSW §3)."""
        self._end(e)
        self._kept(e)
        self._not_early(e, e.early_authority, context)
        _registered("by_organisation", e.by_organisation, context)

    @command(RecordsReturned, roles=KEEPERS)
    def give_back(self, e: RecordsReturned, context: Context) -> None:
        """Record that the records went back to who provided them."""
        self._end(e)
        self._kept(e)
        _registered("to", e.to, context)
        _registered("by_organisation", e.by_organisation, context)

    @command(RecordsTransferred, roles=KEEPERS)
    def transfer(self, e: RecordsTransferred, context: Context) -> None:
        """Record that the records went to another holder."""
        self._end(e)
        self._kept(e)
        _registered("to", e.to, context)
        _registered("by_organisation", e.by_organisation, context)

    @command(ProviderNotified, roles=KEEPERS)
    def notify_provider(self, e: ProviderNotified, context: Context) -> None:
        """Record that the recipient told the provider that data is removed or destroyed (NSW §3)."""
        if not self.imported(e):
            law.recipient_notifies_after_action(self.standing.done)
        _registered("provider", e.provider, context)
        _registered("by_organisation", e.by_organisation, context)

    @command(RecipientConfirmed, roles=KEEPERS)
    def confirm(self, e: RecipientConfirmed, context: Context) -> None:
        """Record a recipient's confirmation that its own copy is gone."""
        _registered("recipient", e.recipient, context)


def _registered(field: str, organisation: str | None, context: Context) -> None:
    """An organisation stands in clear by its registered id, so that no name gets into the entry."""
    if organisation is not None and context.lookup.organisation(organisation) is None:
        raise InvalidInput(field, "the id of a registered organisation (name any other sealed)", organisation)
