"""Sections of the whole-of-government report: complaints to entities, compliance notices, retention."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from projections.reports.agencies import UNKNOWN, WORDS, Agencies
from projections.reports.build import Builder, Kind
from projections.reports.figures import Definition, Section, count, median, percentile_90
from projections.reports.parties import holder
from projections.reports.period import Period
from projections.reports.snapshot import RegisterRow, Snapshot

_DAY = timedelta(days=1)

COMPLAINTS = Definition(
    "complaints.received",
    "Complaints to information sharing entities (CISS Guidelines ch. 5), by the day on which the entity "
    "received them. Closed: resolved, or unresolved with or without further action; where the day of closing "
    "is not known, it is taken to be that of the receipt. Closing: open at the end of the last day.",
)
COMPLAINT_DAYS = Definition(
    "complaints.days",
    "Time taken as the register counts it, in days, of complaints closed in the period where the days are "
    "known. Median: the middle value, or the mean of the middle two. 90th percentile by nearest rank.",
)
NOTICES = Definition(
    "notices.issued",
    "Compliance notices (PDPA 78) decided in the period, as they stood at its end: complied, found not "
    "complied with, set aside on review, in effect (82(2)), or not in effect yet.",
)
NOTICE_FLOW = Definition(
    "notices.flow",
    "Compliance notices (PDPA 78) by the day of the decision. Ended: complied with, or set aside on review "
    "(82(2)(d)); a finding of non-compliance ends none. Where the day of the end is not known, it is taken to "
    "be that of the decision. Open: not ended at the end of the day.",
)
SERVED = Definition(
    "notices.served", "Compliance notices by the day of service (PDPA 78(7)), as recorded so far."
)
IN_EFFECT = Definition(
    "notices.in_effect",
    "Compliance notices in effect (PDPA 82(2)): from the day on which one takes effect, by what is recorded so "
    "far, until it has ended. One that ended before that day never counts.",
)
EXTENSIONS = Definition(
    "notices.extensions",
    "Compliance notices decided in the period, by what came of applications to extend the period in them "
    "(78(3)), as recorded so far. A notice with several applications counts as granted if one of them was.",
)
REVIEWS = Definition(
    "notices.reviews",
    "Compliance notices decided in the period, by where a review at VCAT stands (83), as recorded so far.",
)
RETENTION = Definition(
    "retention.due",
    "Retention items whose action was due in the period, as they stood at its end. Late: done after the due "
    "day. Held: not done and a hold is open. Not done: neither. Items of which no due day is known are not "
    "counted.",
)
DONE = Definition("retention.done", "Retention items whose action was done in the period, by what was done.")
AUTHORITY = Definition(
    "retention.authority",
    "Retention items whose action was due in the period, by what the item says that it rests on: the number of "
    "a disposal authority; where none is stated, an agreement's retention table, an authority in words, both, "
    "or neither.",
    version=2,
)

CLOSED = (Kind("resolved", "Resolved"), Kind("unresolved", "Unresolved"), Kind("open", "Open"))
STANDINGS = (
    Kind("complied", "Complied"),
    Kind("not_complied", "Not complied"),
    Kind("set_aside", "Set aside"),
    Kind("in_effect", "In effect"),
    Kind("not_in_effect", "Not in effect yet"),
)
ENDS = (Kind("complied", "Complied"), Kind("set_aside", "Set aside"))
EXTENDED = (
    Kind("none", "None applied for"),
    Kind("granted", "Granted"),
    Kind("refused", "Not granted"),
    Kind("undecided", "Not decided"),
)
REVIEWED = (
    Kind("none", "None applied for"),
    Kind("open", "Open"),
    Kind("for_commissioner", "For the Commissioner"),
    Kind("against_commissioner", "Against the Commissioner"),
    Kind("withdrawn", "Withdrawn"),
)
DUE = (
    Kind("done", "Done in time"),
    Kind("late", "Done late"),
    Kind("held", "Held"),
    Kind("not_done", "Not done"),
    Kind("unknown", "Done, day not known"),
)
ACTIONS = (
    Kind("destroy", "Destroyed"),
    Kind("de_identify", "De-identified"),
    Kind("return", "Returned"),
    Kind("transfer", "Transferred"),
    Kind("remove", "Removed"),
)
RESTS_ON = (
    Kind("agreement", "An agreement, no number of an authority"),
    Kind("authority", "An authority in words, no number"),
    Kind("both", "An agreement and an authority in words"),
    Kind("neither", "Nothing stated"),
)


def undated(build: Builder, rows: int, what: str, date_of: str) -> None:
    """Says how many rows are in no period; nothing where there are none."""
    if rows:
        build.words.append(f"{what} without a day of {date_of}, counted in no period: {rows}.")


def complaints(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Opening + received − closed = closing, outcomes, days, by entity."""
    build = Builder("complaints", "Complaints to information sharing entities")
    rows = [row for row in snapshot.rows("complaints") if row["received_on"] is not None]
    undated(build, len(snapshot.rows("complaints")) - len(rows), "Complaints", "receipt")

    def at(row: RegisterRow, end: date) -> str:
        outcome, on = row["outcome"], row["closed_on"]
        return "open" if outcome is None or (on is not None and on > end) else str(outcome)

    def now(row: RegisterRow) -> str:
        return at(row, period.last)

    received = [row for row in rows if row["received_on"] in period]
    eve = period.first - _DAY
    opening = [row for row in rows if row["received_on"] <= eve and at(row, eve) == "open"]
    ended = [row for row in (*opening, *received) if now(row) != "open"]
    closing = [row for row in rows if row["received_on"] <= period.last and now(row) == "open"]
    build.flow(
        "flow", "Complaints: from opening to closing",
        [
            ("opening", "Open when the period began", opening), ("received", "Received", received),
            ("closed", "Closed", ended), ("closing", "Open at its end", closing),
        ],
        COMPLAINTS,
    )  # fmt: skip
    build.kinds("outcome", "Complaints received, by outcome", "Outcome", received, now, CLOSED, COMPLAINTS)
    days = [(int(row["days_to_resolve"]), row.id) for row in ended if row["days_to_resolve"] is not None]
    known = [row for _, row in days]
    build.list(
        "days", "Days to close a complaint", ("", "Number"),
        [
            ("Complaints closed, days known", count("complaints.days.closed", COMPLAINT_DAYS, known)),
            ("Median days", median("complaints.days.median", COMPLAINT_DAYS, days)),
            ("90th percentile days", percentile_90("complaints.days.percentile_90", COMPLAINT_DAYS, days)),
        ],
    )  # fmt: skip
    counted = [row["entity"] for row in received]
    lines = agencies.lines("ciss", "complaints", period, counted, counted)
    notes = (WORDS, *agencies.notes(line.key for line in lines))
    build.by(
        "by_entity", "Complaints received, by entity and outcome", lines, lambda row: str(row["entity"]),
        received, now, CLOSED, COMPLAINTS, head="Entity", notes=notes,
    )  # fmt: skip
    return build.section()


