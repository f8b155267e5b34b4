"""Handing a report over through the real command path, and printing it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.domain.installation.events import Figure, ReportHandedOver, ReportRecipient, ReportStatus
from ledger.errors import Forbidden, InvalidInput, LawRefused, NotFound
from ledger.store.database import Role
from ledger.store.verify import verify
from projections.doors import Door
from projections.reports.asked import made_for
from projections.reports.catalogue import make
from projections.reports.figures import ReportRefused
from projections.reports.handover import (
    EVERY_FIGURE,
    Recipient,
    every_figure,
    figures_digest,
    handed_over,
    recipient,
    reprint,
)
from projections.reports.period import financial_year
from projections.reports.render import render
from projections.runner import Runner
from tests.reports.office import Office

YEAR = financial_year(2024)
TO = Recipient(ReportRecipient.MINISTER, "the Minister for Government Services")


def test_a_hand_over_keeps_files_figures_rows_positions_and_versions(office: Office) -> None:
    report = make(office.conninfo, "data-sharing-annual", YEAR)
    outcome, files = office.give(report)
    handed = handed_over(office.conninfo, "dffh", outcome.stream)
    stated = {f.id: f.value for f in handed.figures}
    assert stated.pop(EVERY_FIGURE) == figures_digest(report)
    assert stated == {f.id: f.stated for f in report.headline}
    assert [f.value for f in handed.figures if f.id == "sharing.timeliness.within"] == ["1"]
    assert [(p.ledger, p.size, p.head) for p in handed.positions] == [
        (at.origin, at.size, at.head) for at in report.positions
    ]
    assert handed.judged_on == date(2025, 6, 30)
    versions = (handed.code_version, handed.rules_version, handed.definitions_version, handed.calendar_version)
    assert versions == (
        report.versions.code, report.versions.rules, report.versions.definitions, report.versions.calendar,
    )  # fmt: skip
    assert {f.name for f in handed.files} == set(files) >= {"data-sharing-annual-2024-07-01-2025-06-30.html"}
    kept = {}
    for place, file in enumerate(handed.files):
        assert hashlib.sha256(files[file.name]).digest() == file.sha256
        _, chunks = office.installation.read_attachment(
            "dffh", outcome.receipts[0].index, f"files.{place}.file", reason="check", principal=office.officer
        )
        kept[file.name] = b"".join(chunks)
    assert kept == files
    _, chunks = office.installation.read_attachment(
        "dffh", outcome.receipts[0].index, "row_ids", reason="check", principal=office.officer
    )
    figures = json.loads(b"".join(chunks))
    assert {key: figure["value"] for key, figure in figures.items()} == {
        f.id: f.stated for f in report.figures.values()
    }
    assert figures[f"sharing.by_provider.{office.organisation}.provided"]["value"] == "1"
    assert len(figures["sharing.timeliness.within"]["rows"]) == 1
    assert verify(office.installation.database, office.installation.ledgers.get("dffh"), processes=1).size > 0


def test_printed_again_from_the_ledger_it_has_the_same_figures_and_files(office: Office) -> None:
    outcome, files = office.give(make(office.conninfo, "data-sharing-annual", YEAR))
    office.request("2025-06-20")  # recorded after the hand-over: no figure of it moves
    with Runner(office.installation.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()
    again = reprint(office.conninfo, handed_over(office.conninfo, "dffh", outcome.stream))
    assert again.figures["sharing.flow.received"].value == 1
    assert {k: v for form in ("html", "csv", "json") for k, v in render(again, form).items()} == files
    assert make(office.conninfo, "data-sharing-annual", YEAR).figures["sharing.flow.received"].value == 2


def test_a_figure_that_is_not_as_handed_over_is_named(office: Office) -> None:
    outcome, _ = office.give(make(office.conninfo, "annual-compliance", YEAR))
    handed = handed_over(office.conninfo, "dffh", outcome.stream)
    figures = tuple(
        Figure(f.id, "7", f.definition) if f.id == "sharing.flow.received" else f for f in handed.figures
    )
    changed = _with(handed, figures=figures, rules_version="another")
    with pytest.raises(
        ReportRefused, match=r"sharing\.flow\.received was handed over as 7, and is 1 now; rules"
    ):
        reprint(office.conninfo, changed)
    other = tuple(replace(p, head=bytes(32)) for p in handed.positions)
    with pytest.raises(ReportRefused, match="another hash"):
        reprint(office.conninfo, _with(handed, positions=other))
    elsewhere = tuple(replace(p, ledger="elsewhere") for p in handed.positions)
    with pytest.raises(NotFound, match="elsewhere"):
        reprint(office.conninfo, _with(handed, positions=elsewhere))


def test_a_figure_of_one_body_that_differs_is_named_by_the_kept_file(office: Office) -> None:
    report = make(office.conninfo, "data-sharing-annual", YEAR)
    outcome, _ = office.give(report)
    handed = handed_over(office.conninfo, "dffh", outcome.stream)
    assert reprint(office.conninfo, handed, kept=every_figure(report)).figures.keys() == report.figures.keys()
    name = f"sharing.by_provider.{office.organisation}.provided"
    figures = json.loads(every_figure(report))
    figures[name]["value"] = "0"
    with pytest.raises(ReportRefused, match=f"{name} was handed over as 0, and is 1 now"):
        reprint(office.conninfo, handed, kept=json.dumps(figures).encode())
    digest = tuple(Figure(f.id, "0" * 64, f.definition) if f.id == EVERY_FIGURE else f for f in handed.figures)
    with pytest.raises(ReportRefused, match="single body"):
        reprint(office.conninfo, _with(handed, figures=digest))


def _with(handed: ReportHandedOver, **changes: Any) -> ReportHandedOver:
    copy = object.__new__(ReportHandedOver)
    object.__setattr__(copy, "__dict__", {**vars(handed), **changes})
    return copy


def test_a_revised_report_supersedes_the_one_before(office: Office) -> None:
    report = make(office.conninfo, "data-sharing-annual", YEAR)
    first, _ = office.give(report)
    with pytest.raises(LawRefused, match="supersedes"):
        office.give(report, status=ReportStatus.REVISED)
    before = {"ledger": "example.vic.gov.au/dffh", "stream": first.stream, "size": first.receipts[0].index + 1}
    second, _ = office.give(report, status=ReportStatus.REVISED, supersedes=before)
    handed = handed_over(office.conninfo, "dffh", second.stream)
    assert handed.supersedes is not None
    assert handed.supersedes.stream == first.stream


def test_only_who_reports_hands_over(office: Office) -> None:
    report = make(office.conninfo, "data-sharing-annual", YEAR)
    office.reporter = office.officer
    with pytest.raises(Forbidden):
        office.give(report)


def test_what_does_not_tie_is_not_handed_over(office: Office) -> None:
    report = make(office.conninfo, "data-sharing-annual", YEAR)
    (section,) = report.sections
    tie = section.ties[0]
    broken = replace(tie, whole=replace(tie.whole, value=99))
    sections = (replace(section, ties=(broken,)),)
    with pytest.raises(ReportRefused, match=f"figure {tie.whole.id} does not tie: it is 99"):
        office.give(replace(report, sections=sections, _figures={}))


def test_a_caller_gets_the_ledgers_whose_reports_they_may_read(office: Office) -> None:
    door = Door(office.conninfo, ["dffh"], date(2025, 11, 1))
    made = made_for(door, "data-sharing-annual", None)
    assert made.period == YEAR
    with pytest.raises(Forbidden):
        made_for(door, "data-sharing-annual", None, ledgers=["ovic"])
    at = made_for(door, "data-sharing-annual", "2024-25", as_at="dffh=0")
    assert {p.slug: p.size for p in at.positions}["dffh"] == 0
    for period in ("2024-26", "", "0001-01-01..0001-01-02", "9999"):
        with pytest.raises(InvalidInput, match="period"):
            made_for(door, "data-sharing-annual", period)
    both = Door(office.conninfo, ["common", "dffh"], date(2025, 11, 1))
    with pytest.raises(InvalidInput, match="as_at: expected positions of common, got 'one of dffh'"):
        made_for(both, "data-sharing-annual", "2024-25", as_at="dffh=1", ledgers=["common"])
    outcome, _ = office.give(made)
    with pytest.raises(Forbidden):
        reprint(office.conninfo, handed_over(office.conninfo, "dffh", outcome.stream), ["other"])


def test_to_whom_is_a_kind_and_words() -> None:
    assert recipient("minister: the Minister") == Recipient(ReportRecipient.MINISTER, "the Minister")
    assert recipient("Cabinet") == Recipient(ReportRecipient.CABINET, "Cabinet")
    assert recipient("Jo: the archive").kind is ReportRecipient.OTHER
    with pytest.raises(InvalidInput):
        recipient("minister: ")
