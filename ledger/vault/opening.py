"""What opening a sealed value gives: one of four words, never mixed up (4-wire, 'Sealed fields')."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from ledger.clock import melbourne_date


class Word(StrEnum):
    """The four words that stand where a sealed value would."""

    OPENED = "opened"
    WITHHELD = "withheld"
    DESTROYED = "destroyed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class SealedField:
    """A sealed field of an entry: dotted path, commitment (32 bytes), key id, Avro type of the value."""

    path: str
    commitment: bytes
    key: str
    type: str = "string"


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """The value; with ``salt`` and the path, whoever holds the entry can check it (a disclosure)."""

    value: str | bytes | int
    salt: bytes
    word: ClassVar[Word] = Word.OPENED


@dataclass(frozen=True, slots=True)
class Withheld:
    """There may be a value, but not for who asks; the vault was not read."""

    word: ClassVar[Word] = Word.WITHHELD


@dataclass(frozen=True, slots=True)
class Destroyed:
    """An authorised entry destroyed the value: when, and under which ground."""

    on: datetime
    under: str
    word: ClassVar[Word] = Word.DESTROYED

    def __str__(self) -> str:
        return f"{self.word.value} on {melbourne_date(self.on)} under {self.under}"


@dataclass(frozen=True, slots=True)
class Lost:
    """No entry says that it was destroyed, and it cannot be had: an alarm. ``why`` holds no content."""

    why: str
    word: ClassVar[Word] = Word.LOST


Opening = Opened | Withheld | Destroyed | Lost
Gone = Destroyed | Lost
"""What is known of a value without opening it: nobody will."""
KEY_MISSING = Lost("key missing")
"""What is said of every field under a key that the vault has no row of."""
