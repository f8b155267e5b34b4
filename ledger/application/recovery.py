"""Recovery shares: a key is split, restored, and it is tried whether it can be; each but the restoring is an
entry."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from ledger.application.installation import Installation
from ledger.application.keys import KeyChanges
from ledger.application.outcome import Principal
from ledger.domain.keys.events import KeyKind
from ledger.errors import CodecError, InvalidInput, VaultError
from ledger.law import keys as law
from ledger.store.database import Role
from ledger.store.ledgers import COMMON, Ledger
from ledger.store.sealing import Link
from ledger.tlog.note import ED25519, Note, SigningKey, VerifierKey
from ledger.vault.kek import LocalKek, read_secret
from ledger.vault.shares import KEK, SIGNING, Share, SharesRefused, join, split
from ledger.vault.store import wrapped_by


class Drilled(NamedTuple):
    """What a drill found: the key in use, whether the shares gave it, and why not."""

    key: str
    set_id: str
    shares: int
    failure: str | None
    said: str | None


class Recovery:
    """Splitting and drilling, as one person does it."""

    def __init__(self, installation: Installation, principal: Principal) -> None:
        self._installation = installation
        self._changes = KeyChanges(installation, principal)

    def split_kek(self, threshold: int, shares: int) -> list[Share]:
        """Shares of the key-encryption key, recorded in ``common`` before there are any.

        Raises Forbidden, LawRefused, InvalidInput (another one keeps the key).
        """
        kek = self._installation.kek
        if not kek.source.in_file:
            raise InvalidInput("kek", "a key in the file kek; who keeps another splits it", "one by setting")
        ledger = self._installation.ledgers.get(COMMON)
        self._changes.may(ledger)
        secret = read_secret(kek.source.path)
        return self._split(ledger, KEK, LocalKek(secret).kek_id, secret, threshold, shares)

    def split_signing(self, ledger: Ledger, threshold: int, shares: int) -> list[Share]:
        """Shares of the newest key that signs a ledger, recorded in it before there are any.

        Raises Forbidden, LawRefused, NotFound (nothing is signed yet), VaultError (it is not held here).
        """
        self._changes.may(ledger)
        key = self._signing(ledger)
        return self._split(ledger, SIGNING, str(key.verifier), key.secret, threshold, shares)

    def _split(
        self, ledger: Ledger, kind: str, key: str, secret: bytes, threshold: int, shares: int
    ) -> list[Share]:
        law.shares_restore(threshold, shares)
        made = split(kind, key, secret, threshold, shares)
        fields = {
            "kind": kind, "key": key, "set_id": made[0].set_id, "threshold": threshold, "shares": shares,
        }  # fmt: skip
        self._changes.record(ledger, "key.KeySplit", fields)
        return made

    def drill(self, texts: Sequence[str], *, remarks: str | None = None) -> Drilled:
        """Tries shares in memory: whether they give the key that is in use, and whether that works.

        A key-encryption key opens a key of the vault, a signing key signs and is verified. The entry says what
        came of it, also where nothing did. Raises CodecError where none of the texts is a share, Forbidden,
        NotFound.
        """
        found: list[Share] = []
        wrong: CodecError | None = None
        for text in texts:
            try:
                found.append(Share.parse(text))
            except CodecError as error:
                wrong = error
        if not found:
            raise wrong or InvalidInput("FILE", "files of recovery shares", "none")
        first = found[0]
        if first.kind == KEK:
            ledger = self._installation.ledgers.get(COMMON)
        else:
            ledger = self._installation.ledgers.by_origin(VerifierKey.parse(first.key).name)
        self._changes.may(ledger)
        in_use = self._installation.kek.kek_id if first.kind == KEK else str(self._in_force(ledger))
        failure, said = None, None
        try:
            if wrong is not None:
                raise SharesRefused("altered", str(wrong))
            secret = join(found)
            if first.key != in_use:
                raise SharesRefused(
                    "other-key", f"expected those of {in_use}, which is in use, got of {first.key}"
                )
            self._works(first, secret)
        except SharesRefused as error:
            failure, said = error.code, str(error)
        fields = {
            "kind": KeyKind(first.kind).value, "key": in_use, "set_id": first.set_id, "shares": len(texts),
            "restored": failure is None, "failure": failure, "remarks": remarks,
        }  # fmt: skip
        self._changes.record(ledger, "key.RecoveryDrilled", fields)
        return Drilled(in_use, first.set_id, len(texts), failure, said)

    def _works(self, share: Share, secret: bytes) -> None:
        """The restored key does what it is for. Raises SharesRefused."""
        if share.kind == SIGNING:
            verifier = VerifierKey.parse(share.key)
            # No origin stands in the first line: nobody can take it for a checkpoint.
            text = f"auditledger.drill/v1\n{secrets.token_hex(16)}\n"
            line = SigningKey(verifier.name, ED25519, secret).sign(text)
            Note.parse(f"{text}\n{line}".encode()).verify([verifier])
            return
        kek = LocalKek(secret)
        for each in wrapped_by(lambda: self._installation.vault.connect(Role.VAULT)):
            if each.kek_id == kek.kek_id:
                try:
                    kek.unwrap(each.key_id, each.wrapped, each.kek_id)
                except VaultError as error:
                    raise SharesRefused("does-not-open", str(error)) from error
                return
        raise SharesRefused("nothing-to-open", f"no key of the vault is wrapped by {kek.kek_id}")

    def _in_force(self, ledger: Ledger) -> VerifierKey:
        with self._installation.published.sealer(Link(self._installation.database), ledger) as sealer:
            return sealer.keys().in_force[-1]

    def _signing(self, ledger: Ledger) -> SigningKey:
        newest = self._in_force(ledger)
        for key in self._installation.published.keys.of(ledger.slug, ledger.origin):
            if key.verifier == newest:
                return key
        raise VaultError(f"signing key {newest.id.hex()} of {ledger.origin}: it is not held here")
