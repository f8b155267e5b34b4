"""What the tests of requests share: parties, and a request that was received."""

from __future__ import annotations

from datetime import date
from typing import Any

from ledger.codec.declare import CaseRef
from ledger.domain.event import CaseEvent
from ledger.domain.request import events as ev
from tests.domain.build import OWN, Book

REQUESTER = "5a6f4f1e-0000-4000-8000-000000000002"
UNBOUND = "5a6f4f1e-0000-4000-8000-000000000003"
Parts = tuple[str, ...]


class Party:
    """A registered organisation that the Heads of Agreement bind from a day on, or never."""

    def __init__(self, since: date | None, until: date = date.max) -> None:
        self.since, self.until = since, until

    def bound(self, scheme: str, on: date) -> str | None:
        if scheme == "vps" and self.since is not None and self.since <= on <= self.until:
            return f"signed on {self.since}"
        return None


def book() -> Book:
    """A ledger whose organisation and one other signed the Heads of Agreement on 1.7.2021."""
    made = Book()
    made.organisations = {
        OWN: Party(date(2021, 7, 1)),
        REQUESTER: Party(date(2021, 7, 1)),
        UNBOUND: Party(None),
    }
    return made


FORMAL: dict[str, Any] = {
    "scheme": ev.RequestScheme.VPS,
    "form": ev.RequestForm.FORMAL,
    "requester": REQUESTER,
    "provider": OWN,
    "information_sought": "Admissions by postcode, 2020–2024",
    "purpose": "Planning of clinics",
    "public_benefit": "Shorter ways to a clinic",
    "secure_use": "In the agency's secure environment",
    "made_under_policy": True,
    "made_on": date(2025, 6, 10),
}
INFORMAL = FORMAL | {"form": ev.RequestForm.INFORMAL, "made_under_policy": None}
NSW = FORMAL | {"scheme": ev.RequestScheme.NSW, "form": None, "made_under_policy": None}
OTHER = NSW | {"scheme": ev.RequestScheme.OTHER, "made_under_law": "Freedom of Information Act 1982"}


def received(made: Book, fields: dict[str, Any], on: str | None = "2025-06-11", **more: Any) -> CaseEvent:
    return made.record(ev.RequestReceived, on=on, **(fields | more))


def refuse(made: Book, on: str | None = "2025-06-20", parts: Parts = ("whole",), **more: Any) -> CaseEvent:
    fields: dict[str, Any] = {
        "grounds": (ev.RefusalGround.CONTRAVENES_LAW,),
        "reasons": "A secrecy provision stands against it",
        "in_writing": True,
        "sent_on": None if on is None or len(on) != 10 else date.fromisoformat(on),
    }
    return made.record(ev.RequestRefused, on=on, parts=parts, **(fields | more))


def disclose(made: Book, on: str | None = "2025-06-20", parts: Parts = ("whole",), **more: Any) -> CaseEvent:
    fields: dict[str, Any] = {
        "description": "Admissions, 2020–2024",
        "recipient": REQUESTER,
        "bases": (ev.LegalBasis.NO_PERSONAL_INFORMATION,),
        "transferred_by": ev.TransferMethod.API,
    }
    return made.record(ev.DisclosureMade, on=on, parts=parts, **(fields | more))


def divide(made: Book, on: str | None = "2025-06-13", *ids: str, restricted: str = "") -> CaseEvent:
    parts = tuple(
        ev.RequestPart(i, f"the part on {i}", ev.RestrictedData.NATIONAL_SECURITY if i == restricted else None)
        for i in ids or ("a", "b")
    )
    return made.record(ev.RequestDivided, on=on, parts=parts)


def close(made: Book, on: str | None = "2025-06-20", parts: Parts = ("whole",), **more: Any) -> CaseEvent:
    return made.record(ev.RequestClosed, on=on, parts=parts, **({"ground": ev.ClosingGround.NOT_HELD} | more))


def states(made: Book) -> dict[str, str]:
    case: Any = made.cases["case-1"]
    return dict(case.standing.states)


def ref(stream: str) -> CaseRef:
    return CaseRef("example.vic.gov.au/dffh", stream, 1)
