"""What the ledgers say of themselves: holidays, contraventions found, reports handed over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain.contravention.events import ContraventionFound
from ledger.domain.event import CaseEvent
from ledger.domain.installation.events import (
    CalendarSeeded,
    HolidayAdded,
    HolidayRemoved,
    HolidaySubstituted,
    ReportHandedOver,
)
from projections.base import Column, Kind, Register, Row, StreamInfo, pointer


class Contraventions(Register):
    """Every contravention found, one row each."""

    name = "contraventions"
    title = "Contraventions found"
    columns = (
        Column("rule", Kind.TEXT, "the instrument that was contravened"),
        Column("section", Kind.TEXT, "the place in it"),
        Column("what", Kind.SEALED, "what happened"),
        Column("organisation", Kind.TEXT, "the body that acted"),
        Column("about", Kind.TEXT, "the case that it is about"),
        Column("found_by", Kind.TEXT, "who or what found it"),
        Column("found_on", Kind.DATE, "the day on which it was found"),
        Column("steps_taken", Kind.SEALED, "steps taken"),
        Column("ciss_offence", Kind.TEXT, "which offence of CISS ch. 6 it may be"),
    )
    opened_by = (ContraventionFound,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a contravention."""
        for found in facts:
            if not isinstance(found, ContraventionFound):
                continue
            values: dict[str, object] = {
                "rule": found.rule.value,
                "section": found.section,
                "what": pointer(found, "what"),
                "organisation": found.organisation or about.organisation,
                "about": None if found.about is None else f"{found.about.ledger}/{found.about.stream}",
                "found_by": None if found.found_by is None else found.found_by.value,
                "found_on": found.found_on,
                "steps_taken": pointer(found, "steps_taken"),
                "ciss_offence": None if found.ciss_offence is None else found.ciss_offence.value,
            }
            yield Row(found, values, str(found.index))


class Holidays(Register):
    """The holiday calendar of each ledger, one row a day and municipality."""

    name = "holidays"
    title = "Holiday calendar"
    columns = (
        Column("day", Kind.DATE, "the day"),
        Column("holiday", Kind.TEXT, "its name"),
        Column("change", Kind.TEXT, "seeded, added, substituted or removed"),
        Column("municipality", Kind.TEXT, "where a substitute counts; empty: everywhere"),
        Column("instead_of", Kind.DATE, "the day that a substitute stands for"),
    )
    opened_by = (CalendarSeeded, HolidayAdded, HolidaySubstituted, HolidayRemoved)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a seeded day as changed, one a change."""
        seeds = [fact for fact in facts if isinstance(fact, CalendarSeeded)]
        for seeded in seeds[-1:]:
            for day in seeded.days:
                values: dict[str, object] = {"day": day.day, "holiday": day.name, "change": "seeded"}
                yield Row(seeded, values, f"seeded:{day.day}", (seeded,))
        for fact in facts:
            match fact:
                case HolidayAdded():
                    values = {"day": fact.day, "holiday": fact.holiday, "change": "added"}
                case HolidayRemoved():
                    values = {"day": fact.day, "change": "removed"}
                case HolidaySubstituted():
                    values = {
                        "day": fact.day,
                        "holiday": fact.holiday,
                        "change": "substituted",
                        "municipality": fact.municipality,
                        "instead_of": fact.instead_of,
                    }
                case _:
                    continue
            yield Row(fact, values, str(fact.index), (fact,))


class ReportsHandedOver(Register):
    """Every report that was handed over, one row each."""

    name = "reports"
    title = "Reports handed over"
    columns = (
        Column("report", Kind.TEXT, "which report"),
        Column("period_from", Kind.DATE, "first day of its period"),
        Column("period_to", Kind.DATE, "last day of its period"),
        Column("report_status", Kind.TEXT, "provisional, final, revised"),
        Column("recipient_kind", Kind.TEXT, "to whom"),
        Column("recipient", Kind.SEALED, "… in words"),
        Column("judged_on", Kind.DATE, "the date that clocks were judged on"),
        Column("positions", Kind.TEXTS, "as at which positions"),
        Column("figures", Kind.INT, "how many figures it has"),
        Column("files", Kind.TEXTS, "its files, each with its SHA-256"),
        Column("supersedes", Kind.TEXT, "the hand-over before it"),
        Column("incomplete", Kind.BOOL, "whether figures leave out parked cases"),
        Column("embargo_until", Kind.DATE, "not public before"),
    )
    opened_by = (ReportHandedOver,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a hand-over."""
        for handed in facts:
            if not isinstance(handed, ReportHandedOver):
                continue
            before = handed.supersedes
            values: dict[str, object] = {
                "report": handed.report,
                "period_from": handed.period_from,
                "period_to": handed.period_to,
                "report_status": handed.status.value,
                "recipient_kind": handed.recipient_kind.value,
                "recipient": pointer(handed, "recipient"),
                "judged_on": handed.judged_on,
                "positions": [f"{p.ledger}={p.size}" for p in handed.positions],
                "figures": len(handed.figures),
                "files": [f"{f.name} {f.sha256.hex()}" for f in handed.files],
                "supersedes": None if before is None else f"{before.ledger}/{before.stream}",
                "incomplete": handed.incomplete,
                "embargo_until": handed.embargo_until,
            }
            yield Row(handed, values, str(handed.index), (handed,))
