"""When entries appeared, in words and as JSON: for who has brackets of them, from wherever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.codec.jsonform import show_seconds
from ledger.tlog.brackets import Bracket

_WHY = "backdated, or kept from the witnesses for so long"


def appeared(found: dict[str, Any]) -> str:
    """A bracket in words, and whether the entry's own time lies outside of it."""
    said = [f"{name} {at}" for name, at in (("after", found["not_before"]), ("by", found["not_after"])) if at]
    # By witnesses, or by a time stamp: a bracket does not say which.
    seen = f"it was seen to appear {' and '.join(said)}" if said else "no trusted witness tells its times"
    late = found["outside"] and f", and it says that it was recorded at {found['recorded_at']}: {_WHY}"
    return seen + (late or "")


def warning(found: Sequence[dict[str, Any]]) -> str:
    """What is said of entries whose ``recorded_at`` does not fit: of the first, and how many there are."""
    more = "" if len(found) == 1 else f"; {len(found)} such places"
    return f"WARNING: entry {found[0]['index']}: {appeared(found[0])}{more}"


def times_as_json(bracket: Bracket) -> dict[str, Any]:
    """The two ends of a bracket."""
    return {"not_before": show_seconds(bracket.not_before), "not_after": show_seconds(bracket.not_after)}
