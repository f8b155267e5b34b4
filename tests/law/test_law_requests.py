from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LawRefused
from ledger.law import requests
from ledger.law.requests import FINAL, NEXT, WHOLE, PartState

ON = date(2025, 6, 11)
BEFORE_VPS = date(2021, 4, 27)
OPEN = {WHOLE: PartState.OPEN}
SCOPE = "scope of this policy"
SHARE = "responsibility to share"


def test_vps_request_states_its_form():
    with pytest.raises(LawRefused, match=f"form.*{SHARE}"):
        requests.form_fits_scheme("vps", None, ON, imported=False)
    with pytest.raises(LawRefused, match="neither informal nor formal"):
        requests.form_fits_scheme("nsw", "formal", ON, imported=True)
    requests.form_fits_scheme("vps", None, ON, imported=True)
    requests.form_fits_scheme("vps", "informal", ON, imported=False)
    requests.form_fits_scheme("nsw", None, ON, imported=False)
    requests.form_fits_scheme("vps", None, BEFORE_VPS, imported=False)
    with pytest.raises(LawRefused, match="form"):
        requests.form_fits_scheme("vps", None, None, imported=False)


def test_scheme_other_names_its_law():
    with pytest.raises(LawRefused, match="the law it was made under"):
        requests.other_scheme_names_law("other", None, imported=False)
    requests.other_scheme_names_law("other", "FOI Act 1982", imported=False)
    requests.other_scheme_names_law("vps", None, imported=False)


@pytest.mark.parametrize(
    ("requester", "provider", "who"), [(False, True, "requester"), (True, False, "provider")]
)
def test_vps_scope_formal_request_between_parties_not_bound_is_refused(requester, provider, who):
    for imported in (True, False):
        with pytest.raises(LawRefused, match=f"{who} was not bound.*{SCOPE}"):
            requests.formal_vps_needs_both_parties_bound(
                "vps", "formal", ON, requester, provider, imported=imported
            )


def test_vps_scope_unknown_binding_is_a_gap_when_imported_only():
    with pytest.raises(LawRefused, match="must be stated"):
        requests.formal_vps_needs_both_parties_bound("vps", "formal", ON, None, True, imported=False)
    requests.formal_vps_needs_both_parties_bound("vps", "formal", ON, None, True, imported=True)


def test_vps_scope_judges_formal_vps_requests_since_28_4_2021_only():
    requests.formal_vps_needs_both_parties_bound("vps", "formal", ON, True, True, imported=False)
    for scheme, form, on in (("vps", "informal", ON), ("nsw", None, ON), ("vps", "formal", BEFORE_VPS)):
        requests.formal_vps_needs_both_parties_bound(scheme, form, on, False, False, imported=False)


@pytest.mark.parametrize(
    ("scheme", "form", "what"),
    [("vps", "formal", "formal of vps"), ("nsw", None, "one of nsw"), ("vps", None, "one of vps")],
)
def test_vps_only_an_informal_vps_request_is_escalated(scheme, form, what):
    with pytest.raises(LawRefused, match=f"not {what}.*{SHARE}"):
        requests.escalates_informal_to_formal(scheme, form)
    requests.escalates_informal_to_formal("vps", "informal")


@pytest.mark.parametrize("ended_by", ["withdrawn", "referred"])
def test_request_nothing_after_withdrawn_or_referred(ended_by):
    with pytest.raises(LawRefused, match=f"the request was {ended_by}"):
        requests.request_is_open(ended_by)
    requests.request_is_open(None)


def test_request_information_is_provided_only_where_sought():
    with pytest.raises(LawRefused, match="no further information"):
        requests.answers_what_was_sought(0)
    requests.answers_what_was_sought(1)


@pytest.mark.parametrize("parts", [["a"], ["a", "a"], ["a", WHOLE], ["a", " "], []])
def test_request_division_names_two_or_more_different_parts(parts):
    with pytest.raises(LawRefused, match="two or more different parts"):
        requests.divided_once_into_parts(OPEN, parts)


def test_request_is_divided_once_and_before_an_outcome():
    requests.divided_once_into_parts(OPEN, ["a", "b"])
    with pytest.raises(LawRefused, match="divided already"):
        requests.divided_once_into_parts(requests.divided_states(["a", "b"]), ["c", "d"])
    with pytest.raises(LawRefused, match="refused already"):
        requests.divided_once_into_parts({WHOLE: PartState.REFUSED}, ["a", "b"])


def test_request_outcome_names_parts_that_exist_each_once():
    for parts, reason in (([], "at least one"), (["whole", "whole"], "none twice"), (["x"], "no part 'x'")):
        with pytest.raises(LawRefused, match=reason):
            requests.parts_exist(parts, OPEN)
    requests.parts_exist([WHOLE], OPEN)


