"""The program ``auditledger``: its commands, and how an error leaves it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

import typer

from ledger.cli import demonstration, entries, imports, ledgers, record, schemas, service
from ledger.cli.session import Doors, Session
from ledger.errors import AuditLedgerError

WRONG_COMMAND_LINE = 2
"""Exit code of an unknown command, option or argument; the same as of any other wrong input."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def make_app() -> typer.Typer:
    """The commands of ``ledger``; ``ledger.main`` adds those of the projections."""
    app = typer.Typer(
        name="auditledger",
        help="Audit ledger for information sharing and privacy: what happened, hash-chained, judged by law.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_root)
    app.command("up")(service.up)
    app.command("demo")(demonstration.demo)
    app.add_typer(ledgers.ledger, name="ledger")
    app.add_typer(ledgers.organisation, name="organisation")
    app.add_typer(ledgers.calendar, name="calendar")
    app.command("record")(record.record)
    app.command("attach")(record.attach)
    app.command("import")(imports.import_)
    app.command("entries")(entries.entries)
    app.command("verify")(entries.verify)
    app.add_typer(schemas.app, name="schemas")
    app.command("token")(service.token)
    app.command("doctor")(service.doctor)
    return app


def _root(
    context: typer.Context,
    show_version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if show_version:
        sys.stdout.write(f"auditledger {version('auditledger')}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def run(app: typer.Typer, doors: Doors, arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns its exit code. An error of ours is one line on stderr."""
    command = typer.main.get_command(app)
    try:
        result = command.main(
            None if arguments is None else list(arguments),
            prog_name="auditledger",
            standalone_mode=False,
            obj=Session(doors),
        )
    except AuditLedgerError as error:
        sys.stderr.write(f"auditledger: {' '.join(str(error).split())}\n")
        return error.exit_code
    except typer.TyperException as error:
        show = getattr(error, "show", None)
        sys.stderr.write(f"auditledger: {error}\n") if show is None else show()
        return WRONG_COMMAND_LINE
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (``entries | head``); nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0
