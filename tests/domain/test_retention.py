"""Retention and destruction: IPP 4.2, Data.NSW guide §3, 1-law G, through the case."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.codec.declare import CaseRef
from ledger.codec.entry import CorrectionKind
from ledger.domain.event import CaseEvent
from ledger.domain.retention.aggregate import RetentionItem
from ledger.domain.retention.events import (
    HoldKind,
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
    RetentionAction,
    RetentionScheduled,
    RetentionTriggered,
)
from ledger.errors import InvalidInput, LawRefused, NotFound
from tests.domain.build import CALENDAR, LEDGER, Book

ITEM: dict[str, Any] = {
    "what": "customer survey 2019",
    "holder_name": "Invented Analytics",
    "period": "P5Y",
    "trigger": "project completed",
    "action": RetentionAction.DESTROY,
    "authority": "GA 28, 2.9.1",
}
DESTROYED: dict[str, Any] = {"what": "both copies", "how": "shredded", "by": "J. Doe", "authority": "GA 28"}


class Items(Book):
    """A privacy officer's book with one retention item."""

    def schedule(self, on: str | None = "2018-01-01", **fields: Any) -> CaseEvent:
        return self.act(RetentionScheduled, on, **{**ITEM, **fields})

    def act(self, event: type[CaseEvent], on: str | None, **fields: Any) -> CaseEvent:
        return self.record(event, "item", on, role="privacy_officer", **fields)

    @property
    def item(self) -> RetentionItem:
        found = self.cases["item"]
        assert isinstance(found, RetentionItem)
        return found


@pytest.fixture
def book() -> Items:
    found = Items()
    found.schedule()
    return found


def test_whole_life_to_destruction_and_notice(book: Items) -> None:
    """Scheduled, triggered, held, released, destroyed on its day, provider told, recipient confirmed."""
    book.act(RetentionTriggered, "2020-02-29")
    due = book.item.standing.due(CALENDAR)
    assert due is not None
    assert due.due == date(2025, 2, 28)
    book.act(HoldPlaced, "2024-12-01", hold="case-7", kind=HoldKind.LITIGATION, reason="discovery")
    book.act(HoldReleased, "2025-05-01", hold="case-7", reason="settled")
    book.act(RecordsDestroyed, "2025-05-02", **DESTROYED, witness="K. Roe")
    book.act(ProviderNotified, "2025-05-03", provider_name="Invented Provider")
    book.act(RecipientConfirmed, "2025-05-04", recipient_name="Invented Recipient")
    standing = book.item.standing
    assert (standing.done, standing.done_on) == (RetentionAction.DESTROY, date(2025, 5, 2))
    assert standing.holds == [(date(2024, 12, 1), date(2025, 5, 1))]


@pytest.mark.parametrize("missing", ["what", "holder_name", "trigger", "action"])
def test_nsw_3_item_states_what_and_when(missing: str) -> None:
    """The retention table: dataset, holder, trigger, action; an import leaves a gap."""
    with pytest.raises(LawRefused, match="retention table"):
        Items().schedule(**{missing: None})
    Items().schedule(imported=True, **{missing: None})


def test_item_takes_codes_ids_and_links(book: Items) -> None:
    """Clear fields take codes and registered ids; the agreement named exists; the period is ISO 8601."""
    for wrong, error in (
        ({"dataset": "Jo Bloggs's survey"}, InvalidInput),
        ({"holder": "Invented Analytics"}, InvalidInput),
        ({"period": "5 years"}, InvalidInput),
        ({"agreement": CaseRef(LEDGER, "none", 1)}, NotFound),
    ):
        with pytest.raises(error):
            Items().schedule(**wrong)
    Items().schedule(what=None, dataset="survey-2019")


