"""The ledger's own streams: creation, roles, attestations, imports, hand-overs, calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any

import pytest

from ledger.codec.declare import Attachment, CaseRef, Sealed
from ledger.codec.entry import CorrectionKind
from ledger.domain.case import Context, Role
from ledger.domain.event import CaseEvent
from ledger.domain.installation.aggregate import LedgerCalendar, RoleGrants
from ledger.domain.installation.events import (
    CalendarSeeded,
    Figure,
    FileImported,
    GrantedRole,
    HolidayAdded,
    HolidayRemoved,
    HolidaySubstituted,
    LedgerCreated,
    PeriodAttested,
    Position,
    ReportFile,
    ReportHandedOver,
    ReportRecipient,
    ReportStatus,
    RoleEnded,
    RoleGranted,
    SeededDay,
)
from ledger.domain.installation.standing import calendar_of, grants_in_force
from ledger.domain.organisation.events import HeadOffice, OrganisationKind, OrganisationRegistered
from ledger.errors import Forbidden, InvalidInput, LawRefused, NotFound
from ledger.law import clocks
from ledger.law.calendar import seed_days
from tests.domain.build import LEDGER, OWN, Book


class Streams(Book):
    """A book whose actor can be named."""

    def __init__(self) -> None:
        super().__init__()
        self.actor = "admin-1"

    def context(self, *, role: str = "administrator", imported: bool = False) -> Context:
        found = super().context(role=role, imported=imported)
        return replace(found, actor=replace(found.actor, id=self.actor))

    def act(
        self,
        event: type[CaseEvent],
        stream: str,
        on: str | None = "2025-06-11",
        role: str = "administrator",
        **fields: Any,
    ) -> CaseEvent:
        return self.record(event, stream, on, role=role, **fields)

    def grant(self, person: str, role: GrantedRole, on: str = "2025-01-01", **fields: Any) -> CaseEvent:
        """Grants through ``record``, whose own ``role`` is the granter's."""
        by = fields.pop("by", "administrator")
        return self._on_roles(RoleGranted, on, by, person, role, fields)

    def end(self, person: str, role: GrantedRole, on: str) -> CaseEvent:
        return self._on_roles(RoleEnded, on, "administrator", person, role, {})

    def _on_roles(
        self, event: type[CaseEvent], on: str, by: str, person: str, role: GrantedRole, fields: dict[str, Any]
    ) -> CaseEvent:
        self.cases.setdefault("roles", RoleGrants.blank("roles"))
        made: Any = partial(event, role=role)
        return self.record(made, "roles", on, role=by, person=person, **{"organisation": OWN, **fields})


@pytest.fixture
def book() -> Streams:
    return Streams()


CREATED: dict[str, Any] = {
    "slug": "dffh",
    "origin": LEDGER,
    "organisation": OWN,
    "public": False,
    "demonstration": True,
}


def test_ledger_created_once(book: Streams) -> None:
    """4-wire 'Ledgers': the first entry says what the ledger is; there is one."""
    book.act(LedgerCreated, "ledger", role="system", **CREATED)
    with pytest.raises(LawRefused, match="created already"):
        book.act(LedgerCreated, "ledger", **CREATED)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"slug": "DFFH"}, InvalidInput),
        ({"slug": "a--b"}, InvalidInput),
        ({"origin": "example.vic.gov.au/a b"}, InvalidInput),
        ({"origin": "example.vic.gov.au/other"}, InvalidInput),
        ({"predecessor": "example.vic.gov.au/dffh/0"}, LawRefused),
        ({"predecessor": LEDGER, "predecessor_size": 3, "predecessor_checkpoint": "x"}, LawRefused),
    ],
)
def test_ledger_created_form(book: Streams, wrong: dict[str, Any], error: type[Exception]) -> None:
    """4-wire 'Ledgers', 'Restore': slug, origin, and a predecessor named whole."""
    with pytest.raises(error):
        book.act(LedgerCreated, "ledger", **{**CREATED, **wrong})


def test_every_role_but_system_can_be_granted() -> None:
    """1-law 'Who acts': the vocabulary of grants is the roles; ``system`` is nobody's."""
    assert {role.value for role in GrantedRole} == {role.value for role in Role} - {Role.SYSTEM.value}


