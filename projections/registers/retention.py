"""Retention and destruction of things outside the ledger (1-law G; PDPA IPP 4.2; Data.NSW guide §3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain.event import CaseEvent
from ledger.domain.retention.events import (
    ProviderNotified,
    RecipientConfirmed,
    RecordsDeIdentified,
    RecordsDestroyed,
    RecordsRemoved,
    RecordsReturned,
    RecordsTransferred,
    RetentionScheduled,
)
from projections.base import Column, Kind, Register, Row, StreamInfo, case_of, pointer
from projections.views.days import in_course, recorded_on
from projections.views.openings import retention_due, retention_view

HandedOn = RecordsReturned | RecordsTransferred
Ending = RecordsDestroyed | RecordsDeIdentified | RecordsRemoved | HandedOn


class Retention(Register):
    """Every retention item, one row each."""

    name = "retention"
    title = "Retention and destruction"
    columns = (
        Column("dataset", Kind.TEXT, "the dataset or class, by its code"),
        Column("what", Kind.SEALED, "… in words"),
        Column("holder", Kind.TEXT, "who holds it"),
        Column("holder_name", Kind.SEALED, "its name, where it is not registered"),
        Column("provider", Kind.TEXT, "who provided it"),
        Column("period", Kind.TEXT, "how long, ISO 8601; empty: due on the trigger"),
        Column("trigger", Kind.SEALED, "what starts the period"),
        Column("rationale", Kind.SEALED, "why so long"),
        Column("action", Kind.TEXT, "what is due: destroy, de-identify, return, transfer, remove"),
        Column("authority", Kind.SEALED, "on whose authority"),
        Column("disposal_authority", Kind.TEXT, "number and class of the disposal authority"),
        Column("agreement", Kind.TEXT, "the agreement whose table it comes from"),
        Column("taken_over", Kind.TEXT, "the predecessor's case that goes on here"),
        Column("personal_information", Kind.BOOL, "whether it is personal information"),
        Column("triggered_on", Kind.DATE, "the day of the trigger"),
        Column(
            "no_longer_needed_on", Kind.DATE, "the day from which it is not needed for any purpose: IPP 4.2"
        ),
        Column("due_on", Kind.DATE, "the day on which the action is due"),
        Column("holds", Kind.INT, "holds placed"),
        Column("held", Kind.BOOL, "whether a hold is open"),
        Column("done", Kind.TEXT, "what was done; empty while nothing is"),
        Column("done_on", Kind.DATE, "the day on which it was done"),
        Column("done_index", Kind.INT, "the entry that says so"),
        Column("done_by", Kind.TEXT, "the organisation that did it"),
        Column("copy_kept", Kind.BOOL, "of what was returned, transferred, removed: whether a copy is kept"),
        Column("late", Kind.BOOL, "whether it was done after the due date; empty where a day is not known"),
        Column("early_authority", Kind.SEALED, "the authority for doing it before the period had run"),
        Column("certificate", Kind.BOOL, "whether a certificate is kept"),
        Column("provider_notified_on", Kind.DATE, "the day on which the recipient told the provider"),
        Column("recipients_confirmed", Kind.INT, "recipients that confirmed that their copy is gone"),
    )
    opened_by = (RetentionScheduled,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row an item."""
        standing = about.view(retention_view, facts)
        if standing is None:
            return
        facts = about.view(in_course, facts)
        scheduled = standing.scheduled
        ending = next((f for f in facts if isinstance(f, Ending)), None)
        notified = next((f for f in facts if isinstance(f, ProviderNotified)), None)
        due = retention_due(standing, about.calendar, recorded_on(scheduled))
        late = None if due is None or standing.done_on is None else standing.done_on > due.due
        certificate = getattr(ending, "certificate", None)
        values: dict[str, object] = {
            "dataset": scheduled.dataset,
            "what": pointer(scheduled, "what"),
            "holder": scheduled.holder,
            "holder_name": pointer(scheduled, "holder_name"),
            "provider": scheduled.provider,
            "period": scheduled.period,
            "trigger": pointer(scheduled, "trigger"),
            "rationale": pointer(scheduled, "rationale"),
            "action": None if scheduled.action is None else scheduled.action.value,
            "authority": pointer(scheduled, "authority"),
            "disposal_authority": scheduled.disposal_authority,
            "agreement": case_of(scheduled.agreement),
            "taken_over": case_of(scheduled.taken_over),
            "personal_information": scheduled.personal_information,
            "triggered_on": standing.triggered_on,
            "no_longer_needed_on": standing.no_longer_needed_on,
            "due_on": None if due is None else due.due,
            "holds": len(standing.holds),
            "held": bool(standing.open_holds),
            "done": None if standing.done is None else standing.done.value,
            "done_on": standing.done_on,
            "done_index": None if ending is None else ending.index,
            "done_by": None if ending is None else ending.by_organisation,
            "copy_kept": getattr(ending, "copy_kept", None),
            "late": late,
            # What is returned or transferred is not destroyed: it needs no authority to be early.
            "early_authority": None
            if isinstance(ending, HandedOn | None)
            else pointer(ending, "early_authority"),
            "certificate": None if ending is None else certificate is not None,
            "provider_notified_on": None if notified is None else notified.happened_date,
            "recipients_confirmed": sum(isinstance(f, RecipientConfirmed) for f in facts),
        }
        yield Row(scheduled, values)
