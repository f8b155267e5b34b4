"""Signed receipts (4-wire 'Receipts'): golden bytes, strictness, and every way in which a promise is broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError, ProofFailed, Untrusted
from ledger.tlog.chain import leaf_hash
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, sign
from ledger.tlog.note import Note
from ledger.tlog.receipt import SignedReceipt, open_receipt
from tests.tlog.naive import TREE
from tests.tlog.vectors import LOG, NEXT_LOG, ORIGIN, OTHER_LOG, STRANGER, WITNESS

RECORDED = datetime(2026, 3, 2, 23, 15, 9, 871244, UTC)
BY = RECORDED + timedelta(hours=1)
RECEIPT = SignedReceipt(ORIGIN, 6, leaf_hash(TREE.entries[6]), RECORDED, BY)
GOLDEN = (
    "ledger.v1.Receipt\n"
    "ledger.example/lakeside\n"
    "6\n"
    "vhV4G2KKKEFMHIoRuG24Qi+hBBIV/g18RJbSPNoeQUI=\n"
    "2026-03-02T23:15:09.871244Z\n"
    "2026-03-03T00:15:09.871244Z\n"
    "\n"
    "— ledger.example/lakeside "
    "+LKINS6PPG2wiv6F+urDDQqlsS6in/kyMbFR4bYmovYHFBbqy2+oDZBvkCkRmjFM6pDth6HnZACB995LLFJYur2PXgY=\n"
)
TRUSTED = [LOG.verifier]


def noted(receipt: SignedReceipt = RECEIPT) -> bytes:
    return str(receipt.sign([LOG])).encode()


def test_the_bytes_of_a_receipt_never_change() -> None:
    assert noted().decode() == GOLDEN
    assert open_receipt(noted(), TRUSTED) == RECEIPT


@given(st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), st.datetimes(datetime(1000, 1, 1)))
def test_what_is_signed_is_read_again(index: int, leaf: bytes, moment: datetime) -> None:
    receipt = SignedReceipt(ORIGIN, index, leaf, moment.replace(tzinfo=UTC), BY)
    assert SignedReceipt.parse(receipt.text) == receipt
    assert open_receipt(noted(receipt), TRUSTED) == receipt


@given(st.integers(0, len(GOLDEN) + 100), st.integers(1, 255))
def test_no_altered_byte_is_taken(place: int, by: int) -> None:
    data = bytearray(noted())
    data[place % len(data)] ^= by
    with pytest.raises((CodecError, Untrusted)):
        open_receipt(bytes(data), TRUSTED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ledger.v1.Receipt\n", "ledger.v1.Receipts\n"),
        ("ledger.v1.Receipt\n", ""),
        (ORIGIN, "two words"),
        ("\n6\n", "\n06\n"),
        ("\n6\n", "\n-6\n"),
        ("\n6\n", "\n9223372036854775808\n"),
        ("2026-03-02T23:15:09.871244Z", "2026-03-02T23:15:09.87124Z"),
        ("2026-03-02T23:15:09.871244Z", "2026-03-02 23:15:09.871244Z"),
        ("2026-03-02T23:15:09.871244Z", "2026-02-30T23:15:09.871244Z"),
        ("2026-03-03T00:15:09.871244Z\n", "2026-03-03T00:15:09.871244Z\nmore\n"),
        ("2026-03-03T00:15:09.871244Z\n", ""),
    ],
)  # fmt: skip
def test_text_in_any_other_form_is_no_receipt(before: str, after: str) -> None:
    assert before in RECEIPT.text
    with pytest.raises(CodecError):
        SignedReceipt.parse(RECEIPT.text.replace(before, after, 1))


def test_a_leaf_hash_of_another_length_is_refused() -> None:
    with pytest.raises(CodecError, match="of 32 bytes, got 31"):
        SignedReceipt.parse(SignedReceipt(ORIGIN, 6, bytes(31), RECORDED, BY).text)


def test_a_receipt_is_no_checkpoint_and_a_checkpoint_no_receipt() -> None:
    with pytest.raises(CodecError, match="three lines"):
        open_checkpoint(noted(), TRUSTED)
    checkpoint = str(sign(Checkpoint(ORIGIN, 11, TREE.root(11)), [LOG])).encode()
    with pytest.raises(CodecError, match="expected 6 lines"):
        open_receipt(checkpoint, TRUSTED)


def test_a_receipt_of_another_key_or_ledger_is_not_trusted() -> None:
    with pytest.raises(Untrusted):
        open_receipt(noted(), [NEXT_LOG.verifier, STRANGER.verifier])
    # Another ledger's key, trusted for its own, vouches for nothing here.
    other = Note.parse(f"{RECEIPT.text}\n{OTHER_LOG.sign(RECEIPT.text)}".encode())
    with pytest.raises(Untrusted, match=r"expected a trusted key of 'ledger.example/lakeside'"):
        open_receipt(str(other).encode(), [*TRUSTED, OTHER_LOG.verifier])


def test_only_the_ledger_signs_its_receipts() -> None:
    for key in (OTHER_LOG, WITNESS):
        with pytest.raises(ValueError, match="signed by its log"):
            RECEIPT.sign([key])


def test_a_promise_that_is_kept() -> None:
    RECEIPT.kept(ORIGIN, 6, leaf_hash(TREE.entries[6]))


def test_another_entry_at_the_index_breaks_the_promise() -> None:
    promised = SignedReceipt(ORIGIN, 6, leaf_hash(b"what was acknowledged"), RECORDED, BY)
    with pytest.raises(ProofFailed, match=r"BROKEN: ledger.example/lakeside promised entry 6"):
        promised.kept(ORIGIN, 6, leaf_hash(TREE.entries[6]))


def test_a_proof_of_another_entry_keeps_nothing() -> None:
    with pytest.raises(ProofFailed, match="it is of entry 6, the proof of entry 5"):
        RECEIPT.kept(ORIGIN, 5, leaf_hash(TREE.entries[6]))


def test_a_proof_of_another_ledger_keeps_nothing() -> None:
    with pytest.raises(ProofFailed, match=r"it is of 'ledger.example/lakeside', the proof of"):
        RECEIPT.kept(OTHER_LOG.verifier.name, 6, leaf_hash(TREE.entries[6]))


def test_a_promise_is_broken_once_its_time_has_come_and_nothing_is_sealed() -> None:
    RECEIPT.due(6, BY - timedelta(microseconds=1))
    RECEIPT.due(7, BY)
    with pytest.raises(
        ProofFailed, match=r"BROKEN: .* by 2026-03-03T00:15:09.871244Z, and has sealed 6 entries"
    ):
        RECEIPT.due(6, BY)
