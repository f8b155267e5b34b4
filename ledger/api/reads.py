"""Reading over HTTP: ledgers, timelines, entries, receipts, attachments, the commands, schemas, health."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ledger.api.metrics import of_emergency, of_ledgers, of_sealing, of_vault, of_witnessing
from ledger.api.service import Ended, Service, principal
from ledger.application.access import Matter, allow_case, readable, roles
from ledger.application.emergency import listed
from ledger.application.outcome import parse_command_id, receipts_of
from ledger.application.shown import DEMONSTRATION, shown_bracket, shown_entry, shown_receipt, shown_timeline
from ledger.codec.jsonform import json_schema, template
from ledger.codec.registry import registry
from ledger.domain.case import command_table
from ledger.domain.event import load_events
from ledger.errors import AuditLedgerError, InvalidInput, NotFound, Unavailable
from ledger.store.feed import StoredRow
from ledger.store.ledgers import Ledger
from ledger.tlog.brackets import Bracket

OCTETS = "application/octet-stream"
HEALTH_SECONDS = 2.0
"""How long the page of health waits for the database: who asks whether all is well waits no longer."""


def router(service: Service) -> APIRouter:
    """The routes that read. Plain functions: they wait for the database on a thread."""
    api = APIRouter()
    installation = service.installation
    feed = installation.feed

    @api.get("/ledgers", tags=["ledgers"])
    def ledgers(request: Request) -> JSONResponse:
        """The ledgers that you may read anything of."""
        service.require_any_role(request)
        found = readable(installation, principal(request), Matter.LEDGER)
        heads = feed.heads()
        return JSONResponse({"ledgers": [shown_ledger(ledger, heads[ledger.id].size) for ledger in found]})

    @api.get("/ledgers/{slug}", tags=["ledgers"])
    def ledger(request: Request, slug: str) -> JSONResponse:
        """One ledger: origin, organisation, size, leaf hash of its last entry, your roles in it."""
        found = service.allow(request, Matter.LEDGER)
        head = feed.head(found.id)
        content = shown_ledger(found, head.size)
        content["head"] = head.hash.hex()
        content["roles"] = sorted(role.value for role in roles(installation, found, principal(request)))
        return JSONResponse(content)

    @api.get("/ledgers/{slug}/cases/{stream}", tags=["cases"])
    def case(request: Request, slug: str, stream: str) -> JSONResponse:
        """A case's timeline: every entry of its stream, sealed values withheld, and the days between them.

        ``witnessed``: between which times witnesses saw an entry appear; null where none has spoken.
        ``ETag`` is its version.
        """
        found = allow_case(installation, slug, principal(request), stream)
        rows = feed.stream(found.id, _text("stream", stream))
        if not rows:
            raise NotFound(f"ledger {slug}: nothing is recorded in case {stream}")
        brackets = service.brackets(found, [row.index for row in rows])
        content = {
            "ledger": found.origin,
            "case": stream,
            "version": rows[-1].version,
            "entries": shown_timeline(
                rows, installation.gone(found, rows), brackets, simulated=found.demonstration
            ),
            **notice(found),
        }
        return JSONResponse(content, headers={"ETag": f'"{rows[-1].version}"'})

    @api.get("/ledgers/{slug}/entries", tags=["entries"])
    def entries(
        request: Request,
        slug: str,
        after: Annotated[int, Query(ge=-1, le=1 << 62)] = -1,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        event: Annotated[list[str] | None, Query()] = None,
        raw: bool = False,
    ) -> JSONResponse:
        """The ledger's entries behind ``after``, in order; ``event`` (full names) filters, ``raw`` adds bytes.

        ``next`` is the ``after`` of the next page, there even at the end: ask again for what comes. Of each
        ``witnessed``: between which times witnesses saw it appear; null where none has spoken.
        """
        found = service.allow(request, Matter.CASES)
        for name in event or ():
            if name not in load_events():
                raise InvalidInput("event", "the full name of an event", name)
        rows = feed.read(found.id, after, limit, events=event)
        gone = installation.gone(found, rows)
        content = {
            "ledger": found.origin,
            "size": feed.head(found.id).size,
            "entries": _with_times(found, rows, [shown_entry(row, gone, raw=raw) for row in rows]),
            "next": rows[-1].index if rows else after,
            **notice(found),
        }
        return JSONResponse(content)

    @api.get("/ledgers/{slug}/entries/{index}", tags=["entries"])
    def entry(request: Request, slug: str, index: int) -> Response:
        """One entry; by ``Accept: application/octet-stream`` its bytes, as they were recorded.

        ``witnessed``: between which times witnesses saw it appear; null where none has spoken.
        """
        found = service.allow(request, Matter.CASES)
        if not 0 <= index < 1 << 62:
            raise InvalidInput("index", "a whole number from 0", index)
        row = feed.entry(found.id, index)
        if request.headers.get("accept", "").split(";")[0].strip() == OCTETS:
            return Response(row.entry, media_type=OCTETS, headers={"Leaf-Hash": row.leaf_hash.hex()})
        shown = shown_entry(row, installation.gone(found, [row]), raw=True)
        return JSONResponse({**_with_times(found, [row], [shown])[0], **notice(found)})

    @api.get("/ledgers/{slug}/receipts/{command}", tags=["entries"])
    def receipts(request: Request, slug: str, command: str) -> JSONResponse:
        """The receipts of a command that was recorded, by its Idempotency-Key."""
        found = service.allow(request, Matter.CASES)
        rows = feed.by_command(found.id, parse_command_id(command))
        if not rows:
            raise NotFound(f"ledger {slug}: no command {command} is recorded")
        listed = [shown_receipt(each) for each in receipts_of(found, rows)]
        return JSONResponse({"case": rows[-1].stream, "receipts": listed})

    @api.get("/ledgers/{slug}/emergency-access", tags=["ledgers"])
    def emergency_access(request: Request, slug: str) -> JSONResponse:
        """Emergency accesses of a ledger, newest first; of others too, where you may see them.

        A privacy officer is told by this list of what they were not told of before: that is recorded first.
        """
        found = service.allow(request, Matter.LEDGER)
        accesses = listed(installation, found, principal(request))
        return JSONResponse({"ledger": found.origin, "emergency_access": accesses, **notice(found)})

    @api.get("/me", tags=["service"])
    def me(request: Request) -> JSONResponse:
        """Who you are here: the opaque id that grants name, and your roles in force by ledger."""
        service.require_any_role(request)
        return JSONResponse(shown_person(service, request))

    @api.get("/commands", tags=["service"])
    def commands(request: Request) -> JSONResponse:
        """Every command: what it is for, who may give it, whether it opens a case."""
        service.require_any_role(request)
        return JSONResponse({"commands": [shown_command(name) for name in command_table()]})

    @api.get("/commands/{command}", tags=["service"])
    def command(request: Request, command: str) -> JSONResponse:
        """One command with the JSON Schema of its fields and a template to fill in."""
        service.require_any_role(request)
        return JSONResponse(shown_command(command, whole=True))

    @api.get("/schemas/{fingerprint}", tags=["service"])
    def schema(request: Request, fingerprint: str) -> Response:
        """The Avro schema of a CRC-64-AVRO fingerprint (hex, as it stands in the bytes)."""
        service.require_any_role(request)
        try:
            writer = registry().by_fingerprint.get(bytes.fromhex(fingerprint))
        except ValueError:
            writer = None
        if writer is None:
            raise NotFound(f"no schema has the fingerprint {fingerprint[:32]!r}")
        return Response(json.dumps(writer.schema, ensure_ascii=False), media_type="application/json")

    @api.get("/metrics", tags=["service"])
    def metrics(request: Request) -> PlainTextResponse:
        """Counts and times for Prometheus; by ledger that you may read of: entries, lag, parked cases."""
        service.require_any_role(request)
        text = generate_latest(service.metrics.registry)
        slugs = {each.slug for each in readable(installation, principal(request), Matter.LEDGER)}
        if service.standing is not None:
            text += of_ledgers(service.standing, slugs)
        # Of what has ended there are no gauges, as of the registers.
        if service.sealing is not None:
            with suppress(Unavailable):
                text += of_sealing(service.sealing(), slugs)
        if service.witnessing is not None:
            with suppress(Unavailable):
                text += of_witnessing(service.witnessing(), slugs)
        if service.vault is not None:
            with suppress(Unavailable):
                text += of_vault(service.vault(), slugs)
        if service.emergency is not None:
            with suppress(Unavailable):
                text += of_emergency(service.emergency(), slugs)
        return PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)

    @api.get("/health", tags=["service"])
    def health() -> JSONResponse:
        """Whether the service works: database, projections. Open to anyone; it names no ledger."""
        content, healthy = state(service)
        return JSONResponse(content, 200 if healthy else 503)

    def _with_times(
        found: Ledger, rows: Sequence[StoredRow], shown: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        brackets = service.brackets(found, [row.index for row in rows]) or [Bracket()] * len(rows)
        return [
            {**each, "witnessed": shown_bracket(bracket, None if found.demonstration else row.recorded_at)}
            for row, each, bracket in zip(rows, shown, brackets, strict=True)
        ]

    return api


FAILED = ("failed", "ended; start the service again")
"""Of what runs beside the service: it tries again; it does nothing any more."""


def state(service: Service) -> tuple[dict[str, Any], bool]:
    """What ``GET /health`` says, and whether that is well."""
    content: dict[str, Any] = {"status": "ok", "version": version("auditledger")}
    healthy = True
    supervisor = service.installation.supervisor
    if supervisor is not None:
        content["database_restarts"] = supervisor.restarts
    if supervisor is not None and supervisor.alarm is not None:
        # Why it is down stands in the log: this page is open to anyone. Nobody waits for what is known.
        content["database"], healthy = "restarting", False
    else:
        try:
            heads = service.installation.feed.heads(HEALTH_SECONDS)
            content["database"] = "ok"
            content["ledgers"] = len(heads)
            content["entries"] = sum(head.size for head in heads.values())
        except Unavailable:
            content["database"], healthy = "unavailable", False
    if service.lag is not None and healthy:
        try:
            content["projections"] = dict(service.lag())
            healthy = not content["projections"].get("to_rebuild")
        except AuditLedgerError:
            content["projections"], healthy = "unavailable", False
    if service.sealing is not None:
        # Which ledger, and why, stands in the log and in the metrics. Writing goes on.
        try:
            standing = service.sealing().values()
            stopped = sum(each.alarm is not None for each in standing)
            waits = sum(each.waits is not None for each in standing)
            said = [f"stopped for {stopped} ledgers"] * bool(stopped) + [f"waits for {waits}"] * bool(waits)
            content["sealing"] = ", ".join(said) or "ok"
        except Unavailable:
            content["sealing"] = FAILED[True]
    if service.witnessing is not None:
        try:
            found = service.witnessing().values()
            refuse = {name for each in found for name in each.refuse}
            away = {name for each in found for name in each.away} - refuse
            said = [f"{len(refuse)} witnesses refuse"] * bool(refuse) + [f"{len(away)} witnesses away"] * bool(
                away
            )
            content["witnessing"] = ", ".join(said) or "ok"
        except Unavailable as error:
            content["witnessing"] = FAILED[isinstance(error, Ended)]
    if service.vault is not None:
        try:
            lost = sum(each.lost for each in service.vault().values())
            content["vault"] = "ok" if not lost else f"{lost} keys lost"
        except Unavailable as error:
            content["vault"] = FAILED[isinstance(error, Ended)]
    if service.emergency is not None:
        try:
            untold = sum(each.untold for each in service.emergency().values())
            content["emergency_access"] = "ok" if not untold else f"no privacy officer told of {untold}"
        except Unavailable as error:
            content["emergency_access"] = FAILED[isinstance(error, Ended)]
    if not healthy:
        content["status"] = "unavailable"
    return content, healthy


def shown_ledger(ledger: Ledger, size: int) -> dict[str, Any]:
    """A ledger as lists show it."""
    return {
        "slug": ledger.slug,
        "origin": ledger.origin,
        "organisation": ledger.organisation,
        "public": ledger.public,
        "demonstration": ledger.demonstration,
        "size": size,
        **notice(ledger),
    }


def notice(ledger: Ledger) -> dict[str, str]:
    """What every page of a demonstration says; nothing for a ledger of facts."""
    return {"notice": DEMONSTRATION} if ledger.demonstration else {}


def shown_command(name: str, *, whole: bool = False) -> dict[str, Any]:
    """A command from the table. Raises NotFound."""
    specs = command_table().get(name)
    if specs is None:
        raise NotFound(f"no command is named {name[:80]!r}; GET /commands names them all")
    first = specs[0]
    out: dict[str, Any] = {
        "command": name,
        "event": first.event.name,
        "doc": first.doc,
        "roles": sorted(role.value for spec in specs for role in spec.roles),
        "opens": first.opens,
        "stream": first.stream,
    }
    out["roles"] = sorted(set(out["roles"]))
    if whole:
        out["fields"] = json_schema(first.event)
        out["template"] = template(first.event)
    return out


def shown_person(service: Service, request: Request) -> dict[str, Any]:
    """Who asks, and the roles in force by the ledger they count in."""
    asking = principal(request)
    installation = service.installation
    held = {
        ledger.slug: sorted(role.value for role in roles(installation, ledger, asking))
        for ledger in readable(installation, asking, Matter.LEDGER)
    }
    return {
        "person": asking.person,
        "organisation": asking.organisation,
        "authority": asking.authority,
        "roles": held,
    }


def _text(name: str, value: str) -> str:
    if "\0" in value:
        raise InvalidInput(name, "text without NUL characters", "a NUL character")
    return value
