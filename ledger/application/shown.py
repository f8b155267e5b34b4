"""Entries as JSON, for every door: HTTP timelines and feed, ``auditledger entries``. Sealed stays sealed."""

from __future__ import annotations

import base64
from typing import Any

from ledger.codec.declare import Sealed, sealed_fields
from ledger.codec.entry import Entry
from ledger.codec.jsonform import show, show_happened
from ledger.domain.event import decode_event
from ledger.errors import CodecError
from ledger.store.feed import StoredRow
from ledger.store.mapper import REASON_PATH
from ledger.store.submission import Receipt
from ledger.vault.opening import Word

DEMONSTRATION = "demonstration, invented events"
"""Stands on every page of a ledger that was created as a demonstration."""


def shown_entry(row: StoredRow, *, raw: bool = False) -> dict[str, Any]:
    """One entry, decoded; a sealed value is shown as withheld, with the path by which it can be opened.

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
        "corrects": _corrects(entry),
        "leaf_hash": row.leaf_hash.hex(),
    }
    try:
        event = decode_event(entry)
    except CodecError as error:
        out["undecoded"] = str(error)
    else:
        fields = show(event)
        for path, _, sealed in sealed_fields(event):
            _replace(fields, path.split("."), withheld(path, sealed))
        out["fields"] = fields
    if raw:
        out["bytes"] = base64.b64encode(row.entry).decode()
    return out


def withheld(path: str, sealed: Sealed) -> dict[str, str]:
    """What stands where a sealed value is not shown."""
    return {
        "sealed": Word.WITHHELD.value,
        "path": path,
        "commitment": sealed.commitment.hex(),
        "key": sealed.key,
    }


def shown_receipt(receipt: Receipt) -> dict[str, Any]:
    """A receipt: ledger, index, leaf hash, recorded_at (4-wire 'Receipts')."""
    return {
        "ledger": receipt.ledger,
        "index": receipt.index,
        "leaf_hash": receipt.leaf_hash.hex(),
        "recorded_at": show(receipt.recorded_at),
    }


def _corrects(entry: Entry) -> dict[str, Any] | None:
    corrects = entry.corrects
    if corrects is None:
        return None
    reason = corrects.reason
    return {
        "index": corrects.index,
        "kind": corrects.kind.value,
        "reason": withheld(REASON_PATH, reason) if isinstance(reason, Sealed) else reason,
    }


def _replace(fields: Any, path: list[str], value: Any) -> None:
    *parents, last = path
    for name in parents:
        fields = fields[int(name)] if isinstance(fields, list) else fields[name]
    fields[last] = value
