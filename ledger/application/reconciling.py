"""The vault held to the destruction entries: on every start, after a restore, each minute."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from ledger.application.destroying import Removed, finish, marks_of, remove, sealed_in, takes_no_more
from ledger.application.searching import catch_up
from ledger.domain.destruction.events import DestructionAuthorised
from ledger.domain.destruction.standing import DestructionStanding
from ledger.errors import AuditLedgerError, CodecError, Unavailable
from ledger.store.ledgers import Ledger
from ledger.vault.shredding import NotedLost, Reconciled

if TYPE_CHECKING:
    from ledger.application.commands import Commands

SWEPT_AFTER = 3600.0
"""Seconds after which what was written to a vault of its own database has its entry, or never will."""
RECENT = 1_000
"""The last entries, whose keys are looked for first: a vault older than its ledger lacks them."""
BATCH = 1_000
IN_TURN = 2_000
"""Older entries, of all ledgers, whose keys each look goes through, from where the one before it ended, round
and round: it holds up what else the service does for as long as it reads them."""
Progress = Callable[[int, int], None]
Alarm = Callable[..., object]
"""Takes what is wrong, in words, and what it is of by name: a logger's ``error``."""


def _quiet(*_: object, **__: object) -> None:
    """Shows nothing, and tells nobody: the caller does."""


