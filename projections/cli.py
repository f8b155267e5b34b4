"""The read side's commands: ``replay``, ``diff``, ``rebuild``, ``clocks``. ``ledger.main`` joins them."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from typing import Annotated, Any

import typer

from ledger.codec.jsonform import parse_date
from ledger.errors import InvalidInput
from ledger.law.clocks import State
from projections import asked, query
from projections.base import Kind, Register, register, registers
from projections.calendar import CLOCKS
from projections.connection import connect
from projections.doors import Door
from projections.explain import explain
from projections.query import Opener, every, opened, unopened
from projections.query import as_json as plain
from projections.rebuild import rebuild, way_back
from projections.steps import said, shown, steps

Show = Callable[[typer.Context, str, Sequence[str], Iterable[Sequence[object]]], None]
"""Prints a table: (context, title, columns, rows)."""
Progress = Callable[[typer.Context, str], AbstractContextManager[Callable[[int, int], None]]]
"""A progress bar: (context, what) → (done, in all) as it goes."""
OpenDoor = Callable[[typer.Context, str | None, str | None], AbstractContextManager[Door]]
"""(context, person, organisation) → the door of who acts."""

InLedger = Annotated[str | None, typer.Option("--ledger", "-l", help="Only this ledger, by its slug.")]
On = Annotated[
    str | None, typer.Option("--on", help="Judge clocks on this Melbourne date; else today, or as at then.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of text.")]
Person = Annotated[str | None, typer.Option("--person", help="Who acts; else AUDITLEDGER_PERSON.")]
Organisation = Annotated[str | None, typer.Option("--organisation", help="For which organisation.")]
Filters = Annotated[
    list[str] | None,
    typer.Option("--where", "-w", help="COLUMN=VALUE, COLUMN.from=, COLUMN.to=, COLUMN.empty=yes|no."),
]
RegisterName = Annotated[
    str, typer.Argument(help="Name of the register; 'replay --list' names them.", metavar="REGISTER")
]
AsAt = Annotated[
    str | None, typer.Option("--as-at", help="As recorded by: LEDGER=N, a date, or a moment with its zone.")
]


def commands(door: OpenDoor, show: Show, progress: Progress) -> dict[str, Callable[..., None]]:
    """The commands by name, for whoever opens the door."""

    def replay_command(
        context: typer.Context,
        name: Annotated[
            str | None, typer.Argument(metavar="REGISTER", help="Name of the register; --list names them.")
        ] = None,
        as_at: AsAt = None,
        happened_by: Annotated[str | None, typer.Option(help="Only facts dated up to this day.")] = None,
        on: On = None,
        ledger: InLedger = None,
        case: Annotated[str | None, typer.Option(help="Only this case.")] = None,
        where: Filters = None,
        all_status: Annotated[bool, typer.Option("--all", help="Rows that do not count too.")] = False,
        listed: Annotated[bool, typer.Option("--list", help="Name the registers and their columns.")] = False,
        step: Annotated[
            bool, typer.Option("--steps", help="Entry by entry: what each changed, and the clocks then.")
        ] = False,
        since: Annotated[str | None, typer.Option(help="With --steps: from here on; as --as-at.")] = None,
        person: Person = None,
        organisation: Organisation = None,
        csv: AsCsv = False,
        as_json: AsJson = False,
    ) -> None:
        """Print a register, as it is or as at a position, a moment, or by the day things happened.

        With --steps, go through a case, or the entries since a position, one by one; REGISTER chooses whose
        changes are shown, else those of all but clocks, whose states are shown in any case.
        """
        other = {"--where": where, "--happened-by": happened_by, "--on": on, "--all": all_status, "--csv": csv}
        for option, given in (other if step else {"--since": since}).items():
            if given:
                raise InvalidInput(option, f"none {'with' if step else 'without'} --steps", given)
        if step:
            with door(context, person, organisation) as opened_door:
                _steps(opened_door, name, ledger, case, since, as_at, as_json)
            return
        if listed or name is None:
            _list(context, show, as_json)
            return
        wanted = register(name)
        filters = _filters(where) | ({"stream": case} if case else {})
        with (
            asked.by_option(as_at="--as-at"),
            door(context, person, organisation) as opened_door,
            asked.view(
                opened_door,
                wanted,
                ledger=ledger,
                as_at=as_at,
                happened_by=_day("--happened-by", happened_by),
                on=_day("--on", on),
            ) as view,
        ):
            rows = every(view.connection, wanted, view.query(filters, all_status=all_status), view.table)
            stated: dict[str, Any] = {"register": name, **_at(view)}
            if happened_by is not None:
                stated |= {"happened_by": happened_by, "left_out_of_unknown_date": view.left_out}
            _print(context, show, wanted, rows, view, stated, opened_door.opener, csv=csv, as_json=as_json)

    def diff_command(
        context: typer.Context,
        name: RegisterName,
        before: Annotated[str, typer.Option("--from", help="LEDGER=N, a date, or a moment with its zone.")],
        after: Annotated[str | None, typer.Option("--to", help="As --from; without it, now.")] = None,
        ledger: InLedger = None,
        person: Person = None,
        organisation: Organisation = None,
        as_json: AsJson = False,
    ) -> None:
        """Compare a register at two moments: rows added, changed and removed, field by field."""
        with asked.by_option(as_at="--from", to="--to"), door(context, person, organisation) as opened_door:
            wanted = register(name)
            earlier, later = asked.moments(opened_door, before, after, ledger)
            found = asked.compared(opened_door, wanted, earlier, later)
            if as_json:
                _json(found)
                return
            with connect(opened_door.conninfo, "auditledger diff") as connection:
                names, names_at = asked.names_at(connection, later.common)
        # Of a row that came or went, what every row begins with says nothing on a screen.
        own = {column.name for column in wanted.columns}
        changes = found["changes"]
        rows = [
            (
                c["kind"], f"{c['ledger']}/{c['case']}", _text(c["key"], names), field, _text(old, names),
                _text(new, names),
            )
            for c in changes
            for field, (old, new) in c["fields"].items()
            if c["kind"] == "changed" or (field in own and (old, new) != (None, None))
        ]  # fmt: skip
        by = f" (names at {names_at})" if names_at else ""
        title = f"{name} from {earlier} to {later}{by}: {len(changes)} rows{_mark(found)}"
        show(context, title, ("", "case", "key", "field", "before", "after"), rows)

    def rebuild_command(
        context: typer.Context,
        names: Annotated[
            list[str] | None, typer.Argument(metavar="REGISTER", help="Which; without one, all.")
        ] = None,
        back: Annotated[
            bool, typer.Option("--back", help="Put the tables before the last rebuild back.")
        ] = False,
        person: Person = None,
        organisation: Organisation = None,
        as_json: AsJson = False,
    ) -> None:
        """Make registers anew beside the live ones, compare, and swap them in one transaction."""
        with door(context, person, organisation) as opened_door:
            if back:
                compared = way_back(opened_door.conninfo, names or list(registers()))
            else:
                with progress(context, "rebuilding") as bar:
                    compared = rebuild(opened_door.conninfo, names or [], progress=bar)
        if as_json:
            _json({c.register: {"rows": c.rebuilt.rows, "same": c.equal} for c in compared})
        else:
            show(
                context,
                "rebuilt",
                ("register", "rows", ""),
                [(c.register, c.rebuilt.rows, str(c)) for c in compared],
            )

    def clocks_command(
        context: typer.Context,
        state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
        due_within: Annotated[
            int | None, typer.Option(min=0, help="Open, and due within so many days.")
        ] = None,
        case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
        explained: Annotated[bool, typer.Option("--explain", help="Say why, in words.")] = False,
        as_at: AsAt = None,
        on: On = None,
        ledger: InLedger = None,
        where: Filters = None,
        person: Person = None,
        organisation: Organisation = None,
        csv: AsCsv = False,
        as_json: AsJson = False,
    ) -> None:
        """List statutory clocks: open, due soon, overdue, lapsed, met, met late; --explain says why."""
        wanted = register(CLOCKS)
        filters = _filters(where)
        for key, value in (("state", state), (query.DUE_WITHIN, due_within), ("stream", case)):
            if value is not None:
                filters[key] = str(value)
        with (
            asked.by_option(as_at="--as-at"),
            door(context, person, organisation) as opened_door,
            asked.view(opened_door, wanted, ledger=ledger, as_at=as_at, on=_day("--on", on)) as view,
        ):
            rows = every(view.connection, wanted, view.query(filters, sort="due_on"), view.table)
            if explained:
                rows = [row | {"explanation": _words(view, row)} for row in rows]
            stated = {"register": "clocks", **_at(view)}
            shown = {"csv": csv, "as_json": as_json}
            _print(
                context, show, wanted, rows, view, stated, opened_door.opener, **shown,
                only=CLOCK_COLUMNS, explained=explained,
            )  # fmt: skip

    return {
        "replay": replay_command,
        "diff": diff_command,
        "rebuild": rebuild_command,
        "clocks": clocks_command,
    }


CLOCK_COLUMNS = ("ledger", "stream", "clock", "trigger_on", "due_on", "ended_on", "state")
"""What a list of clocks shows on a screen."""
SHOWN = 8
"""Own columns that a register shows on a screen, of those that say something; --csv and --json show all."""


def _steps(
    door: Door,
    name: str | None,
    ledger: str | None,
    case: str | None,
    since: str | None,
    as_at: str | None,
    as_json: bool,
) -> None:
    wanted = [register(name)] if name else [one for one in registers().values() if one.name != CLOCKS]
    until = asked.moment(door, ledger, as_at, None, "--as-at")
    if len(until.heads) != 1:
        raise InvalidInput("--ledger", "one ledger, whose entries to step through", ledger)
    if case is None and since is None:
        raise InvalidInput("--steps", "a --case, or the entries --since a position", None)
    start = 0
    if since is not None:
        start = asked.moment(door, until.heads[0].slug, since, None, "--since").heads[0].size
    with connect(door.conninfo, "auditledger steps") as connection:
        names, names_at = asked.names_at(connection, until.common)
        notice = asked.notice_of(connection, until.heads)
        if not as_json:
            by = names_at or "no common"
            sys.stdout.write(f"Entries up to {until} (names at {by}), one by one{_mark(notice)}\n")
        sealed = partial(unopened, until.heads[0].id, opener=door.opener)
        for step in steps(connection, until.heads[0], wanted, stream=case, since=start):
            if as_json:
                _json({**shown(step, sealed), **notice})
            else:
                sys.stdout.write(said(step, names, sealed, names_case=case is None))


def _words(view: asked.View, row: Mapping[str, Any]) -> str:
    head = next(head for head in view.heads if head.id == row["ledger"])
    return explain(view.connection, head, row["stream"], view.on, row["key"])[0].words


def _at(view: asked.View) -> dict[str, Any]:
    return {"positions": view.positions, "judged_on": view.on.isoformat()}


def _mark(stated: Mapping[str, Any]) -> str:
    """What a title ends with where what it stands over is of a demonstration."""
    return f" ({stated['notice']})" if "notice" in stated else ""


def _list(context: typer.Context, show: Show, as_json: bool) -> None:
    if as_json:
        _json({r.name: {c.name: c.doc for c in query.columns_of(r)} for r in registers().values()})
        return
    rows = [(r.name, r.title, ", ".join(c.name for c in r.columns)) for r in registers().values()]
    show(context, "registers", ("name", "title", "columns"), rows)


def _print(
    context: typer.Context,
    show: Show,
    wanted: Register,
    rows: Iterable[dict[str, Any]],
    view: asked.View,
    stated: Mapping[str, Any],
    opener: Opener | None,
    *,
    csv: bool,
    as_json: bool,
    only: Sequence[str] = (),
    explained: bool = False,
) -> None:
    if csv and as_json:
        raise InvalidInput("--csv", "it or --json, not both", None)
    rows = asked.by_slug(view, opened(rows, wanted, opener))
    if csv:
        sys.stdout.writelines(asked.as_csv(view, rows, ["explanation"] if explained else []))
        return
    notice = asked.notice(view)
    names, names_at = asked.organisation_names(view)
    if as_json:
        named = {"organisations": asked.named(rows, names), "organisations_as_at": names_at}
        _json({**notice, **stated, "rows": plain(rows), **named})
        return
    at = ", ".join(f"{slug}={size}" for slug, size in stated["positions"].items())
    by = f", by what happened up to {stated['happened_by']}" if "happened_by" in stated else ""
    if view.left_out:
        by += f" ({view.left_out} facts of unknown date left out)"
    title = (
        f"{wanted.title} as at {at} (names at {names_at}){by}, judged on {stated['judged_on']}: "
        f"{len(rows)} rows{_mark(notice)}"
    )
    cells = [{name: _text(value, names) for name, value in row.items()} for row in rows]
    if explained:
        sys.stdout.write(f"{title}\n")
        for row in cells:
            sys.stdout.write(f"\n{row['ledger']}/{row['stream']}  {row['clock']}  {row['state']}\n")
            sys.stdout.write(textwrap.fill(str(row["explanation"]), 100, **_INDENT) + "\n")
        return
    columns = only or ["ledger", "stream", "happened_on", "days_between", *_told(wanted, cells)]
    show(context, title, columns, [[row.get(name) for name in columns] for row in cells])


_INDENT: Mapping[str, Any] = {"initial_indent": "    ", "subsequent_indent": "    "}


def _told(wanted: Register, cells: Sequence[Mapping[str, object]]) -> list[str]:
    """The first columns of a register that say something in these rows; sealed ones say 'withheld' alone."""
    names = [column.name for column in wanted.columns if column.kind is not Kind.SEALED]
    told = [name for name in names if not cells or any(row.get(name) not in (None, "") for row in cells)]
    return told[:SHOWN]


def _text(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return ", ".join(str(_text(each, names)) for each in value)
    return names.get(value, value) if isinstance(value, str) else value


def _json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")


def _filters(given: list[str] | None) -> dict[str, str]:
    filters: dict[str, str] = {}
    for each in given or ():
        name, found, value = each.partition("=")
        if not found:
            raise InvalidInput("--where", "COLUMN=VALUE", each)
        filters[name] = value
    return filters


def _day(option: str, given: str | None) -> date | None:
    return None if given is None else parse_date(given, option)
