from datetime import date

import pytest

from ledger.law import gaps
from ledger.law.gaps import Gap

ON = date(2025, 6, 11)
FULL_REQUEST = {
    "under_policy": True,
    "purpose": "p",
    "public_benefit": "b",
    "safe_holding_and_use": "s",
}


def fields(found):
    return [gap.field for gap in found]


def test_two_dates_an_unknown_happened_date_is_a_gap():
    assert fields(gaps.happened(None)) == ["happened_on"]
    assert gaps.happened(ON) == ()


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("under_policy", "made under the Policy"),
        ("purpose", "purpose"),
        ("public_benefit", "public benefit"),
        ("safe_holding_and_use", "safe holding and use"),
    ],
)
def test_vps_formal_request_lacks_what_the_policy_asks_at_least(missing, field):
    assert gaps.formal_request("vps", "formal", ON, **FULL_REQUEST) == ()
    found = gaps.formal_request("vps", "formal", ON, **(FULL_REQUEST | {missing: None}))
    assert found == (Gap(field, "VPS Data Sharing Policy, 'responsibility to share'"),)
    assert gaps.formal_request("vps", "informal", ON, **(FULL_REQUEST | {missing: None})) == ()
    assert gaps.formal_request("vps", "formal", date(2021, 1, 1), **(FULL_REQUEST | {missing: None})) == ()


def test_vps_formal_request_that_does_not_say_it_is_made_under_the_policy():
    found = gaps.formal_request("vps", "formal", None, **(FULL_REQUEST | {"under_policy": False}))
    assert fields(found) == ["made under the Policy"]


def test_vps_and_nsw_request_without_its_dates():
    assert fields(gaps.request_dates("vps", None, None)) == ["date made", "date received"]
    assert fields(gaps.request_dates("nsw", ON, None)) == ["date received"]
    assert gaps.request_dates("other", None, None) == ()
    assert [gaps.request_dates(scheme, None, ON)[0].section for scheme in ("vps", "nsw")] == [
        "VPS Data Sharing Policy, 'responsibility to share'",
        "Data.NSW guide §2",
    ]


def test_nsw_s2_approval_without_reasons():
    assert gaps.approval("nsw", ON, None) == (Gap("reasons for the approval", "Data.NSW guide §2"),)
    assert gaps.approval("nsw", ON, "r") == gaps.approval("vps", ON, None) == ()
    assert gaps.approval("nsw", date(2014, 1, 1), None) == ()


def test_vps_and_nsw_s2_imported_refusal_that_leaves_things_out():
    bare = {"grounds": (), "reasons": None, "in_writing": None, "sent_on": None}
    two = ["ground of refusal", "reasons for the refusal"]
    assert fields(gaps.refusal("vps", "informal", **bare)) == two
    assert fields(gaps.refusal("vps", "formal", **bare)) == [*two, "in writing"]
    assert fields(gaps.refusal("nsw", None, **bare)) == [*two, "in writing", "date sent"]
    assert gaps.refusal("other", None, **bare) == ()
    assert gaps.refusal("vps", "informal", **bare)[0].section.startswith("VPS Data Sharing Policy")
    assert gaps.refusal("nsw", None, **bare)[0].section == "Data.NSW guide §2"


def test_ipp_2_2_imported_disclosure_without_its_note():
    assert gaps.disclosure(["ipp_2_1_g"], None) == (Gap("written note", "PDPA IPP 2.2"),)
    assert gaps.disclosure(["ipp_2_1_g"], "n") == gaps.disclosure(["ipp_2_1_f"], None) == ()


def test_nsw_s1_q4_q8c_personal_information_without_an_answer_on_a_pia():
    assert gaps.privacy_assessment(True, None) == (Gap("PIA undertaken?", "Data.NSW guide §1 (Q4, Q8c)"),)
    assert gaps.privacy_assessment(True, False) == gaps.privacy_assessment(None, None) == ()


def test_ciss_ch5_complaint_record():
    bare = {"made_on": None, "received_on": None, "nature": None, "complainant": None, "refusal": None}
    found = gaps.complaint_received(True, about="request_not_met", **bare)
    assert fields(found) == ["date made", "date received", "nature", "complainant", "request not met"]
    assert [gap.section for gap in found] == ["CISS Guidelines, ch. 5"] * 3 + ["CISS Guidelines, ch. 6"] * 2
    assert "request not met" not in fields(gaps.complaint_received(True, about="privacy", **bare))
    assert gaps.complaint_received(False, about="privacy", **bare) == ()


def test_ciss_ch5_closing_record():
    bare = {"to_resolve": None, "to_prevent": None, "further": None}
    three = ["action to resolve", "action to prevent", "resolved?"]
    assert fields(gaps.complaint_closed(True, resolved=None, **bare)) == three
    assert fields(gaps.complaint_closed(True, resolved=False, **bare)) == [*three[:2], "further action"]
    assert gaps.complaint_closed(False, resolved=None, **bare) == ()
    full = {"to_resolve": "none", "to_prevent": "none", "further": None}
    assert gaps.complaint_closed(True, resolved=True, **full) == ()


def test_pdpa_s78_imported_notice_names_the_subsection_of_each_gap():
    found = gaps.compliance_notice(
        contravened=None,
        limb=None,
        occasions=(),
        action=None,
        period_ends=None,
        origin=None,
        served_on=None,
        service=None,
    )
    assert [(gap.field, gap.section) for gap in found] == [
        ("what was contravened", "PDPA 78(1)(a)"),
        ("limb", "PDPA 78(1)(b)"),
        ("action", "PDPA 78(2)"),
        ("period", "PDPA 78(2)"),
        ("origin", "PDPA 78(5)"),
        ("date served", "PDPA 78(7)"),
        ("method of service", "PDPA 78(7)"),
    ]


def test_pdpa_s78_1_b_ii_and_78_7_gaps_of_an_imported_notice():
    facts = {
        "contravened": "ipp",
        "limb": "repeated",
        "occasions": [ON] * 4,
        "action": "stop",
        "period_ends": ON,
        "origin": "own_initiative",
        "served_on": date(2021, 4, 25),
        "service": None,
    }
    assert fields(gaps.compliance_notice(**facts)) == ["dated occasions"]
    assert fields(gaps.compliance_notice(**(facts | {"occasions": [ON] * 5 + [None]}))) == ["dated occasions"]
    assert gaps.compliance_notice(**(facts | {"occasions": [ON] * 5})) == ()
    assert fields(gaps.compliance_notice(**(facts | {"occasions": [ON] * 5, "served_on": ON}))) == [
        "method of service"
    ]


def test_destruction_record_that_leaves_things_out():
    found = gaps.destruction(what="x", how=None, by=None, authority=None)
    assert fields(found) == ["how", "by whom", "authority"]


def test_nsw_s3_recipients_notice_to_the_provider():
    assert fields(gaps.recipient_notice("dtf", "dpc", None)) == ["provider notified"]
    assert gaps.recipient_notice("dtf", "dpc", ON) == ()
    assert gaps.recipient_notice(None, "dpc", None) == ()
    assert gaps.recipient_notice("dtf", None, None) == gaps.recipient_notice("dtf", "dtf", None) == ()


def test_a_gap_is_each_fact_unstated_in_the_order_given_and_false_is_stated():
    found = gaps.unstated({"b": None, "stated": False, "a": " ", "c": ()}, "PDPA 78(2)")
    assert found == (Gap("b", "PDPA 78(2)"), Gap("a", "PDPA 78(2)"), Gap("c", "PDPA 78(2)"))
