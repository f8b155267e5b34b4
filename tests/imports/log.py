"""A small log of requests: its mapping, its rows, and what the ledger made of them."""

from __future__ import annotations

import json
from typing import Any

from ledger.domain.event import decode_event, effective
from ledger.domain.installation.events import FileImported
from ledger.domain.request.events import RequestDivided
from ledger.imports.mapping import RegisterMapping
from ledger.imports.register import Known
from ledger.imports.result import Result
from tests.imports.desk import Desk

HEADINGS = ["No", "In", "Who", "What", "Out", "Closed", "Breach"]
WHOLE = {"parts": {"value": ["whole"]}}
SETTINGS: dict[str, Any] = {
    "format": "log",
    "register": "request",
    "key": ["No"],
    "record": [
        {
            "command": "request.RequestReceived",
            "happened": "In",
            "fields": {
                "scheme": {"value": "vps"},
                "form": {"value": "informal"},
                "requester_name": "Who",
                "information_sought": "What",
            },
        }
    ],
    "choose": [
        {
            "column": "Out",
            "when": ["given"],
            "record": [{"command": "disclosure.DisclosureMade", "happened": "Closed", "fields": WHOLE}],
        },
        {
            "column": "Out",
            "when": ["none"],
            "record": [
                {
                    "command": "request.RequestClosed",
                    "happened": "Closed",
                    "fields": {**WHOLE, "ground": {"value": "not_held"}},
                }
            ],
        },
        {
            "column": "Out",
            "when": ["partly"],
            "record": [
                {
                    "command": "request.RequestDivided",
                    "happened": "Closed",
                    "fields": {
                        "parts": {"value": [{"id": "a", "description": "A"}, {"id": "b", "description": "B"}]}
                    },
                },
                {
                    "command": "disclosure.DisclosureMade",
                    "happened": "Closed",
                    "fields": {"parts": {"value": ["a"]}},
                },
                {
                    "command": "request.RequestRefused",
                    "happened": "Closed",
                    "fields": {"parts": {"value": ["b"]}},
                },
            ],
        },
    ],
    "propose": [
        {
            "column": "Breach",
            "when": ["yes"],
            "rule": "vps_policy",
            "section": "responsibility to share",
            "what": "What",
            "happened": "Closed",
        }
    ],
}


def row(
    number: int,
    out: str = "",
    closed: str = "",
    *,
    received: str = "2025-01-02",
    what: str = "what",
    who: str = "Zo",
) -> list[str]:
    return [str(number), received, who, what, out, closed, ""]


def bring(desk: Desk, log: RegisterMapping, *rows: list[str], **kwargs: Any) -> Result:
    return desk.bring_in(desk.write([HEADINGS, *rows], kwargs.pop("name", "register.csv")), log, **kwargs)


def history(desk: Desk, case: str) -> list[Any]:
    ledger = desk.installation.ledgers.get("dffh")
    return effective(desk.installation.streams.facts(ledger, case))


def state(desk: Desk) -> dict[str, list[tuple[str, object]]]:
    """Every imported case as corrected: its facts by name and date."""
    return {
        case: [(fact.name, fact.happened_date) for fact in history(desk, case)]
        for case in {entry.stream for entry in desk.imported()}
    }


def imports(desk: Desk) -> list[FileImported]:
    facts = [decode_event(entry.decoded) for entry in desk.entries() if entry.stream == "imports"]
    return [fact for fact in effective(facts) if isinstance(fact, FileImported)]


def cases_of(desk: Desk, mapping: RegisterMapping, keys: list[int]) -> list[list[str]]:
    """The cases of these rows as corrected: each fact by name, date and parts."""

    def shown(fact: Any) -> str:
        parts = "" if isinstance(fact, RequestDivided) else getattr(fact, "parts", "")
        return f"{fact.name} {fact.happened_date} {parts}"

    ids = Known(desk.installation, desk.installation.ledgers.get("dffh"), mapping).ids
    cases = [ids.case(json.dumps([str(key)])) for key in keys]
    return [sorted(shown(fact) for fact in history(desk, case)) for case in cases]
