"""What the tests of requests share: parties, and a request that was received."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from ledger.codec.declare import CaseRef
from ledger.domain.case import Case
from ledger.domain.event import CaseEvent
from ledger.domain.organisation.events import (
    HeadsOfAgreementEnded,
    HeadsOfAgreementSigned,
    OrganisationKind,
    OrganisationRegistered,
)
from ledger.domain.request import events as ev
from tests.domain.build import OWN, Book

REQUESTER = "5a6f4f1e-0000-4000-8000-000000000002"
UNBOUND = "5a6f4f1e-0000-4000-8000-000000000003"
Parts = tuple[str, ...]


def organisation(id_: str, signed: str | None, ended: str | None = None) -> Case:
    """A registered organisation that the Heads of Agreement bind from a day on, or never."""
    common = Book(ledger="example.vic.gov.au/common")
    keeper: dict[str, Any] = {"stream": id_, "role": "administrator"}
    name = {"legal_name": f"Department {id_[-2:]}", "kind": OrganisationKind.DEPARTMENT}
    common.record(OrganisationRegistered, on=None, **keeper, **name)
    if signed is not None:
        common.record(HeadsOfAgreementSigned, on=signed, **keeper)
    if ended is not None:
        common.record(HeadsOfAgreementEnded, on=ended, **keeper)
    return common.cases[id_]


@cache
def parties() -> dict[str, Case]:
    """The ledger's own organisation and another one, bound since 1.7.2021, and one that is not bound."""
    return {
        OWN: organisation(OWN, "2021-07-01"),
        REQUESTER: organisation(REQUESTER, "2021-07-01"),
        UNBOUND: organisation(UNBOUND, None),
    }


def book() -> Book:
    """A ledger that sees these parties."""
    made = Book()
    made.organisations = dict(parties())
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
