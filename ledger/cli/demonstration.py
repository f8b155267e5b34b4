"""``demo``: a year and a half of invented events, through the real command path."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ledger.application import Installation
from ledger.application.shown import DEMONSTRATION
from ledger.cli.session import AsJson, Session, of, program
from ledger.clock import SimulatedClock, SystemClock, melbourne_date
from ledger.codec.declare import EPOCH
from ledger.demo import load_demonstration
from ledger.demo.run import SEED
from ledger.demo.script import START
from ledger.domain.installation.standing import grants_in_force
from ledger.store.ledgers import COMMON

SHOWN = "lakeside"
"""The agency as whose officer a newcomer is told to look around: invented, so that things go wrong there."""


def demo(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="The same seed gives the same history.")] = SEED,
    as_json: AsJson = False,
) -> None:
    """Load the demonstration: 1.7.2024 to 31.12.2025, invented events; a second time adds nothing."""
    session = of(context)
    content = load(session, seed)
    session.show(as_json, content, lambda: words(session, content))


def load(session: Session, seed: int = SEED) -> dict[str, Any]:
    """Loads it with a progress bar; gives what there is now, and who works there."""
    clock = SimulatedClock(EPOCH.replace(year=START.year))
    with session.installation(clock) as installation, session.progress() as progress:
        task = progress.add_task("Demonstration", total=None)

        def moved(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        loaded = load_demonstration(installation, seed=seed, progress=moved)
        who = _people(installation)
    return {
        "what": DEMONSTRATION,
        "ledgers": loaded.ledgers,
        "entries": loaded.entries,
        "added": loaded.added,
        "people": who,
    }


def words(session: Session, loaded: Mapping[str, Any]) -> str:
    """What ``load`` gave, and where to look, in words."""
    lines = ["{what}: {ledgers} ledgers, {entries} entries, {added} added now".format_map(loaded)]
    officers = [each for each in loaded["people"] if (each["ledger"], each["role"]) == (SHOWN, "officer")]
    if not officers:
        # Somebody ended the grant since.
        return lines[0]
    officer = officers[-1]
    settings = session.settings()
    lines.append(f"Look around in another terminal, as an officer of the invented agency '{SHOWN}':")
    if "data_dir" in settings.sources:
        lines.append(f"  export AUDITLEDGER_DATA_DIR={shlex.quote(str(settings.data_dir))}")
    lines += [
        f"  export AUDITLEDGER_PERSON={officer['person']}",
        f"  {program()} clocks --ledger {SHOWN} --state overdue",
        f"  {program()} replay refusals --ledger {SHOWN} --as-at 2025-06-30",
        f"  {program()} report data-sharing-annual --period 2024-25 --out reports",
        f"  {program()} verify",
        f"Over HTTP: {program()} token --organisation {officer['organisation']}",
    ]
    return "\n".join(lines)


def _people(installation: Installation) -> list[dict[str, str]]:
    """Who holds which role in which ledger today: so that a newcomer can be one of them."""
    today = melbourne_date(SystemClock().now())
    return [
        {
            "ledger": ledger.slug,
            "person": grant.person,
            "role": grant.role.value,
            "organisation": grant.organisation,
        }
        for ledger in installation.ledgers.all()
        if ledger.slug != COMMON
        for grant in grants_in_force(installation.streams.facts(ledger, "roles"), today)
    ]
