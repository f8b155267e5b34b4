"""Registers as they were: as recorded by, as happened by; differences; clocks as at a day, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger.clock import melbourne_date
from ledger.domain.common.events import EnteredInError
from ledger.domain.installation.events import HolidayAdded, HolidaySubstituted
from ledger.domain.request.events import (
    DisclosureMade,
    LegalBasis,
    RequestAcknowledged,
    RequestReceived,
    RequestRefused,
    RequestScheme,
)
from ledger.errors import InvalidInput, NotFound
from ledger.store.database import Database
from ledger.store.ledgers import Ledger, Ledgers
from projections.base import register
from projections.connection import connect
from projections.explain import explain
from projections.facts import heads
from projections.query import Page, Query, as_csv, as_json, every, opened, page
from projections.replay import Replay, diff, ready, replay, resolve
from projections.runner import Runner
from tests.projections.book import Book, make
from tests.projections.test_live import formal, rows

DAY = date(2025, 6, 11)
DISCLOSED: dict[str, Any] = {"parts": ("whole",), "bases": (LegalBasis.NO_PERSONAL_INFORMATION,)}


def listed(conninfo: str, found: Replay, **given: Any) -> list[dict[str, Any]]:
    with connect(conninfo) as connection:
        return page(connection, found.register, Query(on=found.moment.on, **given), found.table).rows


def test_as_recorded_by_a_position_a_moment_and_a_date(book: Book, ledger: Ledger, conninfo: str) -> None:
    requests = register("requests")
    book.now = datetime(2025, 6, 12, 1, tzinfo=UTC)
    case = book.case(formal(DAY))
    book.now = datetime(2025, 6, 20, 13, 59, 59, tzinfo=UTC)  # 23:59:59 in Melbourne
    book.put(case, make(RequestAcknowledged, DAY))
    book.now = datetime(2025, 6, 20, 14, 0, tzinfo=UTC)  # midnight
    book.put(case, make(DisclosureMade, date(2025, 6, 20), **DISCLOSED))
    for asked, on, acknowledged, outcome in [
        (f"{ledger.slug}=2", date(2025, 6, 12), None, None),
        ("2025-06-20", date(2025, 6, 20), DAY, None),
        ("2025-06-20T23:59:58+10:00", date(2025, 6, 20), None, None),
        ("2025-06-21T00:00:00+10:00", date(2025, 6, 21), DAY, "provided"),
        (None, date(2025, 6, 21), DAY, "provided"),
    ]:
        found = replay(conninfo, requests, resolve(conninfo, asked))
        assert found.moment.on == on
        (row,) = listed(conninfo, found)
        assert (row["acknowledged_on"], row["outcome"]) == (acknowledged, outcome), asked
    assert str(resolve(conninfo, "3", ledger=ledger.slug)) == f"{ledger.slug}=3"
    assert ready(conninfo, requests, resolve(conninfo, "2", ledger=ledger.slug))
    assert not ready(conninfo, requests, resolve(conninfo, "1", ledger=ledger.slug))


def test_a_position_is_named_by_its_ledger(
    book: Book, database: Database, ledger: Ledger, conninfo: str
) -> None:
    Ledgers(database).create("ovic", "example.vic.gov.au/ovic", "ovic")
    with pytest.raises(InvalidInput, match="a bare position needs one ledger"):
        resolve(conninfo, "1")
    with pytest.raises(InvalidInput, match="a position up to 1 of ledger dffh"):
        resolve(conninfo, "dffh=2")
    with pytest.raises(InvalidInput, match="with its zone"):
        resolve(conninfo, "2025-06-20T10:00")
    with pytest.raises(NotFound, match="nobody"):
        resolve(conninfo, "nobody=1")
    assert str(resolve(conninfo, "dffh=1,ovic=0")) == "dffh=1,ovic=0"


def test_a_moment_to_come_is_refused_and_today_is_taken_as_it_is(
    book: Book, ledger: Ledger, conninfo: str
) -> None:
    """What will be recorded by then is not known; of a demonstration, what comes after its last entry."""
    book.case(formal(DAY))
    now = datetime.now(UTC)
    soon, today = now + timedelta(hours=1), melbourne_date(now)
    for asked, expected in ((str(today + timedelta(days=2)), "a day that has come, up to "),
                            (soon.isoformat(), "a moment that has come, up to ")):  # fmt: skip
        with pytest.raises(InvalidInput, match=f"as_at: expected {expected}"):
            resolve(conninfo, asked)
        with pytest.raises(InvalidInput, match=f"to: expected {expected}"):
            resolve(conninfo, asked, field="to")
    assert str(resolve(conninfo, str(today))) == f"{ledger.slug}={book.size}"
    assert str(resolve(conninfo, now.isoformat())) == f"{ledger.slug}={book.size}"
    book.now = soon + timedelta(days=3)
    book.case(formal(DAY))
    assert str(resolve(conninfo, soon.isoformat())) == f"{ledger.slug}={book.size - 1}"


def test_as_happened_by_leaves_unknown_dates_out_and_says_how_many(book: Book, conninfo: str) -> None:
    requests = register("requests")
    first = book.case(formal(DAY))
    book.case(make(RequestReceived, None, scheme=RequestScheme.VPS))
    book.put(first, make(RequestAcknowledged, date(2025, 6, 20)))
    late = book.case(formal(date(2025, 6, 25)))
    now = resolve(conninfo)
    found = replay(conninfo, requests, now, happened_by=date(2025, 6, 19))
    assert found.left_out == 1
    (row,) = listed(conninfo, found)
    assert (row["stream"], row["acknowledged_on"]) == (first, None)
    found = replay(conninfo, requests, now, happened_by=date(2025, 6, 25))
    assert {r["stream"] for r in listed(conninfo, found)} == {first, late}
    assert next(r for r in listed(conninfo, found) if r["stream"] == first)["acknowledged_on"] == date(
        2025, 6, 20
    )


def test_as_happened_by_takes_facts_as_they_stand_corrected(book: Book, conninfo: str) -> None:
    """What is known now to have happened in July did not happen by June, whatever was recorded first."""
    case = book.case(formal(DAY))
    index = book.put(case, make(RequestAcknowledged, date(2025, 6, 12)))
    book.put(case, make(RequestAcknowledged, date(2025, 7, 12), corrects=(index, "typing")))
    found = replay(conninfo, register("requests"), resolve(conninfo), happened_by=date(2025, 6, 30))
    assert listed(conninfo, found)[0]["acknowledged_on"] is None


@pytest.mark.parametrize("ended_on", [date(2025, 7, 12), None])
def test_as_happened_by_a_case_ended_later_is_not_current(
    book: Book, conninfo: str, ended_on: date | None
) -> None:
    """That a case was never one is so by every date, whenever it was said."""
    case = book.case(formal(DAY))
    book.put(case, make(EnteredInError, ended_on, reason="r"))
    found = replay(conninfo, register("requests"), resolve(conninfo), happened_by=date(2025, 6, 30))
    assert listed(conninfo, found) == []
    (row,) = listed(conninfo, found, all_status=True)
    assert (row["stream"], row["status"]) == (case, "entered in error")


def test_a_difference_is_told_field_by_field(book: Book, ledger: Ledger, conninfo: str) -> None:
    requests = register("requests")
    changed = book.case(formal(DAY))
    gone = book.case(formal(DAY))
    before = replay(conninfo, requests, resolve(conninfo))
    index = book.put(changed, make(DisclosureMade, date(2025, 6, 20), **DISCLOSED))
    book.put(gone, make(EnteredInError, date(2025, 6, 20), reason="r"))
    added = book.case(formal(DAY))
    after = replay(conninfo, requests, resolve(conninfo))
    found = {change.stream: change for change in diff(conninfo, before, after)}
    assert {stream: change.kind for stream, change in found.items()} == {
        changed: "changed",
        gone: "changed",
        added: "added",
    }
    fields = found[changed].fields
    assert fields["outcome"] == (None, "provided")
    assert fields["response_index"] == (None, index)
    assert set(fields) == {
        "entries", "outcome", "parts_open", "response_on", "response_index", "response_days", "late"
    }  # fmt: skip
    assert found[gone].fields["status"] == ("current", "entered in error")
    assert [change.kind for change in diff(conninfo, after, before)].count("removed") == 1
    assert diff(conninfo, after, after) == []


def test_a_case_entered_in_error_stays_marked_and_is_not_counted(book: Book, conninfo: str) -> None:
    case = book.case(formal(DAY))
    book.put(case, make(EnteredInError, DAY, reason="r"))
    found = replay(conninfo, register("clocks"), resolve(conninfo, on=DAY))
    assert listed(conninfo, found) == []
    assert {row["status"] for row in listed(conninfo, found, all_status=True)} == {"entered in error"}


@pytest.mark.parametrize(
    ("on", "state"),
    [
        (date(2025, 6, 11), "open"),
        (date(2025, 6, 25), "open"),
        (date(2025, 6, 26), "overdue"),
        (date(2025, 6, 27), "met late"),
    ],
)
def test_a_clock_is_judged_on_the_day_asked_for(book: Book, conninfo: str, on: date, state: str) -> None:
    """VPS 'responsibility to share': received 2025-06-11, due 2025-06-25."""
    case = book.case(formal(DAY))
    book.put(case, make(DisclosureMade, date(2025, 6, 27), **DISCLOSED))
    found = replay(conninfo, register("clocks"), resolve(conninfo, on=on))
    (row,) = listed(conninfo, found, filters={"clock": "vps.response"})
    assert row["state"] == state
    assert row["due_on"] == date(2025, 6, 25)
    with connect(conninfo) as connection:
        (said,) = explain(connection, heads(connection)[0], case, on, "vps.response")
    assert said.state == state
    assert "Due 2025-06-25" in said.words


def test_a_clock_that_starts_later_is_none_of_the_day(book: Book, conninfo: str) -> None:
    case = book.case(formal(DAY))
    book.put(case, make(RequestRefused, date(2025, 6, 20), parts=("whole",)))
    found = replay(conninfo, register("clocks"), resolve(conninfo, on=date(2025, 6, 19)))
    assert [(row["clock"], row["state"]) for row in listed(conninfo, found)] == [("vps.response", "open")]
    with connect(conninfo) as connection:
        said = explain(connection, heads(connection)[0], case, date(2025, 6, 19))
    # Asked for by its name it still says when it starts.
    assert {one.clock: one.state for one in said} == {"vps.response": "open", "vps.refusal_copy": None}


def test_an_end_of_unknown_day_is_neither_met_nor_late(book: Book, conninfo: str) -> None:
    case = book.case(formal(DAY))
    book.put(case, make(DisclosureMade, None, **DISCLOSED))
    found = replay(conninfo, register("clocks"), resolve(conninfo, on=date(2025, 7, 30)))
    assert listed(conninfo, found)[0]["state"] == "ended, day unknown"
    assert listed(conninfo, found, filters={"state": "overdue"}) == []


def test_a_changed_day_restates_the_clocks_that_it_touches_and_says_why(book: Book, conninfo: str) -> None:
    """PDPA 83(2)(a): decided 2026-02-02, last day 2026-03-02, a Monday that is gazetted later."""
    from ledger.domain.notice.events import ComplianceNoticeIssued

    case = book.case(make(ComplianceNoticeIssued, date(2026, 2, 2), period_ends=date(2026, 4, 1)))
    other = book.case(make(ComplianceNoticeIssued, date(2026, 1, 5), period_ends=date(2026, 4, 1)))
    book.now = datetime(2026, 2, 10, tzinfo=UTC)
    with Runner(conninfo) as runner:
        runner.catch_up()
        clocks = [row for row in rows(conninfo, "clocks") if row["clock"] == "pdpa.notice_review"]
        assert [row["due_on"] for row in clocks] == [date(2026, 3, 2), date(2026, 2, 2)]
        book.put(
            "calendar", make(HolidayAdded, date(2026, 2, 10), day=date(2026, 3, 2), holiday="Gazetted day")
        )
        runner.catch_up()
    found = {r["stream"]: r for r in rows(conninfo, "clocks") if r["clock"] == "pdpa.notice_review"}
    assert found[case]["due_on"] == date(2026, 3, 3)
    assert found[case]["restated_from"] == date(2026, 3, 2)
    assert "Gazetted day" in str(found[case]["restated_because"])
    assert found[other]["restated_from"] is None
    assert rows(conninfo, "notices")[0]["review_until"] == date(2026, 3, 3)


def test_a_councils_substitute_for_cup_day_restates_the_clocks_of_its_ledger(book: Book, conninfo: str) -> None:
    """ILA 1984 s 44, PDPA 83(2)(a): the last day, 2025-10-31, becomes a holiday of the council's."""
    from ledger.domain.notice.events import ComplianceNoticeIssued

    case = book.case(make(ComplianceNoticeIssued, date(2025, 10, 3), period_ends=date(2025, 12, 1)))
    substitute = make(
        HolidaySubstituted,
        date(2025, 10, 10),
        municipality="Ballarat",
        instead_of=date(2025, 11, 4),
        day=date(2025, 10, 31),
        holiday="Show Day",
    )
    book.now = datetime(2025, 10, 10, tzinfo=UTC)
    with Runner(conninfo) as runner:
        runner.catch_up()
        before = {r["stream"]: r for r in rows(conninfo, "clocks") if r["clock"] == "pdpa.notice_review"}
        assert before[case]["due_on"] == date(2025, 10, 31)
        book.put("calendar", substitute)
        runner.catch_up()
    after = {r["stream"]: r for r in rows(conninfo, "clocks") if r["clock"] == "pdpa.notice_review"}
    assert after[case]["due_on"] == date(2025, 11, 3)
    assert after[case]["restated_from"] == date(2025, 10, 31)
    assert "Show Day" in str(after[case]["restated_because"])


