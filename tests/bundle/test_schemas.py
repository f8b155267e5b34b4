"""Schemas of strangers: what of them readers take for their own, and paths that lead past what was read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.bundle.schemas import check_schema, read_payload, sealed_at
from ledger.codec.avro import Writer, encode_long
from ledger.errors import CodecError

SEALED = {"type": "record", "name": "x.Sealed", "fields": [{"name": "commitment", "type": "bytes"}]}
OTHER = {"type": "record", "name": "x.Other", "fields": [{"name": "b", "type": "long"}]}
MARK = {"type": "string", "subject": "case"}


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "x.A", "fields": [*fields], **more}


def read(schema: dict[str, Any], body: bytes, hidden: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """(schema, values) as a verifier reads a body by a schema of a bundle, with what is hidden in the text."""
    fingerprint = Writer(schema).fingerprint
    found = check_schema("x.A", fingerprint, json.dumps(hidden or schema).encode(), "x.avsc")
    texts = {fingerprint: (found.name, found.text)}
    return read_payload(texts, "x.A", b"\xc3\x01" + fingerprint + body)[1:]


@pytest.mark.parametrize(
    "more",
    [
        {"__fastavro_parsed": True, "__named_schemas": 5},
        {"doc": 5, "default": "x", "logicalType": []},
    ],
)
def test_hints_in_a_schema_are_not_looked_at(more: dict[str, Any]) -> None:
    plain = record({"name": "a", "type": "long"})
    assert read(plain, encode_long(7), {**plain, **more})[1] == {"a": 7}


def test_a_primitive_type_has_no_name_by_which_it_could_be_another() -> None:
    plain = record({"name": "a", "type": "long"}, {"name": "b", "type": "string"})
    fields = [{"name": "a", "type": {"type": "long", "name": "string"}}, {"name": "b", "type": "string"}]
    assert read(plain, encode_long(7) + b"\x02x", {**plain, "fields": fields})[1] == {"a": 7, "b": "x"}


def test_a_default_that_does_not_fit_is_no_fault_of_the_bytes() -> None:
    plain = record({"name": "a", "type": "long"})
    hidden = record({"name": "a", "type": "long", "default": "x"})
    assert read(plain, encode_long(7), hidden)[1] == {"a": 7}


@pytest.mark.parametrize("depth", [15, 16, 30, 900])
def test_types_lie_at_most_sixteen_deep_in_each_other(depth: int) -> None:
    inner: Any = "long"
    for _ in range(depth):
        inner = {"type": "array", "items": inner}
    schema = record({"name": "a", "type": inner})
    if depth < 16:
        assert read(schema, b"\x00")[1] == {"a": []}
    else:
        with pytest.raises(CodecError, match="16 deep"):
            check_schema("x.A", bytes(8), json.dumps(schema).encode(), "x.avsc")


@pytest.mark.parametrize(
    ("kind", "body", "path"),
    [
        (["null", OTHER, {"type": "array", "items": SEALED}], b"\x04\x02\x00\x00", "a.0.commitment"),
        (["null", OTHER, SEALED], b"\x04\x00", "a.b"),
        (["null", SEALED], b"\x00", "a"),
        (OTHER, b"\x00", "a"),
        ({"type": "record", "name": "x.S", "fields": [{"name": "commitment", "type": "string"}]}, b"\x00", "a"),
        ({"type": "array", "items": "long"}, b"\x02\x00\x00", "a.0"),
    ],
)
def test_a_path_to_what_is_not_sealed_is_refused(kind: Any, body: bytes, path: str) -> None:
    schema, value = read(record({"name": "a", "type": kind, "personal": MARK}), body)
    with pytest.raises(CodecError):
        sealed_at(schema, value, path)


def test_a_sealed_field_is_found() -> None:
    schema, value = read(record({"name": "a", "type": ["null", SEALED], "personal": MARK}), b"\x02\x04hi")
    assert sealed_at(schema, value, "a") == ("string", b"hi", None)
