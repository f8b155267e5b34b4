"""Registers over HTTP. The composition root joins the routes and says, request by request, what may be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date
from itertools import chain, islice
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ledger.codec.jsonform import parse_date
from projections import asked, query
from projections.aside import Aside
from projections.asked import View
from projections.base import Register, register, registers
from projections.doors import Door
from projections.explain import explain
from projections.query import as_json, case_rows, every, opened, page
from projections.replay import Moment, ready, replay

T = TypeVar("T")
OpenDoor = Callable[[Request], Door]
"""Who asks → what may be read. Raises Forbidden where that is nothing."""
CSV = "text/csv"
OPTIONS = frozenset(
    {"as_at", "happened_by", "on", "ledger", "sort", "descending", "limit", "cursor", "all", "to"}
)
"""Query parameters that are no filter of a column."""


FILTERS = {
    "name": "filters",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "By column: scheme=vps; due_on.from=2025-07-01, due_on.to=…; outcome.empty=yes|no; "
    "of clocks state=overdue, due_within=14",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
"""What OpenAPI says of the filters: any name, as the register has columns."""


def router(door: OpenDoor, aside: Aside) -> APIRouter:
    """The routes of registers, as they are and as at a moment, which is folded beside the service."""
    api = APIRouter()

    def waited_for(opened_door: Door, name: str, when: Moment, happened_by: date | None = None) -> bool:
        """Whether the register is yet to be folded as at that moment; then that is begun."""
        if ready(opened_door.conninfo, register(name), when, happened_by=happened_by):
            return False
        key = f"{name} {when} {happened_by}"
        aside.begin(key, fold, opened_door.conninfo, name, when, happened_by)
        return True

    @api.get("/registers", tags=["registers"])
    def all_registers(request: Request) -> JSONResponse:
        """The registers and their columns."""
        door(request)
        return JSONResponse({"registers": [_shown(one) for one in registers().values()]})

    @api.get("/registers/{name}", tags=["registers"], openapi_extra={"parameters": [FILTERS]})
    def one_register(
        request: Request,
        name: str,
        as_at: str | None = None,
        happened_by: str | None = None,
        on: str | None = None,
        ledger: str | None = None,
        sort: str = "index",
        descending: bool = False,
        limit: Annotated[int, Query(ge=1, le=query.MOST)] = 100,
        cursor: str | None = None,
        all: bool = False,
    ) -> Response:
        """A page of a register; other parameters filter by column. CSV by ``Accept: text/csv``: all rows.

        As at a moment that was not folded yet: 202, with the ``Location`` that states its positions.
        """
        opened_door, wanted, by = door(request), register(name), _day("happened_by", happened_by)
        when = None
        if as_at is not None or by is not None:
            when = asked.moment(opened_door, ledger, as_at, _day("on", on))
            if waited_for(opened_door, name, when, by):
                return _accepted(request, when)
        filters = {k: v for k, v in request.query_params.items() if k not in OPTIONS}
        wished = {"sort": sort, "descending": descending, "cursor": cursor, "all_status": all}
        viewing = asked.view(opened_door, wanted, ledger=ledger, happened_by=by, on=_day("on", on), when=when)
        if request.headers.get("accept", "").split(";")[0].strip() == CSV:
            return _table(viewing, filters, wished, opened_door)
        with viewing as view:
            asked_for = view.query(filters, limit=limit, **wished)
            found = page(view.connection, wanted, asked_for, view.table)
            rows = asked.by_slug(view, opened(found.rows, wanted, opened_door.opener))
            names, names_at = asked.organisation_names(view)
            return JSONResponse(
                {
                    **_stated(view),
                    "rows": as_json(rows),
                    "next": found.next,
                    "organisations": asked.named(rows, names),
                    "organisations_as_at": names_at,
                }
            )

    @api.get("/registers/{name}/cases/{slug}/{stream}", tags=["registers"])
    def one_case(
        request: Request, name: str, slug: str, stream: str, as_at: str | None = None, on: str | None = None
    ) -> JSONResponse:
        """The rows of one case in a register; its clocks with the words that explain them.

        As at a moment that was not folded yet: 202, with the ``Location`` that states its positions.
        """
        opened_door, wanted, when = door(request), register(name), None
        if as_at is not None:
            when = asked.moment(opened_door, slug, as_at, _day("on", on))
            if waited_for(opened_door, name, when):
                return _accepted(request, when)
        with asked.view(opened_door, wanted, ledger=slug, on=_day("on", on), when=when) as view:
            head = asked.head_of(view, slug)
            found = case_rows(view.connection, wanted, head.id, stream, view.on, view.table)
            rows = asked.by_slug(view, opened(found, wanted, opened_door.opener))
            content = {**_stated(view), "rows": as_json(rows)}
            if wanted.name == "clocks":
                explained = explain(view.connection, head, stream, view.on)
                listed = {row["key"] for row in rows}
                content["explained"] = {one.key: one.words for one in explained if one.key in listed}
            return JSONResponse(content)

    @api.get("/registers/{name}/diff", tags=["registers"])
    def differences(
        request: Request, name: str, as_at: str, to: str | None = None, ledger: str | None = None
    ) -> JSONResponse:
        """What changed in a register from ``as_at`` to ``to`` (else now), row by row and field by field.

        As of moments that were not folded yet: 202, with the ``Location`` that states the positions.
        """
        opened_door, wanted = door(request), register(name)
        moments = asked.moments(opened_door, as_at, to, ledger)
        # Both are begun at once.
        waited = [waited_for(opened_door, name, when) for when in moments]
        if any(waited):
            return _accepted(request, *moments)
        return JSONResponse(asked.compared(opened_door, wanted, *moments))

    return api


def fold(conninfo: str, name: str, when: Moment, happened_by: date | None) -> None:
    """Folds a register as at a moment, to be found by ``ready``."""
    replay(conninfo, register(name), when, happened_by=happened_by)


def _table(
    viewing: AbstractContextManager[View], filters: Mapping[str, str], wished: Mapping[str, Any], door: Door
) -> Response:
    """All rows as CSV, sent as they are read: the view is open for as long as they are."""

    def lines() -> Iterator[str]:
        with viewing as view:
            asked_for = view.query(filters, limit=query.MOST, **wished)
            rows = every(view.connection, view.register, asked_for, view.table)
            shown = (
                row
                for some in _some(rows)
                for row in asked.by_slug(view, opened(some, view.register, door.opener))
            )
            yield from asked.as_csv(view, shown)

    pieces = ("".join(some) for some in _some(lines()))
    # What is wrong with the question is said before the answer begins.
    return StreamingResponse(chain([next(pieces)], pieces), media_type=f"{CSV}; charset=utf-8")


def _some(things: Iterable[T]) -> Iterator[list[T]]:
    """A few hundred at a time."""
    rest = iter(things)
    while some := list(islice(rest, 500)):
        yield some


def _accepted(request: Request, when: Moment, to: Moment | None = None) -> JSONResponse:
    """202: the same question with the positions stated, which a moment resolves to once."""
    chosen = "ledger" in request.query_params or "slug" in request.path_params
    stated = {"as_at": _positions(when, chosen)}
    if to is None:
        stated["on"] = when.on.isoformat()
    else:
        stated["to"] = _positions(to, chosen)
    location = f"{request.url.path}?{urlencode({**request.query_params, **stated})}"
    return JSONResponse(
        {"as_at": str(when), "judged_on": when.on.isoformat(), "location": location},
        status_code=202,
        headers={"Location": location, "Retry-After": "1"},
    )


def _positions(when: Moment, chosen: bool) -> str:
    """As they are written; where one ledger is chosen, with that of ``common``, by which names are read."""
    if chosen and when.common is not None and when.common not in when.heads:
        return f"{when},{when.common.slug}={when.common.size}"
    return str(when)


def _stated(view: View) -> dict[str, Any]:
    return {
        **asked.notice(view),
        "register": view.register.name,
        "positions": view.positions,
        "judged_on": view.on.isoformat(),
        "left_out_of_unknown_date": view.left_out,
    }


def _shown(register: Register) -> dict[str, Any]:
    columns = [{"name": c.name, "type": c.kind.name.lower(), "doc": c.doc} for c in query.columns_of(register)]
    return {"name": register.name, "title": register.title, "columns": columns}


def _day(name: str, given: str | None) -> date | None:
    return None if given is None else parse_date(given, name)
