"""From settings to a database that can be used: embedded or configured, its migrations run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ledger.errors import SettingsError, Unavailable
from ledger.settings import Settings
from ledger.store.database import Database, Role
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import migrate
from ledger.vault.identity import agreed
from ledger.vault.kek import KEK_FILE
from ledger.vault.ring import KekSource


def kek_source(settings: Settings) -> KekSource:
    """Where the key-encryption keys of the settings are."""
    text, previous = (secret and secret.get_secret_value() for secret in (settings.kek, settings.kek_previous))
    before = [each.strip() for each in (previous or "").split(",") if each.strip()]
    return KekSource(
        settings.data_dir / KEK_FILE, text or None, before, settings.kek_provider, settings.kek_argument
    )


RESTORING = "restoring.json"
"""Stands in a data directory while a backup set is restored into it."""


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, up and migrated. The embedded one is joined where it runs already.

    Raises SettingsError, Unavailable.
    """
    with ExitStack() as stack:
        yield enter_database(settings, stack)[0]


def enter_database(settings: Settings, stack: ExitStack) -> tuple[Database, EmbeddedServer | None]:
    """The same for as long as the stack is open, and its embedded server, if it has one.

    Raises SettingsError too where a restore into the data directory has not finished.
    """
    if (settings.data_dir / RESTORING).exists():
        raise SettingsError(
            f"data_dir: a restore into {settings.data_dir} did not finish: run 'auditledger restore' again "
            "with the same set"
        )
    database, server = reach_database(settings, stack)
    migrate(database)
    return database, server


def reach_database(settings: Settings, stack: ExitStack) -> tuple[Database, EmbeddedServer | None]:
    """The same with its migrations as they are; a configured server is not connected to yet."""
    if settings.database_url is None:
        server = stack.enter_context(EmbeddedServer(settings.data_dir))
        return server.database, server
    return Database.from_url(settings.database_url.get_secret_value()), None


def enter_vault(settings: Settings) -> Database | None:
    """The database of the vault alone, migrated; None where the ledgers' own holds it.

    Raises SettingsError, Unavailable.
    """
    vault = reach_vault(settings)
    if vault is not None:
        try:
            migrate(vault, vault_alone=True)
        except (SettingsError, Unavailable) as error:
            raise type(error)(f"vault_database_url: {str(error).removeprefix('database: ')}") from error
    return vault


def agreed_vault(settings: Settings, database: Database) -> Database | None:
    """The same, where it is the vault of the ledgers in ``database``. Raises SettingsError, Unavailable."""
    vault = enter_vault(settings)
    agreed(lambda: database.connect(Role.WRITER), None if vault is None else lambda: vault.connect(Role.WRITER))
    return vault


def reach_vault(settings: Settings) -> Database | None:
    """The same with its migrations as they are, not connected to yet."""
    if settings.vault_database_url is None:
        return None
    return Database.from_url(settings.vault_database_url.get_secret_value(), "vault_database_url")
