"""Connections to the database as its projector."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.errors import Unavailable


class _Connection(Connection[Any]):
    """One whose ``with`` ends by Unavailable where the database went away inside it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, psycopg.OperationalError):
            raise Unavailable(f"database: {' '.join(str(error).split())}") from error


def connect(conninfo: str, name: str = "auditledger projections") -> Connection[Any]:
    """A connection in autocommit that reads and writes moments in UTC. Raises Unavailable.

    Used in ``with``, it raises Unavailable too where it is lost on the way.
    """
    # What is there stays: without a password of its own the projector's role is one of the options.
    options = f"{conninfo_to_dict(conninfo).get('options') or ''} -c timezone=UTC -c datestyle=ISO".strip()
    try:
        return _Connection.connect(
            make_conninfo(conninfo, application_name=name, connect_timeout=10, options=options),
            autocommit=True,
        )
    except psycopg.OperationalError as error:
        raise Unavailable(f"database: {' '.join(str(error).split())}") from error
