"""What a source asks for and the record does not state: completeness gaps. A gap is never a refusal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ledger.law.complaints import CH_5, CH_6
from ledger.law.dates import Provision, in_force
from ledger.law.general import TWO_DATES, missing
from ledger.law.requests import IPP_2_2, NSW_DECIDE, VPS, is_formal_vps

NSW_PIA = "Data.NSW guide §1 (Q4, Q8c)"


@dataclass(frozen=True, slots=True)
class Gap:
    """A missing fact: its field, and the section that asks for it."""

    field: str
    section: str


def unstated(facts: Mapping[str, object], section: str) -> tuple[Gap, ...]:
    """One gap for each fact that is not stated, in the order given."""
    return tuple(Gap(field, section) for field, value in facts.items() if missing(value))


def happened(happened_on: date | None) -> tuple[Gap, ...]:
    """A fact without the date on which it happened (1-law, head: two dates on every fact)."""
    return unstated({"happened_on": happened_on}, TWO_DATES)


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
    if not is_formal_vps(scheme, form) or (on is not None and not in_force(Provision.VPS, on)):
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
    if scheme not in ("vps", "nsw"):
        return ()
    return unstated({"date made": made_on, "date received": received_on}, section)


def approval(scheme: str, on: date | None, reasons: object) -> tuple[Gap, ...]:
    """An NSW approval without a written statement of reasons (guide §2)."""
    if scheme != "nsw" or (on is not None and not in_force(Provision.NSW, on)):
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
) -> tuple[Gap, ...]:
    """An imported refusal that leaves out what VPS ('responsibility to share') or NSW §2 asks for."""
    if scheme not in ("vps", "nsw"):
        return ()
    facts: dict[str, object] = {"ground of refusal": grounds, "reasons for the refusal": reasons}
    if scheme == "nsw" or is_formal_vps(scheme, form):
        facts["in writing"] = in_writing
    if scheme == "nsw":
        facts["date sent"] = sent_on
    return unstated(facts, VPS if scheme == "vps" else NSW_DECIDE)


def disclosure(bases: Collection[str], note: object) -> tuple[Gap, ...]:
    """An imported disclosure under IPP 2.1(g) without its written note (IPP 2.2)."""
    return unstated({"written note": note}, IPP_2_2) if "ipp_2_1_g" in bases else ()


def privacy_assessment(personal_or_health: bool | None, pia_asked: object) -> tuple[Gap, ...]:
    """Personal or health information without an answer on a PIA (NSW §1, Q4 and Q8c)."""
    return unstated({"PIA undertaken?": pia_asked}, NSW_PIA) if personal_or_health else ()


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
) -> tuple[Gap, ...]:
    """An imported compliance notice that leaves out what PDPA 78 asks for; each names its subsection."""
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
