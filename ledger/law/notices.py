"""Compliance notices: PDPA Part 3 Division 9 (78, 82, 83) and service by 83C.

Version 032. Dates are Melbourne dates. A period 'expires' at the end of its last day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ledger.errors import LawRefused
from ledger.law import clocks
from ledger.law.calendar import Calendar
from ledger.law.clocks import Due
from ledger.law.dates import Provision, in_force
from ledger.law.general import is_citation, must_hold, must_state
from ledger.law.time import years_before

OCCASIONS_NEEDED = 5
OCCASIONS_WINDOW_YEARS = 2

OCCASIONS_WINDOW_INCLUDES_FIRST_DAY = True
"""Choice: an occasion on the corresponding date two years before the decision lies in the window."""

OCCASIONS_MAY_SHARE_A_DAY = True
"""Choice: two separate occasions can fall on one day; they are listed one by one."""


class Recipient(StrEnum):
    """Whom a notice is directed to; ``UNINCORPORATED``: neither (a department, a committee)."""

    NATURAL_PERSON = "natural_person"
    BODY_CORPORATE = "body_corporate"
    UNINCORPORATED = "unincorporated"


PRINCIPLES = {1: 5, 2: 2, 3: 1, 4: 2, 5: 2, 6: 8, 7: 4, 8: 1, 9: 1, 10: 2}
"""The Information Privacy Principles of Schedule 1, each with the number of its clauses."""

UNINCORPORATED_IS_SERVED_AS = Recipient.BODY_CORPORATE
"""Choice: 83C is silent on them; a notice to one is served as on a body corporate."""


class Service(StrEnum):
    """Ways to serve a document; the values of 83C(3), (3A), (4), (4A)."""

    PERSONALLY = "personally"
    REGISTERED_POST = "registered_post"
    ELECTRONIC = "electronic"
    REPRESENTATIVE_POST = "representative_post"
    REPRESENTATIVE_LEFT = "representative_left"
    REPRESENTATIVE_PERSONALLY = "representative_personally"
    REPRESENTATIVE_ELECTRONIC = "representative_electronic"
    LEFT_AT_OFFICE = "left_at_office"


SERVICE_METHODS: dict[str, frozenset[str]] = {
    Recipient.NATURAL_PERSON: frozenset(Service) - {Service.LEFT_AT_OFFICE},
    Recipient.BODY_CORPORATE: frozenset({Service.LEFT_AT_OFFICE, Service.REGISTERED_POST, Service.ELECTRONIC}),
}
"""83C(3)–(4A)."""

RECEIPT_CONFIRMED = frozenset({Service.ELECTRONIC, Service.REPRESENTATIVE_ELECTRONIC})
"""Methods that need a confirmed receipt: 83C(3A)(b), (f), (4A)(b); any electronic form will do, (4C)."""

LEFT_WITH_A_PERSON = frozenset({Service.LEFT_AT_OFFICE, Service.REPRESENTATIVE_LEFT})
"""Methods that need a person apparently of the place and apparently 18: 83C(3A)(d), (4)."""


def contravention_is_named(kind: str | None, provisions: Sequence[str], *, imported: bool) -> None:
    """A notice rests on a contravention of an IPP, a code or an arrangement, and names it: 78(1)(a).

    ``kind``: 'ipp', 'code', 'arrangement'. Raises LawRefused."""
    must_state("what was contravened (IPP, code or arrangement)", kind, "PDPA 78(1)(a)", imported=imported)
    if kind is not None and kind not in ("ipp", "code", "arrangement"):
        raise LawRefused("PDPA 78(1)(a)", f"{kind} is no IPP, code of practice or approved arrangement")
    must_state("the provisions contravened", provisions, "PDPA 78(1)(a)", imported=imported)


def provisions_are_cited(kind: str | None, provisions: Sequence[str]) -> None:
    """Each provision is a citation; of a contravened IPP it is one of Schedule 1, as 'IPP 4.1': 78(1)(a), 4(2).

    Raises InvalidInput for what is no citation, LawRefused for an IPP that the Act does not have."""
    for place, provision in enumerate(provisions):
        is_citation(f"provisions.{place}", provision)
        if kind == "ipp" and not _is_principle(provision):
            raise LawRefused("PDPA 78(1)(a), Sch 1", f"{provision} is no Information Privacy Principle")


def _is_principle(provision: str) -> bool:
    found = re.fullmatch(r"IPP ([0-9]{1,2})(?:\.([0-9]))?(?:\([a-z]{1,4}\))*", provision)
    if found is None or int(found[1]) not in PRINCIPLES:
        return False
    return found[2] is None or 1 <= int(found[2]) <= PRINCIPLES[int(found[1])]


def limb_is_stated(limb: str | None, *, imported: bool) -> None:
    """The contravention is serious or flagrant, or repeated: 78(1)(b). Raises LawRefused.

    ``limb``: 'serious_or_flagrant' or 'repeated'."""
    must_state("the limb of 78(1)(b)", limb, "PDPA 78(1)(b)", imported=imported)
    if limb is not None and limb not in ("serious_or_flagrant", "repeated"):
        raise LawRefused("PDPA 78(1)(b)", f"{limb} is neither serious or flagrant nor repeated")


def occasions_of_repeated_contravention(
    limb: str | None, decided_on: date | None, occasions: Sequence[date | None], *, imported: bool
) -> None:
    """At least 5 separate occasions within the previous 2 years, listed and dated: 78(1)(b)(ii).

    Counted back from ``decided_on``; None, not known to the day: no window is held against them. Imported:
    occasions not listed, or not dated, are a gap; one listed outside it is refused always. Raises
    LawRefused."""
    section = "PDPA 78(1)(b)(ii)"
    if limb != "repeated" or (decided_on is not None and not in_force(Provision.PDPA_78, decided_on)):
        return
    for day in occasions:
        must_state("the date of each occasion", day, section, imported=imported)
        if decided_on is None:
            continue
        first = years_before(decided_on, OCCASIONS_WINDOW_YEARS)
        in_window = day is None or first < day <= decided_on
        if OCCASIONS_WINDOW_INCLUDES_FIRST_DAY:
            in_window = in_window or day == first
        if not in_window:
            raise LawRefused(section, f"the occasion of {day} lies outside {first} to {decided_on}")
    separate = len(occasions) if OCCASIONS_MAY_SHARE_A_DAY else len(set(occasions))
    if separate < OCCASIONS_NEEDED and not imported:
        raise LawRefused(section, f"{OCCASIONS_NEEDED} separate occasions are needed, {separate} are listed")


def action_and_period_are_specified(action: object, period: object, *, imported: bool) -> None:
    """A notice specifies the action and the period: 78(2). Raises LawRefused."""
    must_state("the specified action", action, "PDPA 78(2)", imported=imported)
    must_state("the specified period", period, "PDPA 78(2)", imported=imported)


def initiative_is_own_or_complainants(
    origin: str | None, applicant_was_complainant: bool | None, *, imported: bool
) -> None:
    """Own initiative, or an application by someone who was a complainant under Division 8: 78(5).

    ``origin``: 'own_initiative' or 'application'. Raises LawRefused."""
    must_state("own initiative or application", origin, "PDPA 78(5)", imported=imported)
    if origin == "application":
        reason = "only an individual who was a complainant under Division 8 may apply"
        field = "whether the applicant was a complainant"
        must_hold(field, applicant_was_complainant, "PDPA 78(5)", reason, imported=imported)


def service_by_83c(
    served_on: date | None,
    recipient: str | None,
    method: str | None,
    receipt_confirmed: bool | None,
    left_with_adult_there: bool | None = None,
    *,
    imported: bool,
) -> None:
    """A compliance notice is served by a method of 83C(3)–(4A): 78(7), since 26.4.2021. Raises LawRefused.

    Electronic service needs a confirmed receipt; a notice that is left somewhere needs a person apparently
    of that place and apparently 18 or older to take it. ``None``: not stated."""
    if not in_force(Provision.PDPA_78_7, served_on):
        return
    must_state("whom the notice is directed to", recipient, "PDPA 78(7)", imported=imported)
    must_state("how the notice was served", method, "PDPA 78(7)", imported=imported)
    if recipient is None or method is None:
        return
    if recipient not in frozenset(Recipient):
        raise LawRefused("PDPA 83C(3), (4)", f"{recipient} is neither a natural person nor a body")
    directed = UNINCORPORATED_IS_SERVED_AS if recipient == Recipient.UNINCORPORATED else recipient
    section = "PDPA 83C(3), (3A)" if directed == Recipient.NATURAL_PERSON else "PDPA 83C(4), (4A)"
    if method not in SERVICE_METHODS[directed]:
        raise LawRefused(section, f"{method} does not serve a notice on a {recipient}")
    if method in RECEIPT_CONFIRMED:
        reason = "electronic delivery serves only when its receipt is confirmed"
        must_hold("whether receipt was confirmed", receipt_confirmed, section, reason, imported=imported)
    if method in LEFT_WITH_A_PERSON:
        reason = "the copy must be left with a person of that place, apparently 18 or older"
        must_hold("with whom it was left", left_with_adult_there, section, reason, imported=imported)


def extension_applied_before_expiry(applied_on: date | None, period_ends: date | None) -> None:
    """An extension is applied for before the period *in the notice* expires: 78(4). Raises LawRefused.

    The last day of the period is in time; a second extension is measured by the first period too."""
    if applied_on is not None and period_ends is not None and applied_on > period_ends:
        raise LawRefused("PDPA 78(4)", f"applied on {applied_on}, after the period expired on {period_ends}")


def extension_applicant_is_recipient(applicant: str, recipient: str) -> None:
    """The organisation that the notice is served on applies: 78(3). Raises LawRefused."""
    if applicant != recipient:
        raise LawRefused("PDPA 78(3)", f"{applicant} is not the organisation served ({recipient})")


def extension_answers_an_application(applied: bool) -> None:
    """An extension is granted or not granted on an application: 78(3). Raises LawRefused."""
    if not applied:
        raise LawRefused("PDPA 78(3)", "no application for an extension is open")


def extension_needs_finding_and_undertaking(
    not_reasonably_possible: bool | None, undertaking: bool | None, *, imported: bool
) -> None:
    """Granted only on the finding and against the undertaking of 78(3). Raises LawRefused."""
    finding = "an extension needs the finding that the action is not reasonably possible within the period"
    promise = "an extension needs the organisation's undertaking to act within the extended period"
    must_hold("the finding", not_reasonably_possible, "PDPA 78(3)", finding, imported=imported)
    must_hold("the undertaking", undertaking, "PDPA 78(3)", promise, imported=imported)


def extension_lengthens(period_ends: date | None, extended_to: date | None, *, imported: bool) -> None:
    """An extended period ends after the period that it extends: 78(3). Raises LawRefused."""
    must_state("the end of the extended period", extended_to, "PDPA 78(3)", imported=imported)
    if period_ends is not None and extended_to is not None and extended_to <= period_ends:
        raise LawRefused("PDPA 78(3)", f"{extended_to} does not extend a period that ends on {period_ends}")


def reasons_answer_a_request(requested: bool, answered: bool) -> None:
    """Reasons are given or refused once, after they were asked for: 83(2)(b). Raises LawRefused."""
    if not requested:
        raise LawRefused("PDPA 83(2)(b)", "no statement of reasons was requested")
    if answered:
        raise LawRefused("PDPA 83(2)(b)", "the request for reasons was answered already")


def review_applicant_is_affected(affected: bool | None, *, imported: bool) -> None:
    """Someone whose interests the decision affects applies for review: 83(1). Raises LawRefused."""
    reason = "only one whose interests are affected may apply for review"
    must_hold("whether interests are affected", affected, "PDPA 83(1)", reason, imported=imported)


def review_period(
    decided_on: date,
    calendar: Calendar,
    *,
    reasons_requested: bool = False,
    reasons_answered_on: date | None = None,
    known_on: date | None = None,
) -> Due | None:
    """The period of 83(2): 28 days after the later of the decision and reasons given or refused (R1).

    None while reasons are asked for and not answered, and for a decision from before the Act."""
    if reasons_requested and reasons_answered_on is None:
        return None
    later = max(decided_on, reasons_answered_on or decided_on)
    return clocks.due("pdpa.notice_review", later, calendar, known_on=known_on)


def review_applied_in_time(period: Due | None, applied_on: date | None) -> None:
    """A review is applied for within the period of 83(2); while reasons are open it is never late.

    ``period``: from ``review_period``. Raises LawRefused."""
    if applied_on is not None:
        clocks.refuse_late("pdpa.notice_review", period, applied_on)


def review_result_answers_application(applied: bool, determined: bool) -> None:
    """VCAT determines a review once, and only one that was applied for: 83(1). Raises LawRefused."""
    if not applied:
        raise LawRefused("PDPA 83(1)", "no review was applied for")
    if determined:
        raise LawRefused("PDPA 83(1)", "the review was determined already")


class Review(StrEnum):
    """Where a review under 83 stands; ``WITHDRAWN``: no review is left to be determined."""

    NONE = "none"
    OPEN = "open"
    FOR_COMMISSIONER = "for_commissioner"
    AGAINST_COMMISSIONER = "against_commissioner"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Effect:
    """When a notice takes effect under 82(2): ``on`` a day, ``never``, or not yet known (neither).

    ``because`` names the limb that decides."""

    on: date | None
    never: bool
    because: str

    def is_in_effect(self, day: date) -> bool:
        """Whether the notice is in effect on that day."""
        return self.on is not None and day >= self.on


def effect(
    period_ends: date | None,
    extended_to: date | None,
    review_ends: Due | None,
    review: str = Review.NONE,
    determined_on: date | None = None,
) -> Effect:
    """The day on which a notice takes effect: the latest of 82(2)(a)–(d).

    (a) ``period_ends``, (b) ``extended_to``, (c) the rolled end of the review period (``review_ends``, None
    while reasons are open), (d) the day on which a review is determined for the Commissioner. No day while
    reasons or a review are open; never where the review goes against the Commissioner."""
    if review == Review.AGAINST_COMMISSIONER:
        return Effect(None, True, "82(2)(d): the review was determined against the Commissioner")
    if period_ends is None:
        return Effect(None, False, "82(2)(a): the period is not known")
    if review == Review.OPEN or (review == Review.FOR_COMMISSIONER and determined_on is None):
        return Effect(None, False, "82(2)(d): a review is open")
    if review_ends is None:
        return Effect(None, False, "82(2)(c): the end of the time to apply for review is not known")
    limbs = {"82(2)(a): the period in the notice expires": period_ends}
    limbs["82(2)(c): the time to apply for review expires"] = review_ends.due
    if extended_to is not None:
        limbs["82(2)(b): the extended period expires"] = extended_to
    if review == Review.FOR_COMMISSIONER and determined_on is not None:
        limbs["82(2)(d): the review is determined for the Commissioner"] = determined_on
    because = max(limbs, key=lambda limb: limbs[limb])
    return Effect(limbs[because], False, because)


def non_compliance_needs_effect(effect_now: Effect, on: date | None, last_day: date | None = None) -> None:
    """Only a notice that is in effect can be breached, and not on a day left to comply: 82(1), (2)(a)–(b).

    ``last_day``: of the period as extended; it runs to its end. Raises LawRefused."""
    if effect_now.never:
        raise LawRefused("PDPA 82(2)(d)", "the notice takes no effect: the review went against it")
    if on is not None and not effect_now.is_in_effect(on):
        raise LawRefused("PDPA 82(2)", f"the notice is not in effect on {on} ({effect_now.because})")
    if on is not None and last_day is not None and on <= last_day:
        raise LawRefused("PDPA 82(2)(a), (b)", f"the period runs to the end of {last_day}: not over on {on}")


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an offence against 82(1) exposes to: penalty units, and why none. Indictable: 82(3)."""

    penalty_units: int
    indictable: bool
    note: str


