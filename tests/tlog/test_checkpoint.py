"""Checkpoints (C2SP tlog-checkpoint): three lines, strictly; and whose signature makes one a log's."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError, Untrusted
from ledger.tlog.checkpoint import MOST_SIZE, Checkpoint, open_checkpoint, parse_size, sign
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey, VerifierKey
from tests.tlog.vectors import (
    ARCHE,
    ARCHE_KEY,
    LOG,
    MOMENT,
    NEXT_LOG,
    ORIGIN,
    OTHER_LOG,
    SOFA_COSIGNED,
    STRANGER,
    WITNESS,
    WITNESS_KEYS,
)

ROOT = bytes(range(32))
ROOT_TEXT = base64.b64encode(ROOT).decode()
HEAD = Checkpoint(ORIGIN, 7, ROOT)
TRUSTED = [LOG.verifier, WITNESS.verifier]


def noted(text: str, *lines: str) -> bytes:
    return f"{text}\n{''.join(lines)}".encode()


# --- known answers ------------------------------------------------------------------------------------


def test_the_example_of_c2sp_is_read_and_written_back() -> None:
    note = Note.parse(SOFA_COSIGNED.encode())
    found = Checkpoint.parse(note.text)
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert found == Checkpoint("example.com/behind-the-sofa", 20852163, root)
    assert found.text == note.text


def test_a_public_log_and_its_witnesses_are_believed() -> None:
    keys = [VerifierKey.parse(each) for each in (ARCHE_KEY, *WITNESS_KEYS)]
    found = open_checkpoint(ARCHE.encode(), keys)
    assert found.checkpoint[:2] == ("arche2025h1.staging.ct.transparency.dev", 1432088532)
    assert [each.key for each in found.signed] == keys
    # Its RFC 6962 signature, under the log's name too, is of a key that nobody gave.
    assert [each.time for each in found.signed] == [None, *[1779573024] * 4]
    assert len(found.note.signatures) == 6
    with pytest.raises(Untrusted, match="is not of this text"):
        open_checkpoint(ARCHE.replace("1432088532", "1432088533").encode(), keys)


def test_a_checkpoint_signed_has_these_bytes() -> None:
    signed = str(sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT), [LOG]))
    assert signed == (
        "ledger.example/lakeside\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"
        "— ledger.example/lakeside "
        "+LKINYqE+wQEQ4iDTfZKPoBaN1wgsjvM7iSYWNbgECyksAdJEjGGk7ADwaliXgWRIa94Y/3pERo8HXj3FnsFEURhcQw=\n"
    )
    assert open_checkpoint(signed.encode(), TRUSTED).checkpoint == (ORIGIN, 0, EMPTY_ROOT)


# --- whose it is --------------------------------------------------------------------------------------


def test_both_keys_of_a_log_sign_while_one_follows_the_other() -> None:
    note = sign(HEAD, [LOG, NEXT_LOG])
    assert len(note.signatures) == 2
    for key in (LOG, NEXT_LOG):
        found = open_checkpoint(str(note).encode(), [key.verifier])
        assert (found.checkpoint, found.note) == (HEAD, note)
        assert [each.key for each in found.signed] == [key.verifier]


def test_a_witness_that_signed_is_told_with_its_time() -> None:
    data = noted(HEAD.text, STRANGER.sign(HEAD.text), LOG.sign(HEAD.text), WITNESS.sign(HEAD.text, MOMENT))
    assert open_checkpoint(data, TRUSTED).signed == [(LOG.verifier, None), (WITNESS.verifier, MOMENT)]
    assert open_checkpoint(data, [LOG.verifier]).signed == [(LOG.verifier, None)]


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ([LOG, OTHER_LOG], [OTHER_LOG.sign(HEAD.text)]),
        ([LOG, WITNESS], [WITNESS.sign(HEAD.text, MOMENT)]),
        ([WITNESS], [LOG.sign(HEAD.text), WITNESS.sign(HEAD.text, MOMENT)]),
        ([OTHER_LOG], [LOG.sign(HEAD.text), OTHER_LOG.sign(HEAD.text)]),
    ],
    ids=["another log", "a witness alone", "a log that is not trusted", "another log beside it"],
)
def test_only_its_own_log_makes_it_a_checkpoint(keys: list[SigningKey], lines: list[str]) -> None:
    with pytest.raises(Untrusted, match=f"expected a trusted key of '{ORIGIN}' to sign it, got "):
        open_checkpoint(noted(HEAD.text, *lines), [key.verifier for key in keys])


def test_a_witness_of_the_name_of_a_log_is_not_the_log() -> None:
    witness = SigningKey(ORIGIN, COSIGNATURE, bytes(32))
    with pytest.raises(Untrusted, match=f"expected a trusted key of '{ORIGIN}' to sign it"):
        open_checkpoint(noted(HEAD.text, witness.sign(HEAD.text, MOMENT)), [witness.verifier])


def test_a_key_of_a_log_signing_under_another_name_is_unknown() -> None:
    signature = SignatureLine.parse(LOG.sign(HEAD.text)[:-1])
    renamed = signature._replace(name="ledger.example/hillside")
    with pytest.raises(Untrusted, match="expected the signature of a trusted key"):
        open_checkpoint(noted(HEAD.text, str(renamed)), TRUSTED)


def test_another_log_cannot_say_that_it_is_this_one() -> None:
    """Its key signs the other's origin: trusted for its own name, and for that only."""
    with pytest.raises(
        Untrusted, match=f"expected a trusted key of '{ORIGIN}' to sign it, got {STRANGER.verifier.name}"
    ):
        open_checkpoint(noted(HEAD.text, STRANGER.sign(HEAD.text)), [STRANGER.verifier, LOG.verifier])


