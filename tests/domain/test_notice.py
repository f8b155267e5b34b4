"""Compliance notices, PDPA 78–83, through the case."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.codec.entry import CorrectionKind
from ledger.domain.event import CaseEvent
from ledger.domain.notice.aggregate import ComplianceNotice
from ledger.domain.notice.events import (
    AffectedParty,
    ComplianceNoticeIssued,
    Contravened,
    DecisionMaker,
    DirectedTo,
    ExtensionApplied,
    ExtensionGranted,
    ExtensionRefused,
    NoticeComplied,
    NoticeLimb,
    NoticeNotComplied,
    NoticeOrigin,
    NoticeServed,
    Occasion,
    ReasonsGiven,
    ReasonsRefused,
    ReasonsRequested,
    ReviewApplied,
    ReviewDetermined,
    ReviewResult,
    ServiceMethod,
)
from ledger.domain.organisation.events import (
    LegalForm,
    OrganisationKind,
    OrganisationRegistered,
    Part3Limb,
    PrivacyStatusSet,
)
from ledger.errors import InvalidInput, LawRefused
from ledger.law.notices import Review
from tests.domain.build import Book

AGENCY = "7f000000-0000-4000-8000-00000000000a"
CROWN = "7f000000-0000-4000-8000-00000000000b"
OTHER = "7f000000-0000-4000-8000-00000000000c"
ISSUE: dict[str, Any] = {
    "organisation": AGENCY,
    "directed_to": DirectedTo.BODY_CORPORATE,
    "contravened": Contravened.IPP,
    "provisions": ("IPP 4.1",),
    "limb": NoticeLimb.SERIOUS_OR_FLAGRANT,
    "action": "encrypt the archive",
    "period_ends": date(2025, 6, 30),
    "origin": NoticeOrigin.OWN_INITIATIVE,
    "decided_by": DecisionMaker.COMMISSIONER,
}

FIVE_YEARS_AGO = (Occasion(date(2020, 1, 1)),)


class Notices(Book):
    """A regulator's book with three registered bodies and shorthand for one notice."""

    def __init__(self) -> None:
        super().__init__()
        self._body(AGENCY, Part3Limb.E, LegalForm.BODY_CORPORATE, crown=False)
        self._body(CROWN, Part3Limb.C, LegalForm.UNINCORPORATED, crown=True)
        self.record(
            OrganisationRegistered, OTHER, None, role="administrator",
            legal_name="Invented Widgets", kind=OrganisationKind.CONTRACTED_PROVIDER,
        )  # fmt: skip
        self.organisations[OTHER] = self.cases[OTHER]

    def _body(self, stream: str, limb: Part3Limb, form: LegalForm, *, crown: bool) -> None:
        self.record(
            OrganisationRegistered, stream, None, role="administrator",
            legal_name="Invented Agency", kind=OrganisationKind.PUBLIC_ENTITY,
        )  # fmt: skip
        self.record(
            PrivacyStatusSet, stream, "2015-01-01", role="administrator",
            part_3=True, part_3_limb=limb, legal_form=form, represents_crown=crown,
        )  # fmt: skip
        self.organisations[stream] = self.cases[stream]

    def issue(self, on: str | None = "2025-03-03", *, imported: bool = False, **fields: Any) -> CaseEvent:
        return self.record(
            ComplianceNoticeIssued, "n", on, role="regulator", imported=imported, **{**ISSUE, **fields}
        )

    def serve(self, on: str = "2025-03-05", **fields: Any) -> CaseEvent:
        return self.act(NoticeServed, on, **{"method": ServiceMethod.REGISTERED_POST, **fields})

    def act(self, event: type[CaseEvent], on: str | None, **fields: Any) -> CaseEvent:
        return self.record(event, "n", on, role="regulator", **fields)

    @property
    def notice(self) -> ComplianceNotice:
        found = self.cases["n"]
        assert isinstance(found, ComplianceNotice)
        return found

    def effect_on(self) -> date | None:
        return self.notice.effect(self.context(role="regulator")).on