PENALTY_INDIVIDUAL = 600
PENALTY_BODY_CORPORATE = 3000


def exposure(recipient: str, represents_crown: bool) -> Exposure:
    """Penalty units for not complying: 82(1), (3); none for the Crown, which is not prosecuted: 8(2).

    For an unincorporated body each member of its committee of management answers as an individual: 123."""
    if represents_crown:
        return Exposure(0, False, "the Crown is not prosecuted (8(2)): shown as non-compliance")
    if recipient == Recipient.BODY_CORPORATE:
        return Exposure(PENALTY_BODY_CORPORATE, True, "body corporate (82(1))")
    if recipient == Recipient.UNINCORPORATED:
        return Exposure(PENALTY_INDIVIDUAL, True, "each member of the committee of management (82(1), 123)")
    return Exposure(PENALTY_INDIVIDUAL, True, "individual (82(1))")


def crown_is_stated_as_registered(stated: bool | None, registered: bool | None, *, imported: bool) -> None:
    """A notice to the Crown says so, as the register of organisations does: it is not prosecuted, 8(2).

    ``registered``: what the register says on the day of the decision; None: nothing. Raises LawRefused."""
    if registered and stated is None and not imported:
        raise LawRefused("PDPA 8(2)", "the register says that the organisation represents the Crown: state it")
    if stated is not None and registered is not None and stated != registered:
        said = "represents" if registered else "does not represent"
        raise LawRefused("PDPA 8(2)", f"the register says that the organisation {said} the Crown")


