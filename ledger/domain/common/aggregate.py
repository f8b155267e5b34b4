"""The base of the areas' aggregates: what every case takes beside its own commands."""

from __future__ import annotations

from ledger.codec.declare import CaseRef
from ledger.domain.case import Case, Context, command, command_name
from ledger.domain.common.events import AttachmentAdded, EnteredInError, MergedInto
from ledger.domain.event import LEAVES_OUT, CaseEvent
from ledger.errors import InvalidInput
from ledger.law import general
from ledger.law.organisations import (
    case_is_taken_over,
    case_taken_over_stands,
    goes_on_elsewhere_linked_both_ways,
)


class CommonCase(Case):
    """A case that can be entered in error, merged and given files (5-architecture 'Corrections')."""

    @property
    def ended_by(self) -> str | None:
        """'entered_in_error', 'merged_into', or None while the case stands."""
        ended = self.last(EnteredInError, MergedInto)
        if ended is None:
            return None
        return "entered_in_error" if isinstance(ended, EnteredInError) else "merged_into"

    def goes_on_from(self, e: CaseEvent, ref: CaseRef | None, context: Context) -> None:
        """Whether law lets ``e`` open a case that goes on from a predecessor's. Raises LawRefused, NotFound."""
        if ref is None:
            return
        before = context.lookup.case(ref)
        own = context.lookup.organisation(context.organisation_id)
        succeeded = isinstance(own, CommonCase) and own.took_over_from(before.owner)
        case_is_taken_over(type(before) is type(self), ref.ledger != context.ledger, before.owner, succeeded)
        if e.header.at is None and e.header.corrects is None:
            # Judged again, it was merged into this one since.
            case_taken_over_stands(before.ended_by if isinstance(before, CommonCase) else None)

    def took_over_from(self, predecessor: str) -> bool:
        """Whether this is an organisation that functions of that body passed to."""
        return False

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """A case entered in error or merged takes nothing more but corrections; its opening entry stays in."""
        if proposed.header.corrects is None:
            general.case_stands(self.ended_by)
        corrects, spec = proposed.header.corrects, self.commands.get(command_name(type(proposed)))
        if corrects is not None and corrects.kind in LEAVES_OUT and spec is not None and spec.opens:
            raise InvalidInput(
                "corrects.kind",
                "another kind: the entry that opened a case goes with the whole case only, which is entered in "
                "error or merged",
                corrects.kind.value,
            )

    @command(EnteredInError, roles=None)
    def enter_in_error(self, e: EnteredInError, context: Context) -> None:
        """Say that the whole case should never have been entered."""

    @command(MergedInto, roles=None)
    def merge_into(self, e: MergedInto, context: Context) -> None:
        """Say that the case is the same matter as another one."""
        general.merged_into_another(f"{context.ledger} {self.id}", f"{e.into.ledger} {e.into.stream}")
        into = context.lookup.case(e.into)
        if e.header.at is None:
            # Judged again with a correction of this case, the other one may have ended since.
            ended_by = into.ended_by if isinstance(into, CommonCase) else None
            general.merged_into_a_case_that_stands(type(into) is type(self), ended_by)
            named = into.takes_over
            this = (context.ledger, self.id)
            linked = named is not None and (named.ledger, named.stream) == this
            goes_on_elsewhere_linked_both_ways(e.into.ledger != context.ledger, linked)

    @command(AttachmentAdded, roles=None)
    def attach(self, e: AttachmentAdded, context: Context) -> None:
        """Keep a file with the case; the file is stored before this is recorded."""
