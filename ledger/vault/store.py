"""The vault's tables in PostgreSQL: keys for sealing (writer's role), rows for opening (vault's role)."""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, BinaryIO, NamedTuple

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import TupleRow

from ledger.codec.avro import decode_primitive, decode_string, encode_string
from ledger.errors import CodecError, ContentDestroyed, NotFound, Unavailable, VaultError
from ledger.vault.attachments import AttachmentFiles, AttachmentRow
from ledger.vault.kek import KekDenied, KeyEncryptionKey, Wrapped, WrongKek
from ledger.vault.opening import KEY_MISSING, Destroyed, Lost, Opened, Opening, SealedField, Withheld
from ledger.vault.sealing import CASE, WrappedKey, make_key, mark_of, open_bytes, seal_bytes, unpack

KEY_GONE = "AL001"
"""SQLSTATE of ``vault.put`` and its like when a key was destroyed before the commit."""

INSTALLATION = 0
"""The ledger number of keys that belong to no ledger (a ledger's own number is 1 or more)."""
ACTORS = "actors"
LOOKUP = "lookup"

Connect = Callable[[], AbstractContextManager[psycopg.Connection[TupleRow]]]
DestroyedKeys = Callable[[int], Mapping[str, Destroyed]]
"""By ledger number the keys that entries of it say are destroyed, as they say now: a vault that a backup
brought back knows nothing of it."""


def none_destroyed(_ledger: int) -> Mapping[str, Destroyed]:
    """Of ledgers that have no entries."""
    return {}


_HEADING = re.compile(r"^-- name: (\w+)\n-- \S.*\n", re.MULTILINE)


class KeyGone(VaultError):
    """A key was destroyed between sealing and commit: nothing was written; seal anew or refuse."""


class KekRetired(KeyGone):
    """A rotation replaced the key-encryption key in use and retired it: nothing was written; set the newest."""


@dataclass(frozen=True, slots=True, repr=False)
class ActorDetails:
    """Who an actor is: issuer of the sign-in, login there, name as stated at the first sign-in."""

    issuer: str
    login: str
    name: str


class VaultKeys:
    """What the writer needs: wrapped keys of a case, keys made ahead of a command, rows of attachments.

    ``connect`` gives connections in autocommit of the role ``auditledger_writer``.
    """

    def __init__(
        self, connect: Connect, kek: KeyEncryptionKey, destroyed: DestroyedKeys = none_destroyed
    ) -> None:
        self._connect = connect
        self._kek = kek
        self._destroyed = destroyed

    def keys_of(self, ledger: int, stream: str) -> list[WrappedKey]:
        """The wrapped keys of a case, oldest first: the lookup of a ``SealingSession``.

        Those that entries destroyed and a backup brought back are among them: the caller leaves them out.
        """
        return [WrappedKey(*row) for row in fetch(self._connect, "keys_of", (ledger, stream))]

    def ensure(self, ledger: int, stream: str, subject: str) -> tuple[str, bytes]:
        """Id and clear bytes of a subject's oldest key, committed here and now if there was none.

        For what needs a key before the command that names it: attachments, ids of an import, the content
        key of a ledger. Two that race get the same key. Raises VaultError for one that is destroyed.
        """
        try:
            key = self._ensure(ledger, stream, subject)
        except KeyGone:
            # The key-encryption key was rotated between wrapping and here: it is read again.
            key = self._ensure(ledger, stream, subject)
        return key.id, self._kek.unwrap(key.id, key.wrapped, key.kek_id)

    def _ensure(self, ledger: int, stream: str, subject: str) -> WrappedKey:
        offered, _ = make_key(self._kek, stream, subject)
        parameters = (ledger, stream, subject, offered.id, offered.wrapped, offered.kek_id)
        (row,) = fetch(self._connect, "ensure_key", parameters)
        key = WrappedKey(*row)
        if key.id in self._destroyed(ledger):
            raise VaultError(
                f"key {key.id}: an entry says that it is destroyed, and a backup brought it back; "
                "run 'auditledger reconcile', then try again"
            )
        return key

    def attach(
        self,
        files: AttachmentFiles,
        source: BinaryIO,
        length: int | None,
        *,
        ledger: int,
        stream: str,
        field_path: str,
        subject: str = CASE,
    ) -> AttachmentRow:
        """Keeps a file under the key of its case or subject: encrypted and durable first, then its row.

        The command that names it comes after. Raises what ``AttachmentFiles.write`` raises, and ``KeyGone``.
        """
        key_id, key = self.ensure(ledger, stream, subject)
        row = files.write(source, length, ledger=ledger, key_id=key_id, key=key, field_path=field_path)
        parameters = (ledger, key_id, row.commitment, row.path, row.length, row.sealed)
        try:
            fetch(self._connect, "put_attachment", parameters)
        except KeyGone:
            # Any other failure may have left the row: then the file stays, and a sweep decides.
            files.discard(ledger, key_id, row.commitment)
            raise
        return row

    def attachment_names(self) -> set[tuple[int, str, bytes]]:
        """(ledger, key id, commitment) of every attachment that has a row: what a sweep must keep."""
        return {(row[0], row[1], bytes(row[2])) for row in fetch(self._connect, "attachment_names", ())}

    def actor_id(self, issuer: str, login: str, name: str) -> str:
        """The opaque id (a random UUID) of who signs in; at the first time name and login are sealed away.

        Found again by a MAC of issuer and login under the installation's lookup key.
        """
        _, lookup_key = self.ensure(INSTALLATION, ACTORS, LOOKUP)
        mac = hmac.digest(lookup_key, encode_string(issuer) + encode_string(login), "sha256")
        found = fetch(self._connect, "find_actor", (mac,))[0][0]
        if found is not None:
            return str(found)
        actor = str(uuid.uuid4())
        key_id, key = self.ensure(INSTALLATION, ACTORS, actor)
        details = b"".join(encode_string(text) for text in (issuer, login, name))
        sealed = seal_bytes(AESGCM(key), details, actor.encode())
        return str(fetch(self._connect, "put_actor", (actor, mac, key_id, sealed))[0][0])


