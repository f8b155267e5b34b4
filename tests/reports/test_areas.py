"""The other sections of the whole-of-government report, against figures worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.domain.complaint.events import (
    ActionStated,
    ComplaintReceived,
    ComplaintResolved,
    ComplaintUnresolved,
)
from ledger.domain.contravention.events import ContravenedRule, ContraventionFound
from ledger.domain.notice.events import (
    ComplianceNoticeIssued,
    ExtensionApplied,
    ExtensionGranted,
    NoticeComplied,
    NoticeNotComplied,
    NoticeServed,
    ReviewApplied,
    ReviewDetermined,
    ReviewResult,
)
from ledger.domain.retention.events import (
    HoldKind,
    HoldPlaced,
    RecordsDestroyed,
    RetentionAction,
    RetentionScheduled,
    RetentionTriggered,
)
from projections.reports import findings
from projections.reports.catalogue import make
from projections.reports.figures import Report, ReportRefused
from projections.reports.period import financial_year
from tests.projections.book import make as made
from tests.reports.state import State
from tests.reports.test_sharing import values

YEAR = financial_year(2024)


def annual(state: State, reader: str) -> Report:
    """The whole-of-government report."""
    state.project()
    return make(reader, "annual-compliance", YEAR)


def test_complaints_from_opening_to_closing(state: State, reader: str) -> None:
    state.organisation("dffh", "Families")
    book = state.books["dffh"]
    answers: dict[str, Any] = {"to_resolve": ActionStated.TAKEN, "to_prevent": ActionStated.NONE}

    def complaint(on: date, closed: date | None = None, resolved: bool = True) -> None:
        case = book.case(made(ComplaintReceived, on, nature="n", entity="dffh", made_on=on))
        if closed is not None:
            how = ComplaintResolved if resolved else ComplaintUnresolved
            book.put(case, made(how, closed, **answers))

    complaint(date(2024, 6, 1), date(2024, 7, 2))  # carried over, closed in the year after 31 days
    complaint(date(2024, 6, 1))  # carried over and on
    complaint(date(2024, 6, 1), date(2024, 6, 30))  # closed before the year
    complaint(date(2024, 9, 1), date(2024, 9, 11))  # 10 days
    complaint(date(2024, 9, 1), date(2024, 9, 21), resolved=False)  # 20 days
    complaint(date(2025, 6, 20), date(2025, 7, 1))  # open at the end
    report = annual(state, reader)
    assert values(report, "complaints.flow") == {"opening": 2, "received": 3, "closed": 3, "closing": 2}
    assert values(report, "complaints.outcome") == {"resolved": 1, "unresolved": 1, "open": 1, "total": 3}
    assert values(report, "complaints.days") == pytest.approx({"closed": 3, "median": 20, "percentile_90": 31})
    assert report.figures["complaints.by_entity.dffh.total"].value == 3
    assert report.figures["duties.undated.ciss_complaint"].value == 2
    assert report.figures["duties.undated.ciss_complaint_days"].value == pytest.approx((394 + 10) / 2)
    before = {
        key: f.value for key, f in report.figures.items() if key.startswith("change.complaints.flow.received")
    }
    assert before == {
        "change.complaints.flow.received.before": 3, "change.complaints.flow.received.now": 3,
        "change.complaints.flow.received.difference": 0, "change.complaints.flow.received.share": 0,
    }  # fmt: skip
    # Closed in 2023-24: one; in 2024-25: three: a change of 2, or 200.0 %.
    assert report.figures["change.complaints.flow.closed.difference"].value == 2
    assert report.figures["change.complaints.flow.closed.share"].shown == "200.0%"


def test_notices_by_standing_extension_and_review(state: State, reader: str) -> None:
    state.organisation("dffh", "Families")
    book = state.books["dpc"]

    def notice(on: date, *then: Any, ends: date = date(2025, 5, 30)) -> None:
        case = book.case(made(ComplianceNoticeIssued, on, organisation="dffh", action="a", period_ends=ends))
        for event in then:
            book.put(case, event)

    def served() -> Any:
        return made(NoticeServed, date(2025, 3, 4))

    notice(date(2025, 3, 3), served(), made(NoticeComplied, date(2025, 5, 1)))
    notice(
        date(2025, 3, 3), served(), made(ExtensionApplied, date(2025, 5, 1)),
        made(
            ExtensionGranted, date(2025, 5, 2), not_reasonably_possible=True, undertaking=True,
            extended_to=date(2025, 8, 1),
        ),
    )  # fmt: skip
    notice(date(2025, 3, 3), served())  # in effect from 2025-05-30, not complied with: overdue
    against = made(ReviewDetermined, date(2025, 4, 10), result=ReviewResult.AGAINST_COMMISSIONER)
    notice(date(2025, 3, 3), served(), made(ReviewApplied, date(2025, 3, 20)), against)
    notice(
        date(2025, 6, 20),
        made(NoticeServed, date(2025, 6, 20)),
        made(ExtensionApplied, date(2025, 6, 22)),
        ends=date(2025, 8, 1),
    )
    notice(date(2025, 7, 1))  # of the next year
    report = annual(state, reader)
    standing = values(report, "notices.standing")
    assert standing == {
        "complied": 1,
        "not_complied": 0,
        "set_aside": 1,
        "in_effect": 1,
        "not_in_effect": 2,
        "total": 5,
    }
    assert values(report, "notices.extensions") == {
        "none": 3, "granted": 1, "refused": 0, "undecided": 1, "total": 5,
    }  # fmt: skip
    reviews = values(report, "notices.reviews")
    assert (reviews["none"], reviews["against_commissioner"], reviews["total"]) == (4, 1, 5)
    assert report.figures["notices.by_organisation.dffh.total"].value == 5
    # The duty is the organisation's that was notified, although the notice stands in another's ledger.
    assert report.figures["duties.overdue.dffh.pdpa.notice_period"].value == 1
    assert report.figures["duties.overdue.total.total"].value == 1


def test_notices_from_opening_to_closing_and_those_in_effect(state: State, reader: str) -> None:
    """Opening + decided − ended = closing (3-registers 'Reports'); the same of those in effect (82(2))."""
    state.organisation("dffh", "Families")
    book = state.books["dpc"]

    def notice(on: date, ends: date, *then: Any) -> None:
        case = book.case(made(ComplianceNoticeIssued, on, organisation="dffh", action="a", period_ends=ends))
        for event in (made(NoticeServed, on), *then):
            book.put(case, event)

    may, june = date(2024, 5, 1), date(2024, 6, 20)
    lost = made(ReviewDetermined, date(2024, 12, 2), result=ReviewResult.AGAINST_COMMISSIONER)
    notice(may, date(2024, 5, 20))  # in effect from 29 May, all through
    notice(may, date(2024, 5, 20), made(NoticeComplied, date(2024, 9, 2)))  # in effect until then
    notice(may, date(2024, 5, 20), made(NoticeComplied, date(2024, 6, 3)))  # over before the year
    notice(june, date(2024, 7, 20), made(ReviewApplied, date(2024, 7, 1)), lost)  # set aside: never in effect
    notice(june, date(2024, 7, 20), made(NoticeComplied, date(2024, 7, 20)))  # on the day of its effect
    notice(date(2024, 8, 1), date(2024, 9, 30), made(NoticeComplied, date(2024, 9, 2)))  # before it
    notice(date(2025, 3, 3), date(2025, 4, 30))  # takes effect on 30 April
    notice(date(2025, 3, 3), date(2025, 4, 30), made(NoticeNotComplied, date(2025, 5, 2)))  # and stays open
    notice(date(2025, 6, 2), date(2025, 8, 1), made(NoticeComplied, date(2025, 7, 1)))  # complied in the next
    report = annual(state, reader)
    assert values(report, "notices.flow") == {"opening": 4, "decided": 4, "ended": 4, "closing": 4}
    assert values(report, "notices.ended") == {"complied": 3, "set_aside": 1, "total": 4}
    assert values(report, "notices.served") == {"served": 4}
    assert values(report, "notices.in_effect") == {"opening": 2, "began": 3, "ended": 2, "closing": 3}
    assert report.figures["change.notices.flow.closing.before"].value == 4


def test_retention_due_done_late_and_held(state: State, reader: str) -> None:
    state.organisation("dffh", "Families")
    book = state.books["dffh"]

    def item(on: date, *then: Any, period: str | None = "P1M", authority: str | None = "PROS 08/13") -> None:
        case = book.case(
            made(
                RetentionScheduled, on, dataset="d-1", holder="dffh", period=period, authority=authority,
                action=RetentionAction.DESTROY,
            )
        )  # fmt: skip
        for event in (made(RetentionTriggered, on), *then):
            book.put(case, event)

    on = date(2025, 2, 3)  # due 2025-03-03
    item(on, made(RecordsDestroyed, date(2025, 3, 3), what="w"))
    item(on, made(RecordsDestroyed, date(2025, 3, 4), what="w"))
    item(on, made(HoldPlaced, date(2025, 3, 1), hold="h", kind=HoldKind.LITIGATION))
    item(on, authority=None)
    item(on, made(RecordsDestroyed, date(2025, 7, 1), what="w"))  # not done at the end of the year
    item(on, period="P1Y")  # due in the next year
    report = annual(state, reader)
    assert values(report, "retention.due") == {
        "done": 1, "late": 1, "held": 1, "not_done": 2, "unknown": 0, "total": 5,
    }  # fmt: skip
    assert values(report, "retention.done")["destroy"] == 2
    assert values(report, "retention.authority") == {
        "agreement": 0,
        "authority": 4,
        "both": 0,
        "neither": 1,
        "total": 5,
    }
    assert report.figures["duties.overdue.dffh.retention.action"].value == 2
    assert values(report, "duties.state") == {"open": 1, "overdue": 2, "held": 1, "pending": 0, "total": 4}


def test_retention_by_the_number_of_the_disposal_authority(state: State, reader: str) -> None:
    """'By authority' (3-registers): one line a number, and what rests on none."""
    state.organisation("dffh", "Families")
    on = date(2025, 2, 3)
    for number in ("GA28 2.9.1", "GA28 2.9.1", "PROS 07/01", None):
        fields = {"dataset": "d-1", "holder": "dffh", "action": RetentionAction.DESTROY}
        case = state.books["dffh"].case(made(RetentionScheduled, on, disposal_authority=number, **fields))
        state.books["dffh"].put(case, made(RetentionTriggered, on))
    report = annual(state, reader)
    assert values(report, "retention.authority") == {
        "ga28-2-9-1": 2, "pros-07-01": 1, "agreement": 0, "authority": 0, "both": 0, "neither": 1, "total": 4,
    }  # fmt: skip


def test_contraventions_and_gaps_by_agency(state: State, reader: str) -> None:
    state.organisation("dffh", "Families")
    state.organisation("dpc", "Premier")
    state.books["dffh"].case(made(ContraventionFound, date(2025, 3, 3), rule=ContravenedRule.IPP, what="w"))
    state.books["dpc"].case(
        made(ContraventionFound, date(2025, 3, 3), rule=ContravenedRule.CISS, what="w", organisation="dffh")
    )
    state.formal("dffh", date(2025, 3, 3), purpose=None)
    report = annual(state, reader)
    assert report.figures["contraventions.by_organisation.dffh.ipp"].value == 1
    assert report.figures["contraventions.by_organisation.dffh.total"].value == 2
    assert report.figures["gaps.by_agency.dffh.request"].value == 1
    assert report.figures["gaps.by_fact.total"].value == 1
    # 3 March + 14 days is long past at the end of the year.
    assert report.figures["duties.overdue.dffh.vps.response"].value == 1


@pytest.mark.parametrize("listed", [True, False])
def test_a_gap_of_any_kind_of_case_has_its_column(
    state: State, reader: str, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Of a kind that the table does not name beforehand too: its totals tie all the same."""
    if not listed:
        kinds = tuple(area for area in findings.AREAS if area.key != "organisation")
        monkeypatch.setattr(findings, "AREAS", kinds)
    state.organisation("dffh", "Families", signed=date(2025, 3, 3))
    state.formal("dffh", date(2025, 3, 3), purpose=None)
    report = annual(state, reader)
    (table,) = (table for table in report.tables if table.id == "gaps.by_agency")
    assert table.columns[-2:] == ("Organisation", "Total")
    assert (report.figures["gaps.by_agency.common.organisation"].value or 0) > 0
    assert report.figures["gaps.by_agency.dffh.request"].value == 1
    assert report.figures["gaps.by_agency.common.request"].value == 0


@pytest.mark.parametrize("live", [True, False])
def test_parked_cases_are_refused_unless_incomplete_is_asked_for(state: State, reader: str, live: bool) -> None:
    state.organisation("dffh", "Families", signed=date(2021, 5, 1))
    state.formal("dffh", date(2025, 6, 2))
    case = state.formal("dffh", date(2025, 6, 3))
    bad = state.books["dffh"].put_bytes(case, "ledger.disclosure.v1.DisclosureMade", b"no event")
    if live:
        state.project()
    with pytest.raises(ReportRefused, match=f"1 cases cannot be folded.*dffh, entry {bad}"):
        make(reader, "data-sharing-annual", YEAR)
    report = make(reader, "data-sharing-annual", YEAR, incomplete=True)
    assert len(report.parked) == 1
    # The case stands as before the entry that cannot be read.
    assert values(report, "sharing.flow")["closing"] == 2
