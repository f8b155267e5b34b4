"""The reports that there are, and how one is made: computed from a snapshot, checked, or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from ledger.errors import NotFound
from projections.base import register
from projections.reports.agencies import Agencies
from projections.reports.compliance import compliance
from projections.reports.figures import Report, ReportRefused, Section, Versions, digest
from projections.reports.period import Period
from projections.reports.sharing import sharing
from projections.reports.snapshot import Snapshot, snapshot

Sections = Callable[[Snapshot, Agencies, Period], Sequence[Section]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A report that can be made. ``registers``: those it reads, whose parked cases concern it."""

    name: str
    title: str
    recipient: str
    sections: Sections


REPORTS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "data-sharing-annual",
            "Data sharing under the Victorian Public Sector Data Sharing Policy",
            "the Minister and the Secretary, Department of Premier and Cabinet",
            lambda rows, agencies, period: [sharing(rows, agencies, period)],
        ),
        Kind(
            "annual-compliance",
            "Annual compliance report, whole of government",
            "the Minister and Cabinet",
            compliance,
        ),
    )
}


def report_kind(name: str) -> Kind:
    """The report of that name. Raises NotFound naming those there are."""
    try:
        return REPORTS[name]
    except KeyError:
        raise NotFound(f"no report is named {name!r}; there are {', '.join(REPORTS)}") from None


def make(
    conninfo: str,
    name: str,
    period: Period,
    *,
    positions: Mapping[str, int] | None = None,
    ledgers: Sequence[str] | None = None,
    incomplete: bool = False,
) -> Report:
    """A report for a period, as at positions (slug → size; else as far as the ledgers are now).

    ``ledgers``: of these only. ``incomplete``: made although cases are parked, and says so. ``conninfo`` is a
    reader's. Raises ReportRefused where a sum does not tie or cases are parked, NotFound, InvalidInput,
    Unavailable.
    """
    kind = report_kind(name)
    with snapshot(conninfo, positions, ledgers) as rows:
        agencies = Agencies.of(rows)
        sections = tuple(kind.sections(rows, agencies, period))
        parked = rows.parked
        calendar = {
            at.origin: _calendar(rows, number) for number, at in zip(rows.ledgers, rows.positions, strict=True)
        }
        read = rows.names
        report = Report(
            kind.name, kind.title, period, period.last, rows.positions,
            Versions(version("auditledger"), rules_version(), "", digest(calendar)), sections, parked,
            (_scope(rows),),
        )  # fmt: skip
        wanted = {row for figure in report.figures.values() for row in figure.rows}
        behind = rows.behind(wanted, {agency.id: agency.name for agency in agencies.known.values()})
    if parked and not incomplete:
        raise ReportRefused(
            f"{len(parked)} cases cannot be folded, so figures would leave them out: {'; '.join(parked[:5])}; "
            "repair them, or ask for an incomplete report"
        )
    report.check()
    # Definitions: those of its figures, and those of the registers that were read.
    said = [(d.id, d.version, d.words) for d in report.definitions]
    defined = digest(said, [(each, register(each).definition) for each in read])
    return replace(report, versions=replace(report.versions, definitions=defined), rows=behind)


def _scope(rows: Snapshot) -> str:
    return f"Made from the ledgers {', '.join(at.slug for at in rows.positions)}."


def _calendar(rows: Snapshot, ledger: int) -> list[str]:
    calendar = rows.calendars[ledger]
    days = [f"{day.day} {day.name}" for day in calendar.days]
    return [*days, *map(str, calendar.changes), str(calendar.provisional_from)]


@cache
def rules_version() -> str:
    """Tells one version of the rules of law from another: the digest of the texts of ``ledger.law``."""
    found = hashlib.sha256()
    texts = [each for each in files("ledger.law").iterdir() if each.name.endswith(".py")]
    for each in sorted(texts, key=lambda one: one.name):
        found.update(each.name.encode() + b"\0" + each.read_bytes())
    return found.hexdigest()[:16]
