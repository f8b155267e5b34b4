"""``report``: a report on the command line, as files or handed over."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.codec.jsonform import show
from ledger.domain.installation.events import ReportStatus
from ledger.errors import InvalidInput
from projections.asked import by_option
from projections.replay import resolve
from projections.reports.asked import made_for
from projections.reports.catalogue import REPORTS
from projections.reports.figures import Report
from projections.reports.handover import Desk, hand_over, handed_over, prepare, recipient, reprint
from projections.reports.page import DEMONSTRATION
from projections.reports.render import FORMATS, render

OpenDesk = Callable[[typer.Context, str | None, str | None], AbstractContextManager[Desk]]
"""Opens a desk for a command, for who acts: person and organisation, as given on the command line."""


def report_command(open_desk: OpenDesk) -> Callable[..., None]:
    """The command ``report``, for ``app.command("report")``."""

    def report(
        context: typer.Context,
        name: Annotated[str | None, typer.Argument(help="Which report; see --list.")] = None,
        period: Annotated[
            str | None,
            typer.Option(help="2024-25 (1 July on), 2025, or FROM..TO; else the last year over."),
        ] = None,
        form: Annotated[
            str | None,
            typer.Option("--format", help="html, csv (one file a table) or json; else html, json with --json."),
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="Folder for the files; else one file goes to standard output.")
        ] = None,
        as_at: Annotated[
            str | None, typer.Option("--as-at", help="LEDGER=N (several by commas), or a moment; else now.")
        ] = None,
        ledger: Annotated[
            list[str] | None, typer.Option("--ledger", "-l", help="Only this ledger; may be repeated.")
        ] = None,
        hand_over_to: Annotated[
            str | None,
            typer.Option("--hand-over", help="To whom, as 'minister: in words'; an entry keeps the files."),
        ] = None,
        record_in: Annotated[
            str | None, typer.Option("--record-in", help="Slug of the ledger that records the hand-over.")
        ] = None,
        status: Annotated[ReportStatus | None, typer.Option(help="Of a hand-over; else final.")] = None,
        supersedes: Annotated[
            str | None, typer.Option(help="Of a revised hand-over: the case of the one before, as LEDGER/CASE.")
        ] = None,
        printed: Annotated[
            str | None,
            typer.Option("--reprint", help="Print a hand-over again, by LEDGER/CASE."),
        ] = None,
        incomplete: Annotated[
            bool, typer.Option("--incomplete", help="Make it although cases are parked; it says so.")
        ] = False,
        person: Annotated[
            str | None, typer.Option("--person", help="Who acts; else AUDITLEDGER_PERSON.")
        ] = None,
        organisation: Annotated[
            str | None, typer.Option("--organisation", help="For which organisation.")
        ] = None,
        listed: Annotated[bool, typer.Option("--list", help="List the reports.")] = False,
        as_json: Annotated[
            bool,
            typer.Option("--json", help="Print JSON: the report, or what was done with --out, --hand-over."),
        ] = False,
    ) -> None:
        """Make a report from the registers as at stated positions; its totals tie, or it is refused."""
        if listed:
            return _list(as_json)
        if hand_over_to is None:
            for option, given in (
                ("--record-in", record_in), ("--status", status), ("--supersedes", supersedes),
            ):  # fmt: skip
                if given is not None:
                    raise InvalidInput("--hand-over", f"it beside {option}, which is of a hand-over", None)
        form = form or ("json" if as_json and out is None else "html")
        if form not in FORMATS:
            raise InvalidInput("--format", "one of " + ", ".join(FORMATS), form)
        if as_json and out is None and hand_over_to is None and form != "json":
            raise InvalidInput("--out", f"a folder for the {form} beside --json", None)
        if printed is not None and (name or period or as_at or ledger or hand_over_to):
            raise InvalidInput("--reprint", "nothing beside it that would make another report", printed)
        if name is None and printed is None:
            raise InvalidInput("NAME", "one of " + ", ".join(REPORTS), None)
        with open_desk(context, person, organisation) as desk:
            conninfo = desk.door.conninfo
            if printed is not None:
                made = reprint(conninfo, handed_over(conninfo, *_case(printed)), desk.door.slugs)
            else:
                with by_option(as_at="--as-at"):
                    made = made_for(
                        desk.door, name or "", period, as_at=as_at, ledgers=ledger, incomplete=incomplete
                    )
            if hand_over_to is None:
                return _give(render(made, form), out, made, as_json)
            slug = record_in or (ledger[0] if ledger and len(ledger) == 1 else None)
            if slug is None:
                raise InvalidInput("--record-in", "the slug of the ledger that records the hand-over", None)
            before = None if supersedes is None else _reference(conninfo, supersedes)
            prepared = prepare(made)
            outcome = hand_over(
                desk.submit, desk.keep_file, prepared, recipient(hand_over_to), slug=slug,
                happened=desk.door.today, status=status or ReportStatus.FINAL, supersedes=before,
            )  # fmt: skip
            if out is not None:
                _write(prepared.files, out)
            receipts = [
                {
                    "ledger": r.ledger, "index": r.index, "leaf_hash": r.leaf_hash.hex(),
                    "recorded_at": show(r.recorded_at),
                }
                for r in outcome.receipts
            ]  # fmt: skip
            done = {"case": outcome.stream, "receipts": receipts, "files": sorted(prepared.files)}
            if as_json:
                return _print(done)
            sys.stdout.write(
                f"handed over: case {outcome.stream}, {receipts[0]['ledger']}={receipts[0]['index']}, "
                f"{len(prepared.files)} files, {len(made.figures)} figures\n"
            )
        return None

    return report


def _case(text: str) -> tuple[str, str]:
    slug, slash, case = text.partition("/")
    if not slash or not case:
        raise InvalidInput("case", "LEDGER/CASE", text)
    return slug, case


def _reference(conninfo: str, text: str) -> dict[str, Any]:
    """A hand-over as a CaseRef: origin, stream, and how much of that ledger was seen."""
    slug, case = _case(text)
    handed_over(conninfo, slug, case)
    ledger = next(head for head in resolve(conninfo, ledger=slug).heads if head.slug == slug)
    return {"ledger": ledger.origin, "stream": case, "size": ledger.size}


def _list(as_json: bool) -> None:
    if as_json:
        return _print([{"report": k.name, "title": k.title, "to": k.recipient} for k in REPORTS.values()])
    for kind in REPORTS.values():
        sys.stdout.write(f"{kind.name}\t{kind.title}\t{kind.recipient}\n")
    return None


def _give(files: dict[str, bytes], out: Path | None, made: Report, as_json: bool) -> None:
    """Writes the files to a folder, or the only one to standard output."""
    if out is None:
        if len(files) != 1:
            raise InvalidInput("--out", "a folder: there is one file a table", None)
        sys.stdout.buffer.write(next(iter(files.values())))
        sys.stdout.buffer.flush()
        return
    _write(files, out)
    positions = {at.slug: at.size for at in made.positions}
    said = {"files": [str(out / name) for name in files], "positions": positions}
    if as_json:
        _print(said | {"demonstration": made.demonstration})
        return
    for path in said["files"]:
        sys.stdout.write(f"{path}\n")
    if made.demonstration:
        sys.stdout.write(f"{DEMONSTRATION}\n")


def _write(files: Mapping[str, bytes], out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise InvalidInput("--out", "a folder that can be written to", f"{out}: {error.strerror}") from None


def _print(content: object) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
