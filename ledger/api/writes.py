"""Writing over HTTP: commands, openings and searches of sealed fields, attachments."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from ledger.api.body import command_id, expected_version, json_body
from ledger.api.problem import BadRequest
from ledger.api.service import Service, principal
from ledger.application import Outcome
from ledger.application.access import Matter, allow_opening
from ledger.application.outcome import not_by_hand, receipts_of
from ledger.application.searching import search
from ledger.application.shown import shown_receipt
from ledger.codec.entry import Source, SourceKind
from ledger.errors import Diverged, InvalidInput
from ledger.store.receipts import signed_receipts
from ledger.store.submission import Level
from ledger.vault.opening import Destroyed, Lost, Opened, Opening, Withheld

API = Source(SourceKind.API)
OCTETS = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")


class Named(Route):
    """A plain route that leaves itself in the scope, as the framework's do: the edge counts by its path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route is the one asked for."""
        match, child = super().matches(scope)
        return match, {**child, "route": self} if child else child


def routes(service: Service) -> list[Route]:
    """The routes that write. Plain routes of Starlette: the command is the hot path."""
    installation = service.installation

    async def command(request: Request) -> Response:
        """Record a command of law; a repeat under the same key gets the first receipts."""
        identity = command_id(request)
        version = expected_version(request)
        asked = await acknowledgement(service, request)
        body = await json_body(request)
        not_by_hand(request.path_params["command"], body)
        outcome = await service.command(
            lambda: installation.execute(
                request.path_params["slug"],
                request.path_params["command"],
                body,
                principal=principal(request),
                command_id=identity,
                expected_version=version,
                source=API,
            )
        )
        return await acknowledged(service, asked, outcome, request.path_params["slug"])

    async def openings(request: Request) -> Response:
        """Open sealed fields of entries; recorded before anything is shown."""
        _no_query(request)
        ledger = await service.run(allow_opening, installation, request.path_params["slug"], principal(request))
        identity = command_id(request)
        wanted, reason = _wanted(await json_body(request))
        found = await service.run(
            lambda: installation.open_sealed(
                ledger.slug, wanted, reason=reason, principal=principal(request), command_id=identity
            )
        )
        into = await service.run(installation.streams.recorded_in, ledger)
        rows = await service.run(installation.feed.by_command, into.id, identity)
        receipts = [shown_receipt(each) for each in receipts_of(into, rows)]
        content = [
            {"index": index, "fields": {path: _opening(opening) for path, opening in opened.items()}}
            for (index, _), opened in zip(wanted, found, strict=True)
        ]
        return _json({"openings": content, "receipts": receipts}, 200)

    async def searches(request: Request) -> Response:
        """Search sealed identifiers; recorded before anything is answered."""
        _no_query(request)
        ledger = await service.run(service.allow, request, Matter.CASES)
        identity = command_id(request)
        value, reason, first = _searched(await json_body(request))
        found = await service.run(
            lambda: search(
                installation, ledger.slug, value,
                reason=reason, principal=principal(request), command_id=identity, first=first,
            )
        )  # fmt: skip
        return _json(found.shown(), 200)

    async def file(request: Request) -> Response:
        """Open an attachment that an entry names; recorded before it is sent."""
        _no_query(request)
        ledger = await service.run(allow_opening, installation, request.path_params["slug"], principal(request))
        identity = command_id(request)
        body = await json_body(request)
        unknown = set(body) - {"index", "path", "reason"}
        if unknown:
            raise InvalidInput(min(unknown), "one of index, path, reason", "an unknown field")
        index, path = body.get("index"), body.get("path", "file")
        if type(index) is not int:
            raise InvalidInput("index", "the index of an entry", index)
        if not isinstance(path, str):
            raise InvalidInput("path", "the dotted path of an attachment", path)
        reason = _reason(body, "why the file is opened")
        into = await service.run(installation.streams.recorded_in, ledger)
        attachment, chunks = await service.run(
            lambda: installation.read_attachment(
                ledger.slug, index, path, reason=reason, principal=principal(request), command_id=identity
            )
        )
        # A file of ours is never shown in the service's own name: it is given to be saved.
        headers = {
            "Content-Length": str(attachment.length),
            "Content-Disposition": "attachment",
            # Where the receipt of the opening stands: the body is the file's.
            "Location": f"/ledgers/{into.slug}/receipts/{identity}",
        }
        return StreamingResponse(chunks, 200, headers, attachment.media_type)

    async def attach(request: Request) -> Response:
        """Keep a file with a case: the body is the file, ``Attachment-Title`` its sealed title."""
        identity = command_id(request)
        media_type = _media_type(request.headers.get("content-type", OCTETS))
        title = _title(request.headers.get("attachment-title", ""))
        stated = request.headers.get("content-length")
        asked = await acknowledgement(service, request)
        reader = cast(BinaryIO, BodyReader(request.stream(), asyncio.get_running_loop()))
        outcome = await service.upload(
            lambda: installation.attach(
                request.path_params["slug"],
                request.path_params["stream"],
                reader,
                None if stated is None else int(stated),
                media_type=media_type,
                title=title,
                principal=principal(request),
                command_id=identity,
            )
        )
        return await acknowledged(service, asked, outcome, request.path_params["slug"])

    return [
        Named("/ledgers/{slug}/commands/{command}", command, methods=["POST"], name="command"),
        Named("/ledgers/{slug}/openings", openings, methods=["POST"], name="openings"),
        Named("/ledgers/{slug}/search", searches, methods=["POST"], name="search"),
        Named("/ledgers/{slug}/openings/file", file, methods=["POST"], name="file"),
        Named("/ledgers/{slug}/cases/{stream}/attachments", attach, methods=["POST"], name="attach"),
    ]


