"""``break-glass``: emergency access to sealed fields, taken, ended, listed, reviewed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ledger.application.access import Matter, allow
from ledger.application.emergency import listed
from ledger.cli.ledgers import give, shown_outcome, today
from ledger.cli.session import AsJson, MaybeLedger, Organisation, Person, group, of, table, the_ledger
from ledger.law.emergency import DEFAULT_MINUTES, says

break_glass = group("Emergency access to sealed fields: short, told to the privacy officer, reviewed.")

Entry = Annotated[int, typer.Argument(metavar="ENTRY", help="Index of the entry that took it.")]


def _record(
    context: typer.Context,
    event: str,
    fields: dict[str, Any],
    slug: str | None,
    person: str | None,
    organisation: str | None,
) -> dict[str, Any]:
    """Records a fact about emergency access that happens now."""
    session = of(context)
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        who = session.principal(found, person, organisation)
        body = {"happened": today(installation), "fields": fields}
        outcome = give(session, installation, found.slug, f"vault.{event}", body, who)
        said = shown_outcome(outcome) | {"ledger": found.slug, "entry": outcome.receipts[0].index}
        if event == "EmergencyAccessTaken":
            said["until"] = says(installation.emergencies.of(found)[said["entry"]].until)
    return said


@break_glass.command("take")
def take(
    context: typer.Context,
    cases: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE]...", help="Ids of the cases that it is for.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is sealed.")] = "",
    whole_ledger: Annotated[
        bool, typer.Option("--whole-ledger", help="For every case, where no case can be named.")
    ] = False,
    minutes: Annotated[int, typer.Option(help="For how long: 1 to 60.")] = DEFAULT_MINUTES,
    slug: MaybeLedger = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Take emergency access: from now on you may open sealed fields of these cases, until it is over.

    For an administrator, reporter or Minister's office of the ledger, who may not otherwise. The fields are
    opened over HTTP; each opening is an entry. The privacy officer is told, and reviews it; it is counted in
    the annual report. Exit code 3: law refuses it.
    """
    fields = {"reason": reason, "cases": list(cases or ()), "whole_ledger": whole_ledger, "minutes": minutes}
    said = _record(context, "EmergencyAccessTaken", fields, slug, person, organisation)
    of(context).show(
        as_json,
        said,
        lambda: f"Emergency access in {said['ledger']}, entry {said['entry']}, until {said['until']}",
    )


@break_glass.command("end")
def end(
    context: typer.Context,
    entry: Entry,
    slug: MaybeLedger = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """End an emergency access before its time: one's own; a privacy officer or an administrator any."""
    said = _record(context, "EmergencyAccessEnded", {"access": entry}, slug, person, organisation)
    of(context).show(as_json, said, lambda: f"The emergency access of entry {entry} has ended")


@break_glass.command("review")
def review(
    context: typer.Context,
    entry: Entry,
    justified: Annotated[
        bool, typer.Option("--justified/--not-justified", help="What the privacy officer found.")
    ],
    words: Annotated[str, typer.Option(help="Why; it is sealed.")] = "",
    slug: MaybeLedger = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Record, as a privacy officer who did not take it, whether an emergency access was justified."""
    fields = {"access": entry, "justified": justified, "words": words}
    said = _record(context, "EmergencyAccessReviewed", fields, slug, person, organisation)
    found = "justified" if justified else "not justified"
    of(context).show(as_json, said, lambda: f"The emergency access of entry {entry} is reviewed: {found}")


@break_glass.command("list")
def list_accesses(
    context: typer.Context,
    slug: MaybeLedger = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """List the emergency accesses of a ledger, newest first: in force, told, used, reviewed.

    A privacy officer is told by this list of what they were not told of before: that becomes an entry.
    """
    session = of(context)
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        who = session.principal(found, person, organisation)
        allow(installation, found.slug, who, Matter.LEDGER)
        accesses = listed(installation, found, who)
    columns = ["entry", "by", "for", "until", "openings", "told", "reviewed"]
    session.show(
        as_json,
        {"ledger": found.slug, "emergency_access": accesses},
        lambda: (
            table("Emergency access", columns, [_line(each) for each in accesses])
            if accesses
            else "No emergency access was ever taken"
        ),
    )


def _line(each: dict[str, Any]) -> tuple[object, ...]:
    told, reviewed = each["told"], each["reviewed"]
    if reviewed is not None:
        found = "justified" if reviewed["justified"] else "not justified"
    else:
        found = f"due {each['review_due']}" + (", overdue" if each["review_overdue"] else "")
    return (
        each["entry"],
        each["person"],
        "the whole ledger" if each["whole_ledger"] else " ".join(each["cases"]),
        each["until"] + (", in force" if each["in_force"] else ""),
        len(each["openings"]),
        "no" if told is None else f"{told['how']}, {told['at']}",
        found,
    )
