"""Exact search on sealed identifiers: what is found, by whom, what is recorded, and what is never there."""

from __future__ import annotations

from typing import Any

from ledger.application.searching import Found, search
from tests.application.conftest import House
from tests.application.test_destroying import destroy
from tests.support import check_ledger


def received(house: House, name: str, **more: Any) -> tuple[str, int]:
    """A case of a requester of that name, and the index of its entry."""
    outcome = house.run(
        "request.RequestReceived",
        {"scheme": "vps", "form": "informal", "requester_name": name, "purpose": "Jane Citizen", **more},
    )
    return outcome.stream, outcome.receipts[0].index


def look(house: House, value: str, **more: Any) -> Found:
    """A search by the officer."""
    more = {"principal": house.officer, "reason": "an inquiry", **more}
    return search(house.installation, "dffh", value, **more)


def found(house: House, value: str, **more: Any) -> list[int]:
    """The indexes that a search finds."""
    return [each.row.index for each in look(house, value, **more).entries]


def test_an_identifier_is_found_in_every_entry_that_holds_it_and_not_once_destroyed(house: House) -> None:
    case, index = received(house, "Zoë  O'Brien")
    _, other = received(house, "zoë o'brien ", own_reference="REF/1")
    received(house, "Zoe O'Brien")
    answer = look(house, "ZOË\tO’Brien".replace("’", "'"))
    assert [(each.row.index, each.paths) for each in answer.entries] == [
        (index, ("requester_name",)),
        (other, ("requester_name",)),
    ]
    assert found(house, "ref/1") == [other]
    assert found(house, "Jane Citizen") == []
    destroy(house, case)
    assert found(house, "Zoë O'Brien") == [other]
    check_ledger(house.installation.database, house.ledger)
