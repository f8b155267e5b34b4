"""What witnesses say of times, as ``verify`` and ``prove`` show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from ledger.cli.appeared import times_as_json
from ledger.cli.session import Session
from ledger.codec.declare import micros
from ledger.codec.entry import decode_entry
from ledger.codec.jsonform import show
from ledger.errors import InvalidInput, NotFound, ProofFailed
from ledger.store.database import Database
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger
from ledger.store.published import Published
from ledger.store.stamped import stamped_times, times_by
from ledger.store.witnessed import Outside, WitnessedTimes, policy_of
from ledger.tlog.brackets import Brackets, Sighting, sightings_of
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.note import COSIGNATURE, Note, VerifierKey
from ledger.tlog.policy import Party, Policy


def trusted(session: Session, keys: Sequence[VerifierKey]) -> Policy | None:
    """The witnesses whose keys are given, each believed alone; else those of the policy in force, if any."""
    given = [key for key in keys if key.kind == COSIGNATURE]
    if not given:
        return policy_of(session.settings())
    return Policy(witnesses={str(key).encode(): Party(key) for key in given})


def outside(
    session: Session, database: Database, ledger: Ledger, policy: Policy | None
) -> list[dict[str, Any]] | None:
    """The first entries whose ``recorded_at`` no trusted time fits; None where nobody is trusted.

    Of a demonstration none is asked: its clock is simulated. Raises SettingsError, Untrusted, Unavailable.
    """
    if ledger.demonstration:
        return None
    with Feed(database) as feed:
        times = _times(session, feed, policy)
        return None if times is None else [_shown(each) for each in times.outside(ledger)]


def _times(session: Session, feed: Feed, policy: Policy | None) -> WitnessedTimes | None:
    settings = session.settings()
    return times_by(feed, policy, stamped_times(feed, Published.by(settings), settings))


def _shown(found: Outside) -> dict[str, Any]:
    return {
        "index": found.at,
        "recorded_at": _moment(found.recorded_at),
        **times_as_json(found.bracket),
        "outside": found.how,
    }


def of_proof(
    index: int,
    entry: bytes,
    signed: SignedCheckpoint,
    notes: Sequence[bytes],
    keys: Sequence[VerifierKey],
    policy: Policy,
    stamped: datetime | None = None,
) -> dict[str, Any]:
    """The times of an entry that was proven: by the proof's own cosignatures, by checkpoints beside it, and by
    when the proof's checkpoint was time-stamped.

    That those are of the same history is what their witnesses vouch for; of the same size they must be the
    same checkpoint. Raises ProofFailed, Untrusted, CodecError (another log's), InvalidInput (not cosigned).
    """
    said = signed.checkpoint
    seen = [Sighting(each.key, said.size, each.time) for each in signed.signed if each.time is not None]
    for note in notes:
        beside = Checkpoint.parse(Note.parse(note).text)
        if beside.size == said.size and beside != said:
            raise ProofFailed(f"checkpoint of {said.origin}, size {said.size}: two were signed: a fork")
        more = sightings_of(said.origin, note, keys)
        if not more:
            raise InvalidInput("--checkpoint", "one that a trusted witness cosigned", beside.size)
        seen += more
    stamps = [] if stamped is None else [(said.size, ceil(stamped.timestamp()))]
    bracket = Brackets(seen, policy.heard, stamps).of(index)
    recorded_at = micros(decode_entry(entry).recorded_at)
    return {"index": index, "recorded_at": _moment(recorded_at), **times_as_json(bracket),
            "outside": bracket.outside(recorded_at)}  # fmt: skip


def beside(
    session: Session, database: Database, ledger: Ledger, index: int, policy: Policy | None
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Of an entry that is to be proven: its times, and the cosigned checkpoints that show them, by ending.

    Raises SettingsError, Untrusted, Unavailable.
    """
    with Feed(database) as feed:
        times = _times(session, feed, policy)
        if times is None:
            return None, {}
        (bracket,) = times.checked(ledger, [index])
        before, after = times.notes(ledger, index)
    files = {"not-before": before, "not-after": after}
    return times_as_json(bracket), {ending: note for ending, note in files.items() if note is not None}


def of_stamp(timestamp: Path | None, roots: Path | None, signed: SignedCheckpoint) -> dict[str, Any]:
    """As ``stamped_at``, to be shown."""
    found = stamped_at(timestamp, roots, signed)
    return {} if found is None else {"stamped": show(found)}


def stamped_at(timestamp: Path | None, roots: Path | None, signed: SignedCheckpoint) -> datetime | None:
    """When an authority time-stamped a checkpoint, if a time stamp is given.

    Raises NotFound, SettingsError (the roots), CodecError, Untrusted.
    """
    if timestamp is None or roots is None:
        return None
    from ledger.tlog import stamp

    try:
        response = timestamp.read_bytes()
    except OSError as error:
        raise NotFound(f"{timestamp}: {error.strerror}") from error
    return stamp.stamped_at(response, signed.note.text, stamp.read_roots(roots))


def _moment(microseconds: int) -> str:
    return str(show(datetime.fromtimestamp(microseconds / 1_000_000, UTC)))
