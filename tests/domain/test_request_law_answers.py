"""Rules of escalation, disclosure, closing, parts, ends, and what follows: through the case, by section."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from ledger.domain.request import events as ev
from ledger.errors import InvalidInput, LawRefused, NotFound
from tests.domain.build import OWN, Book
from tests.domain.request_lives import (
    FORMAL,
    INFORMAL,
    NSW,
    OTHER,
    REQUESTER,
    UNBOUND,
    book,
    close,
    disclose,
    divide,
    received,
    ref,
    refuse,
    states,
)

VPS = "VPS Data Sharing Policy, 'responsibility to share'"
SCOPE = "VPS Data Sharing Policy, 'scope of this policy'"
NSW_2 = "Data.NSW guide §2"


def refused(citation: str, words: str = "") -> Any:
    return pytest.raises(LawRefused, match=re.escape(words) + r".*" + re.escape(f"({citation})"))


def open_case(fields: dict[str, Any], on: str | None = "2025-06-11", **more: Any) -> Book:
    made = book()
    received(made, fields, on, **more)
    return made


# --- escalation, resourcing -----------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [FORMAL, NSW, OTHER])
def test_vps_only_an_informal_request_is_escalated(fields: dict[str, Any]) -> None:
    with refused(VPS, "only an informal VPS request"):
        open_case(fields).record(ev.RequestEscalated, on="2025-06-12")


def test_vps_scope_escalation_needs_both_parties_bound_on_its_own_date() -> None:
    made = open_case(INFORMAL, requester=UNBOUND)
    with refused(SCOPE, "the requester was not bound by the Heads of Agreement on 2025-06-20"):
        made.record(ev.RequestEscalated, on="2025-06-20")


def test_vps_an_answered_request_is_not_escalated() -> None:
    made = open_case(INFORMAL)
    refuse(made)
    with refused(VPS, "nothing is left to be escalated"):
        made.record(ev.RequestEscalated, on="2025-06-21")


def test_vps_resourcing_is_of_vps_requests() -> None:
    assert open_case(INFORMAL).record(ev.ResourcingAgreed, on="2025-06-12", borne_by=ev.CostBearer.SHARED)
    with refused(VPS, "resourcing"):
        open_case(NSW).record(ev.ResourcingAgreed, on="2025-06-12")


# --- disclosure -----------------------------------------------------------------------------------------


def test_disclosure_states_what_to_whom_and_on_which_basis() -> None:
    made = open_case(INFORMAL)
    for gone in ({"description": None}, {"recipient": None}, {"bases": ()}):
        with refused("ledger rule: disclosures"):
            disclose(made, **gone)
    made.record(ev.DisclosureMade, on="2025-06-20", parts=("whole",), imported=True)
    assert states(made) == {"whole": "disclosed"}


def test_ipp_2_2_disclosure_under_2_1_g_carries_a_written_note() -> None:
    made = open_case(INFORMAL)
    bases = (ev.LegalBasis.PRIMARY_PURPOSE, ev.LegalBasis.IPP_2_1_G)
    with refused("PDPA IPP 2.2", "the written note"):
        disclose(made, bases=bases)
    assert disclose(made, bases=bases, ipp_2_2_note="file 12, page 3")


def test_ipp_2_2_before_the_act_is_not_judged() -> None:
    made = open_case(OTHER, "2014-09-01", made_on=None)
    assert disclose(made, "2014-09-16", bases=(ev.LegalBasis.IPP_2_1_G,))


def test_ipp_2_1_h_disclosure_carries_authorisation_and_certificate() -> None:
    made = open_case(INFORMAL)
    with refused("PDPA IPP 2.1(h)"):
        disclose(made, bases=(ev.LegalBasis.IPP_2_1_H,))
    assert disclose(made, bases=(ev.LegalBasis.IPP_2_1_H,), ipp_2_1_h_authority="certificate of 1 June")


@pytest.mark.parametrize(
    "open_word",
    [
        {"bases": (ev.LegalBasis.OTHER_LAW,)},
        {"transferred_by": ev.TransferMethod.OTHER},
        {"techniques": (ev.DeIdentification.OTHER,)},
    ],
)
def test_disclosure_open_words_are_explained(open_word: dict[str, Any]) -> None:
    with refused("ledger rule: disclosures", "'other' must come with its words"):
        disclose(open_case(INFORMAL), **open_word)


def test_disclosure_names_no_technique_where_nothing_was_de_identified() -> None:
    with pytest.raises(InvalidInput, match=r"^techniques"):
        disclose(open_case(INFORMAL), de_identified=False, techniques=(ev.DeIdentification.SUPPRESSION,))


def test_disclosure_agreement_must_exist() -> None:
    with pytest.raises(NotFound):
        disclose(open_case(INFORMAL), agreement=ref("nowhere"))


def test_recurring_supply_is_disclosed_again_a_single_one_is_not() -> None:
    made = open_case(INFORMAL, recurring=True)
    disclose(made)
    assert disclose(made, "2025-07-20")
    once = open_case(INFORMAL)
    disclose(once)
    with refused("ledger rule: requests by part", "cannot become disclosed"):
        disclose(once, "2025-07-20")


# --- closing, parts -------------------------------------------------------------------------------------


def test_closing_states_its_ground() -> None:
    made = open_case(INFORMAL)
    with refused("ledger rule: requests by part", "reason of closing"):
        close(made, ground=None)
    with refused("ledger rule: requests by part", "'other' must come with its words"):
        close(made, ground=ev.ClosingGround.OTHER)
    with refused("ledger rule: requests by part", "where the data is public"):
        close(made, ground=ev.ClosingGround.PUBLIC)
    assert close(made, ground=ev.ClosingGround.PUBLIC, where="on the Data Directory")


def test_an_outcome_names_parts_that_exist_each_once() -> None:
    made = open_case(INFORMAL)
    for parts in ((), ("a",), ("whole", "whole")):
        with refused("ledger rule: requests by part"):
            refuse(made, parts=parts)


@pytest.mark.parametrize("ids", [("a",), ("a", "a"), ("whole", "a")])
def test_division_names_two_or_more_parts(ids: tuple[str, ...]) -> None:
    with refused("ledger rule: requests by part", "two or more different parts"):
        divide(open_case(INFORMAL), "2025-06-12", *ids)


@pytest.mark.parametrize("part", ["", "Smith", "ab", "1234", "A", "p-1"])
def test_a_part_id_is_a_code_that_no_name_fits_in(part: str) -> None:
    with pytest.raises(InvalidInput, match=r"^parts\.1\.id: expected a code"):
        divide(open_case(INFORMAL), "2025-06-12", "a", part)


def test_division_comes_once_and_before_the_outcome() -> None:
    made = open_case(INFORMAL)
    divide(made)
    with refused("ledger rule: requests by part", "divided already"):
        divide(made)
    answered = open_case(INFORMAL)
    refuse(answered)
    with refused("ledger rule: requests by part", "already"):
        divide(answered, "2025-06-21")


def test_an_outcome_of_a_part_is_final() -> None:
    made = open_case(INFORMAL)
    refuse(made)
    with refused("ledger rule: requests by part", "is refused and cannot become disclosed"):
        disclose(made)


# --- further information, ends, afterwards ---------------------------------------------------------------


def test_an_answer_presupposes_its_question() -> None:
    made = open_case(INFORMAL)
    with refused("ledger rule: an answer presupposes its question"):
        made.record(ev.FurtherInformationProvided, on="2025-06-14", answer="the years 2020 to 2024")
    made.record(ev.FurtherInformationSought, on="2025-06-13", question="Which years?")
    with refused("ledger rule: an answer presupposes its question"):
        made.record(ev.FurtherInformationProvided, on="2025-06-12", answer="the years 2020 to 2024")
    assert made.record(ev.FurtherInformationProvided, on="2025-06-13", answer="the years 2020 to 2024")


def test_a_reply_is_not_wanted_before_the_question() -> None:
    with refused("ledger rule: two dates on every fact", "before the question"):
        open_case(INFORMAL).record(
            ev.FurtherInformationSought, on="2025-06-13", reply_wanted_by=date(2025, 6, 12)
        )


@pytest.mark.parametrize("end", [ev.RequestWithdrawn, ev.RequestReferred])
def test_nothing_is_left_to_withdraw_or_refer_once_every_part_is_answered(end: Any) -> None:
    made = open_case(INFORMAL)
    disclose(made)
    fields = {"to_name": "The right agency"} if end is ev.RequestReferred else {}
    with refused("ledger rule: requests by part", "nothing is left"):
        made.record(end, on="2025-06-21", **fields)


def test_a_referral_names_another_agency() -> None:
    made = open_case(INFORMAL)
    with refused("ledger rule: referrals", "must be stated"):
        made.record(ev.RequestReferred, on="2025-06-12")
    with refused("ledger rule: referrals", "another agency"):
        made.record(ev.RequestReferred, on="2025-06-12", to_organisation=OWN)
    with pytest.raises(InvalidInput, match=r"^to_organisation"):
        made.record(ev.RequestReferred, on="2025-06-12", to_organisation="nobody")
    assert made.record(ev.RequestReferred, on="2025-06-12", to_organisation=REQUESTER)


def test_nsw_2_only_an_outcome_is_disputed() -> None:
    made = open_case(NSW)
    divide(made)
    refuse(made, parts=("a",))
    with refused(NSW_2, "no outcome yet"):
        made.record(ev.OutcomeDisputed, on="2025-06-21", parts=("b",))
    assert made.record(ev.OutcomeDisputed, on="2025-06-21", parts=("a",), words="the law is misread")


def test_nsw_2_gipa_application_follows_an_nsw_refusal() -> None:
    made = open_case(NSW)
    with refused(NSW_2, "no part was refused"):
        made.record(ev.GipaApplicationMade, on="2025-06-21")
    refuse(made)
    assert made.record(ev.GipaApplicationMade, on="2025-06-21")
    vps = open_case(INFORMAL)
    refuse(vps)
    with refused(NSW_2, "follows an NSW request"):
        vps.record(ev.GipaApplicationMade, on="2025-06-21")


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (ev.RequestAcknowledged, {}),
        (ev.FurtherInformationSought, {}),
        (ev.RequestEscalated, {}),
        (ev.RequestDivided, {"parts": (ev.RequestPart("a", "x"), ev.RequestPart("b", "y"))}),
        (ev.ResourcingAgreed, {}),
        (ev.RequestApproved, {"parts": ("whole",)}),
        (ev.RequestClosed, {"parts": ("whole",), "ground": ev.ClosingGround.NOT_HELD}),
        (ev.RequestWithdrawn, {}),
        (ev.RequestReferred, {"to_name": "The right agency"}),
    ],
)
def test_nothing_happens_before_the_receipt(event: Any, fields: dict[str, Any]) -> None:
    """1-law, head: happened may not be before the act that it presupposes; unknown is not judged."""
    made = open_case(INFORMAL)
    with refused("ledger rule: two dates on every fact", "before the receipt of the request"):
        made.record(event, on="2025-06-10", **fields)
    assert made.record(event, on=None, **fields)
