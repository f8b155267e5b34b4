"""Asking witnesses to cosign what was published, and keeping what they say (C2SP tlog-witness, client side).

Beside sealing and behind it: a witness that is slow or away holds nothing up. What a witness has cosigned is
kept in the database, durable, before it is published with the checkpoint; a crash between the two is made good
by the next round, which asks again.
"""

from __future__ import annotations

import http
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from time import monotonic
from typing import NamedTuple

import psycopg
import structlog

from ledger.errors import (
    AuditLedgerError,
    CodecError,
    Incomplete,
    ProofFailed,
    SettingsError,
    Unavailable,
    Untrusted,
)
from ledger.remote import Address
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.published import Published
from ledger.store.sealers import LONGEST_PAUSE, Sealing
from ledger.store.tiles import Tiles
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note, SignatureLine, VerifierKey
from ledger.tlog.policy import Party, Policy
from ledger.tlog.prover import Prover, continued

_MOST_TRIES = 3
_OCTETS = {"Content-Type": "application/octet-stream"}

log = structlog.get_logger("auditledger.witnessing")


class Witnessed(NamedTuple):
    """How far the witnesses of a ledger are."""

    size: int
    """Entries under a checkpoint that meets the quorum."""
    away: Mapping[str, str]
    """Witnesses that did not cosign the last one, by name, and why."""
    refuse: frozenset[str] = frozenset()
    """Of those, the ones that were shown another history, until they cosign again: an alarm."""


class OtherHistory(Untrusted):
    """A witness was shown another history of the ledger: other entries than are published, or more of them."""

    def __init__(self, size: int, what: str) -> None:
        """``size``: entries that it saw."""
        self.size = size
        super().__init__(what)

    def __reduce__(self) -> tuple[type[OtherHistory], tuple[int, str]]:
        return type(self), (self.size, str(self))


class _Pause(NamedTuple):
    """For how long a witness that failed is left alone."""

    seconds: float
    until: float
    why: str


class WitnessClient:
    """One witness, asked over HTTP."""

    def __init__(self, party: Party) -> None:
        """Raises SettingsError where the policy names no address that can be asked."""
        if not party.url:
            raise SettingsError(f"policy: expected an http(s) address of {party.key.name}, got none")
        self.key: VerifierKey = party.key
        self._address = Address(party.url, f"witness {party.key.name}")
        self._size: dict[str, int] = {}
        self.answers = True
        """Whether it answered anything at all when it was asked last."""

    def cosign(self, prover: Prover) -> SignatureLine:
        """The witness's cosignature of the checkpoint that ``prover`` proves for.

        Where the witness says that it stands elsewhere, it is asked again from there. Raises Unavailable (it is
        away, or busy), OtherHistory, Untrusted (it refuses, or what it gives is not its cosignature of this
        checkpoint), ProofFailed, Incomplete (the published files are damaged or lost: nothing is sent).
        """
        said = prover.checkpoint
        old = self._size.get(said.origin, 0)
        for _ in range(_MOST_TRIES):
            # Checked here: one that our own damage spoilt would look as if it had been shown another history.
            body = bytes(continued(prover, old))
            self.answers = False
            status, content = self._address.ask("POST", "/add-checkpoint", body, _OCTETS)
            self.answers = True
            if status == http.HTTPStatus.CONFLICT:
                old = self._stands(content, said, old)
                continue
            if status == http.HTTPStatus.UNPROCESSABLE_ENTITY:
                raise OtherHistory(old, self._refuses(said, status, content))
            if status != http.HTTPStatus.OK:
                kind = Unavailable if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else Untrusted
                raise kind(self._refuses(said, status, content))
            self._size[said.origin] = said.size
            return self._line(content, said)
        raise Unavailable(f"witness {self.key.name}: another one asks it about {said.origin} at the same time")

    def _refuses(self, said: Checkpoint, status: int, content: bytes) -> str:
        words = content[:200].decode("utf-8", "replace").strip()
        return f"witness {self.key.name}: refuses {said.origin}, size {said.size}: {status} {words}"

    def _stands(self, content: bytes, said: Checkpoint, asked: int) -> int:
        """The size that the witness saw last. Raises Untrusted, OtherHistory: it saw more than there is, or
        another tree of just that size."""
        text = content.strip().decode("ascii", "replace")
        if not text.isdecimal() or len(text) > 19:
            raise Untrusted(f"witness {self.key.name}: expected a size, got {text[:40]!r}")
        size = int(text)
        if size > said.size:
            raise OtherHistory(
                size,
                f"witness {self.key.name}: it saw {size} entries of {said.origin}, {said.size} are published",
            )
        if size == asked == said.size:
            raise OtherHistory(
                size,
                f"witness {self.key.name}: it saw other {size} entries of {said.origin} than are published",
            )
        return size

    def _line(self, content: bytes, said: Checkpoint) -> SignatureLine:
        try:
            lines = [SignatureLine.parse(line) for line in content.decode().splitlines()]
        except (UnicodeDecodeError, CodecError) as error:
            raise Untrusted(f"witness {self.key.name}: expected signature lines: {error}") from error
        for line in lines:
            if (line.name, line.id) == (self.key.name, self.key.id):
                self.key.verify(said.text, line.signature)
                return line
        raise Untrusted(f"witness {self.key.name}: what it answers is not signed by its key")


