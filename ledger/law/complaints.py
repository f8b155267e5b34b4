"""Complaints to an information sharing entity: CISS Guidelines ch. 5 (records) and ch. 6 (who complains).

Prescribed courts and tribunals need not keep these records (ch. 5, footnote 1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from ledger.errors import LawRefused
from ledger.law.dates import Provision, in_force
from ledger.law.general import must_state

CH_5 = "CISS Guidelines, ch. 5"
CH_6 = "CISS Guidelines, ch. 6"

OVERSIGHT = frozenset({"ovic", "hcc", "oaic"})
"""Bodies that a complaint can be taken on to (ch. 6)."""

TIME_TAKEN_FROM = "received"
"""Choice: days to resolve are counted from the day received, not from the day made."""


def records_are_required(court_or_tribunal: bool, received_on: date | None) -> bool:
    """Whether ch. 5 asks this entity for the record: courts and tribunals are exempt (footnote 1).

    A complaint of unknown date is taken as one of the scheme's time: what it lacks is asked for."""
    return not court_or_tribunal and (received_on is None or in_force(Provision.CISS, received_on))


def court_says_that_it_is_one(registered_as_court: bool, stated: bool | None) -> None:
    """An entity registered as a court or tribunal says so in the record, which footnote 1 turns on (ch. 5).

    A register of complaints sees this case only. Raises LawRefused."""
    if registered_as_court and not stated:
        raise LawRefused(CH_5, "this entity is a court or tribunal: state court_or_tribunal, no record is owed")


def complaint_states_what_and_when(
    required: bool, made_on: date | None, received_on: date | None, nature: object, *, imported: bool
) -> None:
    """A complaint states the dates made and received, and its nature (ch. 5). Raises LawRefused.

    ``required``: from ``records_are_required``. Received is never before made."""
    if required:
        must_state("the date the complaint was made", made_on, CH_5, imported=imported)
        must_state("the date the complaint was received", received_on, CH_5, imported=imported)
        must_state("the nature of the complaint", nature, CH_5, imported=imported)
    if made_on is not None and received_on is not None and received_on < made_on:
        raise LawRefused(CH_5, f"received on {received_on}, before it was made on {made_on}")


def complainant_is_individual_or_entity(complainant: str | None, *, imported: bool) -> None:
    """Individuals and other information sharing entities complain (ch. 6). Raises LawRefused."""
    must_state("whether an individual or an entity complains", complainant, CH_6, imported=imported)
    if complainant is not None and complainant not in ("individual", "entity"):
        raise LawRefused(CH_6, f"an individual or an entity complains, not {complainant}")


def unmet_request_is_linked(about: str | None, refusal: object, *, imported: bool) -> None:
    """A complaint about a request that was not met links it (ch. 6; ours). Raises LawRefused."""
    if about == "request_not_met":
        must_state("the request that was not met", refusal, CH_6, imported=imported)


def closing_states_both_actions(
    required: bool, to_resolve: object, to_prevent: object, *, imported: bool
) -> None:
    """Closing states what was done to resolve it and to prevent more of the same (ch. 5).

    Either may be 'none' or 'none necessary'. Raises LawRefused."""
    if required:
        must_state("the action to resolve the complaint", to_resolve, CH_5, imported=imported)
        must_state("the action to prevent or lessen further complaints", to_prevent, CH_5, imported=imported)


def unresolved_states_further_action(
    required: bool, resolved: bool | None, further: object, *, imported: bool
) -> None:
    """An unresolved complaint states the further action, or that there is none (ch. 5). Raises LawRefused."""
    if required:
        must_state("whether the complaint was resolved", resolved, CH_5, imported=imported)
    if required and resolved is False:
        must_state("the further action, or 'none'", further, CH_5, imported=imported)
    if resolved and further is not None:
        raise LawRefused(CH_5, "a complaint that was resolved has no further action of an unresolved one")


def complaint_is_open(closed: bool) -> None:
    """A complaint is closed once (ch. 5). Raises LawRefused."""
    if closed:
        raise LawRefused(CH_5, "the complaint is closed already")


def taken_on_to_an_oversight_body(body: str | None, *, imported: bool) -> None:
    """A complaint is taken on to OVIC, HCC or OAIC (ch. 6). Raises LawRefused."""
    must_state("the oversight body", body, CH_6, imported=imported)
    if body is not None and body not in OVERSIGHT:
        raise LawRefused(CH_6, f"taken on to one of {', '.join(sorted(OVERSIGHT))}, not {body}")


def result_follows_taking_on(body: str, taken_on_to: Collection[str]) -> None:
    """An oversight body's result follows a complaint taken on to it (ch. 6). Raises LawRefused."""
    if body not in taken_on_to:
        raise LawRefused(CH_6, f"the complaint was not taken on to {body}")


def days_to_resolve(made_on: date | None, received_on: date | None, closed_on: date | None) -> int | None:
    """Time taken to resolve, in calendar days (ch. 5), from ``TIME_TAKEN_FROM``; None while not known."""
    start = received_on if TIME_TAKEN_FROM == "received" else made_on
    return (closed_on - start).days if start is not None and closed_on is not None else None


def action_taken_is_described(stated: str | None, words: object, *, imported: bool) -> None:
    """Action that was taken is recorded, not only that it was (ch. 5). Raises LawRefused."""
    if stated == "taken":
        must_state("which action was taken", words, CH_5, imported=imported)
