"""Logs and bundles made without a database, from keys and salts that are written here: always the same bytes.

``python -m tests.bundle.made`` writes the golden bundles that are missing; never one anew.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.bundle.disclosures import Disclosure
from ledger.bundle.manifest import Basis, Subject
from ledger.bundle.write import Content, TimesOf, write
from ledger.codec.avro import encode_primitive
from ledger.codec.commitment import commitment, committing
from ledger.codec.declare import Sealed, fields_of, micros
from ledger.codec.entry import (
    Actor,
    Correction,
    CorrectionKind,
    Precision,
    Source,
    SourceKind,
    place,
    prefix,
    template,
)
from ledger.codec.registry import registry
from ledger.domain.case import CaseEvent
from ledger.domain.common.events import AttachmentAdded, EnteredInError
from ledger.domain.event import encode_payload
from ledger.domain.notice.events import NoticeServed
from ledger.domain.request.events import RequestReceived
from ledger.tlog.chain import GENESIS
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import COSIGNATURE, ED25519, SignatureLine, SigningKey, VerifierKey
from ledger.tlog.proof import ConsistencyProof, InclusionProof
from tests.golden.build import sample
from tests.tlog.naive import Tree, leaf

FOLDER = Path(__file__).parent.parent / "golden" / "bundles"
ORIGIN = "golden.example.vic.gov.au/dffh"
KEY = SigningKey(ORIGIN, ED25519, sha256(b"test key of the log").digest())
OTHER_KEY = SigningKey(ORIGIN, ED25519, sha256(b"key of somebody else").digest())
WITNESS = SigningKey("witness.example", COSIGNATURE, sha256(b"test key of the witness").digest())
TIME = int(datetime(2025, 7, 1, 2, 0, 0, tzinfo=UTC).timestamp())
"""When the witness saw the older checkpoint; a day later, the newer one."""
POLICY = f"log {KEY.verifier}\nwitness w {WITNESS.verifier} https://witness.example/\nquorum w\n".encode()
EVENTS: tuple[type[CaseEvent], ...] = (RequestReceived, AttachmentAdded, NoticeServed, EnteredInError)
CASE = str(UUID(int=0xA))
OTHER_CASE = str(UUID(int=0xB))
SINCE = 5
SIZE = 12
BIG = 2345
"""Entries of a log of several blocks."""


def salt(index: int, path: str) -> bytes:
    """The salt of a field; here anyone can compute it."""
    return sha256(f"salt of {index} {path}".encode()).digest()


def value(path: str) -> str:
    """What a sealed field holds."""
    return f"what {path} holds: 'Ω & <b>'"


def _unsealed(obj: Any, path: str = "") -> Any:
    """A recorded sample with its sealed fields in clear, as a command gives them."""
    for f in fields_of(type(obj)):
        inner = getattr(obj, f.name)
        if f.personal is not None:
            object.__setattr__(obj, f.name, value(path + f.name))
        elif is_dataclass(inner) and not isinstance(inner, Sealed):
            copied = object.__new__(type(inner))
            for each in fields(inner):
                object.__setattr__(copied, each.name, getattr(inner, each.name))
            object.__setattr__(obj, f.name, _unsealed(copied, f"{path}{f.name}."))
    return obj


def entry(
    index: int,
    previous: bytes,
    stream: str,
    version: int,
    event: type[CaseEvent],
    origin: str = ORIGIN,
    *,
    name: str | None = None,
    payload: bytes | None = None,
    content: bytes | None = None,
) -> bytes:
    """The bytes of an entry at a place; every fourth corrects the one before it. ``name``, ``payload``: others
    than the event's; ``content``: of the file that it names."""

    def seal(path: str, kind: str, _subject: str, said: Any) -> Sealed:
        return Sealed(commitment(salt(index, path), path, encode_primitive(kind, said)), "5eed" * 8)

    corrects = None
    if index % 4 == 3:
        corrects = Correction(
            index - 1, CorrectionKind.TYPING,
            seal("entry.corrects.reason", "string", "case", value("entry.corrects.reason")),
        )  # fmt: skip
    said = _unsealed(sample(event, full=True))
    if content is not None:
        said = _of_file(index, said, content)
    made = template(
        stream=stream, version=version, event=name or event.name, happened_on=None, precision=Precision.UNKNOWN,
        actor=Actor("u-1", "officer", "dffh", "test"), source=Source(SourceKind.API),
        command=str(UUID(int=index)), part=0, corrects=corrects,
        payload=payload or encode_payload(said, seal),
    )  # fmt: skip
    moment = datetime(2025, 6, 30, 0, 0, index % 60, tzinfo=UTC)
    return place(prefix(origin), index, previous, micros(moment) + index * 60_000_000, made)


FILE = b"What the file holds: a million bytes. " * 30_000
"""The content of an attachment: more than a piece that a verifier reads."""


def _of_file(index: int, event: Any, content: bytes) -> Any:
    """The event with the commitment and length of that content in its file."""
    made = committing(salt(index, "file.content"), "file.content", len(content))
    made.update(content)
    object.__setattr__(event.file, "commitment", made.digest())
    object.__setattr__(event.file, "length", len(content))
    return event


