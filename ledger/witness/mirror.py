"""A blind mirror: of each log the leaf hashes alone, by which it can be shown later that an entry was left out
or changed. It never sees an entry, and so holds nothing about anybody.

Steps of each round: (1) the source's checkpoint is signed by a key of its log; (2) it does not go back behind
what is kept, nor behind what this witness cosigned; (3) the new hashes are durable; (4) kept and new ones fold
to its root, and to the root that was cosigned; (5) the checkpoint is durable: now they count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from ledger import durable
from ledger.errors import CodecError, Diverged, NotFound, ProofFailed, SettingsError, Tampered, Unavailable
from ledger.remote import Address
from ledger.tlog.chain import HASH_LENGTH
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import EMPTY_ROOT, Frontier
from ledger.tlog.note import Note, VerifierKey
from ledger.tlog.tiles import WIDTH, ReadTile, Tile, split, tile_at
from ledger.witness.state import State, name_of

MIRROR = "mirror"
LEAVES = "leaves"
CHECKPOINT = "checkpoint"
REFUSED = "refused"
"""What the files are named after that hold checkpoints, signed by their log, which did not go on from what is
kept: evidence, one file each, ``refused.<size>.<SHA-256 of the text in hex, 16 digits>``."""
_OK, _NOT_FOUND = 200, 404
_REFUSED = (401, 403)


class Source:
    """A log's published checkpoint and tiles, over HTTP (C2SP tlog-tiles)."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """``url``: what ``/checkpoint`` and ``/tile/…`` stand behind. Raises SettingsError."""
        self._address = Address(url, url)
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def checkpoint(self) -> bytes:
        """The signed note that is published. Raises NotFound, Unavailable, SettingsError."""
        return self._get("checkpoint")

    def read(self, tile: Tile) -> bytes:
        """A tile of hashes; of a partial one that is no longer there, the beginning of the full one.

        Raises NotFound, Unavailable, SettingsError.
        """
        try:
            return self._get(tile.path)
        except NotFound:
            if tile.width == WIDTH:
                raise
        return self._get(tile._replace(width=WIDTH).path)[: tile.width * HASH_LENGTH]

    def _get(self, path: str) -> bytes:
        status, content = self._address.ask("GET", f"/{path}", None, self._headers)
        if status in _REFUSED:
            raise SettingsError(f"{self._url}: refuses {path} with {status}: expected a token that may read it")
        if status == _NOT_FOUND:
            raise NotFound(f"{self._url}: there is no {path}")
        if status != _OK:
            raise Unavailable(f"{self._url}: expected status {_OK} for {path}, got {status}")
        return content


