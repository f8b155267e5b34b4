"""A first mapping file, guessed from a register: to be read, corrected and kept by who knows the register."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import get_args, get_origin
from zoneinfo import ZoneInfo

from ledger.codec.declare import Field, fields_of
from ledger.errors import InvalidInput
from ledger.imports.cells import Document, Sheet, Value, text_of
from ledger.imports.dates import SERIAL, form, read_happened
from ledger.imports.interpret import is_record
from ledger.imports.mapping import FORMAT, word
from ledger.imports.template import opening_of, registers

CANDIDATES = (
    "YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY", "DD.MM.YYYY", "DD-MM-YYYY", "YYYY/MM/DD", "D MMM YYYY",
    "MMM D, YYYY", "DD-MMM-YYYY", "DD-MMM-YY", "DD/MM/YY", "MM/DD/YY", "DD/MM/YYYY HH:mm", "MM/DD/YYYY HH:mm",
    "YYYY-MM-DD HH:mm:ss", "YYYY-MM-DDTHH:mm:ss", "MMM YYYY", "MM/YYYY", SERIAL,
)  # fmt: skip
"""Date forms that are tried, the likelier reading of an Australian agency first."""
MOSTLY = 0.98
"""What part of the rows a guess must hold for: registers have slips."""
MAX_WORDS = 25
"""A column of at most so many different words is taken for a vocabulary."""

_REGISTERS = (
    ("complaint", r"complain"),
    ("notice", r"notice|served"),
    ("retention", r"retention|dispos(al|ed)|destr"),
    ("organisation", r"\borganisation\b|\bentity\b|signed"),
)
_NAMES = (
    ("complaint", r"complain"),
    ("notice", r"notice"),
    ("retention", r"retention|disposal|destruction"),
    ("organisation", r"organisation|signator|agreement"),
    ("request", r"request|foi\b"),
)
"""What the names of file and sheet say of the register; they say more than headings do."""
_OPENED = {
    "notice.ComplianceNoticeIssued": r"issued|decided|decision|dated",
    "retention.RetentionScheduled": r"listed|scheduled|added|registered|created",
}
"""The date of what opened the case, where it is no receipt."""
_HAPPENED = r"receiv|submitted|lodged|request(ed)? date|date of request|opened|issued|established"
_DECIDED = r"outcome date|done on|clos|finali|complet|decision|decided|resolved"
_OUTCOME = r"dispos|outcome|status|result|decision|determination|\bdone\b"
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
_CODES = {"dataset"}
"""Fields in clear that take a code."""
_WHOLE = 'parts = { value = ["whole"] }'
_PART_A = '{ id = "a", description = "The part that was granted" }'
_PART_B = '{ id = "b", description = "The part that was refused" }'
_PARTLY = (
    ("request.RequestDivided", f"parts = {{ value = [{_PART_A}, {_PART_B}] }}"),
    ("disclosure.DisclosureMade", 'parts = { value = ["a"] }'),
    ("request.RequestRefused", 'parts = { value = ["b"] }'),
)  # fmt: skip
_OPEN = r"open|pending|in progress|current|under way"
_Outcomes = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
_REQUESTS: _Outcomes = (
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
    (_OPEN, ()),
)  # fmt: skip
_OUTCOMES: dict[str, _Outcomes] = {
    "request": _REQUESTS,
    "complaint": (
        (r"not resolved|unresolved", (("complaint.ComplaintUnresolved", ""),)),
        (r"resolved|settled", (("complaint.ComplaintResolved", ""),)),
        (_OPEN, ()),
    ),
    "notice": (
        (r"not compl|non-?compl", (("notice.NoticeNotComplied", ""),)),
        (r"compl", (("notice.NoticeComplied", ""),)),
        (_OPEN, ()),
    ),
    "retention": (
        (r"de-?ident", (("retention.RecordsDeIdentified", ""),)),
        (r"destroy|destruction|shred", (("retention.RecordsDestroyed", ""),)),
        (r"return", (("retention.RecordsReturned", ""),)),
        (r"transfer", (("retention.RecordsTransferred", ""),)),
        (rf"held|kept|retained|{_OPEN}", ()),
    ),
}
"""What the words of an outcome amount to, by register; the first that fits."""


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
    chosen = register or _guess_register(columns, name, sheet.name)
    opening = opening_of(chosen)
    key = _key(sheet, columns)
    lines = [
        f"# A first mapping of {name} ({document.stated()}; {len(sheet.rows)} rows of sheet {sheet.name}).",
        "# Everything here is a guess: read it line by line, and try it with --dry-run.",
        "",
        f"format = {_quoted(_format(name))}   # names the register for ever: the same for its later files",
        f"register = {_quoted(chosen)}   # one of {', '.join(registers())}",
        _key_line(sheet, key, columns),
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
    lines += _outcomes(columns, taken, _OUTCOMES.get(chosen, ()))
    if chosen != "request":
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
    dates = sum(isinstance(value, date | datetime) for value in values)
    whole = bool(values) and dates == len(values)
    read = {} if whole else {text: _read(values, text, sheet.epoch) for text in CANDIDATES}
    if not dates and not _likely_serial(heading):
        read.pop(SERIAL, None)
    # A cell or two that are no date make their rows bad, not the column another one.
    enough = max([*read.values(), 1, MOSTLY * len(values)])
    return Column(heading, len(values), Counter(texts), tuple(t for t, n in read.items() if n >= enough), whole)


def _likely_serial(heading: str) -> bool:
    """Numbers are dates only under a heading that says so, or among dates."""
    return re.search(r"date|\bon\b|when|received|closed", heading, re.IGNORECASE) is not None


def _read(values: Sequence[Value], text: str, epoch: date) -> int:
    """How many of the values this form reads."""
    zone = ZoneInfo("Australia/Melbourne")
    read = 0
    for value in values:
        with contextlib.suppress(InvalidInput):
            read_happened(value, (form(text),), epoch, zone)
            read += 1
    return read


def _guess_register(columns: Sequence[Column], *names: str) -> str:
    for name in names:
        for register, pattern in _NAMES:
            if re.search(pattern, name, re.IGNORECASE):
                return register
    headings = " | ".join(column.heading for column in columns)
    for register, pattern in _REGISTERS:
        if re.search(pattern, headings, re.IGNORECASE):
            # 'Disposition' of requests is an outcome, not a disposal.
            if register == "retention" and re.search(r"request|tracking", headings, re.IGNORECASE):
                continue
            return register
    return "request"


def _key(sheet: Sheet, columns: Sequence[Column]) -> list[Column]:
    """The columns that most likely name a row: filled, and different in all of them but for a slip or two."""
    rows = len(sheet.rows)
    full = [c for c in columns if c.filled == rows and not c.is_date]
    named = [c for c in full if re.search(_KEY, c.heading, re.IGNORECASE)]
    for column in named:
        if len(column.distinct) >= MOSTLY * rows:
            return [column]
    for column in named:
        # Numbers that begin anew: each year, in each office.
        for other in full:
            if other is not column and _told_apart(sheet, [other, column]) >= MOSTLY * rows:
                return sorted([other, column], key=list(columns).index)
    unique = [c for c in full if len(c.distinct) == rows]
    return sorted(unique, key=lambda c: max(map(len, c.distinct)))[:1]


def _told_apart(sheet: Sheet, columns: Sequence[Column]) -> int:
    return len({tuple(str(row.value(c.heading)) for c in columns) for row in sheet.rows})


def _key_line(sheet: Sheet, key: Sequence[Column], columns: Sequence[Column]) -> str:
    if not key:
        return f"key = [{_quoted(columns[0].heading)}]   # no column tells every row apart: name several"
    rows, apart = len(sheet.rows), _told_apart(sheet, key)
    said = f"filled and different in all {rows} rows" if apart == rows else f"{apart} keys in {rows} rows"
    return f"key = [{', '.join(_quoted(column.heading) for column in key)}]   # {said}"


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


def _opening_record(
    command: str, columns: Sequence[Column], key: Sequence[Column]
) -> tuple[set[str], list[str]]:
    taken = {column.heading for column in key}

    def pick(pattern: str, *, dates: bool) -> Column | None:
        for column in columns:
            if (
                (column.heading not in taken or (column in key and not dates))
                and column.is_date is dates
                and re.search(pattern, column.heading, re.IGNORECASE)
            ):
                taken.add(column.heading)
                return column
        return None

    record = ["[[record]]   # what every row amounts to", f"command = {_quoted(command)}"]
    happened = pick(_OPENED.get(command, _HAPPENED), dates=True)
    if happened is None and not command.startswith("organisation."):
        left = [c for c in columns if c.is_date and not re.search(_DECIDED, c.heading, re.IGNORECASE)]
        happened = left[0] if left else None
        taken.update(column.heading for column in left[:1])
    if happened is not None:
        record.append(f"happened = {_quoted(happened.heading)}")
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
        column = pick(pattern, dates=is_date)
        if column is None and each.name == "own_reference" and len(key) == 1:
            column = key[0]
        if column is not None:
            record.append(_taken_from(each, column))
        elif isinstance(each.python, type) and issubclass(each.python, StrEnum) and "other" in set(each.python):
            record.append(f'{each.name} = {{ value = "other" }}   # or a column with its words')
        elif not each.optional and not each.has_default:
            record.append(f"# {each.name} = …   # needed: a column, or {{ value = … }}")
    return taken, record


def _taken_from(each: Field, column: Column) -> str:
    """A field that takes a column as it is, split, or by its words."""
    heading, kind = _quoted(column.heading), each.python
    if get_origin(kind) is tuple:
        inside = get_args(kind)[0]
        return f"{each.name} = " + (heading if is_record(inside) else f'{{ column = {heading}, split = ";" }}')
    if each.name in _CODES:
        return f"{each.name} = {{ column = {heading}, code = true }}"
    if not (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return f"{each.name} = {heading}"
    known = {word(member.value.replace("_", " ")): member.value for member in kind}
    words = {text: known.get(word(text), "") for text, _ in column.distinct.most_common(MAX_WORDS)}
    if all(words.values()):
        return f"{each.name} = {heading}"
    listed = ", ".join(f"{_quoted(text)} = {_quoted(value)}" for text, value in words.items())
    allowed = ", ".join(kind)
    return f'{each.name} = {{ column = {heading}, words = {{ {listed} }} }}   # of {allowed}; "" states nothing'


def _outcomes(columns: Sequence[Column], taken: set[str], outcomes: _Outcomes) -> list[str]:
    """The outcome column's words, each with what it most likely amounts to."""
    found = [
        c
        for c in columns
        if c.heading not in taken
        and re.search(_OUTCOME, c.heading, re.IGNORECASE)
        and not c.is_date
        and _is_vocabulary(c)
    ]
    if not found or not outcomes:
        return []
    column = found[0]
    taken.add(column.heading)
    dates = [c for c in columns if c.is_date and c.heading not in taken]
    closed = next((c for c in dates if re.search(_DECIDED, c.heading, re.IGNORECASE)), None)
    lines: list[str] = []
    undecided: list[str] = []
    if closed is not None:
        taken.add(closed.heading)
    for text, count in column.distinct.most_common():
        records = next((r for pattern, r in outcomes if re.search(pattern, word(text))), None)
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
