"""Organisations: who exists, and who is bound by which scheme on a day, and on what basis.

VPS: signature of the Heads of Agreement; PDPA Part 3: a limb of 13(1); DataVic: the FMA; CISS: prescription."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from ledger.errors import InvalidInput, LawRefused
from ledger.law.dates import Provision, in_force
from ledger.law.general import must_state, open_word_is_explained

HEADS = "VPS Data Sharing Policy, 'scope of this policy'"
CHANGES = "ledger rule: organisations change"

SUCCESSOR_IS_BOUND = True
"""Choice: a successor is bound from its date where its predecessor was; the basis says so."""

PART_3_LIMBS = frozenset("abcdefghijk")
"""PDPA 13(1)(a)–(k)."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Bound by a scheme ('vps', 'pdpa_part_3', …) from ``since`` to ``until`` (last day; None: open)."""

    scheme: str
    since: date
    until: date | None
    basis: str

    def covers(self, day: date) -> bool:
        """Whether the binding covers that day, first and last included."""
        return self.since <= day and (self.until is None or day <= self.until)


def by_signature(signed_on: date, ended_on: date | None, version: str | None = None) -> Binding:
    """Bound by its own signature of the Heads of Agreement (VPS, scope). ``ended_on``: last day bound."""
    words = f" ({version})" if version else ""
    return Binding("vps", signed_on, ended_on, f"Heads of Agreement{words} signed on {signed_on}")


def by_succession(
    predecessor: str, of_predecessor: Iterable[Binding], from_day: date, instrument: str
) -> tuple[Binding, ...]:
    """What a successor inherits: each binding that the predecessor had on the day before (1-law, head).

    A binding that ended with the predecessor's functions goes on in the successor from ``from_day``."""
    if not SUCCESSOR_IS_BOUND:
        return ()
    eve = from_day - timedelta(days=1)
    return tuple(
        Binding(held.scheme, from_day, None, f"successor of {predecessor} ({instrument}): {held.basis}")
        for held in of_predecessor
        if held.covers(eve)
    )


def ended(bindings: Iterable[Binding], scheme: str, last_day: date) -> tuple[Binding, ...]:
    """The bindings after HeadsOfAgreementEnded, or the like: open ones of that scheme end on ``last_day``."""
    return tuple(
        replace(held, until=last_day)
        if held.scheme == scheme and held.until is None and held.since <= last_day
        else held
        for held in bindings
    )


def while_it_exists(bindings: Iterable[Binding], abolished_on: date | None) -> tuple[Binding, ...]:
    """The bindings of a body as its abolition cuts them off: the day before it is the last (1-law, head)."""
    if abolished_on is None:
        return tuple(bindings)
    eve = abolished_on - timedelta(days=1)
    return tuple(
        replace(held, until=eve if held.until is None else min(held.until, eve))
        for held in bindings
        if held.since <= eve
    )


def binding_on(day: date, scheme: str, bindings: Iterable[Binding]) -> Binding | None:
    """The binding by which an organisation was bound that day, its own before an inherited one; or None."""
    found = [held for held in bindings if held.scheme == scheme and held.covers(day)]
    return min(found, key=lambda held: (held.basis.startswith("successor of"), held.since), default=None)


def signs_while_unbound(signed_on: date | None, bindings: Iterable[Binding]) -> None:
    """The Heads of Agreement are signed by a body that its own signature does not bind yet (VPS, scope).

    A successor may sign in its own name. Raises LawRefused."""
    held = binding_on(signed_on, "vps", bindings) if signed_on is not None else None
    if held is not None and not held.basis.startswith("successor of"):
        raise LawRefused(HEADS, f"bound already: {held.basis}")


def ends_while_bound(ended_on: date | None, bindings: Iterable[Binding]) -> None:
    """The Heads of Agreement end only for a body that they bind (VPS, scope). Raises LawRefused."""
    if ended_on is not None and binding_on(ended_on, "vps", bindings) is None:
        raise LawRefused(HEADS, f"not bound on {ended_on}: nothing to end")


def part_3_limb_is_known(limb: str | None, *, imported: bool) -> None:
    """Part 3 applies to the kinds of body in PDPA 13(1)(a)–(k); names the limb. Raises LawRefused."""
    must_state("the limb of 13(1)", limb, "PDPA 13(1)", imported=imported)
    if limb is not None and limb not in PART_3_LIMBS:
        raise LawRefused("PDPA 13(1)", f"{limb} is no limb of 13(1)(a)–(k)")


