"""The tables of registers: made from the declarations, filled by COPY, compared, swapped by rename."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from projections.base import Kind, Register

LIVE = "registers"
REPLAYS = "replays"
NEW = "__new"
"""What the name of a table that is being rebuilt ends with."""
OLD = "__old"
"""What the name of the table that was swapped out ends with."""

_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Digest:
    """What a table holds, to compare it by: rows, and a sum over them that no order changes."""

    rows: int
    sum: int


def table(register: Register, suffix: str = "") -> sql.Identifier:
    """The live table of a register, or the one beside it."""
    return sql.Identifier(LIVE, register.name + suffix)


def create(connection: Connection[Any], register: Register, where: sql.Identifier) -> None:
    """Makes an empty table; its indexes come by ``index``, which is cheaper once it is filled."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name), sql.SQL(column.kind.value), sql.SQL(_NOT_NULL.get(column.name, ""))
        )
        for column in register.all_columns
    )
    comments = [
        sql.SQL("; COMMENT ON COLUMN {}.{} IS {}").format(
            where, sql.Identifier(column.name), sql.Literal(column.doc)
        )
        for column in register.all_columns
    ]
    # One round trip: there are hundreds of columns.
    connection.execute(sql.SQL("CREATE TABLE {} ({}){}").format(where, columns, sql.SQL("").join(comments)))


_NOT_NULL = dict.fromkeys(("ledger", "stream", "key", "status", "index", "recorded_at", "entries"), " NOT NULL")


def index(connection: Connection[Any], where: sql.Identifier) -> None:
    """The indexes of a register table: one row a key of a case, and the order in which it is listed."""
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (ledger, stream, key)").format(where))
    connection.execute(sql.SQL("CREATE INDEX ON {} (ledger, index, key)").format(where))


def drop(connection: Connection[Any], where: sql.Identifier) -> None:
    """Drops a table, if it is there."""
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(where))


def delete(connection: Connection[Any], where: sql.Identifier, ledger: int, streams: Sequence[str]) -> None:
    """Takes out the rows of these streams."""
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE ledger = %s AND stream = ANY(%s)").format(where), (ledger, list(streams))
    )


def fill(connection: Connection[Any], where: sql.Identifier, lines: Iterable[str]) -> None:
    """Adds rows by COPY; memory stays flat however many there are."""
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(where)) as copy:
        block: list[str] = []
        size = 0
        for line in lines:
            block.append(line)
            size += len(line)
            if size > _BLOCK:
                copy.write("".join(block))
                block, size = [], 0
        copy.write("".join(block))


def digest(connection: Connection[Any], where: sql.Identifier) -> Digest:
    """The number of rows and the sum of their digests."""
    row = connection.execute(
        sql.SQL("SELECT count(*), coalesce(sum(hash_record_extended(t, 0)), 0) FROM {} AS t").format(where)
    ).fetchone()
    assert row is not None
    return Digest(row[0], int(row[1]))


def exists(connection: Connection[Any], where: sql.Identifier) -> bool:
    """Whether there is such a table."""
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (where.as_string(connection),)).fetchone()
    return found is not None and bool(found[0])


def rename(connection: Connection[Any], where: sql.Identifier, name: str) -> None:
    """Gives a table another name in its schema."""
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(where, sql.Identifier(name)))


def is_array(kind: Kind) -> bool:
    """Whether values of that type are lists."""
    return kind.value.endswith("[]")