def with_file(content: bytes = FILE) -> Log:
    """The shared log with an entry that names a file of that content, at 5."""
    entries = list(log().entries[:5])
    for index in range(5, SIZE):
        stream = OTHER_CASE if index % 2 else CASE
        event = EVENTS[index % len(EVENTS)]
        given = {"content": content} if index == 5 else {}
        entries.append(entry(index, leaf(entries[-1]), stream, index // 2 + 1, event, **given))
    return Log(entries)


@dataclass
class Log:
    """A log of these entries, and what its operator can make of it. The first case has every second entry."""

    entries: list[bytes]
    origin: str = ORIGIN
    key: SigningKey = KEY
    tree: Tree = field(init=False)

    def __post_init__(self) -> None:
        if self.key.verifier.name != self.origin:
            self.key = SigningKey(self.origin, ED25519, sha256(self.origin.encode()).digest())
        self.tree = Tree(self.entries)

    @classmethod
    def of(cls, size: int, origin: str = ORIGIN, key: SigningKey = KEY, offset: int = 0) -> Log:
        """One of so many entries; with another ``offset`` their events are others."""
        entries: list[bytes] = []
        for index in range(size):
            event = EVENTS[(index + offset) % len(EVENTS)]
            stream = OTHER_CASE if index % 2 else CASE
            previous = leaf(entries[-1]) if entries else GENESIS
            entries.append(entry(index, previous, stream, index // 2 + 1, event, origin))
        return cls(entries, origin, key)

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.entries)

    def note(self, size: int | None = None, *, witness: SigningKey | None = WITNESS) -> bytes:
        """The signed checkpoint of a size, cosigned by the witness."""
        size = self.size if size is None else size
        said = Checkpoint(self.origin, size, self.tree.root(size))
        note = sign(said, [self.key])
        if witness is not None:
            time = TIME if size < self.size else TIME + 86_400
            note = note.also([SignatureLine.parse(witness.sign(said.text, time)[:-1])])
        return str(note).encode()

    def prove(self, index: int, note: bytes | None = None) -> InclusionProof:
        """That an entry is in the tree."""
        return InclusionProof(index, tuple(self.tree.path(index, 0, self.size)), note or self.note())

    def prove_at(self, index: int, size: int) -> InclusionProof:
        """That an entry is in the tree of an earlier size."""
        return InclusionProof(index, tuple(self.tree.path(index, 0, size)), self.note(size))

    def since(self, size: int) -> tuple[bytes, ConsistencyProof]:
        """An earlier checkpoint, and that the last one goes on from it."""
        return self.note(size), ConsistencyProof(size, tuple(self.tree.proof(size, self.size)), self.note())

    def times(self, *sizes: int) -> list[TimesOf]:
        """Earlier checkpoints of these sizes, and that the last one goes on from each."""
        return [TimesOf(size, *self.since(size)) for size in sizes]

    def content(self, subject: Subject, **more: Any) -> Content:
        """What a bundle of the log holds."""
        indexes: Iterable[int] = range(self.size)
        if subject.start is not None and subject.end is not None:
            indexes = range(subject.start, subject.end)
        elif subject.kind == "case":
            indexes = [
                each for each in range(self.size) if (OTHER_CASE if each % 2 else CASE) == subject.stream
            ]
        elif subject.kind == "register":
            indexes = [1, 4, self.size - 1]
        note = self.note()
        given = {"keys": [self.key.verifier], "policy": POLICY, **more}
        given.setdefault("schemas", registry())
        return Content(
            note,
            subject,
            [(each, self.entries[each]) for each in indexes],
            lambda i: self.prove(i, note),
            **given,
        )

    def bundle(self, subject: Subject, **more: Any) -> bytes:
        """A bundle of the log."""
        return written(self.content(subject, **more))


def written(content: Content) -> bytes:
    """A bundle's bytes."""
    file = io.BytesIO()
    write(file, content)
    return file.getvalue()


def disclosure(index: int, path: str) -> Disclosure:
    """A sealed field of a made entry, opened."""
    return Disclosure(index, path, value(path), salt(index, path))


@cache
def log(size: int = SIZE) -> Log:
    """The log that the tests share."""
    return Log.of(size)


WHOLE = Subject("ledger")
MIDDLE = Subject("range", start=3, end=9)
OF_CASE = Subject("case", stream=CASE)
OF_REGISTER = Subject("register", register="requests", query={"scheme": "vps"})
BASIS = Basis("120(3)(a)", "s 112")
DISCLOSED = (
    disclosure(4, "purpose"), disclosure(4, "requester_name"), disclosure(5, "file.title"),
    disclosure(7, "entry.corrects.reason"),
)  # fmt: skip


def golden() -> dict[str, bytes]:
    """The golden bundles by name: one of each kind, with what each can have."""
    made = log()
    return {
        "ledger": made.bundle(WHOLE),
        "range": made.bundle(MIDDLE, since=made.since(SINCE), disclosures=DISCLOSED),
        "case": made.bundle(OF_CASE, basis=BASIS),
        "register": made.bundle(OF_REGISTER, keys=(), policy=None),
    }


def trusted() -> Sequence[VerifierKey]:
    """The keys that a verifier of these bundles has from elsewhere."""
    return [KEY.verifier, WITNESS.verifier]


def main() -> None:
    """Writes the golden bundles that are missing, and the keys, policy and checkpoint to verify them with."""
    beside = {
        "keys": "".join(f"{key}\n" for key in trusted()).encode(), "policy": POLICY,
        "checkpoint": log().note(SINCE),
    }  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    for name, data in {**{f"{name}.zip": each for name, each in golden().items()}, **beside}.items():
        path = FOLDER / name
        if not path.exists():
            path.write_bytes(data)
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
