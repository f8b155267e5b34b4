"""What every route works with: the installation, the threads that do the work, who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import structlog
from starlette.requests import Request

from ledger.api.edge import Metrics
from ledger.application import Installation, Principal
from ledger.application.access import Matter, allow, require_any_role
from ledger.application.telling import Untold
from ledger.errors import Unavailable
from ledger.store.acknowledging import Acknowledging
from ledger.store.ledgers import Ledger
from ledger.store.sealers import Sealed
from ledger.store.submission import Level
from ledger.store.witnessed import WitnessedTimes
from ledger.store.witnessing import Witnessed
from ledger.tlog.brackets import Bracket
from ledger.vault.shredding import Reconciled

log = structlog.get_logger("auditledger.http")

T = TypeVar("T")
Lag = Callable[[], Mapping[str, Any]]
Standing = Callable[[], Mapping[str, Mapping[str, int]]]
SealingState = Callable[[], Mapping[str, Sealed]]
VaultState = Callable[[], Mapping[str, Reconciled]]
EmergencyState = Callable[[], Mapping[str, Untold]]
WitnessState = Callable[[], Mapping[str, Witnessed]]
Times = Callable[[], WitnessedTimes | None]


class Ended(Unavailable):
    """What ran beside the service has ended, though nobody told it to: how it stood says nothing any more."""


@dataclass(slots=True)
class Service:
    """One process's service. ``lag`` says how far the projections are behind, ``standing`` by ledger."""

    installation: Installation
    commands: ThreadPoolExecutor
    """For commands alone: a slow reader or a large file never holds a writer up."""
    executor: ThreadPoolExecutor
    uploads: ThreadPoolExecutor
    """For files that clients send: slow ones hold up each other, nobody else."""
    most_uploads: int
    metrics: Metrics = field(default_factory=Metrics)
    lag: Lag | None = None
    standing: Standing | None = None
    sealing: SealingState | None = None
    """How the sealing of each ledger stands, where this process seals."""
    witnessing: WitnessState | None = None
    """How far the witnesses of each ledger are, where a policy names some."""
    acknowledging: Acknowledging | None = None
    """Tells when what was recorded is sealed, or witnessed."""
    patience: float = 10.0
    """Seconds that a write waits for that, where it asks to."""
    promise: float = 3600.0
    """Seconds within which a signed receipt promises a proof."""
    vault: VaultState | None = None
    """How the vault stands to what entries destroyed, where this process looks after that."""
    emergency: EmergencyState | None = None
    """Of which emergency access no privacy officer knows, where this process looks after that."""
    times: Times | None = None
    """What witnesses say of the entries, where some are trusted."""
    _uploading: int = 0

    def brackets(self, ledger: Ledger, indexes: Sequence[int]) -> list[Bracket] | None:
        """Between which times witnesses saw entries appear; None where no witness is trusted.

        A row in the database that does not hold counts for nothing and is an error in the log.
        """
        times = None if self.times is None else self.times()
        if times is None:
            return None
        return times.of(ledger, indexes, lambda error: log.error("spoilt cosignature", reason=str(error)))

    async def command(self, work: Callable[[], T]) -> T:
        """Does the work of a command on one of its threads."""
        return await asyncio.get_running_loop().run_in_executor(self.commands, work)

    async def upload(self, work: Callable[[], T]) -> T:
        """Receives a file on a thread of its own. Raises Unavailable where they are all taken."""
        if self._uploading >= self.most_uploads:
            raise Unavailable(f"nothing was kept: {self._uploading} files are being received; try again")
        self._uploading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.uploads, work)
        finally:
            self._uploading -= 1

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Does blocking work on one of the service's threads."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work, *arguments)

    async def acknowledged(self, ledger: Ledger, size: int, level: Level) -> Level:
        """Waits until the first ``size`` entries have a level; gives the one that they have in time."""
        if level is Level.DURABLE or self.acknowledging is None:
            return Level.DURABLE
        answer = self.acknowledging.ask(ledger, size, level)
        try:
            await asyncio.wait_for(asyncio.wrap_future(answer), self.patience)
        except (TimeoutError, Unavailable):
            sealed = await self.run(self.acknowledging.has, ledger, size, Level.SEALED)
            return Level.SEALED if sealed and level is Level.WITNESSED else Level.DURABLE
        return level

    def allow(self, request: Request, matter: Matter) -> Ledger:
        """The ledger that the path names, where who asks may read this in it. Raises NotFound, Forbidden."""
        return allow(self.installation, request.path_params["slug"], principal(request), matter)

    def require_any_role(self, request: Request) -> None:
        """Raises Forbidden where who asks has no role in force anywhere."""
        require_any_role(self.installation, principal(request))


def principal(request: Request) -> Principal:
    """Who asks; the edge has checked the token."""
    return cast(Principal, request.state.principal)
