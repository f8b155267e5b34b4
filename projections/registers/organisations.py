"""Organisations, and who may act for them: their bindings by scheme, and role grants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from ledger.domain.event import CaseEvent
from ledger.domain.installation.events import RoleEnded, RoleGranted
from ledger.domain.organisation.events import (
    AgencyHeadChanged,
    FunctionsTakenOver,
    OrganisationRegistered,
    OrganisationRenamed,
    OrganisationSucceeded,
)
from ledger.domain.organisation.standing import (
    abolished_on,
    bindings,
    established_on,
    name_on,
    privacy_status_on,
)
from projections.base import Column, Kind, Register, Row, StreamInfo, pointer
from projections.views.days import recorded_on


class Organisations(Register):
    """Every organisation, one row each."""

    name = "organisations"
    title = "Organisations"
    columns = (
        Column("legal_name", Kind.TEXT, "its last name"),
        Column("short_name", Kind.TEXT, "its short name"),
        Column("former_names", Kind.TEXTS, "names before"),
        Column("kind", Kind.TEXT, "what kind of body it is"),
        Column("abn", Kind.TEXT, "Australian Business Number"),
        Column("municipality", Kind.TEXT, "of a council"),
        Column("head_office", Kind.TEXT, "the office that heads it"),
        Column("head_office_words", Kind.SEALED, "… in words"),
        Column("head_name", Kind.SEALED, "who heads it"),
        Column("established_on", Kind.DATE, "the day on which it was established"),
        Column("abolished_on", Kind.DATE, "the day from which it no longer exists"),
        Column("succeeded_on", Kind.DATE, "the day on which functions of it last passed to another body"),
        Column("successors", Kind.TEXTS, "the bodies that its functions passed to"),
        Column("predecessors", Kind.TEXTS, "the bodies that it took functions over from"),
        Column("part_3_limb", Kind.TEXT, "limb of PDPA 13(1), by the last status recorded"),
        Column("represents_crown", Kind.BOOL, "whether it represents the Crown"),
        Column("legal_form", Kind.TEXT, "what it is in law"),
    )
    opened_by = (OrganisationRegistered,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row an organisation."""
        registered = facts[0]
        if not isinstance(registered, OrganisationRegistered):
            return
        names = [f for f in facts if isinstance(f, OrganisationRenamed)]
        heads: list[OrganisationRegistered | AgencyHeadChanged] = [
            registered,
            *(f for f in facts if isinstance(f, AgencyHeadChanged)),
        ]
        head = max(heads, key=lambda f: (f is not registered, f.happened_date or recorded_on(f)))
        last = name_on(facts, None)
        status = privacy_status_on(facts, max(recorded_on(f) for f in facts))
        passed = [f for f in facts if isinstance(f, OrganisationSucceeded)]
        every = [registered.legal_name, *(f.legal_name for f in names)]
        values: dict[str, object] = {
            "legal_name": last,
            "short_name": next(
                (f.short_name for f in reversed(names) if f.legal_name == last), registered.short_name
            ),
            "former_names": [name for name in dict.fromkeys(every) if name != last] or None,
            "kind": registered.kind.value,
            "abn": registered.abn,
            "municipality": registered.municipality,
            "head_office": None if head.head_office is None else head.head_office.value,
            "head_office_words": pointer(head, "head_office_words"),
            "head_name": pointer(head, "head_name"),
            "established_on": established_on(facts),
            "abolished_on": abolished_on(facts),
            "succeeded_on": max((f.happened_date for f in passed if f.happened_date), default=None),
            "successors": [f.successor for f in passed] or None,
            "predecessors": [f.predecessor for f in facts if isinstance(f, FunctionsTakenOver)] or None,
            "part_3_limb": None if status is None or status.part_3_limb is None else status.part_3_limb.value,
            "represents_crown": None if status is None else status.represents_crown,
            "legal_form": None if status is None or status.legal_form is None else status.legal_form.value,
        }
        yield Row(registered, values)


