"""A first mapping file, guessed from a register: to be read, corrected and kept by who knows the register."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from ledger.codec.declare import fields_of
from ledger.errors import InvalidInput
from ledger.imports.cells import Document, Sheet, Value, text_of
from ledger.imports.dates import SERIAL, form, read_happened
from ledger.imports.mapping import FORMAT, word
from ledger.imports.template import opening_of, registers

CANDIDATES = (
    "YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY", "DD.MM.YYYY", "DD-MM-YYYY", "YYYY/MM/DD", "D MMM YYYY",
    "MMM D, YYYY", "DD-MMM-YYYY", "DD-MMM-YY", "DD/MM/YY", "MM/DD/YY", "DD/MM/YYYY HH:mm", "MM/DD/YYYY HH:mm",
    "YYYY-MM-DD HH:mm:ss", "YYYY-MM-DDTHH:mm:ss", "MMM YYYY", "MM/YYYY", SERIAL,
)  # fmt: skip
"""Date forms that are tried, the likelier reading of an Australian agency first."""
MAX_WORDS = 25
"""A column of at most so many different words is taken for a vocabulary."""

_REGISTERS = (
    ("complaint", r"complain"),
    ("notice", r"notice|served"),
    ("retention", r"retention|dispos(al|ed)|destr"),
    ("organisation", r"\borganisation\b|\bentity\b|signed"),
)
_HAPPENED = r"receiv|submitted|lodged|request(ed)? date|date of request|opened|issued|established"
_DECIDED = r"clos|finali|complet|decision|decided|outcome date|resolved"
_OUTCOME = r"dispos|outcome|status|result|decision|determination"
_KEY = r"\b(no|number|id|ref|reference|tracking|case|key)\b"
_FIELDS = {
    "request.RequestReceived": (
        ("information_sought", r"detail|descri|subject|sought|summary|request$|scope"),
        ("requester_name", r"requester|applicant|requested by|from"),
        ("purpose", r"purpose|reason for"),
        ("required_by", r"required by|due|needed by"),
    ),
    "organisation.OrganisationRegistered": (
        ("legal_name", r"organisation|name|entity"),
        ("short_name", r"short|acronym|abbrev"),
        ("abn", r"\babn\b"),
    ),
}
_WHOLE = 'parts = { value = ["whole"] }'
_PART_A = '{ id = "a", description = "The part that was granted" }'
_PART_B = '{ id = "b", description = "The part that was refused" }'
_PARTLY = (
    ("request.RequestDivided", f"parts = {{ value = [{_PART_A}, {_PART_B}] }}"),
    ("disclosure.DisclosureMade", 'parts = { value = ["a"] }'),
    ("request.RequestRefused", 'parts = { value = ["b"] }'),
)  # fmt: skip
_OUTCOMES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (r"partial|in part|partly|some", _PARTLY),
    (r"withdr|abandon|lapsed", (("request.RequestWithdrawn", ""),)),
    (r"refer|transfer|redirect|another (agency|entity)", (("request.RequestReferred", ""),)),
    (r"duplicate", (("request.RequestClosed", f'{_WHOLE}, ground = {{ value = "duplicate" }}'),)),
    (r"litigation", (("request.RequestClosed", f'{_WHOLE}, ground = {{ value = "in_litigation" }}'),)),
    (r"public", (("request.RequestClosed", f'{_WHOLE}, ground = {{ value = "public" }}'),)),
    (r"no (records|information|data|documents)|not held|not found|none",
     (("request.RequestClosed", f'{_WHOLE}, ground = {{ value = "not_held" }}'),)),
    (r"out of scope|not an? .*record",
     (("request.RequestClosed", f'{_WHOLE}, ground = {{ value = "out_of_scope" }}'),)),
    (r"den(y|ied|ial)|refus|reject|declin", (("request.RequestRefused", _WHOLE),)),
    (r"grant|provid|releas|disclos|approv|full|shared", (("disclosure.DisclosureMade", _WHOLE),)),
    (r"open|pending|in progress|current|under way", ()),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """What can be seen of a column."""

    heading: str
    filled: int
    distinct: Counter[str]
    forms: tuple[str, ...]
    """Date forms that read every filled cell."""
    cells_are_dates: bool

    @property
    def is_date(self) -> bool:
        """Whether every filled cell is a date."""
        return self.cells_are_dates or bool(self.forms)


def suggest(document: Document, name: str, register: str | None = None, *, header: int = 1) -> str:
    """The text of a mapping file for the first sheet that has rows. Raises InvalidInput where none has any.

    ``header``: the row in which the headings were found.
    """
    sheet = next((sheet for sheet in document.sheets if sheet.rows), None)
    if sheet is None:
        raise InvalidInput("file", "rows under the headings", "none")
    columns = [_seen(sheet, heading) for heading in sheet.letters]
    chosen = register or _guess_register(columns)
    opening = opening_of(chosen)
    key = _key(columns, len(sheet.rows))
    lines = [
        f"# A first mapping of {name} ({document.stated()}; {len(sheet.rows)} rows of sheet {sheet.name}).",
        "# Everything here is a guess: read it line by line, and try it with --dry-run.",
        "",
        f"format = {_quoted(_format(name))}   # names the register for ever: the same for its later files",
        f"register = {_quoted(chosen)}   # one of {', '.join(registers())}",
        _key_line(key, columns, len(sheet.rows)),
        *_dates(columns),
    ]
    if header != 1:
        lines.append(f"header = {header}")
    if document.kind == "xlsx":
        lines.append(f"sheets = [{_quoted(sheet.name)}]")
    taken, record = _opening_record(opening.name, columns, key)
    lines += ["", *record]
    if chosen == "organisation":
        lines += _signed(columns, taken)
    if chosen == "request":
        lines += _outcomes(columns, taken)
    else:
        lines += _vocabularies(columns, taken)
    unused = [column.heading for column in columns if column.heading not in taken]
    if unused:
        lines += ["", "# Columns that nothing is taken from:", *(f"#   {heading}" for heading in unused)]
    named = re.findall(r"^([a-z_]+) = ", "\n".join(record), re.MULTILINE)
    unknown = [f.name for f in fields_of(opening.event) if f.optional and f.name not in named]
    lines += ["", "# What stays unknown, a gap wherever the law asks for it:", "[unknown]"]
    lines.append(f"{_quoted(opening.name)} = {json.dumps(unknown)}")
    return "\n".join(lines) + "\n"


def _seen(sheet: Sheet, heading: str) -> Column:
    values = [value for row in sheet.rows if (value := row.value(heading)) is not None]
    texts = [text_of(value) for value in values]
    dates = bool(values) and all(isinstance(value, date | datetime) for value in values)
    forms = [] if dates or not values else [text for text in CANDIDATES if _reads(values, text, sheet.epoch)]
    if SERIAL in forms and not _likely_serial(heading):
        forms.remove(SERIAL)
    return Column(heading, len(values), Counter(texts), tuple(forms), dates)


def _likely_serial(heading: str) -> bool:
    """Numbers are dates only under a heading that says so."""
    return re.search(r"date|\bon\b|when|received|closed", heading, re.IGNORECASE) is not None


def _reads(values: Sequence[Value], text: str, epoch: date) -> bool:
    zone = ZoneInfo("Australia/Melbourne")
    try:
        for value in values:
            read_happened(value, (form(text),), epoch, zone)
    except InvalidInput:
        return False
    return True


def _guess_register(columns: Sequence[Column]) -> str:
    headings = " | ".join(column.heading for column in columns)
    for register, pattern in _REGISTERS:
        if re.search(pattern, headings, re.IGNORECASE):
            # 'Disposition' of requests is an outcome, not a disposal.
            if register == "retention" and re.search(r"request|tracking", headings, re.IGNORECASE):
                continue
            return register
    return "request"


def _key(columns: Sequence[Column], rows: int) -> Column | None:
    """The column that most likely names a row: filled and different in all of them."""
    unique = [c for c in columns if len(c.distinct) == c.filled == rows and not c.is_date]
    named = [c for c in unique if re.search(_KEY, c.heading, re.IGNORECASE)]
    return next(iter(named or sorted(unique, key=lambda c: max(map(len, c.distinct)))), None)


def _key_line(key: Column | None, columns: Sequence[Column], rows: int) -> str:
    if key is None:
        return f"key = [{_quoted(columns[0].heading)}]   # no column tells every row apart: name several"
    return f"key = [{_quoted(key.heading)}]   # filled and different in all {rows} rows"


def _dates(columns: Sequence[Column]) -> list[str]:
    """The fewest forms that read every date column; where days and months could be swapped, that is said."""
    needed: list[str] = []
    notes: list[str] = []
    for column in columns:
        if not column.forms:
            continue
        if not set(column.forms) & set(needed):
            shared = max(column.forms, key=lambda text: sum(text in c.forms for c in columns))
            needed.append(shared)
        if {"DD/MM/YYYY", "MM/DD/YYYY"} <= set(column.forms) or {"DD/MM/YY", "MM/DD/YY"} <= set(column.forms):
            notes.append(f"# {column.heading}: no day is above 12, so days and months may be swapped.")
    return [*notes, f"dates = {json.dumps(needed or ['YYYY-MM-DD'])}"]


def _signed(columns: Sequence[Column], taken: set[str]) -> list[str]:
    """The day on which an organisation signed the Heads of Agreement is an event of its own."""
    column = next((c for c in columns if c.is_date and re.search("sign", c.heading, re.IGNORECASE)), None)
    if column is None:
        return []
    taken.add(column.heading)
    heading = _quoted(column.heading)
    command = _quoted("organisation.HeadsOfAgreementSigned")
    return ["", "[[record]]", f"command = {command}", f"happened = {heading}", f"only_if = [{heading}]"]


def _opening_record(command: str, columns: Sequence[Column], key: Column | None) -> tuple[set[str], list[str]]:
    taken: set[str] = set() if key is None else {key.heading}

    def pick(pattern: str, *, dates: bool) -> str | None:
        for column in columns:
            if (
                (column.heading not in taken or (column is key and not dates))
                and column.is_date is dates
                and re.search(pattern, column.heading, re.IGNORECASE)
            ):
                taken.add(column.heading)
                return column.heading
        return None

    record = ["[[record]]   # what every row amounts to", f"command = {_quoted(command)}"]
    happened = pick(_HAPPENED, dates=True)
    if happened is None and not command.startswith("organisation."):
        left = [c.heading for c in columns if c.is_date and not re.search(_DECIDED, c.heading, re.IGNORECASE)]
        happened = left[0] if left else None
        taken.update(left[:1])
    if happened is not None:
        record.append(f"happened = {_quoted(happened)}")
    record += ["", "[record.fields]"]
    if command == "request.RequestReceived":
        record.append('scheme = { value = "other" }   # or vps (with a form), nsw')
    event = next(spec for spec in registers().values() if spec.name == command).event
    patterns = dict(_FIELDS.get(command, ()))
    for each in fields_of(event):
        if each.name == "scheme" and command == "request.RequestReceived":
            continue
        is_date = each.python is date
        pattern = patterns.get(each.name, re.escape(each.name).replace("_", "[ _]"))
        heading = pick(pattern, dates=is_date)
        if heading is None and each.name == "own_reference" and key is not None:
            heading = key.heading
        if heading is not None:
            record.append(f"{each.name} = {_quoted(heading)}")
        elif isinstance(each.python, type) and issubclass(each.python, StrEnum) and "other" in set(each.python):
            record.append(f'{each.name} = {{ value = "other" }}   # or a column with its words')
        elif not each.optional and not each.has_default:
            record.append(f"# {each.name} = …   # needed: a column, or {{ value = … }}")
    return taken, record


def _outcomes(columns: Sequence[Column], taken: set[str]) -> list[str]:
    """The outcome column's words, each with what it most likely amounts to."""
    found = [
        c
        for c in columns
        if re.search(_OUTCOME, c.heading, re.IGNORECASE) and not c.is_date and _is_vocabulary(c)
    ]
    if not found:
        return []
    column = found[0]
    taken.add(column.heading)
    closed = next((c for c in columns if c.is_date and re.search(_DECIDED, c.heading, re.IGNORECASE)), None)
    lines: list[str] = []
    undecided: list[str] = []
    if closed is not None:
        taken.add(closed.heading)
    for text, count in column.distinct.most_common():
        records = next((r for pattern, r in _OUTCOMES if re.search(pattern, word(text))), None)
        if records is None:
            undecided.append(f"#   {_quoted(text)} ({count} rows)")
            continue
        lines += ["", f"[[choose]]   # {count} rows", f"column = {_quoted(column.heading)}"]
        lines.append(f"when = [{_quoted(text)}]")
        for command, fields in records:
            lines += ["", "[[choose.record]]", f"command = {_quoted(command)}"]
            if closed is not None:
                lines.append(f"happened = {_quoted(closed.heading)}")
            if fields:
                lines.append(f"fields = {{ {fields} }}")
    if undecided:
        lines += ["", f"# Words of {column.heading!r} that were not guessed; a row with one does not go in:"]
        lines += undecided
    return lines


def _vocabularies(columns: Sequence[Column], taken: set[str]) -> list[str]:
    lines: list[str] = []
    for column in columns:
        if column.heading in taken or column.is_date or not _is_vocabulary(column):
            continue
        lines += ["", f"# Words of {column.heading!r}; [[choose]] says what each amounts to:"]
        lines += [f"#   {_quoted(text)} ({count} rows)" for text, count in column.distinct.most_common()]
    return lines


def _is_vocabulary(column: Column) -> bool:
    return 0 < len(column.distinct) <= min(MAX_WORDS, max(2, column.filled // 2))


def _format(name: str) -> str:
    text = "-".join(re.findall(r"[a-z0-9]+", name.rsplit(".", 1)[0].casefold()))
    return text if FORMAT.fullmatch(text) else "register"


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