def contracted_provider_names_clause(limb: str | None, clause: object, *, imported: bool) -> None:
    """A contracted service provider is reached by a State contract with a 17(2) clause: PDPA 13(1)(j).

    Raises LawRefused."""
    if limb == "j":
        must_state("the clause of the State contract (17(2))", clause, "PDPA 13(1)(j)", imported=imported)


def declared_organisation_names_order(limb: str | None, orders: Collection[str], *, imported: bool) -> None:
    """A body under 13(1)(k) is one that an Order under 13(3)(a) declares; names it. Raises LawRefused.

    ``orders``: 's13_3_a', 's13_3_b', 's84_3'."""
    if limb == "k":
        order = "s13_3_a" if "s13_3_a" in orders else None
        must_state("the Order under 13(3)(a)", order, "PDPA 13(1)(k)", imported=imported)


def not_declared_out_of_part_3(part_3: bool | None, limb: str | None, declared_out_whole: bool) -> None:
    """Part 3 does not apply to a body under (e), (f) or (g) that an Order wholly declares out: 13(2)(b).

    Raises LawRefused."""
    if declared_out_whole and part_3 is not False and limb in ("e", "f", "g"):
        raise LawRefused("PDPA 13(2)(b)", "an Order under 13(3)(b) declares that it is no organisation")


def part_4_leaves_councils_out(part_4: bool | None, is_council: bool) -> None:
    """Part 4 does not apply to a Council: 84(2)(a). Raises LawRefused."""
    if part_4 and is_council:
        raise LawRefused("PDPA 84(2)(a)", "Part 4 does not apply to a Council")


def recipient_of_notice_is_an_organisation(on: date | None, bound: bool | None, *, imported: bool) -> None:
    """A compliance notice goes to an organisation that Part 3 applies to that day: PDPA 78(1), 13.

    ``bound``: None where it is not recorded. Raises LawRefused."""
    if in_force(Provision.PDPA_78, on):
        if bound is False:
            raise LawRefused("PDPA 78(1), 13", f"Part 3 does not apply to this body on {on}")
        must_state("the limb of 13(1) that reaches the body", bound, "PDPA 78(1), 13", imported=imported)


def exists_on(day: date, established_on: date | None, abolished_on: date | None) -> bool:
    """Whether a body exists that day; it no longer does from the day of its abolition on."""
    return (established_on is None or day >= established_on) and (abolished_on is None or day < abolished_on)


def body_exists(name: str, day: date | None, established_on: date | None, abolished_on: date | None) -> None:
    """A body acts only while it exists (1-law, 'organisations change'). Raises LawRefused."""
    if day is not None and not exists_on(day, established_on, abolished_on):
        raise LawRefused(CHANGES, f"{name} did not exist on {day}")


def head_office_is_named(office: str | None, words: object, *, imported: bool) -> None:
    """An office that no word of the vocabulary fits comes with its words (1-law A). Raises LawRefused."""
    if office is not None and not imported:
        open_word_is_explained("head office", (office,), words, CHANGES)


def abolished_once(abolished_on: date | None) -> None:
    """A body is abolished once (1-law, head). Raises LawRefused."""
    if abolished_on is not None:
        raise LawRefused(CHANGES, f"abolished on {abolished_on} already")


def succession_states_instrument(
    organisation: str, successor: str, functions: object, instrument: object, *, imported: bool
) -> None:
    """A succession names the functions and the instrument, and another body (1-law, head).

    Raises LawRefused."""
    if organisation == successor:
        raise LawRefused(CHANGES, f"{organisation} cannot succeed itself")
    must_state("the functions that move", functions, CHANGES, imported=imported)
    must_state("the instrument of the change", instrument, CHANGES, imported=imported)


def renamed_to_another_name(old: str, new: str) -> None:
    """A rename gives another name (1-law, head). Raises LawRefused."""
    if old.strip() == new.strip():
        raise LawRefused(CHANGES, f"{new} is the name already")


def succession_is_linked(named_by_predecessor: bool, predecessor: str) -> None:
    """A succession is recorded on both sides, the predecessor's first (1-law, head: 'linked both ways').

    Raises LawRefused."""
    if not named_by_predecessor:
        raise LawRefused(CHANGES, f"{predecessor} records no succession to this body that day: record it")


