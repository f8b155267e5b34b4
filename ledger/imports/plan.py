"""What a row asks of the ledger: nothing, a new case, or corrections; judged before anything is written."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ledger.application.together import Step, Together
from ledger.codec.entry import CorrectionKind, Source
from ledger.codec.jsonform import show_happened
from ledger.domain.case import Case, command_name
from ledger.errors import InvalidInput, LawRefused
from ledger.imports.differences import (
    NO_LONGER,
    Difference,
    clear_differences,
    differences,
    left_out,
    masked,
)
from ledger.imports.interpret import RowCase, StepRefused, Wanted
from ledger.imports.standing import CHANGED, Held, Ids, Standing, says, taken_out, unchanged
from ledger.vault.sealing import ContentKeys


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one entry of a row: corrected in place, taken out, or recorded anew."""

    command: str
    kind: str
    """``typing`` (corrected in its place), ``entered_in_error`` (taken out), ``recorded`` (new)."""
    entry: int | None
    differences: tuple[Difference, ...] = ()


@dataclass(slots=True)
class Plan:
    """A row's commands, in the order in which they enter, together."""

    stream: str
    steps: list[Step] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


def plan_new(row: RowCase, ids: Ids, together: Together, source: Source) -> Plan:
    """The commands of a row that the ledger does not have. Raises what law or the form refuses."""
    stream = ids.case(row.key)
    steps: list[Step] = []
    case: Case | None = None
    for wanted in row.steps:
        steps.append(Step(wanted.command, wanted.body, ids.command(row.key, wanted.label, 1)))
        with _refused_of(wanted):
            case = together.judge(case, stream, steps[-1:], source)
    return Plan(stream, steps)


@contextmanager
def _refused_of(wanted: Wanted | None) -> Iterator[None]:
    """What law refuses here it refuses of this step; None: of one that the row no longer states."""
    try:
        yield
    except LawRefused as refused:
        if wanted is None:
            raise
        raise StepRefused(refused, wanted) from refused


def plan_changed(
    row: RowCase, standing: Standing, ids: Ids, together: Together, source: Source, keys: ContentKeys
) -> Plan:
    """The corrections that make the case what the row says now; none where it says nothing else.

    First each entry is corrected in its place, what is no longer stated is taken out and what is new is
    recorded. Where law has no order in which that can be done (an outcome of the whole that becomes one of
    parts, say), the outcome is taken out as a whole and recorded anew. Raises LawRefused where neither goes.
    """
    planner = _Planner(row, standing, ids, keys)
    if not planner.needed():
        return Plan(planner.stream)
    planner.refuse_by_hand()
    try:
        return planner.in_place(together, source)
    except LawRefused as first:
        try:
            return planner.anew(together, source)
        except LawRefused:
            raise first from None


@dataclass(frozen=True, slots=True)
class _Move:
    step: Step
    change: Change
    wanted: Wanted | None
    """What the row states by it; None: it no longer does."""


