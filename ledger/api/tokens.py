"""Bearer tokens: JWT (RFC 7519) checked against a JWKS, or against the development key of the data directory.

Never open by default: without a configured issuer only tokens signed with the development key are taken, and
that key lies in a file that only its owner may read.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, cast

from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import KeySet, OKPKey
from joserfc.util import urlsafe_b64decode

from ledger.errors import SettingsError, Unauthenticated, Unavailable
from ledger.settings import ALGORITHMS, Settings

DEVELOPMENT_ISSUER = "auditledger-development"
DEVELOPMENT_KEY = "development-key.json"
DEVELOPMENT_ALGORITHM: Literal["Ed25519"] = "Ed25519"
LEEWAY = 30
"""Seconds by which clocks of issuer and service may differ."""
KEPT_AT_MOST = 300
"""Seconds for which a checked token is believed without another look at the keys."""
KEPT_TOKENS = 10_000
JWKS_FRESH = 600
"""Seconds after which keys from a URL are fetched again; a key id never seen fetches them at once …"""
JWKS_AT_MOST_EVERY = 30
"""… but not more often than this, so that made-up key ids are no way to flood the issuer."""
JWKS_LARGEST = 1 << 20
TOKEN_LARGEST = 16_384
_ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked token says: who signed in where, for which organisation, until when (seconds, Unix)."""

    issuer: str
    subject: str
    organisation: str
    kind: str
    """How the sign-in was made: the issuer's ``acr`` or ``amr``, else ``token``."""
    name: str
    expires: int


