"""The mapping file: what the columns and words of an agency's register are in our fields and vocabularies.

A TOML file, described in docs/import.md. It is checked whole before any row is read: commands, fields, words
and date forms exist, a field has one place it comes from.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.codec.declare import Field, fields_of
from ledger.domain.case import CommandSpec, command_table
from ledger.domain.contravention.events import ContravenedRule
from ledger.errors import InvalidInput
from ledger.imports.cells import tidy
from ledger.imports.dates import Form, form
from ledger.imports.separated import DELIMITERS, ENCODINGS

FORMAT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
UNKNOWN = ""
"""As a word's value: the fact is not stated, and so a gap."""
_TOP = {
    "format", "register", "title", "key", "header", "sheets", "dates", "zone", "encoding", "delimiter", "yes",
    "no", "unknown_words", "record", "choose", "propose", "unknown",
}  # fmt: skip
_TAKE = {"column", "columns", "join", "value", "words", "dates", "split", "organisation", "code"}
_RECORD = {"command", "happened", "fields", "only_if"}
YES, NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


@dataclass(frozen=True, slots=True)
class Take:
    """Where one value comes from: columns, or the same for every row."""

    columns: tuple[str, ...] = ()
    value: Any = None
    words: Mapping[str, Any] | None = None
    """A cell's word (tidied, in lower case) → our value; ``UNKNOWN`` makes a gap."""
    dates: tuple[Form, ...] | None = None
    split: str | None = None
    join: str = " "
    organisation: bool = False
    """The cell is the name or short name of an organisation registered in ``common``."""
    code: bool = False
    """The cell is a code in whatever case and with whatever between its parts: it is written as ours are."""


@dataclass(frozen=True, slots=True)
class Record:
    """A command that a row amounts to."""

    spec: CommandSpec
    happened: Take | None
    fields: Mapping[str, Take]
    only_if: tuple[str, ...] = ()
    """The row amounts to it only where one of these columns is filled."""

    @property
    def declared(self) -> dict[str, Field]:
        """The event's fields by name."""
        return {f.name: f for f in fields_of(self.spec.event)}


@dataclass(frozen=True, slots=True)
class Choice:
    """What one word of a column amounts to."""

    column: str
    words: frozenset[str]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contravention that a row states; it is proposed, and a named person records it."""

    column: str
    words: frozenset[str]
    rule: ContravenedRule
    section: str
    what: Take
    happened: Take | None


@dataclass(frozen=True, slots=True)
class RegisterMapping:
    """A mapping file, read and checked."""

    format: str
    register: str
    key: tuple[str, ...]
    records: tuple[Record, ...]
    choices: tuple[Choice, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    dates: tuple[Form, ...] = (form("YYYY-MM-DD"),)
    header: int = 1
    sheets: tuple[str, ...] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Australia/Melbourne"))
    yes: frozenset[str] = frozenset(YES)
    no: frozenset[str] = frozenset(NO)
    unknown_words: frozenset[str] = frozenset()
    digest: bytes = b""
    """SHA-256 of the mapping file."""

    def all_records(self) -> Iterator[Record]:
        """Every command that some row can amount to."""
        yield from self.records
        for choice in self.choices:
            yield from choice.records

    @property
    def opening(self) -> Record:
        """The command that opens the case: the first one."""
        return self.records[0]

    def columns(self) -> tuple[str, ...]:
        """Every column that is named, once."""
        named = list(self.key)
        for record in self.all_records():
            named += record.only_if
            for take in (record.happened, *record.fields.values()):
                named += take.columns if take else ()
        named += [choice.column for choice in self.choices]
        for proposal in self.proposals:
            named += [proposal.column, *proposal.what.columns]
            named += proposal.happened.columns if proposal.happened else ()
        return tuple(dict.fromkeys(named))

    def unstated(self) -> dict[str, list[str]]:
        """By command, the fields that no row can state: each a gap where the law asks for it."""
        out: dict[str, list[str]] = {}
        for record in self.all_records():
            left = {name for name in record.declared if name not in record.fields}
            if record.happened is None:
                left.add("happened")
            known = out.get(record.spec.name)
            out[record.spec.name] = sorted(left if known is None else left & set(known))
        return out


def load_mapping(path: Path) -> RegisterMapping:
    """A mapping file. Raises InvalidInput naming the place, what was expected and what stands there."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput("mapping", "a file that can be read", f"{path.name}: {error.strerror}") from error
    return parse_mapping(data)


