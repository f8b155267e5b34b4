"""Emergency access in the whole-of-government report, against figures worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger.codec.entry import Actor
from ledger.domain.event import CaseEvent
from ledger.domain.openings.events import (
    EmergencyAccessEnded,
    EmergencyAccessReviewed,
    EmergencyAccessTaken,
    OpenedEntry,
    PrivacyOfficerTold,
    SealedFieldsOpened,
    SealedFieldsSearched,
    ToldBy,
)
from ledger.store.database import Role
from projections import asked
from projections.base import register
from projections.doors import Door
from projections.query import every
from projections.reports import emergency
from projections.reports.catalogue import make
from projections.reports.figures import Report, ReportRefused
from projections.reports.period import financial_year
from tests.projections.book import Book
from tests.projections.book import make as made
from tests.reports.state import State
from tests.reports.test_sharing import values


def put(book: Book, at: date, event: type[CaseEvent], **fields: Any) -> int:
    """Records a fact of the stream that happens at noon in Melbourne, when it is recorded."""
    book.now = max(book.now, datetime(at.year, at.month, at.day, 2, tzinfo=UTC))
    fact = made(event, at, **fields)
    actor = Actor("p-1", "administrator", book.ledger.organisation, "test")
    return book.put("openings", fact_of(fact, actor))


def annual(state: State, reader: str, year: int = 2025) -> Report:
    """The whole-of-government report."""
    state.project()
    return make(reader, "annual-compliance", financial_year(year))


def fact_of(fact: CaseEvent, actor: Actor) -> CaseEvent:
    """The same by another person."""
    fields = {name: getattr(fact, name) for name in type(fact).__annotations__}
    header = fact.header._replace(actor=actor)
    return type(fact)(originator_id="", originator_version=0, timestamp=fact.timestamp, header=header, **fields)


def taken(book: Book, at: date, **fields: Any) -> int:
    """An emergency access of 15 minutes to one case."""
    return put(book, at, EmergencyAccessTaken, **({"reason": "r", "cases": ("c-1",)} | fields))


def opened(book: Book, at: date, access: int | None, *paths: str) -> int:
    """An opening of fields of one entry."""
    return put(
        book, at, SealedFieldsOpened, opened=(OpenedEntry(1, paths),), reason="r", emergency_access=access
    )


def history(state: State) -> None:
    """Six accesses in dffh, one in dpc; the year is 1 July 2025 to 30 June 2026."""
    book = state.books["dffh"]
    before = taken(book, date(2025, 6, 20))  # carried over, reviewed in the year, late
    put(book, date(2025, 7, 3), PrivacyOfficerTold, access=before, how=ToldBy.LIST, person="p-2")
    put(book, date(2025, 7, 3), EmergencyAccessReviewed, access=before, justified=True, words="w")
    first = taken(book, date(2025, 9, 2))  # told by mail, used twice, justified on the last day
    opened(book, date(2025, 9, 2), first, "reasons")
    opened(book, date(2025, 9, 2), first, "reasons", "purpose")
    opened(book, date(2025, 9, 2), None, "reasons")  # an officer's
    put(book, date(2025, 9, 2), PrivacyOfficerTold, access=first, how=ToldBy.MAIL)
    put(book, date(2025, 9, 9), EmergencyAccessReviewed, access=first, justified=True, words="w")
    second = taken(book, date(2025, 11, 4), whole_ledger=True, cases=(), minutes=60)  # not justified, late
    opened(book, date(2025, 11, 4), second, "reasons")
    put(book, date(2025, 11, 4), EmergencyAccessEnded, access=second)
    put(book, date(2025, 11, 12), EmergencyAccessReviewed, access=second, justified=False, words="w")
    taken(book, date(2026, 2, 3))  # nobody was told
    at_end = taken(book, date(2026, 6, 23))  # due on the last day; reviewed and told after the year
    fresh = taken(book, date(2026, 6, 24))
    for access in (at_end, fresh):
        put(book, date(2026, 7, 2), PrivacyOfficerTold, access=access, how=ToldBy.MAIL)
        put(book, date(2026, 7, 2), EmergencyAccessReviewed, access=access, justified=True, words="w")
    other = state.books["dpc"]
    opened(other, date(2026, 3, 3), taken(other, date(2026, 3, 3)), "reasons")


@pytest.fixture
def report(state: State, reader: str) -> Report:
    state.organisation("dffh", "Families")
    state.organisation("dpc", "Premier")
    history(state)
    return annual(state, reader)


def test_accesses_taken_told_reviewed_and_late(report: Report) -> None:
    assert values(report, "emergency.told") == {
        "mail": 1, "list": 0, "review": 1, "not_told": 4, "total": 6
    }  # fmt: skip
    assert values(report, "emergency.review") == {
        "justified": 1, "not_justified": 1, "open": 2, "overdue": 2, "total": 6
    }  # fmt: skip
    assert values(report, "emergency.time") == {
        "in_time": 1, "late": 1, "open": 2, "overdue": 2, "total": 6
    }  # fmt: skip
    assert values(report, "emergency.flow") == {"opening": 1, "taken": 6, "reviewed": 3, "closing": 4}


def test_accesses_and_openings_by_agency(report: Report) -> None:
    figures = {key: figure.value for key, figure in report.figures.items()}
    assert figures["emergency.by_agency.dffh.total"] == 5
    assert figures["emergency.by_agency.dpc.overdue"] == 1
    assert figures["emergency.openings.dffh.cases"] == 2
    assert figures["emergency.openings.dffh.ledger"] == 1
    assert figures["emergency.openings.total.total"] == 4
    assert figures["change.emergency.review.total.now"] == 6
    assert figures["change.emergency.review.total.before"] == 1
    rows = report.figures["emergency.openings.total.total"].rows
    assert {row.register for row in rows} == {"emergency_openings"}
    assert len(rows) == 4


def test_the_year_after_carries_over_what_was_not_reviewed(state: State, reader: str, report: Report) -> None:
    assert report.figures["emergency.flow.closing"].value == 4
    after = annual(state, reader, 2026)
    assert values(after, "emergency.flow") == {"opening": 4, "taken": 0, "reviewed": 2, "closing": 2}


def test_accesses_count_where_the_stream_begins_with_a_search(state: State, reader: str) -> None:
    """What the stream begins with is chance, and hides nothing that comes after it."""
    state.organisation("dffh", "Families")
    book, day = state.books["dffh"], date(2026, 2, 3)
    put(book, day, SealedFieldsSearched, found=(), searched_from=0, searched_to=1, reason="r")
    opened(book, day, taken(book, day), "reasons")
    report = annual(state, reader)
    assert values(report, "emergency.flow") == {"opening": 0, "taken": 1, "reviewed": 0, "closing": 1}
    assert report.figures["emergency.openings.total.total"].value == 1


def test_a_report_whose_accesses_do_not_tie_is_refused(
    state: State, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.organisation("dffh", "Families")
    taken(state.books["dffh"], date(2026, 2, 3))
    monkeypatch.setattr(emergency, "TOLD", emergency.TOLD[:-1])
    with pytest.raises(ReportRefused, match=r"emergency\.told\.total does not tie"):
        annual(state, reader)


def test_the_registers_as_at_a_position_are_as_they_were(state: State, report: Report) -> None:
    """Replayed, nobody had been told yet, and nothing was reviewed."""
    book = state.books["dffh"]
    door = Door(state.database.conninfo(Role.PROJECTOR), ["dffh"], date(2026, 7, 2), lambda *_: {})
    wanted = register("emergency_access")
    assert report.figures["emergency.review.total"].value == 6
    with asked.view(door, wanted, ledger="dffh") as view:
        now = list(every(view.connection, view.register, view.query({}), view.table))
    first = now[1]
    assert (first["openings"], first["fields"], first["told"], first["justified"]) == (2, 3, "mail", True)
    assert first["until"] == datetime(2025, 9, 2, 2, 15, tzinfo=UTC)
    assert first["review_due_on"] == date(2025, 9, 9)
    assert now[2]["ended_by"] == "p-1"
    assert now[2]["until"] - now[2]["recorded_at"] < timedelta(minutes=1)
    with asked.view(door, wanted, ledger="dffh", as_at=f"dffh={first['index'] + 2}") as view:
        then = list(every(view.connection, view.register, view.query({}), view.table))
    assert [row["index"] for row in then] == [now[0]["index"], first["index"]]
    assert (then[1]["openings"], then[1]["told"], then[1]["reviewed_on"]) == (1, None, None)
    assert book.size > first["index"] + 2
