"""Information requests: VPS Data Sharing Policy ('responsibility to share'), Data.NSW guide §§1–2.

Schemes are 'vps', 'nsw', 'other'; forms 'informal', 'formal' (VPS only). A part is ``WHOLE`` until the
request is divided. A part's state is 'open', 'approved', 'disclosed', 'refused' or 'closed'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from enum import StrEnum

from ledger.errors import LawRefused
from ledger.law.dates import Provision, in_force
from ledger.law.general import missing, must_hold, must_state, open_word_is_explained

VPS = "VPS Data Sharing Policy, 'responsibility to share'"
VPS_SCOPE = "VPS Data Sharing Policy, 'scope of this policy'"
NSW_REVIEW = "Data.NSW guide §1"
NSW_DECIDE = "Data.NSW guide §2"
IPP_2_1_H = "PDPA IPP 2.1(h)"
IPP_2_2 = "PDPA IPP 2.2"
PARTS = "ledger rule: requests by part"
REFERRALS = "ledger rule: referrals"
DISCLOSURES = "ledger rule: disclosures"
OTHER_SCHEME = "ledger rule: scheme 'other'"
TWO_STEPS = "ledger rule: an answer presupposes its question"

WHOLE = "whole"
OUT_OF_SCOPE = "out_of_scope"


class PartState(StrEnum):
    """Where a part of a request stands."""

    OPEN = "open"
    APPROVED = "approved"
    DISCLOSED = "disclosed"
    REFUSED = "refused"
    CLOSED = "closed"


NEXT: dict[str, frozenset[str]] = {
    PartState.OPEN: frozenset({PartState.APPROVED, PartState.DISCLOSED, PartState.REFUSED, PartState.CLOSED}),
    PartState.APPROVED: frozenset(
        {PartState.APPROVED, PartState.DISCLOSED, PartState.REFUSED, PartState.CLOSED}
    ),
    PartState.DISCLOSED: frozenset(),
    PartState.REFUSED: frozenset(),
    PartState.CLOSED: frozenset(),
}
"""An approval may still become any outcome; an outcome is final for its part (choice)."""

FINAL = frozenset({PartState.DISCLOSED, PartState.REFUSED, PartState.CLOSED})


def is_formal_vps(scheme: str, form: str | None) -> bool:
    """Whether this is the request that carries the 14 days (VPS, 'responsibility to share')."""
    return scheme == "vps" and form == "formal"


def form_fits_scheme(scheme: str, form: str | None, on: date | None, *, imported: bool) -> None:
    """A VPS request is informal or formal; the other schemes know no such form. Raises LawRefused (VPS).

    ``on``: the day of receipt; one from before the Policy need not say which."""
    if scheme == "vps" and on is not None and not in_force(Provision.VPS, on):
        return
    if scheme == "vps":
        must_state("form (informal or formal)", form, VPS, imported=imported)
    elif form is not None:
        raise LawRefused(VPS, f"a request of scheme {scheme} is neither informal nor formal")


def other_scheme_names_law(scheme: str, law: object, *, imported: bool) -> None:
    """Scheme 'other' names the law that the request was made under. Raises LawRefused (ledger rule)."""
    if scheme == "other":
        must_state("the law it was made under", law, OTHER_SCHEME, imported=imported)


def formal_vps_needs_both_parties_bound(
    scheme: str,
    form: str | None,
    on: date | None,
    requester_bound: bool | None,
    provider_bound: bool | None,
    *,
    imported: bool,
) -> None:
    """On the request's date requester and provider must have signed the Heads of Agreement (VPS, scope).

    ``..._bound``: None where it is not known. Raises LawRefused."""
    if not is_formal_vps(scheme, form) or not in_force(Provision.VPS, on):
        return
    for party, bound in (("requester", requester_bound), ("provider", provider_bound)):
        reason = f"the {party} was not bound by the Heads of Agreement on {on}: no formal request"
        must_hold(f"whether the {party} was bound", bound, VPS_SCOPE, reason, imported=imported)


def escalates_informal_to_formal(scheme: str, form: str | None) -> None:
    """Only an informal VPS request can be escalated, and only to a formal one. Raises LawRefused (VPS)."""
    if scheme != "vps" or form != "informal":
        raise LawRefused(VPS, f"only an informal VPS request is escalated, not {form or 'one'} of {scheme}")


def request_is_open(ended_by: str | None) -> None:
    """Nothing is decided after the request was withdrawn or referred. Raises LawRefused (ledger rule).

    ``ended_by``: 'withdrawn', 'referred' or None."""
    if ended_by is not None:
        raise LawRefused(PARTS, f"the request was {ended_by}: nothing more can be done in it")


def answers_what_was_sought(sought_open: int) -> None:
    """Further information is provided only where it was sought. Raises LawRefused (ledger rule)."""
    if sought_open < 1:
        raise LawRefused(TWO_STEPS, "no further information is being sought")


def divided_once_into_parts(states: Mapping[str, str], parts: Sequence[str]) -> None:
    """A request is divided once, before any outcome, into two or more parts of different names.

    Raises LawRefused (ledger rule)."""
    if set(states) != {WHOLE}:
        raise LawRefused(PARTS, "the request is divided already")
    if states[WHOLE] in FINAL:
        raise LawRefused(PARTS, f"the whole request is {states[WHOLE]} already")
    if len(parts) < 2 or len(set(parts)) != len(parts) or WHOLE in parts or any(missing(p) for p in parts):
        raise LawRefused(PARTS, "a division names two or more different parts, none of them 'whole'")


def parts_exist(parts: Sequence[str], states: Mapping[str, str]) -> None:
    """An outcome names parts that the request has, each once. Raises LawRefused (ledger rule)."""
    if not parts or len(set(parts)) != len(parts):
        raise LawRefused(PARTS, "an outcome names at least one part, and none twice")
    for part in parts:
        if part not in states:
            raise LawRefused(PARTS, f"the request has no part {part!r}: it has {', '.join(sorted(states))}")


def parts_may_become(
    parts: Sequence[str], outcome: str, states: Mapping[str, str], *, recurring: bool | None = None
) -> None:
    """One outcome a part; a recurring supply may be disclosed again. Raises LawRefused (ledger rule)."""
    parts_exist(parts, states)
    for part in parts:
        again = outcome == PartState.DISCLOSED == states[part] and bool(recurring)
        if outcome not in NEXT[states[part]] and not again:
            raise LawRefused(PARTS, f"part {part!r} is {states[part]} and cannot become {outcome}")


def restricted_part_is_closed_not_refused(
    scheme: str, on: date | None, parts: Collection[str], restricted: Collection[str]
) -> None:
    """Restricted data is out of the Policy's scope: its part is closed as such, not refused (choice).

    VPS, 'scope of this policy'. Raises LawRefused for a refusal that names a restricted part."""
    named = sorted(set(parts) & set(restricted))
    if scheme == "vps" and in_force(Provision.VPS, on) and named:
        raise LawRefused(
            VPS_SCOPE,
            f"restricted data is out of scope: close {', '.join(named)} as out of scope, not refused",
        )


def refusal_states_ground(
    scheme: str, on: date | None, grounds: Collection[str], other: object, *, imported: bool
) -> None:
    """A refusal states at least one ground; 'other' with its words. Raises LawRefused (VPS; NSW §2).

    The words are asked for under every scheme and on every day: the vocabulary is the ledger's own."""
    section = PARTS
    if _judged(scheme, on):
        section = _section(scheme)
        must_state("at least one ground of refusal", grounds, section, imported=imported)
    if not imported:
        open_word_is_explained("ground of refusal", grounds, other, section)