@pytest.fixture
def book() -> Notices:
    return Notices()


def test_whole_life_extended_and_complied(book: Notices) -> None:
    """Issued, served, extended, complied: 78, 82(2)(b)."""
    book.issue()
    book.serve()
    book.act(ExtensionApplied, "2025-06-30", applicant=AGENCY, reasons="supplier late")
    book.act(
        ExtensionGranted, "2025-07-04",
        not_reasonably_possible=True, undertaking=True, extended_to=date(2025, 9, 30),
    )  # fmt: skip
    assert book.effect_on() == date(2025, 9, 30)
    book.act(NoticeComplied, "2025-09-01", evidence="report of the auditor")
    standing = book.notice.standing
    assert (standing.complied_on, standing.last_day) == (date(2025, 9, 1), date(2025, 9, 30))
    with pytest.raises(LawRefused, match=r"82\(1\)"):
        book.act(NoticeNotComplied, "2025-10-02", found="nothing done")


@pytest.mark.parametrize("event", [ExtensionApplied, NoticeComplied])
@pytest.mark.parametrize("service_first", [True, False])
def test_78_3_82_1_nothing_imported_follows_a_service_that_came_later(
    book: Notices, event: type[CaseEvent], service_first: bool
) -> None:
    """A register that leaves the service out has a gap; one that states a later one contradicts itself."""
    book.issue(imported=True)
    acts: list[tuple[type[CaseEvent], str]] = [(NoticeServed, "2025-03-12"), (event, "2025-03-11")]
    first, second = acts if service_first else acts[::-1]
    book.act(*first, imported=True)
    with pytest.raises(LawRefused, match="2025-03-11 lies before the service of the notice of 2025-03-12"):
        book.act(*second, imported=True)
    book.act(second[0], "2025-03", imported=True)


def test_78_1_a_provisions_stand_in_clear_as_citations(book: Notices) -> None:
    """No name fits in; a code's or an arrangement's clauses are cited as such."""
    with pytest.raises(InvalidInput, match=r"provisions\.1"):
        book.issue(provisions=("IPP 4.1", "IPP 4.1 as Jo Bloggs reads it"))
    with pytest.raises(InvalidInput, match=r"provisions\.0"):
        book.issue(contravened=Contravened.CODE, provisions=("Jo Bloggs",))
    book.issue(contravened=Contravened.CODE, provisions=("cl 5.2", "s 3(1)(a)"))


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        ("78(1)(a)", {"contravened": None}),
        ("78(1)(a)", {"provisions": ()}),
        ("Sch 1", {"provisions": ("IPP 4.1", "IPP 11")}),
        ("Sch 1", {"provisions": ("IPP 4.3",)}),
        ("Sch 1", {"provisions": ("cl 4",)}),
        ("78(1)(b)", {"limb": None}),
        ("78(1)(b)(ii)", {"limb": NoticeLimb.REPEATED}),
        ("78(2)", {"action": None}),
        ("78(2)", {"period_ends": None}),
        ("78(2)", {"period_ends": date(2025, 3, 3)}),
        ("78(5)", {"origin": None}),
        ("78(5)", {"origin": NoticeOrigin.APPLICATION}),
        ("78(5)", {"origin": NoticeOrigin.APPLICATION, "applicant_was_complainant": False}),
        ("78(1), 13", {"organisation": OTHER}),
        ("8B, 8O", {"decided_by": None}),
        ("8O", {"decided_by": DecisionMaker.DELEGATE}),
    ],
)
def test_78_what_a_notice_states(book: Notices, section: str, wrong: dict[str, Any]) -> None:
    """Each limb of 78 that is missing rejects the notice, citing it; nothing is recorded."""
    with pytest.raises(LawRefused) as refused:
        book.issue(**wrong)
    assert section in refused.value.citation
    assert "n" not in book.cases


