"""Every event: schema on disk, golden bytes, round trip, strictness (issue 3 section 3)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec.declare import sealed_fields, to_avro
from ledger.codec.entry import Entry
from ledger.codec.jsonform import json_schema, parse_fields, parse_happened, show, template
from ledger.codec.registry import registry
from ledger.domain.event import CaseEvent, decode_event, encode_payload, load_events
from ledger.errors import CodecError, InvalidInput, UnknownSchema
from tests.golden.build import FOLDER, HEADER, MOMENT, golden_text, sample

EVENTS = sorted(load_events())


def entry_of(event: CaseEvent, payload: bytes) -> Entry:
    return Entry(
        "example/x", 0, bytes(32), event.originator_id, event.originator_version, event.name, MOMENT,
        HEADER.happened_on, HEADER.precision, HEADER.actor, HEADER.source, HEADER.command, 0, None, payload,
    )  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_golden_bytes(name: str) -> None:
    """The bytes of every event are what they were when its golden file was written."""
    assert golden_text(load_events()[name]) == (FOLDER / f"{name}.hex").read_text("ascii")


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("full", [True, False])
def test_decode_is_the_inverse_of_encode(name: str, full: bool) -> None:
    event = sample(load_events()[name], full=full)
    read = decode_event(entry_of(event, encode_payload(event)))
    assert to_avro(type(read))(read, "", None) == to_avro(type(event))(event, "", None)
    assert type(read) is type(event)


def opened(shown: Any) -> Any:
    """Shown fields with words in place of what is sealed: input never takes a sealed value."""
    if isinstance(shown, list):
        return [opened(each) for each in shown]
    if isinstance(shown, dict):
        sealed = set(shown) == {"commitment", "key"}
        return "in words" if sealed else {name: opened(each) for name, each in shown.items()}
    return shown


@pytest.mark.parametrize("name", EVENTS)
def test_json_form_reads_back_what_it_shows(name: str) -> None:
    cls = load_events()[name]
    event = sample(cls, full=True)
    shown = {f: opened(show(getattr(event, f))) for f in json_schema(cls)["properties"]}
    fields = parse_fields(cls, shown)
    assert {f: show(fields[f]) for f in fields} == shown
    assert set(template(cls)) == set(fields)


def is_read(**fields: Any) -> bool:
    """Whether a request received is read with these fields."""
    try:
        parse_fields(load_events()["ledger.request.v1.RequestReceived"], {"scheme": "vps", **fields})
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize("field", ["requester", "purpose"])
@pytest.mark.parametrize("text", ["", " ", "\t\n", " x ", "x"])
def test_the_json_schema_takes_the_text_that_is_read(field: str, text: str) -> None:
    """In clear an empty text is read, sealed none; neither takes white space alone."""
    described, _null = json_schema(load_events()["ledger.request.v1.RequestReceived"])["properties"][field][
        "anyOf"
    ]
    assert (re.search(described["pattern"], text) is not None) == is_read(**{field: text})


def test_the_json_schema_states_the_earliest_day_that_is_read() -> None:
    described, _null = json_schema(load_events()["ledger.request.v1.RequestReceived"])["properties"]["made_on"][
        "anyOf"
    ]
    earliest = date.fromisoformat(described["x-earliest"])
    assert is_read(made_on=earliest.isoformat())
    assert not is_read(made_on=(earliest - timedelta(days=1)).isoformat())


def places(filled: Any) -> list[str]:
    """What a template says in every place below."""
    if isinstance(filled, dict):
        return [words for each in filled.values() for words in places(each)]
    return [words for each in filled for words in places(each)] if isinstance(filled, list) else [filled]


@pytest.mark.parametrize("name", EVENTS)
def test_a_template_says_of_all_that_may_be_left_out_that_it_may(name: str) -> None:
    cls = load_events()[name]
    required = json_schema(cls).get("required", [])
    for field, filled in template(cls).items():
        said = {"; optional" in words for words in places(filled)}
        if field not in required:
            assert said == {True}, field
        elif isinstance(filled, str):
            assert said == {False}, field


def test_a_template_names_what_goes_as_a_whole() -> None:
    received = template(load_events()["ledger.request.v1.RequestReceived"])
    assert received["counterpart"]["ledger"] == "<text; optional with the whole of counterpart>"
    assert received["scheme"].endswith("other>")


@settings(max_examples=300)
@given(st.sampled_from(EVENTS), st.booleans(), st.data())
def test_any_one_changed_byte_is_an_error_or_another_value(name: str, full: bool, data: st.DataObject) -> None:
    event = sample(load_events()[name], full=full)
    payload = encode_payload(event)
    at = data.draw(st.integers(0, len(payload) - 1))
    changed = bytearray(payload)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        other_name, value = registry().decode(bytes(changed))
    except CodecError:
        return
    assert registry().by_fingerprint[bytes(changed[2:10])].encode(value) == bytes(changed)
    assert (other_name, value) != registry().decode(payload)


def test_unknown_fingerprint_says_upgrade() -> None:
    with pytest.raises(UnknownSchema, match="upgrade"):
        registry().decode(b"\xc3\x01" + bytes(8) + b"\x00")


@pytest.mark.parametrize(
    "spoil", [lambda b: b + b"\x00", lambda b: b[:-1], lambda b: b[:9], lambda b: b"\x00" + b[1:]]
)
def test_trailing_missing_and_misframed_bytes_are_refused(spoil: Any) -> None:
    payload = encode_payload(sample(load_events()["ledger.case.v1.MergedInto"], full=True))
    with pytest.raises(CodecError):
        registry().decode(spoil(payload))


def test_an_array_in_two_blocks_is_refused() -> None:
    """Avro lets an array be split; an entry has one encoding, so here it is malformed."""
    name = next(
        n for n in EVENTS
        if any(f["type"] == {"type": "array", "items": "string"} for f in registry().writer(n).schema["fields"])
    )  # fmt: skip
    payload = encode_payload(sample(load_events()[name], full=True))
    field = next(
        f["name"] for f in registry().writer(name).schema["fields"]
        if f["type"] == {"type": "array", "items": "string"}
    )  # fmt: skip
    item = f"{field}-value".encode()
    one = bytes([len(item) * 2]) + item
    assert b"\x04" + one + one + b"\x00" in payload
    with pytest.raises(CodecError, match="canonical"):
        registry().decode(
            payload.replace(b"\x04" + one + one + b"\x00", b"\x02" + one + b"\x02" + one + b"\x00")
        )


def test_a_personal_value_in_clear_never_reaches_the_bytes() -> None:
    event = sample(load_events()["ledger.case.v1.EnteredInError"], full=True)
    clear = type(event)("s", 1, MOMENT, HEADER, reason="Mary Citizen asked")  # type: ignore[call-arg]
    with pytest.raises(CodecError, match="sealed"):
        encode_payload(clear)


def test_sealed_fields_are_found_with_their_paths() -> None:
    event = sample(load_events()["ledger.attachment.v1.AttachmentAdded"], full=True)
    assert [(p, t) for p, t, _ in sealed_fields(event)] == [("file.title", "string")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "fields.into: expected an object, got None"),
        ({"into": 3, "reason": "x"}, "fields.into: expected an object, got 3"),
        (
            {"into": {"ledger": "a", "stream": "b", "size": "1"}, "reason": "x"},
            "fields.into.size: expected a whole",
        ),
        (
            {"into": {"ledger": "a", "stream": "b", "size": True}, "reason": "x"},
            "fields.into.size: expected a whole",
        ),
        (
            {"into": {"ledger": "a", "stream": "b", "size": 1}, "reason": 5},
            "fields.reason: expected text, got 'int'",
        ),
        (
            {"into": {"ledger": "a", "stream": "b", "size": 1}, "reason": "x", "y": 1},
            "fields.y: expected one of",
        ),
    ],
)
def test_wrong_input_is_named_with_what_was_expected(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_fields(load_events()["ledger.case.v1.MergedInto"], fields)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("event", "fields", "message"),
    [
        ("RequestReceived", {"requester_name": " "}, "requester_name: expected text of more than white space"),
        ("RequestReceived", {"purpose": ""}, "purpose: expected text of more than white space"),
        ("RequestReceived", {"made_on": "1799-12-31"}, "made_on: expected a day from 1800-01-01 on, got '1799"),
    ],
)
def test_white_space_and_days_before_all_records_are_refused_in_every_field(
    event: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_fields(load_events()[f"ledger.request.v1.{event}"], {"scheme": "vps", **fields})
    assert str(error.value).startswith(f"fields.{message}")


@pytest.mark.parametrize("early", ["0001-01-01", "1799", "1799-12", "1799-12-31T23:00:00Z"])
def test_what_happened_before_all_records_is_refused(early: str) -> None:
    with pytest.raises(InvalidInput, match=r"^happened: expected a day from 1800-01-01 on, got '"):
        parse_happened(early)
    assert parse_happened("1800")[0] == date(1800, 1, 1)
