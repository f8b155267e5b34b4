"""What the composition root gives the read side's command line and HTTP routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from projections.query import Opener


@dataclass(frozen=True, slots=True)
class Door:
    """One caller's way in: the projector's connection string, what may be read, and what day it is."""

    conninfo: str
    slugs: Sequence[str]
    """The ledgers whose registers the caller may read."""
    today: date
    """The Melbourne date of now, by the installation's clock."""
    opener: Opener | None = None
    """Says which sealed values are destroyed or lost; None: they all read withheld."""
