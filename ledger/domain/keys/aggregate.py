"""Stream ``keys``: how the keys of a ledger changed, and whether they can be had back."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from ledger.domain.case import Case, Context, Role, command
from ledger.domain.event import CaseEvent
from ledger.domain.keys.events import (
    KeyEncryptionKeyDropped,
    KeyEncryptionKeyRotated,
    KeyKind,
    KeySplit,
    RecoveryDrilled,
    SigningKeyAdded,
    SigningKeyRetired,
)
from ledger.domain.keys.standing import STREAM, changes_of, keks_before
from ledger.errors import CodecError, InvalidInput, Untrusted
from ledger.law import keys as law
from ledger.law.installation import is_code
from ledger.tlog.keyhistory import ADDED, RETIRED, Keys, Statement, open_statement
from ledger.tlog.note import VerifierKey

KEEPERS = frozenset({Role.ADMINISTRATOR, Role.SYSTEM})
"""Keys are the administrator's (1-law 'Who acts')."""


class KeyRecord(Case):
    """Stream ``keys``: the keys that sign the ledger and, in ``common``, what wraps the vault."""

    area = "key"

    def check_any(self, proposed: CaseEvent, context: Context) -> None:
        """Who follows the history of keys must come to the same ones for ever."""
        law.key_history_is_not_corrected(proposed.header.corrects is not None)

    @command(SigningKeyAdded, roles=KEEPERS, stream=STREAM)
    def add(self, e: SigningKeyAdded, context: Context) -> None:
        """Record a signing key that signs beside the one before it; see 'auditledger keys rotate'."""
        said, signed = _stated(e, context, ADDED)
        in_force = self._in_force(context, said.by)
        law.key_is_new(said.key.id.hex(), {key.id.hex() for key in self._named()})
        law.stated_by_key_in_force(bool(signed & in_force - {said.key}))
        law.overlap_is_of_two(len(in_force))

    @command(SigningKeyRetired, roles=KEEPERS, stream=STREAM)
    def retire(self, e: SigningKeyRetired, context: Context) -> None:
        """Record that a signing key signs no more; see 'auditledger keys rotate --retire'."""
        said, signed = _stated(e, context, RETIRED)
        in_force = self._in_force(context)
        law.retired_key_leaves_another(said.key in in_force, len(in_force - {said.key}))
        law.stated_by_key_in_force(bool(signed & in_force - {said.key}))

    @command(KeyEncryptionKeyRotated, roles=KEEPERS, stream=STREAM)
    def rotate(self, e: KeyEncryptionKeyRotated, context: Context) -> None:
        """Record that the vault's keys are wrapped by another key-encryption key now."""
        for field, value in (("kek", e.kek), ("before", e.before)):
            is_code(field, value)
        law.kek_is_another(e.kek, e.before)
        if e.keys < 0:
            raise InvalidInput("keys", "0 or more", e.keys)

    @command(KeyEncryptionKeyDropped, roles=KEEPERS, stream=STREAM)
    def drop(self, e: KeyEncryptionKeyDropped, context: Context) -> None:
        """Record that a key-encryption key before the newest is removed; see 'auditledger keys drop kek'."""
        is_code("kek", e.kek)
        law.dropped_kek_wraps_nothing(e.kek, keks_before(self.history))

    @command(KeySplit, roles=KEEPERS, stream=STREAM)
    def split(self, e: KeySplit, context: Context) -> None:
        """Record that a key was split into recovery shares."""
        is_code("set_id", e.set_id)
        _is_key(e, context)
        law.shares_restore(e.threshold, e.shares)

    @command(RecoveryDrilled, roles=KEEPERS, stream=STREAM)
    def drill(self, e: RecoveryDrilled, context: Context) -> None:
        """Record a drill: whether recovery shares gave the key that is in use."""
        is_code("set_id", e.set_id)
        _is_key(e, context)
        if e.failure is not None:
            is_code("failure", e.failure)
        if e.restored is (e.failure is not None) or e.shares < 0:
            raise InvalidInput("failure", "a code where the key was not restored, else none", e.failure)

    def _named(self) -> set[VerifierKey]:
        """Every key that a statement of the history names."""
        said = [open_statement(each.statement)[0] for each in changes_of(self.history)]
        return {key for each in said for key in (each.key, *each.by)}

    def _in_force(self, context: Context, first: Iterable[VerifierKey] = ()) -> set[VerifierKey]:
        """The keys that sign now, as it follows from the first statement.

        Where there is none, those of ``first`` that have signed what is published: whoever writes entries alone
        begins no history.
        """
        changes = changes_of(self.history)
        if changes:
            roots: Iterable[VerifierKey] = open_statement(changes[0].statement)[0].by
        else:
            roots = context.lookup.signers_of(context.ledger, first)
        return {each.key for each in Keys(roots, context.ledger, changes).ranges if each.until is None}


def _is_key(e: KeySplit | RecoveryDrilled, context: Context) -> None:
    """What is named is a key by its public name, and nothing else. Raises InvalidInput."""
    if e.kind is KeyKind.KEK:
        is_code("key", e.key)
        return
    try:
        named = VerifierKey.parse(e.key).name
    except CodecError:
        named = ""
    if named != context.ledger:
        raise InvalidInput("key", f"a verifier key of {context.ledger}", "another text")


def _stated(
    e: SigningKeyAdded | SigningKeyRetired, context: Context, what: str
) -> tuple[Statement, frozenset[VerifierKey]]:
    """The statement of a fact, which must say the same, and who signed it. Raises InvalidInput, LawRefused."""
    try:
        said, signed = open_statement(e.statement.encode())
        key = VerifierKey.parse(e.key)
    except (CodecError, Untrusted) as error:
        raise InvalidInput("statement", f"a signed statement of the key ({error})", "another") from None
    size = e.valid_from if isinstance(e, SigningKeyAdded) else e.valid_until
    recorded = (context.ledger, e.key, size)
    law.statement_is_of_fact((said.origin, str(said.key), said.size), recorded)
    if said.what != what or e.fingerprint != sha256(key.public).digest():
        raise InvalidInput(
            "fingerprint", "SHA-256 of the key's 32 bytes, and a statement of this act", "another"
        )
    if size > context.lookup.size_of(context.ledger) + 1:
        raise InvalidInput("statement", "a size that the ledger has, or one more", size)
    return said, signed
