"""The writer's sessions: how they are opened, what is prepared on them, and what their answers mean."""

from __future__ import annotations

from psycopg import pq

from ledger.codec.declare import moment
from ledger.errors import Unavailable
from ledger.store import binary, queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from ledger.store.placing import COLUMN_TYPES, VAULT_TYPES, Head
from ledger.store.settle import Connection

LINK = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}

_HEAD_TYPES = [
    binary.INT4, binary.INT8, binary.BYTEA, binary.INT8, binary.BYTEA, binary.TIMESTAMPTZ, binary.TIMESTAMPTZ,
]  # fmt: skip
_NEEDED_TYPES = [binary.TEXT, binary.INT4]
_MANY_TYPES = _HEAD_TYPES + [binary.ARRAYS[oid] for oid in COLUMN_TYPES + _NEEDED_TYPES]
_VAULT_ARRAYS = [binary.ARRAYS[oid] for oid in VAULT_TYPES]
PREPARED = {
    "commit_first": _HEAD_TYPES + COLUMN_TYPES,
    "commit_next": _HEAD_TYPES + COLUMN_TYPES,
    "commit_many": _MANY_TYPES,
    "commit_first_sealed": _HEAD_TYPES + COLUMN_TYPES + _VAULT_ARRAYS,
    "commit_next_sealed": _HEAD_TYPES + COLUMN_TYPES + _VAULT_ARRAYS,
    "commit_many_sealed": _MANY_TYPES + _VAULT_ARRAYS,
    "put_vault": [binary.INT4, binary.INT8, *_VAULT_ARRAYS],
    "read_head": [binary.INT4],
}


def open_session(database: Database) -> Connection:
    """A connection of the writer, its statements prepared. Raises Unavailable."""
    made = database.connect(Role.WRITER, **LINK)
    # Of what it prepared by itself psycopg lets go at a ROLLBACK, by DEALLOCATE ALL: ours would go with it.
    made.prepare_threshold = None
    made.execute(queries.get("writer_session"))
    for name, types in PREPARED.items():
        result = made.pgconn.prepare(name.encode(), queries.get(name), types)
        if result.status != pq.ExecStatus.COMMAND_OK:
            made.close()
            raise Unavailable(f"database: cannot prepare {name}: {result.get_error_message()}")
    return made


def head_of(answer: pq.abc.PGresult) -> Head:
    """The row of read_head, in binary."""
    size, digest, stamp = (answer.get_value(0, column) or b"" for column in range(3))
    return Head(
        int.from_bytes(size, "big"), digest, int.from_bytes(stamp, "big", signed=True) + binary.EPOCH_MICROS
    )


def locked_head_of(answer: pq.abc.PGresult) -> Head:
    """The row of begin_locked, in text."""
    size, digest, stamp = (answer.get_value(0, column) or b"" for column in range(3))
    return Head(int(size), bytes.fromhex(digest[2:].decode()), int(stamp))


def copy_statement(ledger: Ledger, head: Head, entries: int, now: int | None) -> bytes:
    """The text of commit_copy for so many entries behind ``head``; our own numbers and hashes only."""
    return (
        queries.text("commit_copy")
        .format(
            ledger=ledger.id,
            size=head.size,
            hash=f"'\\x{head.hash.hex()}'",
            now="NULL" if now is None else f"'{moment(now).isoformat()}'",
            new_size=head.size + entries,
        )
        .encode()
    )