class Keys:
    """The public keys that may sign: from a file, or from a URL with a cache."""

    def __init__(self, source: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._lock = Lock()
        self._keys: KeySet | None = None
        self._read_at = 0.0

    def get(self, key_id: str | None) -> KeySet:
        """The keys, read anew where they are old or do not hold ``key_id``.

        Raises Unavailable where they were never read and cannot be, SettingsError where they are no JWKS.
        """
        with self._lock:
            age = self._clock() - self._read_at
            known = self._keys
            if known is not None and age < JWKS_FRESH:
                has = key_id is None or any(key.kid == key_id for key in known.keys)
                if has or age < JWKS_AT_MOST_EVERY:
                    return known
            try:
                self._keys = _key_set(self._read(), str(self._source))
            except Unavailable:
                # An issuer that is away for a moment must not sign everyone out.
                if known is None:
                    raise
            self._read_at = self._clock()
            assert self._keys is not None
            return self._keys

    def _read(self) -> bytes:
        try:
            if isinstance(self._source, Path):
                return self._source.read_bytes()
            with urllib.request.urlopen(self._source, timeout=10) as answer:  # noqa: S310 (https, by _source)
                return cast(bytes, answer.read(JWKS_LARGEST))
        except OSError as error:
            raise Unavailable(f"token_jwks: cannot read {self._source}: {error}") from error


def _key_set(text: bytes, where: str) -> KeySet:
    try:
        found = json.loads(text)
        listed = found.get("keys", [found])
        # A symmetric key in a published set would let anyone who reads the set sign.
        return KeySet.import_key_set({"keys": [key for key in listed if key.get("kty") in _ASYMMETRIC]})
    except (ValueError, TypeError, KeyError, AttributeError, JoseError) as error:
        raise SettingsError(f"token_jwks: expected a JWKS in {where}: {type(error).__name__}") from error


class Tokens:
    """Checks tokens; what was checked is kept until it expires, at most ``KEPT_AT_MOST`` seconds."""

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        organisation_claim: str,
        algorithms: tuple[str, ...],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._organisation = organisation_claim
        self._algorithms = algorithms
        self._now = now
        self._rules = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        self._kept: OrderedDict[str, tuple[float, Claims]] = OrderedDict()
        self._lock = Lock()

    def kept(self, token: str) -> Claims | None:
        """The claims of a token that was checked a moment ago, without any work; None: check it."""
        found = self._kept.get(token)
        return found[1] if found is not None and self._now() < found[0] else None

    def check(self, token: str) -> Claims:
        """Issuer, audience, times, algorithm and signature. Raises Unauthenticated saying which is wrong."""
        if (kept := self.kept(token)) is not None:
            return kept
        if len(token) > TOKEN_LARGEST:
            raise Unauthenticated(f"token: expected at most {TOKEN_LARGEST} characters, got {len(token)}")
        try:
            decoded = jwt.decode(token, self._keys.get(_key_id(token)), algorithms=list(self._algorithms))
            self._rules.validate(decoded.claims)
        except BadSignatureError:
            raise Unauthenticated("token: the signature is not by a key of the issuer") from None
        except ExpiredTokenError:
            raise Unauthenticated("token: it has expired; sign in again") from None
        except MissingClaimError as error:
            raise Unauthenticated(f"token: claim {error.claim} is missing") from None
        except InvalidClaimError as error:
            raise Unauthenticated(f"token: claim {error.claim} is not what this service takes") from None
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Unauthenticated(f"token: not one that this service takes ({type(error).__name__})") from None
        claims = self._claims(decoded.claims)
        with self._lock:
            self._kept[token] = (min(claims.expires + LEEWAY, self._now() + KEPT_AT_MOST), claims)
            while len(self._kept) > KEPT_TOKENS:
                self._kept.popitem(last=False)
        return claims

    def _claims(self, claims: Mapping[str, Any]) -> Claims:
        organisation = claims.get(self._organisation)
        if not isinstance(organisation, str) or not organisation:
            raise Unauthenticated(f"token: claim {self._organisation} must name the organisation's id")
        for name, value in (("sub", claims["sub"]), (self._organisation, organisation)):
            if not value or not value.isprintable():
                raise Unauthenticated(f"token: claim {name} must be printable text")
        kind = claims.get("acr") or claims.get("amr") or "token"
        return Claims(
            self._issuer,
            claims["sub"],
            organisation,
            " ".join(map(str, kind)) if isinstance(kind, list) else str(kind),
            str(claims.get("name") or claims["sub"]),
            int(claims["exp"]),
        )


def _key_id(token: str) -> str | None:
    try:
        header = jwt_header(token)
    except ValueError:
        return None
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None


def jwt_header(token: str) -> dict[str, Any]:
    """The unchecked header of a token. Raises ValueError where there is none."""
    found = json.loads(urlsafe_b64decode(token.partition(".")[0].encode("ascii")))
    if not isinstance(found, dict):
        raise ValueError("no header")
    return found


def tokens(settings: Settings) -> Tokens:
    """The check that the settings ask for: an issuer's keys, or the development key (which is made)."""
    if settings.token_issuer is None:
        development_key(settings.data_dir)
        return Tokens(
            Keys(settings.data_dir / DEVELOPMENT_KEY),
            issuer=DEVELOPMENT_ISSUER,
            audience=settings.token_audience,
            organisation_claim=settings.token_organisation_claim,
            algorithms=(DEVELOPMENT_ALGORITHM,),
        )
    assert settings.token_jwks is not None
    return Tokens(
        Keys(_source(settings.token_jwks)),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        organisation_claim=settings.token_organisation_claim,
        algorithms=settings.token_algorithms,
    )


def _source(where: str) -> str | Path:
    url = urllib.parse.urlsplit(where)
    if url.scheme == "https" or (url.scheme == "http" and url.hostname in ("localhost", "127.0.0.1", "::1")):
        return where
    if url.scheme in ("", "file"):
        return Path(url.path)
    raise SettingsError(f"token_jwks: expected an https URL or a path, got {where[:80]!r}")


def development_key(data_dir: Path) -> OKPKey:
    """The key that signs development tokens; made with mode 0600 where there is none.

    Raises SettingsError where others may read it, or it is no such key.
    """
    path = data_dir / DEVELOPMENT_KEY
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = OKPKey.generate_key(DEVELOPMENT_ALGORITHM, {"kid": secrets.token_hex(8), "use": "sig"})
        # A crash before the link leaves an unused temporary file; of two that race, one key stays.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(made.as_dict(private=True), file)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise SettingsError(f"{path}: expected mode 0600, got {mode:04o}; run chmod 600 on it")
    try:
        return OKPKey.import_key(json.loads(path.read_text("utf-8")))
    except (ValueError, JoseError) as error:
        raise SettingsError(f"{path}: expected an Ed25519 key as JWK: {type(error).__name__}") from error


def issue(
    settings: Settings, *, person: str, organisation: str, lifetime: int, now: Callable[[], float] = time.time
) -> str:
    """A development token for ``lifetime`` seconds. Raises SettingsError where an issuer is configured."""
    if settings.token_issuer is not None:
        raise SettingsError(
            f"token_issuer (set in {settings.sources.get('token_issuer', 'default')}): tokens come from "
            f"{settings.token_issuer}; development tokens are for services without an issuer"
        )
    key = development_key(settings.data_dir)
    moment = int(now())
    claims = {
        "iss": DEVELOPMENT_ISSUER,
        "aud": settings.token_audience,
        "sub": person,
        settings.token_organisation_claim: organisation,
        "iat": moment,
        "nbf": moment,
        "exp": moment + lifetime,
    }
    header = {"alg": DEVELOPMENT_ALGORITHM, "kid": key.kid}
    return jwt.encode(header, claims, key, algorithms=[DEVELOPMENT_ALGORITHM])


__all__ = ["ALGORITHMS", "Claims", "Keys", "Tokens", "development_key", "issue", "tokens"]
