"""What agency heads attested of their registers: complete for a period, or a nil return (1-law, head)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain.event import CaseEvent
from ledger.domain.installation.events import PeriodAttested
from projections.base import Column, Kind, Register, Row, StreamInfo, pointer


class Attestations(Register):
    """Every attestation of a period, one row each."""

    name = "attestations"
    title = "Periods attested"
    columns = (
        Column("organisation", Kind.TEXT, "the organisation whose head attests"),
        Column("register", Kind.TEXT, "of which register"),
        Column("scheme", Kind.TEXT, "of which scheme within it; empty: of all"),
        Column("period_from", Kind.DATE, "first day of the period"),
        Column("period_to", Kind.DATE, "last day of the period"),
        Column("complete", Kind.BOOL, "that the register is complete for it"),
        Column("nil_return", Kind.BOOL, "that there was nothing to record"),
        Column("head_office", Kind.TEXT, "the office that attests"),
        Column("head_office_words", Kind.SEALED, "… in words"),
        Column("head_name", Kind.SEALED, "who holds it"),
        Column("remarks", Kind.SEALED, "remarks"),
    )
    opened_by = (PeriodAttested,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row an attestation."""
        for fact in facts:
            if isinstance(fact, PeriodAttested):
                values = {
                    "organisation": fact.organisation,
                    "register": fact.register,
                    "scheme": fact.scheme,
                    "period_from": fact.period_from,
                    "period_to": fact.period_to,
                    "complete": fact.complete,
                    "nil_return": fact.nil_return,
                    "head_office": None if fact.head_office is None else fact.head_office.value,
                    "head_office_words": pointer(fact, "head_office_words"),
                    "head_name": pointer(fact, "head_name"),
                    "remarks": pointer(fact, "remarks"),
                }
                yield Row(fact, values, str(fact.index), (fact,))
