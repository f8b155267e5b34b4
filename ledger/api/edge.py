"""The edge of the service, around every route: who asks, how much they send, what is logged and counted.

Pure ASGI, so that the path of a command stays short. A route is closed unless it is named in ``PUBLIC``: a
router that is joined later cannot be open by an oversight.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import Executor

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.api.logs import log_failure
from ledger.api.problem import TooLarge, TooSlow, problem, unexpected
from ledger.api.tokens import Claims, Tokens
from ledger.application import Principal
from ledger.errors import AuditLedgerError, Unauthenticated

log = structlog.get_logger("auditledger.http")
Identify = Callable[[Claims], Principal]


ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
"""Headers of every answer: what it says is for who asked, now, and is what it says it is."""


class Metrics:
    """What is counted of requests; read at ``GET /metrics``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "auditledger_http_requests", "Requests answered", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "auditledger_http_seconds", "Time to answer", ["route"], registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )  # fmt: skip


class Edge:
    """Authenticates, bounds, catches, logs and counts; then the application answers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens,
        identify: Identify,
        public: frozenset[str],
        perhaps_public: re.Pattern[str],
        executor: Executor,
        metrics: Metrics,
        body_limit: Callable[[Scope], int],
        max_silence: float,
        min_rate: int,
    ) -> None:
        self.app = app
        self._tokens = tokens
        self._identify = identify
        self._public = public
        self._perhaps_public = perhaps_public
        self._executor = executor
        self._metrics = metrics
        self._body_limit = body_limit
        self._max_silence = max_silence
        self._min_rate = min_rate
        self._known: dict[Claims, Principal] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                named = {name for name, _ in given}
                message["headers"] = [*given, *(each for each in ALWAYS if each[0] not in named)]
            await send(message)

        try:
            if not self._open(scope):
                scope.setdefault("state", {})["principal"] = await self._principal(scope)
            body = Body(scope, receive, self._body_limit(scope), self._max_silence, self._min_rate)
            # RFC 9110 section 9.3.2: HEAD is GET whose content is not sent; the server leaves it out.
            asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            await self.app(asked, body, sending)
            scope.update({name: asked[name] for name in ("route", "path_params") if name in asked})
        except ClientDisconnect:
            status = status or 499
        except AuditLedgerError as error:
            if status:
                raise
            await problem(error)(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 (the last catch: no content may reach the log or the caller)
            log_failure(error)
            if status:
                # Half an answer is out: closing the connection is the one way left to say that it is not whole.
                raise RuntimeError("answer cut short; see the entry before this one") from None
            await unexpected()(scope, receive, sending)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    def _open(self, scope: Scope) -> bool:
        """Whether a request needs no token here: of what may be public, the route decides where none came."""
        if scope["path"] in self._public:
            return True
        named = any(name == b"authorization" for name, _ in scope["headers"])
        return not named and self._perhaps_public.fullmatch(scope["path"]) is not None

    async def _principal(self, scope: Scope) -> Principal:
        token = _bearer(scope)
        claims = self._tokens.kept(token)
        if claims is not None and (known := self._known.get(claims)) is not None:
            return known
        # Keys may have to be fetched and the vault asked for the opaque id: not on the event loop.
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._check, token)

    def _check(self, token: str) -> Principal:
        claims = self._tokens.check(token)
        principal = self._identify(claims)
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[claims] = principal
        return principal

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, not the path: ids stay out of labels, and queries (which may hold names) out of logs.
        found = scope.get("route")
        route = getattr(found, "path", "(none)")
        self._metrics.requests.labels(scope["method"], route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        principal = scope.get("state", {}).get("principal")
        command = scope.get("path_params", {}).get("command")
        log.info(
            "request",
            method=scope["method"],
            route=route,
            ledger=scope.get("path_params", {}).get("slug"),
            command=command if status < 400 else None,
            status=status,
            ms=round(seconds * 1000, 1),
            person=principal.person if principal else None,
        )


def _bearer(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer" and token:
                try:
                    return str(token.strip(), "ascii")
                except UnicodeDecodeError:
                    break
            break
    raise Unauthenticated("expected a header 'Authorization: Bearer TOKEN'; see 'auditledger token --help'")


class Body:
    """``receive`` that refuses a body that is too large, by its header or as it comes, or too slow.

    Too slow is one that stops for ``max_silence`` seconds, and one that was waited for longer than that and
    what it brought is worth at ``min_rate`` bytes a second: drops that keep a connection open. After its end a
    client may be silent.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int, max_silence: float, min_rate: int) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
                raise TooLarge(f"body: expected at most {limit} bytes, got {int(value[:20])}")
        self._receive = receive
        self._limit = limit
        self._max_silence = max_silence
        self._min_rate = min_rate
        self._seen = 0
        self._waited = 0.0
        self._ended = False

    async def __call__(self) -> Message:
        """The next part of the body. Raises TooLarge, TooSlow."""
        if self._ended:
            return await self._receive()
        since = time.perf_counter()
        left = self._max_silence + self._seen / self._min_rate - self._waited
        try:
            async with asyncio.timeout(min(self._max_silence, left)):
                message = await self._receive()
        except TimeoutError:
            raise self._too_slow(left) from None
        # The client's time alone: what a route does between two parts is not its slowness.
        self._waited += time.perf_counter() - since
        if message["type"] == "http.request":
            self._ended = not message.get("more_body", False)
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                raise TooLarge(f"body: expected at most {self._limit} bytes, got more")
        return message

    def _too_slow(self, left: float) -> TooSlow:
        if left < self._max_silence:
            return TooSlow(f"body: expected {self._min_rate} bytes a second, got {self._seen} bytes by now")
        return TooSlow(f"body: nothing came for {self._max_silence:g} seconds")
