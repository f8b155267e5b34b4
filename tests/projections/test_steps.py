"""A case, or a stretch of a ledger, entry by entry (3-registers 'Replay, for auditors')."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from ledger.domain.event import encode_payload
from ledger.domain.installation.events import HolidayAdded
from ledger.domain.notice.events import ComplianceNoticeIssued, NoticeServed
from ledger.domain.request.events import DisclosureMade, LegalBasis, RequestAcknowledged
from ledger.errors import InvalidInput, NotFound
from ledger.store.ledgers import Ledger
from projections import steps as module
from projections.base import register, registers
from projections.connection import connect
from projections.query import WITHHELD, Query, page
from projections.replay import replay, resolve
from projections.steps import shown, steps
from tests.projections.book import Book, make, seal
from tests.projections.test_doors import printed
from tests.projections.test_live import formal

DAY = date(2025, 6, 11)
DISCLOSED: dict[str, Any] = {"parts": ("whole",), "bases": (LegalBasis.NO_PERSONAL_INFORMATION,)}


@pytest.fixture
def case(book: Book) -> str:
    """Received on the 11th; disclosed on the 27th, recorded on the 30th; the day then corrected to the 25th."""
    book.now = datetime(2025, 6, 12, 1, tzinfo=UTC)
    stream = book.case(formal(DAY))
    book.now = datetime(2025, 6, 30, 1, tzinfo=UTC)
    index = book.put(stream, make(DisclosureMade, date(2025, 6, 27), **DISCLOSED))
    book.now = datetime(2025, 7, 4, 1, tzinfo=UTC)
    book.put(stream, make(DisclosureMade, date(2025, 6, 25), corrects=(index, "typing"), **DISCLOSED))
    return stream


def stepped(conninfo: str, asked: str | None = None, **given: Any) -> list[dict[str, Any]]:
    wanted = [one for one in registers().values() if one.name != "clocks"]
    with connect(conninfo) as connection:
        return [
            shown(step, lambda _: WITHHELD)
            for step in steps(connection, resolve(conninfo, asked).heads[0], wanted, **given)
        ]


def fields(step: dict[str, Any], name: str) -> dict[str, Any]:
    return next((change["fields"] for change in step["changes"] if change["register"] == name), {})


def test_a_step_says_what_it_changed_and_how_many_days_lie_between(case: str, conninfo: str) -> None:
    received, late, corrected = stepped(conninfo, stream=case)
    assert [one["days_between"] for one in (received, late, corrected)] == [1, 3, 9]
    assert received["days_after_entry_before"] == {"happened": None, "recorded": None}
    assert late["days_after_entry_before"] == {"happened": 16, "recorded": 18}
    assert corrected["days_after_entry_before"] == {"happened": -2, "recorded": 4}
    assert corrected["corrects"] == {"index": late["index"], "kind": "typing"}
    assert fields(received, "requests")["due_on"] == [None, "2025-06-25"]
    assert fields(late, "requests")["outcome"] == [None, "provided"]
    assert fields(late, "requests")["late"] == [None, True]
    assert fields(corrected, "requests") == {
        "response_on": ["2025-06-27", "2025-06-25"],
        "response_index": [late["index"], corrected["index"]],
        "response_days": [16, 14],
        "late": [True, False],
    }
    kinds = {(change["key"], change["kind"]) for change in corrected["changes"]}
    assert {(str(late["index"]), "removed"), (str(corrected["index"]), "added")} <= kinds


def test_a_step_states_the_clocks_of_its_day(case: str, conninfo: str) -> None:
    told = [
        (one["judged_on"], [(c["clock"], c["before"], c["state"]) for c in one["clocks"]])
        for one in stepped(conninfo, stream=case)
    ]
    assert told == [
        ("2025-06-12", [("vps.response", None, "open")]),
        ("2025-06-30", [("vps.response", "overdue", "met late")]),
        ("2025-07-04", [("vps.response", "met late", "met")]),
    ]


def test_after_each_step_rows_are_those_of_a_replay_to_that_position(case: str, conninfo: str) -> None:
    requests = register("requests")
    for step in stepped(conninfo, stream=case):
        found = replay(conninfo, requests, resolve(conninfo, f"dffh={step['index'] + 1}"))
        with connect(conninfo) as connection:
            (row,) = page(connection, requests, Query(), found.table).rows
        (after,) = step["after"]["requests"]
        assert (after["outcome"], after["late"], after["parts_open"]) == (
            row["outcome"], row["late"], row["parts_open"],
        )  # fmt: skip


@pytest.mark.parametrize("block", [1, 2, 1_000])
def test_a_stretch_is_stepped_through_in_the_order_recorded(
    case: str, book: Book, conninfo: str, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    other = book.case(formal(DAY))
    book.put(case, make(RequestAcknowledged, DAY))
    found = stepped(conninfo, since=3)
    assert [(one["index"], one["case"]) for one in found] == [(3, case), (4, other), (5, case)]
    assert fields(found[2], "requests") == {"acknowledged_on": [None, "2025-06-11"]}
    assert [one["index"] for one in stepped(conninfo, "dffh=5", since=4)] == [4]


def test_a_step_counts_by_the_calendar_as_it_was_at_its_entry(book: Book, conninfo: str) -> None:
    case = book.case(make(ComplianceNoticeIssued, date(2025, 10, 3), period_ends=date(2025, 12, 1)))
    book.put("calendar", make(HolidayAdded, date(2025, 10, 10), day=date(2025, 10, 31), holiday="Show Day"))
    book.put(case, make(NoticeServed, date(2025, 10, 3)))
    due = [
        next(clock["due_on"] for clock in one["clocks"] if clock["clock"] == "pdpa.notice_review")
        for one in stepped(conninfo, stream=case)
    ]
    assert due == ["2025-10-31", "2025-11-03"]


def test_from_an_entry_that_a_register_fails_at_the_steps_say_why(
    case: str, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = register("requests")
    kept = type(requests).rows

    def faulty(self: Any, facts: Any, about: Any) -> Any:
        if len(facts) > 1:
            raise ZeroDivisionError("a fault of a register")
        return kept(self, facts, about)

    monkeypatch.setattr(type(requests), "rows", faulty)
    received, late, corrected = stepped(conninfo, stream=case)
    assert "parked" not in received
    assert late["parked"] == f"entry {late['index']}: ZeroDivisionError: a fault of a register"
    assert corrected["parked"] == late["parked"]


def test_sealed_values_stay_withheld(case: str, conninfo: str) -> None:
    (received, *_) = stepped(conninfo, stream=case)
    assert fields(received, "requests")["information_sought"] == [None, "withheld"]
    assert received["after"]["requests"][0]["information_sought"] == "withheld"


def test_from_an_entry_that_cannot_be_read_the_steps_say_why(case: str, book: Book, conninfo: str) -> None:
    payload = encode_payload(make(RequestAcknowledged, DAY), seal)
    poison = book.put_bytes(case, "ledger.request.v1.RequestAcknowledged", payload + b"\x00")
    book.put(case, make(RequestAcknowledged, DAY))
    *_, bad, after = stepped(conninfo, stream=case)
    assert bad["index"] == poison
    assert f"entry {poison}" in bad["parked"]
    assert after["parked"] == bad["parked"]


def test_the_command_steps_through_a_case_and_a_stretch(case: str, conninfo: str, ledger: Ledger) -> None:
    text = printed(conninfo, ledger.slug, "replay", "--steps", "--case", case)
    assert text.startswith("Entries up to dffh=4 (names at no common), one by one\n1  ")
    assert "requests changed: parts_open 1 → 0, outcome – → provided" in text
    assert "recorded 3 days after that; happened 16 days after the entry before" in text
    assert "clock vps.response on 2025-06-30: overdue → met late, due 2025-06-25" in text
    one = printed(conninfo, ledger.slug, "replay", "requests", "--steps", "--case", case)
    assert "disclosures" in text
    assert "disclosures" not in one
    lines = printed(conninfo, ledger.slug, "replay", "--steps", "--since", "2025-06-30", "--json").splitlines()
    assert [json.loads(line)["index"] for line in lines] == [3]
    with pytest.raises(InvalidInput, match="a --case, or the entries --since"):
        printed(conninfo, ledger.slug, "replay", "--steps")
    with pytest.raises(NotFound, match="nothing is recorded in case none"):
        printed(conninfo, ledger.slug, "replay", "--steps", "--case", "none")
