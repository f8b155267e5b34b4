"""Entries as JSON, for every door: HTTP timelines and feed, ``auditledger entries``. Sealed stays sealed.

Each takes the keys that are destroyed or lost, as is known now: an entry of a moment before shows it too.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import Any

from ledger.application.outcome import files_of
from ledger.clock import melbourne_date
from ledger.codec.commitment import REASON_PATH
from ledger.codec.declare import Sealed, micros, sealed_fields
from ledger.codec.entry import Entry, happened_date
from ledger.codec.jsonform import show, show_happened, show_seconds
from ledger.domain.event import decode_event
from ledger.errors import CodecError
from ledger.store.feed import StoredRow
from ledger.store.submission import Receipt
from ledger.tlog.brackets import Bracket
from ledger.vault.opening import Destroyed, Gone, Word

DEMONSTRATION = "demonstration, invented events"
"""Stands on every page of a ledger that was created as a demonstration."""


def shown_entry(row: StoredRow, gone: Mapping[str, Gone], *, raw: bool = False) -> dict[str, Any]:
    """One entry, decoded; a sealed value is shown as withheld, with the path by which it can be opened, as
    destroyed, on … under …, or as lost.

    ``raw`` adds the entry's bytes in base64. An entry newer than this version, or whose payload does not
    decode, is shown without ``fields`` and says why in ``undecoded``: the ledger is to be read all the same.
    """
    entry = row.decoded
    out: dict[str, Any] = {
        "index": entry.index,
        "stream": entry.stream,
        "version": entry.version,
        "event": entry.event,
        "happened": show_happened(entry.happened_on, entry.precision),
        "precision": entry.precision.value,
        "recorded_at": show(entry.recorded_at),
        "actor": show(entry.actor),
        "source": show(entry.source),
        "command": entry.command,
        "part": entry.part,
        "corrects": _corrects(entry, gone),
        "leaf_hash": row.leaf_hash.hex(),
    }
    try:
        event = decode_event(entry)
    except CodecError as error:
        out["undecoded"] = str(error)
    else:
        fields = show(event)
        for path, _, sealed in sealed_fields(event):
            _replace(fields, path.split("."), unopened(path, sealed, gone))
        for path, file in files_of(event):
            if file.key in gone:
                _at(fields, path.split("."))["content"] = shown_gone(gone[file.key])
        out["fields"] = fields
    if raw:
        out["bytes"] = base64.b64encode(row.entry).decode()
    return out


def shown_timeline(
    rows: Sequence[StoredRow],
    gone: Mapping[str, Gone],
    brackets: Sequence[Bracket] | None = None,
    *,
    simulated: bool = False,
) -> list[dict[str, Any]]:
    """The entries of one case in order, with the Melbourne calendar days between its dates.

    ``days_between``: from happening to recording; ``days_after_entry_before``: from the happening and from
    the recording of the entry before to those of this one. None where a date is not known. ``brackets``: what
    witnesses say of each entry, shown as ``witnessed``; ``simulated``: no clock stands behind ``recorded_at``.
    """
    shown = []
    before: tuple[date | None, date] | None = None
    for row, bracket in zip(rows, brackets or repeat(Bracket()), strict=False):
        entry = row.decoded
        happened, recorded = happened_date(entry.happened_on), melbourne_date(entry.recorded_at)
        after = {
            "happened": _days(None if before is None else before[0], happened),
            "recorded": _days(None if before is None else before[1], recorded),
        }
        between = {"days_between": _days(happened, recorded), "days_after_entry_before": after}
        witnessed = {"witnessed": shown_bracket(bracket, None if simulated else entry.recorded_at)}
        shown.append({**shown_entry(row, gone), **witnessed, **between})
        before = happened, recorded
    return shown


def shown_bracket(bracket: Bracket, recorded_at: datetime | None) -> dict[str, Any] | None:
    """Between which times witnesses saw an entry appear, and whether ``recorded_at`` lies outside of them.

    None where no witness has spoken.
    """
    if bracket == Bracket():
        return None
    return {
        "not_before": show_seconds(bracket.not_before),
        "not_after": show_seconds(bracket.not_after),
        "outside": None if recorded_at is None else bracket.outside(micros(recorded_at)),
    }


def _days(start: date | None, end: date | None) -> int | None:
    return None if start is None or end is None else (end - start).days


def unopened(path: str, sealed: Sealed, gone: Mapping[str, Gone]) -> dict[str, str]:
    """What stands where a sealed value is not opened: that it is withheld, that it was destroyed or is lost."""
    found = gone.get(sealed.key)
    said = {"sealed": Word.WITHHELD.value} if found is None else shown_gone(found)
    return {**said, "path": path, "commitment": sealed.commitment.hex(), "key": sealed.key}


def shown_gone(found: Gone) -> dict[str, str]:
    """That a value was destroyed, when, and under what; or that it is lost, and why."""
    if isinstance(found, Destroyed):
        return {"sealed": found.word.value, "on": show(found.on), "under": found.under}
    return {"sealed": found.word.value, "why": found.why}


def shown_receipt(receipt: Receipt) -> dict[str, Any]:
    """A receipt: ledger, index, leaf hash, recorded_at (4-wire 'Receipts')."""
    return {
        "ledger": receipt.ledger,
        "index": receipt.index,
        "leaf_hash": receipt.leaf_hash.hex(),
        "recorded_at": show(receipt.recorded_at),
    }


def _corrects(entry: Entry, gone: Mapping[str, Gone]) -> dict[str, Any] | None:
    corrects = entry.corrects
    if corrects is None:
        return None
    reason = corrects.reason
    return {
        "index": corrects.index,
        "kind": corrects.kind.value,
        "reason": unopened(REASON_PATH, reason, gone) if isinstance(reason, Sealed) else reason,
    }


def _replace(fields: Any, path: list[str], value: Any) -> None:
    *parents, last = path
    _at(fields, parents)[last] = value


def _at(fields: Any, path: list[str]) -> Any:
    for name in path:
        fields = fields[int(name)] if isinstance(fields, list) else fields[name]
    return fields
