"""The composition root: joins the command line, HTTP and the projections. It alone imports the projections.

``ledger.joined`` and ``ledger.service`` are parts of it; the service is loaded when it is started, so that the
other commands begin at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import typer

import projections.cli
from ledger.application import Installation, Principal
from ledger.cli.app import make_app, run
from ledger.cli.session import Announce, Doors, Session, of, table
from ledger.codec.entry import Source, SourceKind
from ledger.errors import NotFound
from ledger.joined import desk, door, lag
from ledger.settings import Settings
from ledger.store.database import Role
from projections.doors import Door
from projections.reports.cli import report_command
from projections.reports.handover import Desk
from projections.runner import Leased, Runner


@contextmanager
def local_desk(context: typer.Context, person: str | None, organisation: str | None) -> Iterator[Desk]:
    """The same for who acts on the command line."""
    with of(context).installation() as installation:
        asking = local_principals(of(context), installation, person, organisation)
        bring_up(installation)
        yield desk(installation, *asking, through=Source(SourceKind.TYPED))


@contextmanager
def local_door(context: typer.Context, person: str | None, organisation: str | None) -> Iterator[Door]:
    """What who acts on the command line may read: in every organisation, unless one is named."""
    with of(context).installation() as installation:
        asking = local_principals(of(context), installation, person, organisation)
        if context.info_name != "rebuild":
            bring_up(installation)
        yield door(installation, asking)


def bring_up(installation: Installation) -> None:
    """Brings the registers up to the ledgers where no service does that. Raises Unavailable."""
    with suppress(Leased), Runner(installation.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()


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


def serve(settings: Settings, announce: Announce) -> None:
    """Runs the service until SIGINT or SIGTERM. Raises SettingsError where the address is taken."""
    from ledger.service import serve as serve_http

    serve_http(settings, announce)


def issue_token(*arguments: Any, **named: Any) -> str:
    """A development token, as ``ledger.api.tokens.issue`` makes it."""
    from ledger.api.tokens import issue

    return issue(*arguments, **named)


def app() -> typer.Typer:
    """The whole command line."""
    program = make_app()
    projections.cli.add_commands(program, local_door, show_table, show_progress)
    program.command("report")(report_command(local_desk))
    return program


DOORS = Doors(serve=serve, issue_token=issue_token, lag=lag)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    # Told to stop in whatever it does, it ends as on Ctrl-C: what is open is closed, embedded server and all.
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.default_int_handler)
    sys.exit(run(app(), DOORS, arguments))


if __name__ == "__main__":
    main()
