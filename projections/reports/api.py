"""Reports over HTTP: made on asking from the ledgers that the caller may read reports of, and handed over."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from ledger.domain.installation.events import ReportStatus
from ledger.errors import InvalidInput
from projections.reports.catalogue import REPORTS
from projections.reports.handover import Desk, hand_over, made_for, recipient
from projections.reports.render import FORMATS, render

_HEADERS = {
    # The page is whole in itself: nothing may be loaded into it, and no script runs.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


OpenDesk = Callable[[Request], Desk]
"""Who asks → what they may read reports of, and how what they hand over is recorded. Raises Forbidden."""


class HandOver(BaseModel):
    """What is handed over, to whom, and where that is recorded."""

    model_config = ConfigDict(extra="forbid")

    report: str
    to: str
    period: str | None = None
    status: ReportStatus = ReportStatus.FINAL
    as_at: str | None = None
    supersedes: dict[str, Any] | None = None
    embargo_until: date | None = None
    incomplete: bool = False


def router(desk: OpenDesk) -> APIRouter:
    """The routes of reports. Plain functions: they wait for the database on a thread."""
    api = APIRouter()

    @api.get("/reports", tags=["reports"])
    def reports(request: Request) -> JSONResponse:
        """The reports that there are."""
        desk(request)
        listed = [{"report": k.name, "title": k.title, "to": k.recipient} for k in REPORTS.values()]
        return JSONResponse({"reports": listed})

    @api.get("/reports/{name}", tags=["reports"])
    def report(
        request: Request,
        name: str,
        period: str | None = None,
        form: Annotated[str, Query(alias="format")] = "html",
        as_at: str | None = None,
        ledger: Annotated[list[str] | None, Query()] = None,
        incomplete: bool = False,
    ) -> Response:
        """A report as HTML, JSON, or a ZIP of CSV files; made of the ledgers whose reports you may read."""
        if form not in FORMATS:
            raise InvalidInput("format", "one of " + ", ".join(FORMATS), form)
        made = made_for(desk(request).door, name, period, as_at=as_at, ledgers=ledger, incomplete=incomplete)
        files = render(made, form)
        if form == "csv":
            return _attached(_zip(files), "application/zip", f"{name}.zip")
        (content,) = files.values()
        return Response(content, media_type=f"{FORMATS[form]}; charset=utf-8", headers=_HEADERS)

    @api.post("/ledgers/{slug}/reports", tags=["reports"], status_code=201)
    def handed(request: Request, slug: str, body: HandOver) -> JSONResponse:
        """Hand a report over: files, figures and the rows behind them are kept, recorded in this ledger."""
        at = desk(request)
        made = made_for(at.door, body.report, body.period, as_at=body.as_at, incomplete=body.incomplete)
        outcome, files = hand_over(
            at.submit, at.keep_file, made, recipient(body.to), slug=slug, happened=at.door.today,
            status=body.status, supersedes=body.supersedes, embargo_until=body.embargo_until,
        )  # fmt: skip
        receipts = [
            {
                "ledger": each.ledger, "index": each.index, "leaf_hash": each.leaf_hash.hex(),
                "recorded_at": each.recorded_at.isoformat(),
            }
            for each in outcome.receipts
        ]  # fmt: skip
        return JSONResponse(
            {"case": outcome.stream, "receipts": receipts, "files": sorted(files)}, status_code=201
        )

    return api


def _attached(content: bytes, media_type: str, name: str) -> Response:
    headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


def _zip(files: dict[str, bytes]) -> bytes:
    """The same files give the same bytes: every member has one fixed date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()
