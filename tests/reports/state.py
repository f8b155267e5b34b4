"""Synthetic histories of a small public service, written fact by fact; no figure in here is computed."""

from __future__ import annotations

from datetime import date
from types import TracebackType
from typing import Any

from ledger.domain.installation.events import PeriodAttested
from ledger.domain.organisation.events import (
    FunctionsTakenOver,
    HeadOffice,
    HeadsOfAgreementSigned,
    InheritedBinding,
    OrganisationAbolished,
    OrganisationKind,
    OrganisationRegistered,
    OrganisationSucceeded,
    Scheme,
)
from ledger.domain.request.events import (
    DisclosureMade,
    LegalBasis,
    RefusalCopySent,
    RefusalGround,
    RequestForm,
    RequestReceived,
    RequestRefused,
    RequestScheme,
    RequestWithdrawn,
)
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from projections.runner import Runner
from tests.projections.book import Book, make


class State:
    """Ledgers by slug; an organisation's id is a word here, so that figures can be read."""

    def __init__(self, database: Database, ledgers: dict[str, Ledger]) -> None:
        self.database, self.ledgers = database, ledgers
        self.books = {slug: Book(database, ledger) for slug, ledger in ledgers.items()}
        for book in self.books.values():
            book.seed()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for book in self.books.values():
            book.connection.close()

    def project(self) -> None:
        """Brings the live registers up to date."""
        with Runner(self.database.conninfo(Role.PROJECTOR)) as runner:
            runner.catch_up()

    def sizes(self) -> dict[str, int]:
        """The position of every ledger."""
        return {slug: book.size for slug, book in self.books.items()}

    def organisation(self, identity: str, name: str, *, signed: date | None = None) -> None:
        """Registers an organisation; ``signed``: bound by the VPS Policy from that day."""
        common = self.books["common"]
        common.put(
            identity,
            make(OrganisationRegistered, date(2000, 1, 1), legal_name=name, kind=OrganisationKind.DEPARTMENT),
        )
        if signed is not None:
            common.put(identity, make(HeadsOfAgreementSigned, signed))

    def succeeded(self, old: str, new: str, on: date) -> None:
        """All functions of a body bound by the VPS Policy pass to another on that day, and it ends."""
        common = self.books["common"]
        common.put(old, make(OrganisationSucceeded, on, successor=new, all_functions=True))
        common.put(old, make(OrganisationAbolished, on))
        inherited = (InheritedBinding(Scheme.VPS, date(2021, 5, 1)),)
        common.put(new, make(FunctionsTakenOver, on, predecessor=old, inherited=inherited, all_functions=True))

    def attest(self, slug: str, organisation: str, first: date, last: date, *, nil: bool, **fields: Any) -> int:
        """The agency head attests the register of requests for a period."""
        return self.books[slug].put(
            "attestations",
            make(
                PeriodAttested, last, organisation=organisation, register="requests", period_from=first,
                period_to=last, complete=True, nil_return=nil, scheme="vps", head_office=HeadOffice.SECRETARY,
                **fields,
            ),
        )  # fmt: skip

    def formal(self, slug: str, on: date | None, **fields: Any) -> str:
        """A formal request to the organisation of that ledger; returns its case."""
        stated = {
            "scheme": RequestScheme.VPS, "form": RequestForm.FORMAL, "requester": "dpc", "provider": slug,
            "information_sought": "counts", "made_on": on, "made_under_policy": True, "purpose": "planning",
            "public_benefit": "housing", "secure_use": "enclave",
        }  # fmt: skip
        return self.books[slug].case(make(RequestReceived, on, **(stated | fields)))

    def disclosed(self, slug: str, case: str, on: date | None, **fields: Any) -> int:
        """The whole was disclosed."""
        stated: dict[str, Any] = {
            "parts": ("whole",), "description": "d", "recipient": "dpc",
            "bases": (LegalBasis.NO_PERSONAL_INFORMATION,),
        }  # fmt: skip
        return self.books[slug].put(case, make(DisclosureMade, on, **(stated | fields)))

    def refused(self, slug: str, case: str, on: date | None, **fields: Any) -> int:
        """The whole was refused in writing."""
        stated: dict[str, Any] = {
            "parts": ("whole",), "grounds": (RefusalGround.CONTRAVENES_LAW,), "reasons": "secrecy",
            "in_writing": True,
        }  # fmt: skip
        return self.books[slug].put(case, make(RequestRefused, on, **(stated | fields)))

    def copied(self, slug: str, case: str, on: date | None) -> int:
        """A copy of the refusal went to the Secretary."""
        return self.books[slug].put(case, make(RefusalCopySent, on, parts=("whole",)))

    def withdrawn(self, slug: str, case: str, on: date | None) -> int:
        """The requester withdrew."""
        return self.books[slug].put(case, make(RequestWithdrawn, on))
