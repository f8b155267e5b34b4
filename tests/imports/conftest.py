"""A department's ledger with an officer who imports, over a real database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.application import Installation, Principal
from ledger.imports.mapping import RegisterMapping, load_mapping, mapping_of
from ledger.store.database import Database
from tests.imports.desk import MAPPINGS, Desk
from tests.imports.log import SETTINGS


def found(installation: Installation, folder: Path) -> Desk:
    """The desk in a fresh installation."""
    organisation = str(uuid.uuid4())
    administrator = Principal(str(uuid.uuid4()), organisation, "test")
    officer, privacy_officer = (Principal(str(uuid.uuid4()), organisation, "test") for _ in range(2))
    installation.create_ledger(
        "dffh",
        origin="example.vic.gov.au/dffh",
        organisation=organisation,
        legal_name="Department of Families, Fairness and Housing",
        administrator=administrator,
        administrator_name="Ada Administrator",
    )
    for person, role in ((officer, "officer"), (privacy_officer, "privacy_officer")):
        fields = {"person": person.person, "role": role, "organisation": organisation}
        installation.execute(
            "dffh",
            "role.RoleGranted",
            {"happened": "2025-01-01", "fields": fields},
            principal=administrator,
            command_id=str(uuid.uuid4()),
        )
    return Desk(installation, administrator, officer, privacy_officer, folder)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    """A desk in a fresh database."""
    with Installation(database, tmp_path / "data") as installation:
        yield found(installation, tmp_path)


@pytest.fixture(scope="session")
def doj() -> RegisterMapping:
    """The mapping of the real register, as the documentation shows it."""
    return load_mapping(MAPPINGS / "requests-doj-2017.toml")


@pytest.fixture(scope="session")
def log() -> RegisterMapping:
    """The mapping of a small log of requests."""
    return mapping_of(SETTINGS)
