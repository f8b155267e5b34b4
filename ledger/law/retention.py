"""Retention and destruction of things outside the ledger: PDPA IPP 4.2; Data.NSW guide §3.

Disposal authorities under the Public Records Act are named as authorities; they make no rule here."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date

from ledger.errors import InvalidInput, LawRefused
from ledger.law.dates import Provision, in_force
from ledger.law.general import missing, must_hold, must_state
from ledger.law.time import Due

IPP_4_2 = "PDPA IPP 4.2"
TABLE = "Data.NSW guide §3, retention table"
HOLDS = "ledger rule: holds stop destruction"

ACTIONS = frozenset({"destroy", "de_identify", "return", "transfer", "remove"})

HANDING_ON_ENDS_IPP_4_2 = True
"""Choice: who returned, transferred or removed a thing, and keeps no copy, no longer holds it (PDPA 4(1))."""

_AUTHORITY = re.compile(
    r"(?:PROS [0-9]{2}/[0-9]{2}|(?:GA|GDA|FA|DA) ?[0-9]{1,4})(?: VAR ?[0-9]{1,2})?"
    r"(?: [0-9]{1,3}(?:\.[0-9]{1,3}){0,3})?"
)


def item_states_what_and_when(
    what: object, holder: object, trigger: object, action: str | None, *, imported: bool
) -> None:
    """A retention item states dataset or class, holder, trigger and action (NSW §3). Raises LawRefused."""
    for field, value in (
        ("the dataset or record class", what),
        ("the holder", holder),
        ("the trigger", trigger),
        ("the action", action),
    ):
        must_state(field, value, TABLE, imported=imported)
    if action is not None and action not in ACTIONS:
        raise LawRefused(TABLE, f"{action} is none of {', '.join(sorted(ACTIONS))}")


def triggered_once(triggered: bool) -> None:
    """The trigger of an item happens once (NSW §3). Raises LawRefused."""
    if triggered:
        raise LawRefused(TABLE, "the item was triggered already")


def hold_states_reason(reason: object, *, imported: bool) -> None:
    """A hold states its reason (1-law G). Raises LawRefused."""
    must_state("the reason of the hold", reason, HOLDS, imported=imported)


def hold_is_new(hold: str, open_holds: Collection[str]) -> None:
    """A hold has a name of its own while it is open (1-law G). Raises LawRefused."""
    if hold in open_holds:
        raise LawRefused(HOLDS, f"hold {hold} is open already")


def released_hold_is_open(hold: str, open_holds: Collection[str]) -> None:
    """Only an open hold is released (1-law G). Raises LawRefused."""
    if hold not in open_holds:
        raise LawRefused(HOLDS, f"hold {hold} is not open")


def not_destroyed_while_held(open_holds: Collection[str]) -> None:
    """Nothing is done to an item while a hold is open; no early authority lifts it. Raises LawRefused."""
    if open_holds:
        raise LawRefused(HOLDS, f"held: {', '.join(sorted(open_holds))}")


def not_before_period_has_run(
    done_on: date | None, due: Due | None, triggered: bool, early_authority: object
) -> None:
    """Not before the trigger and the period have come, unless an authority for early destruction is named.

    ``due``: of clock retention.action. 1-law G; NSW §3. Raises LawRefused."""
    if not missing(early_authority):
        return
    if not triggered:
        raise LawRefused(TABLE, "the trigger has not come: name the authority for early destruction")
    if due is not None and done_on is not None and done_on < due.due:
        raise LawRefused(TABLE, f"{done_on} is before {due.due}: name the authority for early destruction")


def trigger_not_after_action(triggered_on: date | None, done_on: date | None, early_authority: object) -> None:
    """What was done before the trigger came was early, on whatever register it stands: 1-law G; NSW §3.

    A register that never says that the trigger came leaves a gap; one that says it came later does not. Days of
    which one is unknown settle nothing. Raises LawRefused."""
    if missing(early_authority) and triggered_on is not None and done_on is not None and done_on < triggered_on:
        reason = f"{done_on} is before the trigger of {triggered_on}: name the authority for early destruction"
        raise LawRefused(TABLE, reason)


def destruction_states_record(
    what: object, how: object, by: object, authority: object, *, imported: bool
) -> None:
    """Destruction or de-identification states what, how, by whom and on whose authority (1-law G).

    Raises LawRefused."""
    for field, value in (
        ("what was destroyed", what),
        ("how it was destroyed", how),
        ("who destroyed it", by),
        ("the authority", authority),
    ):
        must_state(field, value, "ledger rule: destruction", imported=imported)


def item_not_finished(action_done: str | None) -> None:
    """What is destroyed, de-identified or handed on cannot be held or destroyed again. Raises LawRefused."""
    if action_done is not None:
        raise LawRefused(TABLE, f"the item is finished already: {action_done}")


def recipient_notifies_after_action(action_done: str | None) -> None:
    """The recipient notifies the provider when data *is* removed or destroyed (NSW §3). Raises LawRefused."""
    if action_done is None:
        raise LawRefused("Data.NSW guide §3, storage and security", "nothing is removed or destroyed yet")


def nothing_is_kept_of_what_is_not_needed(
    on: date | None, no_longer_needed: bool, copy_kept: bool | None, *, imported: bool
) -> None:
    """What is returned, transferred or removed ends the duty of IPP 4.2 only where no copy is kept.

    IPP 4.2 reaches what an organisation holds, which is what it possesses or controls: 4(1). With no copy left
    it holds nothing (``HANDING_ON_ENDS_IPP_4_2``, choice). Raises LawRefused."""
    if no_longer_needed and (on is None or in_force(Provision.IPP, on)):
        reason = "a copy that is kept and not needed for any purpose is to be destroyed or de-identified"
        must_hold("whether a copy is kept", _not(copy_kept), IPP_4_2, reason, imported=imported)


def ends_ipp_4_2(action: str, copy_kept: bool | None, permanent: bool | None) -> bool:
    """Whether what was done ends the duty of IPP 4.2: as ``nothing_is_kept_of_what_is_not_needed`` has it.

    ``copy_kept``: of what was returned, transferred, removed; ``permanent``: of a de-identification."""
    if action == "destroy":
        return True
    if action == "de_identify":
        return permanent is not False
    return HANDING_ON_ENDS_IPP_4_2 and copy_kept is False


def _not(stated: bool | None) -> bool | None:
    return None if stated is None else not stated


def disposal_authority_is_cited(authority: str | None) -> None:
    """A disposal authority stands in clear by its number and class, which no name fits in (1-law G).

    Raises InvalidInput."""
    if authority is not None and _AUTHORITY.fullmatch(authority) is None:
        raise InvalidInput("disposal_authority", "a number as in PROS 07/01 or GA28 2.9.1", authority)


def de_identification_is_permanent(
    on: date | None, no_longer_needed: bool, permanent: bool | None, *, imported: bool
) -> None:
    """What is no longer needed is destroyed or *permanently* de-identified: IPP 4.2. Raises LawRefused."""
    if no_longer_needed and (on is None or in_force(Provision.IPP, on)):
        must_hold(
            "whether the de-identification is permanent",
            permanent,
            IPP_4_2,
            "de-identification that can be undone does not end the duty",
            imported=imported,
        )
