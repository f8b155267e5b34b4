"""The base of the areas' aggregates: what every case takes beside its own commands."""

from __future__ import annotations

from ledger.domain.case import CASE_WRITERS, Case, Context, Role, command
from ledger.domain.common.events import AttachmentAdded, EnteredInError, MergedInto
from ledger.domain.event import CaseEvent
from ledger.law import general

ANY_WRITER = CASE_WRITERS | {Role.ADMINISTRATOR, Role.SYSTEM}


class CommonCase(Case):
    """A case that can be entered in error, merged and given files (5-architecture 'Corrections')."""

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """A case that was entered in error or merged takes nothing more but corrections of its entries."""
        ended = self.last(EnteredInError, MergedInto)
        if ended is not None and proposed.header.corrects is None:
            general.case_stands("entered_in_error" if isinstance(ended, EnteredInError) else "merged_into")

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
