"""What a command is judged against beside its own case: roles in force, the calendar, organisations.

Each is the fold of one stream, kept until the stream grows: one query by version finds what is new.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import takewhile
from threading import Lock
from typing import TYPE_CHECKING

from ledger.application.outcome import Principal
from ledger.codec.declare import CaseRef
from ledger.domain.case import Case
from ledger.domain.common.aggregate import CommonCase
from ledger.domain.destruction.events import DestructionAuthorised
from ledger.domain.destruction.standing import STREAM as DESTRUCTION
from ledger.domain.destruction.standing import DestructionStanding
from ledger.domain.event import CaseEvent, decode_event
from ledger.domain.installation.events import GrantedRole, LedgerClosed, LedgerCreated, RoleGranted
from ledger.domain.installation.standing import calendar_of, grants_in_force
from ledger.errors import CodecError, Forbidden, InvalidInput, NotFound, Untrusted
from ledger.law.calendar import Calendar
from ledger.law.general import Role
from ledger.law.installation import GRANTED_BY_REGULATOR, closed_ledger_goes_on
from ledger.store.feed import Feed, StoredRow
from ledger.store.ledgers import COMMON, Ledger, Ledgers
from ledger.tlog.note import Note, VerifierKey
from ledger.vault.opening import Destroyed
from ledger.vault.store import INSTALLATION

if TYPE_CHECKING:
    from ledger.application.commands import Commands

ROLES, CALENDAR, ITSELF = "roles", "calendar", "ledger"
JUDGED_AGAINST = (ROLES, CALENDAR, DESTRUCTION, ITSELF)
"""Streams that every command of a ledger is judged against: who may, which days count, what is destroyed,
whether the ledger is closed."""
REPORTS_ON_ALL = frozenset({Role.REPORTER, Role.MINISTER_OFFICE})
"""Roles that, granted in ``common`` (the lead department's), report on every ledger (1-law 'Who acts')."""


class Streams:
    """Folds of small streams that every command needs. Thread-safe."""

    def __init__(self, feed: Feed, ledgers: Ledgers, regulator: str) -> None:
        self._feed = feed
        self._ledgers = ledgers
        self._regulator = regulator
        self._lock = Lock()
        self._facts: dict[tuple[int, str], tuple[CaseEvent, ...]] = {}
        self._calendars: dict[int, tuple[int, Calendar]] = {}
        self._destroyed: dict[int, _Folded] = {}
        self._records: dict[int, Case] = {}
        """The case of the stream ``destruction`` by ledger, as far as it was folded."""
        self._seen_at: dict[tuple[int, str], int] = {}
        self._after: dict[int, list[int]] = {}
        """Of closed ledgers, by number: those that go on from them, one from the other."""

    def positions(self, ledger: Ledger) -> dict[str, int]:
        """The versions up to which the streams that every command is judged against are kept here."""
        return {stream: len(self._facts.get((ledger.id, stream), ())) for stream in JUDGED_AGAINST}

    def extend(self, ledger: Ledger, stream: str, rows: Sequence[StoredRow]) -> tuple[CaseEvent, ...]:
        """Adds what was read of a stream to what is kept of it; rows kept already are passed over."""
        known = self._facts.get((ledger.id, stream), ())
        new = tuple(decode_event(row.decoded) for row in rows if row.version > len(known))
        if not new:
            return known
        facts = known + new
        with self._lock:
            # Two threads may have read the same rows: the longer fold stays.
            if len(facts) > len(self._facts.get((ledger.id, stream), ())):
                self._facts[ledger.id, stream] = facts
        return facts

    def as_read(self, ledger: Ledger, stream: str) -> tuple[CaseEvent, ...]:
        """All facts of a stream as last read: a prelude of this moment has just brought them up to date."""
        return self._facts.get((ledger.id, stream), ())

    def facts(self, ledger: Ledger, stream: str) -> tuple[CaseEvent, ...]:
        """All facts of a stream, as far as they are committed now: asks the database what is new."""
        known = len(self._facts.get((ledger.id, stream), ()))
        return self.extend(ledger, stream, self._feed.stream(ledger.id, stream, after=known))

    def facts_at(self, ledger: Ledger, stream: str, size: int) -> tuple[CaseEvent, ...]:
        """All facts of a stream among the first ``size`` entries or later; asks only where the ledger grew."""
        if self._seen_at.get((ledger.id, stream)) != size:
            self.facts(ledger, stream)
            self._seen_at[ledger.id, stream] = size
        return self._facts.get((ledger.id, stream), ())

    def calendar(self, ledger: Ledger) -> Calendar:
        """The ledger's calendar as last read; the one with nothing seeded while it is being created."""
        facts = self._facts.get((ledger.id, CALENDAR), ())
        if not facts:
            return Calendar((), date.min)
        known = self._calendars.get(ledger.id)
        if known is None or known[0] != len(facts):
            known = self._calendars[ledger.id] = (len(facts), calendar_of(facts))
        return known[1]

    def destruction(self, ledger: Ledger) -> DestructionStanding:
        """Where destruction in a ledger stands now; asks the database what is new. Not to be changed."""
        self.facts(ledger, DESTRUCTION)
        return self._fold(ledger.id).standing

    def destruction_as_read(self, ledger_id: int) -> DestructionStanding:
        """The same as last read."""
        return self._fold(ledger_id).standing

    def destruction_record(self, ledger: Ledger) -> Case | None:
        """The case of the stream ``destruction`` as last read, the caller's own; None before its first fact."""
        facts = self.as_read(ledger, DESTRUCTION)
        with self._lock:
            case = self._records.get(ledger.id)
            for fact in facts[0 if case is None else case.version :]:
                case = self._records[ledger.id] = fact.mutate(case)
            return None if case is None else case.copied()

    def destroyed(self, ledger: Ledger) -> Mapping[str, Destroyed]:
        """The keys of a ledger that are destroyed, as entries say now: key id → on …, under …

        Its own, and those of the ledgers that go on from it: ids of keys are random, so theirs do no harm here.
        """
        self.facts(ledger, DESTRUCTION)
        after = self.after(ledger)
        for each in after:
            self.facts(each, DESTRUCTION)
        self._after[ledger.id] = [each.id for each in after]
        return self.destroyed_as_read(ledger.id)

    def destroyed_as_read(self, ledger_id: int) -> Mapping[str, Destroyed]:
        """The same as last read: where a prelude of this moment has just brought it up to date."""
        own = self._fold(ledger_id).keys
        after = self._after.get(ledger_id)
        return ChainMap(own, *(self._fold(each).keys for each in after)) if after else own

    def destroyed_now(self, ledger_id: int) -> Mapping[str, Destroyed]:
        """``destroyed`` by the number of a ledger; the installation's own keys have no entries."""
        if ledger_id == INSTALLATION:
            return {}
        return self.destroyed(next(each for each in self._ledgers.all() if each.id == ledger_id))

    def _fold(self, ledger_id: int) -> _Folded:
        facts = self._facts.get((ledger_id, DESTRUCTION), ())
        folded = self._destroyed.get(ledger_id)
        if folded is None or folded.count < len(facts):
            with self._lock:
                folded = self._destroyed.setdefault(ledger_id, _Folded())
                folded.take(facts[folded.count :])
        return folded

    def closed(self, ledger: Ledger) -> bool:
        """Whether the ledger has recorded its own end, as last read."""
        facts = self._facts.get((ledger.id, ITSELF), ())
        return bool(facts) and isinstance(facts[-1], LedgerClosed)

    def over(self, ledger: Ledger) -> bool:
        """Whether nothing enters the ledger any more, as it is now."""
        self.facts(ledger, ITSELF)
        return self.closed(ledger) or self._feed.closed(ledger.id)

    def after(self, ledger: Ledger) -> list[Ledger]:
        """The ledgers that go on from it, one from the other: by their first entries, or by its last."""
        found: list[Ledger] = []
        every = self._ledgers.all()
        while True:
            last = next(reversed(self.facts(ledger, ITSELF)), None)
            named = last.successor if isinstance(last, LedgerClosed) else None
            begun = [each for each in every if self._predecessor(each) == ledger.origin]
            begun += [each for each in every if each.origin == named]
            if not begun or begun[0] in found:
                return found
            ledger = begun[0]
            found.append(ledger)

    def heir(self, ledger: Ledger) -> Ledger | None:
        """The open ledger that goes on from a closed one; None where none does."""
        return next((each for each in self.after(ledger) if not self.over(each)), None)

    def before(self, ledger: Ledger, heir: Ledger) -> list[Ledger]:
        """A closed ledger and those, closed too, by which ``heir`` goes on from it, oldest first."""
        return [ledger, *takewhile(lambda each: each != heir, self.after(ledger))]

    def recorded_in(self, ledger: Ledger) -> Ledger:
        """Where openings and destruction of a ledger are recorded: there, or in what goes on from a closed one.

        Raises LawRefused where nothing does.
        """
        if not self.over(ledger):
            return ledger
        heir = self.heir(ledger)
        closed_ledger_goes_on(ledger.origin, heir is not None)
        return heir or ledger

    def _predecessor(self, ledger: Ledger) -> str | None:
        # A first entry never becomes another: it is asked for once.
        facts = self.as_read(ledger, ITSELF) or self.facts(ledger, ITSELF)
        first = facts[0] if facts else None
        return first.predecessor if isinstance(first, LedgerCreated) else None

    def roles(self, ledger: Ledger, principal: Principal, on: date) -> frozenset[Role]:
        """The roles that the ledger's own grants, as last read, give this person there on a day.

        Those of the regulator and of auditors count in the regulator's ledger only (4-wire 'HTTP').
        """
        if principal.organisation != ledger.organisation:
            return frozenset()
        granted = frozenset(Role(grant.role.value) for grant in self._grants(ledger, principal, on))
        return granted if ledger.slug == self._regulator else granted - GRANTED_BY_REGULATOR

    def audits(self, ledger: Ledger, principal: Principal, on: date) -> bool:
        """Whether an auditor's grant that names this ledger is in force, in the regulator's."""
        for other in self._ledgers.all():
            if other.slug == self._regulator and other.organisation == principal.organisation:
                self.facts(other, ROLES)
                return any(
                    grant.role is GrantedRole.AUDITOR and ledger.origin in grant.ledgers
                    for grant in self._grants(other, principal, on)
                )
        return False

    def _grants(self, ledger: Ledger, principal: Principal, on: date) -> list[RoleGranted]:
        return [
            grant
            for grant in grants_in_force(self._facts.get((ledger.id, ROLES), ()), on)
            if (grant.person, grant.organisation) == (principal.person, principal.organisation)
        ]

    def role_for(
        self, ledger: Ledger, principal: Principal, act: str, allowed: frozenset[Role], on: date
    ) -> Role:
        """The role in which a person does an act: the first allowed one that is granted. Raises Forbidden."""
        granted = self.roles(ledger, principal, on)
        for role in Role:
            if role in granted and role in allowed:
                return role
        held = ", ".join(sorted(granted)) or "no role"
        raise Forbidden(
            f"{act} in {ledger.slug} takes one of {', '.join(sorted(allowed))}; {principal.person} of "
            f"{principal.organisation} holds {held} there on {on}"
        )

    def reading_roles(self, ledger: Ledger, principal: Principal, on: date) -> frozenset[Role]:
        """The roles in which a person may read this ledger: its own, the regulator's, an auditor's, and those
        of the lead department that make the whole-of-government report.

        ``common`` is read by everyone who holds a role anywhere in the ledger of their organisation.
        """
        self.facts(ledger, ROLES)
        # An auditor reads the ledgers that its grant names, and no others: that in which it stands neither.
        found = set(self.roles(ledger, principal, on) - {Role.AUDITOR})
        if self.audits(ledger, principal, on):
            found.add(Role.AUDITOR)
        for other in self._ledgers.all():
            if other.organisation != principal.organisation:
                continue
            self.facts(other, ROLES)
            granted = self.roles(other, principal, on)
            if ledger.slug == COMMON:
                found |= granted
            if other.slug == COMMON:
                found |= granted & REPORTS_ON_ALL
            found |= granted & {Role.REGULATOR}
        heir = None if found else self.heir(ledger)
        if heir is not None:
            # Its records are the heir's now, whose people read them.
            self.facts(heir, ROLES)
            found |= self.roles(heir, principal, on) - {Role.AUDITOR}
        return frozenset(found)


@dataclass(slots=True)
class _Folded:
    """Destruction in a ledger, as far as it was folded; what is said of a key never changes."""

    standing: DestructionStanding = field(default_factory=DestructionStanding)
    keys: dict[str, Destroyed] = field(default_factory=dict)
    count: int = 0

    def take(self, facts: Sequence[CaseEvent]) -> None:
        for fact in facts:
            self.standing.take(fact)
            if isinstance(fact, DestructionAuthorised):
                gone = [(key, self.standing.destroyed[key]) for key in fact.keys]
                self.keys.update((key, Destroyed(each.on, each.under)) for key, each in gone)
        self.count += len(facts)


class Lookup:
    """Other cases as one command sees them, by id and without lock (a choice of 5-architecture)."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._common_size: int | None = None

    def organisation(self, organisation: str) -> Case | None:
        """The organisation's case in ``common``, or None where none is registered under that id.

        One that was entered in error or merged into another is registered no more.
        """
        common = self._commands.ledgers.get(COMMON)
        if self._common_size is None:
            self._common_size = self._commands.feed.head(common.id).size
        facts = self._commands.streams.facts_at(common, organisation, self._common_size)
        if not facts:
            return None
        case: Case | None = None
        for fact in facts:
            case = fact.mutate(case)
        ended = isinstance(case, CommonCase) and case.ended_by is not None
        return None if ended else case

    def case(self, ref: CaseRef) -> Case:
        """A case of this or another ledger. Raises NotFound, InvalidInput (of a size not reached yet)."""
        ledger = self._commands.ledgers.by_origin(ref.ledger)
        size = self.size_of(ref.ledger)
        if not 0 < ref.size <= size:
            raise InvalidInput("size", f"1 to {size}, the entries that {ref.ledger} has", ref.size)
        case = self._commands.application(ledger).load(ref.stream)
        if case is None:
            raise NotFound(f"case {ref.stream}: nothing is recorded in it in {ref.ledger}")
        return case

    def size_of(self, origin: str) -> int:
        """How many entries a ledger has now. Raises NotFound."""
        return self._commands.feed.head(self._commands.ledgers.by_origin(origin).id).size

    def predecessors(self, origin: str) -> list[str]:
        """The closed ledgers that a ledger goes on from. Raises NotFound."""
        streams, ledgers = self._commands.streams, self._commands.ledgers
        ledger = ledgers.by_origin(origin)
        over = [each for each in ledgers.all() if each != ledger and streams.over(each)]
        return [each.origin for each in over if streams.heir(each) == ledger]

    def unreviewed_accesses(self, origin: str) -> list[int]:
        """The entries that took emergency access to a ledger that is not reviewed. Raises NotFound."""
        accesses = self._commands.emergencies.of(self._commands.ledgers.by_origin(origin))
        return [index for index, each in accesses.items() if each.reviewed is None]

    def before(self, origin: str, heir: str) -> list[str]:
        """A closed ledger and those, closed too, by which ``heir`` goes on from it. Raises NotFound."""
        of = self._commands.ledgers.by_origin
        return [each.origin for each in self._commands.streams.before(of(origin), of(heir))]

    def signers_of(self, origin: str, named: Iterable[VerifierKey]) -> set[VerifierKey]:
        """Those of the named keys that have signed the published checkpoint of a ledger. Raises NotFound."""
        note = self._commands.published.of(self._commands.ledgers.by_origin(origin)).checkpoint()
        try:
            signed = () if note is None else Note.parse(note).verify(named)
        except (CodecError, Untrusted):
            signed = ()
        return {each.key for each in signed}
