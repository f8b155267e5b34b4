"""Past registers of invented bodies, of the size that such registers have: their columns, rows and mappings.

Each is deterministic, states what a register states and leaves out what registers leave out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from openpyxl import Workbook

Row = dict[str, object]
"""A cell is text, a date, a number, or None where it is empty."""
EPOCH = date(1899, 12, 30)


def _day(year: int, number: int) -> date:
    return date(year, 1, 8) + timedelta(days=(number * 37) % 340)


# --- complaints ---------------------------------------------------------------------------------------------


def complaints() -> list[Row]:
    """260 complaints about child information sharing over three years, numbered anew each year."""
    rows: list[Row] = []
    for number in range(260):
        year, place = 2021 + number // 90, number % 90 + 1
        received = _day(year, number)
        result = ("Resolved", "Not resolved", "Open", "Resolved", "")[number % 5]
        closed = received + timedelta(days=20 + number % 60) if "esolved" in result else None
        about = ("Late", "Sharing", "Records", "not stated", "Other")[number % 5]
        rows.append(
            {
                "Year": year,
                "No.": place,
                "Received": None if number % 41 == 7 else received,
                "From": ("Parent", "Child", "Agency", "n/a")[number % 4],
                "Name": "n/a" if number % 4 == 3 else f"Person {number}",
                "Letter of": received - timedelta(days=2) if number % 3 else None,
                "Subject": f"Complaint {number}",
                "Details": f"The first line of it,\nand a second one: “{number}” – café"
                if number % 6 == 0
                else None,
                "About": about,
                "About in words": "How it was handled" if about == "Other" else None,
                "Result": result or None,
                "Closed": closed,
                "Action": ("yes", "no", "not needed")[number % 3] if closed else None,
                "Action in words": "Staff were told" if closed and number % 3 == 0 else None,
                "Breach found": "yes" if number % 29 == 3 else None,
            }
        )
    rows[10]["About"] = "Weather"
    rows[20]["Closed"] = date(2020, 2, 1)
    rows[30]["Received"] = "31/02/2021"
    rows[50]["No."] = rows[49]["No."]
    return rows


# --- compliance notices -------------------------------------------------------------------------------------


def notices() -> list[Row]:
    """90 compliance notices over eight years."""
    rows: list[Row] = []
    for number in range(90):
        decided = _day(2016 + number // 12, number)
        ends = decided + timedelta(days=60)
        extended = ends + timedelta(days=30) if number % 7 == 0 else None
        outcome = ("complied", "complied", "not complied", "open", "")[number % 5]
        contravened = ("IPP", "IPP", "Code")[number % 3]
        limb = "serious" if number % 4 else "repeated"
        occasions = [
            {"on": (decided - timedelta(days=30 * n)).isoformat(), "what": f"Occasion {n}"} for n in range(1, 6)
        ]
        rows.append(
            {
                "Notice": f"CN-{number + 1:03}",
                "Decided": decided,
                "Body": f"Invented body {number % 17}",
                "Kind of body": "body corporate" if number % 6 else "unknown",
                "Crown": "no",
                "Contravened": contravened,
                "Provisions": "IPP 4.1; IPP 4.2" if contravened == "IPP" else "cl 5.2",
                "Limb": limb,
                "Occasions": json.dumps(occasions) if limb == "repeated" else None,
                "Action": f"Secure the store,\nand show that it was done ({number})",
                "Comply by": ends,
                "Motion": "application" if number % 5 == 1 else "own",
                "Applicant had complained": "yes" if number % 5 == 1 else None,
                "Decided by": ("Commissioner", "Deputy", "Delegate")[number % 3],
                "Instrument": f"Delegation of {decided.year}" if number % 3 == 2 else None,
                "Reasons": f"Reasons {number}",
                "Served": decided + timedelta(days=3) if number % 11 else None,
                "How served": ("registered post", "email", "left at office", "-")[number % 4],
                "Receipt confirmed": "yes" if number % 4 == 1 else None,
                "Extension asked": decided + timedelta(days=40) if extended else None,
                "Extension decided": decided + timedelta(days=50) if extended else None,
                "Extended to": extended,
                "Outcome": outcome or None,
                "Outcome date": decided + timedelta(days=120) if "complied" in outcome else None,
                "Later breach": "yes" if outcome == "not complied" and number % 2 else None,
                "Notes": f"Note {number}" if "complied" in outcome else None,
            }
        )
    rows[3]["Provisions"] = "IPP 11.1"
    rows[4]["Comply by"] = rows[4]["Decided"]
    rows[5]["Kind of body"] = "a club"
    return rows


# --- retention ----------------------------------------------------------------------------------------------


def retention() -> list[Row]:
    """320 records and datasets held from others."""
    rows: list[Row] = []
    for number in range(320):
        listed = _day(2012 + number % 6, number)
        closed = listed + timedelta(days=400) if number % 5 else None
        keep, years = (("1 year", 1), ("2 years", 2), ("7 years", 7), ("until used", 0))[number % 4]
        done = None if closed is None else ("destroyed", "de-identified", "returned", "")[number % 4]
        done_on = closed + timedelta(days=366 * years + 40) if closed and done else None
        held = number % 13 == 2 and closed is not None
        rows.append(
            {
                "Item": number + 1,
                "Listed": listed,
                "Dataset": f"DS/{number % 40:03}",
                "Description": f"Extract {number}\nwith its documentation",
                "Held by": "Invented Analytics Office" if number % 3 else None,
                "Came from": f"Invented agency {number % 9}",
                "Keep for": keep,
                "Counted from": "end of the project",
                "Then": ("destroy", "de-identify", "return", "destroy")[number % 4],
                "Disposal authority": "PROS 07/01" if number % 8 else None,
                "Personal": ("Y", "N", "not known")[number % 3],
                "Closed": closed,
                "Not needed since": done_on - timedelta(days=10) if done_on and number % 3 == 0 else None,
                "Hold from": closed + timedelta(days=5) if held and closed else None,
                "Hold for": "court" if held else None,
                "Hold to": closed + timedelta(days=30) if held and closed else None,
                "Done": done or None,
                "Done on": done_on,
                "How": "shredded" if done == "destroyed" else None,
                "By whom": f"Contractor {number % 5}" if done else None,
                "Witness": None,
                "Early on whose word": None,
                "For good": "Y" if done == "de-identified" else None,
                "Copy kept": "N" if done == "returned" else None,
                "Kept too long": "Y" if done_on and number % 3 == 0 and number % 4 == 0 else None,
                "Remarks": f"Remark {number}",
            }
        )
    rows[7]["Keep for"] = "for ever"
    rows[8]["Done on"] = rows[8]["Closed"]
    rows[12]["Closed"] = "soon"
    return rows


def workbook(path: Path, sheet: str, rows: Sequence[Row], *, above: Sequence[str] = ()) -> Path:
    """The rows as a spreadsheet program keeps them: dates as dates, every third as a bare serial number."""
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for line in above:
        page.append([line])
    page.append(list(rows[0]))
    for number, row in enumerate(rows):
        cells: list[object] = []
        for value in row.values():
            if isinstance(value, date):
                serial = (value - EPOCH).days
                cells.append(serial if number % 3 == 1 else datetime(value.year, value.month, value.day))
            else:
                cells.append(value)
        page.append(cells)
    book.save(path)
    return path


def text(value: object) -> str:
    """A cell as it is written by hand."""
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return "" if value is None else str(value)


def separated(path: Path, rows: Sequence[Row]) -> Path:
    """The rows as a spreadsheet program on Windows saves them here: Windows-1252, semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(rows[0])
    writer.writerows([text(value) for value in row.values()] for row in rows)
    path.write_bytes(out.getvalue().encode("windows-1252"))
    return path


def flat(path: Path, rows: Sequence[Row]) -> Path:
    """The rows as a database gives them: a list of JSON objects, null where nothing stands."""
    shown = [{k: v if v is None or isinstance(v, int) else text(v) for k, v in row.items()} for row in rows]
    path.write_text(json.dumps(shown, ensure_ascii=False), "utf-8")
    return path
