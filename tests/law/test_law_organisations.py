from datetime import date, timedelta

import pytest

from ledger.errors import InvalidInput, LawRefused
from ledger.law import organisations
from ledger.law.organisations import Binding, binding_on, by_signature, by_succession, ended

SIGNED = date(2021, 7, 24)
CHANGE = date(2023, 1, 1)
OLD = (by_signature(SIGNED, None, "v1"),)


def test_vps_scope_bound_from_its_signature_to_the_last_day():
    held = by_signature(SIGNED, date(2022, 6, 30), "v1")
    assert not held.covers(SIGNED - timedelta(days=1))
    assert held.covers(SIGNED)
    assert held.covers(date(2022, 6, 30))
    assert not held.covers(date(2022, 7, 1))
    assert held.basis == "Heads of Agreement (v1) signed on 2021-07-24"


def test_successor_is_bound_from_its_date_where_the_predecessor_was():
    inherited = by_succession("delwp", OLD, CHANGE, "Order of 5.12.2022")
    assert binding_on(CHANGE - timedelta(days=1), "vps", inherited) is None
    found = binding_on(CHANGE, "vps", inherited)
    assert found.basis.startswith("successor of delwp (Order of 5.12.2022): Heads of Agreement")


def test_successor_of_a_body_bound_until_the_eve_is_bound():
    assert by_succession("delwp", ended(OLD, "vps", CHANGE - timedelta(days=1)), CHANGE, "Order")
    assert by_succession("delwp", ended(OLD, "vps", CHANGE - timedelta(days=2)), CHANGE, "Order") == ()
    assert by_succession("delwp", (), CHANGE, "Order") == ()


def test_successor_of_a_successor_is_bound_too():
    first = by_succession("delwp", OLD, CHANGE, "Order 1")
    second = by_succession("deeca", first, date(2026, 1, 1), "Order 2")
    assert binding_on(date(2026, 1, 1), "vps", second).basis.count("successor of") == 2


def test_whether_a_successor_is_bound_is_one_named_choice(monkeypatch):
    monkeypatch.setattr(organisations, "SUCCESSOR_IS_BOUND", False)
    assert by_succession("delwp", OLD, CHANGE, "Order") == ()


def test_own_signature_is_shown_before_an_inherited_basis():
    both = (*by_succession("delwp", OLD, CHANGE, "Order"), by_signature(date(2024, 1, 1), None))
    assert binding_on(date(2023, 6, 1), "vps", both).basis.startswith("successor")
    assert binding_on(date(2024, 1, 1), "vps", both).basis.startswith("Heads")
    assert binding_on(date(2024, 1, 1), "datavic", both) is None


def test_ending_leaves_other_schemes_and_ended_bindings():
    fma = Binding("datavic", date(2015, 8, 1), None, "FMA")
    past = by_signature(SIGNED, date(2022, 1, 1))
    assert ended(OLD, "vps", SIGNED) == (by_signature(SIGNED, SIGNED, "v1"),)
    assert ended(OLD, "vps", SIGNED - timedelta(days=1)) == OLD
    assert ended((fma, past, *OLD), "vps", CHANGE) == (fma, past, by_signature(SIGNED, CHANGE, "v1"))


def test_vps_scope_a_bound_body_does_not_sign_again():
    with pytest.raises(LawRefused, match=r"bound already.*scope"):
        organisations.signs_while_unbound(CHANGE, OLD)
    organisations.signs_while_unbound(CHANGE, ())
    organisations.signs_while_unbound(CHANGE, by_succession("delwp", OLD, CHANGE, "Order"))
    organisations.signs_while_unbound(None, OLD)


def test_vps_scope_only_a_bound_body_ends_it():
    with pytest.raises(LawRefused, match="nothing to end"):
        organisations.ends_while_bound(SIGNED - timedelta(days=1), OLD)
    organisations.ends_while_bound(SIGNED, OLD)


def test_pdpa_s13_1_limb_is_one_of_a_to_k():
    with pytest.raises(LawRefused, match=r"PDPA 13\(1\)"):
        organisations.part_3_limb_is_known("l", imported=True)
    with pytest.raises(LawRefused, match="must be stated"):
        organisations.part_3_limb_is_known(None, imported=False)
    for limb in "abcdefghijk":
        organisations.part_3_limb_is_known(limb, imported=False)


def test_pdpa_s13_1_j_contracted_provider_names_the_17_2_clause():
    with pytest.raises(LawRefused, match=r"17\(2\).*13\(1\)\(j\)"):
        organisations.contracted_provider_names_clause("j", None, imported=False)
    organisations.contracted_provider_names_clause("j", "cl 12", imported=False)
    organisations.contracted_provider_names_clause("c", None, imported=False)


