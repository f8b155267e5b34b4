from datetime import date

import pytest

from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.law import installation

FIRST, LAST = date(2025, 7, 1), date(2025, 9, 30)
EVE = date(2025, 9, 29)


@pytest.mark.parametrize("slug", ["", "DPC", "a--b", "-a", "a b", "a_b"])
def test_4_wire_ledgers_a_slug_is_lower_case_with_single_hyphens(slug):
    with pytest.raises(InvalidInput, match="slug"):
        installation.ledger_is_named(slug, "vic.gov.au/dpc")


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\tb"])
def test_4_wire_ledgers_an_origin_has_no_space_and_no_plus(origin):
    with pytest.raises(InvalidInput, match="origin"):
        installation.ledger_is_named("dpc", origin)
    with pytest.raises(InvalidInput, match="ledgers"):
        installation.is_origin("ledgers", origin)
    installation.ledger_is_named("dpc-2", "vic.gov.au/dpc")


@pytest.mark.parametrize("code", ["", "Jane Doe", "A1", "a--b", "x" * 61])
def test_a_clear_field_holds_a_code_that_no_name_fits_in(code):
    with pytest.raises(InvalidInput, match="part"):
        installation.is_code("part", code)
    installation.is_code("part", "x" * 60)
    installation.is_code("part", "2025-q3_a.1")


def test_4_wire_restore_a_predecessor_is_named_whole_and_is_another():
    with pytest.raises(LawRefused, match="together"):
        installation.predecessor_is_whole("b", "a", None, "x")
    with pytest.raises(LawRefused, match="cannot go on from itself"):
        installation.predecessor_is_whole("a", "a", 3, "x")
    installation.predecessor_is_whole("b", "a", 0, "x")
    installation.predecessor_is_whole("b", None, None, None)


def test_4_wire_restore_nothing_enters_a_ledger_that_is_closed():
    with pytest.raises(LawRefused, match="a is closed: nothing enters it any more"):
        installation.ledger_is_open("a", True)
    installation.ledger_is_open("a", False)


def test_4_wire_restore_a_successor_is_another_ledger():
    with pytest.raises(LawRefused, match="its own successor"):
        installation.successor_is_another("a", "a")
    with pytest.raises(InvalidInput, match="successor"):
        installation.successor_is_another("a", "b c")
    installation.successor_is_another("a", "b")
    installation.successor_is_another("a", None)


def test_4_wire_restore_a_refill_adds_entries():
    for size, until in ((5, 5), (6, 5), (-1, 5)):
        with pytest.raises(LawRefused, match="cannot end at 5"):
            installation.refill_goes_forward(size, until)
    installation.refill_goes_forward(0, 1)


def test_4_wire_ledgers_a_ledger_is_created_once():
    with pytest.raises(LawRefused, match="created already"):
        installation.ledger_is_created_once(True)
    installation.ledger_is_created_once(False)


def test_who_acts_no_one_grants_to_themselves():
    with pytest.raises(Forbidden, match="to themselves"):
        installation.grants_to_another("p1", "p1")
    installation.grants_to_another("p1", "p2")


def test_who_acts_an_administrator_grants_and_system_the_first_one_only():
    with pytest.raises(Forbidden, match="officer may not grant"):
        installation.may_grant("officer", "officer", 1)
    for role, administrators in (("officer", 0), ("administrator", 1)):
        with pytest.raises(LawRefused, match="first administrator"):
            installation.may_grant("system", role, administrators)
    installation.may_grant("system", "administrator", 0)
    installation.may_grant("administrator", "officer", 1)


def test_who_acts_a_grant_is_new_and_ends_once():
    with pytest.raises(LawRefused, match="holds that role there already"):
        installation.grant_is_new(True)
    with pytest.raises(LawRefused, match="does not hold"):
        installation.grant_ends_once(False)
    installation.grant_is_new(False)
    installation.grant_ends_once(True)


@pytest.mark.parametrize(
    ("since", "until", "ledgers", "what"),
    [
        (None, LAST, ["dpc"], "valid_from"),
        (FIRST, None, ["dpc"], "valid_until"),
        (FIRST, LAST, [], "the ledgers"),
    ],
)
def test_who_acts_an_auditors_grant_is_dated_and_names_ledgers(since, until, ledgers, what):
    with pytest.raises(LawRefused, match=what):
        installation.auditor_grant_is_dated_and_names_ledgers("auditor", since, until, ledgers)
    installation.auditor_grant_is_dated_and_names_ledgers("officer", since, until, ledgers)
    installation.auditor_grant_is_dated_and_names_ledgers("auditor", FIRST, LAST, ["dpc"])


