"""What came of an import, or would come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.imports.interpret import Fault
from ledger.imports.plan import Change


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row that states something else than the ledger holds: one corrected case, whatever it takes."""

    sheet: str
    row: int
    key: str
    case: str
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Vanished:
    """A case that an earlier file of the register brought in and this one does not hold. It stays as it is."""

    case: str
    import_id: str
    sheet: str
    row: int
    """Where it stood in the file of that import, which is kept as an attachment; ``sheet`` by its number."""


@dataclass(frozen=True, slots=True)
class ProposedContravention:
    """A contravention that a row states, as the command by which a named person may record it."""

    sheet: str
    row: int
    key: str
    body: Mapping[str, Any]


@dataclass(slots=True)
class Result:
    """Counts of rows (rows = new + corrected + unchanged + bad), and every row that needs a person."""

    import_id: str
    format: str
    register: str
    ledger: str
    read_as: str
    """Kind of file, encoding, separator: as found out."""
    rows: int = 0
    new: int = 0
    corrected: int = 0
    unchanged: int = 0
    bad: int = 0
    entries: int = 0
    """Entries that this run wrote for rows."""
    went_in_before: bool = False
    """Whether this same file was imported before and nothing of it is missing or to be corrected."""
    dry_run: bool = False
    written: bool = False
    """Whether anything was written: not in a dry run, not with ``--all-or-nothing`` and a bad row."""
    faults: list[Fault] = field(default_factory=list)
    changed: list[ChangedRow] = field(default_factory=list)
    vanished: list[Vanished] = field(default_factory=list)
    proposed: list[ProposedContravention] = field(default_factory=list)
    unstated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By command, the fields that no row can state: each a gap where the law asks for it."""

    def counts(self) -> dict[str, int]:
        """The counts that ``FileImported`` states."""
        return {
            "rows": self.rows,
            "new": self.new,
            "corrected": self.corrected,
            "unchanged": self.unchanged,
            "vanished": len(self.vanished),
            "bad": self.bad,
        }

    def shown(self) -> dict[str, int]:
        """The counts of this run: where the file went in before, no row is new, and none is corrected."""
        if not self.went_in_before:
            return self.counts()
        return {**self.counts(), "new": 0, "corrected": 0, "unchanged": self.rows - self.bad}

    def as_json(self) -> dict[str, Any]:
        """The result for ``--json``. Old values of sealed fields are in it only where they were opened."""
        return {
            "import_id": self.import_id,
            "format": self.format,
            "register": self.register,
            "ledger": self.ledger,
            "read_as": self.read_as,
            "dry_run": self.dry_run,
            "written": self.written,
            "went_in_before": self.went_in_before,
            "entries": self.entries,
            **{name: value for name, value in self.shown().items() if name != "vanished"},
            "faults": [
                {
                    "sheet": fault.sheet,
                    "row": fault.row,
                    "line": fault.line,
                    "column": fault.column,
                    "letter": fault.letter,
                    "reason": fault.reason,
                    "citation": fault.citation,
                }
                for fault in self.faults
            ],
            "changes": [
                {
                    "sheet": each.sheet,
                    "row": each.row,
                    "key": each.key,
                    "case": each.case,
                    "changes": [_change(change) for change in each.changes],
                }
                for each in self.changed
            ],
            "vanished": [
                {"case": v.case, "import_id": v.import_id, "sheet": v.sheet, "row": v.row}
                for v in self.vanished
            ],
            "proposed_contraventions": [
                {"sheet": p.sheet, "row": p.row, "key": p.key, "command": PROPOSED, "body": p.body}
                for p in self.proposed
            ],
            "unstated": self.unstated,
        }


PROPOSED = "contravention.ContraventionFound"


def _change(change: Change) -> dict[str, Any]:
    return {
        "command": change.command,
        "kind": change.kind,
        "entry": change.entry,
        "fields": [
            {"field": d.field, "old": d.old, "new": d.new, "certain": d.certain} for d in change.differences
        ],
    }