class Asked(NamedTuple):
    """What a write asks of its answer: a level to be waited for, receipts to be signed."""

    level: Level = Level.DURABLE
    signed: bool = False


async def acknowledgement(service: Service, request: Request) -> Asked:
    """``acknowledge`` and ``receipt`` of the query. Nothing is recorded yet.

    Raises InvalidInput, NotFound; Diverged where receipts are to be signed of a ledger that is not sealed any
    more, Unavailable where nothing seals any more.
    """
    if not request.query_params:
        return Asked()
    for name, _ in request.query_params.multi_items():
        if name not in ("acknowledge", "receipt"):
            raise InvalidInput(name, "one of acknowledge, receipt", "an unknown parameter")
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidInput(name, "one value", "several")
    text = request.query_params.get("acknowledge", Level.DURABLE.value)
    if text not in set(Level):
        raise InvalidInput("acknowledge", f"one of {', '.join(Level)}", text)
    level = Level(text)
    if service.acknowledging is not None and level is not Level.DURABLE:
        ledger = service.installation.ledgers.get(request.path_params["slug"])
        await service.run(service.acknowledging.require, level, ledger)
    signed = request.query_params.get("receipt")
    if signed not in (None, "signed"):
        raise InvalidInput("receipt", "signed, or no such parameter", signed)
    if signed is not None and service.sealing is not None:
        slug = request.path_params["slug"]
        standing = service.sealing().get(slug)
        if standing is not None and standing.alarm is not None:
            raise Diverged(
                f"{slug}: nothing was recorded: its sealing was stopped, and its key promises nothing before a "
                "person has looked into that; without 'receipt' it is recorded"
            )
    return Asked(level, signed is not None)


def _no_query(request: Request) -> None:
    """An opening waits for nothing. Raises InvalidInput: what is given is never passed over in silence."""
    if request.query_params:
        raise InvalidInput(min(request.query_params), "no parameter", "one")


async def acknowledged(service: Service, asked: Asked, outcome: Outcome, slug: str) -> Response:
    """The answer to a write, once it is as sure as was asked; 202 where that took too long.

    What is recorded stays so: the same again waits again.
    """
    if asked == Asked():
        return answer(outcome, slug)
    ledger = service.installation.ledgers.get(slug)
    size = max(receipt.index for receipt in outcome.receipts) + 1
    reached = await service.acknowledged(ledger, size, asked.level)
    beside: dict[str, Any] = {"acknowledged": reached.value}
    if asked.signed:
        house = service.installation
        notes = await service.run(
            signed_receipts, house.feed, house.published, ledger, outcome.receipts, service.promise
        )
        beside["signed_receipts"] = [str(note) for note in notes]
    said = answer(outcome, slug, **beside)
    if reached is not asked.level:
        said.status_code = 202
        said.headers["Retry-After"] = "1"
    return said


