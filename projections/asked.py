"""What the command line and HTTP ask of the registers: one way for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from psycopg import Connection, sql

from ledger.domain.event import CaseEvent, effective
from ledger.domain.organisation.standing import name_on
from ledger.errors import Forbidden, InvalidInput, NotFound
from projections import query
from projections import sql as queries
from projections.base import Register
from projections.connection import connect
from projections.doors import Door
from projections.facts import LedgerHead, facts_of, heads
from projections.query import Query
from projections.replay import Moment, diff, replay, resolve


@dataclass(frozen=True, slots=True)
class View:
    """A register at a moment, open for reading."""

    connection: Connection[Any]
    register: Register
    heads: tuple[LedgerHead, ...]
    """The ledgers read; ``size`` is the position."""
    on: date
    table: sql.Identifier | None
    """None: the live one."""
    left_out: int = 0
    common: LedgerHead | None = None
    """``common`` as it was then, which organisations are named by; None: as it is now, or there is none."""
    happened_by: date | None = None

    @property
    def positions(self) -> dict[str, int]:
        """Slug → position: what every answer states."""
        return {head.slug: head.size for head in self.heads}

    def query(self, filters: Mapping[str, str], **given: Any) -> Query:
        """A query over the ledgers of this view, judged on its date."""
        return Query(filters=filters, ledgers=[head.id for head in self.heads], on=self.on, **given)


DEMONSTRATION = "demonstration, invented events"
"""What an answer from a demonstration's ledger says."""


def notice(view: View) -> dict[str, str]:
    """Says of an answer that it is from a demonstration, where a ledger that it reads is one."""
    return notice_of(view.connection, view.heads)


def notice_of(connection: Connection[Any], read: Iterable[LedgerHead]) -> dict[str, str]:
    """The same of an answer about these ledgers."""
    return {"notice": DEMONSTRATION} if _invented(connection, read) else {}


