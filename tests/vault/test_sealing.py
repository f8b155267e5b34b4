"""Commitments, vault rows, sessions, MACs (4-wire, 'Sealed fields' and 'command, part')."""

from __future__ import annotations

import hmac
import os
import uuid

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec.avro import encode_primitive
from ledger.codec.declare import Sealed
from ledger.errors import InvalidInput, VaultError
from ledger.vault.kek import LocalKek, WrongKek
from ledger.vault.sealing import (
    CASE,
    CONTENT,
    ContentKeys,
    SealingSession,
    WrappedKey,
    commitment,
    content_mac,
    derived_id,
    hmac_sha256,
    make_key,
    mark_of,
    pack,
    unpack,
)

KEY = bytes(range(32))
NONCE = bytes(range(12))
SALTS = (b"\x01" * 32, b"\x02" * 32)
VALUES = (b"\x18Jane Citizen", b"\x0a\xc3\xa9\xe2\x82\xac")
PATHS = ("requester.name", "parties.0.name")
# Made once with a hand-written HMAC (RFC 2104) and AESGCM alone, not with the code under test.
MARKS = (
    bytes.fromhex("a8e3ebd30f5c78dec7bd6f90d1b9e9ee3cad24fd7fca48c9e52a16955c1972ab"),
    bytes.fromhex("d2bec2e84f05a852a26ca8f0cd6162a97eb6cdb8499448746d91916691564d83"),
)
ROW = bytes.fromhex(
    "000102030405060708090a0b4603d71ac4e4c31a8c40968ab0e8796c82d78635f17a5e7d3966e4841c6801b30110aef1b78b"
    "73f611843c84fcee525d805b628f58d4a1d83d95281b1ae1f7ecf23ec478d1d324631e56a86ced8d0cea3a8ac962706990c1"
    "1f7f32b9e30ef4ea78ca8152d1d1c697abbcb3"
)
FIELDS = list(zip(PATHS, MARKS, strict=True))

values = st.lists(
    st.tuples(st.text(min_size=1, max_size=40).filter(lambda t: t.isprintable()), st.binary(max_size=200)),
    min_size=1,
    max_size=6,
)


def sealed_row(fields: list[tuple[str, bytes]]) -> tuple[list[tuple[str, bytes]], bytes]:
    marked = [(path, salt := os.urandom(32), value, commitment(salt, path, value)) for path, value in fields]
    row = pack(AESGCM(KEY), [(mark, salt, value) for _, salt, value, mark in marked])
    return [(path, mark) for path, _, _, mark in marked], row


@given(st.binary(max_size=100), st.binary(max_size=200))
def test_hmac_is_that_of_the_standard_library(key: bytes, message: bytes) -> None:
    assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


def test_commitment_known_answers() -> None:
    assert tuple(map(commitment, SALTS, PATHS, VALUES)) == MARKS


def test_row_known_answer() -> None:
    assert pack(AESGCM(KEY), list(zip(MARKS, SALTS, VALUES, strict=True)), NONCE) == ROW
    assert unpack(KEY, FIELDS, ROW) == list(zip(SALTS, VALUES, strict=True))


def test_golden_values_are_the_codecs() -> None:
    assert (encode_primitive("string", "Jane Citizen"), encode_primitive("string", "é€")) == VALUES


@given(values)
def test_round_trip(fields: list[tuple[str, bytes]]) -> None:
    marks, row = sealed_row(fields)
    assert [value for _, value in unpack(KEY, marks, row)] == [value for _, value in fields]


