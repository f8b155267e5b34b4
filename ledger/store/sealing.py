"""Sealing: making the tiles of new entries and signing the next checkpoint (4-wire 'Tree, checkpoint, …').

Every seal begins with what recovery would do: (1) what was signed last, what is published and what the
database holds are compared; (2) the edge of the tree is read from the tiles and must fold to the signed root;
(3) a checkpoint that was signed and not published is published. Then, batch by batch: (4) the bytes of new
entries are read and hashed again, compared with the leaf hash that is kept, and each must name the one before;
(5) the tiles are made durable; (6) the checkpoint is signed and kept by compare-and-swap on the last one;
(7) it is published.

A crash after (5) leaves tiles beyond the checkpoint, the same that the next seal makes; after (6) a signed
checkpoint that the next seal publishes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection

from ledger.errors import AuditLedgerError, CodecError, Diverged, NotFound, Unavailable, VaultError
from ledger.store import queries
from ledger.store.database import Database, Role
from ledger.store.followed import recorded, signed_last
from ledger.store.growing import Batch, Edge, Grow, Step, check_end, grow
from ledger.store.ledgers import Ledger
from ledger.store.tiles import Tiles
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.keyhistory import Change, Keys
from ledger.tlog.merkle import EMPTY_ROOT, fold, subtrees
from ledger.tlog.note import Note, SigningKey, VerifierKey
from ledger.tlog.tiles import WIDTH, bundle_at, edge, hashes_of, split, unbundle
from ledger.vault.signing import SigningKeys

BATCH = 64 * WIDTH
"""Entries of a seal at most: what is waiting goes batch by batch, each signed and published."""
ENDED, LEFT = "ended", "left"
"""Why a ledger is closed: by its own last entry; or for one that goes on under a new origin."""


class Standing(NamedTuple):
    """How a ledger stands: its entries, and the last signed checkpoint; None before the first."""

    size: int
    head: bytes
    """Leaf hash of the last entry, by the head row."""
    signed: Checkpoint | None
    note: bytes
    """Of that checkpoint, with what witnesses cosigned of it: as it is to be published."""
    closed: str | None = None
    """Why nothing enters it any more (ENDED, LEFT); None while it is open."""


class Signers(NamedTuple):
    """Who signs a ledger: the keys in force, oldest first; those held here; the size signed last, and by
    whom."""

    in_force: Sequence[VerifierKey]
    held: Sequence[SigningKey]
    size: int
    last: Sequence[VerifierKey]


class Link:
    """A sealer's way to the database: one connection, and the leases of ledgers that end with it.

    However many ledgers a process seals, it has one of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection[Any] | None = None
        self.leases: set[int] = set()
        """Ids of the ledgers that are leased by the connection."""

    def open(self) -> Connection[Any]:
        """The connection, made where there is none or it is lost. Raises Unavailable."""
        if self._connection is None or self._connection.closed:
            self.close()
            self._connection = self._database.connect(Role.SEALER)
        return self._connection

    def close(self) -> None:
        """Lets go of every lease."""
        self.leases.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Sealer:
    """Seals one ledger, for as long as it holds the lease of it. Not for several threads at once.

    ``grow`` does steps (4) and (5) of a batch; ``step`` is called with the name of each step of a seal, done
    here, that a crash could follow.
    """

    def __init__(
        self,
        link: Link,
        ledger: Ledger,
        tiles: Tiles,
        keys: SigningKeys,
        *,
        grow: Grow = grow,
        step: Step = lambda _: None,
    ) -> None:
        self.ledger = ledger
        self.tiles = tiles
        self._link = link
        self._keys = keys
        self._grow = grow
        self._step = step
        self._changes: list[Change] = []
        self._read = 0
        """The last version of the stream of keys that ``_changes`` holds."""

    def close(self) -> None:
        """Lets go of the lease, and of every other of its link."""
        self._link.close()

    def __enter__(self) -> Sealer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def seal(self) -> Checkpoint | None:
        """Seals what the ledger holds now; gives the last checkpoint, None where another process has the lease.

        Raises Diverged (a rollback, a truncation, a fork: nothing was signed), Tampered (an entry is not what
        was recorded), VaultError (the signing key is lost), SettingsError, Unavailable.
        """
        try:
            connection = self._leased()
            return None if connection is None else self._seal(connection)
        except psycopg.Error as error:
            self.close()
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error
        except BaseException:
            # It may be in the middle of a COPY, and the next attempt begins from nothing.
            self.close()
            raise

    def check(self) -> Standing:
        """Steps (1) and (2) alone, whoever has the lease. Raises as ``seal`` does, but for new entries."""
        try:
            connection = self._link.open()
            # Published is only what was signed before: in this order nobody who seals meanwhile is accused.
            published = self.tiles.checkpoint()
            standing = standing_of(connection, self.ledger)
            if standing.closed == LEFT:
                return standing
            if standing.signed is not None:
                held = self._keys.of(self.ledger.slug, self.ledger.origin)
                self._compare(standing, standing.signed, published, self._known(connection, standing, held))
                reached = self._edge(connection, standing.signed)
                check_end(self.ledger, reached, standing.size, standing.head)
            elif published is not None:
                raise self._diverged("a checkpoint is published, and the database has signed none")
            return standing
        except psycopg.Error as error:
            self.close()
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error

    def keys(self) -> Signers:
        """Who signs the ledger now, once steps (1) and (2) hold. Raises as ``check``, NotFound."""
        standing = self.check()
        if standing.signed is None:
            raise NotFound(f"{self.ledger.slug}: nothing is signed yet; see 'auditledger checkpoint --help'")
        held = self._keys.of(self.ledger.slug, self.ledger.origin)
        known = self._known(self._link.open(), standing, held)
        last = {(line.name, line.id) for line in Note.parse(standing.note).signatures}
        return Signers(
            [each.key for each in known.ranges if each.until is None], held, standing.signed.size,
            [each.key for each in known.ranges if (each.key.name, each.key.id) in last],
        )  # fmt: skip

    def _leased(self) -> Connection[Any] | None:
        connection = self._link.open()
        if self.ledger.id not in self._link.leases:
            row = connection.execute(queries.get("lease_sealing"), {"ledger": self.ledger.id}).fetchone()
            if row is None or not row[0]:
                return None
            self._link.leases.add(self.ledger.id)
            self.tiles.begin()
        return connection

    def _seal(self, connection: Connection[Any]) -> Checkpoint:
        published = self.tiles.checkpoint()
        standing = standing_of(connection, self.ledger)
        if standing.closed == LEFT:
            # What it was left for has begun: whatever is signed here now would be a second history of it.
            return standing.signed or Checkpoint(self.ledger.origin, 0, EMPTY_ROOT)
        if standing.signed is None:
            if published is not None:
                raise self._diverged("a checkpoint is published, and the database has signed none")
            held = self._keys.first(self.ledger.slug, self.ledger.origin)
            self._step("key")
            known = Keys([key.verifier for key in held], self.ledger.origin, self._told(connection))
            empty = Checkpoint(self.ledger.origin, 0, EMPTY_ROOT)
            signed = self._sign(connection, empty, None, self._signing(known, held, 0))
        else:
            held = self._keys.of(self.ledger.slug, self.ledger.origin)
            known = self._known(connection, standing, held)
            signed = standing.signed
            self._compare(standing, signed, published, known)
        reached = self._edge(connection, signed)
        if standing.signed is not None and published != standing.note:
            self.tiles.publish(standing.note)
            self._step("published")
        check_end(self.ledger, reached, standing.size, standing.head)
        while reached.size < standing.size:
            until = min(standing.size, (reached.size // BATCH + 1) * BATCH)
            before = reached.size
            batch = Batch(self.ledger, self.tiles, reached, until, standing.size, standing.head)
            reached = self._grow(connection, batch, self._step)
            found = Checkpoint(self.ledger.origin, reached.size, reached.root)
            signed = self._sign(connection, found, before, self._signing(known, held, found.size))
        return signed

    # --- who signs ---------------------------------------------------------------------------------------

    def _told(self, connection: Connection[Any]) -> list[Change]:
        """What the entries say of the ledger's keys; only what is new is read."""
        new, self._read = recorded(connection, self.ledger, self._read)
        self._changes += new
        return self._changes

    def _known(self, connection: Connection[Any], standing: Standing, held: Sequence[SigningKey]) -> Keys:
        """The keys that the history leads to from those, of the held ones, that signed last.

        A key that only lies in the folder leads nowhere. Raises Diverged where none of them signed last,
        VaultError where none is held.
        """
        if not held:
            raise VaultError(
                f"signing key of {self.ledger.origin}: expected a file in {self._keys.folder}, got none, and "
                "checkpoints were signed; restore it from its backup or its recovery shares, or set seal to "
                "false where another service seals"
            )
        try:
            signed = signed_last([key.verifier for key in held], standing.note)
        except AuditLedgerError as error:
            raise self._diverged(f"a checkpoint kept or published is not ours: {error}") from error
        return Keys(signed, self.ledger.origin, self._told(connection))

    def _signing(self, known: Keys, held: Sequence[SigningKey], size: int) -> list[SigningKey]:
        """The held keys that sign a checkpoint of that size: an added one once the tree has its entry."""
        valid = {each.key for each in known.ranges if each.holds(size) and each.used_from <= size}
        found = [key for key in held if key.verifier in valid]
        if not found:
            raise VaultError(
                f"signing key of {self.ledger.origin}: expected a file in {self._keys.folder} of a key that "
                f"signs size {size}, got only keys that do not: {', '.join(map(str, known.ranges))}"
            )
        return found

    # --- (1) to (3): comparing ---------------------------------------------------------------------------

    def _compare(self, standing: Standing, signed: Checkpoint, published: bytes | None, known: Keys) -> None:
        """(1). Raises Diverged where what was signed, what is published and the entries are not one history."""
        if standing.size < signed.size:
            raise self._diverged(f"the database holds {standing.size} entries, {signed.size} are signed")
        try:
            if known.open(standing.note).checkpoint != signed:
                raise self._diverged("the signed note kept in the database is not of the checkpoint beside it")
            told = None if published is None else known.open(published).checkpoint
        except Diverged:
            raise
        except AuditLedgerError as error:
            raise self._diverged(f"a checkpoint kept or published is not ours: {error}") from error
        if told is None:
            return
        if told.origin != signed.origin:
            raise self._diverged(f"the published checkpoint is of {told.origin}")
        if told.size > signed.size:
            raise self._diverged(
                f"{told.size} entries are published, {signed.size} signed here: the database is an older one"
            )
        if told.size == signed.size and told.root != signed.root:
            raise self._diverged(
                f"the published root of {told.size} entries is another than the one signed here"
            )
        if told.size < signed.size and self._root(told.size, signed.size) != told.root:
            raise self._diverged(
                f"the published root of {told.size} entries is not of the {signed.size} signed here"
            )

    def _root(self, of: int, size: int) -> bytes:
        """The root of the first leaves of a tree that is signed, by its tiles."""
        if not of:
            return EMPTY_ROOT
        with self._reading():
            return fold(hashes_of(subtrees(0, of), size, self.tiles.read))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What is wrong with a tile that was signed is an alarm; that it cannot be read now is none."""
        try:
            yield
        except Unavailable:
            raise
        except NotFound as error:
            raise self._diverged(f"a tile that was signed is missing: {error}") from error
        except AuditLedgerError as error:
            raise self._diverged(f"a tile that was signed is not what it was: {error}") from error

    def _edge(self, connection: Connection[Any], signed: Checkpoint) -> Edge:
        """(2): what the tree goes on from, as the tiles have it, which must be what was signed."""
        size = signed.size
        with self._reading():
            tiles = {tile.level or 0: split(tile, self.tiles.read(tile)) for tile in edge(size)}
            last = hashes_of([(0, size - 1)], size, self.tiles.read)[0] if size else GENESIS
            part = bundle_at(size // WIDTH, size)
            entries = unbundle(part, self.tiles.read(part)) if part.width else []
        found = Edge(size, tiles, entries, last)
        if found.root != signed.root:
            raise self._diverged(f"the tiles fold to another root of {size} entries than was signed")
        if entries and list(map(leaf_hash, entries)) != tiles[0]:
            raise self._diverged("the last bundle of entries is not what its tile says")
        if size:
            kept = connection.execute(
                queries.get("scan_two"), {"ledger": self.ledger.id, "first": size - 1, "second": size - 1}
            ).fetchone()
            if kept is None or leaf_hash(bytes(kept[1])) != last:
                raise self._diverged(f"entry {size - 1} in the database is not the one that was sealed: a fork")
        return found

    def _diverged(self, what: str) -> Diverged:
        return Diverged(f"{self.ledger.origin}: {what}; nothing is signed before this is looked into")

    # --- (6) and (7): signing ----------------------------------------------------------------------------

    def _sign(
        self, connection: Connection[Any], found: Checkpoint, after: int | None, keys: Sequence[SigningKey]
    ) -> Checkpoint:
        """(6) and (7). Raises Unavailable where another process has signed meanwhile."""
        note = str(sign(found, keys))
        row = connection.execute(
            queries.get("sign_first" if after is None else "sign_next"),
            {
                "ledger": self.ledger.id, "size": found.size, "root": found.root, "note": note, "after": after,
            },
        ).fetchone()  # fmt: skip
        if row is None:
            raise Unavailable(f"{self.ledger.origin}: another process has signed a checkpoint meanwhile")
        self._step("signed")
        self.tiles.publish(note.encode())
        self._step("published")
        return found


def standing_of(connection: Connection[Any], ledger: Ledger) -> Standing:
    """How a ledger stands. Raises Diverged where the database holds no head of it."""
    row = connection.execute(queries.get("sealing_state"), {"ledger": ledger.id}).fetchone()
    if row is None:
        raise Diverged(f"{ledger.origin}: the database holds no head of this ledger; it was removed")
    size, head, closed, signed, root, kept, cosigned = row
    if signed is None:
        return Standing(size, bytes(head), None, b"", closed)
    try:
        note = Note.parse(kept.encode())
        for each in cosigned:
            note = note.also(Note.parse(each.encode()).signatures)
    except CodecError as error:
        raise Diverged(f"{ledger.origin}: a note kept in the database is not what was kept: {error}") from error
    last = Checkpoint(ledger.origin, signed, bytes(root))
    return Standing(size, bytes(head), last, str(note).encode(), closed)
