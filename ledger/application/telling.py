"""The privacy officer told of emergency access by mail, again and again until a server has accepted it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from threading import Event
from typing import TYPE_CHECKING

from ledger.application.emergency import tell
from ledger.application.mail import Letterbox
from ledger.clock import MELBOURNE, melbourne_date
from ledger.domain.openings.events import ToldBy
from ledger.domain.openings.standing import EmergencyAccess
from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.ledgers import Ledger

if TYPE_CHECKING:
    from ledger.application.installation import Installation

LOOK = 2.0
"""Seconds between two looks for emergency access that nobody was told of."""
RETRY = 30.0
"""Seconds after which a mail that was not accepted is tried again."""
Alarm = Callable[..., object]
"""Takes what is wrong, in words, and what it is of by name: a logger's ``error``."""
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Untold:
    """How many emergency accesses of a ledger are in force, unknown to every privacy officer, not reviewed, and
    not reviewed by the last day for it."""

    in_force: int
    untold: int
    unreviewed: int
    overdue: int


def standing_of(accesses: dict[int, EmergencyAccess], installation: Installation) -> Untold:
    """How these stand now."""
    now = installation.clock.now()
    return Untold(
        sum(each.moment(now) < each.until for each in accesses.values()),
        sum(not each.known for each in accesses.values()),
        sum(each.reviewed is None for each in accesses.values()),
        sum(each.overdue(melbourne_date(now)) for each in accesses.values()),
    )


class Telling:
    """Looks at each ledger again and again; tells by mail where ``letterbox`` is given.

    A demonstration's accesses are invented: nobody gets mail of them.
    """

    def __init__(
        self, installation: Installation, letterbox: Letterbox | None, alarm: Alarm, step: Step = lambda _: None
    ) -> None:
        """``step`` is told the name of each step that a crash could follow."""
        self._installation = installation
        self._letterbox = letterbox
        self._alarm = alarm
        self._step = step
        self._noticed: set[tuple[int, int]] = set()
        self._accepted: set[tuple[int, int]] = set()
        self._wait_until = 0.0
        self._standing: dict[str, Untold] = {}
        self.failed: str | None = None
        """Why the last look failed; None where it did not."""

    def state(self) -> dict[str, Untold]:
        """By slug, how emergency access stood at the last look. Raises Unavailable where that failed."""
        if self.failed is not None:
            raise Unavailable(f"emergency access: {self.failed}")
        return dict(self._standing)

    def run(self, stop: Event) -> None:
        """Looks every two seconds until told to stop; what fails, in whatever way, is tried again."""
        while True:
            try:
                self.look()
                self.failed = None
            except (AuditLedgerError, OSError) as error:
                self.failed = str(error)
                self._alarm("emergency access cannot be looked at", reason=str(error))
            except Exception as error:  # noqa: BLE001 (a thread that ended would leave the last look standing)
                # What it says may be anything: its kind alone is told.
                self.failed = f"a fault of the program, {type(error).__name__}"
                self._alarm("emergency access cannot be looked at", reason=self.failed)
            if stop.wait(LOOK):
                return

    def look(self) -> None:
        """Tells of what nobody was told of yet, and notes how each ledger stands.

        Raises Unavailable, OutcomeUnknown.
        """
        for ledger in self._installation.ledgers.all():
            accesses = self._installation.emergencies.of(ledger)
            for each in accesses.values():
                if each.known:
                    continue
                place = (ledger.id, each.taken.index)
                if place not in self._noticed:
                    self._noticed.add(place)
                    self._alarm("emergency access was taken", ledger=ledger.slug, entry=each.taken.index)
                if self._letterbox is not None and not ledger.demonstration:
                    self._tell(self._letterbox, ledger, each)
            accesses = self._installation.emergencies.of(ledger)
            self._standing[ledger.slug] = standing_of(accesses, self._installation)

    def _tell(self, letterbox: Letterbox, ledger: Ledger, access: EmergencyAccess) -> None:
        """Order: (1) the server has accepted the mail; (2) the entry says so.

        A crash after (1) leaves no entry: the next start sends the same mail, of the same Message-ID, again.
        """
        place = (ledger.id, access.taken.index)
        if place not in self._accepted:
            if time.monotonic() < self._wait_until:
                return
            try:
                letterbox.send(*letter(ledger, access))
            except Unavailable as error:
                self._wait_until = time.monotonic() + RETRY
                self._alarm(
                    "the privacy officer could not be told of emergency access",
                    ledger=ledger.slug, entry=access.taken.index, reason=str(error),
                )  # fmt: skip
                return
            self._accepted.add(place)
            self._step("accepted")
        tell(self._installation, ledger, access, ToldBy.MAIL)
        self._step("recorded")


def letter(ledger: Ledger, access: EmergencyAccess) -> tuple[str, str, dict[str, str]]:
    """Subject, text and headers of the mail: ids and times alone, no reason, no name, nothing of a case."""
    taken = access.taken
    until = access.until.astimezone(MELBOURNE)
    what = "the whole ledger" if taken.whole_ledger else f"{len(taken.cases)} of its cases"
    text = (
        f"Emergency access to sealed fields was taken.\n\n"
        f"Ledger:    {ledger.origin}\n"
        f"Entry:     {taken.index}\n"
        f"By:        {access.taker[0]} ({taken.header.actor.role})\n"
        f"For:       {what}\n"
        f"Until:     {until:%Y-%m-%d %H:%M:%S} ({until.tzname()}), unless it is ended before\n"
        f"Review by: {access.review_due}\n\n"
        "The reason is sealed in that entry. 'auditledger break-glass list' shows how it stands, 'break-glass "
        "end' ends it, 'break-glass review' records what you found.\n"
    )
    host = ledger.origin.partition("/")[0]
    identity = hashlib.sha256(f"{ledger.origin} {taken.index}".encode()).hexdigest()[:32]
    subject = f"Emergency access in ledger {ledger.slug}, entry {taken.index}"
    headers = {
        "Date": format_datetime(taken.timestamp),
        "Message-ID": f"<emergency-access-{identity}@{host}>",
        "Auto-Submitted": "auto-generated",
    }
    return subject, text, headers
