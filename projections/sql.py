"""The named queries of ``queries.sql``: each stands under ``-- name:`` with one line of purpose."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

HEADING = re.compile(r"^-- name: (\w+)\n-- \S.*\n", re.MULTILINE)


@cache
def _all() -> dict[str, str]:
    parts = HEADING.split(files("projections").joinpath("queries.sql").read_text("utf-8"))
    return dict(zip(parts[1::2], (text.strip().rstrip(";") for text in parts[2::2]), strict=True))


def get(name: str) -> bytes:
    """The text of one query, as psycopg takes it."""
    return _all()[name].encode()