@pytest.mark.parametrize("outcome", sorted(FINAL))
def test_request_one_outcome_a_part(outcome):
    requests.parts_may_become([WHOLE], outcome, OPEN)
    for done in sorted(FINAL):
        with pytest.raises(LawRefused, match=f"is {done} and cannot become {outcome}"):
            requests.parts_may_become([WHOLE], outcome, {WHOLE: done})


def test_request_an_approval_may_still_become_any_outcome():
    for outcome in sorted(FINAL):
        requests.parts_may_become([WHOLE], outcome, {WHOLE: PartState.APPROVED})


def test_request_recurring_supply_is_disclosed_again_and_never_refused_after():
    done = {WHOLE: PartState.DISCLOSED}
    requests.parts_may_become([WHOLE], "disclosed", done, recurring=True)
    with pytest.raises(LawRefused, match="cannot become refused"):
        requests.parts_may_become([WHOLE], "refused", done, recurring=True)
    with pytest.raises(LawRefused, match="cannot become disclosed"):
        requests.parts_may_become([WHOLE], "disclosed", {WHOLE: PartState.REFUSED}, recurring=True)


def test_request_unknown_part_has_no_outcome():
    with pytest.raises(LawRefused, match="no part 'x'"):
        requests.parts_may_become(["x"], "refused", OPEN)


def test_vps_scope_restricted_part_is_closed_not_refused():
    with pytest.raises(LawRefused, match=f"close b as out of scope.*{SCOPE}"):
        requests.restricted_part_is_closed_not_refused("vps", ON, ["a", "b"], ["b"])
    requests.restricted_part_is_closed_not_refused("vps", ON, ["a"], ["b"])
    requests.restricted_part_is_closed_not_refused("nsw", ON, ["b"], ["b"])


@pytest.mark.parametrize(("scheme", "section"), [("vps", SHARE), ("nsw", "Data.NSW guide §2")])
def test_vps_and_nsw_s2_refusal_needs_a_ground(scheme, section):
    with pytest.raises(LawRefused, match=f"ground.*{section}"):
        requests.refusal_states_ground(scheme, ON, [], None, imported=False)
    with pytest.raises(LawRefused, match="its words"):
        requests.refusal_states_ground(scheme, ON, ["other"], None, imported=False)
    requests.refusal_states_ground(scheme, ON, ["too_risky"], None, imported=False)
    requests.refusal_states_ground(scheme, ON, ["other"], "floods", imported=False)
    requests.refusal_states_ground(scheme, ON, ["other"], None, imported=True)
    requests.refusal_states_ground(scheme, ON, [], None, imported=True)


@pytest.mark.parametrize(("scheme", "section"), [("vps", SHARE), ("nsw", "Data.NSW guide §2")])
def test_vps_and_nsw_s2_refusal_needs_reasons(scheme, section):
    with pytest.raises(LawRefused, match=f"reasons.*{section}"):
        requests.refusal_states_reasons(scheme, ON, " ", imported=False)
    requests.refusal_states_reasons(scheme, ON, "too risky", imported=False)
    requests.refusal_states_reasons(scheme, ON, None, imported=True)


def test_refusal_under_another_scheme_or_before_the_policy_is_not_judged():
    for scheme, on in (("other", ON), ("vps", BEFORE_VPS), ("vps", None)):
        requests.refusal_states_ground(scheme, on, [], None, imported=False)
        requests.refusal_states_reasons(scheme, on, None, imported=False)


@pytest.mark.parametrize(("scheme", "form"), [("vps", "formal"), ("nsw", None)])
def test_vps_formal_and_nsw_s2_reasons_are_in_writing(scheme, form):
    for imported in (True, False):
        with pytest.raises(LawRefused, match="in writing"):
            requests.refusal_reasons_are_written(scheme, form, ON, False, imported=imported)
    with pytest.raises(LawRefused, match="must be stated"):
        requests.refusal_reasons_are_written(scheme, form, ON, None, imported=False)
    requests.refusal_reasons_are_written(scheme, form, ON, None, imported=True)
    requests.refusal_reasons_are_written(scheme, form, ON, True, imported=False)


def test_vps_informal_refusal_may_be_oral():
    requests.refusal_reasons_are_written("vps", "informal", ON, False, imported=False)
    requests.refusal_reasons_are_written("vps", "formal", BEFORE_VPS, False, imported=False)