@given(values, st.data())
def test_any_changed_byte_fails(fields: list[tuple[str, bytes]], data: st.DataObject) -> None:
    marks, row = sealed_row(fields)
    altered = bytearray(row)
    altered[data.draw(st.integers(0, len(row) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VaultError):
        unpack(KEY, marks, bytes(altered))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_give_only_our_error(row: bytes) -> None:
    with pytest.raises(VaultError):
        unpack(KEY, FIELDS, row)


def test_fields_reordered_left_out_added_or_renamed_fail() -> None:
    for fields in (FIELDS[::-1], FIELDS[:1], [*FIELDS, FIELDS[0]], [("requester.login", MARKS[0]), FIELDS[1]]):
        with pytest.raises(VaultError):
            unpack(KEY, fields, ROW)


def test_commitment_that_does_not_match_its_value_fails() -> None:
    """A row that decrypts (who wrote it held the key) is still held against the entry's commitments."""
    forged = pack(AESGCM(KEY), [(MARKS[0], SALTS[0], VALUES[1]), (MARKS[1], SALTS[1], VALUES[1])])
    with pytest.raises(VaultError, match=r"requester\.name: expected the value its commitment stands for"):
        unpack(KEY, FIELDS, forged)


def test_row_with_bytes_left_over_or_cut_fails() -> None:
    pairs = list(zip(MARKS, SALTS, VALUES, strict=True))
    with pytest.raises(VaultError, match=r"expected \d+ bytes"):
        unpack(KEY, FIELDS, pack(AESGCM(KEY), [*pairs, (b"", SALTS[0], b"")]))
    with pytest.raises(VaultError, match="got its end"):
        unpack(KEY, FIELDS, pack(AESGCM(KEY), [(MARKS[0] + MARKS[1], SALTS[0], VALUES[0])]))


@pytest.mark.parametrize("path", ["", "x" * 65_536])
def test_path_that_has_no_length_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="path"):
        commitment(SALTS[0], path, b"")


def test_short_salt_refused() -> None:
    with pytest.raises(InvalidInput, match="salt"):
        commitment(b"\x01" * 31, "a", b"")


def nothing_known(_stream: str) -> list[WrappedKey]:
    return []


def test_session_packs_one_row_an_entry_and_key() -> None:
    kek = LocalKek(KEY)
    session = SealingSession(kek, nothing_known)
    first = session.seal("s1", "name", VALUES[0])
    second = session.seal("s1", "reasons", VALUES[1])
    third = session.seal("s1", "other.name", VALUES[0], subject="p-17")
    rows = session.rows(0)
    assert [(row.ordinal, row.key) for row in rows] == [(0, first[1]), (0, third[1])]
    assert first[1] == second[1] != third[1]
    clear = {key.id: kek.unwrap(key.id, key.wrapped, key.kek_id) for key in session.new_keys}
    assert {(key.stream, key.subject) for key in session.new_keys} == {("s1", CASE), ("s1", "p-17")}
    opened = unpack(clear[first[1]], [("name", first[0]), ("reasons", second[0])], rows[0].ciphertext)
    assert [value for _, value in opened] == list(VALUES)
    again = session.seal("s1", "name", VALUES[0])
    assert again[1] == first[1]
    assert again[0] != first[0]
    assert [row.ordinal for row in session.rows(1)] == [1]
    assert session.rows(2) == []
    assert len(session.new_keys) == 2


def test_session_uses_the_oldest_known_key_and_asks_once_a_stream() -> None:
    kek = LocalKek(KEY)
    oldest, younger = make_key(kek, "s1", CASE)[0], make_key(kek, "s1", CASE)[0]
    asked: list[str] = []

    def lookup(stream: str) -> list[WrappedKey]:
        asked.append(stream)
        return [oldest, younger] if stream == "s1" else []

    session = SealingSession(kek, lookup)
    assert session.seal("s1", "a", VALUES[0])[1] == oldest.id
    session.seal("s1", "b", VALUES[0], "p-1")
    session.seal("s2", "a", VALUES[0])
    session.content_mac("s2", b"{}")
    assert asked == ["s1", "s2"]
    assert [(key.stream, key.subject) for key in session.new_keys] == [
        ("s1", "p-1"),
        ("s2", CASE),
        ("s2", CONTENT),
    ]


def test_session_under_another_kek_refuses() -> None:
    known = make_key(LocalKek(KEY), "s1", CASE)[0]
    with pytest.raises(WrongKek):
        SealingSession(LocalKek(bytes(32)), lambda _: [known]).seal("s1", "a", VALUES[0])


def test_sealer_is_what_events_ask_for() -> None:
    kek = LocalKek(KEY)
    session = SealingSession(kek, nothing_known)
    sealed = session.sealer("s1")("requester.name", "string", CASE, "Jane Citizen")
    assert isinstance(sealed, Sealed)
    (row,), (key,) = session.rows(0), session.new_keys
    ((salt, value),) = unpack(
        kek.unwrap(key.id, key.wrapped, key.kek_id), [("requester.name", sealed.commitment)], row.ciphertext
    )
    assert value == VALUES[0]
    assert commitment(salt, "requester.name", value) == sealed.commitment


def test_content_mac_known_answer_and_stable_under_the_case_key() -> None:
    mac = content_mac("0123456789abcdef" * 2, KEY, b'{"a":1}')
    assert mac.hex() == "0123456789abcdef" + "b4cebde30982443ec36c18fa99ad10a70e705bba779f57c37e84decb64ae50fb"
    kek = LocalKek(KEY)
    first = SealingSession(kek, nothing_known)
    mac = first.content_mac("s1", b"{}")
    assert SealingSession(kek, lambda _: first.new_keys).content_mac("s1", b"{}") == mac
    assert SealingSession(kek, nothing_known).content_mac("s1", b"{}") != mac


def test_content_keys_tell_same_other_and_nobody_knows() -> None:
    one, two = ("0" * 32, KEY), ("1" * 32, bytes(32))
    mac = content_mac(*one, b"{}")
    keys = ContentKeys([one, two])
    assert keys.same(mac, b"{}") is True
    assert keys.same(mac, b"[]") is False
    assert ContentKeys([two]).same(mac, b"{}") is None, "its key is gone: not other content"
    assert keys.same(None, b"{}") is None, "lost in a refill"


def test_derived_id_known_answer() -> None:
    derived = derived_id(KEY, "vprr", "sheet 1", "17", "open", 1)
    assert derived == "e77728a4-ec4f-8989-a236-632de2e95d40"
    assert uuid.UUID(derived).version == 8


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_derived_id_tells_parts_apart(one: list[str], other: list[str]) -> None:
    assert (derived_id(KEY, *one) == derived_id(KEY, *other)) == (one == other)
    assert derived_id(KEY, *one) != derived_id(bytes(32), *one)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_mark_is_never_an_index_fits_a_column_and_is_made_of_63_bits(first: bytes, other: bytes) -> None:
    assert -(2**63) <= mark_of(first) < 0
    assert (mark_of(first) == mark_of(other)) == (first[:7] == other[:7] and first[7] >> 1 == other[7] >> 1)


def test_the_ends_of_marks() -> None:
    assert (mark_of(bytes(32)), mark_of(b"\xff" * 32)) == (-1, -(2**63))
