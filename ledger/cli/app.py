"""The program ``auditledger``: its commands, and how an error leaves it.

A command is loaded when it is called: ``--help`` and short commands begin without what others need.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from ledger.cli.interrupted import interrupted
from ledger.cli.session import Doors, Session, print_help
from ledger.errors import AuditLedgerError, Unavailable

WRONG_COMMAND_LINE = 2
"""Exit code of an unknown command, option or argument; the same as of any other wrong input."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One command of the program and where it is: ``module:name`` of a function or of a group of commands."""

    name: str
    where: str
    says: str
    """The line that ``auditledger --help`` shows."""

    def load(self) -> Any:
        """The command itself; from here on its imports are paid."""
        module, _, name = self.where.partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(self.name)(found)
            found = alone
        command = get_command(found)
        command.name = self.name
        return command


COMMANDS = (
    Loaded("up", "ledger.cli.service:up", "Start the service; --demo loads the demonstration first."),
    Loaded("demo", "ledger.cli.demonstration:demo", "Load the demonstration: invented events."),
    Loaded("ledger", "ledger.cli.ledgers:ledger", "Create and list ledgers."),
    Loaded("organisation", "ledger.cli.ledgers:organisation", "Register and list organisations."),
    Loaded("calendar", "ledger.cli.ledgers:calendar", "Show and change a ledger's public holidays."),
    Loaded("record", "ledger.cli.record:record", "Record any command of law; --list names them."),
    Loaded("attach", "ledger.cli.record:attach", "Keep a file with a case, encrypted."),
    Loaded("import", "ledger.cli.imports:import_", "Bring in a past register: .xlsx, CSV or JSON."),
    Loaded("entries", "ledger.cli.entries:entries", "Show a ledger's entries, decoded; --follow goes on."),
    Loaded("search", "ledger.cli.searching:search", "Search sealed identifiers; a search is an entry."),
    Loaded("verify", "ledger.cli.verify:verify", "Check that nothing recorded was changed."),
    Loaded("checkpoint", "ledger.cli.proofs:checkpoint", "Seal a ledger; print its signed checkpoint."),
    Loaded("prove", "ledger.cli.proofs:prove", "Write a proof that strangers can check."),
    Loaded("bundle", "ledger.cli.bundle:bundle", "Export evidence that strangers can check; verify it."),
    Loaded("keys", "ledger.cli.keys:keys", "List, rotate, split, restore and drill keys."),
    Loaded("break-glass", "ledger.cli.emergency:break_glass", "Take, end, list and review emergency access."),
    Loaded("destroy", "ledger.cli.destruction:destroy", "Destroy sealed values for good; proofs stay."),
    Loaded("reconcile", "ledger.cli.destruction:reconcile", "Hold the vault to what entries destroyed."),
    Loaded("backup", "ledger.cli.backup:backup", "Make a backup set of everything but the secret keys."),
    Loaded("restore", "ledger.cli.backup:restore_", "Restore a backup set, or drill that; say what was lost."),
    Loaded("refill", "ledger.cli.backup:refill_", "Put back what an older database lacks, from the tiles."),
    Loaded("witness", "ledger.cli.witness:witness", "Run a witness: it cosigns what only grows."),
)
"""What this layer has; ``ledger.main`` adds what reads registers, and the rest."""
TOOLS = (
    Loaded("schemas", "ledger.cli.schemas:app", "Check, write, release and describe the schemas."),
    Loaded("token", "ledger.cli.service:token", "Issue a development token for HTTP."),
    Loaded("doctor", "ledger.cli.doctor:doctor", "List the settings; say what is reachable and healthy."),
)
"""What stands at the end of the list."""


class Program(TyperGroup):
    """The program's commands by name."""

    table: dict[str, Loaded]

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, loaded now; None where there is none."""
        if cmd_name not in self.commands and cmd_name in self.table:
            self.commands[cmd_name] = self.table[cmd_name].load()
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in the help text: none is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(each.name, each.says) for each in self.table.values()])


def program(commands: Sequence[Loaded]) -> Program:
    """The program with these commands."""
    app = typer.Typer(
        cls=Program,
        name="auditledger",
        help="Audit ledger for information sharing and privacy: what happened, hash-chained, judged by law.",
        add_completion=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_root)
    made = get_command(app)
    assert isinstance(made, Program)
    made.table = {each.name: each for each in commands}
    return made


def _root(
    context: typer.Context,
    show_version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if show_version:
        sys.stdout.write(f"auditledger {version('auditledger')}\n")
        raise typer.Exit
    print_help(context)


def run(program: Program, doors: Doors, arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns its exit code. Every error is one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with program.make_context("auditledger", given, obj=Session(doors)) as context:
            result = program.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    except AuditLedgerError as error:
        return _failed(str(error), error.exit_code)
    except typer.TyperException as error:
        return _failed(_wrong(error), WRONG_COMMAND_LINE)
    except (typer.Abort, KeyboardInterrupt):
        return interrupted()
    except BrokenPipeError:
        # Whoever read our output has seen enough (``entries | head``); nothing more can be written.
        _to_nowhere()
        return 0
    except OSError as error:
        # Of the machine, not of ours: a disk that is full, a folder that may not be written.
        _to_nowhere()
        return _failed(f"{error.filename or 'output'}: {error.strerror or error}", Unavailable.exit_code)
    return result if isinstance(result, int) else 0


def _failed(message: str, exit_code: int) -> int:
    sys.stderr.write(f"auditledger: {' '.join(message.split())}\n")
    return exit_code


def _wrong(error: typer.TyperException) -> str:
    """What is wrong with a command line, and where its help is."""
    context = getattr(error, "ctx", None)
    words = "auditledger" if context is None else context.command_path
    message = error.format_message().removesuffix(".").replace("Value error, ", "")
    return f"{message}; see '{words} --help'"


def _to_nowhere() -> None:
    """What is left in the buffer of standard output goes nowhere: flushed at the end, it would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
