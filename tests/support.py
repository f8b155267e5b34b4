"""What every test that writes ends with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from uuid import uuid4

from ledger.codec.entry import Actor, Precision, Source, SourceKind, decode_entry
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.submission import Draft, draft
from ledger.store.verify import verify
from ledger.tlog.chain import GENESIS, leaf_hash


def check_ledger(database: Database, ledger: Ledger) -> int:
    """The ledger is dense, chained, as its head and columns say, and holds nothing twice; gives its size.

    Every entry is decoded strictly here, apart from the verifier, which must agree.
    """
    with Feed(database) as feed:
        head = feed.head(ledger.id)
        rows = [row for batch in feed.scan(ledger.id) for row in batch]
    assert [row.index for row in rows] == list(range(head.size))
    previous = GENESIS
    versions: dict[str, int] = {}
    moment = None
    for row in rows:
        entry = decode_entry(row.entry)
        assert entry.previous == previous
        previous = leaf_hash(row.entry)
        assert row.leaf_hash == previous
        assert (entry.ledger, entry.index) == (ledger.origin, row.index)
        assert (entry.stream, entry.version, entry.event) == (row.stream, row.version, row.event)
        assert (entry.command, entry.part) == (row.command, row.part)
        assert entry.actor.organisation == row.organisation
        assert entry.happened_date == row.happened_on
        assert entry.recorded_at == row.recorded_at
        assert moment is None or row.recorded_at >= moment
        moment = row.recorded_at
        assert row.version == versions.get(row.stream, row.version if row.version in (0, 1) else -1)
        versions[row.stream] = row.version + 1
    assert head.hash == previous
    assert not [key for key, count in Counter((r.command, r.part) for r in rows).items() if count > 1]
    assert verify(database, ledger, processes=1).size == head.size
    return head.size


ACTOR = Actor("u-1", "officer", "dffh", "test")
SOURCE = Source(SourceKind.API)


def sample(
    stream: str = "case",
    version: int = 1,
    *,
    command: str | None = None,
    part: int = 0,
    payload: bytes = b"payload",
    happened_on: date | datetime | None = date(2024, 7, 1),
    content_mac: bytes | None = None,
    organisation: str = "dffh",
) -> Draft:
    """An entry to be recorded, of which only what a test names matters."""
    precision = Precision.DAY
    if happened_on is None:
        precision = Precision.UNKNOWN
    elif isinstance(happened_on, datetime):
        precision = Precision.INSTANT
    return draft(
        stream=stream,
        version=version,
        event="ledger.test.v1.SomethingHappened",
        happened_on=happened_on,
        precision=precision,
        actor=replace(ACTOR, organisation=organisation),
        source=SOURCE,
        command=command or str(uuid4()),
        part=part,
        payload=payload,
        content_mac=content_mac,
    )


def samples(stream: str, count: int, *, first: int = 1, command: str | None = None) -> list[Draft]:
    """One command of several entries in one stream."""
    command = command or str(uuid4())
    return [sample(stream, first + part, command=command, part=part) for part in range(count)]
