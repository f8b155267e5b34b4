"""Logs: JSON lines on stderr, of ids, names of commands and statuses; never content."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from contextlib import suppress
from typing import TextIO, cast

import structlog

from ledger.errors import AuditLedgerError, VaultError

log = structlog.get_logger("auditledger")


class _StandardError:
    """Standard error as it is at each line. What it does not take is lost: there is nowhere else to say it, and
    no thread may end because the disk under its log is full, or its reader gone."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                sys.stderr.flush()


_ERRORS = cast(TextIO, _StandardError())


def configure(level: str) -> None:
    """Sets up structlog, and lets libraries through at warning or above, without their messages' content."""
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        # A line and its end in one write, as the standard library's handler below does: what another thread
        # says never stands in the same line.
        logger_factory=structlog.WriteLoggerFactory(_ERRORS),
        cache_logger_on_first_use=False,
    )
    # uvicorn and psycopg log by themselves: their warnings come through, an error's arguments do not.
    handler = logging.StreamHandler(_ERRORS)
    handler.setFormatter(_WithoutContent())
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler], force=True)
    threading.excepthook = _thread_failed


class _WithoutContent(logging.Formatter):
    """Level, logger and message template; no arguments, no traceback: either may repeat what was submitted."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg).partition("\n")[0],
            "error": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
        }
        return json.dumps(line)


def log_failure(error: BaseException) -> None:
    """Where it failed and as what, never the message: it may repeat what was submitted.

    An error of ours is told apart from what a framework raised because of it. The vault's messages are said:
    they name entries, files and keys, and never what these hold.
    """
    ours = error
    while not isinstance(ours, AuditLedgerError) and ours.__cause__ is not None:
        ours = ours.__cause__
    found = ours if isinstance(ours, AuditLedgerError) else error
    frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(found.__traceback__)[-12:]]
    said = {"why": str(found)} if isinstance(found, VaultError) else {}
    log.error("failed", error=type(found).__name__, **said, frames=frames)


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        log_failure(failed.exc_value)