class Mirror:
    """What is kept of one log: ``leaves``, 32 bytes each, and the ``checkpoint`` that they fold to."""

    def __init__(self, folder: Path, origin: str, step: Callable[[str], None] = lambda _: None) -> None:
        """``folder``: of a witness. Raises SettingsError where what is kept there is spoilt.

        ``step`` is called with the name of each step of a round that a crash could follow.
        """
        self.origin = origin
        self.folder = folder / MIRROR / name_of(origin)
        self._step = step
        self._agreed: Checkpoint | None = None
        """What this witness cosigned, and what is kept was compared with."""
        self._open()

    def _open(self) -> None:
        try:
            self.kept, self._edge = self._opened()
        except (OSError, CodecError, ProofFailed, Unavailable) as error:
            raise SettingsError(f"{self.folder}: what is mirrored there is spoilt: {error}") from error

    def _last(self) -> Checkpoint:
        try:
            kept = Checkpoint.parse(Note.parse((self.folder / CHECKPOINT).read_bytes()).text)
        except FileNotFoundError:
            return Checkpoint(self.origin, 0, EMPTY_ROOT)
        if kept.origin != self.origin:
            raise CodecError(f"expected a checkpoint of {self.origin}, got one of {kept.origin}")
        return kept

    def _opened(self) -> tuple[Checkpoint, Frontier]:
        kept = self._last()
        edge = self._frontier(kept.size)
        if edge.root() != kept.root:
            raise ProofFailed(f"its hashes fold to {edge.root().hex()}, and {kept.root.hex()} was signed")
        return kept, edge

    def _frontier(self, size: int) -> Frontier:
        frontier = Frontier()
        for hashed in self.hashes(0, size):
            frontier.append(hashed)
        return frontier

    def hashes(self, start: int, end: int) -> Iterator[bytes]:
        """The leaf hashes of the entries [start, end).

        Raises CodecError where the file ends before, Unavailable where it cannot be read.
        """
        if start >= end:
            return
        try:
            with (self.folder / LEAVES).open("rb") as file:
                file.seek(start * HASH_LENGTH)
                for index in range(start, end):
                    hashed = file.read(HASH_LENGTH)
                    if len(hashed) != HASH_LENGTH:
                        raise CodecError(f"the hash of entry {index} is missing")
                    yield hashed
        except OSError as error:
            raise Unavailable(f"{self.folder / LEAVES}: cannot be read: {error.strerror}") from error

    def _whole(self) -> bool:
        """Whether the file is there, and as long as what was kept: else new hashes would come behind a hole."""
        try:
            found = (self.folder / LEAVES).stat().st_size
        except FileNotFoundError:
            found = 0
        return found >= self.kept.size * HASH_LENGTH

    def round(self, source: Source, keys: Iterable[VerifierKey], cosigned: Checkpoint | None) -> Checkpoint:
        """Takes over what the log published since; gives the checkpoint that is kept now.

        ``cosigned``: what this witness last cosigned of the log, read before this. A crash in here leaves
        hashes beyond the checkpoint, which the next round writes over. Raises Diverged (another history, or an
        older one: its checkpoint is kept as ``refused.…``), ProofFailed (tiles that are not what was signed),
        Untrusted, CodecError, NotFound, Unavailable, SettingsError (what is kept is spoilt).
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # A round of another process in the same folder would cut off what this one has just kept.
            with durable.alone(self.folder):
                return self._round(source, keys, cosigned)
        except OSError as error:
            raise Unavailable(f"{self.folder}: cannot be written: {error.strerror}") from error

    def _round(self, source: Source, keys: Iterable[VerifierKey], cosigned: Checkpoint | None) -> Checkpoint:
        if self._last() != self.kept or not self._whole():
            self._open()
        note = source.checkpoint()
        said = open_checkpoint(note, keys).checkpoint
        if said.origin != self.origin:
            raise CodecError(f"checkpoint: expected one of {self.origin}, got one of {said.origin}")
        for before, how in ((self.kept, "mirrored"), (cosigned, "cosigned")):
            if before is not None and before.size > said.size:
                self._refuse(note, f"{before.size} entries were {how}, {said.size} are published: a rollback")
        if said == self.kept and cosigned == self._agreed:
            return self.kept
        try:
            edge, root = self._take(source, said, cosigned)
        except OSError as error:
            raise Unavailable(f"{self.folder}: cannot be written: {error.strerror}") from error
        if edge.root() != said.root:
            # Either what is published below is another history than the one kept, or it is not what was signed.
            self._differs(source.read, said.size, note)
            if said.size == self.kept.size:
                self._refuse(note, f"two roots were signed of {said.size} entries: a fork")
            raise ProofFailed(f"{self.origin}: the tiles of {said.size} entries do not fold to the signed root")
        if cosigned is not None and root != cosigned.root:
            self._refuse(note, f"its root of {cosigned.size} entries is another than the one cosigned: a fork")
        try:
            durable.put(self.folder / CHECKPOINT, note, step=self._step)
        except OSError as error:
            raise Unavailable(f"{self.folder}: cannot be written: {error.strerror}") from error
        self.kept, self._edge, self._agreed = said, edge, cosigned
        return said

    def _take(
        self, source: Source, said: Checkpoint, cosigned: Checkpoint | None
    ) -> tuple[Frontier, bytes | None]:
        """(3): the new hashes, behind those kept; the tree with them, and its root where it was cosigned."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept, edge = self.kept.size, self._edge.copy()
        at = -1 if cosigned is None else cosigned.size
        root = self._frontier(at).root() if 0 <= at <= kept else None
        descriptor = os.open(self.folder / LEAVES, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.truncate(kept * HASH_LENGTH)
            file.seek(kept * HASH_LENGTH)
            for number in range(kept // WIDTH, -(-said.size // WIDTH)):
                tile = tile_at(0, number, said.size)
                for hashed in split(tile, source.read(tile))[max(0, kept - number * WIDTH) :]:
                    edge.append(hashed)
                    file.write(hashed)
                    if edge.size == at:
                        root = edge.root()
            file.flush()
            os.fsync(file.fileno())
        for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
            durable.sync_directory(folder)
        self._step("leaves")
        return edge, root

    def _differs(self, read: ReadTile, size: int, note: bytes) -> None:
        try:
            self.compare(read, size)
        except Tampered as error:
            self._refuse(note, f"entry {error.index}: {error.what}")

    def compare(self, read: ReadTile, size: int) -> None:
        """Compares what is kept with the leaf hashes of tiles of a log of ``size`` entries.

        Raises Tampered with the first index whose hash is another or missing; CodecError, Unavailable. Where
        the hash of a later entry stands in its place, it is said to be left out; an entry that was changed, and
        one that was left out before the chain was made anew behind it, look the same from here.
        """
        kept = self.hashes(0, self.kept.size)
        for number in range(-(-min(size, self.kept.size) // WIDTH)):
            tile = tile_at(0, number, size)
            try:
                found = split(tile, read(tile))
            except (NotFound, CodecError) as error:
                raise Tampered(self.origin, number * WIDTH, f"its leaf hash is missing: {error}") from error
            for index, (hashed, mine) in enumerate(zip(found, kept, strict=False), start=number * WIDTH):
                if hashed != mine:
                    later = next((at for at, each in enumerate(kept, index + 1) if each == hashed), None)
                    how = "it was changed, or left out and all after it made anew"
                    if later is not None:
                        how = f"it was left out, and entry {later} stands in its place"
                    what = f"the mirror has the leaf hash {mine.hex()}, got {hashed.hex()}: {how}"
                    raise Tampered(self.origin, index, what)
        if size < self.kept.size:
            raise Tampered(self.origin, size, f"it is left out: the mirror has {self.kept.size} entries")

    def _refuse(self, note: bytes, what: str) -> None:
        text = Note.parse(note).text
        name = f"{REFUSED}.{Checkpoint.parse(text).size}.{sha256(text.encode()).hexdigest()[:16]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Each stays, whatever comes after it; shown again in a later round it is the same.
            if not (self.folder / name).exists():
                durable.put(self.folder / name, note)
        except OSError as error:
            raise Unavailable(f"{self.folder}: evidence cannot be kept: {error.strerror}") from error
        raise Diverged(f"{self.origin}: {what}; the checkpoint is kept in {self.folder / name}")


def mirrored(
    folder: Path, source: Source, logs: Iterable[VerifierKey], state: State, known: dict[str, Mirror]
) -> Checkpoint:
    """One round for the log that a source is of; ``known``: mirrors that were opened before, by origin.

    Raises NotFound for a log that no key is given of, and as ``Mirror.round``.
    """
    keys = list(logs)
    origin = Checkpoint.parse(Note.parse(source.checkpoint()).text).origin
    if origin not in {key.name for key in keys}:
        raise NotFound(f"log {origin[:200]!r} is not known here: give its key with --log")
    # In this order: what is cosigned meanwhile is larger, and is no sign of a rollback.
    cosigned = state.checkpoint(origin)
    if origin not in known:
        known[origin] = Mirror(folder, origin)
    return known[origin].round(source, keys, cosigned)