def refusal_states_reasons(scheme: str, on: date | None, reasons: object, *, imported: bool) -> None:
    """A refusal states its reasons. Raises LawRefused (VPS, 'responsibility to share'; NSW guide §2)."""
    if _judged(scheme, on):
        must_state("reasons for the refusal", reasons, _section(scheme), imported=imported)


def refusal_reasons_are_written(
    scheme: str, form: str | None, on: date | None, in_writing: bool | None, *, imported: bool
) -> None:
    """Reasons in writing for a formal VPS request (VPS) and for NSW (guide §2). Raises LawRefused."""
    formal = is_formal_vps(scheme, form) and in_force(Provision.VPS, on)
    if formal or (scheme == "nsw" and in_force(Provision.NSW, on)):
        reason = "the reasons for this refusal must be in writing"
        must_hold("whether the reasons are in writing", in_writing, _section(scheme), reason, imported=imported)


def nsw_refusal_is_sent(
    scheme: str, on: date | None, decided_on: date | None, sent_on: date | None, *, imported: bool
) -> None:
    """The requester is told of an NSW refusal in writing: when it was sent. Raises LawRefused (§2)."""
    if scheme != "nsw" or not in_force(Provision.NSW, on):
        return
    must_state("the day on which the refusal was sent", sent_on, NSW_DECIDE, imported=imported)
    if sent_on is not None and decided_on is not None and sent_on < decided_on:
        raise LawRefused(NSW_DECIDE, f"sent on {sent_on}, before the decision of {decided_on}")


def closing_states_reason(
    scheme: str, reason: str | None, other: object, where: object, *, imported: bool
) -> None:
    """A part is closed for a stated reason; what is public, with where to find it (NSW guide §1, Q2–Q3).

    Raises LawRefused."""
    section = NSW_REVIEW if scheme == "nsw" else PARTS
    must_state("the reason of closing", reason, section, imported=imported)
    if reason == "public":
        must_state("where the data is public", where, section, imported=imported)
    if not imported and reason is not None:
        open_word_is_explained("reason of closing", (reason,), other, section)


def refusal_copy_follows_formal_refusal(scheme: str, form: str | None, refused: bool) -> None:
    """A copy goes to the Secretary, DPC, only after a formal VPS request was refused, whole or part.

    VPS, 'responsibility to share'. Raises LawRefused."""
    if not is_formal_vps(scheme, form):
        raise LawRefused(VPS, "only the refusal of a formal VPS request is copied to the Secretary, DPC")
    if not refused:
        raise LawRefused(VPS, "nothing was refused: there is no refusal to copy")


