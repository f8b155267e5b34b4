"""``ledger close`` and ``ledger continue``: the end of an origin, and the ledger that goes on from it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from ledger.application import Principal
from ledger.application.destroying import finish
from ledger.cli.backup import trusted
from ledger.cli.proofs import sealed, shown
from ledger.cli.session import AUTHORITY, AsJson, InLedger, Organisation, Person, of
from ledger.cli.trusted import keys_of
from ledger.clock import melbourne_date
from ledger.codec.entry import Source, SourceKind
from ledger.domain.installation.events import LedgerCreated
from ledger.errors import Conflict, InvalidInput
from ledger.store.closing import closed, end, last_checkpoint, leave
from ledger.store.ledgers import COMMON
from ledger.store.sealing import ENDED

CLOSE = "ledger.LedgerClosed"
TRIES = 8
"""How often a last checkpoint is made that what was under way meanwhile has outgrown."""


def close_ledger(
    context: typer.Context,
    slug: InLedger,
    successor: Annotated[
        str | None, typer.Option(help="Origin of the ledger that goes on with its cases, where one does.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it is sealed.")] = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Close a ledger for good: its last entry, its last checkpoint; nothing enters it or is signed after that.

    For an organisation that has ended. What is opened, searched or destroyed of it later is recorded in the
    ledger that goes on from it, by the people who have roles there: --successor, or 'auditledger ledger
    continue'. A second time it finishes what a crash left of the first.
    """
    session = of(context)
    with session.installation() as installation:
        ledger = installation.ledgers.get(slug)
        if slug == COMMON:
            raise InvalidInput("--ledger", "one of an organisation: every other ledger needs 'common'", slug)
        installation.streams.facts(ledger, "ledger")
        if closed(installation.database, ledger) is None and not installation.streams.closed(ledger):
            # A destruction that was stopped on the way gets its receipt while there is room for one.
            finish(installation, ledger)
            fields = {"successor": successor, "reason": reason}
            body = {"happened": melbourne_date(installation.clock.now()).isoformat(), "fields": fields}
            installation.execute(
                slug, CLOSE, body, principal=session.principal(ledger, person, organisation),
                command_id=str(uuid.uuid4()), source=Source(SourceKind.TYPED),
            )  # fmt: skip
        for _ in range(TRIES):
            note = sealed(session, installation.database, ledger)
            last = shown(note)
            if end(installation.database, ledger, last["size"]):
                break
        else:
            raise Conflict(f"{slug}: it is closed, and still grows by what was under way: close it again")
    session.show(
        as_json, last, lambda: f"{slug} is closed. Its last checkpoint; give it to who keeps them:\n{note}"
    )


def continue_ledger(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Slug of the ledger that cannot go on.")],
    origin: Annotated[str, typer.Option(help="The new origin, as example.vic.gov.au/dffh/2.")],
    to: Annotated[
        str | None, typer.Option(help="Slug of the new ledger; else the old one's with -2, -3, … behind.")
    ] = None,
    kept: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint of the old one that somebody kept; repeatable."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="Verifier key of the old ledger, or a file of them; else its own here."),
    ] = None,
    administrator: Annotated[
        str | None, typer.Option(help="Opaque id of the first administrator; else who acts.")
    ] = None,
    administrator_name: Annotated[str | None, typer.Option(help="Their name; it is sealed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Open a new origin for a ledger that cannot go on under its own, or that was closed.

    The first entry names the old origin and its last known checkpoint. Nothing is written, signed or published
    under the old one any more. What a refill can put back is refilled instead.
    """
    session = of(context)
    first = administrator or session.settings().person
    if not first:
        raise InvalidInput("--administrator", "the opaque id of the first one; or AUDITLEDGER_PERSON", None)
    with session.installation() as installation:
        old = installation.ledgers.get(slug)
        if slug == COMMON:
            raise InvalidInput("SLUG", "a ledger of an organisation: 'common' has its place in each", slug)
        known = {each.slug: each.origin for each in installation.ledgers.all()}
        given = to or next(f"{slug}-{n}" for n in range(2, 1000) if known.get(f"{slug}-{n}", origin) == origin)
        for each in installation.ledgers.all():
            opened = next(iter(installation.streams.facts(each, "ledger")), None)
            same = isinstance(opened, LedgerCreated) and opened.predecessor == old.origin
            if same and each.origin != origin:
                raise Conflict(f"{slug}: {each.slug} ({each.origin}) goes on from it already; nothing was done")
        keys = trusted(installation.published, old, keys_of(key or ()))
        last = last_checkpoint(installation.published, old, kept or (), keys)
        # A crash after this leaves a closed ledger without a successor: the same call makes it.
        leave(installation.database, installation.published, old, keys)
        made = installation.create_ledger(
            given, origin=origin, organisation=old.organisation, public=old.public,
            demonstration=old.demonstration, administrator=Principal(first, old.organisation, AUTHORITY),
            administrator_name=administrator_name, predecessor=last.checkpoint,
            predecessor_note=str(last.note), predecessor_held=installation.feed.head(old.id).size,
        )  # fmt: skip
        why = closed(installation.database, old)
    content = {
        "slug": made.slug, "origin": made.origin, "predecessor": old.origin, "size": last.checkpoint.size,
        "predecessor_closed": why, "administrator": first,
    }  # fmt: skip
    ended = "had ended" if why == ENDED else "is left: nothing is written or signed there any more"
    session.show(
        as_json,
        content,
        lambda: (
            f"Ledger {made.slug} ({made.origin}) goes on from {old.origin}, {last.checkpoint.size} entries\n"
            f"  {old.slug} {ended}"
        ),
    )