def test_who_acts_first_administrator_is_granted_by_system(book: Streams) -> None:
    """1-law 'Who acts': system grants the first administrator and nothing else."""
    with pytest.raises(LawRefused, match="first administrator"):
        book.grant("p-1", GrantedRole.OFFICER, by="system")
    with pytest.raises(Forbidden):
        book.grant("p-1", GrantedRole.OFFICER, by="officer")
    book.actor = "system"
    book.grant("admin-1", GrantedRole.ADMINISTRATOR, by="system")
    with pytest.raises(LawRefused, match="first administrator"):
        book.grant("admin-2", GrantedRole.ADMINISTRATOR, by="system")
    book.actor = "admin-1"
    book.grant("p-1", GrantedRole.OFFICER, name_of_person="Jo Bloggs", login="jo")
    held = grants_in_force(book.cases["roles"].facts, date(2025, 6, 1))
    assert [(grant.person, grant.role.value) for grant in held] == [
        ("admin-1", "administrator"),
        ("p-1", "officer"),
    ]
    assert isinstance(held[1].name_of_person, Sealed)
    assert held[1].name_of_person.key == "key-p-1"


def test_who_acts_not_to_oneself(book: Streams) -> None:
    """1-law 'Who acts': no administrator grants to, or approves, themselves."""
    with pytest.raises(Forbidden, match="themselves"):
        book.grant("admin-1", GrantedRole.OFFICER)
    with pytest.raises(Forbidden, match="second approver"):
        book.grant("p-1", GrantedRole.OFFICER, proposed_by="admin-1")
    with pytest.raises(InvalidInput, match="person"):
        book.grant("Jo Bloggs", GrantedRole.OFFICER)
    for clear in ("organisation", "proposed_by"):
        with pytest.raises(InvalidInput, match=f"^{clear}: expected a code"):
            book.grant("p-1", GrantedRole.OFFICER, **{clear: "Jo Bloggs"})
    with pytest.raises(InvalidInput, match=r"^ledgers: expected no space"):
        book.grant("p-1", GrantedRole.AUDITOR, ledgers=("the ledger of Jo Bloggs",))


@pytest.mark.parametrize("role", [GrantedRole.AUDITOR, GrantedRole.REGULATOR])
def test_who_acts_auditors_and_the_regulator_are_granted_in_the_regulators_ledger(
    book: Streams, role: GrantedRole
) -> None:
    """1-law 'Who acts'; 4-wire 'HTTP': elsewhere the grant would not count."""
    granted = {"valid_from": date(2025, 2, 1), "valid_until": date(2025, 3, 31), "ledgers": (LEDGER,)}
    book.regulators = False
    with pytest.raises(LawRefused, match=r"regulator's ledger: here it would not count.*who acts"):
        book.grant("p-2", role, **granted)
    book.regulators = True
    book.grant("p-2", role, **granted)


def test_who_acts_auditor_is_dated_and_names_ledgers(book: Streams) -> None:
    """1-law 'Who acts': an auditor reads the ledgers named, from a day to a day; several at a time."""
    dates = {"valid_from": date(2025, 2, 1), "valid_until": date(2025, 3, 31)}
    for wrong in ({}, dates, {**dates, "valid_until": date(2025, 1, 1), "ledgers": (LEDGER,)}):
        with pytest.raises(LawRefused, match="who acts"):
            book.grant("p-2", GrantedRole.AUDITOR, **wrong)
    book.grant("p-2", GrantedRole.AUDITOR, **dates, ledgers=(LEDGER,))
    book.grant("p-2", GrantedRole.AUDITOR, **dates, ledgers=("example.vic.gov.au/dh",))
    with pytest.raises(NotFound, match="nowhere"):
        book.grant("p-2", GrantedRole.AUDITOR, **dates, ledgers=(LEDGER, "example.vic.gov.au/nowhere"))
    facts = book.cases["roles"].facts
    in_force = {day: len(grants_in_force(facts, day)) for day in (date(2025, 1, 31), date(2025, 2, 1))}
    assert in_force == {date(2025, 1, 31): 0, date(2025, 2, 1): 2}
    assert grants_in_force(facts, date(2025, 4, 1)) == []


