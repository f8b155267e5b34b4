"""Where imports are made in tests: an installation, who imports, a folder for files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.application import Installation, Principal
from ledger.imports.mapping import RegisterMapping
from ledger.imports.result import Result
from ledger.imports.run import import_file
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


def table(path: Path) -> list[list[str]]:
    """The rows of a CSV file, headings first."""
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.reader(source))


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """Writes a CSV file of these rows."""
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    return path
