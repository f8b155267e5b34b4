"""Changing the keys of an installation, each step durable before the next, each change an entry."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from ledger.application.installation import Installation
from ledger.application.outcome import Outcome, Principal
from ledger.clock import melbourne_date
from ledger.codec.entry import Source, SourceKind
from ledger.domain.keys.events import KeyEncryptionKeyDropped, KeyEncryptionKeyRotated, KeyReason
from ledger.domain.keys.standing import STREAM, keks_before
from ledger.errors import (
    AuditLedgerError,
    InvalidInput,
    OutcomeUnknown,
    SettingsError,
    Unavailable,
    Untrusted,
    VaultError,
)
from ledger.law import keys as law
from ledger.law.general import Role
from ledger.store.database import Role as DatabaseRole
from ledger.store.ledgers import COMMON, Ledger
from ledger.store.sealing import Link, Signers
from ledger.store.witnessing import WitnessClient
from ledger.tlog.keyfile import write_key
from ledger.tlog.keyhistory import ADDED, RETIRED, state
from ledger.tlog.note import Note, SigningKey, VerifierKey
from ledger.tlog.policy import Policy
from ledger.tlog.prover import Prover
from ledger.vault.store import Rewrapping, wrapped_by

TYPED = Source(SourceKind.TYPED)
Step = Callable[[str], None]


class Rotation(NamedTuple):
    """The key-encryption key that wraps now, those before it, and how many keys were wrapped anew."""

    kek: str
    before: list[str]
    rewrapped: int


class Retired(NamedTuple):
    """The key that signs no more, and the witnesses that do not take its successor, with what each says."""

    key: VerifierKey
    untold: Mapping[str, str]


class KeyChanges:
    """The keys of an installation, as one person changes them.

    ``step`` is called with the name of each step that a crash could follow.
    """

    def __init__(
        self, installation: Installation, principal: Principal, *, step: Step = lambda _: None
    ) -> None:
        self._installation = installation
        self._principal = principal
        self._step = step

    def add_signing(self, ledger: Ledger, *, reason: KeyReason, remarks: str | None = None) -> VerifierKey:
        """Makes a key that signs beside the one before it; from the next seal on both do.

        Order: (1) the key's file is durable; (2) the entry that names it, with the statement of the key before
        it, is recorded; (3) whoever seals signs with it once its entry is under the tree. A crash after (1)
        leaves a file that no entry names, and by which nothing is signed; after (2) nothing is left to do.
        Raises Forbidden, LawRefused, NotFound (nothing is signed yet), VaultError (no key that signs is held
        here), Diverged, Unavailable, OutcomeUnknown.
        """
        self.may(ledger)
        signers = self._signers(ledger)
        law.overlap_is_of_two(len(signers.in_force))
        signing = [key for key in signers.held if key.verifier in signers.in_force]
        if not signing:
            raise VaultError(f"signing key of {ledger.origin}: none of those that sign is held here")
        made = SigningKey.generate(ledger.origin)
        path = self._installation.published.keys.path(ledger.slug, made.verifier)
        try:
            write_key(path, made)
        except OSError as error:
            raise SettingsError(f"{path}: a new signing key cannot be kept: {error.strerror}") from error
        self._step("key")
        statement = state(ledger.origin, ADDED, made, signers.size + 1, signing)
        fields = {
            **_named(made.verifier), "valid_from": signers.size + 1, "statement": str(statement),
            "reason": reason.value, "remarks": remarks,
        }  # fmt: skip
        try:
            self.record(ledger, "key.SigningKeyAdded", fields)
        except (OutcomeUnknown, Unavailable):
            raise
        except AuditLedgerError:
            # Refused for certain: nobody will ever need it.
            path.unlink(missing_ok=True)
            raise
        self._step("recorded")
        return made.verifier

    def retire_signing(
        self,
        ledger: Ledger,
        *,
        key_id: str | None = None,
        last_good: int | None = None,
        reason: KeyReason,
        remarks: str | None = None,
        policy: Policy | None = None,
    ) -> Retired:
        """Ends the overlap: the older key, or the one with this id, signs no more. Its file is left.

        ``last_good``: the last size that its signature is good for; else the last one that is signed.
        ``policy``: whose witnesses have to take the key that stays. One entry: a crash leaves it there or not.
        Raises as ``add_signing``, InvalidInput.
        """
        self.may(ledger)
        signers = self._signers(ledger)
        if key_id is None:
            retiring = signers.in_force[0]
        else:
            named = {key.id.hex(): key for key in signers.in_force}
            if key_id not in named:
                raise InvalidInput("--key", f"one of {', '.join(named)}", key_id)
            retiring = named[key_id]
        others = [key for key in signers.in_force if key != retiring]
        law.retired_key_leaves_another(True, len(others))
        law.successor_has_signed(any(key in signers.last for key in others))
        law.compromised_key_was_good_until(reason is KeyReason.COMPROMISED, last_good)
        if last_good is not None and not 0 <= last_good <= signers.size:
            raise InvalidInput("--last-good", f"a size from 0 to {signers.size}, signed last", last_good)
        until = (signers.size if last_good is None else last_good) + 1
        signing = [key for key in signers.held if key.verifier in others]
        if not signing:
            raise VaultError(f"signing key of {ledger.origin}: none of those that stay is held here")
        untold = self._untold(ledger, others, policy)
        law.witnesses_take_the_successor(untold, reason is KeyReason.COMPROMISED)
        fields = {
            **_named(retiring), "valid_until": until, "reason": reason.value, "remarks": remarks,
            "statement": str(state(ledger.origin, RETIRED, retiring, until, signing)),
        }  # fmt: skip
        self.record(ledger, "key.SigningKeyRetired", fields)
        self._step("recorded")
        return Retired(retiring, untold)

    def _untold(self, ledger: Ledger, others: Sequence[VerifierKey], policy: Policy | None) -> dict[str, str]:
        """The witnesses of a policy that do not take what the keys that stay sign alone, and what each says.

        Each is asked to cosign the published checkpoint with their signatures and no other.
        """
        if policy is None or ledger.origin not in {log.key.name for log in policy.logs}:
            return {}
        tiles = self._installation.published.of(ledger)
        note = Note.parse(tiles.checkpoint() or b"")
        known = {(key.name, key.id) for key in others}
        alone = Note(note.text, tuple(line for line in note.signatures if (line.name, line.id) in known))
        untold = {}
        for party in policy.witnesses.values():
            try:
                WitnessClient(party).cosign(Prover(tiles.read, str(alone).encode()))
            except (Unavailable, Untrusted) as error:
                untold[party.key.name] = str(error)
        return untold

    def rotate_kek(
        self,
        *,
        reason: KeyReason,
        remarks: str | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Rotation:
        """Wraps every key of the vault by another key-encryption key; those before it are left for backups.

        Of a key in a file the successor is made here, unless one before it is still in use: then that rotation
        is finished. Order: (1) the new key is durable, and the old one beside it; (2) keys are wrapped anew,
        batch by batch, beside whoever works; (3) the database refuses whatever the old one would still wrap;
        (4) the table of keys is written anew; (5) the entry is recorded in ``common``, and with it the rotation
        has ended. A crash before that leaves a vault that opens, and the next call goes on. Raises Forbidden,
        SettingsError, VaultError, WrongKek, Unavailable.
        """
        installation = self._installation
        ledger = installation.ledgers.get(COMMON)
        self.may(ledger)
        kek, reach = installation.kek, lambda: installation.vault.connect(DatabaseRole.VAULT)
        newest = kek.kek_id
        ended = keks_before(self.facts(ledger))
        before = {each.kek_id for each in wrapped_by(reach)} - {newest} | (set(kek.older()) - ended)
        if not before:
            if kek.source.provider is not None:
                raise InvalidInput(
                    "kek_provider",
                    "one that wraps by another key than wraps the vault now: make its new key there first, or "
                    "name it in kek_argument and begin every service anew", newest,
                )  # fmt: skip
            if not kek.source.in_file:
                raise InvalidInput(
                    "kek",
                    "in the settings another key than wraps the vault now, that one as kek_previous, "
                    "and every service begun anew with both", newest,
                )  # fmt: skip
            kek.rotate(self._step)
            newest, before = kek.kek_id, {newest}
        rewrapping = Rewrapping(reach, kek)
        total = sum(each.keys for each in wrapped_by(reach) if each.kek_id != newest)
        done = 0

        def moved(count: int) -> None:
            nonlocal done
            done += count
            progress(done, max(done, total))
            self._step("batch")

        progress(0, total)
        for each in sorted(before):
            rewrapping.run(moved)
            while not rewrapping.retire(each):
                # Somebody who has not read the new key yet was quicker than the look before.
                rewrapping.run(moved)
            self._step("retired")
        if not installation.shredder.rewrite():
            raise Unavailable(
                "pages of the vault hold keys as they were wrapped before: somebody reads there; run it again, "
                "and it goes on"
            )
        self._step("clean")
        for each in sorted(before):
            count = sum(found.keys for found in wrapped_by(reach))
            recorded = any(
                isinstance(fact, KeyEncryptionKeyRotated) and (fact.before, fact.kek) == (each, newest)
                for fact in self.facts(ledger)
            )
            if not recorded:
                fields = {
                    "kek": newest, "before": each, "keys": count, "reason": reason.value, "remarks": remarks,
                }  # fmt: skip
                self.record(ledger, "key.KeyEncryptionKeyRotated", fields)
            self._step("recorded")
        return Rotation(newest, sorted(before), done)

    def drop_kek(self, kek_id: str) -> None:
        """Removes the file of a key-encryption key before the newest: backups that it opens are lost.

        Order: (1) the database refuses whatever that key would still wrap; (2) the entry is recorded; (3) the
        file is removed. A crash leaves it there or not; the next call goes on. Raises Forbidden, InvalidInput
        where there is no such file, or its rotation has not ended, SettingsError, VaultError, Unavailable.
        """
        installation = self._installation
        ledger = installation.ledgers.get(COMMON)
        self.may(ledger)
        kek = installation.kek
        if kek_id not in (left := kek.left()):
            raise InvalidInput("ID", f"one whose file is left ({', '.join(left) or 'none is'})", kek_id)
        rewrapping = Rewrapping(lambda: installation.vault.connect(DatabaseRole.VAULT), kek)
        if kek_id not in keks_before(self.facts(ledger)) or not rewrapping.retire(kek_id):
            raise InvalidInput(
                "ID", "a key that wraps nothing: run 'auditledger keys rotate kek' to its end first", kek_id
            )
        self._step("retired")
        dropped = (fact for fact in self.facts(ledger) if isinstance(fact, KeyEncryptionKeyDropped))
        if kek_id not in {fact.kek for fact in dropped}:
            self.record(ledger, "key.KeyEncryptionKeyDropped", {"kek": kek_id})
        self._step("recorded")
        kek.drop(kek_id)
        self._step("dropped")

    def may(self, ledger: Ledger) -> None:
        """Raises Forbidden for who does not administer the ledger: before anything is made."""
        installation = self._installation
        today = melbourne_date(installation.clock.now())
        installation.streams.facts(ledger, "roles")
        administrators = frozenset({Role.ADMINISTRATOR})
        installation.streams.role_for(ledger, self._principal, "changing keys", administrators, today)
        installation.may_go_on(ledger)

    def record(
        self, ledger: Ledger, command: str, fields: Mapping[str, Any], command_id: str | None = None
    ) -> Outcome:
        """Records a fact of the stream ``keys``, which happened today."""
        installation = self._installation
        body = {
            "happened": melbourne_date(installation.clock.now()).isoformat(),
            "fields": {name: value for name, value in fields.items() if value is not None},
        }
        return installation.execute(
            ledger.slug, command, body, principal=self._principal,
            command_id=command_id or str(uuid.uuid4()), source=TYPED,
        )  # fmt: skip

    def facts(self, ledger: Ledger) -> tuple[Any, ...]:
        """What is recorded of the ledger's keys."""
        return self._installation.streams.facts(ledger, STREAM)

    def _signers(self, ledger: Ledger) -> Signers:
        with self._installation.published.sealer(Link(self._installation.database), ledger) as sealer:
            return sealer.keys()


def _named(key: VerifierKey) -> dict[str, str]:
    return {"key": str(key), "fingerprint": sha256(key.public).hexdigest()}
