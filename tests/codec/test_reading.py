"""Readers made of schemas: the values that fastavro reads, from the one encoding alone (4-wire 'Entry')."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.codec.avro import FRAME, Writer, encode_long
from ledger.codec.declare import fields_of, micros, moment, schema_of
from ledger.codec.entry import Entry
from ledger.codec.reading import reader_of
from ledger.codec.registry import registry
from ledger.domain import event as events
from ledger.domain.event import decode_event, load_events
from ledger.domain.request.events import RequestClosed
from ledger.domain.request.vocabulary import ClosingGround, RequestScheme
from ledger.errors import CodecError, UnknownSchema
from tests.golden.build import HEADER, MOMENT

CLOSED = "ledger.request.v1.RequestClosed"
RECEIVED = "ledger.request.v1.RequestReceived"


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "x", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


NESTED = {"type": "record", "name": "in", "fields": [{"name": "n", "type": "long"}]}
FEW = {"type": "enum", "name": "few", "symbols": ["a", "b"]}
MANY = {"type": "enum", "name": "many", "symbols": [f"s{n}" for n in range(200)]}
SCHEMA = record(
    flag="boolean", small="int", large="long", text="string", raw="bytes",
    four={"type": "fixed", "name": "four", "size": 4}, few=FEW, many=MANY, perhaps=["null", "string"],
    either=["null", "long", "string"], inner=NESTED, again="in",
    list={"type": "array", "items": ["null", "in"]},
)  # fmt: skip
numbers = st.fixed_dictionaries({"n": st.integers(-(1 << 63), (1 << 63) - 1)})
values = st.fixed_dictionaries(
    {
        "flag": st.booleans(), "small": st.integers(-(1 << 31), (1 << 31) - 1),
        "large": st.integers(-(1 << 63), (1 << 63) - 1), "text": st.text(max_size=100),
        "raw": st.binary(max_size=100), "four": st.binary(min_size=4, max_size=4),
        "few": st.sampled_from(["a", "b"]), "many": st.sampled_from(MANY["symbols"]),
        "perhaps": st.none() | st.text(), "either": st.none() | st.integers(-5, 5) | st.text(),
        "inner": numbers, "again": numbers, "list": st.lists(st.none() | numbers, max_size=80),
    }
)  # fmt: skip


@given(values, st.data())
def test_a_reader_gives_what_fastavro_gives_and_takes_its_encoding_alone(
    value: dict[str, Any], drawn: st.DataObject
) -> None:
    writer, read = Writer(SCHEMA), reader_of(SCHEMA)
    data = writer.encode(value)
    assert read(data) == value == fastavro.schemaless_reader(io.BytesIO(data[FRAME:]), SCHEMA, None)
    changed = bytearray(data)
    changed[drawn.draw(st.integers(FRAME, len(data) - 1))] ^= drawn.draw(st.integers(1, 255))
    try:
        other = read(bytes(changed))
    except CodecError:
        return
    assert writer.encode(other) == bytes(changed)
    with pytest.raises(CodecError):
        read(data[:-1])


@pytest.mark.parametrize(
    ("schema", "body", "message"),
    [
        ("int", encode_long(1 << 31), "int out of range: 2147483648"),
        ("int", encode_long(-(1 << 31) - 1), "int out of range: -2147483649"),
        ({"type": "array", "items": "null"}, encode_long(100) + b"\0", "array block of 100 items"),
        ({"type": "array", "items": "null"}, encode_long(-1) + b"\0\0", "array block of -1 items"),
        ({"type": "array", "items": "null"}, encode_long(1) * 2 + b"\0", "two blocks"),
        (["null", "long"], encode_long(2), "no such branch"),
        ("boolean", b"\2", "no such boolean"),
        (FEW, encode_long(2), "no such boolean or symbol"),
        (MANY, encode_long(200), "no such boolean or symbol"),
        ("string", encode_long(3) + b"ab", "expected 14 bytes, got 13"),
        ("string", encode_long(2) + b"\xff\xff", "not UTF-8"),
        ("long", b"\x80\0", "over-long"),
        ("long", b"\0\0", "expected 11 bytes, got 12"),
    ],
)
def test_what_is_no_encoding_is_refused(schema: Any, body: bytes, message: str) -> None:
    with pytest.raises(CodecError, match=f"^x: malformed body: .*{message}"):
        reader_of(record(one=schema))(bytes(FRAME) + body)


@given(st.integers(micros(datetime(1900, 1, 1, tzinfo=UTC)), micros(datetime(9999, 12, 31, tzinfo=UTC))))
@example((1_000_000 << 32) + 1)
@example(8_000_000_000_000_001)
def test_a_moment_is_exact(value: int) -> None:
    assert micros(moment(value)) == value


def test_a_field_added_later_reads_as_its_default() -> None:
    cls = load_events()[RECEIVED]
    former = Writer({**schema_of(cls), "fields": schema_of(cls)["fields"][:2]})
    found = reader_of(former.schema, cls)(former.encode({"scheme": "vps", "form": None}))
    assert (found["scheme"], found["required_by"]) == (RequestScheme.VPS, None)
    assert set(found) == {field.name for field in fields_of(cls)}


def test_a_symbol_unknown_here_reads_as_the_vocabularys_default_and_is_refused_where_there_is_none() -> None:
    ground = {"type": "enum", "name": "g", "symbols": ["public", "unheard_of"]}
    scheme = {"type": "enum", "name": "s", "symbols": ["vps", "unheard_of"]}
    closed, received = Writer(record(ground=["null", ground])), Writer(record(scheme=scheme))
    read = reader_of(closed.schema, load_events()[CLOSED])
    assert read(closed.encode({"ground": "public"}))["ground"] is ClosingGround.PUBLIC
    assert read(closed.encode({"ground": "unheard_of"}))["ground"] is ClosingGround.OTHER
    with pytest.raises(CodecError, match="no such boolean or symbol"):
        reader_of(received.schema, load_events()[RECEIVED])(received.encode({"scheme": "unheard_of"}))


def test_an_event_of_a_former_name_is_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = load_events()[CLOSED]
    former = Writer({**record(wherefore="string"), "name": "ledger.request.v0.RequestDropped"})
    monkeypatch.setitem(registry().by_fingerprint, former.fingerprint, former)

    def upcast(value: dict[str, Any]) -> dict[str, Any]:
        empty = {f.name: [] if f.default == () or not f.has_default else None for f in fields_of(cls)}
        return {**empty, "ground": value["wherefore"], "parts": ["whole"]}

    entry = Entry(
        "example/x", 0, bytes(32), "s", 1, former.name, MOMENT, HEADER.happened_on, HEADER.precision,
        HEADER.actor, HEADER.source, HEADER.command, 0, None, former.encode({"wherefore": "public"}),
    )  # fmt: skip
    with pytest.raises(UnknownSchema, match=r"event ledger\.request\.v0\.RequestDropped is unknown"):
        decode_event(entry)
    monkeypatch.setitem(events.UPCASTS, former.name, (CLOSED, upcast))
    read = decode_event(entry)
    assert isinstance(read, RequestClosed)
    assert (read.ground, read.parts, read.where) == (ClosingGround.PUBLIC, ("whole",), None)
    assert (read.originator_id, read.index, read.timestamp) == ("s", 0, MOMENT)
