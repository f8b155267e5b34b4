"""Rules for what a ledger records about itself: grants of roles, attestations, imports, reports handed over."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date

from ledger.errors import Forbidden, InvalidInput, LawRefused
from ledger.law.general import Role, missing, must_state

WHO_ACTS = "ledger rule: who acts"
ATTESTATIONS = "ledger rule: PeriodAttested"
ATTESTED_REGISTERS = frozenset({"requests", "disclosures", "refusals", "complaints", "notices", "retention"})
"""What is kept of cases, and can be complete or empty."""
SCHEMES = ("vps", "nsw", "other")
"""Of requests, disclosures and refusals."""
GRANTED_BY_REGULATOR = frozenset({Role.REGULATOR, Role.AUDITOR})
IMPORTS = "ledger rule: imports"
REPORTS = "ledger rule: reports as events"
LEDGERS = "ledger rule: ledgers"

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_CODE = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")


def ledger_is_named(slug: str, origin: str) -> None:
    """A slug of lower case, digits and single hyphens; an origin without spaces and plus signs (4-wire).

    Raises InvalidInput."""
    if _SLUG.fullmatch(slug) is None:
        raise InvalidInput("slug", "lower-case letters, digits, single hyphens", slug)
    is_origin("origin", origin)


def is_origin(field: str, value: str) -> None:
    """An origin has no space and no plus sign (4-wire 'Ledgers'). Raises InvalidInput."""
    if not value or any(c == "+" or c.isspace() for c in value):
        raise InvalidInput(field, "no space and no plus sign", value)


def is_code(field: str, value: str) -> None:
    """A field in clear that a person chooses holds a short code that no name or sentence fits in.

    Raises InvalidInput."""
    if _CODE.fullmatch(value) is None or len(value) > 60:
        raise InvalidInput(field, "a code of lower-case letters, digits, and single - _ .", value)


def attested_by_its_own(organisation: str, ledger_organisation: str) -> None:
    """An agency head attests for the own agency, in its ledger (1-law, head). Raises LawRefused."""
    if organisation != ledger_organisation:
        raise LawRefused(
            ATTESTATIONS, f"{organisation} attests in its own ledger; this one is of {ledger_organisation}"
        )


def is_attested_register(register: str, scheme: str | None) -> None:
    """A register that agencies keep, and a scheme within that of requests. Raises InvalidInput."""
    if register not in ATTESTED_REGISTERS:
        raise InvalidInput("register", f"one of {', '.join(sorted(ATTESTED_REGISTERS))}", register)
    if scheme is not None and scheme not in SCHEMES:
        raise InvalidInput("scheme", f"one of {', '.join(SCHEMES)}", scheme)


def predecessor_is_whole(
    origin: str, predecessor: str | None, size: int | None, checkpoint: str | None
) -> None:
    """A ledger that goes on from another names its origin, its size and last checkpoint (4-wire 'Restore').

    Raises LawRefused."""
    named = [not missing(value) for value in (predecessor, size, checkpoint)]
    if any(named) and not all(named):
        raise LawRefused(LEDGERS, "a predecessor is named by its origin, size and last checkpoint together")
    if predecessor == origin:
        raise LawRefused(LEDGERS, f"{origin} cannot go on from itself: a second history needs a new origin")


def ledgers_are_all_real_or_all_invented(demonstration: bool, common_is_demonstration: bool) -> None:
    """The ledgers of a database share ``common``: all are demonstrations or none is (4-wire 'Ledgers'; ours).

    A real request would be judged by invented signatures, an invented one stand among real organisations.
    Raises LawRefused."""
    if demonstration and not common_is_demonstration:
        raise LawRefused(LEDGERS, "this database holds real ledgers: make a demonstration in one of its own")
    if common_is_demonstration and not demonstration:
        raise LawRefused(
            LEDGERS,
            "this database holds a demonstration, whose organisations are invented: make real ledgers in one "
            "of their own (another AUDITLEDGER_DATA_DIR or AUDITLEDGER_DATABASE_URL)",
        )


def ledger_is_created_once(created: bool) -> None:
    """A ledger is created once (4-wire 'Ledgers'). Raises LawRefused."""
    if created:
        raise LawRefused(LEDGERS, "the ledger was created already")


def ledger_is_open(origin: str, closed: bool) -> None:
    """Nothing enters a ledger that is closed: its last checkpoint is its last (4-wire 'Restore').

    Raises LawRefused."""
    if closed:
        raise LawRefused(LEDGERS, f"{origin} is closed: nothing enters it any more; write to its successor")


def closed_ledger_goes_on(origin: str, goes_on: bool) -> None:
    """What is opened, searched or destroyed of a closed ledger is recorded in the one that goes on from it.

    4-wire 'Ledgers'. The duty to destroy what is no longer needed outlives the organisation (PDPA IPP 4.2).
    Raises LawRefused."""
    if not goes_on:
        raise LawRefused(
            LEDGERS,
            f"{origin} is closed, and no ledger goes on from it in which this could be recorded: 'auditledger "
            "ledger continue' opens one",
        )


def goes_on_from(origin: str, named: str, predecessors: Collection[str]) -> None:
    """A ledger speaks for closed ones alone that it goes on from (4-wire 'Ledgers'). Raises LawRefused."""
    if named not in predecessors:
        raise LawRefused(LEDGERS, f"{origin} goes on from no closed ledger {named}: record it there")


def successor_is_another(origin: str, successor: str | None) -> None:
    """A ledger that is closed may name the origin that goes on with its cases, not its own (4-wire 'Restore').

    One administrator's word gives that ledger's people, of another organisation too, the rights to read, open,
    search and destroy all that the closed one has sealed; nobody else is asked, and the one named neither
    (choice: the last entry says by whom, and a body that ended may have one administrator left). Raises
    InvalidInput, LawRefused."""
    if successor is not None:
        is_origin("successor", successor)
    if successor == origin:
        raise LawRefused(LEDGERS, f"{origin} cannot be its own successor")


def refill_goes_forward(backup_size: int, refilled_to: int) -> None:
    """A refill adds what a restored database lacked: it ends behind where it began (4-wire 'Restore').

    Raises LawRefused."""
    if not 0 <= backup_size < refilled_to:
        raise LawRefused(LEDGERS, f"a refill adds entries: from {backup_size} it cannot end at {refilled_to}")


def founding_entry_stays(leaves_out: bool, what: str) -> None:
    """What a ledger stands on, its creation and its calendar, is corrected but never left out.

    4-wire 'Ledgers'; 2-clocks. Raises LawRefused."""
    if leaves_out:
        raise LawRefused(LEDGERS, f"{what} stays: correct it, it is never left out")


def ledger_keeps_what_it_was_created_as(
    created: tuple[str, str, bool], corrected: tuple[str, str, bool]
) -> None:
    """Slug, origin, and whether it is a demonstration stay as created (4-wire 'Ledgers'). Raises LawRefused.

    A real ledger never becomes one whose clock may be simulated, nor the other way round."""
    if created != corrected:
        raise LawRefused(LEDGERS, "a ledger keeps its slug, its origin, and whether it is a demonstration")


def grants_to_another(granter: str, person: str) -> None:
    """An administrator grants to others, never to themselves (1-law 'Who acts'). Raises Forbidden."""
    if granter == person:
        raise Forbidden(f"{granter} may not grant a role to themselves: another administrator must")


def may_grant(granter_role: str, role: str, administrators_in_force: int) -> None:
    """An administrator grants; ``system`` only the first administrator (1-law 'Who acts'; 4-wire 'HTTP').

    Raises Forbidden for another role, LawRefused where ``system`` grants anything else."""
    if granter_role not in (Role.ADMINISTRATOR, Role.SYSTEM):
        raise Forbidden(f"role {granter_role} may not grant roles: it takes an administrator")
    if granter_role == Role.SYSTEM and (role != Role.ADMINISTRATOR or administrators_in_force):
        raise LawRefused(WHO_ACTS, "system grants the first administrator, who grants every other role")


def granted_where_it_counts(role: str, regulators: bool) -> None:
    """The regulator's and auditors' roles are granted in the regulator's ledger (1-law 'Who acts'; 4-wire).

    ``regulators``: whether it is that one. Raises LawRefused."""
    if role in GRANTED_BY_REGULATOR and not regulators:
        raise LawRefused(
            WHO_ACTS, f"the role {role} is granted in the regulator's ledger: here it would not count"
        )


def grant_is_new(in_force: bool) -> None:
    """A role that is in force is not granted again (1-law 'Who acts'). Raises LawRefused."""
    if in_force:
        raise LawRefused(WHO_ACTS, "this person holds that role there already")


def grant_ends_once(in_force: bool) -> None:
    """Only a grant that is in force is ended (1-law 'Who acts'). Raises LawRefused."""
    if not in_force:
        raise LawRefused(WHO_ACTS, "this person does not hold that role there")


def auditor_grant_is_dated_and_names_ledgers(
    role: str, valid_from: date | None, valid_until: date | None, ledgers: Sequence[str]
) -> None:
    """An auditor's grant is dated and names its ledgers (1-law 'Who acts'; issue 3 section 2).

    Raises LawRefused; for every grant also where it ends before it begins."""
    if role == Role.AUDITOR:
        must_state("valid_from", valid_from, WHO_ACTS, imported=False)
        must_state("valid_until", valid_until, WHO_ACTS, imported=False)
        must_state("the ledgers that the auditor reads", ledgers, WHO_ACTS, imported=False)
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        raise LawRefused(WHO_ACTS, f"a grant from {valid_from} cannot end on {valid_until}")


def opening_states_what_and_why(entries: int, paths: Sequence[int], reason: object) -> None:
    """Sealed fields are opened by entry and path, for a stated reason (4-wire 'Sealed fields').

    ``entries`` is how many there are, ``paths`` the paths of each. Raises LawRefused."""
    section = "ledger rule: openings"
    if entries == 0 or 0 in paths:
        raise LawRefused(section, "an opening names at least one entry, and a field of each")
    must_state("the reason", reason, section, imported=False)


def search_states_what_it_covered(first: int, end: int, found: Sequence[int], paths: Sequence[int]) -> None:
    """A search states the entries that it covered, and what it found among them (4-wire 'Sealed fields').

    ``found``: the indexes of entries, ``paths``: how many fields of each. Raises LawRefused."""
    section = "ledger rule: searches"
    if not 0 <= first <= end:
        raise LawRefused(
            section, f"a search covers entries from one index on: it cannot go from {first} to {end}"
        )
    if list(found) != sorted(set(found)) or any(not first <= index < end for index in found) or 0 in paths:
        raise LawRefused(
            section, "what was found is stated once, in order, within what was searched, with its fields"
        )


def search_states_why(reason: object) -> None:
    """Sealed fields are searched for a stated reason (4-wire 'Sealed fields'). Raises LawRefused."""
    must_state("the reason", reason, "ledger rule: searches", imported=False)


def attestation_covers_past_period(first: date, last: date, attested_on: date | None) -> None:
    """A period is attested once it is over (1-law, head: 'complete to a date'). Raises LawRefused.

    The last day itself is late enough."""
    if last < first:
        raise LawRefused(ATTESTATIONS, f"a period from {first} cannot end on {last}")
    if attested_on is not None and attested_on < last:
        raise LawRefused(ATTESTATIONS, f"attested on {attested_on}, before the period ends on {last}")


def nil_return_is_complete(complete: bool, nil_return: bool) -> None:
    """A nil return says that there was nothing, so it is complete (1-law, head). Raises LawRefused."""
    if nil_return and not complete:
        raise LawRefused(ATTESTATIONS, "a nil return that is not complete says nothing")


def agency_head_attests(office: object, head: object, *, imported: bool) -> None:
    """The agency head attests: the office or the name is stated (1-law, head). Raises LawRefused."""
    stated = None if missing(office) and missing(head) else True
    must_state("the agency head who attests (office or name)", stated, ATTESTATIONS, imported=imported)


def import_counts_tie(
    rows: int, new: int, corrected: int, unchanged: int, vanished: int, bad: int, has_previous: bool
) -> None:
    """Every row of an imported file is new, corrected, unchanged or bad, and counted once.

    Nothing can vanish without a file before. Raises LawRefused."""
    if min(rows, new, corrected, unchanged, vanished, bad) < 0:
        raise LawRefused(IMPORTS, "counts of rows cannot be negative")
    if new + corrected + unchanged + bad != rows:
        raise LawRefused(
            IMPORTS,
            f"{new} new, {corrected} corrected, {unchanged} unchanged, {bad} bad: not {rows} rows",
        )
    if vanished and not has_previous:
        raise LawRefused(IMPORTS, "rows can vanish only against a file imported before: name previous_import")


def import_is_new(import_id: str, known: Sequence[str]) -> None:
    """An import has an id of its own. Raises LawRefused."""
    if import_id in known:
        raise LawRefused(IMPORTS, f"import {import_id} is recorded already")


def previous_import_is_of_register(previous: str | None, register: str, known: Sequence[str]) -> None:
    """A later file follows an earlier one of the same register. ``known``: its imports. Raises LawRefused."""
    if previous is not None and previous not in known:
        raise LawRefused(IMPORTS, f"{previous} is no earlier import of register {register}")


def report_states_positions(positions: Sequence[tuple[str, int]], figures: Sequence[str], files: int) -> None:
    """A report handed over states the position of each ledger once, each figure once, and has its files.

    3-registers 'Reports'; 1-law I. ``positions``: (origin, size). Raises LawRefused."""
    origins = [origin for origin, _ in positions]
    if not positions or len(set(origins)) < len(origins) or any(size < 0 for _, size in positions):
        raise LawRefused(REPORTS, "the position of every ledger that the report was made from is stated once")
    if len(set(figures)) < len(figures):
        raise LawRefused(REPORTS, "a figure stands twice under one id")
    if files == 0:
        raise LawRefused(REPORTS, "a report handed over keeps its files")


def report_period_is_over(status: str, first: date, last: date, handed_over_on: date | None) -> None:
    """Only a provisional report is handed over before its period is over (3-registers 'Reports').

    Raises LawRefused."""
    if last < first:
        raise LawRefused(REPORTS, f"a period from {first} cannot end on {last}")
    if status != "provisional" and handed_over_on is not None and handed_over_on <= last:
        raise LawRefused(REPORTS, f"{status} on {handed_over_on}, but the period ends on {last}")


def revised_report_supersedes(status: str, supersedes: object) -> None:
    """A revised report names the hand-over that it supersedes (3-registers 'Reports'). Raises LawRefused."""
    if status == "revised":
        must_state("the hand-over that it supersedes", supersedes, REPORTS, imported=False)


def superseded_is_same_report(
    this: tuple[str, date, date], superseded: tuple[str, date, date], *, itself: bool
) -> None:
    """A report supersedes an earlier hand-over of the same report for the same period.

    3-registers 'Reports'. Both as (report, first day, last day). Raises LawRefused."""
    if itself:
        raise LawRefused(REPORTS, "a hand-over cannot supersede itself")
    if this != superseded:
        shown = "{} of {} to {}".format(*superseded)
        raise LawRefused(REPORTS, f"it would supersede another report: {shown}")
