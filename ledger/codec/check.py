"""``schemas check``, ``write`` and ``release``: what is released never changes (4-wire 'Schemas')."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.codec.registry import SUFFIX, Registry, parse_text, render
from ledger.errors import SchemaRefused

LOCK = "LOCK.json"


@dataclass(frozen=True, slots=True)
class Locked:
    """One line of LOCK.json: a released file, its SHA-256 and the release that it first came in."""

    sha256: str
    release: str


def read_lock(text: str) -> dict[str, Locked]:
    """File name → what is locked. Raises SchemaRefused for a lock that is not well formed."""
    try:
        return {name: Locked(**line) for name, line in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise SchemaRefused(f"{LOCK}: not a lock file: {error}") from error


def check(
    texts: Mapping[str, str], lock: Mapping[str, Locked], declared: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuses, saying why, whatever would break what is released or leave the texts behind the declarations.

    (1) every locked text is there, unchanged by SHA-256, under its own name or as a former text;
    (2) two texts never share a fingerprint (``Registry``); (3) each current text is what the declarations
    amount to; (4) each current text is FULL_TRANSITIVE-compatible with every former text of its name, with
    no change of a ``personal`` mark, a logical type or a default. Raises SchemaRefused.
    """
    registry = Registry(texts)
    digests = {hashlib.sha256(text.encode()).hexdigest(): name for name, text in texts.items()}
    for name, locked in sorted(lock.items()):
        if locked.sha256 not in digests:
            state = "is gone" if name not in texts else "was changed"
            raise SchemaRefused(
                f"{name}: released in {locked.release} and {state}; restore it. "
                f"An addition is a new {name} with the "
                "former text kept beside it under its fingerprint; anything else is a v2"
            )
    for name, schema in sorted(declared.items()):
        if name + SUFFIX not in texts:
            raise SchemaRefused(
                f"{name}: declared, but schemas/{name}{SUFFIX} is missing; run 'auditledger schemas write'"
            )
        if texts[name + SUFFIX] != render(schema):
            raise SchemaRefused(
                f"{name}: the declaration and schemas/{name}{SUFFIX} differ; run 'auditledger schemas write'"
            )
    for name in sorted(registry.current):
        if name not in declared:
            raise SchemaRefused(f"{name}: schemas/{name}{SUFFIX} has no declaration")
    for former_name, text in texts.items():
        schema = parse_text(former_name, text)
        current = registry.current.get(schema["name"])
        if current is None:
            raise SchemaRefused(f"{former_name}: a former text without the current {schema['name']}{SUFFIX}")
        if former_name != schema["name"] + SUFFIX:
            compatible(schema, current.schema)


def compatible(former: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Refuses ``current`` unless it is ``former`` plus fields that have a default (FULL_TRANSITIVE).

    Everything that the canonical form leaves out (personal, logical types, defaults) must stay too.
    """
    _same(former, current, str(former["name"]), _named(former, {}), _named(current, {}))


def _named(schema: Any, out: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema, Mapping):
        if "name" in schema and schema.get("type") in ("record", "enum", "fixed"):
            out[schema["name"]] = schema
        for field in schema.get("fields", ()):
            _named(field["type"], out)
        for part in ("items",):
            _named(schema.get(part), out)
    elif isinstance(schema, list):
        for branch in schema:
            _named(branch, out)
    return out


def _same(a: Any, b: Any, path: str, names_a: Mapping[str, Any], names_b: Mapping[str, Any]) -> None:
    a, b = names_a.get(a, a) if isinstance(a, str) else a, names_b.get(b, b) if isinstance(b, str) else b
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            raise SchemaRefused(f"{path}: a union's branches changed; make a v2")
        for x, y in zip(a, b, strict=True):
            _same(x, y, path, names_a, names_b)
        return
    if not isinstance(a, Mapping) or not isinstance(b, Mapping):
        if a != b:
            raise SchemaRefused(f"{path}: type changed from {json.dumps(a)} to {json.dumps(b)}; make a v2")
        return
    for key in ("type", "name", "size", "logicalType"):
        if a.get(key) != b.get(key):
            raise SchemaRefused(f"{path}: {key} changed from {a.get(key)!r} to {b.get(key)!r}; make a v2")
    if a["type"] == "enum":
        _same_enum(a, b, path)
    if a["type"] == "array":
        _same(a["items"], b["items"], path + "[]", names_a, names_b)
    if a["type"] == "record":
        _same_record(a, b, path, names_a, names_b)


def _same_enum(a: Mapping[str, Any], b: Mapping[str, Any], path: str) -> None:
    if a.get("default") != b.get("default"):
        raise SchemaRefused(f"{path}: default changed; make a v2")
    if b["symbols"][: len(a["symbols"])] != a["symbols"]:
        raise SchemaRefused(f"{path}: symbols were removed or reordered; make a v2")
    if b["symbols"] != a["symbols"] and a.get("default") is None:
        raise SchemaRefused(f"{path}: a symbol was added to a closed vocabulary (no default); make a v2")


def _same_record(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    path: str,
    names_a: Mapping[str, Any],
    names_b: Mapping[str, Any],
) -> None:
    newer = {field["name"]: field for field in b["fields"]}
    for field in a["fields"]:
        here = f"{path}.{field['name']}"
        other = newer.pop(field["name"], None)
        if other is None:
            raise SchemaRefused(f"{here}: the field is gone; make a v2")
        for key in ("personal", "aliases", "order"):
            if field.get(key) != other.get(key):
                raise SchemaRefused(
                    f"{here}: {key} mark changed from {field.get(key)} to {other.get(key)}; make a v2"
                )
        if ("default" in field) != ("default" in other) or field.get("default") != other.get("default"):
            raise SchemaRefused(f"{here}: default changed; make a v2")
        _same(field["type"], other["type"], here, names_a, names_b)
    for name, field in newer.items():
        if "default" not in field:
            raise SchemaRefused(f"{path}.{name}: an added field needs a default; without one, make a v2")


def write(folder: Path, declared: Mapping[str, Mapping[str, Any]], lock: Mapping[str, Locked]) -> list[str]:
    """Brings the current texts up to the declarations; a released text is kept under its fingerprint.

    Returns the names written. Raises SchemaRefused, having written nothing, where an addition would not be
    compatible.
    """
    changes: dict[str, str] = {}
    for name, schema in declared.items():
        path = folder / (name + SUFFIX)
        text = render(schema)
        old = path.read_text("utf-8") if path.exists() else None
        if old == text:
            continue
        if old is not None and path.name in lock:
            former = parse_text(path.name, old)
            compatible(former, schema)
            kept = f"{name}.{Registry({path.name: old}).current[name].fingerprint.hex()}{SUFFIX}"
            changes[kept] = old
        changes[path.name] = text
    Registry({**_texts(folder), **changes})
    for file_name, text in changes.items():
        (folder / file_name).write_text(text, "utf-8")
    return sorted(changes)


def release(folder: Path, version: str) -> list[str]:
    """Locks every text that is not locked yet under ``version``; returns their names."""
    path = folder / LOCK
    lock = read_lock(path.read_text("utf-8")) if path.exists() else {}
    known = {locked.sha256 for locked in lock.values()}
    added = {
        name: Locked(digest, version)
        for name, text in sorted(_texts(folder).items())
        if (digest := hashlib.sha256(text.encode()).hexdigest()) not in known
    }
    lines = {name: {"sha256": k.sha256, "release": k.release} for name, k in sorted({**lock, **added}.items())}
    path.write_text(json.dumps(lines, indent=2) + "\n", "utf-8")
    return list(added)


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.glob("*" + SUFFIX)}
