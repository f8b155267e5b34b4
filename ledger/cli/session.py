"""What every command works with: settings, who acts, and how results, progress and errors are shown."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    # Every command line goes through this module; what not every command needs is imported where it is used.
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from ledger.application import Installation, Principal
    from ledger.clock import Clock
    from ledger.settings import Settings
    from ledger.store.database import Database
    from ledger.store.ledgers import Ledger

AUTHORITY = "local"
"""How who acts on the command line is known: whoever may read the data directory may say who they are."""

NO_LEDGER = "no ledger exists yet; see 'auditledger ledger create --help', or load 'auditledger demo'"

WIDE = 240

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
InLedger = Annotated[str, typer.Option("--ledger", "-l", help="Slug of the ledger.")]
MaybeLedger = Annotated[
    str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; not needed where there is one.")
]
Person = Annotated[
    str | None, typer.Option("--person", help="Who acts, by opaque id; else AUDITLEDGER_PERSON.")
]
Organisation = Annotated[
    str | None,
    typer.Option("--organisation", help="For which organisation, by id; else the ledger's own."),
]

Announce = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Doors:
    """What only the composition root can give: the HTTP service, its tokens, the projections' state."""

    serve: Callable[[Settings, Announce], None]
    """Runs the service until it is told to stop; announces address and more once it answers."""
    issue_token: Callable[..., str]
    lag: Callable[[Database], Mapping[str, Any]]
    """How far the registers are behind, and what is parked."""
    entries_named: Callable[[Installation, Principal, Ledger, str, Mapping[str, str]], Sequence[int]]
    """The entries that the rows of a register were built from: of which ledger, which register, what query."""
    configure_logs: Callable[[str], None]
    """What is logged from here on goes to standard error, from this level up."""


class Session:
    """One run of the program."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self._settings: Settings | None = None

    @cached_property
    def out(self) -> Console:
        """Standard output."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Standard error."""
        return _console(stderr=True)

    def settings(self, **given: Any) -> Settings:
        """The settings in force; what is given on the command line wins. Raises SettingsError."""
        from ledger.settings import Settings

        if self._settings is None or given:
            self._settings = Settings.load(**given)
        return self._settings

    @contextmanager
    def installation(self, clock: Clock | None = None) -> Iterator[Installation]:
        """The installation of the settings, beside a running service or alone."""
        from ledger.application.opened import opened

        with opened(self.settings(), clock=clock) as installation:
            yield installation

    def principal(self, ledger: Ledger, person: str | None, organisation: str | None) -> Principal:
        """Who acts here. Raises InvalidInput where nobody says so."""
        from ledger.application import Principal

        who = person or self.settings().person
        if not who:
            raise InvalidInput(
                "--person", "who acts, by the id that a grant names; or AUDITLEDGER_PERSON", None
            )
        return Principal(who, organisation or self.settings().organisation or ledger.organisation, AUTHORITY)

    def principals(
        self, installation: Installation, person: str | None, organisation: str | None
    ) -> list[Principal]:
        """Who acts here, for each organisation that has a ledger. Raises NotFound, InvalidInput."""
        asking = {self.principal(each, person, organisation) for each in installation.ledgers.all()}
        if not asking:
            raise NotFound(NO_LEDGER)
        return sorted(asking, key=lambda each: each.organisation)

    def show(self, as_json: bool, content: Any, text: Callable[[], Any]) -> None:
        """Prints a result: as JSON, or as what ``text`` gives."""
        if as_json:
            print_json(content)
        else:
            self.out.print(text())

    def progress(self) -> Progress:
        """A progress bar on stderr; silent where stderr is no terminal."""
        from rich import progress

        return progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=self.err,
            disable=not self.err.is_terminal,
        )


def _console(*, stderr: bool) -> Console:
    """A console that prints text as it is; where it is no terminal, wide: a table's line stays a line."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            # Rich would end the program with 1; ``ledger.cli.app`` knows better.
            raise BrokenPipeError

    found = Plain(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = WIDE
    return found


def of(context: typer.Context) -> Session:
    """The session of a command."""
    session = context.obj
    assert isinstance(session, Session)
    return session


def group(says: str) -> typer.Typer:
    """A group of commands; called alone it prints its help."""
    made = typer.Typer(help=says, add_completion=False, rich_markup_mode=None)
    made.callback(invoke_without_command=True)(print_help)
    return made


def print_help(context: typer.Context) -> None:
    """What a group does where no command of it is called."""
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def program() -> str:
    """How this program is called in a shell: by its name where that finds it, else by its path."""
    return "auditledger" if shutil.which("auditledger") else sys.argv[0]


def print_json(content: Any) -> None:
    """One JSON document on one line, so that a stream of them is JSON lines."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table; however narrow the terminal, no id is cut in two, so that it can be copied."""
    from rich.table import Table

    lines = [["" if cell is None else str(cell) for cell in row] for row in rows]
    out = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        words = [word for line in [columns, *lines] for word in line[place].split()]
        out.add_column(column, overflow="fold", min_width=max(map(len, words), default=0))
    for line in lines:
        out.add_row(*line)
    return out


def the_ledger(installation: Installation, slug: str | None) -> Ledger:
    """The named ledger, or the only one beside ``common``. Raises NotFound, InvalidInput."""
    from ledger.store.ledgers import COMMON

    if slug is not None:
        return installation.ledgers.get(slug)
    found = [ledger for ledger in installation.ledgers.all() if ledger.slug != COMMON]
    if not found:
        raise NotFound(NO_LEDGER)
    if len(found) != 1:
        raise InvalidInput("--ledger", f"one of {', '.join(ledger.slug for ledger in found)}", None)
    return found[0]
