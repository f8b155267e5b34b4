"""The service's own witness: a process of its own, with a key and a state of its own, under the data directory.

It shows how witnessing works and gives entries their times. It is **not independent**: who runs the ledgers has
its key and its state in hand, and could have it cosign two histories. Its key's name says so.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path
from threading import Event
from time import monotonic

import structlog

from ledger import children, durable
from ledger.errors import AuditLedgerError, Unavailable
from ledger.store.supervise import POLL, STEADY, pauses
from ledger.store.witnessed import LOCAL, POLICY
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from ledger.vault.signing import SigningKeys

NAME = "not-independent.local/witness"
LEDGERS = "ledgers"
"""The file with the keys of the ledgers that it witnesses."""
LAST_WORDS = 15.0
"""Seconds that it has to say that it is there, and to finish what it was asked."""
_LONGEST_LINE = 4096

log = structlog.get_logger("auditledger.witnessing")


class OwnWitness:
    """Runs ``auditledger witness`` for as long as ``run`` does: once a ledger has signed something.

    It ends with its standard input, which this process holds: however this one ends, none is left. What died is
    started again, after pauses that grow.
    """

    def __init__(self, data_dir: Path, signing: SigningKeys) -> None:
        self._folder = data_dir / LOCAL
        self._signing = signing
        self._seen: int | None = None
        """When the folder of the ledgers' keys was changed, as it was read last (nanoseconds since 1970)."""
        self._keys: list[VerifierKey] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._policy: Policy | None = None
        self.restarts = 0
        """How often it was started again."""

    def policy(self) -> Policy | None:
        """The policy that trusts it, for the ledgers that it knows; None until it has answered first."""
        return self._policy

    def run(self, stop: Event, began: Event) -> None:
        """Keeps it running, until told to stop; not before ``began``: the service's own start comes first.

        Its files are made anew by each start; a crash in here leaves those of before, or these.
        """
        while not began.wait(POLL):
            if stop.is_set():
                return
        failed, since = 0, monotonic()
        try:
            while not stop.wait(pauses(failed) if failed else POLL):
                try:
                    if self._process is not None and self._process.poll() is not None:
                        raise Unavailable(f"it ended with {self._process.returncode}")
                    if monotonic() - since > STEADY:
                        failed = 0
                    self._look(stop)
                except (AuditLedgerError, OSError) as error:
                    self._end()
                    failed, since = failed + 1, monotonic()
                    self.restarts += 1
                    log.error("own witness: down", reason=str(error), pause_seconds=pauses(failed))
        finally:
            self._end()

    def _look(self, stop: Event) -> None:
        """Starts it where it is not running, and tells it of ledgers that it does not know."""
        try:
            changed = self._signing.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed == self._seen and self._process is not None:
            return
        keys = [key.verifier for key in self._signing.every()]
        if not keys:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        durable.put(self._folder / LEDGERS, "".join(f"{key}\n" for key in keys).encode(), mode=0o600)
        self._keys = keys
        if self._process is None:
            self._start(stop)
        elif self._policy is not None:
            (party,) = self._policy.witnesses.values()
            self._trust(str(party.key), party.url or "")
        self._seen = changed

    def _start(self, stop: Event) -> None:
        command = children.command(
            "ledger.main",
            "witness", str(self._folder), "--name", NAME,
            "--log", str(self._folder / LEDGERS), "--port", "0", "--until-closed", "--json",
        )  # fmt: skip
        # In a session of its own: Ctrl-C is for the service, which then ends it in its turn.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        line = _first_line(self._process.stdout.fileno(), stop)
        try:
            said = json.loads(line)
            self._trust(said["key"], said["url"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"it did not start: it said {line[:80]!r}") from error

    def _trust(self, key: str, url: str) -> None:
        lines = [*(f"log {each}" for each in self._keys), f"witness own {key} {url}", "quorum own"]
        text = "".join(line + "\n" for line in lines).encode()
        policy = Policy.parse(text)
        durable.put(self._folder / POLICY, text, mode=0o600)
        self._policy = policy

    def _end(self) -> None:
        """Ends it, and waits until it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first_line(descriptor: int, stop: Event) -> bytes:
    """What it says up to the end of a line, or as much as came in time; never waits for more than that."""
    said, until = b"", monotonic() + LAST_WORDS
    while b"\n" not in said and len(said) < _LONGEST_LINE and monotonic() < until and not stop.is_set():
        ready, _, _ = select.select([descriptor], [], [], POLL)
        if ready:
            more = os.read(descriptor, _LONGEST_LINE)
            if not more:
                break
            said += more
    return said.partition(b"\n")[0]
