"""The writer's way where the vault is in a database of its own: the vault first, then the entries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from ledger.errors import AuditLedgerError
from ledger.store.settle import FirstReceipts
from ledger.store.submission import Draft, Submission
from ledger.store.writer import Writer
from ledger.vault.ahead import Ahead
from ledger.vault.sealing import VaultRow, WrappedKey


class Submits(Protocol):
    """What takes submissions: a ``Writer``, or what stands before one."""

    def submit(
        self,
        ledger_id: int,
        drafts: Sequence[Draft],
        *,
        keys: Sequence[WrappedKey] = (),
        rows: Sequence[VaultRow] = (),
        moment: datetime | None = None,
    ) -> Submission:
        """As ``Writer.submit``."""
        ...

    def close(self) -> None:
        """As ``Writer.close``."""
        ...


class AheadWriter:
    """Stands before a ``Writer``, which then commits entries alone: no vault row goes with them."""

    def __init__(self, writer: Writer, ahead: Ahead) -> None:
        self._writer = writer
        self._ahead = ahead

    def submit(
        self,
        ledger_id: int,
        drafts: Sequence[Draft],
        *,
        keys: Sequence[WrappedKey] = (),
        rows: Sequence[VaultRow] = (),
        moment: datetime | None = None,
    ) -> Submission:
        """As ``Writer.submit``, but where something is sealed it waits: its keys are held until it is settled.

        A repeat's first receipts are unchecked where the first was sealed under another key: the writer cannot
        ask the vault whether that key is left, and whoever submits judges ``FirstReceipts`` by the case anyway.
        Raises at once what the vault says too: KeyGone, Unavailable; nothing was recorded then.
        """
        if not (keys or rows):
            return self._writer.submit(ledger_id, drafts, moment=moment)
        commands = {draft.command for draft in drafts}
        with self._ahead.written(ledger_id, commands, keys, rows) as held:
            submission = self._writer.submit(ledger_id, drafts, moment=moment)
            # What is wrong with it is told to who asks for its result.
            with suppress(AuditLedgerError):
                held.recorded = not isinstance(submission.result(), FirstReceipts)
        return submission

    def close(self) -> None:
        """As ``Writer.close``."""
        self._writer.close()
