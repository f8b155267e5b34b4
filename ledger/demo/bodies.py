"""The organisations of the demonstration: today's bodies with their signing dates, and invented ones.

Adverse acts (late, refused, contravened, under a notice) are given to invented bodies alone.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any

REAL_TODAY = {
    # Names as they were signed → names since 1 January 2023 (machinery of government; public knowledge).
    "Department of Environment, Land, Water and Planning": (
        "Department of Energy, Environment and Climate Action",
        "DEECA",
    ),
    "Department of Education and Training": ("Department of Education", "DE"),
    "Department of Transport": ("Department of Transport and Planning", "DTP"),
    "Department of Jobs, Precincts and Regions": (
        "Department of Jobs, Skills, Industry and Regions",
        "DJSIR",
    ),
}
RENAMED_ON = date(2023, 1, 1)
PUBLIC_ENTITIES = {
    "Ambulance Victoria",
    "Visit Victoria",
    "Victorian Registration and Qualifications Authority",
}
WITHOUT_LEDGER = {"Ambulance Victoria", "Visit Victoria", "Victorian Registration and Qualifications Authority"}
SUCCEEDED_ON = date(2025, 7, 1)


@dataclass(frozen=True, slots=True)
class Body:
    """One organisation: ``signed_on`` is when it signed the Heads of Agreement, None where it did not."""

    key: str
    legal_name: str
    short_name: str
    kind: str
    signed_on: date | None
    renamed: tuple[str, str] | None = None
    established: date | None = None
    invented: bool = False
    ledger: bool = True


def _invented(key: str, name: str, short: str, kind: str, signed_on: date | None, **more: Any) -> Body:
    return Body(key, f"{name} (invented)", short, kind, signed_on, invented=True, **more)


INVENTED = (
    _invented("riverbend", "Riverbend Water Authority", "RWA", "public_entity", date(2022, 5, 2)),
    _invented("goldfields", "Goldfields Transit Authority", "GTA", "public_entity", date(2022, 9, 12)),
    _invented(
        "central-transit", "Central Transit Authority", "CTA", "public_entity", None, established=SUCCEEDED_ON
    ),
    _invented("northern-records", "Northern Records Board", "NRB", "public_entity", date(2023, 3, 6)),
    _invented("lakeside", "Lakeside Shire Council", "LSC", "council", date(2023, 8, 14)),
    _invented("bayside-families", "Bayside Family Services", "BFS", "public_entity", date(2024, 2, 5)),
)


def bodies() -> list[Body]:
    """Everyone in the demonstration, the lead department first."""
    found: list[Body] = []
    text = files("ledger.demo").joinpath("heads-of-agreement.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        name = row["organisation"]
        renamed = REAL_TODAY.get(name)
        short = renamed[1] if renamed else row["short_name"] or "".join(w[0] for w in name.split())
        kind = "victoria_police" if name == "Victoria Police" else "department"
        if name in PUBLIC_ENTITIES:
            kind = "public_entity"
        found.append(
            Body(
                short.lower(),
                name,
                row["short_name"] or short,
                kind,
                date.fromisoformat(row["signed_on"]),
                renamed,
                ledger=name not in WITHOUT_LEDGER,
            )
        )
    found.append(Body("ovic", "Office of the Victorian Information Commissioner", "OVIC", "regulator", None))
    return found + list(INVENTED)
