"""Section of the whole-of-government report: emergency access to sealed fields, told, reviewed, by agency."""

from __future__ import annotations

from datetime import date, timedelta

from projections.reports.agencies import Agencies
from projections.reports.build import Builder, Kind
from projections.reports.figures import Definition, Section
from projections.reports.period import Period
from projections.reports.snapshot import RegisterRow, Snapshot

TAKEN = Definition(
    "emergency.taken",
    "Emergency accesses to sealed fields taken in the period, by the day of the entry (rule of the ledger; "
    "PDPA Sch 1 IPP 4.1), as they stood at its end. Told: a mail to the privacy officer was accepted, or the "
    "list showed it to one; a review tells too.",
)
REVIEWED = Definition(
    "emergency.reviewed",
    "Emergency accesses taken in the period, by what their review found up to its end. Overdue: not reviewed "
    "at the end of the period, and the seventh day after the entry is past.",
)
TIMELY = Definition(
    "emergency.timely",
    "Emergency accesses taken in the period, by when they were reviewed. In time: up to the seventh day after "
    "the entry. Late: reviewed after it, within the period. Overdue: as by review.",
)
FLOW = Definition(
    "emergency.flow",
    "Emergency accesses that were taken and not reviewed, at the end of the day before the period and of its "
    "last day; those taken in it; and those of both that were reviewed up to its end.",
)
OPENED = Definition(
    "emergency.opened",
    "Openings of sealed fields under emergency access, each call one, by the day of the opening, and by what "
    "the access was for.",
)
TOLD = (
    Kind("mail", "By mail"),
    Kind("list", "By the list"),
    Kind("review", "By reviewing it"),
    Kind("not_told", "Not told"),
)
REVIEWS = (
    Kind("justified", "Justified"),
    Kind("not_justified", "Not justified"),
    Kind("open", "Not reviewed yet"),
    Kind("overdue", "Not reviewed, overdue"),
)
TIMES = (
    Kind("in_time", "Reviewed in time"),
    Kind("late", "Reviewed late"),
    Kind("open", "Not reviewed yet"),
    Kind("overdue", "Not reviewed, overdue"),
)
REACHES = (Kind("cases", "For named cases"), Kind("ledger", "For the whole ledger"))

_DAY = timedelta(days=1)


def emergency(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Accesses taken: told, reviewed, in time; openings under them; by agency."""
    build = Builder("emergency", "Emergency access to sealed fields")
    known = snapshot.rows("emergency_access")
    taken = [row for row in known if row["happened_on"] in period]
    opened = [row for row in snapshot.rows("emergency_openings") if row["happened_on"] in period]
    last = period.last

    def told(row: RegisterRow) -> str:
        if row["told"] is not None and row["told_on"] <= last:
            return str(row["told"])
        return "review" if _reviewed(row, last) else "not_told"

    def review(row: RegisterRow) -> str:
        if _reviewed(row, last):
            return "justified" if row["justified"] else "not_justified"
        return _waiting(row, last)

    def time(row: RegisterRow) -> str:
        if _reviewed(row, last):
            return "late" if row["reviewed_on"] > row["review_due_on"] else "in_time"
        return _waiting(row, last)

    def agency(row: RegisterRow) -> str:
        return row.organisation

    by_told = build.kinds(
        "told", "Emergency accesses, by how the privacy officer was told", "Told", taken, told, TOLD, TAKEN
    )
    by_review = build.kinds(
        "review", "Emergency accesses, by review", "Review", taken, review, REVIEWS, REVIEWED
    )
    by_time = build.kinds(
        "time", "Emergency accesses, by when they were reviewed", "When", taken, time, TIMES, TIMELY
    )
    reviewed = (by_review["justified"], by_review["not_justified"])
    build.tie(by_told["total"], by_review["total"], rows=True)
    build.tie(by_told["total"], by_time["total"], rows=True)
    build.tie(by_time["overdue"], by_review["overdue"], rows=True)
    build.tie(by_time["in_time"], *reviewed, minus=(by_time["late"],))
    eve = period.first - _DAY
    before = [row for row in known if row["happened_on"] <= eve and not _reviewed(row, eve)]
    build.flow(
        "flow", "Emergency accesses: from opening to closing",
        [
            ("opening", "Not reviewed when the period began", before), ("taken", "Taken", taken),
            ("reviewed", "Reviewed", [row for row in (*before, *taken) if _reviewed(row, last)]),
            ("closing", "Not reviewed at its end", [
                row for row in known if row["happened_on"] <= last and not _reviewed(row, last)
            ]),
        ],
        FLOW,
    )  # fmt: skip
    every = build.by(
        "by_agency", "Emergency accesses, by agency and review", agencies.plain(map(agency, taken)), agency,
        taken, review, REVIEWS, REVIEWED,
    )  # fmt: skip
    build.tie(every, by_review["total"], rows=True)
    build.by(
        "openings", "Openings under emergency access, by agency", agencies.plain(map(agency, opened)), agency,
        opened, lambda row: str(row["reach"]), REACHES, OPENED,
    )  # fmt: skip
    return build.section()


def _reviewed(row: RegisterRow, end: date) -> bool:
    return row["reviewed_on"] is not None and row["reviewed_on"] <= end


def _waiting(row: RegisterRow, end: date) -> str:
    return "overdue" if row["review_due_on"] < end else "open"
