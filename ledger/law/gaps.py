"""What a source asks for and the record does not state: completeness gaps. A gap is never a refusal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ledger.law.complaints import CH_5, CH_6
from ledger.law.dates import Provision, in_force
from ledger.law.general import TWO_DATES, missing
from ledger.law.notices import LEFT_WITH_A_PERSON, RECEIPT_CONFIRMED
from ledger.law.organisations import CHANGES
from ledger.law.requests import (
    DISCLOSURES,
    IPP_2_1_H,
    IPP_2_2,
    NSW_DECIDE,
    NSW_REVIEW,
    OTHER_SCHEME,
    PARTS,
    REFERRALS,
    VPS,
    VPS_SCOPE,
    is_formal_vps,
)
from ledger.law.retention import HOLDS, IPP_4_2, TABLE

ORGANISATIONS = "ledger rule: organisations"


@dataclass(frozen=True, slots=True)
class Gap:
    """A missing fact: its field, and the section that asks for it."""

    field: str
    section: str


def unstated(facts: Mapping[str, object], section: str) -> tuple[Gap, ...]:
    """One gap for each fact that is not stated, in the order given."""
    fields = [field for field, value in facts.items() if value is None or missing(value)]
    return tuple(Gap(field, section) for field in fields) if fields else ()


def happened(happened_on: date | None) -> tuple[Gap, ...]:
    """A fact without the date on which it happened (1-law, head: two dates on every fact)."""
    return unstated({"happened_on": happened_on}, TWO_DATES)


def trigger(happened_on: date | None, exact: bool) -> tuple[Gap, ...]:
    """A fact that starts a clock, and whose day is known no closer than to a month or year (4-wire 'Entry').

    ``exact``: known to the day."""
    return unstated({"happened_on, to the day": True if exact else None}, TWO_DATES) if happened_on else ()


def received(
    scheme: str, form: str | None, on: date | None, *, law: object, requester: object, provider: object
) -> tuple[Gap, ...]:
    """An imported request without its form or law, or a formal VPS one whose parties cannot be checked.

    ``requester``, ``provider``: ids of registered organisations."""
    if scheme == "other":
        return unstated({"the law it was made under": law}, OTHER_SCHEME)
    if scheme != "vps" or _before(Provision.VPS, on):
        return ()
    found = unstated({"form (informal or formal)": form}, VPS)
    if is_formal_vps(scheme, form):
        bound = {"whether the requester was bound": requester, "whether the provider was bound": provider}
        found += unstated(bound, VPS_SCOPE)
    return found


def formal_request(
    scheme: str,
    form: str | None,
    on: date | None,
    *,
    under_policy: bool | None,
    purpose: object,
    public_benefit: object,
    safe_holding_and_use: object,
) -> tuple[Gap, ...]:
    """What a formal VPS request should say at least (VPS, 'responsibility to share'); the clock runs all
    the same. ``under_policy`` False is a gap too: the request does not say so."""
    if not is_formal_vps(scheme, form) or _before(Provision.VPS, on):
        return ()
    facts = {
        "made under the Policy": under_policy or None,
        "purpose": purpose,
        "public benefit": public_benefit,
        "safe holding and use": safe_holding_and_use,
    }
    return unstated(facts, VPS)


def request_dates(scheme: str, made_on: date | None, received_on: date | None) -> tuple[Gap, ...]:
    """A request without the dates that its clock and its parties' being bound are judged by."""
    section = VPS if scheme == "vps" else NSW_DECIDE
    if scheme not in ("vps", "nsw") or _before(_provision(scheme), received_on):
        return ()
    return unstated({"date made": made_on, "date received": received_on}, section)


def approval(scheme: str, on: date | None, reasons: object) -> tuple[Gap, ...]:
    """An NSW approval without a written statement of reasons (guide §2)."""
    if scheme != "nsw" or _before(Provision.NSW, on):
        return ()
    return unstated({"reasons for the approval": reasons}, NSW_DECIDE)


def refusal(
    scheme: str,
    form: str | None,
    *,
    grounds: Sequence[str],
    reasons: object,
    in_writing: bool | None,
    sent_on: date | None,
    on: date | None = None,
) -> tuple[Gap, ...]:
    """An imported refusal that leaves out what VPS ('responsibility to share') or NSW §2 asks for.

    ``form``: of the request when it was refused; ``on``: that day."""
    if scheme not in ("vps", "nsw") or _before(_provision(scheme), on):
        return ()
    facts: dict[str, object] = {"ground of refusal": grounds, "reasons for the refusal": reasons}
    if scheme == "nsw" or is_formal_vps(scheme, form):
        facts["in writing"] = in_writing
    if scheme == "nsw":
        facts["date sent"] = sent_on
    return unstated(facts, VPS if scheme == "vps" else NSW_DECIDE)


