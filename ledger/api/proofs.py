"""What strangers verify a ledger by: its signed checkpoint and its tiles (C2SP tlog-tiles), as published."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger.api.service import Service
from ledger.application.access import Matter
from ledger.errors import CodecError, NotFound, Unauthenticated
from ledger.store.ledgers import Ledger
from ledger.tlog.tiles import Tile

_TEXT = "text/plain; charset=utf-8"
_OCTETS = "application/octet-stream"
_FOR_EVER = "public, max-age=31536000, immutable"
_PRIVATE_FOR_EVER = "private, max-age=31536000, immutable"


def router(service: Service) -> APIRouter:
    """The routes. Plain functions: they read files on a thread, and no database."""
    api = APIRouter()
    published = service.installation.published

    @api.get("/ledgers/{slug}/checkpoint", tags=["proofs"])
    def checkpoint(request: Request, slug: str) -> Response:
        """The last checkpoint that the ledger signed of itself. Open to anyone where the ledger is public."""
        ledger = _readable(request, Matter.LEDGER)
        note = published.of(ledger).checkpoint()
        if note is None:
            raise NotFound(f"ledger {slug}: no checkpoint is published yet")
        return Response(note, media_type=_TEXT, headers={"Cache-Control": "no-cache"})

    @api.get("/ledgers/{slug}/tile/{path:path}", tags=["proofs"])
    def tile(request: Request, slug: str, path: str) -> Response:
        """A tile of the ledger's tree, or a bundle of entries. Open to anyone where the ledger is public."""
        ledger = _readable(request, Matter.CASES)
        try:
            wanted = Tile.parse(f"tile/{path}")
        except CodecError as error:
            raise NotFound(str(error)) from error
        kept = _FOR_EVER if ledger.public else _PRIVATE_FOR_EVER
        data = published.of(ledger).read(wanted)
        return Response(data, media_type=_OCTETS, headers={"Cache-Control": kept})

    def _readable(request: Request, matter: Matter) -> Ledger:
        """The ledger of the path, where who asks may read it. Raises Unauthenticated, NotFound, Forbidden."""
        if hasattr(request.state, "principal"):
            return service.allow(request, matter)
        try:
            found = service.installation.ledgers.get(request.path_params["slug"])
        except NotFound:
            found = None
        if found is None or not found.public:
            # Who has no token does not learn which ledgers there are.
            raise Unauthenticated("a bearer token is needed: Authorization: Bearer TOKEN")
        return found

    return api
