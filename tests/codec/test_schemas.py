"""What is released never changes; what is added must be readable by every version (4-wire 'Schemas')."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.bundle.container import SCHEMA
from ledger.codec.check import LOCK, Locked, check, compatible, read_lock, release, write
from ledger.codec.declare import schema_of
from ledger.codec.entry import entry_schema
from ledger.codec.registry import Registry, registry, render, schema_folder, texts_in
from ledger.domain.event import load_events
from ledger.errors import SchemaRefused

V1: dict[str, Any] = {
    "type": "record",
    "name": "ledger.x.v1.Happened",
    "doc": "A thing.",
    "fields": [
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {
            "name": "who",
            "type": {
                "type": "record",
                "name": "ledger.v1.Sealed",
                "doc": "s",
                "fields": [
                    {"name": "commitment", "type": {"type": "fixed", "name": "ledger.v1.Hash", "size": 32}},
                    {"name": "key", "type": "string"},
                ],
            },
            "personal": {"type": "string", "subject": "case"},
        },
        {"name": "open", "type": {"type": "enum", "name": "o", "symbols": ["a", "other"], "default": "other"}},
        {"name": "closed", "type": {"type": "enum", "name": "c", "symbols": ["a", "b"]}},
        {"name": "count", "type": ["null", "long"], "default": None},
    ],
}
FILE = "ledger.x.v1.Happened.avsc"


def changed(change: Any) -> dict[str, Any]:
    schema = copy.deepcopy(V1)
    change(schema["fields"])
    return schema


def added(field: dict[str, Any]) -> Any:
    return lambda fields: fields.append(field)


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: None,
        added({"name": "more", "type": ["null", "string"], "default": None}),
        lambda fields: fields.insert(0, {"name": "more", "type": "boolean", "default": False}),
        lambda fields: fields[2]["type"]["symbols"].append("c"),
    ],
)
def test_additions_with_a_default_are_compatible(change: Any) -> None:
    compatible(V1, changed(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (added({"name": "more", "type": "string"}), "needs a default"),
        (lambda f: f.pop(4), "field is gone"),
        (lambda f: f[1].pop("personal"), "personal mark changed"),
        (lambda f: f[1]["personal"].update(subject="who"), "personal mark changed"),
        (lambda f: f[1]["personal"].update(identifier=True), "personal mark changed"),
        (lambda f: f[0]["type"].pop("logicalType"), "logicalType changed"),
        (lambda f: f[0]["type"].update(type="long"), "type changed"),
        (lambda f: f[4].update(default=3), "default changed"),
        (lambda f: f[4].pop("default"), "default changed"),
        (lambda f: f[3]["type"]["symbols"].append("d"), "closed vocabulary"),
        (lambda f: f[2]["type"]["symbols"].insert(0, "d"), "reordered"),
        (lambda f: f[2]["type"].pop("default"), "default changed"),
        (lambda f: f[4].update(type=["null", "int"]), "type changed"),
        (lambda f: f[1]["type"]["fields"][0]["type"].update(size=16), "size changed"),
        (lambda f: f[4].update(type=["null", "long", "string"]), "branches changed"),
    ],
)
def test_anything_else_needs_a_v2(change: Any, message: str) -> None:
    with pytest.raises(SchemaRefused, match=message):
        compatible(V1, changed(change))


def lock_of(text: str) -> dict[str, Locked]:
    return {FILE: Locked(hashlib.sha256(text.encode()).hexdigest(), "0.1.0")}


def test_a_changed_released_text_is_refused() -> None:
    text = render(V1)
    newer = changed(added({"name": "more", "type": ["null", "string"], "default": None}))
    with pytest.raises(SchemaRefused, match=r"released in 0\.1\.0 and was changed"):
        check({FILE: render(newer)}, lock_of(text), {V1["name"]: newer})
    with pytest.raises(SchemaRefused, match=r"released in 0\.1\.0 and is gone"):
        check({}, lock_of(text), {})


def test_only_a_doc_changed_is_refused_too() -> None:
    """The fingerprint does not see a doc; the lock does."""
    newer = {**V1, "doc": "Another thing."}
    with pytest.raises(SchemaRefused, match="was changed"):
        check({FILE: render(newer)}, lock_of(render(V1)), {V1["name"]: newer})


def test_two_texts_with_one_fingerprint_are_refused() -> None:
    newer = changed(lambda f: f[1].pop("personal"))
    fingerprint = Registry({FILE: render(V1)}).current[V1["name"]].fingerprint.hex()
    with pytest.raises(SchemaRefused, match="fingerprint"):
        Registry({FILE: render(newer), f"{V1['name']}.{fingerprint}.avsc": render(V1)})


def test_declaration_and_file_must_agree() -> None:
    with pytest.raises(SchemaRefused, match="differ"):
        check({FILE: render(V1)}, {}, {V1["name"]: {**V1, "doc": "Another."}})
    with pytest.raises(SchemaRefused, match="is missing"):
        check({}, {}, {V1["name"]: V1})
    with pytest.raises(SchemaRefused, match="no declaration"):
        check({FILE: render(V1)}, {}, {})


def test_a_file_must_carry_its_name() -> None:
    with pytest.raises(SchemaRefused, match="expected ledger"):
        Registry({"other.avsc": render(V1)})
    with pytest.raises(SchemaRefused, match="not JSON"):
        Registry({FILE: "{"})


def test_an_addition_keeps_the_released_text_and_reads_both(tmp_path: Path) -> None:
    assert write(tmp_path, {V1["name"]: V1}, {}) == [FILE]
    assert release(tmp_path, "0.1.0") == [FILE]
    lock = read_lock((tmp_path / LOCK).read_text())
    newer = changed(added({"name": "more", "type": ["null", "string"], "default": None}))
    written = write(tmp_path, {V1["name"]: newer}, lock)
    texts = texts_in(tmp_path)
    assert len(written) == 2
    check(texts, lock, {V1["name"]: newer})
    both = Registry(texts)
    old = Registry({FILE: render(V1)}).writer(V1["name"])
    value = {"day": 1, "who": {"commitment": bytes(32), "key": "k"}, "open": "a", "closed": "b", "count": None}
    assert both.decode(old.encode(value)) == (V1["name"], value)
    assert release(tmp_path, "0.2.0") == [FILE]
    check(texts, read_lock((tmp_path / LOCK).read_text()), {V1["name"]: newer})


def test_an_incompatible_addition_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {V1["name"]: V1}, {})
    release(tmp_path, "0.1.0")
    lock = read_lock((tmp_path / LOCK).read_text())
    with pytest.raises(SchemaRefused, match="v2"):
        write(tmp_path, {V1["name"]: changed(lambda f: f.pop(4))}, lock)
    assert json.loads((tmp_path / FILE).read_text()) == V1


def test_the_schemas_shipped_are_in_order() -> None:
    declared = {name: schema_of(cls) for name, cls in load_events().items()}
    declared["ledger.v1.Entry"] = entry_schema()
    declared["ledger.v1.BundleEntry"] = SCHEMA
    lock = schema_folder().joinpath(LOCK)
    check(texts_in(schema_folder()), read_lock(lock.read_text("utf-8")), declared)


def test_named_types_are_defined_identically_in_every_file() -> None:
    seen: dict[str, str] = {}

    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            if schema.get("type") in ("record", "enum", "fixed") and "name" in schema:
                text = json.dumps(_closed(schema))
                assert seen.setdefault(schema["name"], text) == text, schema["name"]
            for value in schema.values():
                walk(value)
        elif isinstance(schema, list):
            for value in schema:
                walk(value)

    def _closed(schema: Any) -> Any:
        """The definition with nested named types by name: where they are defined depends on the file."""
        if isinstance(schema, dict):
            return {
                k: (v["name"] if isinstance(v, dict) and "name" in v and k in ("type", "items") else _closed(v))
                for k, v in schema.items()
            }
        if isinstance(schema, list):
            kinds = ("record", "enum", "fixed")
            return [v["name"] if isinstance(v, dict) and v.get("type") in kinds else _closed(v) for v in schema]
        return schema

    for writer in registry().current.values():
        walk(writer.schema)
