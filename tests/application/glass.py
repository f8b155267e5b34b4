"""Emergency access in tests: taken, used and listed through the application."""

from __future__ import annotations

import uuid
from typing import Any

from ledger.application import Principal
from ledger.application.emergency import listed
from tests.application.conftest import House
from tests.application.test_destroying import received

REASON = "Petra Planted is missing and her address is needed tonight"


def reporter(house: House) -> Principal:
    """Another person of the department who may not open sealed fields."""
    who = Principal(str(uuid.uuid4()), house.organisation, "test")
    fields = {"person": who.person, "role": "reporter", "organisation": house.organisation}
    house.run("role.RoleGranted", fields, happened="2025-01-01", principal=house.administrator)
    return who


def case_with_words(house: House) -> tuple[str, int]:
    """A case with sealed words, and the index of its entry."""
    case = received(house)
    return case, house.installation.feed.stream(house.ledger.id, case)[0].index


def take(house: House, *cases: str, who: Principal | None = None, **fields: Any) -> int:
    """Takes emergency access, as the administrator unless said; gives the index of its entry."""
    said = {"reason": REASON, "cases": list(cases), **fields}
    outcome = house.run(
        "vault.EmergencyAccessTaken", said, principal=who or house.administrator, happened=house.today
    )
    return outcome.receipts[0].index


def act(house: House, event: str, access: int, who: Principal, **fields: Any) -> int:
    """Records what becomes of an emergency access; gives the index."""
    outcome = house.run(f"vault.{event}", {"access": access, **fields}, principal=who, happened=house.today)
    return outcome.receipts[0].index


def review(house: House, access: int, *, justified: bool = True) -> int:
    """Reviews it, as the privacy officer."""
    words = {"justified": justified, "words": "he asked for what he needed"}
    return act(house, "EmergencyAccessReviewed", access, house.privacy_officer, **words)


def looked(house: House, who: Principal) -> list[dict[str, Any]]:
    """The list of emergency accesses, as that person sees it."""
    return listed(house.installation, house.ledger, who)
