"""Receipts signed by the ledger's keys at acknowledgement (4-wire 'Receipts')."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from ledger.errors import CodecError, Diverged, NotFound, Unavailable
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.prefix import begins_with_published
from ledger.store.published import Published
from ledger.store.submission import Receipt
from ledger.tlog.note import Note
from ledger.tlog.receipt import SignedReceipt

log = structlog.get_logger("auditledger.receipts")


def signed_receipts(
    feed: Feed, published: Published, ledger: Ledger, receipts: Sequence[Receipt], promise: float
) -> list[Note]:
    """A signed receipt of each, which promises a proof within so many seconds from now.

    Raises Unavailable where the ledger has no signing key yet, or none here, or what is published cannot be
    read: the same command gives its receipts again. Raises Diverged where the entries do not go on from what is
    published: a receipt would promise what the ledger, as others have it, denies.
    """
    # Those that signed what is published: one that was retired, or only lies there, promises nothing.
    try:
        note = published.of(ledger).checkpoint()
        begins_with_published(feed, published.of(ledger), ledger)
    except Unavailable as error:
        log.error("published file unreadable", ledger=ledger.slug, reason=str(error))
        raise Unavailable(
            f"recorded, and its receipt not signed: what is published of {ledger.slug} cannot be read now; "
            "repeat with the same command id"
        ) from error
    except (NotFound, CodecError) as error:
        raise Diverged(f"recorded, and its receipt not signed: {ledger.origin}: {error}") from error
    signing = set() if note is None else {(line.name, line.id) for line in Note.parse(note).signatures}
    keys = [
        key
        for key in published.keys.of(ledger.slug, ledger.origin)
        if (key.verifier.name, key.verifier.id) in signing
    ]
    if not keys:
        raise Unavailable(
            f"recorded, and its receipt not signed: {ledger.slug} has no signing key here; repeat with the "
            "same command id once it is sealed"
        )
    by = datetime.now(UTC) + timedelta(seconds=promise)
    return [
        SignedReceipt(each.ledger, each.index, each.leaf_hash, each.recorded_at, by).sign(keys)
        for each in receipts
    ]