@pytest.mark.parametrize("part", ["origin", "size", "root"])
def test_an_altered_checkpoint_is_refused(part: str) -> None:
    other = {"origin": ORIGIN + "s", "size": 8, "root": bytes(32)}
    changed = HEAD._replace(**{part: other[part]})
    with pytest.raises(Untrusted, match="is not of this text"):
        open_checkpoint(noted(changed.text, LOG.sign(HEAD.text)), TRUSTED)


def test_what_a_log_signs_that_is_no_checkpoint_is_refused() -> None:
    text = f"{HEAD.text}extension\n"
    with pytest.raises(CodecError, match="expected three lines"):
        open_checkpoint(noted(text, LOG.sign(text)), TRUSTED)


# --- strictness ---------------------------------------------------------------------------------------

LINES = "expected three lines that are not empty, got "
NUMBER = "size: expected a decimal number without leading zeros, got "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", LINES + "0"),
        ("\n", LINES + "1, 1 of them empty"),
        (f"{ORIGIN}\n7\n", LINES + "2"),
        (f"{ORIGIN}\n7\n{ROOT_TEXT}", LINES + "2"),
        (f"{ORIGIN}\n7\n{ROOT_TEXT}\nextension\n", LINES + "4"),
        (f"{ORIGIN}\n7\n{ROOT_TEXT}\n\n", LINES + "4, 1 of them empty"),
        (f"\n7\n{ROOT_TEXT}\n", LINES + "3, 1 of them empty"),
        (f"{ORIGIN}\n\n{ROOT_TEXT}\n", LINES + "3, 1 of them empty"),
        (f"{ORIGIN}\n7\n\n", LINES + "3, 1 of them empty"),
        (f"{ORIGIN}\n07\n{ROOT_TEXT}\n", NUMBER + "'07'"),
        (f"{ORIGIN}\n00\n{ROOT_TEXT}\n", NUMBER + "'00'"),
        (f"{ORIGIN}\n-7\n{ROOT_TEXT}\n", NUMBER + "'-7'"),
        (f"{ORIGIN}\n+7\n{ROOT_TEXT}\n", NUMBER + r"'\+7'"),
        (f"{ORIGIN}\n 7\n{ROOT_TEXT}\n", NUMBER + "' 7'"),
        (f"{ORIGIN}\n7 \n{ROOT_TEXT}\n", NUMBER + "'7 '"),
        (f"{ORIGIN}\n1_0\n{ROOT_TEXT}\n", NUMBER + "'1_0'"),
        (f"{ORIGIN}\n0x7\n{ROOT_TEXT}\n", NUMBER + "'0x7'"),
        (f"{ORIGIN}\n7.0\n{ROOT_TEXT}\n", NUMBER + "'7.0'"),
        (f"{ORIGIN}\n٧\n{ROOT_TEXT}\n", NUMBER + "'٧'"),
        (f"{ORIGIN}\n７\n{ROOT_TEXT}\n", NUMBER + "'７'"),
        (f"{ORIGIN}\n²\n{ROOT_TEXT}\n", NUMBER + "'²'"),
        (f"{ORIGIN}\n{MOST_SIZE + 1}\n{ROOT_TEXT}\n", f"size: expected at most {MOST_SIZE}, got 9"),
        (f"{ORIGIN}\n{'9' * 20}\n{ROOT_TEXT}\n", f"size: expected at most {MOST_SIZE}, got 9999"),
        (f"{ORIGIN}\n{'9' * 5000}\n{ROOT_TEXT}\n", f"size: expected at most {MOST_SIZE}, got 9{{40}}$"),
        (f"{ORIGIN}\n7\n{base64.b64encode(ROOT[:31]).decode()}\n", "expected a root of 32 bytes, got 31"),
        (f"{ORIGIN}\n7\n{base64.b64encode(ROOT * 2).decode()}\n", "expected a root of 32 bytes, got 64"),
        (f"{ORIGIN}\n7\n{ROOT.hex()}\n", "expected a root of 32 bytes, got 48"),
        (f"{ORIGIN}\n7\n{ROOT_TEXT[:-1]}\n", "root: expected base64"),
        (f"{ORIGIN}\n7\n{ROOT_TEXT[:-2]}9=\n", "root: expected base64 in its one encoding"),
        (f"{ORIGIN}\n7\n{ROOT_TEXT} \n", "root: expected base64"),
        (f"{ORIGIN}\n7\né{ROOT_TEXT[1:]}\n", "root: expected base64"),
    ],
)  # fmt: skip
def test_a_malformed_checkpoint_is_refused_by_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(CodecError, match=f"^checkpoint: {message}"):
        Checkpoint.parse(text)


