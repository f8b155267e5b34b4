"""Searching sealed identifiers: the index brought up to the entries, and a search, which is an act of its own.

The index is made outside of the commits, from a kept position, by opening the identifiers of the entries
behind it. No entry is recorded for that: nobody is shown anything. A search is recorded before it is answered,
with the entries that it found and never with what was searched for, in any form: that would outlive its
destruction.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ledger.application.openings import sealed_fields_of
from ledger.application.outcome import parse_command_id
from ledger.application.shown import shown_receipt
from ledger.codec.declare import identifier_names, sealed_fields
from ledger.domain.event import decode_event, load_events
from ledger.errors import CodecError, CommandReused, InvalidInput, Unavailable
from ledger.store.feed import StoredRow
from ledger.store.ledgers import Ledger
from ledger.store.submission import Receipt
from ledger.vault.opening import Lost, Opened, SealedField
from ledger.vault.searching import NORMALISATION, Hit, Position, Row, normalised, token

if TYPE_CHECKING:
    from ledger.application.commands import Commands
    from ledger.application.installation import Installation
    from ledger.application.outcome import Principal

BATCH = 1_000
"""Entries that are taken into the index at once."""
MOST = 100
"""Entries that one search finds at most; it says where the next one goes on."""
SHORTEST = 2
"""Characters that a value has at least, as it is normalised."""
SEARCH = "vault.SealedFieldsSearched"
_NOT_REPEATED = "a search is not repeated: nothing was looked up; take a new command id, which is another entry"


def _never() -> bool:
    return False


@cache
def fields_form() -> str:
    """Stands for which fields are identifiers: where they change, the index is made anew."""
    marked = [f"{name} {path}" for name, cls in load_events().items() for path in identifier_names(cls)]
    return hashlib.sha256("\n".join(sorted(marked)).encode()).hexdigest()[:16]


# --- the index ------------------------------------------------------------------------------------------


def catch_up(
    commands: Commands, ledger: Ledger, *, anew: bool = False, stop: Callable[[], bool] = _never
) -> Position:
    """Brings the index of a ledger up to the entries that there are now, or until told to stop.

    ``anew``: from the first entry on. It starts over by itself where it was made by another key, normalisation
    or marks, and where its position is not in the ledger's history (an older database, an older vault).
    Several may do it at once: a batch that another has added is passed over. Raises VaultError, Unavailable.
    """
    index, size = commands.search_index, commands.feed.head(ledger.id).size
    while True:
        form = _made_by(index.key_id(ledger.id))
        at = index.position(ledger.id, form)
        if anew or at.form != form or not _in_history(commands, ledger, at):
            # Not moved: another has been at it meanwhile, and it is looked at again.
            anew = not index.over(ledger.id, at, form) and anew
            continue
        if at.size >= size or stop():
            return at
        _, key = index.key(ledger.id)
        while at.size < size and not stop():
            rows = commands.feed.read(ledger.id, at.size - 1, BATCH, until=size)
            found, unread = _identifiers(commands, ledger, rows, key)
            to = Position(form, rows[-1].index + 1, rows[-1].leaf_hash, at.unread + unread)
            if not index.add(ledger.id, at, to, found):
                break
            at = to
        else:
            return at


def _made_by(key_id: str) -> str:
    """By what an index is made now: the search key, the normalisation, the marks."""
    return f"{key_id} {NORMALISATION} {fields_form()}"


def _in_history(commands: Commands, ledger: Ledger, at: Position) -> bool:
    """Whether the last entry of the index is the ledger's: its leaf hash covers every entry before it."""
    if at.size == 0:
        return True
    found = commands.feed.entries(ledger.id, [at.size - 1])
    return bool(found) and found[0].leaf_hash == at.head


def _identifiers(
    commands: Commands, ledger: Ledger, rows: Sequence[StoredRow], key: bytes
) -> tuple[list[Row], int]:
    """The index's rows of these entries, and how much could not be read: lost, or newer than this version.

    What entries destroyed is left out. Raises WrongKek, KekDenied, Unavailable.
    """
    unread = 0
    asked: list[tuple[int, list[SealedField]]] = []
    marked: dict[int, set[str]] = {}
    for row in rows:
        try:
            event = decode_event(row.decoded)
        except CodecError:
            unread += 1
            continue
        if paths := {path for path, _, _ in sealed_fields(event, identifiers=True)}:
            asked.append((row.index, sealed_fields_of(event)))
            marked[row.index] = paths
    opened = commands.opener.open(ledger.id, asked, lambda index, field: field.path in marked[index])
    found, lost = [], []
    for (index, fields), openings in zip(asked, opened, strict=True):
        for field, opening in zip(fields, openings, strict=True):
            if isinstance(opening, Opened):
                found.append(Row(token(key, str(opening.value)), index, field.path, field.key))
            elif isinstance(opening, Lost):
                lost.append(field.key)
    if lost:
        # Destroyed while it was looked for: the entry was recorded before its key went.
        gone = commands.streams.destroyed_now(ledger.id)
        unread += sum(each not in gone for each in lost)
    return found, unread


