"""Reading ledgers: entries behind a position, streams, and everything in bulk. Positions have no gaps.

A position is a number of entries: what lies before position ``n`` are the indexes 0 to n − 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from threading import Event
from types import TracebackType
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg_pool import PoolClosed, PoolTimeout

from ledger.codec.avro import encode_string
from ledger.codec.declare import micros
from ledger.codec.entry import Entry, decode_entry
from ledger.errors import InvalidInput, NotFound, Unavailable
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.placing import Head
from ledger.store.pools import Connection, pool

END = (1 << 63) - 1
"""As ``until``: to the end, wherever that is."""
BATCH = 500

Order = Literal["index", "stream"]
_COLUMN_TYPES = (
    "int4", "int8", "text", "int4", "text", "timestamptz", "date", "text", "uuid", "int4", "bytea", "bytea",
    "bytea",
)  # fmt: skip


@dataclass(frozen=True)
class StoredRow:
    """A row of the entries table: the entry's bytes, and the columns that repeat what they say."""

    ledger_id: int
    index: int
    stream: str
    version: int
    event: str
    recorded_at: datetime
    happened_on: date | None
    organisation: str
    command: str
    part: int
    content_mac: bytes | None
    leaf_hash: bytes
    entry: bytes

    @cached_property
    def decoded(self) -> Entry:
        """The entry, decoded strictly. Raises CodecError."""
        return decode_entry(self.entry)


