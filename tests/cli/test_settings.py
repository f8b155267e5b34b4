from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import SettingsError
from ledger.settings import Settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_wins_over_the_file_and_both_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('port = 9000\nhost = "0.0.0.0"\n')
    settings = Settings.load({"AUDITLEDGER_CONFIG": str(file), "AUDITLEDGER_PORT": "9001"})
    assert (settings.port, settings.host) == (9001, "0.0.0.0")
    assert settings.sources == {"port": "environment (AUDITLEDGER_PORT)", "host": str(file)}


def test_the_file_of_the_working_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "auditledger.toml").write_text("max_body = 2048\n")
    assert Settings.load({}).max_body == 2048


def test_what_the_command_line_gives_wins() -> None:
    settings = Settings.load({"AUDITLEDGER_PORT": "9001"}, port=0, host=None)
    assert (settings.port, settings.host) == (0, "127.0.0.1")
    assert settings.sources["port"] == "command line"


def test_a_wrong_value_says_which_what_is_allowed_what_came_and_where() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({"AUDITLEDGER_PORT": "99999"})
    message = str(caught.value)
    for part in ("port", "environment (AUDITLEDGER_PORT)", "65535", "99999"):
        assert part in message


def test_a_wrong_value_of_the_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "auditledger.toml").write_text('log_level = "loud"\n')
    with pytest.raises(SettingsError, match=r"log_level \(set in auditledger.toml\).*'debug', 'info'.*'loud'"):
        Settings.load({})


@pytest.mark.parametrize(
    "given",
    [
        {"AUDITLEDGER_RECEIPT_PROMISE": "5", "AUDITLEDGER_SEAL_INTERVAL": "6"},
        {"AUDITLEDGER_RECEIPT_PROMISE": "0.5"},
    ],
)
def test_a_receipt_cannot_promise_a_proof_before_the_next_seal(given: dict[str, str]) -> None:
    expected = (
        r"receipt_promise \(set in environment .*\): expected a receipt_promise of at least seal_interval"
    )
    with pytest.raises(SettingsError, match=expected):
        Settings.load(given)
    kept = {**given, "AUDITLEDGER_RECEIPT_PROMISE": given.get("AUDITLEDGER_SEAL_INTERVAL", "1")}
    assert Settings.load(kept).receipt_promise == Settings.load(kept).seal_interval


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match="did you mean database_url"):
        Settings.load({"AUDITLEDGER_DATABASE_ULR": "x"})


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "auditledger.toml").write_text("port: 1\n")
    with pytest.raises(SettingsError, match=r"auditledger\.toml: expected TOML"):
        Settings.load({})


def test_a_configured_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AUDITLEDGER_CONFIG: expected a readable file"):
        Settings.load({"AUDITLEDGER_CONFIG": str(tmp_path / "no.toml")})


def test_an_issuer_without_its_keys_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"token_issuer .*expected token_jwks"):
        Settings.load({"AUDITLEDGER_TOKEN_ISSUER": "https://login.example"})
    with pytest.raises(SettingsError, match=r"token_jwks .*expected token_issuer"):
        Settings.load({"AUDITLEDGER_TOKEN_JWKS": "keys.json"})


def test_a_symmetric_algorithm_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"token_algorithms .*got HS256"):
        Settings.load({"AUDITLEDGER_TOKEN_ALGORITHMS": "RS256, HS256"})


def test_secrets_are_never_shown() -> None:
    secrets = {"AUDITLEDGER_DATABASE_URL": "postgresql://u:hunter2@h/d", "AUDITLEDGER_KEK": "k3k"}
    settings = Settings.load(secrets)
    shown = {line.name: line for line in settings.shown()}
    assert set(shown) == set(Settings.model_fields)
    assert shown["database_url"].value == "set (not shown)"
    assert "hunter2" not in repr(settings) + repr(settings.shown())
    assert all(line.description for line in shown.values())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/srv/tiles", "expected a URL, as s3://bucket/prefix or file:///folder, got '/srv/tiles'"),
        ("s3://key:hidden@bucket/x", "expected a URL without credentials, query or fragment: "),
        ("s3://bucket/x?versionId=1", "expected a URL without credentials, query or fragment: "),
        ("file://srv/tiles", "expected the whole path of a folder, as file:///folder, got "),
        ("simplecache::s3://bucket/x", "expected one store and a place in it, as s3://bucket/prefix, got "),
        ("s3://", "expected one store and a place in it, as s3://bucket/prefix, got "),
        ("s3://[bucket/x", "expected one store and a place in it, as s3://bucket/prefix, got "),
    ],
)
def test_a_place_of_published_files_that_is_none_is_refused_without_its_secret(url: str, said: str) -> None:
    with pytest.raises(SettingsError) as failed:
        Settings.load({"AUDITLEDGER_TILES_URL": url})
    told = str(failed.value)
    assert told.startswith(f"tiles_url (set in environment (AUDITLEDGER_TILES_URL)): {said}")
    assert "hidden" not in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("url", "kept"),
    [("s3://bucket/a/b/", "s3://bucket/a/b"), ("file:///srv/a%20b", "file:///srv/a%20b")],
)
def test_a_place_of_published_files_is_shown_as_it_was_given(url: str, kept: str) -> None:
    assert Settings.load({"AUDITLEDGER_TILES_URL": url}).tiles_url == kept
