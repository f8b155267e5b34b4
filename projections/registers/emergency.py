"""Emergency access to sealed fields: who took it, for what, until when, told, used, reviewed (issue 4 § 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.clock import melbourne_date
from ledger.domain.event import CaseEvent
from ledger.domain.openings.events import SealedFieldsOpened
from ledger.domain.openings.standing import EmergencyAccess, accesses_of
from projections.base import Column, Kind, Register, Row, StreamInfo, events_of, pointer


def _accesses(facts: Sequence[CaseEvent], _about: StreamInfo) -> dict[int, EmergencyAccess]:
    return accesses_of(facts)


def _fields(opened: SealedFieldsOpened) -> int:
    return sum(len(entry.paths) for entry in opened.opened)


def _reach(access: EmergencyAccess) -> str:
    return "ledger" if access.taken.whole_ledger else "cases"


class EmergencyAccesses(Register):
    """Every emergency access, one row each."""

    name = "emergency_access"
    title = "Emergency access to sealed fields"
    version = 2
    columns = (
        Column("person", Kind.TEXT, "who took it, by opaque id"),
        Column("role", Kind.TEXT, "the role in which they took it"),
        Column("reach", Kind.TEXT, "for what: named cases, or the whole ledger"),
        Column("cases", Kind.TEXTS, "the cases that it names"),
        Column("reason", Kind.SEALED, "why"),
        Column("minutes", Kind.INT, "for how many minutes it was taken"),
        Column("until", Kind.MOMENT, "when it was over"),
        Column("ended_by", Kind.TEXT, "who ended it before its time"),
        Column("openings", Kind.INT, "openings under it"),
        Column("fields", Kind.INT, "sealed fields and files opened under it, each time counted"),
        Column("told", Kind.TEXT, "how the privacy officer was told: mail, list; empty: not told"),
        Column("told_on", Kind.DATE, "the day on which that was recorded"),
        Column("review_due_on", Kind.DATE, "the last day for its review"),
        Column("reviewed_on", Kind.DATE, "the day of its review; empty: not reviewed"),
        Column("reviewed_by", Kind.TEXT, "who reviewed it"),
        Column("justified", Kind.BOOL, "whether the review found it justified"),
        Column("review_words", Kind.SEALED, "why"),
    )
    opened_by = events_of("openings")

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row an access."""
        for access in about.view(_accesses, facts).values():
            taken, told, reviewed = access.taken, access.told, access.reviewed
            values: dict[str, object] = {
                "person": access.taker[0],
                "role": taken.header.actor.role,
                "reach": _reach(access),
                "cases": list(taken.cases),
                "reason": pointer(taken, "reason"),
                "minutes": taken.minutes,
                "until": access.until,
                "ended_by": None if access.ended is None else access.ended.header.actor.id,
                "openings": len(access.openings),
                "fields": sum(map(_fields, access.openings)),
                "told": None if told is None else told.how.value,
                "told_on": None if told is None else melbourne_date(told.timestamp),
                "review_due_on": access.review_due,
            }
            if reviewed is not None:
                values |= {
                    "reviewed_on": reviewed.happened_date,
                    "reviewed_by": reviewed.header.actor.id,
                    "justified": reviewed.justified,
                    "review_words": pointer(reviewed, "words"),
                }
            yield Row(taken, values, str(taken.index), access.facts())


class EmergencyOpenings(Register):
    """Every opening of sealed fields under emergency access, one row each."""

    name = "emergency_openings"
    title = "Openings under emergency access"
    version = 2
    columns = (
        Column("access", Kind.INT, "the entry by which the access was taken"),
        Column("person", Kind.TEXT, "who opened, by opaque id"),
        Column("reach", Kind.TEXT, "for what the access was: named cases, or the whole ledger"),
        Column("opened", Kind.INTS, "the entries of which fields were opened"),
        Column("fields", Kind.INT, "how many fields and files"),
        Column("reason", Kind.SEALED, "why"),
    )
    opened_by = events_of("openings")

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row an opening."""
        for index, access in about.view(_accesses, facts).items():
            for opened in access.openings:
                values: dict[str, object] = {
                    "access": index,
                    "person": opened.header.actor.id,
                    "reach": _reach(access),
                    "opened": [each.entry for each in opened.opened],
                    "fields": _fields(opened),
                    "reason": pointer(opened, "reason"),
                }
                yield Row(opened, values, str(opened.index), (access.taken, opened))
