"""Entries put straight into a ledger, with any moment and any bytes: what the projections then read."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import Connection

from ledger.codec.declare import Sealed, micros
from ledger.codec.entry import (
    Actor,
    Correction,
    CorrectionKind,
    Precision,
    Source,
    SourceKind,
    happened_date,
    place,
    prefix,
    template,
)
from ledger.domain.event import CaseEvent, Header, encode_payload
from ledger.law.calendar import seeded_calendar
from ledger.store.database import Database
from ledger.store.ledgers import Ledger
from ledger.tlog.chain import leaf_hash

ACTOR = Actor("a-1", "officer", "dffh", "test")
SOURCE = Source(SourceKind.API)
START = datetime(2025, 6, 1, 1, tzinfo=UTC)


def seal(path: str, kind: str, subject: str, value: Any) -> Sealed:
    """A stand-in of the vault's: the value is not kept."""
    return Sealed(hashlib.sha256(f"{path}{value}".encode()).digest(), f"key-{subject}")


def make(cls: type[CaseEvent], happened: date | datetime | None, **fields: Any) -> CaseEvent:
    """An event that has no place yet."""
    precision = fields.pop("precision", None)
    if precision is None:
        precision = (
            Precision.UNKNOWN
            if happened is None
            else Precision.INSTANT
            if isinstance(happened, datetime)
            else Precision.DAY
        )
    corrects = fields.pop("corrects", None)
    if corrects is not None:
        index, kind = corrects
        corrects = Correction(index, CorrectionKind(kind), seal("entry.corrects.reason", "string", "case", "x"))
    header = Header(happened, precision, ACTOR, SOURCE, str(uuid.uuid4()), 0, corrects)
    return cls(originator_id="", originator_version=0, timestamp=START, header=header, **fields)


class Book:
    """Writes a ledger entry by entry. ``now`` is the moment that the next entry is recorded at."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.database, self.ledger = database, ledger
        self.connection: Connection[Any] = database.connect_admin()
        self.versions: dict[str, int] = {}
        head = self.connection.execute(
            "SELECT size, hash, recorded_at FROM ledger.heads WHERE ledger = %s", (ledger.id,)
        ).fetchone()
        assert head is not None
        self.size, self.previous = head[0], bytes(head[1])
        self.now = head[2] if self.size else START
        self._prefix = prefix(ledger.origin)

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def seed(self) -> None:
        """The calendar, as every ledger begins with."""
        from ledger.domain.installation.events import CalendarSeeded, SeededDay

        calendar = seeded_calendar(date(2024, 7, 1))
        days = tuple(SeededDay(h.day, h.name) for h in calendar.days)
        fields = {"days": days, "provisional_from": calendar.provisional_from, "seeded_from": "test"}
        self.put("calendar", make(CalendarSeeded, date(2024, 7, 1), **fields))

    def put(self, stream: str, event: CaseEvent) -> int:
        """Records an event; returns its index."""
        return self.put_all([(stream, event)])[0]

    def case(self, event: CaseEvent) -> str:
        """Opens a case with this event; returns its stream."""
        stream = str(uuid.uuid4())
        self.put(stream, event)
        return stream

    def put_all(self, events: Iterable[tuple[str, CaseEvent]]) -> list[int]:
        """Records events in one transaction."""
        return self._add([(s, e.name, e.header, encode_payload(e, seal)) for s, e in events])

    def put_bytes(self, stream: str, name: str, payload: bytes) -> int:
        """Records an entry with any payload."""
        header = Header(None, Precision.UNKNOWN, ACTOR, SOURCE, str(uuid.uuid4()), 0)
        return self._add([(stream, name, header, payload)])[0]

    def _add(self, items: list[tuple[str, str, Header, bytes]]) -> list[int]:
        rows = []
        for stream, name, header, payload in items:
            version = self.versions[stream] = self.versions.get(stream, 0) + 1
            made = template(
                stream=stream, version=version, event=name, happened_on=header.happened_on,
                precision=header.precision, actor=header.actor, source=header.source, command=header.command,
                part=header.part, corrects=header.corrects, payload=payload,
            )  # fmt: skip
            entry = place(self._prefix, self.size, self.previous, micros(self.now), made)
            self.previous = leaf_hash(entry)
            rows.append(
                (self.size, self.now, self.ledger.id, version, header.part, happened_date(header.happened_on),
                 header.command, self.previous, stream, name, header.actor.organisation, entry)
            )  # fmt: skip
            self.size += 1
            self.now += timedelta(seconds=1)
        with self.connection.transaction(), self.connection.cursor() as cursor:
            with cursor.copy(
                "COPY ledger.entries (index, recorded_at, ledger, version, part, happened_on, command,"
                " leaf_hash, stream, event, organisation, entry) FROM STDIN"
            ) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                "UPDATE ledger.heads SET size = %s, hash = %s, recorded_at = %s WHERE ledger = %s",
                (self.size, self.previous, self.now - timedelta(seconds=1), self.ledger.id),
            )
        return [row[0] for row in rows]
