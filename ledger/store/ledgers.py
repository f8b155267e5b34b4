"""The ledgers of a database. A ledger's row never changes, so what was read once is kept."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from time import monotonic

import psycopg
from psycopg.rows import class_row

from ledger.errors import InvalidInput, NotFound, Unavailable
from ledger.store import queries
from ledger.store.database import Database, Role

COMMON = "common"
"""The slug of the ledger that every role reads; it is made with the first one."""

LOOKED_AT = 1.0
"""Seconds for which the list of ledgers is believed to be whole; what it names is for ever."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One order of entries: an organisation's, under one origin (4-wire 'Ledgers')."""

    id: int
    slug: str
    origin: str
    organisation: str
    public: bool
    demonstration: bool


class Ledgers:
    """Opens ledgers and finds them, by slug, origin or id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._known: dict[int, Ledger] = {}
        self._read_at = float("-inf")

    def create(
        self, slug: str, origin: str, organisation: str, *, public: bool = False, demonstration: bool = False
    ) -> Ledger:
        """Opens a ledger: its row and its head of size 0; its first entry is the application's to record.

        Raises InvalidInput for a slug or origin that is taken or has not the form of 4-wire 'Ledgers'.
        """
        try:
            with self._database.connect(Role.WRITER) as connection:
                row = connection.execute(
                    queries.get("create_ledger"), (slug, origin, organisation, public, demonstration)
                ).fetchone()
        except psycopg.errors.UniqueViolation as error:
            field = "slug" if error.diag.constraint_name == "ledgers_slug_key" else "origin"
            raise InvalidInput(field, "one that no ledger has", slug if field == "slug" else origin) from None
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name == "ledgers_slug_form":
                raise InvalidInput("slug", "lower-case letters, digits, single hyphens", slug) from None
            raise InvalidInput("origin", "no space and no plus sign", origin) from None
        except psycopg.OperationalError as error:
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error
        assert row is not None
        self._read_at = float("-inf")
        return Ledger(row[0], slug, origin, organisation, public, demonstration)

    def all(self) -> list[Ledger]:
        """Every ledger, in the order they were opened; another process's newest one after a second at most."""
        if monotonic() - self._read_at < LOOKED_AT:
            with self._lock:
                return list(self._known.values())
        return self._read()

    def _read(self) -> list[Ledger]:
        asked = monotonic()
        with (
            self._database.connect(Role.READER) as connection,
            connection.cursor(row_factory=class_row(Ledger)) as cursor,
        ):
            found = cursor.execute(queries.get("all_ledgers")).fetchall()
        with self._lock:
            self._known = {ledger.id: ledger for ledger in found}
            self._read_at = asked
        return found

    def get(self, slug: str) -> Ledger:
        """The ledger of a slug. Raises NotFound."""
        return self._find("slug", slug)

    def by_origin(self, origin: str) -> Ledger:
        """The ledger of an origin. Raises NotFound."""
        return self._find("origin", origin)

    def by_id(self, ledger_id: int) -> Ledger:
        """The ledger of a row number. Raises NotFound."""
        return self._find("id", ledger_id)

    def _find(self, field: str, value: object) -> Ledger:
        with self._lock:
            known = list(self._known.values())
        for ledger in known:
            if getattr(ledger, field) == value:
                return ledger
        for ledger in self._read():
            if getattr(ledger, field) == value:
                return ledger
        raise NotFound(f"no ledger has the {field} {value!r}")
