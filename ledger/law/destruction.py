"""Destruction of what the ledger has sealed: PDPA IPP 4.2; 1-law G, 'Who acts'; 4-wire 'Sealed fields'.

Disposal authorities under the Public Records Act are named as authorities; they make no rule here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from ledger.errors import InvalidInput, LawRefused
from ledger.law.general import missing, must_state, open_word_is_explained
from ledger.law.retention import HOLDS, disposal_authority_is_cited

DESTRUCTION = "ledger rule: destruction"
MOST_KEYS = 1_500
"""Keys that one destruction names at most: an entry holds 65,535 bytes, and a key's id takes 33."""
GROUNDS = {
    "no_longer_needed": "no longer needed (PDPA IPP 4.2)",
    "retention_period_over": "retention period over (Public Records Act)",
    "order": "order",
    "recorded_in_error": "recorded in error",
    "other": "other",
}
"""Ground → how it reads where a destroyed value would stand."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a hold covers: whatever meets every condition that is stated; days are both included."""

    case: str | None = None
    keys: frozenset[str] = frozenset()
    area: str | None = None
    event: str | None = None
    organisation: str | None = None
    opened_from: date | None = None
    opened_to: date | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """What would be destroyed, as holds ask for it.

    ``opened_first``, ``opened_last``: the days between which the case was opened; None: unknown.
    ``organisations``: whose it is, and every text of its facts that stands in clear."""

    case: str
    keys: frozenset[str]
    area: str
    events: frozenset[str]
    organisations: frozenset[str]
    opened_first: date | None
    opened_last: date | None


def hold_covers(reach: Reach, matter: Matter) -> bool:
    """Whether a hold covers what would be destroyed, however long after the hold it came (1-law G).

    A case of which nobody knows when it was opened is covered, whatever the days: nothing shows that it is not.
    """
    return (
        reach.case in (None, matter.case)
        and (not reach.keys or bool(reach.keys & matter.keys))
        and reach.area in (None, matter.area)
        and (reach.event is None or reach.event in matter.events)
        and (reach.organisation is None or reach.organisation in matter.organisations)
        and not (reach.opened_from and matter.opened_last and matter.opened_last < reach.opened_from)
        and not (reach.opened_to and matter.opened_first and matter.opened_first > reach.opened_to)
    )


def not_destroyed_while_hold_covers(holds: Collection[str]) -> None:
    """Nothing is destroyed while a hold covers it; no authority lifts it (1-law G). Raises LawRefused.

    ``holds``: the ids of those that cover it."""
    if holds:
        raise LawRefused(HOLDS, f"held: {', '.join(sorted(holds))}; release each hold first")


def hold_days_are_in_order(opened_from: date | None, opened_to: date | None) -> None:
    """A hold over cases opened between two days names them in order (1-law G). Raises LawRefused."""
    if opened_from is not None and opened_to is not None and opened_to < opened_from:
        raise LawRefused(HOLDS, f"cases opened from {opened_from} cannot end on {opened_to}")


def destruction_states_ground_and_authority(
    ground: str, ground_words: object, disposal_authority: str | None, authority: object
) -> None:
    """A destruction states its ground and its authority; a period that is over is a disposal authority's.

    4-wire 'Sealed fields'; 1-law G. Raises LawRefused, InvalidInput."""
    open_word_is_explained("ground", (ground,), ground_words, DESTRUCTION)
    disposal_authority_is_cited(disposal_authority)
    if ground == "retention_period_over":
        field = "the disposal authority whose period is over"
        must_state(field, disposal_authority, DESTRUCTION, imported=False)
    stated = None if missing(disposal_authority) and missing(authority) else True
    must_state("the authority (a disposal authority, or any in words)", stated, DESTRUCTION, imported=False)


def destruction_names_keys(keys: Collection[str], destroyed: Collection[str]) -> None:
    """A destruction names the keys that it destroys, each once and none that is destroyed already.

    4-wire 'Sealed fields'. Raises LawRefused, InvalidInput where they are too many for one entry."""
    if not keys:
        raise LawRefused(DESTRUCTION, "there is nothing to destroy: nothing of it is sealed and not destroyed")
    if len(set(keys)) < len(keys):
        raise LawRefused(DESTRUCTION, "a key is named twice")
    if len(keys) > MOST_KEYS:
        raise InvalidInput("keys", f"at most {MOST_KEYS}: destroy the case subject by subject", len(keys))
    if again := sorted(set(keys) & set(destroyed)):
        raise LawRefused(DESTRUCTION, f"destroyed already: {', '.join(again)}")


