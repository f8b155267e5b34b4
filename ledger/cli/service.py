"""``up`` and ``token``: the service, and who may use it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.cli.session import AsJson, Session, of, print_json, program
from ledger.errors import Diverged, InvalidInput

RUNNING = "service.json"
LOCK = "service.lock"
DAY = 86_400


def up(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; else as set.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one; else as set.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Load the demonstration first; a second time adds nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the service: database, migrations, HTTP, registers. Stops cleanly on Ctrl-C or SIGTERM."""
    # The write side, which neither 'doctor' nor 'token' needs.
    from ledger.cli import demonstration

    session = of(context)
    settings = session.settings(host=host, port=port)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(settings.data_dir) as first:
        if not first:
            running = running_service(settings.data_dir) or {}
            session.show(as_json, {"status": "running", **running}, lambda: _running(running, demo))
            return
        announced = settings.data_dir / RUNNING
        loaded = demonstration.load(session) if demo else None

        def announce(found: Mapping[str, Any]) -> None:
            content = {"pid": os.getpid(), **found}
            announced.write_text(json.dumps(content), "utf-8")
            shown = content if loaded is None else {**content, "demonstration": loaded}
            look = [] if loaded is None else ["", demonstration.words(session, loaded)]
            welcome = _welcome(session, content)
            session.show(
                as_json, {"status": "started", **shown}, lambda: "\n".join([*welcome, *(look or _next())])
            )

        try:
            session.doors.serve(settings, announce)
        except Diverged as error:
            raise Diverged(
                f"{error}; the service does not start: copy data directory and database, then follow 'When "
                "signing stops' of docs/operations.md"
            ) from error
        finally:
            announced.unlink(missing_ok=True)
    if not as_json:
        session.out.print("Stopped.")


def _welcome(session: Session, found: Mapping[str, Any]) -> list[str]:
    url = found["url"]
    return [
        f"auditledger is running at {url}; stop it with Ctrl-C",
        f"  health      {url}/health",
        f"  OpenAPI     {url}/openapi.json (with a token)",
        f"  data        {session.settings().data_dir}",
    ]


def _next() -> list[str]:
    """Where to look in a service that began without the demonstration."""
    return [
        f"  ledgers     {program()} ledger list",
        f"  a token     {program()} token --person ID --organisation ID",
    ]


def _running(found: Mapping[str, Any], demo: bool) -> str:
    where = f"Already running at {found.get('url', 'an address that it has not announced yet')}"
    return f"{where}; '{program()} demo' loads the demonstration, or says where to look" if demo else where


@contextmanager
def only_one(data_dir: Path) -> Iterator[bool]:
    """Whether this process is the one service of the data directory; the kernel frees the lock with it."""
    with (data_dir / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def running_service(data_dir: Path) -> dict[str, Any] | None:
    """What the running service announced; None where none runs."""
    with only_one_look(data_dir) as free:
        if free:
            return None
    try:
        found: dict[str, Any] = json.loads((data_dir / RUNNING).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found


@contextmanager
def only_one_look(data_dir: Path) -> Iterator[bool]:
    """Whether no service holds the lock; does not keep a starting one out for longer than the look."""
    try:
        with (data_dir / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
    except FileNotFoundError:
        yield True


def token(
    context: typer.Context,
    person: Annotated[
        str | None, typer.Option(help="Opaque id of the person; else AUDITLEDGER_PERSON.")
    ] = None,
    organisation: Annotated[
        str | None,
        typer.Option(help="The person's organisation, by id; else AUDITLEDGER_ORGANISATION."),
    ] = None,
    hours: Annotated[int, typer.Option(min=1, max=24 * 31, help="For how many hours it is valid.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Issue a development token, signed with the key in the data directory. For services without an issuer."""
    session = of(context)
    settings = session.settings()
    who = person or settings.person
    body = organisation or settings.organisation
    if not who:
        raise InvalidInput("--person", "the opaque id that a grant names; or AUDITLEDGER_PERSON", None)
    if not body:
        raise InvalidInput(
            "--organisation", "the id of the person's organisation; or AUDITLEDGER_ORGANISATION", None
        )
    made = session.doors.issue_token(settings, person=who, organisation=body, lifetime=hours * 3600)
    if as_json:
        print_json({"token": made, "person": who, "organisation": body, "expires_in": hours * 3600})
    else:
        session.out.print(made)
