"""``ledger``, ``organisation``, ``calendar``: thin fronts of the same commands that every door uses."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from ledger.application import Installation, Outcome, Principal
from ledger.application.access import Matter, may
from ledger.application.outcome import not_by_hand
from ledger.application.shown import shown_receipt
from ledger.application.streams import Lookup
from ledger.cli.closing import close_ledger, continue_ledger
from ledger.cli.session import (
    AUTHORITY,
    AsJson,
    InLedger,
    Organisation,
    Person,
    Session,
    group,
    of,
    table,
    the_ledger,
)
from ledger.clock import melbourne_date
from ledger.codec.entry import Source, SourceKind
from ledger.domain.installation.standing import calendar_of
from ledger.domain.organisation.aggregate import Organisation as OrganisationCase
from ledger.domain.organisation.events import OrganisationKind, OrganisationRegistered
from ledger.errors import Forbidden, InvalidInput
from ledger.law.general import Role
from ledger.store.ledgers import COMMON

ledger = group("Create and list ledgers.")
organisation = group("Register and list organisations (ledger 'common').")
calendar = group("Show and change a ledger's public holidays.")

TYPED = Source(SourceKind.TYPED)
Happened = Annotated[
    str | None, typer.Option(help="When it happened: YYYY-MM-DD, YYYY-MM, YYYY; else today (Melbourne).")
]


def give(
    session: Session,
    installation: Installation,
    slug: str,
    command: str,
    body: dict[str, Any],
    principal: Principal,
    *,
    command_id: str | None = None,
    expected_version: int | None = None,
) -> Outcome:
    """Gives a command, as typed on the command line. Raises as ``execute``."""
    not_by_hand(command, body)
    return installation.execute(
        slug,
        command,
        body,
        principal=principal,
        command_id=command_id or str(uuid.uuid4()),
        expected_version=expected_version,
        source=TYPED,
    )


def shown_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON, the same as over HTTP."""
    return {
        "case": outcome.stream,
        "version": outcome.version,
        "receipts": [shown_receipt(receipt) for receipt in outcome.receipts],
        "repeated": outcome.repeated,
    }


def outcome_text(outcome: Outcome) -> str:
    """An outcome in words."""
    what = "Recorded before; nothing was added" if outcome.repeated else "Recorded"
    lines = [f"{what}: case {outcome.stream}, version {outcome.version}"]
    lines += [f"  {r.ledger} entry {r.index}, leaf hash {r.leaf_hash.hex()}" for r in outcome.receipts]
    return "\n".join(lines)


