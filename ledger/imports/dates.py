"""Dates as agencies write them: forms such as ``DD/MM/YYYY``, serial numbers, date cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from ledger.errors import InvalidInput
from ledger.imports.cells import EXCEL_1904, Value, text_of, tidy

SERIAL = "serial"
SERIAL_1904 = "serial1904"
FIRST_SERIAL, LAST_SERIAL = 61, 2_958_465
"""1.3.1900 (before it the count of spreadsheets is wrong by a day) to 31.12.9999."""
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip

_TOKENS = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short_year>\d{2})",
    "MMMM": r"(?P<month_name>[^\W\d_]{3,9})\.?",
    "MMM": r"(?P<month_name>[^\W\d_]{3,9})\.?",
    "MM": r"(?P<month>\d{1,2})",
    "M": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d{1,2})",
    "D": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{1,2})",
    "H": r"(?P<hour>\d{1,2})",
    "mm": r"(?P<minute>\d{2})",
    "ss": r"(?P<second>\d{2})",
    "AM": r"(?P<half>[AaPp])\.?[Mm]\.?",
    "dddd": r"(?:[^\W\d_]+day)",
    "ddd": r"(?:[^\W\d_]{3,5})\.?",
}
_SPLIT = re.compile(r"(YYYY|YY|MMMM|MMM|MM|M|DD|D|HH|H|mm|ss|AM|dddd|ddd|'[^']*')")


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a column writes its dates."""

    text: str
    pattern: re.Pattern[str] | None


@cache
def form(text: str) -> Form:
    """The form of a mapping file's text: YYYY YY MMMM MMM MM M DD D HH H mm ss AM dddd ddd, or ``serial``.

    Other letters stand in single quotes. Raises InvalidInput.
    """
    if text in (SERIAL, SERIAL_1904):
        return Form(text, None)
    pattern, seen = "", set()
    for piece in _SPLIT.split(text):
        if piece in _TOKENS:
            pattern += _TOKENS[piece]
            seen.update(re.findall(r"\?P<(\w+)>", _TOKENS[piece]))
        elif piece.startswith("'") and piece.endswith("'") and piece:
            pattern += re.escape(piece[1:-1])
        elif any(letter.isalpha() and letter != "T" for letter in piece):
            raise InvalidInput("dates", "YYYY YY MMMM MMM MM DD HH mm ss AM, or 'words' in quotes", text)
        else:
            pattern += re.escape(piece)
    named = re.findall(r"\?P<(\w+)>", pattern)
    months, years = seen & {"month", "month_name"}, seen & {"year", "short_year"}
    in_order = len(years) == 1 and len(months) <= 1 and (bool(months) or "day" not in seen)
    if not in_order or len(named) != len(set(named)) or ("hour" in seen) > ("day" in seen):
        raise InvalidInput("dates", "a form with a year, and with a month where it has a day", text)
    return Form(text, re.compile(pattern))


def read_happened(value: Value, forms: Sequence[Form], epoch: date, zone: ZoneInfo) -> str:
    """A cell as the commands take it: YYYY-MM-DD, YYYY-MM, YYYY, or an instant.

    ``epoch``: day 0 of the sheet's serial numbers; ``zone``: where the clock of a time of day hangs. Raises
    InvalidInput where no form fits, or where two read it differently.
    """
    if isinstance(value, datetime):
        return _instant(value, zone)
    if isinstance(value, date):
        return value.isoformat()
    found = {read for each in forms if (read := _read(value, each, epoch, zone)) is not None}
    expected = "a date written " + " or ".join(each.text for each in forms)
    if not found:
        raise InvalidInput("date", expected, text_of(value))
    if len(found) > 1:
        raise InvalidInput("date", "one reading", f"{text_of(value)}: " + " or ".join(sorted(found)))
    return found.pop()


def read_date(value: Value, forms: Sequence[Form], epoch: date, zone: ZoneInfo) -> str:
    """A cell as a day YYYY-MM-DD, that of ``zone`` for a time of day. Raises InvalidInput for a mere month."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    text = read_happened(value, forms, epoch, zone)
    if "T" in text:
        return datetime.fromisoformat(text).astimezone(zone).date().isoformat()
    if len(text) < len("YYYY-MM-DD"):
        raise InvalidInput("date", "a day", text_of(value))
    return text


def _instant(naive: datetime, zone: ZoneInfo) -> str:
    aware = naive if naive.tzinfo else naive.replace(tzinfo=zone)
    try:
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError as error:
        raise InvalidInput("date", "a year from 1 to 9999", naive.isoformat()) from error


def _read(value: Value, each: Form, epoch: date, zone: ZoneInfo) -> str | None:
    if each.pattern is None:
        return _serial(value, EXCEL_1904 if each.text == SERIAL_1904 else epoch, zone)
    match = each.pattern.fullmatch(tidy(text_of(value)))
    if match is None:
        return None
    return _written(match.groupdict(), zone)


def _serial(value: Value, epoch: date, zone: ZoneInfo) -> str | None:
    if isinstance(value, str):
        if not re.fullmatch(r"\d{1,7}(\.\d{1,12})?", value.strip()):
            return None
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not FIRST_SERIAL <= value < LAST_SERIAL:
        return None
    day = epoch + timedelta(days=int(value))
    seconds = round((value - int(value)) * 86_400)
    if seconds == 0:
        return day.isoformat()
    return _instant(datetime.combine(day, time.min) + timedelta(seconds=seconds), zone)


def _written(parts: dict[str, str | None], zone: ZoneInfo) -> str | None:
    year = int(parts.get("year") or 2000 + int(parts.get("short_year") or 0))
    name = (parts.get("month_name") or "").casefold()
    month_text = parts.get("month")
    if not name and month_text is None:
        return f"{year:04d}" if year else None
    month = _month_of(name) if name else int(month_text or 0)
    day_text = parts.get("day")
    try:
        day = date(year, month, int(day_text) if day_text else 1)
    except ValueError:
        return None
    if day_text is None:
        return f"{year:04d}-{month:02d}"
    if parts.get("hour") is None:
        return day.isoformat()
    hour = int(parts["hour"] or 0)
    half = (parts.get("half") or "").casefold()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        moment = datetime.combine(day, time(hour, int(parts.get("minute") or 0), int(parts.get("second") or 0)))
    except ValueError:
        return None
    return _instant(moment, zone)


def _month_of(name: str) -> int:
    """1 to 12, or 0 (no month) for another word."""
    if len(name) >= 3:
        for number, month in enumerate(MONTHS, 1):
            if month.startswith(name) or (name == "sept" and number == 9):
                return number
    return 0
