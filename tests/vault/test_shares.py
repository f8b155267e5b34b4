"""Recovery shares: any so many give the key, fewer nothing of it, and no mistake goes unnoticed."""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError
from ledger.tlog.note import SigningKey
from ledger.vault.kek import LocalKek
from ledger.vault.shares import KEK, SIGNING, Share, SharesRefused, interpolate, join, split

VECTORS = json.loads(Path(__file__).with_name("slip39.json").read_text())
"""Of SLIP-39's published vectors those with several shares: the mnemonics, and what they stand for."""
SECRET = bytes(range(32))
NAME = LocalKek(SECRET).kek_id
ORIGIN = "example.vic.gov.au/dffh"

secrets_ = st.binary(min_size=32, max_size=32)
counts = st.integers(2, 16).flatmap(lambda shares: st.tuples(st.integers(2, shares), st.just(shares)))


def decrypted(master: bytes, vector: dict[str, Any]) -> bytes:
    """SLIP-39's encryption of a master secret undone, under the vectors' passphrase: a Feistel network of
    PBKDF2."""
    left, right = master[: len(master) // 2], master[len(master) // 2 :]
    salt = b"" if vector["extendable"] else b"shamir" + vector["identifier"].to_bytes(2, "big")
    for turn in reversed(range(4)):
        rounds = (10_000 << vector["iteration_exponent"]) // 4
        mask = hashlib.pbkdf2_hmac("sha256", bytes([turn]) + b"TREZOR", salt + right, rounds, len(right))
        left, right = right, bytes(a ^ b for a, b in zip(left, mask, strict=True))
    return right + left


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["mnemonics"][0][:12])
def test_published_vectors_of_slip_39_interpolate_to_their_master_secrets(vector: dict[str, Any]) -> None:
    groups: dict[int, list[tuple[int, bytes]]] = {}
    for share in vector["shares"]:
        groups.setdefault(share["group"], []).append((share["place"], bytes.fromhex(share["value"])))
    found = [(group, interpolate(points, 255)) for group, points in groups.items()]
    master = found[0][1] if vector["group_threshold"] == 1 else interpolate(found, 255)
    assert decrypted(master, vector).hex() == vector["master"]


@given(secret=secrets_, of=counts, data=st.data())
def test_any_threshold_of_shares_gives_the_key(secret: bytes, of: tuple[int, int], data: st.DataObject) -> None:
    threshold, count = of
    made = split(KEK, LocalKek(secret).kek_id, secret, threshold, count)
    chosen = data.draw(st.permutations(made))[: data.draw(st.integers(threshold, count))]
    assert join(chosen) == secret
    with pytest.raises(SharesRefused, match=f"expected {threshold} different ones, got {threshold - 1}"):
        join(chosen[: threshold - 1])


@given(secret=secrets_, other=secrets_, of=counts, data=st.data())
def test_fewer_shares_are_those_of_every_other_key_too(
    secret: bytes, other: bytes, of: tuple[int, int], data: st.DataObject
) -> None:
    """For any other key there is randomness under which it gives the very same shares, but the one that is
    missing:
    whoever has all but one learns nothing of which key it is."""
    threshold, count = of
    made = split(KEK, "k", secret, threshold, count)
    known = [(each.number, each.value) for each in data.draw(st.permutations(made))[: threshold - 1]]
    points = [(0, other), *known]
    drawn = iter([*(interpolate(points, 255 - place) for place in range(threshold - 1)), b"set!"])
    again = split(KEK, "k", other, threshold, count, random=lambda _: next(drawn))
    assert [(each.number, each.value) for each in again if each.number in dict(known)] == sorted(known)


@given(secret=secrets_, of=counts)
def test_a_share_is_read_as_it_was_printed(secret: bytes, of: tuple[int, int]) -> None:
    for share in split(KEK, NAME, secret, *of):
        assert Share.parse(share.text) == share
        typed = share.text.replace("\n", " \r\n\n").replace(": ", ":  ")
        assert Share.parse(typed) == share
        assert share.value.hex() not in repr(share)


def test_every_character_that_is_copied_wrongly_is_found() -> None:
    share = split(KEK, NAME, SECRET, 3, 5)[0]
    for at, character in enumerate(share.text):
        if not character.isspace():
            wrong = share.text[:at] + ("1" if character == "0" else "0") + share.text[at + 1 :]
            with pytest.raises(CodecError, match="recovery share: expected") as found:
                Share.parse(wrong)
            assert share.value.hex()[:4] not in str(found.value)
    for wrong in (
        "",
        "x",
        share.text[:-20],
        share.text + "more\n",
        share.text.replace("share: 1", "share: one"),
    ):
        with pytest.raises(CodecError, match="recovery share: expected"):
            Share.parse(wrong)


@given(st.text())
def test_any_text_is_a_share_or_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        Share.parse(text)


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("too-few", lambda one, other: one[:2]),
        ("too-few", lambda one, other: [one[0], one[0], one[1]]),
        ("too-few", lambda one, other: []),
        ("mixed-sets", lambda one, other: [*one[:2], other[2]]),
        ("mixed-sets", lambda one, other: [*one[:3], one[3]._replace(key="local-0")]),
        ("altered", lambda one, other: [*one[:2], one[2]._replace(value=other[2].value)]),
        ("altered", lambda one, other: [*one[:3], one[3]._replace(value=other[3].value)]),
        ("altered", lambda one, other: [*one[:3], one[2]._replace(value=other[2].value)]),
        ("altered", lambda one, other: [each._replace(key="local-0123456789abcdef") for each in one]),
        ("altered", lambda one, other: [each._replace(kind=SIGNING) for each in one]),
    ],
)
def test_wrong_shares_are_refused_with_why(code: str, spoil: Any) -> None:
    one, other = split(KEK, NAME, SECRET, 3, 5), split(KEK, NAME, SECRET, 3, 5)
    with pytest.raises(SharesRefused) as found:
        join(spoil(one, other))
    assert found.value.code == code


def test_a_signing_key_is_restored_under_its_own_name() -> None:
    key = SigningKey.generate(ORIGIN)
    made = split(SIGNING, str(key.verifier), key.secret, 3, 5)
    for chosen in combinations(made, 3):
        assert join(chosen) == key.secret
    other = str(SigningKey.generate(ORIGIN).verifier)
    with pytest.raises(SharesRefused, match="is not signing"):
        join([each._replace(key=other) for each in made])
