"""Contraventions found (1-law, head): recorded by a named person, never refused for being unlawful."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from ledger.codec.declare import Sealed
from ledger.domain.common.events import EnteredInError
from ledger.domain.contravention import events as ev
from ledger.domain.contravention.aggregate import Contravention
from ledger.errors import Forbidden, InvalidInput, LawRefused, NotFound
from tests.domain.build import OWN, Book
from tests.domain.request_lives import INFORMAL, book, received, ref

FOUND: dict[str, Any] = {
    "rule": ev.ContravenedRule.VPS_POLICY,
    "section": "responsibility to share",
    "what": "Refused by telephone, without reasons",
    "found_by": ev.FoundBy.AUDIT,
    "found_on": date(2025, 9, 1),
    "organisation": OWN,
}


def find(made: Book, on: str | None = "2025-06-20", *, role: str = "privacy_officer", **more: Any) -> Any:
    return made.record(ev.ContraventionFound, "found-1", on, role=role, **(FOUND | more))


def refused(words: str) -> Any:
    return pytest.raises(LawRefused, match=re.escape(words) + r".*\(ledger rule: ")


def test_a_contravention_about_a_case_is_recorded_and_its_words_sealed() -> None:
    made = book()
    received(made, INFORMAL)
    fact = find(made, about=ref("case-1"), steps_taken="Reasons sent on 2 September 2025")
    assert isinstance(fact.what, Sealed)
    assert isinstance(fact.steps_taken, Sealed)
    assert (fact.rule, fact.section) == ("vps_policy", "responsibility to share")
    ended = {"reason": "There were reasons in writing"}
    made.record(EnteredInError, "found-1", "2025-09-02", role="privacy_officer", **ended)


def test_its_roles_are_those_of_1_law_who_acts() -> None:
    spec = Contravention.commands["contravention.ContraventionFound"]
    assert spec.roles == {"privacy_officer", "regulator"}
    assert spec.opens


def test_a_named_person_records_it_never_an_import_or_the_system() -> None:
    with pytest.raises(Forbidden, match="named person"):
        find(book(), imported=True)
    with pytest.raises(Forbidden, match="system may not do"):
        find(book(), role="system")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"section": None}, "the section contravened"),
        ({"what": " "}, "what happened"),
        ({"rule": ev.ContravenedRule.OTHER}, "rule: 'other' must come with its words"),
        ({"found_by": ev.FoundBy.OTHER}, "found by: 'other' must come with its words"),
        ({"found_on": date(2025, 6, 19)}, "2025-06-19 lies before the contravention of 2025-06-20"),
        ({"found_on": date(2027, 6, 19)}, "2027-06-19 lies in the future"),
    ],
)
def test_it_names_rule_and_section_and_what_and_its_dates_agree(missing: dict[str, Any], words: str) -> None:
    with refused(words):
        find(book(), **missing)


@pytest.mark.parametrize(
    "section", ["78(4)", "IPP 2.1(g)", "ch. 5", "83C(3A)", "s 120", "scope of this policy"]
)
def test_a_section_is_a_citation(section: str) -> None:
    assert find(book(), section=section).section == section


@pytest.mark.parametrize("section", ["Mary Citizen", "78(4) by Mary", "s", "(Citizen)"])
def test_a_section_holds_no_other_words(section: str) -> None:
    with pytest.raises(InvalidInput, match=r"^section: expected a citation"):
        find(book(), section=section)


def test_ciss_ch_6_offence_goes_with_a_ciss_rule() -> None:
    ciss = {"rule": ev.ContravenedRule.CISS, "section": "ch. 6", "ciss_offence": ev.CissOffence.FALSE_CLAIM}
    assert find(book(), **ciss)
    with pytest.raises(InvalidInput, match=r"^ciss_offence"):
        find(book(), ciss_offence=ev.CissOffence.UNAUTHORISED)


def test_it_names_a_registered_organisation_and_a_case_that_exists() -> None:
    with pytest.raises(InvalidInput, match=r"^organisation"):
        find(book(), organisation="Mary Citizen")
    with pytest.raises(NotFound):
        find(book(), about=ref("nowhere"))


def test_a_contravention_of_unknown_date_is_recorded() -> None:
    assert find(book(), None).happened_date is None


def test_1_law_head_a_contravention_of_a_ledger_rule_can_be_recorded() -> None:
    """Rules of the ledger have no section: what was destroyed while held is recordable all the same."""
    find(book(), rule=ev.ContravenedRule.LEDGER_RULE, section="ledger rule")
