"""The read side on the command line: its commands, joined to who acts here. A part of the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import typer

import projections.cli
from ledger.api.logs import configure
from ledger.application import Installation, Principal
from ledger.cli.session import of, table
from ledger.codec.entry import Source, SourceKind
from ledger.joined import desk, door
from ledger.store.database import Role
from ledger.store.ledgers import Ledger
from projections import asked
from projections.base import register
from projections.doors import Door
from projections.query import every
from projections.reports.cli import report_command
from projections.reports.handover import Desk
from projections.runner import Leased, Runner


@contextmanager
def local_desk(context: typer.Context, person: str | None, organisation: str | None) -> Iterator[Desk]:
    """What who acts on the command line may read of reports, and how what they hand over is recorded."""
    with _asked(context, person, organisation) as (installation, asking):
        bring_up(installation)
        yield desk(installation, *asking, through=Source(SourceKind.TYPED))


@contextmanager
def local_door(context: typer.Context, person: str | None, organisation: str | None) -> Iterator[Door]:
    """What who acts on the command line may read: in every organisation, unless one is named."""
    with _asked(context, person, organisation) as (installation, asking):
        if context.info_name != "rebuild":
            bring_up(installation)
        yield door(installation, asking)


@contextmanager
def _asked(
    context: typer.Context, person: str | None, organisation: str | None
) -> Iterator[tuple[Installation, list[Principal]]]:
    session = of(context)
    # What is logged while registers are brought up goes to stderr: standard output is the answer's.
    configure(session.settings().log_level)
    with session.installation() as installation:
        yield installation, session.principals(installation, person, organisation)


def bring_up(installation: Installation) -> None:
    """Brings the registers up to the ledgers where no service does that. Raises Unavailable."""
    with suppress(Leased), Runner(installation.database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()


def entries_named(
    installation: Installation, principal: Principal, ledger: Ledger, name: str, filters: Mapping[str, str]
) -> Sequence[int]:
    """The entries of a ledger that the rows of a register were built from, those that do not count left out.

    Raises Forbidden, InvalidInput, NotFound (no such register), Unavailable.
    """
    wanted = register(name)
    bring_up(installation)
    with asked.view(door(installation, [principal]), wanted, ledger=ledger.slug) as view:
        rows = every(view.connection, wanted, view.query(filters))
        return sorted({index for row in rows for index in row["entries"]})


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


commands = projections.cli.commands(local_door, show_table, show_progress)
replay, diff, rebuild, clocks = (commands[name] for name in ("replay", "diff", "rebuild", "clocks"))
report = report_command(local_desk)