class Reconciling:
    """Holds the vault to the destruction entries of each ledger, again and again.

    What entries destroyed and a backup brought back is removed again; a key that is missing and that no entry
    names is lost. Both are alarms: told to ``alarm``, kept for ``doctor``, and in ``standing``.
    """

    def __init__(self, commands: Commands, alarm: Alarm = _quiet) -> None:
        self._commands = commands
        self._alarm = alarm
        self._seen: dict[int, int] = {}
        self._lost: dict[int, set[str]] = {}
        self._turn: dict[int, int] = {}
        self._share = IN_TURN
        self.standing: dict[str, Reconciled] = {}
        self.failed: str | None = None
        """Why the last look of ``run`` failed; None where it did not."""

    def state(self) -> dict[str, Reconciled]:
        """By slug, how the vault stood the last time. Raises Unavailable where the last look failed."""
        if self.failed is not None:
            raise Unavailable(f"vault: {self.failed}")
        return dict(self.standing)

    def run(self, stop: Event, interval: float, rewrite: bool) -> None:
        """Reconciles every ``interval`` seconds until told to stop; what fails is tried again the next time.

        The search index is brought up to the entries too, so that a search has little left to add.
        ``rewrite``: whether pages that hold what was removed are written anew, while writers wait.
        """
        while not stop.wait(interval):
            failed: list[str] = []
            try:
                self.all(whole=False)
                if rewrite and not self._commands.shredder.rewrite():
                    self._alarm("the vault's pages still hold what was removed: somebody reads there")
            except (AuditLedgerError, OSError) as error:
                failed.append(str(error))
                self._alarm("the vault cannot be held to the destruction entries", reason=str(error))
            failed += self._indexed(stop)
            self.failed = "; ".join(failed) or None

    def _indexed(self, stop: Event) -> list[str]:
        """Brings the search index of each ledger up to its entries; why that of one or another could not be."""
        failed: list[str] = []
        try:
            for ledger in self._commands.ledgers.all():
                try:
                    catch_up(self._commands, ledger, stop=stop.is_set)
                except (AuditLedgerError, OSError) as error:
                    failed.append(f"the search index of {ledger.slug}: {error}")
                    self._alarm(
                        "the search index cannot be brought up to the entries",
                        ledger=ledger.slug, reason=str(error),
                    )  # fmt: skip
        except (AuditLedgerError, OSError) as error:
            failed.append(f"the search index: {error}")
            self._alarm("the search index cannot be brought up to the entries", reason=str(error))
        return failed

    def all(
        self, *, whole: bool, every_entry: bool = False,
        progress: Callable[[Ledger], Progress] = lambda _: _quiet,
    ) -> dict[str, Reconciled]:  # fmt: skip
        """Reconciles every ledger. ``whole``: reads the vault's tables whole, as on a start, after a restore;
        ``every_entry``: looks for the keys of all entries, not of those recorded since the last time and of
        ``IN_TURN`` older ones alone.

        ``progress`` gives for a ledger what is told the entries looked at, and how many there are. Raises
        Unavailable, VaultError, once the others were reconciled: of the first that could not be.
        """
        failed: AuditLedgerError | OSError | None = None
        ledgers = self._commands.ledgers.all()
        self._share = -(-IN_TURN // max(len(ledgers), 1))
        for ledger in ledgers:
            try:
                self.one(ledger, whole=whole, every_entry=every_entry, progress=progress(ledger))
            except (AuditLedgerError, OSError) as error:
                failed = failed or error
        sweep(self._commands)
        if failed is not None:
            raise failed
        return dict(self.standing)

    def one(
        self, ledger: Ledger, *, whole: bool, every_entry: bool = False,
        progress: Progress = _quiet,
    ) -> Reconciled:  # fmt: skip
        """Reconciles one ledger."""
        commands = self._commands
        finished = finish(commands, ledger)
        standing = commands.streams.destruction(ledger)
        before = len(standing.came_back)
        again = self._again(ledger, standing, whole)
        came_back = before + bool(again)
        noted = commands.shredder.lost(ledger.id)
        lost = self._lost_keys(ledger, noted, whole, every_entry, progress)
        while True:
            found = Reconciled(
                len(standing.destroyed), finished, again, came_back, len(lost), min(lost, default=None)
            )
            if commands.shredder.note(ledger.id, found, noted):
                self.standing[ledger.slug] = found
                return found
            # Another process, or an opening, found a lost key while this one looked.
            noted = commands.shredder.lost(ledger.id)
            lost = self._lost_keys(ledger, noted)

    def _again(self, ledger: Ledger, standing: DestructionStanding, whole: bool) -> int:
        """Removes what came back; under how many keys something had."""
        commands = self._commands
        authorised = [each.authorised for each in standing.destructions.values() if each.authorised]
        # Of this ledger, and of closed ones that it goes on from.
        named: dict[str | None, list[DestructionAuthorised]] = {}
        for fact in authorised:
            named.setdefault(fact.ledger, []).append(fact)
        removed, back = Removed(), set[str]()
        destructions: list[str] = []
        closed = takes_no_more(commands, ledger)
        for origin, facts in named.items():
            about = ledger if origin is None else commands.ledgers.by_origin(origin)
            keys = [key for fact in facts for key in fact.keys]
            found = commands.shredder.present(about.id, keys, whole=whole).all()
            found |= commands.files.held(about.id) & set(keys)
            for fact in facts:
                if fact.case is not None and (again := found & set(fact.keys)):
                    if not closed:
                        # What cannot be recorded now stays: nothing would tell of it, and nobody can open it.
                        commands.may_go_on(ledger)
                    removed.add(remove(commands, about, fact, again))
                    destructions.append(fact.destruction)
            back |= found
        if not back:
            return 0
        destructions.sort()
        if removed == Removed():
            # A folder that an upload left empty, whose key went meanwhile: nothing of it was anybody's.
            return 0
        self._alarm(
            "destroyed values came back and were removed again",
            ledger=ledger.slug, keys=removed.keys, rows=removed.rows, files=removed.files,
        )  # fmt: skip
        if closed:
            return len(back)
        said = {"keys": removed.keys, "rows": removed.rows, "files": removed.files}
        for at in range(0, len(destructions), BATCH):
            some = destructions[at : at + BATCH]
            commands.record_as_system(ledger, "destruction.DestroyedAgain", {"destructions": some, **said})
            # Counted once, however many entries it takes to name them all.
            said = dict.fromkeys(said, 0)
        return len(back)

    def _lost_keys(
        self, ledger: Ledger, noted: NotedLost, whole: bool = False, every_entry: bool = False,
        progress: Progress = _quiet,
    ) -> set[str]:  # fmt: skip
        """Keys that entries or the vault's rows name, that are missing, and that no entry destroyed.

        What is known as lost, here or as ``noted`` by another process, is looked for each time.
        """
        commands = self._commands
        size = commands.feed.head(ledger.id).size
        first = 0 if every_entry else self._seen.get(ledger.id, max(0, size - RECENT))
        known = self._lost.get(ledger.id, set())
        candidates = known | ({noted.key} if noted.key else set())
        if whole:
            candidates |= commands.shredder.keyless(ledger.id)
        lost = self._missing(ledger, candidates) | self._unheld(ledger, first, size, progress)
        if noted.keys > len(candidates):
            # Another process knows of more of them, and has told one.
            lost |= self._unheld(ledger, 0, first)
        else:
            start = self._turn.get(ledger.id, 0)
            start = start if start < first else 0
            self._turn[ledger.id] = until = min(start + self._share, first)
            lost |= self._unheld(ledger, start, until)
        for key in lost - known:
            self._alarm("a key is lost: no entry destroyed it", ledger=ledger.slug, key=key)
        self._seen[ledger.id], self._lost[ledger.id] = size, lost
        return lost

    def _unheld(self, ledger: Ledger, first: int, until: int, progress: Progress = _quiet) -> set[str]:
        """Keys that entries from ``first`` to before ``until`` name and that are missing."""
        lost, named = set[str](), set[str]()
        for rows in self._commands.feed.scan(ledger.id, start=first, until=until) if first < until else ():
            named |= {sealed.key for row in rows for sealed, _ in sealed_in(row)}
            if len(named) > BATCH or rows[-1].index == until - 1:
                lost |= self._missing(ledger, named)
                named = set()
            progress(rows[-1].index + 1, until)
        return lost

    def _missing(self, ledger: Ledger, keys: set[str]) -> set[str]:
        gone = self._commands.streams.destroyed(ledger)
        wanted = {key for key in keys if key not in gone}
        return wanted - self._commands.shredder.present(ledger.id, wanted, whole=False).keys


def sweep(commands: Commands, older_than: float = SWEPT_AFTER) -> int:
    """Removes what was written to a vault of its own database for entries that were never recorded.

    What the recorded entries of the commands name stays. Says how many sealed rows went. Raises Unavailable.
    """
    swept = 0
    for written in commands.sweep.before(older_than):
        try:
            entries = [
                row for each in written.commands for row in commands.feed.by_command(written.ledger, each)
            ]
            named = {place for row in entries for place in marks_of(row)}
        except CodecError:
            # Of a newer version, which knows what its entries name.
            continue
        begun = partial(_begun, commands, written.ledger)
        swept += commands.sweep.remove(written, written.rows - named, begun)
    return swept


def _begun(commands: Commands, ledger: int, case: str) -> bool:
    return bool(commands.feed.stream(ledger, case, limit=1))
