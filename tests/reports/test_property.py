"""Whatever the lives of requests, parts always sum to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec.entry import Precision
from ledger.domain.event import CaseEvent, effective
from ledger.domain.request.events import (
    ClosingGround,
    DisclosureMade,
    RefusalCopySent,
    RefusalGround,
    RequestClosed,
    RequestDivided,
    RequestEscalated,
    RequestForm,
    RequestPart,
    RequestReceived,
    RequestReferred,
    RequestRefused,
    RequestScheme,
    RequestWithdrawn,
)
from ledger.law.calendar import seeded_calendar
from projections.base import StreamInfo, register
from projections.reports.agencies import Agencies
from projections.reports.figures import RowId
from projections.reports.period import financial_year
from projections.reports.sharing import sharing
from projections.reports.snapshot import RegisterRow
from tests.projections.book import make

YEAR = financial_year(2024)
CALENDAR = seeded_calendar(date(2025, 1, 1))
ACTS: list[tuple[type[CaseEvent], dict[str, Any]]] = [
    (DisclosureMade, {}),
    (RequestRefused, {"in_writing": True, "grounds": (RefusalGround.OTHER_RIGHTS, RefusalGround.OTHER)}),
    (RequestRefused, {"in_writing": False}),
    (RefusalCopySent, {}),
    (RequestClosed, {"ground": ClosingGround.OUT_OF_SCOPE}),
    (RequestClosed, {"ground": ClosingGround.NOT_HELD}),
    (RequestWithdrawn, {}),
    (RequestReferred, {}),
    (RequestEscalated, {}),
    (RequestDivided, {}),
]
days = st.one_of(st.none(), st.integers(-60, 420).map(lambda n: YEAR.first + timedelta(n)))
precisions = st.sampled_from([Precision.DAY, Precision.DAY, Precision.DAY, Precision.MONTH])
acts = st.tuples(
    st.sampled_from(ACTS), days, precisions, st.sampled_from([("whole",), ("a",), ("b",), ("a", "b")])
)
lives = st.tuples(
    st.sampled_from([("vps", "formal"), ("vps", "formal"), ("vps", "informal"), ("vps", None), ("nsw", None)]),
    st.sampled_from(["dffh", "dpc", None]),
    days,
    precisions,
    st.lists(acts, max_size=5),
)


class Rows:
    """Stands for a snapshot: the rows that the registers give for these facts."""

    def __init__(self, cases: Sequence[Sequence[CaseEvent]]) -> None:
        self._cases = cases

    def rows(self, name: str) -> list[RegisterRow]:
        """As ``Snapshot.rows``."""
        wanted, found = register(name), []
        for number, facts in enumerate(self._cases):
            stream = f"case-{number}"
            if not wanted.looks_at(type(facts[0])):
                continue
            about = StreamInfo(1, "l", "dffh", stream, type(facts[0]), CALENDAR)
            for row in wanted.rows(effective(facts), about):
                empty = dict.fromkeys(column.name for column in wanted.all_columns)
                common = {
                    "happened_on": row.fact.happened_date, "recorded_at": row.fact.timestamp, "stream": stream
                }  # fmt: skip
                values = {**empty, **row.values, **common}
                found.append(RegisterRow(RowId(name, "l", stream, row.key), "dffh", "dffh", values))
        return found


def facts_of(number: int, life: tuple[Any, ...]) -> list[CaseEvent]:
    """The facts of one case, each with its place."""
    (scheme, form), requester, day, precision, course = life
    made = [
        make(
            RequestReceived, day, scheme=RequestScheme(scheme), requester=requester, provider="dffh",
            form=None if form is None else RequestForm(form), precision=_known(day, precision),
        )
    ]  # fmt: skip
    for (cls, fields), when, how, parts in course:
        more: dict[str, Any] = dict(fields)
        if cls is RequestDivided:
            more["parts"] = tuple(RequestPart(name, name) for name in ("a", "b"))
        elif cls not in (RequestWithdrawn, RequestReferred, RequestEscalated):
            more["parts"] = parts
        made.append(make(cls, when, precision=_known(when, how), **more))
    for place, fact in enumerate(made):
        object.__setattr__(fact, "header", fact.header._replace(at=number * 100 + place))
    return made


def _known(day: date | None, precision: Precision) -> Precision:
    return Precision.UNKNOWN if day is None else precision


@settings(max_examples=150, deadline=None)
@given(st.lists(lives, max_size=12))
def test_parts_always_sum_to_the_whole(found: list[tuple[Any, ...]]) -> None:
    cases = [facts_of(number, life) for number, life in enumerate(found)]
    section = sharing(Rows(cases), Agencies({}), YEAR)  # type: ignore[arg-type]
    for tie in section.ties:
        tie.check()
    figures = {f.id: f for table in section.tables for f in table.figures()}
    formal = [row for row in Rows(cases).rows("requests") if row["scheme"] == "vps" and row["form"] == "formal"]
    received = [row.id for row in formal if row["formal_on"] in YEAR]
    assert sorted(figures["sharing.flow.received"].rows) == sorted(received)
    outcomes = [f for key, f in figures.items() if key.startswith("sharing.outcome.") and f.unit == ""]
    assert sum(f.value or 0 for f in outcomes) == 2 * len(received)
