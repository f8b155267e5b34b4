"""What strangers verify a ledger by: its signed checkpoint and its tiles (C2SP tlog-tiles), as published."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ledger.api.service import Service, principal
from ledger.application.access import Matter
from ledger.application.evidence import Wanted, export
from ledger.bundle.manifest import CASE, Subject
from ledger.errors import AuditLedgerError, CodecError, NotFound, ProofFailed, Unauthenticated, Unavailable
from ledger.store.ledgers import Ledger
from ledger.store.tiles import Lost
from ledger.tlog.prover import Prover, included
from ledger.tlog.tiles import Tile

log = structlog.get_logger("auditledger.http")

_TEXT = "text/plain; charset=utf-8"
_OCTETS = "application/octet-stream"
_FOR_EVER = "public, max-age=31536000, immutable"
_PRIVATE_FOR_EVER = "private, max-age=31536000, immutable"


def router(service: Service) -> APIRouter:
    """The routes. Plain functions: they read files on a thread."""
    api = APIRouter()
    published = service.installation.published
    open_to_all: dict[str, Ledger] = {}

    @api.get("/ledgers/{slug}/checkpoint", tags=["proofs"])
    def checkpoint(request: Request, slug: str) -> Response:
        """The last checkpoint that the ledger signed of itself. Open to anyone where the ledger is public."""
        ledger = _readable(request, Matter.LEDGER)
        try:
            note = published.of(ledger).checkpoint()
        except Unavailable as error:
            raise _unreadable(ledger, "its checkpoint", error) from error
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
        try:
            data = published.of(ledger).read(wanted)
        except NotFound:
            raise NotFound(f"ledger {slug}: there is no {wanted.path}") from None
        except Unavailable as error:
            raise _unreadable(ledger, wanted.path, error) from error
        return Response(data, media_type=_OCTETS, headers={"Cache-Control": kept})

    @api.get("/ledgers/{slug}/entries/{index}/proof", tags=["proofs"])
    def proof(request: Request, slug: str, index: int) -> Response:
        """That an entry is in the ledger (C2SP tlog-proof). Open to anyone where the ledger is public.

        404 before the entry is sealed; 500 where the published files do not lead to the checkpoint.
        """
        ledger = _readable(request, Matter.CASES)
        folder = published.of(ledger)
        try:
            note = folder.checkpoint()
            if note is None:
                raise NotFound(f"ledger {slug}: no checkpoint is published yet")
            # Checked before it is given: a stranger who gets one that fails holds it against the ledger.
            shown, _ = included(Prover(folder.read, note), index)
        except (Unavailable, Lost) as error:
            raise _unreadable(ledger, "a proof", error) from error
        except ProofFailed as error:
            # Where they lie is for the log.
            log.error("published files altered", ledger=slug, reason=str(error))
            raise ProofFailed(
                f"ledger {slug}: no proof can be given: the published files do not lead to the checkpoint"
            ) from error
        return Response(bytes(shown), media_type=_TEXT, headers={"Cache-Control": "no-cache"})

    @api.get("/ledgers/{slug}/cases/{stream}/bundle", tags=["proofs"])
    def bundle(
        request: Request, slug: str, stream: str, basis: Annotated[str | None, Query(max_length=120)] = None
    ) -> Response:
        """The case as evidence that anyone can verify offline with the ledger's key: under the last checkpoint
        that a quorum of witnesses cosigned, else the last; every field sealed. ``basis``: of the regulator's
        ledger, on what it leaves it (PDPA s 120(3)).
        """
        ledger = service.allow(request, Matter.CASES)
        wanted = Wanted(Subject(CASE, stream=stream), basis=basis)
        with TemporaryDirectory(prefix="auditledger-bundle-") as folder:
            path = Path(folder) / f"{slug}.zip"
            times = None if service.times is None else service.times()

            def note(of: Ledger, least: int) -> bytes:
                # The service seals by itself, and nobody who asks over HTTP holds a thread up until it has.
                data = _note(of)
                return (None if times is None else times.checkpoint(of, data, least)) or data

            try:
                export(service.installation, slug, principal(request), wanted, path, seal=note, times=times)
                data = path.read_bytes()
            except (Unavailable, Lost) as error:
                raise _unreadable(ledger, "a bundle of the case", error) from error
        named = {"Content-Disposition": f'attachment; filename="{slug}.zip"', "Cache-Control": "no-store"}
        return Response(data, media_type="application/zip", headers=named)

    def _note(ledger: Ledger) -> bytes:
        """What is published."""
        note = published.of(ledger).checkpoint()
        if note is None:
            raise NotFound(f"ledger {ledger.slug}: no checkpoint is published yet")
        return note

    def _readable(request: Request, matter: Matter) -> Ledger:
        """The ledger of the path, where who asks may read it. Raises Unauthenticated, NotFound, Forbidden."""
        found = _public(request.path_params["slug"])
        if found is not None:
            return found
        if hasattr(request.state, "principal"):
            return service.allow(request, matter)
        # Who has no token does not learn which ledgers there are.
        raise Unauthenticated("a bearer token is needed: Authorization: Bearer TOKEN")

    def _public(slug: str) -> Ledger | None:
        # From the list, read once a second at most: names that strangers try are no work for the database.
        if slug not in open_to_all:
            open_to_all.update({each.slug: each for each in service.installation.ledgers.all() if each.public})
        return open_to_all.get(slug)

    return api


def _unreadable(ledger: Ledger, what: str, error: AuditLedgerError) -> Unavailable:
    """What a caller is told of a file that cannot be read: the path is for the log."""
    log.error("published file unreadable", ledger=ledger.slug, reason=str(error))
    return Unavailable(f"ledger {ledger.slug}: {what} cannot be read now")
