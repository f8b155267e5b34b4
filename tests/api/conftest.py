"""The HTTP application over a real database, with people of several organisations and their tokens."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OKPKey

from ledger.api.tokens import DEVELOPMENT_ALGORITHM, DEVELOPMENT_ISSUER, development_key
from ledger.application import Installation, Principal
from ledger.service import application
from ledger.settings import Settings
from ledger.store.database import Database

with warnings.catch_warnings():
    # Starlette would rather have another distribution of the same client; the lock has this one.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

AUDIENCE = "auditledger"


@dataclass
class House:
    """Three ledgers (dffh, djcs, ovic) beside ``common``, and who works there."""

    installation: Installation
    settings: Settings
    app: FastAPI
    client: TestClient
    organisations: dict[str, str]
    people: dict[str, Principal]
    key: OKPKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = development_key(self.settings.data_dir)

    def token(self, who: str, *, key: OKPKey | None = None, **claims: Any) -> str:
        """A token of one of the people, or one that is wrong in the claims given (None leaves a claim out)."""
        person = self.people[who]
        now = int(time.time())
        said = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": AUDIENCE,
            "sub": person.person,
            "organisation": person.organisation,
            "exp": now + 600,
            "nbf": now - 10,
            **claims,
        }
        key = key or self.key
        header = {"alg": DEVELOPMENT_ALGORITHM, "kid": key.kid}
        return jwt.encode(
            header, {k: v for k, v in said.items() if v is not None}, key, algorithms=[DEVELOPMENT_ALGORITHM]
        )

    def headers(self, who: str) -> dict[str, str]:
        """The header by which one of the people signs in."""
        return {"Authorization": f"Bearer {self.token(who)}"}

    def get(self, who: str, path: str, **options: Any) -> httpx.Response:
        """A read."""
        options["headers"] = self.headers(who) | options.get("headers", {})
        return self.client.get(path, **options)

    def post(self, who: str, path: str, body: Any, **options: Any) -> httpx.Response:
        """A write, under a fresh Idempotency-Key unless one is given."""
        options["headers"] = (
            self.headers(who) | {"Idempotency-Key": str(uuid.uuid4())} | options.get("headers", {})
        )
        return self.client.post(path, json=body, **options)

    def receive(self, who: str = "officer", slug: str = "dffh", **fields: Any) -> httpx.Response:
        """An informal request of VPS, received."""
        said = {
            "scheme": "vps",
            "form": "informal",
            "requester_name": "Quentin Planted",
            "provider": self.organisations[slug],
            **fields,
        }
        path = f"/ledgers/{slug}/commands/request.RequestReceived"
        return self.post(who, path, {"happened": "2025-06-11", "fields": said})


PEOPLE = {
    "administrator": ("dffh", None),
    "officer": ("dffh", "officer"),
    "privacy_officer": ("dffh", "privacy_officer"),
    "reporter": ("dffh", "reporter"),
    "nobody": ("dffh", None),
    "other_administrator": ("djcs", None),
    "other_officer": ("djcs", "officer"),
    "regulator_administrator": ("ovic", None),
    "regulator": ("ovic", "regulator"),
    "auditor": ("ovic", "auditor"),
}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    """A fresh installation behind HTTP."""
    settings = Settings.load({}, data_dir=tmp_path / "data")
    with Installation(database, settings.data_dir) as installation:
        organisations = {slug: str(uuid.uuid4()) for slug in ("dffh", "djcs", "ovic")}
        people = {
            who: Principal(str(uuid.uuid4()), organisations[slug], "test") for who, (slug, _) in PEOPLE.items()
        }
        administrators = {
            "dffh": "administrator", "djcs": "other_administrator", "ovic": "regulator_administrator"
        }  # fmt: skip
        for slug, who in administrators.items():
            installation.create_ledger(
                slug,
                origin=f"example.vic.gov.au/{slug}",
                organisation=organisations[slug],
                legal_name=f"Organisation {slug.upper()}",
                administrator=people[who],
                administrator_name=f"Ada Planted of {slug}",
            )
        for who, (slug, role) in PEOPLE.items():
            if role is not None:
                grant = {"person": people[who].person, "role": role, "organisation": organisations[slug]}
                if role == "auditor":
                    grant |= {
                        "valid_from": "2025-01-01",
                        "valid_until": "2099-12-31",
                        "ledgers": ["example.vic.gov.au/dffh"],
                    }
                installation.execute(
                    slug,
                    "role.RoleGranted",
                    {"happened": "2025-01-01", "fields": grant},
                    principal=people[administrators[slug]],
                    command_id=str(uuid.uuid4()),
                )
        app = application(installation, settings)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield House(installation, settings, app, client, organisations, people)
