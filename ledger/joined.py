"""What joins the doors to the projections: who reads which registers, how a report is handed over, the lag.

With ``ledger.main`` and ``ledger.service`` it is the composition root; it loads no HTTP.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from ledger.application import Installation, Outcome, Principal
from ledger.application.access import Matter, readable
from ledger.clock import melbourne_date
from ledger.codec.entry import Source, SourceKind
from ledger.domain.case import command_table
from ledger.errors import Forbidden
from ledger.store.database import Database, Role
from projections import sql
from projections.base import registers
from projections.connection import connect
from projections.doors import Door
from projections.facts import heads
from projections.reports.handover import COMMAND as HAND_OVER
from projections.reports.handover import Desk

OVER_HTTP = Source(SourceKind.API)


def door(installation: Installation, asking: Sequence[Principal], matter: Matter = Matter.CASES) -> Door:
    """What someone may read of the registers, known under these principals. Raises Forbidden."""
    slugs = {each.slug for who in asking for each in readable(installation, who, matter)}
    if not slugs:
        raise Forbidden(f"{asking[0].person} has no role in force that reads {matter.value}")
    today = melbourne_date(installation.clock.now())
    return Door(installation.database.conninfo(Role.PROJECTOR), sorted(slugs), today, installation.unopened_at)


def desk(
    installation: Installation, *asking: Principal, through: Source = OVER_HTTP, key: str | None = None
) -> Desk:
    """What someone may read of reports, and how what they hand over is recorded. Raises Forbidden.

    ``key``: the command id that it is recorded under; else a new one.
    """
    (hands_over,) = command_table()[HAND_OVER]
    identity = key or str(uuid.uuid4())

    def who(slug: str) -> Principal:
        organisation = installation.ledgers.get(slug).organisation
        return next((each for each in asking if each.organisation == organisation), asking[0])

    def submit(
        slug: str, command: str, body: Mapping[str, Any], given: Mapping[str, Any] | None = None
    ) -> Outcome:
        return installation.execute(
            slug, command, body,
            principal=who(slug), command_id=identity, source=through, given=given,
        )  # fmt: skip

    def may(slug: str) -> None:
        if not installation.roles(slug, who(slug)) & hands_over.roles:
            raise Forbidden(f"ledger {slug}: {HAND_OVER} takes one of {', '.join(sorted(hands_over.roles))}")

    def recorded(slug: str, command: str, given: Mapping[str, Any]) -> Outcome | None:
        first = installation.recorded(slug, command, given, principal=who(slug), command_id=identity)
        if first is None:
            # Before anything is made: whoever may not hand over learns that at once.
            may(slug)
        return first

    def keep_file(
        slug: str, stream: str, source: BinaryIO, length: int | None, *, field_path: str
    ) -> dict[str, Any]:
        may(slug)
        return installation.keep_file(slug, stream, source, length, field_path=field_path)

    return Desk(door(installation, asking, Matter.REPORTS), submit, keep_file, recorded)


def lag(database: Database) -> dict[str, Any]:
    """How far the registers are behind the ledgers, and what stands still. Raises Unavailable.

    ``to_rebuild``: registers that another version made, or none did yet; they stand still until rebuilt.
    """
    with connect(database.conninfo(Role.READER), "auditledger health") as connection:
        sizes = {head.id: head.size for head in heads(connection)}
        positions = {row[0]: row[1] for row in connection.execute(sql.get("positions"))}
        (counted,) = connection.execute(sql.get("count_parked"))
        made = dict(connection.execute(sql.get("definitions")).fetchall())
    behind = sum(size - positions.get(ledger, 0) for ledger, size in sizes.items())
    # Before the first projection there is nothing to rebuild: the runner makes the tables.
    known = registers().values() if made else ()
    stale = [each.name for each in known if made.get(each.name) != each.definition]
    return {"behind": behind, "parked": counted[0], "paused": counted[1], "to_rebuild": stale}


def standing(database: Database) -> dict[str, dict[str, int]]:
    """By slug: entries, how many of them the registers are behind, parked cases, whether it is paused (1, 0).

    Raises Unavailable.
    """
    with connect(database.conninfo(Role.READER), "auditledger metrics") as connection:
        rows = connection.execute(sql.get("lag")).fetchall()
        parked = Counter(row[1] for row in connection.execute(sql.get("parked")))
    return {
        slug: {
            "entries": size, "behind": size - position,
            "parked": parked[slug], "paused": int(paused is not None),
        }
        for slug, size, position, paused in rows
    }  # fmt: skip
