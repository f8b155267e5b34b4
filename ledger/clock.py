"""Where 'now' comes from. The demonstration replaces the machine's clock by a simulated one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

MELBOURNE = ZoneInfo("Australia/Melbourne")


class Clock(Protocol):
    """Gives the present moment, in UTC."""

    def now(self) -> datetime:
        """The present moment (aware, UTC)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment (aware, UTC)."""
        return datetime.now(UTC)


class SimulatedClock:
    """A clock that is moved by hand; only a ledger created as a demonstration accepts it."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("SimulatedClock needs an aware datetime")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The simulated moment (aware, UTC)."""
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Sets the simulated moment. It never goes back, as a ledger's time never does."""
        self._now = max(self._now, moment.astimezone(UTC))

    def advance(self, step: timedelta) -> None:
        """Moves the simulated moment forward by ``step``."""
        self.move_to(self._now + step)


def melbourne_date(moment: datetime) -> date:
    """The Melbourne calendar date of an instant: the date that law counts from."""
    return moment.astimezone(MELBOURNE).date()