def parse_mapping(data: bytes) -> RegisterMapping:
    """As ``load_mapping``, of the file's bytes."""
    try:
        found = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput("mapping", "TOML in UTF-8", str(error)) from error
    return _Reader(found, hashlib.sha256(data).digest()).mapping()


def mapping_of(settings: Mapping[str, Any]) -> RegisterMapping:
    """A mapping of settings that are in no file: its digest is that of their JSON text. Raises InvalidInput."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return _Reader(settings, hashlib.sha256(text.encode()).digest()).mapping()


def word(text: str) -> str:
    """How words of cells are compared: white space made single, in lower case."""
    return tidy(text).casefold()


def spec_of(command: str, place: str) -> CommandSpec:
    """The command of a name, one that belongs to a case. Raises InvalidInput."""
    specs = command_table().get(command)
    if specs is None or specs[0].stream is not None:
        allowed = sorted(name for name, rows in command_table().items() if rows[0].stream is None)
        raise InvalidInput(place, "one of " + ", ".join(allowed), command)
    if specs[0].event.name == "ledger.contravention.v1.ContraventionFound":
        raise InvalidInput(place, "no contravention: a named person records it ([[propose]])", command)
    return specs[0]


class _Reader:
    def __init__(self, data: Mapping[str, Any], digest: bytes) -> None:
        self._data = data
        self._digest = digest
        _only(data, _TOP, "mapping")

    def mapping(self) -> RegisterMapping:
        get = self._data.get
        name = _text(get("format"), "format")
        if not FORMAT.fullmatch(name):
            raise InvalidInput("format", "lower-case letters, digits and single hyphens", name)
        records = tuple(self._records(get("record"), "record"))
        register = _text(get("register"), "register")
        header = get("header", 1)
        if type(header) is not int or header < 1:
            raise InvalidInput("header", "the number of a row, from 1", header)
        encoding, delimiter = get("encoding"), get("delimiter")
        _one_of(encoding, ENCODINGS, "encoding")
        _one_of(delimiter, DELIMITERS, "delimiter")
        mapping = RegisterMapping(
            format=name,
            register=register,
            key=_texts(get("key"), "key"),
            records=records,
            choices=tuple(self._choices()),
            proposals=tuple(self._proposals()),
            dates=self._forms(get("dates", ["YYYY-MM-DD"]), "dates"),
            header=header,
            sheets=_texts(get("sheets"), "sheets") if "sheets" in self._data else None,
            encoding=encoding,
            delimiter=delimiter,
            zone=_zone(get("zone", "Australia/Melbourne")),
            yes=frozenset(word(w) for w in _texts(get("yes", list(YES)), "yes")),
            no=frozenset(word(w) for w in _texts(get("no", list(NO)), "no")),
            unknown_words=frozenset(word(w) for w in get("unknown_words", [])),
            digest=self._digest,
        )
        self._check(mapping)
        return mapping

    def _check(self, mapping: RegisterMapping) -> None:
        opening = mapping.opening.spec
        if not opening.opens or mapping.opening.only_if:
            raise InvalidInput("record.0.command", "a command that opens a case, for every row", opening.name)
        if opening.name.split(".")[0] != mapping.register:
            raise InvalidInput("register", opening.name.split(".")[0], mapping.register)
        for record in list(mapping.all_records())[1:]:
            specs = command_table()[record.spec.name]
            if record.spec.opens or not any(issubclass(opening.case, spec.case) for spec in specs):
                raise InvalidInput(
                    "command", f"a command of a case that {opening.name} opens", record.spec.name
                )
        stated = self._data.get("unknown", {})
        unstated = mapping.unstated()
        for command, names in stated.items():
            for name in names:
                if name not in unstated.get(command, ()):
                    raise InvalidInput(f"unknown.{command}", "fields of it that no column states", name)

    def _records(self, found: Any, place: str, *, empty: bool = False) -> Iterator[Record]:
        if not isinstance(found, list) or not (found or empty):
            raise InvalidInput(place, "[[" + place + "]] tables", found)
        for number, each in enumerate(found):
            at = f"{place}.{number}"
            _only(each, _RECORD, at)
            spec = spec_of(_text(each.get("command"), f"{at}.command"), f"{at}.command")
            declared = {f.name: f for f in fields_of(spec.event)}
            takes = {}
            for name, value in each.get("fields", {}).items():
                if name not in declared:
                    raise InvalidInput(f"{at}.fields.{name}", "one of " + ", ".join(declared), name)
                takes[name] = self._take(value, f"{at}.fields.{name}")
            for name, declared_field in declared.items():
                if name not in takes and not declared_field.optional and not declared_field.has_default:
                    raise InvalidInput(f"{at}.fields.{name}", f"where {spec.name} takes it from", None)
            happened = each.get("happened")
            yield Record(
                spec,
                None if happened is None else self._take(happened, f"{at}.happened"),
                takes,
                _texts(each["only_if"], f"{at}.only_if") if "only_if" in each else (),
            )

    def _choices(self) -> Iterator[Choice]:
        seen: set[tuple[str, str]] = set()
        for number, each in enumerate(self._data.get("choose", [])):
            at = f"choose.{number}"
            _only(each, {"column", "when", "record"}, at)
            column = _text(each.get("column"), f"{at}.column")
            words = frozenset(word(w) for w in _texts(each.get("when"), f"{at}.when", blank=True))
            for each_word in words:
                if (column, each_word) in seen:
                    raise InvalidInput(f"{at}.when", "each word once", each_word)
                seen.add((column, each_word))
            yield Choice(
                column, words, tuple(self._records(each.get("record", []), f"{at}.record", empty=True))
            )

    def _proposals(self) -> Iterator[Proposal]:
        for number, each in enumerate(self._data.get("propose", [])):
            at = f"propose.{number}"
            _only(each, {"column", "when", "rule", "section", "what", "happened"}, at)
            rule = _text(each.get("rule"), f"{at}.rule")
            _one_of(rule, [r.value for r in ContravenedRule], f"{at}.rule")
            happened = each.get("happened")
            yield Proposal(
                _text(each.get("column"), f"{at}.column"),
                frozenset(word(w) for w in _texts(each.get("when"), f"{at}.when")),
                ContravenedRule(rule),
                _text(each.get("section"), f"{at}.section"),
                self._take(each.get("what"), f"{at}.what"),
                None if happened is None else self._take(happened, f"{at}.happened"),
            )

    def _take(self, found: Any, at: str) -> Take:
        if isinstance(found, str):
            return Take(columns=(tidy(found),))
        if not isinstance(found, dict):
            raise InvalidInput(at, "a column, or a table with column or value", found)
        _only(found, _TAKE, at)
        ways = [name for name in ("column", "columns", "value") if name in found]
        if len(ways) != 1:
            raise InvalidInput(at, "one of column, columns, value", ", ".join(found))
        if "value" in found:
            if len(found) > 1:
                raise InvalidInput(at, "value alone", ", ".join(found))
            return Take(value=_json(found["value"]))
        columns = (_text(found["column"], at),) if "column" in found else _texts(found["columns"], at)
        words = found.get("words")
        if words is not None and not isinstance(words, dict):
            raise InvalidInput(f"{at}.words", "a table: word = value", words)
        return Take(
            columns=tuple(tidy(column) for column in columns),
            words=None if words is None else {word(w): _json(v) for w, v in words.items()},
            dates=self._forms(found["dates"], f"{at}.dates") if "dates" in found else None,
            split=found.get("split"),
            join=found.get("join", " "),
            organisation=bool(found.get("organisation", False)),
            code=bool(found.get("code", False)),
        )

    def _forms(self, found: Any, at: str) -> tuple[Form, ...]:
        return tuple(form(text) for text in _texts(found, at))


def _only(found: Any, allowed: set[str], at: str) -> None:
    if not isinstance(found, dict):
        raise InvalidInput(at, "a table", found)
    for name in found:
        if name not in allowed:
            raise InvalidInput(f"{at}.{name}", "one of " + ", ".join(sorted(allowed)), "an unknown setting")


def _one_of(value: object, allowed: Any, at: str) -> None:
    if value is not None and value not in allowed:
        raise InvalidInput(at, "one of " + ", ".join(repr(a) for a in allowed), value)


def _text(value: object, at: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(at, "text", value)
    return tidy(value)


def _texts(value: object, at: str, *, blank: bool = False) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise InvalidInput(at, "a list of texts", value)
    return tuple(cast(str, i) if blank and i == "" else _text(i, at) for i in items)


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise InvalidInput("zone", "a time zone such as Australia/Melbourne", name) from error


def _json(value: Any) -> Any:
    """A TOML value as JSON has it: dates become their ISO text."""
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    return value.isoformat() if isinstance(value, date | datetime | time) else value