class Feed:
    """Reads the ledgers of one database, as ``role``. Thread-safe; close it, or use it in ``with``."""

    def __init__(self, database: Database, *, role: Role = Role.READER, connections: int = 8) -> None:
        self._database = database
        self._role = role
        self._pool = pool(database, role, name="feed", connections=connections, configure=_configure)

    def close(self) -> None:
        """Lets go of the connections."""
        self._pool.close()

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- where things stand -----------------------------------------------------------------------------

    def head(self, ledger_id: int) -> Head:
        """The end of a ledger: size, leaf hash and time of the last entry. Raises NotFound."""
        found = self._fetch("head_of", (ledger_id,))
        if not found:
            raise NotFound(f"no ledger has the id {ledger_id}")
        return Head(found[0][0], found[0][1], micros(found[0][2]))

    def heads(self, within: float | None = None) -> dict[int, Head]:
        """The ends of all ledgers, by ledger id. ``within``: seconds to wait for a connection at most."""
        with self._connection(within) as connection:
            rows = connection.execute(queries.get("heads"), binary=True).fetchall()
        return {row[0]: Head(row[1], row[2], micros(row[3])) for row in rows}

    def signed(self, ledger_id: int) -> bool:
        """Whether a checkpoint of a ledger was ever signed."""
        return any(row[3] is not None for row in self._fetch("sealing_state", {"ledger": ledger_id}))

    def closed(self, ledger_id: int) -> bool:
        """Whether nothing enters a ledger any more, by its head."""
        return any(row[0] is not None for row in self._fetch("closed_ledger", {"ledger": ledger_id}))

    def position_at(self, ledger_id: int, moment: datetime) -> int:
        """How many entries the ledger had at ``moment`` (aware), found while the head is held.

        State the position from then on, not the moment: it is exact. Raises InvalidInput, NotFound.
        """
        if moment.tzinfo is None:
            raise InvalidInput("moment", "an instant with its time zone", moment)
        found = self._fetch("position_at", (ledger_id, moment))
        if found[0][0] is None:
            raise NotFound(f"no ledger has the id {ledger_id}")
        return int(found[0][0])

    # --- a few entries ------------------------------------------------------------------------------------

    def read(
        self,
        ledger_id: int,
        after: int = -1,
        limit: int = BATCH,
        *,
        until: int = END,
        events: Sequence[str] | None = None,
    ) -> list[StoredRow]:
        """Entries with ``after`` < index < ``until``, in order; of the named events only, if given."""
        return self._rows(
            "read",
            {
                "ledger": ledger_id,
                "after": after,
                "until": until,
                "limit": limit,
                "events": None if events is None else list(events),
            },
        )

    def stream(
        self,
        ledger_id: int,
        stream: str,
        *,
        after: int = -1,
        upto: int = (1 << 31) - 1,
        until: int = END,
        limit: int | None = None,
        backwards: bool = False,
    ) -> list[StoredRow]:
        """The entries of one stream with ``after`` < version ≤ ``upto`` and index < ``until``."""
        return self._rows(
            "stream_backwards" if backwards else "stream",
            {
                "ledger": ledger_id,
                "stream": stream,
                "after": after,
                "upto": upto,
                "until": until,
                "limit": limit,
            },
        )

    def streams(self, ledger_id: int, streams: Iterable[str], *, until: int = END) -> list[StoredRow]:
        """Whole streams before position ``until``, one after the other, each in order of version."""
        return self._rows("streams", {"ledger": ledger_id, "streams": list(streams), "until": until})

    def unnamed(self, kept: Sequence[tuple[int, str, bytes]]) -> list[int]:
        """The places in ``kept`` (ledger, case, commitment) of what no entry of the case names."""
        ledgers, streams, commitments = zip(*kept, strict=True) if kept else ((), (), ())
        parameters = {"ledgers": list(ledgers), "streams": list(streams), "commitments": list(commitments)}
        return [row[0] - 1 for row in self._fetch("unnamed", parameters)]

    def names(self, ledger_id: int, text: str, *, beside: str) -> bool:
        """Whether a text stands in clear and whole in an entry of a ledger, but for those of one stream."""
        parameters = {"ledger": ledger_id, "text": encode_string(text), "beside": beside}
        return bool(self._fetch("names", parameters)[0][0])

    def by_command(self, ledger_id: int, command: str) -> list[StoredRow]:
        """What a command recorded, in order of part; nothing where it was not recorded."""
        try:
            UUID(command)
        except ValueError:
            raise InvalidInput("command", "a UUID", command) from None
        return self._rows("by_command", {"ledger": ledger_id, "command": command})

    def prelude(
        self, ledger_id: int, command: str, streams: Mapping[str, int]
    ) -> tuple[list[StoredRow], dict[str, list[StoredRow]]]:
        """What a command recorded already, and what each stream holds behind a version; in one round trip.

        One statement sees one moment: the command and the streams it is judged against are of the same state.
        """
        mine: list[StoredRow] = []
        found: dict[str, list[StoredRow]] = {stream: [] for stream in streams}
        parameters = {
            "ledger": ledger_id,
            "command": command,
            "streams": list(streams),
            "after": list(streams.values()),
        }
        for is_mine, *columns in self._fetch("prelude", parameters):
            row = StoredRow(*columns)
            (mine if is_mine else found[row.stream]).append(row)
        mine.sort(key=lambda row: row.part)
        for rows in found.values():
            rows.sort(key=lambda row: row.version)
        return mine, found

    def entries(self, ledger_id: int, indexes: Iterable[int]) -> list[StoredRow]:
        """The entries at these indexes, in order; those that are not there are left out."""
        return self._rows("entries_at", {"ledger": ledger_id, "indexes": sorted(indexes)})

    def entry(self, ledger_id: int, index: int) -> StoredRow:
        """The entry at an index. Raises NotFound."""
        found = self.read(ledger_id, index - 1, 1, until=index + 1)
        if not found:
            raise NotFound(f"the ledger has no entry {index}")
        return found[0]

    # --- what witnesses said ------------------------------------------------------------------------------

    def cosigned(
        self, ledger_id: int, witnesses: Sequence[str], indexes: Sequence[int] | None = None
    ) -> list[tuple[int, bytes]]:
        """Size and note of what each of these witnesses (verifier keys) cosigned next to each of these indexes.

        Without indexes: what each cosigned last. Nothing of it is verified here.
        """
        name = "cosigned_last" if indexes is None else "cosigned_around"
        parameters = {"ledger": ledger_id, "witnesses": list(witnesses), "indexes": list(indexes or ())}
        return [(size, note.encode()) for size, note in self._fetch(name, parameters)]

    def cosigned_sizes(
        self, ledger_id: int, witnesses: Sequence[str], after: int, before: int, most: int | None = None
    ) -> list[int]:
        """The sizes that any of them cosigned behind one and before another, descending; the ``most`` last."""
        given = {
            "ledger": ledger_id, "witnesses": list(witnesses), "after": after, "before": before, "most": most,
        }  # fmt: skip
        return [size for (size,) in self._fetch("cosigned_sizes", given)]

    def cosigned_at(
        self, ledger_id: int, witnesses: Sequence[str], sizes: Sequence[int]
    ) -> list[tuple[int, bytes]]:
        """Size and note of what each of them cosigned of these sizes, by size; nothing of it is verified."""
        given = {"ledger": ledger_id, "witnesses": list(witnesses), "sizes": list(sizes)}
        return [(size, note.encode()) for size, note in self._fetch("cosigned_at", given)]

    def stamped(self, ledger_id: int, indexes: Sequence[int]) -> list[tuple[int, bytes, bytes]]:
        """Size, note and response of the first time stamp that covers each of these; nothing is verified."""
        rows = self._fetch("stamped_around", {"ledger": ledger_id, "indexes": list(indexes)})
        return [(size, note.encode(), bytes(response)) for size, note, response in rows]

    def stamped_with_times(self, ledger_id: int) -> list[tuple[int, int | None]]:
        """The sizes that were time-stamped, and when the last entry of each was recorded (µs since 1970)."""
        rows = self._fetch("stamped_all", {"ledger": ledger_id})
        return [(size, None if last is None else micros(last)) for size, last in rows]

    def cosigned_with_times(
        self, ledger_id: int, witnesses: Sequence[str]
    ) -> list[tuple[int, bytes, int | None, int | None]]:
        """All that they cosigned of a ledger, by size: size, note, and when the entries before and behind it
        were recorded (microseconds since 1970; None where there is none)."""
        rows = self._fetch("cosigned_all", {"ledger": ledger_id, "witnesses": list(witnesses)})
        return [
            (
                size,
                note.encode(),
                None if before is None else micros(before),
                None if after is None else micros(after),
            )
            for size, note, before, after in rows
        ]

    # --- many entries -------------------------------------------------------------------------------------

    def follow(
        self,
        ledger_id: int,
        after: int = -1,
        *,
        stop: Event | None = None,
        interval: float = 0.05,
        limit: int = BATCH,
    ) -> Iterator[list[StoredRow]]:
        """Batches of entries as they are recorded, until ``stop`` is set; asks every ``interval`` seconds."""
        stop = stop or Event()
        while not stop.is_set():
            batch = self.read(ledger_id, after, limit)
            if batch:
                after = batch[-1].index
                yield batch
            if len(batch) < limit:
                stop.wait(interval)

    def scan(
        self,
        ledger_id: int,
        *,
        start: int = 0,
        until: int = END,
        order: Order = "index",
        batch: int = 1000,
    ) -> Iterator[list[StoredRow]]:
        """Entries with ``start`` ≤ index < ``until`` in batches, in flat memory however many they are.

        ``order``: as recorded, or stream by stream (each in order of version).
        """
        rows: list[StoredRow] = []
        for row in self._copy(f"scan_by_{order}", ledger_id, start, until, _COLUMN_TYPES):
            rows.append(StoredRow(*(*row[:8], str(row[8]), *row[9:])))
            if len(rows) == batch:
                yield rows
                rows = []
        if rows:
            yield rows

    def _copy(
        self, name: str, ledger_id: int, start: int, until: int, types: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        statement = sql.SQL(queries.text(name)).format(
            ledger=sql.Literal(ledger_id), start=sql.Literal(start), until=sql.Literal(until)
        )
        with self._connection() as connection, connection.cursor().copy(statement) as copy:
            copy.set_types(types)
            yield from copy.rows()

    @contextmanager
    def _connection(self, within: float | None = None) -> Iterator[Connection]:
        try:
            with self._pool.connection(within) as connection:
                yield connection
        except (PoolTimeout, PoolClosed) as error:
            raise Unavailable(f"database: {error}") from error
        except psycopg.OperationalError as error:
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error

    def _fetch(self, name: str, parameters: Sequence[object] | Mapping[str, object]) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(queries.get(name), parameters, binary=True).fetchall()

    def _rows(self, name: str, parameters: Mapping[str, object]) -> list[StoredRow]:
        return [StoredRow(*row) for row in self._fetch(name, parameters)]


def _configure(connection: Connection) -> None:
    """Moments are read in UTC, wherever the server thinks it is."""
    connection.execute("SET timezone TO 'UTC'")
