"""One sample of every event, and its golden bytes: ``python -m tests.golden.build`` writes what is missing.

A golden file is never written anew: bytes that changed are a broken promise to every entry ever recorded.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin

from ledger.codec.declare import Field, Sealed, fields_of
from ledger.codec.entry import Actor, Precision, Source, SourceKind
from ledger.domain.event import CaseEvent, Header, encode_payload, load_events

FOLDER = Path(__file__).parent
MOMENT = datetime(2025, 6, 11, 1, 2, 3, 456789, tzinfo=UTC)
HEADER = Header(
    date(2025, 6, 11),
    Precision.DAY,
    Actor("3c1c0e6e-9f0b-4b52-9f4f-6a5b6a1d7a10", "officer", "a2f6", "test"),
    Source(SourceKind.TYPED),
    "7c0e2f3a-1b2c-4d3e-8f90-a1b2c3d4e5f6",
    0,
)


def value_of(kind: Any, name: str) -> Any:
    """A fixed value of a field's type."""
    simple = {
        str: f"{name}-value",
        int: 42,
        bool: True,
        bytes: b"\x00\x01\xff",
        date: date(2025, 6, 25),
        datetime: MOMENT,
        Sealed: Sealed(bytes(range(32)), "0123456789abcdef"),
    }
    if isinstance(kind, str):
        return bytes(range(32))
    if kind in simple:
        return simple[kind]
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return (value_of(inner, name), value_of(inner, name))
    if issubclass(kind, StrEnum):
        return list(kind)[-1]
    return kind(**fields_with(kind, full=True))


def fields_with(cls: type, *, full: bool) -> dict[str, Any]:
    """Values for every declared field; with ``full`` the optional ones too."""

    def one(f: Field) -> Any:
        if f.schema != f.python and isinstance(f.schema, str):
            return bytes(range(32))
        return value_of(f.python, f.name)

    return {f.name: one(f) if full or not f.optional else None for f in fields_of(cls)}


def sample(cls: type[CaseEvent], *, full: bool) -> CaseEvent:
    """A recorded event of a class, with every optional field stated or none."""
    return cls("stream", 1, MOMENT, HEADER, **fields_with(cls, full=full))  # type: ignore[call-arg]


def golden_text(cls: type[CaseEvent]) -> str:
    """Two lines of hexadecimal: every field stated, only the required ones."""
    return "".join(encode_payload(sample(cls, full=full)).hex() + "\n" for full in (True, False))


def main() -> None:
    """Writes the golden files that are missing."""
    for name, cls in load_events().items():
        path = FOLDER / f"{name}.hex"
        if not path.exists():
            path.write_text(golden_text(cls), "ascii")
            sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
