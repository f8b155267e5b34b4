from datetime import date, timedelta

import pytest

from ledger.law import dates
from ledger.law.clocks import CLOCKS
from ledger.law.dates import IN_FORCE_FROM, Provision, in_force


@pytest.mark.parametrize(
    ("provision", "first"),
    [
        (Provision.PDPA, date(2014, 9, 17)),
        (Provision.PDPA_78, date(2014, 9, 17)),
        (Provision.PDPA_78_7, date(2021, 4, 26)),
        (Provision.PDPA_82, date(2014, 9, 17)),
        (Provision.PDPA_83, date(2014, 9, 17)),
        (Provision.PDPA_DIVISION_10, date(2017, 9, 1)),
        (Provision.PDPA_63_1A, date(2017, 9, 1)),
        (Provision.PDPA_83C_3A, date(2021, 4, 26)),
        (Provision.PDPA_83GA, date(2020, 1, 1)),
        (Provision.PDPA_62_1_EA, date(2024, 9, 11)),
        (Provision.PDPA_65A, date(2024, 9, 11)),
        (Provision.PDPA_65B, date(2024, 9, 11)),
        (Provision.PDPA_67_1, date(2024, 9, 11)),
        (Provision.PDPA_83D_2, date(2024, 9, 11)),
        (Provision.PDPA_86_4, date(2024, 9, 11)),
        (Provision.PDPA_116, date(2024, 9, 11)),
        (Provision.IPP, date(2014, 9, 17)),
        (Provision.VPS, date(2021, 4, 28)),
        (Provision.NSW, dates.NSW_GUIDE_FROM),
        (Provision.CISS, date(2018, 9, 27)),
        (Provision.DATAVIC, date(2015, 8, 1)),
    ],
)
def test_pdpa_endnotes_a_rule_judges_from_its_day_on(provision, first):
    assert in_force(provision, first)
    assert not in_force(provision, first - timedelta(days=1))


def test_every_provision_has_a_date():
    assert set(IN_FORCE_FROM) == set(Provision)


def test_a_fact_without_a_date_is_not_judged():
    assert not in_force(Provision.PDPA, None)


def test_every_clock_has_a_date_in_force():
    assert all(row.in_force_from <= date(2025, 2, 10) for row in CLOCKS.values())


def test_pdpa_s83D_reports_go_to_the_body_so_named_that_day():
    assert dates.integrity_body_on(date(2025, 2, 9)) == "Victorian Inspectorate"
    assert dates.integrity_body_on(date(2025, 2, 10)) == "Integrity Oversight Victoria"


def test_pdpa_sch3_cl8_undecided_complaints_keep_the_old_text():
    assert dates.old_complaint_text_applies(date(2017, 8, 31), None)
    assert dates.old_complaint_text_applies(date(2017, 8, 31), date(2017, 9, 1))
    assert not dates.old_complaint_text_applies(date(2017, 8, 1), date(2017, 8, 31))
    assert not dates.old_complaint_text_applies(date(2017, 9, 1), None)