def test_1_law_g_not_before_the_period_has_run(book: Items) -> None:
    """Neither before the trigger nor before the period has run, unless an early authority is named."""
    with pytest.raises(LawRefused, match="early destruction"):
        book.act(RecordsDestroyed, "2025-01-01", **DESTROYED)
    book.act(RetentionTriggered, "2020-02-29")
    with pytest.raises(LawRefused, match="2025-02-28"):
        book.act(RecordsDestroyed, "2025-02-27", **DESTROYED)
    with pytest.raises(LawRefused, match="early destruction"):
        book.act(RecordsRemoved, "2025-02-27")
    book.act(RecordsDestroyed, "2025-02-27", **DESTROYED, early_authority="Keeper's approval 12")


def test_without_a_period_due_on_the_trigger() -> None:
    """A table row of period N/A is due on its trigger (choice)."""
    book = Items()
    book.schedule(period=None)
    book.act(RetentionTriggered, "2025-03-01")
    book.act(RecordsDestroyed, "2025-03-01", **DESTROYED)


def test_1_law_g_not_while_a_hold_is_open(book: Items) -> None:
    """No end of any kind while a hold is open; no early authority lifts it."""
    book.act(RetentionTriggered, "2020-01-01")
    book.act(HoldPlaced, "2025-02-01", hold="foi-3", reason="request")
    for event, fields in (
        (RecordsDestroyed, {**DESTROYED, "early_authority": "any"}),
        (RecordsDeIdentified, DESTROYED),
        (RecordsReturned, {}),
        (RecordsTransferred, {}),
        (RecordsRemoved, {}),
    ):
        with pytest.raises(LawRefused, match="held: foi-3"):
            book.act(event, "2025-03-01", **fields)
    # Before the hold was placed nothing barred it; but then the hold is on what is no longer there.
    with pytest.raises(LawRefused, match="HoldPlaced"):
        book.act(RecordsReturned, "2025-01-31")


def test_hold_recorded_late_is_judged_against_the_destruction(book: Items) -> None:
    """A hold found to have been open on the day of the destruction is refused, naming that entry."""
    book.act(RetentionTriggered, "2020-01-01")
    destroyed = book.act(RecordsDestroyed, "2025-03-01", **DESTROYED)
    with pytest.raises(LawRefused, match=f"entry {destroyed.index}"):
        book.act(HoldPlaced, "2025-02-01", hold="foi-3", reason="request")
    with pytest.raises(LawRefused, match="finished already"):
        book.act(HoldPlaced, "2025-03-02", hold="foi-3", reason="request")


def test_holds_by_name(book: Items) -> None:
    """A hold has a code, a reason, is placed once and released only while open."""
    with pytest.raises(LawRefused, match="reason"):
        book.act(HoldPlaced, "2025-02-01", hold="h1")
    with pytest.raises(InvalidInput, match="hold"):
        book.act(HoldPlaced, "2025-02-01", hold="Jo Bloggs", reason="r")
    book.act(HoldPlaced, "2025-02-01", hold="h1", kind=HoldKind.OTHER, reason="r")
    with pytest.raises(LawRefused, match="open already"):
        book.act(HoldPlaced, "2025-02-02", hold="h1", reason="r")
    for on, hold in (("2025-02-03", "h2"), ("2025-01-31", "h1")):
        with pytest.raises(LawRefused, match="not open"):
            book.act(HoldReleased, on, hold=hold)
    book.act(HoldReleased, "2025-02-03", hold="h1")
    book.act(HoldPlaced, "2025-02-04", hold="h1", reason="again")
    assert book.item.standing.open_holds == {"h1": date(2025, 2, 4)}


@pytest.mark.parametrize("missing", ["what", "how", "by", "authority"])
@pytest.mark.parametrize("event", [RecordsDestroyed, RecordsDeIdentified])
def test_1_law_g_destruction_states_its_record(book: Items, event: type[CaseEvent], missing: str) -> None:
    """What, how, by whom, on whose authority; an import leaves a gap."""
    book.act(RetentionTriggered, "2020-01-01")
    with pytest.raises(LawRefused, match="ledger rule: destruction"):
        book.act(event, "2025-03-01", **{**DESTROYED, missing: None})
    book.act(event, "2025-03-01", imported=True, **{**DESTROYED, missing: None})


