"""Signed notes (C2SP signed-note) and cosignatures (C2SP tlog-cosignature): answers, trust, strictness."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError, Untrusted
from ledger.tlog.note import (
    COSIGNATURE,
    ED25519,
    LAST_TIME,
    MOST_BYTES,
    MOST_SIGNATURES,
    Note,
    SignatureLine,
    Signed,
    SigningKey,
    VerifierKey,
    cosigned,
)
from tests.tlog.vectors import (
    C2SP_KEY,
    C2SP_NOTE,
    ENOCH,
    ENOCH_LINE,
    GO_TEXT,
    LOG,
    MOMENT,
    NEXT_LOG,
    ORIGIN,
    PETER,
    PETER_LINE,
    PETER_SECRET,
    QUASIMODO,
    SOFA,
    SOFA_COSIGNED,
    STRANGER,
    WITNESS,
)

TEXT = "one line\n"
LINE = LOG.sign(TEXT)
GO_NOTE = f"{GO_TEXT}\n{PETER_LINE}"


def opened(note: str, *keys: SigningKey | VerifierKey) -> list[Signed]:
    trusted = [key.verifier if isinstance(key, SigningKey) else key for key in keys]
    return Note.parse(note.encode()).verify(trusted)


def forged(key: SigningKey, signature: bytes) -> str:
    """A line that says it is of this key."""
    return str(SignatureLine(key.verifier.name, key.verifier.id, signature))


def names(signed: Iterable[Signed]) -> list[str]:
    return [each.key.name for each in signed]


# --- known answers ------------------------------------------------------------------------------------


def test_the_note_of_go_opens_and_signing_it_again_gives_its_bytes() -> None:
    peter = SigningKey.parse(PETER_SECRET)
    assert str(peter.verifier) == PETER
    assert peter.secret_text == PETER_SECRET
    assert opened(GO_NOTE, VerifierKey.parse(PETER)) == [Signed(peter.verifier, None)]
    assert peter.sign(GO_TEXT) == PETER_LINE


def test_two_keys_of_go_sign_one_note() -> None:
    both = [VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)]
    assert names(opened(GO_NOTE + ENOCH_LINE, *both)) == ["PeterNeumann", "EnochRoot"]
    assert names(opened(GO_NOTE + ENOCH_LINE, both[1])) == ["EnochRoot"]


def test_the_example_of_c2sp_opens() -> None:
    assert names(opened(C2SP_NOTE, VerifierKey.parse(C2SP_KEY))) == ["example.com/foo"]
    assert str(VerifierKey.parse(C2SP_KEY)) == C2SP_KEY


@pytest.mark.parametrize("note", [QUASIMODO, SOFA, SOFA_COSIGNED, GO_NOTE, C2SP_NOTE])
def test_examples_are_written_back_as_they_came(note: str) -> None:
    assert str(Note.parse(note.encode())) == note


def test_the_text_ends_at_the_last_empty_line() -> None:
    assert Note.parse(QUASIMODO.encode()).text.endswith("sole:\n\ned è subito sera.\n")
    assert Note.parse(f"\n\n\n{LINE}".encode()).text == "\n\n"


def test_the_cosignature_of_c2sp_states_the_time_that_its_text_says() -> None:
    log, witness = Note.parse(SOFA_COSIGNED.encode()).signatures
    assert (log.name, len(log.signature)) == ("example.com/behind-the-sofa", 64)
    assert (witness.name, witness.id.hex(), len(witness.signature)) == (
        "witness.example.com/w1",
        "8d66cf3f",
        72,
    )
    assert int.from_bytes(witness.signature[:8], "big") == 1679315147
    text = SOFA.partition("\n\n")[0] + "\n"
    assert cosigned(text, 1679315147) == f"cosignature/v1\ntime 1679315147\n{text}".encode()


# --- whom a note is believed --------------------------------------------------------------------------


def test_what_unknown_keys_signed_says_nothing() -> None:
    note = f"{TEXT}\n{STRANGER.sign(TEXT)}{forged(NEXT_LOG, b'not looked at')}{LINE}"
    assert opened(note, LOG, WITNESS) == [Signed(LOG.verifier, None)]


def test_a_key_of_the_same_name_and_another_id_is_unknown() -> None:
    assert NEXT_LOG.verifier.name == LOG.verifier.name
    with pytest.raises(Untrusted, match=f"a trusted key, got lines of keys named '{ORIGIN}'"):
        opened(f"{TEXT}\n{NEXT_LOG.sign(TEXT)}", LOG)


def test_a_key_of_the_same_id_and_another_name_is_unknown() -> None:
    line = str(SignatureLine("another.example", LOG.verifier.id, b"not looked at"))
    assert names(opened(f"{TEXT}\n{line}{LINE}", LOG)) == [ORIGIN]
    with pytest.raises(Untrusted, match=r"named 'another\.example'"):
        opened(f"{TEXT}\n{line}", LOG)


def test_a_bad_signature_of_a_known_key_refuses_the_note() -> None:
    bad = forged(LOG, bytes(64))
    for lines in (bad, bad + LINE, WITNESS.sign(TEXT, MOMENT) + bad):
        with pytest.raises(Untrusted, match=rf"{ORIGIN} \({LOG.verifier.id.hex()}\) is not of this text"):
            opened(f"{TEXT}\n{lines}", LOG, WITNESS)


def test_a_later_line_of_a_key_already_verified_is_passed_over() -> None:
    assert len(opened(f"{TEXT}\n{LINE}{forged(LOG, bytes(64))}{LINE}{forged(LOG, b'x')}", LOG)) == 1


def test_a_signature_of_another_text_is_refused() -> None:
    with pytest.raises(Untrusted, match="is not of this text"):
        opened(f"{TEXT}one more\n\n{LINE}", LOG)


def test_no_trusted_key_means_untrusted() -> None:
    with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
        opened(f"{TEXT}\n{LINE}")


def test_names_in_a_refusal_are_few_short_and_printable() -> None:
    lines = "".join(str(SignatureLine(f"\u009b{n:03}" + "x" * 200, b"none", b"?")) for n in range(90))
    with pytest.raises(Untrusted) as error:
        opened(f"{TEXT}\n{lines}", LOG)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("count", [1, 16, 17, MOST_SIGNATURES])
def test_many_signatures_are_taken(count: int) -> None:
    keys = [SigningKey.generate(f"key{n}") for n in range(count)]
    assert len(opened(f"{TEXT}\n" + "".join(key.sign(TEXT) for key in keys), *keys)) == count


def test_more_signatures_join_each_key_once() -> None:
    first, later = (SignatureLine.parse(WITNESS.sign(TEXT, time)[:-1]) for time in (MOMENT, MOMENT + 1))
    note = Note.parse(f"{TEXT}\n{LINE}".encode())
    stranger = SignatureLine.parse(STRANGER.sign(TEXT)[:-1])
    whole = note.also([*note.signatures, first, later, stranger])
    assert whole.signatures == (*note.signatures, first, stranger)
    assert whole.also([later]) == whole
    assert whole.verify([WITNESS.verifier])[0].time == MOMENT
    assert Note.parse(str(whole).encode()) == whole


# --- cosignatures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [1, MOMENT, LAST_TIME])
def test_a_cosignature_states_its_time(time: int) -> None:
    assert opened(f"{TEXT}\n{WITNESS.sign(TEXT, time)}", WITNESS) == [Signed(WITNESS.verifier, time)]


@pytest.mark.parametrize("time", [-1, 0, LAST_TIME + 1])
def test_a_time_that_no_one_takes_is_not_signed(time: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to {LAST_TIME}, not {time}"):
        WITNESS.sign(TEXT, time)


@pytest.mark.parametrize("key", [LOG, WITNESS])
def test_only_a_cosignature_states_a_time(key: SigningKey) -> None:
    with pytest.raises(ValueError, match="a cosignature states a time, and nothing else does"):
        key.sign(TEXT, MOMENT if key is LOG else None)


COSIGNED = SignatureLine.parse(WITNESS.sign(TEXT, MOMENT)[:-1]).signature


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ((1 << 63).to_bytes(8, "big") + COSIGNED[8:], "expected a time below 2\\^63, got 9223372036854775808"),
        ((MOMENT + 1).to_bytes(8, "big") + COSIGNED[8:], "is not of this text"),
        (COSIGNED[:71], "expected 64 bytes behind 8 of time, got 63"),
        (COSIGNED + b"\x00", "expected 64 bytes behind 8 of time, got 65"),
        (COSIGNED[8:], "expected a time below|expected 64 bytes behind 8 of time, got 56"),
        (b"\x01", "expected 64 bytes behind 8 of time, got 0"),
    ],
    ids=["time of 2^63", "time altered", "short", "long", "no time", "one byte"],
)
def test_an_altered_cosignature_is_refused(signature: bytes, message: str) -> None:
    with pytest.raises(Untrusted, match=message):
        opened(f"{TEXT}\n{forged(WITNESS, signature)}", WITNESS)


@pytest.mark.parametrize("length", [1, 63, 65, 72])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Untrusted, match=f"{ORIGIN}: expected 64 bytes, got {length}"):
        opened(f"{TEXT}\n{forged(LOG, bytes(length))}", LOG)


def test_one_key_signs_for_one_type_only() -> None:
    """The same 32 bytes under both types: other ids, and neither's signature holds for the other."""
    plain = SigningKey("same", ED25519, bytes(32))
    witness = SigningKey("same", COSIGNATURE, bytes(32))
    assert plain.verifier.public == witness.verifier.public
    assert plain.verifier.id != witness.verifier.id
    for signer, other, time in ((plain, witness, None), (witness, plain, MOMENT)):
        line = signer.sign(TEXT, time)
        with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
            opened(f"{TEXT}\n{line}", other)
        renamed = forged(other, SignatureLine.parse(line[:-1]).signature)
        with pytest.raises(Untrusted, match="expected"):
            opened(f"{TEXT}\n{renamed}", other)


