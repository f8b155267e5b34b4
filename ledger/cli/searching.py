"""``search``: the entries that hold an identifier that is sealed."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ledger.application import searching
from ledger.application.access import Matter, allow
from ledger.cli.session import AsJson, MaybeLedger, Organisation, Person, Session, of, table, the_ledger
from ledger.errors import InvalidInput

LONGEST = 65_535
"""Bytes that are read from standard input at most: no entry, and so no identifier, is longer."""


def search(
    context: typer.Context,
    slug: MaybeLedger = None,
    reason: Annotated[str | None, typer.Option(help="Why it is searched for; it is sealed.")] = None,
    first: Annotated[int, typer.Option("--from", help="Only entries from this index on.")] = 0,
    command_id: Annotated[
        str | None, typer.Option(help="UUID of this search; no search is repeated under it.")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the search index of the ledger anew; search nothing.")
    ] = False,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Find the entries in which a name, an address, a number or a file reference stands, sealed.

    What is searched for is asked for, or read from standard input: an argument would be seen by others on this
    machine. It is the whole of an identifier; capitals and spacing do not count. The search itself is an entry,
    without what was searched for; the fields that it finds stay sealed. Of a closed ledger it is recorded in
    the one that goes on from it, by the roles that are granted there.
    """
    session = of(context)
    if rebuild and reason is not None:
        raise InvalidInput("--rebuild", "no --reason beside it: nothing is searched", "one")
    if not rebuild and not (reason or "").strip():
        raise InvalidInput("--reason", "why it is searched for", reason)
    with session.installation() as installation:
        ledger = the_ledger(installation, slug)
        if rebuild:
            made = searching.catch_up(installation, ledger, anew=True)
            said = {"ledger": ledger.slug, "size": made.size, "unread": made.unread}
            session.show(
                as_json,
                said,
                lambda: f"Search index of {ledger.slug}: {made.size} entries" + _lost(made.unread),
            )
            return
        principal = session.principal(installation.streams.recorded_in(ledger), person, organisation)
        allow(installation, ledger.slug, principal, Matter.CASES)
        assert reason is not None
        found = searching.search(
            installation, ledger.slug, _value(session),
            reason=reason, principal=principal, command_id=command_id, first=first,
        )  # fmt: skip
        session.show(as_json, found.shown(), lambda: _text(ledger.slug, found))


def _value(session: Session) -> str:
    """What is searched for. Raises InvalidInput, which says nothing of it."""
    if sys.stdin.isatty():
        return session.err.input("Search for: ")
    data = sys.stdin.buffer.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise InvalidInput("standard input", f"at most {LONGEST} bytes", "more")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidInput("standard input", "UTF-8", "other bytes") from None


def _text(slug: str, found: searching.Found) -> Any:
    where = f"{slug}, entries {found.first} to before {found.end}"
    after = _lost(found.unread)
    if found.following is not None:
        after += f"\nThere may be more: go on with --from {found.following}"
    if not found.entries:
        return f"Found in no entry ({where}){after}"
    rows = [
        (
            each.row.index, each.row.stream, each.row.event, ", ".join(each.paths),
            ", ".join(f"{index} ({kind})" for index, kind in each.corrected_by),
        )
        for each in found.entries
    ]  # fmt: skip
    made = table(
        f"Found in {len(rows)} entries ({where})", ["entry", "case", "event", "sealed", "corrected by"], rows
    )
    made.caption = after.strip() or None
    made.caption_justify = "left"
    return made


def _lost(unread: int) -> str:
    if not unread:
        return ""
    return f"\n{unread} values or entries could not be read: nobody finds them; see 'auditledger doctor'"
