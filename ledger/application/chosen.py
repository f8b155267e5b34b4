"""Which case a command is about, and which row of the command table it is given by."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from ledger.application.outcome import CommandInput
from ledger.codec.entry import Source, SourceKind
from ledger.domain.case import Case, CommandSpec
from ledger.domain.event import CaseEvent
from ledger.errors import InvalidInput, NotFound
from ledger.law.general import lives_where_it_belongs
from ledger.store.ledgers import COMMON, Ledger


def case_for(
    ledger: Ledger,
    command: CommandInput,
    facts: Sequence[CaseEvent],
    source: Source,
    begun: Case | None = None,
) -> tuple[Case, CommandSpec]:
    """The case as its facts make it, or a blank one, and the row of the command table that fits it.

    ``begun``: the case of the first of the facts, where it is kept. Raises InvalidInput, NotFound, LawRefused
    (what belongs in another ledger).
    """
    case = begun
    for fact in facts[0 if case is None else case.version :]:
        case = fact.mutate(case)
    first = command.specs[0]
    if first.stream is not None:
        return case or first.case.blank(first.stream), first
    if first.opens and command.corrects is None:
        lives_where_it_belongs(first.case.in_common, ledger.slug == COMMON)
        if command.stream is None:
            return first.case.blank(str(uuid.uuid4())), first
        # A caller may choose the new case's id, to keep files under it first: a random one. An import's are
        # derived (4-wire 'command, part'), so that no id is ever made from a person or a reference.
        wanted = 8 if source.kind is SourceKind.IMPORT else 4
        if uuid.UUID(command.stream).version != wanted:
            raise InvalidInput("case", f"none, or a UUID of version {wanted} for a new case", command.stream)
        return case or first.case.blank(command.stream), first
    if command.stream is None:
        raise InvalidInput("case", "the id of the case", None)
    if case is None:
        raise NotFound(f"case {command.stream}: nothing is recorded in it in {ledger.slug}")
    for spec in command.specs:
        if isinstance(case, spec.case):
            return case, spec
    kinds = ", ".join(sorted(spec.case.__name__ for spec in command.specs))
    raise InvalidInput("case", f"a case of kind {kinds} for {command.name}", type(case).__name__)
