"""Sections on duties under way and on what was found: overdue clocks, contraventions, completeness gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ledger.clock import melbourne_date
from ledger.domain.contravention.events import ContravenedRule
from ledger.law.clocks import CLOCKS, Nature, State
from ledger.law.time import Rule
from projections.reports.agencies import UNKNOWN, Agencies
from projections.reports.areas import state_at
from projections.reports.build import Builder, Kind
from projections.reports.figures import Definition, Section, count, median
from projections.reports.parties import holder, provider
from projections.reports.period import Period
from projections.reports.snapshot import RegisterRow, Snapshot

DUTIES = Definition(
    "duties.running",
    "Statutory clocks that are duties, started and not ended at the end of the period, judged on its last "
    "day. Only a duty can be overdue: rights and powers lapse. Held: a hold stops the action. Pending: a "
    "notice is not in effect yet. The agency is the one that owes the act: provider, entity, holder, or "
    "organisation notified.",
)
AGES = Definition(
    "duties.ages",
    "Duties for which the source gives no number of days, open at the end of the period, with the median of "
    "the days since they began; they are never overdue.",
)
FOUND = Definition(
    "contraventions.found",
    "Contraventions found and recorded, by the day on which they happened; where it is not known, by the day "
    "on which they were found, or else recorded. Counted apart from what was refused or is overdue.",
)
GAPS = Definition(
    "gaps.found",
    "Facts that a source asks for and the record does not state, by the day of the fact that should have "
    "stated them; where it is not known, by the day on which it was recorded. A gap is never a refusal.",
)
RUNNING = (
    Kind(State.OPEN.value, "Open, not yet due"),
    Kind(State.OVERDUE.value, "Overdue"),
    Kind(State.HELD.value, "Held"),
    Kind(State.PENDING.value, "Pending"),
)
_WORDS = {
    "vps.response": "Response to a formal request",
    "vps.refusal_copy": "Copy of a refusal to the Secretary",
    "vps.informal": "Answer to an informal request",
    "nsw.acknowledge": "Acknowledgement (NSW)",
    "nsw.response": "Response (NSW)",
    "ciss.complaint": "Complaint to an entity",
    "pdpa.notice_period": "Compliance notice",
    "ipp4.destroy": "Destruction, IPP 4.2",
    "retention.action": "Retention action",
}
RULES = {
    ContravenedRule.VPS_POLICY: "VPS Data Sharing Policy",
    ContravenedRule.NSW_GUIDE: "Data.NSW guide",
    ContravenedRule.CISS: "Child Information Sharing Scheme",
    ContravenedRule.PDPA: "Privacy and Data Protection Act",
    ContravenedRule.IPP: "Information Privacy Principles",
    ContravenedRule.DATAVIC: "DataVic Access Policy",
    ContravenedRule.PUBLIC_RECORDS_ACT: "Public Records Act",
    ContravenedRule.LEDGER_RULE: "A rule of the ledger",
    ContravenedRule.OTHER: "Another",
}
AREAS = (
    Kind("request", "Request"),
    Kind("disclosure", "Disclosure"),
    Kind("complaint", "Complaint"),
    Kind("notice", "Compliance notice"),
    Kind("retention", "Retention"),
    Kind("case", "Correction of a case"),
    Kind("organisation", "Organisation"),
)
"""Kinds of case that are told of whether or not they have gaps; of others where they have some."""


def clock_words(clock: str) -> str:
    """What a clock is called in a report."""
    return _WORDS.get(clock, f"{clock} ({CLOCKS[clock].section})")


def duties(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Duties running at the end of the period, by clock and state; overdue ones by agency."""
    build = Builder("duties", "Statutory duties at the end of the period")
    owed_by = _owed_by(snapshot)
    end = period.last
    running = [
        row
        for row in snapshot.rows("clocks")
        if row["nature"] == Nature.DUTY and state_at(row, end) in {kind.key for kind in RUNNING}
    ]
    dated = [row for row in running if CLOCKS[row["clock"]].rule is not Rule.NONE]
    with_days = [rule for rule in CLOCKS.values() if rule.nature is Nature.DUTY and rule.rule is not Rule.NONE]

    def agency(row: RegisterRow) -> str:
        return owed_by.get((row.id.ledger, row.id.stream), row.organisation)

    def clock(row: RegisterRow) -> str:
        return str(row["clock"])

    build.kinds(
        "state", "Duties with a due date, by state", "State", dated, lambda row: str(state_at(row, end)),
        RUNNING, DUTIES,
    )  # fmt: skip
    overdue = [row for row in dated if state_at(row, end) == State.OVERDUE]
    build.by(
        "overdue", "Overdue duties, by agency and clock", agencies.plain(agency(row) for row in overdue),
        agency, overdue, clock, [Kind(rule.id, clock_words(rule.id)) for rule in with_days], DUTIES,
    )  # fmt: skip
    lines = []
    for rule in CLOCKS.values():
        if rule.nature is not Nature.DUTY or rule.rule is not Rule.NONE:
            continue
        own = [row for row in running if row["clock"] == rule.id]
        days = [((end - row["trigger_on"]).days, row.id) for row in own]
        key = rule.id.replace(".", "_")
        lines.append((clock_words(rule.id), count(f"duties.undated.{key}", AGES, (row.id for row in own))))
        lines.append((f"{clock_words(rule.id)}: median days", median(f"duties.undated.{key}_days", AGES, days)))
    build.list("undated", "Open duties without a due date, and their age", ("Duty", "Number"), lines)
    return build.section()