@pytest.mark.parametrize(
    ("section", "happened", "wrong"),
    [
        (
            "78(1)(b)(ii)",
            "2025-03-03",
            {"limb": NoticeLimb.REPEATED, "occasions": FIVE_YEARS_AGO},
        ),
        ("78(1), 13", "2014-12-01", {}),
    ],
)
def test_78_contrary_facts_reject(book: Notices, section: str, happened: str, wrong: dict[str, Any]) -> None:
    """An occasion outside the window; a body that nothing on that day says Part 3 applies to."""
    with pytest.raises(LawRefused) as refused:
        book.issue(happened, **wrong)
    assert section in refused.value.citation


def test_78_1_b_ii_five_dated_occasions_in_two_years(book: Notices) -> None:
    """Five occasions in the window carry the limb; the first day of the window is in (choice)."""
    days = [date(2023, 3, 3), date(2023, 9, 1), date(2024, 1, 1), date(2024, 6, 1), date(2025, 3, 3)]
    book.issue(limb=NoticeLimb.REPEATED, occasions=tuple(Occasion(day, "letters sent") for day in days))
    assert len(book.notice.standing.issued.occasions) == 5


def test_78_not_judged_before_the_act(book: Notices) -> None:
    """A fact from before 17.9.2014 is recorded, and not judged by the Act."""
    book.issue("2014-09-16", organisation=None, contravened=None, limb=None, decided_by=None)
    with pytest.raises(LawRefused):
        Notices().issue("2014-09-17", contravened=None)


def test_import_leaves_gaps(book: Notices) -> None:
    """What an imported notice does not state is a gap; what it states against the law is refused."""
    unstated = dict.fromkeys(("contravened", "limb", "action", "origin", "decided_by", "organisation"))
    with pytest.raises(LawRefused, match="78"):
        book.issue(imported=True, **{**unstated, "applicant_was_complainant": False, "origin": "application"})
    first = book.issue(imported=True, **unstated)
    book.record(
        ComplianceNoticeIssued, "n", "2025-03-03", role="regulator",
        corrects=first.index, **{**ISSUE, **unstated, "action": "encrypt the tapes"},
    )  # fmt: skip
    assert len(book.notice.history) == 1


def test_78_unregistered_organisation(book: Notices) -> None:
    """An organisation stands in clear by its registered id only."""
    with pytest.raises(InvalidInput, match="organisation"):
        book.issue(organisation="Invented Agency")


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        ("83C(4)", {"method": ServiceMethod.PERSONALLY}),
        ("78(7)", {"method": None}),
        ("83C(4), (4A)", {"method": ServiceMethod.ELECTRONIC}),
        ("83C(4), (4A)", {"method": ServiceMethod.ELECTRONIC, "receipt_confirmed": False}),
        ("83C(4), (4A)", {"method": ServiceMethod.LEFT_AT_OFFICE, "left_with_adult_there": False}),
    ],
)
def test_78_7_service_by_83c(book: Notices, section: str, fields: dict[str, Any]) -> None:
    """Service on a body corporate by a method of 83C(4), (4A); electronic needs the receipt."""
    book.issue()
    with pytest.raises(LawRefused) as refused:
        book.serve(**fields)
    assert section in refused.value.citation


def test_78_7_recipient_from_the_register(book: Notices) -> None:
    """Whom a notice is directed to is taken from the register where the notice does not say it."""
    book.issue(directed_to=None)
    with pytest.raises(LawRefused, match=r"83C\(4\)"):
        book.serve(method=ServiceMethod.PERSONALLY)
    book.serve(method=ServiceMethod.ELECTRONIC, receipt_confirmed=True)


def test_78_7_since_2021_only(book: Notices) -> None:
    """Before 26.4.2021 the Act did not say how a compliance notice is served."""
    book.issue("2021-04-01", period_ends=date(2021, 8, 1))
    book.serve("2021-04-25", method=None)


def test_78_7_served_once_and_not_before_the_decision(book: Notices) -> None:
    """Served after the decision, once."""
    book.issue()
    with pytest.raises(LawRefused, match=r"before notice\.ComplianceNoticeIssued"):
        book.serve("2025-03-02")
    book.serve()
    with pytest.raises(LawRefused, match="78"):
        book.serve("2025-03-06")


