from datetime import UTC, date, datetime

import pytest

from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.law import general
from ledger.law.general import CASE_WRITERS, Role

TODAY = date(2025, 7, 1)
NOW = datetime(2025, 6, 30, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "  ", (), []])
def test_missing_facts(value):
    assert general.missing(value)


@pytest.mark.parametrize("value", [False, 0, "x", ("a",), date(2025, 1, 1)])
def test_stated_facts(value):
    assert not general.missing(value)


def test_must_state_refuses_typed_and_lets_an_imported_gap_pass():
    with pytest.raises(LawRefused, match=r"reasons must be stated \(s 1\)"):
        general.must_state("reasons", " ", "s 1", imported=False)
    general.must_state("reasons", None, "s 1", imported=True)
    general.must_state("reasons", False, "s 1", imported=False)


def test_must_hold_refuses_a_contradiction_even_when_imported():
    for imported in (True, False):
        with pytest.raises(LawRefused, match="no"):
            general.must_hold("it", False, "s 1", "no", imported=imported)
    with pytest.raises(LawRefused, match="it must be stated"):
        general.must_hold("it", None, "s 1", "no", imported=False)
    general.must_hold("it", None, "s 1", "no", imported=True)
    general.must_hold("it", True, "s 1", "no", imported=False)


def test_open_vocabulary_takes_other_with_its_words_only():
    with pytest.raises(LawRefused, match="'other' must come with its words"):
        general.open_word_is_explained("ground", ("other",), None, "s 1")
    general.open_word_is_explained("ground", ("other",), "because", "s 1")
    general.open_word_is_explained("ground", ("privacy",), None, "s 1")


def test_two_dates_a_fact_in_the_future_is_refused():
    for future in (date(2025, 7, 2), datetime(2025, 6, 30, 23, 0, 1, tzinfo=UTC)):
        with pytest.raises(LawRefused, match="lies in the future"):
            general.not_in_future(future, TODAY, NOW)
    for past in (None, TODAY, NOW):
        general.not_in_future(past, TODAY, NOW)


def test_two_dates_a_fact_before_what_it_presupposes_is_refused():
    with pytest.raises(LawRefused, match="before the request of 2025-07-01"):
        general.not_before(date(2025, 6, 30), TODAY, "the request")
    general.not_before(TODAY, TODAY, "the request")
    general.not_before(None, TODAY, "the request")
    general.not_before(TODAY, None, "the request")


def test_two_dates_a_day_before_all_records_is_refused():
    """Choice: the earliest day is 1 January 1800, well before the first government of what is now Victoria."""
    assert date(1800, 1, 1) == general.EARLIEST
    for early in (date(1, 1, 1), date(1799, 12, 31), datetime(1799, 12, 31, 23, tzinfo=UTC)):
        with pytest.raises(InvalidInput, match=r"^happened: expected a day from 1800-01-01 on, got '"):
            general.not_before_all_records("happened", early)
    for later in (general.EARLIEST, datetime(1800, 1, 1, tzinfo=UTC), TODAY):
        general.not_before_all_records("happened", later)


def test_two_dates_white_space_states_nothing():
    for blank in ("", "  ", "\t\n", "\u00a0"):
        with pytest.raises(InvalidInput, match=r"^name: expected text of more than white space, got '"):
            general.says_something("name", blank)
    general.says_something("name", " x ")


def test_who_acts_a_role_without_the_power_is_forbidden():
    with pytest.raises(Forbidden, match=r"administrator may not do request\.RequestRefused"):
        general.role_may(Role.ADMINISTRATOR, CASE_WRITERS, "request.RequestRefused")
    general.role_may("officer", CASE_WRITERS, "request.RequestRefused")


def test_who_acts_case_content_goes_into_the_own_ledger_only():
    with pytest.raises(Forbidden, match="own ledger only"):
        general.writes_own_ledger("officer", "dpc", "dtf")
    general.writes_own_ledger("officer", "dpc", "dpc")
    general.writes_own_ledger("administrator", "dpc", "common")


def test_who_acts_no_one_approves_their_own_proposal():
    with pytest.raises(Forbidden, match="second approver"):
        general.approver_is_another("p1", "p1")
    general.approver_is_another("p1", "p2")


def test_correction_names_an_entry_of_its_own_case_and_event():
    own = {7: "ledger.request.v1.RequestRefused"}
    general.correction_fits(7, "ledger.request.v1.RequestRefused", own)
    with pytest.raises(LawRefused, match="no entry of this case"):
        general.correction_fits(8, "ledger.request.v1.RequestRefused", own)
    with pytest.raises(LawRefused, match="cannot correct"):
        general.correction_fits(7, "ledger.request.v1.RequestClosed", own)


def test_nothing_is_added_to_a_case_entered_in_error_or_merged():
    for ended_by in ("entered_in_error", "merged_into"):
        with pytest.raises(LawRefused, match="no longer stands"):
            general.case_stands(ended_by)
    general.case_stands(None)


def test_a_case_is_not_merged_into_itself():
    with pytest.raises(LawRefused, match="into itself"):
        general.merged_into_another("a", "a")
    general.merged_into_another("a", "b")


def test_contravention_found_names_section_and_what_happened():
    with pytest.raises(LawRefused, match="section contravened"):
        general.contravention_names_rule(None, "told no one", imported=False)
    with pytest.raises(LawRefused, match="what happened"):
        general.contravention_names_rule("PDPA 78", "", imported=False)
    general.contravention_names_rule("PDPA 78", "told no one", imported=False)


def test_contravention_found_is_recorded_by_a_named_person():
    for role, imported in (("privacy_officer", True), ("system", False)):
        with pytest.raises(Forbidden, match="named person"):
            general.contravention_is_recorded_by_a_person(role, imported=imported)
    general.contravention_is_recorded_by_a_person("privacy_officer", imported=False)


def test_a_case_is_merged_into_one_of_its_kind_that_stands():
    with pytest.raises(LawRefused, match="of its own kind"):
        general.merged_into_a_case_that_stands(False, None)
    for ended_by, words in (("merged_into", "merged into"), ("entered_in_error", "entered in error")):
        with pytest.raises(LawRefused, match=f"no longer stands: {words}"):
            general.merged_into_a_case_that_stands(True, ended_by)
    general.merged_into_a_case_that_stands(True, None)


def test_1_law_a_case_lives_with_the_organisation_whose_act_it_is():
    with pytest.raises(LawRefused, match="the provider is dtf, this ledger is of dpc: record it there"):
        general.lives_with("provider", "dtf", "dpc")
    general.lives_with("provider", "dpc", "dpc")
    general.lives_with("entity", None, "dpc")


@pytest.mark.parametrize(("in_common", "is_common"), [(True, False), (False, True)])
def test_1_law_where_a_case_lives(in_common, is_common):
    with pytest.raises(LawRefused, match="where a case lives"):
        general.lives_where_it_belongs(in_common, is_common)
    general.lives_where_it_belongs(in_common, not is_common)
    general.lives_where_it_belongs(None, is_common)


@pytest.mark.parametrize(
    "cited", ["78(4)", "IPP 2.1(g)", "ch. 5", "83C(3A)", "cl 5.2", "scope of this policy", "ledger rule"]
)
def test_a_citation_in_clear_holds_a_section(cited):
    general.is_citation("section", cited)


@pytest.mark.parametrize("words", ["Mary Citizen", "78(4) by Mary", "s", "", "(Citizen)"])
def test_a_citation_in_clear_holds_no_words(words):
    with pytest.raises(InvalidInput, match=r"^section: expected a citation"):
        general.is_citation("section", words)
