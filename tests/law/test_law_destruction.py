from dataclasses import replace
from datetime import date

import pytest

from ledger.errors import InvalidInput, LawRefused
from ledger.law import destruction
from ledger.law.destruction import Matter, Reach

MATTER = Matter(
    case="c-1",
    keys=frozenset({"k1", "k2"}),
    area="request",
    events=frozenset({"ledger.request.v1.RequestReceived"}),
    organisations=frozenset({"dffh", "vicpol"}),
    opened_first=date(2025, 6, 1),
    opened_last=date(2025, 6, 30),
)


@pytest.mark.parametrize(
    ("reach", "covered"),
    [
        (Reach(), True),
        (Reach(case="c-1"), True),
        (Reach(case="c-2"), False),
        (Reach(keys=frozenset({"k2", "k9"})), True),
        (Reach(keys=frozenset({"k9"})), False),
        (Reach(area="request"), True),
        (Reach(area="complaint"), False),
        (Reach(event="ledger.request.v1.RequestReceived"), True),
        (Reach(event="ledger.request.v1.RequestRefused"), False),
        (Reach(organisation="vicpol"), True),
        (Reach(organisation="dtf"), False),
        (Reach(opened_from=date(2025, 6, 30)), True),
        (Reach(opened_from=date(2025, 7, 1)), False),
        (Reach(opened_to=date(2025, 6, 1)), True),
        (Reach(opened_to=date(2025, 5, 31)), False),
        (Reach(area="request", organisation="dtf"), False),
    ],
)
def test_a_hold_covers_what_meets_every_condition_that_it_states(reach, covered):
    assert destruction.hold_covers(reach, MATTER) is covered


def test_a_case_opened_on_a_day_nobody_knows_is_covered_whatever_the_days():
    unknown = replace(MATTER, opened_first=None, opened_last=None)
    assert destruction.hold_covers(Reach(opened_from=date(2030, 1, 1)), unknown)
    assert destruction.hold_covers(Reach(opened_to=date(1990, 1, 1)), unknown)


def test_nothing_is_destroyed_while_a_hold_covers_it():
    with pytest.raises(LawRefused, match=r"held: h1, h2.*holds stop destruction"):
        destruction.not_destroyed_while_hold_covers(["h2", "h1"])
    destruction.not_destroyed_while_hold_covers([])


def test_the_days_of_a_hold_are_in_order():
    with pytest.raises(LawRefused, match="cannot end on 2025-05-31"):
        destruction.hold_days_are_in_order(date(2025, 6, 1), date(2025, 5, 31))
    destruction.hold_days_are_in_order(date(2025, 6, 1), date(2025, 6, 1))
    destruction.hold_days_are_in_order(None, date(2025, 6, 1))
    destruction.hold_days_are_in_order(date(2025, 6, 1), None)


def test_ipp_4_2_a_destruction_states_its_ground_and_its_authority():
    states = destruction.destruction_states_ground_and_authority
    states("no_longer_needed", None, None, "instrument of delegation 12")
    states("no_longer_needed", None, "GA28 2.9.1", None)
    states("other", "by court order 3 of 2025", None, "the order")
    with pytest.raises(LawRefused, match=r"the authority .* must be stated"):
        states("no_longer_needed", None, None, " ")
    with pytest.raises(LawRefused, match="'other' must come with its words"):
        states("other", None, None, "the order")
    with pytest.raises(InvalidInput, match="disposal_authority: expected a number"):
        states("no_longer_needed", None, "the usual one", None)


def test_public_records_act_a_period_that_is_over_is_a_disposal_authoritys():
    states = destruction.destruction_states_ground_and_authority
    with pytest.raises(LawRefused, match="the disposal authority whose period is over must be stated"):
        states("retention_period_over", None, None, "our own schedule")
    states("retention_period_over", None, "PROS 07/01", None)


def test_a_destruction_names_its_keys_once_and_none_twice_destroyed():
    names = destruction.destruction_names_keys
    names(["a", "b"], {"c"})
    with pytest.raises(LawRefused, match="nothing to destroy"):
        names([], ())
    with pytest.raises(LawRefused, match="named twice"):
        names(["a", "a"], ())
    with pytest.raises(LawRefused, match="destroyed already: b"):
        names(["a", "b"], {"b"})
    most = [f"{n:032x}" for n in range(destruction.MOST_KEYS)]
    names(most, ())
    with pytest.raises(InvalidInput, match="at most 1500"):
        names([*most, "one more"], ())


