"""The vault in a database of its own, at the front door: recorded to destroyed, backed up, moved, mixed up."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.embedded import programs
from ledger.store.ledgers import Ledgers
from ledger.store.migrate import VAULT_ALONE, migrate, migrations
from tests.cli.conftest import Program
from tests.cli.test_backup import another, beside, data_of, grant, keys_back, opened
from tests.store.sets import MakeDatabase
from tests.support import check_ledger

__all__ = ["another"]

URL = "AUDITLEDGER_VAULT_DATABASE_URL"
TABLES = (
    "vault.keys, vault.sealed, vault.attachments, vault.actors, vault.removals, vault.reconciled, "
    "vault.retired_keks, vault.ahead, vault.search, vault.search_position"
)


@pytest.fixture
def apart(program: Program, another: MakeDatabase, request: pytest.FixtureRequest) -> Program:
    """The program with its ledger ``dffh``, founded with the vault in an empty database of its own."""
    program.environment[URL] = another().admin
    found: Program = request.getfixturevalue("dffh")
    return found


def database_of(program: Program) -> Database:
    return Database(program.environment["AUDITLEDGER_DATABASE_URL"])


def count(database: Database | str, what: str) -> int:
    database = Database(database) if isinstance(database, str) else database
    with database.connect_admin() as connection:
        row = connection.execute(f"SELECT count(*) FROM vault.{what}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def refused(program: Program, *arguments: str) -> str:
    """What is said, in one line, by a command that settings stop."""
    answer = program(*arguments)
    assert answer.code == 2, (answer.code, answer.err)
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) == 1
    return answer.err


def moved(source: str, to: str) -> None:
    """Moves the rows of a vault as docs/operations.md says."""
    dump = subprocess.run(
        [programs() / "pg_dump", "--data-only", "--schema=vault", "--format=custom", "--dbname", source],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    done = subprocess.run(
        [programs() / "pg_restore", "--single-transaction", "--exit-on-error", "--dbname", to],
        input=dump, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def check(program: Program) -> None:
    for slug in ("common", "dffh"):
        check_ledger(database_of(program), Ledgers(database_of(program)).get(slug))
        assert program.ok("verify", "--ledger", slug)["clean"]


def test_recorded_opened_destroyed_and_looked_after(apart: Program) -> None:
    index = grant(apart, "a")["receipts"][0]["index"]
    assert opened(apart, index) == {"opened"}
    assert count(database_of(apart), "keys") == count(database_of(apart), "sealed") == 0
    assert count(apart.environment[URL], "sealed WHERE index >= 0") == 0
    checks = {each["check"]: each for each in apart.ok("doctor")["checks"]}
    assert checks["vault database"]["ok"]
    assert (
        "on the ledgers' server: what archives the WAL of one keeps both" in checks["vault database"]["detail"]
    )
    apart.ok("reconcile", person="administrator")
    apart.ok("keys", "rotate", "kek", person="administrator")
    assert opened(apart, index) == {"opened"}
    check(apart)


def test_backed_up_drilled_and_restored_in_either_place(
    apart: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    index = grant(apart, "a")["receipts"][0]["index"]
    for slug in ("common", "dffh"):
        apart.ok("checkpoint", "--ledger", slug)
    apart.ok("backup", str(tmp_path / "set"))
    assert (tmp_path / "set" / "vault.dump").exists()
    assert apart.ok("restore", "--drill", str(tmp_path / "set"))["drill"]

    again = beside(apart, tmp_path / "again", another())
    again.environment[URL] = another().admin
    again.ok("restore", str(tmp_path / "set"))
    keys_back(apart, again)
    assert opened(again, index) == {"opened"}
    assert count(database_of(again), "keys") == 0
    again.ok("reconcile", person="administrator")
    later = grant(again, "b")["receipts"][0]["index"]
    assert opened(again, later) == {"opened"}
    check(again)

    # Without the setting the vault goes into the ledgers' database, and opens there.
    joined = beside(apart, tmp_path / "joined", another())
    joined.ok("restore", str(tmp_path / "set"))
    keys_back(apart, joined)
    assert opened(joined, index) == {"opened"}
    assert opened(joined, grant(joined, "b")["receipts"][0]["index"]) == {"opened"}
    joined.ok("reconcile", person="administrator")
    check(joined)

    # A set that has its vault in its database goes to no other.
    joined.ok("backup", str(tmp_path / "joined-set"))
    assert not (tmp_path / "joined-set" / "vault.dump").exists()
    third = beside(apart, tmp_path / "third", another())
    third.environment[URL] = another().admin
    assert "vault_database_url: expected none to restore this set" in refused(
        third, "restore", str(tmp_path / "joined-set")
    )


def test_a_vault_that_outlived_the_ledgers_opens_what_is_refilled(
    apart: Program, tmp_path: Path, another: MakeDatabase
) -> None:
    before = grant(apart, "a")["receipts"][0]["index"]
    for slug in ("common", "dffh"):
        apart.ok("checkpoint", "--ledger", slug)
    apart.ok("backup", str(tmp_path / "set"))
    since = grant(apart, "b")["receipts"][0]["index"]
    apart.ok("checkpoint", "--ledger", "dffh")
    new = beside(apart, tmp_path / "new", another())
    foreign = another()
    migrate(foreign, vault_alone=True)
    with foreign.connect_admin() as connection:
        connection.execute("INSERT INTO vault.identity (id, apart) VALUES (gen_random_uuid(), false)")
    restore = ("restore", str(tmp_path / "set"), "--published", str(data_of(apart) / "tiles"))
    new.environment[URL] = foreign.admin
    assert "vault_database_url: expected vault " in refused(new, *restore)
    new.environment[URL] = apart.environment[URL]
    new.ok(*restore)
    keys_back(apart, new)
    (refilled,) = new.ok("refill")["refilled"]
    assert (refilled["until"], refilled["lost_keys"]) == (since + 1, 0)
    assert (opened(new, before), opened(new, since)) == ({"opened"}, {"opened"})
    new.ok("checkpoint", "--ledger", "dffh")
    check(new)


@pytest.mark.parametrize("own", [True, False], ids=["apart", "joined"])
def test_a_restore_that_is_killed_goes_on(
    apart: Program, tmp_path: Path, another: MakeDatabase, own: bool
) -> None:
    index = grant(apart, "a")["receipts"][0]["index"]
    for slug in ("common", "dffh"):
        apart.ok("checkpoint", "--ledger", slug)
    apart.ok("backup", str(tmp_path / "set"))
    for step in ("begun", "database", "vault", "verified"):
        new = beside(apart, tmp_path / step, another())
        if own:
            new.environment[URL] = another().admin
        orders = {
            "do": "restore", "at": [step, 1], "data": str(tmp_path / step), "set": str(tmp_path / "set"),
            "url": database_of(new).admin, "vault": new.environment.get(URL), "admin": "", "passwords": {},
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.store.other_process_of_sets"],
            cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL
        assert "did not finish" in refused(new, "reconcile")
        new.ok("restore", str(tmp_path / "set"))
        keys_back(apart, new)
        assert opened(new, index) == {"opened"}
        place = new.environment[URL] if own else database_of(new)
        assert count(place, "sealed") == count(apart.environment[URL], "sealed")
        check(new)


def search_rebuilt(program: Program) -> None:
    """Makes the search index of the ledger anew."""
    program.ok("search", "--rebuild", "--ledger", "dffh", person="administrator")


def test_what_empties_a_vault_names_every_table_of_it(another: MakeDatabase) -> None:
    """The query, the docs, and what moves a vault here: so that the next table is not forgotten."""
    database = another()
    migrate(database)
    with database.connect(Role.VAULT) as connection:
        connection.execute(queries.get("empty_vault"))
        found = {row[0] for row in connection.execute(
            "SELECT 'vault.' || relname FROM pg_class "
            "WHERE relnamespace = 'vault'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchall()}  # fmt: skip
    named = [queries.get("empty_vault").decode(), f"{TABLES}, vault.identity"]
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    (told,) = re.findall(r"-c 'TRUNCATE (vault\.[^']*)'", page)
    named.append(f"{told}, vault.identity")
    for each in named:
        assert set(re.findall(r"vault\.\w+", each)) == found


def test_moved_to_a_database_of_its_own_and_back(dffh: Program, another: MakeDatabase, tmp_path: Path) -> None:
    own, alone = dffh.environment["AUDITLEDGER_DATABASE_URL"], another().admin
    first = grant(dffh, "a")["receipts"][0]["index"]
    search_rebuilt(dffh)
    assert count(own, "search") > 0
    dffh.environment[URL] = alone
    said = refused(dffh, "reconcile")
    assert "which is in the ledgers' own database, got another: move it there first" in said
    moved(own, alone)
    assert "got it in the ledgers' own too; empty what is left there of it" in refused(dffh, "reconcile")
    with Database(own).connect_admin() as connection:
        # Whatever was forgotten is told, and not the keys alone.
        connection.execute(f"TRUNCATE {TABLES.removesuffix(', vault.search, vault.search_position')}".encode())
        assert "empty what is left there of it" in refused(dffh, "reconcile")
        connection.execute(f"TRUNCATE {TABLES}".encode())
    assert opened(dffh, first) == {"opened"}
    second = grant(dffh, "b")["receipts"][0]["index"]
    assert opened(dffh, second) == {"opened"}
    dffh.ok("reconcile")
    for slug in ("common", "dffh"):
        dffh.ok("checkpoint", "--ledger", slug)
    dffh.ok("backup", str(tmp_path / "set"))
    assert dffh.ok("restore", "--drill", str(tmp_path / "set"))["drill"]

    del dffh.environment[URL]
    assert "expected the database of vault" in refused(dffh, "reconcile")
    assert "expected the database of vault" in refused(dffh, "backup", "nowhere")
    with Database(own).connect_admin() as connection:
        connection.execute(f"TRUNCATE {TABLES}, vault.identity".encode())
    moved(alone, own)
    assert (opened(dffh, first), opened(dffh, second)) == ({"opened"}, {"opened"})
    third = grant(dffh, "c")["receipts"][0]["index"]
    assert count(own, f"sealed WHERE index = {third}") == 1
    dffh.ok("reconcile")
    check(dffh)


def test_another_vault_is_refused_before_anything_reads_as_lost(apart: Program, another: MakeDatabase) -> None:
    grant(apart, "a")
    own, alone = apart.environment["AUDITLEDGER_DATABASE_URL"], apart.environment[URL]
    empty = another().admin
    wrong = {
        empty: "got one without a name: name the right database, or restore the vault's newest backup",
        own: "expected one of a vault alone, got one of ledgers; do not mix them up",
        "not a url": "vault_database_url: expected a PostgreSQL connection string",
    }
    for url, said in wrong.items():
        apart.environment[URL] = url
        answer = apart("reconcile")
        assert (answer.code, said in answer.err) == (2, True), answer.err
        assert "lost" not in answer.out + answer.err.replace("restore the vault's newest backup", "")
    found = apart("doctor", "--json")
    assert found.code == 6
    apart.environment[URL] = make_conninfo(alone, port=1)
    answer = apart("reconcile")
    assert (answer.code, "vault_database_url: " in answer.err) == (6, True), answer.err
    # The ledgers themselves are read and verified without it.
    assert apart.ok("verify", "--ledger", "dffh")["clean"]

    # A vault of others, and the two databases mixed up.
    other = another()
    migrate(other, vault_alone=True)
    with other.connect_admin() as connection:
        connection.execute("INSERT INTO vault.identity (id, apart) VALUES (gen_random_uuid(), false)")
    apart.environment[URL] = other.admin
    assert "expected vault " in refused(apart, "reconcile")
    apart.environment["AUDITLEDGER_DATABASE_URL"], apart.environment[URL] = alone, own
    assert "expected one of ledgers, got one of a vault alone" in refused(apart, "reconcile")
    apart.environment["AUDITLEDGER_DATABASE_URL"], apart.environment[URL] = own, alone
    apart.ok("reconcile")
    check(apart)


def test_the_migrations_of_a_vault_alone_are_those_that_speak_of_it_alone() -> None:
    said = {each.name for each in migrations() if "vault." in each.text and "ledger." not in each.text}
    assert {each.name for each in migrations()} >= VAULT_ALONE == said


def test_a_data_directory_of_its_own_database_takes_a_vault_elsewhere(
    program: Program, another: MakeDatabase
) -> None:
    """The embedded server for the ledgers, another one for the vault."""
    del program.environment["AUDITLEDGER_DATABASE_URL"]
    program.environment[URL] = another().admin
    program.ok("ledger", "create", "dffh", "--origin", "example.vic.gov.au/dffh", "--name", "Department")
    assert count(program.environment[URL], "keys") > 2
    checks = {each["check"]: each for each in program.ok("doctor")["checks"]}
    assert "on a server of its own" in checks["vault database"]["detail"]
