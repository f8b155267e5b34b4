"""The history of a log's signing keys: who follows it from a key that they trust to those that came after it.

Each change is a **statement**: a signed note of six lines, ``auditledger.key/v1``, origin, ``added`` or
``retired``, the verifier key, a size, and the verifier keys that state it, separated by spaces. Its first line
is no origin, so that no checkpoint can be made of it. One that is signed by no key trusted at that place of the
history says nothing, whoever recorded it: an entry alone makes no key.

A key that is added signs checkpoints of its size and larger ones, a retired one those that are smaller than its
size. In between both sign (4-wire 'Key rotation').
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.errors import CodecError, Untrusted
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, parse_size
from ledger.tlog.note import ED25519, Note, SigningKey, VerifierKey

HEADER = "auditledger.key/v1"
ADDED = "added"
RETIRED = "retired"
_LINES = 6


class Statement(NamedTuple):
    """What is stated of a key: that it signs from a size on, or up to before a size; by which keys."""

    origin: str
    what: str
    key: VerifierKey
    size: int
    by: tuple[VerifierKey, ...]

    @property
    def text(self) -> str:
        """The six lines that are signed."""
        by = " ".join(map(str, self.by))
        return f"{HEADER}\n{self.origin}\n{self.what}\n{self.key}\n{self.size}\n{by}\n"

    @classmethod
    def parse(cls, text: str) -> Statement:
        """The statement of a note's text, in its one form. Raises CodecError."""
        lines = text.split("\n")
        if len(lines) != _LINES + 1 or lines[-1] or lines[0] != HEADER:
            raise CodecError(f"statement of a key: expected {_LINES} lines, the first of them {HEADER}")
        _, origin, what, key, size, by, _ = lines
        if what not in (ADDED, RETIRED):
            raise CodecError(f"statement of a key: expected {ADDED} or {RETIRED}, got {what[:40]!r}")
        named = VerifierKey.parse(key)
        found = cls(
            origin, what, named, parse_size(size, "statement of a key: size"),
            tuple(VerifierKey.parse(each) for each in by.split(" ")),
        )  # fmt: skip
        if found.text != text:
            raise CodecError("statement of a key: expected it in its one form")
        for each in (named, *found.by):
            if each.name != origin or each.kind != ED25519:
                raise CodecError(f"statement of a key: expected keys of {origin}, got one of {each.name}")
        return found


class Change(NamedTuple):
    """A change of a log's keys: the index of the entry that records it, and the statement's signed note."""

    at: int
    statement: bytes


def merged(*told: Iterable[Change]) -> list[Change]:
    """Changes from several hands, each once, in order of index; of one index the first hand's first."""
    found = dict.fromkeys(each for changes in told for each in changes)
    return sorted(found, key=lambda each: each.at)


class Validity(NamedTuple):
    """A key, and the sizes [first, until) whose checkpoints it signs; None: it still does.

    ``used_from``: the first size that holds the entry by which it was added: none smaller was signed by it.
    """

    key: VerifierKey
    first: int
    until: int | None
    used_from: int

    def holds(self, size: int) -> bool:
        """Whether a checkpoint of that size may be signed by the key."""
        return self.first <= size and (self.until is None or size < self.until)

    def __str__(self) -> str:
        until = "on" if self.until is None else f"to {self.until - 1}"
        return f"{self.key.id.hex()} signs sizes from {self.first} {until}"


def state(origin: str, what: str, key: SigningKey | VerifierKey, size: int, by: Sequence[SigningKey]) -> Note:
    """The statement of a change, signed by the keys ``by``; a key that is added signs too, as its holder."""
    named = key.verifier if isinstance(key, SigningKey) else key
    text = Statement(origin, what, named, size, tuple(each.verifier for each in by)).text
    Statement.parse(text)
    signing = [*by, key] if isinstance(key, SigningKey) and key not in by else by
    return Note.parse(f"{text}\n{''.join(each.sign(text) for each in signing)}".encode())


def open_statement(data: bytes) -> tuple[Statement, frozenset[VerifierKey]]:
    """A statement and the keys, of those that it names, that have signed it.

    Steps: (1) the note and the statement parse; (2) no signature line of a key that it names fails; (3) a key
    that is added has signed too: who states it holds it. Raises CodecError, Untrusted. Left to the caller:
    whether one of the keys is trusted.
    """
    note = Note.parse(data)
    said = Statement.parse(note.text)
    signed = frozenset(each.key for each in note.verify({*said.by, said.key}))
    if said.what == ADDED and said.key not in signed:
        raise Untrusted(f"key {said.key.id.hex()}: expected its own signature of the statement that adds it")
    return said, signed


