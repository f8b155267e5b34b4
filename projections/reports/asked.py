"""What is asked of reports, resolved once: so that it can be made elsewhere, and asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import Forbidden, InvalidInput
from ledger.store.ledgers import COMMON
from projections.asked import moment
from projections.doors import Door
from projections.replay import resolve
from projections.reports.catalogue import make, report_kind
from projections.reports.figures import Report
from projections.reports.period import Period, last_financial_year, parse_period


@dataclass(frozen=True, slots=True)
class Wanted:
    """A report as asked for. The same again is the same report, where positions are stated."""

    conninfo: str
    name: str
    period: Period
    positions: tuple[tuple[str, int], ...] | None
    """Slug → position of every ledger read; None: as far as they are when it is made."""
    ledgers: tuple[str, ...]
    incomplete: bool

    def make(self) -> Report:
        """The report. Raises as ``catalogue.make`` does."""
        positions = None if self.positions is None else dict(self.positions)
        return make(
            self.conninfo, self.name, self.period,
            positions=positions, ledgers=self.ledgers, incomplete=self.incomplete,
        )  # fmt: skip

    @property
    def as_at(self) -> str:
        """The positions as they are written: LEDGER=N, by commas."""
        return ",".join(f"{slug}={size}" for slug, size in self.positions or ())


def wanted(
    door: Door,
    name: str,
    period: str | None,
    *,
    as_at: str | None = None,
    ledgers: Sequence[str] | None = None,
    incomplete: bool = False,
) -> Wanted:
    """What a caller asks for, of the ledgers whose reports they may read.

    ``period``: as typed; else the last financial year that is over. ``as_at``: LEDGER=N (several by commas), N
    with one ledger, a date or a moment; else now, and so for a ledger that is not named. Raises Forbidden,
    NotFound, InvalidInput.
    """
    for slug in ledgers or ():
        if slug not in door.slugs:
            raise Forbidden(f"ledger {slug}: you may not read reports of it")
    read = tuple(ledgers or door.slugs)
    positions = None
    if as_at is not None:
        one = read[0] if ledgers and len(ledgers) == 1 and as_at.isdigit() else None
        found = {head.slug: head.size for head in moment(door, one, as_at, None).heads}
        if "=" in as_at and (beside := sorted(set(found) - {*read, COMMON})):
            raise InvalidInput("as_at", f"positions of {', '.join(read)}", f"one of {', '.join(beside)}")
        now = {head.slug: head.size for head in resolve(door.conninfo).heads}
        positions = tuple(sorted((slug, (now | found)[slug]) for slug in {*read, COMMON} if slug in now))
    asked = parse_period(period) if period is not None else last_financial_year(door.today)
    return Wanted(door.conninfo, report_kind(name).name, asked, positions, read, incomplete)


def made_for(
    door: Door,
    name: str,
    period: str | None,
    *,
    as_at: str | None = None,
    ledgers: Sequence[str] | None = None,
    incomplete: bool = False,
) -> Report:
    """The report that a caller asks for. Raises as ``wanted`` and ``Wanted.make`` do."""
    return wanted(door, name, period, as_at=as_at, ledgers=ledgers, incomplete=incomplete).make()
