"""From rows to cases: each row read through the mapping into the commands that it amounts to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, get_args, get_origin

from ledger.codec.declare import Field
from ledger.codec.jsonform import expected, parse_fields
from ledger.errors import AuditLedgerError, InvalidInput, LawRefused
from ledger.imports.cells import Broken, Document, Sheet, SourceRow, Value, text_of
from ledger.imports.dates import read_date, read_happened
from ledger.imports.mapping import UNKNOWN, Choice, Proposal, Record, RegisterMapping, Take, word
from ledger.law.general import TWO_DATES

OrganisationId = Callable[[str], str]
"""The id of an organisation by its name or short name; raises InvalidInput."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row does not go in: where it stands, and the reason in words."""

    sheet: str
    row: int
    line: int
    column: str | None
    """Of a refusal of all that a step states, every column that it comes from, joined as its letters are."""
    letter: str | None
    reason: str
    citation: str | None = None
    """The section, where law refuses."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One command that a row amounts to. ``label`` names the step: command, and a number from the second on."""

    label: str
    command: str
    body: Mapping[str, Any]
    dated: tuple[str, ...]
    """The columns that its date comes from."""
    fields: Mapping[str, tuple[str, ...]]
    """The columns that its fields come from, by field."""
    asked: tuple[str, ...]
    """The columns whose cells make the row amount to it."""

    def columns(self, *, date: bool) -> tuple[str, ...]:
        """Where what it states comes from: its date, or else its fields."""
        stated = tuple(dict.fromkeys(column for each in self.fields.values() for column in each))
        return (date and self.dated) or stated or self.asked or self.dated


