from datetime import date

import pytest

from ledger.errors import LawRefused
from ledger.law import complaints

MADE, RECEIVED = date(2025, 3, 1), date(2025, 3, 4)


def test_ciss_ch5_footnote_1_courts_and_tribunals_keep_no_such_record():
    assert complaints.records_are_required(False, RECEIVED)
    assert not complaints.records_are_required(True, RECEIVED)
    assert not complaints.records_are_required(False, date(2018, 9, 26))


@pytest.mark.parametrize(
    ("made", "received", "nature", "what"),
    [
        (None, RECEIVED, "x", "was made"),
        (MADE, None, "x", "was received"),
        (MADE, RECEIVED, None, "nature"),
    ],
)
def test_ciss_ch5_complaint_states_dates_and_nature(made, received, nature, what):
    with pytest.raises(LawRefused, match=f"{what}.*ch. 5"):
        complaints.complaint_states_what_and_when(True, made, received, nature, imported=False)
    complaints.complaint_states_what_and_when(True, made, received, nature, imported=True)
    complaints.complaint_states_what_and_when(False, made, received, nature, imported=False)


def test_ciss_ch5_complaint_is_not_received_before_it_is_made():
    for imported in (True, False):
        with pytest.raises(LawRefused, match="before it was made"):
            complaints.complaint_states_what_and_when(True, RECEIVED, MADE, "x", imported=imported)
    complaints.complaint_states_what_and_when(True, MADE, MADE, "x", imported=False)


def test_ciss_ch6_individuals_and_entities_complain():
    with pytest.raises(LawRefused, match=r"not journalist.*ch\. 6"):
        complaints.complainant_is_individual_or_entity("journalist", imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        complaints.complainant_is_individual_or_entity(None, imported=False)
    complaints.complainant_is_individual_or_entity("entity", imported=False)
    complaints.complainant_is_individual_or_entity(None, imported=True)


def test_ciss_ch6_complaint_about_an_unmet_request_links_it():
    with pytest.raises(LawRefused, match="the request that was not met"):
        complaints.unmet_request_is_linked("request_not_met", None, imported=False)
    complaints.unmet_request_is_linked("request_not_met", "case-1", imported=False)
    complaints.unmet_request_is_linked("request_not_met", None, imported=True)
    complaints.unmet_request_is_linked("privacy", None, imported=False)


@pytest.mark.parametrize(("resolve", "prevent"), [(None, "none necessary"), ("none", " ")])
def test_ciss_ch5_closing_without_both_actions_is_refused(resolve, prevent):
    with pytest.raises(LawRefused, match=r"action to .* must be stated.*ch\. 5"):
        complaints.closing_states_both_actions(True, resolve, prevent, imported=False)
    complaints.closing_states_both_actions(True, resolve, prevent, imported=True)
    complaints.closing_states_both_actions(False, resolve, prevent, imported=False)


def test_ciss_ch5_either_action_may_be_none():
    complaints.closing_states_both_actions(True, "none", "none necessary", imported=False)


def test_ciss_ch5_unresolved_states_further_action_or_none():
    with pytest.raises(LawRefused, match="further action, or 'none'"):
        complaints.unresolved_states_further_action(True, False, None, imported=False)
    with pytest.raises(LawRefused, match="whether the complaint was resolved"):
        complaints.unresolved_states_further_action(True, None, None, imported=False)
    with pytest.raises(LawRefused, match="resolved has no further action"):
        complaints.unresolved_states_further_action(True, True, "letter", imported=True)
    complaints.unresolved_states_further_action(True, False, "none", imported=False)
    complaints.unresolved_states_further_action(True, True, None, imported=False)
    complaints.unresolved_states_further_action(True, False, None, imported=True)
    complaints.unresolved_states_further_action(False, None, None, imported=False)


def test_ciss_ch5_complaint_is_closed_once():
    with pytest.raises(LawRefused, match="closed already"):
        complaints.complaint_is_open(True)
    complaints.complaint_is_open(False)


def test_ciss_ch6_taken_on_to_ovic_hcc_or_oaic():
    with pytest.raises(LawRefused, match="not ombudsman"):
        complaints.taken_on_to_an_oversight_body("ombudsman", imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        complaints.taken_on_to_an_oversight_body(None, imported=False)
    for body in ("ovic", "hcc", "oaic"):
        complaints.taken_on_to_an_oversight_body(body, imported=False)


def test_ciss_ch6_result_follows_taking_on():
    with pytest.raises(LawRefused, match="not taken on to hcc"):
        complaints.result_follows_taking_on("hcc", {"ovic"})
    complaints.result_follows_taking_on("ovic", {"ovic"})


def test_ciss_ch5_time_taken_is_counted_from_receipt():
    assert complaints.days_to_resolve(MADE, RECEIVED, date(2025, 4, 1)) == 28
    assert complaints.days_to_resolve(MADE, None, date(2025, 4, 1)) is None
    assert complaints.days_to_resolve(MADE, RECEIVED, None) is None


def test_ciss_ch5_action_that_was_taken_is_described():
    with pytest.raises(LawRefused, match=r"which action was taken.*ch\. 5"):
        complaints.action_taken_is_described("taken", None, imported=False)
    complaints.action_taken_is_described("taken", "apology", imported=False)
    complaints.action_taken_is_described("none", None, imported=False)
    complaints.action_taken_is_described("taken", None, imported=True)


def test_ciss_ch5_a_complaint_of_unknown_date_is_asked_for_its_record_all_the_same():
    assert complaints.records_are_required(False, None)
    assert not complaints.records_are_required(True, None)


def test_ciss_ch5_footnote_1_a_registered_court_says_that_it_is_one():
    for stated in (None, False):
        with pytest.raises(LawRefused, match=r"court or tribunal.*ch\. 5"):
            complaints.court_says_that_it_is_one(True, stated)
    complaints.court_says_that_it_is_one(True, True)
    complaints.court_says_that_it_is_one(False, None)
    complaints.court_says_that_it_is_one(False, True)
