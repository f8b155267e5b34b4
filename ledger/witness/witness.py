"""What a witness answers to ``add-checkpoint``, check by check in the order of C2SP tlog-witness (4-wire)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ledger.errors import AuditLedgerError, CodecError, ProofFailed, Unavailable, Untrusted
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import ED25519, Note, SignatureLine, SigningKey, VerifierKey
from ledger.tlog.proof import ConsistencyProof
from ledger.witness.state import State, name_of

MOST_BYTES = 1 << 16
"""Bytes that a request may have: 63 hashes and a note with a good many signatures."""
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"


class Answer(NamedTuple):
    """What goes back: status, content and its type."""

    status: int
    content: str
    kind: str = TEXT


class Witness:
    """A witness of some logs.

    ``logs`` gives the verifier keys of the logs that it knows, named as their origins; a log may have several.
    It is asked again at each request: whoever runs the witness may have added a log, or a key of one, or have
    taken out a key that was stolen. ``now`` gives seconds since 1970.
    """

    def __init__(
        self, key: SigningKey, logs: Callable[[], Iterable[VerifierKey]], state: State, now: Callable[[], int]
    ) -> None:
        """Raises what ``logs`` raises, CodecError for a key of another kind."""
        self.key = key
        self.state = state
        self._now = now
        self._given = logs
        self._logs = self._read()

    def _read(self) -> dict[str, list[VerifierKey]]:
        found: dict[str, list[VerifierKey]] = {}
        for log in self._given():
            if log.kind != ED25519:
                raise CodecError(f"log key {log.name}: expected a key of type 01, got type {log.kind:02x}")
            found.setdefault(log.name, []).append(log)
        return found

    def _keys(self, origin: str) -> list[VerifierKey] | None:
        """The keys of a log. Raises Unavailable where they cannot be read any more."""
        try:
            self._logs = self._read()
        except AuditLedgerError as error:
            raise Unavailable(f"the logs' keys cannot be read: {error}") from error
        return self._logs.get(origin)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosigns a checkpoint that goes on from the last one cosigned, or says why not. Raises Unavailable.

        (1) The body is well formed, else 400; (2) the log is known, else 404; (3) a key of it signed, else 403;
        (4) the old size is not above the checkpoint's, else 400; (5) it is that of the last one cosigned, else
        409 with that size; (6) of the same size the root is the same, and the proof leads from the one to the
        other, else 422. Then the note is kept, durably, before anyone is told.
        """
        try:
            asked = ConsistencyProof.parse(body)
            note = Note.parse(asked.checkpoint)
            said = Checkpoint.parse(note.text)
        except CodecError as error:
            return Answer(400, f"{error}\n")
        keys = self._keys(said.origin)
        if keys is None:
            return Answer(404, f"log {said.origin} is not known here\n")
        try:
            note.verify(keys)
        except Untrusted as error:
            return Answer(403, f"{error}\n")
        if asked.old > said.size:
            return Answer(400, f"old size: expected at most {said.size}, got {asked.old}\n")
        with self.state.holding(said.origin):
            last = self.state.checkpoint(said.origin)
            size, root = (0, EMPTY_ROOT) if last is None else (last.size, last.root)
            if asked.old != size:
                return Answer(409, f"{size}\n", SIZE)
            try:
                merkle.verify_consistency(size, said.size, asked.hashes, root, said.root)
            except ProofFailed as error:
                return Answer(422, f"{error}\n")
            line = self.key.sign(note.text, self._now())
            cosigned = SignatureLine.parse(line.rstrip("\n"))
            # Of the log's signatures alone: what else stood in the note, nobody here has checked.
            trusted = {(key.name, key.id) for key in keys}
            kept = tuple(each for each in note.signatures if (each.name, each.id) in trusted)
            self.state.keep(said.origin, Note(note.text, (*kept, cosigned)))
        return Answer(200, line)

    def checkpoint(self, name: str) -> bytes | None:
        """The last cosigned note of the log whose origin has that SHA-256 in hex; None where there is none."""
        known = {name_of(origin) for origin in self._logs}
        return self.state.last(name) if name in known else None