# --- reading ------------------------------------------------------------------------------------------


@pytest.fixture
def read(book: Book, conninfo: str) -> Any:
    for number in range(7):
        day = DAY if number % 3 else None
        more = {"requester_name": "Jane"} if number == 1 else {"requester": f"org-{number % 2}"}
        book.case(make(RequestReceived, day, scheme=RequestScheme.VPS, **more))
    with Runner(conninfo) as runner:
        runner.catch_up()
    with connect(conninfo) as connection:
        yield lambda **given: page(connection, register("requests"), Query(**given))


@pytest.mark.parametrize("sort", ["index", "happened_on", "requester", "recorded_at", "days_between"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_hold_every_row_once_in_order(read: Any, sort: str, descending: bool) -> None:
    whole: Page = read(sort=sort, descending=descending)
    found: list[int] = []
    cursor = None
    while True:
        one: Page = read(sort=sort, descending=descending, limit=2, cursor=cursor)
        found += [row["index"] for row in one.rows]
        cursor = one.next
        if cursor is None:
            break
    assert found == [row["index"] for row in whole.rows]
    assert sorted(found) == list(range(1, 8))


def test_filters_name_columns(read: Any) -> None:
    assert len(read(filters={"requester": "org-0"}).rows) == 4
    assert len(read(filters={"requester.empty": "yes"}).rows) == 1
    assert len(read(filters={"requester_name.empty": "no"}).rows) == 1
    assert len(read(filters={"received_on.from": "2025-06-11", "received_on.to": "2025-06-11"}).rows) == 4
    assert len(read(filters={"entries": "3"}).rows) == 1
    assert read(ledgers=[]).rows == []
    for wrong in (
        {"nothing": "x"},
        {"requester_name": "Jane"},
        {"recurring": "maybe"},
        {"parts": "x"},
        {"scheme.x": "y"},
    ):
        with pytest.raises(InvalidInput):
            read(filters=wrong)
    for cursor in ("", "x", "W10=", "WzEsMl0="):
        with pytest.raises(InvalidInput, match="cursor"):
            read(cursor=cursor)


def test_sealed_values_are_withheld_or_opened_through_the_opener(read: Any, ledger: Ledger) -> None:
    requests = register("requests")
    rows_read = read(filters={"requester_name.empty": "no"}).rows
    assert opened(rows_read, requests, None)[0]["requester_name"] == "withheld"
    asked: list[Any] = []

    def opener(of: int, wanted: Any) -> dict[tuple[int, str], str]:
        asked.append((of, list(wanted)))
        return {(2, "requester_name"): "Jane"}

    assert opened(rows_read, requests, opener)[0]["requester_name"] == "Jane"
    assert asked == [(ledger.id, [(2, "requester_name")])]


def test_csv_and_json_hold_the_same_rows(read: Any, conninfo: str) -> None:
    requests = register("requests")
    with connect(conninfo) as connection:
        found = list(every(connection, requests, Query(limit=1)))
    lines = list(as_csv(found, requests))
    assert len(lines) == 8
    assert lines[0].startswith("ledger,stream,key,status,index")
    assert as_json(found)[1]["received_on"] == "2025-06-11"
    assert "2025-06-11" in lines[2]
    dangerous = next(iter(list(as_csv([{"scheme": "=1+1"}], requests))[1:]))
    assert ",'=1+1," in dangerous