def test_ipp_4_2_no_longer_needed_is_destroyed_or_de_identified(book: Items) -> None:
    """Or returned, transferred, removed with no copy kept (4(1)); de-identification is permanent."""
    book.act(RetentionTriggered, "2020-01-01")
    book.act(NoLongerNeeded, "2025-02-01")
    for event in (RecordsReturned, RecordsTransferred, RecordsRemoved):
        for kept in (None, True):
            with pytest.raises(LawRefused, match=r"IPP 4\.2"):
                book.act(event, "2025-03-01", copy_kept=kept)
    for permanent in (None, False):
        with pytest.raises(LawRefused, match=r"IPP 4\.2"):
            book.act(RecordsDeIdentified, "2025-03-01", **DESTROYED, permanent=permanent)
    book.act(RecordsDeIdentified, "2025-03-01", **DESTROYED, permanent=True)
    with pytest.raises(LawRefused, match="finished already"):
        book.act(NoLongerNeeded, "2025-03-02")


@pytest.mark.parametrize("event", [RecordsReturned, RecordsTransferred, RecordsRemoved])
def test_ipp_4_2_what_is_handed_on_with_no_copy_kept_is_held_no_more(
    book: Items, event: type[CaseEvent]
) -> None:
    book.act(RetentionTriggered, "2020-01-01")
    book.act(NoLongerNeeded, "2025-02-01")
    book.act(event, "2025-03-01", copy_kept=False)
    assert book.item.standing.done_on == date(2025, 3, 1)


def test_ipp_4_2_said_again_the_first_day_counts(book: Items) -> None:
    book.act(NoLongerNeeded, "2025-02-01")
    book.act(NoLongerNeeded, "2025-04-01")
    assert book.item.standing.no_longer_needed_on == date(2025, 2, 1)
    book.act(NoLongerNeeded, "2025-01-01")
    assert book.item.standing.no_longer_needed_on == date(2025, 1, 1)


def test_1_law_g_a_disposal_authority_in_clear_is_a_number(book: Items) -> None:
    with pytest.raises(InvalidInput, match="disposal_authority"):
        Items().schedule(disposal_authority="as Jo Bloggs decided")
    fact = Items().schedule(disposal_authority="GA28 2.9.1")
    assert isinstance(fact, RetentionScheduled)
    assert fact.disposal_authority == "GA28 2.9.1"


def test_finished_once_and_triggered_once(book: Items) -> None:
    """One trigger, one end."""
    book.act(RetentionTriggered, "2020-01-01")
    with pytest.raises(LawRefused, match="triggered already"):
        book.act(RetentionTriggered, "2020-02-01")
    book.act(RecordsReturned, "2025-03-01")
    with pytest.raises(LawRefused, match="finished already"):
        book.act(RecordsDestroyed, "2025-03-02", **DESTROYED)


def test_nsw_3_recipient_notifies_after_the_action(book: Items) -> None:
    """The provider is told once data is removed or destroyed, not before."""
    with pytest.raises(LawRefused, match="§3"):
        book.act(ProviderNotified, "2025-03-01")
    book.act(ProviderNotified, "2025-03-01", imported=True)


def test_organisations_by_registered_id(book: Items) -> None:
    """No name of a party gets into a clear field."""
    book.act(RetentionTriggered, "2020-01-01")
    for event, fields in (
        (RecordsDestroyed, {**DESTROYED, "by_organisation": "Invented"}),
        (RecordsReturned, {"to": "Invented"}),
        (RecipientConfirmed, {"recipient": "Invented"}),
    ):
        with pytest.raises(InvalidInput, match="registered"):
            book.act(event, "2025-03-01", **fields)