# --- a search -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundIn:
    """An entry that holds what was searched for, in which fields, and what corrections say of it."""

    row: StoredRow
    paths: tuple[str, ...]
    corrected_by: tuple[tuple[int, str], ...]
    """Index and kind of each entry that corrects it."""

    def shown(self) -> dict[str, Any]:
        """As JSON. The fields stay sealed: to open them is another act."""
        corrects = self.row.decoded.corrects
        return {
            "index": self.row.index, "case": self.row.stream, "event": self.row.event,
            "paths": list(self.paths),
            "corrects": None if corrects is None else {"index": corrects.index, "kind": corrects.kind.value},
            "corrected_by": [{"index": index, "kind": kind} for index, kind in self.corrected_by],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search: whole for the entries from ``first`` to before ``end``.

    ``following``: where the next search goes on, where as many were found as one search finds at most;
    ``unread``: values and entries of the ledger that could not be read for the index: nobody finds them.
    """

    first: int
    end: int
    entries: tuple[FoundIn, ...]
    following: int | None
    unread: int
    receipts: tuple[Receipt, ...]

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "found": [each.shown() for each in self.entries],
            "searched": {"from": self.first, "to": self.end},
            "next": self.following,
            "unread": self.unread,
            "receipts": [shown_receipt(each) for each in self.receipts],
        }


def search(
    installation: Installation,
    slug: str,
    value: str,
    *,
    reason: str,
    principal: Principal,
    command_id: str | None = None,
    first: int = 0,
) -> Found:
    """The entries of a ledger, from index ``first`` on, in which a sealed identifier equals ``value``.

    Recorded before it is answered (4-wire 'Sealed fields'), for those who may open; of a closed ledger in what
    goes on from it. ``command_id``: a search is not repeated; under an id that is in an entry nothing is looked
    up, whatever the value. Raises Forbidden, NotFound, InvalidInput, CommandReused, LawRefused (closed, and
    nothing goes on from it), Unavailable.
    """
    ledger = installation.ledgers.get(slug)
    into = installation.streams.recorded_in(ledger)
    role = installation.reader_of_sealed(ledger, into, principal)
    command_id = str(uuid.uuid4()) if command_id is None else parse_command_id(command_id)
    if installation.feed.by_command(into.id, command_id):
        raise CommandReused(_NOT_REPEATED)
    if not reason.strip():
        raise InvalidInput("reason", "why it is searched for", reason)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInput("value", "text without lone surrogates", "a lone surrogate")
    if len(normalised(value)) < SHORTEST:
        raise InvalidInput("value", f"a whole identifier of at least {SHORTEST} characters", "a shorter one")
    end = catch_up(installation, ledger).size
    if not 0 <= first <= end:
        raise InvalidInput("from", f"a whole number from 0 to {end}, the entries of {slug}", first)
    at, hits = _hits(installation, ledger, value, first, end, MOST)
    found = by_entry(hits)
    if len(found) == MOST:
        end = hits[-1].index + 1
    fields: dict[str, Any] = {
        "found": [{"entry": index, "paths": list(paths)} for index, paths in found.items()],
        "searched_from": first, "searched_to": end, "reason": reason,
    }  # fmt: skip
    given: dict[str, Any] = {"reason": reason, "from": first}
    if into != ledger:
        fields["ledger"] = given["ledger"] = ledger.origin
    outcome = installation.record_reading(into, SEARCH, fields, principal, command_id, role, given=given)
    if outcome.repeated:
        # Another of that id was recorded since: this one has no entry, and so no answer.
        raise CommandReused(_NOT_REPEATED)
    cut = len(found) == MOST
    # What was destroyed while the search was recorded is in no answer either.
    gone = installation.streams.destroyed_now(ledger.id)
    entries = _described(installation, ledger, by_entry([hit for hit in hits if hit.key not in gone]))
    return Found(first, end, entries, end if cut else None, at.unread, outcome.receipts)


def by_entry(hits: Sequence[Hit]) -> Mapping[int, tuple[str, ...]]:
    """The paths that were found, by the index of their entry, in order."""
    found: dict[int, tuple[str, ...]] = {}
    for hit in hits:
        found[hit.index] = (*found.get(hit.index, ()), hit.path)
    return found


def _hits(
    installation: Installation, ledger: Ledger, value: str, first: int, end: int, most: int
) -> tuple[Position, list[Hit]]:
    """Raises Unavailable where others start the index over as fast as it is made."""
    for _ in range(8):
        key_id, key = installation.search_index.key(ledger.id)
        gone = installation.streams.destroyed_now(ledger.id)
        at, hits = installation.search_index.hits(ledger.id, token(key, value), first, end, gone, most)
        if at is not None and at.size >= end and at.form == _made_by(key_id):
            return at, hits
        # Started over between the catching up and this look: nothing found there would mean nothing.
        catch_up(installation, ledger)
    raise Unavailable("search index: it is being made anew; try again")


def _described(
    installation: Installation, ledger: Ledger, found: Mapping[int, tuple[str, ...]]
) -> tuple[FoundIn, ...]:
    rows = installation.feed.entries(ledger.id, found)
    corrected: dict[int, list[tuple[int, str]]] = {}
    for row in installation.feed.streams(ledger.id, {row.stream for row in rows}):
        if (corrects := row.decoded.corrects) is not None:
            corrected.setdefault(corrects.index, []).append((row.index, corrects.kind.value))
    return tuple(FoundIn(row, found[row.index], tuple(corrected.get(row.index, ()))) for row in rows)
