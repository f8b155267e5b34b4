from __future__ import annotations

from datetime import date

from ledger.domain.request.events import (
    DisclosureMade,
    LegalBasis,
    RefusalCopySent,
    RefusalGround,
    RequestForm,
    RequestReceived,
    RequestRefused,
    RequestScheme,
)
from projections.connection import connect
from projections.runner import Runner
from tests.projections.book import Book, make


def formal(day: date, **fields: object):
    return make(
        RequestReceived, day, scheme=RequestScheme.VPS, form=RequestForm.FORMAL, requester="dpc",
        provider="dffh", information_sought="counts", made_on=day, **fields,
    )  # fmt: skip


def rows(conninfo: str, register: str) -> list[dict[str, object]]:
    with connect(conninfo) as connection:
        cursor = connection.execute(f"SELECT * FROM registers.{register} ORDER BY ledger, index")
        names = [c.name for c in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def test_a_request_its_refusal_and_its_clocks(book: Book, conninfo: str) -> None:
    case = book.case(formal(date(2025, 6, 11)))
    with Runner(conninfo) as runner:
        assert runner.catch_up() == 2, rows(conninfo, "parked")
        (request,) = rows(conninfo, "requests")
        assert (request["due_on"], request["outcome"], request["parts_open"]) == (date(2025, 6, 25), None, 1)
        assert request["information_sought"] == "1:information_sought"
        refusal = make(
            RequestRefused, date(2025, 6, 20), parts=("whole",), grounds=(RefusalGround.CONTRAVENES_LAW,),
            reasons="secrecy", in_writing=True,
        )  # fmt: skip
        index = book.put(case, refusal)
        runner.catch_up()
        (request,) = rows(conninfo, "requests")
        assert (request["outcome"], request["response_days"], request["late"]) == ("refused", 9, False)
        assert request["entries"] == [1, index]
        (refused,) = rows(conninfo, "refusals")
        assert (refused["grounds"], refused["copy_owed"], refused["copy_sent_on"]) == (
            ["contravenes_law"],
            True,
            None,
        )
        clocks = {row["clock"]: row for row in rows(conninfo, "clocks")}
        assert clocks["vps.response"]["states"] == ["open", "met"]
        assert clocks["vps.refusal_copy"]["states"] == ["open"]
        book.put(case, make(RefusalCopySent, date(2025, 6, 30), parts=("whole",)))
        runner.catch_up()
        assert rows(conninfo, "refusals")[0]["copy_sent_on"] == date(2025, 6, 30)


def test_a_correction_refolds_its_case(book: Book, conninfo: str) -> None:
    case = book.case(formal(date(2025, 6, 11)))
    made = make(
        DisclosureMade, date(2025, 6, 30), parts=("whole",), description="d", recipient="dpc",
        bases=(LegalBasis.NO_PERSONAL_INFORMATION,),
    )  # fmt: skip
    index = book.put(case, made)
    with Runner(conninfo) as runner:
        runner.catch_up()
        assert rows(conninfo, "requests")[0]["late"] is True
        corrected = make(
            DisclosureMade, date(2025, 6, 20), parts=("whole",), description="d", recipient="dpc",
            bases=(LegalBasis.NO_PERSONAL_INFORMATION,), corrects=(index, "typing"),
        )  # fmt: skip
        book.put(case, corrected)
        runner.catch_up()
        assert rows(conninfo, "requests")[0]["late"] is False
        (disclosed,) = rows(conninfo, "disclosures")
        assert disclosed["key"] == str(index + 1)


def test_nothing_is_parked(book: Book, conninfo: str) -> None:
    book.case(formal(date(2025, 6, 11)))
    with Runner(conninfo) as runner:
        runner.catch_up()
        assert [r["reason"] for r in rows(conninfo, "parked")] == []
