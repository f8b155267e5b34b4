"""Reading registers: filters, sorting, pages by cursor, one case; as CSV and JSON. Sealed values stay withheld.

A filter names a column: ``scheme=vps``; ``due_on.from=2025-07-01``, ``due_on.to=…`` (both included);
``outcome.empty=yes|no``; of a list, that it contains the value. Clocks also take ``state`` and
``due_within`` (days), judged on a date; one that starts after that date is no clock of that day.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from ledger.codec.jsonform import parse_date, parse_moment
from ledger.errors import InvalidInput, NotFound
from projections import tables
from projections.base import Column, Kind, Register
from projections.calendar import CLOCKS

WITHHELD = "withheld"
"""Stands for a sealed value that is not shown here (4-wire 'Sealed fields': one of four words)."""
MOST = 1_000
"""Rows a page at most."""
STATE = Column("state", Kind.TEXT, "its state on the date asked for")
DUE_WITHIN = "due_within"
MOST_DAYS = 36_525

Opener = Callable[[int, Sequence[tuple[int, str]]], Mapping[tuple[int, str], str]]
"""What stands for sealed values of a ledger, by (index, path), where they are not just withheld: that they are
lost, or destroyed, on … under … Given by the composition root: the read side sees no vault."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a register."""

    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = "index"
    descending: bool = False
    limit: int = 100
    cursor: str | None = None
    all_status: bool = False
    """Whether rows entered in error or merged are listed too."""
    ledgers: Sequence[int] | None = None
    """The ledgers that may be read; None: all."""
    on: date | None = None
    """The Melbourne date that clocks are judged on."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows by column name, and the cursor of the next page; None: there is none."""

    rows: list[dict[str, Any]]
    next: str | None


def columns_of(register: Register) -> tuple[Column, ...]:
    """The columns of a listed row: those of the table, and a clock's state."""
    return (*register.all_columns, STATE) if register.name == CLOCKS else register.all_columns


def page(
    connection: Connection[Any], register: Register, query: Query, table: sql.Identifier | None = None
) -> Page:
    """One page of a register, live or in the table of a replay. Raises InvalidInput naming what is wrong."""
    if not 1 <= query.limit <= MOST:
        raise InvalidInput("limit", f"1 to {MOST}", query.limit)
    where, values = _conditions(register, query)
    order = [query.sort, "ledger", "index", "key"] if query.sort != "index" else ["ledger", "index", "key"]
    sort = _column(register, order[0])
    if query.cursor is not None:
        part, more = _after(sort, query, order)
        where.append(part)
        values += more
    direction = sql.SQL("DESC NULLS LAST" if query.descending else "ASC NULLS LAST")
    by = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), direction) for name in order)
    statement = sql.SQL("SELECT * FROM ({inner}) AS listed{where} ORDER BY {by} LIMIT %s").format(
        inner=_inner(register, query, table), where=_where(where), by=by
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement, [*_on(register, query), *values, query.limit + 1]).fetchall()
    following = None
    if len(rows) > query.limit:
        rows = rows[: query.limit]
        following = _cursor([rows[-1][name] for name in order])
    return Page(rows, following)


def every(
    connection: Connection[Any], register: Register, query: Query, table: sql.Identifier | None = None
) -> Iterable[dict[str, Any]]:
    """All rows, page by page: memory stays flat."""
    cursor = query.cursor
    while True:
        found = page(connection, register, _moved(query, cursor), table)
        yield from found.rows
        cursor = found.next
        if cursor is None:
            return


def case_rows(
    connection: Connection[Any],
    register: Register,
    ledger: int,
    stream: str,
    on: date | None = None,
    table: sql.Identifier | None = None,
) -> list[dict[str, Any]]:
    """The rows of one case; of clocks those of that day. Raises NotFound where there are none."""
    query = Query(filters={"stream": stream}, ledgers=[ledger], limit=MOST, all_status=True, on=on)
    rows = list(every(connection, register, query, table))
    if not rows:
        day = f" on {on}" if register.name == CLOCKS else ""
        raise NotFound(f"register {register.name} has no row of case {stream}{day}")
    return rows


