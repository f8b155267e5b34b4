"""``import``: an agency's own spreadsheet through a mapping file, checked whole before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.cli.session import (
    AsJson,
    MaybeLedger,
    Organisation,
    Person,
    Session,
    of,
    print_json,
    table,
    the_ledger,
)
from ledger.errors import InvalidInput, Unavailable
from ledger.imports.mapping import RegisterMapping, load_mapping
from ledger.imports.reading import parse_document, read_bytes
from ledger.imports.report import check_report, write_report
from ledger.imports.result import PROPOSED, Result
from ledger.imports.run import import_file, read_mapped
from ledger.imports.suggest import suggest
from ledger.imports.template import own_mapping, template_csv, template_workbook

BAD_ROWS = 9
"""Exit code where rows did not go in (the good ones did, but for --all-or-nothing and --dry-run)."""
SHOWN = 20
"""Rows of each kind that are printed; --json and --report have all of them."""


def import_(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="The register: .xlsx, CSV (UTF-8 or Windows-1252) or JSON.")
    ] = None,
    slug: MaybeLedger = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", "-m", help="Mapping file (TOML); not needed for a file by --template."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row and show what would change; write nothing.")
    ] = False,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Write no row where one is bad.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the bad rows, with reasons, to this .xlsx or .csv file.")
    ] = None,
    open_reason: Annotated[
        str | None,
        typer.Option("--open", help="Open the sealed old values of changed rows, for this reason (recorded)."),
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Write our columns of a register (request, complaint, …) to FILE.")
    ] = None,
    suggest_: Annotated[bool, typer.Option("--suggest", help="Print a first mapping file for FILE.")] = False,
    register: Annotated[
        str | None, typer.Option(help="With --suggest: the register, where the guess is wrong.")
    ] = None,
    header: Annotated[
        int | None, typer.Option(min=1, help="With --suggest: the row of the headings; else the first.")
    ] = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> int:
    """Bring in a past register: every row checked, the good ones written, changed ones corrected.

    Exit code 0: every row is in; 9: some rows are bad; 2: file or mapping cannot be read; 6: stopped on the
    way, import the same file again.
    """
    session = of(context)
    if file is None:
        raise InvalidInput("FILE", "the file to import; 'auditledger import --help' says more", None)
    if not suggest_ and (register is not None or header is not None):
        raise InvalidInput("--suggest", "it beside --register or --header: a mapping file says them", None)
    if template is not None:
        _write_template(template, file)
        session.show(as_json, {"written": str(file), "register": template}, lambda: _written(file, template))
        return 0
    if suggest_:
        document = parse_document(read_bytes(file), header=header or 1)
        text = suggest(document, file.name, register, header=header or 1)
        print_json({"mapping": text}) if as_json else sys.stdout.write(text)
        return 0
    if report is not None:
        check_report(report)
    data = read_bytes(file)
    chosen = load_mapping(mapping) if mapping is not None else _own(data)
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        principal = session.principal(found, person, organisation)
        with session.progress() as progress:
            tasks: dict[str, Any] = {}

            def moved(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = progress.add_task(f"{what.capitalize()} rows", total=total)
                progress.update(tasks[what], completed=done, total=total)

            result = import_file(
                installation,
                found.slug,
                file,
                chosen,
                principal=principal,
                all_or_nothing=all_or_nothing,
                dry_run=dry_run,
                open_reason=open_reason,
                progress=moved,
            )
    if report is not None and result.faults:
        write_report(report, read_mapped(data, chosen, file.name), result.faults)
    if as_json:
        print_json(result.as_json())
    else:
        _show(session, result)
    return BAD_ROWS if result.bad else 0


def _own(data: bytes) -> RegisterMapping:
    headings = parse_document(data).sheets
    own = own_mapping(list(headings[0].letters)) if headings else None
    if own is None:
        raise InvalidInput(
            "--mapping", "a mapping file; 'auditledger import FILE --suggest' prints a first one", None
        )
    return own


def _write_template(register: str, file: Path) -> None:
    check_report(file, "FILE")
    data = template_workbook(register) if file.suffix.lower() == ".xlsx" else template_csv(register)
    try:
        with file.open("xb") as out:
            out.write(data)
    except FileExistsError:
        raise InvalidInput("FILE", "a file that is not there yet", file.name) from None
    except OSError as error:
        raise Unavailable(f"{file.name}: cannot be written: {error.strerror}") from error


def _written(file: Path, register: str) -> str:
    return (
        f"{file}: our columns of the register '{register}'. Fill it in, leave out the columns that you do not "
        f"need; then 'auditledger import {file} --ledger SLUG --dry-run'."
    )


def _show(session: Session, result: Result) -> None:
    out = session.out
    would = "would be " if not result.written else ""
    counts = result.shown()
    out.print(
        f"{result.rows} rows ({result.read_as}): {counts['new']} {would}new, "
        f"{counts['corrected']} {would}corrected, {counts['unchanged']} unchanged, "
        f"{result.bad} bad; {counts['vanished']} vanished",
    )
    if result.went_in_before:
        out.print(f"This file went in before, as import {result.import_id}: nothing was added")
    elif result.written:
        out.print(f"Import {result.import_id}: {result.entries} entries written")
    elif result.bad and not result.dry_run:
        out.print("Nothing was written: --all-or-nothing, or no row is good")
    sections: list[tuple[str, list[str], list[list[object]]]] = [
        (
            "Bad rows",
            ["sheet", "row", "line", "column", "reason"],
            [[f.sheet, f.row, f.line, _column(f.column, f.letter), f.reason] for f in result.faults],
        ),
        (
            "Changed rows",
            ["row", "key", "entry", "command", "what", "field", "old", "new"],
            [
                [each.row, each.key, change.entry, change.command, change.kind, d.field, d.old, d.new]
                for each in result.changed
                for change in each.changes
                for d in change.differences
            ],
        ),
        (
            "Vanished: in an earlier file, not in this one; their cases stay as they are",
            ["case", "import", "sheet", "row there"],
            [[v.case, v.import_id, v.sheet, v.row] for v in result.vanished],
        ),
        (
            f"Contraventions stated; a named person records each with 'record {PROPOSED}'",
            ["sheet", "row", "key", "rule", "section", "what"],
            [
                [p.sheet, p.row, p.key, *(p.body["fields"][name] for name in ("rule", "section", "what"))]
                for p in result.proposed
            ],
        ),
    ]
    for title, columns, rows in sections:
        if rows:
            out.print(table(title, columns, rows[:SHOWN]))
            if len(rows) > SHOWN:
                out.print(f"… and {len(rows) - SHOWN} more (--json lists all)")


def _column(column: str | None, letter: str | None) -> str | None:
    return f"{column} ({letter})" if letter else column