def notices(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Compliance notices issued: where they stood, extensions, reviews, by organisation."""
    build = Builder("notices", "Compliance notices")
    every = snapshot.rows("notices")
    undated(build, sum(row["decided_on"] is None for row in every), "Compliance notices", "decision")
    issued = [row for row in every if row["decided_on"] in period]
    _notice_flow(build, [row for row in every if row["decided_on"] is not None], issued, period)

    def standing(row: RegisterRow) -> str:
        return notice_at(row, period.last)

    build.kinds(
        "standing", "Compliance notices issued, by standing", "Standing", issued, standing, STANDINGS, NOTICES
    )
    build.kinds(
        "extensions", "Compliance notices issued, by extension", "Extension", issued, _extension, EXTENDED,
        EXTENSIONS,
    )  # fmt: skip
    build.kinds(
        "reviews", "Compliance notices issued, by review", "Review", issued, lambda row: str(row["review"]),
        REVIEWED, REVIEWS,
    )  # fmt: skip
    build.by(
        "by_organisation", "Compliance notices issued, by organisation and standing",
        agencies.plain(row["organisation"] or UNKNOWN for row in issued),
        lambda row: row["organisation"] or UNKNOWN, issued, standing, STANDINGS, NOTICES, head="Organisation",
    )  # fmt: skip
    return build.section()


def _notice_flow(
    build: Builder, every: Sequence[RegisterRow], issued: Sequence[RegisterRow], period: Period
) -> None:
    """Opening + decided − ended = closing, served, and the same of those in effect."""
    eve, last = period.first - _DAY, period.last

    def ended(row: RegisterRow, end: date) -> bool:
        return notice_at(row, end) in ("complied", "set_aside")

    def in_effect(row: RegisterRow, end: date) -> bool:
        return row["in_effect_on"] is not None and row["in_effect_on"] <= end and not ended(row, end)

    opening = [row for row in every if row["decided_on"] <= eve and not ended(row, eve)]
    over = [row for row in (*opening, *issued) if ended(row, last)]
    closing = [row for row in every if row["decided_on"] <= last and not ended(row, last)]
    flow = build.flow(
        "flow", "Compliance notices: from opening to closing",
        [
            ("opening", "Open when the period began", opening), ("decided", "Decided", issued),
            ("ended", "Ended", over), ("closing", "Open at its end", closing),
        ],
        NOTICE_FLOW,
    )  # fmt: skip
    ends = build.kinds(
        "ended", "Compliance notices ended", "How", over, lambda row: notice_at(row, last), ENDS, NOTICE_FLOW
    )
    build.tie(flow["ended"], ends["total"], rows=True)
    served = [row.id for row in every if row["served_on"] in period]
    build.list(
        "served", "Compliance notices served", ("", "Number"),
        [("Served in the period", count("notices.served.served", SERVED, served))],
    )  # fmt: skip
    before = [row for row in every if in_effect(row, eve)]
    began = [
        row for row in every if row["in_effect_on"] in period and not ended(row, row["in_effect_on"] - _DAY)
    ]
    stopped = [row for row in (*before, *began) if ended(row, last)]
    still = [row for row in every if in_effect(row, last)]
    build.flow(
        "in_effect", "Compliance notices in effect",
        [
            ("opening", "In effect when the period began", before), ("began", "Took effect", began),
            ("ended", "Ended", stopped), ("closing", "In effect at its end", still),
        ],
        IN_EFFECT,
    )  # fmt: skip


def notice_at(row: RegisterRow, end: date) -> str:
    """Where a notice stood at the end of that day; an ending whose day is not known has come."""
    complied, failed, effect = row["complied_on"], row["not_complied_on"], row["in_effect_on"]
    if row["outcome"] == "complied" and (complied is None or complied <= end):
        return "complied"
    if (failed is not None and failed <= end) or (row["outcome"] == "not complied" and failed is None):
        return "not_complied"
    lost = row["set_aside_on"]
    if row["outcome"] == "set aside" and (lost is None or lost <= end):
        return "set_aside"
    return "in_effect" if effect is not None and effect <= end else "not_in_effect"


def _extension(row: RegisterRow) -> str:
    if row["extensions_granted"]:
        return "granted"
    if row["extensions_applied"] > row["extensions_refused"]:
        return "undecided"
    return "refused" if row["extensions_refused"] else "none"


def retention(snapshot: Snapshot, agencies: Agencies, period: Period) -> Section:
    """Due, done, late, held; what was done; on what it rests; by holder."""
    build = Builder("retention", "Retention and destruction")
    every = snapshot.rows("retention")
    held = _held_at(snapshot, period.last)
    due = [row for row in every if row["due_on"] in period]

    def state(row: RegisterRow) -> str:
        done_on = row["done_on"]
        if row["done"] is not None and (done_on is None or done_on <= period.last):
            return "unknown" if done_on is None else "late" if done_on > row["due_on"] else "done"
        return "held" if held.get((row.id.ledger, row.id.stream)) else "not_done"

    build.kinds("due", "Retention items due, by standing", "Standing", due, state, DUE, RETENTION)
    done = [row for row in every if row["done_on"] in period]
    build.kinds(
        "done", "Retention items done, by action", "Action", done, lambda row: str(row["done"]), ACTIONS, DONE
    )
    numbers = sorted({row["disposal_authority"] for row in due if row["disposal_authority"] is not None})
    rests_on = (*(Kind(_key(number), number) for number in numbers), *RESTS_ON)
    build.kinds(
        "authority", "Retention items due, by authority", "Rests on", due, _rests_on, rests_on, AUTHORITY
    )
    build.by(
        "by_holder", "Retention items due, by holder and standing", agencies.plain(holder(row) for row in due),
        holder, due, state, DUE, RETENTION, head="Holder",
    )  # fmt: skip
    return build.section()


def _key(number: str) -> str:
    """The number of a disposal authority as it stands in the id of a figure."""
    return re.sub("[^a-z0-9]+", "-", number.lower())


def _rests_on(row: RegisterRow) -> str:
    if row["disposal_authority"] is not None:
        return _key(row["disposal_authority"])
    if row["agreement"] is not None:
        return "both" if row["authority"] is not None else "agreement"
    return "authority" if row["authority"] is not None else "neither"


def _held_at(snapshot: Snapshot, end: date) -> Mapping[tuple[str, str], bool]:
    """Ledger and case → whether a hold stopped the action at the end of that day."""
    return {
        (row.id.ledger, row.id.stream): state_at(row, end) == "held"
        for row in snapshot.rows("clocks")
        if row["clock"] == "retention.action"
    }


def state_at(clock: RegisterRow, end: date) -> str | None:
    """The state of a clock at the end of that day; None before its trigger."""
    state = None
    for day, found in zip(clock["state_from"], clock["states"], strict=True):
        if day <= end:
            state = found
    return state
