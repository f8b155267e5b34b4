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
from ledger.store.supervise import Supervisor


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, up and migrated. The embedded one is joined where it runs already.

    Raises SettingsError, Unavailable.
    """
    with ExitStack() as stack:
        yield _database(settings, stack)[0]


@contextmanager
def opened(
    settings: Settings, *, clock: Clock | None = None, supervise: bool = False
) -> Iterator[Installation]:
    """An installation for as long as it is used.

    ``supervise``: an embedded server that dies meanwhile is started again. Raises SettingsError, Unavailable,
    VaultError.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    kek = None if settings.kek is None else settings.kek.get_secret_value()
    with ExitStack() as stack:
        database, server = _database(settings, stack)
        supervisor = stack.enter_context(Supervisor(server)) if supervise and server else None
        installation = stack.enter_context(
            Installation(database, settings.data_dir, clock=clock, regulator=settings.regulator, kek=kek)
        )
        installation.supervisor = supervisor
        yield installation


def _database(settings: Settings, stack: ExitStack) -> tuple[Database, EmbeddedServer | None]:
    server = None
    if settings.database_url is None:
        server = stack.enter_context(EmbeddedServer(settings.data_dir))
        database = server.database
    else:
        database = Database.from_url(settings.database_url.get_secret_value())
    migrate(database)
    return database, server
