from datetime import date

import pytest

from ledger.errors import InvalidInput, LawRefused
from ledger.law import clocks, retention
from ledger.law.time import Period

TRIGGERED = date(2020, 6, 30)


@pytest.mark.parametrize("missing", range(4))
def test_nsw_s3_item_states_dataset_holder_trigger_and_action(missing):
    facts = ["survey", "dtf", "project completed", "destroy"]
    retention.item_states_what_and_when(*facts, imported=False)
    facts[missing] = None
    with pytest.raises(LawRefused, match=r"must be stated.*Data\.NSW guide §3"):
        retention.item_states_what_and_when(*facts, imported=False)
    retention.item_states_what_and_when(*facts, imported=True)


def test_nsw_s3_action_is_one_of_the_known():
    with pytest.raises(LawRefused, match="burn is none of"):
        retention.item_states_what_and_when("survey", "dtf", "end", "burn", imported=True)


def test_nsw_s3_trigger_happens_once():
    with pytest.raises(LawRefused, match="triggered already"):
        retention.triggered_once(True)
    retention.triggered_once(False)


def test_hold_states_its_reason():
    with pytest.raises(LawRefused, match="reason of the hold"):
        retention.hold_states_reason("", imported=False)
    retention.hold_states_reason("inquiry", imported=False)
    retention.hold_states_reason(None, imported=True)


def test_hold_has_a_name_of_its_own_and_is_released_once():
    with pytest.raises(LawRefused, match="open already"):
        retention.hold_is_new("h1", {"h1"})
    retention.hold_is_new("h2", {"h1"})
    with pytest.raises(LawRefused, match="h2 is not open"):
        retention.released_hold_is_open("h2", {"h1"})
    retention.released_hold_is_open("h1", {"h1"})


def test_destruction_while_a_hold_is_open_is_refused():
    with pytest.raises(LawRefused, match="held: h1, h2"):
        retention.not_destroyed_while_held({"h2", "h1"})
    retention.not_destroyed_while_held(())


def test_nsw_s3_a_trigger_after_the_destruction_is_refused():
    before, after = date(2020, 6, 29), date(2020, 7, 1)
    with pytest.raises(LawRefused, match=r"2020-06-29 is before the trigger of 2020-06-30.*§3"):
        retention.trigger_not_after_action(TRIGGERED, before, " ")
    retention.trigger_not_after_action(TRIGGERED, before, "Keeper's approval 12")
    for triggered, done in ((TRIGGERED, TRIGGERED), (TRIGGERED, after), (None, before), (TRIGGERED, None)):
        retention.trigger_not_after_action(triggered, done, None)


def test_nsw_s3_destruction_before_the_period_has_run_is_refused(calendar):
    due = clocks.due("retention.action", TRIGGERED, calendar, period=Period(years=5))
    with pytest.raises(LawRefused, match=r"2025-06-29 is before 2025-06-30.*§3"):
        retention.not_before_period_has_run(date(2025, 6, 29), due, True, None)
    retention.not_before_period_has_run(date(2025, 6, 30), due, True, None)


def test_nsw_s3_destruction_before_the_trigger_is_refused():
    with pytest.raises(LawRefused, match="the trigger has not come"):
        retention.not_before_period_has_run(date(2025, 6, 29), None, False, " ")


def test_early_destruction_names_its_authority(calendar):
    due = clocks.due("retention.action", TRIGGERED, calendar, period=Period(years=5))
    retention.not_before_period_has_run(date(2021, 1, 1), due, True, "PROS 07/01")
    retention.not_before_period_has_run(date(2021, 1, 1), None, False, "PROS 07/01")


@pytest.mark.parametrize("missing", range(4))
def test_destruction_states_what_how_by_whom_and_authority(missing):
    facts = ["survey", "shredded", "dtf", "GA 28 2.9.1"]
    retention.destruction_states_record(*facts, imported=False)
    facts[missing] = None
    with pytest.raises(LawRefused, match="must be stated"):
        retention.destruction_states_record(*facts, imported=False)
    retention.destruction_states_record(*facts, imported=True)


def test_nsw_s3_a_finished_item_is_not_touched_again():
    with pytest.raises(LawRefused, match="finished already: destroy"):
        retention.item_not_finished("destroy")
    retention.item_not_finished(None)


def test_nsw_s3_recipient_notifies_after_the_action():
    with pytest.raises(LawRefused, match="nothing is removed or destroyed yet"):
        retention.recipient_notifies_after_action(None)
    retention.recipient_notifies_after_action("remove")


@pytest.mark.parametrize("action", ["return", "transfer", "remove"])
def test_ipp_4_2_and_4_1_handing_on_ends_the_duty_where_no_copy_is_kept(action):
    """IPP 4.2 reaches what is held: in possession or under control (4(1))."""
    on = date(2025, 1, 1)

    def rule(needless, kept, day=on, imported=False):
        retention.nothing_is_kept_of_what_is_not_needed(day, needless, kept, imported=imported)

    for kept, imported in ((None, False), (True, False), (True, True)):
        with pytest.raises(LawRefused, match=r"IPP 4\.2"):
            rule(True, kept, imported=imported)
    rule(True, False)
    rule(True, None, imported=True)
    rule(False, True)
    rule(True, True, date(2014, 9, 16))
    assert retention.ends_ipp_4_2(action, False, None)
    assert not retention.ends_ipp_4_2(action, None, None)
    assert not retention.ends_ipp_4_2(action, True, None)


def test_ipp_4_2_is_ended_by_destruction_and_permanent_de_identification():
    assert retention.ends_ipp_4_2("destroy", None, None)
    assert retention.ends_ipp_4_2("de_identify", None, True)
    assert not retention.ends_ipp_4_2("de_identify", None, False)


def test_1_law_g_a_disposal_authority_is_cited_by_its_number():
    for cited in (None, "PROS 07/01", "PROS 07/01 VAR 2 4.1.0", "GA28 2.9.1", "GA 28", "FA320"):
        retention.disposal_authority_is_cited(cited)
    for words in ("Jane Citizen", "GA28 as Jane said", "PROS 7/1", ""):
        with pytest.raises(InvalidInput, match="disposal_authority"):
            retention.disposal_authority_is_cited(words)


def test_ipp_4_2_de_identification_is_permanent():
    on = date(2025, 1, 1)
    for imported in (True, False):
        with pytest.raises(LawRefused, match=r"undone.*IPP 4\.2"):
            retention.de_identification_is_permanent(on, True, False, imported=imported)
    with pytest.raises(LawRefused, match="must be stated"):
        retention.de_identification_is_permanent(None, True, None, imported=False)
    retention.de_identification_is_permanent(on, True, True, imported=False)
    retention.de_identification_is_permanent(on, True, None, imported=True)
    retention.de_identification_is_permanent(on, False, False, imported=False)
    retention.de_identification_is_permanent(date(2014, 9, 16), True, False, imported=False)
