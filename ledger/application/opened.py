"""From settings to an open installation: the database (embedded or configured), its migrations, the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ledger.application.installation import Installation
from ledger.clock import Clock
from ledger.settings import Settings
from ledger.store.database import Database
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import migrate


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, up and migrated. The embedded one is joined where it runs already.

    Raises SettingsError, Unavailable.
    """
    with ExitStack() as stack:
        if settings.database_url is None:
            database = stack.enter_context(EmbeddedServer(settings.data_dir)).database
        else:
            database = Database.from_url(settings.database_url.get_secret_value())
        migrate(database)
        yield database


@contextmanager
def opened(settings: Settings, *, clock: Clock | None = None) -> Iterator[Installation]:
    """An installation for as long as it is used. Raises SettingsError, Unavailable, VaultError."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    kek = None if settings.kek is None else settings.kek.get_secret_value()
    with (
        opened_database(settings) as database,
        Installation(
            database, settings.data_dir, clock=clock, regulator=settings.regulator, kek=kek
        ) as installation,
    ):
        yield installation
