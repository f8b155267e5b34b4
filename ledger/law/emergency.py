"""Emergency access ('break glass'): who may not open sealed fields does, for a short time, and answers for it.

No section grants it. PDPA Sch 1 IPP 4.1 asks for reasonable steps against misuse and access without authority,
IPP 2.1 lets information be used for few purposes; so it is narrow, short, told of, reviewed and counted.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.law.general import Role, must_state

EMERGENCY = "ledger rule: emergency access (PDPA Sch 1 IPP 4.1)"
DEFAULT_MINUTES = 15
MOST_MINUTES = 60
MOST_CASES = 100
REVIEW_WITHIN = timedelta(days=7)
"""Choice: calendar days, so that no weekend is too short for it and no change of a calendar moves it."""
TAKERS = frozenset({Role.ADMINISTRATOR, Role.MINISTER_OFFICE, Role.REPORTER})
"""Roles of a ledger that do not open its sealed fields: who holds one there may take emergency access there."""
TOLD = frozenset({Role.PRIVACY_OFFICER, Role.REGULATOR})
"""Who is told of it and reviews it: the privacy officer; in its own ledger the regulator."""
KEEPERS = TOLD | {Role.ADMINISTRATOR}
"""Who ends another one's."""


def says(moment: datetime) -> str:
    """A moment as a refusal names it, in UTC (PDPA Sch 1 IPP 4.1 names none: the entry's own time counts)."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def emergency_access_is_short(minutes: int) -> None:
    """Emergency access lasts 1 to 60 minutes (PDPA Sch 1 IPP 4.1; ours). Raises LawRefused."""
    if not 1 <= minutes <= MOST_MINUTES:
        raise LawRefused(EMERGENCY, f"it lasts 1 to {MOST_MINUTES} minutes, not {minutes}")


def emergency_access_is_no_wider_than_needed(cases: Collection[str], whole_ledger: bool) -> None:
    """Emergency access names its cases, or says that it is for the whole ledger (PDPA Sch 1 IPP 4.1; ours).

    Raises LawRefused, InvalidInput where they are too many."""
    if whole_ledger and cases:
        raise LawRefused(EMERGENCY, "it is for the cases named, or for the whole ledger, not for both")
    if not whole_ledger and not cases:
        raise LawRefused(
            EMERGENCY, "the cases that it is for must be stated, or that it is for the whole ledger"
        )
    if len(set(cases)) < len(cases):
        raise LawRefused(EMERGENCY, "a case is named twice")
    if len(cases) > MOST_CASES:
        raise InvalidInput("cases", f"at most {MOST_CASES} of them", len(cases))


def emergency_access_states_reason(reason: object) -> None:
    """Emergency access is taken for a stated reason (PDPA Sch 1 IPP 2.1, 4.1; ours). Raises LawRefused."""
    must_state("the reason", reason, EMERGENCY, imported=False)


def emergency_access_happens_when_recorded(happened: date | None, today: date) -> None:
    """Emergency access, its end and its review work from their entry on (PDPA Sch 1 IPP 4.1; ours).

    ``today``: the Melbourne date. Raises LawRefused."""
    if happened != today:
        raise LawRefused(EMERGENCY, f"it works from its entry on: it happened on {today}")


def emergency_access_ends(taken_at: datetime, minutes: int, ended_at: datetime | None) -> datetime:
    """The first moment at which emergency access is over (PDPA Sch 1 IPP 4.1; ours).

    ``taken_at``, ``ended_at``: when the ledger recorded that it was taken, and ended before its time."""
    until = taken_at + timedelta(minutes=minutes)
    return until if ended_at is None else min(until, ended_at)


def opening_rests_on_a_right(role: str, openers: Collection[str], access: int | None) -> None:
    """Sealed fields are opened in a role that opens them, or under an emergency access that the entry names.

    4-wire 'Sealed fields'; PDPA Sch 1 IPP 4.1. ``access``: the entry by which it was taken. Raises Forbidden,
    LawRefused where a role that opens them names one."""
    if role not in openers and access is None:
        raise Forbidden(
            f"role {role} may not do vault.SealedFieldsOpened without emergency access: it takes "
            f"{', '.join(sorted(openers))}"
        )
    if role in openers and access is not None:
        raise LawRefused(EMERGENCY, f"the role {role} opens sealed fields: it needs no emergency access")


def emergency_access_was_taken(access: int, known: Collection[int]) -> None:
    """What ends, uses, tells of or reviews an emergency access names the entry of one (PDPA Sch 1 IPP 4.1).

    Raises LawRefused."""
    if access not in known:
        raise LawRefused(EMERGENCY, f"entry {access} is none by which emergency access was taken")


def used_by_who_took_it(access: int, taker: tuple[str, str], user: tuple[str, str]) -> None:
    """Emergency access is of the person who took it, of no other (PDPA Sch 1 IPP 4.1; ours).

    Both as (person, organisation). Raises Forbidden."""
    if taker != user:
        raise Forbidden(
            f"the emergency access of entry {access} is not {user[0]}'s: who took it alone may use it"
        )


def used_while_in_force(access: int, until: datetime, now: datetime) -> None:
    """Nothing is opened under emergency access from the moment on at which it is over (PDPA Sch 1 IPP 4.1).

    Raises Forbidden."""
    if now >= until:
        raise Forbidden(
            f"the emergency access of entry {access} ended at {says(until)}: nothing opens under it"
        )


def used_for_what_it_names(access: int, cases: Collection[str], whole_ledger: bool, wanted: str) -> None:
    """Emergency access for some cases opens nothing of another (PDPA Sch 1 IPP 2.1, 4.1; ours).

    Raises Forbidden."""
    if not whole_ledger and wanted not in cases:
        raise Forbidden(
            f"the emergency access of entry {access} is not for case {wanted}: take one that names it"
        )


def ended_by_who_took_it_or_a_keeper(taker: tuple[str, str], who: tuple[str, str], role: str) -> None:
    """Emergency access is ended early by who took it, a privacy officer or an administrator (IPP 4.1; ours).

    Both persons as (person, organisation). Raises Forbidden."""
    if who != taker and role not in KEEPERS:
        raise Forbidden(
            f"{who[0]} did not take it: who took it ends it, or one of {', '.join(sorted(KEEPERS))}"
        )


def ended_while_in_force(access: int, until: datetime, now: datetime) -> None:
    """Only emergency access that is in force is ended (PDPA Sch 1 IPP 4.1; ours). Raises LawRefused."""
    if now >= until:
        raise LawRefused(EMERGENCY, f"the emergency access of entry {access} ended at {says(until)} already")


def told_once(access: int, told: bool) -> None:
    """The privacy officer is told once of an emergency access (PDPA Sch 1 IPP 4.1; ours). Raises LawRefused."""
    if told:
        raise LawRefused(
            EMERGENCY, f"the privacy officer was told of the emergency access of entry {access} already"
        )


def reviewed_by_another(taker: tuple[str, str], reviewer: tuple[str, str]) -> None:
    """No one reviews their own emergency access (PDPA Sch 1 IPP 4.1; 1-law 'Who acts'). Raises Forbidden.

    Both as (person, organisation)."""
    if taker == reviewer:
        raise Forbidden(f"{reviewer[0]} took it and may not review it: another one must")


def reviewed_when_over(access: int, until: datetime, now: datetime) -> None:
    """Emergency access is reviewed once it is over, so that the review covers all of it (IPP 4.1; ours).

    Raises LawRefused."""
    if now < until:
        raise LawRefused(
            EMERGENCY, f"the emergency access of entry {access} is in force until {says(until)}: end it first"
        )


def reviewed_once(access: int, reviewed: bool) -> None:
    """An emergency access is reviewed once; a review is corrected, never repeated (PDPA Sch 1 IPP 4.1; ours).

    Raises LawRefused."""
    if reviewed:
        raise LawRefused(
            EMERGENCY, f"the emergency access of entry {access} is reviewed already: correct that review"
        )


def corrected_review_keeps_access_and_day(
    was: tuple[int, date | None], proposed: tuple[int, date | None]
) -> None:
    """A correction of a review is of the same access and day: what was late does not become in time by it.

    PDPA Sch 1 IPP 4.1; ours. Both as (access, day on which it happened). Raises LawRefused."""
    if proposed != was:
        raise LawRefused(
            EMERGENCY,
            f"as corrected, a review stays that of the emergency access of entry {was[0]}, and of {was[1]}",
        )


def review_states_why(words: object) -> None:
    """A review says in words why the access was justified, or was not (PDPA Sch 1 IPP 4.1; ours).

    Raises LawRefused."""
    must_state("the words of the review", words, EMERGENCY, imported=False)


def closed_when_all_is_reviewed(unreviewed: Collection[int]) -> None:
    """A ledger is closed once each emergency access to it is over, known to a privacy officer, and reviewed.

    PDPA Sch 1 IPP 4.1; ours: after that no entry could tell of it or review it. ``unreviewed``: the entries
    that took those that are not reviewed; a review comes when they are over. Raises LawRefused."""
    if unreviewed:
        named = ", ".join(map(str, sorted(unreviewed)))
        raise LawRefused(
            EMERGENCY,
            f"the emergency access of entry {named} is not reviewed: a ledger is closed after its review",
        )


def review_due(taken: date) -> date:
    """The last day for the review: the seventh after the Melbourne date of the entry (IPP 4.1; our choice)."""
    return taken + REVIEW_WITHIN


def use_of_emergency_access_stays(corrects: object, uses_one: bool) -> None:
    """Who took emergency access, what was opened under it, its end and its telling are never corrected away.

    PDPA Sch 1 IPP 4.1; ours. ``uses_one``: whether the entry, or the one that it corrects, is of these. Raises
    LawRefused."""
    if corrects is not None and uses_one:
        raise LawRefused(EMERGENCY, "such an entry is not corrected: the review says what is to be said of it")
