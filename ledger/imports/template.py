"""Our own columns: a file to fill in that needs no mapping file, and the mapping of its headings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from ledger.codec.declare import Field, doc_of, fields_of
from ledger.codec.jsonform import expected
from ledger.domain.case import CommandSpec, command_table
from ledger.domain.common.aggregate import CommonCase
from ledger.errors import InvalidInput
from ledger.imports.interpret import is_record
from ledger.imports.mapping import RegisterMapping, mapping_of

REFERENCE = "reference"
"""Heading of the key column."""
BETWEEN = ": "
LIST = ";"
SHEET, EXPLAINED = "Register", "Columns"
_NOT_IMPORTED = {"contravention", "report"}
"""A contravention is recorded by a named person; a hand-over keeps files that no row holds."""


def registers() -> dict[str, CommandSpec]:
    """Register → the command that opens its cases: of several, that of the kind of case that takes most."""
    found: dict[str, CommandSpec] = {}
    for name, specs in command_table().items():
        area = name.split(".")[0]
        for spec in specs:
            known = found.get(area)
            if (
                spec.opens
                and area not in _NOT_IMPORTED
                and (known is None or len(spec.case.commands) > len(known.case.commands))
            ):
                found[area] = spec
    return found


def opening_of(register: str) -> CommandSpec:
    """The command that opens a case of a register. Raises InvalidInput."""
    try:
        return registers()[register]
    except KeyError:
        raise InvalidInput("register", "one of " + ", ".join(registers()), register) from None


def commands_of(register: str) -> list[CommandSpec]:
    """The register's commands, the opening one first."""
    opening = opening_of(register)
    others = [
        spec
        for spec in opening.case.commands.values()
        if spec.name != opening.name and spec.name not in CommonCase.commands
    ]
    return [opening, *others]


def columns_of(register: str) -> Iterator[tuple[str, CommandSpec, Field | None]]:
    """(heading, command, field) of every column but the key; ``happened`` has no field."""
    for spec in commands_of(register):
        yield f"{spec.name}{BETWEEN}happened", spec, None
        for each in fields_of(spec.event):
            yield f"{spec.name}{BETWEEN}{each.name}", spec, each


def template_csv(register: str) -> bytes:
    """The headings alone, as CSV in UTF-8."""
    out = io.StringIO()
    csv.writer(out).writerow([REFERENCE, *(heading for heading, _, _ in columns_of(register))])
    return out.getvalue().encode("utf-8-sig")


def template_workbook(register: str) -> bytes:
    """A workbook: a sheet of headings to fill in, and one that says what each column takes."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font

    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = SHEET
    columns = list(columns_of(register))
    sheet.append([REFERENCE, *(heading for heading, _, _ in columns)])
    sheet.freeze_panes = "B2"
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(wrap_text=True)
    explained = workbook.create_sheet(EXPLAINED)
    explained.append(["column", "takes", "needed", "of"])
    explained.append([REFERENCE, "what identifies the case, the same in every later file", "yes", ""])
    for heading, spec, each in columns:
        explained.append([heading, _takes(each), _needed(each), doc_of(spec.event)])
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def _takes(each: Field | None) -> str:
    if each is None:
        return "when it happened: YYYY-MM-DD, YYYY-MM, YYYY; empty where unknown"
    kind = get_args(each.python)[0] if get_origin(each.python) is tuple else each.python
    if is_record(kind) and not each.personal:
        inside = ", ".join(f.name for f in fields_of(kind))
        return f"JSON: {'a list of objects' if kind is not each.python else 'an object'} with {inside}"
    if each.python is bool:
        return "yes or no"
    words = expected(each)
    return f"{words}, with {LIST} between" if kind is not each.python else words


def _needed(each: Field | None) -> str:
    return "yes" if each is not None and not each.optional and not each.has_default else ""


def own_mapping(headings: Sequence[str]) -> RegisterMapping | None:
    """The mapping of a file with our headings; columns that nobody needs may be gone. None for another file.

    Raises InvalidInput for a heading in our form that names no field.
    """
    named = [heading.split(BETWEEN, 1) for heading in headings if BETWEEN in heading]
    known = [parts for parts in named if parts[0] in command_table()]
    if REFERENCE not in headings or not known:
        return None
    register = known[0][0].split(".")[0]
    by_command: dict[str, list[str]] = {}
    for command, field in known:
        by_command.setdefault(command, []).append(field)
    for area, spec in registers().items():
        if spec.name in by_command:
            register = area
    records = []
    opening = opening_of(register)
    for spec in commands_of(register):
        if spec.name in by_command:
            records.append(_record(spec, by_command[spec.name], opening))
    left = set(by_command) - {record["command"] for record in records}
    if left:
        raise InvalidInput("headings", f"commands of register {register}", ", ".join(sorted(left)))
    return mapping_of(
        {
            "format": f"own-{register}",
            "register": register,
            "key": [REFERENCE],
            "dates": ["YYYY-MM-DD", "YYYY-MM", "YYYY", "D/M/YYYY"],
            "sheets": [SHEET],
            "record": records,
        }
    )


def _record(spec: CommandSpec, names: Sequence[str], opening: CommandSpec) -> dict[str, Any]:
    declared = {f.name: f for f in fields_of(spec.event)}
    record: dict[str, Any] = {"command": spec.name, "fields": {}}
    for name in names:
        heading = f"{spec.name}{BETWEEN}{name}"
        if name == "happened":
            record["happened"] = heading
        elif name in declared and get_origin(declared[name].python) is tuple:
            record["fields"][name] = {"column": heading, "split": LIST}
        else:
            record["fields"][name] = heading
    if spec.name != opening.name:
        record["only_if"] = [f"{spec.name}{BETWEEN}{name}" for name in names]
    return record
