"""Emergency access ('break glass'): who may open under one now, and how each stands."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from ledger.application.destroying import takes_no_more
from ledger.application.outcome import CommandInput, Principal
from ledger.clock import melbourne_date
from ledger.codec.jsonform import show
from ledger.domain.event import CaseEvent, decode_event
from ledger.domain.openings.aggregate import Openings
from ledger.domain.openings.events import ToldBy
from ledger.domain.openings.standing import STREAM, EmergencyAccess, accesses_of, of_emergency
from ledger.errors import Conflict, Forbidden, LawRefused
from ledger.law import emergency as law
from ledger.law.general import Role
from ledger.store.feed import Feed, StoredRow
from ledger.store.ledgers import Ledger

if TYPE_CHECKING:
    from ledger.application.installation import Installation

TELL = "vault.PrivacyOfficerTold"


class Emergencies:
    """The emergency accesses of each ledger, folded as their stream grows. Thread-safe."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = Lock()
        self._read: dict[int, tuple[int, tuple[CaseEvent, ...]]] = {}
        """Of each ledger: the version up to which the stream was read, and the facts about emergency access."""

    def of(self, ledger: Ledger) -> dict[int, EmergencyAccess]:
        """Every emergency access of a ledger, by the index of its entry; asks the database what is new."""
        return accesses_of(
            self.extend(ledger, self._feed.stream(ledger.id, STREAM, after=self.version(ledger)))
        )

    def version(self, ledger: Ledger) -> int:
        """The version up to which the stream is read."""
        return self._read.get(ledger.id, (0, ()))[0]

    def extend(self, ledger: Ledger, rows: Sequence[StoredRow]) -> tuple[CaseEvent, ...]:
        """Takes what was read of the stream; rows that are known are passed over."""
        version, facts = self._read.get(ledger.id, (0, ()))
        new = [row for row in rows if row.version > version]
        if new:
            facts = (*facts, *filter(of_emergency, (decode_event(row.decoded) for row in new)))
            with self._lock:
                # Two threads may have read the same rows: what has read further stays.
                if new[-1].version > self.version(ledger):
                    self._read[ledger.id] = new[-1].version, facts
        return facts

    def record(self, ledger: Ledger) -> Openings | None:
        """The stream's case as last read, with those of its facts alone by which law judges what is no
        correction: however much was opened, an opening reads what is new. None before its first fact.
        """
        version, facts = self._read.get(ledger.id, (0, ()))
        if not version:
            return None
        case = Openings.blank(STREAM)
        case.facts, case.version = [*facts], version
        return case


def is_opening(command: CommandInput) -> bool:
    """Whether a command is judged by emergency access alone, of all that its stream holds: no correction is."""
    return command.stream == STREAM and command.corrects is None


@dataclass(frozen=True, slots=True)
class Right:
    """By what a person opens sealed fields. ``role``: where it is not one of the ledger's own that opens them;
    ``access``: the emergency access that the opening rests on."""

    role: Role | None = None
    access: EmergencyAccess | None = None


def right_under(
    accesses: Collection[EmergencyAccess],
    principal: Principal,
    role: Role,
    streams: Collection[str],
    now: datetime,
) -> Right:
    """The emergency access under which a person opens fields of these cases; the one that lasts longest.

    Raises Forbidden that says why none serves: none taken, over since when, not for that case.
    """
    own = [each for each in accesses if each.taker == (principal.person, principal.organisation)]
    refused: Forbidden | None = None
    for each in sorted(own, key=lambda one: one.until, reverse=True):
        taken = each.taken
        try:
            law.used_while_in_force(taken.index, each.until, each.moment(now))
            for stream in streams:
                law.used_for_what_it_names(taken.index, taken.cases, taken.whole_ledger, stream)
        except Forbidden as error:
            refused = refused or error
        else:
            return Right(role, each)
    raise refused or Forbidden(
        f"{principal.person} has taken no emergency access: it takes vault.EmergencyAccessTaken"
    )


def shown(access: EmergencyAccess, now: datetime) -> dict[str, Any]:
    """One emergency access as JSON: who, for what, until when, used, told, reviewed; sealed words apart."""
    taken, ended, told, reviewed = access.taken, access.ended, access.told, access.reviewed
    return {
        "entry": taken.index,
        "person": access.taker[0],
        "organisation": access.taker[1],
        "role": taken.header.actor.role,
        "cases": list(taken.cases),
        "whole_ledger": taken.whole_ledger,
        "taken_at": show(taken.timestamp),
        "minutes": taken.minutes,
        "until": show(access.until),
        "in_force": access.moment(now) < access.until,
        "ended_by": None if ended is None else ended.header.actor.id,
        "openings": [fact.index for fact in access.openings],
        "told": None
        if told is None
        else {"how": told.how.value, "at": show(told.timestamp), "person": told.person},
        "review_due": show(access.review_due),
        "review_overdue": access.overdue(melbourne_date(now)),
        "reviewed": None
        if reviewed is None
        else {
            "justified": reviewed.justified,
            "at": show(reviewed.timestamp),
            "person": reviewed.header.actor.id,
            "entry": reviewed.index,
        },
    }


def listed(installation: Installation, ledger: Ledger, principal: Principal) -> list[dict[str, Any]]:
    """The emergency accesses that a person may see, newest first: a reporter and a Minister's office their own
    alone, whoever else reads the ledger all.

    A privacy officer is told by it of what none was told of yet: that is recorded before it is shown. A crash
    between leaves it recorded and not shown; it still waits for its review. Raises Unavailable, OutcomeUnknown.
    """
    today = melbourne_date(installation.clock.now())
    own = installation.roles(ledger.slug, principal)
    accesses = installation.emergencies.of(ledger)
    if own & law.TOLD:
        untold = [
            each for each in accesses.values()
            if not each.known and each.taker != (principal.person, principal.organisation)
        ]  # fmt: skip
        for each in untold:
            tell(installation, ledger, each, ToldBy.LIST, principal.person)
        if untold:
            accesses = installation.emergencies.of(ledger)
    reading = installation.streams.reading_roles(ledger, principal, today)
    everything = reading - {Role.REPORTER, Role.MINISTER_OFFICE}
    now = installation.clock.now()
    return [
        shown(each, now)
        for _, each in sorted(accesses.items(), reverse=True)
        if everything or each.taker == (principal.person, principal.organisation)
    ]


def tell(
    installation: Installation, ledger: Ledger, access: EmergencyAccess, how: ToldBy, person: str | None = None
) -> None:
    """Records that the privacy officer was told; where another process was first, its entry is the one.

    A ledger that was left takes no entry: then it is told again each time. Raises Unavailable, OutcomeUnknown.
    """
    if takes_no_more(installation, ledger):
        return
    fields = {"access": access.taken.index, "how": how.value, "person": person}
    try:
        installation.record_as_system(
            ledger, TELL, {k: v for k, v in fields.items() if v is not None}, command_id=str(uuid.uuid4())
        )
    except (LawRefused, Conflict):
        if installation.emergencies.of(ledger)[access.taken.index].told is None:
            raise


def covers(installation: Installation, ledger: Ledger, principal: Principal, stream: str) -> bool:
    """Whether a person may open fields of a case under emergency access now."""
    try:
        installation.emergency_right(ledger, principal, (stream,))
    except Forbidden:
        return False
    return True


def has_taken(installation: Installation, ledger: Ledger, principal: Principal) -> bool:
    """Whether a person ever took emergency access in a ledger: then they learn why it serves no more."""
    who = (principal.person, principal.organisation)
    return any(each.taker == who for each in installation.emergencies.of(ledger).values())
