"""How the time stamping of checkpoints stands (RFC 3161), as ``doctor`` says it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ledger.codec.jsonform import show
from ledger.errors import CodecError, Untrusted
from ledger.settings import Settings, without_secrets
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.stamps import last_stamp
from ledger.tlog.note import Note

LATE = 3
"""Intervals for which an entry may wait for a time stamp, before that is a fault."""
LEAST = 900.0
"""Seconds that it may wait at any rate: a short interval makes no alarm of a short outage."""


def stamping(settings: Settings, database: Database, ledgers: Sequence[Ledger]) -> tuple[bool, str]:
    """Whether it goes on, and: which authority is asked, when the last stamp of each ledger was taken.

    Of a demonstration no wait is judged: its clock is simulated. Raises SettingsError, Unavailable.
    """
    if settings.timestamp_url is None or settings.timestamp_ca is None:
        return True, "none: timestamp_url is not set"
    # Who has no authority set loads none of its libraries.
    from ledger.tlog.stamp import read_roots, stamped_at

    roots, now = read_roots(settings.timestamp_ca), datetime.now(UTC)
    allowed = max(LATE * settings.timestamp_interval, LEAST)
    said, well = without_secrets(settings.timestamp_url), True
    with Feed(database) as feed:
        for ledger in ledgers:
            last = last_stamp(database, ledger)
            size = 0 if last is None else last.size
            said += f"; {ledger.slug} {size} entries stamped"
            if last is not None:
                try:
                    at = stamped_at(last.response, Note.parse(last.note).text, roots)
                    said += f", last at {show(at)}"
                except (CodecError, Untrusted) as error:
                    said, well = f"{said}, {error}", False
            first = feed.read(ledger.id, size - 1, 1)
            waited = (now - first[0].recorded_at).total_seconds() if first else 0.0
            if waited > allowed and not ledger.demonstration:
                said, well = f"{said}, more wait for {waited:.0f} s, too long", False
    if not well:
        said += "; start the service that asks where none runs: its log says 'not time-stamped' with the reason"
    return well, said
