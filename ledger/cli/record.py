"""``record`` and ``attach``: any command of law from a file, and files kept with a case."""

from __future__ import annotations

import json
import mimetypes
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import typer

from ledger.cli.acknowledged import Acknowledge, Receipts, acknowledging, answer
from ledger.cli.ledgers import TYPED, give, today
from ledger.cli.session import AsJson, MaybeLedger, Organisation, Person, of, table, the_ledger
from ledger.codec.jsonform import template
from ledger.domain.case import command_table
from ledger.errors import InvalidInput, NotFound
from ledger.store.submission import Level


def record(
    context: typer.Context,
    command: Annotated[str | None, typer.Argument(help="As request.RequestReceived; see --list.")] = None,
    file: Annotated[
        str | None, typer.Argument(help="JSON file with happened, fields, corrects; '-' for standard input.")
    ] = None,
    slug: MaybeLedger = None,
    case: Annotated[
        str | None, typer.Option(help="Id of the case; of a new one a random UUID, or none: one is made.")
    ] = None,
    happened: Annotated[
        str | None, typer.Option(help="When it happened, where the file does not say; 'unknown' for a gap.")
    ] = None,
    command_id: Annotated[
        str | None, typer.Option(help="UUID of this command: the same again adds nothing.")
    ] = None,
    expect_version: Annotated[
        int | None, typer.Option(help="Version that the case must have, else it is a conflict.")
    ] = None,
    acknowledge: Acknowledge = Level.DURABLE,
    receipts: Receipts = None,
    person: Person = None,
    organisation: Organisation = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the commands.")] = False,
    show_template: Annotated[
        bool, typer.Option("--template", help="Print a file to fill in for the command.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Record any command of law: what happened goes in as JSON, receipts come out.

    Exit code 6 with --acknowledge: it is recorded, and that took too long; the same --command-id waits again.
    """
    session = of(context)
    if list_all:
        return _list(context, as_json)
    if command is None:
        raise InvalidInput("COMMAND", "the name of a command; 'auditledger record --list' names them all", None)
    specs = command_table().get(command)
    if specs is None:
        raise NotFound(f"no command is named {command!r}; 'auditledger record --list' names them all")
    if show_template:
        print_json_pretty(command_template(command))
        return None
    if file is None:
        raise InvalidInput("FILE", f"a JSON file, or '-'; 'record {command} --template' prints one", None)
    body = read_body(file)
    if case is not None:
        body["case"] = case
    with session.installation() as installation:
        if happened is not None:
            body["happened"] = None if happened == "unknown" else happened
        body.setdefault("happened", today(installation))
        found = the_ledger(installation, slug)
        waiting = acknowledging(session, installation, found, acknowledge, receipts)
        outcome = give(
            session,
            installation,
            found.slug,
            command,
            body,
            session.principal(found, person, organisation),
            command_id=command_id,
            expected_version=expect_version,
        )
        answer(session, installation, found, outcome, waiting, acknowledge, receipts, as_json)
    return None


def _list(context: typer.Context, as_json: bool) -> None:
    rows = []
    for name, specs in command_table().items():
        roles = sorted({role.value for spec in specs for role in spec.roles})
        rows.append(
            {
                "command": name,
                "opens": specs[0].opens,
                "stream": specs[0].stream,
                "roles": roles,
                "doc": specs[0].doc,
            }
        )
    of(context).show(
        as_json,
        {"commands": rows},
        lambda: table(
            f"{len(rows)} commands",
            ["command", "opens a case", "what it says", "roles"],
            [
                (r["command"], "yes" if r["opens"] else "", r["doc"], ", ".join(cast(list[str], r["roles"])))
                for r in rows
            ],
        ),
    )


def command_template(name: str) -> dict[str, Any]:
    """A file for ``record`` with every field named and what belongs there."""
    first = command_table()[name][0]
    out: dict[str, Any] = {}
    if not first.opens and first.stream is None:
        out["case"] = "<id of the case>"
    out["happened"] = "<YYYY-MM-DD, YYYY-MM, YYYY, a moment with its time zone, or null: unknown>"
    out["fields"] = template(first.event)
    return out


def print_json_pretty(content: Any) -> None:
    """JSON to be read and edited by people."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def read_body(file: str) -> dict[str, Any]:
    """The JSON object of a file or of standard input. Raises InvalidInput naming line and column."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput("FILE", "a file that can be read", f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput("FILE", "JSON in UTF-8", file) from None
    if not text.strip():
        raise InvalidInput("FILE", "JSON", "an empty file")
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidInput("FILE", "JSON", where) from None
    except (RecursionError, ValueError):
        raise InvalidInput(
            "FILE", "JSON of a reasonable depth and numbers of a reasonable length", file
        ) from None
    if not isinstance(body, dict):
        raise InvalidInput("FILE", "a JSON object", type(body).__name__)
    return body


def attach(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The file; '-' for standard input.")],
    case: Annotated[str, typer.Option(help="Id of the case that it is kept with.")],
    slug: MaybeLedger = None,
    title: Annotated[str | None, typer.Option(help="Title; it is sealed. Else the file's name.")] = None,
    media_type: Annotated[str | None, typer.Option(help="Media type; else guessed from the name.")] = None,
    command_id: Annotated[
        str | None, typer.Option(help="UUID of this command: the same again adds nothing.")
    ] = None,
    acknowledge: Acknowledge = Level.DURABLE,
    receipts: Receipts = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Keep a file with a case, encrypted under the case's key, whatever its size."""
    session = of(context)
    if file == "-" and title is None:
        raise InvalidInput("--title", "a title for what comes on standard input", None)
    if not file:
        raise InvalidInput("FILE", "the name of a file, or '-'", file)
    path = Path(file)
    kind = media_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        principal = session.principal(found, person, organisation)
        waiting = acknowledging(session, installation, found, acknowledge, receipts)
        try:
            source = sys.stdin.buffer if file == "-" else path.open("rb")
        except OSError as error:
            raise InvalidInput("FILE", "a file that can be read", f"{file}: {error.strerror}") from None
        # A pipe or a device has no length of its own.
        length = path.stat().st_size if file != "-" and path.is_file() else None
        with source, session.progress() as progress:
            task = progress.add_task("Encrypting", total=length)
            outcome = installation.attach(
                found.slug,
                case,
                cast(BinaryIO, Counted(source, lambda n: progress.advance(task, n))),
                length,
                media_type=kind,
                title=title or path.name,
                principal=principal,
                command_id=command_id or str(uuid.uuid4()),
                through=TYPED,
            )
        answer(session, installation, found, outcome, waiting, acknowledge, receipts, as_json)


class Counted:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, moved: Any) -> None:
        self._file = file
        self._moved = moved

    def read(self, size: int = -1) -> bytes:
        """The file's ``read``."""
        found = self._file.read(size)
        self._moved(len(found))
        return found