def test_who_acts_a_grant_does_not_end_before_it_begins():
    with pytest.raises(LawRefused, match="cannot end"):
        installation.auditor_grant_is_dated_and_names_ledgers("officer", LAST, FIRST, [])
    installation.auditor_grant_is_dated_and_names_ledgers("officer", FIRST, FIRST, [])


def test_sealed_fields_are_opened_by_entry_and_path_for_a_reason():
    for entries, paths in ((0, []), (2, [1, 0])):
        with pytest.raises(LawRefused, match="at least one entry"):
            installation.opening_states_what_and_why(entries, paths, "audit")
    with pytest.raises(LawRefused, match="the reason"):
        installation.opening_states_what_and_why(1, [1], " ")
    installation.opening_states_what_and_why(1, [1], "audit")


def test_a_search_states_what_it_covered_and_what_it_found_there():
    for first, end in ((-1, 3), (4, 3)):
        with pytest.raises(LawRefused, match="cannot go from"):
            installation.search_states_what_it_covered(first, end, [], [])
    for found, paths in (([3, 3], [1, 1]), ([4, 3], [1, 1]), ([2], [1]), ([8], [1]), ([3], [0])):
        with pytest.raises(LawRefused, match="stated once, in order"):
            installation.search_states_what_it_covered(3, 8, found, paths)
    installation.search_states_what_it_covered(3, 8, [3, 7], [1, 2])
    installation.search_states_what_it_covered(0, 0, [], [])


def test_a_search_states_why():
    with pytest.raises(LawRefused, match="the reason"):
        installation.search_states_why(" ")
    installation.search_states_why("audit")


def test_period_attested_once_it_is_over():
    with pytest.raises(LawRefused, match="before the period ends"):
        installation.attestation_covers_past_period(FIRST, LAST, EVE)
    with pytest.raises(LawRefused, match="cannot end"):
        installation.attestation_covers_past_period(LAST, FIRST, LAST)
    installation.attestation_covers_past_period(FIRST, LAST, LAST)
    installation.attestation_covers_past_period(LAST, LAST, None)


def test_period_attested_a_nil_return_is_complete():
    with pytest.raises(LawRefused, match="nil return"):
        installation.nil_return_is_complete(False, True)
    installation.nil_return_is_complete(True, True)
    installation.nil_return_is_complete(False, False)


def test_period_attested_by_the_agency_head():
    with pytest.raises(LawRefused, match="agency head"):
        installation.agency_head_attests(None, " ", imported=False)
    installation.agency_head_attests("Secretary", None, imported=False)
    installation.agency_head_attests(None, "a name", imported=False)
    installation.agency_head_attests(None, None, imported=True)


def test_imports_every_row_is_counted_once():
    installation.import_counts_tie(10, 4, 3, 2, 0, 1, False)
    with pytest.raises(LawRefused, match="not 11 rows"):
        installation.import_counts_tie(11, 4, 3, 2, 0, 1, False)
    with pytest.raises(LawRefused, match="negative"):
        installation.import_counts_tie(0, 1, -1, 0, 0, 0, False)
    with pytest.raises(LawRefused, match="previous_import"):
        installation.import_counts_tie(10, 4, 3, 2, 1, 1, False)
    installation.import_counts_tie(10, 4, 3, 2, 1, 1, True)


def test_imports_have_an_id_of_their_own_and_follow_their_register():
    with pytest.raises(LawRefused, match="recorded already"):
        installation.import_is_new("i1", ["i1"])
    with pytest.raises(LawRefused, match="no earlier import of register requests"):
        installation.previous_import_is_of_register("i2", "requests", ["i1"])
    installation.import_is_new("i2", ["i1"])
    installation.previous_import_is_of_register("i1", "requests", ["i1"])
    installation.previous_import_is_of_register(None, "requests", [])


@pytest.mark.parametrize(
    ("positions", "figures", "files", "reason"),
    [
        ([], ["f"], 1, "position"),
        ([("a", 1), ("a", 2)], ["f"], 1, "position"),
        ([("a", -1)], ["f"], 1, "position"),
        ([("a", 1)], ["f", "f"], 1, "twice under one id"),
        ([("a", 1)], ["f"], 0, "keeps its files"),
    ],
)
def test_3_registers_report_states_positions_figures_and_files(positions, figures, files, reason):
    with pytest.raises(LawRefused, match=reason):
        installation.report_states_positions(positions, figures, files)
    installation.report_states_positions([("a", 0), ("b", 2)], ["f", "g"], 1)