def test_nsw_s2_refusal_is_sent_on_or_after_its_decision():
    with pytest.raises(LawRefused, match="the day on which the refusal was sent"):
        requests.nsw_refusal_is_sent("nsw", ON, ON, None, imported=False)
    with pytest.raises(LawRefused, match="before the decision"):
        requests.nsw_refusal_is_sent("nsw", ON, ON, date(2025, 6, 10), imported=True)
    requests.nsw_refusal_is_sent("nsw", ON, ON, ON, imported=False)
    requests.nsw_refusal_is_sent("nsw", ON, ON, None, imported=True)
    requests.nsw_refusal_is_sent("vps", ON, ON, None, imported=False)


def test_nsw_s1_closing_states_its_reason_and_where_public_data_is():
    with pytest.raises(LawRefused, match="reason of closing"):
        requests.closing_states_reason("vps", None, None, None, imported=False)
    with pytest.raises(LawRefused, match=r"where the data is public.*Data\.NSW guide §1"):
        requests.closing_states_reason("nsw", "public", None, None, imported=False)
    with pytest.raises(LawRefused, match="its words"):
        requests.closing_states_reason("vps", "other", None, None, imported=False)
    requests.closing_states_reason("nsw", "public", None, "data.vic.gov.au", imported=False)
    requests.closing_states_reason("vps", "not_held", None, None, imported=False)
    requests.closing_states_reason("vps", None, None, None, imported=True)
    requests.closing_states_reason("vps", "other", None, None, imported=True)


def test_vps_refusal_copy_only_after_the_refusal_of_a_formal_request():
    for scheme, form in (("vps", "informal"), ("nsw", None)):
        with pytest.raises(LawRefused, match="only the refusal of a formal VPS request"):
            requests.refusal_copy_follows_formal_refusal(scheme, form, True)
    with pytest.raises(LawRefused, match="nothing was refused"):
        requests.refusal_copy_follows_formal_refusal("vps", "formal", False)
    requests.refusal_copy_follows_formal_refusal("vps", "formal", True)


def test_disclosure_states_what_to_whom_and_its_basis():
    for facts in ((None, "nsw", "x"), ("data", None, "x"), ("data", "x", None)):
        with pytest.raises(LawRefused, match="must be stated"):
            requests.disclosure_states_what(*facts, imported=False)
    requests.disclosure_states_what("data", "agreement", "dtf", imported=False)
    requests.disclosure_states_what(None, None, None, imported=True)


def test_ipp_2_2_disclosure_under_2_1_g_needs_the_written_note():
    with pytest.raises(LawRefused, match=r"IPP 2\.2"):
        requests.ipp_2_1_g_needs_written_note(["ipp_2_1_g"], ON, None, imported=False)
    requests.ipp_2_1_g_needs_written_note(["ipp_2_1_g"], ON, "note", imported=False)
    requests.ipp_2_1_g_needs_written_note(["ipp_2_1_g"], ON, None, imported=True)
    requests.ipp_2_1_g_needs_written_note(["ipp_2_1_f"], ON, None, imported=False)
    requests.ipp_2_1_g_needs_written_note(["ipp_2_1_g"], date(2014, 9, 16), None, imported=False)


def test_nsw_s2_disputed_only_after_an_outcome():
    for states in (OPEN, {WHOLE: PartState.APPROVED}):
        with pytest.raises(LawRefused, match="no outcome yet"):
            requests.disputed_after_outcome("nsw", states)
    with pytest.raises(LawRefused, match=r"no outcome yet of a .*\(Data.NSW guide §2\)"):
        requests.disputed_after_outcome("nsw", {"a": PartState.OPEN, "b": PartState.REFUSED})
    with pytest.raises(LawRefused, match=r"\(ledger rule: "):
        requests.disputed_after_outcome("vps", {"a": PartState.OPEN})
    requests.disputed_after_outcome("nsw", {"b": PartState.REFUSED})


def test_nsw_s2_gipa_application_follows_a_refusal():
    with pytest.raises(LawRefused, match="follows an NSW request"):
        requests.gipa_follows_nsw_refusal("vps", {WHOLE: PartState.REFUSED})
    with pytest.raises(LawRefused, match="no part was refused"):
        requests.gipa_follows_nsw_refusal("nsw", OPEN)
    requests.gipa_follows_nsw_refusal("nsw", {WHOLE: PartState.REFUSED})


def test_vps_resourcing_is_agreed_under_the_policy_only():
    with pytest.raises(LawRefused, match=SHARE):
        requests.resourcing_is_of_vps("nsw", None, None, imported=False)
    requests.resourcing_is_of_vps("vps", "shared", None, imported=False)