def test_who_acts_role_ended(book: Streams) -> None:
    """A role is held once, ended once, and not before it was granted; then it can be granted again."""
    granted = book.grant("p-1", GrantedRole.OFFICER)
    with pytest.raises(LawRefused, match="already"):
        book.grant("p-1", GrantedRole.OFFICER)
    with pytest.raises(LawRefused, match="two dates"):
        book.end("p-1", GrantedRole.OFFICER, "2024-12-31")
    book.end("p-1", GrantedRole.OFFICER, "2025-05-01")
    with pytest.raises(LawRefused, match="does not hold"):
        book.end("p-1", GrantedRole.OFFICER, "2025-05-02")
    assert len(grants_in_force(book.cases["roles"].facts, date(2025, 4, 30))) == 1
    assert grants_in_force(book.cases["roles"].facts, date(2025, 5, 1)) == []
    book.grant("p-1", GrantedRole.OFFICER, "2025-06-01")
    book.grant("p-1", GrantedRole.OFFICER, "2025-01-02", corrects=granted.index)


ATTESTED: dict[str, Any] = {
    "organisation": OWN,
    "register": "requests",
    "period_from": date(2024, 7, 1),
    "period_to": date(2025, 6, 30),
    "complete": True,
    "nil_return": False,
    "head_office": HeadOffice.SECRETARY,
}


def test_period_attested(book: Streams) -> None:
    """1-law, head: by the agency head, once the period is over; a nil return is complete."""
    with pytest.raises(InvalidInput, match="organisation"):
        book.act(PeriodAttested, "attestations", "2025-07-10", "officer", **ATTESTED)
    book.record(
        OrganisationRegistered,
        OWN,
        None,
        role="administrator",
        legal_name="Invented Department",
        kind=OrganisationKind.DEPARTMENT,
    )
    book.organisations[OWN] = book.cases[OWN]
    for on, wrong in (
        ("2025-06-29", {}),
        ("2025-07-10", {"period_to": date(2024, 6, 30)}),
        ("2025-07-10", {"complete": False, "nil_return": True}),
        ("2025-07-10", {"head_office": None}),
        ("2025-07-10", {"head_office": HeadOffice.OTHER}),
    ):
        with pytest.raises(LawRefused, match=r"PeriodAttested|head office: 'other' must come with its words"):
            book.act(PeriodAttested, "attestations", on, "officer", **{**ATTESTED, **wrong})
    for clear in ("register", "scheme"):
        with pytest.raises(InvalidInput, match=f"^{clear}: expected one of"):
            book.act(PeriodAttested, "attestations", "2025-07-10", "officer", **{**ATTESTED, clear: "our-list"})
    book.organisations["another"] = book.cases[OWN]
    with pytest.raises(LawRefused, match=r"another attests in its own ledger.*PeriodAttested"):
        book.act(
            PeriodAttested, "attestations", "2025-07-10", "officer", **{**ATTESTED, "organisation": "another"}
        )
    book.act(PeriodAttested, "attestations", "2025-07-10", "officer", **{**ATTESTED, "nil_return": True})


IMPORTED: dict[str, Any] = {
    "import_id": "i1",
    "format": "csv",
    "register": "requests",
    "rows": 10,
    "new": 8,
    "corrected": 0,
    "unchanged": 0,
    "vanished": 0,
    "bad": 2,
}


def test_import_counts_tie(book: Streams) -> None:
    """Every row counted once; a later file follows an earlier one of its register."""
    for wrong in ({"new": 9}, {"new": 12, "bad": -2}, {"vanished": 1}, {"previous_import": "i0"}):
        with pytest.raises(LawRefused, match="imports"):
            book.act(FileImported, "imports", **{**IMPORTED, **wrong})
    book.act(FileImported, "imports", **IMPORTED)
    with pytest.raises(LawRefused, match="recorded already"):
        book.act(FileImported, "imports", **IMPORTED)
    later = {
        "import_id": "i2",
        "new": 1,
        "corrected": 3,
        "unchanged": 4,
        "vanished": 1,
        "previous_import": "i1",
    }
    with pytest.raises(LawRefused, match="earlier import"):
        book.act(FileImported, "imports", **{**IMPORTED, **later, "register": "disclosures"})
    book.act(FileImported, "imports", **{**IMPORTED, **later})


def handed(**fields: Any) -> dict[str, Any]:
    """A whole report, as handed over."""
    kept = Attachment(b"\x01" * 32, "k1", "text/html", 9, Sealed(b"\x02" * 32, "k1"))
    return {
        "report": "vps-annual",
        "period_from": date(2024, 7, 1),
        "period_to": date(2025, 6, 30),
        "status": ReportStatus.FINAL,
        "recipient_kind": ReportRecipient.MINISTER,
        "recipient": "the Minister",
        "judged_on": date(2025, 6, 30),
        "positions": (Position(LEDGER, 7, b"\x03" * 32),),
        "figures": (Figure("vps.formal", "12", "1"),),
        "files": (ReportFile("r.html", b"\x04" * 32, kept),),
        "code_version": "1",
        "rules_version": "1",
        "definitions_version": "1",
        "calendar_version": "1",
        "incomplete": False,
        "row_ids": kept,
        **fields,
    }