class _Planner:
    def __init__(self, row: RowCase, standing: Standing, ids: Ids, keys: ContentKeys) -> None:
        self._row, self._standing, self._ids, self._keys = row, standing, ids, keys
        self.stream = ids.case(row.key)
        self._ordinal = standing.ordinal + 1
        held = {each.label: each for each in standing.held}
        wanted = {each.label: each for each in row.steps}
        self._gone = [each for each in standing.held if each.label not in wanted]
        self._new = [each for each in row.steps if each.label not in held]
        self._kept = [(held[each.label], each) for each in row.steps if each.label in held]
        self._changed = [(was, now) for was, now in self._kept if not unchanged(was, now, self.stream, keys)]

    def needed(self) -> bool:
        return bool(self._gone or self._new or self._changed)

    def refuse_by_hand(self) -> None:
        """What a person corrected is a person's to decide; so is a case that they ended."""
        if self._standing.ended:
            raise InvalidInput(
                "case",
                "a case that goes on",
                f"{self.stream}: it was entered in error or merged; change it by hand",
            )
        for held in [*self._gone, *(was for was, _ in self._changed)]:
            if held.by_hand:
                raise InvalidInput(
                    "row",
                    "what the import recorded",
                    f"entry {held.fact.index}, a correction by hand: decide by hand",
                )
        opening = self._row.steps[0].label
        if any(held.label == opening for held in self._gone) or any(new.label == opening for new in self._new):
            raise InvalidInput("record.0.command", "the command that opened the case", opening)

    def in_place(self, together: Together, source: Source) -> Plan:
        """Takes out what is gone (last first), corrects what changed, records what is new."""
        moves = [self._out(held) for held in reversed(self._gone)]
        moves += [self._corrected(was, now) for was, now in self._changed]
        return self._ordered(moves, [self._recorded(new) for new in self._new], together, source)

    def anew(self, together: Together, source: Source) -> Plan:
        """Takes out all but the opening entry, corrects that, records the rest anew."""
        opening = self._row.steps[0].label
        others = [held for held in self._standing.held if held.label != opening]
        if any(held.by_hand for held in others):
            raise LawRefused("ledger rule: corrections", "an entry was corrected by hand: decide by hand")
        moves = [self._out(held) for held in reversed(others)]
        moves += [self._corrected(was, now) for was, now in self._changed if was.label == opening]
        again = [self._recorded(step) for step in self._row.steps if step.label != opening]
        return self._ordered(moves, again, together, source)

    def _ordered(
        self, moves: list[_Move], records: Sequence[_Move], together: Together, source: Source
    ) -> Plan:
        """An order of the corrections that law accepts at each step: the first that goes, goes first."""
        done: list[_Move] = []
        case = self._standing.case
        left = moves
        while left:
            refused: LawRefused | None = None
            for move in left:
                try:
                    with _refused_of(move.wanted):
                        case = together.judge(copy.deepcopy(case), self.stream, [move.step], source)
                except LawRefused as error:
                    refused = refused or error
                    continue
                done.append(move)
                left = [other for other in left if other is not move]
                break
            else:
                # A correction may need what is recorded new (a part that only the division names).
                if refused is not None and records:
                    with _refused_of(records[0].wanted):
                        case = together.judge(copy.deepcopy(case), self.stream, [records[0].step], source)
                    done.append(records[0])
                    records = records[1:]
                    continue
                assert refused is not None
                raise refused
        for move in records:
            with _refused_of(move.wanted):
                case = together.judge(copy.deepcopy(case), self.stream, [move.step], source)
            done.append(move)
        return Plan(self.stream, [move.step for move in done], [move.change for move in done])

    def _recorded(self, wanted: Wanted) -> _Move:
        command_id = self._ids.command(self._row.key, wanted.label, self._ordinal)
        stated = {"happened": wanted.body["happened"], **wanted.body["fields"]}
        new = tuple(Difference(name, None, value) for name, value in stated.items() if value is not None)
        change = Change(wanted.command, "recorded", None, new)
        return _Move(Step(wanted.command, wanted.body, command_id), change, wanted)

    def _corrected(self, held: Held, wanted: Wanted) -> _Move:
        kind = CorrectionKind.TYPING
        body = {**wanted.body, "corrects": _correction(held, kind, CHANGED)}
        command_id = self._ids.command(self._row.key, wanted.label, self._ordinal)
        change = Change(wanted.command, kind.value, held.fact.index, tuple(self._differences(held, wanted)))
        return _Move(Step(wanted.command, body, command_id), change, wanted)

    def _differences(self, held: Held, wanted: Wanted) -> list[Difference]:
        if says(held, wanted.command, self.stream, wanted.body, self._keys) is None:
            return clear_differences(held.fact, wanted)
        return differences(
            held.fact,
            wanted,
            lambda body: says(held, wanted.command, self.stream, body, self._keys) is True,
        )

    def _out(self, held: Held) -> _Move:
        kind, command = CorrectionKind.ENTERED_IN_ERROR, command_name(type(held.fact))
        body: dict[str, Any] = {
            "happened": _happened(held),
            "fields": left_out(held.fact),
            "corrects": _correction(held, kind, NO_LONGER),
        }
        command_id = self._ids.command(self._row.key, taken_out(held.label), self._ordinal)
        stated = {"happened": _happened(held), **masked(held.fact)}
        old = tuple(Difference(n, value, None) for n, value in stated.items() if value not in (None, []))
        return _Move(Step(command, body, command_id), Change(command, kind.value, held.fact.index, old), None)


def _correction(held: Held, kind: CorrectionKind, reason: str) -> dict[str, Any]:
    return {"index": held.fact.index, "kind": kind.value, "reason": reason}


def _happened(held: Held) -> str | None:
    return show_happened(held.fact.header.happened_on, held.fact.header.precision)
