"""Rules of receipt, refusal and its copy: refused and accepted through the case, named by section."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.domain.case import Context
from ledger.domain.request import events as ev
from ledger.errors import Forbidden, InvalidInput, LawRefused, NotFound
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
    organisation,
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


# --- receipt ------------------------------------------------------------------------------------------


def test_vps_scope_formal_request_needs_requester_bound() -> None:
    with refused(SCOPE, "the requester was not bound"):
        open_case(FORMAL, requester=UNBOUND)


def test_vps_scope_formal_request_needs_provider_bound() -> None:
    made = book()
    made.organisations[OWN] = organisation(OWN, "2025-06-12")
    with refused(SCOPE, "the provider was not bound"):
        received(made, FORMAL)


def test_vps_scope_a_named_body_that_is_not_registered_is_not_bound() -> None:
    with refused(SCOPE, "the requester was not bound"):
        open_case(FORMAL, requester=None, requester_name="A private body")


def test_vps_scope_bound_on_its_date_only() -> None:
    made = book()
    made.organisations[REQUESTER] = organisation(REQUESTER, "2025-06-11", "2025-06-11")
    received(made, FORMAL, "2025-06-11")
    with refused(SCOPE):
        made.record(ev.RequestReceived, "case-2", "2025-06-12", **FORMAL)


def test_vps_scope_a_month_is_judged_only_where_no_day_of_it_was_bound() -> None:
    made = book()
    made.organisations[REQUESTER] = organisation(REQUESTER, "2025-06-20")
    received(made, FORMAL | {"made_on": None}, "2025-06")
    with refused(SCOPE):
        made.record(ev.RequestReceived, "case-2", "2025-05", **(FORMAL | {"made_on": None}))


def test_vps_scope_informal_request_needs_no_one_bound() -> None:
    assert states(open_case(INFORMAL, requester=UNBOUND)) == {"whole": "open"}


def test_vps_in_force_from_28_4_2021_earlier_requests_are_recorded_and_not_judged() -> None:
    made = open_case(FORMAL, "2021-04-27", requester=UNBOUND, made_on=None)
    refuse(made, "2021-04-27", grounds=(), reasons=None, in_writing=False, sent_on=None)
    assert states(made) == {"whole": "refused"}
    with refused(SCOPE):
        open_case(FORMAL, "2021-04-28", requester=UNBOUND, made_on=None)


def test_vps_scope_unknown_date_is_not_judged() -> None:
    assert states(open_case(FORMAL, None, requester=UNBOUND))


def test_vps_scope_an_import_that_names_no_requester_leaves_a_gap() -> None:
    made = book()
    received(made, FORMAL, requester=None, imported=True)
    assert states(made) == {"whole": "open"}
    with refused(SCOPE):
        made.record(ev.RequestReceived, "case-2", imported=True, **(FORMAL | {"requester": UNBOUND}))


def test_vps_a_request_says_whether_it_is_formal() -> None:
    with refused(VPS, "form (informal or formal)"):
        open_case(FORMAL, form=None)
    made = book()
    received(made, FORMAL, form=None, imported=True)
    assert states(made)


def test_vps_other_schemes_know_no_form() -> None:
    with refused(VPS, "scheme nsw"):
        open_case(NSW, form=ev.RequestForm.FORMAL)


def test_other_scheme_names_its_law() -> None:
    with refused("ledger rule: scheme 'other'"):
        open_case(OTHER, made_under_law=" ")
    assert states(open_case(OTHER))


def test_request_lives_in_the_providers_ledger() -> None:
    with refused("ledger rule: where a case lives", "the provider is"):
        open_case(INFORMAL, provider=REQUESTER)


def test_request_made_lives_in_the_requesters_ledger_and_judges_its_parties() -> None:
    made = book()
    fields = {k: v for k, v in FORMAL.items() if k != "made_on"} | {"requester": OWN, "provider": REQUESTER}
    made.record(ev.RequestMade, **fields)
    assert type(made.cases["case-1"]).__name__ == "RequestOfOurs"
    with refused("ledger rule: where a case lives", "the requester is"):
        made.record(ev.RequestMade, "case-2", **(fields | {"requester": REQUESTER}))
    with refused(SCOPE, "the provider was not bound"):
        made.record(ev.RequestMade, "case-2", **(fields | {"provider": UNBOUND}))


def test_organisations_stand_in_clear_by_registered_id_only() -> None:
    for field in ("requester", "provider"):
        with pytest.raises(InvalidInput, match=f"^{field}: expected the id of a registered"):
            open_case(INFORMAL, **{field: "Mary Citizen"}, made_on=None)


def test_received_before_it_was_made_is_refused() -> None:
    with refused("ledger rule: two dates on every fact", "2025-06-11 lies before"):
        open_case(INFORMAL, made_on=date(2025, 6, 12))
    assert states(open_case(INFORMAL, "2025-06", made_on=date(2025, 6, 12)))
    made = open_case(INFORMAL)
    with refused("ledger rule: two dates on every fact", "the making of the formal request"):
        made.record(ev.RequestEscalated, on="2025-06-20", made_on=date(2025, 6, 21))
    made.record(ev.RequestEscalated, on="2025-06-20", made_on=date(2025, 6, 20))


def test_a_recipient_in_clear_is_registered_and_an_approval_is_told_after_it() -> None:
    made = open_case(NSW)
    with pytest.raises(InvalidInput, match=r"^recipient: expected the id of a registered"):
        disclose(made, recipient="Mary Citizen")
    with refused("ledger rule: two dates on every fact", "2025-06-11 lies before the decision"):
        made.record(ev.RequestApproved, on="2025-06-12", parts=("whole",), sent_on=date(2025, 6, 11))


def test_counterpart_must_exist() -> None:
    with pytest.raises(NotFound):
        open_case(INFORMAL, counterpart=ref("nowhere"))


def test_nothing_is_recorded_in_a_case_that_was_never_received() -> None:
    with pytest.raises(InvalidInput, match="one that opens a case"):
        refuse(book())


def test_a_future_receipt_is_refused() -> None:
    with refused("ledger rule: two dates on every fact", "lies in the future"):
        open_case(INFORMAL, "2026-03-03")


# --- refusal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fields", "section"), [(FORMAL, VPS), (INFORMAL, VPS), (NSW, NSW_2)])
def test_refusal_states_ground_and_reasons(fields: dict[str, Any], section: str) -> None:
    made = open_case(fields)
    with refused(section, "at least one ground of refusal"):
        refuse(made, grounds=())
    with refused(section, "'other' must come with its words"):
        refuse(made, grounds=(ev.RefusalGround.OTHER,))
    with refused(section, "reasons for the refusal"):
        refuse(made, reasons=" ")
    refuse(made, grounds=(ev.RefusalGround.OTHER,), ground_words="the system is being rebuilt")
    assert states(made) == {"whole": "refused"}


@pytest.mark.parametrize("said", [False, None])
def test_vps_formal_refusal_is_in_writing(said: bool | None) -> None:
    with refused(VPS, "in writing"):
        refuse(open_case(FORMAL), in_writing=said)
    assert refuse(open_case(INFORMAL), in_writing=said)


def test_nsw_2_refusal_is_in_writing_and_sent() -> None:
    made = open_case(NSW)
    with refused(NSW_2, "in writing"):
        refuse(made, in_writing=False)
    with refused(NSW_2, "the day on which the refusal was sent"):
        refuse(made, sent_on=None)
    with refused(NSW_2, "before the decision"):
        refuse(made, sent_on=date(2025, 6, 19))
    assert refuse(made)


def test_other_scheme_refusal_is_judged_by_no_rule_of_these_sources() -> None:
    assert refuse(open_case(OTHER), grounds=(), reasons=None, in_writing=False, sent_on=None)


def test_imported_refusal_may_leave_out_what_it_does_not_state() -> None:
    made = open_case(NSW)
    refuse(made, grounds=(), reasons=None, in_writing=None, sent_on=None, imported=True)
    assert states(made) == {"whole": "refused"}


def test_imported_refusal_that_states_it_was_not_in_writing_is_refused() -> None:
    with refused(VPS, "in writing"):
        refuse(open_case(FORMAL), in_writing=False, imported=True)


def test_vps_scope_restricted_part_is_closed_not_refused() -> None:
    made = open_case(FORMAL)
    divide(made, restricted="b")
    with refused(SCOPE, "close b as out of scope"):
        refuse(made, parts=("a", "b"))
    refuse(made, parts=("a",))
    close(
        made, parts=("b",), ground=ev.ClosingGround.OUT_OF_SCOPE, restricted=ev.RestrictedData.NATIONAL_SECURITY
    )
    assert states(made) == {"a": "refused", "b": "closed"}


def test_vps_scope_wholly_restricted_request_is_closed_not_refused() -> None:
    with refused(SCOPE):
        refuse(open_case(FORMAL, restricted=ev.RestrictedData.PROTECTED_WITNESS))


def test_refusal_is_told_on_the_day_of_the_decision_or_later_and_not_in_the_future() -> None:
    with refused("ledger rule: two dates on every fact", "before the decision"):
        refuse(open_case(INFORMAL), sent_on=date(2025, 6, 19))
    with refused("ledger rule: two dates on every fact", "in the future"):
        refuse(open_case(INFORMAL), sent_on=date(2027, 6, 19))


# --- copy of the refusal --------------------------------------------------------------------------------


def test_vps_refusal_copy_follows_a_formal_refusal_of_that_part() -> None:
    made = open_case(FORMAL)
    with refused(VPS, "nothing was refused"):
        made.record(ev.RefusalCopySent, on="2025-06-21", parts=("whole",))
    refuse(made)
    with refused(VPS, "nothing was refused"):
        made.record(ev.RefusalCopySent, on="2025-06-19", parts=("whole",))
    assert made.record(ev.RefusalCopySent, on="2025-06-20", parts=("whole",))


def test_vps_refusal_copy_of_a_disclosed_part_is_refused() -> None:
    made = open_case(FORMAL)
    divide(made)
    refuse(made, parts=("a",))
    disclose(made, parts=("b",))
    with refused(VPS, "nothing was refused"):
        made.record(ev.RefusalCopySent, on="2025-06-21", parts=("a", "b"))


@pytest.mark.parametrize("fields", [INFORMAL, NSW, OTHER])
def test_vps_refusal_copy_is_of_formal_requests_only(fields: dict[str, Any]) -> None:
    made = open_case(fields)
    refuse(made)
    with refused(VPS, "formal VPS request"):
        made.record(ev.RefusalCopySent, on="2025-06-21", parts=("whole",))


class Strangers(Book):
    """A ledger that an officer of another organisation writes to."""

    def context(self, *, role: str = "officer", imported: bool = False) -> Context:
        found = super().context(role=role, imported=imported)
        return replace(found, actor=replace(found.actor, organisation=REQUESTER))


def test_1_law_who_acts_case_content_is_written_by_the_ledgers_own_people() -> None:
    made = Strangers()
    made.organisations = book().organisations
    with pytest.raises(Forbidden, match="may write its own ledger only"):
        received(made, INFORMAL)
    with pytest.raises(Forbidden, match=r"auditor may not do request\.RequestReceived"):
        book().record(ev.RequestReceived, role="auditor", **INFORMAL)
