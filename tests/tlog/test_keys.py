"""Keys as text (C2SP signed-note, verifier keys; Go's sumdb/note, signing keys), names, base64: strictness."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError
from ledger.tlog.note import (
    COSIGNATURE,
    ED25519,
    SignatureLine,
    SigningKey,
    VerifierKey,
    check_name,
    decode_base64,
    key_id,
)
from tests.tlog.vectors import C2SP_KEY, ENOCH, LOG, PETER, PETER_SECRET, WITNESS_KEYS

Parse = Callable[[str], object]


@pytest.mark.parametrize("text", [PETER, ENOCH, C2SP_KEY, *WITNESS_KEYS])
def test_published_verifier_keys_are_written_back_as_they_came(text: str) -> None:
    assert str(VerifierKey.parse(text)) == text


def with_id(name: str, raw: bytes) -> str:
    """A verifier key whose id is right whatever its type and length."""
    return f"{name}+{key_id(name, raw[0], raw[1:]).hex()}+{base64.b64encode(raw).decode()}"


PUBLIC = LOG.verifier.public


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected name\\+id\\+key, got 1 parts"),
        (PETER.replace("+", " "), "expected name\\+id\\+key, got 1 parts"),
        (PETER.replace("c74f20a3", "c74f20a4"), "expected the id c74f20a3, got c74f20a4"),
        (PETER.replace("c74f20a3", "C74F20A3"), "expected an id of 8 hexadecimal digits"),
        (PETER.replace("c74f20a3", "c74f20a"), "expected an id of 8 hexadecimal digits, got 7 characters"),
        (PETER.replace("Neumann", " Neumann"), "expected as its name text without spaces"),
        ("+" + PETER.partition("+")[2], "expected as its name text without spaces"),
        (with_id("a", b"\x02" + PUBLIC), "expected type 01 or 04, got 02"),
        (with_id("a", b"\x00" + PUBLIC), "expected type 01 or 04, got 00"),
        (with_id("a", b"\x01" + PUBLIC[:31]), "expected a type and 32 bytes, got 32 bytes"),
        (with_id("a", b"\x01" + PUBLIC + b"\x00"), "expected a type and 32 bytes, got 34 bytes"),
        (with_id("a", b"\x01" + PUBLIC) + "=", "expected base64"),
        ("x" * 5000, "expected name\\+id\\+key, got 1 parts"),
        ("a+00000000+", "expected a type and 32 bytes, got 0 bytes"),
    ],
)
def test_a_verifier_key_is_refused_by_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(CodecError, match=f"verifier key .*{message}") as error:
        VerifierKey.parse(text)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(("parse", "text"), [(VerifierKey.parse, PETER), (SigningKey.parse, PETER_SECRET)])
def test_no_part_of_a_key_and_no_key_with_a_byte_changed_is_one(parse: Parse, text: str) -> None:
    """As Go's note_test.go mangles them."""
    mangled = {text[start:end] for start in range(len(text)) for end in range(start, len(text) + 1)} - {text}
    mangled |= {text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))}
    for each in mangled:
        with pytest.raises(CodecError):
            parse(each)


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE])
def test_keys_are_read_back_from_their_text(kind: int) -> None:
    key = SigningKey.generate("a.example/b", kind)
    assert SigningKey.parse(key.secret_text + "\n").verifier == key.verifier
    assert VerifierKey.parse(f"{key.verifier}\n") == key.verifier


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\n", "\u2003", "\ud800", "x" * 5000 + "+"])
def test_a_key_has_a_name_that_a_line_can_hold(name: str) -> None:
    with pytest.raises(CodecError, match="key name: expected text without spaces, plus signs") as error:
        SigningKey(name, ED25519, bytes(32))
    assert len(str(error.value)) < 300


@given(st.integers(0, len(PETER_SECRET) - 1), st.sampled_from(["", "+", "=", "A", "\n", "é", "\ud800"]))
def test_no_message_about_a_signing_key_repeats_any_of_it(at: int, put: str) -> None:
    text = PETER_SECRET[:at] + put + PETER_SECRET[at + 1 :]
    # Somebody left out the name or the id: what stands there now is secret.
    for each in (text, "PRIVATE+KEY+" + text[30:], "PRIVATE+KEY+" + text[40:].replace("1", "+"), text[34:]):
        try:
            SigningKey.parse(each)
        except CodecError as error:
            told = str(error)
            secret = PETER_SECRET[34:]
            assert not any(secret[n : n + 5] in told for n in range(len(secret) - 4))
            assert "Neumann" not in told
    assert PETER_SECRET[34:] not in repr(SigningKey.parse(PETER_SECRET))


# Half of a surrogate pair too: so come arguments that were not UTF-8.
ANY_TEXT = st.text(st.characters()) | st.text(st.sampled_from("+— =AaBQ01\n\x85\ud800\u2028é"))


@given(ANY_TEXT, st.sampled_from([check_name, VerifierKey.parse, SigningKey.parse, SignatureLine.parse]))
def test_any_text_is_read_or_refused(text: str, parse: Parse) -> None:
    pieces = {VerifierKey.parse: f"{text}+{PETER}", SigningKey.parse: PETER_SECRET.replace("Peter", text)}
    for each in (text, pieces.get(parse, f"— {text} AAAA")):
        try:
            parse(each)
        except CodecError:
            continue


@given(ANY_TEXT | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_base64_has_one_encoding(text: str) -> None:
    try:
        raw = decode_base64(text, "here")
    except CodecError:
        return
    assert base64.b64encode(raw).decode() == text