def _owed_by(snapshot: Snapshot) -> Mapping[tuple[str, str], str]:
    """Ledger and case → the organisation that owes what its clocks ask for."""
    found: dict[tuple[str, str], str] = {}
    for row in snapshot.rows("requests"):
        found[row.id.ledger, row.id.stream] = provider(row)
    for row in snapshot.rows("complaints"):
        found[row.id.ledger, row.id.stream] = row["entity"]
    for row in snapshot.rows("retention"):
        found[row.id.ledger, row.id.stream] = holder(row)
    for row in snapshot.rows("notices"):
        found[row.id.ledger, row.id.stream] = row["organisation"] or UNKNOWN
    return found


def contraventions(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Contraventions found, by rule and by organisation."""
    build = Builder("contraventions", "Contraventions found")
    rows = contraventions_in(snapshot, period)
    kinds = [Kind(rule.value, words) for rule, words in RULES.items()]
    build.by(
        "by_organisation", "Contraventions found, by organisation and rule",
        agencies.plain(row["organisation"] for row in rows), lambda row: str(row["organisation"]), rows,
        lambda row: str(row["rule"]), kinds, FOUND, head="Organisation",
    )  # fmt: skip
    return build.section()


def contraventions_in(snapshot: Snapshot, period: Period) -> list[RegisterRow]:
    """The contraventions of a period."""
    return [
        row
        for row in snapshot.rows("contraventions")
        if (row["happened_on"] or row["found_on"] or melbourne_date(row["recorded_at"])) in period
    ]


def gaps(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Completeness gaps, by the organisation of the ledger and the kind of case; by missing fact."""
    build = Builder("gaps", "Completeness gaps")
    rows = [row for row in snapshot.rows("gaps") if _fact_on(row) in period]
    others = {str(row["area"]) for row in rows} - {area.key for area in AREAS}
    areas = [*AREAS, *(Kind(area, area.capitalize()) for area in sorted(others))]
    build.by(
        "by_agency", "Completeness gaps, by agency and kind of case",
        agencies.plain(row.organisation for row in rows), lambda row: row.organisation, rows,
        lambda row: str(row["area"]), areas, GAPS,
    )  # fmt: skip
    gap_table(build, "by_fact", "Completeness gaps, by the fact that is missing", rows, GAPS)
    return build.section()


def gap_table(
    build: Builder, table: str, title: str, rows: Sequence[RegisterRow], definition: Definition
) -> None:
    """Gaps by missing fact; the kinds are those that there are."""
    words = {gap_key(row): f"{row['field']} ({row['section']})" for row in rows}
    kinds = [Kind(key, words[key]) for key in sorted(words)]
    build.kinds(table, title, "Missing fact", rows, gap_key, kinds, definition, unit="Gaps")


def gap_key(row: RegisterRow) -> str:
    """A missing fact as a part of a figure's id."""
    said = f"{row['event']}_{row['field']}".lower()
    return "".join(letter if letter.isalnum() else "_" for letter in said)


def _fact_on(row: RegisterRow) -> date:
    happened: date | None = row["happened_on"]
    return happened or melbourne_date(row["recorded_at"])
