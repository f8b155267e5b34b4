"""A witness over HTTP (C2SP tlog-witness): ``add-checkpoint``, and the last note cosigned of each log."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger.errors import Unavailable
from ledger.witness.witness import MOST_BYTES, TEXT, Answer, Witness


def application(witness: Witness) -> Starlette:
    """The application of a witness; submission prefix and monitoring prefix are the same."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return _answer(Answer(413, f"expected at most {MOST_BYTES} bytes\n"))
        try:
            return _answer(await run_in_threadpool(witness.add_checkpoint, body))
        except Unavailable as error:
            return _answer(Answer(503, f"{error}\n"))

    async def checkpoint(request: Request) -> Response:
        try:
            note = await run_in_threadpool(witness.checkpoint, request.path_params["name"])
        except Unavailable as error:
            return _answer(Answer(503, f"{error}\n"))
        if note is None:
            return _answer(Answer(404, "no checkpoint of such a log was cosigned here\n"))
        return Response(note, headers={"Content-Type": TEXT, "Cache-Control": "no-cache"})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{name}/checkpoint", checkpoint, methods=["GET"]),
        ]
    )


def _answer(answer: Answer) -> Response:
    return Response(answer.content, answer.status, headers={"Content-Type": answer.kind})
