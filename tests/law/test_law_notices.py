from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidInput, LawRefused
from ledger.law import notices
from ledger.law.notices import Effect, Recipient, Review, Service

DECIDED = date(2026, 2, 2)
OCCASIONS = [date(2024, 2, 2), date(2024, 6, 1), date(2025, 1, 1), date(2025, 7, 1), date(2026, 2, 2)]
SINCE = date(2021, 4, 26)


def test_78_1_a_an_ipp_is_one_of_schedule_1():
    """Schedule 1: ten principles, each with its clauses; 4(2): cited by number."""
    for cited in ("IPP 1", "IPP 1.5", "IPP 2.1(g)", "IPP 2.1(h)(ii)", "IPP 6.8", "IPP 10.2"):
        notices.provisions_are_cited("ipp", [cited])
    for none in ("IPP 0", "IPP 11", "IPP 1.6", "IPP 2.3", "IPP 4.0", "IPP 9.2", "4.1", "cl 4"):
        with pytest.raises(LawRefused, match="no Information Privacy Principle"):
            notices.provisions_are_cited("ipp", [none])
    notices.provisions_are_cited("code", ["cl 4"])
    with pytest.raises(InvalidInput, match=r"provisions\.0"):
        notices.provisions_are_cited("code", ["the clause that Jo drafted"])


def test_pdpa_s78_1_a_notice_names_an_ipp_code_or_arrangement():
    with pytest.raises(LawRefused, match=r"78\(1\)\(a\)"):
        notices.contravention_is_named(None, ["IPP 2.1"], imported=False)
    with pytest.raises(LawRefused, match="the provisions contravened"):
        notices.contravention_is_named("ipp", [], imported=False)
    with pytest.raises(LawRefused, match="certificate is no IPP"):
        notices.contravention_is_named("certificate", ["s 55"], imported=True)
    notices.contravention_is_named("ipp", ["IPP 2.1"], imported=False)
    notices.contravention_is_named(None, [], imported=True)


def test_pdpa_s78_1_b_notice_states_serious_or_flagrant_or_repeated():
    with pytest.raises(LawRefused, match=r"limb of 78\(1\)\(b\)"):
        notices.limb_is_stated(None, imported=False)
    with pytest.raises(LawRefused, match="minor"):
        notices.limb_is_stated("minor", imported=True)
    notices.limb_is_stated("repeated", imported=False)
    notices.limb_is_stated(None, imported=True)


def test_pdpa_s78_1_b_ii_needs_five_separate_occasions():
    notices.occasions_of_repeated_contravention("repeated", DECIDED, OCCASIONS, imported=False)
    with pytest.raises(LawRefused, match=r"4 are listed.*78\(1\)\(b\)\(ii\)"):
        notices.occasions_of_repeated_contravention("repeated", DECIDED, OCCASIONS[:4], imported=False)
    notices.occasions_of_repeated_contravention("repeated", DECIDED, OCCASIONS[:4], imported=True)
    notices.occasions_of_repeated_contravention("serious_or_flagrant", DECIDED, [], imported=False)


@pytest.mark.parametrize("outside", [date(2024, 2, 1), date(2026, 2, 3)])
def test_pdpa_s78_1_b_ii_occasion_outside_the_previous_two_years_is_refused(outside):
    for imported in (True, False):
        with pytest.raises(LawRefused, match=f"{outside} lies outside 2024-02-02 to 2026-02-02"):
            notices.occasions_of_repeated_contravention(
                "repeated", DECIDED, [*OCCASIONS, outside], imported=imported
            )


def test_pdpa_s78_1_b_ii_two_years_back_from_29_february():
    leap = [date(2022, 2, 28)] + [date(2023, 1, 1)] * 4
    notices.occasions_of_repeated_contravention("repeated", date(2024, 2, 29), leap, imported=False)


def test_pdpa_s78_1_b_ii_each_occasion_is_dated():
    with pytest.raises(LawRefused, match="date of each occasion"):
        notices.occasions_of_repeated_contravention("repeated", DECIDED, [*OCCASIONS, None], imported=False)
    notices.occasions_of_repeated_contravention("repeated", DECIDED, [*OCCASIONS, None], imported=True)


def test_pdpa_s78_1_b_ii_decision_from_before_the_act_is_not_judged():
    notices.occasions_of_repeated_contravention("repeated", date(2014, 9, 16), [], imported=False)