def opened(rows: Iterable[dict[str, Any]], register: Register, opener: Opener | None) -> list[dict[str, Any]]:
    """The rows with what stands for their sealed values: as the opener says, or ``withheld``."""
    sealed = [column.name for column in register.columns if column.kind is Kind.SEALED]
    shown = [dict(row) for row in rows]
    wanted: dict[int, list[tuple[int, str]]] = {}
    for row in shown:
        for name in sealed:
            if row[name] is not None:
                wanted.setdefault(row["ledger"], []).append(_pointer(row[name]))
    values = {ledger: opener(ledger, asked) for ledger, asked in wanted.items()} if opener is not None else {}
    for row in shown:
        for name in sealed:
            if row[name] is not None:
                row[name] = values.get(row["ledger"], {}).get(_pointer(row[name]), WITHHELD)
    return shown


def unopened(ledger: int, pointer: str, opener: Opener | None) -> str:
    """What stands for one sealed value: as the opener says, or ``withheld``."""
    at = _pointer(pointer)
    return WITHHELD if opener is None else opener(ledger, [at]).get(at, WITHHELD)


def as_json(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON values: dates and moments in ISO 8601."""
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def as_csv(rows: Iterable[Mapping[str, Any]], register: Register, more: Sequence[str] = ()) -> Iterable[str]:
    """Rows as CSV (RFC 4180), a heading first; lists are joined by ``; ``, what is empty is empty.

    ``more``: what the rows hold beside the register's columns.
    """
    names = [*(column.name for column in columns_of(register)), *more]
    yield _csv_line(names)
    for row in rows:
        yield _csv_line([_cell(row.get(name)) for name in names])


# --- the statement ------------------------------------------------------------------------------------


def _inner(register: Register, query: Query, table: sql.Identifier | None) -> sql.Composed:
    state = sql.SQL("")
    if register.name == CLOCKS:
        # Which step of its states the date falls in; before the first there is none: it runs later.
        state = sql.SQL(", states[width_bucket(%s::date, state_from)] AS state")
    return sql.SQL("SELECT t.*{} FROM {} AS t").format(state, table or tables.table(register))


def _on(register: Register, query: Query) -> list[Any]:
    if register.name != CLOCKS:
        return []
    if query.on is None:
        raise InvalidInput("on", "the date that clocks are judged on", None)
    return [query.on]


def _where(parts: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(parts) if parts else sql.SQL("")


def _conditions(register: Register, query: Query) -> tuple[list[sql.Composable], list[Any]]:
    parts: list[sql.Composable] = []
    values: list[Any] = []
    if not query.all_status:
        parts.append(sql.SQL("status = 'current'"))
    if register.name == CLOCKS:
        parts.append(sql.SQL("state IS NOT NULL"))
    if query.ledgers is not None:
        parts.append(sql.SQL("ledger = ANY(%s)"))
        values.append(list(query.ledgers))
    for name, value in query.filters.items():
        part, value_or_none = _condition(register, query, name, value)
        parts.append(part)
        values += value_or_none
    return parts, values


def _condition(register: Register, query: Query, name: str, value: str) -> tuple[sql.Composable, list[Any]]:
    if name == DUE_WITHIN and register.name == CLOCKS and query.on is not None:
        days = _int(name, value)
        if not 0 <= days <= MOST_DAYS:
            raise InvalidInput(name, f"0 to {MOST_DAYS} days", value)
        last = date.fromordinal(min(query.on.toordinal() + days, date.max.toordinal()))
        return sql.SQL("state = 'open' AND due_on BETWEEN %s AND %s"), [query.on, last]
    column_name, _, operator = name.partition(".")
    column = _column(register, column_name)
    where = sql.Identifier(column.name)
    if column.kind is Kind.SEALED and operator != "empty":
        raise InvalidInput(name, "a column that is not sealed", column.name)
    match operator:
        case "empty" if value in ("yes", "no"):
            return sql.SQL("{} IS NULL" if value == "yes" else "{} IS NOT NULL").format(where), []
        case "from" if not tables.is_array(column.kind):
            return sql.SQL("{} >= %s").format(where), [_parsed(column, value)]
        case "to" if not tables.is_array(column.kind):
            return sql.SQL("{} <= %s").format(where), [_parsed(column, value)]
        case "" if tables.is_array(column.kind):
            return sql.SQL("%s = ANY({})").format(where), [_parsed(column, value)]
        case "":
            return sql.SQL("{} = %s").format(where), [_parsed(column, value)]
    raise InvalidInput(name, "COLUMN, COLUMN.from, COLUMN.to, or COLUMN.empty with yes or no", value)


def _column(register: Register, name: str) -> Column:
    for column in columns_of(register):
        if column.name == name:
            return column
    raise InvalidInput("column", "one of " + ", ".join(c.name for c in columns_of(register)), name)


def _parsed(column: Column, value: str) -> Any:
    match column.kind:
        case Kind.DATE | Kind.DATES:
            return parse_date(value, column.name)
        case Kind.MOMENT:
            return parse_moment(value, column.name)
        case Kind.INT | Kind.INTS:
            return _int(column.name, value)
        case Kind.BOOL:
            if value not in ("yes", "no", "true", "false"):
                raise InvalidInput(column.name, "yes or no", value)
            return value in ("yes", "true")
        case _:
            if "\0" in value:
                raise InvalidInput(column.name, "text without NUL characters", value)
            return value


def _int(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        raise InvalidInput(name, "a whole number", value) from None
    if not -(1 << 63) <= number < 1 << 63:
        raise InvalidInput(name, "a whole number of 64 bits", value)
    return number


# --- pages --------------------------------------------------------------------------------------------


def _after(sort: Column, query: Query, order: Sequence[str]) -> tuple[sql.Composable, list[Any]]:
    """What comes after the last row of the page before; empty values come last either way."""
    last = _uncursor(query.cursor or "", len(order))
    sign = sql.SQL("<" if query.descending else ">")
    ties = sql.SQL(", ").join(map(sql.Identifier, order[-3:]))
    tie = sql.SQL("({}) {} (%s, %s, %s)").format(ties, sign)
    if len(order) == 3:
        return tie, last
    value, rest = last[0], last[1:]
    name = sql.Identifier(sort.name)
    if value is None:
        return sql.SQL("{} IS NULL AND {}").format(name, tie), rest
    kind = sql.SQL(sort.kind.value)
    return (
        sql.SQL("({name} {sign} %s::{kind} OR {name} IS NULL OR ({name} = %s::{kind} AND {tie}))").format(
            name=name, sign=sign, kind=kind, tie=tie
        ),
        [value, value, *rest],
    )


def _cursor(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([_plain(v) for v in values]).encode()).decode()


def _uncursor(cursor: str, size: int) -> list[Any]:
    try:
        values = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        values = None
    if not isinstance(values, list) or len(values) != size or not isinstance(values[-1], str):
        raise InvalidInput("cursor", "the cursor of the page before, with the same sorting", cursor)
    if not all(type(v) is int for v in values[-3:-1]):
        raise InvalidInput("cursor", "the cursor of the page before, with the same sorting", cursor)
    return values


def _moved(query: Query, cursor: str | None) -> Query:
    return Query(
        query.filters, query.sort, query.descending, MOST, cursor, query.all_status, query.ledgers, query.on
    )


# --- values -------------------------------------------------------------------------------------------


def _pointer(text: str) -> tuple[int, str]:
    index, _, path = text.partition(":")
    return int(index), path


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_cell(v) for v in value)
    text = str(_plain(value))
    # A spreadsheet must not take text for a formula.
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
