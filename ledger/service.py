"""The service: HTTP with the routes of the projections, and their runner beside it; loaded when ``up`` runs."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from types import FrameType
from typing import Any, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI, Request

import projections.api
import projections.reports.api
from ledger import interrupts
from ledger.api import tokens
from ledger.api.app import create_app
from ledger.api.body import command_id, json_body
from ledger.api.logs import configure
from ledger.api.patience import patient
from ledger.api.service import EmergencyState, Ended, SealingState, VaultState, WitnessState, principal
from ledger.api.writes import answer
from ledger.application import Installation, Principal
from ledger.application.mail import Letterbox
from ledger.application.opened import opened
from ledger.application.reconciling import Reconciling
from ledger.application.telling import Telling
from ledger.cli.session import Announce
from ledger.errors import SettingsError, Unavailable
from ledger.joined import desk, door, lag, standing
from ledger.settings import Settings
from ledger.store.acknowledging import Acknowledging
from ledger.store.database import Database, Role
from ledger.store.own_witness import OwnWitness
from ledger.store.sealers import Sealing
from ledger.store.stamped import stamped_times, times_by
from ledger.store.witnessed import policy_of
from ledger.store.witnessing import Witnessing
from ledger.tlog.policy import Policy
from projections.aside import Aside
from projections.reports.handover import Desk
from projections.runner import Runner

T = TypeVar("T")

GRACE_SECONDS = 10
"""How long a service that is told to stop waits for what it was asked before."""


def identify(installation: Installation) -> Any:
    """Who a token names here: a development token by the id itself, an issuer's by one the vault keeps."""

    def identified(claims: tokens.Claims) -> Principal:
        authority = f"{claims.issuer} {claims.kind}"
        if claims.issuer == tokens.DEVELOPMENT_ISSUER:
            return Principal(claims.subject, claims.organisation, authority)
        person = installation.vault_keys.actor_id(claims.issuer, claims.subject, claims.name)
        return Principal(person, claims.organisation, authority)

    return identified


def application(
    installation: Installation,
    settings: Settings,
    running: Callable[[], bool] = lambda: True,
    aside: Aside | None = None,
    sealed: SealingState | None = None,
    witnessed: Witnesses | None = None,
    acknowledged: Acknowledging | None = None,
    vault: VaultState | None = None,
    emergency: EmergencyState | None = None,
) -> FastAPI:
    """The HTTP application over an open installation, with the projections' routes.

    ``running`` says whether the projections' runner lives; ``aside`` does what would hold commands up;
    ``sealed`` says how sealing stands, where it is done here, ``witnessed`` who witnesses, and how far;
    ``acknowledged`` tells who waits for either, ``vault`` how the vault stands to what entries destroyed,
    ``emergency`` of which emergency access no privacy officer knows.
    """
    aside = aside or Aside(settings.report_processes)
    witnessed = witnessed or Witnesses(lambda: None)
    stamps = stamped_times(installation.feed, installation.published, settings)

    def kept_up(look: Callable[[Database], T]) -> T:
        if not running():
            raise Unavailable("projections: the runner has failed; its failure is in the log")
        return look(installation.database)

    return create_app(
        installation,
        settings,
        tokens=tokens.tokens(settings),
        identify=identify(installation),
        routers=[
            projections.api.router(lambda request: door(installation, [principal(request)]), aside),
            projections.reports.api.router(
                lambda request: request_desk(installation, request), json_body, answer, aside
            ),
        ],
        lag=lambda: kept_up(lag),
        standing=lambda: kept_up(standing),
        sealing=sealed,
        witnessing=witnessed.standing,
        acknowledging=acknowledged,
        vault=vault,
        emergency=emergency,
        times=lambda: times_by(installation.feed, witnessed.policy(), stamps),
    )


def request_desk(installation: Installation, request: Request) -> Desk:
    """The desk of who asks over HTTP; what is handed over is recorded under the request's Idempotency-Key."""
    key = command_id(request) if request.method == "POST" else None
    return desk(installation, principal(request), key=key)


