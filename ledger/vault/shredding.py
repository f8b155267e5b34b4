"""Destroying: keys first, then what was sealed under them, then the pages that still hold the bytes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg

from ledger.vault.store import Connect, fetch, ours

TABLES = ("keys", "sealed", "attachments", "search")
PATIENCE_MS = 5_000
"""Milliseconds for which a table is waited for before it is written anew; behind who waits, writers wait."""


@dataclass(slots=True)
class Present:
    """What the vault holds under keys that entries destroyed: ids of keys by where they were met."""

    keys: set[str] = field(default_factory=set)
    rows: set[str] = field(default_factory=set)
    attachments: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)

    def all(self) -> set[str]:
        """Every key that something was found of."""
        return self.keys | self.rows | self.attachments | self.tokens


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How a vault stood to the destruction entries of a ledger when it was last held to them.

    ``destroyed``: keys that entries destroyed; ``finished``: destructions carried out by it; ``again``: keys of
    which something had come back; ``came_back``: how often that was so ever; ``lost``: keys that are missing
    and that no entry destroyed, ``lost_key`` one of them.
    """

    destroyed: int
    finished: int
    again: int
    came_back: int
    lost: int
    lost_key: str | None


class NotedLost(NamedTuple):
    """How many keys of a ledger are noted as lost, and one of them."""

    keys: int
    key: str | None


class Shredder:
    """Removes keys and what they sealed. ``connect`` as of an ``Opener``: the writer's role removes nothing."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def present(self, ledger: int, keys: Collection[str], *, whole: bool) -> Present:
        """What is still there of these keys; ``whole``: sealed rows too, which reads all of that table."""
        found = Present()
        if keys:
            asked = (ledger, list(keys))
            found.keys = {row[0] for row in fetch(self._connect, "present_keys", asked)}
            found.attachments = {row[0] for row in fetch(self._connect, "present_attachments", asked)}
            found.tokens = {row[0] for row in fetch(self._connect, "present_tokens", asked)}
            if whole:
                found.rows = {row[0] for row in fetch(self._connect, "present_rows", asked)}
        return found

    def keys(self, ledger: int, keys: Collection[str]) -> int:
        """Destroys keys, durably on return; how many there were.

        Waits for commits that hold one: what they sealed is there to be removed next, and after it nothing is
        sealed under them any more. A crash here leaves sealed rows that nobody can open.
        """
        return len(fetch(self._connect, "shred_keys", (ledger, list(keys))))

    def rows(self, ledger: int, keys: Collection[str], places: Sequence[int]) -> int:
        """Removes what stands at these places (indexes, marks) under these keys; how many rows there were.

        With them goes what was sealed under these keys for entries that were not recorded.
        """
        return len(fetch(self._connect, "shred_rows", (ledger, list(keys), list(places))))

    def tokens(self, ledger: int, keys: Collection[str]) -> int:
        """Removes from the search index what was sealed under these keys; how many identifiers there were."""
        return len(fetch(self._connect, "shred_tokens", (ledger, list(keys))))

    def attachments(self, ledger: int, keys: Collection[str]) -> int:
        """Removes the rows of attachments under these keys; how many there were. Their files go next."""
        return len(fetch(self._connect, "shred_attachments", (ledger, list(keys))))

    def keyless(self, ledger: int) -> set[str]:
        """Keys that are gone while something sealed under them is there; reads the whole table."""
        return {row[0] for row in fetch(self._connect, "keyless", (ledger, ledger))}

    def lost(self, ledger: int) -> NotedLost:
        """What is noted as lost of a ledger, by whichever process looked last, or by an opening."""
        rows = fetch(self._connect, "noted_lost", (ledger,))
        return NotedLost._make(rows[0]) if rows else NotedLost(0, None)

    def note(self, ledger: int, found: Reconciled, before: NotedLost) -> bool:
        """Keeps what was found, for who looks at the database alone.

        False, and nothing is kept, where what is noted as lost is not ``before`` any more: somebody found one
        meanwhile, which this must not hide.
        """
        parameters = (ledger, found.destroyed, found.came_back, found.lost, found.lost_key, *before)
        return bool(fetch(self._connect, "note_reconciled", parameters))

    def unwritten(self) -> bool:
        """Whether pages of the vault may still hold what was removed."""
        return fetch(self._connect, "last_removal", ())[0][0] is not None

    def rewrite(self) -> bool:
        """Writes the vault's tables anew, so that no page of theirs holds what was removed.

        False where that is not so yet: somebody holds a table, or reads at a moment before the removal (a
        backup that runs); call it again later. Writers wait meanwhile. Raises Unavailable.
        """
        last = fetch(self._connect, "last_removal", ())[0][0]
        if last is None:
            return True
        with ours(), self._connect() as connection:
            connection.execute(f"SET lock_timeout = {PATIENCE_MS}")
            try:
                connection.execute("SELECT pg_stat_force_next_flush()")
                for table in TABLES:
                    # FULL leaves the bytes nowhere; what a plain one finds dead after it, somebody still reads.
                    connection.execute(f"VACUUM (FULL) vault.{table}")
                    connection.execute(f"VACUUM vault.{table}")
            except psycopg.errors.LockNotAvailable:
                return False
            finally:
                connection.execute("RESET lock_timeout")
        if fetch(self._connect, "dead_rows", ())[0][0]:
            return False
        fetch(self._connect, "forget_removals", (last,))
        return True


class Noted(NamedTuple):
    """What is kept of a ledger's last reconciling. ``unwritten``: pages may still hold what was removed."""

    ledger: int
    seconds_ago: float
    came_back: int
    lost: int
    lost_key: str | None
    unwritten: bool


def reconciled(connect: Connect) -> list[Noted]:
    """What is kept of each ledger, for who looks at the database alone. ``connect`` as of an ``Opener``."""
    unwritten = fetch(connect, "last_removal", ())[0][0] is not None
    return [Noted._make((*row, unwritten)) for row in fetch(connect, "reconciled", ())]
