"""What is given to the writer, and what comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from ledger.codec.entry import (
    MAX_ENTRY,
    Actor,
    Correction,
    HappenedOn,
    Precision,
    Source,
    Template,
    happened_date,
    template,
)
from ledger.errors import AuditLedgerError, InvalidInput
from ledger.store.binary import NULL, date_field, int4_field, text_field, varlena_field
from ledger.store.ledgers import Ledger
from ledger.vault.sealing import VaultRow, WrappedKey

COMMAND = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UUID_LENGTH = b"\0\0\0\x10"
PLACE_BYTES = 10 + 3 + 10 + 32 + 10
"""What a place adds at most, but for the ledger's name: frame, its length, index, previous, recorded_at."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a write: origin of the ledger, index, leaf hash, and when the entry got its place (UTC)."""

    ledger: str
    index: int
    leaf_hash: bytes
    recorded_at: datetime


class Level(StrEnum):
    """What an acknowledged entry is sure of: on disk; under a signed checkpoint; seen by witnesses too."""

    DURABLE = "durable"
    SEALED = "sealed"
    WITNESSED = "witnessed"


Columns = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""version, part, happened_on, command, stream, event, organisation, content_mac"""


class Draft(NamedTuple):
    """An entry but for its place: ledger, index, ``previous`` and ``recorded_at`` are the writer's to give.

    Made by :func:`draft` in the thread that submits, with every column encoded as PostgreSQL reads it (4 bytes
    of length, then the value), so that whoever sends the group only joins and hashes.
    """

    stream: str
    version: int
    command: str
    part: int
    content_mac: bytes | None
    template: Template
    columns: Columns


def draft(
    *,
    stream: str,
    version: int,
    event: str,
    happened_on: HappenedOn,
    precision: Precision,
    actor: Actor,
    source: Source,
    command: str,
    part: int,
    payload: bytes,
    corrects: Correction | None = None,
    content_mac: bytes | None = None,
) -> Draft:
    """An entry ready to be given its place; the fields are those of 4-wire 'Entry'.

    ``content_mac`` (part 0 only) tells a repeat of the command from other content. Raises InvalidInput for a
    value that no entry can hold, CodecError.
    """
    if "\0" in stream:
        raise InvalidInput("stream", "text without NUL characters", stream)
    if content_mac is not None and part:
        raise InvalidInput("content_mac", "none but on part 0 of a command", part)
    happened: date | None = happened_date(happened_on)
    return Draft(
        stream,
        version,
        command,
        part,
        content_mac,
        template(
            stream=stream,
            version=version,
            event=event,
            happened_on=happened_on,
            precision=precision,
            actor=actor,
            source=source,
            command=command,
            part=part,
            corrects=corrects,
            payload=payload,
        ),
        columns_of(version, part, happened, command, stream, event, actor.organisation, content_mac),
    )


def columns_of(
    version: int,
    part: int,
    happened: date | None,
    command: str,
    stream: str,
    event: str,
    organisation: str,
    content_mac: bytes | None,
) -> Columns:
    """What the row of an entry repeats of its bytes, and its ``content_mac``; raises InvalidInput."""
    return (
        int4_field("version", version),
        int4_field("part", part),
        NULL if happened is None else date_field(happened),
        _command_field(command),
        text_field(stream),
        _known_text(event),
        _known_text(organisation),
        NULL if content_mac is None else varlena_field(content_mac),
    )


@lru_cache(maxsize=4096)
def _known_text(text: str) -> bytes:
    """The field of a text of which there are few: event names, organisations."""
    if "\0" in text:
        raise InvalidInput("event, actor.organisation", "text without NUL characters", text)
    return text_field(text)


@lru_cache(maxsize=256)
def _command_field(command: str) -> bytes:
    """The field of a command id, which many entries of an import share."""
    if COMMAND.fullmatch(command) is None:
        raise InvalidInput("command", "a UUID in lower case with hyphens", command)
    return UUID_LENGTH + bytes.fromhex(command.replace("-", ""))


Outcome = list[Receipt] | AuditLedgerError
"""What became of a submission: its receipts, or why there are none."""


class Submission:
    """Drafts that enter together or not at all, the vault rows that belong to them, and who waits for it."""

    __slots__ = (
        "_outcome",
        "_roused",
        "_wait",
        "_woken",
        "drafts",
        "keys",
        "ledger",
        "moment",
        "rows",
        "waiting",
    )

    def __init__(
        self,
        ledger: Ledger,
        drafts: Sequence[Draft],
        keys: Sequence[WrappedKey],
        rows: Sequence[VaultRow],
        moment: datetime | None,
        wait: Callable[[Submission, float | None], None],
    ) -> None:
        self.ledger = ledger
        self.drafts = drafts
        self.keys = keys
        self.rows = rows
        self.moment = moment
        self._wait = wait
        self._outcome: Outcome | None = None
        self._roused = False
        self._woken = Lock()
        self._woken.acquire()
        self.waiting = False
        """Whether it stands in the writer's line of those who wait."""

    def result(self, timeout: float | None = None) -> list[Receipt]:
        """The receipts, one a draft; waits for them, ``timeout`` seconds at most.

        Raises what ``Writer.submit`` says, TimeoutError (the outcome is still to come).
        """
        if self._outcome is None:
            self._wait(self, timeout)
        outcome = self._outcome
        assert outcome is not None
        if isinstance(outcome, AuditLedgerError):
            raise outcome
        return outcome

    def done(self) -> bool:
        """Whether it is known what became of it."""
        return self._outcome is not None

    # --- for the writer ----------------------------------------------------------------------------------

    def settle(self, outcome: Outcome) -> None:
        """Says what became of it, with the writer's turn. What was said first stands."""
        if self._outcome is None:
            self._outcome = outcome
            self.rouse()

    def rouse(self) -> None:
        """Wakes the thread that waits for it, or the next that will, with the writer's turn."""
        if not self._roused:
            self._roused = True
            self._woken.release()

    def sleep(self, seconds: float | None) -> None:
        """Until roused, or for ``seconds``."""
        if self._woken.acquire(timeout=-1 if seconds is None else seconds):
            self._roused = False
            if self._outcome is not None:
                # Another thread may wait for the same.
                self.rouse()

    def check(self) -> None:
        """Refuses what could only fail once it is under way. Raises InvalidInput."""
        if not self.drafts:
            raise InvalidInput("drafts", "at least one", 0)
        room = MAX_ENTRY - PLACE_BYTES - len(self.ledger.origin.encode())
        for each in self.drafts:
            middle, tail = each.template
            if len(middle) + len(tail) > room:
                size = MAX_ENTRY - room + len(middle) + len(tail)
                raise InvalidInput("entry", f"at most {MAX_ENTRY} bytes (attach larger things)", size)
        for row in self.rows:
            if not 0 <= row.ordinal < len(self.drafts):
                raise InvalidInput("rows.ordinal", f"0 to {len(self.drafts) - 1}", row.ordinal)