def serve(settings: Settings, announce: Announce) -> None:
    """Runs the service until SIGINT or SIGTERM. Raises SettingsError where the address is taken."""
    configure(settings.log_level)
    listening = _listen(settings)
    began = Event()
    with (
        listening,
        opened(settings, supervise=True) as installation,
        sealing(installation, settings) as sealed,
        witnessing(installation, settings, sealed, began) as witnessed,
        acknowledging(installation, witnessed, sealed) as acknowledged,
        reconciling(installation, settings) as vault,
        stamping(installation, settings, sealed),
        telling(installation, settings) as emergency,
        projecting(installation, settings) as running,
    ):
        # What an upload left that did not end, or whose command was never recorded durably.
        installation.sweep_attachments()
        aside = Aside(settings.report_processes)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        server = Server(
            uvicorn.Config(
                application(
                    installation,
                    settings,
                    running,
                    aside,
                    sealed.standing if sealed else None,
                    witnessed,
                    acknowledged,
                    vault,
                    emergency,
                ),
                http=patient(settings.head_timeout, settings.max_silence),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=75,
            )
        )
        # What is loaded by now stays: the collector need not walk it again with every few hundred requests.
        gc.collect()
        gc.freeze()
        if installation.supervisor is not None:
            server.on_stop = installation.supervisor.stop
        server.on_end = aside.close

        def started() -> None:
            announce({"url": f"http://{shown}:{port}"})
            began.set()

        server.on_start = started
        with asyncio.Runner(loop_factory=_event_loop()) as runner:
            runner.run(server.serve(sockets=[listening]))


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is one for this machine (not on Windows): half of what a request costs the loop."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


