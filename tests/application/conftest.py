"""An installation with a department's ledger and people in it, over a real database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation, Outcome, Principal
from ledger.clock import melbourne_date
from ledger.store.database import Database
from ledger.store.ledgers import Ledger


@dataclass
class House:
    """A ledger ``dffh`` with an administrator, an officer and a privacy officer."""

    installation: Installation
    organisation: str
    administrator: Principal
    officer: Principal
    privacy_officer: Principal

    @property
    def ledger(self) -> Ledger:
        """The department's ledger."""
        return self.installation.ledgers.get("dffh")

    @property
    def today(self) -> str:
        """The Melbourne date of now."""
        return melbourne_date(self.installation.clock.now()).isoformat()

    def run(self, command: str, fields: dict[str, Any], **kwargs: Any) -> Outcome:
        """Records a command as the officer, unless another principal is named."""
        body = {
            "happened": kwargs.pop("happened", "2025-06-11"),
            "fields": fields,
            "case": kwargs.pop("case", None),
            "corrects": kwargs.pop("corrects", None),
        }
        return self.installation.execute(
            kwargs.pop("ledger", "dffh"),
            command,
            body,
            principal=kwargs.pop("principal", self.officer),
            command_id=kwargs.pop("command_id", str(uuid.uuid4())),
            **kwargs,
        )


def people(organisation: str) -> tuple[Principal, Principal, Principal]:
    """Three persons of an organisation."""
    return tuple(Principal(str(uuid.uuid4()), organisation, "test") for _ in range(3))  # type: ignore[return-value]


@pytest.fixture
def house(database: Database, vault: Database | None, tmp_path: Path) -> Iterator[House]:
    """A fresh installation."""
    with Installation(database, tmp_path, vault=vault) as installation:
        organisation = str(uuid.uuid4())
        administrator, officer, privacy = people(organisation)
        installation.create_ledger(
            "dffh",
            origin="example.vic.gov.au/dffh",
            organisation=organisation,
            legal_name="Department of Families, Fairness and Housing",
            administrator=administrator,
            administrator_name="Ada Administrator",
        )
        made = House(installation, organisation, administrator, officer, privacy)
        for person, role in ((officer, "officer"), (privacy, "privacy_officer")):
            made.run(
                "role.RoleGranted",
                {"person": person.person, "role": role, "organisation": organisation},
                happened="2025-01-01",
                principal=administrator,
            )
        yield made
