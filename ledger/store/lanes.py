"""What the commit procedure keeps: a queue a ledger, the groups under way, the connections they are on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from psycopg import pq

from ledger.store.ledgers import Ledger
from ledger.store.placing import Head, Placed
from ledger.store.settle import Connection
from ledger.store.submission import Receipt, Submission

GROUP_ENTRIES = 1_000
"""Entries of a group that is sent as one statement; a submission of more goes by COPY."""


class Stage(Enum):
    """What a group's connection has been asked."""

    COMMIT = auto()
    COPY = auto()
    HEAD = auto()
    LOCK = auto()
    COMMIT_LOCKED = auto()


@dataclass(slots=True)
class Lane:
    """One ledger's queue. At most one of its groups is under way."""

    ledger: Ledger
    prefix: bytes
    waiting: deque[Submission] = field(default_factory=deque)
    head: Head | None = None
    busy: bool = False
    lined_up: bool = False
    contended: int = 0
    """How many more groups take the head's lock first: another process writes this ledger too."""


@dataclass(slots=True)
class Group:
    """Submissions that enter a ledger together."""

    lane: Lane
    submissions: list[Submission] = field(default_factory=list)
    entries: int = 0
    real_time: bool = False
    """Whether any of it gets the writer's own time."""
    sealed: bool = False
    """Whether any of it has rows for the vault."""
    stage: Stage = Stage.COMMIT
    locked: bool = False
    placed: Placed | None = None
    blocks: Sequence[bytes] = ()
    """What COPY is given."""
    receipts: Sequence[list[Receipt]] = ()
    """What its submissions are told once it is committed."""
    swaps_lost: int = 0

    def fill(self) -> None:
        """Adds what is waiting, up to the size of a group; a large submission goes alone."""
        waiting = self.lane.waiting
        while waiting:
            submission = waiting[0]
            entries = self.entries + len(submission.drafts)
            if entries > GROUP_ENTRIES and self.submissions:
                return
            waiting.popleft()
            self.entries = entries
            self.submissions.append(submission)
            if submission.moment is None:
                self.real_time = True
            if submission.keys or submission.rows:
                self.sealed = True


@dataclass(slots=True)
class Link:
    """One of the writer's connections; ``group`` is what is under way on it."""

    connection: Connection | None = None
    descriptor: int = -1
    group: Group | None = None
    writing: bool = False
    asked_at: float = 0.0
    answers: list[pq.abc.PGresult] = field(default_factory=list)