def test_3_registers_only_a_provisional_report_comes_before_its_periods_end():
    with pytest.raises(LawRefused, match="but the period ends"):
        installation.report_period_is_over("final", FIRST, LAST, LAST)
    with pytest.raises(LawRefused, match="cannot end"):
        installation.report_period_is_over("provisional", LAST, FIRST, None)
    installation.report_period_is_over("provisional", FIRST, LAST, EVE)
    installation.report_period_is_over("final", FIRST, LAST, date(2025, 10, 1))
    installation.report_period_is_over("final", LAST, LAST, None)


def test_3_registers_a_revised_report_supersedes_the_same_report():
    with pytest.raises(LawRefused, match="supersedes"):
        installation.revised_report_supersedes("revised", None)
    installation.revised_report_supersedes("revised", "entry 4")
    installation.revised_report_supersedes("final", None)
    this = ("vps", FIRST, LAST)
    with pytest.raises(LawRefused, match="itself"):
        installation.superseded_is_same_report(this, this, itself=True)
    with pytest.raises(LawRefused, match="another report: ciss of 2025-07-01 to 2025-09-30"):
        installation.superseded_is_same_report(this, ("ciss", FIRST, LAST), itself=False)
    installation.superseded_is_same_report(this, this, itself=False)


def test_4_wire_what_a_ledger_stands_on_is_corrected_never_left_out():
    with pytest.raises(LawRefused, match="never left out"):
        installation.founding_entry_stays(True, "the creation of the ledger")
    installation.founding_entry_stays(False, "the creation of the ledger")


@pytest.mark.parametrize("other", [("x", "o", False), ("s", "x", False), ("s", "o", True)])
def test_4_wire_a_ledger_keeps_slug_origin_and_whether_it_is_a_demonstration(other):
    with pytest.raises(LawRefused, match="whether it is a demonstration"):
        installation.ledger_keeps_what_it_was_created_as(("s", "o", False), other)
    installation.ledger_keeps_what_it_was_created_as(other, other)


def test_4_wire_the_ledgers_of_a_database_are_all_real_or_all_invented():
    """They share ``common``: what it says of who is bound is invented in one, and not in the other."""
    with pytest.raises(LawRefused, match="holds real ledgers"):
        installation.ledgers_are_all_real_or_all_invented(True, False)
    with pytest.raises(LawRefused, match="holds a demonstration"):
        installation.ledgers_are_all_real_or_all_invented(False, True)
    for alike in (True, False):
        installation.ledgers_are_all_real_or_all_invented(alike, alike)


@pytest.mark.parametrize("role", ["auditor", "regulator"])
def test_who_acts_auditors_and_the_regulator_are_granted_in_the_regulators_ledger(role):
    with pytest.raises(LawRefused, match=r"granted in the regulator's ledger.*who acts"):
        installation.granted_where_it_counts(role, False)
    installation.granted_where_it_counts(role, True)
    installation.granted_where_it_counts("officer", False)


def test_1_law_head_an_agency_head_attests_for_the_own_agency():
    with pytest.raises(LawRefused, match=r"dtf attests in its own ledger; this one is of dffh"):
        installation.attested_by_its_own("dtf", "dffh")
    installation.attested_by_its_own("dffh", "dffh")


@pytest.mark.parametrize(
    ("register", "scheme"), [("foo", None), ("clocks", None), ("requests", "cth"), ("", "vps")]
)
def test_1_law_head_what_is_attested_is_a_register_that_agencies_keep(register, scheme):
    with pytest.raises(InvalidInput, match="expected one of"):
        installation.is_attested_register(register, scheme)
    installation.is_attested_register("requests", "vps")
    installation.is_attested_register("complaints", None)


def test_4_wire_ledgers_what_is_done_with_a_closed_ledger_is_recorded_in_the_one_that_goes_on():
    with pytest.raises(LawRefused, match="e/a is closed, and no ledger goes on from it"):
        installation.closed_ledger_goes_on("e/a", False)
    installation.closed_ledger_goes_on("e/a", True)
    with pytest.raises(LawRefused, match="e/b goes on from no closed ledger e/c"):
        installation.goes_on_from("e/b", "e/c", ["e/a"])
    installation.goes_on_from("e/b", "e/a", ["e/a"])
