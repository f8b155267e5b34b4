"""Folding every stream of a ledger once, whole: range by range, and shares of it in several processes.

``python -m projections.shares`` is one of these processes: a fresh interpreter that no connection, lock or
thread of the one that starts it goes along with, and that imports no more than folding takes. It is told by
lines of JSON on its standard input, answers on its standard output, and ends where its input does.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from threading import Lock
from types import TracebackType
from typing import Any, Protocol

from psycopg import Connection

from ledger import interrupts
from ledger.domain.event import CaseEvent, class_of
from ledger.errors import Unavailable, UnknownSchema
from projections import sql, tables
from projections.base import Register, StreamInfo, register
from projections.calendar import CALENDAR_STREAM, calendar_of
from projections.connection import connect
from projections.facts import Fact, LedgerHead, facts_of, read_fact
from projections.fold import TOGETHER, Folded, Stream, fold_all

MOST_ENTRIES = 20_000
LEAST_ENTRIES = 2_000
"""Entries of a share, about."""
_FLUSH_LINES = 5_000
_READ_ROWS = 1_000
_LAST = "\U0010ffff"
"""Sorts after every stream id."""

Progress = Callable[[int, int], None]
"""(entries read, entries in all)."""


@dataclass(frozen=True, slots=True)
class Share:
    """The streams of a ledger from one id to before another."""

    head: LedgerHead
    low: str
    high: str


def shares_of(head: LedgerHead) -> Iterator[Share]:
    """The shares that a ledger is folded in: each a part of what is left, so that the last ones are small.

    No process then waits long for the last share of another.
    """
    at, low = 0, ""
    while at < head.size:
        at += min(MOST_ENTRIES, max(LEAST_ENTRIES, (head.size - at) // 8))
        # Ids of cases are random UUIDs: by their first digits they are cut where so many lie before.
        high = f"{0x100000 * at // head.size:05x}" if at + LEAST_ENTRIES <= head.size else _LAST
        yield Share(head, low, high)
        if high == _LAST:
            return
        low = high


def fold_streams(
    connection: Connection[Any],
    head: LedgerHead,
    wanted: Sequence[Register],
    low: str = "",
    high: str = _LAST,
    happened_by: date | None = None,
) -> Iterator[tuple[int, Folded]]:
    """Folds every stream of a ledger (of a range of them) below ``head.size``: entries read, what they give.

    Memory holds a few streams at a time. Raises UnknownSchema.
    """
    calendar = calendar_of(facts_of(connection, head.id, [CALENDAR_STREAM], head.size)[CALENDAR_STREAM])
    sizes: list[int] = []
    streams: list[Stream] = []
    for stream, opening, size, facts in _streams(connection, head, wanted, low, high):
        about = StreamInfo(head.id, head.origin, head.organisation, stream, opening, calendar)
        streams.append((about, facts))
        sizes.append(size)
        if len(streams) == TOGETHER:
            yield from zip(sizes, fold_all(streams, wanted, happened_by), strict=True)
            sizes, streams = [], []
    yield from zip(sizes, fold_all(streams, wanted, happened_by), strict=True)


def _streams(
    connection: Connection[Any], head: LedgerHead, wanted: Sequence[Register], low: str, high: str
) -> Iterator[tuple[str, type[CaseEvent], int, list[Fact]]]:
    """Stream, opening event, number of entries, facts (none where no register looks at such streams)."""
    looked: dict[str, bool] = {}
    now, opening, size = "", "", 0
    facts: list[Fact] = []
    # A cursor of the server's: read in blocks, three times as fast as COPY, which is read row by row.
    with connection.transaction(), connection.cursor("streams") as cursor:
        cursor.execute(sql.get("scan_streams"), (head.id, head.size, low, high), binary=True)
        while rows := cursor.fetchmany(_READ_ROWS):
            for index, stream, event, entry in rows:
                if stream != now:
                    if size:
                        yield now, class_of(opening), size, facts
                    now, opening, size, facts = stream, event, 0, []
                    if opening not in looked:
                        looked[opening] = any(one.looks_at(class_of(opening)) for one in wanted)
                size += 1
                if looked[opening]:
                    facts.append(read_fact(index, entry))
    if size:
        yield now, class_of(opening), size, facts


# --- shares, each in one transaction ------------------------------------------------------------------


def fold_shares(
    conninfo: str, names: Sequence[str], shares: Sequence[Share], processes: int, progress: Progress
) -> None:
    """Folds shares into the new tables of these registers, in so many processes, this one among them.

    What was written stays where another share fails. Raises UnknownSchema, Unavailable.
    """
    left, lock = deque(shares), Lock()
    total, done = sum(head.size for head in {share.head for share in shares}), 0

    def work(folding: _Folding) -> None:
        nonlocal done
        while left:
            try:
                share = left.popleft()
            except IndexError:
                return
            try:
                read = folding.fold(share)
            except BaseException:
                left.clear()
                raise
            with lock:
                done += read
                progress(done, total)

    with ExitStack() as stack, _few_collections(), ThreadPoolExecutor(max(1, processes)) as threads:
        others = [stack.enter_context(OtherProcess(conninfo, names)) for _ in range(1, processes)]
        running = [threads.submit(work, other) for other in others]
        with ThisProcess(conninfo, names) as here:
            work(here)
        for each in running:
            each.result()


class _Folding(Protocol):
    def fold(self, share: Share) -> int: ...


class ThisProcess:
    """Folds shares here."""

    def __init__(self, conninfo: str, names: Sequence[str]) -> None:
        self._wanted = [register(name) for name in names]
        self._reading = connect(conninfo, "auditledger rebuild")
        self._writing = connect(conninfo, "auditledger rebuild")

    def __enter__(self) -> ThisProcess:
        # What a crash of the server takes of the new tables, it takes with the rebuild that makes them: the
        # swap is on disk when it is committed, and all that was written before it.
        self._writing.execute("SET synchronous_commit TO off")
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()
        self._writing.close()

    def fold(self, share: Share) -> int:
        """Folds the streams of a share into the new tables, by one transaction; returns the entries read."""
        lines: dict[str, list[str]] = {one.name: [] for one in self._wanted}
        read = waiting = 0
        with self._writing.transaction():
            for size, folded in fold_streams(self._reading, share.head, self._wanted, share.low, share.high):
                read += size
                for name, added in folded.lines.items():
                    lines[name] += added
                    waiting += len(added)
                if waiting > _FLUSH_LINES:
                    self._flush(lines)
                    waiting = 0
            self._flush(lines)
        return read

    def _flush(self, lines: dict[str, list[str]]) -> None:
        for one in self._wanted:
            if lines[one.name]:
                tables.fill(self._writing, tables.table(one, tables.NEW), lines[one.name])
                lines[one.name] = []


class OtherProcess:
    """Has shares folded by another process."""

    def __init__(self, conninfo: str, names: Sequence[str]) -> None:
        with interrupts.held():
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "projections.shares"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
        self._send({"conninfo": conninfo, "names": list(names)})

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()

    def fold(self, share: Share) -> int:
        """As of this process."""
        assert self._process.stdout is not None
        try:
            self._send(asdict(share))
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Unavailable("rebuild: a process of it died; why stands on its standard error")
        read, unknown = json.loads(answer)
        if unknown is not None:
            raise UnknownSchema(unknown)
        return int(read)

    def _send(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


@contextmanager
def _few_collections() -> Iterator[None]:
    """Facts and rows make no cycles: the collector would only look through them again and again."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def main() -> None:
    """Folds the shares that come in, until no more do; answers [entries read, why they cannot be read here]."""
    job = json.loads(sys.stdin.readline())
    with _few_collections(), ThisProcess(job["conninfo"], job["names"]) as folding:
        for line in sys.stdin:
            asked = json.loads(line)
            read, unknown = 0, None
            try:
                read = folding.fold(Share(LedgerHead(**asked["head"]), asked["low"], asked["high"]))
            except UnknownSchema as error:
                unknown = str(error)
            sys.stdout.write(json.dumps([read, unknown]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
