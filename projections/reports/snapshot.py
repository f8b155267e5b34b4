"""The register rows that a report is made from: as at one position of each ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from ledger.errors import InvalidInput, NotFound
from ledger.law.calendar import Calendar
from ledger.store.ledgers import COMMON
from projections import sql as queries
from projections import tables
from projections.base import Kind, Register, register, registers
from projections.calendar import CALENDAR_STREAM, calendar_of
from projections.connection import connect
from projections.facts import LedgerHead, facts_of, heads
from projections.reports.figures import At, Behind, RowId
from projections.shares import fold_streams

READ = (
    "attestations", "bindings", "clocks", "complaints", "contraventions", "emergency_access",
    "emergency_openings", "gaps", "notices", "organisations",
    "refusals", "requests", "retention",
)  # fmt: skip
"""The registers that reports are made from."""
PLACE = frozenset({"ledger", "stream", "key", "status", "entries"})
"""Columns that say where a row stands, not what it says."""
_WAITING = 20_000
"""Rows that wait in memory to be written together."""


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """A row of a register: its id, the ledger it stands in, and its columns by name."""

    id: RowId
    slug: str
    organisation: str
    """The organisation that the ledger belongs to."""
    values: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]


@dataclass
class Snapshot:
    """Registers as at positions. Rows that do not count (entered in error, merged) are left out."""

    connection: Connection[Any]
    reading: Connection[Any]
    """For entries: the other one is busy while a table is filled."""
    ledgers: Mapping[int, LedgerHead]
    """By number; ``size`` is the position, not the end."""
    unread: Set[str]
    """Organisations of which a ledger is here that is not read."""
    positions: tuple[At, ...]
    calendars: Mapping[int, Calendar]
    live: bool
    """Whether the live registers stand at these positions: then they are read, else entries are folded."""
    _read: dict[str, list[RegisterRow]] = field(default_factory=dict)
    _folded: bool = False
    _parked: dict[tuple[str, int], str] = field(default_factory=dict)

    def rows(self, name: str) -> list[RegisterRow]:
        """The rows of a register that count, by ledger and place. Raises NotFound, UnknownSchema."""
        if name not in self._read:
            wanted = register(name)
            if not self.live and not self._folded:
                self._fold()
            where = tables.table(wanted) if self.live else _own(wanted)
            self._read[name] = list(self._select(wanted, where))
        return self._read[name]

    @property
    def names(self) -> list[str]:
        """The registers read so far."""
        return sorted(self._read)

    @property
    def parked(self) -> tuple[str, ...]:
        """The entries from which on a case could not be folded, with the reason."""
        if self.live:
            for ledger, slug, _, index, _, reason, _ in self.connection.execute(queries.get("parked")):
                if ledger in self.ledgers:
                    self._parked[slug, index] = reason
        return tuple(
            f"{slug}, entry {index}: {self._parked[slug, index]}" for slug, index in sorted(self._parked)
        )

    def behind(self, wanted: Set[RowId], names: Mapping[str, str]) -> dict[RowId, Behind]:
        """These rows, of the registers read so far, in order; ``names``: of organisations, by id."""
        found = {}
        for name in self.names:
            shown = [c for c in register(name).all_columns if c.kind is not Kind.SEALED and c.name not in PLACE]
            for row in self._read[name]:
                if row.id in wanted:
                    texts = ((column.name, _words(row[column.name], names)) for column in shown)
                    found[row.id] = Behind(row.slug, tuple(row["entries"]), {k: v for k, v in texts if v})
        return dict(sorted(found.items()))

    def _select(self, wanted: Register, where: sql.Identifier) -> Iterator[RegisterRow]:
        query = sql.SQL(
            "SELECT * FROM {} WHERE ledger = ANY(%s) AND status = 'current' ORDER BY ledger, index, key"
        ).format(where)
        with self.connection.cursor(row_factory=dict_row) as cursor:
            for values in cursor.execute(query, (list(self.ledgers),)):
                head = self.ledgers[values["ledger"]]
                identity = RowId(wanted.name, head.origin, values["stream"], values["key"])
                yield RegisterRow(identity, head.slug, head.organisation, values)

    def _fold(self) -> None:
        """Folds the entries before the positions into tables that end with the session, in one reading."""
        wanted = [register(name) for name in READ]
        for each in wanted:
            tables.create(self.connection, each, _own(each))
        lines: dict[str, list[str]] = {}
        waiting = 0
        for head in self.ledgers.values():
            for _, folded in fold_streams(self.reading, head, wanted):
                if folded.parked is not None:
                    self._parked[head.slug, folded.parked.index] = folded.parked.reason
                for name, added in folded.lines.items():
                    lines.setdefault(name, []).extend(added)
                    waiting += len(added)
                if waiting > _WAITING:
                    self._fill(lines)
                    waiting = 0
        self._fill(lines)
        self._folded = True

    def _fill(self, lines: dict[str, list[str]]) -> None:
        for name, added in lines.items():
            tables.fill(self.connection, _own(register(name)), added)
        lines.clear()


def _words(value: Any, names: Mapping[str, str]) -> str:
    """What stands in a column, as text; empty where nothing does."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return "; ".join(_words(each, names) for each in value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds")
        case _:
            return names.get(str(value), str(value))