def compliance_shows_its_steps(evidence: object, *, imported: bool) -> None:
    """That the action was taken is recorded with evidence of the steps: 82(1). Raises LawRefused."""
    must_state("evidence of the steps taken", evidence, "PDPA 82(1)", imported=imported)


def period_follows_decision(decided_on: date | None, period_ends: date | None) -> None:
    """A notice gives a period in which to act, so it ends after the decision: 78(2). Raises LawRefused."""
    if decided_on is not None and period_ends is not None and period_ends <= decided_on:
        raise LawRefused("PDPA 78(2)", f"a period that ends on {period_ends} leaves none after {decided_on}")


def service_leaves_the_period(served_on: date | None, period_ends: date | None) -> None:
    """A notice requires action within a period, so it is served before that is over: 78(2). Raises LawRefused.

    The last day of the period is in time."""
    if served_on is not None and period_ends is not None and served_on > period_ends:
        raise LawRefused("PDPA 78(2)", f"served on {served_on}, after the period ended on {period_ends}")


def served_once(served: bool) -> None:
    """A compliance notice is served once: 78(1), (7). Raises LawRefused."""
    if served:
        raise LawRefused("PDPA 78(7)", "the notice was served already")


def extension_needs_service(served: bool, *, imported: bool) -> None:
    """An organisation on which a notice is served applies for an extension: 78(3). Raises LawRefused."""
    must_state("the service of the notice", served or None, "PDPA 78(3)", imported=imported)


def compliance_needs_service(served: bool, *, imported: bool) -> None:
    """Only a notice that was served is complied with or breached: 82(1). Raises LawRefused."""
    must_state("the service of the notice", served or None, "PDPA 82(1)", imported=imported)


def complied_once(complied: bool) -> None:
    """A notice that was complied with is neither complied with again nor breached: 82(1).

    Raises LawRefused."""
    if complied:
        raise LawRefused("PDPA 82(1)", "the notice was complied with already")


def delegate_names_instrument(maker: str | None, instrument: object, *, imported: bool) -> None:
    """A decision names its maker, and a delegate the instrument of delegation: 8B, 8O. Raises LawRefused.

    ``maker``: 'commissioner', 'deputy_commissioner' or 'delegate'. The Deputy has the functions of Division 9
    without an instrument: 8B(1)(d)."""
    must_state("who decided", maker, "PDPA 8B, 8O", imported=imported)
    if maker == "delegate":
        must_state("the instrument of delegation", instrument, "PDPA 8O", imported=imported)