class Server(uvicorn.Server):
    """uvicorn's server, which tells when it answers and takes signals as a wish to stop, no more."""

    on_start: Any = None
    on_stop: Callable[[], None] | None = None
    on_end: Callable[[], None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: what begins nothing more is told at once, then the requests in hand are finished."""
        if self.on_stop is not None:
            self.on_stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Waits for the requests in hand as long as it is set to, then ends what they still wait for."""
        await super().shutdown(sockets)
        if self.on_end is not None:
            self.on_end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer, then says so."""
        await super().startup(sockets)
        if self.started and self.on_start is not None:
            self.on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again once it has stopped; here what is open is closed after it."""
        with interrupts.taken(self.handle_exit):
            yield


@contextmanager
def projecting(installation: Installation, settings: Settings) -> Iterator[Callable[[], bool]]:
    """The projections' runner, on a thread, for as long as the service lives; gives whether it lives."""
    runner = Runner(installation.database.conninfo(Role.PROJECTOR), batch=settings.projection_batch)
    try:
        with _beside("projections", runner.run, settings.projection_interval) as lives:
            yield lives
    finally:
        runner.close()


@contextmanager
def _beside(
    name: str, run: Callable[..., None], *more: Any, wake: Callable[[], None] = lambda: None
) -> Iterator[Callable[[], bool]]:
    """``run`` on a thread of its own, told to stop at the end and waited for; gives whether it lives.

    ``wake`` has it look whether it is told.
    """
    stop = Event()
    thread = Thread(target=run, args=(stop, *more), name=name)
    thread.start()
    try:
        yield thread.is_alive
    finally:
        stop.set()
        wake()
        thread.join()


def _while(lives: Callable[[], bool], state: Callable[[], T], what: str) -> Callable[[], T]:
    """How something stands that runs beside the service; raises Ended once it does so no longer."""

    def stands() -> T:
        if not lives():
            raise Ended(f"{what}: its thread has ended; why is in the log: start the service again")
        return state()

    return stands


@contextmanager
def sealing(installation: Installation, settings: Settings) -> Iterator[Sealing | None]:
    """The sealing of all ledgers, on a thread, for as long as the service lives; None where another one seals.

    Raises Diverged where a ledger is not what was signed or published of it: nothing is to be added to it.
    """
    if not settings.seal:
        yield None
        return
    sealed = Sealing(installation.database, installation.published, interval=settings.seal_interval)
    sealed.check()
    # They were just now; and where their files are away, no command has to find that out once more.
    installation.compared.update(ledger.id for ledger in installation.ledgers.all())
    # A database that is set back under the service is noticed by sealing, and by the next command then.
    sealed.on_alarm = lambda ledger: installation.compared.discard(ledger.id)
    with _beside("sealing", sealed.run, wake=sealed.hurry):
        yield sealed


@dataclass
class Witnesses:
    """Who witnesses: the policy by which they are trusted, and how far they are, where this process asks."""

    policy: Callable[[], Policy | None]
    standing: WitnessState | None = None


@contextmanager
def acknowledging(
    installation: Installation, witnesses: Witnesses, sealed: Sealing | None
) -> Iterator[Acknowledging]:
    """Tells who waits for more than a durable entry, on a thread, for as long as the service lives."""
    hurry = (lambda: None) if sealed is None else sealed.hurry
    told = Acknowledging(installation.feed, installation.published, witnesses.policy, hurry)
    if sealed is not None:
        sealed.on_seal = told.look
    with _beside("acknowledging", told.run, wake=told.look):
        yield told


@contextmanager
def reconciling(installation: Installation, settings: Settings) -> Iterator[VaultState]:
    """The vault held to the destruction entries: whole before anything is answered, then on a thread.

    Raises Unavailable, VaultError.
    """
    vault = Reconciling(installation, structlog.get_logger("auditledger.vault").error)
    vault.all(whole=True)
    with _beside("reconciling", vault.run, settings.reconcile_interval, settings.rewrite_vault) as lives:
        yield _while(lives, vault.state, "vault")


@contextmanager
def telling(installation: Installation, settings: Settings) -> Iterator[EmergencyState]:
    """Telling the privacy officer of emergency access, on a thread, for as long as the service lives.

    By mail where that is set, and this service seals: of several services one tells. Raises SettingsError.
    """
    letterbox = Letterbox.of(settings) if settings.seal else None
    told = Telling(installation, letterbox, structlog.get_logger("auditledger.emergency").error)
    with _beside("telling", told.run) as lives:
        yield _while(lives, told.state, "emergency access")


@contextmanager
def witnessing(
    installation: Installation, settings: Settings, sealed: Sealing | None, began: Event
) -> Iterator[Witnesses]:
    """The asking of witnesses, on a thread, for as long as the service lives, where it seals.

    Without a policy they are the service's own, which starts after ``began``. Raises SettingsError for a policy
    that cannot be read.
    """
    with ExitStack() as stack:
        found = policy_of(settings)
        witnesses = Witnesses(lambda: found)
        if sealed is not None and (settings.policy is not None or settings.local_witness):
            if settings.policy is None:
                own = OwnWitness(settings.data_dir, installation.published.keys)
                stack.enter_context(_beside("own witness", own.run, began))
                witnesses.policy = own.policy
            asking = Witnessing(installation.database, installation.published, witnesses.policy, sealed)
            lives = stack.enter_context(_beside("witnessing", asking.run, settings.seal_interval))
            witnesses.standing = _while(lives, asking.standing, "witnessing")
        yield witnesses


@contextmanager
def stamping(installation: Installation, settings: Settings, sealed: Sealing | None) -> Iterator[None]:
    """The time stamping of checkpoints, on a thread, where that is set and this service seals.

    Raises SettingsError.
    """
    if settings.timestamp_url is None or settings.timestamp_ca is None or sealed is None:
        yield
        return
    from ledger.store.stamping import Stamping

    stamps = Stamping(
        installation.database, installation.published, settings.timestamp_url, settings.timestamp_ca
    )
    with _beside("stamping", stamps.run, settings.timestamp_interval):
        yield


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise SettingsError(
            f"host and port: cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "set another port, or 0 for a free one"
        ) from None
