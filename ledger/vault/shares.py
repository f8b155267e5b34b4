"""Recovery shares of a key: any so many of them restore it, and fewer say nothing of it (Shamir, 1979).

Byte by byte over GF(2^8) with the polynomial of AES, as SLIP-39 interpolates: the key stands at 0, share n at
n. Nothing of the key is in a share but its public name, by which a restored one is known to be the right one. A
share is a text of six lines, to be printed or kept as a file; its last line finds what was copied wrongly.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from ledger.errors import CodecError, VaultError
from ledger.tlog.note import ED25519, SigningKey, VerifierKey
from ledger.vault.kek import KEY_BYTES, LocalKek

HEADER = "auditledger recovery share v1"
KEK = "kek"
SIGNING = "signing"
MOST = 16
_GROUP = 4
_POLYNOMIAL = 0x11B
_WORDS = ("key", "set", "share", "value", "check")


def _tables() -> tuple[list[int], list[int]]:
    """Powers of the generator 3, and their logarithms."""
    powers, logs = [0] * 255, [0] * 256
    value = 1
    for exponent in range(255):
        powers[exponent], logs[value] = value, exponent
        value ^= value << 1
        if value & 0x100:
            value ^= _POLYNOMIAL
    return powers, logs


_POWERS, _LOGS = _tables()


def interpolate(points: Sequence[tuple[int, bytes]], at: int) -> bytes:
    """The polynomials' values at a place, from as many points (place, values) as they have coefficients.

    Places are from 0 to 255, all different, and none of them is ``at``.
    """
    result = bytes(len(points[0][1]))
    for place, values in points:
        # The logarithm of Lagrange's factor: the product of (other - at) / (other - place).
        factor = sum(_LOGS[other ^ at] - _LOGS[other ^ place] for other, _ in points if other != place)
        result = bytes(
            found ^ (_POWERS[(_LOGS[value] + factor) % 255] if value else 0)
            for found, value in zip(result, values, strict=True)
        )
    return result


class SharesRefused(VaultError):
    """Shares that do not give a key; ``code`` says why in a word: it stands in the entry of a drill."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"recovery shares: {message}")


class Share(NamedTuple):
    """One share: of which key, which set, how many of how many restore it, its number, its value (secret)."""

    kind: str
    """``kek`` or ``signing``."""
    key: str
    """The key-encryption key's name, or the verifier key's text."""
    set_id: str
    threshold: int
    shares: int
    number: int
    value: bytes

    def __repr__(self) -> str:
        return f"Share({self.number} of {self.shares}, set {self.set_id})"

    @property
    def text(self) -> str:
        """As it is printed."""
        groups = [self.value.hex()[at : at + _GROUP] for at in range(0, 2 * len(self.value), _GROUP)]
        body = (
            f"{HEADER}\nkey: {self.kind} {self.key}\nset: {self.set_id}\n"
            f"share: {self.number} of {self.shares}, any {self.threshold} restore the key\n"
            f"value: {' '.join(groups)}\n"
        )
        return f"{body}check: {_check(body)}\n"

    @classmethod
    def parse(cls, text: str) -> Share:
        """The share of a text, whatever its line ends and spaces. Raises CodecError, which repeats no value."""
        lines = [" ".join(line.split()) for line in text.split("\n") if line.strip()]
        said = [line.partition(": ") for line in lines[1:]]
        if lines[:1] != [HEADER] or tuple(word for word, _, _ in said) != _WORDS:
            raise CodecError(
                f"recovery share: expected six lines, the first of them {HEADER!r}, got other text"
            )
        key, set_id, place, value, check = (rest for _, _, rest in said)
        kind, _, named = key.partition(" ")
        try:
            number, of, shares, any_, threshold, *rest = place.replace(",", "").split(" ")
            found = cls(kind, named, set_id, int(threshold), int(shares), int(number), bytes.fromhex(value))
        except ValueError:
            raise CodecError("recovery share: expected numbers, and a value in hexadecimal digits") from None
        whole = (of, any_, *rest) == ("of", "any", "restore", "the", "key")
        if kind not in (KEK, SIGNING) or not whole or not found._fits():
            raise CodecError(
                "recovery share: expected 'N of M, any K restore the key' and a key of a known kind"
            )
        if check != _check(found.text.rpartition("check: ")[0]):
            raise CodecError(
                "recovery share: expected the check of its lines, got another: it was copied wrongly"
            )
        return found

    def _fits(self) -> bool:
        return (
            2 <= self.threshold <= self.shares <= MOST
            and 1 <= self.number <= self.shares
            and len(self.value) == KEY_BYTES
        )


def _check(body: str) -> str:
    return sha256(body.encode()).hexdigest()[:8]


def split(
    kind: str,
    key: str,
    secret: bytes,
    threshold: int,
    shares: int,
    *,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> list[Share]:
    """The shares of a key of 32 bytes, under a set id of their own. ``law.keys.shares_restore`` holds of
    them."""
    # The key at 0, and random bytes at as many places beyond the shares as the polynomials still have freedom.
    points = [(0, secret), *((255 - place, random(len(secret))) for place in range(threshold - 1))]
    set_id = random(4).hex()
    return [
        Share(kind, key, set_id, threshold, shares, number, interpolate(points, number))
        for number in range(1, shares + 1)
    ]


def join(shares: Sequence[Share]) -> bytes:
    """The key that shares restore, known by its public name. Raises SharesRefused: too few, of several sets or
    keys, altered."""
    if not shares:
        raise SharesRefused("too-few", "expected some, got none")
    sets = {each[:5] for each in shares}
    if len(sets) > 1:
        said = ", ".join(sorted({each.set_id for each in shares}))
        raise SharesRefused("mixed-sets", f"expected shares of one set and key, got sets {said}")
    by_number: dict[int, bytes] = {}
    for each in shares:
        if by_number.setdefault(each.number, each.value) != each.value:
            raise SharesRefused("altered", f"expected one value of share {each.number}, got two")
    first = shares[0]
    if len(by_number) < first.threshold:
        raise SharesRefused("too-few", f"expected {first.threshold} different ones, got {len(by_number)}")
    points = sorted(by_number.items())
    enough, more = points[: first.threshold], points[first.threshold :]
    secret = interpolate(enough, 0)
    if any(interpolate(enough, number) != value for number, value in more) or name(first, secret) != first.key:
        raise SharesRefused("altered", f"set {first.set_id}: what they give is not {first.kind} {first.key}")
    return secret


def name(share: Share, secret: bytes) -> str:
    """The public name of a key of the share's kind; of a signing key under the origin that the share names."""
    if share.kind == KEK:
        return LocalKek(secret).kek_id
    try:
        origin = VerifierKey.parse(share.key).name
    except CodecError as error:
        raise SharesRefused("altered", f"expected a verifier key: {error}") from error
    return str(SigningKey(origin, ED25519, secret).verifier)
