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


def test_two_dates_a_trigger_is_known_to_the_day():
    assert gaps.trigger(ON, False) == (Gap("happened_on, to the day", "ledger rule: two dates on every fact"),)
    assert gaps.trigger(ON, True) == gaps.trigger(None, False) == ()


def test_vps_scope_imported_request_without_form_law_or_parties():
    bare = {"law": None, "requester": None, "provider": None}
    assert fields(gaps.received("other", None, ON, **bare)) == ["the law it was made under"]
    assert fields(gaps.received("vps", None, ON, **bare)) == ["form (informal or formal)"]
    found = gaps.received("vps", "formal", None, **bare)
    assert fields(found) == ["whether the requester was bound", "whether the provider was bound"]
    assert {gap.section for gap in found} == {"VPS Data Sharing Policy, 'scope of this policy'"}
    assert gaps.received("vps", None, date(2021, 4, 27), **bare) == gaps.received("nsw", None, ON, **bare) == ()


def test_nothing_is_missing_that_a_rule_from_after_the_fact_asks_for():
    before = date(2021, 4, 27)
    bare = {"grounds": (), "reasons": None, "in_writing": None, "sent_on": None}
    assert gaps.refusal("vps", "formal", on=before, **bare) == ()
    assert gaps.request_dates("vps", None, before) == ()
    assert gaps.disclosure(["ipp_2_1_g", "ipp_2_1_h"], None, None, date(2014, 9, 16)) == ()


def test_nsw_s1_q3_imported_closing_and_referral():
    assert gaps.closing("nsw", None, None) == (Gap("reason of closing", "Data.NSW guide §1"),)
    assert fields(gaps.closing("vps", "public", None)) == ["where the data is public"]
    assert gaps.closing("vps", "not_held", None) == gaps.referral("dtf") == ()
    assert fields(gaps.referral(None)) == ["agency referred to"]


def test_ipp_2_1_h_and_the_record_of_an_imported_disclosure():
    found = gaps.disclosure(["ipp_2_1_h"], None, None, ON)
    assert found == (Gap("written authorisation and certificate", "PDPA IPP 2.1(h)"),)
    assert fields(gaps.disclosure_record(None, (), None)) == ["what was disclosed", "to whom", "legal basis"]
    assert gaps.disclosure_record("w", ("act",), "dtf") == ()


def test_ciss_ch5_which_action_and_ch6_which_body():
    assert fields(gaps.action_described(True, "action to resolve", "taken", None)) == [
        "which action to resolve"
    ]
    assert gaps.action_described(True, "action to resolve", "none", None) == ()
    assert gaps.action_described(False, "action to resolve", "taken", None) == ()
    assert gaps.taken_on(None) == (Gap("oversight body", "CISS Guidelines, ch. 6"),)
    assert gaps.taken_on("ovic") == ()


def test_pdpa_s78_s8o_imported_decision():
    full = {
        "provisions": ("IPP 4.1",),
        "maker": "commissioner",
        "instrument": None,
        "origin": "own_initiative",
        "was_complainant": None,
        "bound": "dtf",
    }
    assert gaps.notice_decision(**full) == ()
    bare = full | {"provisions": (), "maker": "delegate", "origin": "application", "bound": None}
    assert [(gap.field, gap.section) for gap in gaps.notice_decision(**bare)] == [
        ("provisions contravened", "PDPA 78(1)(a)"),
        ("whether Part 3 applies to the body", "PDPA 78(1), 13"),
        ("whether the applicant was a complainant", "PDPA 78(5)"),
        ("instrument of delegation", "PDPA 8O"),
    ]
    assert fields(gaps.notice_decision(**(full | {"maker": None}))) == ["who decided"]


def test_pdpa_s83c_s78_3_s83_1_imported_service_extension_and_review():
    assert fields(gaps.service(ON, None, "registered_post", None)) == ["whom the notice is directed to"]
    assert fields(gaps.service(ON, "d", "electronic", None)) == ["whether receipt was confirmed"]
    assert fields(gaps.service(ON, "d", "left_at_office", None)) == ["with whom it was left"]
    assert gaps.service(ON, "d", "left_at_office", None, True) == ()
    assert gaps.service(date(2021, 4, 25), None, "electronic", None) == ()
    assert {gap.section for gap in gaps.extension(None, None, None)} == {"PDPA 78(3)"}
    assert fields(gaps.extension(False, True, None)) == ["end of the extended period"]
    assert gaps.review_applied(None) == (Gap("whether interests are affected", "PDPA 83(1)"),)
    assert gaps.review_applied(False) == ()


def test_nsw_s3_ipp_4_2_1_law_g_imported_item_hold_and_de_identification():
    bare = {"what": None, "holder": None, "trigger": None, "action": None}
    assert fields(gaps.retention_item(**bare)) == ["what", "holder", "trigger", "action"]
    assert gaps.hold(None) == (Gap("reason of the hold", "ledger rule: holds stop destruction"),)
    assert gaps.de_identification(True, None, ON) == (Gap("whether it is permanent", "PDPA IPP 4.2"),)
    assert gaps.de_identification(False, None, ON) == gaps.de_identification(True, False, ON) == ()
    assert gaps.de_identification(True, None, date(2014, 9, 16)) == ()


def test_ipp_4_2_whether_a_copy_is_kept_of_what_is_not_needed():
    assert gaps.copy_kept(True, None, ON) == (Gap("whether a copy is kept", "PDPA IPP 4.2"),)
    assert gaps.copy_kept(True, False, ON) == gaps.copy_kept(False, None, ON) == ()
    assert gaps.copy_kept(True, None, date(2014, 9, 16)) == ()


def test_1_law_a_organisation():
    ours = "ledger rule: organisations"
    assert gaps.organisation(None) == (Gap("agency head (office or name)", ours),)
    assert gaps.organisation("secretary") == ()
    assert gaps.bound(None) == (Gap("version of the instrument", ours),)
    assert gaps.bound("2021", None) == (Gap("basis", ours),)
    assert gaps.bound("2021") == ()


def test_pdpa_13_1_status():
    assert gaps.privacy_status(True, None, None, ()) == (Gap("limb of 13(1)", "PDPA 13(1)"),)
    assert gaps.privacy_status(True, "j", None, ()) == (Gap("clause of the State contract", "PDPA 13(1)(j)"),)
    assert gaps.privacy_status(True, "k", None, ("s84_3",)) == (Gap("Order under 13(3)(a)", "PDPA 13(1)(k)"),)
    for limb, clause, orders in (("a", None, ()), ("j", True, ()), ("k", None, ("s13_3_a",))):
        assert gaps.privacy_status(True, limb, clause, orders) == ()
    assert gaps.privacy_status(False, None, None, ()) == ()


def test_1_law_head_succession():
    changes = "ledger rule: organisations change"
    assert gaps.succession(None, None) == (Gap("functions that move", changes), Gap("instrument", changes))
    assert gaps.succession(True, "Order") == ()


def test_pdpa_s82_1_a_compliance_without_evidence_of_its_steps_is_a_gap():
    (found,) = gaps.complied(None, date(2025, 7, 1))
    assert (found.field, found.section) == ("evidence of the steps taken", "PDPA 82(1)")
    assert gaps.complied("a report", date(2025, 7, 1)) == ()
    assert gaps.complied(None, date(2013, 7, 1)) == ()
