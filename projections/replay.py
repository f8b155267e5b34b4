"""Registers as they were: as recorded by a position or a moment, as happened by a date; and their differences.

A moment resolves to positions once, under the heads' locks; from then on the positions are what is stated.
An as-at fold lies in a table of its own for an hour, under its register, positions and definition.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from psycopg import Connection
from psycopg import sql as compose
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ledger.clock import MELBOURNE, melbourne_date
from ledger.errors import InvalidInput, NotFound
from ledger.store.ledgers import COMMON
from projections import sql, tables
from projections.base import Kind, Register
from projections.connection import connect
from projections.facts import LedgerHead, heads
from projections.query import Opener, unopened
from projections.shares import fold_streams

DAY = re.compile(r"\d{4}-\d\d-\d\d")
KEPT = timedelta(hours=1)
"""How long a fold can be asked for again."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Positions of ledgers, the date that clocks are judged on, and what it was resolved from."""

    heads: tuple[LedgerHead, ...]
    """Each ledger; ``size`` is its position."""
    on: date
    asked: str
    common: LedgerHead | None = None
    """``common`` as it was then: organisations are named by it. None: there is none."""

    def __str__(self) -> str:
        return ",".join(f"{head.slug}={head.size}" for head in self.heads)


@dataclass(frozen=True, slots=True)
class Replay:
    """A register as at a moment, in a table of its own."""

    register: Register
    moment: Moment
    happened_by: date | None
    table: compose.Identifier
    left_out: int
    """Facts of unknown date that a fold by happened date leaves out."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row that is not the same at two moments. ``fields``: column → (before, after)."""

    kind: str
    """added, changed or removed."""
    ledger: str
    stream: str
    key: str
    fields: Mapping[str, tuple[Any, Any]]


def resolve(
    conninfo: str,
    asked: str | None = None,
    *,
    ledger: str | None = None,
    on: date | None = None,
    field: str = "as_at",
) -> Moment:
    """The positions of ``asked``, of one ledger or of all.

    ``asked``: ``LEDGER=N`` (several by commas), N with ``ledger`` given, a moment with its zone, a Melbourne
    date (its end; today as it is so far), or None: now. ``field`` is what it was asked by. ``on`` overrides the
    date that clocks are judged on. Where no position of ``common`` is stated, it is taken as it was when the
    latest entry below those stated was recorded; beside a ``ledger`` it may be stated too. Raises InvalidInput,
    a moment to come among it; NotFound for an unknown ledger.
    """
    with connect(conninfo, "auditledger replay") as connection:
        every = heads(connection)
        found = every if ledger is None else [_ledger(every, ledger)]
        common = next((head for head in every if head.slug == COMMON), None)
        moment = _moment(asked, field)
        if moment is not None:
            _has_come(connection, moment, every, asked or "", field)
            resolved = tuple(_at(connection, head, moment) for head in found)
            common = common and _at(connection, common, moment)
            return Moment(resolved, on or melbourne_date(moment), asked or "", common)
        if asked is None:
            last = _last_recorded(connection, found)
            return Moment(tuple(found), on or _judged_on(connection, last), "now", common)
        known = found if ledger is None or common is None else [*found, common]
        stated = tuple(_position(part, known, ledger, field) for part in asked.split(","))
        for head in stated:
            if sum(each.id == head.id for each in stated) > 1:
                raise InvalidInput(field, "each ledger once", asked)
        resolved = stated if ledger is None else tuple(head for head in stated if head.id == found[0].id)
        if not resolved:
            raise InvalidInput(field, f"a position of {ledger}", asked)
        last = _last_recorded(connection, resolved)
        common = next((head for head in stated if head.slug == COMMON), None) or (
            common and _at(connection, common, last)
        )
        return Moment(resolved, on or _judged_on(connection, last), asked, common)


def _at(connection: Connection[Any], head: LedgerHead, moment: datetime | None) -> LedgerHead:
    """A ledger as it was at a moment; None: before anything."""
    if moment is None:
        return replace(head, size=0)
    row = connection.execute(sql.get("position_at"), (head.id, moment)).fetchone()
    assert row is not None
    return replace(head, size=row[0])


def _has_come(
    connection: Connection[Any], moment: datetime, every: Sequence[LedgerHead], asked: str, field: str
) -> None:
    """Raises InvalidInput for a moment to come; a demonstration's own time may be ahead of the database's."""
    latest = max(filter(None, (_now(connection), _last_recorded(connection, every))))
    if DAY.fullmatch(asked):
        if melbourne_date(moment) > melbourne_date(latest):
            raise InvalidInput(field, f"a day that has come, up to {melbourne_date(latest)}", asked)
    elif moment > latest:
        raise InvalidInput(field, f"a moment that has come, up to {latest:%Y-%m-%dT%H:%M:%SZ}", asked)


def _moment(asked: str | None, field: str) -> datetime | None:
    if asked is None or not re.match(r"\d{4}-", asked):
        return None
    try:
        if DAY.fullmatch(asked):
            return datetime.combine(date.fromisoformat(asked), time.max, MELBOURNE)
        moment = datetime.fromisoformat(asked)
        if moment.tzinfo is not None:
            return moment.astimezone(MELBOURNE)
    except (ValueError, OverflowError):
        raise InvalidInput(field, "LEDGER=N, a date, or a moment with its zone", asked) from None
    raise InvalidInput(field, "a moment with its zone, as in 2025-06-30T17:00+10:00", asked)


