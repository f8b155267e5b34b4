"""What rows say of a case, folded in memory: no database."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.clock import melbourne_date
from ledger.domain.complaint.events import (
    ComplaintReceived,
    ComplaintResolved,
    ComplaintTaken,
    OversightBody,
)
from ledger.domain.installation.aggregate import RoleGrants
from ledger.domain.installation.events import GrantedRole, RoleEnded, RoleGranted
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    DecisionMaker,
    NoticeNotComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRequested,
    ReviewApplied,
    ReviewDetermined,
    ReviewResult,
)
from ledger.domain.organisation.events import (
    AgencyHeadChanged,
    BindingBasis,
    FunctionsTakenOver,
    HeadOffice,
    HeadsOfAgreementSigned,
    OrganisationKind,
    OrganisationRegistered,
    OrganisationSucceeded,
    Part3Limb,
    PrivacyStatusSet,
    Scheme,
    SchemeBound,
)
from ledger.domain.request import events as ev
from ledger.domain.retention.events import (
    HoldPlaced,
    HoldReleased,
    NoLongerNeeded,
    RecordsDestroyed,
    RecordsReturned,
    RetentionScheduled,
    RetentionTriggered,
)
from ledger.law.installation import ATTESTED_REGISTERS, SCHEMES
from projections.base import StreamInfo, registers
from projections.views.request import request_view
from tests.domain.build import CALENDAR, LEDGER, OWN, Book
from tests.domain.request_lives import (
    FORMAL,
    INFORMAL,
    NSW,
    REQUESTER,
    book,
    disclose,
    divide,
    received,
    refuse,
)
from tests.domain.test_taken_over import SUCCESSOR, ledgers, linked


def rows(made: Book, register: str, stream: str = "case-1") -> list[dict[str, Any]]:
    history = made.cases[stream].history
    about = StreamInfo(1, LEDGER, OWN, stream, type(history[0]), CALENDAR)
    return [{**row.values, "key": row.key} for row in registers()[register].rows(history, about)]


def clock(made: Book, name: str, stream: str = "case-1") -> dict[str, Any]:
    found = [row for row in rows(made, "clocks", stream) if row["clock"] == name]
    assert len(found) == 1
    return found[0]


def gaps(made: Book, stream: str = "case-1") -> set[tuple[str, str]]:
    return {(row["field"], row["section"]) for row in rows(made, "gaps", stream)}


def escalated() -> Book:
    """Part a refused by telephone while the request was informal; then b asked for formally, and provided."""
    made = book()
    received(made, INFORMAL, on="2025-06-02", made_on=date(2025, 6, 2))
    divide(made, "2025-06-03")
    refuse(made, "2025-06-04", ("a",), in_writing=False)
    made.record(ev.RequestEscalated, on="2025-06-10", made_on=date(2025, 6, 10), made_under_policy=True)
    disclose(made, "2025-06-20", ("b",))
    return made


def test_vps_copy_is_owed_of_a_refusal_of_a_formal_request_only() -> None:
    """What was refused before the request was made formal is not copied to the Secretary, DPC."""
    made = escalated()
    assert rows(made, "requests")[0]["copy_owed"] == 0
    assert [(row["copy_owed"], row["form"]) for row in rows(made, "refusals")] == [(False, "informal")]
    assert not [row for row in rows(made, "clocks") if row["clock"] == "vps.refusal_copy"]


def test_vps_response_to_a_formal_request_does_not_wait_for_an_informal_refusal_in_writing() -> None:
    made = escalated()
    row = rows(made, "requests")[0]
    assert (row["response_on"], row["due_on"], row["late"]) == (date(2025, 6, 20), date(2025, 6, 24), False)
    assert clock(made, "vps.response")["states"] == ["open", "met"]


@pytest.mark.parametrize("other", [None, "2025-06"])
def test_vps_response_is_of_unknown_day_where_one_answer_is(other: str | None) -> None:
    """Two parts, one answered on a day that is not known: it is not known when the response was complete."""
    made = book()
    received(made, FORMAL)
    divide(made)
    disclose(made, "2025-06-20", ("a",))
    disclose(made, other, ("b",))
    row = rows(made, "requests")[0]
    assert (row["response_on"], row["late"]) == (None, None)
    assert clock(made, "vps.response")["ended_on"] is None


def test_vps_response_refused_in_time_and_sent_late_is_late() -> None:
    """The Policy asks for a response, not for a decision kept in a drawer: told on the day it was sent."""
    made = book()
    received(made, FORMAL)
    refuse(made, "2025-06-20", sent_on=date(2025, 6, 28))
    row = rows(made, "requests")[0]
    assert (row["response_on"], row["response_days"], row["late"]) == (date(2025, 6, 28), 17, True)
    found = clock(made, "vps.response")
    assert (found["states"], found["ended_on"]) == (["open", "overdue", "met late"], date(2025, 6, 28))


def test_nsw_an_approval_of_the_whole_answers_the_parts_that_it_is_divided_into() -> None:
    made = book()
    received(made, NSW)
    made.record(ev.RequestApproved, on="2025-06-12", parts=("whole",), reasons="In the public interest")
    divide(made)
    assert clock(made, "nsw.response")["ended_on"] == date(2025, 6, 12)
    history = made.cases["case-1"].history
    view = request_view(history, StreamInfo(1, LEDGER, OWN, "case-1", type(history[0]), CALENDAR))
    assert view is not None
    assert view.states == {"a": "approved", "b": "approved"}


def test_1_law_who_acts_a_role_is_held_to_the_day_before_its_end() -> None:
    """As the grants in force have it: on the day of the end it is held no more."""
    made = Book()
    made.cases["roles"] = RoleGrants.blank("roles")
    common: dict[str, Any] = {"person": "u-2", "organisation": OWN}

    def act(event: Any, on: str, by: str) -> None:
        made.record(
            lambda **fields: event(**fields, role=GrantedRole.ADMINISTRATOR, **common), "roles", on, role=by
        )  # type: ignore[arg-type]

    act(RoleGranted, "2025-01-01", "system")
    act(RoleEnded, "2025-03-01", "administrator")
    row = rows(made, "role_grants", "roles")[0]
    assert (row["valid_from"], row["valid_until"]) == (date(2025, 1, 1), date(2025, 2, 28))


def test_4_wire_a_trigger_not_known_to_the_day_is_a_gap() -> None:
    made = book()
    received(made, FORMAL, on="2025-06")
    assert not [row for row in rows(made, "clocks") if row["clock"] == "vps.response"]
    assert ("happened_on, to the day", "ledger rule: two dates on every fact") in gaps(made)


def test_1_law_a_imported_request_names_the_section_of_each_gap() -> None:
    made = book()
    received(made, FORMAL, requester=None, imported=True)
    made.record(
        ev.DisclosureMade, on="2025-06-20", parts=("whole",), bases=(ev.LegalBasis.IPP_2_1_H,), imported=True
    )
    assert gaps(made) == {
        ("whether the requester was bound", "VPS Data Sharing Policy, 'scope of this policy'"),
        ("what was disclosed", "ledger rule: disclosures"),
        ("to whom", "ledger rule: disclosures"),
        ("written authorisation and certificate", "PDPA IPP 2.1(h)"),
    }


def test_a_fact_from_before_its_rule_has_no_gaps_of_it() -> None:
    """1-law, head: it is recorded and not judged by it."""
    made = book()
    received(made, INFORMAL | {"made_on": None}, on="2020-06-11", imported=True)
    refuse(made, "2020-06-20", grounds=(), reasons=None, imported=True)
    assert gaps(made) == set()


def test_ciss_ch5_a_complaint_of_unknown_date_shows_what_else_it_lacks() -> None:
    made = Book()
    made.record(ComplaintReceived, on=None, imported=True)
    made.record(ComplaintResolved, on="2025-03-01", imported=True)
    ch_5 = {field for field, section in gaps(made) if section == "CISS Guidelines, ch. 5"}
    assert ch_5 == {"date made", "date received", "nature", "action to resolve", "action to prevent"}


def test_pdpa_s78_imported_decision_names_what_it_leaves_out() -> None:
    made = Book()
    made.record(
        ComplianceNoticeIssued, on="2025-03-03", role="regulator", imported=True,
        decided_by=DecisionMaker.DELEGATE,
    )  # fmt: skip
    assert {
        ("provisions contravened", "PDPA 78(1)(a)"),
        ("whether Part 3 applies to the body", "PDPA 78(1), 13"),
        ("instrument of delegation", "PDPA 8O"),
    } <= gaps(made)


def retained(**scheduled: Any) -> Book:
    made = Book()
    made.record(RetentionScheduled, on="2020-01-01", role="privacy_officer", imported=True, **scheduled)
    return made


def test_nsw_s3_what_no_one_provided_owes_no_notice_to_a_provider() -> None:
    for provider, owed in ((None, False), ("Invented Provider", True)):
        made = retained(what="w", holder_name="Invented Holder", provider_name=provider)
        made.record(
            RecordsDestroyed, on="2025-01-01", role="privacy_officer", imported=True, early_authority="GA 28"
        )
        found = {field for field, _ in gaps(made)}
        assert ("provider notified" in found) is owed
        assert {"trigger", "action", "how", "by whom", "authority"} <= found


def test_1_law_g_a_hold_of_unknown_days_holds_and_ends() -> None:
    made = retained(what="w")

    def act(event: Any, on: str | None, **fields: Any) -> None:
        made.record(event, on=on, role="privacy_officer", imported=True, **fields)

    act(RetentionTriggered, "2021-01-01")
    act(HoldPlaced, None, hold="case-7")
    assert clock(made, "retention.action")["states"] == ["held"]
    act(HoldReleased, None, hold="case-7")
    row = clock(made, "retention.action")
    assert row["states"] == ["held", "overdue"]
    released = melbourne_date(made.cases["case-1"].history[-1].timestamp)
    assert row["state_from"] == [date(2021, 1, 1), released]


def test_pdpa_s82_2_a_notice_is_pending_until_the_day_on_which_it_takes_effect() -> None:
    made = Book()
    made.record(
        ComplianceNoticeIssued, on="2025-03-03", role="regulator", imported=True, period_ends=date(2025, 6, 30)
    )
    row = clock(made, "pdpa.notice_effect")
    assert row["states"] == ["pending", "in effect"]
    assert row["state_from"] == [date(2025, 3, 3), date(2025, 6, 30)]


def noticed(*later: tuple[Any, str, dict[str, Any]]) -> Book:
    """A notice decided on 3 March 2025, with a period to the end of June, then facts as they were recorded."""
    made = Book()
    made.record(
        ComplianceNoticeIssued, on="2025-03-03", role="regulator", imported=True, period_ends=date(2025, 6, 30)
    )
    for event, on, fields in later:
        made.record(event, on=on, role="regulator", imported=True, **fields)
    return made


def test_a_notice_is_folded_in_the_order_things_happened() -> None:
    """1-law, head: law judges by happened; what was recorded late stands in its place."""
    served: tuple[Any, str, dict[str, Any]] = (NoticeServed, "2025-03-04", {})
    made = noticed(
        served, (NoticeNotComplied, "2025-08-20", {}), (NoticeNotComplied, "2025-07-20", {}),
        (ReasonsGiven, "2025-04-20", {}), (ReasonsRequested, "2025-03-10", {}),
    )  # fmt: skip
    (row,) = rows(made, "notices")
    assert row["not_complied_on"] == date(2025, 7, 20)
    assert row["reasons"] == "given"
    assert (row["review_until"], row["in_effect_on"]) == (date(2025, 5, 19), date(2025, 6, 30))
    assert rows(noticed(served, (ReasonsRequested, "2025-03-10", {})), "notices")[0]["reasons"] == "requested"
    assert rows(noticed(served), "notices")[0]["reasons"] is None


def test_82_2_d_a_notice_that_a_review_went_against_states_the_day() -> None:
    against = {"result": ReviewResult.AGAINST_COMMISSIONER}
    made = noticed((ReviewApplied, "2025-03-20", {}), (ReviewDetermined, "2025-09-01", against))
    (row,) = rows(made, "notices")
    assert (row["outcome"], row["set_aside_on"]) == ("set aside", date(2025, 9, 1))
    assert rows(noticed(), "notices")[0]["set_aside_on"] is None


def test_a_complaints_oversight_bodies_stand_in_the_order_they_were_gone_to() -> None:
    """1-law, head: taken on to the HCC first, which was recorded last."""
    made = Book()
    made.record(ComplaintReceived, on="2025-02-03", imported=True)
    made.record(ComplaintTaken, on="2025-04-01", imported=True, to=OversightBody.OVIC)
    made.record(ComplaintTaken, on="2025-03-01", imported=True, to=OversightBody.HCC)
    assert rows(made, "complaints")[0]["taken_to"] == ["hcc", "ovic"]


@pytest.mark.parametrize(("kept", "states"), [(False, ["open", "met"]), (None, ["open"])])
def test_ipp_4_2_what_is_returned_with_no_copy_kept_ends_the_duty(kept: bool | None, states: list[str]) -> None:
    made = retained(what="w", disposal_authority="GA28 2.9.1")
    common: dict[str, Any] = {"role": "privacy_officer", "imported": True}
    made.record(NoLongerNeeded, on="2025-01-01", **common)
    made.record(RecordsReturned, on="2025-02-01", copy_kept=kept, **common)
    assert clock(made, "ipp4.destroy")["states"] == states
    assert (("whether a copy is kept", "PDPA IPP 4.2") in gaps(made)) is (kept is None)
    (row,) = rows(made, "retention")
    assert (row["disposal_authority"], row["copy_kept"]) == ("GA28 2.9.1", kept)


def body(*later: tuple[Any, str | None, dict[str, Any]], **fields: Any) -> Book:
    """An organisation's case in ``common``, as an old register tells it, beside another one's."""
    made = Book()
    common: dict[str, Any] = {"role": "administrator", "imported": True}
    kind = {"legal_name": "Invented Department", "kind": OrganisationKind.DEPARTMENT}
    made.record(OrganisationRegistered, OTHER_BODY, on="2001-01-01", **common, **kind)
    made.organisations[OTHER_BODY] = made.cases[OTHER_BODY]
    made.record(OrganisationRegistered, on="2001-01-01", **common, **(kind | fields))
    for event, on, more in later:
        made.record(event, on=on, **common, **more)
    return made


OTHER_BODY = "5a6f4f1e-0000-4000-8000-00000000000f"


def test_1_law_a_what_the_register_of_organisations_leaves_out_is_a_gap() -> None:
    ours = "ledger rule: organisations"
    assert gaps(body()) == {("agency head (office or name)", ours)}
    assert gaps(body((AgencyHeadChanged, "2020-01-01", {"head_office": HeadOffice.SECRETARY}))) == set()
    named = {"head_office": HeadOffice.SECRETARY}
    assert gaps(body((HeadsOfAgreementSigned, "2021-07-01", {}), **named)) == {
        ("version of the instrument", ours)
    }
    assert gaps(body((SchemeBound, "2021-07-01", {"scheme": Scheme.DATAVIC}), **named)) == {
        ("version of the instrument", ours), ("basis", ours),
    }  # fmt: skip
    assert gaps(body((PrivacyStatusSet, "2021-07-01", {"part_3": True}), **named)) == {
        ("limb of 13(1)", "PDPA 13(1)")
    }
    for limb, field in ((Part3Limb.J, "clause of the State contract"), (Part3Limb.K, "Order under 13(3)(a)")):
        status = {"part_3": True, "part_3_limb": limb}
        assert gaps(body((PrivacyStatusSet, "2021-07-01", status), **named)) == {
            (field, f"PDPA 13(1)({limb.value})")
        }
    assert gaps(body((OrganisationSucceeded, "2023-01-01", {"successor": OTHER_BODY}), **named)) == {
        ("functions that move", "ledger rule: organisations change"),
        ("instrument", "ledger rule: organisations change"),
    }
    unknown = body(**named)
    unknown.record(AgencyHeadChanged, on=None, role="administrator", head_office=HeadOffice.MINISTER)
    assert gaps(unknown) == {("happened_on", "ledger rule: two dates on every fact")}


def test_1_law_head_a_succession_states_its_day_on_both_sides() -> None:
    how = {"all_functions": True, "instrument": "Order in Council"}
    passed = (OrganisationSucceeded, "2023-01-01", {"successor": OTHER_BODY, **how})
    earlier = (OrganisationSucceeded, "2022-01-01", {"successor": OTHER_BODY, **how})
    made = body(passed, earlier)
    (row,) = rows(made, "organisations")
    assert (row["succeeded_on"], row["successors"]) == (date(2023, 1, 1), [OTHER_BODY, OTHER_BODY])
    first, second = rows(made, "successions")
    assert [each["succeeded_on"] for each in (first, second)] == [date(2023, 1, 1), date(2022, 1, 1)]
    assert (first["side"], first["predecessor"], first["successor"]) == ("predecessor", "case-1", OTHER_BODY)
    made.organisations["case-1"] = made.cases["case-1"]
    taken = {"predecessor": "case-1", **how}
    made.record(FunctionsTakenOver, OTHER_BODY, "2023-01-01", role="administrator", **taken)
    (row,) = rows(made, "successions", OTHER_BODY)
    assert (row["side"], row["predecessor"], row["successor"]) == ("successor", "case-1", OTHER_BODY)
    assert (row["succeeded_on"], row["all_functions"]) == (date(2023, 1, 1), True)
    assert rows(made, "organisations", OTHER_BODY)[0]["succeeded_on"] is None


def test_1_law_a_what_binds_a_body_states_its_basis_and_the_version() -> None:
    signed = (HeadsOfAgreementSigned, "2021-07-24", {"instrument_version": "2021"})
    bound = {
        "scheme": Scheme.DATAVIC,
        "basis": BindingBasis.FINANCIAL_MANAGEMENT_ACT,
        "instrument_version": "v2.1",
    }
    made = body(signed, (SchemeBound, "2016-11-30", bound))
    assert {row["scheme"]: row["basis"] for row in rows(made, "bindings")} == {
        "vps": "Heads of Agreement (2021) signed on 2021-07-24",
        "datavic": "financial_management_act, v2.1",
    }


def test_1_law_head_a_request_taken_over_names_the_case_that_it_goes_on_from() -> None:
    old, new = ledgers()
    received(old, INFORMAL, on="2025-06-11")
    taken = INFORMAL | {"provider": SUCCESSOR, "taken_over": linked(old, new)}
    received(new, taken, on="2025-06-11")
    assert rows(new, "requests")[0]["taken_over"] == f"{LEDGER}/case-1"
    assert rows(old, "requests")[0]["taken_over"] is None


def test_1_law_a_what_came_after_an_outcome_and_whom_it_was_referred_to() -> None:
    made = book()
    received(made, NSW)
    refuse(made, "2025-06-20")
    made.record(ev.GipaApplicationMade, on="2025-07-02")
    made.record(ev.OutcomeDisputed, on="2025-07-01", parts=("whole",))
    made.record(ev.OutcomeDisputed, on="2025-06-30", parts=("whole",))
    row = rows(made, "requests")[0]
    assert (row["disputed_on"], row["gipa_on"]) == (date(2025, 6, 30), date(2025, 7, 2))
    made = book()
    received(made, NSW)
    made.record(ev.RequestReferred, on="2025-06-13", to_organisation=REQUESTER)
    row = rows(made, "requests")[0]
    assert (row["referred_to"], row["disputed_on"], row["gipa_on"]) == (REQUESTER, None, None)


def test_1_law_a_a_disclosure_names_what_how_and_on_which_basis() -> None:
    made = book()
    received(made, FORMAL)
    words = {
        "variables": "v",
        "format": "CSV",
        "volume": "10 rows",
        "transfer_words": "t",
        "technique_words": "n",
    }
    law = {"bases": (ev.LegalBasis.OTHER_LAW, ev.LegalBasis.IPP_2_1_H), "basis_words": "an Act"}
    disclose(made, **words, **law, ipp_2_1_h_authority="the certificate")
    row = rows(made, "disclosures")[0]
    told = {*words, "basis_words", "authority"}
    index = made.cases["case-1"].history[-1].index
    assert {name: row[name] for name in told} == {
        name: f"{index}:{'ipp_2_1_h_authority' if name == 'authority' else name}" for name in told
    }


def test_1_law_head_a_trigger_from_before_its_rule_starts_no_clock() -> None:
    """Recorded, and not judged: it is no open duty either."""
    before, after = book(), book()
    received(before, FORMAL | {"made_on": None}, on="2021-04-01", imported=True)
    received(after, FORMAL | {"made_on": None}, on="2025-05-05", imported=True)
    assert [row["clock"] for row in rows(before, "clocks")] == []
    assert [row["clock"] for row in rows(after, "clocks")] == ["vps.response"]


def test_1_law_head_what_can_be_attested_are_registers_and_schemes_of_requests() -> None:
    assert set(registers()) >= ATTESTED_REGISTERS
    assert {scheme.value for scheme in ev.RequestScheme} == set(SCHEMES)
