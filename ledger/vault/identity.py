"""Which vault belongs to which ledgers: another one is refused before any value reads as lost."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import NamedTuple

from ledger.errors import SettingsError
from ledger.vault.store import Connect, fetch

MOVING = "see 'The vault in a database of its own' in docs/operations.md"


class Standing(NamedTuple):
    """A database's vault: whether it holds ``keys`` or what was made under some; its id, None before;
    whether it lies elsewhere.

    ``server`` (when that was started) and ``database`` tell databases apart, however they are reached.
    """

    keys: bool
    id: uuid.UUID | None
    apart: bool | None
    server: datetime
    database: int

    @property
    def place(self) -> tuple[datetime, int]:
        """Where it is."""
        return self.server, self.database


def standing(connect: Connect) -> Standing:
    """How a database's vault stands; ``connect`` as of ``VaultKeys``. Raises Unavailable."""
    return Standing(*fetch(connect, "standing", ())[0])


def agreed(own: Connect, vault: Connect | None) -> Standing:
    """The vault of the ledgers in the database ``own``: its own, or that of another database.

    Both kept that before, or are told now. Raises SettingsError where they do not belong together, Unavailable.
    A crash in here leaves the vault named and the ledgers not told: the next call tells them.
    """
    here = standing(own)
    if vault is None:
        if here.apart:
            raise SettingsError(
                f"vault_database_url: expected the database of vault {here.id}, which these ledgers have, got "
                f"none: set it, or move the vault back; {MOVING}"
            )
        if here.keys and here.id is None:
            fetch(own, "settle", (uuid.uuid4(), False))
        return here
    there = standing(vault)
    if there.place == here.place:
        raise SettingsError(
            "vault_database_url: expected another database than that of the ledgers, got the same"
        )
    if there.apart:
        raise SettingsError("vault_database_url: expected a vault, got ledgers that have theirs elsewhere")
    if here.keys:
        name = here.id or fetch(own, "settle", (uuid.uuid4(), False))[0][0]
        if there.id == name:
            raise SettingsError(
                f"vault_database_url: expected vault {name} there alone, got it in the ledgers' own too; "
                f"empty what is left there of it; {MOVING}"
            )
        raise SettingsError(
            f"vault_database_url: expected vault {name}, which is in the ledgers' own database, got another: "
            f"move it there first, or do not set this; {MOVING}"
        )
    # A beginning: nothing was sealed for these ledgers yet, nor in that vault for any.
    begins = not (there.keys or here.apart)
    belongs = here.id == there.id if here.id and there.id else begins
    if not belongs:
        raise SettingsError(
            f"vault_database_url: expected {f'vault {here.id}' if here.id else 'an empty vault'}, got "
            f"{f'vault {there.id}' if there.id else 'one without a name'}: name the right database, or restore "
            "the vault's newest backup"
        )
    name = fetch(vault, "settle", (there.id or here.id or uuid.uuid4(), False))[0][0]
    if (here.id, here.apart) != (name, True):
        fetch(own, "settle", (name, True))
    return there
