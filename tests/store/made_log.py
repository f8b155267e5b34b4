"""A published log made without a database, as its operator or as who attacks it would make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.codec.entry import Actor, Precision, Source, SourceKind, place, prefix, template
from ledger.errors import AuditLedgerError
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import TileFolder
from ledger.tlog.chain import GENESIS
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import SigningKey
from tests.store.published import files_of
from tests.tlog.naive import Tree, leaf

ORIGIN = "example.org/log"
SIZE = 600
KEY = SigningKey.generate(ORIGIN)
TRUSTED = [KEY.verifier]
ACTOR = Actor("u-1", "officer", "dffh", "test")


def entry(
    index: int, previous: bytes, payload: bytes = b"payload", event: str = "e", origin: str = ORIGIN
) -> bytes:
    """The bytes of an entry at a place."""
    made = template(
        stream=f"s-{index}", version=1, event=event, happened_on=None, precision=Precision.UNKNOWN, actor=ACTOR,
        source=Source(SourceKind.API), command=str(uuid4()), part=0, corrects=None, payload=payload,
    )  # fmt: skip
    return place(prefix(origin), index, previous, index, made)


def history(size: int, before: Sequence[bytes] = ()) -> list[bytes]:
    """Chained entries, going on from some."""
    entries = [*before]
    while len(entries) < size:
        entries.append(entry(len(entries), leaf(entries[-1]) if entries else GENESIS))
    return entries


@dataclass
class Log:
    """A published log, made as its operator or as who attacks it would make it."""

    folder: Path
    entries: list[bytes]
    key: SigningKey = KEY
    seen: list[Checkpoint] = field(default_factory=list)

    def publish(self, *, key: SigningKey | None = None, root: bytes | None = None) -> Checkpoint:
        """Writes everything that belongs to these entries, and signs it."""
        tree = Tree(self.entries)
        for path, data in files_of(tree, len(self.entries)).items():
            self.write(path, data)
        found = Checkpoint(ORIGIN, len(self.entries), tree.root(len(self.entries)) if root is None else root)
        self.write("checkpoint", str(sign(found, [key or self.key])).encode())
        return found

    def write(self, path: str, data: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)

    def rewrite(self, entries: list[bytes], *levels: str) -> None:
        """Writes the files of other entries, those of these levels alone; the checkpoint stays."""
        files = files_of(Tree(entries), len(entries))
        for path, data in files.items():
            if path.split("/")[1] in levels:
                self.write(path, data)

    def verify(self, *, deep: bool = False, processes: int = 1) -> Checkpoint:
        """What the verifier says."""
        return verify_tiles(
            TileFolder(self.folder), TRUSTED, seen=self.seen, deep=deep, processes=processes
        ).checkpoint  # fmt: skip

    def refused(
        self, kind: type[AuditLedgerError], match: str, *, deep: bool = False, processes: int = 1
    ) -> None:
        """It is refused so, and as nothing else."""
        with pytest.raises(kind, match=match) as caught:
            self.verify(deep=deep, processes=processes)
        assert caught.type is kind
