"""A department with people in it, over the real application."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ledger.application import Installation, Outcome, Principal
from ledger.clock import melbourne_date
from ledger.domain.installation.events import ReportRecipient, ReportStatus
from ledger.store.database import Database, Role
from projections.reports.figures import Report
from projections.reports.handover import Recipient, hand_over, prepare
from projections.runner import Runner

TO = Recipient(ReportRecipient.MINISTER, "the Minister for Government Services")


@dataclass
class Office:
    """A department with an administrator, an officer and a reporter; bound by the Policy."""

    installation: Installation
    organisation: str
    administrator: Principal
    officer: Principal
    reporter: Principal

    @property
    def conninfo(self) -> str:
        """The reader's."""
        return self.installation.database.conninfo(Role.READER)

    def run(
        self, command: str, fields: Mapping[str, Any], happened: str, who: Principal, **where: Any
    ) -> Outcome:
        """Records a command."""
        body = {"case": where.get("case"), "happened": happened, "fields": fields}
        return self.installation.execute(
            where.get("ledger", "dffh"), command, body, principal=who, command_id=str(uuid.uuid4())
        )

    def submit(
        self,
        slug: str,
        command: str,
        body: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Outcome:
        """As the reporter."""
        return self.installation.execute(
            slug, command, body, principal=self.reporter, command_id=key or str(uuid.uuid4()), given=given
        )

    def request(self, received: str) -> str:
        """A formal request to the department; returns its case."""
        fields = {
            "scheme": "vps", "form": "formal", "requester": self.asker, "provider": self.organisation,
            "information_sought": "counts", "made_on": received, "made_under_policy": True,
            "purpose": "planning", "public_benefit": "housing", "secure_use": "enclave",
        }  # fmt: skip
        return self.run("request.RequestReceived", fields, received, self.officer).stream

    def give(self, report: Report, **given: Any) -> tuple[Outcome, dict[str, bytes]]:
        """Hands a report over, as final unless said."""
        options: dict[str, Any] = {
            "slug": "dffh",
            "happened": self.today,
            "status": ReportStatus.FINAL,
        } | given
        prepared = prepare(report)
        outcome = hand_over(self.submit, self.installation.keep_file, prepared, TO, **options)
        return outcome, dict(prepared.files)

    @property
    def today(self) -> date:
        """Now, in Melbourne."""
        return melbourne_date(self.installation.clock.now())

    asker: str = ""


@contextmanager
def office_of(database: Database, tmp_path: Path) -> Iterator[Office]:
    """With one request answered in time in 2024-25."""
    with Installation(database, tmp_path) as installation:
        organisation = str(uuid.uuid4())
        people = [Principal(str(uuid.uuid4()), organisation, "test") for _ in range(3)]
        installation.create_ledger(
            "dffh", origin="example.vic.gov.au/dffh", organisation=organisation,
            legal_name="Families <script>alert('x')</script>", administrator=people[0],
        )  # fmt: skip
        made = Office(installation, organisation, *people)
        for person, role in ((made.officer, "officer"), (made.reporter, "reporter")):
            fields = {"person": person.person, "role": role, "organisation": organisation}
            made.run("role.RoleGranted", fields, "2024-01-01", made.administrator)
        made.asker = made.run(
            "organisation.OrganisationRegistered", {"legal_name": "Premier and Cabinet", "kind": "department"},
            "2000-01-01", made.administrator, ledger="common",
        ).stream  # fmt: skip
        for bound in (organisation, made.asker):
            signed = {"instrument_version": "2021"}
            made.run(
                "organisation.HeadsOfAgreementSigned", signed, "2021-05-01", made.administrator,
                ledger="common", case=bound,
            )  # fmt: skip
        case = made.request("2025-03-03")
        made.run(
            "disclosure.DisclosureMade",
            {
                "parts": ["whole"], "description": "counts", "recipient": made.asker,
                "transferred_by": "secure_file_transfer", "bases": ["no_personal_information"],
            },
            "2025-03-10", made.officer, case=case,
        )  # fmt: skip
        with Runner(database.conninfo(Role.PROJECTOR)) as runner:
            runner.catch_up()
        yield made
