"""Entry bytes of 4-wire, held against fastavro byte for byte, and strict parsing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import avro
from ledger.codec.declare import Sealed, days, micros
from ledger.codec.entry import (
    MAX_ENTRY,
    Actor,
    Correction,
    CorrectionKind,
    Entry,
    HappenedOn,
    Precision,
    Source,
    SourceKind,
    decode_entry,
    entry_schema,
    place,
    prefix,
    template,
)
from ledger.errors import CodecError, InvalidInput
from ledger.tlog.chain import leaf_hash

WRITER = avro.Writer(entry_schema())
text = st.text(max_size=40)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
hashes = st.binary(min_size=32, max_size=32)


@st.composite
def happenings(draw: st.DrawFn) -> tuple[HappenedOn, Precision]:
    precision = draw(st.sampled_from(Precision))
    if precision is Precision.UNKNOWN:
        return None, precision
    if precision is Precision.INSTANT:
        return draw(moments), precision
    day = draw(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
    if precision is Precision.MONTH:
        day = day.replace(day=1)
    if precision is Precision.YEAR:
        day = day.replace(month=1, day=1)
    return day, precision


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    happened_on, precision = draw(happenings())
    corrects = draw(
        st.none()
        | st.builds(
            Correction,
            st.integers(0, 2**40),
            st.sampled_from(CorrectionKind),
            st.builds(Sealed, hashes, text),
        )
    )
    return Entry(
        draw(text), draw(st.integers(0, 2**62)), draw(hashes), draw(text), draw(st.integers(1, 2**31)),
        draw(text), draw(moments), happened_on, precision,
        draw(st.builds(Actor, text, text, text, text)),
        draw(st.builds(Source, st.sampled_from(SourceKind), st.none() | text)),
        draw(text), draw(st.integers(0, 2**31 - 1)), corrects, draw(st.binary(max_size=200)),
    )  # fmt: skip


def encode(entry: Entry) -> bytes:
    made = template(
        stream=entry.stream, version=entry.version, event=entry.event, happened_on=entry.happened_on,
        precision=entry.precision, actor=entry.actor, source=entry.source, command=entry.command,
        part=entry.part, corrects=entry.corrects, payload=entry.payload,
    )  # fmt: skip
    return place(prefix(entry.ledger), entry.index, entry.previous, micros(entry.recorded_at), made)


def as_avro(entry: Entry) -> dict[str, Any]:
    happened = entry.happened_on
    return {
        "ledger": entry.ledger, "index": entry.index, "previous": entry.previous, "stream": entry.stream,
        "version": entry.version, "event": entry.event, "recorded_at": micros(entry.recorded_at),
        "happened_on": None if happened is None
        else ("long", micros(happened)) if isinstance(happened, datetime) else ("int", days(happened)),
        "precision": entry.precision.value,
        "actor": {k: getattr(entry.actor, k) for k in ("id", "role", "organisation", "authority")},
        "source": {"kind": entry.source.kind.value, "reference": entry.source.reference},
        "command": entry.command, "part": entry.part,
        "corrects": None if entry.corrects is None else {
            "index": entry.corrects.index, "kind": entry.corrects.kind.value,
            "reason": {"commitment": entry.corrects.reason.commitment, "key": entry.corrects.reason.key},  # type: ignore[union-attr]
        },
        "payload": entry.payload,
    }  # fmt: skip


@given(entries())
def test_bytes_by_hand_are_fastavros_and_decode_to_the_same_entry(entry: Entry) -> None:
    data = encode(entry)
    assert data == WRITER.encode(as_avro(entry))
    assert decode_entry(data) == entry


@given(entries(), st.data())
def test_any_one_changed_byte_is_an_error_or_another_hash(entry: Entry, data: st.DataObject) -> None:
    original = encode(entry)
    at = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[at] ^= data.draw(st.integers(1, 255))
    altered = bytes(changed)
    try:
        read = decode_entry(altered)
    except CodecError:
        return
    assert leaf_hash(altered) != leaf_hash(original)
    assert encode(read) == altered, "what is accepted has exactly one encoding"


SAMPLE = Entry(
    "example.vic.gov.au/dffh", 7, bytes(range(32)), "9b2f", 2, "ledger.request.v1.RequestReceived",
    datetime(2025, 6, 11, 1, 2, 3, 4, tzinfo=UTC), date(2025, 6, 11), Precision.DAY,
    Actor("a1", "officer", "o1", "test"), Source(SourceKind.IMPORT, "i1/Sheet1/4"),
    "7c0e2f3a-1b2c-4d3e-8f90-a1b2c3d4e5f6", 0,
    Correction(3, CorrectionKind.LEGAL_READING, Sealed(bytes(32), "k1")), b"payload",
)  # fmt: skip
GOLDEN = (
    "c301379535dc5f922202"
    "2e6578616d706c652e7669632e676f762e61752f64666668"
    "0e"
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "0839623266"
    "04"
    "426c65646765722e726571756573742e76312e526571756573745265636569766564"
)


def test_golden_bytes_of_the_header() -> None:
    assert encode(SAMPLE).hex().startswith(GOLDEN)
    assert encode(SAMPLE)[-8:] == b"\x0epayload"


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("trailing byte", lambda b: b + b"\x00"),
        ("cut short", lambda b: b[:-1]),
        ("no frame", lambda b: b"\xc3\x02" + b[2:]),
        ("another schema's fingerprint", lambda b: b[:2] + bytes(8) + b[10:]),
        ("over-long varint of index", lambda b: b[:34] + b"\x8e\x00" + b[35:]),
        ("nothing", lambda b: b""),
        ("string not UTF-8", lambda b: b.replace(b"example", b"ex\xffmple")),
    ],
)
def test_malformed_entries_are_refused(what: str, spoil: Any) -> None:
    assert encode(SAMPLE)[34] == 0x0E
    with pytest.raises(CodecError):
        decode_entry(spoil(encode(SAMPLE)))


@pytest.mark.parametrize(
    ("happened_on", "precision"),
    [
        (None, Precision.DAY),
        (date(2025, 6, 11), Precision.UNKNOWN),
        (date(2025, 6, 11), Precision.MONTH),
        (date(2025, 6, 1), Precision.YEAR),
        (date(2025, 6, 11), Precision.INSTANT),
        (datetime(2025, 6, 11, tzinfo=UTC), Precision.DAY),
    ],
)
def test_precision_must_fit_what_is_stated(happened_on: HappenedOn, precision: Precision) -> None:
    with pytest.raises(InvalidInput, match="precision"):
        encode(Entry(**{**vars(SAMPLE), "happened_on": happened_on, "precision": precision}))


def test_an_entry_of_more_than_65535_bytes_is_refused() -> None:
    room = MAX_ENTRY - len(encode(SAMPLE)) + len(SAMPLE.payload) - 2
    assert len(encode(Entry(**{**vars(SAMPLE), "payload": bytes(room)}))) == MAX_ENTRY
    with pytest.raises(InvalidInput, match="65535"):
        encode(Entry(**{**vars(SAMPLE), "payload": bytes(room + 1)}))


@given(st.integers(-(2**63), 2**63 - 1))
def test_long_round_trip(value: int) -> None:
    data = avro.encode_long(value)
    assert avro.decode_long(data, 0) == (value, len(data))


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff" * 10, b"\x80" * 9 + b"\x02", b"\x80", b""])
def test_over_long_and_cut_varints_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        avro.decode_long(data, 0)


@pytest.mark.parametrize("moment", [datetime(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=1)])
def test_a_moment_without_a_zone_is_refused(moment: datetime) -> None:
    if moment.tzinfo is None:
        with pytest.raises(CodecError, match="time zone"):
            micros(moment)
    else:
        assert micros(moment) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
