"""The composition root: joins the command line, HTTP and the projections. It alone imports the projections."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, BinaryIO

import typer
import uvicorn
from fastapi import FastAPI, Request

import projections.api
import projections.cli
import projections.reports.api
from ledger.api import tokens
from ledger.api.app import create_app
from ledger.api.body import command_id
from ledger.api.logs import configure
from ledger.api.service import principal
from ledger.api.writes import API
from ledger.application import Installation, Outcome, Principal
from ledger.application.access import Matter, readable
from ledger.application.opened import opened
from ledger.cli.app import make_app, run
from ledger.cli.session import Announce, Doors, Session, of, table
from ledger.clock import melbourne_date
from ledger.codec.entry import Source, SourceKind
from ledger.domain.case import command_table
from ledger.errors import Forbidden, NotFound, SettingsError, Unavailable
from ledger.settings import Settings
from ledger.store.database import Role
from projections import sql
from projections.doors import Door
from projections.facts import heads
from projections.reports.cli import report_command
from projections.reports.handover import COMMAND as HAND_OVER
from projections.reports.handover import Desk
from projections.runner import Runner, connect


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
    installation: Installation, settings: Settings, running: Callable[[], bool] = lambda: True
) -> FastAPI:
    """The HTTP application over an open installation, with the projections' routes.

    ``running`` says whether the projections' runner lives.
    """

    def state() -> dict[str, Any]:
        if not running():
            raise Unavailable("projections: the runner has failed; its failure is in the log")
        return lag(installation)

    return create_app(
        installation,
        settings,
        tokens=tokens.tokens(settings),
        identify=identify(installation),
        routers=[
            projections.api.router(lambda request: door(installation, [principal(request)])),
            projections.reports.api.router(lambda request: request_desk(installation, request)),
        ],
        lag=state,
    )


def door(installation: Installation, asking: Sequence[Principal], matter: Matter = Matter.CASES) -> Door:
    """What someone may read of the registers, known under these principals. Raises Forbidden."""
    slugs = {each.slug for who in asking for each in readable(installation, who, matter)}
    if not slugs:
        raise Forbidden(f"{asking[0].person} has no role in force that reads {matter.value}")
    today = melbourne_date(installation.clock.now())
    return Door(installation.database.conninfo(Role.PROJECTOR), sorted(slugs), today)


def request_desk(installation: Installation, request: Request) -> Desk:
    """The desk of who asks over HTTP; what is handed over is recorded under the request's Idempotency-Key.

    A repeat makes the report anew, so that it is refused as another content under a key that was used.
    """
    key = command_id(request) if request.method == "POST" else None
    return desk(installation, principal(request), key=key)


def desk(installation: Installation, *asking: Principal, through: Source = API, key: str | None = None) -> Desk:
    """What someone may read of reports, and how what they hand over is recorded. Raises Forbidden."""
    (hands_over,) = command_table()[HAND_OVER]

    def who(slug: str) -> Principal:
        organisation = installation.ledgers.get(slug).organisation
        return next((each for each in asking if each.organisation == organisation), asking[0])

    def submit(slug: str, command: str, body: Mapping[str, Any]) -> Outcome:
        return installation.execute(
            slug, command, body, principal=who(slug), command_id=key or str(uuid.uuid4()), source=through
        )

    def keep_file(
        slug: str, stream: str, source: BinaryIO, length: int | None, *, field_path: str
    ) -> dict[str, Any]:
        if not installation.roles(slug, who(slug)) & hands_over.roles:
            raise Forbidden(f"ledger {slug}: {HAND_OVER} takes one of {', '.join(sorted(hands_over.roles))}")
        return installation.keep_file(slug, stream, source, length, field_path=field_path)

    return Desk(door(installation, asking, Matter.REPORTS), submit, keep_file)


@contextmanager
def local_desk(context: typer.Context, person: str | None, organisation: str | None) -> Iterator[Desk]:
    """The same for who acts on the command line."""
    with of(context).installation() as installation:
        asking = local_principals(of(context), installation, person, organisation)
        yield desk(installation, *asking, through=Source(SourceKind.TYPED))


@contextmanager
def local_door(context: typer.Context, person: str | None, organisation: str | None) -> Iterator[Door]:
    """What who acts on the command line may read: in every organisation, unless one is named."""
    with of(context).installation() as installation:
        yield door(installation, local_principals(of(context), installation, person, organisation))


def local_principals(
    session: Session, installation: Installation, person: str | None, organisation: str | None
) -> list[Principal]:
    """Who acts on the command line, for each organisation that has a ledger. Raises NotFound, InvalidInput."""
    asking = {session.principal(each, person, organisation) for each in installation.ledgers.all()}
    if not asking:
        raise NotFound("no ledger exists; see 'auditledger ledger create'")
    return sorted(asking, key=lambda each: each.organisation)


def show_table(
    context: typer.Context, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Prints a table of the projections."""
    of(context).out.print(table(title, columns, rows))


