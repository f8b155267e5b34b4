"""What each database role may do, and that nobody may change what is recorded."""

from __future__ import annotations

import psycopg
import pytest

from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from ledger.store.writer import Writer
from tests.support import check_ledger, sample

CHANGES = [
    "UPDATE ledger.entries SET stream = 'x'",
    "DELETE FROM ledger.entries",
    "TRUNCATE ledger.entries",
    "UPDATE ledger.ledgers SET slug = 'x'",
    "DELETE FROM ledger.ledgers",
    "TRUNCATE ledger.ledgers CASCADE",
    "DELETE FROM ledger.heads",
    "TRUNCATE ledger.heads",
    "DELETE FROM ledger.checkpoints",
    "TRUNCATE ledger.checkpoints",
]
WRITES = [
    *CHANGES,
    """INSERT INTO ledger.entries (index, recorded_at, ledger, version, part, command, leaf_hash, stream, event,
    organisation, entry) VALUES (9, now(), 1, 1, 0, gen_random_uuid(), '', 's', 'e', 'o', '')""",
    "UPDATE ledger.heads SET size = 9",
    "INSERT INTO ledger.heads VALUES (9, 0, now(), decode(repeat('00', 32), 'hex'))",
    "SELECT ledger.create_ledger('x', 'x', 'x', false, false)",
    "CREATE TABLE ledger.mine (x int)",
    "ALTER TABLE ledger.entries DISABLE TRIGGER ALL",
    "SELECT * FROM vault.keys",
    "SELECT vault.put(1, 0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "DROP TABLE ledger.entries",
    """INSERT INTO ledger.checkpoints (ledger, size, root, note, signed_at)
    VALUES ((SELECT min(id) FROM ledger.ledgers), 0, decode(repeat('00', 32), 'hex'), '', now())""",
    "UPDATE ledger.checkpoints SET size = 9",
]
# Of WRITES, what a role may do.
MAY = {
    Role.WRITER: {10, 11, 13, 17},
    Role.PROJECTOR: set[int](),
    Role.READER: set[int](),
    Role.SEALER: {19, 20},
    Role.VAULT: {16, 17},
}


@pytest.fixture
def filled(database: Database, ledger: Ledger) -> Database:
    with Writer(database) as writer:
        writer.submit(ledger.id, [sample("a")]).result(30)
    return database


@pytest.mark.parametrize("statement", CHANGES)
def test_triggers_refuse_change_to_everyone(filled: Database, ledger: Ledger, statement: str) -> None:
    for connection in (filled.connect_admin(), filled.connect(Role.OWNER)):
        with (
            connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added"),
        ):
            connection.execute(statement.encode())
    assert check_ledger(filled, ledger) == 1


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("number", range(len(WRITES)))
def test_a_role_may_do_what_is_its_own_and_no_more(filled: Database, role: Role, number: int) -> None:
    with filled.connect(role) as connection:
        connection.execute("BEGIN")
        if number in MAY[role]:
            connection.execute(WRITES[number].encode())
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"permission denied|must be owner"):
                connection.execute(WRITES[number].encode())
        connection.execute("ROLLBACK")


def test_the_projector_owns_the_registers_and_the_reader_reads_them(filled: Database) -> None:
    with filled.connect(Role.PROJECTOR) as connection:
        connection.execute("CREATE TABLE registers.requests AS SELECT index FROM ledger.entries")
    with filled.connect(Role.READER) as connection:
        assert connection.execute("SELECT index FROM registers.requests").fetchall() == [(0,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE registers.requests")


@pytest.mark.parametrize("role", list(Role))
def test_one_sign_in_becomes_each_role(filled: Database, role: Role) -> None:
    alone = Database(filled.admin)
    with alone.connect(role) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (str(role),)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM ledger.entries")


def test_no_connection_string_is_shown(filled: Database) -> None:
    assert "password" not in repr(filled)
