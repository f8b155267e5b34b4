"""Bodies: strict JSON in, so that what is malformed is said at the edge and never fails further in."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from starlette.requests import Request

from ledger.api.problem import BadRequest, PreconditionRequired, UnsupportedMedia
from ledger.errors import InvalidInput

JSON = "application/json"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: of two values under one name, which was meant?"""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"body: {twice[:80]!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise BadRequest(f"body: expected JSON (RFC 8259), got {name}")


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises BadRequest for anything else, InvalidInput for text no entry holds."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadRequest(f"body: expected UTF-8, got byte {data[error.start]:#04x} at {error.start}") from None
    except RecursionError:
        raise BadRequest("body: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"body: expected JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError:
        raise BadRequest("body: a number of too many digits") from None
    if not isinstance(value, dict):
        raise BadRequest(f"body: expected an object, got {type(value).__name__}")
    if b"\\u" in data:
        # Only an escape can bring in what UTF-8 and JSON themselves keep out.
        _storable(value, "body")
    return value


def _storable(value: Any, path: str) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInput(path, "text without NUL characters", "a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidInput(path, "text without lone surrogates", "a lone surrogate")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _storable(name, f"{path} (a name)")
            _storable(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _storable(inner, f"{path}.{place}")


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries. Raises UnsupportedMedia, BadRequest, InvalidInput."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise UnsupportedMedia(f"Content-Type: expected {JSON}, got {media_type[:80] or 'none'}")
    return parse(await request.body())


def command_id(request: Request) -> str:
    """The ``Idempotency-Key`` of a write, a UUID. Raises PreconditionRequired, BadRequest."""
    text = request.headers.get("idempotency-key")
    if text is None:
        raise PreconditionRequired("expected a header 'Idempotency-Key' with a UUID of your own making")
    # RFC 8941 writes a string in quotes; both forms name one key.
    bare = text.strip().strip('"')
    try:
        found = str(UUID(bare))
    except ValueError:
        found = ""
    if found != bare.lower():
        raise BadRequest(f"Idempotency-Key: expected a UUID with hyphens, got {bare[:80]!r}")
    return found


def expected_version(request: Request) -> int | None:
    """The stream version that ``If-Match`` insists on; None without the header. Raises BadRequest."""
    text = request.headers.get("if-match")
    if text is None or text.strip() == "*":
        return None
    bare = text.strip().strip('"')
    if not (bare.isascii() and bare.isdigit() and len(bare) < 12):
        raise BadRequest(f'If-Match: expected a version in quotes, as "3", got {text[:80]!r}')
    return int(bare)


def number(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number of the query. Raises InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 19 and lowest <= int(text) <= highest:
        return int(text)
    raise InvalidInput(name, f"a whole number from {lowest} to {highest}", text)
