"""Writes what the docs say of the code from the code: ``python -m tests.docs.generate``.

A generated part of a page stands between two comments that name it; the rest of the page is written by hand.
``test_generated.py`` holds every part against what would be written.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import typer
from typer.core import TyperGroup

from ledger import errors
from ledger.api import problem
from ledger.cli.imports import BAD_ROWS
from ledger.cli.interrupted import INTERRUPTED
from ledger.cli.schemas import declared, described
from ledger.domain.case import command_table
from ledger.law import dates
from ledger.law.clock_table import ROWS
from ledger.law.dates import Provision
from ledger.main import app
from ledger.service import application
from ledger.settings import PREFIX, Settings
from ledger.vault import kek, store
from projections.base import COMMON, registers
from tests.docs.lawbook import modules

ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n)(?P<body>.*?)(<!-- end of \2 -->)", re.DOTALL)
HELP_WIDTH = 100


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str("" if value is None else value).split()).replace("|", "\\|")


def law_rules() -> str:
    """Every function of ``ledger/law`` with what it says and the sections that it refuses under."""
    parts = []
    for module in modules():
        parts.append(f"### `ledger/law/{module.name}.py`\n\n{module.doc.replace('``', '`')}\n\n")
        rows = [
            (f"`{each.name}`", each.says.replace("``", "`"), "; ".join(each.citations))
            for each in module.functions
        ]
        parts.append(table(("function", "says", "refuses under"), rows) + "\n")
    return "".join(parts)


def law_dates() -> str:
    """From when each provision is law."""
    rows = [(each.value, f"`{each.name}`", dates.IN_FORCE_FROM[each].isoformat()) for each in Provision]
    return table(("provision", "name in the code", "judges facts from"), rows)


def clocks() -> str:
    """The table of clocks."""
    rows = []
    for row in ROWS:
        period = "stated in the instrument" if row.period_stated else str(row.period or "no number")
        since = "as the instrument says" if row.in_force_from == dates.INSTRUMENTS_OWN else row.in_force_from
        rows.append(
            (
                f"`{row.id}`",
                row.section,
                row.starts,
                period,
                row.rule.value,
                row.ended_by,
                row.nature.value,
                since,
            )
        )
    header = ("clock", "section", "starts with", "period", "rule", "ended by", "nature", "in force from")
    chosen = [(f"`{row.id}`", "; ".join(row.choices)) for row in ROWS if row.choices]
    return table(header, rows) + "\nReadings chosen where the source leaves them open:\n\n" + table(
        ("clock", "choices"), chosen
    )  # fmt: skip


def commands() -> str:
    """The table of commands."""
    rows = []
    for name, specs in command_table().items():
        first = specs[0]
        if first.stream:
            where = f"the stream `{first.stream}`"
        elif first.opens:
            where = f"a new case `{first.case.__name__}`"
        else:
            kinds = ", ".join(f"`{kind}`" for kind in sorted({spec.case.__name__ for spec in specs}))
            where = f"a case {kinds}"
        alike = len({spec.roles for spec in specs}) == 1
        roles = ", ".join(sorted(first.roles)) if alike else "those that write such a case"
        rows.append((f"`{name}`", where, roles, first.doc.replace("``", "`")))
    return table(("command", "recorded in", "roles", "says"), rows)


def register_pages() -> str:
    """Every register with its columns."""
    parts = ["Columns that every register begins with:\n\n"]
    parts.append(table(("column", "type", "says"), [(f"`{c.name}`", _type(c.kind), c.doc) for c in COMMON]))
    for name, each in registers().items():
        access = " Public." if each.public else ""
        parts.append(f"\n### `{name}`: {each.title}\n\nDefinition {each.version}.{access}\n\n")
        rows = [(f"`{c.name}`", _type(c.kind), c.doc) for c in each.columns]
        parts.append(table(("column", "type", "says"), rows))
    return "".join(parts)


def _type(kind: str) -> str:
    return "sealed text" if "COLLATE" in kind else kind


def settings() -> str:
    """Every setting with its variable, its default and what it is."""
    rows = []
    for name, field in Settings.model_fields.items():
        if name == "data_dir":
            default: object = "`$XDG_DATA_HOME/auditledger`, else `~/.local/share/auditledger`"
        elif field.default is None:
            default = "not set"
        else:
            value = field.default
            default = f"`{', '.join(value) if isinstance(value, tuple) else value}`"
        rows.append((f"`{name}`", f"`{PREFIX}{name.upper()}`", default, field.description))
    return table(("in the file", "in the environment", "default", "what it is"), rows)


def exit_codes() -> str:
    """Every exit code with the errors that leave the program by it."""
    by_code: dict[int, list[str]] = {0: ["done; or nothing was left to do"]}
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, errors.AuditLedgerError):
            doc = (each.__doc__ or "").strip().split("\n")[0]
            by_code.setdefault(each.exit_code, []).append(f"`{each.__name__}`: {doc}")
    by_code.setdefault(BAD_ROWS, []).append("`import`: some rows are bad; the report names them")
    by_code[INTERRUPTED] = ["interrupted (Ctrl-C)"]
    return table(("exit code", "meaning"), [(code, "<br>".join(by_code[code])) for code in sorted(by_code)])


def cli_help() -> str:
    """What ``--help`` prints, for every command."""
    parts = []
    for path, command in cli_commands().items():
        context = typer.Context(command, info_name=f"auditledger {path}".strip(), terminal_width=HELP_WIDTH)
        text = command.get_help(context)
        parts.append(f"### `{f'auditledger {path}'.strip()}`\n\n```text\n{text.rstrip()}\n```\n\n")
    return "".join(parts)


def cli_commands() -> dict[str, Any]:
    """Every command of the program by its words; the program itself under the empty one."""
    found: dict[str, Any] = {}

    def walk(path: tuple[str, ...], command: Any) -> None:
        found[" ".join(path)] = command
        if isinstance(command, TyperGroup):
            context = typer.Context(command)
            for name in command.list_commands(context):
                walk((*path, name), command.get_command(context, name))

    walk((), app())
    return found


def http_routes() -> str:
    """Every route of the service with what it does."""
    with tempfile.TemporaryDirectory() as folder:
        nothing_open: Any = SimpleNamespace(feed=None, published=None)
        routes = application(nothing_open, Settings(data_dir=Path(folder))).routes
    rows = []
    for route in sorted(routes, key=lambda each: each.path):  # type: ignore[attr-defined]
        doc = (route.endpoint.__doc__ or "").strip().split("\n\n")[0].replace("``", "`")  # type: ignore[attr-defined]
        for method in sorted(route.methods - {"HEAD"}):  # type: ignore[attr-defined]
            rows.append((f"`{method} {route.path}`", doc))  # type: ignore[attr-defined]
    return table(("route", "does"), rows)


def problems() -> str:
    """Every kind of refusal over HTTP with its status."""
    rows = []
    for each in [*vars(errors).values(), *vars(problem).values(), *vars(kek).values(), *vars(store).values()]:
        if (
            isinstance(each, type)
            and issubclass(each, errors.AuditLedgerError)
            and each is not problem.HttpRefused
        ):
            doc = (each.__doc__ or "").strip().split("\n")[0].replace("``", "`")
            rows.append((each.status, f"`{problem.kind_of(each)}`", doc))
    return table(("status", "type", "means"), sorted(set(rows)))


PARTS: dict[str, Callable[[], str]] = {
    "law-rules": law_rules,
    "law-dates": law_dates,
    "clocks": clocks,
    "commands": commands,
    "registers": register_pages,
    "settings": settings,
    "exit-codes": exit_codes,
    "http-routes": http_routes,
    "problems": problems,
    "help": cli_help,
}
PAGES: dict[str, Callable[[], str]] = {"docs/events.md": lambda: described(declared())}
"""Pages that are generated whole; ``auditledger schemas docs`` writes the same."""


def pages() -> list[Path]:
    """Every page of the project that is written in Markdown."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "schemas").glob("*.md")])


def current(path: Path, text: str) -> str:
    """The text of a page with every generated part as it should be."""
    whole = PAGES.get(path.relative_to(ROOT).as_posix())
    if whole is not None:
        return whole()
    return MARKED.sub(lambda m: f"{m[1]}\n{PARTS[m['name']]().rstrip()}\n\n{m[4]}", text)


def main() -> int:
    """Brings every page up to the code; says which changed."""
    for name in PAGES:
        (ROOT / name).touch()
    for path in pages():
        text = path.read_text("utf-8")
        wanted = current(path, text)
        if wanted != text:
            path.write_text(wanted, "utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