def _position(part: str, found: Sequence[LedgerHead], ledger: str | None, field: str) -> LedgerHead:
    slug, _, number = part.rpartition("=")
    if not slug and ledger is None and len(found) != 1:
        raise InvalidInput(field, "LEDGER=N: a bare position needs one ledger chosen", part)
    head = _ledger(found, slug) if slug else found[0]
    if not re.fullmatch(r"\d{1,18}", number, re.ASCII):
        raise InvalidInput(field, "LEDGER=N, a date, or a moment with its zone", part)
    if int(number) > head.size:
        raise InvalidInput(field, f"a position up to {head.size} of ledger {head.slug}", number)
    return replace(head, size=int(number))


def _ledger(found: Sequence[LedgerHead], slug: str) -> LedgerHead:
    for head in found:
        if slug in (head.slug, head.origin):
            return head
    raise NotFound(f"no ledger has the slug {slug!r}")


def _last_recorded(connection: Connection[Any], resolved: Sequence[LedgerHead]) -> datetime | None:
    """When the latest of the last entries below the positions was recorded."""
    moments = [
        row[0]
        for head in resolved
        if head.size
        for row in connection.execute(sql.get("recorded_at"), (head.id, head.size - 1)).fetchall()
    ]
    return max(moments, default=None)


def _judged_on(connection: Connection[Any], last: datetime | None) -> date:
    """The Melbourne date of the latest last entry among the positions; of now, where there is none."""
    return melbourne_date(_now(connection) if last is None else last)


def _now(connection: Connection[Any]) -> datetime:
    """Now, by the database's clock."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def replay(conninfo: str, register: Register, moment: Moment, *, happened_by: date | None = None) -> Replay:
    """The register as at these positions; folded, or found as it was folded within the hour.

    ``happened_by``: facts dated up to then alone, as they stand corrected at the positions. Raises
    UnknownSchema.
    """
    name, table = _name(register, moment, happened_by)
    positions = {head.id: head.size for head in moment.heads}
    with connect(conninfo, "auditledger replay") as connection, connection.transaction():
        connection.execute(sql.get("replay_lock"), (name,))
        row = connection.execute(sql.get("replay"), (name,)).fetchone()
        if row is not None and tables.exists(connection, table):
            return Replay(register, moment, happened_by, table, row[0])
        tables.drop(connection, table)
        _drop_expired(connection)
        tables.create(connection, register, table)
        left_out = [0]
        tables.fill(connection, table, _lines(conninfo, register, moment, happened_by, left_out))
        tables.index(connection, table)
        connection.execute(
            sql.get("keep_replay"), (name, register.name, Jsonb(positions), happened_by, left_out[0])
        )
    return Replay(register, moment, happened_by, table, left_out[0])


def ready(conninfo: str, register: Register, moment: Moment, *, happened_by: date | None = None) -> bool:
    """Whether ``replay`` would find it folded."""
    name, table = _name(register, moment, happened_by)
    with connect(conninfo, "auditledger replay") as connection:
        row = connection.execute(sql.get("replay"), (name,)).fetchone()
        return row is not None and tables.exists(connection, table)


def _name(register: Register, moment: Moment, happened_by: date | None) -> tuple[str, compose.Identifier]:
    positions = sorted((head.id, head.size) for head in moment.heads)
    said = json.dumps([register.name, register.definition, positions, str(happened_by)])
    name = hashlib.sha256(said.encode()).hexdigest()[:32]
    return name, compose.Identifier(tables.REPLAYS, name)


def _lines(
    conninfo: str, register: Register, moment: Moment, happened_by: date | None, left_out: list[int]
) -> Iterator[str]:
    # Another connection reads: the one that writes is in the middle of its COPY.
    with connect(conninfo, "auditledger replay") as reading:
        for head in moment.heads:
            for _, folded in fold_streams(reading, head, [register], happened_by=happened_by):
                left_out[0] += folded.left_out
                yield from folded.lines.get(register.name, ())


def _drop_expired(connection: Connection[Any]) -> None:
    for (name,) in connection.execute(sql.get("expired_replays")).fetchall():
        tables.drop(connection, compose.Identifier(tables.REPLAYS, name))


_DIFFERENCES = """
SELECT to_jsonb(b) AS before, to_jsonb(a) AS after
FROM {before} AS b FULL JOIN {after} AS a
    ON a.ledger = b.ledger AND a.stream = b.stream AND a.key = b.key
WHERE b IS DISTINCT FROM a
ORDER BY coalesce(a.ledger, b.ledger), coalesce(a.index, b.index), coalesce(a.key, b.key)
"""


def diff(conninfo: str, before: Replay, after: Replay, opener: Opener | None = None) -> list[Change]:
    """Rows added, changed and removed between two moments of one register, field by field.

    Of a sealed value is said that it is there, not where: withheld, or what the opener says.
    """
    slugs = {head.id: head.slug for head in (*before.moment.heads, *after.moment.heads)}
    query = compose.SQL(_DIFFERENCES).format(before=before.table, after=after.table)
    sealed = {column.name for column in before.register.columns if column.kind is Kind.SEALED}
    changes = []
    with connect(conninfo, "auditledger diff") as connection, connection.cursor(row_factory=dict_row) as cursor:
        for pair in cursor.execute(query):
            old, new = pair["before"], pair["after"]
            either = new or old
            kind = "added" if old is None else "removed" if new is None else "changed"
            fields = {
                column.name: ((old or {}).get(column.name), (new or {}).get(column.name))
                for column in before.register.all_columns
            }
            changed = {
                name: _unopened(either["ledger"], pair, opener) if name in sealed else pair
                for name, pair in fields.items()
                if pair[0] != pair[1]
            }
            changes.append(Change(kind, slugs[either["ledger"]], either["stream"], either["key"], changed))
    return changes


def _unopened(ledger: int, pair: tuple[Any, Any], opener: Opener | None) -> tuple[Any, Any]:
    """A sealed value before and after."""
    before, after = (None if value is None else unopened(ledger, value, opener) for value in pair)
    return before, after
