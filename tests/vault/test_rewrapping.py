"""Keys wrapped anew beside those who add keys: nothing is left that only a removed key could open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import psycopg
import pytest

from ledger.errors import Unavailable, VaultError
from ledger.store.database import Database, Role
from ledger.vault.kek import KekDenied, LocalKek, Wrapped, WrongKek
from ledger.vault.opening import Lost, SealedField
from ledger.vault.shredding import Shredder
from ledger.vault.store import KekRetired, Opener, Rewrapping, VaultKeys, wrapped_by
from tests.waiting import until

OLD, NEW = LocalKek(bytes(range(32))), LocalKek(bytes(32))
PUT = "SELECT vault.put(1, 0, %s, '{s}', '{case}', %s, %s, '{}', '{}', '{}')"


class Both:
    """The two keys as a ring has them."""

    kek_id = NEW.kek_id

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        return NEW.wrap(key_id, key)

    def unwrap(self, key_id: str, wrapped: bytes, kek_id: str) -> bytes:
        return (NEW if kek_id == NEW.kek_id else OLD).unwrap(key_id, wrapped, kek_id)


def counts(database: Database) -> dict[str, int]:
    return {each.kek_id: each.keys for each in wrapped_by(lambda: database.connect(Role.VAULT))}


def rewrapping(database: Database, **options: Any) -> Rewrapping:
    return Rewrapping(lambda: database.connect(Role.VAULT), Both(), **options)


def opens(database: Database, clear: dict[str, bytes]) -> None:
    with database.connect(Role.VAULT) as connection:
        for key_id, wrapped, kek_id in connection.execute("SELECT id, wrapped, kek_id FROM vault.keys"):
            assert NEW.unwrap(key_id, wrapped, kek_id) == clear[key_id]


@pytest.fixture
def clear(database: Database) -> dict[str, bytes]:
    """25 keys that the old one wrapped, by id."""
    keys = VaultKeys(lambda: database.connect(Role.WRITER), OLD)
    return dict(keys.ensure(1, f"s-{number}", "case") for number in range(25))


@pytest.mark.parametrize("batch", [1, 7, 25, 1000])
def test_batches_of_any_size_come_to_the_same(database: Database, clear: dict[str, bytes], batch: int) -> None:
    told: list[int] = []
    rewrapping(database, batch=batch).run(told.append)
    assert (sum(told), max(told)) == (25, min(batch, 25))
    assert counts(database) == {NEW.kek_id: 25}
    opens(database, clear)
    told.clear()
    rewrapping(database).run(told.append)
    assert told == []


@pytest.mark.parametrize("persisted", [False, True])
def test_a_batch_that_fails_unwritten_or_written_is_gone_on_from(
    database: Database, clear: dict[str, bytes], *, persisted: bool
) -> None:
    class Failing:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def execute(self, statement: bytes, parameters: Any = None) -> Any:
            if b"UPDATE vault.keys" not in statement:
                return self._connection.execute(statement, parameters)
            if persisted:
                self._connection.execute(statement, parameters)
            raise psycopg.OperationalError("connection lost")

    @contextmanager
    def connect() -> Iterator[Any]:
        with database.connect(Role.VAULT) as connection:
            yield Failing(connection)

    with pytest.raises(Unavailable, match="connection lost"):
        Rewrapping(connect, Both(), batch=10).run()
    assert counts(database).get(NEW.kek_id, 0) == (10 if persisted else 0)
    rewrapping(database, batch=10).run()
    assert counts(database) == {NEW.kek_id: 25}
    opens(database, clear)


def test_what_another_changes_meanwhile_is_not_overwritten(database: Database, clear: dict[str, bytes]) -> None:
    """A key that was destroyed, or wrapped by another process, between reading and writing."""
    first, second, *_ = sorted(clear)

    class Meanwhile(Both):
        done = False

        def wrap(self, key_id: str, key: bytes) -> Wrapped:
            if not self.done:
                self.done = True
                with database.connect_admin() as connection:
                    connection.execute("DELETE FROM vault.keys WHERE id = %s", (first,))
                    by = NEW.wrap(second, clear[second])
                    connection.execute(
                        "UPDATE vault.keys SET wrapped = %s, kek_id = %s WHERE id = %s",
                        (by.key, by.kek_id, second),
                    )
            return super().wrap(key_id, key)

    told: list[int] = []
    Rewrapping(lambda: database.connect(Role.VAULT), Meanwhile()).run(told.append)
    assert told == [23]
    assert counts(database) == {NEW.kek_id: 24}
    opens(database, clear)


def test_a_key_that_is_altered_or_of_another_stops_it_and_stays_as_it_is(
    database: Database, clear: dict[str, bytes]
) -> None:
    with database.connect_admin() as connection:
        connection.execute("UPDATE vault.keys SET wrapped = '\\x00' WHERE id = %s", (min(clear),))
    with pytest.raises(VaultError, match="altered"):
        rewrapping(database).run()
    with database.connect_admin() as connection:
        connection.execute("UPDATE vault.keys SET kek_id = 'local-0' WHERE id = %s", (min(clear),))
    with pytest.raises(WrongKek, match="local-0"):
        rewrapping(database).run()
    assert counts(database) == {"local-0": 1, OLD.kek_id: 24}
    assert not rewrapping(database).retire(OLD.kek_id)


def test_what_does_not_come_out_again_as_it_was_is_not_written(
    database: Database, clear: dict[str, bytes]
) -> None:
    class Mistaken(Both):
        def wrap(self, key_id: str, key: bytes) -> Wrapped:
            return NEW.wrap(key_id, bytes(32) if key_id == max(clear) else key)

    with pytest.raises(VaultError, match=f"key {max(clear)}: expected {NEW.kek_id} to unwrap what it has"):
        Rewrapping(lambda: database.connect(Role.VAULT), Mistaken(), batch=10).run()
    assert counts(database) == {NEW.kek_id: 20, OLD.kek_id: 5}
    rewrapping(database).run()
    opens(database, clear)


def made(connection: Any, key_id: str, kek: LocalKek) -> None:
    """What a writer does in its transaction."""
    by = kek.wrap(key_id, bytes(32))
    connection.execute(PUT, ([key_id], [by.key], [by.kek_id]))


def waits(database: Database) -> bool:
    with database.connect_admin() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return bool(row[0])


def beside(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work)
    thread.start()
    return thread


def test_who_is_adding_a_key_is_waited_for_before_the_old_one_is_retired(
    database: Database, clear: dict[str, bytes]
) -> None:
    rewrapping(database).run()
    answers: list[bool] = []
    with database.connect(Role.WRITER) as writer:
        writer.execute("BEGIN")
        made(writer, "late", OLD)
        thread = beside(lambda: answers.append(rewrapping(database).retire(OLD.kek_id)))
        until(lambda: waits(database))
        assert answers == []
        writer.execute("COMMIT")
        thread.join()
    # The old key stays: somebody needs it still.
    assert answers == [False]
    rewrapping(database).run()
    assert rewrapping(database).retire(OLD.kek_id)
    opens(database, {**clear, "late": bytes(32)})


def test_who_comes_while_the_old_key_is_retired_is_refused(database: Database, clear: dict[str, bytes]) -> None:
    rewrapping(database).run()
    refused: list[str] = []

    def late() -> None:
        with database.connect(Role.WRITER) as writer:
            try:
                made(writer, "late", OLD)
            except psycopg.Error as error:
                refused.append(f"{error.sqlstate} {error.diag.message_primary}")

    with database.connect(Role.VAULT) as retiring:
        retiring.execute("BEGIN")
        retiring.execute("SELECT vault.retire_kek(%s)", (OLD.kek_id,))
        thread = beside(late)
        until(lambda: waits(database))
        assert refused == []
        retiring.execute("COMMIT")
        thread.join()
    assert refused == ["AL001 vault key gone: late"]
    assert counts(database) == {NEW.kek_id: 25}
    with pytest.raises(KekRetired, match="in use since the last rotation, got one, which is retired"):
        VaultKeys(lambda: database.connect(Role.WRITER), OLD).ensure(1, "s-new", "case")
    # What is there already is found, whoever wrapped it; again retired is the same.
    assert VaultKeys(lambda: database.connect(Role.WRITER), NEW).ensure(1, "s-0", "case")[1] in clear.values()
    assert rewrapping(database).retire(OLD.kek_id)


def test_nothing_of_how_a_key_was_wrapped_is_left_in_the_pages(
    database: Database, clear: dict[str, bytes]
) -> None:
    with database.connect_admin() as connection:
        before = [bytes(row[0]) for row in connection.execute("SELECT wrapped FROM vault.keys")]
        again = rewrapping(database)
        again.run()
        assert Shredder(lambda: database.connect(Role.VAULT)).rewrite()
        connection.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
        pages = connection.execute(
            "SELECT get_raw_page('vault.keys', n::int) FROM generate_series(0, "
            "pg_relation_size('vault.keys') / 8192 - 1) n"
        ).fetchall()
    content = b"".join(bytes(page) for (page,) in pages)
    assert len(before) == 25
    assert not [each for each in before if each in content]


@pytest.mark.parametrize("error", [KekDenied, WrongKek, Unavailable])
def test_a_key_that_may_not_be_used_or_is_away_makes_no_value_lost(
    database: Database, clear: dict[str, bytes], error: type[Exception]
) -> None:
    class Elsewhere(Both):
        def unwrap(self, key_id: str, wrapped: bytes, kek_id: str) -> bytes:
            raise error("not now")

    field = SealedField("name", bytes(32), min(clear))
    with pytest.raises(error, match="not now"):
        Opener(lambda: database.connect(Role.VAULT), Elsewhere()).open(1, [(0, [field])])
    found = Opener(lambda: database.connect(Role.VAULT), Both()).open(1, [(0, [field])])
    assert found == [[Lost("row missing")]]
