"""One ledger as eventsourcing's recorder: its contract over our writer and feed.

It implements ``ApplicationRecorder``, the contract itself, and does not inherit the one for PostgreSQL: that
brings a second pool, statements for tables that do not exist here, and a retry that takes its own commit for a
conflict. Notification id = index + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    TrackingRecorder,
)
from eventsourcing.utils import Environment

from ledger.codec.entry import Actor, Entry, Precision, Source, SourceKind
from ledger.domain.event import Header
from ledger.errors import Conflict, InvalidInput
from ledger.store.ahead import Submits
from ledger.store.feed import Feed, StoredRow
from ledger.store.submission import Receipt, Submission, draft
from ledger.vault.sealing import VaultRow, WrappedKey

POLL_SECONDS = 0.02
SYSTEM = Actor("system", "system", "system", "system")


class RecordConflict(Conflict, IntegrityError):
    """Our Conflict, which eventsourcing knows as its IntegrityError too."""


@dataclass(frozen=True)
class StoredEntry(StoredEvent):
    """A stored event with the entry it stands in: the mapper reads the header there."""

    entry: Entry


class LedgerRecorder(ApplicationRecorder):
    """Records and reads the events of one ledger."""

    def __init__(self, writer: Submits, feed: Feed, ledger_id: int) -> None:
        self._writer = writer
        self._feed = feed
        self.ledger_id = ledger_id

    def submit(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        headers: Sequence[Header] | None = None,
        content_mac: bytes | None = None,
        keys: Sequence[WrappedKey] = (),
        rows: Sequence[VaultRow] = (),
        moment: datetime | None = None,
    ) -> Submission:
        """Appends events, together or not at all; does not wait, so that a thread does not cap a group.

        ``headers``: one an event (without, they are the system's own under a fresh command id); ``content_mac``
        belongs to part 0; the rest is as for ``Writer.submit``, whose errors these are.
        """
        if headers is None:
            command = str(uuid4())
            headers = [
                Header(None, Precision.UNKNOWN, SYSTEM, Source(SourceKind.SYSTEM), command, part)
                for part in range(len(stored_events))
            ]
        if len(headers) != len(stored_events):
            raise InvalidInput("headers", f"{len(stored_events)}, one an event", len(headers))
        drafts = [
            draft(
                stream=str(event.originator_id),
                version=event.originator_version,
                event=event.topic,
                happened_on=header.happened_on,
                precision=header.precision,
                actor=header.actor,
                source=header.source,
                command=header.command,
                part=header.part,
                corrects=header.corrects,
                payload=event.state,
                content_mac=content_mac if header.part == 0 else None,
            )
            for event, header in zip(stored_events, headers, strict=True)
        ]
        return self._writer.submit(self.ledger_id, drafts, keys=keys, rows=rows, moment=moment)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Appends events and waits; returns index + 1 of each. Keyword arguments as for :meth:`submit`.

        ``answers``: a list that the writer's answer is put into (eventsourcing's contract returns ids alone).

        Raises RecordConflict (a Conflict, and eventsourcing's IntegrityError) and what ``submit`` raises.
        """
        if kwargs.pop("tracking", None) is not None:
            raise InvalidInput("tracking", "none: positions live with their projection", "a tracking object")
        if not stored_events:
            return []
        answers: list[list[Receipt]] = kwargs.pop("answers", [])
        try:
            receipts = self.submit(stored_events, **kwargs).result()
        except Conflict as error:
            raise RecordConflict(str(error)) from error
        answers.append(receipts)
        return [receipt.index + 1 for receipt in receipts]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream with ``gt`` < version ≤ ``lte``."""
        bounds: dict[str, int] = {}
        if gt is not None:
            bounds["after"] = gt
        if lte is not None:
            bounds["upto"] = lte
        found = self._feed.stream(self.ledger_id, str(originator_id), limit=limit, backwards=desc, **bounds)
        return [stored_entry(row) for row in found]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events in ledger order from id ``start`` (index + 1) to id ``stop``, of the named topics."""
        after = -1 if start is None else start - (2 if inclusive_of_start else 1)
        bounds = {} if stop is None else {"until": stop}
        rows = self._feed.read(self.ledger_id, after, limit, events=list(topics) or None, **bounds)
        return [
            Notification(row.stream, row.version, row.event, row.decoded.payload, row.index + 1) for row in rows
        ]

    def max_notification_id(self) -> int | None:
        """The last id (index + 1); None while the ledger is empty."""
        return self._feed.head(self.ledger_id).size or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Events behind id ``gt``, then new ones as they are recorded."""
        return LedgerSubscription(self, gt, topics)


class LedgerSubscription(Subscription[ApplicationRecorder]):
    """Follows a recorder by asking again: nothing is missed where no wake-up has to arrive."""

    def __init__(self, recorder: ApplicationRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._batch: list[Notification] = []
        self._stopped = Event()

    def stop(self) -> None:
        """Ends the iteration, from any thread."""
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._batch and not self._stopped.is_set():
            self._batch = list(
                self._recorder.select_notifications(
                    self._last_notification_id, 500, topics=self._topics, inclusive_of_start=False
                )
            )
            self._batch.reverse()
            if not self._batch:
                self._stopped.wait(POLL_SECONDS)
        if self._stopped.is_set():
            raise StopIteration
        notification = self._batch.pop()
        self._last_notification_id = notification.id
        return notification


class LedgerFactory(InfrastructureFactory[TrackingRecorder]):
    """What ``Application.construct_factory`` returns: the recorder of one ledger, and no table of its own."""

    def __init__(self, env: Environment, recorder: LedgerRecorder) -> None:
        super().__init__(env)
        self._recorder = recorder

    def application_recorder(self) -> ApplicationRecorder:
        """The ledger's recorder."""
        return self._recorder

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Refused: snapshots would be a second truth beside the entries."""
        raise InvalidInput("purpose", "no recorder beside the ledger's own", purpose)

    def tracking_recorder(
        self, tracking_recorder_class: type[TrackingRecorder] | None = None
    ) -> TrackingRecorder:
        """Refused: projections keep their positions themselves."""
        raise InvalidInput("tracking_recorder", "none", tracking_recorder_class)

    def process_recorder(self) -> ProcessRecorder:
        """Refused: projections keep their positions themselves."""
        raise InvalidInput("process_recorder", "none", "a process recorder")


def stored_entry(row: StoredRow) -> StoredEntry:
    """A row as eventsourcing's stored event, with its entry."""
    return StoredEntry(row.stream, row.version, row.event, row.decoded.payload, row.decoded)