def closing(scheme: str, ground: str | None, where: object) -> tuple[Gap, ...]:
    """An imported closing without its reason, or of public data without where it is (NSW §1; ledger rule)."""
    facts: dict[str, object] = {"reason of closing": ground}
    if ground == "public":
        facts["where the data is public"] = where
    return unstated(facts, NSW_REVIEW if scheme == "nsw" else PARTS)


def referral(agency: object) -> tuple[Gap, ...]:
    """An imported referral that does not say to whom (1-law, area A)."""
    return unstated({"agency referred to": agency}, REFERRALS)


def disclosure(
    bases: Collection[str], note: object, authority: object = True, on: date | None = None
) -> tuple[Gap, ...]:
    """An imported disclosure under IPP 2.1(g) without its written note (IPP 2.2), or under 2.1(h) without the
    written authorisation and certificate."""
    if _before(Provision.IPP, on):
        return ()
    found = unstated({"written note": note}, IPP_2_2) if "ipp_2_1_g" in bases else ()
    if "ipp_2_1_h" in bases:
        found += unstated({"written authorisation and certificate": authority}, IPP_2_1_H)
    return found


def disclosure_record(what: object, basis: object, to: object) -> tuple[Gap, ...]:
    """An imported disclosure without what, to whom or on which legal basis (1-law, area A)."""
    facts = {"what was disclosed": what, "to whom": to, "legal basis": basis}
    return unstated(facts, DISCLOSURES)


def complaint_received(
    required: bool,
    *,
    made_on: date | None,
    received_on: date | None,
    nature: object,
    complainant: object,
    about: str | None,
    refusal: object,
) -> tuple[Gap, ...]:
    """The record of a complaint to an entity (CISS ch. 5, ch. 6); none where it is not ``required``."""
    if not required:
        return ()
    facts = {"date made": made_on, "date received": received_on, "nature": nature}
    linked: dict[str, object] = {"complainant": complainant}
    if about == "request_not_met":
        linked["request not met"] = refusal
    return unstated(facts, CH_5) + unstated(linked, CH_6)


def complaint_closed(
    required: bool, *, to_resolve: object, to_prevent: object, resolved: bool | None, further: object
) -> tuple[Gap, ...]:
    """The record of a closed complaint (CISS ch. 5); none where it is not ``required``."""
    if not required:
        return ()
    facts: dict[str, object] = {
        "action to resolve": to_resolve,
        "action to prevent": to_prevent,
        "resolved?": resolved,
    }
    if resolved is False:
        facts["further action"] = further
    return unstated(facts, CH_5)


def action_described(required: bool, field: str, stated: str | None, words: object) -> tuple[Gap, ...]:
    """An action recorded as taken, and not which (CISS ch. 5); none where it is not ``required``."""
    return unstated({f"which {field}": words}, CH_5) if required and stated == "taken" else ()


def taken_on(body: object) -> tuple[Gap, ...]:
    """A complaint taken on, and not to which oversight body (CISS ch. 6)."""
    return unstated({"oversight body": body}, CH_6)


def notice_decision(
    *,
    provisions: object,
    maker: str | None,
    instrument: object,
    origin: str | None,
    was_complainant: bool | None,
    bound: object,
) -> tuple[Gap, ...]:
    """An imported decision to serve a notice without provisions, maker, or whom it reaches (PDPA 78, 8B, 8O).

    ``bound``: the registered organisation that it is directed to."""
    found = unstated({"provisions contravened": provisions}, "PDPA 78(1)(a)")
    found += unstated({"whether Part 3 applies to the body": bound}, "PDPA 78(1), 13")
    if origin == "application":
        found += unstated({"whether the applicant was a complainant": was_complainant}, "PDPA 78(5)")
    found += unstated({"who decided": maker}, "PDPA 8B, 8O")
    if maker == "delegate":
        found += unstated({"instrument of delegation": instrument}, "PDPA 8O")
    return found


def service(
    on: date | None, directed_to: object, method: str | None, confirmed: bool | None, left: bool | None = None
) -> tuple[Gap, ...]:
    """An imported service without whom it is directed to, or a confirmed receipt (PDPA 78(7), 83C)."""
    if _before(Provision.PDPA_78_7, on):
        return ()
    found = unstated({"whom the notice is directed to": directed_to}, "PDPA 78(7)")
    if method in RECEIPT_CONFIRMED:
        found += unstated({"whether receipt was confirmed": confirmed}, "PDPA 83C(3A), (4A)")
    if method in LEFT_WITH_A_PERSON:
        found += unstated({"with whom it was left": left}, "PDPA 83C(3A)(d), (4)")
    return found


def extension(finding: object, undertaking: object, extended_to: object) -> tuple[Gap, ...]:
    """An imported extension without finding, undertaking or its end (PDPA 78(3))."""
    facts = {"finding": finding, "undertaking": undertaking, "end of the extended period": extended_to}
    return unstated(facts, "PDPA 78(3)")


def review_applied(affected: bool | None) -> tuple[Gap, ...]:
    """An imported application for review that does not say whether interests are affected (PDPA 83(1))."""
    return unstated({"whether interests are affected": affected}, "PDPA 83(1)")