def disclosure_states_what(what: object, basis: object, to: object, *, imported: bool) -> None:
    """A disclosure states what, to whom, on which legal basis. Raises LawRefused (ledger rule, 1-law A)."""
    for field, value in (("what was disclosed", what), ("to whom", to), ("the legal basis", basis)):
        must_state(field, value, DISCLOSURES, imported=imported)


def ipp_2_1_g_needs_written_note(
    bases: Collection[str], on: date | None, note: object, *, imported: bool
) -> None:
    """A disclosure under IPP 2.1(g) carries the written note of IPP 2.2. Raises LawRefused."""
    if "ipp_2_1_g" in bases and in_force(Provision.IPP, on):
        must_state("the written note of a disclosure under IPP 2.1(g)", note, IPP_2_2, imported=imported)


def ipp_2_1_h_needs_authority(
    bases: Collection[str], on: date | None, authority: object, *, imported: bool
) -> None:
    """A disclosure under IPP 2.1(h) carries ASIO's or ASIS's written authorisation and certificate.

    PDPA IPP 2.1(h)(i)–(ii). Raises LawRefused."""
    if "ipp_2_1_h" in bases and in_force(Provision.IPP, on):
        must_state("the written authorisation and certificate", authority, IPP_2_1_H, imported=imported)


def disputed_after_outcome(scheme: str, states: Mapping[str, str]) -> None:
    """The outcome of a part is disputed once it has one (NSW guide §2; ledger rule). Raises LawRefused.

    ``states``: of the parts named."""
    still = sorted(part for part, state in states.items() if state not in FINAL)
    if still:
        section = NSW_DECIDE if scheme == "nsw" else TWO_STEPS
        raise LawRefused(section, f"there is no outcome yet of {', '.join(still)} that could be disputed")


def gipa_follows_nsw_refusal(scheme: str, states: Mapping[str, str]) -> None:
    """A GIPA application follows an NSW request that was not approved (guide §2). Raises LawRefused."""
    if scheme != "nsw":
        raise LawRefused(NSW_DECIDE, "a GIPA application follows an NSW request")
    if PartState.REFUSED not in states.values():
        raise LawRefused(NSW_DECIDE, "no part was refused")


def something_is_left(states: Mapping[str, str], act: str, *, recurring: bool | None) -> None:
    """What is wholly answered is neither escalated, withdrawn nor referred; a recurring supply goes on.

    VPS, 'responsibility to share' (a formal request follows where no answer came); ledger rule. ``act`` is
    the participle. Raises LawRefused."""
    goes_on = bool(recurring) and PartState.DISCLOSED in states.values()
    if not goes_on and all(state in FINAL for state in states.values()):
        section = VPS if act == "escalated" else PARTS
        raise LawRefused(section, f"every part is answered already: nothing is left to be {act}")


def referral_names_agency(agency: object, own: str, *, imported: bool) -> None:
    """A request is referred to a named agency, another than the provider (1-law, area A). Raises LawRefused."""
    must_state("the agency that it was referred to", agency, REFERRALS, imported=imported)
    if agency == own:
        raise LawRefused(REFERRALS, "a request is referred to another agency, never to the provider itself")


def resourcing_is_of_vps(scheme: str, borne_by: str | None, words: object, *, imported: bool) -> None:
    """Best endeavours on resourcing are the VPS Policy's ('responsibility to share'). Raises LawRefused.

    ``borne_by``: who meets the cost; 'other' with its words."""
    if scheme != "vps":
        raise LawRefused(VPS, f"resourcing is agreed under the VPS Policy, not under scheme {scheme}")
    if not imported and borne_by is not None:
        open_word_is_explained("who meets the cost", (borne_by,), words, VPS)


def divided_states(parts: Sequence[str], whole: str = PartState.OPEN) -> dict[str, str]:
    """The states right after a division: every part stands where the whole stood, open or approved."""
    return dict.fromkeys(parts, whole)


def overall_outcome(
    states: Mapping[str, str], ended_by: str | None, out_of_scope: Collection[str] = ()
) -> str | None:
    """The one outcome of a request for reports; None while a part is open.

    'withdrawn', 'referred', 'provided', 'provided in part', 'refused', 'out of scope' or 'closed'. Parts out
    of scope count only where nothing else was asked for (choice)."""
    if ended_by is not None:
        return ended_by
    if not all(state in FINAL for state in states.values()):
        return None
    left = {state for part, state in states.items() if part not in out_of_scope}
    if not left:
        return "out of scope"
    if left == {PartState.DISCLOSED}:
        return "provided"
    if PartState.DISCLOSED in left:
        return "provided in part"
    return "refused" if PartState.REFUSED in left else "closed"


def _judged(scheme: str, on: date | None) -> bool:
    """Scheme 'other' is judged by no rule of these sources, nor is a fact from before the rule."""
    return in_force(Provision.VPS, on) if scheme == "vps" else scheme == "nsw" and in_force(Provision.NSW, on)


def _section(scheme: str) -> str:
    return NSW_DECIDE if scheme == "nsw" else VPS
