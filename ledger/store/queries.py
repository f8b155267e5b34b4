"""The named queries of ``queries.sql``: each stands under ``-- name:`` with one line of purpose.

``:name`` in one of them stands for the text of another, so that what several share is written once.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

REFERENCE = re.compile(r"(?<!:):([a-z_]+)\b")
HEADING = re.compile(r"^-- name: (\w+)\n-- \S.*\n", re.MULTILINE)


@cache
def _all() -> dict[str, LiteralString]:
    parts = HEADING.split(files("ledger.store").joinpath("queries.sql").read_text("utf-8"))
    texts = dict(zip(parts[1::2], (part.strip().rstrip(";") for part in parts[2::2]), strict=True))
    for name, found in texts.items():
        while REFERENCE.search(found):
            found = REFERENCE.sub(lambda match: texts[match[1]], found)
        texts[name] = found
    # Ours, from the package: as literal as the program itself.
    return cast("dict[str, LiteralString]", texts)


def get(name: str) -> bytes:
    """The text of one query, as psycopg takes it."""
    return _all()[name].encode()


def text(name: str) -> LiteralString:
    """The text of one query that has places to be filled by ``psycopg.sql``."""
    return _all()[name]


def names() -> list[str]:
    """The names of all queries."""
    return list(_all())