class KeptAttachment(NamedTuple):
    """An attachment that has a row, and the case under whose key it is."""

    ledger: int
    stream: str
    key: str
    commitment: bytes


class Kept:
    """What the vault keeps of attachments, for the sweep of those that no entry came to name.

    ``connect`` gives connections in autocommit of the role ``auditledger_vault``: the writer's may not forget.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def before(self, seconds: float) -> list[KeptAttachment]:
        """The attachments whose rows are older than so many seconds."""
        return [
            KeptAttachment(row[0], row[1], row[2], bytes(row[3]))
            for row in fetch(self._connect, "attachments_before", (seconds,))
        ]

    def forget(self, kept: KeptAttachment) -> None:
        """Removes a row. A crash after it leaves a file without one, which the sweep of files removes."""
        fetch(self._connect, "drop_attachment", (kept.ledger, kept.key, kept.commitment))


class Opener:
    """Opens sealed values. Every call of it is itself an entry, which the application records first; not what
    the search index is made by, which shows nobody anything.

    ``connect`` gives connections in autocommit of the role ``auditledger_vault``. What ``destroyed`` says is
    destroyed is not even looked for.
    """

    def __init__(
        self, connect: Connect, kek: KeyEncryptionKey, destroyed: DestroyedKeys = none_destroyed
    ) -> None:
        self._connect = connect
        self._kek = kek
        self._destroyed = destroyed

    def open(
        self,
        ledger: int,
        entries: Sequence[tuple[int, Sequence[SealedField]]],
        may_open: Callable[[int, SealedField], bool] = lambda _index, _field: True,
    ) -> list[list[Opening]]:
        """For each entry ``(index, its sealed fields, ALL of them, in the order of the entry)`` the openings.

        Fields that ``may_open`` denies are withheld. A key that is missing is noted as lost, which whoever
        reconciles takes from there. Raises ``WrongKek`` where the key-encryption key is not
        the one in use at sealing: that is a wrong setting, and no value is called lost for it.
        """
        asked = {(i, f.key) for i, fields in entries for f in fields if may_open(i, f)}
        gone = self._destroyed(ledger) if asked else {}
        wanted = sorted(each for each in asked if each[1] not in gone)
        opened = self._pairs(ledger, entries, wanted) if wanted else {}
        missing = {key for (_, key), fields in opened.items() if KEY_MISSING in fields.values()}
        if missing:
            # Destroyed since it was asked, it is not lost.
            gone = self._destroyed(ledger)
            missing -= gone.keys()
        if missing:
            # The answer says it too, and stands whatever becomes of the note.
            with suppress(Unavailable):
                fetch(self._connect, "note_lost", (len(missing), min(missing), ledger))

        def opening(index: int, field: SealedField) -> Opening:
            if not may_open(index, field):
                return Withheld()
            return gone[field.key] if field.key in gone else opened[index, field.key][field.path]

        return [[opening(i, f) for f in fields] for i, fields in entries]

    def attachment(self, ledger: int, key: str, mark: bytes) -> tuple[AttachmentRow, bytes]:
        """The row of an attachment and its key in clear.

        Raises ContentDestroyed where an entry destroyed its key, NotFound where row or key is gone otherwise.
        """
        if (gone := self._destroyed(ledger).get(key)) is not None:
            raise ContentDestroyed(f"attachment {mark.hex()}: {gone}")
        rows = fetch(self._connect, "open_attachment", (ledger, key, mark))
        if not rows:
            raise NotFound(f"attachment {mark.hex()}: expected a row and a key {key} in the vault, got none")
        path, length, sealed, wrapped, kek_id = rows[0]
        row = AttachmentRow(ledger, key, mark, path, length, sealed)
        return row, self._kek.unwrap(key, wrapped, kek_id)

    def actors(self, ids: Sequence[str]) -> dict[str, ActorDetails | Lost]:
        """Issuer, login and name of actors by id; ids never seen are left out."""
        details: dict[str, ActorDetails | Lost] = {}
        for actor, key_id, sealed, wrapped, kek_id in fetch(self._connect, "open_actors", (list(ids),)):
            key = self._unwrap(key_id, wrapped, kek_id)
            details[actor] = key if isinstance(key, Lost) else _actor(key, actor, sealed)
        return details

    def _pairs(
        self, ledger: int, entries: Sequence[tuple[int, Sequence[SealedField]]], wanted: list[tuple[int, str]]
    ) -> dict[tuple[int, str], dict[str, Opening]]:
        fields_at = dict(entries)
        under = {(index, key_id): [f for f in fields_at[index] if f.key == key_id] for index, key_id in wanted}
        # Both places, always: a vault that was moved to a database of its own, or back, opens as before.
        marks = {pair: mark_of(fields[0].commitment) for pair, fields in under.items()}
        places = [*wanted, *((mark, key_id) for (_, key_id), mark in marks.items())]
        rows = fetch(self._connect, "open_rows", (ledger, [i for i, _ in places], [k for _, k in places]))
        found = {(row[0], row[1]): row[2:] for row in rows}
        keys: dict[str, bytes | Lost] = {}
        result: dict[tuple[int, str], dict[str, Opening]] = {}
        for index, key_id in wanted:
            ciphertext, wrapped, kek_id = found[index, key_id]
            if ciphertext is None:
                ciphertext, wrapped, kek_id = found[marks[index, key_id], key_id]
            if key_id not in keys:
                keys[key_id] = self._unwrap(key_id, wrapped, kek_id)
            result[index, key_id] = _open_row(keys[key_id], under[index, key_id], ciphertext)
        return result

    def _unwrap(self, key_id: str, wrapped: bytes | None, kek_id: str) -> bytes | Lost:
        if wrapped is None:
            return KEY_MISSING
        try:
            return self._kek.unwrap(key_id, wrapped, kek_id)
        except (WrongKek, KekDenied):
            raise
        except VaultError:
            return Lost("key altered")


def _open_row(key: bytes | Lost, fields: Sequence[SealedField], row: bytes | None) -> dict[str, Opening]:
    """The openings of all fields of one row by path: all opened, or all lost for the same reason."""
    if isinstance(key, Lost):
        return dict.fromkeys((f.path for f in fields), key)
    if row is None:
        return dict.fromkeys((f.path for f in fields), Lost("row missing"))
    try:
        pairs = unpack(key, [(f.path, f.commitment) for f in fields], row)
        return {
            f.path: Opened(decode_primitive(f.type, value), salt)
            for f, (salt, value) in zip(fields, pairs, strict=True)
        }
    except (VaultError, CodecError):
        return dict.fromkeys((f.path for f in fields), Lost("row altered"))


def _actor(key: bytes, actor: str, sealed: bytes) -> ActorDetails | Lost:
    try:
        plain = open_bytes(key, sealed, actor.encode())
    except VaultError:
        return Lost("row altered")
    issuer, at = decode_string(plain, 0)
    login, at = decode_string(plain, at)
    name, _ = decode_string(plain, at)
    return ActorDetails(issuer, login, name)


@cache
def queries() -> dict[str, bytes]:
    """The named queries of ``queries.sql``, as psycopg takes them."""
    parts = _HEADING.split(files("ledger.vault").joinpath("queries.sql").read_text("utf-8"))
    return {
        name: text.strip().rstrip(";").encode() for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def key_gone(error: psycopg.Error, keks: Iterable[str] = ()) -> KeyGone | None:
    """Our error for SQLSTATE AL001 (it names the keys), None for any other database error.

    ``keks``: the key-encryption keys that wrapped the new keys, where they are known.
    """
    if error.sqlstate != KEY_GONE:
        return None
    if "retired" in (error.diag.message_detail or ""):
        # The new keys are nobody's yet; what is wrong is by what they were wrapped.
        got = ", ".join(sorted(set(keks))) or "one"
        return KekRetired(
            f"key-encryption key: expected the one in use since the last rotation, got {got}, which is "
            "retired; nothing was written: set the right key"
        )
    return KeyGone(f"{error.diag.message_primary}: expected it until the commit; seal the command anew")


def fetch(connect: Connect, query: str, parameters: tuple[Any, ...] | Mapping[str, Any]) -> list[TupleRow]:
    """The rows of a named query. Raises KeyGone, Unavailable."""
    with ours(), connect() as connection:
        return connection.execute(queries()[query], parameters).fetchall()


@contextmanager
def ours(keks: Iterable[str] = ()) -> Iterator[None]:
    """Database errors as ours: KeyGone for a key that is gone, Unavailable for whatever else a database says.

    ``keks`` as of ``key_gone``.

    It may be away, take nothing (read-only, full) or lack rights: what it says of values is left out.
    """
    try:
        yield
    except psycopg.Error as error:
        if (gone := key_gone(error, keks)) is not None:
            raise gone from error
        operational = isinstance(error, psycopg.OperationalError)
        said = str(error) if operational else error.diag.message_primary or str(error)
        raise Unavailable(f"vault: {' '.join(said.split())}") from error


class WrappedBy(NamedTuple):
    """How many of the vault's keys a key-encryption key wrapped, and one of them to try it by."""

    kek_id: str
    keys: int
    key_id: str
    wrapped: bytes


