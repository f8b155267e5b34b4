"""The slow path of the commit procedure: under the head's lock, each submission judged on its own.

It is the way of a ledger's first group, of large groups, and of everything that the one-statement commit could
not settle: a head that keeps moving, a violated key, a lost connection. It may be run again with the same
submissions at any time: what was committed is found by command id and answered with the first receipts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from uuid import UUID

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from ledger.clock import Clock
from ledger.codec.declare import micros
from ledger.codec.declare import moment as moment_of
from ledger.errors import AuditLedgerError, CommandReused, Conflict, Unavailable
from ledger.law.installation import ledger_is_open
from ledger.store import binary, queries
from ledger.store.ledgers import Ledger
from ledger.store.placing import Head, Placed, place_all, vault_arrays
from ledger.store.submission import Draft, Outcome, Receipt, Submission
from ledger.vault.sealing import KEY_NAME
from ledger.vault.store import key_gone

Connection = psycopg.Connection[TupleRow]
IDLE = pq.TransactionStatus.IDLE

AHEAD_MICROS = 2_000_000
"""How far a writer's clock may be ahead of the database's before it refuses to write."""
"""The vault's SQLSTATE for a key that was destroyed while the command was made."""


class Lost(Exception):
    """The connection is gone. ``committing``: COMMIT had been sent, so it may have been done."""

    def __init__(self, cause: psycopg.Error, *, committing: bool) -> None:
        super().__init__(" ".join(str(cause).split()))
        self.committing = committing


class FirstReceipts(list[Receipt]):
    """Receipts of what was recorded before: by whoever was first, or by a try of our own that seemed lost."""


@dataclass(slots=True)
class Settled:
    """What became of a group: the head after it, and for each submission its receipts or why not."""

    head: Head | None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """By the submission's place in the group."""


def settle(
    connection: Connection,
    ledger: Ledger,
    prefix: bytes,
    submissions: Sequence[Submission],
    clock: Clock,
    step: Callable[[str], None],
) -> Settled:
    """Commits what can be committed of ``submissions``. Raises Lost where the connection goes."""
    settled = Settled(None)
    open_ones = dict(enumerate(submissions))
    while open_ones:
        try:
            head, outcomes = _attempt(connection, ledger, prefix, open_ones, clock, step)
        except psycopg.Error as error:
            outcomes = _refused(connection, error, open_ones)
            if not outcomes and len(open_ones) > 1:
                # One of them cannot be stored: alone, it harms no neighbour.
                for place, submission in open_ones.items():
                    alone = settle(connection, ledger, prefix, [submission], clock, step)
                    settled.head = alone.head or settled.head
                    settled.outcomes[place] = alone.outcomes[0]
                return settled
            head = None
            if not outcomes:
                refusal = Unavailable(f"nothing was written: the database says: {_said(error)}")
                outcomes = dict.fromkeys(open_ones, refusal)
        settled.head = head or settled.head
        settled.outcomes.update(outcomes)
        for place in outcomes:
            del open_ones[place]
    return settled


def _refused(
    connection: Connection, error: psycopg.Error, open_ones: dict[int, Submission]
) -> dict[int, Outcome]:
    """The submissions that an error answers for; none where it does not tell whose it is."""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        # idle_in_transaction_session_timeout does not see who stands still within a COPY.
        connection.execute(queries.get("end_stuck_writers"))
        held = Unavailable("nothing was written: another writer holds the head of the ledger; try again")
        return dict.fromkeys(open_ones, held)
    keks = {key.kek_id for submission in open_ones.values() for key in submission.keys}
    if (refusal := key_gone(error, keks)) is not None:
        message = error.diag.message_primary or ""
        gone = set(message.partition(":")[2].replace(",", " ").split())
        return {
            place: refusal
            for place, submission in open_ones.items()
            if gone & ({row.key for row in submission.rows} | {key.id for key in submission.keys})
        }
    return {}


def _attempt(
    connection: Connection,
    ledger: Ledger,
    prefix: bytes,
    open_ones: dict[int, Submission],
    clock: Clock,
    step: Callable[[str], None],
) -> tuple[Head, dict[int, Outcome]]:
    """One transaction. On an error of the database nothing of it stands; its connection is usable again."""
    committing = False
    try:
        if connection.info.transaction_status != IDLE:
            connection.execute("ROLLBACK")
        # A crash up to COMMIT leaves nothing; the lock goes with the session.
        connection.execute("BEGIN")
        step("slow.begun")
        head, closed = _locked_head(connection, ledger)
        step("slow.locked")
        now = micros(clock.now())
        outcomes, accepted = _judge(connection, ledger, open_ones, now, closed)
        if accepted:
            entering = [open_ones[place] for place in accepted]
            placed = place_all(prefix, head, entering, now)
            _insert(connection, ledger, placed, entering)
            head = placed.after
            outcomes.update(zip(accepted, placed.receipts(ledger, entering), strict=True))
        step("slow.inserted")
        committing = True
        connection.execute("COMMIT")
        # A crash from here on leaves the entries: the repeat finds them by command id.
        step("slow.committed")
    except psycopg.Error as error:
        if not connection.closed:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error as second:
                raise Lost(second, committing=committing) from error
        if connection.closed:
            raise Lost(error, committing=committing) from error
        raise
    return head, outcomes