class Successions(Register):
    """Functions that passed from one body to another, one row each side that records it."""

    name = "successions"
    title = "Organisations succeeded"
    columns = (
        Column("side", Kind.TEXT, "whose record: predecessor or successor"),
        Column("predecessor", Kind.TEXT, "the body that the functions passed from"),
        Column("successor", Kind.TEXT, "the body that they passed to"),
        Column("succeeded_on", Kind.DATE, "the day on which they passed"),
        Column("all_functions", Kind.BOOL, "whether all of them did"),
        Column("functions", Kind.SEALED, "which"),
        Column("instrument", Kind.SEALED, "by which instrument"),
        Column("inherited", Kind.TEXTS, "of the successor: schemes that bound the predecessor the day before"),
    )
    opened_by = (OrganisationRegistered,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a record of a succession."""
        for fact in facts:
            if isinstance(fact, OrganisationSucceeded):
                side, predecessor, successor = "predecessor", about.stream, fact.successor
                inherited = None
            elif isinstance(fact, FunctionsTakenOver):
                side, predecessor, successor = "successor", fact.predecessor, about.stream
                inherited = [held.scheme.value for held in fact.inherited] or None
            else:
                continue
            values: dict[str, object] = {
                "side": side,
                "predecessor": predecessor,
                "successor": successor,
                "succeeded_on": fact.happened_date,
                "all_functions": fact.all_functions,
                "functions": pointer(fact, "functions"),
                "instrument": pointer(fact, "instrument"),
                "inherited": inherited,
            }
            yield Row(fact, values, str(fact.index), (fact,))


class Bindings(Register):
    """What binds each organisation, from when to when: one row a scheme and basis."""

    name = "bindings"
    title = "Organisations bound, by scheme"
    columns = (
        Column("legal_name", Kind.TEXT, "the organisation's last name"),
        Column("scheme", Kind.TEXT, "which scheme"),
        Column("since", Kind.DATE, "from this day"),
        Column("until", Kind.DATE, "to this day, its last; empty: open"),
        Column("basis", Kind.TEXT, "on what basis, and by which version of the instrument"),
    )
    opened_by = (OrganisationRegistered,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a binding; further words of its basis are sealed, and stand in the case."""
        registered = facts[0]
        if not isinstance(registered, OrganisationRegistered):
            return
        held = sorted(
            {(b.scheme, b.since, b.until, b.basis) for b in bindings(facts)},
            key=lambda b: (b[0], b[1], str(b[2]), b[3]),
        )
        name = name_on(facts, None)
        for place, (scheme, since, until, basis) in enumerate(held):
            values = {"legal_name": name, "scheme": str(scheme), "since": since, "until": until, "basis": basis}
            yield Row(registered, values, f"{scheme}:{since}:{place}")


class RoleGrants(Register):
    """Who may act in which role for which organisation, one row a grant."""

    name = "role_grants"
    title = "Role grants"
    columns = (
        Column("person", Kind.TEXT, "opaque id of the person"),
        Column("name_of_person", Kind.SEALED, "the person's name"),
        Column("role", Kind.TEXT, "the role"),
        Column("organisation", Kind.TEXT, "for which organisation"),
        Column("valid_from", Kind.DATE, "from this day"),
        Column("valid_until", Kind.DATE, "to this day, its last; empty: open"),
        Column("ledgers", Kind.TEXTS, "of an auditor: the ledgers that the grant names"),
        Column("ended_index", Kind.INT, "the entry that ended it"),
    )
    opened_by = (RoleGranted, RoleEnded)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a grant, with the first end after it."""
        for place, grant in enumerate(facts):
            if not isinstance(grant, RoleGranted):
                continue
            same = (grant.person, grant.role, grant.organisation)
            ended = next(
                (
                    f
                    for f in facts[place + 1 :]
                    if isinstance(f, RoleEnded) and (f.person, f.role, f.organisation) == same
                ),
                None,
            )
            # The day of the end is the first on which the role is not held (``grants_in_force``).
            last = None if ended is None else (ended.happened_date or recorded_on(ended)) - timedelta(days=1)
            until = [day for day in (grant.valid_until, last) if day is not None]
            values = {
                "person": grant.person,
                "name_of_person": pointer(grant, "name_of_person"),
                "role": grant.role.value,
                "organisation": grant.organisation,
                "valid_from": grant.valid_from or grant.happened_date or recorded_on(grant),
                "valid_until": min(until, default=None),
                "ledgers": list(grant.ledgers) or None,
                "ended_index": None if ended is None else ended.index,
            }
            yield Row(grant, values, str(grant.index), (grant,) if ended is None else (grant, ended))