def wrapped_by(connect: Connect) -> list[WrappedBy]:
    """What key-encryption keys wrapped the vault's keys; ``connect`` as of an ``Opener``. Reads them all."""
    return [WrappedBy(*row) for row in fetch(connect, "wrapped_by", ())]


class Rewrapping:
    """Wraps every key of the vault by the newest key-encryption key, batch by batch; entries stay as they are.

    ``connect`` as of an ``Opener``. A crash between two batches leaves keys of both kinds, which who has both
    opens; the next run goes on with what is left.
    """

    def __init__(self, connect: Connect, kek: KeyEncryptionKey, *, batch: int = 1000) -> None:
        self._connect = connect
        self._kek = kek
        self._batch = batch

    def run(self, step: Callable[[int], None] = lambda _: None) -> None:
        """Until a look through all keys finds none that another key wrapped; ``step`` is told of each batch.

        Raises ``WrongKek`` for a key that none at hand wrapped, ``VaultError`` for one that is altered, or that
        does not come out again as it was wrapped anew: nothing of these is changed.
        """
        after, found = "", False
        while True:
            rows = fetch(self._connect, "wrapped_otherwise", (after, self._kek.kek_id, self._batch))
            if not rows:
                if not found:
                    return
                # What was added meanwhile, by who had not read the new key yet, or changed under our hands.
                after, found = "", False
                continue
            found, after = True, rows[-1][0]
            made = [
                (key_id, wrapped, self._anew(key_id, self._kek.unwrap(key_id, wrapped, kek_id)))
                for key_id, wrapped, kek_id in rows
            ]
            by = {each.kek_id for _, _, each in made}
            if len(by) != 1:
                raise Unavailable("key-encryption key: it was rotated again meanwhile; run this once more")
            columns = (
                [key_id for key_id, _, _ in made],
                [old for _, old, _ in made],
                [new.key for _, _, new in made],
            )
            step(int(fetch(self._connect, "rewrap", (by.pop(), *columns))[0][0]))

    def _anew(self, key_id: str, key: bytes) -> Wrapped:
        """Tried before what opens the key now is overwritten: whoever keeps the newest may be mistaken."""
        made = self._kek.wrap(key_id, key)
        if self._kek.unwrap(key_id, made.key, made.kek_id) != key:
            raise VaultError(
                f"key {key_id}: expected {made.kek_id} to unwrap what it has wrapped, got another key; "
                "it stays as it was"
            )
        return made

    def retire(self, kek_id: str) -> bool:
        """Whether no key is wrapped by that one, and none ever will be. Raises Unavailable."""
        return bool(fetch(self._connect, "retire_kek", (kek_id,))[0][0])