class Witnessing:
    """Has the checkpoints that this process publishes cosigned, again and again; run on one thread.

    What comes is kept in the database; whoever seals a ledger publishes it.
    """

    def __init__(
        self,
        database: Database,
        published: Published,
        policy: Callable[[], Policy | None],
        sealing: Sealing,
    ) -> None:
        """``policy`` gives the one in force; None while there is none yet.

        Raises SettingsError where a witness of it has no address.
        """
        self._database = database
        self._published = published
        self._current = policy
        self._sealing = sealing
        self._known: dict[Party, WitnessClient] = {}
        self._take()
        self._ledgers = Ledgers(database)
        self._standing: dict[str, Witnessed] = {}
        self._pauses: dict[Hashable, _Pause] = {}
        """Of witnesses that do not answer, by key; of what one refuses or is not asked, by key and ledger."""

    def standing(self) -> Mapping[str, Witnessed]:
        """By slug."""
        return dict(self._standing)

    def run(self, stop: Event, interval: float) -> None:
        """Asks, until told to stop. A witness that is away is asked more and more seldom, and it alone."""
        pause = interval
        while not stop.wait(pause):
            try:
                self.ask(interval)
                pause = interval
            except (AuditLedgerError, psycopg.Error) as error:
                log.warning("witnessing waits", reason=str(error))
                pause = min(pause * 2, LONGEST_PAUSE)

    def ask(self, pause: float = 0.0) -> bool:
        """Asks for what is not cosigned yet of the policy's logs; gives whether every witness has cosigned all.

        ``pause``: seconds for which a witness that fails is left alone by the next calls, doubled each time
        that it fails again. Raises Unavailable (the database), CodecError, SettingsError.
        """
        self._take()
        sealed = self._sealing.standing()
        named = {log.key.name for log in self._policy.logs}
        asked = [
            self._ask(ledger, pause)
            for ledger in self._ledgers.all()
            if ledger.slug in sealed and ledger.origin in named
        ]
        return all(asked)

    def _take(self) -> None:
        """From here on this policy counts; a witness that was asked before is known still."""
        self._policy = self._current() or Policy()
        parties = self._policy.witnesses.values()
        self._known = {party: self._known.get(party) or WitnessClient(party) for party in parties}
        self._clients = [*self._known.values()]

    def _ask(self, ledger: Ledger, pause: float) -> bool:
        folder = self._published.of(ledger)
        data = folder.checkpoint()
        if data is None:
            return True
        note = Note.parse(data)
        has = {(line.name, line.id) for line in note.signatures}
        missing = [client for client in self._clients if (client.key.name, client.key.id) not in has]
        if not missing:
            # Asked by a process before this one: whoever looks is to learn of it all the same.
            known = self._standing.get(ledger.slug)
            if (known is None or known.away) and self._policy.met_by(note):
                self._standing[ledger.slug] = Witnessed(Checkpoint.parse(note.text).size, {})
            return True
        prover = Prover(folder.read, data)
        # Until a witness has answered it is away as it was: an alarm does not go out meanwhile.
        before = self._standing.get(ledger.slug, Witnessed(0, {}))
        names = {each.key.name for each in missing}
        away = {name: why for name, why in before.away.items() if name in names}
        refuse = before.refuse & names
        told = note
        due = [client for client in missing if self._due(client, ledger, away)]
        with ThreadPoolExecutor(max(1, len(due))) as threads:
            asked = {threads.submit(client.cosign, prover): client for client in due}
            for answer in as_completed(asked):
                client = asked[answer]
                try:
                    line = answer.result()
                except (Unavailable, Untrusted, ProofFailed, Incomplete) as error:
                    away[client.key.name] = str(error)
                    alarm = isinstance(error, ProofFailed | Incomplete)
                    if isinstance(error, OtherHistory) and not _caught_up(folder, prover.checkpoint, error):
                        alarm, refuse = True, refuse | {client.key.name}
                    self._failed(client, ledger, pause, str(error), alarm=alarm)
                else:
                    # At once: who has answered does not wait for who has not.
                    away.pop(client.key.name, None)
                    refuse -= {client.key.name}
                    self._well(client, ledger)
                    self._keep(ledger, prover.checkpoint, note, client.key, line)
                    self._sealing.again(ledger.slug)
                    told = told.also([line])
                self._stands(ledger, prover.checkpoint, told, away, refuse)
        self._stands(ledger, prover.checkpoint, told, away, refuse)
        return not away

    def _due(self, client: WitnessClient, ledger: Ledger, away: dict[str, str]) -> bool:
        for key in (client.key, (client.key, ledger.slug)):
            paused = self._pauses.get(key)
            if paused is not None and monotonic() < paused.until:
                away.setdefault(client.key.name, paused.why)
                return False
        return True

    def _failed(
        self, client: WitnessClient, ledger: Ledger, pause: float, why: str, *, alarm: bool = False
    ) -> None:
        (log.error if alarm else log.warning)("not cosigned", ledger=ledger.slug, reason=why)
        # Damage is the ledger's own: the witness was not asked, and answers for others.
        key = (client.key, ledger.slug) if alarm or client.answers else client.key
        last = self._pauses.get(key)
        seconds = pause if last is None else min(last.seconds * 2, LONGEST_PAUSE)
        self._pauses[key] = _Pause(seconds, monotonic() + seconds, why)

    def _well(self, client: WitnessClient, ledger: Ledger) -> None:
        for key in (client.key, (client.key, ledger.slug)):
            self._pauses.pop(key, None)

    def _stands(
        self, ledger: Ledger, said: Checkpoint, note: Note, away: Mapping[str, str], refuse: frozenset[str]
    ) -> None:
        size = said.size if self._policy.met_by(note) else self._size(ledger)
        self._standing[ledger.slug] = Witnessed(size, dict(away), refuse)

    def _size(self, ledger: Ledger) -> int:
        known = self._standing.get(ledger.slug)
        return 0 if known is None else known.size

    def _keep(
        self, ledger: Ledger, said: Checkpoint, note: Note, key: VerifierKey, line: SignatureLine
    ) -> None:
        """Durable before anything is published of it. Raises Unavailable."""
        try:
            with self._database.connect(Role.SEALER) as connection:
                connection.execute(
                    queries.get("keep_cosignature"),
                    {
                        "ledger": ledger.id, "size": said.size, "witness": str(key),
                        "time": key.verify(said.text, line.signature), "note": str(note.also([line])),
                    },
                )  # fmt: skip
        except psycopg.Error as error:
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error


def _caught_up(folder: Tiles, asked: Checkpoint, error: OtherHistory) -> bool:
    """Whether what a witness saw beyond the checkpoint asked for is published by now: another process of ours
    sealed meanwhile and asked it first. The next round, from there, shows whether it is the same."""
    return asked.size < error.size <= Checkpoint.parse(Note.parse(folder.published()).text).size