# --- strictness ---------------------------------------------------------------------------------------


def malformed() -> dict[str, tuple[bytes, str]]:
    raw = base64.b64decode(LINE.split(" ")[2])
    coded = base64.b64encode(raw).decode()
    loose = coded[:-2] + chr(ord(coded[-2]) + 1) + "="
    assert base64.b64decode(loose) == raw
    one_too_many = f"{TEXT}\n".encode() + LINE.encode() * (MOST_SIGNATURES + 1)
    cases: dict[str, tuple[str | bytes, str]] = {
        "empty": ("", "expected text, an empty line and signature lines"),
        "no signature": (TEXT, "expected text, an empty line and signature lines"),
        "no line behind the empty one": (TEXT + "\n", "expected text, an empty line and signature lines"),
        "no empty line": (TEXT + LINE, "expected text, an empty line and signature lines"),
        "no text": ("\n" + LINE, "expected text, an empty line and signature lines"),
        "no newline at the end": (f"{TEXT}\n{LINE}"[:-1], "signature lines, each with its newline"),
        "a line of another kind": (
            f"{TEXT}\n{LINE}more\n",
            "expected a signature line '— name base64', got 'more'",
        ),
        "hyphen for the dash": (
            f"{TEXT}\n{LINE.replace('—', '-')}",
            "expected a signature line '— name base64'",
        ),
        "two spaces": (f"{TEXT}\n{LINE.replace('— ', '—  ')}", "expected a signature line '— name base64'"),
        "a space at the end": (f"{TEXT}\n{LINE[:-1]} \n", "expected a signature line '— name base64'"),
        "tab": (f"a\tb\n\n{LINE}", r"no control character but newlines, got '\\t'"),
        "carriage return": (
            f"{TEXT}\n{LINE}".replace("\n", "\r\n"),
            r"no control character but newlines, got '\\r'",
        ),
        "NUL": (f"a\0b\n\n{LINE}", r"no control character but newlines, got '\\x00'"),
        "unit separator": (f"a\x1fb\n\n{LINE}", r"no control character but newlines, got '\\x1f'"),
        "invalid UTF-8": (b"abc\xff\n\n" + LINE.encode(), "expected UTF-8, got other bytes at 3"),
        "overlong UTF-8": (b"\xc0\x8a\n\n" + LINE.encode(), "expected UTF-8, got other bytes at 0"),
        "surrogate": (b"\xed\xa0\x80\n\n" + LINE.encode(), "expected UTF-8, got other bytes at 0"),
        "space in a name": (f"{TEXT}\n— a b {coded}\n", "expected a signature line '— name base64'"),
        "no name": (f"{TEXT}\n—  {coded}\n", "key name: expected text without spaces, .* got ''"),
        "plus in a name": (f"{TEXT}\n— a+b {coded}\n", "key name: expected text without spaces, plus signs"),
        "no-break space in a name": (f"{TEXT}\n— a\xa0b {coded}\n", "key name: expected text without spaces"),
        "wide space in a name": (f"{TEXT}\n— a\u3000b {coded}\n", "key name: expected text without spaces"),
        "next line in a name": (f"{TEXT}\n— a\x85b {coded}\n", "key name: expected text without spaces"),
        "no base64": (f"{TEXT}\n— a !{coded[1:]}\n", "signature: expected base64"),
        "base64 of URLs": (f"{TEXT}\n— a {'_' * 92}\n", "signature: expected base64"),
        "base64 not of ASCII": (f"{TEXT}\n— a é{coded[1:]}\n", "signature: expected base64"),
        "no padding": (f"{TEXT}\n— a {coded.rstrip('=')}\n", "signature: expected base64"),
        "too much padding": (f"{TEXT}\n— a {coded}=\n", "signature: expected base64"),
        "loose bits": (f"{TEXT}\n— a {loose}\n", "signature: expected base64 in its one encoding"),
        "no base64 at all": (f"{TEXT}\n— a \n", "expected a signature of more than 4 bytes, got 0"),
        "only an id": (f"{TEXT}\n— a {base64.b64encode(raw[:4]).decode()}\n", "of more than 4 bytes, got 4"),
        "too many signatures": (one_too_many, "expected at most 100 signatures, got 101"),
        "too long": (b"a" * MOST_BYTES + f"\n\n{LINE}".encode(), "expected at most 1048576 bytes, got 10"),
    }
    return {name: (d if isinstance(d, bytes) else d.encode(), message) for name, (d, message) in cases.items()}


MALFORMED = malformed()


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_note_is_refused_by_what_was_expected(name: str) -> None:
    data, message = MALFORMED[name]
    with pytest.raises(CodecError, match=message):
        Note.parse(data)


@given(st.binary() | st.text().map(lambda t: f"{t}\n\n{LINE}".encode()) | st.text().map(str.encode))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = Note.parse(data)
    except CodecError:
        return
    assert str(note).encode() == data


@given(st.data())
def test_a_note_with_one_byte_changed_is_refused_or_says_less(data: st.DataObject) -> None:
    whole = f"{TEXT}\n{LINE}".encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((CodecError, Untrusted)):
        Note.parse(bytes(changed)).verify([LOG.verifier])