def answer(outcome: Outcome, slug: str, **beside: Any) -> Response:
    """201 with the receipts of what was recorded; 200 with the first receipts for a repeat.

    ``beside``: what else the answer says.
    """
    content = {
        "case": outcome.stream,
        "version": outcome.version,
        "receipts": [shown_receipt(receipt) for receipt in outcome.receipts],
        "repeated": outcome.repeated,
        **beside,
    }
    headers = {"ETag": f'"{outcome.version}"', "Location": f"/ledgers/{slug}/cases/{quote(outcome.stream)}"}
    return _json(content, 200 if outcome.repeated else 201, headers)


def _media_type(text: str) -> str:
    """The bare media type: it stands in the entry in clear, so that it holds no free text."""
    bare = text.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(bare):
        raise BadRequest("Content-Type: expected a media type, as application/pdf")
    return bare


def _title(text: str) -> str:
    try:
        title = unquote(text, errors="strict")
    except UnicodeDecodeError:
        title = ""
    if not title.strip() or "\0" in title:
        raise BadRequest("expected a header 'Attachment-Title': percent-encoded UTF-8, not blank")
    return title


def _json(content: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), status, headers, "application/json")


def _wanted(body: dict[str, Any]) -> tuple[list[tuple[int, list[str] | None]], str]:
    for name in body:
        if name not in ("wanted", "reason"):
            raise InvalidInput(name, "one of wanted, reason", "an unknown field")
    listed = body.get("wanted")
    if not isinstance(listed, list) or not listed:
        got = "an empty list" if listed == [] else listed
        raise InvalidInput("wanted", "a list of one or more objects with index and paths", got)
    wanted: list[tuple[int, list[str] | None]] = []
    for place, each in enumerate(listed):
        expected = "an object with index (a number) and, for some fields only, paths (a list of text)"
        if not isinstance(each, dict) or set(each) - {"index", "paths"} or type(each.get("index")) is not int:
            raise InvalidInput(f"wanted.{place}", expected, each)
        paths = each.get("paths")
        if paths is not None and not (isinstance(paths, list) and all(isinstance(p, str) for p in paths)):
            raise InvalidInput(f"wanted.{place}.paths", "a list of text", paths)
        wanted.append((each["index"], paths))
    return wanted, _reason(body, "why these fields are opened")


def _reason(body: dict[str, Any], why: str) -> str:
    """The reason that a body states. Raises InvalidInput, which repeats none: it is sealed."""
    reason = body.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", f"text that is not blank: {why}", _kind(reason))
    return reason


def _kind(value: Any) -> Any:
    """What an error shows of a value that it may not repeat; of objects and lists it shows no more itself."""
    if isinstance(value, str):
        return "text" if value.strip() else "blank text"
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _searched(body: dict[str, Any]) -> tuple[str, str, int]:
    """Value, reason and first entry of a search. No error says anything of the value but its kind."""
    unknown = set(body) - {"value", "reason", "from"}
    if unknown:
        raise InvalidInput(min(unknown), "one of value, reason, from", "an unknown field")
    value, first = body.get("value"), body.get("from", 0)
    if not isinstance(value, str):
        raise InvalidInput("value", "text: one whole identifier", _kind(value))
    reason = _reason(body, "why it is searched for")
    if type(first) is not int:
        raise InvalidInput("from", "the index of an entry, a whole number", _kind(first))
    return value, reason, first


def _opening(opening: Opening) -> dict[str, Any]:
    """One of the four words, and what goes with it. ``salt`` lets whoever holds the entry check the value."""
    match opening:
        case Opened(value, salt):
            shown = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            return {"sealed": opening.word.value, "value": shown, "salt": salt.hex()}
        case Destroyed(on, under):
            return {"sealed": opening.word.value, "on": on.isoformat(), "under": under}
        case Lost(why):
            return {"sealed": opening.word.value, "why": why}
        case Withheld():
            return {"sealed": opening.word.value}


class BodyReader:
    """The body of a request as a file that a worker thread reads; never more than a chunk is held."""

    def __init__(self, stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._rest = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes (all, where it is negative); none at the end.

        Raises what the edge refuses a body for: too much of it, or nothing for too long.
        """
        parts: list[bytes] = []
        held = len(self._rest)
        parts.append(self._rest)
        while not self._ended and (size < 0 or held < size):
            chunk = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            if chunk is None:
                self._ended = True
                break
            held += len(chunk)
            parts.append(chunk)
        found = b"".join(parts)
        if size < 0:
            self._rest = b""
            return found
        self._rest = found[size:]
        return found[:size]

    async def _next(self) -> bytes | None:
        return await anext(self._stream, None)
