"""The composition root: joins the command line, HTTP and the projections. It alone imports the projections.

``ledger.local``, ``ledger.joined`` and ``ledger.service`` are parts of it; each is loaded by what needs it,
so that the other commands begin at once.
"""

from __future__ import annotations

import sys

from ledger.cli.interrupted import interrupted

try:
    import io
    import os
    import signal
    from collections.abc import Mapping, Sequence
    from typing import TYPE_CHECKING, Any

    from ledger.cli.app import COMMANDS, TOOLS, Loaded, Program, program, run
    from ledger.cli.session import Announce, Doors
except KeyboardInterrupt:
    # Ctrl-C while the program is loaded: nothing is open yet.
    sys.exit(interrupted())

if TYPE_CHECKING:
    from ledger.settings import Settings
    from ledger.store.database import Database

READ_SIDE = (
    Loaded("replay", "ledger.local:replay", "Print a register, as it is or as it was; --list names them."),
    Loaded("diff", "ledger.local:diff", "Compare a register at two moments, field by field."),
    Loaded("clocks", "ledger.local:clocks", "List statutory clocks; --explain says why."),
    Loaded("report", "ledger.local:report", "Make a report, or hand one over; --list names them."),
    Loaded("rebuild", "ledger.local:rebuild", "Make registers anew, compare, swap."),
)
"""The commands that read registers."""


def serve(settings: Settings, announce: Announce) -> None:
    """Runs the service until SIGINT or SIGTERM. Raises SettingsError where the address is taken."""
    from ledger.service import serve as serve_http

    serve_http(settings, announce)


def issue_token(*arguments: Any, **named: Any) -> str:
    """A development token, as ``ledger.api.tokens.issue`` makes it."""
    from ledger.api.tokens import issue

    return issue(*arguments, **named)


def lag(database: Database) -> Mapping[str, Any]:
    """How far the registers are behind, as ``ledger.joined.lag`` says it."""
    from ledger.joined import lag as lag_of

    return lag_of(database)


def entries_named(*arguments: Any) -> Sequence[int]:
    """The entries behind a register's rows, as ``ledger.local.entries_named`` finds them."""
    from ledger.local import entries_named as found

    return found(*arguments)


def configure_logs(level: str) -> None:
    """Log lines go to standard error, as ``ledger.api.logs.configure`` writes them."""
    from ledger.api.logs import configure

    configure(level)


def app() -> Program:
    """The whole command line."""
    return program([*COMMANDS, *READ_SIDE, *TOOLS])


DOORS = Doors(
    serve=serve,
    issue_token=issue_token,
    lag=lag,
    entries_named=entries_named,
    configure_logs=configure_logs,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    try:
        _open_what_is_closed()
        for stream in (sys.stdout, sys.stderr):
            # Whatever the locale: JSON is UTF-8, and no name is refused by a terminal.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8")
        # Told to stop in whatever it does, it ends as on Ctrl-C: what is open is closed, server and all.
        for each in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, signal.default_int_handler)
        code = run(app(), DOORS, arguments)
    except KeyboardInterrupt:
        # Before the command line is read; from there on ``run`` sees it.
        code = interrupted()
    sys.exit(code)


def _open_what_is_closed() -> None:
    """A standard stream that came closed (``<&-``, ``>&-``) is empty, or leads nowhere.

    Left closed, its number would go to the next file or socket of ours, and what is printed into that.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


if __name__ == "__main__":
    main()
