"""HTML, CSV and JSON: the same figures, the rows behind them, nothing that runs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from ledger.domain.request.events import RequestForm
from ledger.errors import InvalidInput
from projections.reports.catalogue import REPORTS, make
from projections.reports.figures import Figure, Report
from projections.reports.period import financial_year
from projections.reports.render import DEMONSTRATION, as_csv, content, html, render
from tests.reports.state import State

YEAR = financial_year(2024)
SIGNED = date(2021, 5, 1)
EVIL = "<script>alert('x')</script>"
FORMULA = '=HYPERLINK("http://example.com","x")'


@pytest.fixture(params=sorted(REPORTS))
def report(request: pytest.FixtureRequest, state: State, reader: str) -> Report:
    """A report with something in it, and names that attack."""
    state.organisation("dffh", f"Families {EVIL}", signed=SIGNED)
    state.organisation("dpc", FORMULA, signed=SIGNED)
    answered = state.formal("dffh", date(2025, 6, 2))
    state.disclosed("dffh", answered, date(2025, 6, 12))
    refused = state.formal("dffh", date(2025, 5, 2), public_benefit=None)
    state.refused("dffh", refused, date(2025, 6, 1))
    state.formal("dpc", date(2025, 6, 2), requester="dffh", form=RequestForm.INFORMAL)
    state.formal("dffh", date(2024, 5, 2))
    state.project()
    return make(reader, request.param, YEAR)


class Page(HTMLParser):
    """The tables of a page as text, and what a checker of accessibility asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._cell: list[str] | None = None
        self._skip = 0
        self._table = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens."""
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "caption":
            self._table = found["id"] or ""
            self.tables[self._table] = []
        if tag == "tr":
            self.tables[self._table].append([])
        if tag in ("td", "th"):
            self._cell = []
        if found.get("class") in ("govuk-visually-hidden", "figure-id", "rows"):
            self._skip += 1
        if self._skip or tag == "a":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Closes."""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[self._table][-1].append("".join(self._cell).strip())
            self._cell = None
        if tag in ("span", "p") and self._skip:
            self._skip -= 1

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._cell is not None and not self._skip:
            self._cell.append(data)


def parsed(report: Report) -> Page:
    """The page, read."""
    page = Page()
    page.feed(html(report).decode())
    return page


def cells(report: Report) -> Iterator[tuple[str, list[list[str]]]]:
    """Every table's lines as they should read."""
    for table in report.tables:
        shown = [
            [line.head, *(cell.shown if isinstance(cell, Figure) else cell for cell in line.cells)]
            for line in table.lines
        ]
        yield table.id, shown


def test_the_formats_carry_the_same_figures(report: Report) -> None:
    page, said = parsed(report), content(report)
    files = as_csv(report)
    for shown, (name, expected) in zip(report.tables, cells(report), strict=True):
        assert page.tables[name][1:] == expected
        (table,) = [t for section in said["sections"] for t in section["tables"] if t["id"] == name]
        assert [
            [line["head"], *(_of(cell, said) for cell in line["cells"])] for line in table["lines"]
        ] == expected
        found = list(csv.reader(io.StringIO(files[name.replace(".", "-")].decode("utf-8-sig"))))
        assert found[0] == ["line", *table["columns"]]
        plain = [
            [line.head, *(c.stated if isinstance(c, Figure) else c for c in line.cells)] for line in shown.lines
        ]
        assert [[cell.removeprefix("'") for cell in row[1:]] for row in found[1:]] == plain


def _of(cell: dict[str, Any], said: dict[str, Any]) -> str:
    if "words" in cell:
        return str(cell["words"])
    figure = said["figures"][cell["figure"]]
    value = "–" if figure["value"] is None else str(figure["value"])
    return value + ("%" if figure["unit"] == "%" and figure["value"] is not None else "")


def test_every_figure_opens_the_rows_behind_it(report: Report) -> None:
    text = html(report).decode()
    said = content(report)
    for identity, figure in report.figures.items():
        assert [tuple(row.values()) for row in said["figures"][identity]["rows"]] == list(figure.rows)
        if figure.rows:
            numbers = re.search(
                rf'class="figure-id">{re.escape(identity)}</p>\s*<p class="rows">(.*?)</p>', text, re.S
            )
            assert numbers is not None
            linked = re.findall(r'href="#r(\d+)"', numbers[1])
            assert len(linked) == len(figure.rows)
            for number, row in zip(linked, figure.rows, strict=True):
                line = re.search(rf'<li id="r{number}">(.*?)</li>', text, re.S)
                assert line is not None
                assert row.stream in line[1]
    rows = list(csv.reader(io.StringIO(as_csv(report)["rows"].decode("utf-8-sig"))))[1:]
    assert len(rows) == sum(len(figure.rows) for figure in report.figures.values())


