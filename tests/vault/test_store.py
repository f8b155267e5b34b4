"""The vault's tables: who may read them, put, races, destroyed keys, opening in words, attachments, actors."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest

from ledger.errors import NotFound, Unavailable, VaultError
from ledger.store.database import Database, Role
from ledger.vault.attachments import AttachmentFiles
from ledger.vault.identity import standing
from ledger.vault.kek import LocalKek, WrongKek
from ledger.vault.opening import Destroyed, Lost, Opened, SealedField, Withheld, Word
from ledger.vault.sealing import CASE, SealingSession, commitment
from ledger.vault.store import (
    INSTALLATION,
    KEY_GONE,
    ActorDetails,
    KeyGone,
    Opener,
    VaultKeys,
    key_gone,
)

KEK = LocalKek(bytes(range(32)))
LEDGER = 1
PUT = "SELECT vault.put(%s, %s, %s, %s, %s, %s::bytea[], %s, %s::int[], %s, %s::bytea[])"


@pytest.fixture
def keys(database: Database) -> VaultKeys:
    return VaultKeys(lambda: database.connect(Role.WRITER), KEK)


@pytest.fixture
def opener(database: Database) -> Opener:
    return Opener(lambda: database.connect(Role.VAULT), KEK)


def put(connection: psycopg.Connection[Any], session: SealingSession, base: int, *ordinals: int) -> int:
    """Puts what ``session`` sealed, as the commit statement does."""
    rows = [row for ordinal in ordinals for row in session.rows(ordinal)]
    new = session.new_keys
    done = connection.execute(
        PUT,
        (
            LEDGER,
            base,
            [key.id for key in new],
            [key.stream for key in new],
            [key.subject for key in new],
            [key.wrapped for key in new],
            [key.kek_id for key in new],
            [row.ordinal for row in rows],
            [row.key for row in rows],
            [row.ciphertext for row in rows],
        ),
    ).fetchone()
    assert done is not None
    return int(done[0])


def record(
    database: Database, keys: VaultKeys, index: int, values: dict[str, str], stream: str = "s1"
) -> list[SealedField]:
    """Seals ``values`` (path → text) of one entry and puts them at ``index``."""
    session = SealingSession(KEK, lambda of: keys.keys_of(LEDGER, of))
    seal = session.sealer(stream)
    fields = []
    for path, value in values.items():
        sealed = seal(path, "string", CASE, value)
        fields.append(SealedField(path, sealed.commitment, sealed.key))
    with database.connect(Role.WRITER) as connection:
        assert put(connection, session, index, 0) == 1
    return fields


def superuser(database: Database, statement: str, parameters: tuple[Any, ...] = ()) -> None:
    with database.connect_admin() as connection:
        assert connection.execute(statement.encode(), parameters).rowcount >= 1


def test_seal_put_open(database: Database, keys: VaultKeys, opener: Opener) -> None:
    first = record(database, keys, 4, {"requester.name": "Jane Citizen", "reasons": "é"})
    second = record(database, keys, 5, {"reasons": ""})
    assert {f.key for f in first} == {f.key for f in second}
    (name, reasons), (empty,) = opener.open(LEDGER, [(4, first), (5, second)])
    assert isinstance(name, Opened)
    assert (name.word, name.value) == (Word.OPENED, "Jane Citizen")
    assert isinstance(reasons, Opened)
    assert isinstance(empty, Opened)
    assert (reasons.value, empty.value) == ("é", "")
    # What an auditor does with a disclosure {path, value, salt}.
    assert commitment(name.salt, "requester.name", b"\x18Jane Citizen") == first[0].commitment


def test_withheld_fields_are_not_read(database: Database, keys: VaultKeys, opener: Opener) -> None:
    fields = record(database, keys, 0, {"a": "x", "b": "y"})
    a, b = opener.open(LEDGER, [(0, fields)], lambda _index, field: field.path == "b")[0]
    assert a == Withheld()
    assert isinstance(b, Opened)

    def no_connection() -> psycopg.Connection[Any]:
        raise AssertionError("the vault was read")

    unread = Opener(no_connection, KEK).open(LEDGER, [(0, fields)], lambda _index, _field: False)
    assert unread == [[Withheld(), Withheld()]]


def test_missing_key_missing_row_altered_row_altered_key_are_lost(
    database: Database, keys: VaultKeys, opener: Opener
) -> None:
    entries = [
        (index, record(database, keys, index, {"a": "x", "b": "y"}, stream=f"s{index}")) for index in range(5)
    ]
    superuser(database, "DELETE FROM vault.keys WHERE stream = 's0'")
    superuser(database, "DELETE FROM vault.sealed WHERE index = 1")
    flip = "UPDATE vault.{} SET {col} = set_byte({col}, 20, get_byte({col}, 20) # 1) WHERE {}"
    superuser(database, flip.format("sealed", "index = 2", col="ciphertext"))
    superuser(database, flip.format("keys", "stream = 's3'", col="wrapped"))
    openings = opener.open(LEDGER, entries)
    assert openings[:4] == [
        [Lost(why)] * 2 for why in ("key missing", "row missing", "row altered", "key altered")
    ]
    assert [opening.word for opening in openings[4]] == [Word.OPENED] * 2


def test_rows_swapped_between_entries_are_lost(database: Database, keys: VaultKeys, opener: Opener) -> None:
    one, two = (record(database, keys, index, {"a": text}) for index, text in enumerate("xy"))
    superuser(database, "UPDATE vault.sealed SET index = 9 WHERE index = 0")
    superuser(database, "UPDATE vault.sealed SET index = 0 WHERE index = 1")
    superuser(database, "UPDATE vault.sealed SET index = 1 WHERE index = 9")
    assert opener.open(LEDGER, [(0, one), (1, two)]) == [[Lost("row altered")], [Lost("row altered")]]


def test_what_is_destroyed_while_it_is_opened_is_not_lost(database: Database, keys: VaultKeys) -> None:
    (field,) = fields = record(database, keys, 0, {"a": "x"})
    destroyed = Destroyed(datetime(2026, 11, 23, tzinfo=UTC), "a ground")
    told: list[Mapping[str, Destroyed]] = [{}, {field.key: destroyed}]

    def asked(_ledger: int) -> Mapping[str, Destroyed]:
        if len(told) == 2:
            superuser(database, "DELETE FROM vault.keys WHERE id = %s", (field.key,))
        return told.pop(0)

    superuser(
        database,
        "INSERT INTO vault.reconciled (ledger, destroyed, came_back, lost) VALUES (%s, 0, 0, 0)", (LEDGER,),
    )  # fmt: skip
    opener = Opener(lambda: database.connect(Role.VAULT), KEK, asked)
    assert opener.open(LEDGER, [(0, fields)]) == [[destroyed]]
    with database.connect(Role.VAULT) as connection:
        assert connection.execute("SELECT lost, lost_key FROM vault.reconciled").fetchone() == (0, None)


def test_wrong_kek_is_an_error_and_not_a_loss(database: Database, keys: VaultKeys) -> None:
    fields = record(database, keys, 0, {"a": "x"})
    other = Opener(lambda: database.connect(Role.VAULT), LocalKek(bytes(32)))
    with pytest.raises(WrongKek):
        other.open(LEDGER, [(0, fields)])


def test_key_destroyed_between_sealing_and_commit_is_named_and_nothing_written(
    database: Database, keys: VaultKeys
) -> None:
    (field,) = record(database, keys, 0, {"a": "x"})
    session = SealingSession(KEK, lambda of: keys.keys_of(LEDGER, of))
    session.seal("s1", "a", b"\x02y")
    session.seal("s2", "a", b"\x02z")
    superuser(database, "DELETE FROM vault.keys WHERE id = %s", (field.key,))
    with database.connect(Role.WRITER) as connection, pytest.raises(psycopg.DatabaseError) as caught:
        put(connection, session, 1, 0)
    assert caught.value.sqlstate == KEY_GONE
    gone = key_gone(caught.value)
    assert isinstance(gone, KeyGone)
    assert field.key in str(gone)
    assert keys.keys_of(LEDGER, "s2") == []
    with database.connect(Role.VAULT) as connection:
        assert connection.execute("SELECT count(*) FROM vault.sealed").fetchone() == (1,)


def test_key_of_another_ledger_counts_as_gone(database: Database, keys: VaultKeys) -> None:
    key_id, _ = keys.ensure(LEDGER + 1, "s1", CASE)
    with database.connect(Role.WRITER) as connection, pytest.raises(psycopg.DatabaseError, match=key_id):
        connection.execute(PUT, (LEDGER, 0, [], [], [], [], [], [0], [key_id], [b"x"]))


def test_destroying_waits_for_the_commit_that_uses_the_key(database: Database, keys: VaultKeys) -> None:
    record(database, keys, 0, {"a": "x"})
    session = SealingSession(KEK, lambda of: keys.keys_of(LEDGER, of))
    session.seal("s1", "a", b"\x02y")
    with database.connect(Role.WRITER) as writing, database.connect(Role.VAULT) as destroying:
        destroying.execute("SET lock_timeout = '200ms'")
        with writing.transaction():
            put(writing, session, 1, 0)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                destroying.execute("DELETE FROM vault.keys WHERE stream = 's1'")
        assert destroying.execute("DELETE FROM vault.keys WHERE stream = 's1'").rowcount == 1


def test_racing_commands_that_make_the_same_key_do_not_harm_each_other(
    database: Database, keys: VaultKeys, opener: Opener
) -> None:
    sessions = [SealingSession(KEK, lambda _stream: []) for _ in range(2)]
    sealed = [session.sealer("s1")("a", "string", CASE, str(n)) for n, session in enumerate(sessions)]
    with database.connect(Role.WRITER) as one, database.connect(Role.WRITER) as two, one.transaction():
        put(one, sessions[0], 0, 0)
        put(two, sessions[1], 1, 0)
    entries = [(n, [SealedField("a", s.commitment, s.key)]) for n, s in enumerate(sealed)]
    assert [o.value for (o,) in opener.open(LEDGER, entries) if isinstance(o, Opened)] == ["0", "1"]
    oldest, _ = keys.keys_of(LEDGER, "s1")
    assert SealingSession(KEK, lambda of: keys.keys_of(LEDGER, of)).seal("s1", "a", b"\x02z")[1] == oldest.id


def test_several_entries_and_keys_in_one_put(database: Database, opener: Opener) -> None:
    session = SealingSession(KEK, lambda _stream: [])
    fields: list[tuple[int, list[SealedField]]] = []
    packed = []
    for part in range(3):
        sealed = [
            (path, session.sealer("s1")(path, "string", subject, f"{path}{part}"))
            for path, subject in (("a", CASE), ("b", "p-1"), ("c", CASE))
        ]
        fields.append((10 + part, [SealedField(path, s.commitment, s.key) for path, s in sealed]))
        packed += session.rows(part)
    arrays = list(
        zip(*((k.id, k.stream, k.subject, k.wrapped, k.kek_id) for k in session.new_keys), strict=True)
    )
    rows = list(zip(*((r.ordinal, r.key, r.ciphertext) for r in packed), strict=True))
    with database.connect(Role.WRITER) as connection:
        done = connection.execute(PUT, (LEDGER, 10, *map(list, arrays), *map(list, rows))).fetchone()
    assert done == (6,)
    assert [[o.value for o in entry if isinstance(o, Opened)] for entry in opener.open(LEDGER, fields)] == [
        [f"{path}{part}" for path in "abc"] for part in range(3)
    ]


def test_ensure_gives_one_key_to_all_who_race(keys: VaultKeys) -> None:
    barrier = Barrier(4)

    def ensure(_n: int) -> tuple[str, bytes]:
        barrier.wait()
        return keys.ensure(LEDGER, "ledger", "import")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ensure, range(4)))) == 1
    assert len(keys.keys_of(LEDGER, "ledger")) == 1


def test_whether_keys_exist(database: Database, keys: VaultKeys) -> None:
    assert not standing(lambda: database.connect(Role.WRITER)).keys
    keys.ensure(LEDGER, "s1", CASE)
    assert standing(lambda: database.connect(Role.WRITER)).keys


@pytest.mark.parametrize("role", [Role.WRITER, Role.PROJECTOR, Role.READER])
@pytest.mark.parametrize("table", ["keys", "sealed", "attachments", "actors", "ahead", "identity"])
def test_no_other_role_reads_or_changes_the_tables(database: Database, role: Role, table: str) -> None:
    for statement in ("SELECT * FROM vault.{}", "DELETE FROM vault.{}", "INSERT INTO vault.{} DEFAULT VALUES"):
        with database.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.format(table).encode())


def test_functions_run_by_the_roles_that_need_them_only(database: Database) -> None:
    with database.connect_admin() as connection:
        allowed = connection.execute(
            """SELECT p.proname, r.rolname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
               unnest(ARRAY['auditledger_writer', 'auditledger_projector', 'auditledger_reader']) AS r (rolname)
               WHERE n.nspname = 'vault' AND has_function_privilege(r.rolname, p.oid, 'EXECUTE')"""
        ).fetchall()
        unsafe = connection.execute(
            """SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
               WHERE n.nspname = 'vault' AND NOT (p.prosecdef
               AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp']
               AND pg_get_userbyid(p.proowner) = 'auditledger_vault')"""
        ).fetchall()
    assert {role for _, role in allowed} == {"auditledger_writer"}
    assert {name for name, _ in allowed} == {
        "put", "keys_of", "ensure_key", "put_attachment", "attachment_names", "find_actor", "put_actor",
        "standing", "settle", "put_ahead", "hold_keys", "confirm",
    }  # fmt: skip
    assert unsafe == []


def test_attachment_kept_and_read(database: Database, keys: VaultKeys, opener: Opener, tmp_path: Path) -> None:
    files = AttachmentFiles(tmp_path)
    row = keys.attach(
        files, io.BytesIO(b"report" * 9), None, ledger=LEDGER, stream="s1", field_path="files.0", subject="p-1"
    )
    assert row.path == "files.0.content"
    again, key = opener.attachment(LEDGER, row.key, row.commitment)
    assert again == row
    assert b"".join(files.read(again, key)) == b"report" * 9
    assert keys.attachment_names() == {(LEDGER, row.key, row.commitment)}
    assert files.sweep(keys.attachment_names(), older_than=-60) == []
    with pytest.raises(NotFound):
        opener.attachment(LEDGER, row.key, bytes(32))
    with pytest.raises(NotFound):
        opener.attachment(LEDGER + 1, row.key, row.commitment)


def test_attachment_whose_key_is_destroyed_meanwhile_leaves_no_file(
    database: Database, keys: VaultKeys, tmp_path: Path
) -> None:
    class Destroys(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                superuser(database, "DELETE FROM vault.keys WHERE stream = 's1'")
            return super().read(size)

    with pytest.raises(KeyGone):
        keys.attach(
            AttachmentFiles(tmp_path), Destroys(b"x"), 1, ledger=LEDGER, stream="s1", field_path="report"
        )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert AttachmentFiles(tmp_path).held(LEDGER) == set()


@pytest.mark.parametrize("persisted", [True, False], ids=["failed but persisted", "failed and not persisted"])
def test_attachment_whose_row_has_an_unknown_outcome_keeps_its_file(
    database: Database, keys: VaultKeys, opener: Opener, tmp_path: Path, persisted: bool
) -> None:
    """The file stays until a sweep, which reads the rows, knows."""
    keys.ensure(LEDGER, "s1", CASE)

    calls = ["row", "key"]

    @contextmanager
    def losing() -> Iterator[psycopg.Connection[Any]]:
        with database.connect(Role.WRITER) as connection:
            last = calls.pop() == "row"
            if last and not persisted:
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            yield connection
            if last:
                raise psycopg.OperationalError("server closed the connection unexpectedly")

    files = AttachmentFiles(tmp_path)
    with pytest.raises(Unavailable, match="closed the connection"):
        VaultKeys(losing, KEK).attach(
            files, io.BytesIO(b"report"), 6, ledger=LEDGER, stream="s1", field_path="report"
        )
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    swept = files.sweep(keys.attachment_names(), older_than=-60)
    if persisted:
        assert swept == []
        ((ledger, key_id, mark),) = keys.attachment_names()
        row, key = opener.attachment(ledger, key_id, mark)
        assert b"".join(files.read(row, key)) == b"report"
    else:
        assert swept == [file]
        assert keys.attachment_names() == set()


def test_actor_is_opaque_found_again_and_opened(database: Database, keys: VaultKeys, opener: Opener) -> None:
    actor = keys.actor_id("https://sign-in.example", "jane@dffh.example", "Jane Citizen")
    assert keys.actor_id("https://sign-in.example", "jane@dffh.example", "J. Citizen") == actor
    assert keys.actor_id("https://other.example", "jane@dffh.example", "Jane Citizen") != actor
    assert opener.actors([actor, "nobody"]) == {
        actor: ActorDetails("https://sign-in.example", "jane@dffh.example", "Jane Citizen")
    }
    superuser(database, "DELETE FROM vault.keys WHERE ledger = %s AND subject = %s", (INSTALLATION, actor))
    assert opener.actors([actor]) == {actor: Lost("key missing")}


def test_actors_that_sign_in_at_once_get_one_id(keys: VaultKeys) -> None:
    barrier = Barrier(4)

    def sign_in(_n: int) -> str:
        barrier.wait()
        return keys.actor_id("issuer", "login", "name")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(sign_in, range(4)))) == 1


def test_no_clear_value_in_any_vault_table(database: Database, keys: VaultKeys, tmp_path: Path) -> None:
    planted = "Planted-Name-7d1f"
    record(database, keys, 0, {"requester.name": planted})
    keys.actor_id(planted, planted, planted)
    keys.attach(
        AttachmentFiles(tmp_path),
        io.BytesIO(planted.encode()),
        None,
        ledger=LEDGER,
        stream="s1",
        field_path="f",
    )
    with database.connect(Role.VAULT) as connection:
        for table in ("keys", "sealed", "attachments", "actors"):
            with connection.cursor().copy(f"COPY vault.{table} TO STDOUT (FORMAT binary)".encode()) as copy:
                assert planted.encode() not in b"".join(bytes(part) for part in copy)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or planted.encode() not in file.read_bytes()


def test_database_away_is_said_so() -> None:
    def away() -> psycopg.Connection[Any]:
        return psycopg.connect("host=127.0.0.1 port=1 connect_timeout=2")

    with pytest.raises(Unavailable, match="vault"):
        standing(away)


def test_errors_of_others_are_not_key_gone() -> None:
    assert key_gone(psycopg.errors.UniqueViolation("x")) is None
    assert issubclass(KeyGone, VaultError)
