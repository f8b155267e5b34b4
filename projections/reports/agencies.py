"""The agencies that a report tells of: names, succession, whether bound, and what is attested of a period."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta

from projections.reports.build import Of
from projections.reports.period import Period, day_words
from projections.reports.snapshot import RegisterRow, Snapshot

UNKNOWN = "unregistered"
"""Stands for a party that is no registered organisation."""
UNREGISTERED = Of(UNKNOWN, "Not a registered organisation")

RECORDED = "recorded"
ATTESTED = "recorded, attested complete"
ZERO = "zero"
ZERO_ATTESTED = "zero, attested complete"
NIL = "nil return"
CONTRADICTED = "recorded, although a nil return was attested"
SILENT = "silent"
NOT_READ = "not read"
NOT_BOUND = "not bound"
UNBOUND_RECORDED = "recorded, not bound"

WORDS = (
    "Record: 'zero' is an agency that keeps the register and has nothing to count here; 'nil return' one whose "
    "head attested that there was nothing; 'silent' one that is bound, recorded nothing and attested nothing; "
    "'not read' one whose ledger this report was not made from, so that nothing is said of it; 'not bound' one "
    "to which the scheme did not apply in the period. The last three have no number: –."
)
WENT_ON = "A case that goes on with a successor is counted as that one's alone, in every period."
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Agency:
    """An organisation as its register has it. ``bound``: scheme, first and last day (None: open)."""

    id: str
    name: str
    bound: tuple[tuple[str, date, date | None], ...] = ()
    successors: tuple[str, ...] = ()
    """Who took over its functions."""
    established_on: date | None = None
    abolished_on: date | None = None

    def exists_in(self, period: Period) -> bool:
        """Whether it existed on any day of the period, as far as is known."""
        begun = self.established_on is None or self.established_on <= period.last
        return begun and (self.abolished_on is None or self.abolished_on > period.first)

    def bound_in(self, scheme: str, period: Period) -> bool:
        """Whether the scheme bound it on any day of the period."""
        return any(
            which == scheme and since <= period.last and (until is None or until >= period.first)
            for which, since, until in self.bound
        )


@dataclass
class Agencies:
    """All organisations, by id, and the attestations of their heads."""

    known: Mapping[str, Agency]
    attested: Sequence[RegisterRow] = ()
    unread: Set[str] = frozenset()
    """Of whom a ledger is not read."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> Agencies:
        """As the registers have them."""
        bindings = snapshot.rows("bindings")
        found = (_agency(row, bindings) for row in snapshot.rows("organisations"))
        known = {agency.id: agency for agency in found}
        return cls(known, snapshot.rows("attestations"), snapshot.unread)

    def name(self, identity: str) -> str:
        """The name of an organisation; of one that is not registered, its id."""
        agency = self.known.get(identity)
        return agency.name if agency else UNREGISTERED.words if identity == UNKNOWN else identity

    def lines(
        self, scheme: str, register: str, period: Period, counted: Iterable[str], used: Iterable[str]
    ) -> list[Of]:
        """One line an agency, by name: all that existed in the period or have rows.

        ``counted``: agencies of the rows that the table counts; ``used``: of all rows of the register in the
        period, whatever the table counts.
        """
        with_rows, in_use = set(counted), set(used)
        concerned = with_rows | {agency.id for agency in self.known.values() if agency.exists_in(period)}
        found = []
        for identity in sorted(concerned, key=lambda one: (one == UNKNOWN, self.name(one).casefold(), one)):
            record = self.record(identity, scheme, register, period, with_rows, in_use)
            found.append(Of(identity, self.name(identity), record, record not in (SILENT, NOT_READ, NOT_BOUND)))
        return found

    def plain(self, identities: Iterable[str]) -> list[Of]:
        """One line an organisation, by name, that says nothing of its record."""
        ordered = sorted(set(identities), key=lambda one: (one == UNKNOWN, self.name(one).casefold(), one))
        return [Of(identity, self.name(identity)) for identity in ordered]

    def record(
        self,
        identity: str,
        scheme: str,
        register: str,
        period: Period,
        counted: Collection[str],
        used: Collection[str],
    ) -> str:
        """What the agency's record for the period is: zero, nil return, silent, not bound told apart.

        Nobody is called silent, or complete without a row, whose ledger is not among those read."""
        if identity == UNKNOWN:
            return ""
        agency = self.known.get(identity)
        bound = agency is not None and agency.bound_in(scheme, period)
        nil, complete = (self._covered(identity, scheme, register, period, nil=n) for n in (True, False))
        if identity in counted:
            if nil:
                return CONTRADICTED
            if not bound:
                return UNBOUND_RECORDED
            return ATTESTED if complete else RECORDED
        if not bound:
            return NOT_BOUND
        if identity in used:
            return ZERO_ATTESTED if complete else ZERO
        if nil:
            return NIL
        if identity in self.unread:
            return NOT_READ
        return ZERO_ATTESTED if complete else SILENT

    def _covered(self, identity: str, scheme: str, register: str, period: Period, *, nil: bool) -> bool:
        """Whether attestations cover every day on which it was bound: nil returns only, or any complete."""
        days = sorted(
            (row["period_from"], row["period_to"])
            for row in self.attested
            if row["organisation"] == identity
            and row["register"] == register
            and row["scheme"] in (None, scheme)
            and row["nil_return" if nil else "complete"]
        )
        agency = self.known.get(identity)
        spans = [
            (max(since, period.first), min(until or period.last, period.last))
            for which, since, until in (agency.bound if agency else ())
            if which == scheme and since <= period.last and (until is None or until >= period.first)
        ]
        return bool(spans) and all(_covers(days, first, last) for first, last in spans)

    def series(self, counted: Set[str]) -> list[list[str]]:
        """Chains of predecessor and successor of which one has rows, each from the first to the last."""
        chains = []
        followed = {successor for agency in self.known.values() for successor in agency.successors}
        for agency in sorted(self.known.values(), key=lambda one: one.name.casefold()):
            if agency.successors and agency.id not in followed:
                chain = self._chain(agency.id)
                if counted & set(chain):
                    chains.append(chain)
        return chains

    def _chain(self, identity: str) -> list[str]:
        """The organisation and whoever came after it, each once."""
        chain, at = [identity], 0
        while at < len(chain):
            agency = self.known.get(chain[at])
            for successor in agency.successors if agency else ():
                if successor not in chain:
                    chain.append(successor)
            at += 1
        return chain

    def notes(self, shown: Iterable[str]) -> list[str]:
        """Who succeeded whom, of the agencies shown."""
        said = []
        for identity in shown:
            agency = self.known.get(identity)
            if agency is None or not agency.successors:
                continue
            by = " and ".join(self.name(successor) for successor in agency.successors)
            gone = (
                f", and no longer exists from {day_words(agency.abolished_on)}" if agency.abolished_on else ""
            )
            said.append(f"{agency.name} was succeeded by {by}{gone}. {WENT_ON}")
        return said


def _covers(days: Sequence[tuple[date, date]], first: date, last: date) -> bool:
    at = first
    for start, end in days:
        if start <= at <= end:
            at = end + _DAY
    return at > last


def _agency(row: RegisterRow, bindings: Iterable[RegisterRow]) -> Agency:
    gone: date | None = row["abolished_on"]
    last = None if gone is None else gone - _DAY
    bound = []
    for held in bindings:
        if held["stream"] == row["stream"]:
            ends = [day for day in (held["until"], last) if day is not None]
            bound.append((str(held["scheme"]), held["since"], min(ends, default=None)))
    return Agency(
        row["stream"],
        row["legal_name"],
        tuple(bound),
        tuple(row["successors"] or ()),
        row["established_on"],
        gone,
    )
