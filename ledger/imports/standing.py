"""What the ledger holds of a row already: found by derived ids, compared by ``content_mac``, never opened.

The ids of a row's case and commands are HMACs under a vault key of origin, format, row key, step, and the
ordinal of the row's version (4-wire 'command, part'); so the ledger itself tells what an earlier file said of
a row, though that file may be gone and the words are sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.application.together import canonical, case_of
from ledger.codec.entry import SourceKind
from ledger.domain.case import Case, command_name
from ledger.domain.common.events import EnteredInError, MergedInto
from ledger.domain.event import LEAVES_OUT, CaseEvent
from ledger.imports.differences import clear_differences
from ledger.imports.interpret import Wanted
from ledger.store.feed import StoredRow
from ledger.vault.sealing import ContentKeys, derived_id

CHANGED = "A later file of the register states this otherwise."
"""Reasons of the corrections that an import makes: fixed words, so that a repeat can be told by its MAC."""
MAX_SAME = 32
"""How often one command may stand in a row."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Derives the ids of one register's rows."""

    key: bytes
    origin: str
    format: str

    def case(self, row_key: str) -> str:
        """The stream of the row's case."""
        return derived_id(self.key, self.origin, self.format, row_key, "case", 0)

    def command(self, row_key: str, step: str, ordinal: int) -> str:
        """The command id of a step of the row's version ``ordinal`` (1, 2, …)."""
        return derived_id(self.key, self.origin, self.format, row_key, step, ordinal)

    def file(self, digest: str, mapping_digest: str, number: int) -> str:
        """The id of an import: the same file through the same mapping, as the register's file ``number``."""
        return derived_id(self.key, self.origin, self.format, "file", digest, mapping_digest, number)


def taken_out(label: str) -> str:
    """The step that takes a recorded one out of the history."""
    return f"{label}/out"


@dataclass(frozen=True, slots=True)
class Held:
    """One fact of the row as the ledger holds it: its step, and the entry that states it now."""

    label: str
    fact: CaseEvent
    mac: bytes | None
    by_hand: bool
    """A person corrected it since: the file does not override them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A row's case as it is in the ledger."""

    case: Case
    held: Sequence[Held]
    """In the order recorded; what was taken out is not among them."""
    ordinal: int
    """The row's version that the ledger has last."""
    ended: bool
    """Entered in error, or merged into another case."""
    opened_by: str
    """Import id of the entry that opened it."""
    changed_by: str
    """Import id of the last entry of its last version."""


def standing_of(rows: Sequence[StoredRow], ids: Ids, row_key: str) -> Standing | None:
    """The row's case from the entries of its stream; None where there are none."""
    case, facts = case_of(rows)
    if case is None:
        return None
    slots: list[list[tuple[CaseEvent, bytes | None, str | None]]] = []
    place_of: dict[int, int] = {}
    ordinal, opened_by, changed_by = 1, "", ""
    for fact, row in zip(facts, rows, strict=True):
        found = _step_of(fact, ids, row_key, len(facts))
        if found is not None:
            import_id = import_of(fact)
            opened_by = opened_by or import_id
            ordinal, changed_by = max((ordinal, changed_by), (found[1], import_id), key=lambda pair: pair[0])
        corrects = fact.header.corrects
        place = None if corrects is None else place_of.get(corrects.index)
        if place is None:
            place = len(slots)
            slots.append([])
        slots[place].append((fact, row.content_mac, None if found is None else found[0]))
        place_of[fact.index] = place
    held = []
    for slot in slots:
        label = slot[0][2]
        fact, mac, now = slot[-1]
        corrects = fact.header.corrects
        if label is None or (now is not None and corrects is not None and corrects.kind in LEAVES_OUT):
            continue
        held.append(Held(label, fact, mac, by_hand=now is None))
    ended = any(isinstance(fact, EnteredInError | MergedInto) for fact in case.history)
    return Standing(case, held, ordinal, ended, opened_by, changed_by)


def import_of(fact: CaseEvent) -> str:
    """The id of the import that a fact came with; empty for any other."""
    source = fact.header.source
    if source.kind is not SourceKind.IMPORT or source.reference is None:
        return ""
    return source.reference.split("/", 1)[0]


def _step_of(fact: CaseEvent, ids: Ids, row_key: str, versions: int) -> tuple[str, int] | None:
    """(step, ordinal) of an imported fact: the derivation that gives its command id; None for another's."""
    if fact.header.source.kind is not SourceKind.IMPORT:
        return None
    name = command_name(type(fact))
    corrects = fact.header.corrects
    out = corrects is not None and corrects.kind in LEAVES_OUT
    for ordinal in range(1, versions + 1):
        for number in range(1, MAX_SAME + 1):
            label = name if number == 1 else f"{name}#{number}"
            if ids.command(row_key, taken_out(label) if out else label, ordinal) == fact.header.command:
                return label, ordinal
    return None


def unchanged(held: Held, wanted: Wanted, stream: str, keys: ContentKeys) -> bool:
    """Whether the entry says what the row says now.

    By ``content_mac``, under the case's own key. Where the key was destroyed, or the MAC lost in a refill,
    only what stands in clear can be compared, and that decides.
    """
    same = says(held, wanted.command, stream, wanted.body, keys)
    return not clear_differences(held.fact, wanted) if same is None else same


def says(held: Held, command: str, stream: str, body: Mapping[str, Any], keys: ContentKeys) -> bool | None:
    """Whether the entry was submitted with exactly this happened date and these fields; None: not known."""
    corrects = held.fact.header.corrects
    if corrects is not None:
        correction = {"index": corrects.index, "kind": corrects.kind.value, "reason": CHANGED}
        body = {**body, "corrects": correction}
    return keys.same(held.mac, canonical(command, stream, body))