class StepRefused(LawRefused):
    """Law refuses one step of a row; ``wanted`` says what the row states by it."""

    def __init__(self, refused: LawRefused, wanted: Wanted) -> None:
        self.wanted = wanted
        super().__init__(refused.citation, refused.reason)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A contravention that a row states: for a named person to record, never recorded by an import."""

    sheet: str
    row: int
    key: str
    body: Mapping[str, Any]
    """Input of ``contravention.ContraventionFound`` but for the case it is about."""


@dataclass(slots=True)
class RowCase:
    """A row as a case: its key, the commands, what is wrong with it."""

    row: SourceRow
    key: str
    """The cells of the key columns as a JSON list: what identifies the case for ever."""
    steps: list[Wanted] = field(default_factory=list)
    proposed: list[Proposed] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    letters: Mapping[str, str] = field(default_factory=dict)
    """The letter of each column of its sheet."""

    def refuse(self, error: AuditLedgerError) -> None:
        """Lists a refusal of the application, with the columns that what is refused comes from."""
        columns = self._columns(error)
        citation = error.citation if isinstance(error, LawRefused) else None
        column, letter = ", ".join(columns), ", ".join(self.letters[column] for column in columns)
        place = self.row.sheet, self.row.number, self.row.line
        self.faults.append(Fault(*place, column or None, letter or None, str(error), citation))

    def _columns(self, error: AuditLedgerError) -> tuple[str, ...]:
        if isinstance(error, StepRefused):
            return error.wanted.columns(date=error.citation == TWO_DATES)
        if isinstance(error, InvalidInput):
            name = error.field.removeprefix("fields.").partition(".")[0]
            found = (step.dated if name == "happened" else step.fields.get(name) for step in self.steps)
            return next((columns for columns in found if columns), ())
        return ()

    @property
    def shown_key(self) -> str:
        """The key for people."""
        return " · ".join(json.loads(self.key))


def interpret(
    document: Document, mapping: RegisterMapping, organisation: OrganisationId | None = None
) -> list[RowCase]:
    """All rows of all sheets, in order; nothing raises for a row, its faults are listed with it."""
    rows = [_Row(sheet, row, mapping, organisation).case() for sheet in document.sheets for row in sheet.rows]
    _refuse_repeated_keys(rows, {sheet.name: sheet for sheet in document.sheets}, mapping)
    return rows


def _refuse_repeated_keys(rows: list[RowCase], sheets: Mapping[str, Sheet], mapping: RegisterMapping) -> None:
    """One key, one case. The same row twice goes in once; rows that differ under one key do not go in at all.

    Which of them is right cannot be known here, and taking the first would change with the order of the file.
    """
    by_key: dict[str, list[RowCase]] = {}
    for row in rows:
        if row.key != "[]":
            by_key.setdefault(row.key, []).append(row)
    for same in by_key.values():
        first, *others = same
        alike = all(other.row.cells == first.row.cells for other in others)
        for row in others if alike else same if others else ():
            twin = first if row is not first else others[0]
            where = f"row {twin.row.number} of sheet {twin.row.sheet}"
            reason = f"repeats {where}, which went in" if alike else f"another row than {where} under one key"
            column = mapping.key[0]
            letter = sheets[row.row.sheet].letters.get(column)
            row.faults.append(Fault(row.row.sheet, row.row.number, row.row.line, column, letter, reason))


class _Unread(Exception):
    def __init__(self, column: str | None, reason: str) -> None:
        self.column, self.reason = column, reason


class _Row:
    def __init__(
        self, sheet: Sheet, row: SourceRow, mapping: RegisterMapping, organisation: OrganisationId | None
    ) -> None:
        self._sheet, self._row, self._mapping = sheet, row, mapping
        self._organisation = organisation
        self._faults: list[Fault] = []

    def case(self) -> RowCase:
        """The row as a case."""
        for column, value in self._row.cells.items():
            if isinstance(value, Broken):
                self._fault(column, value.reason)
        key = self._key()
        records: list[tuple[Record, tuple[str, ...]]] = [(record, ()) for record in self._mapping.records]
        for column in dict.fromkeys(choice.column for choice in self._mapping.choices):
            records += [(record, (column,)) for record in self._chosen(column)]
        steps: list[Wanted] = []
        for record, asked in records:
            if record.only_if and all(self._row.value(column) is None for column in record.only_if):
                continue
            body = self._body(record)
            if body is not None:
                number = 1 + sum(step.command == record.spec.name for step in steps)
                label = record.spec.name if number == 1 else f"{record.spec.name}#{number}"
                dated = () if record.happened is None else record.happened.columns
                fields = {name: take.columns for name, take in record.fields.items()}
                steps.append(Wanted(label, record.spec.name, body, dated, fields, asked + record.only_if))
        shown = " · ".join(json.loads(key))
        proposed = [p for each in self._mapping.proposals if (p := self._propose(each, shown)) is not None]
        return RowCase(self._row, key, steps, proposed, self._faults, self._sheet.letters)

    def _fault(self, column: str | None, reason: str) -> None:
        letter = None if column is None else self._sheet.letters.get(column)
        fault = Fault(self._row.sheet, self._row.number, self._row.line, column, letter, reason)
        if fault not in self._faults:
            self._faults.append(fault)

    def _key(self) -> str:
        parts = [text_of(self._row.value(column)) for column in self._mapping.key]
        if not any(parts):
            self._fault(self._mapping.key[0], "expected the key of the row, got an empty cell")
            return "[]"
        return json.dumps(parts, ensure_ascii=False)

    def _chosen(self, column: str) -> list[Record]:
        choices: list[Choice] = [c for c in self._mapping.choices if c.column == column]
        found = word(text_of(self._row.value(column)))
        for choice in choices:
            if found in choice.words:
                return list(choice.records)
        if found and found not in self._mapping.unknown_words:
            words = sorted({w for choice in choices for w in choice.words if w})
            self._fault(column, f"expected one of {', '.join(words)}; got {found!r}")
        return []

    def _body(self, record: Record) -> dict[str, Any] | None:
        before = len(self._faults)
        fields: dict[str, Any] = {}
        for name, declared in record.declared.items():
            take = record.fields.get(name)
            if take is None:
                continue
            try:
                value = self._value(take, declared)
            except _Unread as error:
                self._fault(error.column, f"{record.spec.name}, {name}: {error.reason}")
                continue
            if value is not None:
                fields[name] = value
        happened = self._happened(record.happened, record.spec.name)
        if len(self._faults) > before:
            return None
        try:
            parse_fields(record.spec.event, fields)
        except InvalidInput as error:
            name = error.field.split(".")[1] if "." in error.field else error.field
            at = record.fields.get(name)
            column = at.columns[0] if at is not None and at.columns else None
            got = "an empty cell" if error.got is None else repr(error.got)
            self._fault(column, f"{record.spec.name}, {name}: expected {error.expected}, got {got}")
            return None
        return {"happened": happened, "fields": fields}

    def _happened(self, take: Take | None, command: str) -> str | None:
        if take is None:
            return None
        if not take.columns:
            return None if take.value is None else str(take.value)
        try:
            return self._date(take, read_happened)
        except _Unread as error:
            self._fault(error.column, f"{command}, happened: {error.reason}")
            return None

    def _date(self, take: Take, read: Callable[..., str]) -> str | None:
        column = take.columns[0]
        value = self._stated(column)
        if value is None:
            return None
        mapping = self._mapping
        try:
            return read(value, take.dates or mapping.dates, self._sheet.epoch, mapping.zone)
        except InvalidInput as error:
            raise _Unread(column, f"expected {error.expected}, got {error.got!r}") from error

    def _stated(self, column: str) -> Value:
        """The cell, or None where it is empty or holds a word for 'unknown'."""
        value = self._row.value(column)
        if isinstance(value, Broken):
            return None  # listed already
        if isinstance(value, str) and word(value) in self._mapping.unknown_words:
            return None
        return value

    def _value(self, take: Take, declared: Field) -> Any:
        if not take.columns:
            return take.value
        if declared.python is date:
            return self._date(take, read_date)
        texts = [text_of(value) for column in take.columns if (value := self._stated(column)) is not None]
        if not texts:
            return None
        if get_origin(declared.python) is tuple:
            inner = get_args(declared.python)[0]
            if is_record(inner):
                return self._records(take, take.join.join(texts))
            pieces = take.join.join(texts).split(take.split) if take.split else [take.join.join(texts)]
            values = [self._one(take, inner, piece.strip(), declared) for piece in pieces if piece.strip()]
            return [value for value in values if value is not None]
        kind = str if declared.personal else declared.python
        return self._one(take, kind, take.join.join(texts), declared)

    def _records(self, take: Take, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _Unread(take.columns[0], f"expected a JSON list of objects, got {text!r}") from error

    def _one(self, take: Take, kind: Any, text: str, declared: Field) -> Any:
        column = take.columns[0]
        if take.words is not None:
            if word(text) not in take.words:
                raise _Unread(column, f"expected one of {', '.join(sorted(take.words))}; got {text!r}")
            value = take.words[word(text)]
            return None if value == UNKNOWN else value
        if take.code:
            return "-".join(re.findall(r"[a-z0-9_.]+", text.lower()))
        if take.organisation:
            if self._organisation is None:
                return text
            try:
                return self._organisation(text)
            except InvalidInput as error:
                raise _Unread(column, f"expected {error.expected}, got {error.got!r}") from error
        if kind is bool:
            for words, value in ((self._mapping.yes, True), (self._mapping.no, False)):
                if word(text) in words:
                    return value
            allowed = ", ".join(sorted(self._mapping.yes | self._mapping.no))
            raise _Unread(column, f"expected one of {allowed}; got {text!r}")
        if is_record(kind):
            return self._records(take, text)
        if kind is int:
            if not re.fullmatch(r"-?\d{1,15}", text):
                raise _Unread(column, f"expected a whole number, got {text!r}")
            return int(text)
        if kind is date:
            try:
                mapping = self._mapping
                return read_date(text, take.dates or mapping.dates, self._sheet.epoch, mapping.zone)
            except InvalidInput as error:
                raise _Unread(column, f"expected {error.expected}, got {error.got!r}") from error
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            member = next((m for m in kind if m.value == word(text).replace(" ", "_")), None)
            if member is None:
                raise _Unread(column, f"expected {expected(declared)}, got {text!r}")
            return member.value
        return text

    def _propose(self, proposal: Proposal, key: str) -> Proposed | None:
        if word(text_of(self._row.value(proposal.column))) not in proposal.words:
            return None
        what = proposal.what.value if not proposal.what.columns else None
        if what is None:
            texts = [text_of(self._row.value(column)) for column in proposal.what.columns]
            what = proposal.what.join.join(text for text in texts if text)
        if not what:
            self._fault(proposal.column, "states a contravention, but not what happened")
            return None
        fields = {"rule": proposal.rule.value, "section": proposal.section, "what": what, "found_by": "import"}
        body = {"happened": self._happened(proposal.happened, "contravention"), "fields": fields}
        return Proposed(self._row.sheet, self._row.number, key, body)


def is_record(kind: Any) -> bool:
    """Whether values of this kind are objects of several fields; a cell holds them as JSON."""
    return isinstance(kind, type) and hasattr(kind, "__avro_name__") and not issubclass(kind, StrEnum)