@pytest.mark.parametrize(
    ("event", "stream", "fields", "named"),
    [
        *((FileImported, "imports", IMPORTED, each) for each in ("import_id", "register", "format")),
        (ReportHandedOver, "r1", handed(), "report"),
    ],
)
def test_no_name_fits_in_what_an_import_or_a_report_says_in_clear(
    book: Streams, event: type[CaseEvent], stream: str, fields: dict[str, Any], named: str
) -> None:
    """4-wire 'Sealed fields': what a person chooses and stands in clear is a code."""
    role = "reporter" if event is ReportHandedOver else "administrator"
    with pytest.raises(InvalidInput, match=f"^{named}: expected a code"):
        book.act(event, stream, "2025-08-01", role, **{**fields, named: "Jo Bloggs"})


def test_report_handed_over_and_revised(book: Streams) -> None:
    """1-law I: final after the period; a revised one names what it supersedes, the same report and period."""
    with pytest.raises(LawRefused, match="period ends"):
        book.act(ReportHandedOver, "r1", "2025-06-30", "reporter", **handed())
    book.act(ReportHandedOver, "r0", "2025-06-30", "reporter", **handed(status=ReportStatus.PROVISIONAL))
    book.act(ReportHandedOver, "r1", "2025-08-01", "reporter", **handed())
    revised = {"status": ReportStatus.REVISED}
    first = CaseRef(LEDGER, "r1", 9)
    for wrong in (
        {},
        {"supersedes": CaseRef(LEDGER, "r2", 9)},
        {"supersedes": first, "period_to": date(2025, 3, 31)},
        {"supersedes": first, "report": "ciss-annual"},
    ):
        with pytest.raises(LawRefused, match="reports as events"):
            book.act(ReportHandedOver, "r2", "2025-09-01", "reporter", **handed(**revised, **wrong))
    with pytest.raises(NotFound):
        book.act(
            ReportHandedOver, "r2", "2025-09-01", "reporter", **handed(supersedes=CaseRef(LEDGER, "rx", 1))
        )
    book.act(ReportHandedOver, "r2", "2025-09-01", "reporter", **handed(**revised, supersedes=first))


@pytest.mark.parametrize(
    "wrong",
    [
        {"positions": ()},
        {"positions": (Position(LEDGER, 7), Position(LEDGER, 8))},
        {"positions": (Position(LEDGER, -1),)},
        {"figures": (Figure("a", "1", "1"), Figure("a", "2", "1"))},
        {"files": ()},
        {"period_to": date(2024, 6, 30)},
    ],
)
def test_report_states_positions_figures_files(book: Streams, wrong: dict[str, Any]) -> None:
    """3-registers 'Reports': every position once, every figure once, and the files."""
    with pytest.raises(LawRefused, match="reports as events"):
        book.act(ReportHandedOver, "r1", "2025-08-01", "reporter", **handed(**wrong))


def seed(book: Streams) -> LedgerCalendar:
    book.act(
        CalendarSeeded,
        "calendar",
        role="system",
        seeded_from="holidays",
        days=tuple(SeededDay(h.day, h.name) for h in seed_days(2014, 2031)),
        provisional_from=date(2032, 1, 1),
    )
    found = book.cases["calendar"]
    assert isinstance(found, LedgerCalendar)
    return found


def test_calendar_is_the_law_s_and_restates_clocks(book: Streams) -> None:
    """2-clocks: a gazetted day moves a due date, and the due date says why."""
    stream = seed(book)
    with pytest.raises(InvalidInput, match="seeded"):
        seed(book)
    before = clocks.due("pdpa.notice_review", date(2026, 2, 2), stream.calendar)
    assert before is not None
    assert before.due == date(2026, 3, 2)
    book.act(HolidayAdded, "calendar", day=date(2026, 3, 2), holiday="Day of Mourning")
    after = clocks.due("pdpa.notice_review", date(2026, 2, 2), stream.calendar, known_on=date(2020, 1, 1))
    assert after is not None
    assert (after.due, after.restated_from) == (date(2026, 3, 3), date(2026, 3, 2))
    assert "Day of Mourning" in after.restated_because[0]
    book.act(HolidayRemoved, "calendar", day=date(2026, 3, 2))
    assert stream.calendar.is_ordinary(date(2026, 3, 2))


