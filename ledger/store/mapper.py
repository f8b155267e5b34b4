"""Between domain events and stored events: personal fields are sealed here, and nowhere else.

eventsourcing's contract gives a mapper one event at a time; what a command carries beside its events (the
sealing session, the headers, the vault rows) travels in a ``Batch``, which the mapper fills and the
recorder empties within one ``save``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from eventsourcing.persistence import Mapper, StoredEvent

from ledger.codec.commitment import REASON_PATH
from ledger.codec.declare import Sealed
from ledger.codec.entry import Correction
from ledger.domain.event import CaseEvent, Header, decode_event, encode_payload
from ledger.errors import CodecError
from ledger.store.recorder import StoredEntry
from ledger.vault.sealing import SealingSession, VaultRow


@dataclass(slots=True)
class Batch:
    """What one command carries beside its events."""

    sealing: SealingSession
    headers: list[Header] = field(default_factory=list)
    rows: list[VaultRow] = field(default_factory=list)


_batch: ContextVar[Batch] = ContextVar("auditledger_batch")


@contextmanager
def sealing_into(batch: Batch) -> Iterator[Batch]:
    """Events mapped inside are sealed into this batch."""
    token = _batch.set(batch)
    try:
        yield batch
    finally:
        _batch.reset(token)


class LedgerMapper(Mapper[str]):
    """Seals and encodes on the way in; decodes the payload of an entry on the way out."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The stored form of a proposed event: sealed header, payload bytes. Raises InvalidInput."""
        event: CaseEvent = domain_event
        batch = _batch.get()
        stream = event.originator_id
        seal = batch.sealing.sealer(stream)
        header = event.header
        if header.corrects is not None:
            # Before the payload's fields: a vault row holds its values in the order of the entry.
            reason = header.corrects.reason
            if not isinstance(reason, Sealed):
                reason = seal(REASON_PATH, "string", "case", reason)
            corrects = Correction(header.corrects.index, header.corrects.kind, reason)
            header = header._replace(corrects=corrects)
        payload = encode_payload(event, seal)
        batch.rows.extend(batch.sealing.rows(len(batch.headers)))
        batch.headers.append(header)
        return StoredEvent(stream, event.originator_version, event.name, payload)

    def to_domain_event(self, stored_event: StoredEvent) -> CaseEvent:
        """The event of a stored entry. Raises CodecError, UnknownSchema."""
        if not isinstance(stored_event, StoredEntry):
            raise CodecError(f"{stored_event.topic}: expected a stored entry, got a bare stored event")
        return decode_event(stored_event.entry)