def test_78_4_late_extension_refused(book: Notices) -> None:
    """The last day is in time, the day after is not; a second extension is measured by the first period."""
    book.issue()
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        book.act(ExtensionApplied, "2025-05-01", applicant=AGENCY)
    book.serve()
    with pytest.raises(LawRefused, match=r"78\(4\)"):
        book.act(ExtensionApplied, "2025-07-01", applicant=AGENCY)
    book.act(ExtensionApplied, "2025-06-30", applicant=AGENCY)
    granted = {"not_reasonably_possible": True, "undertaking": True}
    book.act(ExtensionGranted, "2025-07-03", extended_to=date(2025, 9, 30), **granted)
    with pytest.raises(LawRefused, match=r"78\(4\)"):
        book.act(ExtensionApplied, "2025-08-01", applicant=AGENCY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"not_reasonably_possible": False},
        {"undertaking": None},
        {"extended_to": date(2025, 6, 30)},
        {"extended_to": None},
    ],
)
def test_78_3_finding_and_undertaking(book: Notices, wrong: dict[str, Any]) -> None:
    """No extension without the finding, the undertaking and a longer period."""
    book.issue()
    book.serve()
    fields = {"not_reasonably_possible": True, "undertaking": True, "extended_to": date(2025, 8, 1)}
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        book.act(ExtensionGranted, "2025-06-20", **fields)
    book.act(ExtensionApplied, "2025-06-10", applicant=AGENCY)
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        book.act(ExtensionGranted, "2025-06-20", **{**fields, **wrong})
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        book.act(ExtensionGranted, "2025-06-09", **fields)


def test_78_3_applicant_and_refusal(book: Notices) -> None:
    """The organisation served applies; an application is answered once."""
    book.issue()
    book.serve()
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        book.act(ExtensionApplied, "2025-06-10", applicant=OTHER)
    book.act(ExtensionApplied, "2025-06-10", applicant=AGENCY)
    book.act(ExtensionRefused, "2025-06-12", reasons="possible in time")
    with pytest.raises(LawRefused, match=r"78\(3\)"):
        book.act(ExtensionRefused, "2025-06-13")
    assert book.effect_on() == date(2025, 6, 30)


def test_83_2_late_review_refused(book: Notices) -> None:
    """28 days from the decision, Labour Day and week-ends rolled over by the calendar."""
    book.issue("2026-01-26", period_ends=date(2026, 2, 10))
    # 26.1.2026 + 28 = Monday 23.2.2026
    with pytest.raises(LawRefused, match=r"83\(2\)"):
        book.act(ReviewApplied, "2026-02-24", interests_affected=True)
    book.act(ReviewApplied, "2026-02-23", interests_affected=True, by=AffectedParty.INDIVIDUAL)


def test_83_2_a_rolls_over_a_sunday(book: Notices) -> None:
    """Decided on Sunday 2.2.2025: the 28th day is Sunday 2.3.2025, so Monday is still in time."""
    book.issue("2025-02-02")
    assert book.notice.standing.review_period(book.context().calendar).due == date(2025, 3, 3)  # type: ignore[union-attr]
    book.act(ReviewApplied, "2025-03-03", interests_affected=True)


def test_83_2_b_reasons_open_then_answered(book: Notices) -> None:
    """While reasons are asked for there is no end and no effect; then 28 days from the answer."""
    book.issue(period_ends=date(2025, 3, 20))
    with pytest.raises(LawRefused, match=r"83\(2\)\(b\)"):
        book.act(ReasonsGiven, "2025-03-10")
    book.act(ReasonsRequested, "2025-03-10", by=AffectedParty.ORGANISATION)
    assert book.effect_on() is None
    with pytest.raises(LawRefused, match=r"83\(2\)\(b\)"):
        book.act(ReasonsRefused, "2025-03-09")
    book.act(ReasonsRefused, "2025-04-01")
    with pytest.raises(LawRefused, match=r"83\(2\)\(b\)"):
        book.act(ReasonsGiven, "2025-04-02")
    assert book.effect_on() == date(2025, 4, 29)
    with pytest.raises(LawRefused, match=r"83\(2\)"):
        book.act(ReviewApplied, "2025-04-30", interests_affected=True)