def compliance_notice(
    *,
    contravened: object,
    limb: object,
    occasions: Sequence[date | None],
    action: object,
    period_ends: date | None,
    origin: object,
    served_on: date | None,
    service: object,
    on: date | None = None,
) -> tuple[Gap, ...]:
    """An imported compliance notice that leaves out what PDPA 78 asks for; each names its subsection.

    ``on``: the day of the decision."""
    if _before(Provision.PDPA_78, on):
        return ()
    found = unstated({"what was contravened": contravened}, "PDPA 78(1)(a)")
    found += unstated({"limb": limb}, "PDPA 78(1)(b)")
    if limb == "repeated" and (len(occasions) < 5 or None in occasions):
        found += (Gap("dated occasions", "PDPA 78(1)(b)(ii)"),)
    found += unstated({"action": action, "period": period_ends}, "PDPA 78(2)")
    found += unstated({"origin": origin}, "PDPA 78(5)")
    if served_on is None or in_force(Provision.PDPA_78_7, served_on):
        found += unstated({"date served": served_on, "method of service": service}, "PDPA 78(7)")
    return found


def destruction(*, what: object, how: object, by: object, authority: object) -> tuple[Gap, ...]:
    """An imported destruction that leaves out its record (1-law G)."""
    facts = {"what": what, "how": how, "by whom": by, "authority": authority}
    return unstated(facts, "ledger rule: destruction (1-law G)")


def recipient_notice(provider: object, recipient: object, notified_on: date | None) -> tuple[Gap, ...]:
    """Shared data destroyed, and the recipient's notice to the provider not recorded (NSW §3).

    What no one provided was not shared."""
    if missing(provider) or missing(recipient) or provider == recipient:
        return ()
    return unstated({"provider notified": notified_on}, "Data.NSW guide §3, storage and security")


def retention_item(*, what: object, holder: object, trigger: object, action: object) -> tuple[Gap, ...]:
    """An imported retention item without dataset, holder, trigger or action (NSW §3)."""
    return unstated({"what": what, "holder": holder, "trigger": trigger, "action": action}, TABLE)


def hold(reason: object) -> tuple[Gap, ...]:
    """An imported hold without its reason (1-law G)."""
    return unstated({"reason of the hold": reason}, HOLDS)


def de_identification(no_longer_needed: bool, permanent: bool | None, on: date | None) -> tuple[Gap, ...]:
    """An imported de-identification of what is no longer needed, not said to be permanent (IPP 4.2)."""
    if not no_longer_needed or _before(Provision.IPP, on):
        return ()
    return unstated({"whether it is permanent": permanent}, IPP_4_2)


def copy_kept(no_longer_needed: bool, kept: bool | None, on: date | None) -> tuple[Gap, ...]:
    """An imported return, transfer or removal of what is no longer needed, not saying that no copy is kept."""
    if not no_longer_needed or _before(Provision.IPP, on):
        return ()
    return unstated({"whether a copy is kept": kept}, IPP_4_2)


def organisation(head: object) -> tuple[Gap, ...]:
    """An organisation without the head who is accountable for it (1-law A 'Organisation')."""
    return unstated({"agency head (office or name)": head}, ORGANISATIONS)


def bound(version: object, basis: object = True) -> tuple[Gap, ...]:
    """A body bound by an instrument, and not by which version or on what basis (1-law A 'Organisation')."""
    return unstated({"version of the instrument": version, "basis": basis}, ORGANISATIONS)


def privacy_status(
    part_3: bool | None, limb: str | None, clause: object, orders: Collection[str]
) -> tuple[Gap, ...]:
    """An imported status under the PDPA without its limb, or what that limb rests on (PDPA 13(1), 17(2))."""
    found = unstated({"limb of 13(1)": limb}, "PDPA 13(1)") if part_3 else ()
    if limb == "j":
        found += unstated({"clause of the State contract": clause or None}, "PDPA 13(1)(j)")
    if limb == "k":
        order = "s13_3_a" if "s13_3_a" in orders else None
        found += unstated({"Order under 13(3)(a)": order}, "PDPA 13(1)(k)")
    return found


def succession(functions: object, instrument: object) -> tuple[Gap, ...]:
    """An imported succession without its functions or its instrument (1-law, head)."""
    return unstated({"functions that move": functions or None, "instrument": instrument}, CHANGES)


def _before(provision: Provision, on: date | None) -> bool:
    """Whether a fact is from before the rule; of one without a date it is asked all the same."""
    return on is not None and not in_force(provision, on)


def _provision(scheme: str) -> Provision:
    return Provision.NSW if scheme == "nsw" else Provision.VPS


def complied(evidence: object, on: date | None) -> tuple[Gap, ...]:
    """An imported compliance with a notice without evidence of the steps taken: PDPA 82(1)."""
    if _before(Provision.PDPA_78, on):
        return ()
    return unstated({"evidence of the steps taken": evidence}, "PDPA 82(1)")