def test_pdpa_s78_1_notice_goes_to_an_organisation_of_part_3():
    on = date(2025, 1, 1)
    for imported in (True, False):
        with pytest.raises(LawRefused, match=r"Part 3 does not apply.*78\(1\), 13"):
            organisations.recipient_of_notice_is_an_organisation(on, False, imported=imported)
    with pytest.raises(LawRefused, match="must be stated"):
        organisations.recipient_of_notice_is_an_organisation(on, None, imported=False)
    organisations.recipient_of_notice_is_an_organisation(on, True, imported=False)
    organisations.recipient_of_notice_is_an_organisation(date(2014, 9, 16), False, imported=False)


def test_a_body_acts_only_while_it_exists():
    for day in (date(2014, 12, 31), CHANGE):
        with pytest.raises(LawRefused, match=f"delwp did not exist on {day}"):
            organisations.body_exists("delwp", day, date(2015, 1, 1), CHANGE)
    organisations.body_exists("delwp", CHANGE - timedelta(days=1), date(2015, 1, 1), CHANGE)
    organisations.body_exists("delwp", date(2015, 1, 1), date(2015, 1, 1), CHANGE)
    organisations.body_exists("delwp", None, date(2015, 1, 1), CHANGE)
    organisations.body_exists("delwp", CHANGE, None, None)


def test_a_body_is_abolished_once():
    with pytest.raises(LawRefused, match="abolished on 2023-01-01 already"):
        organisations.abolished_once(CHANGE)
    organisations.abolished_once(None)


def test_a_succession_names_functions_instrument_and_another_body():
    with pytest.raises(LawRefused, match="cannot succeed itself"):
        organisations.succession_states_instrument("a", "a", "all", "Order", imported=True)
    for functions, instrument in ((None, "Order"), ("all", None)):
        with pytest.raises(LawRefused, match="must be stated"):
            organisations.succession_states_instrument("a", "b", functions, instrument, imported=False)
    organisations.succession_states_instrument("a", "b", "all", "Order", imported=False)


def test_a_rename_gives_another_name():
    with pytest.raises(LawRefused, match="the name already"):
        organisations.renamed_to_another_name("DPC", "DPC ")
    organisations.renamed_to_another_name("DPC", "DGS")


def test_a_succession_is_recorded_on_both_sides():
    with pytest.raises(LawRefused, match="delwp records no succession"):
        organisations.succession_is_linked(False, "delwp")
    organisations.succession_is_linked(True, "delwp")


def test_the_successors_case_states_what_bound_the_predecessor_on_the_eve():
    organisations.inherits_what_bound_predecessor([("vps", SIGNED)], OLD, CHANGE)
    for stated in ([], [("vps", SIGNED), ("ciss", SIGNED)], [("vps", CHANGE)]):
        with pytest.raises(LawRefused, match="on 2022-12-31: vps since 2021-07-24"):
            organisations.inherits_what_bound_predecessor(stated, OLD, CHANGE)
    with pytest.raises(LawRefused, match="nothing"):
        organisations.inherits_what_bound_predecessor([("vps", SIGNED)], OLD, SIGNED)
    organisations.inherits_what_bound_predecessor([], OLD, SIGNED)
    organisations.inherits_what_bound_predecessor([], OLD, None)


def test_vps_scope_and_pdpa_s13_s84_s91_bind_by_facts_of_their_own():
    with pytest.raises(LawRefused, match=r"by signature.*scope"):
        organisations.bound_by_its_own_act("vps")
    with pytest.raises(LawRefused, match="PDPA 13, 84, 91"):
        organisations.bound_by_its_own_act("pdpa_part_4")
    organisations.bound_by_its_own_act("datavic")


def test_a_binding_does_not_end_before_it_begins():
    with pytest.raises(LawRefused, match="cannot end"):
        organisations.binding_ends_after_it_begins(CHANGE, CHANGE - timedelta(days=1))
    organisations.binding_ends_after_it_begins(CHANGE, CHANGE)
    organisations.binding_ends_after_it_begins(None, CHANGE)
    organisations.binding_ends_after_it_begins(CHANGE, None)


@pytest.mark.parametrize("abn", ["51824753557", "5182475355", "51 824 753 556", "", "5182475355x"])
def test_abn_act_1999_an_abn_that_does_not_check_is_refused(abn):
    with pytest.raises(InvalidInput, match="abn"):
        organisations.abn_has_eleven_digits(abn)


def test_abn_act_1999_an_abn_has_eleven_digits_that_check():
    organisations.abn_has_eleven_digits("51824753556")
    organisations.abn_has_eleven_digits(None)


def test_pdpa_s13_1_k_names_the_order_that_declares_the_body():
    with pytest.raises(LawRefused, match=r"13\(1\)\(k\)"):
        organisations.declared_organisation_names_order("k", {"s84_3"}, imported=False)
    organisations.declared_organisation_names_order("k", {"s13_3_a"}, imported=False)
    organisations.declared_organisation_names_order("k", (), imported=True)
    organisations.declared_organisation_names_order("c", (), imported=False)