@ledger.command("create")
def create_ledger(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="Lower-case letters, digits, hyphens.")],
    origin: Annotated[str, typer.Option(help="Origin of the ledger, as example.vic.gov.au/dffh.")],
    organisation: Annotated[
        str | None, typer.Option(help="Id of the organisation, registered in 'common'.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Legal name of the organisation, to register it now.")
    ] = None,
    kind: Annotated[
        OrganisationKind, typer.Option(help="Kind of an organisation registered now.")
    ] = OrganisationKind.DEPARTMENT,
    administrator: Annotated[
        str | None, typer.Option(help="Opaque id of the first administrator; else a new one is made.")
    ] = None,
    administrator_name: Annotated[str | None, typer.Option(help="Their name; it is sealed.")] = None,
    public: Annotated[bool, typer.Option("--public", help="Checkpoints and tiles open to anyone.")] = False,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Invented events; takes a simulated clock.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a ledger: its first entry, its calendar and its first administrator."""
    session = of(context)
    first = administrator or session.settings().person or str(uuid.uuid4())
    with session.installation() as installation:
        if organisation is not None and name is None and not _registered(installation, organisation):
            raise InvalidInput(
                "--organisation", "the id of a registered organisation; --name registers one", organisation
            )
        made = installation.create_ledger(
            slug,
            origin=origin,
            organisation=organisation,
            legal_name=name,
            kind=kind.value,
            public=public,
            demonstration=demonstration,
            administrator=Principal(first, organisation or "", AUTHORITY),
            administrator_name=administrator_name,
        )
        who = Principal(first, made.organisation, AUTHORITY)
        if Role.ADMINISTRATOR not in installation.roles(made.slug, who):
            raise InvalidInput("SLUG", f"one that no ledger has ({first} does not administer this one)", slug)
    content = {
        "slug": made.slug, "origin": made.origin, "organisation": made.organisation, "administrator": first,
    }  # fmt: skip
    session.show(
        as_json,
        content,
        lambda: (
            f"Ledger {made.slug} ({made.origin})\n"
            f"  organisation   {made.organisation}\n"
            f"  administrator  {first}\n"
            f"Next: export AUDITLEDGER_PERSON={first}\n"
            f"      auditledger record role.RoleGranted --ledger {made.slug} --template"
        ),
    )


def _registered(installation: Installation, organisation: str) -> bool:
    """Whether ``common`` knows the organisation: an id that names nobody could never be put right."""
    if all(each.slug != COMMON for each in installation.ledgers.all()):
        return False
    return Lookup(installation).organisation(organisation) is not None


@ledger.command("list")
def list_ledgers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the ledgers of this installation."""
    session = of(context)
    with session.installation() as installation:
        heads = installation.feed.heads()
        found = [
            {
                "slug": each.slug,
                "origin": each.origin,
                "organisation": each.organisation,
                "public": each.public,
                "demonstration": each.demonstration,
                "size": heads[each.id].size,
            }
            for each in installation.ledgers.all()
        ]
    session.show(
        as_json,
        {"ledgers": found},
        lambda: table(
            f"{len(found)} ledgers",
            ["slug", "origin", "organisation", "entries", "demonstration"],
            [
                (f["slug"], f["origin"], f["organisation"], f["size"], "yes" if f["demonstration"] else "")
                for f in found
            ],
        ),
    )


ledger.command("close")(close_ledger)
ledger.command("continue")(continue_ledger)


