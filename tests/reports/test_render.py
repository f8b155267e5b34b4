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
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from ledger.domain.request.events import RequestForm
from ledger.errors import InvalidInput
from projections.base import Kind, register
from projections.reports.catalogue import REPORTS, make
from projections.reports.chart import svg
from projections.reports.figures import Figure, Report
from projections.reports.page import DEMONSTRATION, html
from projections.reports.period import financial_year
from projections.reports.render import FORMATS, as_csv, content, render
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
        if (tag, found.get("class")) == ("span", "govuk-visually-hidden"):
            self._skip += 1

    def handle_endtag(self, tag: str) -> None:
        """Closes."""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[self._table][-1].append("".join(self._cell).strip())
            self._cell = None
        if tag == "span" and self._skip:
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
    said = content(report)
    page = parsed(report)
    linked = {
        attributes["id"]: str(attributes["href"])
        for tag, attributes in page.tags
        if tag == "a" and attributes.get("class") == "figure"
    }
    assert set(linked) == {identity for identity, figure in report.figures.items() if figure.rows}
    lists = dict(re.findall(r'<div class="behind" id="(f\d+)">(.*?)</tbody>', html(report).decode(), re.S))
    rows = dict(re.findall(r'<dl class="row" id="(r\d+)">(.*?)</dl>', html(report).decode(), re.S))
    assert len(rows) == len(report.rows) == len({row for f in report.figures.values() for row in f.rows})
    for identity, figure in report.figures.items():
        assert [tuple(row.values()) for row in said["figures"][identity]["rows"]] == list(figure.rows)
        if not figure.rows:
            continue
        listed = lists[linked[identity].removeprefix("#")]
        assert identity in listed
        shown = re.findall(r'href="#(r\d+)">.*?<td>(\w+)</td><td>(\w+)</td>.*?<code>(.*?)</code>', listed)
        assert [(name, stream) for _, name, _, stream in shown] == [
            (row.register, row.stream) for row in sorted(set(figure.rows))
        ]
        for number, name, slug, stream in shown:
            assert name in rows[number]
            assert stream in rows[number]
            assert f"example.vic.gov.au/{slug}" in rows[number]
    found = list(csv.reader(io.StringIO(as_csv(report)["rows"].decode("utf-8-sig"))))[1:]
    assert len(found) == sum(len(figure.rows) for figure in report.figures.values())


def test_a_row_says_what_its_register_says_and_nothing_sealed(report: Report) -> None:
    """Its entries, and every column but those that are sealed and those that are empty."""
    requests = [behind for row, behind in report.rows.items() if row.register == "requests"]
    (refused,) = (behind for behind in requests if behind.values.get("outcome") == "refused")
    assert len(refused.entries) == 2
    assert refused.values["requester"] == FORMULA
    assert refused.values["provider"] == f"Families {EVIL}"
    assert (refused.values["received_on"], refused.values["response_on"]) == ("2025-05-02", "2025-06-01")
    assert refused.values["late"] == "yes"
    assert refused.values["grounds"] == "contravenes_law"
    assert "acknowledged_on" not in refused.values
    for row, behind in report.rows.items():
        sealed = {column.name for column in register(row.register).columns if column.kind is Kind.SEALED}
        assert not sealed & set(behind.values)
        text = html(report).decode()
        assert f"entries {', '.join(map(str, behind.entries))}" in text


def test_a_row_of_unknown_day_says_so(report: Report) -> None:
    some = next(iter(report.rows))
    rows = {row: replace(behind, values={}) if row == some else behind for row, behind in report.rows.items()}
    assert "<td>not known</td>" in html(replace(report, rows=rows)).decode()
    assert "<td>not known</td>" not in html(report).decode()


def test_a_page_that_is_served_links_each_row_to_its_register(report: Report) -> None:
    served = html(report, lambda row, behind: f"/registers/{row.register}/{behind.slug}/{row.stream}").decode()
    for row, behind in report.rows.items():
        assert f'href="/registers/{row.register}/{behind.slug}/{row.stream}"' in served
    assert 'href="/' not in html(report).decode()


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
    lists = sum(attributes.get("class") == "behind" for _, attributes in page.tags)
    assert counted.count("caption") == counted.count("table") == len(report.tables) + lists
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
        drawing = ElementTree.fromstring(text)
        space = {"s": "http://www.w3.org/2000/svg"}
        assert drawing.findtext("s:title", namespaces=space) == table.chart.title
        assert drawing.findtext("s:desc", namespaces=space) == table.chart.description
        words = [element.text for element in drawing.findall("s:text", space)]
        assert words[:2] == [table.chart.title, f"{table.columns[1]}; each bar begins at 0"]
        words = words[2:]
        for bar in table.chart.bars:
            assert words.count(bar.label) == 1
            assert bar.figure.shown in words
        widths = [float(rect.attrib["width"]) for rect in drawing.findall("s:rect", space)]
        values = [bar.figure.value or 0 for bar in table.chart.bars]
        assert [width * max(values) for width in widths] == pytest.approx(
            [330 * int(v) for v in values], abs=0.1
        )


def test_no_banner_without_a_demonstration(report: Report) -> None:
    assert all(DEMONSTRATION.encode() not in file for form in FORMATS for file in render(report, form).values())


def test_no_label_of_a_chart_runs_into_a_bar_or_out_of_it(report: Report) -> None:
    """By the widths of Arial: no letter is wider than the size, a mean one about half of it."""
    (table, *_) = (table for table in report.tables if table.chart is not None)
    assert table.chart is not None
    long = "Does not satisfy the Data Sharing Principles, or any of them"
    bars = (*table.chart.bars, replace(table.chart.bars[0], label=long))
    drawing = ElementTree.fromstring(svg(replace(table.chart, bars=bars), "c"))
    space = "{http://www.w3.org/2000/svg}"
    width, height = map(int, drawing.attrib["viewBox"].split()[2:])
    tops = []
    for text in drawing.findall(f"{space}text"):
        wide = len(text.text or "") * 6.3
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left, right = (x - wide, x) if text.attrib.get("text-anchor") == "end" else (x, x + wide)
        assert 0 <= left < right <= width
        assert y <= height
        if text.attrib.get("text-anchor") == "end":
            tops.append(y)
            assert all(right < float(rect.attrib["x"]) for rect in drawing.findall(f"{space}rect"))
    assert all(later - earlier >= 16 for earlier, later in pairwise(tops))


def test_a_demonstration_says_so_in_every_file_and_on_every_page(report: Report) -> None:
    at = report.positions[-1]
    shown = replace(report, positions=(*report.positions[:-1], replace(at, demonstration=True)))
    text = html(shown).decode()
    assert f"<strong>{DEMONSTRATION}.</strong>" in text
    # What a printer puts at the head of each sheet.
    assert f'@page {{ @top-center {{ content: "{DEMONSTRATION}"; }} }}' in text
    assert content(shown)["demonstration"] is True
    for form in FORMATS:
        assert all(DEMONSTRATION.encode() in file for file in render(shown, form).values())
    for file in as_csv(shown).values():
        head, *lines = csv.reader(io.StringIO(file.decode("utf-8-sig")))
        assert head[-1] == "events"
        assert {line[-1] for line in lines} <= {DEMONSTRATION}
        assert {len(line) for line in lines} <= {len(head)}


def test_a_format_that_is_none_is_refused(report: Report) -> None:
    with pytest.raises(InvalidInput, match="format"):
        render(report, "pdf")
    assert render(report, "html") == render(report, "html")
