"""Whole-of-government annual compliance report: the sections that exist so far (3-registers 'Reports')."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from projections.reports.agencies import Agencies
from projections.reports.areas import complaints, notices, retention
from projections.reports.build import Builder
from projections.reports.emergency import emergency
from projections.reports.figures import Definition, Figure, Line, Section, Table, percent
from projections.reports.findings import contraventions, duties, gaps
from projections.reports.period import Period
from projections.reports.sharing import sharing
from projections.reports.snapshot import Snapshot

CHANGE = Definition(
    "change",
    "The same figure for the period before, counted by the same definitions from the same positions; the "
    "change is this period's less that one's, also as a percentage of that one's.",
)
COMPARED = {
    "sharing.flow.received": "Formal requests received",
    "sharing.flow.answered": "Formal requests answered or ended",
    "sharing.flow.closing": "Formal requests open at the end",
    "sharing.timeliness.within": "Formal requests answered within 14 days",
    "sharing.timeliness.late": "Formal requests answered late",
    "sharing.timeliness.overdue": "Formal requests open and overdue",
    "sharing.grounds.total": "Refusals of formal requests",
    "sharing.copies.not_sent": "Copies of refusals not sent",
    "complaints.flow.received": "Complaints received",
    "complaints.flow.closed": "Complaints closed",
    "complaints.flow.closing": "Complaints open at the end",
    "notices.standing.total": "Compliance notices issued",
    "notices.flow.ended": "Compliance notices ended",
    "notices.flow.closing": "Compliance notices open at the end",
    "retention.due.total": "Retention items due",
    "retention.due.late": "Retention items done late",
    "retention.due.not_done": "Retention items due and not done",
    "emergency.review.total": "Emergency accesses taken",
    "emergency.review.not_justified": "Emergency accesses found not justified",
    "emergency.review.overdue": "Emergency accesses not reviewed, overdue",
    "emergency.openings.total.total": "Openings under emergency access",
    "duties.overdue.total.total": "Overdue duties at the end",
    "contraventions.by_organisation.total.total": "Contraventions found",
    "gaps.by_agency.total.total": "Completeness gaps",
}
"""What is set beside the period before."""

NOT_HERE = (
    "Sections on open data, child information sharing, complaints to the Commissioner, instruments, data "
    "security and privacy impact assessments are not in this report: their registers are not kept yet."
)


def compliance(snapshot: Snapshot, agencies: Agencies, period: Period) -> Sequence[Section]:
    """Its sections, in order; the last sets them beside the period before."""
    now = _sections(snapshot, agencies, period)
    before = _sections(snapshot, agencies, period.before)
    return [*now, change(now, before, period)]


def _sections(snapshot: Snapshot, agencies: Agencies, period: Period) -> list[Section]:
    makers: Sequence[Callable[[Snapshot, Agencies, Period], Section]] = (
        lambda rows, known, of: sharing(rows, known, of, condensed=True),
        complaints, notices, retention, emergency, duties, contraventions, gaps,
    )  # fmt: skip
    return [maker(snapshot, agencies, period) for maker in makers]


def change(now: Iterable[Section], before: Iterable[Section], period: Period) -> Section:
    """Headline figures of the period and the one before it, and the change."""
    build = Builder("change", "Change on the period before")
    build.words += [f"The period before: {period.before.words}.", NOT_HERE]
    this, last = _figures(now), _figures(before)
    lines = []
    for identity, words in COMPARED.items():
        here, there = this[identity], last[identity]
        assert isinstance(here.value, int)
        assert isinstance(there.value, int)
        name = f"change.{identity}"
        new = Figure(f"{name}.now", here.value, CHANGE, here.rows)
        old = Figure(f"{name}.before", there.value, CHANGE, there.rows)
        rows = tuple(dict.fromkeys((*old.rows, *new.rows)))
        difference = Figure(f"{name}.difference", here.value - there.value, CHANGE, rows)
        build.tie(here, new, rows=True)
        build.tie(new, old, difference)
        lines.append(
            Line(words, (old, new, difference, percent(f"{name}.share", CHANGE, difference, old)), id=identity)
        )
    columns = ("", "Period before", "This period", "Change", "Change in %")
    build.tables.append(
        Table("change.headline", "Headline figures, and the period before", columns, tuple(lines))
    )
    return build.section()


def _figures(sections: Iterable[Section]) -> dict[str, Figure]:
    return {figure.id: figure for section in sections for table in section.tables for figure in table.figures()}