@contextmanager
def show_progress(context: typer.Context, what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar of the projections."""
    with of(context).progress() as progress:
        task = progress.add_task(what.capitalize(), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def lag(installation: Installation) -> dict[str, Any]:
    """How far the registers are behind the ledgers, and what stands still. Raises Unavailable."""
    with connect(installation.database.conninfo(Role.READER), "auditledger health") as connection:
        sizes = {head.id: head.size for head in heads(connection)}
        positions = {row[0]: row[1] for row in connection.execute(sql.get("positions"))}
        (counted,) = connection.execute(sql.get("count_parked"))
    behind = sum(size - positions.get(ledger, 0) for ledger, size in sizes.items())
    return {"behind": behind, "parked": counted[0], "paused": counted[1]}


def serve(settings: Settings, announce: Announce) -> None:
    """Runs the service until SIGINT or SIGTERM. Raises SettingsError where the address is taken."""
    configure(settings.log_level)
    listening = _listen(settings)
    with listening, opened(settings) as installation, projecting(installation, settings) as running:
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        server = Server(
            uvicorn.Config(
                application(installation, settings, running),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=75,
            )
        )
        # What is loaded by now stays: the collector need not walk it again with every few hundred requests.
        gc.collect()
        gc.freeze()
        server.on_start = lambda: announce({"url": f"http://{shown}:{port}"})
        asyncio.run(server.serve(sockets=[listening]))


class Server(uvicorn.Server):
    """uvicorn's server, which tells when it answers and takes signals as a wish to stop, no more."""

    on_start: Any = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer, then says so."""
        await super().startup(sockets)
        if self.started and self.on_start is not None:
            self.on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again once it has stopped; here what is open is closed after it."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        kept = [each for each in wanted if signal.getsignal(each) is not signal.SIG_IGN]
        before = {each: signal.signal(each, self.handle_exit) for each in kept}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


@contextmanager
def projecting(installation: Installation, settings: Settings) -> Iterator[Callable[[], bool]]:
    """The projections' runner, on a thread, for as long as the service lives; gives whether it lives."""
    stop = Event()
    runner = Runner(installation.database.conninfo(Role.PROJECTOR), batch=settings.projection_batch)
    thread = Thread(target=runner.run, args=(stop, settings.projection_interval), name="projections")
    thread.start()
    try:
        yield thread.is_alive
    finally:
        stop.set()
        thread.join()
        runner.close()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise SettingsError(
            f"host and port: cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "set another port, or 0 for a free one"
        ) from None


def app() -> typer.Typer:
    """The whole command line."""
    program = make_app()
    projections.cli.add_commands(program, local_door, show_table, show_progress)
    program.command("report")(report_command(local_desk))
    return program


DOORS = Doors(serve=serve, issue_token=tokens.issue, lag=lag)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    # Told to stop in whatever it does, it ends as on Ctrl-C: what is open is closed, embedded server and all.
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.default_int_handler)
    sys.exit(run(app(), DOORS, arguments))


if __name__ == "__main__":
    main()