def ledgers_own_streams_stay(named_stream: bool, whole_case: bool) -> None:
    """The ledger's own streams are no case: of them only what is sealed about a subject is destroyed.

    4-wire 'Entry' (an entry about no case has a named stream). Raises LawRefused."""
    if named_stream and whole_case:
        raise LawRefused(DESTRUCTION, "the ledger's own streams are no case: name a subject")


def subject_is_named(whole_case: bool, subject: object, keys: Collection[str]) -> None:
    """A destruction for a subject names the subject or its keys, one of a case neither (4-wire).

    ``keys``: those that the proposal itself stated. Raises LawRefused."""
    if whole_case and not (missing(subject) and missing(tuple(keys))):
        raise LawRefused(DESTRUCTION, "all keys of the case are destroyed: name no subject and no keys")
    if not (missing(subject) or missing(tuple(keys))):
        raise LawRefused(DESTRUCTION, "name the subject, or its keys, not both: they may be another's")
    if not whole_case and missing(subject) and missing(tuple(keys)):
        raise LawRefused(DESTRUCTION, "the subject, or its keys, must be stated")


def destruction_is_new(destruction: str, known: Collection[str]) -> None:
    """A proposal has an id of its own. Raises LawRefused."""
    if destruction in known:
        raise LawRefused(DESTRUCTION, f"destruction {destruction} was proposed already")


def destruction_is_pending(destruction: str, standing: str | None) -> None:
    """Only what is proposed, and neither refused nor authorised yet, goes on (1-law 'Who acts').

    ``standing``: 'proposed', 'approved', 'refused', 'authorised', 'completed'; None: never proposed. Raises
    LawRefused."""
    if standing is None:
        raise LawRefused(DESTRUCTION, f"destruction {destruction} was never proposed")
    if standing not in ("proposed", "approved"):
        raise LawRefused(DESTRUCTION, f"destruction {destruction} is {standing} already")


def approved_once(destruction: str, standing: str | None) -> None:
    """A proposal is approved once (1-law 'Who acts'). Raises LawRefused."""
    if standing == "approved":
        raise LawRefused(DESTRUCTION, f"destruction {destruction} is approved already")


def second_person_where_demanded(demanded: bool, approved_by: str | None) -> None:
    """Where the organisation demands two people, a second one has approved (4-wire 'Sealed fields').

    Raises LawRefused."""
    if demanded and approved_by is None:
        raise LawRefused(
            DESTRUCTION, "this organisation demands a second person: an administrator must approve it first"
        )


def authorised_as_proposed(proposed: object, authorised: object) -> None:
    """What is authorised is what was proposed and approved, key for key (4-wire). Raises LawRefused."""
    if proposed != authorised:
        raise LawRefused(DESTRUCTION, "it is not what was proposed: propose it anew")


def nothing_was_added_since(proposed: Collection[str], now: Collection[str], entries: Collection[int]) -> None:
    """All of a case, or of a subject, is all that there is when it is destroyed (4-wire 'Sealed fields').

    Who approved it approved what there was. ``proposed``: the keys that were proposed, and approved; ``now``:
    those there are; ``entries``: the indexes of those that sealed under them since. Raises LawRefused."""
    if added := sorted(set(now) - set(proposed)):
        raise LawRefused(DESTRUCTION, f"sealed since it was proposed: key {added[0]}; propose it anew")
    if entries:
        raise LawRefused(DESTRUCTION, f"sealed since it was proposed: in entry {min(entries)}; propose it anew")


def destruction_happens_when_recorded(happened: date | None, today: date) -> None:
    """Destruction, its holds and approvals work from their entry on, so they happen the day it is recorded.

    4-wire 'Sealed fields'. ``today``: the Melbourne date. Raises LawRefused."""
    if happened != today:
        raise LawRefused(DESTRUCTION, f"it works from its entry on: it happened on {today}")


def receipt_is_of_what_was_authorised(destructions: Iterable[str], authorised: Collection[str]) -> None:
    """A receipt is of a destruction that was authorised (4-wire 'Sealed fields'). Raises LawRefused."""
    if other := sorted(set(destructions) - set(authorised)):
        raise LawRefused(DESTRUCTION, f"never authorised: {', '.join(other)}")


def what_is_destroyed_stays_so(corrects: object) -> None:
    """Entries about destruction are not corrected: no correction brings back what is gone (4-wire).

    A hold is released, a proposal refused. Raises LawRefused."""
    if corrects is not None:
        raise LawRefused(
            DESTRUCTION, "such an entry is not corrected: release the hold, or refuse the proposal"
        )


def says_under_what(ground: str, disposal_authority: str | None) -> str:
    """What follows 'under' where a destroyed value would stand: ground and disposal authority (4-wire)."""
    words = GROUNDS[ground]
    return words if disposal_authority is None else f"{words}, {disposal_authority}"
