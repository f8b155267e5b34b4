"""A department's ledger with an officer who imports, over a real database."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation, Principal
from ledger.imports.mapping import RegisterMapping, load_mapping
from ledger.imports.result import Result
from ledger.imports.run import import_file
from ledger.store.database import Database
from ledger.store.feed import StoredRow
from tests.support import check_ledger

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
MAPPINGS = ROOT / "docs" / "mappings"
DOJ = DATA / "requests-doj-2017.csv"


@dataclass
class Desk:
    """Where imports are made: an installation, who imports, a folder for files."""

    installation: Installation
    administrator: Principal
    officer: Principal
    privacy_officer: Principal
    folder: Path

    def bring_in(self, file: Path, mapping: RegisterMapping, **kwargs: Any) -> Result:
        """Imports a file into ``dffh`` as the officer, unless others are named."""
        slug = kwargs.pop("slug", "dffh")
        principal = kwargs.pop("principal", self.officer)
        return import_file(self.installation, slug, file, mapping, principal=principal, **kwargs)

    def write(self, rows: Sequence[Sequence[str]], name: str = "register.csv") -> Path:
        """A CSV file of these rows."""
        return write_table(self.folder / name, rows)

    def entries(self, slug: str = "dffh") -> list[StoredRow]:
        """All entries of a ledger."""
        ledger = self.installation.ledgers.get(slug)
        return [row for batch in self.installation.feed.scan(ledger.id) for row in batch]

    def imported(self, slug: str = "dffh") -> list[StoredRow]:
        """Its entries that came of rows."""
        return [
            row for row in self.entries(slug) if row.decoded.source.kind == "import" and row.stream != "imports"
        ]

    def check(self, slug: str = "dffh") -> int:
        """``check_ledger`` of a ledger."""
        return check_ledger(self.installation.database, self.installation.ledgers.get(slug))


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


def table(path: Path) -> list[list[str]]:
    """The rows of a CSV file, headings first."""
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Writes a CSV file of these rows."""
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    return path