class Keys:
    """The keys that somebody trusts of logs, and those that they are led to by what is stated of them.

    ``given``: of logs and of witnesses. ``changes``: of one log, ``origin``, in the order of its entries; what
    none of the keys trusted by then has stated is passed over.
    """

    def __init__(
        self, given: Iterable[VerifierKey], origin: str | None = None, changes: Iterable[Change] = ()
    ) -> None:
        self.given = list(dict.fromkeys(given))
        self.changes = list(changes)
        self._origin = origin
        self._ranges = {key: Validity(key, 0, None, 0) for key in self.given if key.name == origin}
        self.passed_over: list[int] = []
        """Indexes of the entries whose statements say nothing to who trusts these keys."""
        self.counted: list[Change] = []
        """Those that say something to them."""
        for change in self.changes:
            if self._take(change):
                self.counted.append(change)
            else:
                self.passed_over.append(change.at)

    def _take(self, change: Change) -> bool:
        try:
            said, signed = open_statement(change.statement)
        except (CodecError, Untrusted):
            return False
        # A size that the ledger had not reached: what a later one is worth is not stated before.
        if said.origin != self._origin or said.size > change.at + 1:
            return False
        known = self._ranges.get(said.key)
        by = {each for each in signed - {said.key} if each in self._ranges}
        # Who is no key any more at that place states nothing; of several one is enough.
        by = {each for each in by if self._ranges[each].until is None}
        if said.what == RETIRED:
            if not by or known is None or known.until is not None:
                return False
            self._ranges[said.key] = known._replace(until=said.size)
            return True
        if known is not None:
            # Of one that was given, from where on it signs; but none is added twice, or once it is retired.
            if known.first or known.until is not None or said.key not in self.given:
                return False
            self._ranges[said.key] = Validity(said.key, said.size, None, change.at + 1)
            return True
        if not by:
            return False
        self._ranges[said.key] = Validity(said.key, said.size, None, change.at + 1)
        return True

    @property
    def ranges(self) -> list[Validity]:
        """The keys of the log that are trusted, the oldest first."""
        return sorted(self._ranges.values(), key=lambda each: each.used_from)

    def at(self, size: int) -> list[VerifierKey]:
        """Those whose signatures count on a checkpoint of that size; of witnesses and other logs all."""
        others = [key for key in self.given if key.name != self._origin]
        return others + [each.key for each in self.ranges if each.holds(size)]

    def promising(self, index: int) -> list[VerifierKey]:
        """Those whose receipts of an entry count: they sign some checkpoint that covers it.

        A later key signs receipts of earlier entries too, where a command is repeated.
        """
        return [each.key for each in self.ranges if each.until is None or index + 1 < each.until]

    def require_added(self, signed: SignedCheckpoint) -> None:
        """Checks that a checkpoint is signed by every key that was added and signs at its size (4-wire 'Key
        rotation': in an overlap both sign). Whoever stole the key before it has not the one that follows.

        Raises Untrusted.
        """
        said, by = signed.checkpoint, {each.key for each in signed.signed}
        for each in self.ranges:
            if 0 < each.used_from <= said.size and each.holds(said.size) and each.key not in by:
                raise Untrusted(
                    f"checkpoint of {said.size} entries of {said.origin}: expected the signature of each key "
                    f"that was added, got none of one: {each}"
                )

    def require_between(self, held: Sequence[Change]) -> None:
        """Checks that no statement counts that its verifier does not hold, up to the last that they do.

        ``held``: all that they hold, from elsewhere than what is verified. An entry only claims its index: with
        a key that was retired, a thief makes one that claims a place before that. Raises Untrusted.
        """
        last = max((each.at for each in held), default=-1)
        for each in self.counted:
            if each.at <= last and each not in held:
                raise Untrusted(
                    f"entry {each.at}: it states something of a key, and is not among the entries given, which "
                    f"reach to entry {last}"
                )

    def untold(self, held: Sequence[Change]) -> bool:
        """Whether several keys of the log were given, and nothing that counts of what their verifier holds.

        ``held``: as above. What a bundle says itself is no help: a thief's says what the thief likes.
        """
        of_it = [key for key in self.given if key.name == self._origin]
        return len(of_it) > 1 and not any(each in self.counted for each in held)

    def of(self, note: bytes) -> list[VerifierKey]:
        """Those whose signatures count on this note, by the size that it states.

        Raises CodecError; Untrusted where it is signed by keys of the log alone that did not sign at that size.
        """
        parsed = Note.parse(note)
        said = Checkpoint.parse(parsed.text)
        keys = self.at(said.size)
        lines = {(line.name, line.id) for line in parsed.signatures}
        if said.origin == self._origin and not any((k.name, k.id) in lines for k in keys if k.kind == ED25519):
            for each in self.ranges:
                if (each.key.name, each.key.id) in lines:
                    raise Untrusted(
                        f"checkpoint of {said.size} entries of {said.origin}: signed by a key outside of its "
                        f"validity: {each}"
                    )
        return keys

    def open(self, note: bytes) -> SignedCheckpoint:
        """The checkpoint of a note that a key valid at its size has signed. Raises CodecError, Untrusted."""
        return open_checkpoint(note, self.of(note))
