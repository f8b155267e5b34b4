"""Holds through the command path: what they cover is not destroyed, and they name what there is."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from ledger.application.destroying import subjects_of
from ledger.errors import Conflict, InvalidInput, LawRefused, NotFound
from ledger.vault.opening import Destroyed
from tests.application.conftest import House
from tests.application.test_destroying import act, opened, propose, received, rows
from tests.application.test_lost_keys import lacking
from tests.support import check_ledger


@pytest.mark.parametrize(
    "hold",
    [
        {},
        {"case": "CASE"},
        {"keys": "KEYS"},
        {"area": "request"},
        {"event": "ledger.request.v1.RequestReceived"},
        {"organisation": "OWN"},
        {"opened_from": "2025-06-01", "opened_to": "2025-06-30"},
        {"area": "request", "opened_from": "2025-06-11"},
    ],
    ids=lambda hold: "-".join(hold) or "all",
)
def test_a_hold_stops_proposal_and_destruction_and_its_release_lets_go(
    house: House, hold: dict[str, Any]
) -> None:
    case = received(house)
    destruction = propose(house, case)
    keys = house.installation.vault_keys.keys_of(house.ledger.id, case)
    values = {"CASE": case, "OWN": house.organisation, "KEYS": [k.id for k in keys if k.subject == "case"]}
    stated = {name: values.get(value, value) for name, value in hold.items()}
    act(house, "HoldPlaced", house.privacy_officer, hold="inquiry-1", reason="an inquiry", **stated)
    with pytest.raises(LawRefused, match="held: inquiry-1"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    with pytest.raises(LawRefused, match="held: inquiry-1"):
        propose(house, case)
    assert opened(house, rows(house, case)[0].index)["purpose"].value == "a home"
    act(house, "HoldReleased", house.privacy_officer, hold="inquiry-1")
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    assert isinstance(opened(house, rows(house, case)[0].index)["purpose"], Destroyed)
    check_ledger(house.installation.database, house.ledger)


def test_a_hold_that_is_a_query_covers_cases_that_come_later(house: House) -> None:
    act(house, "HoldPlaced", house.privacy_officer, hold="royal-1", reason="a commission", area="request")
    case = received(house)
    with pytest.raises(LawRefused, match="held: royal-1"):
        propose(house, case)
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize(
    ("hold", "said"),
    [
        ({"area": "nonsense"}, "area: expected one of"),
        ({"event": "ledger.nonsense.v1.Said"}, "event: expected the full name"),
        ({"case": "Two Words"}, "case: expected a code"),
        ({"hold": "Two Words"}, "hold: expected a code"),
        ({"keys": ["deadbeef"]}, "keys: expected ids of keys under which something is sealed, got 'deadbeef'"),
        ({"keys": ["KEY", "PART"]}, "keys: expected ids of keys"),
        ({"organisation": "not-an-org"}, "organisation: expected the id of an organisation that is registered"),
    ],
)
def test_a_hold_names_what_there_is(house: House, hold: dict[str, Any], said: str) -> None:
    (key,) = subjects_of(rows(house, received(house)))
    # The start of a key's id is not its id.
    values = {"KEY": key, "PART": key[:8]}
    stated = {**hold, **({"keys": [values.get(each, each) for each in hold["keys"]]} if "keys" in hold else {})}
    with pytest.raises(InvalidInput, match=said):
        act(house, "HoldPlaced", house.privacy_officer, **{"hold": "h-1", "reason": "inquiry", **stated})
    assert house.installation.streams.destruction(house.ledger).holds == {}


def test_a_hold_names_keys_that_the_vault_lost_and_organisations_that_are_known(house: House) -> None:
    case = received(house)
    (key,) = subjects_of(rows(house, case))
    stranger, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    body = {"legal_name": "Invented Body", "kind": "department"}
    other = house.run(
        "organisation.OrganisationRegistered", body, principal=house.administrator, ledger="common",
        happened="2025-01-01",
    ).stream  # fmt: skip
    # Of an organisation that nobody registered: its id stands in an entry.
    named = {"person": str(uuid.uuid4()), "role": "officer", "organisation": stranger}
    house.run("role.RoleGranted", named, principal=house.administrator)
    with lacking(house, "id = %s", key):
        for number, stated in enumerate(({"keys": [key]}, {"organisation": other}, {"organisation": stranger})):
            act(house, "HoldPlaced", house.privacy_officer, hold=f"h-{number}", reason="inquiry", **stated)
        with pytest.raises(InvalidInput, match="got '" + unknown):
            act(house, "HoldPlaced", house.privacy_officer, hold="h-9", reason="x", organisation=unknown)
    with pytest.raises(LawRefused, match="held: h-0"):
        propose(house, case)
    check_ledger(house.installation.database, house.ledger)


def test_a_hold_on_a_case_that_is_not_there_is_refused_and_one_on_what_is_to_come_is_not(house: House) -> None:
    nobody = str(uuid.uuid4())
    with pytest.raises(NotFound, match=f"case {nobody}: nothing is recorded in it"):
        act(house, "HoldPlaced", house.privacy_officer, hold="h-1", reason="inquiry", case=nobody)
    assert house.installation.streams.destruction(house.ledger).holds == {}
    case = received(house)
    act(house, "HoldPlaced", house.privacy_officer, hold="h-1", reason="inquiry", case=case)
    act(house, "HoldPlaced", house.privacy_officer, hold="h-2", reason="inquiry", area="complaint")
    assert [*house.installation.streams.destruction(house.ledger).holds] == ["h-1", "h-2"]
    check_ledger(house.installation.database, house.ledger)


def test_a_hold_and_a_destruction_never_pass_each_other(house: House) -> None:
    """Judged at one moment, one of the two is judged again: both stand in one stream."""
    case = received(house)
    destruction = propose(house, case)
    version = rows(house, "destruction")[-1].version
    act(house, "HoldPlaced", house.privacy_officer, hold="h-1", reason="inquiry")
    with pytest.raises(Conflict, match=f"expected version {version}"):
        house.run(
            "destruction.DestructionAuthorised", {"destruction": destruction},
            principal=house.privacy_officer, happened=house.today, expected_version=version,
        )  # fmt: skip
