"""A case of a function that moved goes on in the successor's ledger, by the whole way of a command (1-law)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from ledger.errors import LawRefused
from tests.application.conftest import House, people
from tests.support import check_ledger

NAMES = {"next": "Department of Next", "third": "Department of Third"}
FIELDS = {"scheme": "other", "made_under_law": "FOI Act 1982"}


def founded(house: House, slug: str) -> dict[str, Any]:
    """Another body's ledger: its organisation, and how its officer records there."""
    organisation = str(uuid.uuid4())
    administrator, officer, _ = people(organisation)
    house.installation.create_ledger(
        slug, origin=f"example.vic.gov.au/{slug}", organisation=organisation, legal_name=NAMES[slug],
        administrator=administrator,
    )  # fmt: skip
    grant = {"person": officer.person, "role": "officer", "organisation": organisation}
    house.run("role.RoleGranted", grant, happened="2025-01-01", ledger=slug, principal=administrator)
    return {"organisation": organisation, "ledger": slug, "principal": officer}


def succeeded(house: House, successor: str) -> None:
    """Functions of the house's department passed to that body on 16 June."""
    keeper: dict[str, Any] = {"ledger": "common", "principal": house.administrator, "happened": "2025-06-16"}
    how = {"all_functions": True, "instrument": "Order in Council"}
    house.run(
        "organisation.OrganisationSucceeded", {"successor": successor, **how}, case=house.organisation, **keeper
    )
    taken = {"predecessor": house.organisation, **how}
    house.run("organisation.FunctionsTakenOver", taken, case=successor, **keeper)


def ref(house: House, slug: str, stream: str) -> dict[str, Any]:
    """A case as another ledger names it."""
    ledger = house.installation.ledgers.get(slug)
    return {"ledger": ledger.origin, "stream": stream, "size": house.installation.feed.head(ledger.id).size}


def test_a_case_goes_on_with_the_successor_and_with_one_alone(house: House) -> None:
    first, second = founded(house, "next"), founded(house, "third")
    received = house.run("request.RequestReceived", FIELDS).stream
    fields = {**FIELDS, "taken_over": ref(house, "dffh", received)}
    there = {key: first[key] for key in ("ledger", "principal")}
    with pytest.raises(LawRefused, match=f"no functions of {house.organisation} are recorded as taken over"):
        house.run("request.RequestReceived", fields, **there)
    for body in (first, second):
        succeeded(house, body["organisation"])
    goes_on = house.run("request.RequestReceived", fields, **there).stream
    house.run("request.RequestAcknowledged", {}, case=goes_on, happened="2025-06-17", **there)
    moved = {"reason": "goes on with the successor", "into": ref(house, "next", goes_on)}
    house.run("case.MergedInto", moved, case=received, happened="2025-06-16")
    with pytest.raises(LawRefused, match="go on from no longer stands: merged into"):
        house.run("request.RequestReceived", fields, ledger="third", principal=second["principal"])
    for slug in ("dffh", "next", "third", "common"):
        check_ledger(house.installation.database, house.installation.ledgers.get(slug))
