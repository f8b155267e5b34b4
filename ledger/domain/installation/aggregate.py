"""The ledger's own streams: its creation, roles, attestations, imports, calendar; and hand-overs."""

from __future__ import annotations

from ledger.clock import melbourne_date
from ledger.codec.entry import SourceKind
from ledger.domain.case import CASE_WRITERS, Case, Context, Role, command
from ledger.domain.common.aggregate import CommonCase
from ledger.domain.event import LEAVES_OUT, CaseEvent
from ledger.domain.installation.events import (
    CalendarSeeded,
    FileImported,
    GrantedRole,
    HolidayAdded,
    HolidayRemoved,
    HolidaySubstituted,
    LedgerClosed,
    LedgerCreated,
    LedgerRestored,
    PeriodAttested,
    ReportHandedOver,
    RoleEnded,
    RoleGranted,
)
from ledger.domain.installation.standing import calendar_of, grants_in_force, same_grant
from ledger.domain.timeline import earliest, latest
from ledger.errors import InvalidInput
from ledger.law import calendar as days
from ledger.law import installation as law
from ledger.law.calendar import Calendar
from ledger.law.emergency import closed_when_all_is_reviewed
from ledger.law.general import approver_is_another, not_before
from ledger.law.organisations import head_office_is_named

KEEPERS = frozenset({Role.ADMINISTRATOR, Role.SYSTEM})
"""Ledgers, keys, calendar and ``common`` are the administrator's; ``system`` seeds (1-law 'Who acts')."""
SYSTEM = frozenset({Role.SYSTEM})
REPORTERS = frozenset({Role.REPORTER, Role.MINISTER_OFFICE, Role.REGULATOR})


class LedgerRecord(Case):
    """Stream ``ledger``: what the ledger is."""

    area = "ledger"

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """The creation of a ledger is corrected as to what it is for, never as to what it is."""
        _stays(proposed, LedgerCreated, "the creation of the ledger")
        _stays(proposed, LedgerRestored, "the entry of a refill")
        created = self.first(LedgerCreated)
        if isinstance(proposed, LedgerCreated) and created is not None and proposed.header.corrects is not None:
            law.ledger_keeps_what_it_was_created_as(
                (created.slug, created.origin, created.demonstration),
                (proposed.slug, proposed.origin, proposed.demonstration),
            )

    @command(LedgerCreated, roles=KEEPERS, stream="ledger")
    def create(self, e: LedgerCreated, context: Context) -> None:
        """Record the creation of the ledger, its first entry."""
        law.ledger_is_created_once(bool(self.history))
        law.ledger_is_named(e.slug, e.origin)
        if e.origin != context.ledger:
            raise InvalidInput("origin", f"the origin of this ledger, {context.ledger}", e.origin)
        law.predecessor_is_whole(e.origin, e.predecessor, e.predecessor_size, e.predecessor_checkpoint)

    @command(LedgerRestored, roles=SYSTEM, stream="ledger")
    def restore(self, e: LedgerRestored, context: Context) -> None:
        """Record that an older database was refilled; the program does it after a refill, and nobody else."""
        law.refill_goes_forward(e.backup_size, e.refilled_to)
        law.is_code("refilled_from", e.refilled_from)

    @command(LedgerClosed, roles=KEEPERS, stream="ledger")
    def close(self, e: LedgerClosed, context: Context) -> None:
        """Record the end of the ledger, its last entry: nothing enters it any more."""
        law.successor_is_another(context.ledger, e.successor)
        closed_when_all_is_reviewed(context.lookup.unreviewed_accesses(context.ledger))


class RoleGrants(Case):
    """Stream ``roles``: who may act here, as what, for which organisation."""

    area = "role"

    @command(RoleGranted, roles=KEEPERS, stream="roles")
    def grant(self, e: RoleGranted, context: Context) -> None:
        """Grant a role to another person; an auditor's is dated and names its ledgers."""
        granter = e.header.actor
        law.is_code("person", e.person)
        law.is_code("organisation", e.organisation)
        law.grants_to_another(granter.id, e.person)
        for origin in e.ledgers:
            law.is_origin("ledgers", origin)
            context.lookup.size_of(origin)
        if e.proposed_by is not None:
            law.is_code("proposed_by", e.proposed_by)
            approver_is_another(e.proposed_by, granter.id)
        now = grants_in_force(self.history, context.today)
        administrators = sum(grant.role is GrantedRole.ADMINISTRATOR for grant in now)
        law.may_grant(granter.role, e.role, administrators)
        law.granted_where_it_counts(e.role, context.regulators)
        law.auditor_grant_is_dated_and_names_ledgers(e.role, e.valid_from, e.valid_until, e.ledgers)
        # An auditor may have several engagements at once; every other role is held once.
        law.grant_is_new(e.role is not GrantedRole.AUDITOR and any(same_grant(e, grant) for grant in now))

    @command(RoleEnded, roles=KEEPERS, stream="roles")
    def end(self, e: RoleEnded, context: Context) -> None:
        """End a person's role for an organisation, from that day on."""
        own = [fact for fact in self.all(RoleGranted, RoleEnded) if same_grant(fact, e)]
        granted = own[-1] if own else None
        law.grant_ends_once(isinstance(granted, RoleGranted))
        if isinstance(granted, RoleGranted):
            not_before(latest(e), granted.valid_from or earliest(granted), "the grant of the role")


