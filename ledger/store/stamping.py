"""Having published checkpoints time-stamped (RFC 3161), beside sealing and behind it: nothing waits for it.

A time stamp is verified before it is kept, and durable before it counts; a crash between asking and keeping
loses an answer, and the next round asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import psycopg
import structlog

from ledger.errors import AuditLedgerError, Unavailable
from ledger.remote import Address
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.published import Published
from ledger.store.sealers import LONGEST_PAUSE
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note
from ledger.tlog.stamp import read_roots, wanted

_QUERY = {"Content-Type": "application/timestamp-query"}
_OK = 200

log = structlog.get_logger("auditledger.stamping")


class Stamping:
    """Has the last checkpoint of each ledger stamped, where it has grown; run on one thread."""

    def __init__(self, database: Database, published: Published, url: str, roots: Path) -> None:
        """Raises SettingsError for an address that cannot be asked, or roots that cannot be read."""
        self._database = database
        self._published = published
        self._authority = Address(url, "timestamp_url")
        self._roots = read_roots(roots)
        self._ledgers = Ledgers(database)

    def run(self, stop: Event, interval: float) -> None:
        """Asks, until told to stop; where it failed, again within a minute."""
        pause = min(interval, LONGEST_PAUSE)
        while not stop.wait(pause):
            pause = interval
            try:
                ledgers: Sequence[Ledger] = self._ledgers.all()
            except (AuditLedgerError, psycopg.Error) as error:
                log.warning("time stamping waits", reason=str(error))
                ledgers, pause = (), min(interval, LONGEST_PAUSE)
            for ledger in ledgers:
                try:
                    self.stamp(ledger)
                except AuditLedgerError as error:
                    log.warning("not time-stamped", ledger=ledger.slug, reason=str(error))
                    pause = min(interval, LONGEST_PAUSE)

    def stamp(self, ledger: Ledger) -> bool:
        """Has what is published of a ledger stamped, if it has grown since; gives whether it was.

        Raises Unavailable (authority or database are away), CodecError, Untrusted (it is no time stamp of this
        checkpoint by an authority under the roots: nothing is kept).
        """
        data = self._published.of(ledger).checkpoint()
        if data is None:
            return False
        note = Note.parse(data)
        size = Checkpoint.parse(note.text).size
        try:
            with self._database.connect(Role.SEALER) as connection:
                (last,) = connection.execute(queries.get("stamped_size"), {"ledger": ledger.id}).fetchone() or (
                    None,
                )
                if last is not None and last >= size:
                    return False
                response = self._asked(note.text)
                connection.execute(
                    queries.get("keep_timestamp"),
                    {"ledger": ledger.id, "size": size, "note": data.decode(), "response": response},
                )
        except psycopg.Error as error:
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error
        return True

    def _asked(self, text: str) -> bytes:
        asked = wanted(text)
        status, response = self._authority.ask("POST", "", bytes(asked), _QUERY)
        if status != _OK:
            raise Unavailable(f"timestamp_url: expected status {_OK}, got {status}")
        asked.verify(response, self._roots)
        return response
