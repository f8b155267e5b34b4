"""``entries``: what a ledger holds, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Annotated, Any

import typer

from ledger.application import Installation
from ledger.application.access import NAMED_STREAMS, Matter, allow, allow_case
from ledger.application.shown import DEMONSTRATION, shown_bracket, shown_entry
from ledger.cli.appeared import appeared
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
from ledger.clock import melbourne_date
from ledger.codec.jsonform import parse_moment
from ledger.domain.event import load_events
from ledger.errors import AuditLedgerError, InvalidInput
from ledger.store.feed import END, StoredRow
from ledger.store.ledgers import Ledger
from ledger.store.stamped import times_here
from ledger.store.witnessed import WitnessedTimes
from ledger.vault.opening import Gone

SHOWN = 12
"""Values of a list that are printed; a calendar has hundreds."""


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
    """Show a ledger's entries in order, decoded; sealed values stay sealed. With --json one entry a line.

    Who reads no cases reads with --case the streams about the ledger itself (ledger, roles, calendar,
    destruction), and a case that they have taken emergency access to (without --follow).
    """
    session = of(context)
    wanted = event_names(event)
    if raw and not as_json:
        raise InvalidInput("--raw", "--json beside it: the bytes are no text", None)
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        principal = session.principal(found, person, organisation)
        if case is None or (follow and case not in NAMED_STREAMS):
            # Emergency access to a case ends within the hour, and following it would not.
            allow(installation, found.slug, principal, Matter.CASES)
        else:
            allow_case(installation, found.slug, principal, case)
        if found.demonstration:
            session.err.print(f"{found.slug}: {DEMONSTRATION}")
        stop = END if until is None else until
        times = times_here(installation.feed, installation.published, session.settings())
        rows = _rows(installation, found, after, stop, case, wanted, follow)
        left = END if limit is None else limit
        for part in rows:
            gone = installation.gone(found, part)
            _print_all(session, found, part[:left], gone, times, raw, as_json, decode)
            left -= len(part)
            if left <= 0:
                return


def event_names(given: list[str] | None) -> list[str] | None:
    """Full names of events that are given in full or as commands are named. Raises InvalidInput."""
    if not given:
        return None
    names = {name: name for name in load_events()}
    names.update({".".join(name.split(".")[1::2]): name for name in load_events()})
    for each in given:
        if each not in names:
            raise InvalidInput(
                "--event", "the name of an event, as 'auditledger record --list' names them", each
            )
    return [names[each] for each in given]


def _rows(
    installation: Installation,
    found: Ledger,
    after: int,
    until: int,
    case: str | None,
    events: list[str] | None,
    follow: bool,
) -> Iterator[list[StoredRow]]:
    feed = installation.feed
    while batch := feed.read(found.id, after, until=until, events=events):
        after = batch[-1].index
        yield [row for row in batch if case in (None, row.stream)]
    if follow:
        for batch in feed.follow(found.id, after):
            yield [
                row
                for row in batch
                if row.index < until and case in (None, row.stream) and (events is None or row.event in events)
            ]
            if batch[-1].index + 1 >= until:
                return


def _print_all(
    session: Session,
    found: Ledger,
    rows: list[StoredRow],
    gone: Mapping[str, Gone],
    times: WitnessedTimes | None,
    raw: bool,
    as_json: bool,
    decode: bool,
) -> None:
    def spoilt(error: AuditLedgerError) -> None:
        session.err.print(str(error))

    brackets = [] if times is None else times.of(found, [row.index for row in rows], spoilt)
    for row, bracket in zip_longest(rows, brackets, fillvalue=None):
        assert row is not None
        recorded_at = None if found.demonstration else row.recorded_at
        witnessed = None if bracket is None else shown_bracket(bracket, recorded_at)
        _print(session, {**shown_entry(row, gone, raw=raw), "witnessed": witnessed}, as_json, decode)


def _print(session: Session, entry: dict[str, Any], as_json: bool, decode: bool) -> None:
    if as_json:
        if not decode:
            entry.pop("fields", None)
        print_json(entry)
        return
    happened = entry["happened"] or "unknown"
    mark = "" if entry["corrects"] is None else f"  corrects {entry['corrects']['index']}"
    session.out.print(str(entry["index"]), style="bold", end="")
    session.out.print(
        f"  {entry['recorded_at']}  {entry['event']}{mark}\n"
        f"    case {entry['stream']} version {entry['version']}  happened {happened}  "
        f"by {entry['actor']['id']} ({entry['actor']['role']})"
    )
    if entry["witnessed"] is not None:
        seen = appeared({**entry["witnessed"], "recorded_at": entry["recorded_at"]})
        session.out.print(f"    {seen}")
    if decode:
        for name, value in entry.get("fields", {}).items():
            if value not in (None, []):
                session.out.print(f"      {name}: {_words(value)}")
        if "undecoded" in entry:
            session.out.print(f"      not decoded: {entry['undecoded']}")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        if "sealed" in value:
            if value["sealed"] == "destroyed":
                on = melbourne_date(parse_moment(value["on"], "on"))
                return f"(destroyed on {on} under {value['under']})"
            return f"({value['sealed']})"
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list):
        more = f"; … {len(value)} in all (--json shows them)" if len(value) > SHOWN else ""
        return "; ".join(_words(v) for v in value[:SHOWN]) + more
    return str(value)
