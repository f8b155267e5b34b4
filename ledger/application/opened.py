"""From settings to an open installation: the database (embedded or configured), its migrations, the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ledger.application.installation import Installation
from ledger.clock import Clock
from ledger.settings import Settings
from ledger.store.opened import enter_database, enter_vault, kek_source
from ledger.store.witness_gate import WitnessGate
from ledger.store.witnessed import policy_of


@contextmanager
def opened(
    settings: Settings, *, clock: Clock | None = None, supervise: bool = False
) -> Iterator[Installation]:
    """An installation for as long as it is used.

    ``supervise``: an embedded server that dies meanwhile is started again. Raises SettingsError, Unavailable,
    VaultError.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    kek = kek_source(settings)
    with ExitStack() as stack:
        database, server = enter_database(settings, stack)
        supervisor = None
        if supervise and server:
            from ledger.store.supervise import Supervisor

            supervisor = stack.enter_context(Supervisor(server))
        installation = stack.enter_context(
            Installation(
                database,
                settings.data_dir,
                clock=clock,
                regulator=settings.regulator,
                kek=kek,
                vault=enter_vault(settings),
                tiles_url=settings.tiles_url,
            )
        )
        installation.supervisor = supervisor
        if settings.witness_required is not None:
            installation.gate = WitnessGate(
                installation.feed, lambda: policy_of(settings), settings.witness_required
            )
        yield installation
