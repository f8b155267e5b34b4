"""The page on reports says what the code does."""

from __future__ import annotations

from pathlib import Path

from projections.reports.catalogue import REPORTS
from projections.reports.definitions import definitions, definitions_page
from projections.reports.handover import EVERY_FIGURE

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"


def test_the_definitions_on_the_page_are_those_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    assert text.endswith("\n" + definitions_page()), "write definitions_page() to the end of docs/reports.md"
    assert len({each.id for each in definitions()}) == len(definitions()) > 10


def test_every_report_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for name in REPORTS:
        assert f"| `{name}` |" in text
    assert EVERY_FIGURE in text