def _locked_head(connection: Connection, ledger: Ledger) -> tuple[Head, bool]:
    """The end of the ledger, and whether it is closed."""
    row = connection.execute(queries.get("lock_head"), (ledger.id,)).fetchone()
    if row is None:
        raise Unavailable(f"{ledger.origin}: the database holds no head of this ledger")
    return Head(row[0], bytes(row[1]), micros(row[2])), row[3] is not None


def _judge(
    connection: Connection, ledger: Ledger, open_ones: dict[int, Submission], now: int, closed: bool
) -> tuple[dict[int, Outcome], list[int]]:
    """What is answered without writing (repeats, conflicts, a clock ahead, a ledger that is closed), and the
    places that enter."""
    drafts = [draft for submission in open_ones.values() for draft in submission.drafts]
    known: dict[str, list[Known]] = {}
    for command, *row in connection.execute(
        queries.get("known_commands"), (ledger.id, list({UUID(draft.command) for draft in drafts}))
    ):
        known.setdefault(str(command), []).append(
            Known(Receipt(ledger.origin, row[1], bytes(row[2]), row[3].astimezone(UTC)), row[4])
        )

    def key_left(command: str) -> bool:
        row = connection.execute(queries.get("content_key_left"), (ledger.id, command)).fetchone()
        return row is not None and bool(row[0])

    versions: dict[str, int] = {}
    database_now = now
    for stream, version, moment in connection.execute(
        queries.get("stream_versions"), (ledger.id, list({draft.stream for draft in drafts}))
    ):
        database_now = micros(moment)
        if version is not None:
            versions[stream] = version
    outcomes: dict[int, Outcome] = {}
    accepted: list[int] = []
    entering: set[str] = set()
    for place, submission in open_ones.items():
        commands = {draft.command for draft in submission.drafts}
        if entering & commands:
            # The same command twice in one group: the second is judged once the first is committed.
            continue
        try:
            receipts = _repeat(submission, known, key_left)
            if receipts is not None:
                outcomes[place] = receipts
                continue
            ledger_is_open(ledger.origin, closed)
            if submission.moment is None and now > database_now + AHEAD_MICROS:
                ahead = (now - database_now) / 1_000_000
                raise Unavailable(
                    f"nothing was written: this machine's clock is {ahead:.1f} s ahead of the database's"
                )
            _advance(submission, versions)
        except AuditLedgerError as error:
            outcomes[place] = error
        else:
            accepted.append(place)
            entering |= commands
    return outcomes, accepted


def _repeat(
    submission: Submission, known: dict[str, list[Known]], key_left: Callable[[str], bool]
) -> list[Receipt] | None:
    """The first receipts, where the commands were recorded before; None where none of them was.

    Raises CommandReused where the content differs, and Conflict where that cannot be told, because two who
    recorded a new case at once made a key each. Unchecked is a missing ``content_mac``, and one whose key was
    destroyed, as ``key_left`` says of a command (4-wire, 'command, part').
    """
    first: dict[str, Draft] = {}
    for draft in submission.drafts:
        first.setdefault(draft.command, draft)
    there = [command for command in first if command in known]
    if not there:
        return None
    for command in there:
        before, now = known[command][0].content_mac, first[command].content_mac
        if before is None or now is None or before == now:
            continue
        if before[:KEY_NAME] != now[:KEY_NAME]:
            if key_left(command):
                raise Conflict(
                    f"command {command} was recorded meanwhile under another key; nothing was written: "
                    "seal it anew"
                )
        else:
            raise CommandReused(f"command {command} was recorded with other content; nothing was written")
    if len(there) < len(first):
        raise CommandReused(
            f"{len(there)} of the {len(first)} commands submitted together were recorded before; "
            "nothing was written: submit the others apart"
        )
    return FirstReceipts(found.receipt for command in first for found in known[command])


def _advance(submission: Submission, versions: dict[str, int]) -> None:
    """Counts a submission's versions on. Raises Conflict, and leaves ``versions`` as they were."""
    mine: dict[str, int] = {}
    for draft in submission.drafts:
        found = mine.get(draft.stream, versions.get(draft.stream))
        # The recorder contract of eventsourcing lets a stream begin at 0; our own mapper begins at 1.
        if not (draft.version in (0, 1) if found is None else draft.version == found + 1):
            raise Conflict(
                f"case {draft.stream}: expected to stand at version {draft.version - 1}, "
                f"found {found or 0}; nothing was written: load it again"
            )
        mine[draft.stream] = draft.version
    versions.update(mine)


def _insert(connection: Connection, ledger: Ledger, placed: Placed, submissions: Sequence[Submission]) -> None:
    if any(submission.keys or submission.rows for submission in submissions):
        arrays = vault_arrays(submissions)
        parameters = [binary.int4(ledger.id), binary.int8(placed.before.size), *arrays]
        result = connection.pgconn.exec_prepared(b"put_vault", parameters, [1] * len(parameters), 1)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result, connection.info.encoding)
    with connection.cursor().copy(queries.get("copy_entries")) as copy:
        for block in placed.copy_blocks(ledger):
            copy.write(block)
    after = placed.after
    connection.execute(
        queries.get("move_head"), (after.size, after.hash, moment_of(after.recorded_at), ledger.id)
    )


def _said(error: psycopg.Error) -> str:
    """The server's own words, without the detail line, which repeats submitted values."""
    return f"{error.diag.message_primary or type(error).__name__} ({error.sqlstate or 'no SQLSTATE'})"


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that the ledger holds under a command id."""

    receipt: Receipt
    content_mac: bytes | None