def _own(wanted: Register) -> sql.Identifier:
    return sql.Identifier("pg_temp", wanted.name)


@contextmanager
def snapshot(
    conninfo: str, positions: Mapping[str, int] | None = None, ledgers: Sequence[str] | None = None
) -> Iterator[Snapshot]:
    """Registers as at positions (ledger's slug → size); of a ledger that is not named, as far as it is now.

    ``ledgers``: of these only; ``common`` is read for the organisations all the same. The live registers are
    read where they stand at just these positions. ``conninfo`` is a reader's. Raises NotFound for a ledger
    that is none, InvalidInput for a position beyond a ledger's end, Unavailable.
    """
    with (
        connect(conninfo, "auditledger report") as connection,
        connect(conninfo, "auditledger fold") as reading,
    ):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        now = {head.slug: head for head in heads(connection)}
        for slug in [*(ledgers or ()), *(positions or ())]:
            if slug not in now:
                raise NotFound(f"no ledger has the slug {slug!r}; there are {', '.join(now) or 'none'}")
        chosen = [now[s] for s in now if ledgers is None or s in ledgers or s == COMMON]
        read = {head.id: _at(head, (positions or {}).get(head.slug)) for head in chosen}
        live = {ledger: position for ledger, position, _ in connection.execute(queries.get("positions"))}
        stands = all(live.get(head.id, 0) == head.size for head in read.values())
        yield Snapshot(
            connection,
            reading,
            read,
            {head.organisation for head in now.values() if head.id not in read},
            tuple(_positions(connection, read.values())),
            {head.id: _calendar(connection, head) for head in read.values()},
            stands and _made_by_this_version(connection),
        )


def _at(head: LedgerHead, size: int | None) -> LedgerHead:
    if size is not None and not 0 <= size <= head.size:
        raise InvalidInput(f"position of {head.slug}", f"a size from 0 to {head.size}", size)
    return head if size is None else replace(head, size=size)


def _positions(connection: Connection[Any], read: Iterable[LedgerHead]) -> Iterator[At]:
    invented = {row[0] for row in connection.execute(queries.get("demonstrations"))}
    for head in read:
        last = connection.execute(queries.get("leaf_hash"), (head.id, head.size - 1)).fetchone()
        yield At(head.slug, head.origin, head.size, bytes(last[0]) if last else None, head.id in invented)


def _calendar(connection: Connection[Any], head: LedgerHead) -> Calendar:
    return calendar_of(facts_of(connection, head.id, [CALENDAR_STREAM], head.size)[CALENDAR_STREAM])


def _made_by_this_version(connection: Connection[Any]) -> bool:
    made = dict(connection.execute(queries.get("definitions")).fetchall())
    return all(made.get(name) == each.definition for name, each in registers().items())
