"""What an organisation's case amounts to on a day: its name, its bindings, its status under the PDPA."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.domain.event import CaseEvent
from ledger.domain.organisation.events import (
    FunctionsTakenOver,
    HeadsOfAgreementEnded,
    HeadsOfAgreementSigned,
    OrganisationAbolished,
    OrganisationRegistered,
    OrganisationRenamed,
    PrivacyStatusSet,
    SchemeBound,
)
from ledger.law import organisations as law
from ledger.law.organisations import Binding


def bindings(history: Iterable[CaseEvent]) -> list[Binding]:
    """By what the body is, was or will be bound, inherited bindings among it; a day unknown binds nothing.

    ``history``: the facts as corrected, in any order.
    """
    facts = [fact for fact in history if fact.happened_date is not None]
    ends = sorted(day(fact) for fact in facts if isinstance(fact, HeadsOfAgreementEnded))
    statuses = sorted((fact for fact in facts if isinstance(fact, PrivacyStatusSet)), key=day)
    found: list[Binding] = []
    for fact in facts:
        since = day(fact)
        if isinstance(fact, HeadsOfAgreementSigned):
            ended = next((end for end in ends if end >= since), None)
            found.append(law.by_signature(since, ended, fact.instrument_version))
        elif isinstance(fact, SchemeBound):
            words = [part for part in (fact.basis, fact.instrument_version) if part]
            found.append(Binding(fact.scheme, since, fact.until, ", ".join(words) or "basis not stated"))
        elif isinstance(fact, FunctionsTakenOver):
            held = [Binding(i.scheme, i.since, None, f"bound since {i.since}") for i in fact.inherited]
            inherited = law.by_succession(fact.predecessor, held, since, f"taken over on {since}")
            ended = next((end for end in ends if end >= since), None)
            found += inherited if ended is None else law.ended(inherited, "vps", ended)
    for place, status in enumerate(statuses):
        following = day(statuses[place + 1]) if place + 1 < len(statuses) else None
        limb, since = status.part_3_limb, day(status)
        parts = (status.part_3, limb, status.part_4, status.part_5)
        found += law.by_privacy_status(since, status.until, following, *parts)
    return list(law.while_it_exists(found, abolished_on(facts)))


def day(fact: CaseEvent) -> date:
    """The day on which a dated fact happened."""
    assert fact.happened_date is not None
    return fact.happened_date


def established_on(history: Iterable[CaseEvent]) -> date | None:
    """The day the body was established; None where unknown."""
    return next((fact.happened_date for fact in history if isinstance(fact, OrganisationRegistered)), None)


def abolished_on(history: Iterable[CaseEvent]) -> date | None:
    """The day from which the body no longer exists; None while it does."""
    return next((fact.happened_date for fact in history if isinstance(fact, OrganisationAbolished)), None)


def name_on(history: Iterable[CaseEvent], on: date | None) -> str:
    """The body's name on a day; without a day, its last. Empty where nothing registers it."""
    names = [fact for fact in history if isinstance(fact, OrganisationRegistered | OrganisationRenamed)]
    held = [n for n in names if on is None or n.happened_date is None or n.happened_date <= on]
    held.sort(key=lambda n: (isinstance(n, OrganisationRenamed), n.happened_date or date.min))
    return (held or names)[-1].legal_name if names else ""


def privacy_status_on(history: Iterable[CaseEvent], on: date | None) -> PrivacyStatusSet | None:
    """What the PDPA makes of the body on a day, by the latest fact that covers it; None: not recorded."""
    held = [
        fact
        for fact in history
        if isinstance(fact, PrivacyStatusSet) and on is not None and fact.happened_date is not None
        and fact.happened_date <= on and (fact.until is None or on <= fact.until)
    ]  # fmt: skip
    return max(held, key=day, default=None)
