"""Refusals over HTTP: ``application/problem+json`` (RFC 9457), one type for each error of ours."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.responses import Response

from ledger.errors import AuditLedgerError, InvalidInput, LawRefused, Tampered

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:auditledger:problem:"


class BadRequest(AuditLedgerError):
    """The request itself is malformed: its body, a header or a parameter."""

    title = "Malformed request"
    status = 400


class TooLarge(AuditLedgerError):
    """The body is larger than this service takes."""

    title = "Too large"
    status = 413


class TooSlow(AuditLedgerError):
    """The head or the body of the request came too slowly, or not to its end."""

    title = "Too slow"
    status = 408


class UnsupportedMedia(AuditLedgerError):
    """The body is of another media type than this route takes."""

    title = "Unsupported media type"
    status = 415


class PreconditionRequired(AuditLedgerError):
    """A header that makes the write safe to repeat is missing."""

    title = "Precondition required"
    status = 428


class HttpRefused(AuditLedgerError):
    """What the framework refuses by itself: no such route, no such method."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.title = {404: "Not found", 405: "Method not allowed"}.get(status, "Refused")
        super().__init__(detail)


def kind_of(error: type[AuditLedgerError]) -> str:
    """The ``type`` of a kind of error: ``urn:auditledger:problem:law-refused`` for ``LawRefused``."""
    return TYPE + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", error.__name__).lower()


def members(error: AuditLedgerError) -> dict[str, Any]:
    """The members of the problem document."""
    out: dict[str, Any] = {
        "type": kind_of(type(error)),
        "title": error.title,
        "status": error.status,
        "detail": str(error),
    }
    if isinstance(error, LawRefused):
        out["citation"], out["detail"] = error.citation, error.reason
    elif isinstance(error, InvalidInput):
        out["field"], out["expected"] = error.field, error.expected
        out["got"] = str(error).rsplit(", got ", 1)[-1]
    elif isinstance(error, Tampered):
        out["ledger"], out["index"] = error.ledger, error.index
    return out


def problem(error: AuditLedgerError) -> Response:
    """The answer to a request that is refused."""
    headers = {"WWW-Authenticate": 'Bearer realm="auditledger"'} if error.status == 401 else {}
    if error.status == 503:
        headers["Retry-After"] = "1"
    content = json.dumps(members(error), ensure_ascii=True)
    return Response(content, error.status, headers, MEDIA_TYPE)


def unexpected() -> Response:
    """The answer where this service failed by itself; what happened stands in its log, without content."""
    content = {
        "type": TYPE + "internal",
        "title": "Internal error",
        "status": 500,
        "detail": "the service failed; its log says where. If it was a write, repeat it with the same "
        "Idempotency-Key to learn whether it was recorded",
    }
    return Response(json.dumps(content), 500, media_type=MEDIA_TYPE)