def case_is_taken_over(same_kind: bool, elsewhere: bool, predecessor: str, succeeded: bool) -> None:
    """A case of a moved function goes on in the successor's ledger, which took the function over (1-law, head).

    ``predecessor``: the body that the case was of. ``succeeded``: whether the ledger's organisation records a
    succession from it. Raises LawRefused."""
    if not same_kind or not elsewhere:
        raise LawRefused(CHANGES, "a case taken over is one of the same kind, of another ledger")
    if not succeeded:
        raise LawRefused(
            CHANGES, f"no functions of {predecessor} are recorded as taken over by this organisation"
        )


def case_taken_over_stands(ended_by: str | None) -> None:
    """A case goes on in one other, so that it counts once: one that ended is not taken over (1-law, head).

    ``ended_by``: 'entered_in_error', 'merged_into' or None. Raises LawRefused."""
    if ended_by is not None:
        words = ended_by.replace("_", " ")
        raise LawRefused(CHANGES, f"the case that it would go on from no longer stands: {words}")


def goes_on_elsewhere_linked_both_ways(elsewhere: bool, named_there: bool) -> None:
    """A case goes on in another ledger only as one that is taken over there, and says so (1-law, head).

    Raises LawRefused."""
    if elsewhere and not named_there:
        raise LawRefused(
            CHANGES, "the other ledger's case does not say that it takes this one over: record it there"
        )


def inherits_what_bound_predecessor(
    stated: Iterable[tuple[str, date]], of_predecessor: Iterable[Binding], from_day: date | None
) -> None:
    """The successor's case states every scheme, and no other, that bound the predecessor the day before.

    1-law, head; nothing at all unless ``SUCCESSOR_IS_BOUND`` (choice). ``stated``: (scheme, since). Raises
    LawRefused."""
    if from_day is None:
        return
    eve = from_day - timedelta(days=1)
    held_then = of_predecessor if SUCCESSOR_IS_BOUND else ()
    bound = {(held.scheme, held.since) for held in held_then if held.covers(eve)}
    if set(stated) != bound:
        words = ", ".join(f"{scheme} since {since}" for scheme, since in sorted(bound)) or "nothing"
        raise LawRefused(CHANGES, f"inherited must be what bound the predecessor on {eve}: {words}")


def bound_by_its_own_act(scheme: str) -> None:
    """The VPS binds by signature, the PDPA by the limbs of 13, 84 and 91: each has its own fact.

    Raises LawRefused."""
    if scheme == "vps":
        raise LawRefused(HEADS, "the VPS binds by signature: record HeadsOfAgreementSigned")
    if scheme.startswith("pdpa"):
        raise LawRefused("PDPA 13, 84, 91", "the Act binds by its own terms: record PrivacyStatusSet")


def binding_ends_after_it_begins(since: date | None, until: date | None) -> None:
    """What binds from a day cannot have ended before it (1-law A 'Organisation'). Raises LawRefused."""
    if since is not None and until is not None and until < since:
        raise LawRefused(CHANGES, f"bound from {since}, it cannot end on {until}")


def abn_has_eleven_digits(abn: str | None) -> None:
    """An ABN is 11 digits whose weighted sum is a multiple of 89 (A New Tax System (ABN) Act 1999 (Cth)).

    Raises InvalidInput."""
    if abn is None:
        return
    digits = [int(c) for c in abn] if abn.isascii() and abn.isdigit() and len(abn) == 11 else []
    weights = (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)
    weighed = sum(w * d for w, d in zip(weights, [digits[0] - 1, *digits[1:]], strict=True)) if digits else 1
    if weighed % 89:
        raise InvalidInput("abn", "an Australian Business Number: 11 digits that check", abn)


def by_privacy_status(
    since: date,
    until: date | None,
    next_status: date | None,
    part_3: bool | None,
    limb: str | None,
    part_4: bool | None,
    part_5: bool | None,
) -> tuple[Binding, ...]:
    """Bound by Parts 3, 4 and 5 of the PDPA from ``since``, until the status ends or the next one begins.

    PDPA 13(1) (a limb stated is enough for Part 3), 84, 91. ``until``: last day."""
    if next_status is not None and (until is None or next_status <= until):
        until = next_status - timedelta(days=1)
    bases = {
        "pdpa_part_3": f"PDPA 13(1)({limb})" if limb else "PDPA 13(1)",
        "pdpa_part_4": "PDPA 84",
        "pdpa_part_5": "PDPA 91",
    }
    applies = {
        "pdpa_part_3": part_3 is not False and (part_3 or limb is not None),
        "pdpa_part_4": part_4,
        "pdpa_part_5": part_5,
    }
    return tuple(
        Binding(scheme, since, until, basis)
        for scheme, basis in bases.items()
        if applies[scheme] and (until is None or since <= until)
    )
