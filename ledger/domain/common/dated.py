"""Cases that are judged in the order in which things happened, whatever the order they were recorded in."""

from __future__ import annotations

from ledger.codec.entry import SourceKind
from ledger.domain.case import Context, command_name
from ledger.domain.common.aggregate import CommonCase
from ledger.domain.event import CaseEvent
from ledger.domain.timeline import in_order, presupposes
from ledger.errors import LawRefused


class DatedCase(CommonCase):
    """A case whose checks see, as ``history``, what had happened before the fact that they judge.

    A fact recorded late is judged by what was so on its day, and what happened after it is judged again; the
    fact that opened the case stays first. Nothing in the case happens before that one.
    """

    def imported(self, fact: CaseEvent) -> bool:
        """Whether a fact came from a register that someone else kept: what it leaves out is a gap.

        A correction of an imported fact is one too: who types it need not know what the register never said.
        """
        if fact.header.source.kind is SourceKind.IMPORT:
            return True
        corrects = fact.header.corrects
        corrected = next((f for f in self.facts if corrects and f.header.at == corrects.index), None)
        return corrected is not None and self.imported(corrected)

    def follows_opening(self, fact: CaseEvent) -> None:
        """Raises LawRefused where a fact happened before the one that opened the case; areas may widen it."""
        opening = self.history[0]
        presupposes(fact, opening, command_name(type(opening)))

    def _judged_in(self, history: list[CaseEvent]) -> list[CaseEvent]:
        return [*history[:1], *in_order(history[1:])]

    def _check_next(self, fact: CaseEvent, context: Context) -> None:
        if self.history:
            self.follows_opening(fact)
        super()._check(fact, context)

    def _check(self, proposed: CaseEvent, context: Context) -> None:
        ordered = self._judged_in([*self.history, proposed])
        place = next(i for i, fact in enumerate(ordered) if fact is proposed)
        scratch = type(self).blank(self.id)
        scratch.facts = [*self.facts, proposed]
        for position, fact in enumerate(ordered[place:], place):
            scratch._history = ordered[:position]
            try:
                scratch._check_next(fact, context)
            except LawRefused as refused:
                if fact is proposed:
                    raise
                raise LawRefused(
                    refused.citation,
                    f"with it, entry {fact.index} ({command_name(type(fact))}) of {fact.happened_date} would "
                    f"not be lawful: {refused.reason}",
                ) from refused
