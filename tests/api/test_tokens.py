"""Tokens of an issuer: keys from a file or a URL, rotation, what is kept and for how long."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from ledger.api import tokens
from ledger.api.tokens import JWKS_AT_MOST_EVERY, JWKS_FRESH, KEPT_AT_MOST, LEEWAY, Keys, Tokens
from ledger.errors import SettingsError, Unauthenticated, Unavailable
from ledger.settings import Settings

ISSUER = "https://login.example"
ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}


class Time:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def key(kind: str, name: str) -> Any:
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"kid": name})
    if kind == "EC":
        return ECKey.generate_key("P-256", {"kid": name})
    return OKPKey.generate_key("Ed25519", {"kid": name})


def write_keys(path: Path, *keys: Any) -> None:
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))


def signed(by: Any, **claims: Any) -> str:
    algorithm = ALGORITHMS[by.key_type]
    said = {
        "iss": ISSUER, "aud": "auditledger", "sub": "ann", "organisation": "org", "exp": int(time.time()) + 900
    } | claims  # fmt: skip
    return jwt.encode({"alg": algorithm, "kid": by.kid}, said, by, algorithms=[algorithm])


def checker(keys: Keys, now: Any = time.time) -> Tokens:
    return Tokens(
        keys, issuer=ISSUER, audience="auditledger", organisation_claim="organisation",
        algorithms=tokens.ALGORITHMS, now=now,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["RSA", "EC", "OKP"])
def test_a_token_of_each_kind_of_key_is_taken(tmp_path: Path, kind: str) -> None:
    one, other = key(kind, "a"), key(kind, "b")
    write_keys(tmp_path / "jwks.json", one, other)
    found = checker(Keys(tmp_path / "jwks.json")).check(signed(other, amr=["pwd", "otp"], name="Ann"))
    assert (found.subject, found.organisation, found.kind, found.name) == ("ann", "org", "pwd otp", "Ann")


def test_a_symmetric_key_in_the_published_set_signs_nothing(tmp_path: Path) -> None:
    shared = OctKey.generate_key(256, {"kid": "s"})
    path = tmp_path / "jwks.json"
    good = key("EC", "a")
    path.write_text(json.dumps({"keys": [shared.as_dict(private=True), good.as_dict(private=False)]}))
    forged = jwt.encode(
        {"alg": "HS256", "kid": "s"},
        {"iss": ISSUER, "aud": "auditledger", "sub": "x", "organisation": "o", "exp": time.time() + 99},
        shared,
        algorithms=["HS256"],
    )
    with pytest.raises(Unauthenticated):
        checker(Keys(path)).check(forged)
    assert checker(Keys(path)).check(signed(good)).subject == "ann"


@pytest.mark.parametrize("field", ["sub", "organisation"])
@pytest.mark.parametrize("value", ["", "a\u0000b", "line\nbreak", 7, None, ["x"]])
def test_an_odd_subject_or_organisation_is_refused(tmp_path: Path, field: str, value: object) -> None:
    one = key("EC", "a")
    write_keys(tmp_path / "jwks.json", one)
    with pytest.raises(Unauthenticated):
        checker(Keys(tmp_path / "jwks.json")).check(signed(one, **{field: value}))


def test_a_kept_token_ends_with_its_time_and_is_looked_at_again(tmp_path: Path) -> None:
    moment = Time()
    one = key("OKP", "a")
    path = tmp_path / "jwks.json"
    write_keys(path, one)
    check = checker(Keys(path), moment)
    short = signed(one, exp=int(moment.now) + 60)
    check.check(short)
    assert check.kept(short) is not None
    moment.now += 60 + LEEWAY + 1
    assert check.kept(short) is None
    with pytest.raises(Unauthenticated, match="expired"):
        check.check(short)
    long = signed(one, exp=int(moment.now) + 36_000)
    check.check(long)
    moment.now += KEPT_AT_MOST + 1
    assert check.kept(long) is None
    assert check.check(long).subject == "ann"


class Issuer:
    """A server of keys that can be changed and taken away."""

    def __init__(self) -> None:
        issuer = self
        self.body, self.status, self.asked = b"{}", 200, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(issuer.status)
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: it would go to stderr."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def keys(self, *keys: Any) -> None:
        self.body = json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    running = Issuer()
    yield running
    running.server.shutdown()
    running.thread.join()
    running.server.server_close()


def test_keys_of_a_url_are_kept_fetched_for_a_new_key_and_outlive_the_issuer(issuer: Issuer) -> None:
    moment = Time()
    old, new = key("EC", "old"), key("EC", "new")
    issuer.keys(old)
    keys = Keys(issuer.url, moment)
    check = checker(keys)
    check.check(signed(old))
    check.check(signed(old, sub="bob"))
    assert issuer.asked == 1
    issuer.keys(old, new)
    with pytest.raises(Unauthenticated):
        check.check(signed(new))
    assert issuer.asked == 1
    moment.now += JWKS_AT_MOST_EVERY + 1
    assert check.check(signed(new)).subject == "ann"
    assert issuer.asked == 2
    issuer.status = 500
    moment.now += JWKS_FRESH + 1
    assert check.check(signed(new, sub="eve")).subject == "eve"
    assert issuer.asked == 3


def test_an_issuer_that_was_never_reached_is_said_to_be_away(issuer: Issuer) -> None:
    issuer.status = 503
    with pytest.raises(Unavailable, match="token_jwks: cannot read"):
        checker(Keys(issuer.url)).check(signed(key("EC", "a")))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 1}', '{"keys": [1]}', '{"keys": [{"kty": "EC"}]}'])
def test_a_set_that_is_none_is_a_wrong_setting(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(text)
    with pytest.raises((SettingsError, Unauthenticated)):
        checker(Keys(path)).check(signed(key("EC", "a")))


def test_keys_come_over_https_or_from_a_file(tmp_path: Path) -> None:
    def settings(where: str) -> Settings:
        return Settings.load({}, data_dir=tmp_path, token_issuer=ISSUER, token_jwks=where)

    with pytest.raises(SettingsError, match="token_jwks: expected an https URL"):
        tokens.tokens(settings("http://login.example/jwks"))
    assert tokens.tokens(settings("https://login.example/jwks"))
    assert tokens.tokens(settings(str(tmp_path / "jwks.json")))


def test_the_development_key_is_private_and_made_once(tmp_path: Path) -> None:
    first = tokens.development_key(tmp_path)
    path = tmp_path / tokens.DEVELOPMENT_KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tokens.development_key(tmp_path).as_dict(private=True) == first.as_dict(private=True)
    assert [each.name for each in tmp_path.iterdir()] == [tokens.DEVELOPMENT_KEY]
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="0600"):
        tokens.development_key(tmp_path)


def test_a_development_token_is_refused_where_an_issuer_is_set(tmp_path: Path) -> None:
    alone = Settings.load({}, data_dir=tmp_path)
    token = tokens.issue(alone, person="p", organisation="o", lifetime=60)
    assert tokens.tokens(alone).check(token).subject == "p"
    path = tmp_path / "jwks.json"
    write_keys(path, key("EC", "a"))
    configured = Settings.load({}, data_dir=tmp_path, token_issuer=ISSUER, token_jwks=str(path))
    with pytest.raises(Unauthenticated):
        tokens.tokens(configured).check(token)
    with pytest.raises(SettingsError, match="token_issuer"):
        tokens.issue(configured, person="p", organisation="o", lifetime=60)