def test_pdpa_s13_2_b_an_order_takes_a_body_out_of_part_3():
    for limb in ("e", "f", "g"):
        with pytest.raises(LawRefused, match=r"13\(2\)\(b\)"):
            organisations.not_declared_out_of_part_3(None, limb, True)
        organisations.not_declared_out_of_part_3(False, limb, True)
        organisations.not_declared_out_of_part_3(True, limb, False)
    organisations.not_declared_out_of_part_3(True, "c", True)


def test_pdpa_s84_2_a_part_4_leaves_councils_out():
    with pytest.raises(LawRefused, match=r"84\(2\)\(a\)"):
        organisations.part_4_leaves_councils_out(True, True)
    organisations.part_4_leaves_councils_out(True, False)
    organisations.part_4_leaves_councils_out(False, True)


def test_a_body_exists_from_its_establishment_to_the_day_before_its_abolition():
    assert not organisations.exists_on(date(2022, 12, 31), CHANGE, None)
    assert organisations.exists_on(CHANGE, CHANGE, None)
    assert organisations.exists_on(date(2023, 6, 29), CHANGE, date(2023, 6, 30))
    assert not organisations.exists_on(date(2023, 6, 30), CHANGE, date(2023, 6, 30))
    assert organisations.exists_on(date(1900, 1, 1), None, None)


def test_pdpa_s13_s84_s91_a_status_binds_part_by_part():
    found = organisations.by_privacy_status(CHANGE, None, None, None, "d", True, False)
    assert found == (
        Binding("pdpa_part_3", CHANGE, None, "PDPA 13(1)(d)"),
        Binding("pdpa_part_4", CHANGE, None, "PDPA 84"),
    )
    assert organisations.by_privacy_status(CHANGE, None, None, False, "d", None, None) == ()


def test_pdpa_s13_a_status_ends_where_it_says_or_where_the_next_begins():
    def until(last, following):
        return organisations.by_privacy_status(CHANGE, last, following, True, None, None, None)[0].until

    assert until(None, date(2024, 7, 1)) == date(2024, 6, 30)
    assert until(date(2023, 12, 31), date(2024, 7, 1)) == date(2023, 12, 31)
    assert organisations.by_privacy_status(CHANGE, None, CHANGE, True, None, None, None) == ()


def test_successor_choice_off_nothing_is_inherited_and_nothing_stated(monkeypatch):
    monkeypatch.setattr(organisations, "SUCCESSOR_IS_BOUND", False)
    organisations.inherits_what_bound_predecessor([], OLD, CHANGE)
    with pytest.raises(LawRefused, match="nothing"):
        organisations.inherits_what_bound_predecessor([("vps", SIGNED)], OLD, CHANGE)


def test_a_body_that_is_abolished_is_bound_to_the_day_before_it_at_most():
    eve = CHANGE - timedelta(days=1)
    past = Binding("datavic", SIGNED, SIGNED, "FMA")
    after = Binding("ciss", CHANGE, None, "prescription")
    assert organisations.while_it_exists((past, *OLD, after), CHANGE) == (
        past,
        by_signature(SIGNED, eve, "v1"),
    )
    assert organisations.while_it_exists(OLD, None) == OLD


def test_1_law_a_head_office_other_comes_with_its_words():
    with pytest.raises(LawRefused, match="head office: 'other' must come with its words"):
        organisations.head_office_is_named("other", None, imported=False)
    organisations.head_office_is_named("other", "Public Advocate", imported=False)
    organisations.head_office_is_named("other", None, imported=True)
    organisations.head_office_is_named("secretary", None, imported=False)
    organisations.head_office_is_named(None, None, imported=False)


def test_1_law_head_a_case_is_taken_over_by_a_successor_alone():
    with pytest.raises(LawRefused, match="of the same kind, of another ledger"):
        organisations.case_is_taken_over(False, True, "dhhs", True)
    with pytest.raises(LawRefused, match="of the same kind, of another ledger"):
        organisations.case_is_taken_over(True, False, "dhhs", True)
    with pytest.raises(LawRefused, match="no functions of dhhs are recorded as taken over"):
        organisations.case_is_taken_over(True, True, "dhhs", False)
    organisations.case_is_taken_over(True, True, "dhhs", True)


def test_1_law_head_a_case_that_ended_is_not_taken_over():
    for ended_by, words in (("entered_in_error", "entered in error"), ("merged_into", "merged into")):
        with pytest.raises(LawRefused, match=f"no longer stands: {words}"):
            organisations.case_taken_over_stands(ended_by)
    organisations.case_taken_over_stands(None)


def test_1_law_head_a_case_goes_on_elsewhere_linked_both_ways():
    with pytest.raises(LawRefused, match="does not say that it takes this one over"):
        organisations.goes_on_elsewhere_linked_both_ways(True, False)
    organisations.goes_on_elsewhere_linked_both_ways(True, True)
    organisations.goes_on_elsewhere_linked_both_ways(False, False)