def test_what_it_was_made_from_stands_in_each_format(report: Report) -> None:
    said = content(report)
    about = as_csv(report)["about"].decode("utf-8-sig")
    for text in (html(report).decode(), about, json.dumps(said)):
        for version in (report.versions.rules, report.versions.definitions, report.versions.calendar):
            assert version in text
        assert "half up to one decimal" in text
    for at in report.positions:
        assert f"{at.origin}={at.size}" in html(report).decode()
        assert f"{at.origin}={at.size}" in about
        assert {"slug": at.slug, "ledger": at.origin, "size": at.size} == {
            key: value
            for position in said["positions"]
            if position["slug"] == at.slug
            for key, value in position.items()
            if key in ("slug", "ledger", "size")
        }
    assert said["judged_on"] == "2025-06-30"
    assert "30 June 2025, Melbourne date" in html(report).decode()


def test_a_planted_script_in_a_name_is_text(report: Report) -> None:
    page = parsed(report)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    text = html(report).decode()
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_no_cell_of_a_csv_is_a_formula(report: Report) -> None:
    written = as_csv(report)
    found = [
        cell
        for file in written.values()
        for row in csv.reader(io.StringIO(file.decode("utf-8-sig")))
        for cell in row
    ]
    assert "'" + FORMULA in found
    for cell in found:
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))
        assert not cell.startswith("-") or float(cell) < 0


def test_the_page_can_be_read_without_seeing_it(report: Report) -> None:
    page = parsed(report)
    counted = [tag for tag, _ in page.tags]
    assert counted.count("h1") == 1
    assert counted.count("caption") == counted.count("table") == len(report.tables)
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    named = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(named) == len(set(named))
    for _, attributes in page.tags:
        for said in (attributes.get("aria-labelledby") or "").split():
            assert said in named
        if (attributes.get("href") or "").startswith("#"):
            assert str(attributes["href"])[1:] in named


def test_the_chart_says_what_it_shows_and_stands_beside_its_table(report: Report) -> None:
    charts = re.findall(r"<svg.*?</svg>", html(report).decode(), re.S)
    drawn = [table for table in report.tables if table.chart is not None]
    assert len(charts) == len(drawn) >= 1
    for text, table in zip(charts, drawn, strict=True):
        assert table.chart is not None
        svg = ElementTree.fromstring(text)
        space = {"s": "http://www.w3.org/2000/svg"}
        assert svg.findtext("s:title", namespaces=space) == table.chart.title
        assert svg.findtext("s:desc", namespaces=space) == table.chart.description
        words = [element.text for element in svg.findall("s:text", space)]
        for bar in table.chart.bars:
            assert words.count(bar.label) == 1
            assert bar.figure.shown in words
        widths = [float(rect.attrib["width"]) for rect in svg.findall("s:rect", space)]
        values = [bar.figure.value or 0 for bar in table.chart.bars]
        assert [width * max(values) for width in widths] == pytest.approx(
            [330 * int(v) for v in values], abs=0.1
        )


def test_no_banner_without_a_demonstration(report: Report) -> None:
    assert DEMONSTRATION not in html(report).decode()
    assert "events" not in dict(csv.reader(io.StringIO(as_csv(report)["about"].decode("utf-8-sig"))))


def test_a_demonstration_says_so_in_each_format(report: Report) -> None:
    at = report.positions[-1]
    shown = replace(report, positions=(*report.positions[:-1], replace(at, demonstration=True)))
    assert f"<strong>{DEMONSTRATION}.</strong>" in html(shown).decode()
    assert DEMONSTRATION in as_csv(shown)["about"].decode("utf-8-sig")
    assert content(shown)["demonstration"] is True


def test_a_format_that_is_none_is_refused(report: Report) -> None:
    with pytest.raises(InvalidInput, match="format"):
        render(report, "pdf")
    assert render(report, "html") == render(report, "html")
