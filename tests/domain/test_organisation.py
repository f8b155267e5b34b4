"""Organisations: registered, renamed, abolished, succeeded; bound by which scheme on which day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.codec.entry import CorrectionKind
from ledger.domain.common.events import EnteredInError
from ledger.domain.event import CaseEvent
from ledger.domain.organisation import standing
from ledger.domain.organisation.aggregate import Organisation
from ledger.domain.organisation.events import (
    AgencyHeadChanged,
    BindingBasis,
    FunctionsTakenOver,
    GazettedOrder,
    HeadOffice,
    HeadsOfAgreementEnded,
    HeadsOfAgreementSigned,
    InheritedBinding,
    OrderKind,
    OrganisationAbolished,
    OrganisationKind,
    OrganisationRegistered,
    OrganisationRenamed,
    OrganisationSucceeded,
    Part3Limb,
    PrivacyStatusSet,
    Scheme,
    SchemeBound,
)
from ledger.errors import InvalidInput, LawRefused
from tests.domain.build import Book

OLD = "7f000000-0000-4000-8000-000000000001"
NEW = "7f000000-0000-4000-8000-000000000002"
MOVED = "2023-01-01"
SIGNED = date(2021, 7, 24)


class Register(Book):
    """The register of organisations, with two departments in it."""

    def __init__(self) -> None:
        super().__init__()
        self.register(OLD, legal_name="Department of Land, Water and Planning", short_name="DLWP")
        self.register(NEW, legal_name="Department of Energy and Climate", short_name="DEC")

    def register(self, stream: str, on: str | None = None, **fields: Any) -> CaseEvent:
        given = {"kind": OrganisationKind.DEPARTMENT, **fields}
        fact = self.record(OrganisationRegistered, stream, on, role="administrator", **given)
        self.organisations[stream] = self.cases[stream]
        return fact

    def act(self, event: type[CaseEvent], stream: str, on: str | None, **fields: Any) -> CaseEvent:
        return self.record(event, stream, on, role="administrator", **fields)

    def body(self, stream: str) -> Organisation:
        found = self.cases[stream]
        assert isinstance(found, Organisation)
        return found

    def basis(self, stream: str, scheme: str, on: date) -> str | None:
        held = self.body(stream).bound(scheme, on)
        return held.basis if held is not None else None


@pytest.fixture
def book() -> Register:
    return Register()


def succession(**fields: Any) -> dict[str, Any]:
    """What both sides of a succession state."""
    return {"all_functions": True, "instrument": "Administrative Arrangements Order", **fields}


def test_vps_scope_bound_from_signature_to_end(book: Register) -> None:
    """Bound from the day of its own signature to the last day of the Heads of Agreement."""
    book.act(HeadsOfAgreementSigned, OLD, "2021-07-24", instrument_version="2021")
    assert book.basis(OLD, "vps", date(2021, 7, 23)) is None
    assert "signed on 2021-07-24" in (book.basis(OLD, "vps", SIGNED) or "")
    with pytest.raises(LawRefused, match="bound already"):
        book.act(HeadsOfAgreementSigned, OLD, "2022-01-01")
    book.act(HeadsOfAgreementEnded, OLD, "2024-06-30")
    assert book.basis(OLD, "vps", date(2024, 6, 30)) is not None
    assert book.basis(OLD, "vps", date(2024, 7, 1)) is None
    with pytest.raises(LawRefused, match="nothing to end"):
        book.act(HeadsOfAgreementEnded, OLD, "2024-07-02")
    book.act(HeadsOfAgreementSigned, OLD, "2025-01-01")
    assert book.basis(OLD, "vps", date(2025, 1, 1)) is not None


def test_a_signature_of_unknown_date_binds_nothing(book: Register) -> None:
    """A date that is not known is a gap, not a binding."""
    book.act(HeadsOfAgreementSigned, OLD, None)
    assert book.basis(OLD, "vps", date(2025, 1, 1)) is None


def test_succession_whole_life(book: Register) -> None:
    """1-law, head: functions, date, instrument; linked both ways; the successor is bound, basis shown."""
    book.act(HeadsOfAgreementSigned, OLD, "2021-07-24")
    book.act(SchemeBound, OLD, "2015-08-01", scheme=Scheme.DATAVIC, basis=BindingBasis.FINANCIAL_MANAGEMENT_ACT)
    inherited = (InheritedBinding(Scheme.VPS, SIGNED), InheritedBinding(Scheme.DATAVIC, date(2015, 8, 1)))
    with pytest.raises(LawRefused, match="record it"):
        book.act(FunctionsTakenOver, NEW, MOVED, predecessor=OLD, inherited=inherited, **succession())
    book.act(OrganisationSucceeded, OLD, MOVED, successor=NEW, **succession())
    for unsaid in ({"all_functions": None}, {"instrument": None}):
        wrong = {"predecessor": OLD, "inherited": inherited, **succession(), **unsaid}
        with pytest.raises(LawRefused, match="must be stated"):
            book.act(FunctionsTakenOver, NEW, MOVED, **wrong)
    book.act(OrganisationAbolished, OLD, MOVED)
    with pytest.raises(LawRefused, match="datavic since 2015-08-01, vps since 2021-07-24"):
        book.act(FunctionsTakenOver, NEW, MOVED, predecessor=OLD, inherited=inherited[:1], **succession())
    book.act(FunctionsTakenOver, NEW, MOVED, predecessor=OLD, inherited=inherited, **succession())
    assert book.basis(OLD, "vps", date(2022, 12, 31)) is not None
    assert book.basis(OLD, "vps", date(2023, 1, 1)) is None
    assert book.basis(NEW, "vps", date(2022, 12, 31)) is None
    assert (book.basis(NEW, "vps", date(2023, 1, 1)) or "").startswith(f"successor of {OLD}")
    book.act(HeadsOfAgreementSigned, NEW, "2024-02-01")
    assert "signed on 2024-02-01" in (book.basis(NEW, "vps", date(2024, 2, 1)) or "")


@pytest.mark.parametrize(
    "wrong", [{"successor": OLD}, {"all_functions": None}, {"instrument": None}, {"instrument": " "}]
)
def test_succession_states_functions_and_instrument(book: Register, wrong: dict[str, Any]) -> None:
    """1-law, head: another body, the functions and the instrument."""
    with pytest.raises(LawRefused, match="organisations change"):
        book.act(OrganisationSucceeded, OLD, MOVED, **{"successor": NEW, **succession(), **wrong})


def test_succession_to_an_unregistered_body(book: Register) -> None:
    """Organisations are named by registered ids only."""
    with pytest.raises(InvalidInput, match="successor"):
        book.act(OrganisationSucceeded, OLD, MOVED, successor="nobody", **succession())
    with pytest.raises(InvalidInput, match="predecessor"):
        book.act(FunctionsTakenOver, NEW, MOVED, predecessor="nobody", **succession())


def test_renamed(book: Register) -> None:
    """Another name from its day on; the same name is none."""
    with pytest.raises(LawRefused, match="is the name already"):
        book.act(OrganisationRenamed, NEW, "2024-01-01", legal_name="Department of Energy and Climate ")
    with pytest.raises(LawRefused, match="the name must be stated"):
        book.act(OrganisationRenamed, NEW, "2024-01-01", legal_name="")
    book.act(OrganisationRenamed, NEW, "2024-01-01", legal_name="Department of Climate")
    assert book.body(NEW).name_on(date(2023, 12, 31)) == "Department of Energy and Climate"
    assert book.body(NEW).name_on(date(2024, 1, 1)) == book.body(NEW).name_on(None) == "Department of Climate"


def test_abolished_once_and_does_nothing_after(book: Register) -> None:
    """1-law, head: an abolished body signs nothing; a fact from before its end is still recorded late."""
    book.act(OrganisationAbolished, OLD, MOVED)
    with pytest.raises(LawRefused, match="already"):
        book.act(OrganisationAbolished, OLD, "2024-01-01")
    acts: tuple[tuple[type[CaseEvent], dict[str, Any]], ...] = (
        (HeadsOfAgreementSigned, {}),
        (AgencyHeadChanged, {"head_office": HeadOffice.SECRETARY}),
        (SchemeBound, {"scheme": Scheme.DATAVIC}),
        (PrivacyStatusSet, {}),
        (OrganisationRenamed, {"legal_name": "Another"}),
        (FunctionsTakenOver, {"predecessor": NEW, **succession()}),
    )
    for event, fields in acts:
        with pytest.raises(LawRefused, match="did not exist"):
            book.act(event, OLD, "2023-01-01", **fields)
    book.act(HeadsOfAgreementSigned, OLD, "2021-07-24")
    assert book.basis(OLD, "vps", date(2022, 1, 1)) is not None
    with pytest.raises(LawRefused, match="would not be lawful"):
        book.act(OrganisationAbolished, OLD, "2021-01-01", corrects=book.cases[OLD].facts[1].index)


def test_abolition_entered_in_error(book: Register) -> None:
    """Left out of the history, it ends nothing."""
    ended = book.act(OrganisationAbolished, OLD, MOVED)
    book.act(OrganisationAbolished, OLD, MOVED, corrects=ended.index, why=CorrectionKind.ENTERED_IN_ERROR)
    book.act(HeadsOfAgreementSigned, OLD, "2024-01-01")


def test_scheme_bound(book: Register) -> None:
    """DataVic by the FMA, CISS by prescription; the VPS and the PDPA bind by facts of their own."""
    for scheme in (Scheme.VPS, Scheme.PDPA_PART_3):
        with pytest.raises(LawRefused, match="record"):
            book.act(SchemeBound, OLD, "2015-08-01", scheme=scheme)
    with pytest.raises(LawRefused, match="cannot end"):
        book.act(SchemeBound, OLD, "2015-08-01", scheme=Scheme.DATAVIC, until=date(2015, 7, 31))
    book.act(
        SchemeBound, OLD, "2018-09-27", scheme=Scheme.CISS, basis=BindingBasis.PRESCRIPTION,
        until=date(2020, 1, 31),
    )  # fmt: skip
    assert book.basis(OLD, "ciss", date(2020, 1, 31)) == "prescription"
    assert book.basis(OLD, "ciss", date(2020, 2, 1)) is None


def test_pdpa_13_status_by_day(book: Register) -> None:
    """13(1): the limb from its day until the next status; a limb alone is enough."""
    with pytest.raises(LawRefused, match=r"13\(1\)"):
        book.act(PrivacyStatusSet, OLD, "2015-01-01", part_3=True)
    with pytest.raises(LawRefused, match="bound from 2015-01-01, it cannot end on 2014-12-31"):
        book.act(PrivacyStatusSet, OLD, "2015-01-01", part_4=True, until=date(2014, 12, 31))
    book.act(PrivacyStatusSet, OLD, "2015-01-01", part_3_limb=Part3Limb.C, part_4=True)
    book.act(PrivacyStatusSet, OLD, "2020-01-01", part_3=False, part_4=True, represents_crown=True)
    assert book.basis(OLD, "pdpa_part_3", date(2019, 12, 31)) == "PDPA 13(1)(c)"
    assert book.basis(OLD, "pdpa_part_3", date(2020, 1, 1)) is None
    assert book.basis(OLD, "pdpa_part_4", date(2020, 1, 1)) == "PDPA 84"
    assert book.basis(OLD, "pdpa_part_5", date(2020, 1, 1)) is None
    status = book.body(OLD).privacy_status(date(2021, 1, 1))
    assert status is not None
    assert status.represents_crown
    assert book.body(OLD).privacy_status(None) is None


def test_pdpa_17_2_provider_names_clause(book: Register) -> None:
    """13(1)(j): a contracted provider is reached by a clause of the State contract."""
    with pytest.raises(LawRefused, match=r"13\(1\)\(j\)"):
        book.act(PrivacyStatusSet, OLD, "2015-01-01", part_3=True, part_3_limb=Part3Limb.J)
    book.act(
        PrivacyStatusSet, OLD, "2015-01-01", part_3=True, part_3_limb=Part3Limb.J,
        provider_clause="clause 12", provider_bound_by_clause=True, outsourcing_party=NEW,
    )  # fmt: skip
    with pytest.raises(InvalidInput, match="outsourcing_party"):
        book.act(PrivacyStatusSet, OLD, "2016-01-01", outsourcing_party="nobody")


def test_pdpa_13_3_orders(book: Register) -> None:
    """13(1)(k) names its Order; 13(2)(b): declared out, wholly, no limb (e)–(g) reaches the body."""
    with pytest.raises(LawRefused, match=r"13\(1\)\(k\)"):
        book.act(PrivacyStatusSet, OLD, "2015-01-01", part_3=True, part_3_limb=Part3Limb.K)
    into, out, partly = (
        GazettedOrder(OrderKind.S13_3_A, date(2014, 12, 1)),
        GazettedOrder(OrderKind.S13_3_B, date(2014, 12, 1), True),
        GazettedOrder(OrderKind.S13_3_B, date(2014, 12, 1), False, "its schools"),
    )
    book.act(PrivacyStatusSet, OLD, "2015-01-01", part_3=True, part_3_limb=Part3Limb.K, orders=(into,))
    with pytest.raises(LawRefused, match=r"13\(2\)\(b\)"):
        book.act(PrivacyStatusSet, NEW, "2015-01-01", part_3=True, part_3_limb=Part3Limb.E, orders=(out,))
    book.act(PrivacyStatusSet, NEW, "2015-01-01", part_3=True, part_3_limb=Part3Limb.E, orders=(partly,))


def test_pdpa_84_2_councils(book: Register) -> None:
    """84(2)(a): Part 4 does not apply to a Council."""
    book.register("x3", legal_name="Invented City Council", kind=OrganisationKind.COUNCIL)
    with pytest.raises(LawRefused, match=r"84\(2\)\(a\)"):
        book.act(PrivacyStatusSet, "x3", "2015-01-01", part_3=True, part_3_limb=Part3Limb.D, part_4=True)
    book.act(PrivacyStatusSet, "x3", "2015-01-01", part_3=True, part_3_limb=Part3Limb.D, part_4=False)


def test_registered_once_by_kind_and_abn(book: Register) -> None:
    """One registration; 'other' comes with its words; an ABN checks."""
    with pytest.raises(InvalidInput, match="opens a new one"):
        book.register(OLD, legal_name="Again")
    with pytest.raises(LawRefused, match="other"):
        book.register("x1", legal_name="A Body", kind=OrganisationKind.OTHER)
    with pytest.raises(LawRefused, match="name"):
        book.register("x1", legal_name=" ")
    for abn in ("51824753557", "5182475355", "abcdefghijk"):
        with pytest.raises(InvalidInput, match="abn"):
            book.register("x1", legal_name="A Body", abn=abn)
    book.register("x1", legal_name="A Body", abn="51824753556")


def test_nothing_before_it_was_established(book: Register) -> None:
    """A body established on a day acts from that day on."""
    book.register("x2", "2024-05-01", legal_name="Young Agency")
    with pytest.raises(LawRefused, match="two dates"):
        book.act(HeadsOfAgreementSigned, "x2", "2024-04-30")
    assert book.basis("x2", "vps", date(2024, 5, 1)) is None


def test_agency_head(book: Register) -> None:
    """The accountable head: the office in clear, the name sealed."""
    with pytest.raises(LawRefused, match="head"):
        book.act(AgencyHeadChanged, OLD, "2022-01-01")
    fact = book.act(
        AgencyHeadChanged, OLD, "2022-01-01", head_office=HeadOffice.SECRETARY, head_name="Jo Bloggs"
    )
    assert isinstance(fact, AgencyHeadChanged)
    assert fact.head_office == "secretary"
    assert not isinstance(fact.head_name, str)


def test_1_law_a_clear_fields_of_an_organisation_hold_no_name_of_a_person(book: Register) -> None:
    """The office is a word of a vocabulary, 'other' with its words sealed; a version is a code."""
    with pytest.raises(InvalidInput, match=r"head_office: expected one of .*secretary.*, got 'Jo Bloggs'"):
        book.act(AgencyHeadChanged, OLD, "2022-01-01", head_office="Jo Bloggs")
    with pytest.raises(LawRefused, match="head office: 'other' must come with its words"):
        book.act(AgencyHeadChanged, OLD, "2022-01-01", head_office=HeadOffice.OTHER)
    with pytest.raises(LawRefused, match="head office: 'other' must come with its words"):
        book.record(
            OrganisationRegistered, "third", role="administrator", legal_name="Third",
            kind=OrganisationKind.DEPARTMENT, head_office=HeadOffice.OTHER,
        )  # fmt: skip
    office = {"head_office": HeadOffice.OTHER, "head_office_words": "Emergency Management Commissioner"}
    fact = book.act(AgencyHeadChanged, OLD, "2022-01-01", **office)
    assert isinstance(fact, AgencyHeadChanged)
    assert not isinstance(fact.head_office_words, str)
    for event, more in ((HeadsOfAgreementSigned, {}), (SchemeBound, {"scheme": Scheme.DATAVIC})):
        with pytest.raises(InvalidInput, match="instrument_version"):
            book.act(event, OLD, "2022-01-01", instrument_version="as Jo Bloggs signed it", **more)
        book.act(event, OLD, "2022-01-01", instrument_version="v2.1", **more)


def moved(book: Register) -> None:
    """The functions of one department passed to the other, which inherits its signature."""
    book.act(HeadsOfAgreementSigned, OLD, SIGNED.isoformat())
    book.act(OrganisationSucceeded, OLD, MOVED, successor=NEW, all_functions=True, instrument="Order")
    inherited = (InheritedBinding(Scheme.VPS, SIGNED),)
    taken = {"predecessor": OLD, "all_functions": True, "instrument": "Order", "inherited": inherited}
    book.act(FunctionsTakenOver, NEW, MOVED, **taken)


def test_vps_scope_heads_of_agreement_end_for_a_successor_too(book: Register) -> None:
    """That day is the last, whether the body signed or inherited; what is not the VPS goes on."""
    moved(book)
    book.act(HeadsOfAgreementEnded, NEW, "2024-06-30")
    assert book.basis(NEW, "vps", date(2024, 6, 30)) is not None
    assert book.basis(NEW, "vps", date(2024, 7, 1)) is None


def test_1_law_head_an_abolished_body_is_bound_to_the_day_before_at_most(book: Register) -> None:
    moved(book)
    book.act(OrganisationAbolished, OLD, MOVED)
    assert [held.until for held in standing.bindings(book.body(OLD).history)] == [date(2022, 12, 31)]


def test_1_law_a_open_basis_other_comes_with_its_words(book: Register) -> None:
    bound = {"scheme": Scheme.DATAVIC, "basis": BindingBasis.OTHER}
    with pytest.raises(LawRefused, match="basis: 'other' must come with its words"):
        book.act(SchemeBound, OLD, "2015-08-01", **bound)
    book.act(SchemeBound, OLD, "2015-08-01", **bound, basis_words="by its own decision")


def test_an_organisation_entered_in_error_is_bound_by_nothing(book: Register) -> None:
    book.act(HeadsOfAgreementSigned, OLD, SIGNED.isoformat())
    book.act(EnteredInError, OLD, "2025-01-01", reason="there is no such body")
    assert book.basis(OLD, "vps", SIGNED) is None
