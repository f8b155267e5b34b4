"""``entries`` and ``verify``: what a ledger holds, and whether it is what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer

from ledger.application import Installation
from ledger.application.access import Matter, allow
from ledger.application.opened import opened_database
from ledger.application.shown import DEMONSTRATION, shown_entry
from ledger.cli.session import (
    AsJson,
    MaybeLedger,
    Organisation,
    Person,
    Session,
    of,
    print_json,
    the_ledger,
)
from ledger.domain.event import load_events
from ledger.errors import AuditLedgerError, InvalidInput, Tampered
from ledger.store.feed import END, StoredRow
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.verify import verify as verify_ledger


def entries(
    context: typer.Context,
    slug: MaybeLedger = None,
    after: Annotated[int, typer.Option(help="Only entries behind this index.")] = -1,
    until: Annotated[int | None, typer.Option(help="Only entries before this index.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="Only these events: full name, or as request.RequestReceived.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as entries are recorded.")] = False,
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Show the fields too.")] = True,
    raw: Annotated[bool, typer.Option("--raw", help="Add the entry's bytes in base64 (with --json).")] = False,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Show a ledger's entries in order, decoded; sealed values stay sealed. With --json one entry a line."""
    session = of(context)
    wanted = event_names(event)
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        principal = session.principal(found, person, organisation)
        allow(installation, found.slug, principal, Matter.CASES)
        if found.demonstration:
            session.err.print(f"{found.slug}: {DEMONSTRATION}", markup=False)
        stop = END if until is None else until
        rows = _rows(installation, found, after, stop, case, wanted, follow)
        for row in rows if limit is None else islice(rows, limit):
            _print(session, shown_entry(row, raw=raw), as_json, decode)


def event_names(given: list[str] | None) -> list[str] | None:
    """Full names of events that are given in full or as commands are named. Raises InvalidInput."""
    if not given:
        return None
    names = {name: name for name in load_events()}
    names.update({".".join(name.split(".")[1::2]): name for name in load_events()})
    for each in given:
        if each not in names:
            raise InvalidInput("--event", "the name of an event; 'auditledger record --list'", each)
    return [names[each] for each in given]


def _rows(
    installation: Installation,
    found: Ledger,
    after: int,
    until: int,
    case: str | None,
    events: list[str] | None,
    follow: bool,
) -> Iterator[StoredRow]:
    feed = installation.feed
    while batch := feed.read(found.id, after, until=until, events=events):
        after = batch[-1].index
        yield from (row for row in batch if case in (None, row.stream))
    if follow:
        for batch in feed.follow(found.id, after):
            for row in batch:
                if row.index >= until:
                    return
                if case in (None, row.stream) and (events is None or row.event in events):
                    yield row


def _print(session: Session, entry: dict[str, Any], as_json: bool, decode: bool) -> None:
    if as_json:
        if not decode:
            entry.pop("fields", None)
        print_json(entry)
        return
    happened = entry["happened"] or "unknown"
    mark = "" if entry["corrects"] is None else f"  corrects {entry['corrects']['index']}"
    session.out.print(
        f"[bold]{entry['index']}[/bold]  {entry['recorded_at']}  {entry['event']}{mark}\n"
        f"    case {entry['stream']} version {entry['version']}  happened {happened}  "
        f"by {entry['actor']['id']} ({entry['actor']['role']})",
        markup=True,
    )
    if decode:
        for name, value in entry.get("fields", {}).items():
            if value not in (None, []):
                session.out.print(f"      {name}: {_words(value)}", markup=False)
        if "undecoded" in entry:
            session.out.print(f"      not decoded: {entry['undecoded']}", markup=False)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        if "sealed" in value:
            return "(withheld)"
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list):
        return "; ".join(_words(v) for v in value)
    return str(value)


def verify(
    context: typer.Context,
    slug: Annotated[
        str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; else all of them.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that hash; else one a processor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every entry's bytes, recompute hashes, links, order and columns; name the first bad index.

    Exit code 0: clean; 8: tampered; 6: it could not run.
    """
    session = of(context)
    results: list[dict[str, Any]] = []
    worst: AuditLedgerError | None = None
    with opened_database(session.settings()) as database:
        ledgers = Ledgers(database)
        chosen = ledgers.all() if slug is None else [ledgers.get(slug)]
        with session.progress() as progress:
            for each in chosen:
                task = progress.add_task(f"Verifying {each.slug}", total=None)

                def moved(done: int, total: int, task: Any = task) -> None:
                    progress.update(task, completed=done, total=total)

                try:
                    found = verify_ledger(database, each, processes=processes, progress=moved)
                except Tampered as error:
                    worst = worst or error
                    results.append(
                        {"ledger": each.slug, "clean": False, "index": error.index, "what": error.what}
                    )
                else:
                    progress.update(task, completed=found.size, total=found.size)
                    results.append(
                        {"ledger": each.slug, "clean": True, "size": found.size, "head": found.hash.hex()}
                    )
    if as_json:
        print_json({"ledgers": results, "clean": worst is None})
    for result in results:
        if not as_json and result["clean"]:
            session.out.print(
                f"{result['ledger']}: clean, {result['size']} entries, last leaf hash {result['head']}"
            )
    if worst is not None:
        raise worst