def test_calendar_council_substitute_for_cup_day(book: Streams) -> None:
    """2-clocks, ILA 1984 s 44: a council's substitute counts in its municipality, which is the ledger's."""
    stream = seed(book)
    cup, show = date(2025, 11, 4), date(2025, 10, 31)
    fields = {"municipality": "Ballarat", "day": show, "holiday": "Show Day"}
    with pytest.raises(InvalidInput, match="instead_of"):
        book.act(HolidaySubstituted, "calendar", instead_of=date(2025, 12, 25), **fields)
    book.act(HolidaySubstituted, "calendar", instead_of=cup, **fields)
    assert stream.calendar.municipality == "Ballarat"
    assert stream.calendar.is_ordinary(cup)
    assert not stream.calendar.is_ordinary(show)
    assert not stream.calendar.of_municipality("Hume").is_ordinary(cup)
    with pytest.raises(LawRefused, match="ILA 1984 s 44"):
        book.act(
            HolidaySubstituted,
            "calendar",
            municipality="Hume",
            instead_of=date(2026, 11, 3),
            day=date(2026, 10, 30),
            holiday="Show Day",
        )
    book.act(HolidayRemoved, "calendar", day=show)
    assert stream.calendar.is_ordinary(show)
    assert str(stream.calendar.changes[-1]).startswith("2025-10-31 (Show Day) removed")


def test_calendar_refuses_what_changes_nothing(book: Streams) -> None:
    """A holiday is not added twice, an ordinary day not removed; an unseeded calendar is none."""
    with pytest.raises(NotFound, match="CalendarSeeded"):
        calendar_of([])
    with pytest.raises(NotFound):
        book.act(HolidayAdded, "calendar", day=date(2025, 1, 2), holiday="x")
    seed(book)
    with pytest.raises(InvalidInput, match="day"):
        book.act(HolidayAdded, "calendar", day=date(2025, 12, 25), holiday="x")
    with pytest.raises(InvalidInput, match="day"):
        book.act(HolidayRemoved, "calendar", day=date(2025, 12, 23))
    with pytest.raises(InvalidInput, match="days"):
        Streams().act(CalendarSeeded, "calendar", days=(), provisional_from=date(2032, 1, 1), seeded_from="x")


def test_calendar_correction(book: Streams) -> None:
    """A day entered in error leaves the calendar as it was; a corrected day stands in its place."""
    stream = seed(book)
    added = book.act(HolidayAdded, "calendar", day=date(2026, 3, 2), holiday="Day of Mourning")
    moved = book.act(
        HolidayAdded, "calendar", corrects=added.index, day=date(2026, 3, 3), holiday="Day of Mourning"
    )
    assert stream.calendar.is_ordinary(date(2026, 3, 2))
    assert not stream.calendar.is_ordinary(date(2026, 3, 3))
    book.act(
        HolidayAdded,
        "calendar",
        corrects=moved.index,
        why=CorrectionKind.ENTERED_IN_ERROR,
        day=date(2026, 3, 3),
        holiday="Day of Mourning",
    )
    assert stream.calendar.changes == ()
    assert stream.calendar == calendar_of(stream.facts)
    assert isinstance(stream.modified_on, datetime)


def test_4_wire_a_ledger_is_corrected_never_left_out_nor_made_a_demonstration(book: Streams) -> None:
    """Its creation and its seeded days stay; what it is for can be corrected."""
    created = book.act(LedgerCreated, "ledger", role="system", **CREATED)
    stands = {"corrects": created.index}
    with pytest.raises(LawRefused, match="never left out"):
        book.act(LedgerCreated, "ledger", **CREATED, **stands, why=CorrectionKind.ENTERED_IN_ERROR)
    with pytest.raises(LawRefused, match="demonstration"):
        book.act(LedgerCreated, "ledger", **{**CREATED, "demonstration": False}, **stands)
    book.act(LedgerCreated, "ledger", **{**CREATED, "public": not CREATED["public"]}, **stands)
    calendar = seed(book)
    seeded: Any = calendar.facts[0]
    with pytest.raises(LawRefused, match="never left out"):
        book.act(
            CalendarSeeded, "calendar", corrects=seeded.index, why=CorrectionKind.DUPLICATE, days=seeded.days,
            provisional_from=seeded.provisional_from, seeded_from=seeded.seeded_from,
        )  # fmt: skip