def test_pdpa_s78_2_notice_specifies_action_and_period():
    for action, period, missing in ((None, DECIDED, "action"), ("stop", None, "period")):
        with pytest.raises(LawRefused, match=rf"the specified {missing}.*78\(2\)"):
            notices.action_and_period_are_specified(action, period, imported=False)
    notices.action_and_period_are_specified("stop", DECIDED, imported=False)
    notices.action_and_period_are_specified(None, None, imported=True)


def test_pdpa_s78_5_application_by_one_who_was_no_complainant_is_refused():
    with pytest.raises(LawRefused, match=r"complainant under Division 8.*78\(5\)"):
        notices.initiative_is_own_or_complainants("application", False, imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        notices.initiative_is_own_or_complainants("application", None, imported=False)
    with pytest.raises(LawRefused, match="own initiative or application"):
        notices.initiative_is_own_or_complainants(None, None, imported=False)
    notices.initiative_is_own_or_complainants("application", True, imported=False)
    notices.initiative_is_own_or_complainants("own_initiative", None, imported=False)


SERVES = {
    Recipient.NATURAL_PERSON: set(Service) - {Service.LEFT_AT_OFFICE},
    Recipient.BODY_CORPORATE: {Service.LEFT_AT_OFFICE, Service.REGISTERED_POST, Service.ELECTRONIC},
    Recipient.UNINCORPORATED: {Service.LEFT_AT_OFFICE, Service.REGISTERED_POST, Service.ELECTRONIC},
}


@pytest.mark.parametrize("recipient", sorted(Recipient))
@pytest.mark.parametrize("method", sorted(Service))
def test_pdpa_s78_7_and_83C_3_to_4A_methods_of_service(recipient, method):
    if method in SERVES[recipient]:
        notices.service_by_83c(SINCE, recipient, method, True, True, imported=False)
    else:
        with pytest.raises(LawRefused, match=f"{method} does not serve a notice on a {recipient}.*83C"):
            notices.service_by_83c(SINCE, recipient, method, True, True, imported=True)


@pytest.mark.parametrize(
    ("recipient", "method"),
    [
        ("natural_person", "electronic"),
        ("natural_person", "representative_electronic"),
        ("body_corporate", "electronic"),
    ],
)
def test_pdpa_s83C_3A_b_f_and_4A_b_electronic_service_needs_a_confirmed_receipt(recipient, method):
    with pytest.raises(LawRefused, match=r"receipt is confirmed.*83C"):
        notices.service_by_83c(SINCE, recipient, method, False, imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        notices.service_by_83c(SINCE, recipient, method, None, imported=False)
    notices.service_by_83c(SINCE, recipient, method, None, imported=True)


@pytest.mark.parametrize(
    ("recipient", "method"),
    [("body_corporate", "left_at_office"), ("natural_person", "representative_left")],
)
def test_pdpa_s83C_3A_d_and_4_a_copy_is_left_with_an_adult_of_the_place(recipient, method):
    with pytest.raises(LawRefused, match="apparently 18"):
        notices.service_by_83c(SINCE, recipient, method, None, False, imported=False)
    notices.service_by_83c(SINCE, recipient, method, None, True, imported=False)


def test_pdpa_s78_7_service_before_26_4_2021_is_not_judged():
    before = SINCE - timedelta(days=1)
    notices.service_by_83c(before, "body_corporate", "personally", None, imported=False)
    with pytest.raises(LawRefused, match="does not serve"):
        notices.service_by_83c(SINCE, "body_corporate", "personally", None, imported=False)


def test_pdpa_s78_7_service_states_recipient_and_method():
    with pytest.raises(LawRefused, match="whom the notice is directed to"):
        notices.service_by_83c(SINCE, None, "electronic", True, imported=False)
    with pytest.raises(LawRefused, match="how the notice was served"):
        notices.service_by_83c(SINCE, "body_corporate", None, None, imported=False)
    with pytest.raises(LawRefused, match="neither a natural person nor a body"):
        notices.service_by_83c(SINCE, "crowd", "electronic", True, imported=False)
    for recipient, method in ((None, None), ("body_corporate", None), (None, "electronic")):
        notices.service_by_83c(SINCE, recipient, method, None, imported=True)


def test_pdpa_s78_4_extension_applied_after_expiry_is_refused():
    ends = date(2026, 3, 31)
    with pytest.raises(LawRefused, match=r"after the period expired on 2026-03-31.*78\(4\)"):
        notices.extension_applied_before_expiry(date(2026, 4, 1), ends)
    notices.extension_applied_before_expiry(ends, ends)
    notices.extension_applied_before_expiry(None, ends)


def test_pdpa_s78_3_the_organisation_served_applies():
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        notices.extension_applicant_is_recipient("a", "b")
    notices.extension_applicant_is_recipient("a", "a")


def test_pdpa_s78_3_extension_answers_an_application():
    with pytest.raises(LawRefused, match="no application"):
        notices.extension_answers_an_application(False)
    notices.extension_answers_an_application(True)


@pytest.mark.parametrize(
    ("finding", "undertaking", "reason"), [(False, True, "finding"), (True, False, "undertaking")]
)
def test_pdpa_s78_3_extension_without_finding_or_undertaking_is_refused(finding, undertaking, reason):
    for imported in (True, False):
        with pytest.raises(LawRefused, match=rf"{reason}.*78\(3\)"):
            notices.extension_needs_finding_and_undertaking(finding, undertaking, imported=imported)


def test_pdpa_s78_3_unstated_finding_or_undertaking_is_a_gap_when_imported_only():
    for finding, undertaking in ((None, True), (True, None)):
        with pytest.raises(LawRefused, match="must be stated"):
            notices.extension_needs_finding_and_undertaking(finding, undertaking, imported=False)
        notices.extension_needs_finding_and_undertaking(finding, undertaking, imported=True)
    notices.extension_needs_finding_and_undertaking(True, True, imported=False)


def test_pdpa_s78_3_extended_period_ends_later():
    with pytest.raises(LawRefused, match="does not extend"):
        notices.extension_lengthens(date(2026, 3, 31), date(2026, 3, 31), imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        notices.extension_lengthens(date(2026, 3, 31), None, imported=False)
    notices.extension_lengthens(date(2026, 3, 31), date(2026, 4, 1), imported=False)


def test_pdpa_s83_2_b_reasons_answer_a_request_once():
    with pytest.raises(LawRefused, match="no statement of reasons was requested"):
        notices.reasons_answer_a_request(False, False)
    with pytest.raises(LawRefused, match="answered already"):
        notices.reasons_answer_a_request(True, True)
    notices.reasons_answer_a_request(True, False)


def test_pdpa_s83_1_review_is_for_one_whose_interests_are_affected():
    with pytest.raises(LawRefused, match=r"83\(1\)"):
        notices.review_applicant_is_affected(False, imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        notices.review_applicant_is_affected(None, imported=False)
    notices.review_applicant_is_affected(True, imported=False)


def test_pdpa_s83_2_a_28_days_after_the_decision(calendar):
    assert notices.review_period(DECIDED, calendar).due == date(2026, 3, 2)


def test_pdpa_s83_2_b_28_days_after_reasons_given_or_refused(calendar):
    period = notices.review_period(
        DECIDED, calendar, reasons_requested=True, reasons_answered_on=date(2026, 3, 6)
    )
    assert period.due == date(2026, 4, 7)
    assert notices.review_period(DECIDED, calendar, reasons_requested=True) is None


def test_pdpa_s83_2_review_applied_for_late_is_refused(calendar):
    period = notices.review_period(DECIDED, calendar)
    notices.review_applied_in_time(period, date(2026, 3, 2))
    with pytest.raises(LawRefused, match=r"PDPA 83\(2\)"):
        notices.review_applied_in_time(period, date(2026, 3, 3))


def test_pdpa_s83_2_b_review_is_never_late_while_reasons_are_open():
    notices.review_applied_in_time(None, date(2027, 1, 1))


def test_pdpa_s83_1_result_answers_an_application_once():
    with pytest.raises(LawRefused, match="no review was applied for"):
        notices.review_result_answers_application(False, False)
    with pytest.raises(LawRefused, match="determined already"):
        notices.review_result_answers_application(True, True)
    notices.review_result_answers_application(True, False)


def test_pdpa_s82_2_a_effect_when_the_period_expires_last(calendar):
    found = notices.effect(date(2026, 3, 31), None, notices.review_period(DECIDED, calendar))
    assert (found.on, found.never) == (date(2026, 3, 31), False)
    assert "82(2)(a)" in found.because


def test_pdpa_s82_2_b_effect_when_the_extended_period_expires(calendar):
    period = notices.review_period(DECIDED, calendar)
    found = notices.effect(date(2026, 3, 31), date(2026, 4, 30), period)
    assert found.on == date(2026, 4, 30)
    assert "82(2)(b)" in found.because


def test_pdpa_s82_2_c_effect_at_the_rolled_end_of_the_review_period(calendar):
    period = notices.review_period(date(2026, 3, 6), calendar)
    found = notices.effect(date(2026, 3, 20), None, period)
    assert found.on == date(2026, 4, 7)
    assert "82(2)(c)" in found.because


def test_pdpa_s82_2_c_no_effect_while_reasons_are_open():
    assert notices.effect(date(2026, 3, 20), None, None).on is None


def test_pdpa_s82_2_d_no_effect_while_a_review_is_open(calendar):
    period = notices.review_period(DECIDED, calendar)
    found = notices.effect(date(2026, 3, 20), None, period, Review.OPEN)
    assert (found.on, found.never) == (None, False)


def test_pdpa_s82_2_d_effect_on_the_day_a_review_is_determined_for_the_commissioner(calendar):
    period = notices.review_period(DECIDED, calendar)
    found = notices.effect(date(2026, 3, 20), None, period, Review.FOR_COMMISSIONER, date(2026, 8, 14))
    assert found.on == date(2026, 8, 14)
    assert not found.is_in_effect(date(2026, 8, 13))
    assert found.is_in_effect(date(2026, 8, 14))
    assert notices.effect(date(2026, 3, 20), None, period, Review.FOR_COMMISSIONER).on is None


def test_pdpa_s82_2_d_never_in_effect_when_the_review_goes_against_the_commissioner(calendar):
    period = notices.review_period(DECIDED, calendar)
    found = notices.effect(date(2026, 3, 20), None, period, Review.AGAINST_COMMISSIONER, date(2026, 8, 14))
    assert (found.on, found.never) == (None, True)


def test_pdpa_s82_2_withdrawn_review_leaves_limbs_a_to_c(calendar):
    period = notices.review_period(DECIDED, calendar)
    withdrawn_on = date(2026, 8, 14)
    left = notices.effect(date(2026, 3, 20), None, period, Review.WITHDRAWN, withdrawn_on)
    assert left.on == date(2026, 3, 20)
    assert notices.effect(date(2026, 3, 20), None, period, Review.WITHDRAWN).on == date(2026, 3, 20)


def test_pdpa_s82_2_unknown_period_has_no_effect_day(calendar):
    assert notices.effect(None, None, notices.review_period(DECIDED, calendar)).on is None


def test_pdpa_s82_1_a_notice_not_in_effect_cannot_be_breached():
    waiting = Effect(date(2026, 4, 7), False, "82(2)(c)")
    with pytest.raises(LawRefused, match="not in effect on 2026-04-06"):
        notices.non_compliance_needs_effect(waiting, date(2026, 4, 6))
    with pytest.raises(LawRefused, match=r"no effect.*82\(2\)\(d\)"):
        notices.non_compliance_needs_effect(Effect(None, True, "82(2)(d)"), date(2026, 4, 6))
    with pytest.raises(LawRefused, match="not in effect"):
        notices.non_compliance_needs_effect(Effect(None, False, "82(2)(d)"), date(2027, 4, 6))
    notices.non_compliance_needs_effect(waiting, date(2026, 4, 8))
    last = date(2026, 4, 7)
    with pytest.raises(LawRefused, match=r"to the end of 2026-04-07.*82\(2\)\(a\), \(b\)"):
        notices.non_compliance_needs_effect(waiting, last, last)
    notices.non_compliance_needs_effect(waiting, date(2026, 4, 8), last)


def test_pdpa_s78_2_a_notice_is_served_before_its_period_is_over():
    notices.service_leaves_the_period(DECIDED, DECIDED)
    notices.service_leaves_the_period(None, DECIDED)
    with pytest.raises(LawRefused, match=r"after the period ended.*78\(2\)"):
        notices.service_leaves_the_period(date(2026, 2, 3), DECIDED)


def test_pdpa_s78_1_b_ii_occasions_are_listed_where_the_day_of_the_decision_is_not_known():
    with pytest.raises(LawRefused, match="4 are listed"):
        notices.occasions_of_repeated_contravention("repeated", None, OCCASIONS[:4], imported=False)
    with pytest.raises(LawRefused, match="date of each occasion"):
        notices.occasions_of_repeated_contravention("repeated", None, [*OCCASIONS, None], imported=False)
    notices.occasions_of_repeated_contravention("repeated", None, OCCASIONS, imported=False)


@pytest.mark.parametrize(
    ("recipient", "units"), [("natural_person", 600), ("body_corporate", 3000), ("unincorporated", 600)]
)
def test_pdpa_s82_1_and_3_penalty_units_indictable(recipient, units):
    found = notices.exposure(recipient, represents_crown=False)
    assert (found.penalty_units, found.indictable) == (units, True)


def test_pdpa_s123_members_of_the_committee_answer_for_an_unincorporated_body():
    assert "123" in notices.exposure("unincorporated", represents_crown=False).note


def test_pdpa_s8_2_the_crown_is_not_prosecuted():
    found = notices.exposure("body_corporate", represents_crown=True)
    assert (found.penalty_units, found.indictable) == (0, False)
    assert "8(2)" in found.note


@given(
    ends=st.dates(date(2026, 2, 3), date(2027, 1, 1)),
    longer=st.none() | st.integers(1, 90),
    determined=st.none() | st.dates(date(2026, 2, 3), date(2027, 6, 1)),
)
def test_property_pdpa_s82_2_effect_is_the_latest_of_its_limbs(calendar, ends, longer, determined):
    extended = ends + timedelta(days=longer) if longer else None
    period = notices.review_period(DECIDED, calendar)
    review = Review.FOR_COMMISSIONER if determined else Review.NONE
    found = notices.effect(ends, extended, period, review, determined)
    limbs = [day for day in (ends, extended, period.due, determined) if day is not None]
    assert found.on == max(limbs)


def test_pdpa_s78_2_the_period_ends_after_the_decision():
    with pytest.raises(LawRefused, match=r"leaves none.*78\(2\)"):
        notices.period_follows_decision(DECIDED, DECIDED)
    notices.period_follows_decision(DECIDED, DECIDED + timedelta(days=1))
    notices.period_follows_decision(None, DECIDED)
    notices.period_follows_decision(DECIDED, None)


def test_pdpa_s78_7_a_notice_is_served_once():
    with pytest.raises(LawRefused, match=r"served already.*78\(7\)"):
        notices.served_once(True)
    notices.served_once(False)


def test_pdpa_s78_3_and_82_1_presuppose_service():
    with pytest.raises(LawRefused, match=r"service of the notice.*78\(3\)"):
        notices.extension_needs_service(False, imported=False)
    with pytest.raises(LawRefused, match=r"service of the notice.*82\(1\)"):
        notices.compliance_needs_service(False, imported=False)
    for served, imported in ((True, False), (False, True)):
        notices.extension_needs_service(served, imported=imported)
        notices.compliance_needs_service(served, imported=imported)


def test_pdpa_s82_1_a_notice_is_complied_with_once():
    with pytest.raises(LawRefused, match=r"82\(1\)"):
        notices.complied_once(True)
    notices.complied_once(False)


def test_pdpa_s8O_a_delegate_names_the_instrument():
    with pytest.raises(LawRefused, match="who decided"):
        notices.delegate_names_instrument(None, None, imported=False)
    with pytest.raises(LawRefused, match=r"instrument of delegation.*8O"):
        notices.delegate_names_instrument("delegate", None, imported=False)
    notices.delegate_names_instrument("delegate", "Instrument 4/2025", imported=False)
    notices.delegate_names_instrument("commissioner", None, imported=False)
    notices.delegate_names_instrument("deputy_commissioner", None, imported=False)
    notices.delegate_names_instrument(None, None, imported=True)


@pytest.mark.parametrize(
    ("recipient", "method"), [("natural_person", "representative_left"), ("body_corporate", "left_at_office")]
)
def test_pdpa_s83c_3a_d_and_4_with_whom_a_copy_was_left_is_stated(recipient, method):
    on = date(2026, 2, 2)
    with pytest.raises(LawRefused, match=r"with whom it was left must be stated.*83C"):
        notices.service_by_83c(on, recipient, method, None, None, imported=False)
    notices.service_by_83c(on, recipient, method, None, None, imported=True)
    notices.service_by_83c(on, recipient, method, None, True, imported=False)


def test_pdpa_s8_2_a_notice_says_of_the_crown_what_the_register_says():
    with pytest.raises(LawRefused, match=r"represents the Crown: state it \(PDPA 8\(2\)\)"):
        notices.crown_is_stated_as_registered(None, True, imported=False)
    for imported in (True, False):
        for stated, registered in ((False, True), (True, False)):
            with pytest.raises(LawRefused, match=r"the Crown \(PDPA 8\(2\)\)"):
                notices.crown_is_stated_as_registered(stated, registered, imported=imported)
    notices.crown_is_stated_as_registered(None, True, imported=True)
    for stated, registered in ((True, True), (False, False), (True, None), (None, None), (None, False)):
        notices.crown_is_stated_as_registered(stated, registered, imported=False)


def test_pdpa_s82_1_that_the_action_was_taken_is_shown_by_its_steps():
    for nothing in (None, "", " ", ()):
        with pytest.raises(LawRefused, match=r"evidence of the steps taken must be stated \(PDPA 82\(1\)\)"):
            notices.compliance_shows_its_steps(nothing, imported=False)
        notices.compliance_shows_its_steps(nothing, imported=True)
    notices.compliance_shows_its_steps("a report", imported=False)
