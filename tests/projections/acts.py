"""Random histories: cases of several areas, corrections, calendar changes, cases entered in error."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from ledger.codec.entry import Precision
from ledger.domain.common.events import EnteredInError
from ledger.domain.complaint.events import ActionStated, Complainant, ComplaintReceived, ComplaintResolved
from ledger.domain.event import CaseEvent
from ledger.domain.installation.events import HolidayAdded, HolidayRemoved
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    NoticeComplied,
    NoticeServed,
    ReasonsGiven,
    ReasonsRequested,
)
from ledger.domain.request.events import (
    DisclosureMade,
    LegalBasis,
    RefusalCopySent,
    RefusalGround,
    RequestAcknowledged,
    RequestForm,
    RequestReceived,
    RequestRefused,
    RequestScheme,
    RequestWithdrawn,
)
from ledger.domain.retention.events import (
    HoldPlaced,
    HoldReleased,
    RecordsDestroyed,
    RetentionScheduled,
    RetentionTriggered,
)
from tests.projections.book import Book, make

DAY = date(2025, 6, 2)
OPENINGS = ("formal", "informal", "nsw", "complaint", "notice", "retention")


def opening(kind: str, day: date | None, **more: Any) -> CaseEvent:
    """The event that opens a case of this kind."""
    match kind:
        case "formal":
            return make(RequestReceived, day, scheme=RequestScheme.VPS, form=RequestForm.FORMAL, **more)
        case "informal":
            return make(RequestReceived, day, scheme=RequestScheme.VPS, form=RequestForm.INFORMAL, **more)
        case "nsw":
            return make(RequestReceived, day, scheme=RequestScheme.NSW, requester="dpc", **more)
        case "complaint":
            return make(ComplaintReceived, day, complainant=Complainant.ENTITY, nature="n", **more)
        case "notice":
            ends = DAY + timedelta(60)
            return make(ComplianceNoticeIssued, day, organisation="o", action="a", period_ends=ends, **more)
        case _:
            return make(RetentionScheduled, day, dataset="d-1", period="P1M", **more)


def following(kind: str, choice: int, day: date | None, **more: Any) -> CaseEvent:
    """An event in the course of a case of this kind."""
    parts = ("whole",)
    if kind in ("formal", "informal", "nsw"):
        made: list[CaseEvent] = [
            make(RequestAcknowledged, day, **more),
            make(
                RequestRefused, day, parts=parts, grounds=(RefusalGround.OTHER_RIGHTS,), in_writing=True, **more
            ),
            make(DisclosureMade, day, parts=parts, bases=(LegalBasis.IPP_2_1_G,), **more),
            make(RefusalCopySent, day, parts=parts, **more),
            make(RequestWithdrawn, day, **more),
        ]
    elif kind == "complaint":
        resolved = {"to_resolve": ActionStated.TAKEN, "to_prevent": ActionStated.NONE}
        made = [make(ComplaintResolved, day, **resolved, **more)]
    elif kind == "notice":
        made = [
            make(NoticeServed, day, **more),
            make(ReasonsRequested, day, **more),
            make(ReasonsGiven, day, **more),
            make(NoticeComplied, day, **more),
        ]
    else:
        made = [
            make(RetentionTriggered, day, **more),
            make(HoldPlaced, day, hold="h-1", **more),
            make(HoldReleased, day, hold="h-1", **more),
            make(RecordsDestroyed, day, **more),
        ]
    made.append(make(EnteredInError, day, reason="r", **more))
    return made[choice % len(made)]


steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "follow", "follow", "follow", "correct", "correct", "holiday"]),
        st.integers(0, 40),
        st.integers(0, 40),
        st.sampled_from(["day", "day", "day", "month", "unknown"]),
    ),
    min_size=8,
    max_size=40,
)
"""What happens, step by step: (what, which case or entry, which choice, how exactly dated)."""


class History:
    """Plays steps into a book."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.cases: list[tuple[str, str]] = []
        self.entries: list[tuple[str, str, int, bool, int]] = []
        """(stream, kind, index, whether it opened the case, choice)"""
        self.holidays: list[date] = []

    def play(self, step: tuple[str, int, int, str]) -> None:
        """One entry more."""
        what, which, choice, dated = step
        day: date | None = DAY + timedelta(choice)
        more: dict[str, Any] = {}
        if dated == "month":
            day, more = DAY.replace(day=1), {"precision": Precision.MONTH}
        elif dated == "unknown":
            day = None
        if what == "holiday":
            # Where due dates fall: 14 days of a request, 28 of a review.
            self._holiday(DAY + timedelta((14, 28)[choice % 2] + which % 6))
        elif what == "correct" and self.entries:
            self._correct(which, choice, day, more)
        elif what == "follow" and self.cases:
            stream, kind = self.cases[which % len(self.cases)]
            index = self.book.put(stream, following(kind, choice, day, **more))
            self.entries.append((stream, kind, index, False, choice))
        else:
            kind = OPENINGS[which % len(OPENINGS)]
            day = day if day is None or more else DAY + timedelta(choice % 6)
            stream = self.book.case(opening(kind, day, **more))
            self.cases.append((stream, kind))
            self.entries.append((stream, kind, self.book.size - 1, True, choice))

    def _holiday(self, day: date) -> None:
        if day in self.holidays:
            self.holidays.remove(day)
            self.book.put("calendar", make(HolidayRemoved, DAY, day=day))
        else:
            self.holidays.append(day)
            self.book.put("calendar", make(HolidayAdded, DAY, day=day, holiday="Gazetted"))

    def _correct(self, which: int, choice: int, day: date | None, more: dict[str, Any]) -> None:
        place = which % len(self.entries)
        stream, kind, index, opened, chosen = self.entries[place]
        more["corrects"] = (index, ("typing", "entered_in_error", "duplicate")[choice % 3])
        event = opening(kind, day, **more) if opened else following(kind, chosen, day, **more)
        self.entries[place] = (stream, kind, self.book.put(stream, event), opened, chosen)
