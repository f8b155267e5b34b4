"""Rules for every fact: its dates, who may record it, what must be stated, and corrections.

``imported`` marks a fact from a register that someone else kept: what it does not state is a gap, what it
states against the law is refused all the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from enum import StrEnum

from ledger.errors import Forbidden, InvalidInput, LawRefused

TWO_DATES = "ledger rule: two dates on every fact"
CORRECTIONS = "ledger rule: corrections"
LIVES = "ledger rule: where a case lives"
CONTRAVENTIONS = "ledger rule: contraventions found"
EARLIEST = date(1800, 1, 1)
"""Choice: no law states a first day. What is now Victoria had its first government in 1836; a round day well
before it leaves out nothing that a body here can have done, and catches a year that was typed wrongly."""
_SECTION = re.compile(
    r"(?:(?:s|cl|ch\.|IPP|Sch|§) ?)?[0-9]{1,3}[A-Z]{0,3}(?:\.[0-9]{1,3}){0,2}(?:\([0-9a-zA-Z]{1,4}\)){0,4}"
    r"|responsibility to share|scope of this policy|ledger rule"
)


class Role(StrEnum):
    """Who acts (1-law, 'Who acts'). The order is that in which one is chosen where several carry an act."""

    OFFICER = "officer"
    PRIVACY_OFFICER = "privacy_officer"
    CUSTODIAN = "custodian"
    REGULATOR = "regulator"
    ADMINISTRATOR = "administrator"
    MINISTER_OFFICE = "minister_office"
    REPORTER = "reporter"
    AUDITOR = "auditor"
    SYSTEM = "system"


CASE_WRITERS = frozenset({Role.OFFICER, Role.PRIVACY_OFFICER, Role.CUSTODIAN, Role.REGULATOR})
"""Who may write a case, and opens its sealed fields in its own ledger."""


_LISTS = (tuple, list, set, frozenset, dict, bytes)


def missing(value: object) -> bool:
    """Whether a fact is not stated: None, blank words, or an empty list. False is stated."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, _LISTS) and not value


def must_state(field: str, value: object, citation: str, *, imported: bool) -> None:
    """What law asks for is stated; an imported fact that lacks it is a gap. Raises LawRefused."""
    if missing(value) and not imported:
        raise LawRefused(citation, f"{field} must be stated")


def must_hold(field: str, value: bool | None, citation: str, reason: str, *, imported: bool) -> None:
    """Raises LawRefused where ``value`` is False always, and where it is None unless imported."""
    if value is False:
        raise LawRefused(citation, reason)
    must_state(field, value, citation, imported=imported)


def open_word_is_explained(field: str, words: Collection[str], other: object, citation: str) -> None:
    """An open vocabulary takes 'other' with its words only; raises LawRefused where they are missing."""
    if "other" in words and missing(other):
        raise LawRefused(citation, f"{field}: 'other' must come with its words")


def not_in_future(happened: date | datetime | None, today: date, now: datetime) -> None:
    """A fact cannot happen after it is recorded (1-law, head). ``today`` is the Melbourne date of ``now``.

    An unknown date passes: it is a gap. Raises LawRefused."""
    limit = now if isinstance(happened, datetime) else today
    if happened is not None and happened > limit:
        raise LawRefused(TWO_DATES, f"{happened} lies in the future")


def not_before_all_records(field: str, stated: date | datetime) -> None:
    """No date that a fact states lies before ``EARLIEST`` (1-law, head). Raises InvalidInput."""
    day = stated.date() if isinstance(stated, datetime) else stated
    if day < EARLIEST:
        raise InvalidInput(field, f"a day from {EARLIEST} on", day.isoformat())


def says_something(field: str, text: str) -> None:
    """White space states nothing, and sealed it would look like a fact (1-law, head). Raises InvalidInput."""
    if missing(text):
        raise InvalidInput(field, "text of more than white space", text)


def not_before(happened: date | None, presupposed: date | None, what: str) -> None:
    """A fact may not happen before the act that it presupposes (1-law, head); unknown dates pass.

    ``what`` names that act. Raises LawRefused."""
    if happened is not None and presupposed is not None and happened < presupposed:
        raise LawRefused(TWO_DATES, f"{happened} lies before {what} of {presupposed}")


def role_may(role: str, allowed: Collection[str], act: str) -> None:
    """Raises Forbidden where the role does not carry the act (1-law, 'Who acts')."""
    if role not in allowed:
        raise Forbidden(f"role {role} may not do {act}: it takes {', '.join(sorted(allowed))}")


