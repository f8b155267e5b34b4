"""Trust policies (C2SP tlog-policy): whose checkpoints count, and how many witnesses must have seen them.

A policy is octets, not text: names are compared byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import CodecError, SettingsError, Untrusted
from ledger.tlog.brackets import any_witness
from ledger.tlog.checkpoint import SignedCheckpoint
from ledger.tlog.note import COSIGNATURE, ED25519, Note, Signed, VerifierKey

NONE = b"none"
MOST_BYTES = 1 << 20
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(rb"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Party:
    """A log or witness: its key, and where it is asked, if anywhere."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these members (witnesses or groups) must have seen a checkpoint."""

    threshold: int
    members: tuple[bytes, ...]


@dataclass(slots=True)
class Policy:
    """Logs whose checkpoints count, witnesses and groups by name, and the name that must be met."""

    logs: list[Party] = field(default_factory=list)
    witnesses: dict[bytes, Party] = field(default_factory=dict)
    groups: dict[bytes, Group] = field(default_factory=dict)
    quorum: bytes | None = None

    @property
    def keys(self) -> list[VerifierKey]:
        """The keys of all logs and witnesses."""
        return [each.key for each in (*self.logs, *self.witnesses.values())]

    def require(self, signed: SignedCheckpoint) -> None:
        """Raises Untrusted where those whose signatures of a checkpoint were verified do not meet the quorum.

        Left to the caller: that it was opened with ``keys``, and that it goes on from what was seen before.
        """
        if not self.met(signed.signed):
            raise Untrusted(
                f"checkpoint of {signed.checkpoint.origin}, size {signed.checkpoint.size}: the witnesses that "
                f"cosigned it do not meet the quorum {_shown(self.quorum or NONE)}"
            )

    def met(self, signed: Iterable[Signed]) -> bool:
        """Whether those whose signatures of a checkpoint were verified meet the quorum."""
        cosigned = {each.key.public for each in signed if each.key.kind == COSIGNATURE}
        return self.quorum == NONE or (self.quorum is not None and self._holds(self.quorum, cosigned))

    def met_by(self, note: Note) -> bool:
        """Whether a note's cosignatures meet the quorum; one of these witnesses that does not hold spoils it.

        Left to the caller: that it is a checkpoint, and that a key of its log signed it.
        """
        try:
            return self.met(note.verify([each.key for each in self.witnesses.values()]))
        except Untrusted:
            return self.met(())

    def heard(self, signed: Iterable[Signed]) -> bool:
        """Whether these witnesses are believed about times: as ``met``; without a quorum, any is."""
        return any_witness(signed) if self.quorum in (None, NONE) else self.met(signed)

    def _holds(self, name: bytes, cosigned: Collection[bytes]) -> bool:
        witness = self.witnesses.get(name)
        if witness is not None:
            return witness.key.public in cosigned
        group = self.groups[name]
        return sum(self._holds(member, cosigned) for member in group.members) >= group.threshold

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """The policy of a file. Raises CodecError naming the line."""
        if len(data) > MOST_BYTES:
            raise CodecError(f"policy: expected at most {MOST_BYTES} bytes, got {len(data)}")
        if _CONTROL.search(data):
            raise CodecError("policy: expected no control character but tabs and newlines")
        if data and not data.endswith(b"\n"):
            raise CodecError("policy: expected the last line to end in a newline")
        policy = cls()
        members: set[bytes] = set()
        for number, line in enumerate(data.split(b"\n"), start=1):
            items = [item for item in re.split(rb"[ \t]+", line) if item]
            if not items or items[0].startswith(b"#"):
                continue
            try:
                policy._take(items[0], items[1:], members)
            except CodecError as error:
                raise CodecError(f"policy, line {number}: {error}") from None
        if policy.quorum is None:
            raise CodecError("policy: expected a line 'quorum NAME', got none")
        return policy

    def _take(self, kind: bytes, items: Sequence[bytes], members: set[bytes]) -> None:
        match kind, len(items):
            case b"log", 1 | 2:
                party = _party(items, ED25519)
                if party.key.public in {log.key.public for log in self.logs}:
                    raise CodecError("expected each log's key once, got one again")
                self.logs.append(party)
            case b"witness", 2 | 3:
                party = _party(items[1:], COSIGNATURE)
                if party.key.public in {each.key.public for each in self.witnesses.values()}:
                    raise CodecError("expected each witness's key once, got one again")
                self.witnesses[self._new(items[0])] = party
            case b"group", count if count > 2:
                self._group(items[0], items[1], items[2:], members)
            case b"quorum", 1:
                if self.quorum is not None:
                    raise CodecError("expected one line 'quorum', got another")
                self.quorum = items[0] if items[0] == NONE else self._defined(items[0])
            case _:
                raise CodecError(
                    f"expected log, witness, group or quorum with what it takes, got {_shown(kind)}"
                )

    def _group(self, name: bytes, threshold: bytes, listed: Sequence[bytes], members: set[bytes]) -> None:
        for member in listed:
            if self._defined(member) in members:
                raise CodecError(f"expected each name in one group only, got {_shown(member)} again")
            members.add(member)
        named: Mapping[bytes, int] = {b"any": 1, b"all": len(listed)}
        if threshold not in named and _NUMBER.fullmatch(threshold) is None:
            raise CodecError(f"expected any, all or a number, got {_shown(threshold)}")
        count = named[threshold] if threshold in named else int(threshold[:9])
        if count > len(listed):
            raise CodecError(f"expected a number from 1 to {len(listed)}, got {count}")
        self.groups[self._new(name)] = Group(count, tuple(listed))

    def _new(self, name: bytes) -> bytes:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise CodecError(f"expected a name that is not taken, got {_shown(name)}")
        return name

    def _defined(self, name: bytes) -> bytes:
        if name not in self.witnesses and name not in self.groups:
            raise CodecError(f"expected a witness or group defined above, got {_shown(name)}")
        return name


def _party(items: Sequence[bytes], kind: int) -> Party:
    try:
        key = VerifierKey.parse(items[0].decode())
        url = items[1].decode() if len(items) > 1 else None
    except UnicodeDecodeError as error:
        raise CodecError("expected keys and addresses in UTF-8") from error
    if key.kind != kind:
        raise CodecError(f"expected a key of type {kind:02x}, got one of type {key.kind:02x}")
    return Party(key, url)


def _shown(name: bytes) -> str:
    return repr(name.decode("utf-8", "replace")[:40])


def read_policy(path: Path) -> Policy:
    """The policy of a file. Raises SettingsError."""
    try:
        return Policy.parse(path.read_bytes())
    except (OSError, CodecError) as error:
        raise SettingsError(f"policy: {path}: {error}") from error
