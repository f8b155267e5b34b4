"""From stored entries to facts: what the projections read of a ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from ledger.domain.event import CaseEvent, read_event
from ledger.errors import CodecError, UnknownSchema
from projections import sql


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """A ledger and its size when it was looked at."""

    id: int
    slug: str
    origin: str
    organisation: str
    size: int


@dataclass(frozen=True, slots=True)
class Poison:
    """Stands for an entry that is not the encoding of a known event: its index and what is wrong."""

    index: int
    reason: str


Fact = CaseEvent | Poison
"""What one entry of a stream gives."""


def heads(connection: Connection[Any]) -> list[LedgerHead]:
    """Every ledger with its size now."""
    return [LedgerHead(*row) for row in connection.execute(sql.get("heads")).fetchall()]


def read_fact(index: int, entry: bytes) -> Fact:
    """The fact of an entry's bytes, or Poison where they are malformed.

    Raises UnknownSchema for an event newer than this version: it is never parked.
    """
    try:
        return read_event(entry)
    except UnknownSchema:
        raise
    except CodecError as error:
        return Poison(index, str(error))


def facts_of(
    connection: Connection[Any], ledger: int, streams: Sequence[str], below: int
) -> dict[str, list[Fact]]:
    """The facts of these streams below an index, each in order. Raises UnknownSchema."""
    found: dict[str, list[Fact]] = {stream: [] for stream in streams}
    with connection.cursor(binary=True) as cursor:
        rows: Iterable[Any] = cursor.execute(sql.get("stream_entries"), (ledger, list(streams), below))
        for index, stream, entry in rows:
            found[stream].append(read_fact(index, entry))
    return found
