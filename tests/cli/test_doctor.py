"""``doctor`` where something is wrong: the whole table all the same, what to do, and its exit code."""

from __future__ import annotations

import pytest

from ledger.errors import Unavailable
from ledger.settings import Settings
from ledger.store.database import Database
from tests.cli.conftest import Answer, Program

CHECKS = ["data directory", "service", "database", "migrations", "ledgers", "registers"]


def examined(program: Program) -> tuple[dict[str, tuple[bool | None, str]], Answer]:
    """The checks by name, and the same as it is shown to people; both list all there is."""
    listed, told = program("doctor", "--json"), program("doctor")
    assert listed.code == told.code == Unavailable.exit_code
    assert listed.err == told.err
    assert told.err.count("\n") == 1
    assert not listed.json["healthy"]
    assert [each["name"] for each in listed.json["settings"]] == list(Settings.model_fields)
    for each in listed.json["settings"]:
        assert each["name"] in told.out
        assert each["source"] in told.out
    assert [each["check"] for each in listed.json["checks"]] == CHECKS
    for each in listed.json["checks"]:
        assert each["detail"] in " ".join(told.out.split())
    return {each["check"]: (each["ok"], each["detail"]) for each in listed.json["checks"]}, told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://nobody:hunter2@db/x", "expected a PostgreSQL connection string"),
        ("postgresql://nobody:hunter2@127.0.0.1:1/x", "start that server, or mend database_url"),
        ("postgresql://nobody:hunter2@127.0.0.1:many/x", "start that server, or mend database_url"),
    ],
)
def test_a_database_that_is_wrong_or_away_is_said_in_the_whole_table(
    program: Program, url: str, said: str
) -> None:
    program.environment["AUDITLEDGER_DATABASE_URL"] = url
    checks, told = examined(program)
    ok, detail = checks["database"]
    assert ok is False
    assert said in detail
    assert said in told.err
    assert "hunter2" not in told.out + told.err
    assert [checks[name][0] for name in CHECKS] == [True, True, False, None, None, None]
    assert checks["ledgers"][1] == "looked at once this is mended: database"


def test_an_address_that_is_away_is_said_with_where_it_was_set(program: Program) -> None:
    program.environment["AUDITLEDGER_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/x"
    checks, _ = examined(program)
    assert "(set in environment (AUDITLEDGER_DATABASE_URL))" in checks["database"][1]


def test_changed_migrations_are_said_in_the_whole_table_with_what_to_do(
    program: Program, database: Database
) -> None:
    with database.connect_admin() as connection:
        connection.execute(
            "UPDATE auditledger_migrations.applied SET sha256 = repeat('0', 64) WHERE name ~ '^0001'"
        )
    checks, told = examined(program)
    assert checks["database"][0]
    ok, detail = checks["migrations"]
    assert ok is False
    assert "expected the text that was run (000000000000…)" in detail
    assert "start with a new data_dir or database_url, or restore" in detail
    assert "WRONG" in told.out
    assert "not seen" in told.out
    assert checks["registers"] == (None, "looked at once this is mended: migrations")


def test_a_data_directory_that_is_none_is_said_in_the_whole_table(program: Program) -> None:
    program.environment["AUDITLEDGER_DATA_DIR"] = "/dev/null"
    checks, _ = examined(program)
    assert checks["data directory"] == (False, "/dev/null is no folder; mend data_dir")
    assert [checks[name][0] for name in CHECKS[1:]] == [None] * 5