@organisation.command("register")
def register_organisation(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Legal name.")],
    kind: Annotated[OrganisationKind, typer.Option(help="Kind of body.")],
    kind_words: Annotated[str | None, typer.Option(help="What kind of body: goes with --kind other.")] = None,
    short: Annotated[str | None, typer.Option(help="Short name.")] = None,
    happened: Annotated[
        str | None,
        typer.Option(help="When it was established: YYYY-MM-DD, YYYY-MM, YYYY; else that is not known."),
    ] = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Register an organisation; its id is what other cases name it by."""
    session = of(context)
    with session.installation() as installation:
        common = installation.ledgers.get(COMMON)
        fields = {"legal_name": name, "kind": kind.value, "short_name": short, "kind_other": kind_words}
        outcome = give(
            session,
            installation,
            COMMON,
            "organisation.OrganisationRegistered",
            {"happened": happened, "fields": fields},
            session.principal(common, person, organisation),
        )
    session.show(as_json, shown_outcome(outcome), lambda: f"Organisation {outcome.stream}")


@organisation.command("list")
def list_organisations(
    context: typer.Context,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """List the registered organisations with their ids, as now named."""
    session = of(context)
    with session.installation() as installation:
        asking = session.principals(installation, person, organisation)
        common = installation.ledgers.get(COMMON)
        # Whoever has a role in force anywhere reads ``common``.
        if not any(may(installation, common, who, Matter.CASES) for who in asking):
            raise Forbidden(f"{asking[0].person} has no role in force in any ledger")
        lookup = Lookup(installation)
        # A correction of the entry that registers one is of the same event: each is named once.
        streams = dict.fromkeys(
            row.stream
            for rows in installation.feed.scan(common.id)
            for row in rows
            if row.event == OrganisationRegistered.name
        )
        found = [
            {"id": case.id, "name": case.name_on(None), "kind": case.kind.value}
            for stream in streams
            if isinstance(case := lookup.organisation(stream), OrganisationCase)
        ]
    session.show(
        as_json,
        {"organisations": found},
        lambda: table(
            f"{len(found)} organisations", ["id", "name", "kind"], [tuple(f.values()) for f in found]
        ),
    )


@calendar.command("show")
def show_calendar(
    context: typer.Context,
    year: Annotated[int | None, typer.Option(help="One year only.")] = None,
    slug: Annotated[str | None, typer.Option("--ledger", "-l", help="Slug of the ledger.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the public holidays that a ledger counts with."""
    session = of(context)
    with session.installation() as installation:
        of_ledger = calendar_of(installation.streams.facts(the_ledger(installation, slug), "calendar"))
    days = [
        {"day": day.isoformat(), "name": name}
        for day, name in sorted(of_ledger.holidays.items())
        if year is None or day.year == year
    ]
    provisional = of_ledger.provisional_from.isoformat()
    session.show(
        as_json,
        {"days": days, "provisional_from": provisional},
        lambda: table(
            f"{len(days)} public holidays; none are known from {provisional} on",
            ["day", "name"],
            [(d["day"], d["name"]) for d in days],
        ),
    )


@calendar.command("add")
def add_holiday(
    context: typer.Context,
    day: Annotated[str, typer.Argument(help="YYYY-MM-DD")],
    holiday: Annotated[str, typer.Argument(help="Name of the holiday.")],
    slug: InLedger,
    gazette: Annotated[str | None, typer.Option(help="Where it was gazetted.")] = None,
    happened: Happened = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Add a gazetted public holiday; every clock that it touches is restated."""
    fields = {"day": day, "holiday": holiday, "gazette": gazette}
    _calendar(context, slug, "calendar.HolidayAdded", fields, happened, person, organisation, as_json)


@calendar.command("substitute")
def substitute_holiday(
    context: typer.Context,
    municipality: Annotated[str, typer.Argument(help="The municipality that the day counts in.")],
    instead_of: Annotated[str, typer.Argument(help="The day that is none there: YYYY-MM-DD")],
    day: Annotated[str, typer.Argument(help="The day instead: YYYY-MM-DD")],
    holiday: Annotated[str, typer.Argument(help="Name of the holiday.")],
    slug: InLedger,
    gazette: Annotated[str | None, typer.Option(help="Where it was gazetted.")] = None,
    happened: Happened = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Record a council's substitute for Melbourne Cup Day."""
    fields = {
        "municipality": municipality,
        "instead_of": instead_of,
        "day": day,
        "holiday": holiday,
        "gazette": gazette,
    }
    _calendar(context, slug, "calendar.HolidaySubstituted", fields, happened, person, organisation, as_json)


@calendar.command("remove")
def remove_holiday(
    context: typer.Context,
    day: Annotated[str, typer.Argument(help="YYYY-MM-DD")],
    slug: InLedger,
    gazette: Annotated[str | None, typer.Option(help="Where it was gazetted.")] = None,
    happened: Happened = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Remove a day from the public holidays; every clock that it touches is restated."""
    fields = {"day": day, "gazette": gazette}
    _calendar(context, slug, "calendar.HolidayRemoved", fields, happened, person, organisation, as_json)


def _calendar(
    context: typer.Context,
    slug: str,
    command: str,
    fields: dict[str, Any],
    happened: str | None,
    person: str | None,
    organisation: str | None,
    as_json: bool,
) -> None:
    session = of(context)
    with session.installation() as installation:
        found = installation.ledgers.get(slug)
        body = {"happened": happened or today(installation), "fields": fields}
        principal = session.principal(found, person, organisation)
        outcome = give(session, installation, slug, command, body, principal)
    session.show(as_json, shown_outcome(outcome), lambda: outcome_text(outcome))


def today(installation: Installation) -> str:
    """The Melbourne date of now."""
    return melbourne_date(installation.clock.now()).isoformat()
