"""The HTTP application: routes, the edge around them, OpenAPI."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ledger.api import openapi, parameters, proofs, reads, writes
from ledger.api.edge import Edge, Identify
from ledger.api.problem import HttpRefused, problem
from ledger.api.service import (
    EmergencyState,
    Lag,
    SealingState,
    Service,
    Standing,
    Times,
    VaultState,
    WitnessState,
)
from ledger.api.tokens import Tokens
from ledger.application import Installation
from ledger.errors import AuditLedgerError, InvalidInput
from ledger.settings import Settings
from ledger.store.acknowledging import Acknowledging

PUBLIC = frozenset({"/health"})
"""Paths that need no token. A public register joins by ``create_app(public=…)``."""
PERHAPS_PUBLIC = re.compile("/ledgers/[^/]+/(checkpoint|tile/.+|entries/[0-9]+/proof)")
"""Paths that need no token where the ledger is public: what strangers verify it by."""


def create_app(
    installation: Installation,
    settings: Settings,
    *,
    tokens: Tokens,
    identify: Identify,
    routers: Sequence[APIRouter] = (),
    public: frozenset[str] = frozenset(),
    lag: Lag | None = None,
    standing: Standing | None = None,
    sealing: SealingState | None = None,
    witnessing: WitnessState | None = None,
    acknowledging: Acknowledging | None = None,
    vault: VaultState | None = None,
    emergency: EmergencyState | None = None,
    times: Times | None = None,
) -> FastAPI:
    """The application over an open installation. ``routers`` are the projections' (registers, reports).

    ``identify`` turns checked claims into who is signed in: the opaque id that grants name.
    """
    executor = ThreadPoolExecutor(settings.http_threads, thread_name_prefix="http")
    commands = ThreadPoolExecutor(settings.command_threads, thread_name_prefix="command")
    uploads = ThreadPoolExecutor(settings.upload_threads, thread_name_prefix="upload")
    service = Service(
        installation, commands, executor, uploads, settings.upload_threads, lag=lag, standing=standing,
        sealing=sealing, witnessing=witnessing, acknowledging=acknowledging, vault=vault,
        emergency=emergency, times=times,
        patience=settings.acknowledge_timeout, promise=settings.receipt_promise,
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The framework's own threads, for plain functions: its default of 40 would cap the clients.
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.http_threads
        yield
        # Beside the event loop, which what still runs on them may be waiting for.
        for each in (commands, executor, uploads):
            await asyncio.to_thread(each.shutdown)

    app = FastAPI(
        title="auditledger", version=version("auditledger"), lifespan=lifespan,
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.router.routes.extend(writes.routes(service))
    # Joined as they are, not as included routers: ``app.routes`` is the one table that tests and OpenAPI walk.
    for router in (reads.router(service), proofs.router(service), *routers):
        app.router.routes.extend(router.routes)
    for route in app.routes:
        if isinstance(route, APIRoute):
            parameters.insist(route)
    described: list[dict[str, Any]] = []

    def describe(request: Request) -> JSONResponse:
        """This service described: OpenAPI 3.1, a path for each command."""
        service.require_any_role(request)
        if not described:
            described.append(openapi.document(app, version("auditledger")))
        return JSONResponse(described[0])

    app.add_api_route("/openapi.json", describe, include_in_schema=False)
    app.add_exception_handler(AuditLedgerError, _refused)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _parameter)

    def body_limit(scope: Scope) -> int:
        attaches = scope["path"].endswith("/attachments")
        return settings.max_attachment if attaches else settings.max_body

    app.add_middleware(
        Edge,
        tokens=tokens,
        identify=identify,
        public=PUBLIC | public,
        perhaps_public=PERHAPS_PUBLIC,
        executor=executor,
        metrics=service.metrics,
        body_limit=body_limit,
        max_silence=settings.max_silence,
        min_rate=settings.min_body_rate,
    )
    return app


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, AuditLedgerError)
    return problem(error)


def _framework(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(HttpRefused(error.status_code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer


def _parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    expected = "a value" if first["type"] == "missing" else str(first["msg"]).removeprefix("Input should be ")
    return problem(InvalidInput(name, expected, first.get("input")))
