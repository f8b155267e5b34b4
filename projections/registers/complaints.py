"""Complaints to information sharing entities (CISS Guidelines ch. 5, ch. 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain.complaint.events import (
    ComplaintReceived,
    ComplaintResolved,
    ComplaintTaken,
    ComplaintTakenResult,
    ComplaintUnresolved,
)
from ledger.domain.event import CaseEvent
from ledger.law import complaints as law
from projections.base import Column, Kind, Register, Row, StreamInfo, case_of, pointer
from projections.views.days import in_course


class Complaints(Register):
    """Every complaint to an entity, one row each."""

    name = "complaints"
    title = "Complaints to entities"
    version = 2
    columns = (
        Column("entity", Kind.TEXT, "the entity that it is about"),
        Column("complainant", Kind.TEXT, "an individual or an entity"),
        Column("complainant_name", Kind.SEALED, "who"),
        Column("about", Kind.TEXT, "which activity under the scheme it is about"),
        Column("nature", Kind.SEALED, "the nature of the complaint"),
        Column("request", Kind.TEXT, "the request that was not met"),
        Column(
            "record_required", Kind.BOOL, "whether ch. 5 asks for this record (courts and tribunals are exempt)"
        ),
        Column("taken_over", Kind.TEXT, "the predecessor's case that goes on here"),
        Column("made_on", Kind.DATE, "the day on which it was made"),
        Column("received_on", Kind.DATE, "the day on which it was received"),
        Column("outcome", Kind.TEXT, "resolved, unresolved; empty while open"),
        Column("closed_on", Kind.DATE, "the day on which it was closed"),
        Column("closed_index", Kind.INT, "the entry that closed it"),
        Column("days_to_resolve", Kind.INT, "time taken, counted from receipt"),
        Column("to_resolve", Kind.TEXT, "action to resolve: taken, none, none necessary"),
        Column("to_resolve_what", Kind.SEALED, "which"),
        Column("to_prevent", Kind.TEXT, "action to prevent more of the same: taken, none, none necessary"),
        Column("to_prevent_what", Kind.SEALED, "which"),
        Column("further", Kind.TEXT, "of an unresolved one: further action, or none"),
        Column("further_what", Kind.SEALED, "which"),
        Column("taken_to", Kind.TEXTS, "oversight bodies that it was taken on to"),
        Column("results", Kind.TEXTS, "their results, as body: result"),
    )
    opened_by = (ComplaintReceived,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a complaint."""
        received = facts[0]
        if not isinstance(received, ComplaintReceived):
            return
        facts = about.view(in_course, facts)
        closed = next((f for f in facts if isinstance(f, ComplaintResolved | ComplaintUnresolved)), None)
        values: dict[str, object] = {
            "entity": received.entity or about.organisation,
            "complainant": None if received.complainant is None else received.complainant.value,
            "complainant_name": pointer(received, "complainant_name"),
            "about": None if received.about is None else received.about.value,
            "nature": pointer(received, "nature"),
            "request": case_of(received.request),
            "taken_over": case_of(received.taken_over),
            "record_required": law.records_are_required(
                bool(received.court_or_tribunal), received.happened_date
            ),
            "made_on": received.made_on,
            "received_on": received.happened_date,
            "taken_to": [f.to.value for f in facts if isinstance(f, ComplaintTaken) and f.to] or None,
            "results": [
                f"{f.of.value}: {f.result.value if f.result else 'not stated'}"
                for f in facts
                if isinstance(f, ComplaintTakenResult)
            ]
            or None,
        }
        if closed is not None:
            values |= _closing(received, closed)
        yield Row(received, values)


def _closing(received: ComplaintReceived, closed: ComplaintResolved | ComplaintUnresolved) -> dict[str, object]:
    unresolved = closed if isinstance(closed, ComplaintUnresolved) else None
    taken = law.days_to_resolve(received.made_on, received.happened_date, closed.happened_date)
    return {
        "outcome": "resolved" if unresolved is None else "unresolved",
        "closed_on": closed.happened_date,
        "closed_index": closed.index,
        "days_to_resolve": taken,
        "to_resolve": None if closed.to_resolve is None else closed.to_resolve.value,
        "to_resolve_what": pointer(closed, "to_resolve_what"),
        "to_prevent": None if closed.to_prevent is None else closed.to_prevent.value,
        "to_prevent_what": pointer(closed, "to_prevent_what"),
        "further_what": None if unresolved is None else pointer(unresolved, "further_what"),
        "further": None if unresolved is None or unresolved.further is None else unresolved.further.value,
    }