def test_the_ledgers_own_streams_are_no_case():
    with pytest.raises(LawRefused, match="name a subject"):
        destruction.ledgers_own_streams_stay(True, True)
    destruction.ledgers_own_streams_stay(True, False)
    destruction.ledgers_own_streams_stay(False, True)


def test_a_subject_is_named_or_its_keys_are():
    named = destruction.subject_is_named
    named(True, None, ())
    named(False, "s-1", ())
    named(False, None, ("k1",))
    for subject, keys in (("s-1", ()), (None, ("k1",))):
        with pytest.raises(LawRefused, match="name no subject and no keys"):
            named(True, subject, keys)
    with pytest.raises(LawRefused, match="the subject, or its keys"):
        named(False, " ", ())
    # Approved as the one, and destroyed as the other.
    with pytest.raises(LawRefused, match="not both"):
        named(False, "s-1", ("k2",))


def test_a_proposal_has_an_id_of_its_own():
    with pytest.raises(LawRefused, match="d1 was proposed already"):
        destruction.destruction_is_new("d1", {"d1"})
    destruction.destruction_is_new("d2", {"d1"})


@pytest.mark.parametrize("standing", ["refused", "authorised", "completed"])
def test_only_what_is_pending_goes_on(standing):
    with pytest.raises(LawRefused, match=f"d1 is {standing} already"):
        destruction.destruction_is_pending("d1", standing)
    with pytest.raises(LawRefused, match="never proposed"):
        destruction.destruction_is_pending("d1", None)
    destruction.destruction_is_pending("d1", "proposed")
    destruction.destruction_is_pending("d1", "approved")


def test_a_proposal_is_approved_once():
    with pytest.raises(LawRefused, match="approved already"):
        destruction.approved_once("d1", "approved")
    destruction.approved_once("d1", "proposed")


def test_a_second_person_where_the_organisation_demands_one():
    with pytest.raises(LawRefused, match="demands a second person"):
        destruction.second_person_where_demanded(True, None)
    destruction.second_person_where_demanded(True, "ada")
    destruction.second_person_where_demanded(False, None)


def test_what_is_authorised_is_what_was_proposed():
    with pytest.raises(LawRefused, match="propose it anew"):
        destruction.authorised_as_proposed(("case", ("k1",)), ("case", ("k1", "k2")))
    destruction.authorised_as_proposed(("case", ("k1",)), ("case", ("k1",)))


def test_destruction_happens_when_it_is_recorded():
    today = date(2025, 6, 11)
    for happened in (None, date(2025, 6, 10)):
        with pytest.raises(LawRefused, match="it happened on 2025-06-11"):
            destruction.destruction_happens_when_recorded(happened, today)
    destruction.destruction_happens_when_recorded(today, today)


def test_a_receipt_is_of_what_was_authorised():
    with pytest.raises(LawRefused, match="never authorised: d2"):
        destruction.receipt_is_of_what_was_authorised(["d1", "d2"], {"d1"})
    destruction.receipt_is_of_what_was_authorised(["d1"], {"d1"})


def test_what_is_destroyed_stays_so():
    with pytest.raises(LawRefused, match="is not corrected"):
        destruction.what_is_destroyed_stays_so(object())
    destruction.what_is_destroyed_stays_so(None)


def test_a_destroyed_value_says_under_what():
    says = destruction.says_under_what
    assert says("no_longer_needed", None) == "no longer needed (PDPA IPP 4.2)"
    expected = "retention period over (Public Records Act), PROS 07/01"
    assert says("retention_period_over", "PROS 07/01") == expected


def test_nothing_was_sealed_since_it_was_proposed():
    with pytest.raises(LawRefused, match="sealed since it was proposed: key k2; propose it anew"):
        destruction.nothing_was_added_since(["k1"], ["k1", "k2"], [])
    destruction.nothing_was_added_since(["k1", "k2"], ["k1"], [])


def test_4_wire_nothing_was_sealed_under_the_same_keys_since_it_was_proposed():
    with pytest.raises(LawRefused, match=r"proposed: in entry 7; .*ledger rule: destruction"):
        destruction.nothing_was_added_since(["k1"], ["k1"], [9, 7])
    destruction.nothing_was_added_since(["k1"], ["k1"], [])
