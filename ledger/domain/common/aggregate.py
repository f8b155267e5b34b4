"""The base of the areas' aggregates: what every case takes beside its own commands."""

from __future__ import annotations

from ledger.domain.case import CASE_WRITERS, Case, Context, Role, command, command_name
from ledger.domain.common.events import AttachmentAdded, EnteredInError, MergedInto
from ledger.domain.event import LEAVES_OUT, CaseEvent
from ledger.errors import InvalidInput
from ledger.law import general

ANY_WRITER = CASE_WRITERS | {Role.ADMINISTRATOR, Role.SYSTEM}


class CommonCase(Case):
    """A case that can be entered in error, merged and given files (5-architecture 'Corrections')."""

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """A case entered in error or merged takes nothing more but corrections; its opening entry stays in."""
        ended = self.last(EnteredInError, MergedInto)
        if ended is not None and proposed.header.corrects is None:
            general.case_stands("entered_in_error" if isinstance(ended, EnteredInError) else "merged_into")
        corrects, spec = proposed.header.corrects, self.commands.get(command_name(type(proposed)))
        if corrects is not None and corrects.kind in LEAVES_OUT and spec is not None and spec.opens:
            raise InvalidInput(
                "corrects.kind",
                "another kind: the entry that opened a case goes with the whole case only, which is entered in "
                "error or merged",
                corrects.kind.value,
            )

    @command(EnteredInError, roles=ANY_WRITER)
    def enter_in_error(self, e: EnteredInError, context: Context) -> None:
        """Say that the whole case should never have been entered."""

    @command(MergedInto, roles=ANY_WRITER)
    def merge_into(self, e: MergedInto, context: Context) -> None:
        """Say that the case is the same matter as another one."""
        general.merged_into_another(f"{context.ledger} {self.id}", f"{e.into.ledger} {e.into.stream}")
        context.lookup.case(e.into)

    @command(AttachmentAdded, roles=ANY_WRITER)
    def attach(self, e: AttachmentAdded, context: Context) -> None:
        """Keep a file with the case; the file is stored before this is recorded."""