def test_vps_resourcing_is_an_open_vocabulary_other_comes_with_its_words():
    with pytest.raises(LawRefused, match="who meets the cost: 'other'"):
        requests.resourcing_is_of_vps("vps", "other", None, imported=False)
    requests.resourcing_is_of_vps("vps", "other", "a third agency", imported=False)
    requests.resourcing_is_of_vps("vps", "other", None, imported=True)


@pytest.mark.parametrize(("scheme", "on"), [("other", ON), ("vps", date(2021, 1, 1)), ("vps", None)])
def test_ground_other_comes_with_its_words_under_every_scheme_and_on_every_day(scheme, on):
    with pytest.raises(LawRefused, match="ground of refusal: 'other' must come with its words"):
        requests.refusal_states_ground(scheme, on, ["other"], None, imported=False)
    requests.refusal_states_ground(scheme, on, ["other"], "s 27 of that Act", imported=False)
    requests.refusal_states_ground(scheme, on, [], None, imported=False)


@pytest.mark.parametrize(
    ("states", "ended_by", "out", "outcome"),
    [
        ({"a": "open"}, None, (), None),
        ({"a": "open"}, "withdrawn", (), "withdrawn"),
        ({"a": "disclosed", "b": "closed"}, None, ("b",), "provided"),
        ({"a": "disclosed", "b": "closed"}, None, (), "provided in part"),
        ({"a": "disclosed", "b": "refused"}, None, (), "provided in part"),
        ({"a": "refused", "b": "closed"}, None, (), "refused"),
        ({"a": "closed"}, None, ("a",), "out of scope"),
        ({"a": "closed"}, None, (), "closed"),
        ({"a": "approved"}, None, (), None),
    ],
)
def test_a_request_has_one_outcome(states, ended_by, out, outcome):
    assert requests.overall_outcome(states, ended_by, out) == outcome


@given(st.lists(st.sampled_from(sorted(PartState)), max_size=12))
def test_property_a_part_reaches_at_most_one_outcome(wanted):
    state, outcomes = PartState.OPEN, 0
    for outcome in wanted:
        if outcome in NEXT[state]:
            requests.parts_may_become([WHOLE], outcome, {WHOLE: state})
            state, outcomes = outcome, outcomes + (outcome in FINAL)
        else:
            with pytest.raises(LawRefused):
                requests.parts_may_become([WHOLE], outcome, {WHOLE: state})
    assert outcomes <= 1


def test_vps_what_is_wholly_answered_is_not_escalated():
    with pytest.raises(LawRefused, match=f"nothing is left to be escalated.*{SHARE}"):
        requests.something_is_left({"a": "disclosed", "b": "refused"}, "escalated", recurring=False)
    requests.something_is_left({"a": "disclosed", "b": "open"}, "escalated", recurring=False)
    requests.something_is_left({"a": "approved"}, "withdrawn", recurring=None)


def test_request_recurring_supply_may_still_be_withdrawn():
    requests.something_is_left({"a": "disclosed", "b": "refused"}, "withdrawn", recurring=True)
    with pytest.raises(LawRefused, match="nothing is left to be withdrawn"):
        requests.something_is_left({"a": "refused"}, "withdrawn", recurring=True)


def test_request_is_referred_to_another_named_agency():
    with pytest.raises(LawRefused, match="the agency that it was referred to"):
        requests.referral_names_agency(None, "dpc", imported=False)
    with pytest.raises(LawRefused, match="never to the provider itself"):
        requests.referral_names_agency("dpc", "dpc", imported=True)
    requests.referral_names_agency("dtf", "dpc", imported=False)
    requests.referral_names_agency(None, "dpc", imported=True)


def test_ipp_2_1_h_disclosure_carries_its_authorisation_and_certificate():
    with pytest.raises(LawRefused, match=r"authorisation and certificate.*2\.1\(h\)"):
        requests.ipp_2_1_h_needs_authority(["ipp_2_1_h"], ON, None, imported=False)
    requests.ipp_2_1_h_needs_authority(["ipp_2_1_h"], ON, "certificate", imported=False)
    requests.ipp_2_1_h_needs_authority(["ipp_2_1_h"], ON, None, imported=True)
    requests.ipp_2_1_h_needs_authority(["ipp_2_1_g"], ON, None, imported=False)
    requests.ipp_2_1_h_needs_authority(["ipp_2_1_h"], date(2014, 9, 16), None, imported=False)


@pytest.mark.parametrize(
    ("scheme", "form", "expected"),
    [("vps", "formal", True), ("vps", "informal", False), ("vps", None, False), ("nsw", None, False)],
)
def test_vps_responsibility_to_share_14_days_are_of_formal_requests(scheme, form, expected):
    assert requests.is_formal_vps(scheme, form) is expected