def test_83_1_applicant_and_result(book: Notices) -> None:
    """Only who is affected applies; only what was applied for is determined, once."""
    book.issue()
    with pytest.raises(LawRefused, match=r"83\(1\)"):
        book.act(ReviewDetermined, "2025-03-20", result=ReviewResult.FOR_COMMISSIONER)
    with pytest.raises(LawRefused, match=r"83\(1\)"):
        book.act(ReviewApplied, "2025-03-10", interests_affected=False)
    book.act(ReviewApplied, "2025-03-10", interests_affected=True)
    book.act(ReviewDetermined, "2025-08-20", result=ReviewResult.FOR_COMMISSIONER)
    with pytest.raises(LawRefused, match=r"83\(1\)"):
        book.act(ReviewDetermined, "2025-08-21", result=ReviewResult.WITHDRAWN)


def test_82_2_effect_is_the_latest_limb(book: Notices) -> None:
    """(a) period, (c) end of the review period, (d) the day of the determination; none while it is open."""
    book.issue(period_ends=date(2025, 3, 10))
    assert book.effect_on() == date(2025, 3, 31)
    book.act(ReviewApplied, "2025-03-31", interests_affected=True)
    assert book.effect_on() is None
    book.act(ReviewDetermined, "2025-09-15", result=ReviewResult.FOR_COMMISSIONER)
    assert book.effect_on() == date(2025, 9, 15)


def test_82_2_d_never_against_the_commissioner(book: Notices) -> None:
    """A review that goes against the Commissioner: no effect, and nothing to comply with."""
    book.issue()
    book.serve()
    book.act(ReviewApplied, "2025-03-10", interests_affected=True)
    book.act(ReviewDetermined, "2025-08-20", result=ReviewResult.AGAINST_COMMISSIONER)
    assert book.notice.effect(book.context()).never
    assert book.notice.standing.review is Review.AGAINST_COMMISSIONER
    with pytest.raises(LawRefused, match=r"82\(2\)\(d\)"):
        book.act(NoticeNotComplied, "2025-09-01")


def test_82_2_several_reviews(book: Notices) -> None:
    """Two may apply (83(1)): open until both are determined; the later day counts."""
    book.issue(period_ends=date(2025, 3, 10))
    book.act(ReviewApplied, "2025-03-10", interests_affected=True)
    book.act(ReviewApplied, "2025-03-11", interests_affected=True)
    book.act(ReviewDetermined, "2025-05-01", result=ReviewResult.FOR_COMMISSIONER)
    assert book.effect_on() is None
    book.act(ReviewDetermined, "2025-06-02", result=ReviewResult.FOR_COMMISSIONER)
    assert book.effect_on() == date(2025, 6, 2)


def test_82_1_not_complied_needs_effect(book: Notices) -> None:
    """A notice is breached only once it was served and is in effect."""
    book.issue()
    for event in (NoticeNotComplied, NoticeComplied):
        with pytest.raises(LawRefused, match=r"82\(1\)"):
            book.act(event, "2025-07-01")
    book.serve()
    with pytest.raises(LawRefused, match=r"82\(2\)"):
        book.act(NoticeNotComplied, "2025-06-29")
    book.act(NoticeNotComplied, "2025-07-01", found="no step taken")
    with pytest.raises(LawRefused, match=r"evidence of the steps taken must be stated \(PDPA 82\(1\)\)"):
        book.act(NoticeComplied, "2025-07-20")
    book.act(NoticeComplied, "2025-07-20", evidence="report")
    with pytest.raises(LawRefused, match="complied with already"):
        book.act(NoticeComplied, "2025-07-21", evidence="report")


