"""Which vault belongs to which ledgers: told once, by who comes first, and held to from then on."""

from __future__ import annotations

import itertools
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from ledger.errors import SettingsError
from ledger.store.database import Database, Role
from ledger.vault.identity import Standing, agreed, standing
from ledger.vault.kek import LocalKek
from ledger.vault.store import Connect, VaultKeys

KEK = LocalKek(bytes(range(32)))


def writer(database: Database) -> Connect:
    return partial(database.connect, Role.WRITER)


def told(database: Database) -> tuple[bool, uuid.UUID | None, bool | None]:
    found = standing(writer(database))
    return found.keys, found.id, found.apart


def test_a_database_without_keys_is_told_nothing_and_one_with_keys_gets_a_name(database: Database) -> None:
    assert agreed(writer(database), None).keys is False
    assert told(database) == (False, None, None)
    VaultKeys(writer(database), KEK).ensure(1, "s", "case")
    agreed(writer(database), None)
    keys, name, apart = told(database)
    assert (keys, name is None, apart) == (True, False, False)
    agreed(writer(database), None)
    assert told(database) == (True, name, False)


def test_all_who_begin_at_once_agree_and_so_does_who_comes_after_a_crash(
    database: Database, vault_alone: Database
) -> None:
    barrier = Barrier(6)

    def begin(_n: int) -> Standing:
        barrier.wait()
        return agreed(writer(database), writer(vault_alone))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, range(6)))
    _, name, apart = told(vault_alone)
    assert apart is False
    assert told(database) == (False, name, True)
    # Between the two: the vault has its name, the ledgers were not told.
    with database.connect_admin() as connection:
        connection.execute("DELETE FROM vault.identity")
    agreed(writer(database), writer(vault_alone))
    assert told(database) == (False, name, True)


A, B = uuid.UUID(int=1), uuid.UUID(int=2)
HERE = [(keys, *named) for keys in (False, True) for named in ((None, False), (A, False), (A, True))]
THERE = [
    (keys, *named) for keys in (False, True) for named in ((None, False), (A, False), (B, False), (A, True))
]
TOGETHER = {
    # Nothing was sealed anywhere; or a crash, or a data directory given up, left a vault its name.
    ((False, None, False), (False, None, False)),
    ((False, None, False), (False, A, False)),
    ((False, None, False), (False, B, False)),
    # The ledgers' own vault was emptied, and its rows are there; or had none yet.
    ((False, A, False), (False, None, False)),
    ((False, A, False), (False, A, False)),
    ((False, A, False), (True, A, False)),
    # As it goes on.
    ((False, A, True), (False, A, False)),
    ((False, A, True), (True, A, False)),
}


def test_of_all_that_can_be_there_only_what_belongs_together_is_taken(
    database: Database, vault_alone: Database
) -> None:
    taken, said = set(), set()
    with database.connect_admin() as own, vault_alone.connect_admin() as alone:
        for here, there in itertools.product(HERE, THERE):
            for connection, (keys, name, apart) in ((own, here), (alone, there)):
                connection.execute("TRUNCATE vault.keys, vault.identity")
                if keys:
                    connection.execute(
                        "INSERT INTO vault.keys (id, ledger, stream, subject, wrapped, kek_id) "
                        "VALUES ('k', 1, 's', 'case', '', 'kek')"
                    )
                if name is not None:
                    connection.execute("INSERT INTO vault.identity (id, apart) VALUES (%s, %s)", (name, apart))
            try:
                agreed(writer(database), writer(vault_alone))
            except SettingsError as error:
                said.add(str(error).partition("expected ")[0])
                continue
            taken.add((here, there))
            keys, name, apart = told(vault_alone)
            assert (keys, apart) == (there[0], False)
            assert told(database) == (False, name, True)
            assert name is not None
            assert name in {here[1], there[1]} or (here[1], there[1]) == (None, None)
    assert taken == TOGETHER
    assert said == {"vault_database_url: "}


def test_without_the_setting_ledgers_whose_vault_is_elsewhere_are_refused(database: Database) -> None:
    with database.connect_admin() as connection:
        connection.execute("INSERT INTO vault.identity (id, apart) VALUES (%s, true)", (A,))
    with pytest.raises(SettingsError, match=f"expected the database of vault {A}, which these ledgers have"):
        agreed(writer(database), None)


def test_the_ledgers_own_database_is_no_other_however_it_is_named(database: Database) -> None:
    with pytest.raises(SettingsError, match="expected another database than that of the ledgers, got the same"):
        agreed(
            writer(database), writer(Database(database.admin + " application_name=other", database.passwords))
        )