def writes_own_ledger(role: str, actor_organisation: str, ledger_organisation: str) -> None:
    """Case content is written in the own organisation's ledger (1-law, 'Who acts'). Raises Forbidden."""
    if role in CASE_WRITERS and actor_organisation != ledger_organisation:
        raise Forbidden(
            f"{role} of {actor_organisation} may write its own ledger only, not {ledger_organisation}'s"
        )


def lives_where_it_belongs(in_common: bool | None, is_common: bool) -> None:
    """Organisations live in ``common``, cases in the ledger of the body whose act they are (1-law).

    ``in_common``: of this kind of case, None where any ledger takes it. Raises LawRefused."""
    if in_common is not None and in_common != is_common:
        where = (
            "in common" if in_common else "in the ledger of the organisation whose act it is, never in common"
        )
        raise LawRefused(LIVES, f"such a case is recorded {where}")


def lives_with(party: str, organisation: str | None, ledger_organisation: str) -> None:
    """A request is recorded by its provider, the requester's own record of it by the requester, a complaint by
    the entity that received it (1-law, 'Where a case lives'; CISS ch. 5).

    ``party``: what the organisation is in the case, in words. Raises LawRefused."""
    if organisation is not None and organisation != ledger_organisation:
        raise LawRefused(
            LIVES, f"the {party} is {organisation}, this ledger is of {ledger_organisation}: record it there"
        )


def approver_is_another(proposer: str, approver: str) -> None:
    """No one approves their own proposal (1-law, 'Who acts'). Raises Forbidden."""
    if proposer == approver:
        raise Forbidden(f"{approver} proposed it and may not approve it: a second approver must")


def correction_fits(index: int, event: str, own: Mapping[int, str]) -> None:
    """A correction names an entry of its own case, of the same event. ``own``: index → event of the case.

    Raises LawRefused."""
    if index not in own:
        raise LawRefused(CORRECTIONS, f"entry {index} is no entry of this case")
    if own[index] != event:
        raise LawRefused(CORRECTIONS, f"entry {index} is {own[index]}, which {event} cannot correct")


def case_stands(ended_by: str | None) -> None:
    """Nothing is added to a case entered in error or merged into another. Raises LawRefused.

    ``ended_by``: 'entered_in_error', 'merged_into' or None."""
    if ended_by in ("entered_in_error", "merged_into"):
        raise LawRefused(CORRECTIONS, f"this case no longer stands: {ended_by.replace('_', ' ')}")


def merged_into_another(case: str, into: str) -> None:
    """A case is merged into another one, never into itself. Raises LawRefused."""
    if case == into:
        raise LawRefused(CORRECTIONS, f"{case} cannot be merged into itself")


def merged_into_a_case_that_stands(same_kind: bool, ended_by: str | None) -> None:
    """A case goes on in one of its own kind that stands, so that one of the two counts. Raises LawRefused.

    ``ended_by`` is the other case's: 'entered_in_error', 'merged_into' or None."""
    if not same_kind:
        raise LawRefused(CORRECTIONS, "a case is merged into another one of its own kind")
    if ended_by is not None:
        words = ended_by.replace("_", " ")
        raise LawRefused(CORRECTIONS, f"the case that it would go on in no longer stands: {words}")


def is_citation(field: str, value: str) -> None:
    """A place in a rule stands in clear, so it is a citation that no name or sentence fits in.

    Raises InvalidInput."""
    if _SECTION.fullmatch(value) is None:
        expected = "a citation such as 78(4), IPP 2.1(g), cl 5, ch. 5, responsibility to share or ledger rule"
        raise InvalidInput(field, expected, value)


def contravention_names_rule(section: object, what: object, *, imported: bool) -> None:
    """A contravention found is always recordable; it names the section and what happened (1-law, head).

    Raises LawRefused."""
    must_state("the section contravened", section, CONTRAVENTIONS, imported=imported)
    must_state("what happened", what, CONTRAVENTIONS, imported=imported)


def contravention_is_recorded_by_a_person(role: str, *, imported: bool) -> None:
    """An import proposes a contravention, a named person records it (1-law, head). Raises Forbidden."""
    if imported or role == Role.SYSTEM:
        raise Forbidden("a contravention is recorded by a named person, never by an import or the system")