class Attestations(Case):
    """Stream ``attestations``: what the agency head attests of the registers."""

    area = "attestation"

    @command(PeriodAttested, roles=CASE_WRITERS, stream="attestations")
    def attest(self, e: PeriodAttested, context: Context) -> None:
        """Record that a register is complete for a period, or that there was nothing (nil return)."""
        imported = e.header.source.kind is SourceKind.IMPORT
        if context.lookup.organisation(e.organisation) is None:
            raise InvalidInput("organisation", "the id of a registered organisation", e.organisation)
        law.attested_by_its_own(e.organisation, context.organisation_id)
        law.is_attested_register(e.register, e.scheme)
        law.attestation_covers_past_period(e.period_from, e.period_to, latest(e))
        law.nil_return_is_complete(e.complete, e.nil_return)
        law.agency_head_attests(e.head_office, e.head_name, imported=imported)
        head_office_is_named(e.head_office, e.head_office_words, imported=imported)


class Imports(Case):
    """Stream ``imports``: the files of past registers that were brought in."""

    area = "import"

    @command(FileImported, roles=CASE_WRITERS | {Role.ADMINISTRATOR}, stream="imports")
    def record_import(self, e: FileImported, context: Context) -> None:
        """Record that a file was imported, and what became of its rows."""
        law.is_code("import_id", e.import_id)
        law.is_code("register", e.register)
        law.is_code("format", e.format)
        known: list[FileImported] = self.all(FileImported)
        law.import_is_new(e.import_id, [fact.import_id for fact in known])
        of_register = [fact.import_id for fact in known if fact.register == e.register]
        law.previous_import_is_of_register(e.previous_import, e.register, of_register)
        law.import_counts_tie(
            e.rows, e.new, e.corrected, e.unchanged, e.vanished, e.bad, e.previous_import is not None
        )


class HandOver(CommonCase):
    """A report that was handed over: files, every figure, positions and versions (1-law I)."""

    area = "report"

    @command(ReportHandedOver, roles=REPORTERS, opens=True)
    def hand_over(self, e: ReportHandedOver, context: Context) -> None:
        """Record the hand-over of a report to its recipient."""
        law.is_code("report", e.report)
        law.report_period_is_over(e.status, e.period_from, e.period_to, latest(e))
        positions = [(position.ledger, position.size) for position in e.positions]
        law.report_states_positions(positions, [figure.id for figure in e.figures], len(e.files))
        law.revised_report_supersedes(e.status, e.supersedes)
        if e.supersedes is None:
            return
        itself = (e.supersedes.ledger, e.supersedes.stream) == (context.ledger, self.id)
        before = self if itself else context.lookup.case(e.supersedes)
        earlier: ReportHandedOver | None = before.last(ReportHandedOver)
        if not itself and earlier is None:
            raise InvalidInput("supersedes", "the case of a report handed over", e.supersedes.stream)
        this = (e.report, e.period_from, e.period_to)
        other = this if earlier is None else (earlier.report, earlier.period_from, earlier.period_to)
        law.superseded_is_same_report(this, other, itself=itself)


class LedgerCalendar(Case):
    """Stream ``calendar``: the public holidays that clocks go by."""

    area = "calendar"

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """Without its seeded days a ledger has no clocks."""
        _stays(proposed, CalendarSeeded, "the seeding of the calendar")

    @property
    def calendar(self) -> Calendar:
        """The calendar as its facts leave it. Raises NotFound where it was never seeded."""
        return calendar_of(self.history)

    @command(CalendarSeeded, roles=KEEPERS, stream="calendar")
    def seed(self, e: CalendarSeeded, context: Context) -> None:
        """Seed the calendar with the public holidays known at the ledger's creation; once."""
        if self.all(CalendarSeeded):
            raise InvalidInput("calendar", "a calendar that is not seeded yet", "one that is: change its days")
        ordered = [one.day for one in e.days]
        if not ordered or ordered != sorted(set(ordered)) or ordered[-1] >= e.provisional_from:
            raise InvalidInput("days", f"each day once, in order, before {e.provisional_from}", len(ordered))

    @command(HolidayAdded, roles=KEEPERS, stream="calendar")
    def add(self, e: HolidayAdded, context: Context) -> None:
        """Add a day that was gazetted as a public holiday; clocks that it touches are restated."""
        days.with_added(self.calendar, e.day, e.holiday, melbourne_date(e.timestamp))

    @command(HolidaySubstituted, roles=KEEPERS, stream="calendar")
    def substitute(self, e: HolidaySubstituted, context: Context) -> None:
        """Record a council's substitute for Cup Day, in its municipality."""
        known_on = melbourne_date(e.timestamp)
        days.with_substituted(self.calendar, e.municipality, e.instead_of, e.day, e.holiday, known_on)

    @command(HolidayRemoved, roles=KEEPERS, stream="calendar")
    def remove(self, e: HolidayRemoved, context: Context) -> None:
        """Record that a day is no public holiday; clocks that it touches are restated."""
        days.with_removed(self.calendar, e.day, melbourne_date(e.timestamp))


def _stays(proposed: CaseEvent, founding: type[CaseEvent], what: str) -> None:
    corrects = proposed.header.corrects
    if corrects is not None and isinstance(proposed, founding):
        law.founding_entry_stays(corrects.kind in LEAVES_OUT, what)
