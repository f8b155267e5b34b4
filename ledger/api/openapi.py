"""OpenAPI 3.1: the routes as they are, and one path for each command of the table, with its own schema."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ledger.api.problem import MEDIA_TYPE
from ledger.codec.entry import CorrectionKind
from ledger.codec.jsonform import json_schema
from ledger.domain.case import CommandSpec, command_table
from ledger.law.general import EARLIEST
from ledger.store.submission import Level

_NOT_YET = "Recorded, and not acknowledged as asked in time: the same again waits again"
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]


def document(app: FastAPI, version: str) -> dict[str, Any]:
    """The whole description; made once, as neither routes nor commands change in a process."""
    out: dict[str, Any] = get_openapi(
        title="auditledger",
        version=version,
        openapi_version="3.1.0",
        description="Commands in, hash-chained entries out. Every write carries an Idempotency-Key; every "
        "refusal is application/problem+json and cites the section where law refuses.",
        routes=app.routes,
    )
    schemas = out.setdefault("components", {}).setdefault("schemas", {})
    # What the framework would answer to a wrong parameter is answered as a problem here.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(_shared())
    out["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for path, operations in out["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _problem()
            operation["security"] = [] if path == "/health" else SECURITY
    for name, specs in command_table().items():
        schemas[name] = json_schema(specs[0].event)
        out["paths"][f"/ledgers/{{slug}}/commands/{name}"] = {"post": _command(name, specs)}
    out["paths"]["/ledgers/{slug}/openings"] = {"post": _openings()}
    out["paths"]["/ledgers/{slug}/search"] = {"post": _search()}
    out["paths"]["/ledgers/{slug}/openings/file"] = {"post": _file()}
    attachments = out["paths"].setdefault("/ledgers/{slug}/cases/{stream}/attachments", {})
    attachments["post"] = _attach()
    return out


def _command(name: str, specs: tuple[CommandSpec, ...]) -> dict[str, Any]:
    first = specs[0]
    properties: dict[str, Any] = {
        "happened": {"$ref": "#/components/schemas/Happened"},
        "fields": {"$ref": f"#/components/schemas/{name}"},
        "corrects": {"$ref": "#/components/schemas/Corrects"},
    }
    required = ["happened", "fields"]
    if first.stream is None:
        properties["case"] = {"type": "string", "format": "uuid", "description": "id of the case"}
        if not first.opens:
            required.insert(0, "case")
    roles = sorted({role.value for spec in specs for role in spec.roles})
    return {
        "tags": ["commands"],
        "operationId": name,
        "summary": first.doc,
        "description": f"Records {first.event.name}. Given by: {', '.join(roles)}.",
        "security": SECURITY,
        "parameters": [_slug(), _idempotency_key(), _if_match(), *_acknowledgement()],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": properties,
                        "required": required,
                    }
                }
            },
        },
        "responses": {
            "201": _outcome("Recorded"),
            "200": _outcome("Recorded before under this key; nothing was added"),
            "202": _outcome(_NOT_YET),
            "default": _problem(),
        },
    }


def _openings() -> dict[str, Any]:
    wanted = {
        "type": "object",
        "properties": {
            "index": {"type": "integer"},
            "paths": {"type": "array", "items": {"type": "string"}, "description": "absent: all of the entry"},
        },
        "required": ["index"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {
            "wanted": {"type": "array", "minItems": 1, "items": wanted},
            "reason": {"type": "string", "minLength": 1},
        },
        "required": ["wanted", "reason"],
        "additionalProperties": False,
    }
    return {
        "tags": ["cases"],
        "operationId": "openings",
        "summary": "Open sealed fields; the opening is an entry, recorded before anything is shown.",
        "security": SECURITY,
        "parameters": [_slug(), _idempotency_key()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "One of four words for each field; the receipt of the opening"},
            "default": _problem(),
        },
    }


def _search() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "value": {"type": "string", "minLength": 2, "description": "one whole identifier"},
            "reason": {"type": "string", "minLength": 1},
            "from": {"type": "integer", "minimum": 0, "default": 0, "description": "the first entry searched"},
        },
        "required": ["value", "reason"],
        "additionalProperties": False,
    }
    return {
        "tags": ["cases"],
        "operationId": "search",
        "summary": "Search sealed identifiers for a value; the search is an entry, recorded before the answer.",
        "security": SECURITY,
        "parameters": [_slug(), _idempotency_key()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "The entries that hold it, as at a position; the receipt of the search"},
            "default": _problem(),
        },
    }


def _file() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "index": {"type": "integer"},
            "path": {"type": "string", "default": "file"},
            "reason": {"type": "string", "minLength": 1},
        },
        "required": ["index", "reason"],
        "additionalProperties": False,
    }
    octets = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "tags": ["cases"],
        "operationId": "file",
        "summary": "Open an attachment that an entry names; the opening is an entry, recorded first.",
        "security": SECURITY,
        "parameters": [_slug(), _idempotency_key()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "The file", "content": octets}, "default": _problem()},
    }


def _attach() -> dict[str, Any]:
    title = {
        "name": "Attachment-Title",
        "in": "header",
        "required": True,
        "description": "The file's title, percent-encoded UTF-8; sealed",
        "schema": {"type": "string"},
    }
    stream = {"name": "stream", "in": "path", "required": True, "schema": {"type": "string"}}
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "tags": ["cases"],
        "operationId": "attach",
        "summary": "Keep a file with a case, encrypted; Content-Type is its media type.",
        "security": SECURITY,
        "parameters": [_slug(), stream, _idempotency_key(), title, *_acknowledgement()],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "201": _outcome("Kept"),
            "200": _outcome("Kept before"),
            "202": _outcome(_NOT_YET),
            "default": _problem(),
        },
    }


def _slug() -> dict[str, Any]:
    return {"name": "slug", "in": "path", "required": True, "schema": {"type": "string"}}


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "A UUID of your own making: the same again gets the first receipt and adds nothing",
        "schema": {"type": "string", "format": "uuid"},
    }


def _if_match() -> dict[str, Any]:
    return {
        "name": "If-Match",
        "in": "header",
        "description": "The case's version that you saw, in quotes; another one is a conflict",
        "schema": {"type": "string"},
    }


def _acknowledgement() -> list[dict[str, Any]]:
    return [
        {
            "name": "acknowledge",
            "in": "query",
            "description": "What is waited for: durable, sealed under a signed checkpoint, or witnessed",
            "schema": {"type": "string", "enum": [*Level], "default": Level.DURABLE.value},
        },
        {
            "name": "receipt",
            "in": "query",
            "description": "signed: the receipts are signed by the ledger, and promise a proof",
            "schema": {"type": "string", "enum": ["signed"]},
        },
    ]


def _outcome(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Outcome"}
    return {
        "description": description,
        "headers": {"ETag": {"description": "The case's version", "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": schema}},
    }


def _problem() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "Refused (RFC 9457)", "content": {MEDIA_TYPE: {"schema": schema}}}


def _shared() -> dict[str, Any]:
    text = {"type": "string"}
    receipt = {
        "type": "object",
        "properties": {
            "ledger": text,
            "index": {"type": "integer"},
            "leaf_hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "recorded_at": {"type": "string", "format": "date-time"},
        },
        "required": ["ledger", "index", "leaf_hash", "recorded_at"],
    }
    return {
        "Happened": {
            "type": ["string", "null"],
            "description": "YYYY-MM-DD, YYYY-MM, YYYY, an ISO 8601 moment with its zone, or null: unknown",
            "x-earliest": EARLIEST.isoformat(),
        },
        "Corrects": {
            "type": "object",
            "description": "The entry that this one corrects, why, and the reason (sealed)",
            "properties": {
                "index": {"type": "integer", "minimum": 0},
                "kind": {"type": "string", "enum": [kind.value for kind in CorrectionKind]},
                "reason": text,
            },
            "required": ["index", "kind", "reason"],
            "additionalProperties": False,
        },
        "Receipt": receipt,
        "Outcome": {
            "type": "object",
            "properties": {
                "case": text,
                "version": {"type": "integer"},
                "receipts": {"type": "array", "items": {"$ref": "#/components/schemas/Receipt"}},
                "repeated": {"type": "boolean"},
                "acknowledged": {"type": "string", "enum": [*Level]},
                "signed_receipts": {"type": "array", "items": text, "description": "C2SP signed notes"},
            },
            "required": ["case", "version", "receipts", "repeated"],
        },
        "Problem": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "format": "uri"},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "citation": {"type": "string", "description": "The section, where law refuses"},
                "field": text,
                "expected": text,
                "got": text,
            },
            "required": ["type", "title", "status", "detail"],
        },
    }
