"""The vault in a database of its own: what entries seal is durable there before they are recorded elsewhere.

No transaction spans both databases. So the vault is first: a crash between the two leaves rows and keys that no
entry names, which nobody misses, and which are swept; never an entry whose values were not kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from ledger.vault.sealing import VaultRow, WrappedKey
from ledger.vault.store import Connect, KeyGone, fetch, ours, queries

LOOKED_AT = 500
"""Submissions that a sweep looks at in one query."""


def configure(connection: psycopg.Connection[TupleRow]) -> None:
    """Makes a connection one that ``Ahead`` can hold keys by."""
    connection.execute(queries()["ahead_session"])


@dataclass(slots=True)
class Held:
    """Keys held against destruction, until it is known what became of the entries."""

    id: uuid.UUID
    recorded: bool = False
    """Set by who learns that the entries are recorded: then what was written before them is confirmed."""


class Ahead:
    """Writes ahead. ``connect`` gives connections as of ``VaultKeys``, each made ready by ``configure``."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @contextmanager
    def written(
        self, ledger: int, commands: Collection[str], keys: Sequence[WrappedKey], rows: Sequence[VaultRow]
    ) -> Iterator[Held]:
        """Makes new keys and rows durable, then holds all their keys while the caller commits the entries.

        One round trip before, one after. Raises KeyGone (a key was destroyed or may not be used any more:
        nothing that anybody can open was written; seal anew), Unavailable. A crash inside leaves what
        ``Sweep`` finds; so does the loss of the connection, after which destruction waits no longer: what it
        then misses, reconciling removes.
        """
        held = Held(uuid.uuid4())
        with ours({key.kek_id for key in keys}), ExitStack() as stack:
            connection = stack.enter_context(self._connect())
            try:
                self._put(connection, held.id, ledger, commands, keys, rows)
            except psycopg.errors.UniqueViolation as error:
                # Two marks of 63 random bits under one key were the same.
                raise KeyGone("vault: the place of a row is taken; seal the command anew") from error
            holding = stack.pop_all()
        try:
            yield held
        finally:
            # What fails once the keys are held says nothing of the entries, which may be recorded.
            with suppress(psycopg.Error), holding, connection.pipeline():
                if held.recorded:
                    connection.execute(queries()["confirm"], (held.id,))
                connection.execute("COMMIT")

    @staticmethod
    def _put(
        connection: psycopg.Connection[TupleRow],
        name: uuid.UUID,
        ledger: int,
        commands: Collection[str],
        keys: Sequence[WrappedKey],
        rows: Sequence[VaultRow],
    ) -> None:
        made: tuple[Any, ...] = (
            [key.id for key in keys], [key.stream for key in keys], [key.subject for key in keys],
            [key.wrapped for key in keys], [key.kek_id for key in keys],
        )  # fmt: skip
        sealed: tuple[Any, ...] = (
            [row.mark for row in rows],
            [row.key for row in rows],
            [row.ciphertext for row in rows],
        )
        used = sorted({row.key for row in rows} | {key.id for key in keys})
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute(queries()["put_ahead"], (name, ledger, list(commands), *made, *sealed))
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            connection.execute(queries()["hold"], (ledger, used))


@dataclass(frozen=True, slots=True)
class Written:
    """What was written ahead and is not confirmed: rows by (mark, key), new keys with their cases."""

    id: uuid.UUID
    ledger: int
    commands: tuple[str, ...]
    rows: frozenset[tuple[int, str]]
    made: tuple[tuple[str, str], ...]


class Sweep:
    """What was written ahead and not confirmed. ``connect`` as of an ``Opener``: the writer removes nothing."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def before(self, seconds: float) -> Iterator[Written]:
        """What was written longer ago than so many seconds, oldest first. Raises Unavailable."""
        last: tuple[datetime, uuid.UUID] = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0))
        while found := fetch(self._connect, "ahead_before", (seconds, *last, LOOKED_AT)):
            for name, written_at, ledger, commands, marks, keys, made, streams in found:
                last = (written_at, name)
                rows = frozenset(zip(marks, keys, strict=True))
                yield Written(
                    name, ledger, tuple(commands), rows, tuple(zip(made, streams, strict=True))
                )  # fmt: skip

    def remove(self, written: Written, rows: Collection[tuple[int, str]], begun: Callable[[str], bool]) -> int:
        """Forgets a submission, with those of its rows that no entry names, and the keys of cases never begun.

        How many rows went. ``begun`` is asked of a case once nobody holds its keys: whoever did has recorded
        entries by then, or never will; who comes later finds the keys gone, and seals anew. Raises Unavailable.
        """
        made = [key for key, _ in written.made]
        with ours(), self._connect() as connection, connection.transaction():
            if made:
                connection.execute(queries()["sweep_held"], (written.ledger, made))
            cases = {case for _, case in written.made}
            over = {case for case in cases if not begun(case)}
            parameters = {
                "id": written.id,
                "marks": [mark for mark, _ in rows],
                "under": [key for _, key in rows],
                "keys": [key for key, case in written.made if case in over],
            }
            row = connection.execute(queries()["sweep_ahead"], parameters).fetchone()
        return 0 if row is None else int(row[0])