def test_82_exposure_and_the_crown_8_2(book: Notices) -> None:
    """3,000 units for a body corporate, 600 for an individual, none for the Crown (8(2))."""
    book.issue()
    assert book.notice.exposure(book.context()).penalty_units == 3000  # type: ignore[union-attr]
    individual, crown, unknown = Notices(), Notices(), Notices()
    individual.issue(directed_to=DirectedTo.NATURAL_PERSON)
    assert individual.notice.exposure(book.context()).penalty_units == 600  # type: ignore[union-attr]
    crown.issue(organisation=CROWN, directed_to=None, represents_crown=True)
    exposure = crown.notice.exposure(crown.context())
    assert exposure is not None
    assert (exposure.penalty_units, exposure.indictable) == (0, False)
    unknown.issue(imported=True, organisation=None, directed_to=None)
    assert unknown.notice.exposure(unknown.context()) is None


def test_8_2_a_notice_says_of_the_crown_what_the_register_says() -> None:
    for stated, says in ((None, "represents the Crown: state it"), (False, "represents the Crown")):
        with pytest.raises(LawRefused, match=rf"{says} \(PDPA 8\(2\)\)"):
            Notices().issue(organisation=CROWN, represents_crown=stated)
    with pytest.raises(LawRefused, match=r"does not represent the Crown \(PDPA 8\(2\)\)"):
        Notices().issue(represents_crown=True)
    Notices().issue(represents_crown=False)
    Notices().issue(imported=True, organisation=CROWN)
    with pytest.raises(LawRefused, match=r"PDPA 8\(2\)"):
        Notices().issue(imported=True, organisation=CROWN, represents_crown=False)


def test_late_recorded_fact_is_judged_on_its_day(book: Notices) -> None:
    """An application of June recorded after the refusal of July is judged in June."""
    book.issue()
    book.serve()
    book.act(NoticeComplied, "2025-09-01", evidence="report")
    book.act(ExtensionApplied, "2025-06-20", applicant=AGENCY)
    book.act(ReasonsRequested, "2025-03-20", by=AffectedParty.ORGANISATION)
    assert [fact.happened_date for fact in book.notice.facts][-1] == date(2025, 3, 20)


def test_correction_that_would_undo_a_later_act(book: Notices) -> None:
    """A corrected period that an extension came too late for is refused, naming the later entry."""
    first = book.issue()
    book.serve()
    applied = book.act(ExtensionApplied, "2025-06-20", applicant=AGENCY)
    fields = {**ISSUE, "period_ends": date(2025, 6, 1)}
    with pytest.raises(LawRefused, match=f"entry {applied.index}"):
        book.act(ComplianceNoticeIssued, "2025-03-03", corrects=first.index, **fields)
    longer = {**ISSUE, "period_ends": date(2025, 7, 31)}
    book.act(ComplianceNoticeIssued, "2025-03-03", corrects=first.index, **longer)
    assert book.notice.standing.period_ends == date(2025, 7, 31)
    book.act(
        ExtensionApplied, "2025-06-20", corrects=applied.index, why=CorrectionKind.ENTERED_IN_ERROR,
        applicant=AGENCY,
    )  # fmt: skip
    assert book.notice.standing.extensions_open == 0


def test_4_wire_decision_of_a_month_starts_no_clock(book: Notices) -> None:
    """A decision not known to the day has no review period, so no day of effect, and no review too late."""
    days = tuple(Occasion(date(2025, 3, day)) for day in (3, 10, 17, 24, 31))
    book.issue("2025-03", limb=NoticeLimb.REPEATED, occasions=days)
    assert book.notice.standing.review_period(book.context().calendar) is None
    assert book.effect_on() is None
    book.act(ReviewApplied, "2025-12-01", interests_affected=True)


def test_82_2_a_78_2_boundaries_of_the_period(book: Notices) -> None:
    """Served on the last day at the latest; not found breached before that day is over."""
    book.issue()
    with pytest.raises(LawRefused, match=r"78\(2\)"):
        book.serve("2025-07-01")
    book.serve("2025-06-30")
    with pytest.raises(LawRefused, match=r"82\(2\)\(a\)"):
        book.act(NoticeNotComplied, "2025-06-30")
    book.act(NoticeNotComplied, "2025-07-01")
