"""Parameters of a query: each that is given is one that the route knows, and is given once.

A misspelt ``as_at`` that is passed over would answer another question than was asked, and look like an answer.
"""

from __future__ import annotations

from typing import get_args, get_origin

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ledger.errors import InvalidInput


def insist(route: APIRoute) -> None:
    """Makes a route refuse what it does not know. One that describes filters takes any name for a filter."""
    known = {each.alias: _several(each.field_info.annotation) for each in route.dependant.query_params}
    described = (route.openapi_extra or {}).get("parameters", ())
    filters = any(each["schema"].get("type") == "object" for each in described)
    inner = route.app

    async def strict(scope: Scope, receive: Receive, send: Send) -> None:
        given = Request(scope).query_params
        for name in given:
            if name not in known and not filters:
                raise InvalidInput(name[:80], "one of " + (", ".join(known) or "none"), "an unknown parameter")
            if len(given.getlist(name)) > 1 and not known.get(name, False):
                raise InvalidInput(name[:80], "one value", f"{len(given.getlist(name))} of them")
        await inner(scope, receive, send)

    route.app = strict


def _several(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))
