"""What every test that writes ends with."""

from __future__ import annotations

from collections import Counter

from ledger.codec.entry import decode_entry
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
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
