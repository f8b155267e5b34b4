"""Reports over HTTP: made on asking from the ledgers that the caller may read reports of, and handed over.

They are made beside the service, few at once: one of now is waited for, one as at positions is begun by the
first call and fetched by a later one, from the place that the first names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.domain.installation.events import ReportStatus
from ledger.errors import InvalidInput
from projections.aside import Aside
from projections.reports.asked import Wanted, wanted
from projections.reports.catalogue import REPORTS
from projections.reports.handover import COMMAND, Desk, hand_over, handed_over, recipient
from projections.reports.render import FORMATS
from projections.reports.served import prepared, rendered

_HEADERS = {
    # The page is whole in itself: nothing may be loaded into it, and no script runs.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


OpenDesk = Callable[[Request], Desk]
"""Who asks → what they may read reports of, and how what they hand over is recorded. Raises Forbidden."""

Answer = Callable[..., Response]
"""The answer to what was recorded, as to any command: its outcome, the ledger's slug, ``files`` by name."""

ReadBody = Callable[[Request], Awaitable[dict[str, Any]]]
"""The JSON object of a request, as strictly read as that of a command."""


class HandOver(BaseModel):
    """What is handed over, and to whom."""

    model_config = ConfigDict(extra="forbid")

    report: str
    to: str
    period: str | None = None
    status: ReportStatus = ReportStatus.FINAL
    as_at: str | None = None
    supersedes: dict[str, Any] | None = None
    embargo_until: date | None = None
    incomplete: bool = False


def _described() -> dict[str, Any]:
    """What OpenAPI says of a hand-over beside its path."""
    key = {
        "name": "Idempotency-Key", "in": "header", "required": True,
        "description": "A UUID of your own making: the same again gets the first receipt and adds nothing",
        "schema": {"type": "string", "format": "uuid"},
    }  # fmt: skip
    schema = HandOver.model_json_schema()
    # Named types stand in the document's one list of them; here they stand where they are used.
    named = schema.pop("$defs", {})
    for given in schema["properties"].values():
        reference = given.pop("$ref", None)
        if reference is not None:
            given |= named[reference.rpartition("/")[2]]
    content = {"application/json": {"schema": schema}}
    return {"parameters": [key], "requestBody": {"required": True, "content": content}}


def _hand_over(body: dict[str, Any]) -> HandOver:
    try:
        return HandOver.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InvalidInput(name, "one of " + ", ".join(HandOver.model_fields), "an unknown field") from None
        expected = "a value" if first["type"] == "missing" else first["msg"].removeprefix("Input should be ")
        raise InvalidInput(name, expected, first["input"] if first["type"] != "missing" else None) from None


def router(desk: OpenDesk, read_body: ReadBody, answer: Answer, aside: Aside) -> APIRouter:
    """The routes of reports. Plain functions: they wait for the database on a thread."""
    api = APIRouter()
    body_of = Depends(read_body)

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
        """A report as HTML, JSON, or a ZIP of CSV files; made of the ledgers whose reports you may read.

        As at a moment: 202 first, with the ``Location`` that states the positions; there it is, once made.
        """
        if form not in FORMATS:
            raise InvalidInput("format", "one of " + ", ".join(FORMATS), form)
        asked = wanted(desk(request).door, name, period, as_at=as_at, ledgers=ledger, incomplete=incomplete)
        if asked.positions is None:
            content = aside.do(rendered, asked, form)
        else:
            found = aside.made((asked, form))
            if found is None:
                aside.begin((asked, form), rendered, asked, form)
                return _accepted(request, asked)
            content = found
        if form == "csv":
            headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}.zip"'}
            return Response(content, media_type="application/zip", headers=headers)
        return Response(content, media_type=f"{FORMATS[form]}; charset=utf-8", headers=_HEADERS)

    @api.post("/ledgers/{slug}/reports", tags=["reports"], status_code=201, openapi_extra=_described())
    def handed(request: Request, slug: str, submitted: dict[str, Any] = body_of) -> Response:
        """Hand a report over: files, figures and the rows behind them are kept, recorded in this ledger.

        The same again under one Idempotency-Key gets the first receipts, and makes no report anew.
        """
        at, body = desk(request), _hand_over(submitted)
        given = body.model_dump(mode="json", exclude_none=True)
        first = at.recorded(slug, COMMAND, given)
        if first is not None:
            kept = handed_over(at.door.conninfo, slug, first.stream)
            return answer(first, slug, files=sorted(file.name for file in kept.files))
        asked = wanted(at.door, body.report, body.period, as_at=body.as_at, incomplete=body.incomplete)
        to, made = recipient(body.to), aside.do(prepared, asked)
        outcome = hand_over(
            at.submit, at.keep_file, made, to, slug=slug, happened=at.door.today,
            status=body.status, supersedes=body.supersedes, embargo_until=body.embargo_until, given=given,
        )  # fmt: skip
        return answer(outcome, slug, files=sorted(made.files))

    return api


def _accepted(request: Request, asked: Wanted) -> JSONResponse:
    """202: the same question with period and positions stated, which a moment resolves to once."""
    stated = {"as_at": asked.as_at, "period": f"{asked.period.first}..{asked.period.last}"}
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in stated]
    location = f"{request.url.path}?{urlencode([*kept, *stated.items()])}"
    return JSONResponse(
        {**stated, "location": location}, status_code=202, headers={"Location": location, "Retry-After": "1"}
    )