def by_slug(view: View, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their ledger by its slug: its number means nothing outside this database."""
    slugs = {head.id: head.slug for head in view.heads}
    return [{**row, "ledger": slugs[row["ledger"]]} for row in rows]


def as_csv(view: View, rows: Iterable[Mapping[str, Any]], more: Sequence[str] = ()) -> Iterable[str]:
    """Rows ``by_slug`` as CSV; of a demonstration every line says so, in a last column."""
    if not _invented(view.connection, view.heads):
        return query.as_csv(rows, view.register, more)
    return query.as_csv(({**row, "events": DEMONSTRATION} for row in rows), view.register, [*more, "events"])


def _invented(connection: Connection[Any], read: Iterable[LedgerHead]) -> bool:
    found = {row[0] for row in connection.execute(queries.get("demonstrations"))}
    return any(head.id in found for head in read)


def moment(door: Door, ledger: str | None, as_at: str | None, on: date | None, field: str = "as_at") -> Moment:
    """The positions asked for by ``field``, of ledgers that the caller may read alone.

    Raises Forbidden, NotFound, InvalidInput.
    """
    if ledger is not None and ledger not in door.slugs:
        raise Forbidden(f"ledger {ledger}: you may not read its registers")
    found = resolve(door.conninfo, as_at, ledger=ledger, on=on, field=field)
    allowed = tuple(head for head in found.heads if head.slug in door.slugs)
    named = as_at is not None and "=" in as_at
    if len(allowed) < len(found.heads) and named:
        refused = ", ".join(head.slug for head in found.heads if head.slug not in door.slugs)
        raise Forbidden(f"ledger {refused}: you may not read its registers")
    return replace(found, heads=allowed)


@contextmanager
def by_option(**options: str) -> Iterator[None]:
    """Says what is wrong by the name of the command's option, where HTTP's parameter has another name."""
    try:
        yield
    except InvalidInput as wrong:
        if wrong.field not in options:
            raise
        raise InvalidInput(options[wrong.field], wrong.expected, wrong.got) from wrong


@contextmanager
def view(
    door: Door,
    register: Register,
    *,
    ledger: str | None = None,
    as_at: str | None = None,
    happened_by: date | None = None,
    on: date | None = None,
    when: Moment | None = None,
) -> Iterator[View]:
    """A register, live or as it was; ``when``: the moment asked for, where the caller has it already.

    Raises Forbidden, NotFound, InvalidInput, UnknownSchema.
    """
    if when is None and (as_at is not None or happened_by is not None):
        when = moment(door, ledger, as_at, on)
    if when is None:
        with connect(door.conninfo, "auditledger registers") as connection, connection.transaction():
            # One snapshot: the positions stated are those of the rows read.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            positions = {row[0]: row[1] for row in connection.execute(queries.get("positions")).fetchall()}
            found = tuple(
                LedgerHead(h.id, h.slug, h.origin, h.organisation, positions.get(h.id, 0))
                for h in heads(connection)
                if h.slug in door.slugs and ledger in (None, h.slug)
            )
            if ledger is not None and not found:
                raise Forbidden(f"ledger {ledger}: you may not read its registers")
            yield View(connection, register, found, on or door.today, None)
        return
    made = replay(door.conninfo, register, when, happened_by=happened_by)
    with connect(door.conninfo, "auditledger registers") as connection:
        yield View(
            connection, register, when.heads, when.on, made.table, made.left_out, when.common, happened_by
        )


def compared(door: Door, register: Register, earlier: Moment, later: Moment) -> dict[str, Any]:
    """What changed in a register from one moment to another, as JSON. Raises UnknownSchema."""
    before, after = (replay(door.conninfo, register, each) for each in (earlier, later))
    changes = diff(door.conninfo, before, after, door.opener)
    with connect(door.conninfo, "auditledger registers") as connection:
        stated = notice_of(connection, later.heads)
    return {
        **stated,
        "register": register.name,
        "from": str(earlier),
        "to": str(later),
        "changes": [
            {"kind": c.kind, "ledger": c.ledger, "case": c.stream, "key": c.key, "fields": dict(c.fields)}
            for c in changes
        ],
    }


def moments(door: Door, before: str, after: str | None, ledger: str | None) -> tuple[Moment, Moment]:
    """Two moments of the same ledgers; without ``after`` the later is now.

    Rows of a ledger that stands in one of them alone would all count as added or removed. Raises InvalidInput,
    Forbidden, NotFound.
    """
    earlier = moment(door, ledger, before, None)
    later = moment(door, ledger, after, None, "to")
    read = {head.slug for head in earlier.heads}
    if after is None:
        later = replace(later, heads=tuple(head for head in later.heads if head.slug in read))
    if {head.slug for head in later.heads} != read:
        raise InvalidInput("to", f"positions of {', '.join(sorted(read))}", str(later))
    return earlier, later


def head_of(view: View, slug: str) -> LedgerHead:
    """One of the ledgers of a view. Raises NotFound."""
    for head in view.heads:
        if head.slug == slug:
            return head
    raise NotFound(f"no ledger {slug!r} among those read here")


def organisation_names(view: View) -> tuple[dict[str, str], str]:
    """The name of every organisation by id, and the position of ``common`` that they were read at.

    The last name that was recorded by then; as happened by a date, the name on that date. Raises
    UnknownSchema.
    """
    if view.table is None and view.common is None:
        rows = view.connection.execute(queries.get("organisation_names")).fetchall()
        at = ",".join(sorted({f"{slug}={position}" for _, _, slug, position in rows}))
        return {stream: name for stream, name, _, _ in rows}, at
    return names_at(view.connection, view.common, view.happened_by)


def names_at(
    connection: Connection[Any], common: LedgerHead | None, happened_by: date | None = None
) -> tuple[dict[str, str], str]:
    """The same as at a position of ``common``; no names where it was not there yet."""
    if common is None:
        return {}, ""
    opened = connection.execute(queries.get("organisations"), (common.id, common.size))
    streams = [row[0] for row in opened.fetchall()]
    found = facts_of(connection, common.id, streams, common.size)
    histories = {
        stream: effective(fact for fact in facts if isinstance(fact, CaseEvent))
        for stream, facts in found.items()
    }
    names = {stream: name_on(history, happened_by) for stream, history in histories.items() if history}
    return names, f"{common.slug}={common.size}"


def named(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    """The names of the organisations that these rows name by id."""
    found = {value for row in rows for value in row.values() if isinstance(value, str) and value in names}
    return {each: names[each] for each in sorted(found)}
