"""``doctor`` where something is wrong: the whole table all the same, what to do, and its exit code."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest

from ledger.api.reads import FAILED
from ledger.cli import doctor
from ledger.errors import Unavailable
from ledger.settings import Settings
from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from ledger.store.published import Published
from ledger.store.stamping import Stamping
from tests.authority import authority
from tests.cli.conftest import Answer, Program

KEK = "key-encryption key"
CHECKS = [
    "data directory",
    "service",
    "database",
    "migrations",
    "ledgers",
    KEK,
    "vault",
    "sealing",
    "witnesses",
    "time stamps",
    "emergency access",
    "registers",
]


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
    assert [checks[name][0] for name in CHECKS] == [True, True, False, *[None] * 9]
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
    assert [checks[name][0] for name in CHECKS[1:]] == [None] * 11


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("abc", "AUDITLEDGER_KEK: expected base64 of 32 bytes"),
        (base64.b64encode(bytes(31)).decode(), "AUDITLEDGER_KEK: expected base64 of 32 bytes, got 31 bytes"),
        (base64.b64encode(bytes(32)).decode(), "which wrapped keys of the vault, got local-"),
    ],
)
def test_a_key_encryption_key_that_is_none_or_another_is_said_with_where_it_was_set(
    dffh: Program, key: str, said: str
) -> None:
    dffh.environment["AUDITLEDGER_KEK"] = key
    checks, told = examined(dffh)
    ok, detail = checks[KEK]
    assert ok is False
    assert said in detail
    assert "mend kek, set in environment (AUDITLEDGER_KEK), or restore it from its backup" in detail
    assert [name for name in CHECKS if not checks[name][0]] == [KEK]
    assert key not in [*told.out.split(), *told.err.split()]


def test_a_key_file_that_is_lost_or_no_key_is_said_and_none_is_made(dffh: Program, tmp_path: Path) -> None:
    file = tmp_path / "data" / "kek"
    key = file.read_bytes()
    file.unlink()
    checks, _ = examined(dffh)
    assert checks[KEK] == (
        False, f"expected {file} or AUDITLEDGER_KEK, got neither; restore it from its backup",
    )  # fmt: skip
    assert not file.exists()
    file.mkdir()
    assert "expected a regular key file" in examined(dffh)[0][KEK][1]
    file.rmdir()
    file.write_bytes(key)
    file.chmod(0o644)
    assert "run chmod 600 on it" in examined(dffh)[0][KEK][1]
    file.chmod(0o600)
    file.write_bytes(key[1:])
    assert f"mend {file}, or restore it from its backup" in examined(dffh)[0][KEK][1]
    file.write_bytes(key)
    healthy = dffh("doctor", "--json")
    assert healthy.code == 0
    assert {each["check"]: each["ok"] for each in healthy.json["checks"]}[KEK]


def test_a_provider_of_the_key_that_there_is_none_of_is_said_with_where_it_was_set(dffh: Program) -> None:
    mend = "; mend kek_provider and kek_argument, set in environment (AUDITLEDGER_KEK_PROVIDER)"
    dffh.environment["AUDITLEDGER_KEK_PROVIDER"] = "foo"
    said = "kek_provider: expected module:function or one of program, got 'foo'"
    assert examined(dffh)[0][KEK] == (False, said + mend)
    dffh.environment["AUDITLEDGER_KEK_PROVIDER"] = "tests.vault.test_provider:made"
    ok, detail = examined(dffh)[0][KEK]
    assert ok is False
    assert "which wrapped keys of the vault, got local-" in detail
    assert detail.endswith(mend)


def test_before_the_first_ledger_a_malformed_key_is_said_and_none_is_made(
    program: Program, tmp_path: Path
) -> None:
    del program.environment["AUDITLEDGER_DATABASE_URL"]
    fresh = {each["check"]: each["ok"] for each in program("doctor", "--json").json["checks"]}
    assert fresh[KEK]
    assert not (tmp_path / "data" / "kek").exists()
    program.environment["AUDITLEDGER_KEK"] = "abc"
    answer = program("doctor", "--json")
    assert answer.code == Unavailable.exit_code
    assert "AUDITLEDGER_KEK: expected base64 of 32 bytes" in answer.err


@pytest.mark.parametrize(
    ("witnessing", "ok"),
    [
        ("ok", True),
        ("12 witnesses away", True),
        ("1 witnesses refuse, 1 witnesses away", False),
        *((said, False) for said in FAILED),
    ],
)
def test_witnesses_that_are_away_are_not_wrong_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witnessing: str, *, ok: bool
) -> None:
    said = {"status": "ok", "version": "9", "sealing": "ok", "witnessing": witnessing}
    monkeypatch.setattr(doctor, "running_service", lambda _: {"url": "http://127.0.0.1:9"})
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(json.dumps(said).encode()))
    found = doctor._service(Settings(data_dir=tmp_path))
    assert found["ok"] is ok
    assert (f"witnessing {witnessing}: the log says why" in found["detail"]) is not ok


def test_stamps_that_do_not_come_are_said_and_those_that_do(
    dffh: Program, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.cli.stamping.LEAST", 0.0)
    assert stamps_of(dffh) == (True, "none: timestamp_url is not set")
    with authority(tmp_path / "tsa") as tsa:
        dffh.environment |= {
            "AUDITLEDGER_TIMESTAMP_URL": tsa.url, "AUDITLEDGER_TIMESTAMP_CA": str(tsa.root),
            "AUDITLEDGER_TIMESTAMP_INTERVAL": "1000",
        }  # fmt: skip
        ok, said = stamps_of(dffh)
        assert (ok, said.startswith(f"{tsa.url}; "), "dffh 0 entries stamped" in said) == (True, True, True)
        # As after many intervals in which none came.
        monkeypatch.setattr("ledger.cli.stamping.LATE", 0)
        ok, said = stamps_of(dffh)
        assert (ok, "dffh 0 entries stamped, more wait for" in said, "not time-stamped" in said) == (
            False,
            True,
            True,
        )
        published = Published(tmp_path / "data")
        for slug in ("common", "dffh"):
            dffh.ok("checkpoint", "--ledger", slug)
            assert Stamping(database, published, tsa.url, tsa.root).stamp(Ledgers(database).get(slug))
        ok, said = stamps_of(dffh)
        assert (ok, "dffh 4 entries stamped, last at 20" in said, "wait" in said) == (True, True, False)


def stamps_of(program: Program) -> tuple[bool | None, str]:
    listed = program("doctor", "--json").json["checks"]
    return next((each["ok"], each["detail"]) for each in listed if each["check"] == "time stamps")
