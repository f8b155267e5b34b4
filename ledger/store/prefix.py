"""Whether the database begins with what is published: asked before entries are added to it, or promised."""

from __future__ import annotations

from ledger.errors import Diverged
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.tiles import Tiles
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.tiles import hashes_of


def not_behind(feed: Feed, tiles: Tiles, ledger: Ledger) -> int:
    """How many entries are published; none where nothing is. Raises Diverged where the database holds fewer.

    It is an older copy then, which refill brings up as long as nothing else is added to it.
    """
    # In this order nobody who writes and seals meanwhile is accused.
    note = tiles.checkpoint()
    size = 0 if note is None else Checkpoint.parse(Note.parse(note).text).size
    held = feed.head(ledger.id).size
    if held < size:
        raise Diverged(
            f"{ledger.origin}: {size} entries are published, the database holds {held}: it is an older one; "
            "nothing is added before 'auditledger refill' has brought it up, or a new origin goes on from it"
        )
    return size


def begins_with_published(feed: Feed, tiles: Tiles, ledger: Ledger) -> None:
    """Raises Diverged where the database does not begin with what is published: what it goes on with is a fork.

    Every entry names the one before, so the last that is published tells of all. What is signed is not looked
    at: sealing does that.
    """
    size = not_behind(feed, tiles, ledger)
    if size and feed.entry(ledger.id, size - 1).leaf_hash != hashes_of([(0, size - 1)], size, tiles.read)[0]:
        raise Diverged(
            f"{ledger.origin}: entry {size - 1} in the database is not the one that is published: a fork; "
            "nothing is promised of it before this is looked into"
        )
