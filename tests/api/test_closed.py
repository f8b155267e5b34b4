"""Every route refuses who may not use it: the table of routes is walked, so that a new one is tested too."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey

from ledger.api.app import PUBLIC
from tests.api.conftest import House

VALUES = {
    "slug": "dffh",
    "command": "request.RequestReceived",
    "stream": "00000000-0000-4000-8000-000000000000",
    "index": "0",
    "fingerprint": "0000000000000000",
    "path": "0/000",
}


def routes(house: House) -> Iterator[tuple[str, str]]:
    """(method, path) of every route that is not open to anyone, with values for what its path names."""
    for route in house.app.routes:
        path: str = route.path  # type: ignore[attr-defined]
        for method in route.methods - {"HEAD", "OPTIONS"}:  # type: ignore[attr-defined]
            if path not in PUBLIC:
                yield method, path


def ask(house: House, method: str, path: str, token: str | None) -> httpx.Response:
    """A request that would be whole but for who asks."""
    values = dict(VALUES)
    if path.startswith(("/ledgers/{slug}/receipts", "/commands/{")):
        values["command"] = str(uuid.uuid4()) if "receipts" in path else VALUES["command"]
    filled = path.replace(":path}", "}").format_map(_Any(values))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    options: dict[str, Any] = {}
    if path.endswith("/diff"):
        options["params"] = {"as_at": "dffh=1"}
    if method == "POST":
        headers |= {"Idempotency-Key": str(uuid.uuid4()), "Attachment-Title": "A%20title"}
        options["json"] = _body(house, path)
    return house.client.request(method, filled, headers=headers, **options)


class _Any(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "requests"


def _body(house: House, path: str) -> dict[str, Any]:
    if path.endswith("/openings"):
        return {"wanted": [{"index": 0}], "reason": "a test"}
    if path.endswith("/openings/file"):
        return {"index": 0, "reason": "a test"}
    if path.endswith("/search"):
        return {"value": "Jo Bloggs", "reason": "a test"}
    if path.endswith("/reports"):
        return {"report": "data-sharing-annual", "period": "2024-25", "to": "minister: a test"}
    fields = {"scheme": "vps", "form": "informal", "provider": house.organisations["dffh"]}
    return {"happened": "2025-06-11", "fields": fields}


def wrong_tokens(house: House) -> dict[str, str | None]:
    """A token of each kind that must never be taken."""
    now = int(time.time())
    stranger = OKPKey.generate_key("Ed25519", {"kid": house.key.kid})
    good = house.token("officer")
    header, payload, signature = good.split(".")
    return {
        "none": None,
        "not a token": "abc",
        "signed by another key": house.token("officer", key=stranger),
        "signature cut off": f"{header}.{payload}.",
        "signature of another": f"{header}.{payload}.{house.token('other_officer').split('.')[2]}",
        "algorithm none": f"eyJhbGciOiJub25lIn0.{payload}.",
        "algorithm HS256 by the public key": f"eyJhbGciOiJIUzI1NiJ9.{payload}.{signature}",
        "expired": house.token("officer", exp=now - 3600),
        "not yet": house.token("officer", nbf=now + 3600),
        "without an end": house.token("officer", exp=None),
        "of another audience": house.token("officer", aud="another"),
        "of no audience": house.token("officer", aud=None),
        "of another issuer": house.token("officer", iss="https://elsewhere.example"),
        "without a subject": house.token("officer", sub=None),
        "without an organisation": house.token("officer", organisation=None),
        "with an odd organisation": house.token("officer", organisation=["dffh"]),
    }


def test_every_route_refuses_every_wrong_token(house: House) -> None:
    tokens = wrong_tokens(house)
    walked = list(routes(house))
    assert len(walked) >= 15
    for method, path in walked:
        for what, token in tokens.items():
            answer = ask(house, method, path, token)
            assert answer.status_code == 401, (method, path, what, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"


def test_every_route_refuses_a_person_without_a_grant(house: House) -> None:
    for method, path in routes(house):
        answer = ask(house, method, path, house.token("nobody"))
        assert answer.status_code == 403, (method, path, answer.text)


def test_every_route_refuses_a_granted_person_in_another_organisations_name(house: House) -> None:
    """The grant is for one organisation; a token that names another counts for nothing."""
    token = house.token("officer", organisation=str(uuid.uuid4()))
    for method, path in routes(house):
        answer = ask(house, method, path, token)
        assert answer.status_code == 403, (method, path, answer.text)


def test_every_route_of_a_ledger_refuses_an_officer_of_another_organisation(house: House) -> None:
    walked = [(method, path) for method, path in routes(house) if "{slug}" in path]
    assert len(walked) >= 9
    for method, path in walked:
        answer = ask(house, method, path, house.token("other_officer"))
        assert answer.status_code == 403, (method, path, answer.text)


def test_a_role_that_has_ended_counts_no_more(house: House) -> None:
    officer = house.people["officer"]
    fields = {"person": officer.person, "role": "officer", "organisation": officer.organisation}
    path = "/ledgers/dffh/commands/role.RoleEnded"
    assert house.get("officer", "/ledgers/dffh").status_code == 200
    ended = house.post("administrator", path, {"happened": "2025-03-01", "fields": fields})
    assert ended.status_code == 201, ended.text
    for method, path in routes(house):
        assert ask(house, method, path, house.token("officer")).status_code == 403, (method, path)


def test_health_alone_is_open(house: House) -> None:
    answer = house.client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert frozenset({"/health"}) == PUBLIC


def test_a_path_that_is_no_route_says_nothing_to_strangers(house: House) -> None:
    assert house.client.get("/nothing").status_code == 401
    assert house.get("officer", "/nothing").status_code == 404
    assert house.get("officer", "/docs").status_code == 404


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("administrator", "/ledgers/dffh", 200),
        ("administrator", "/ledgers/dffh/cases/roles", 200),
        ("administrator", "/ledgers/dffh/entries", 403),
        ("reporter", "/ledgers/dffh/entries", 403),
        ("officer", "/ledgers/dffh/entries", 200),
        ("officer", "/ledgers/djcs/entries", 403),
        ("officer", "/ledgers/common/entries", 200),
        ("reporter", "/ledgers/common/entries", 200),
        ("regulator", "/ledgers/dffh/entries", 200),
        ("regulator", "/ledgers/djcs/entries", 200),
        ("auditor", "/ledgers/dffh/entries", 200),
        ("auditor", "/ledgers/djcs/entries", 403),
        ("auditor", "/ledgers/ovic/entries", 403),
        ("auditor", "/ledgers/common/entries", 200),
    ],
)
def test_who_reads_which_ledger(house: House, who: str, path: str, status: int) -> None:
    """1-law 'Who acts': own ledger; the regulator everyone's; an auditor what its grant names; all `common`."""
    answer = house.get(who, path)
    assert answer.status_code == status, answer.text


def test_a_list_of_ledgers_names_what_one_may_read(house: House) -> None:
    def slugs(who: str) -> set[str]:
        return {each["slug"] for each in house.get(who, "/ledgers").json()["ledgers"]}

    assert slugs("officer") == {"common", "dffh"}
    assert slugs("other_officer") == {"common", "djcs"}
    assert slugs("regulator") == {"common", "dffh", "djcs", "ovic"}
    assert "djcs" not in slugs("auditor")


@pytest.mark.parametrize(("slug", "status"), [("dffh", 200), ("ovic", 403), ("common", 403), ("djcs", 403)])
def test_an_auditor_opens_sealed_fields_of_the_ledgers_that_the_grant_names_only(
    house: House, slug: str, status: int
) -> None:
    """1-law 'Who acts': not of the regulator's own, in which the grant stands, nor of `common`."""
    answer = house.post("auditor", f"/ledgers/{slug}/openings", {"wanted": [{"index": 2}], "reason": "audit"})
    assert answer.status_code == status, answer.text
