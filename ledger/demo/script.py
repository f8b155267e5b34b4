"""A script of commands in order of time, written from one seed before anything is recorded."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ledger.clock import MELBOURNE

START = date(2024, 7, 1)
END = date(2025, 12, 31)
LAST_MOMENT = datetime.combine(END, time(17, 30), MELBOURNE).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class IndexOf:
    """Stands in a command for the index that an earlier step's entry got."""

    step: int


@dataclass(frozen=True, slots=True)
class Step:
    """One command: when it is recorded, where, by which person, and what it says."""

    number: int
    when: datetime
    ledger: str
    command: str
    person: str
    command_id: str
    happened: str | None
    fields: Mapping[str, Any]
    case: str | None
    corrects: Mapping[str, Any] | None


@dataclass
class Script:
    """Writes steps; everything random comes from its seed, ids among it."""

    seed: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - a demonstration's history, no secret
        self._last: dict[str, datetime] = {}

    def uuid(self) -> str:
        """A random UUID of version 4 from the seed."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return self.random.random() < share

    def day_between(self, first: date, last: date) -> date:
        """A working-week day of the period."""
        while True:
            day = first + timedelta(days=self.random.randrange((last - first).days + 1))
            if day.weekday() < 5:
                return day

    def later(self, day: date, least: int, most: int) -> date:
        """A day some days on, moved to Monday from a weekend."""
        found = day + timedelta(days=self.random.randint(least, most))
        return found + timedelta(days=(7 - found.weekday()) % 7 if found.weekday() >= 5 else 0)

    def moment(self, day: date) -> datetime:
        """A moment in the working hours of a day."""
        clock = time(self.random.randint(9, 16), self.random.randrange(60), self.random.randrange(60))
        return datetime.combine(day, clock, MELBOURNE).astimezone(UTC)

    def at(self, day: date, hour: int) -> datetime:
        """An hour of a day in Melbourne, for what has to come in an order."""
        return datetime.combine(day, time(hour), MELBOURNE).astimezone(UTC)

    def record(
        self,
        ledger: str,
        command: str,
        fields: Mapping[str, Any],
        *,
        person: str,
        happened: date | None,
        case: str | None = None,
        corrects: Mapping[str, Any] | None = None,
        lag: int | None = None,
        at: datetime | None = None,
    ) -> int | None:
        """Adds a command; returns its number, or None where it would be recorded after the last day.

        ``lag``: days between happening and recording; without it mostly none, sometimes weeks.
        """
        if at is None:
            assert happened is not None
            if lag is None:
                lag = self.random.choices((0, 1, 2, 5, 21), (70, 15, 8, 5, 2))[0]
            at = self.moment(happened + timedelta(days=lag))
        if case is not None and case in self._last:
            at = max(at, self._last[case] + timedelta(minutes=self.random.randint(1, 9)))
        if at > LAST_MOMENT:
            return None
        if case is not None:
            self._last[case] = at
        number = len(self.steps)
        day = None if happened is None else happened.isoformat()
        self.steps.append(Step(number, at, ledger, command, person, self.uuid(), day, fields, case, corrects))
        return number

    def in_order(self) -> list[Step]:
        """The steps in the order in which they are recorded."""
        return sorted(self.steps, key=lambda step: (step.when, step.number))
