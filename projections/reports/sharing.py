"""Data sharing under the Victorian Public Sector Data Sharing Policy, for a period (3-registers 'Reports')."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from projections.reports.agencies import WORDS, Agencies
from projections.reports.build import Builder, Kind
from projections.reports.figures import Definition, Figure, Section, count, median, percentile_90
from projections.reports.findings import contraventions_in, gap_table
from projections.reports.parties import provider, requester
from projections.reports.period import Period
from projections.reports.snapshot import RegisterRow, Snapshot

SCHEME = "vps"
ANSWERED = "A request is answered on the day on which its response was complete; until then it is open. "

FORMAL = Definition(
    "sharing.formal",
    "Formal requests under the Policy as their providers recorded them, by the day on which the formal request "
    "was received (of an escalated one: the escalation). The requester's own records are not counted, nor are "
    "requests entered in error or merged into another.",
)
FLOW = Definition(
    "sharing.flow",
    FORMAL.words
    + " "
    + ANSWERED
    + "Opening: received before the period and open when it began. Closing: open at "
    "the end of its last day. Where the day of the answer is not known, it is taken to be that of the receipt.",
)
OUTCOME = Definition(
    "sharing.outcome",
    FORMAL.words
    + " Each has one outcome, as at the end of the period: provided (every part in scope), provided in "
    "part, refused (nothing provided and some part refused), out of scope (every part restricted data), closed "
    "otherwise (not held, public, duplicate and the like), referred, withdrawn, or open.",
)
TIMELINESS = Definition(
    "sharing.timeliness",
    FORMAL.words
    + " Within: the response was complete on or before the fourteenth day after receipt (no roll over "
    "weekends or holidays). Late: after it. Open, overdue: not complete at the end of the period and the day "
    "past. Not known: the day of receipt or response is not recorded to the day.",
)
DAYS = Definition(
    "sharing.days",
    "Calendar days from the receipt of the formal request to the complete response, of those received in the "
    "period and answered by its end, where both days are known. Median: the middle value, or the mean of the "
    "middle two. 90th percentile by nearest rank: the smallest value that nine tenths of them do not exceed.",
)
REFUSALS = Definition(
    "sharing.refusals",
    "Refusals decided in the period, of the whole or a part of a formal request, whenever it was received. A "
    "refusal that names several grounds is counted under each: grounds do not add up to refusals.",
)
COPIES = Definition(
    "sharing.copies",
    "Refusals decided in the period of which a copy goes to the Secretary, Department of Premier and Cabinet; "
    "sent: by the end of the period, of every part refused.",
)
SCHEMES = Definition(
    "sharing.schemes",
    "All requests that providers recorded, under any scheme, by the day on which they were received.",
)
DIRECTION = Definition(
    "sharing.direction",
    FORMAL.words + " As provider: asked. As requester: who asked, as the provider recorded it.",
)
GAPS = Definition(
    "sharing.gaps",
    "Facts that the sources ask for and the record does not state, in the cases of formal requests received "
    "in the period; a gap is never a refusal.",
)
CONTRAVENTIONS = Definition(
    "sharing.contraventions",
    "Contraventions of the Policy found and recorded, by the day on which they happened; where it is not "
    "known, by the day on which they were found, or else recorded. Counted apart from every other figure.",
)

OUTCOMES = (
    Kind("provided", "Provided"),
    Kind("provided_in_part", "Provided in part"),
    Kind("refused", "Refused"),
    Kind("out_of_scope", "Out of scope"),
    Kind("closed", "Closed otherwise"),
    Kind("referred", "Referred"),
    Kind("withdrawn", "Withdrawn"),
    Kind("open", "Open"),
)
TIMES = (
    Kind("within", "Within 14 days"),
    Kind("late", "Late"),
    Kind("open", "Open, not yet due"),
    Kind("overdue", "Open, overdue"),
    Kind("unknown", "Day not known"),
)
GROUNDS = {
    "contravenes_law": "Contravenes a law or legal obligation",
    "prejudices_investigation": "Prejudices an investigation, inquiry or proceeding",
    "endangers_safety": "Endangers health, safety or wellbeing",
    "readily_available": "Readily available elsewhere",
    "other_rights": "Other rights prohibit it",
    "data_sharing_principles": "Does not satisfy the Data Sharing Principles",
    "too_risky_or_inappropriate": "Too risky or inappropriate despite controls",
    "other": "Other, in words",
    "not_stated": "No ground stated",
}
NOT_HERE = "Agreements by kind are not in this report: no register of agreements is kept yet."


def outcome_at(row: RegisterRow, end: date) -> str:
    """The outcome that the request had at the end of that day; 'open' before its response was complete."""
    outcome, on = row["outcome"], row["response_on"]
    if outcome is None or (on is not None and on > end):
        return "open"
    return str(outcome).replace(" ", "_")


def timeliness_at(row: RegisterRow, end: date) -> str:
    """Whether the response came within the 14 days, as at the end of that day.

    VPS, 'responsibility to share'."""
    on, due = row["response_on"], row["due_on"]
    if row["response_index"] is not None and on is None:
        return "unknown"
    if due is None:
        return "unknown"
    if on is not None and on <= end:
        return "within" if on <= due else "late"
    return "overdue" if due < end else "open"


class Sharing:
    """The rows of one period, sorted once, and the tables made of them."""

    def __init__(self, snapshot: Snapshot, agencies: Agencies, period: Period) -> None:
        self.snapshot, self.period, self.agencies = snapshot, period, agencies
        self.all = [row for row in snapshot.rows("requests") if row["side"] == "provider"]
        formal = [row for row in self.all if row["scheme"] == SCHEME and row["form"] == "formal"]
        self.undated = [row for row in formal if row["formal_on"] is None]
        self.formal = [row for row in formal if row["formal_on"] is not None]
        self.received = [row for row in self.formal if row["formal_on"] in period]
        self.refusals = [
            row for row in snapshot.rows("refusals") if row["copy_owed"] and row["happened_on"] in period
        ]
        self.build = Builder("sharing", "Data sharing between agencies")
        if self.undated:
            said = f"Formal requests without a day of receipt, counted in no period: {len(self.undated)}."
            self.build.words.append(said)

    def outcome(self, row: RegisterRow) -> str:
        """The outcome at the end of the period."""
        return outcome_at(row, self.period.last)

    def timeliness(self, row: RegisterRow) -> str:
        """The timeliness at the end of the period."""
        return timeliness_at(row, self.period.last)

    def flow(self) -> Figure:
        """Opening + received − answered = closing; the figure of those received."""
        eve = self.period.first - timedelta(days=1)
        opening = [r for r in self.formal if r["formal_on"] <= eve and outcome_at(r, eve) == "open"]
        ended = [row for row in (*opening, *self.received) if self.outcome(row) != "open"]
        closing = [r for r in self.formal if r["formal_on"] <= self.period.last and self.outcome(r) == "open"]
        found = self.build.flow(
            "flow", "Formal requests: from opening to closing",
            [
                ("opening", "Open when the period began", opening), ("received", "Received", self.received),
                ("answered", "Answered or ended", ended), ("closing", "Open at its end", closing),
            ],
            FLOW,
        )  # fmt: skip
        return found["received"]

    def outcomes(self) -> Figure:
        """One outcome a request received in the period; the total."""
        found = self.build.kinds(
            "outcome", "Formal requests received, by outcome", "Outcome", self.received, self.outcome, OUTCOMES,
            OUTCOME, unit="Requests",
            chart="Bars compare how many formal requests received in the period were provided, provided in "
            "part, refused, out of scope, closed otherwise, referred, withdrawn or are open.",
        )  # fmt: skip
        return found["total"]

    def times(self) -> Figure:
        """Within 14 days, late, open; days; the total."""
        found = self.build.kinds(
            "timeliness", "Formal requests received, by time taken", "Time taken", self.received,
            self.timeliness, TIMES, TIMELINESS, unit="Requests",
        )  # fmt: skip
        answered = [r for r in self.received if self.outcome(r) != "open" and r["response_days"] is not None]
        days = [(int(row["response_days"]), row.id) for row in answered]
        lines = [
            ("Requests answered, both days known", _count("sharing.days.answered", DAYS, answered)),
            ("Median days", median("sharing.days.median", DAYS, days)),
            ("90th percentile days", percentile_90("sharing.days.percentile_90", DAYS, days)),
        ]
        self.build.list("days", "Days to respond", ("", "Number"), lines)
        return found["total"]

    def refused(self) -> None:
        """Grounds, and copies to the Secretary."""
        name = "sharing.grounds"
        total = _count(f"{name}.total", REFUSALS, self.refusals)
        lines: list[tuple[str, Figure]] = []
        for ground, words in GROUNDS.items():
            rows = [row for row in self.refusals if ground in (row["grounds"] or ["not_stated"])]
            lines.append((words, _count(f"{name}.{ground}", REFUSALS, rows)))
        stated = _count(f"{name}.stated", REFUSALS, [row for row in self.refusals if row["grounds"]])
        self.build.tie(total, stated, lines[-1][1], rows=True)
        lines += [("Refusals that state a ground", stated), ("Refusals", total)]
        notes = ("A refusal that names several grounds is counted under each.",)
        self.build.list("grounds", "Refusals, by ground", ("Ground", "Refusals"), lines, notes=notes)
        copies = self.build.kinds(
            "copies", "Copies of refusals to the Secretary, Department of Premier and Cabinet", "Copy",
            self.refusals, self._copy, (Kind("sent", "Sent"), Kind("not_sent", "Not sent")), COPIES,
            unit="Refusals",
        )  # fmt: skip
        self.build.tie(total, copies["total"], rows=True)

    def _copy(self, row: RegisterRow) -> str:
        sent_on = row["copy_sent_on"]
        return (
            "sent"
            if row["copy_index"] is not None and (sent_on or self.period.first) <= self.period.last
            else "not_sent"
        )

    def schemes(self) -> None:
        """All requests, so that the formal ones are seen in their place."""
        rows = [row for row in self.all if self._received_on(row) in self.period]
        kinds = (
            Kind("vps_formal", "VPS Policy, formal"),
            Kind("vps_informal", "VPS Policy, informal"),
            Kind("vps_not_stated", "VPS Policy, form not stated"),
            Kind("nsw", "Data.NSW guide"),
            Kind("other", "Under another law"),
        )
        self.build.kinds(
            "schemes",
            "All requests received, by scheme",
            "Scheme",
            rows,
            _scheme,
            kinds,
            SCHEMES,
            unit="Requests",
        )

    @staticmethod
    def _received_on(row: RegisterRow) -> date | None:
        formal = row["scheme"] == SCHEME and row["form"] == "formal"
        on: date | None = row["formal_on"] if formal else row["received_on"]
        return on

    def by_agency(self) -> Figure:
        """Both directions, with what each agency's record is; by outcome and time taken; the total."""
        used = [provider(row) for row in self.all if self._received_on(row) in self.period]
        counted = [provider(row) for row in self.received]
        lines = self.agencies.lines(SCHEME, "requests", self.period, counted, used)
        notes = (WORDS, *self.agencies.notes(line.key for line in lines))
        title = "Formal requests received, by provider and {}"
        asked = self.build.by(
            "by_provider", title.format("outcome"), lines, provider, self.received, self.outcome, OUTCOMES,
            OUTCOME, head="Provider", notes=notes,
        )  # fmt: skip
        self.build.by(
            "times_by_provider", title.format("time taken"), lines, provider, self.received, self.timeliness,
            TIMES, TIMELINESS, head="Provider", notes=notes,
        )  # fmt: skip
        askers = self.agencies.plain(requester(row) for row in self.received)
        asking = self.build.by(
            "by_requester", "Formal requests received, by requester and outcome", askers, requester,
            self.received, self.outcome, OUTCOMES, DIRECTION, head="Requester",
        )  # fmt: skip
        self.build.tie(asked, asking, rows=True)
        self._series(set(counted))
        return asked

    def _series(self, counted: set[str]) -> None:
        """Predecessor and successor apart and together, where an organisation was succeeded."""
        for number, chain in enumerate(self.agencies.series(counted), start=1):
            rows = [row for row in self.received if provider(row) in chain]
            names = ", then ".join(self.agencies.name(one) for one in chain)
            self.build.by(
                f"series_{number}", f"Series: {names}", self.agencies.plain(chain), provider, rows,
                self.outcome, OUTCOMES, OUTCOME, head="Provider", notes=self.agencies.notes(chain),
            )  # fmt: skip

    def findings(self) -> None:
        """What the records leave out, and contraventions of the Policy."""
        cases = {(row.id.ledger, row.id.stream) for row in self.received}
        missing = [r for r in self.snapshot.rows("gaps") if (r.id.ledger, r.id.stream) in cases]
        gap_table(self.build, "gaps", "Gaps in the records of formal requests received", missing, GAPS)
        found = [r for r in contraventions_in(self.snapshot, self.period) if r["rule"] == "vps_policy"]
        self.build.by(
            "contraventions", "Contraventions of the Policy found, by organisation",
            self.agencies.plain(str(row["organisation"]) for row in found),
            lambda row: str(row["organisation"]), found, lambda row: "found",
            (Kind("found", "Found"),), CONTRAVENTIONS, head="Organisation",
        )  # fmt: skip

    def section(self, *, condensed: bool = False) -> Section:
        """The section; condensed for the report on the whole of government."""
        received = self.flow()
        self.build.tie(received, self.outcomes(), rows=True)
        self.build.tie(received, self.times(), rows=True)
        self.refused()
        if not condensed:
            self.schemes()
            self.build.words.append(NOT_HERE)
        self.build.tie(received, self.by_agency(), rows=True)
        if not condensed:
            self.findings()
        return self.build.section()


def _scheme(row: RegisterRow) -> str:
    if row["scheme"] != SCHEME:
        return str(row["scheme"])
    return f"{SCHEME}_{row['form'] or 'not_stated'}"


def _count(identity: str, definition: Definition, rows: Sequence[RegisterRow]) -> Figure:
    return count(identity, definition, (row.id for row in rows))


def sharing(snapshot: Snapshot, agencies: Agencies, period: Period, *, condensed: bool = False) -> Section:
    """Formal requests, outcomes, timeliness, refusals, both directions by agency."""
    return Sharing(snapshot, agencies, period).section(condensed=condensed)