def test_corrected_trigger_that_makes_a_destruction_early(book: Items) -> None:
    """Law judges the history as corrected: the destruction would have come too early."""
    trigger = book.act(RetentionTriggered, "2020-01-01")
    destroyed = book.act(RecordsDestroyed, "2025-03-01", **DESTROYED)
    with pytest.raises(LawRefused, match=f"entry {destroyed.index}"):
        book.act(RetentionTriggered, "2020-06-01", corrects=trigger.index)
    book.act(RetentionTriggered, "2020-02-01", corrects=trigger.index)


@pytest.mark.parametrize("event", [RecordsDestroyed, RecordsDeIdentified, RecordsRemoved])
@pytest.mark.parametrize("trigger_first", [True, False])
def test_1_law_g_nothing_imported_is_done_before_its_own_trigger(
    book: Items, event: type[CaseEvent], trigger_first: bool
) -> None:
    """NSW §3: a register that leaves the trigger out has a gap; one that states a later trigger has not."""
    acts = [(RetentionTriggered, "2021-03-01"), (event, "2021-02-28")]
    first, second = acts if trigger_first else acts[::-1]
    book.act(first[0], first[1], imported=True)
    with pytest.raises(LawRefused, match=r"2021-02-28 is before the trigger of 2021-03-01.*§3"):
        book.act(second[0], second[1], imported=True)


@pytest.mark.parametrize(
    ("triggered", "destroyed", "fields"),
    [
        ("2021-03-01", "2021-02-28", {"early_authority": "Keeper's approval 12"}),
        ("2021-03", "2021-03-15", {}),
        ("2021-03-15", "2021-03", {}),
        ("2021-03-01", None, {}),
        (None, "2021-02-28", {}),
    ],
)
def test_1_law_g_an_import_is_early_only_where_it_says_so(
    book: Items, triggered: str | None, destroyed: str | None, fields: dict[str, Any]
) -> None:
    """An authority for early destruction, or days that do not settle which came first."""
    book.act(RecordsDestroyed, destroyed, imported=True, **fields)
    book.act(RetentionTriggered, triggered, imported=True)
    assert book.item.standing.done is RetentionAction.DESTROY


def test_hold_of_an_id_used_before_recorded_late(book: Items) -> None:
    """Where the item stands goes by the days on which things happened, not by when they were recorded."""
    book.act(HoldPlaced, "2025-02-04", hold="h1", reason="second")
    book.act(HoldPlaced, "2025-01-01", hold="h0", reason="first")
    book.act(HoldReleased, "2025-01-05", hold="h0")
    with pytest.raises(LawRefused, match="open already"):
        book.act(HoldPlaced, "2025-01-02", hold="h1", reason="would still be open in February")
    assert book.item.standing.open_holds == {"h1": date(2025, 2, 4)}
    assert book.item.standing.holds == [
        (date(2025, 1, 1), date(2025, 1, 5)),
        (date(2025, 2, 4), None),
    ]


def test_4_wire_trigger_of_a_month_starts_no_clock(book: Items) -> None:
    """A trigger that is not known to the day is a gap: no due date, and no destruction too early."""
    book.act(RetentionTriggered, "2024-03")
    assert book.item.standing.due(CALENDAR) is None
    assert book.item.standing.triggered_on == date(2024, 3, 1)
    book.act(RecordsDestroyed, "2024-05-01", **DESTROYED)


def test_1_law_g_correction_rejudges_what_was_recorded_before_it_and_happened_after(book: Items) -> None:
    """A destruction corrected to rest on a trigger recorded after it is judged again when that trigger goes."""
    early = book.act(RecordsDestroyed, "2025-06-20", **DESTROYED, early_authority="GA 30")
    trigger = book.act(RetentionTriggered, "2020-01-01")
    book.act(RecordsDestroyed, "2025-06-20", **DESTROYED, corrects=early.index)
    for change in ({"why": CorrectionKind.ENTERED_IN_ERROR}, {}):
        day = "2020-01-01" if change else "2021-01-01"
        with pytest.raises(LawRefused, match=r"as corrected, entry 3 .*early destruction"):
            book.act(RetentionTriggered, day, corrects=trigger.index, **change)