@pytest.mark.parametrize("size", [0, 1, 10, MOST_SIZE])
def test_sizes_are_taken_up_to_the_largest(size: int) -> None:
    assert parse_size(str(size), "size") == size


@given(
    st.text(min_size=1).filter(lambda text: "\n" not in text),
    st.integers(0, MOST_SIZE),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_written_is_read_back(origin: str, size: int, root: bytes) -> None:
    said = Checkpoint(origin, size, root)
    assert Checkpoint.parse(said.text) == said


PIECES = st.sampled_from(
    ["\n", "\n\n", ORIGIN, "7", "07", ROOT_TEXT, "— ", LOG.sign(HEAD.text), HEAD.text, "\ud800"]
)


@given(st.text() | st.lists(PIECES, max_size=8).map("".join))
def test_any_text_is_a_checkpoint_or_refused(text: str) -> None:
    try:
        found = Checkpoint.parse(text)
    except CodecError:
        return
    assert found.text == text


@given(st.binary() | st.lists(PIECES, max_size=8).map(lambda each: "".join(each).encode(errors="replace")))
def test_any_bytes_are_opened_or_refused(data: bytes) -> None:
    try:
        found = open_checkpoint(data, TRUSTED)
    except (CodecError, Untrusted):
        return
    assert found.checkpoint == HEAD


# --- signing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [OTHER_LOG, WITNESS, SigningKey(ORIGIN, COSIGNATURE, bytes(32))])
def test_only_its_log_signs_a_checkpoint(key: SigningKey) -> None:
    with pytest.raises(ValueError, match=f"of {ORIGIN} is signed by its log, not by SigningKey"):
        sign(HEAD, [LOG, key])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (HEAD._replace(origin="two\nlines"), "expected three lines"),
        (HEAD._replace(origin=""), "expected three lines"),
        (HEAD._replace(size=-1), "expected a decimal number"),
        (HEAD._replace(size=MOST_SIZE + 1), "expected at most"),
        (HEAD._replace(root=ROOT[:31]), "expected a root of 32 bytes, got 31"),
    ],
)
def test_what_no_one_could_open_is_not_signed(said: Checkpoint, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        sign(said, [])


def test_a_checkpoint_that_no_key_signs_is_none() -> None:
    with pytest.raises(CodecError, match="expected text, an empty line and signature lines"):
        sign(HEAD, [])
