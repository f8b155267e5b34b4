"""Rules for the keys that sign a ledger and wrap its vault: what may be recorded of them, and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ledger.errors import LawRefused

KEY_ROTATION = "ledger rule: key rotation"
MOST_IN_FORCE = 2
"""Signing keys that sign at one time: the old one and the new one."""


def key_history_is_not_corrected(corrects: bool) -> None:
    """What is stated of keys stays as it was recorded (4-wire 'Key rotation'). Raises LawRefused.

    Who followed it once must come to the same keys for ever; what was wrong is stated anew."""
    if corrects:
        raise LawRefused(KEY_ROTATION, "the history of keys is never corrected: record what is so now")


def key_is_new(key: str, known: Collection[str]) -> None:
    """A signing key is added once; one that was retired never signs again (4-wire 'Key rotation').

    ``known``: keys that the history names. Raises LawRefused."""
    if key in known:
        raise LawRefused(KEY_ROTATION, f"the history names key {key} already: a key is added once")


def overlap_is_of_two(in_force: int) -> None:
    """Two keys sign during an overlap, never more (4-wire 'Key rotation'). Raises LawRefused."""
    if in_force >= MOST_IN_FORCE:
        raise LawRefused(KEY_ROTATION, "two keys sign already: retire the old one before another is added")


def stated_by_key_in_force(signed: bool) -> None:
    """A change of keys is stated by a key that signs and goes on to (4-wire 'Key rotation'). Raises LawRefused.

    Who can write entries alone makes no key: only who holds one can hand on."""
    if not signed:
        raise LawRefused(KEY_ROTATION, "no key that signs the ledger, and stays, has signed the statement")


def kek_is_another(kek: str, before: str) -> None:
    """A rotation is to another key-encryption key (4-wire 'Sealed fields'). Raises LawRefused."""
    if kek == before:
        raise LawRefused(KEY_ROTATION, f"{kek} wrapped the vault's keys before: that is no rotation")


def dropped_kek_wraps_nothing(kek: str, ended: Collection[str]) -> None:
    """A key-encryption key is dropped once its rotation has ended (4-wire 'Sealed fields'). Raises LawRefused.

    ``ended``: the names of those of which that is recorded."""
    if kek not in ended:
        raise LawRefused(KEY_ROTATION, f"{kek} may wrap keys of the vault still: its rotation has not ended")


def witnesses_take_the_successor(refusing: Mapping[str, str], compromised: bool) -> None:
    """A key is retired once the witnesses that are asked take the key that stays (4-wire 'Key rotation').

    A witness follows no history of keys: from then on it would cosign nothing more. A compromised key is
    retired all the same. ``refusing``: witnesses by name, and what each says. Raises LawRefused."""
    if refusing and not compromised:
        name, why = next(iter(sorted(refusing.items())))
        raise LawRefused(
            KEY_ROTATION, f"witness {name} takes no checkpoint by the key that stays: give it that key ({why})"
        )


def retired_key_leaves_another(signs: bool, others: int) -> None:
    """A key that signs is retired, and another one stays (4-wire 'Key rotation'). Raises LawRefused."""
    if not signs:
        raise LawRefused(KEY_ROTATION, "this key does not sign: it was never added, or is retired")
    if not others:
        raise LawRefused(KEY_ROTATION, "no other key signs: add one before the last one is retired")


def successor_has_signed(signed: bool) -> None:
    """A key is retired once both have signed one checkpoint, which who trusts the old key can follow.

    4-wire 'Key rotation': both keys sign during the overlap. Raises LawRefused."""
    if not signed:
        raise LawRefused(
            KEY_ROTATION, "the key that stays has not signed a checkpoint yet: seal the ledger first"
        )


def compromised_key_was_good_until(compromised: bool, last_good: int | None) -> None:
    """Of a compromised key the last size that is known to be good is stated (4-wire 'Key rotation').

    What it signed beyond is worth nothing; witnesses' cosignatures say how far is good. Raises LawRefused."""
    if compromised and last_good is None:
        raise LawRefused(
            KEY_ROTATION,
            "a compromised key is retired as of a size: state the last one that somebody else vouches for",
        )


def statement_is_of_fact(stated: tuple[str, str, int], recorded: tuple[str, str, int]) -> None:
    """What the signed statement says is what the entry says: origin, key, size (4-wire 'Key rotation').

    Raises LawRefused."""
    if stated != recorded:
        raise LawRefused(KEY_ROTATION, "the signed statement is of another ledger, key or size than the entry")


def shares_restore(threshold: int, shares: int) -> None:
    """A key is split so that no one alone restores it, and some can be lost (issue 4 section 3).

    Raises LawRefused."""
    if not 2 <= threshold <= shares <= 16:
        raise LawRefused(
            KEY_ROTATION, f"{threshold} of {shares}: expected 2 to 16 shares, at least 2 to restore"
        )
