"""Destroying sealed values through the command path: what is gone, what stays, who must agree, what is held."""

from __future__ import annotations

import uuid
from typing import Any

from ledger.vault.opening import Destroyed, Opened, Word
from tests.application.conftest import House
from tests.support import check_ledger

REQUEST = {
    "scheme": "vps", "form": "informal", "requester": None, "requester_name": "Petra Planted",
    "information_sought": "housing of Petra Planted", "purpose": "a home",
}  # fmt: skip
GROUND = {"ground": "no_longer_needed", "authority": "instrument of 2025"}


def received(house: House, **fields: Any) -> str:
    """A request that was received, with words about a person in it."""
    return house.run("request.RequestReceived", {k: v for k, v in (REQUEST | fields).items() if v}).stream


def propose(house: House, case: str, **fields: Any) -> str:
    """Proposes to destroy a case, or a subject of it; gives the id."""
    destruction = str(uuid.uuid4())
    said = {"destruction": destruction, "scope": "case", "case": case, **GROUND, **fields}
    house.run("destruction.DestructionProposed", said, principal=house.privacy_officer, happened=house.today)
    return destruction


def act(house: House, word: str, principal: Any, **fields: Any) -> Any:
    """Records a fact of the stream ``destruction``, today."""
    return house.run(f"destruction.{word}", fields, principal=principal, happened=house.today)


def destroy(house: House, case: str, **fields: Any) -> str:
    """Proposes and authorises."""
    destruction = propose(house, case, **fields)
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    return destruction


def opened(house: House, index: int) -> dict[str, Any]:
    """All sealed fields of an entry, opened."""
    return house.installation.open_sealed(
        "dffh", [(index, None)], reason="test", principal=house.privacy_officer
    )[0]


def rows(house: House, case: str) -> list[Any]:
    """The entries of a case."""
    return house.installation.feed.stream(house.ledger.id, case)


def test_a_destroyed_case_is_gone_and_its_entries_stay(house: House) -> None:
    case, other = received(house), received(house)
    (entry,), (untouched,) = rows(house, case), rows(house, other)
    assert all(isinstance(each, Opened) for each in opened(house, entry.index).values())
    destruction = destroy(house, case)
    gone = opened(house, entry.index)
    assert gone
    for each in gone.values():
        assert isinstance(each, Destroyed)
        assert each.under == "no longer needed (PDPA IPP 4.2)"
    assert {each.word for each in opened(house, untouched.index).values()} == {Word.OPENED}
    assert rows(house, case) == [entry]
    standing = house.installation.streams.destruction(house.ledger)
    receipt = standing.destructions[destruction].completed
    assert receipt is not None
    assert (receipt.keys, receipt.fields, receipt.files) == (2, len(gone), 0)
    with house.installation.database.connect_admin() as connection:
        left = connection.execute("SELECT count(*) FROM vault.keys WHERE stream = %s", (case,)).fetchone()
        sealed = connection.execute(
            "SELECT count(*) FROM vault.sealed WHERE index = %s", (entry.index,)
        ).fetchone()
    assert (left, sealed) == ((0,), (0,))
    check_ledger(house.installation.database, house.ledger)
